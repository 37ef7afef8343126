"""Verification of a tiles tree: every record of a ledger is in it, so all that was said can be recomputed.

In the eight steps of a ledger's verification (`audit.verify`); two are skipped, with their reasons: 6, since what was
learned from the entries is not in the folder, and 7, since the files that entries name are not.

Nothing is left out of a tiles tree: the checkpoint's root is computed from all the records. What it cannot show is
what came after the checkpoint, and whether a tail was cut off before it. A file that a tree does not have is passed
over, and named.
"""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from audit import tables
from audit.checkpoint import Checkpoint
from audit.entry_checks import EntryChecks
from audit.errors import AffidavitError, NotVerified
from audit.evidence import (
    AFTERWARDS,
    Brought,
    Evidence,
    finding,
    steps_in_order,
    unread,
    whose,
)
from audit.evidence_heads import EvidenceHeads
from audit.merkle import EMPTY_ROOT, HASH_SIZE, CompactRange, leaf_hash, root_at
from audit.note import Note
from audit.report import MOST_NAMED, Anchor, Findings, Report, Step, counted
from audit.tiles import TILE_HEIGHT, TILE_WIDTH, TileReader, Tiles
from audit.tiles_folder import TilesFolder, handover_name, tile_name
from audit.verify_ids import StatementIds

__all__ = ["verify_tiles"]

FILES = "that the files which entries name are there: a tiles tree has records only"

_KEPT = 4_096
"""Roots that are kept in memory: signers saw heads shortly before they signed."""

Progress = Callable[[int, int], None]


def verify_tiles(folder: Path, brought: Brought, progress: Progress | None = None) -> Evidence:
    """Verify a tiles tree; what is wrong with it is in the answer, whatever it is.

    Memory does not grow with its size, but for eight bytes for each signature: the entries that each key signed.
    """
    tree = TilesFolder(folder)
    try:
        head = Checkpoint.parse(Note.parse(tree.checkpoint).text)
    except AffidavitError as error:
        return unread("tiles", 2, f"the checkpoint of the tiles tree does not read: {error}")
    with tables.open_scratch().connect() as scratch:
        return _TilesCheck(tree, head, brought, StatementIds(scratch)).run(progress)


