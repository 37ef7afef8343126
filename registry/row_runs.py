"""The rows of a table on their way into runs of 65,536, and the runs into leaves, on several threads.

Rules:

- Runs are counted from row 0, whatever the pieces; a piece that is a whole run is never copied.
- A source that begins anew (`registry.arrow`) is fed to new columns.
- The last run of a column whose rows are known beforehand is hashed as soon as it is whole: where columns come one
  after another, those that came hold nothing.
- Whole runs are hashed on threads (hashlib lets the others run) while the next ones are read; a table of less than
  one run starts none. A few runs at most wait to be hashed, so memory does not grow with the table.

>>> column = Column("a")
>>> column.feed(pa.array([1, 2]))
>>> column.kind, column.rows, len(column.finish())
('int', 2, 1)
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TypeVar

import pyarrow as pa

from audit.errors import MalformedInput
from registry.arrow import Source
from registry.columns import leaf, logical_type
from registry.diff import RUN
from registry.layouts import joined

__all__ = ["Column", "Workers", "cut", "feed"]

MOST_THREADS = 4
"""More would wait for whoever decodes the table."""

T = TypeVar("T")


class Fed(Protocol):
    """A column that takes its rows piece by piece."""

    rows: int

    def feed(self, array: pa.Array, /) -> None:
        """Take the next rows."""


F = TypeVar("F", bound=Fed)
Rows = TypeVar("Rows", pa.Array, pa.RecordBatch)


def cut(rows: Rows, first: int) -> Iterator[tuple[int, Rows]]:
    """Cut rows, the first of which is row `first` of its table, where a run ends; yield each piece after its run."""
    start = 0
    while start < len(rows):
        run, into = divmod(first + start, RUN)
        piece = rows.slice(start, RUN - into)
        yield run, piece
        start += len(piece)


def feed(
    source: Source, begin: Callable[[], Sequence[F]], progress: Callable[[int, int | None], None] | None
) -> Sequence[F]:
    """Read an opened table to its end into the columns that `begin` makes, its first ones; return these.

    `progress` is called with the rows done and, where known, all rows. Raise `MalformedInput` where more come than the
    source says.
    """
    columns, cells = begin(), 0
    for piece in source.pieces:
        if piece is None:
            columns, cells = begin(), 0
            continue
        index, array = piece
        if index < len(columns):
            if source.rows is not None and columns[index].rows + len(array) > source.rows:
                raise MalformedInput(
                    f"the table has more rows than the {source.rows} that it says: write it anew"
                )
            columns[index].feed(array)
            cells += len(array)
            if progress is not None and len(array) > 0:
                progress(cells // len(columns), source.rows)
    return columns


class Workers(AbstractContextManager["Workers"]):
    """Threads that take a bounded number of jobs; the first failure is raised at the next job."""

    def __init__(self, threads: int | None = None) -> None:
        self._count = threads or min(MOST_THREADS, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(self._count)
        self._running: deque[Future[object]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def submit(self, work: Callable[..., T], *args: object) -> "Future[T]":
        """Start a job, once there are few enough others."""
        while len(self._running) >= 2 * self._count:
            self._running.popleft().result()
        job = self._threads.submit(work, *args)
        self._running.append(job)  # type: ignore[arg-type]
        return job


class Column:
    """Gather the pieces of one column, in row order and of any length.

    `rows` is how many there will be, where that is known. `key_of` tells the key of a column by its name and logical
    type: with one every leaf is an HMAC.
    """

    def __init__(
        self,
        name: str,
        rows: int | None = None,
        *,
        key_of: Callable[[str, str], bytes | None] = lambda name, kind: None,
        workers: Workers | None = None,
    ) -> None:
        self.name = name
        self.kind = ""
        self.rows = 0
        self._expected = rows
        self._key: bytes | None = None
        self._key_of, self._workers = key_of, workers
        self._leaves: list[Future[str] | str] = []
        self._pieces: list[pa.Array] = []

    @property
    def is_keyed(self) -> bool:
        """Whether there is a key for it."""
        return self._key is not None

    def feed(self, array: pa.Array) -> None:
        """Take the next rows; raise `MalformedInput` where they have no canonical form."""
        kind = self._guarded(lambda: logical_type(array.type))
        if self.kind not in ("", kind):
            raise MalformedInput(
                f"column {self.name!r} changes from {self.kind} to {kind} at row {self.rows}"
            )
        if not self.kind:
            self.kind, self._key = kind, self._key_of(self.name, kind)
        for _, piece in cut(array, self.rows):
            self._pieces.append(piece)
            self.rows += len(piece)
            if self.rows % RUN == 0 or self.rows == self._expected:
                pieces = self._taken()
                hashed = self._workers.submit(self._leaf, pieces) if self._workers else self._leaf(pieces)
                self._leaves.append(hashed)

    def finish(self) -> tuple[str, ...]:
        """Close the last run and return the leaves (hex)."""
        if self._pieces:
            self._leaves.append(self._leaf(self._taken()))
        return tuple(each.result() if isinstance(each, Future) else each for each in self._leaves)

    def _taken(self) -> list[pa.Array]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _leaf(self, pieces: list[pa.Array]) -> str:
        return self._guarded(lambda: leaf(self.kind, joined(pieces), self._key).hex())

    def _guarded(self, work: Callable[[], str]) -> str:
        try:
            return work()
        except MalformedInput as error:
            raise MalformedInput(f"column {self.name!r} {error}") from None
        except pa.ArrowException as error:
            # The reason may quote a value of the table, and this sentence may be recorded: it stays with the cause.
            raise MalformedInput(
                f"column {self.name!r} cannot be read as one type: convert it to numbers or text"
            ) from error
