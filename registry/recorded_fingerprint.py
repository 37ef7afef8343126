"""The whole fingerprint of a table that a run recorded, held against the name that the run gives it.

Whoever holds a recorder's key can sign a run that names the fingerprint of one table and the document of another.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from audit.canonical import decode
from audit.errors import NotVerified
from registry.artifacts import ArtifactStore

if TYPE_CHECKING:
    from registry.fingerprint import Fingerprint

__all__ = ["recorded_fingerprint"]


def recorded_fingerprint(part: Mapping[str, object], artifacts: ArtifactStore) -> "Fingerprint":
    """Read the document of a part, or raise `NotVerified` where it is that of another fingerprint.

    Raise as the store does where it is gone or changed, and `MalformedInput` where it is no fingerprint.
    """
    # Here and not above: it is read only where tables differ, and by few gates.
    from registry.fingerprint import Fingerprint

    found = Fingerprint.from_json(decode(artifacts.get(str(part.get("document")))))
    if str(found) != part.get("fingerprint"):
        raise NotVerified(
            f"the run says that the fingerprint of {part.get('name')} is {part.get('fingerprint')}, and names the "
            f"document of another, {found}: do not rely on what it says of this table"
        )
    return found
