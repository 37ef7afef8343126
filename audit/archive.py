"""A zip file that every tool reads alike: written so that its bytes follow from its members, and read strictly.

Rules:

- Written: members stored in order of their names, dated 1980-01-01, with nothing else in the file. No compressor has
  a say, so the same members give the same bytes everywhere and for ever.
- Read: plain files, stored or deflated, not encrypted, none twice, their names in ASCII; no bytes before, between or
  after them, no comment, no data descriptor, no ZIP64; the header before each member says what the table at the end
  says. What one tool could read in one way and another in another is refused.
- Two questions, asked apart: whether there is a zip file at all, whose end and table of members can be read
  (`Archive.open`); and whether every tool reads it alike (`Archive.check`).
- Bounded before anything is unpacked: `MOST_MEMBERS`, and `MOST_BYTES` of all members together; then while reading.
- Which names a member may have is the caller's business; none is ever a path to write to here.

>>> file = io.BytesIO()
>>> write_archive(file, {"a": b"evidence"})
>>> with Archive.open(file) as archive:
...     archive.read("a", most=100)
b'evidence'

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its end).
"""

import hashlib
import io
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from audit.errors import MalformedInput

__all__ = ["MOST_BYTES", "MOST_MEMBERS", "Archive", "write_archive"]

MOST_MEMBERS = 20_000
MOST_BYTES = 1 << 30

_CHUNK = 1 << 20
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UTF8_NAMES = 0x800
# What zip tools add that changes nothing: timestamps, and the numbers of owner and group.
_HARMLESS_EXTRA = (0x5455, 0x7875)
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_ZIP64_LOCATOR = 20
_MOST_IN_TABLE = 200
"""So many bytes of the table of members may one of them take: their names are short."""


class Archive:
    """An open zip file; members are unpacked when they are asked for."""

    def __init__(self, file: zipfile.ZipFile, stream: BinaryIO, directory: int) -> None:
        """Wrap what `Archive.open` has read; `directory` is where the table of members starts."""
        self._zip, self._stream, self._directory = file, stream, directory
        self.sizes: Mapping[str, int] = {info.filename: info.file_size for info in file.infolist()}

    @classmethod
    @contextmanager
    def open(cls, stream: BinaryIO) -> Iterator["Archive"]:
        """Open a zip file for reading; `MalformedInput` where it is none, or was cut short."""
        with _as_malformed():
            directory = _check_end(stream)
            file = zipfile.ZipFile(stream)
        with file:
            yield cls(file, stream, directory)

    def check(self) -> None:
        """Check what every tool must read alike; `MalformedInput` says what is not as it has to be."""
        with _as_malformed():
            _check_members(self._zip.infolist())
            _check_places(self._stream, self._zip.infolist(), self._directory)

    def read(self, name: str, *, most: int) -> bytes:
        """Unpack a member of at most so many bytes."""
        if self.sizes[name] > most:
            raise MalformedInput(f"{name} has {self.sizes[name]} bytes, at most {most} are expected")
        return b"".join(self.chunks(name))

    def check_sums(self) -> None:
        """Unpack every member once, and keep none: those are sound, too, that nobody else reads."""
        for name in self.sizes:
            for _ in self.chunks(name):
                pass

    def digest(self, name: str) -> str:
        """Unpack a member piece by piece and return its SHA-256 in hexadecimal."""
        found = hashlib.sha256()
        for chunk in self.chunks(name):
            found.update(chunk)
        return found.hexdigest()

    def chunks(self, name: str) -> Iterator[bytes]:
        """Unpack a member piece by piece; its checksum and its length are checked at the end."""
        with _as_malformed(), self._zip.open(name) as member:
            left = self.sizes[name]
            while chunk := member.read(_CHUNK):
                left -= len(chunk)
                yield chunk
            if left:
                raise MalformedInput(f"{name} unpacks to fewer bytes than the zip file says")


