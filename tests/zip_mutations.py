"""Zip files that tools might read differently, and the exit status that every verifier has to answer with.

1 where a bundle can be read from the file and must be refused, 2 where none can be read from it.
"""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evidence import zipped

__all__ = ["ODD_ZIPS"]


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("checkpoint", b"x")


def before(path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())


def after(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def commented(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as file:
        file.comment = b"x"


def between(path: Path) -> None:
    data = bytearray(path.read_bytes())
    start = int.from_bytes(data[-6:-2], "little")
    data[start:start] = b"hidden"
    data[-6:-2] = (start + 6).to_bytes(4, "little")
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def described(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 8
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def bzipped(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as file:
        for name, data in members.items():
            file.writestr(name, data)


def bomb(path: Path) -> None:
    """Let a member declare fewer bytes than come out of it."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    members["checkpoint"] = bytes(50_000_000)
    zipped(path, members)
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = 0
        while (at := data.find(mark, at)) >= 0:
            if data[at + place : at + place + 4] == struct.pack("<I", 50_000_000):
                data[at + place : at + place + 4] = struct.pack("<I", 100)
            at += 4
    path.write_bytes(data)


def large(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    zipped(
        path,
        {
            **members,
            "entries/0.json": bytes(3_000_000),
            "checkpoint": members["checkpoint"] + bytes(2_000_000),
        },
    )


def disguised(path: Path) -> None:
    """Let the header before a member name another size than the table does."""
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x03\x04") + 22] ^= 1
    path.write_bytes(data)


def renamed(path: Path) -> None:
    """Give a member a field by which some tools name it otherwise."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<HHBI", 0x7075, 5, 1, 0) if name == "checkpoint" else b""
            file.writestr(info, data)


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def _named(path: Path, name: str) -> None:
    """Put a member more into it, under a name that a tool might write to somewhere else."""
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, b"x")


def absolute(path: Path) -> None:
    _named(path, "/etc/checkpoint")


def climbing(path: Path) -> None:
    _named(path, "../checkpoint")


def backslashed(path: Path) -> None:
    _named(path, "entries\\0.json")


def foreign(path: Path) -> None:
    _named(path, "checkp\u00f6int")


def _respelled(path: Path, old: bytes, new: bytes, flags: int = 0) -> None:
    """Spell a member's name otherwise, before the member and in the table."""
    data = path.read_bytes()
    assert len(old) == len(new)
    parts = bytearray(data.replace(old, new))
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := parts.find(mark, at + 1)) >= 0:
            name = at + (46 if place == 8 else 30)
            if parts[name : name + len(new)] == new:
                parts[at + place + 1] |= flags >> 8
    path.write_bytes(parts)


def undecodable(path: Path) -> None:
    """Say of a name that it is UTF-8, which it is not."""
    _named(path, "checkpoint-more")
    _respelled(path, b"checkpoint-more", b"checkpoint-\xff\xff\xff\xff", 0x800)


def undeclared(path: Path) -> None:
    """Give a member a name in some encoding that is not said."""
    _named(path, "checkpoint-more")
    _respelled(path, b"checkpoint-more", b"checkpoint-\xff\xff\xff\xff")


def terminated(path: Path) -> None:
    """Let a name go on after a zero byte, at which some tools end it."""
    _named(path, "vkey.txt-more")
    _respelled(path, b"vkey.txt-more", b"vkey.tx2\0more")


def shortened(path: Path) -> None:
    """Let the name of a member that is needed go on after a zero byte."""
    members = _members(path)
    members["checkpoint-x"] = members.pop("checkpoint")
    zipped(path, members)
    _respelled(path, b"checkpoint-x", b"checkpoint\0x")


class _Pipe(io.BytesIO):
    """Takes bytes and cannot go back, so that lengths and check sums come after each member."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError


def streamed(path: Path) -> None:
    members, pipe = _members(path), _Pipe()
    with zipfile.ZipFile(pipe, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    path.write_bytes(pipe.getvalue())


def sized_for_zip64(path: Path) -> None:
    """Let every member have its lengths in a field of ZIP64."""
    members = _members(path)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            with file.open(zipfile.ZipInfo(name), "w", force_zip64=True) as out:
                out.write(data)


def ended_by_zip64(path: Path) -> None:
    """Let an end record of ZIP64 stand before the plain one, which not every tool looks at."""
    data = path.read_bytes()
    count, size, start = struct.unpack("<HLL", data[-12:-2])
    place = len(data) - 22
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1)
    path.write_bytes(data[:place] + record + locator + data[place:])


ODD_ZIPS: dict[Callable[[Path], None], int] = {
    twice: 1, before: 2, after: 2, commented: 2, between: 1, encrypted: 1, described: 1, cut: 2, bzipped: 1, bomb: 1,
    large: 1, disguised: 1, renamed: 1, absolute: 1, climbing: 1, backslashed: 1, foreign: 1, undecodable: 2,
    undeclared: 1, terminated: 1, shortened: 1, streamed: 1, sized_for_zip64: 1, ended_by_zip64: 2,
}  # fmt: skip
