"""Zip files that tools might read differently, and the exit status that every verifier has to answer with.

1 where a bundle can be read from the file and must be refused, 2 where none can be read from it.
"""

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


ODD_ZIPS: dict[Callable[[Path], None], int] = {
    twice: 1, before: 2, after: 2, commented: 2, between: 1, encrypted: 1, described: 1, cut: 2, bzipped: 1, bomb: 1,
    large: 1, disguised: 1, renamed: 1,
}  # fmt: skip
