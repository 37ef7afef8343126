"""Which columns of a run's tables are keyed, and with which key.

Rules:

- Columns that the code names as `keyed` are keyed wherever a table has one of that name; without the ledger's
  fingerprint key such a run is refused before it begins.
- Columns that a policy of the ledger asks to be keyed (`registry.privacy`) are too, and without the key no run is
  recorded.
- Protected columns (`protected`, and what an evaluation declares as `sensitive`) are keyed too as soon as the ledger
  has a fingerprint key: they have few values and are about people. Without a key they are as bare as any other, unless
  a policy asks for more.
- A column made from one of them by its name (`race_black`) is one of them.

>>> Keying().columns_of(["race", "income"])
[]
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from audit.errors import NotFound
from audit.keystore import Passphrase
from registry.fingerprint import Fingerprint, fingerprint_of, opened
from registry.fingerprint_key import FingerprintKey, key_file_of, read_key
from registry.privacy import NO_DEMANDS, Privacy
from registry.protected_names import is_protected

__all__ = ["UNKEYED", "Keying", "key_at_hand"]


@dataclass(frozen=True, slots=True)
class Keying:
    """The columns to key, if there is a key."""

    keyed: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    key: FingerprintKey | None = None
    privacy: Privacy = NO_DEMANDS

    def checked(self) -> "Keying":
        """Return itself; refuse columns that are to be keyed where there is no key."""
        if self.keyed and self.key is None:
            raise NotFound(
                f"the column {self.keyed[0]!r} is to be keyed, and the ledger has no fingerprint key: make one with "
                "`affidavit key fingerprint --new`"
            )
        return self

    def also(self, keyed: Iterable[str]) -> "Keying":
        """Key more columns; refused as in `checked`."""
        return replace(self, keyed=(*self.keyed, *keyed)).checked()

    def protecting(self, protected: Iterable[str]) -> "Keying":
        """Protect more columns from here on."""
        return replace(self, protected=(*self.protected, *protected))

    def columns_of(self, names: Iterable[str]) -> list[str]:
        """Return which of these columns are keyed."""
        if self.key is None:
            return []
        columns = (*self.keyed, *self.privacy.keyed, *self.protected)
        return [name for name in names if is_protected(name, columns)]

    def fingerprint(self, table: object) -> Fingerprint:
        """Fingerprint a table; raises as `registry.fingerprint.fingerprint` does."""
        source = opened(table)
        return fingerprint_of(source, keyed=self.columns_of(source.names), key=self.key)


UNKEYED = Keying()
"""Nothing is keyed."""


def key_at_hand(keys: Path, passphrase: Passphrase = lambda _: b"") -> FingerprintKey | None:
    """Read a ledger's fingerprint key from the folder of its keys; None where there is none."""
    try:
        return read_key(key_file_of(keys), passphrase)
    except NotFound:
        return None
