"""Verification of a bundle: no ledger, no database, nothing but the file and what the reader brings.

In the eight steps of a ledger's verification (`audit.verify`):

1. records: each parses, is canonical, says its number and its ledger, and is in the table of contents, which says what
   the bundle is about as its entries do (`audit.bundle_about`);
2. tree: each inclusion proof leads to the checkpoint, which the log's key signed; so do the heads of the anchors;
3. anchors: the checkpoint that was brought is of this history, and what others signed about its heads holds;
4. signatures: each statement is signed by keys that held its role at that entry, as the key entries in it say;
5. observed: every tree head that a signer saw is of the checkpoint's history, by the consistency proofs;
6. tables: skipped, a bundle has none;
7. artifacts: the files in it have the digests that its entries name, and the report is what a report entry is about;
8. times: they do not go back.

What no step can show: that nothing was left out. Each entry in the bundle stands in the ledger; one that is not in the
bundle, such as a later revocation or a rejection, may stand there all the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.bundle import Bundle
from audit.bundle_about import BundleAbout
from audit.bundle_anchors import open_bundled
from audit.bundle_files import NamedFiles
from audit.canonical import Json
from audit.checkpoint import Checkpoint
from audit.entry_checks import EntryChecks
from audit.errors import AffidavitError, MalformedInput, NotVerified
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
from audit.merkle import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from audit.note import Note
from audit.proof import TlogProof
from audit.record import Entry
from audit.report import Anchor, Findings, Report, Step
from audit.statement import written_time

__all__ = ["verify_bundle"]

LEFT_OUT = (
    "that nothing was left out: an entry that is not in the bundle (a later revocation, a rejection) may stand in the "
    "ledger all the same; the tiles tree or the ledger shows all entries"
)
UNSIGNED_VERSION = (
    "which version the run in it is: that is the word of the bundle's maker; no entry in it says so, and only "
    "the ledger or the tiles tree, with every run, can tell"
)
UNSIGNED = "README.txt and a verifier in the bundle are signed by nobody"


def verify_bundle(path: Path, brought: Brought, unpack_into: Path | None = None) -> Evidence:
    """Verify the bundle in a file; what is wrong with it is in the answer, whatever it is.

    Where it holds it is unpacked into a folder, if one is named, from the very file that was verified. Raises
    `MalformedInput` where no bundle can be read from the file at all: it is no zip file, or was cut short.
    """
    with _named(path), Bundle.open(path) as bundle:
        answer = _verified(bundle, brought)
        if answer and unpack_into is not None:
            bundle.unpack(unpack_into)
        return answer


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except MalformedInput as error:
        raise MalformedInput(f"no bundle can be read from {path}: {error}; get the file again") from None


def _verified(bundle: Bundle, brought: Brought) -> Evidence:
    try:
        bundle.check()
        return _checked(bundle, brought)
    except MalformedInput as error:
        return unread("bundle", 1, str(error))


def _checked(bundle: Bundle, brought: Brought) -> Evidence:
    try:
        head = Checkpoint.parse(Note.parse(bundle.checkpoint).text)
    except AffidavitError as error:
        return unread("bundle", 2, f"the bundle's checkpoint does not read: {error}")
    return _BundleCheck(bundle, head, brought).run()


class _BundleCheck:
    """The steps over one open bundle."""

    def __init__(self, bundle: Bundle, head: Checkpoint, brought: Brought) -> None:
        self.bundle, self.head, self.brought = bundle, head, brought
        self.entries = EntryChecks(head.origin)
        self.heads = EvidenceHeads(head.size, brought, self.entries, self._is_of_this_history)
        self.anchors = Findings(3, "anchors")
        self.proofs_used: set[int] = set()
        self.signed_heads: dict[str, Checkpoint] = {}
        self.confirming = self.brought.log_key is not None
        self.files = NamedFiles()
        self.said_about = BundleAbout()
        self.anchor: Anchor | None = None
        self.about = ""
        self.about_is_signed = True

    def run(self) -> Evidence:
        """Read every entry once, then what is about all of them."""
        for seq in self.bundle.seqs:
            record = self.bundle.record(seq)
            with finding(self.heads.tree, f"entry {seq}", seq):
                self._included(seq, record)
            entry = self.entries.see(seq, record)
            if entry is not None:
                self._learn(seq, entry)
        with finding(self.entries.records):
            self._contents()
        with finding(self.entries.records):
            self._learn_about()
        self._signed_heads()
        self._keys()
        # Before the tree: the checkpoint that was brought may be one in which the log's key changed.
        anchors = self._anchors_step()
        steps = steps_in_order(
            self.entries.records_step(
                f"{len(self.bundle.seqs)} records parse, are canonical and follow each other where they are neighbours"
            ),
            self.heads.tree_step(
                f"{len(self.bundle.seqs)} inclusion proofs lead to the root of {self.head.size} entries"
            ),
            anchors,
            self.entries.signatures_step(
                "" if self.is_whole else "; a key entry that was left out of the bundle would not be seen"
            ),
            self.heads.observed_step("the checkpoint's history"),
            Findings(6, "tables").skipped("a bundle has no tables"),
            self.files.step(self.bundle),
            self.entries.times_step(),
        )
        return self._answer(Report(self.head.size, self.head.root.hex(), steps, self.anchor))

    def _answer(self, report: Report) -> Evidence:
        known = bool(report) and self.confirming
        return Evidence(
            kind="bundle",
            report=report,
            origin=self.head.origin,
            about=self.about,
            about_is_signed=self.about_is_signed,
            entries=self.bundle.seqs,
            log_key=self.entries.trust.log_at(self.head.size),
            confirmed=known and not self.heads.unanswered,
            doubted=self.entries.doubted,
            not_shown=(
                *(() if self.is_whole else (LEFT_OUT,)),
                *(() if self.about_is_signed else (UNSIGNED_VERSION,)),
                AFTERWARDS,
                UNSIGNED,
                *(() if known else (whose(self.brought),)),
            ),
            unanswered=self.heads.unanswered,
            more={"entries": list[Json](self.bundle.seqs)},
        )

    @property
    def is_whole(self) -> bool:
        """Say whether every entry of the ledger, up to the checkpoint, is in the bundle."""
        return len(self.bundle.seqs) == self.head.size

    def _included(self, seq: int, record: bytes) -> None:
        proof = TlogProof.parse(self.bundle.proof(seq))
        if proof.index != seq or proof.extra:
            raise NotVerified("its inclusion proof is of another entry, or says more than it has to")
        if proof.checkpoint != self.bundle.checkpoint:
            raise NotVerified("its inclusion proof is under another checkpoint than the bundle's")
        verify_inclusion(leaf_hash(record), seq, self.head.size, proof.hashes, self.head.root)
        self.heads.tree.figures["inclusion proofs"] += 1

    def _contents(self) -> None:
        manifest = self.bundle.manifest
        if (manifest.origin, manifest.size) != (self.head.origin, self.head.size):
            raise NotVerified("manifest.json is about another checkpoint than the bundle's")
        if manifest.entries != self.bundle.seqs:
            raise NotVerified("manifest.json names other entries than there are")

    def _learn_about(self) -> None:
        """Take over what the manifest says that the bundle is about; `NotVerified` where no entry is about that."""
        try:
            about = self.bundle.manifest.about
        except MalformedInput:
            return  # that is a finding already
        if self.said_about.entries:
            self.about_is_signed = self.said_about.is_signed(about)
            self.about = about

    def _learn(self, seq: int, entry: Entry) -> None:
        self.said_about.see(entry)
        self.heads.see(seq, entry)
        self.files.see(entry)

    def _is_of_this_history(self, size: int, root: bytes) -> None:
        """Check that the checkpoint's tree begins with the tree of that size and root; raise `NotVerified`."""
        if size in (0, self.head.size):
            if root != (self.head.root if size else EMPTY_ROOT):
                raise NotVerified(f"the head of {size} entries is of another history")
            return
        if size > self.head.size:
            raise NotVerified(
                f"the head of {size} entries is newer than the bundle's checkpoint of {self.head.size}"
            )
        if size not in self.bundle.proven:
            raise NotVerified(f"the bundle has no proof that the head of {size} entries is of its history")
        self.proofs_used.add(size)
        verify_consistency(size, self.head.size, root, self.head.root, self.bundle.consistency(size))

    def _signed_heads(self) -> None:
        """Check who signed the checkpoint and the anchors' heads, and that the log's keys follow from each other."""
        heads = self.heads
        with finding(heads.tree, "the checkpoint"):
            self.signed_heads["checkpoint"] = heads.open_checkpoint(self.bundle.checkpoint)
        for name, note in self.bundle.notes():
            with finding(heads.tree, name):
                self.signed_heads[name] = heads.take(heads.logs.open(note))
        for size in heads.logs.handovers:
            if size not in heads.signed:
                heads.tree.add(
                    f"the head of {size} entries, with which the log's key changed, is not in the bundle"
                )
        with finding(heads.tree):
            heads.check_keys(self.bundle.vkeys)
        for size in set(self.bundle.proven) - self.proofs_used:
            heads.observed.add(f"consistency/{size} is about no tree head in the bundle")

    def _keys(self) -> None:
        grants = self.entries.trust.grants
        for keyid in self.bundle.keyids:
            with finding(self.entries.said, f"keys/{keyid}.pem"):
                if keyid not in self.entries.signers:
                    raise NotVerified("it signed none of the entries")
                if keyid not in grants or self.bundle.key(keyid) != grants[keyid].public.pem():
                    raise NotVerified("it is not the key that the ledger granted")
        for keyid in self.entries.signers.keys() - set(self.bundle.keyids):
            self.entries.said.add(f"the key {keyid[:16]} signed and is not among the bundle's keys")

    def _anchors_step(self) -> Step:
        held = []
        with finding(self.anchors, "the checkpoint that was given"):
            kept = self._kept()
            if kept is not None:
                held.append(f"the checkpoint that was given (size {kept.size})")
        opened = open_bundled(
            self.bundle,
            self.signed_heads,
            self.brought.pinned,
            self.heads.logs,
            self.head.size,
            self.brought.now,
        )
        for problem in opened.problems:
            self.anchors.add(problem.sentence, problem.entry)
        for anchor in opened.held:
            self.confirming |= anchor.kind == "cosignature"
            held.append(f"the {anchor.kind} by {anchor.source} (size {anchor.size}, {_written(anchor.time)})")
        newest = opened.newest
        if newest is not None and newest.time is not None and self.anchor is None:
            age = max(0, int(self.brought.now - newest.time)) if self.brought.now != float("inf") else None
            self.anchor = Anchor(newest.kind, newest.size, age)
        unknown = f"; not checked: {', '.join(opened.skipped)}" if opened.skipped else ""
        if self.heads.unanswered:
            others = f"; of this history: {', '.join(held)}" if held else ""
            return self.anchors.skipped(
                f"the checkpoint that was given: {self.heads.unanswered}{others}{unknown}"
            )
        if not held:
            return self.anchors.skipped(
                f"nothing from outside vouches for it (--checkpoint FILE, --anchors FILE){unknown}"
            )
        return self.anchors.step(f"of this history: {', '.join(held)}{unknown}")

    def _kept(self) -> Checkpoint | None:
        """Hold the bundle against the checkpoint that was brought, if one was that can be; raise `NotVerified`."""
        if self.brought.checkpoint is None:
            return None
        proven = {self.head.size, *self.bundle.proven}
        kept = self.heads.open_brought(self.brought.checkpoint, proven.__contains__)
        if kept is not None:
            self.anchor, self.confirming = Anchor("checkpoint file", kept.size, None), True
        return kept


def _written(time: float | None) -> str:
    return "at no time that it attests" if time is None else written_time(time)
