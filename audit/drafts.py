"""A statement that several people sign, each on a machine of their own, before it is appended.

A draft is a file: the claimed statement in an envelope with the signatures so far, and, where it grants a key, who
holds it (which no statement says). It is passed on, signed by others, and submitted once enough have signed.

Rules:

- The file is canonical JSON with one newline after it, read strictly: ``type`` (``urn:affidavit:draft:v1``),
  ``envelope`` (DSSE) and ``holder`` (``name`` and ``salt``, or null).
- Nothing in it is believed: it is for this ledger, every signature verifies, every key that signed holds the role now,
  and the holder is the one that the grant commits to.
- Who signs is shown in words what is signed (`described`), made from the bytes that are signed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select

from audit import tables
from audit.bindings import Erasure
from audit.canonical import Json, JsonObject, decode, encode
from audit.envelope import PAYLOAD_TYPE, Envelope, Signature, pae, sign
from audit.erasure import check_reason, deleting, named_by
from audit.errors import MalformedInput, NotPermitted
from audit.grants import parse_grant
from audit.holders import SALT_BYTES, check_holder
from audit.key_events import Holder, remembering
from audit.keys import Signer
from audit.ledger import Ledger
from audit.record import Entry
from audit.stage_change import StageChange
from audit.statement import Statement
from audit.trust import Trust, article

__all__ = ["KINDS", "MOST_BYTES", "Draft", "append", "begin", "described", "submit", "would_stand"]

KINDS = ("key-grant", "key-revoke", "key-rotate", "log-rotate", "threshold", "stage", "erasure")
MOST_BYTES = 100_000
_TYPE = "urn:affidavit:draft:v1"
_SALT = re.compile(rf"[0-9a-f]{{{2 * SALT_BYTES}}}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A claimed statement, the signatures so far, and the holder that it commits to, if any."""

    envelope: Envelope
    statement: Statement
    holder: Holder | None

    def to_bytes(self) -> bytes:
        """Write the draft as its file."""
        holder: Json = None
        if self.holder is not None:
            holder = {"name": self.holder.name, "salt": self.holder.salt.hex()}
        document: JsonObject = {"type": _TYPE, "envelope": self.envelope.to_json(), "holder": holder}
        return encode(document) + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> "Draft":
        """Read a draft; raise `MalformedInput`."""
        if len(data) > MOST_BYTES:
            raise MalformedInput(f"this is no draft: it has more than {MOST_BYTES:,} bytes")
        try:
            value = decode(data.removesuffix(b"\n"))
        except MalformedInput as error:
            raise MalformedInput(f"this is no draft, or it was changed on its way: {error}") from None
        if not isinstance(value, dict) or set(value) != {"type", "envelope", "holder"}:
            raise MalformedInput("a draft has exactly type, envelope and holder")
        if value["type"] != _TYPE:
            raise MalformedInput(f"the draft's type is not {_TYPE}")
        envelope = Envelope.from_json(value["envelope"])
        statement = Statement.parse(envelope.payload)
        if statement.kind not in KINDS:
            raise MalformedInput(
                f"{article(statement.kind)} {statement.kind} statement is signed by one, and is no draft"
            )
        return cls(envelope, statement, _holder(value["holder"], statement))

    def check(self, ledger: Ledger) -> Trust:
        """Check the draft against the ledger as it stands, but for how many have signed; return the trust.

        Raises `MalformedInput` where it is for another ledger, stands there already or makes no sense now,
        `NotVerified` for a bad signature, `NotPermitted` where a key that signed does not hold the role now.
        """
        trust, size = ledger.trust(), ledger.head().size
        there = _place_of(ledger, self.statement)
        if there is not None:
            raise MalformedInput(
                f"this draft was submitted already, as entry {there}: there is nothing left to do, delete the file"
            )
        if self.statement.text("ledger") != ledger.origin:
            raise MalformedInput(
                f"the draft is for the ledger {self.statement.text('ledger')!r}, this one is {ledger.origin!r}"
            )
        # What more signatures would change is how many there are, and nothing else.
        replace(trust, needed=1).permit(self.envelope, self.statement, size)
        trust.after(size, self.statement)
        if self.statement.kind == "erasure":
            # Whoever wrote the file by hand may have named the person whom it erases.
            check_reason(self.statement.text("reason"), [named_by(ledger, self.statement)])
        return trust

    def signed_by(self, signer: Signer, ledger: Ledger) -> "Draft":
        """Return the draft with one more signature."""
        keyid = signer.public.keyid
        trust = self.check(ledger)
        trust.role_for(keyid, self.statement.kind, ledger.head().size)
        if any(signature.keyid == keyid for signature in self.envelope.signatures):
            raise MalformedInput("this key has signed the draft already: it counts once")
        made = Signature(keyid, signer.sign(pae(PAYLOAD_TYPE, self.envelope.payload)))
        envelope = replace(self.envelope, signatures=(*self.envelope.signatures, made))
        return replace(self, envelope=envelope)

    def missing(self, trust: Trust) -> int:
        """Say how many more must sign."""
        return max(0, trust.needed_for(self.statement.text("role")) - len(self.envelope.signatures))


