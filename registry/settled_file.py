"""Whether a file that the code reads is of the code: no run made it of any data.

Rules:

- In a git repository it is where the working tree has it as the last commit does, whatever git was told to take as
  unchanged. One that is untracked, ignored or changed is not: an earlier run may have written it.
- Elsewhere it is where it was written before this process began; where the system does not tell when that was, it is
  not.

>>> unsettled(Path("/etc/hostname"), began=0)
'hostname was written after this program had started, and is in no git repository'
"""

import os
from pathlib import Path

from registry.git import git

__all__ = ["process_began", "unsettled"]

PROCESS = Path("/proc/self/stat")
SYSTEM = Path("/proc/stat")
CLOCK = 1_000_000_000
"""Nanoseconds by which the system's own start is rounded."""


def unsettled(path: Path, *, began: int | None) -> str | None:
    """Say why a file may be made of any data; None where it is of the code.

    `began` is when the process began, in nanoseconds (`process_began`).
    """
    whole = path.resolve()
    try:
        about, held = whole.stat(), whole.read_bytes()
    except OSError:
        return f"{path.name} cannot be read any more"
    if (committed := _committed(whole)) is not None:
        return None if committed == [held] else f"{path.name} is not as the last commit has it"
    if began is not None and max(about.st_mtime_ns, about.st_ctime_ns) < began:
        return None
    return f"{path.name} was written after this program had started, and is in no git repository"


def process_began() -> int | None:
    """Return when this process began, as files are stamped, rounded down; None where the system does not tell."""
    try:
        # The name of the program may hold spaces and brackets; the times come after it.
        ticks = int(PROCESS.read_text().rpartition(")")[2].split()[19])
        booted = next(line for line in SYSTEM.read_text().splitlines() if line.startswith("btime "))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return int(booted.split()[1]) * CLOCK + ticks * CLOCK // os.sysconf("SC_CLK_TCK") - CLOCK


def _committed(path: Path) -> list[bytes] | None:
    """Return a file as the last commit has it, an empty list where that does not; None outside of git."""
    try:
        inside = git(path.parent, "rev-parse", "--is-inside-work-tree")
        if inside.stdout.strip() != b"true":
            return None
        found = git(path.parent, "cat-file", "--filters", f"HEAD:./{path.name}")
    except OSError:
        return None
    return [found.stdout] if found.returncode == 0 else []