class _TilesCheck:
    """The steps over one tiles tree."""

    def __init__(self, folder: TilesFolder, head: Checkpoint, brought: Brought, ids: StatementIds) -> None:
        self.folder, self.head, self.brought = folder, head, brought
        self.entries = EntryChecks(head.origin, ids)
        self.range, self.tiles = CompactRange(), Tiles()
        self.roots = OrderedDict({0: EMPTY_ROOT})
        self.reader = TileReader(self._stored)
        self.heads = EvidenceHeads(head.size, brought, self.entries, self._is_of_this_history)
        self.anchors = Findings(3, "anchors")
        self.anchor: Anchor | None = None

    def run(self, progress: Progress | None) -> Evidence:
        """Read every record once, then what is about all of them."""
        with finding(self.entries.records):
            for seq, record in self.folder.records(self.head.size):
                if progress is not None and seq % TILE_WIDTH == 0:
                    progress(seq, self.head.size)
                entry = self.entries.see(seq, record)
                if entry is not None:
                    # Before the entry itself is in the tree: its signer cannot have seen that.
                    self.heads.see(seq, entry)
                self._grow(leaf_hash(record))
        if progress is not None:
            progress(self.head.size, self.head.size)
        self._edge()
        self._signed()
        self._handovers()
        # Before the tree: the checkpoint that was brought may be one in which the log's key changed.
        anchors = self._anchors_step()
        steps = steps_in_order(
            self.entries.records_step(f"all {self.entries.count} records parse, are canonical and chain"),
            self.heads.tree_step(
                f"the root of {self.head.size} entries and {counted(self.heads.tree.figures['tiles'], 'tile')} follow "
                "from the records"
            ),
            anchors,
            self.entries.signatures_step(),
            self.heads.observed_step("this history"),
            Findings(6, "tables").skipped("a tiles tree has no tables"),
            Findings(7, "artifacts").skipped("a tiles tree holds no artifacts"),
            self.entries.times_step(),
        )
        return self._answer(Report(self.head.size, self.head.root.hex(), steps, self.anchor))

    def _answer(self, report: Report) -> Evidence:
        known = bool(report) and (self.brought.log_key is not None or self.anchor is not None)
        return Evidence(
            kind="tiles",
            report=report,
            origin=self.head.origin,
            log_key=self.entries.trust.log_at(self.head.size),
            confirmed=known and not self.heads.unanswered,
            doubted=self.entries.doubted,
            not_shown=(AFTERWARDS, FILES, *self._others(), *(() if known else (whose(self.brought),))),
            unanswered=self.heads.unanswered,
        )

    def _others(self) -> tuple[str, ...]:
        names = self.folder.others(self.entries.trust.logs.handovers)
        if not names:
            return ()
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return (
            f"what else lies in the folder, which is no part of it: {', '.join(names[:MOST_NAMED])}{more}",
        )

    def _is_of_this_history(self, size: int, root: bytes) -> None:
        if size > self.range.size:
            raise NotVerified(f"the head is of {size} entries, and {self.range.size} could be read")
        known = self.roots.get(size) or root_at(self.reader.node, size)
        if known != root:
            raise NotVerified(f"the head of {size} entries is of another history")

    def _grow(self, leaf: bytes) -> None:
        self.range = self.range.append(leaf)
        self.roots[self.range.size] = self.range.root()
        if len(self.roots) > _KEPT:
            self.roots.popitem(last=False)
        for level, number, hashes in self.tiles.append(leaf):
            if len(hashes) == TILE_WIDTH * HASH_SIZE:
                self._compare(level, number, hashes)

    def _edge(self) -> None:
        """Compare the partial tiles: the last of each level, as the records leave it."""
        for level, (number, hashes) in self.tiles.edge.items():
            if len(hashes) < TILE_WIDTH * HASH_SIZE:
                self._compare(level, number, hashes)

    def _compare(self, level: int, number: int, hashes: bytes) -> None:
        self.heads.tree.figures["tiles"] += 1
        width = len(hashes) // HASH_SIZE
        with finding(self.heads.tree):
            if self.folder.tile(level, number, width) != hashes:
                raise NotVerified(f"{tile_name(level, number, width)} is not what the records give")

    def _stored(self, level: int, number: int) -> bytes | None:
        width = min(TILE_WIDTH, (self.head.size >> TILE_HEIGHT * level) - number * TILE_WIDTH)
        return self.folder.tile(level, number, width) if width > 0 else None

    def _signed(self) -> None:
        """Check root and signature of the checkpoint, and the log's keys."""
        with finding(self.heads.tree, "the checkpoint"):
            if (self.range.size, self.range.root()) != (self.head.size, self.head.root):
                raise NotVerified(f"its root is not that of the {self.range.size} records that could be read")
            self.heads.open_checkpoint(self.folder.checkpoint)
        with finding(self.heads.tree):
            self.heads.check_keys(self.folder.vkeys)

    def _handovers(self) -> None:
        """Check the heads that the log's old and new key signed, as far as they are in the folder."""
        logs = self.heads.logs
        for size in logs.handovers:
            note = self.folder.handover(size)
            if note is None:
                continue
            with finding(self.heads.tree, handover_name(size)):
                head = logs.open(note)
                if head.size != size:
                    raise NotVerified(f"it is a head of {head.size} entries")
                self.heads.take(head)

    def _anchors_step(self) -> Step:
        note = self.brought.checkpoint
        if note is None:
            return self.anchors.skipped("no tree head from outside was given (--checkpoint FILE)")
        with finding(self.anchors, "the checkpoint that was given"):
            kept = self.heads.open_brought(note)
            if kept is None:
                return self.anchors.skipped(f"the checkpoint that was given: {self.heads.unanswered}")
            self.anchor = Anchor("checkpoint file", kept.size, None)
            return self.anchors.step(
                f"the checkpoint that was given (size {kept.size}) is part of this history"
            )
        return self.anchors.step("")
