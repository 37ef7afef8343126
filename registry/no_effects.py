"""Code that is called to see what it computes, and kept from doing anything else, as far as Python sees it.

A step that is observed is called with values that nobody ever had. If it writes, sends or starts something, it would
now do so with those.

Rules:

- Python announces what its own library does (PEP 578): opening a file to write it, changing, moving and removing
  files, making and removing folders, connecting and sending, also signals, starting a program or a process, opening an
  SQLite database. Each of these raises `HasEffect` inside of `no_effects`, in the thread that is inside, in no other.
- What a library does in C by itself is not announced: pyarrow, polars and DuckDB write files unseen, and so do threads
  that the code starts. Nor does Python announce `os.mkfifo` and `os.mknod`, or that a file is written that was open.
- What files the code reads is noted (`no_effects() as read`), but for those of Python, of installed packages and of the
  system: they may hold anything. What a library reads in C is not.
- `noted_reads` keeps code from nothing, and notes what it reads.
- An announcement cannot be taken back, so that the listener is installed once, by the first who needs it, and asks a
  context variable each time.

>>> with no_effects():
...     open("out.csv", "w")
Traceback (most recent call last):
    ...
registry.no_effects.HasEffect: writes the file out.csv
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from registry.installed import is_installed

__all__ = ["HasEffect", "Reads", "no_effects", "noted_reads"]

CHANGES: Final = {
    "os.chmod": "changes a file",
    "os.chown": "changes a file",
    "os.fork": "starts a process",
    "os.forkpty": "starts a process",
    "os.kill": "sends a signal",
    "os.killpg": "sends a signal",
    "os.link": "makes a link",
    "os.mkdir": "makes a folder",
    "os.remove": "removes a file",
    "os.removexattr": "changes a file",
    "os.rename": "moves a file",
    "os.rmdir": "removes a folder",
    "os.setxattr": "changes a file",
    "os.symlink": "makes a link",
    "os.truncate": "cuts a file",
    "os.utime": "changes a file",
    "shutil.move": "moves a file",
    "shutil.rmtree": "removes a folder",
    "smtplib.connect": "connects to a server",
    "socket.connect": "connects to a server",
    "socket.sendmsg": "sends something",
    "socket.sendto": "sends something",
    "sqlite3.connect": "opens an SQLite database",
    "os.exec": "starts a program",
    "os.posix_spawn": "starts a program",
    "os.system": "starts a program",
    "subprocess.Popen": "starts a program",
}
"""What Python announces, and how a sentence says it."""

WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

SYSTEM: Final = ("/dev/random", "/dev/urandom", "/etc/", "/proc/", "/sys/", "/usr/")

_inside: ContextVar[set[str] | None] = ContextVar("no_effects", default=None)
_noting: ContextVar["Reads | None"] = ContextVar("noted_reads", default=None)
_installed: list[bool] = []


@dataclass(slots=True)
class Reads:
    """What code was seen to read, each once: files by their paths, and whether it asked a server."""

    files: dict[str, None] = field(default_factory=dict)
    wrote: set[str] = field(default_factory=set)
    connected: bool = False


class HasEffect(PermissionError):
    """Code wanted to do something to the world; the message says what. Python's imports do without, and go on."""


@contextmanager
def no_effects() -> Iterator[set[str]]:
    """Keep the code inside from what Python announces that it does to the world; yield the files that it reads."""
    _listen()
    read: set[str] = set()
    token = _inside.set(read)
    try:
        yield read
    finally:
        _inside.reset(token)


@contextmanager
def noted_reads() -> Iterator[Reads]:
    """Note what the code inside reads, as far as Python announces it, and keep it from nothing."""
    _listen()
    reads = Reads()
    token = _noting.set(reads)
    try:
        yield reads
    finally:
        _noting.reset(token)


def _listen() -> None:
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" and event not in CHANGES:
        return
    if (reads := _noting.get()) is not None:
        _note(reads, event, arguments)
    read = _inside.get()
    if read is None:
        return
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not _is_file(path):
            return
        name = os.fsdecode(path)  # type: ignore[arg-type]
        if flags & WRITES:
            raise HasEffect(f"writes the file {name}")
        if not _comes_with_python(name):
            read.add(Path(name).name)
    elif not _is_memory(event, arguments):
        raise HasEffect(CHANGES[event])


def _note(reads: Reads, event: str, arguments: tuple[object, ...]) -> None:
    """Note what an announcement says of what is read. What the code wrote itself comes from nowhere else."""
    match event, arguments:
        case "open", (path, _, int(flags)) if _is_file(path) and not flags & os.O_DIRECTORY:
            name = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
            if flags & WRITES and not flags & os.O_RDWR:
                reads.wrote.add(name)
            elif name not in reads.wrote and not _comes_with_python(name):
                reads.files[name] = None
        case "sqlite3.connect", (str() | bytes() as path, *_) if not _is_memory(event, arguments):
            reads.files[os.path.realpath(os.fsdecode(path))] = None
        case "socket.connect", (_, tuple()):  # a socket of this machine's own is named by a text
            reads.connected = True


def _comes_with_python(name: str) -> bool:
    return name.endswith((".py", ".pyc")) or name.startswith(SYSTEM) or is_installed(os.path.realpath(name))


def _is_file(path: object) -> bool:
    """Say whether a path is one of a file; a number is a file that is open already, and `/dev/null` holds nothing."""
    return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path) != os.devnull


def _is_memory(event: str, arguments: tuple[object, ...]) -> bool:
    return event == "sqlite3.connect" and arguments[:1] == (":memory:",)
