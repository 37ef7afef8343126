"""Processes that verification hands ranges to (`audit.verify_worker`), and takes answers from in order.

Rules:

- A process is a fresh interpreter that is spoken to through pipes: nothing is forked, and nothing of the calling
  program is run again, from whatever script or thread this is called.
- A process that opened another file than the one that is verified here is not asked for anything: `NoWorkers`.
- A process that ends before it has answered (the machine ran out of memory) is `EnvironmentFailed`: what it did not
  answer is unknown. One that cannot even start is `NoWorkers`: the caller does the work itself.
- All processes are gone when the block ends, however it ends. Ctrl-C does not reach them by itself; should this
  process be killed, they end with the range at hand.
"""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from audit.errors import EnvironmentFailed

__all__ = ["NoWorkers", "Workers"]

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.readline()); "
    "from audit.verify_worker import serve; serve()"
)
_END = object()
_AHEAD = 2
"""Ranges that a process is given at a time, so that it never waits for the next."""


class NoWorkers(Exception):
    """No process can be started here."""


class Workers:
    """Some processes; use it in a ``with`` block."""

    def __init__(self, count: int, setup: dict[str, Any]) -> None:
        """Start `count` processes and tell them `setup`; its `identity` is that of the file that they must open."""
        if getattr(sys, "frozen", False) or "python" not in Path(sys.executable or "").name:
            raise NoWorkers("this program is not run by a Python interpreter of its own")
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        try:
            for _ in range(count):
                worker = _Worker(setup)
                self._workers.append(worker)
                self._selector.register(worker.output, selectors.EVENT_READ, worker)
        except OSError as error:
            self._end()
            raise NoWorkers(str(error)) from error
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def processes(self) -> list[int]:
        """List the process ids."""
        return [worker.pid for worker in self._workers]

    def answers(self, starts: range, end: int, meanwhile: Iterator[None]) -> Iterator[dict[str, Any]]:
        """Yield the answer about each range in order: those from `starts` on, the last one to `end`.

        Between them, `meanwhile` is gone on with, to its end.
        """
        handed, given, waiting, busy = 0, 0, dict[int, dict[str, Any]](), True
        while given < len(starts) or busy:
            for worker in self._workers:
                # Never far ahead of the slowest, so that few answers wait.
                while worker.is_free() and handed < min(len(starts), given + 2 * _AHEAD * len(self._workers)):
                    worker.ask(handed, (starts[handed], min(starts[handed] + starts.step, end)))
                    handed += 1
            busy = busy and next(meanwhile, _END) is not _END
            for key, _ in self._selector.select(0 if busy or given in waiting else None):
                waiting.update(key.data.answers())
            if given in waiting:
                yield waiting.pop(given)
                given += 1

    def _end(self) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.reap()
        self._selector.close()


class _Worker:
    def __init__(self, setup: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: PT018
        self.output = self._process.stdout
        self._input = self._process.stdin
        self._asked: list[int] = []
        self._ready, self._read = False, bytearray()
        self._identity = setup["identity"]
        self._say(sys.path)
        self._say(setup)

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_free(self) -> bool:
        return len(self._asked) < _AHEAD

    def ask(self, number: int, extent: tuple[int, int]) -> None:
        self._asked.append(number)
        self._say(extent)

    def answers(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read what there is to read, and yield what is complete with the number of its range."""
        data = os.read(self.output.fileno(), 1 << 20)
        if not data:
            raise self._gone()
        self._read += data
        while b"\n" in self._read:
            line, _, rest = self._read.partition(b"\n")
            self._read = rest
            answer = json.loads(line)
            if self._ready:
                yield self._asked.pop(0), answer
            elif answer["code"] != __file__:
                raise NoWorkers(f"another process finds another affidavit, in {answer['code']}")
            elif answer["identity"] != self._identity:
                raise NoWorkers("another process finds another file where the ledger is")
            self._ready = True

    def kill(self) -> None:
        self._process.kill()

    def reap(self) -> None:
        with suppress(OSError):
            self._input.close()
        self.output.close()
        self._process.wait()

    def _say(self, value: object) -> None:
        try:
            self._input.write(json.dumps(value).encode() + b"\n")
            self._input.flush()
        except BrokenPipeError:
            raise self._gone() from None

    def _gone(self) -> Exception:
        status = self._process.wait()
        if not self._ready:
            return NoWorkers(f"the process ended with status {status}")
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return EnvironmentFailed(
            f"a process that verified a part of the ledger {how} before it was done, so nothing is verified: the "
            "machine may be short of memory; try again with --jobs 1"
        )
