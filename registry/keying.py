"""Which columns of a run's tables are keyed, and with which key.

Rules:

- Columns that the code names as `keyed` are keyed wherever a table has one of that name; without the ledger's
  fingerprint key such a run is refused before it begins.
- Columns that a policy of the ledger asks to be keyed (`registry.privacy`) are too, and without the key no run is
  recorded.
- Protected columns (`protected`, and what an evaluation declares as `sensitive`) are keyed too as soon as the ledger
  has a fingerprint key: they have few values and are about people. Without a key they are as bare as any other, unless
  a policy asks for more.
- A column made from one of them by its name (`race_black`) is one of them, and so is one that holds a field of such a
  name in its structs.
- In a run that keys columns a column without a name (an array's) is keyed as well: which it was cannot be told any
  more. Values and source files are keyed with them (`registry.keyed_digests`).
- A column that is protected only after its table was fingerprinted is not keyed in that, and the run says so.
- A name that is keyed or protected and that no column of the run has protects nothing: it may be misspelt. The run says
  so among what it says of privacy, and so does who records it.

>>> Keying().columns_of(["race", "income"])
[]
"""

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from audit.canonical import Json
from audit.errors import MalformedInput, NotFound
from audit.keystore import Passphrase
from registry.fingerprint import Fingerprint, field_names, fingerprint_of, is_table, opened
from registry.fingerprint_key import FingerprintKey, key_file_of, read_key
from registry.privacy import NO_DEMANDS, Privacy
from registry.protected_names import is_nameless, is_protected, names_of
from registry.sentences import did_you_mean

__all__ = [
    "UNKEYED",
    "Keying",
    "columns_to_key",
    "key_at_hand",
    "protects_nothing",
    "warn_of_protecting_nothing",
]


MOST_LATE = 20
"""Columns that a statement names as protected too late."""


@dataclass(frozen=True, slots=True)
class Keying:
    """The columns to key, if there is a key."""

    keyed: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    key: FingerprintKey | None = None
    privacy: Privacy = NO_DEMANDS
    seen: set[str] = field(default_factory=set, compare=False)
    """The names of the columns that were fingerprinted so far."""
    bare: set[tuple[str, str]] = field(default_factory=set, compare=False)
    """The parts whose columns were fingerprinted without the key so far, each with the column's name."""
    named_alone: bool = False
    """Key columns by their names and nothing else: for a rerun of what was recorded so."""
    has_failed: bool = False
    """The run failed, perhaps before it came to say what is protected."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns that are to be keyed."""
        return (*self.keyed, *self.privacy.keyed, *self.protected)

    @property
    def is_at_work(self) -> bool:
        """Whether any column is to be keyed and there is the key, so that what has no name is keyed with them."""
        asks = bool(self.names) or self.privacy.asks_for_key or self.has_failed
        return self.key is not None and not self.named_alone and asks

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

    def check_given(self, keyed: Iterable[str], table: object) -> None:
        """Refuse columns that are to be keyed and that this one table does not have."""
        keyed = tuple(keyed)
        if not keyed or not is_table(table):
            return
        names = opened(table).names
        lacking = [name for name in keyed if not _has(names, name)]
        fields = _fields_of(table) if lacking else {}
        for name in lacking:
            if not _has((field for held in fields.values() for field in held), name):
                raise MalformedInput(
                    f"the column {name!r} is to be keyed, and the table has none of that name"
                    f"{did_you_mean(name, names)}"
                )

    def unmatched(self) -> list[Json]:
        """Return the names that are keyed or protected and that no fingerprinted column has, with those like them."""
        named = dict.fromkeys((*self.keyed, *self.protected))
        return [
            {"column": name, "like": list[Json](get_close_matches(name, sorted(self.seen), 3))}
            for name in named
            if not _has(self.seen, name)
        ]

    def too_late(self) -> list[Json]:
        """Return the columns that are to be keyed and were fingerprinted before that was said, with their parts."""
        late = [(part, name) for part, name in sorted(self.bare) if self.columns_of([name])]
        return [{"column": name, "part": part} for part, name in late[:MOST_LATE]]

    def protecting(self, protected: Iterable[str]) -> "Keying":
        """Protect more columns from here on."""
        return replace(self, protected=(*self.protected, *protected))

    def after_failure(self) -> "Keying":
        """Key as in a run that may not have come to say what is protected."""
        return replace(self, has_failed=True)

    def columns_of(self, names: Iterable[str]) -> list[str]:
        """Return which of these columns are keyed."""
        if self.key is None:
            return []
        columns = self.names
        return [name for name in names if is_protected(name, columns)]

    def fingerprint(self, table: object, part: str = "") -> Fingerprint:
        """Fingerprint a table, which is the `part` of that name; raises as `registry.fingerprint.fingerprint` does."""
        source = opened(table)
        alone = len(source.names) == 1 and not self.named_alone
        called = {name: names_of(name, part, alone=alone) for name in source.names}
        self.seen.update(*called.values())
        found = fingerprint_of(
            source,
            keyed=[
                name
                for name in source.names
                if (self.is_at_work and is_nameless(name)) or self.columns_of(called[name])
            ],
            key=self.key,
            keyed_types=lambda kind: bool(self.columns_of(field_names(kind))),
        )
        self.seen.update(name for column in found.columns for name in column.names)
        if part and self.key is not None:
            bare = [column for column in found.columns if column.key is None]
            self.bare.update(
                (part, name) for column in bare for name in (*called[column.name], *column.names)
            )
        return found


