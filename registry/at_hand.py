"""A table at hand: its fingerprint, and its runs read again, so that what differs can be shown.

>>> import pyarrow as pa
>>> table = AtHand.of(pa.table({"a": [1, 2], "b": [3, 4]}))
>>> [(run, arrays["b"].to_pylist()) for run, arrays in table.runs(["b"])]
[(0, [3, 4])]
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

import pyarrow as pa

from audit.errors import MalformedInput
from registry.arrow import Pieces, Source
from registry.columns import leaf
from registry.diff import RUN
from registry.fingerprint import Fingerprint, column_keys, fingerprint_of, opened
from registry.fingerprint_key import FingerprintKey
from registry.layouts import joined
from registry.row_runs import cut

__all__ = ["AtHand"]


@dataclass(frozen=True, slots=True)
class AtHand:
    """A table that can be read again."""

    source: Source
    fingerprint: Fingerprint
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The keys of the keyed columns, so that these are checked like the others when they are read again."""

    @classmethod
    def of(
        cls,
        table: object,
        *,
        keyed: Collection[str] = (),
        key: FingerprintKey | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Self:
        """Fingerprint a table; raises as `fingerprint` does, and `MalformedInput` for what can be read only once."""
        source = opened(table)
        if source.again is None:
            raise MalformedInput(
                f"a {type(table).__name__} can be read only once: give a table in memory, or a file, to see cells"
            )
        found = fingerprint_of(source, keyed=keyed, key=key, progress=progress)
        return cls(source, found, column_keys(source.names, keyed, key))

    def runs(
        self, names: Collection[str], wanted: Collection[int] | None = None
    ) -> Iterator[tuple[int, dict[str, pa.Array]]]:
        """Yield these columns run by run, in order; only the runs that are wanted.

        Raise `MalformedInput` where the table is not any more what was fingerprinted.
        """
        assert self.source.again is not None
        every = range(-(-self.fingerprint.rows // RUN))
        runs = every if wanted is None else sorted(wanted)
        numbers = {self.source.names.index(name): name for name in names}
        gathered = {index: _Gathered(frozenset(runs)) for index in numbers}
        waiting = iter(runs)
        following = next(waiting, None)
        for piece in _fed(gathered, self.source.again(list(numbers), runs)):
            while following is not None and all(piece_of.has(following) for piece_of in gathered.values()):
                yield (
                    following,
                    {
                        name: self._unchanged(index, following, gathered[index].taken(following))
                        for index, name in numbers.items()
                    },
                )
                following = next(waiting, None)
            if following is None and piece:
                return

    def _unchanged(self, index: int, run: int, pieces: list[pa.Array]) -> pa.Array:
        column = self.fingerprint.columns[index]
        array = joined(pieces) if pieces else pa.nulls(0)
        rows = min(RUN, self.fingerprint.rows - run * RUN)
        key = self.keys.get(column.name)
        if len(array) != rows or leaf(column.type, array, key).hex() != column.leaves[run]:
            raise _changed()
        return array


class _Gathered:
    """The pieces of one column, put together to the runs that are wanted."""

    def __init__(self, wanted: frozenset[int]) -> None:
        self._wanted = wanted
        self._rows = 0
        self._ended = False
        self._pieces: dict[int, list[pa.Array]] = {}

    def feed(self, array: pa.Array) -> None:
        for run, piece in cut(array, self._rows):
            if run in self._wanted:
                self._pieces.setdefault(run, []).append(piece)
        self._rows += len(array)

    def end(self) -> None:
        self._ended = True

    def has(self, run: int) -> bool:
        return self._ended or self._rows >= (run + 1) * RUN

    def taken(self, run: int) -> list[pa.Array]:
        return self._pieces.pop(run, [])


def _fed(gathered: dict[int, _Gathered], pieces: Pieces) -> Iterator[bool]:
    """Feed pieces to their columns; yield after each, and once more, False, after the last."""
    for piece in pieces:
        if piece is None:
            raise _changed()
        if piece[0] in gathered:
            gathered[piece[0]].feed(piece[1])
            yield True
    for column in gathered.values():
        column.end()
    yield False


def _changed() -> MalformedInput:
    return MalformedInput("a table changed while it was compared: compare it again once nobody writes to it")