def begin(ledger: Ledger, statement: Statement, holder: Holder | None, signers: Sequence[Signer]) -> Draft:
    """Claim a statement and sign it; nothing is appended."""
    claimed = ledger.claim(statement, signers[0].public.keyid)
    draft = Draft(sign(claimed.payload(), signers), claimed, holder)
    draft.check(ledger)
    return draft


def would_stand(ledger: Ledger, statement: Statement) -> None:
    """Check that a statement in the role admin would make sense as the next entry; nobody signs anything."""
    claimed = ledger.claim(statement, "", "admin")
    ledger.trust().after(ledger.head().size, claimed)


def submit(ledger: Ledger, draft: Draft, log_signers: Sequence[Signer]) -> Entry:
    """Append a draft that enough have signed; `NotPermitted` says how many are missing."""
    missing = draft.missing(draft.check(ledger))
    if missing:
        raise NotPermitted(
            f"the draft needs {missing} more {'signature' if missing == 1 else 'signatures'}: pass it on, "
            "`affidavit key sign FILE --as KEY` adds one"
        )
    return append(ledger, draft, log_signers)


def append(ledger: Ledger, draft: Draft, log_signers: Sequence[Signer]) -> Entry:
    """Append a statement as it is signed; `log_signers` has the log's next key, where the statement names it."""
    if draft.statement.kind == "erasure":
        within = deleting([named_by(ledger, draft.statement)])
    else:
        within = remembering(draft.statement, draft.holder)
    return ledger.append_signed(draft.envelope, within=within, log_signers=log_signers)


def described(draft: Draft, trust: Trust, size: int, change: StageChange | None = None) -> str:
    """Say in words what the draft says, once it stands as entry `size` or later, and what holds no more then.

    `change` is what a `stage` statement changes, which the trust does not know.
    """
    said, statement = draft.statement.predicate, draft.statement
    match statement.kind:
        case "key-grant":
            grant = parse_grant(said, size)
            who = f" held by {draft.holder.name}" if draft.holder else ""
            until = f" up to entry {grant.expires - 1}" if grant.expires is not None else ""
            before = trust.grants.get(grant.keyid)
            lost = [] if before is None else sorted(set(before.roles) - set(grant.roles))
            no_more = f", and no more {', '.join(lost)}" if lost else ""
            return f"the key {grant.name} ({grant.keyid[:16]}…){who} holds {', '.join(grant.roles)}{until}{no_more}"
        case "key-revoke":
            suspect = said.get("suspect_since")
            doubt = f"; what it signed from entry {suspect} on is in doubt" if suspect is not None else ""
            return (
                f"the key {_key(trust, statement)} holds no role{doubt}. Reason: {statement.text('reason')}"
            )
        case "key-rotate":
            new = parse_grant(said, size)
            return (
                f"the key {new.keyid[:16]}… takes the place of {_key(trust, statement)}. "
                f"Reason: {statement.text('reason')}"
            )
        case "log-rotate":
            return f"the log signs its heads with {statement.text('log')}. Reason: {statement.text('reason')}"
        case "threshold":
            needed = said.get("needed")
            return f"{needed} {'key' if needed == 1 else 'keys'} must sign what is said in the role admin"
        case "erasure":
            gone = Erasure.read(said)
            held = trust.grants.get(gone.id)
            whom = (
                f"holder of the key {held.name}"
                if held and gone.erased == "holder"
                else f"{gone.erased} {gone.id}"
            )
            return f"the {whom} is erased for ever. Reason: {gone.reason}"
    policies = said.get("policies")
    named = ", ".join(map(_policy, policies if isinstance(policies, list) else []))
    words = change.words if change is not None else ""
    return f"the stage {said.get('stage')} is guarded by {named or 'nothing that can be read'}{words}"


def _place_of(ledger: Ledger, statement: Statement) -> int | None:
    """Return the number of the entry that is this statement, None where there is none yet."""
    columns = tables.records.c
    query = select(columns.seq).where(columns.entry_id == statement.text("entry_id"))
    with tables.failures(), ledger.engine.connect() as connection:
        return connection.execute(query).scalar()


def _policy(named: Json) -> str:
    one = named if isinstance(named, dict) else {}
    return f"{one.get('name')} ({str(one.get('sha256'))[:16]}…)"


def _key(trust: Trust, statement: Statement) -> str:
    keyid = statement.text("keyid")
    grant = trust.grants.get(keyid)
    return f"{grant.name} ({keyid[:16]}…)" if grant else f"{keyid[:16]}…"


def _holder(value: Json, statement: Statement) -> Holder | None:
    if statement.kind != "key-grant":
        if value is not None:
            raise MalformedInput("only a draft that grants a key names its holder")
        return None
    if not isinstance(value, dict) or set(value) != {"name", "salt"}:
        raise MalformedInput("a draft that grants a key names its holder, by name and salt")
    name, salt = value["name"], value["salt"]
    if not isinstance(name, str) or not isinstance(salt, str) or _SALT.fullmatch(salt) is None:
        raise MalformedInput(f"a holder's name is text and the salt {2 * SALT_BYTES} hexadecimal digits")
    holder = Holder(check_holder(name), bytes.fromhex(salt))
    if parse_grant(statement.predicate, 0).holder != holder.commitment:
        raise MalformedInput("the holder in the draft is not the one that the grant commits to")
    return holder
