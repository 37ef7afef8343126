"""A disk that loses power: from the calls that a process made, the states in which a disk may be found afterwards.

Rules:

- What a process wrote is on the disk for certain once the file was synchronised (fsync, fdatasync), and a name once
  its folder was. Everything else may be there or not, whatever the order in which it was written; a write of several
  sectors may be there in part.
- A name never leads to something else than one of the files that had it, as every file system with a journal keeps it.
  A sector of 512 bytes is written whole, as disks and SQLite ("powersafe overwrite") have it.
- Of the many states those are made in which mistakes show: all that is certain; all of it; one file or folder without
  what is not certain of it; only that; a file without the first, or with half of the last of its writes.

Sources: Pillai et al. (2014), "All file systems are not created equal" (ALICE), OSDI; Mohan et al. (2018), "Finding
crash-consistency bugs with bounded black-box crash testing" (CrashMonkey), OSDI.
"""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

__all__ = ["SECTOR", "Disk", "State"]

SECTOR = 512

State = dict[str, bytes | None]
"""What a folder holds: the bytes of each file, and None for a folder, by the path from it."""


@dataclass(eq=False, slots=True)
class _File:
    """The bytes that are certain, and what was done since, in order; each is (place, bytes) or (length, None)."""

    certain: bytes = b""
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def after(self, done: Collection[tuple[int, bytes | None]]) -> bytes:
        """Return the bytes after some of what was done."""
        data = bytearray(self.certain)
        for place, written in done:
            if written is None:
                del data[place:]
                data.extend(bytes(place - len(data)))
            else:
                data.extend(bytes(max(0, place - len(data))))
                data[place : place + len(written)] = written
        return bytes(data)

    @property
    def all(self) -> bytes:
        """The bytes as every process sees them."""
        return self.after(self.since)

    def torn(self) -> Iterator[bytes]:
        """Yield the bytes without the first write, and with half of the last."""
        if len(self.since) > 1:
            yield self.after(self.since[1:])
        *before, (place, last) = self.since
        if last is not None and len(last) > SECTOR:
            half = len(last) // 2 // SECTOR * SECTOR or SECTOR
            yield self.after([*before, (place, last[:half])])

    def sync(self) -> None:
        self.certain, self.since = self.all, []


@dataclass(eq=False, slots=True)
class _Folder:
    """The names that are certain, and the names that every process sees."""

    certain: dict[str, "_File | _Folder"] = field(default_factory=dict)
    all: dict[str, "_File | _Folder"] = field(default_factory=dict)

    def sync(self) -> None:
        self.certain = dict(self.all)


_Node = _File | _Folder


class Disk:
    """What is on a disk below one folder, call by call."""

    def __init__(self, folder: Path) -> None:
        """Read what is there, all of it certain."""
        self._place, self._root = folder, _read(folder)

    def write(self, path: str, place: int, data: bytes) -> None:
        """Write bytes into a file."""
        self._file(path).since.append((place, data))

    def cut(self, path: str, length: int) -> None:
        """Give a file a length."""
        self._file(path).since.append((length, None))

    def length(self, path: str) -> int:
        """Say how long a file is."""
        return len(self._file(path).all)

    def exists(self, path: str) -> bool:
        """Say whether there is something of a name."""
        folder, name = self._named(path)
        return name in folder.all

    def make(self, path: str, *, folder: bool = False) -> None:
        """Make a file or a folder that is empty."""
        parent, name = self._named(path)
        parent.all[name] = _Folder() if folder else _File()

    def link(self, path: str, new: str) -> None:
        """Give a file a second name."""
        parent, name = self._named(new)
        parent.all[name] = self._node(path)

    def rename(self, path: str, new: str) -> None:
        """Give something another name in the same folder."""
        (before, name), (after, other) = self._named(path), self._named(new)
        assert before is after, f"{path} goes to another folder: what of it is certain is not known here"
        before.all[other] = before.all.pop(name)

    def unlink(self, path: str) -> None:
        """Take a name away."""
        parent, name = self._named(path)
        del parent.all[name]

    def sync(self, path: str) -> None:
        """Make certain what a file or a folder holds."""
        self._node(path).sync()

    def inside(self, path: str) -> bool:
        """Say whether a path leads below the folder, or is the folder."""
        return Path(path).is_relative_to(self._place)

    def states(self) -> Iterator[tuple[str, State]]:
        """Yield the states in which the disk may be found if the power goes now, each with a few words."""
        dirty = [
            (path, node)
            for path, node in _walk(self._root, "")
            if (node.since if isinstance(node, _File) else node.all != node.certain)
        ]
        yield "what was synchronised", self._state(lambda node: False)
        yield "everything", self._state(lambda node: True)
        for path, node in dirty:
            yield f"everything but {path}", self._state(partial(_is_not, node))
            yield f"only {path}", self._state(partial(_is, node))
            if isinstance(node, _File):
                for torn in node.torn():
                    yield f"a part of {path}", self._state(lambda _: True, (node, torn))

    def _state(self, kept: Callable[[_Node], bool], torn: tuple[_File, bytes] | None = None) -> State:
        def put(folder: _Folder, prefix: str) -> None:
            for name, node in (folder.all if kept(folder) else folder.certain).items():
                if isinstance(node, _Folder):
                    state[prefix + name] = None
                    put(node, f"{prefix}{name}/")
                elif torn is not None and node is torn[0]:
                    state[prefix + name] = torn[1]
                else:
                    state[prefix + name] = node.all if kept(node) else node.certain

        state: State = {}
        put(self._root, "")
        return state

    def _node(self, path: str) -> _Node:
        if Path(path) == self._place:
            return self._root
        folder, name = self._named(path)
        return folder.all[name]

    def _file(self, path: str) -> _File:
        node = self._node(path)
        assert isinstance(node, _File), path
        return node

    def _named(self, path: str) -> tuple[_Folder, str]:
        *parents, name = Path(path).relative_to(self._place).parts
        folder = self._root
        for parent in parents:
            below = folder.all[parent]
            assert isinstance(below, _Folder), path
            folder = below
        return folder, name


def _is(one: _Node, other: _Node) -> bool:
    return one is other


def _is_not(one: _Node, other: _Node) -> bool:
    return one is not other


def _read(folder: Path) -> _Folder:
    there: dict[str, _Node] = {
        entry.name: _read(Path(entry)) if entry.is_dir() else _File(Path(entry).read_bytes())
        for entry in os.scandir(folder)
    }
    return _Folder(dict(there), there)


def _walk(folder: _Folder, prefix: str) -> Iterator[tuple[str, _Node]]:
    yield prefix or ".", folder
    seen: set[int] = set()
    for name, node in [*folder.all.items(), *folder.certain.items()]:
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, _Folder):
            yield from _walk(node, f"{prefix}{name}/")
        else:
            yield prefix + name, node