def _has(columns: Iterable[str], name: str) -> bool:
    return any(is_protected(column, [name]) for column in columns)


def columns_to_key(table: Path, named: Collection[str]) -> tuple[str, ...]:
    """Return the columns of a file that are named, or that have a field so named in their structs.

    Raises as `registry.fingerprint.opened` does, and `MalformedInput` for a name that nothing in the file has.
    """
    names = opened(table).names
    lacking = [name for name in named if name not in names]
    fields = _fields_of(table) if lacking else {}
    for name in lacking:
        if not any(name in held for held in fields.values()):
            raise MalformedInput(
                f"there is no column {name!r} to key: the columns are {', '.join(names[:20])}"
            )
    return tuple(
        name for name in names if name in named or any(each in fields.get(name, ()) for each in lacking)
    )


def _fields_of(table: object) -> dict[str, tuple[str, ...]]:
    """Name the fields of the structs in each column of a table; of a file, the beginning of each is read."""
    # It loads pyarrow, which a run without such a table does not need.
    from registry.columns import logical_type

    source = opened(table)
    found: dict[str, tuple[str, ...]] = {}
    for piece in source.pieces:
        if piece is not None:
            name = source.names[piece[0]]
            found.setdefault(name, ())
            # A type without a canonical form is refused, by name, when it is fingerprinted.
            with suppress(MalformedInput):
                found[name] = field_names(logical_type(piece[1].type))
        if len(found) == len(source.names):
            break
    return found


def protects_nothing(run: Mapping[str, Json]) -> Iterator[str]:
    """Say what a run that succeeded keys or protects to no effect: what no table has, and what was said too late."""
    said = run["privacy"] if run["status"] == "succeeded" else None
    for each in cast(list[dict[str, Any]], said.get("unmatched", ())) if isinstance(said, dict) else ():
        like = f": did you mean {' or '.join(each['like'])}?" if each["like"] else ""
        yield f"no table of the run has a column {each['column']!r}, so that protecting it did nothing{like}"
    for each in cast(list[dict[str, Any]], said.get("late", ())) if isinstance(said, dict) else ():
        yield (
            f"the column {each['column']!r} of {each['part']} was fingerprinted before it was said to be protected, "
            "and without the key: name it in protected=[...]"
        )


def warn_of_protecting_nothing(run: Mapping[str, Json]) -> None:
    """Warn of that in Python's way."""
    for sentence in protects_nothing(run):
        warnings.warn(sentence, stacklevel=3)


UNKEYED = Keying()
"""Nothing is keyed."""


def key_at_hand(keys: Path, passphrase: Passphrase = lambda _: b"") -> FingerprintKey | None:
    """Read a ledger's fingerprint key from the folder of its keys; None where there is none."""
    try:
        return read_key(key_file_of(keys), passphrase)
    except NotFound:
        return None
