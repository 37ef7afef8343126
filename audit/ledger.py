"""The ledger: what is said is claimed and signed here, handed to those who write it, and verified.

What can be read without a key is in `audit.history`; entries are put into the database by `audit.writer` alone, for
many at once where many wait (`audit.sequencer`, and on PostgreSQL `audit.inbox`).

Rules:

- Who appends claims and signs in its own thread, outside any lock, on the newest head that it sees.
- When an append returns, record, tiles, head, checkpoint and what the followers learned are on disk; when it raises,
  none of it is.
- The signer's role and signature are checked again against the trust that stands at that entry, inside the
  transaction.
- What must be decided on a consistent view is passed as `within`: it runs first in the same transaction, and may
  raise `Conflict`.
"""

import os
import time as clocks
import weakref
from collections.abc import Callable, Sequence

from sqlalchemy import Engine, select

from audit import key_events, tables
from audit.anchor_file import AnchorFile
from audit.anchor_settings import AnchorSettings
from audit.anchors import kept_in
from audit.checkpoint import check_origin
from audit.edge import Edge
from audit.envelope import Envelope, sign, sign_many, verified
from audit.errors import MalformedInput
from audit.follower import Artifacts, Follower
from audit.history import Head, History
from audit.holders import SALT_BYTES
from audit.inbox import PATIENCE_SECONDS, Inbox
from audit.key_events import KeyEvent
from audit.keys import PublicKey, Signer
from audit.merkle import EMPTY_ROOT
from audit.note import VerifierKey
from audit.record import Entry, parse_record
from audit.report import Report
from audit.sequencer import Sequencer, Submission, Within
from audit.statement import Observed, Statement, claim, claimed_payload, new_entry_id, written_time
from audit.trust import Trust
from audit.verify import verify_ledger
from audit.verify_anchors import AnchorSources
from audit.writer import Writer

__all__ = ["Head", "Ledger", "Within", "create_ledger"]


