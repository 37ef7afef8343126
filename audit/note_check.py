"""Verification of a checkpoint alone, and of a tlog-proof with its record: what is left of the eight steps.

Neither holds a key: whose log this is, the reader has to say (`--key`). Neither tells who held which role, so a proof
shows that an entry stands in the log, and not that its signer was allowed to say it: a bundle shows both. That one
head continues another takes a consistency proof, which neither holds: asked for that, there is no answer.
"""

from audit.checkpoint import Checkpoint
from audit.entry_checks import EntryChecks
from audit.errors import AffidavitError, MalformedInput, NotVerified
from audit.evidence import AFTERWARDS, Brought, Evidence, finding, steps_in_order, unread
from audit.merkle import leaf_hash
from audit.note import Note, VerifierKey
from audit.proof import TlogProof
from audit.report import STEPS, Anchor, Findings, Report, Step

__all__ = ["verify_checkpoint", "verify_proof"]

_REST = tuple(enumerate(STEPS, 1))[3:]
_ALONE = "a checkpoint alone says nothing about entries"
_ONE = {
    "signatures": "who held which role at the entry takes the key entries: a bundle has them",
    "observed": "the head that the signer saw takes a consistency proof: a bundle has it",
    "tables": "a proof has no tables",
    "artifacts": "a proof has no artifacts",
    "times": "one entry has one time",
}
_ALLOWED = "that the signer of the entry was allowed to say it: a bundle shows that"


def verify_checkpoint(data: bytes, brought: Brought) -> Evidence:
    """Verify a checkpoint with the log's key; `MalformedInput` where that is not given."""
    key = _needed(brought, "a checkpoint")
    try:
        head = Checkpoint.parse(Note.parse(data).text)
    except AffidavitError as error:
        return unread("checkpoint", 2, str(error))
    tree, (anchors, unanswered) = Findings(2, "tree"), _anchors(head, brought)
    with finding(tree):
        _open(data, key)
    steps = steps_in_order(
        Findings(1, "records").skipped(_ALONE),
        tree.step(
            f"the head of {head.size} entries is signed by the log's key, which is the one that was given"
        ),
        anchors,
        *(Findings(n, name).skipped(_ALONE) for n, name in _REST),
    )
    return _answer("checkpoint", head, key, steps, unanswered, (AFTERWARDS,))


def verify_proof(data: bytes, record: bytes, brought: Brought) -> Evidence:
    """Verify by a tlog-proof and the log's key that a record is in the log; `MalformedInput` where no key is given."""
    key = _needed(brought, "a tlog-proof")
    try:
        proof = TlogProof.parse(data)
    except AffidavitError as error:
        return unread("proof", 2, str(error))
    head, entries, tree = proof.head, EntryChecks(proof.head.origin), Findings(2, "tree")
    with finding(tree, f"entry {proof.index}", proof.index):
        proof.verify(leaf_hash(record), [key])
    entries.see(proof.index, record)
    anchors, unanswered = _anchors(head, brought)
    steps = steps_in_order(
        entries.records_step(f"the record of entry {proof.index} parses and is canonical"),
        tree.step(
            f"the inclusion proof leads from the record to the root of {head.size} entries; it is signed by the log's "
            "key, which is the one that was given"
        ),
        anchors,
        *(Findings(n, name).skipped(_ONE[name]) for n, name in _REST),
    )
    return _answer("proof", head, key, steps, unanswered, (_ALLOWED, AFTERWARDS), (proof.index,))


def _needed(brought: Brought, what: str) -> VerifierKey:
    if brought.log_key is None:
        raise MalformedInput(f"{what} proves nothing without the key of its log: give it with --key FILE")
    return brought.log_key


def _open(data: bytes, key: VerifierKey) -> Checkpoint:
    note = Note.parse(data)
    note.verify([key])
    head = Checkpoint.parse(note.text)
    if head.origin != key.name:
        raise NotVerified(f"the checkpoint is of the ledger {head.origin!r}, not of {key.name!r}")
    return head


def _anchors(head: Checkpoint, brought: Brought) -> tuple[Step, str]:
    """Answer step 3, and say what of it could not be answered."""
    found = Findings(3, "anchors")
    if brought.checkpoint is None or brought.log_key is None:
        return found.skipped("no tree head from outside was given (--checkpoint FILE)"), ""
    with finding(found, "the checkpoint that was given"):
        kept = _open(brought.checkpoint, brought.log_key)
        if kept.size != head.size:
            why = (
                f"it is of {kept.size} entries and this one of {head.size}: that one continues the other takes a "
                "consistency proof, which a bundle, a tiles tree or the ledger can give"
            )
            return found.skipped(f"the checkpoint that was given: {why}"), why
        if kept.root != head.root:
            raise NotVerified(f"it is of another history: two heads of {head.size} entries were signed")
    return found.step("the checkpoint that was given is of the same tree"), ""


def _answer(
    kind: str,
    head: Checkpoint,
    key: VerifierKey,
    steps: tuple[Step, ...],
    unanswered: str,
    not_shown: tuple[str, ...],
    entries: tuple[int, ...] = (),
) -> Evidence:
    anchor = Anchor("checkpoint file", head.size, None) if steps[2].status == "passed" else None
    report = Report(head.size, head.root.hex(), steps, anchor)
    return Evidence(
        kind,
        report,
        head.origin,
        entries=entries,
        log_key=key,
        confirmed=bool(report) and not unanswered,
        not_shown=not_shown,
        unanswered=unanswered,
    )
