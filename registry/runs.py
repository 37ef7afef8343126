"""Pieces of columns on their way into runs of 65,536 rows, and the runs into leaves, on several threads.

Rules:

- Runs are counted from row 0, whatever the pieces; a piece that is a whole run is never copied.
- Whole runs are hashed on threads (hashlib lets the others run) while the next ones are read; a table of less than
  one run starts none. A few runs at most wait to be hashed, so memory does not grow with the table.

>>> column = Column("a")
>>> column.feed(pa.array([1, 2]))
>>> column.kind, column.rows, len(column.finish())
('int', 2, 1)
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, TypeVar

import pyarrow as pa

from audit.errors import MalformedInput
from registry.columns import joined, leaf, logical_type
from registry.diff import RUN

__all__ = ["Column", "Workers"]

MOST_THREADS = 4
"""More would wait for whoever decodes the table."""

T = TypeVar("T")


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
    """Gather the pieces of one column, in row order and of any length; with `key` every leaf is an HMAC."""

    def __init__(self, name: str, *, key: bytes | None = None, workers: Workers | None = None) -> None:
        self.name = name
        self.kind = ""
        self.rows = 0
        self._key, self._workers = key, workers
        self._leaves: list[Future[str] | str] = []
        self._pieces: list[pa.Array] = []
        self._held = 0

    def feed(self, array: pa.Array) -> None:
        """Take the next rows; raise `MalformedInput` where they have no canonical form."""
        kind = self._guarded(lambda: logical_type(array.type))
        if self.kind not in ("", kind):
            raise MalformedInput(
                f"column {self.name!r} changes from {self.kind} to {kind} at row {self.rows}"
            )
        self.kind = kind
        start = 0
        while start < len(array):
            piece = array.slice(start, RUN - self._held)
            self._pieces.append(piece)
            self._held += len(piece)
            start += len(piece)
            if self._held == RUN:
                pieces = self._taken()
                hashed = self._workers.submit(self._leaf, pieces) if self._workers else self._leaf(pieces)
                self._leaves.append(hashed)
        self.rows += len(array)

    def finish(self) -> tuple[str, ...]:
        """Close the last run and return the leaves (hex)."""
        if self._held:
            self._leaves.append(self._leaf(self._taken()))
        return tuple(each.result() if isinstance(each, Future) else each for each in self._leaves)

    def _taken(self) -> list[pa.Array]:
        pieces, self._pieces, self._held = self._pieces, [], 0
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
