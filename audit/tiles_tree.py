"""Writing a ledger as a folder of static files (C2SP tlog-tiles), to be served as they are or read from a disk.

Rules:

- Every file is there whole or not at all, and the checkpoint is written last: whoever reads it finds what it covers.
- A tree grows. One that is there already is continued if it is of this ledger; any other folder is refused.
- A partial tile goes once the full one is there, and not before: who read an older checkpoint still needs it.
- Beside the tiles lie the heads with which the log's key changed, so that who knows an old key comes to the newest.
- What is written is computed from the records, and must lead to the root that the log signed.

Source: C2SP tlog-tiles.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

from sqlalchemy import Connection, select

from audit import tables
from audit.bundle import write_vkeys
from audit.durable import UNFINISHED, make_folder, replace_file
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput, NotVerified
from audit.ledger import Head, Ledger
from audit.log_keys import LogKeys
from audit.merkle import HASH_SIZE, CompactRange, leaf_hash, subtrees
from audit.prover import Prover
from audit.tiles import TILE_HEIGHT, TILE_WIDTH, Tiles
from audit.tiles_folder import TilesFolder, handover_name, tile_name, written_entry

__all__ = ["write_tiles_tree"]

Progress = Callable[[int, int], None]


def write_tiles_tree(ledger: Ledger, folder: Path, progress: Progress | None = None) -> Head:
    """Write the ledger, as of its newest checkpoint, into a folder; return the head that was written.

    Raises `MalformedInput` where the folder holds anything but a tiles tree of this ledger, `NotVerified` where what
    is stored does not lead to the signed root, `EnvironmentFailed` where a file cannot be written. The checkpoint in
    the folder is then the one from before, and what it covers is there.
    """
    head, logs = ledger.head(), ledger.trust().logs
    try:
        with tables.failures(), ledger.engine.connect() as connection:
            size = _size_of(folder, Prover(connection), logs, ledger.origin)
            if size > head.size:
                raise NotVerified(
                    f"the tiles tree in {folder} has {size} entries and the ledger {head.size}: its tail was "
                    "cut off, or an old copy was restored"
                )
            _Writer(connection, folder, progress).write(size, head)
        for changed in logs.handovers:
            if changed <= head.size:
                _put(folder / handover_name(changed), ledger.head_at(changed).checkpoint)
        _put(folder / "vkey.txt", write_vkeys([key for seq, key in logs.named if seq < head.size]))
        _put(folder / "checkpoint", head.checkpoint)
        _drop_partial(folder, size)
    except OSError as error:
        raise EnvironmentFailed(
            f"{error.filename or folder} cannot be written: {error.strerror}; the checkpoint in {folder} is as it was"
        ) from None
    return head


class _Writer:
    """Writes the tiles of a ledger that a smaller tree does not have."""

    def __init__(self, connection: Connection, folder: Path, progress: Progress | None) -> None:
        self.connection, self.folder, self.progress = connection, folder, progress
        self.prover = Prover(connection)

    def write(self, size: int, head: Head) -> None:
        """Write what the tree of `head` has more than one of `size` entries."""
        # A tile of entries is written whole: begin where the last partial one does.
        first = size - size % TILE_WIDTH
        tree = CompactRange(
            first, tuple(self.prover.node(level, index) for level, index in subtrees(0, first))
        )
        tiles, entries = Tiles(self._edge(first)), b""
        changed: dict[int, tuple[int, bytes]] = {}
        for seq, record in self._records(first, head.size):
            leaf = leaf_hash(record)
            tree, entries = tree.append(leaf), entries + written_entry(record)
            for level, number, hashes in tiles.append(leaf):
                changed[level] = (number, hashes)
                if len(hashes) == TILE_WIDTH * HASH_SIZE:
                    self._tile(level, *changed.pop(level))
            if (seq + 1) % TILE_WIDTH == 0:
                _put(self.folder / tile_name("entries", seq // TILE_WIDTH, TILE_WIDTH), entries)
                entries = b""
        for level, (number, hashes) in changed.items():
            self._tile(level, number, hashes)
        if entries:
            width = head.size % TILE_WIDTH
            _put(self.folder / tile_name("entries", head.size // TILE_WIDTH, width), entries)
        if tree.size != head.size or tree.root() != head.root:
            raise NotVerified(
                "the ledger's records do not lead to the root that its log signed: see `affidavit verify`; the "
                f"checkpoint in {self.folder} is as it was"
            )

    def _records(self, first: int, size: int) -> Iterator[tuple[int, bytes]]:
        query = (
            select(tables.records.c.seq, tables.records.c.record)
            .where(tables.records.c.seq >= first, tables.records.c.seq < size)
            .order_by(tables.records.c.seq)
            .execution_options(yield_per=TILE_WIDTH)
        )
        for seq, record in self.connection.execute(query):
            if self.progress is not None and seq % TILE_WIDTH == 0:
                self.progress(seq - first, size - first)
            yield seq, bytes(record)
        if self.progress is not None:
            self.progress(size - first, size - first)

    def _edge(self, size: int) -> dict[int, tuple[int, bytes]]:
        """Read the last tile of each level as it was at that size."""
        edge, level = {}, 0
        while size:
            number, width = divmod(size, TILE_WIDTH)
            first = number * TILE_WIDTH
            nodes = (self.prover.node(level * TILE_HEIGHT, first + place) for place in range(width))
            edge[level] = (number, b"".join(nodes))
            level, size = level + 1, number
        return edge

    def _tile(self, level: int, number: int, hashes: bytes) -> None:
        _put(self.folder / tile_name(level, number, len(hashes) // HASH_SIZE), hashes)


def _size_of(folder: Path, prover: Prover, logs: LogKeys, origin: str) -> int:
    """Return how many entries the tree in the folder has; 0 where there is none, or only the beginning of one."""
    if not folder.exists() or not any(folder.iterdir()):
        return 0
    there = TilesFolder(folder)
    names = {path.name for path in folder.iterdir() if not path.name.startswith(UNFINISHED)}
    begun = names <= {"tile", "handovers", "vkey.txt"} and "tile" in names and _is_begun(folder / "tile")
    if not names or begun:
        return 0  # the first writing was cut short, before its checkpoint
    if not names <= {"checkpoint", "handovers", "tile", "vkey.txt"}:
        raise MalformedInput(f"{folder} is not empty and not a tiles tree: name an empty or a new folder")
    try:
        head = logs.open(there.checkpoint)
        known = prover.root_at(head.size)
    except AffidavitError as error:
        raise MalformedInput(
            f"{folder} holds a tiles tree that is not of the ledger {origin}: {error}"
        ) from None
    if known != head.root:
        raise NotVerified(
            f"the tiles tree in {folder} is of another history of {origin} than the ledger: one of them was changed, "
            "see `affidavit verify`"
        )
    return head.size


def _is_begun(tiles: Path) -> bool:
    """Say whether a folder holds levels of a tree and nothing else, as many as there are so far."""
    levels = {"entries", *map(str, range(TILE_HEIGHT))}
    return tiles.is_dir() and {path.name for path in tiles.iterdir()} <= levels


def _put(path: Path, data: bytes) -> None:
    """Write a file so that a reader meets all of it or none; durable when this returns."""
    make_folder(path.parent)
    replace_file(path, data, 0o666)


def _drop_partial(folder: Path, before: int) -> None:
    """Remove the partial tiles, of the tree of `before` entries, that are full now."""
    for level, count in [
        ("entries", before),
        *((str(n), before >> TILE_HEIGHT * n) for n in range(TILE_HEIGHT)),
    ]:
        number = count // TILE_WIDTH
        full = folder / tile_name(level, number, TILE_WIDTH)
        if count % TILE_WIDTH and full.is_file():
            with suppress(OSError):
                rmtree(full.with_name(f"{full.name}.p"))