def write_archive(target: BinaryIO, members: Mapping[str, bytes | Path]) -> None:
    """Write a zip file into an open file; a member is its bytes, or the file that holds them.

    Raises `MalformedInput` where the members are too many or too large.
    """
    if len(members) > MOST_MEMBERS:
        raise MalformedInput(
            f"a bundle has at most {MOST_MEMBERS:,} members, this one would have {len(members):,}"
        )
    size = sum(len(data) if isinstance(data, bytes) else data.stat().st_size for data in members.values())
    if size > MOST_BYTES:
        raise MalformedInput(
            f"a bundle holds at most {MOST_BYTES >> 20:,} MiB and these have {size >> 20:,}: leave artifacts out"
        )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=False) as file:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = _UNIX, (stat.S_IFREG | 0o644) << 16
            data = members[name]
            with (
                file.open(info, "w") as out,
                io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as source,
            ):
                shutil.copyfileobj(source, out, _CHUNK)


@contextmanager
def _as_malformed() -> Iterator[None]:
    try:
        yield
    # What the standard library raises on a zip file that somebody made to hurt.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        NotImplementedError,
        RuntimeError,
        ValueError,
        EOFError,
    ) as error:
        raise MalformedInput(f"it is damaged, or not one that every tool reads alike: {error}") from None


def _check_end(stream: BinaryIO) -> int:
    """Check the end record; return where the table of members starts."""
    length = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, length - _END.size - _ZIP64_LOCATOR))
    before, end = (tail := stream.read())[: -_END.size], tail[-_END.size :]
    if len(end) != _END.size or not end.startswith(b"PK\x05\x06"):
        raise MalformedInput("it is cut short, or something follows its end record")
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack(end)
    if disk or first_disk or here != count or comment or offset + size + _END.size != length:
        raise MalformedInput("its end record does not describe all of the file, and only it")
    if before.startswith(b"PK\x06\x07") or size > MOST_MEMBERS * _MOST_IN_TABLE:
        raise MalformedInput(f"it is of the kind ZIP64, or has far more than {MOST_MEMBERS:,} members")
    return int(offset)


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise MalformedInput(
            f"the zip file has {len(members):,} members, at most {MOST_MEMBERS:,} are unpacked"
        )
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise MalformedInput(f"the zip file holds {next(n for n in names if names.count(n) > 1)} twice")
    for member in members:
        mode = stat.S_IFMT(member.external_attr >> 16)
        if (
            not member.filename.isascii()
            or member.filename != member.orig_filename
            or mode not in (0, stat.S_IFREG)
        ):
            raise MalformedInput(
                f"the zip file's member {member.filename!r} is not a plain file with a plain name"
            )
        if (
            member.compress_type not in _METHODS
            or member.flag_bits & ~(_UTF8_NAMES | 0b110)
            or member.comment
        ):
            raise MalformedInput(
                f"{member.filename} is encrypted, or packed otherwise than stored or deflated"
            )
        _check_extra(member.filename, member.extra)
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise MalformedInput(f"the zip file unpacks to more than {MOST_BYTES >> 20:,} MiB")


def _check_places(stream: BinaryIO, members: list[zipfile.ZipInfo], directory: int) -> None:
    """Check that the members lie one after the other from the first byte to the table, as the table says they do."""
    place = 0
    for member in sorted(members, key=lambda m: m.header_offset):
        stream.seek(place)
        header = _LOCAL.unpack(stream.read(_LOCAL.size))
        mark, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
        name, extra = stream.read(name_length), stream.read(extra_length)
        said = (mark, flags, method, crc, packed, size, name)
        table = (member.flag_bits, member.compress_type, member.CRC, member.compress_size, member.file_size)
        if member.header_offset != place or said != (b"PK\x03\x04", *table, member.filename.encode("ascii")):
            raise MalformedInput(
                f"the header of {member.filename} is not where or what the zip file's table says"
            )
        _check_extra(member.filename, extra)
        place += _LOCAL.size + name_length + extra_length + member.compress_size
    if place != directory:
        raise MalformedInput("the zip file holds bytes that belong to no member")


def _check_extra(name: str, extra: bytes) -> None:
    while extra:
        kind, length = struct.unpack_from("<2H", extra)
        if kind not in _HARMLESS_EXTRA:
            raise MalformedInput(
                f"{name} carries an extra field ({kind:#06x}) that some tools read and others do not"
            )
        extra = extra[4 + length :]
