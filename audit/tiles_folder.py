"""A folder of static files as C2SP tlog-tiles has it, read: the signed head, the tree's tiles, the records.

::

    checkpoint                        the signed head
    vkey.txt                          the log's verifier keys, the oldest first
    handovers/<size>                  each head with which the log's key changed, signed by the old and the new one
    tile/<level>/<N>[.p/<width>]      the hashes of the tree, 256 to a tile
    tile/entries/<N>[.p/<width>]      the records, each after its length in two bytes, the higher first

Rules:

- N is written in groups of three digits, all but the last behind an x: 1234067 is ``x001/x234/067``.
- A partial tile is read from its own file, or from the full one that came after it.
- Any other file is no part of the tree; which there are can be asked (`TilesFolder.others`).
- Nothing is taken for true here; `audit.tiles_check` recomputes all of it.

>>> tile_name(0, 1234067, 256), tile_name("entries", 0, 11)
('tile/0/x001/x234/067', 'tile/entries/000.p/11')

Source: C2SP tlog-tiles.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from audit.bundle import MOST_TEXT, parse_vkeys
from audit.canonical import storable
from audit.errors import NotVerified
from audit.merkle import HASH_SIZE
from audit.note import VerifierKey
from audit.record import MOST_BYTES
from audit.tiles import TILE_WIDTH

__all__ = ["TilesFolder", "handover_name", "tile_name", "written_entry"]

_LENGTH = 2
_TILE = re.compile(r"tile/(?:entries|[0-9]{1,2})/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?")


class TilesFolder:
    """Reads a tiles tree file by file; `NotVerified` where one is missing, too short or too long."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet."""
        self.folder = folder

    @property
    def checkpoint(self) -> bytes:
        """The signed head."""
        return self._read("checkpoint", MOST_TEXT)

    @property
    def vkeys(self) -> tuple[VerifierKey, ...]:
        """The log's verifier keys, the oldest first, as the folder gives them."""
        return parse_vkeys(self._read("vkey.txt", MOST_TEXT))

    def handover(self, size: int) -> bytes | None:
        """Read the head of a size with which the log's key changed; None where it is not there."""
        name = handover_name(size)
        return self._read(name, MOST_TEXT) if (self.folder / name).is_file() else None

    def others(self, handovers: Collection[int]) -> list[str]:
        """List the files that are no part of the tree, in order of their names; tiles of any size are."""
        part = {"checkpoint", "vkey.txt", *map(handover_name, handovers)}
        names = (p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if not p.is_dir())
        others = sorted(name for name in names if name not in part and _TILE.fullmatch(name) is None)
        # A name may be any bytes; one that is no UTF-8 has to be written all the same.
        return [storable(name) for name in others]

    def tile(self, level: int, number: int, width: int) -> bytes:
        """Read the first `width` hashes of a tile."""
        name, there = self._place(level, number, width)
        data = self._read(name, TILE_WIDTH * HASH_SIZE)
        if len(data) != there * HASH_SIZE:
            raise NotVerified(f"{name} does not have {there} hashes")
        return data[: width * HASH_SIZE]

    def records(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the number and the bytes of each of the first `size` records."""
        for first in range(0, size, TILE_WIDTH):
            width = min(TILE_WIDTH, size - first)
            name, there = self._place("entries", first // TILE_WIDTH, width)
            data = self._read(name, TILE_WIDTH * (_LENGTH + MOST_BYTES))
            yield from enumerate(_split(data, there, name)[:width], first)

    def _place(self, level: int | str, number: int, width: int) -> tuple[str, int]:
        """Say in which file a tile is, and how many there are in it."""
        name = tile_name(level, number, width)
        if width == TILE_WIDTH or (self.folder / name).is_file():
            return name, width
        full = tile_name(level, number, TILE_WIDTH)
        return (full, TILE_WIDTH) if (self.folder / full).is_file() else (name, width)

    def _read(self, name: str, most: int) -> bytes:
        path = self.folder / name
        if not path.is_file():  # a pipe of that name would be waited for
            raise NotVerified(f"{name} is missing from the tiles tree")
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise NotVerified(f"{name} has more than {most} bytes")
        return data


def tile_name(level: int | str, number: int, width: int) -> str:
    """Write the path of a tile from the tree's folder; `level` is a number, or ``entries``."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def handover_name(size: int) -> str:
    """Write the path of the head of a size that two keys of the log signed."""
    return f"handovers/{size}"


def written_entry(record: bytes) -> bytes:
    """Write a record as a tile of entries holds it."""
    return len(record).to_bytes(_LENGTH, "big") + record


def _split(data: bytes, count: int, name: str) -> list[bytes]:
    records, place = list[bytes](), 0
    while place + _LENGTH <= len(data) and len(records) < count:
        end = place + _LENGTH + int.from_bytes(data[place : place + _LENGTH], "big")
        records.append(data[place + _LENGTH : end])
        place = end
    if len(records) != count or place != len(data):
        raise NotVerified(f"{name} does not hold {count} whole entries and nothing else")
    return records