class Ledger(History):
    """One ledger in one database, that can be appended to.

    `signer` gives the key for a kind of statement unless a call names another; `log_signer` is asked for the log's
    key on the first append; `anchor` for the anchor file on each (`audit.anchor_in_use`). Clock (seconds since 1970)
    and randomness are arguments.

    On PostgreSQL a ledger without `log_signer` appends through the inbox, and waits `patience` seconds for who has the
    log's key (`audit.inbox`).
    """

    def __init__(
        self,
        engine: Engine,
        *,
        followers: Sequence[Follower] = (),
        artifacts: Artifacts | None = None,
        signer: Callable[[str], Signer] | None = None,
        log_signer: Callable[[], Signer] | None = None,
        anchor: Callable[[], AnchorFile | None] = lambda: None,
        pinned: AnchorSettings | None = None,
        clock: Callable[[], float] = clocks.time,
        random_bytes: Callable[[int], bytes] = os.urandom,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Open a ledger; nothing is read until it is needed."""
        super().__init__(engine)
        self.followers = tuple(followers)
        self.artifacts = artifacts
        self._signer = signer
        self._anchor, self._pinned = anchor, pinned or AnchorSettings()
        self._clock = clock
        self._random_bytes = random_bytes
        self._log_signer = log_signer
        self._appending = tables.keeping(engine)
        weakref.finalize(self, self._appending.dispose)
        self._writer = Writer(
            self._appending,
            edges=self._edges,
            followers=self.followers,
            log_signer=log_signer or _no_log_signer,
            anchor=anchor,
            clock=clock,
        )
        self._inbox = Inbox(engine, self._writer, log_signer, patience) if tables.is_shared(engine) else None
        self._sequencer = Sequencer((self._inbox or self._writer).commit)

    def append(
        self,
        statement: Statement,
        *,
        signer: Signer | Sequence[Signer] | None = None,
        role: str | None = None,
        within: Within | None = None,
    ) -> Entry:
        """Sign a statement and append it; durable when this returns. Several signers sign one statement together.

        Raises `NotPermitted` when the key may not say it, `Conflict` when `within` found that the view it was
        decided on is gone, `EnvironmentFailed` when the disk or the database failed.
        """
        return self.append_many([statement], signer=signer, role=role, within=within)[0]

    def append_many(
        self,
        statements: Sequence[Statement],
        *,
        signer: Signer | Sequence[Signer] | None = None,
        role: str | None = None,
        within: Within | None = None,
    ) -> list[Entry]:
        """Sign statements and append them together: one checkpoint, all of them or none."""
        if not statements:
            return []
        view = self._view()
        signers = [_several(signer or self._default_signer(statement.kind)) for statement in statements]
        claimed = [
            self._claimed(statement, several[0].public.keyid, role, *view)
            for statement, several in zip(statements, signers, strict=True)
        ]
        envelopes = tuple(sign_many(claimed, signers))
        # Here and not by the one who writes, for whom all others wait; that of a shared ledger trusts nobody else.
        held = verified(envelopes, view[1].key) if self._inbox is None else frozenset[Envelope]()
        return self._submit(Submission(envelopes, within, verified=held))

    def append_signed(
        self, envelope: Envelope, *, within: Within | None = None, log_signers: Sequence[Signer] = ()
    ) -> Entry:
        """Append what others have signed; raises as `append` does.

        `log_signers` are keys of the log beside the one at hand: its next one, where the statement is a ``log-rotate``.
        """
        return self._submit(Submission((envelope,), within, tuple(log_signers)))[0]

    def claim(self, statement: Statement, keyid: str, role: str | None = None) -> Statement:
        """Bind a statement to this ledger, a new entry and what is seen now, for a key that will sign it."""
        return Statement.parse(self._claimed(statement, keyid, role, *self._view()))

    def grant(
        self,
        name: str,
        public: PublicKey,
        roles: tuple[str, ...],
        holder: str,
        *,
        by: Signer | Sequence[Signer] | None = None,
    ) -> Entry:
        """Give a key its roles, and remember who holds it. The granting key needs the role admin."""
        salt = self._random_bytes(SALT_BYTES)
        return self.say(key_events.grant(name, public, roles, holder, salt), by=by)

    def revoke(
        self,
        keyid: str,
        reason: str,
        suspect_since: int | None,
        *,
        by: Signer | Sequence[Signer] | None = None,
    ) -> Entry:
        """Take a key's roles from the next entry on; `suspect_since` is the entry from which it may be misused."""
        return self.say(key_events.revoke(keyid, reason, suspect_since), by=by)

    def say(self, event: KeyEvent, *, by: Signer | Sequence[Signer] | None = None) -> Entry:
        """Sign and append what is said about keys; see `audit.key_events` for the verbs."""
        within = key_events.remembering(event.statement, event.holder)
        return self.append(event.statement, signer=by, within=within)

    def verify(
        self,
        *,
        checkpoint: bytes | None = None,
        log_key: VerifierKey | None = None,
        pinned: AnchorSettings | None = None,
        structural: bool = False,
        incremental: bool = False,
        jobs: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Report:
        """Verify the whole ledger from its records; see `audit.verify.verify_ledger` for the steps and the arguments.

        `pinned` says whose anchors are believed, in place of what lies in the ledger's own folder.
        """
        # Before the records: what is anchored later is not in what is read here.
        file = self._anchor()
        kept = () if file is None else (kept_in(file),)
        return verify_ledger(
            self.engine,
            followers=self.followers,
            artifacts=self.artifacts,
            checkpoint=checkpoint,
            log_key=log_key,
            anchors=AnchorSources(pinned or self._pinned, kept, self._clock()),
            structural=structural,
            incremental=incremental,
            jobs=jobs,
            progress=progress,
        )

    def rebuild(self) -> int:
        """Throw the followers' tables away and learn them again; return the number of entries read."""
        with tables.writing(self.engine) as connection:
            for follower in self.followers:
                for table in reversed(follower.metadata.sorted_tables):
                    connection.execute(table.delete())
            count = 0
            query = select(tables.records.c.record).order_by(tables.records.c.seq)
            for record in connection.execute(query).scalars():
                entry = parse_record(bytes(record))
                for follower in self.followers:
                    follower.apply(connection, entry)
                count += 1
            return count

    def sequence(self, is_over: Callable[[], bool], told: Callable[[int], None]) -> None:
        """Append what others put into the inbox of a shared ledger, until `is_over`."""
        if self._inbox is None:
            raise MalformedInput(
                "this ledger is a file: who appends to it writes it, and it needs no sequencer"
            )
        self._inbox.serve(is_over, told)

    def close(self) -> None:
        """Close the connections that appending has kept; the ledger can be used again afterwards."""
        self._appending.dispose()

    def _default_signer(self, kind: str) -> Signer:
        if self._signer is None:
            raise MalformedInput("no key signs here by itself: pass `signer`, or open the ledger with one")
        return self._signer(kind)

    def _view(self) -> tuple[Observed, Trust]:
        with self._sequencer.looking(), tables.failures():
            edge = self._edges.kept(self._appending)
            if edge is None:
                with tables.glance(self._appending) as connection:
                    edge = self._edges.read(connection)
            return Observed(edge.tree.size, edge.tree.root().hex()), edge.trust

    def _claimed(
        self, statement: Statement, keyid: str, role: str | None, seen: Observed, trust: Trust
    ) -> bytes:
        now = self._clock()
        return claimed_payload(
            statement,
            ledger=trust.log.name if trust.log is not None else self.origin,
            entry_id=new_entry_id(now, self._random_bytes),
            signed_at=written_time(now),
            observed=seen,
            role=role or trust.role_for(keyid, statement.kind, seen.size),
        )

    def _submit(self, submission: Submission) -> list[Entry]:
        # Before it waits in the queue: a key that does not open is nobody else's trouble.
        if self._log_signer is not None:
            self._log_signer()
        elif self._inbox is None:
            _no_log_signer()
        return self._sequencer.submit(submission)


def create_ledger(
    engine: Engine,
    *,
    origin: str,
    name: str,
    holder: str,
    roles: tuple[str, ...],
    signer: Signer,
    log_signer: Signer,
    followers: Sequence[Follower] = (),
    clock: Callable[[], float] = clocks.time,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Ledger:
    """Write the genesis entry of a new ledger: its first key with its roles, and the log's key."""
    origin, salt = check_origin(origin), random_bytes(SALT_BYTES)
    event = key_events.genesis(origin, name, signer.public, roles, holder, salt, log_signer.public)
    now = clock()
    statement = claim(
        event.statement,
        ledger=origin,
        entry_id=new_entry_id(now, random_bytes),
        signed_at=written_time(now),
        observed=Observed(0, EMPTY_ROOT.hex()),
        role="admin",
    )
    ledger = Ledger(
        engine,
        followers=followers,
        signer=lambda kind: signer,
        log_signer=lambda: log_signer,
        clock=clock,
        random_bytes=random_bytes,
    )
    with tables.writing(engine) as connection:
        if connection.execute(select(tables.head.c.id)).first() is not None:
            raise MalformedInput("the database holds a ledger already: a ledger is never overwritten")
        connection.execute(tables.head.insert().values(id=1, **Edge().head_row()))
        key_events.remembering(statement, event.holder)(connection)
        genesis = Submission((sign(statement.payload(), [signer]),))
        ledger._writer.write(connection, [genesis], log_signer)
    return ledger


def _several(signer: Signer | Sequence[Signer]) -> Sequence[Signer]:
    return signer if isinstance(signer, Sequence) else [signer]


def _no_log_signer() -> Signer:
    raise MalformedInput("this ledger was opened for reading: its log key is not at hand")
