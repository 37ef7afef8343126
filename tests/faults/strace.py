"""Faults from outside, by strace(1): a system call of a process fails, or the process dies on entering it.

A point is the n-th call of one system call in one thread (strace counts each thread by itself). The points of a scene
are those of a run without fault; a run that does not reach its point is an error of the table, not a pass.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from tests.faults.outcome import Said
from tests.faults.scenes import SCENES

__all__ = [
    "FAULTS",
    "Actor",
    "Fault",
    "Point",
    "Row",
    "actor",
    "copied",
    "points",
    "points_in",
    "strike",
    "tracing",
    "why_not",
]

CALLS = (
    *("write", "writev", "pwrite64", "pwritev", "pwritev2", "copy_file_range", "sendfile", "fallocate"),
    *("fsync", "fdatasync", "sync_file_range", "msync", "ftruncate", "truncate", "fchmod", "chmod"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"),
)
"""Every system call by which a disk comes to hold something else, or is made to hold it for good."""

SHOWN = ("-s", "0", "-e", f"trace={','.join(CALLS)}")
"""What strace shows: these calls, and no bytes."""

ROOT = Path(__file__).parent.parent.parent
_CALL = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\((?P<arguments>.*)")
_HASH = re.compile(r"[0-9a-f]{60,}")
_FILE = re.compile(r'<(?P<descriptor>/[^>]*)>|"(?P<path>[^"]*)"')


@dataclass(frozen=True, slots=True)
class Point:
    """The n-th use of a system call, and the file that it is about."""

    call: str
    number: int
    file: str

    def __str__(self) -> str:
        """Write the point as the table shows it."""
        return f"{self.call} {self.number} {_HASH.sub(lambda found: found[0][:8] + '...', self.file)}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a point: once, or there and at every later use of the same call."""

    name: str
    injected: str
    onwards: bool = False

    def at(self, point: Point) -> str:
        """Write the fault as strace takes it."""
        return f"inject={point.call}:{self.injected}:when={point.number}{'+' if self.onwards else ''}"


FAULTS = (
    Fault("kill", "signal=KILL"),
    Fault("EIO", "error=EIO"),
    Fault("ENOSPC", "error=ENOSPC"),
    Fault("EIO from here on", "error=EIO", onwards=True),
    Fault("ENOSPC from here on", "error=ENOSPC", onwards=True),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One run: where, what, and what came of it."""

    scene: str
    point: Point
    fault: Fault
    outcome: str
    survived: bool


@dataclass(frozen=True, slots=True)
class Actor:
    """The process that forks one child for each run."""

    process: subprocess.Popen[str]

    def run(
        self, scene: str, folder: Path, injection: str | None, shown: Sequence[str] = SHOWN
    ) -> tuple[Said, bool, list[str]]:
        """Act once under strace; return what was said, whether it was killed, and the calls that strace saw."""
        child = int(self._order(json.dumps({"scene": scene, "folder": str(folder)})))
        log = folder.with_name("strace.log")
        with tracing(child, log, injection, shown=shown):
            answer = json.loads(self._order(""))
        return answer["said"], answer["killed"], log.read_text().splitlines()

    def _order(self, line: str) -> str:
        to, back = cast(IO[str], self.process.stdin), cast(IO[str], self.process.stdout)
        to.write(line + "\n")
        to.flush()
        return back.readline()


@contextmanager
def tracing(
    process: int, log: Path, injection: str | None, *, detach: bool = False, shown: Sequence[str] = SHOWN
) -> Iterator[None]:
    """Trace a process and its children, with a fault or without; wait until it has ended, or leave it there."""
    command = ["strace", "-f", "-y", "-e", "signal=KILL", *shown]
    command += ["-e", injection] if injection else []
    command += ["-o", str(log), "-p", str(process)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        stderr = cast(IO[str], tracer.stderr)
        attached = stderr.readline()
        assert "attached" in attached, attached
        yield
        if detach:
            tracer.send_signal(signal.SIGINT)
        stderr.read()


@contextmanager
def actor() -> Iterator[Actor]:
    """Start the process that acts, and end it."""
    command = [sys.executable, "-m", "tests.faults.actor"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield Actor(process)


def why_not() -> str | None:
    """Say why no fault can be injected on this machine, or None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed (apt-get install strace)"
    tried = subprocess.run(
        ["strace", "-e", "trace=none", "-o", os.devnull, sys.executable, "-c", ""],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else None


def points(acting: Actor, scene: str, template: Path) -> list[Point]:
    """Find the points of a scene by a run without fault, which must come out well."""
    with copied(template) as folder:
        said, _, lines = acting.run(scene, folder, None)
        outcome = SCENES[scene].judge(folder, said)
        assert outcome.startswith("acknowledged"), outcome
        return points_in(lines, folder)


def strike(acting: Actor, scene: str, template: Path, point: Point, fault: Fault) -> Row:
    """Let one fault strike at one point, and judge what is left."""
    with copied(template) as folder:
        said, killed, lines = acting.run(scene, folder, fault.at(point))
        struck = (
            killed if fault.injected.startswith("signal") else any("(INJECTED)" in line for line in lines)
        )
        if not struck:
            return Row(scene, point, fault, "the point was not reached", survived=False)
        try:
            return Row(scene, point, fault, SCENES[scene].judge(folder, said), survived=True)
        except Exception as error:
            return Row(scene, point, fault, f"{type(error).__name__}: {error}", survived=False)


def points_in(lines: list[str], folder: Path) -> list[Point]:
    """Number the calls that strace saw, each thread's by themselves."""
    counted: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, int], Point] = {}
    for line in lines:
        matched = _CALL.match(line)
        if matched is None:
            continue
        thread, call = matched["thread"], matched["call"]
        counted[thread, call] += 1
        file = _FILE.search(matched["arguments"])
        name = (file["descriptor"] or file["path"]) if file else ""
        with suppress(ValueError):
            name = str(Path(name).relative_to(folder))
        found.setdefault((call, counted[thread, call]), Point(call, counted[thread, call], name))
    return list(found.values())


@contextmanager
def copied(template: Path) -> Iterator[Path]:
    """Copy what a scene prepared to the place where it is struck, for as long."""
    folder = template.with_name("struck")
    shutil.copytree(template, folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
