"""Which columns of a run's tables are keyed, and with which key.

Rules:

- Columns that the code names as `keyed` are keyed wherever a table has one of that name; without the ledger's
  fingerprint key such a run is refused before it begins.
- Protected columns (`protected`, and what an evaluation declares as `sensitive`) are keyed too as soon as the ledger
  has a fingerprint key: they have few values and are about people. Without a key they are as bare as any other.
- A column made from one of them by its name (`race_black`) is one of them.

>>> Keying().columns_of(["race", "income"])
[]
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from audit.errors import NotFound
from registry.fingerprint import Fingerprint, fingerprint_of, opened
from registry.fingerprint_key import FingerprintKey, key_file_of, read_key

__all__ = ["UNKEYED", "Keying", "key_at_hand"]


@dataclass(frozen=True, slots=True)
class Keying:
    """The columns to key, if there is a key."""

    keyed: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    key: FingerprintKey | None = None

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
        return Keying((*self.keyed, *keyed), self.protected, self.key).checked()

    def columns_of(self, names: Iterable[str]) -> list[str]:
        """Return which of these columns are keyed."""
        if self.key is None:
            return []
        return [name for name in names if _is_among(name, (*self.keyed, *self.protected))]

    def fingerprint(self, table: object) -> Fingerprint:
        """Fingerprint a table; raises as `registry.fingerprint.fingerprint` does."""
        source = opened(table)
        return fingerprint_of(source, keyed=self.columns_of(source.names), key=self.key)


UNKEYED = Keying()
"""Nothing is keyed."""


def key_at_hand(keys: Path) -> FingerprintKey | None:
    """Read a ledger's fingerprint key from the folder of its keys; None where there is none."""
    try:
        return read_key(key_file_of(keys))
    except NotFound:
        return None


def _is_among(name: str, columns: Collection[str]) -> bool:
    # Here and not above: profiles are for those who record.
    from registry.profile import is_protected

    return is_protected(name, columns)
