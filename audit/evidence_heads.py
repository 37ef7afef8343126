"""The tree heads of evidence: its checkpoint, those that the signers of its entries saw, and the one that was brought.

Rules:

- Every one of them is of the history that the evidence's checkpoint closes; how a kind of evidence shows that is the
  `Shows` that it gives.
- The checkpoint is signed by the log's key, and that key is the one that the reader knows, by way of every rotation
  since (`audit.known_key`).
- What a signer saw is no later than its entry.
"""

from collections.abc import Callable

from audit.checkpoint import Checkpoint
from audit.entry_checks import EntryChecks
from audit.errors import NotVerified
from audit.evidence import NOTHING_READ, Brought, finding
from audit.kept_head import incomparable
from audit.known_key import told, unfollowed
from audit.log_keys import LogKeys
from audit.note import VerifierKey
from audit.record import Entry
from audit.report import Findings, Step, counted

__all__ = ["EvidenceHeads"]

Shows = Callable[[int, bytes], None]
"""Takes size and root of a head; raises `NotVerified` unless the evidence shows that it is of its history."""


class EvidenceHeads:
    """What is found about the heads of one piece of evidence, while its entries are read and after."""

    def __init__(self, size: int, brought: Brought, entries: EntryChecks, shows: Shows) -> None:
        self.tree, self.observed = Findings(2, "tree"), Findings(5, "observed")
        self.signed: set[int] = set()
        """The sizes of the heads that were verified as signed by the keys that must have."""
        self.unanswered = ""
        """Why the checkpoint that was brought cannot be compared with the evidence, where it cannot."""
        self._size, self._brought = size, brought
        self._entries, self._shows = entries, shows

    @property
    def logs(self) -> LogKeys:
        """The log's keys, as far as the entries that were read name them."""
        return self._entries.trust.logs

    def see(self, seq: int, entry: Entry) -> None:
        """Check the tree head that the signer of an entry saw: it was no later, and is of the same history."""
        self.observed.figures["tree heads"] += 1
        seen = entry.statement.observed
        with finding(self.observed, f"the tree head that the signer of entry {seq} saw", seq):
            if seen.size > seq:
                raise NotVerified(f"it is of {seen.size} entries, more than there were")
            self._shows(seen.size, bytes.fromhex(seen.root))

    def open_checkpoint(self, note: bytes) -> Checkpoint:
        """Return the evidence's own checkpoint, signed as it must be; else raise `NotVerified`."""
        head = self.logs.open(note)
        self.signed.add(head.size)
        return head

    def take(self, head: Checkpoint) -> Checkpoint:
        """Return a head that the log signed, once it is known to be of this history; else raise `NotVerified`."""
        self._shows(head.size, head.root)
        self.signed.add(head.size)
        return head

    def check_keys(self, vkeys: tuple[VerifierKey, ...]) -> None:
        """Hold the keys in vkey.txt against those that the entries name; raise `NotVerified`."""
        if vkeys != self.logs.keys:
            raise NotVerified("vkey.txt does not hold the keys that the entries name as the log's")

    def open_brought(
        self, note: bytes, proves: Callable[[int], bool] = lambda size: True
    ) -> Checkpoint | None:
        """Hold the evidence against the checkpoint that was brought; None where they cannot be compared.

        `proves` says of which sizes the evidence can show that they are of its history. Raises `NotVerified`.
        """
        self.unanswered = incomparable(note, self.logs, self._size, proves)
        return None if self.unanswered else self.take(self.logs.open(note))

    def tree_step(self, what: str) -> Step:
        """Close the step of the tree; `what` leads to its root."""
        known = self._brought.log_key
        problem = unfollowed(known, self.logs, self.signed)
        if problem:
            self.tree.add(problem)
        return self.tree.step(f"{what}; it is signed by the log's key, {told(known, self.logs)}")

    def observed_step(self, history: str) -> Step:
        """Close the step of what signers saw."""
        count = self.observed.figures["tree heads"]
        if not count:
            return self.observed.skipped(NOTHING_READ)
        return self.observed.step(f"{counted(count, 'tree head')} that signers saw are part of {history}")
