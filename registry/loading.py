"""Load a registered model: by the name of its version, from the file that a signed run names.

Rules:

- The run's entry is what says which file it is, so its signature is verified first, by a key that the ledger granted
  and that is in no doubt. Then the file's digest, then the types in it (`registry.model_file`), the model last.
- Which version a stage has now is the catalogue's to say, as everywhere. Only `affidavit verify` recomputes that, the
  roles that keys had, and the rest of the ledger.
- Reading needs no key, and is no entry.

>>> load_model("mortgage@production").predict(rows)                       # doctest: +SKIP
"""

from collections.abc import Iterable
from typing import Any

from audit.doubt import Doubts
from audit.errors import NotFound, NotVerified
from audit.record import Entry
from registry.model_file import read_model
from registry.models import Models
from registry.registry import open_registry

__all__ = ["load_model"]


def load_model(
    ref: str, ledger: str | None = None, *, trusted: Iterable[str] = (), allow_pickle: bool = False
) -> Any:
    """Load the model of a version: ``NAME@VERSION``, ``NAME@STAGE`` or ``NAME@latest``; `ledger` is else the nearest.

    `trusted` names types in the file that you have reviewed beyond those that affidavit knows. A pickle runs its code
    when it is read, and is read only with `allow_pickle=True`. Either raises `NotPermitted` where it is not given and
    needed. Raises `NotVerified` where the run or the file is not what was signed, or nobody knows who signed it, and
    `NotFound` where there is no such version, or it has no model.
    """
    registry = open_registry(ledger)
    try:
        found = registry.find(ref)
        run = registry.run_of(found)
        _check_signed(registry, registry.ledger.entry(found.seq))
        described = run.get("model_file")
        if not isinstance(described, dict):
            raise NotFound(
                f"{found.model}@{found.version} has no model: no step of its run returned a fitted one"
            )
        return read_model(described, registry.artifacts, trusted=trusted, allow_pickle=allow_pickle)
    finally:
        registry.ledger.close()


def _check_signed(models: Models, entry: Entry) -> None:
    """Raise `NotVerified` where the signature of a run's entry does not hold, or nobody knows who made it."""
    trust = models.ledger.trust()
    entry.envelope.verify(trust.key)
    doubt = Doubts.of(trust.grants).about(entry.envelope, entry.seq)
    if doubt is not None:
        raise NotVerified(
            f"the run in entry {entry.seq} was signed with {doubt.words}: record the run again with another key"
        )
