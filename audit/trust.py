"""Which key may say what, and since which entry: learned from the key entries of the ledger itself.

Rules:

- The genesis entry names the first key, its roles and the log's key. A ``key-grant`` gives a key its roles from
  the next entry on, in place of those it had; a ``key-revoke`` takes them; a ``key-rotate`` passes name, roles and
  holder on to another key; a ``log-rotate`` names the log's next key; a ``threshold`` says how many keys must sign
  what is said in the role admin.
- Validity is counted in sequence numbers, never by a clock.
- Each kind of statement may be said in certain roles (`MAY_SAY`). A statement states the one it is said in, and
  every key that signed it must hold that role at that entry.
- There are always as many keys with the role admin that never expire as the threshold needs, and no key of the log's
  is anybody else's.
- In which entries a key is suspect stays known, also when it is granted roles again: those up to its revocation. So
  does which keys signed what gave a key its roles: `audit.doubt` follows from both.
- Deny unless: an unknown kind, role or key may say nothing.

`Trust` is a value: `after` returns what is trusted once an entry stands, so a writer and a verifier that read the
same entries hold the same trust.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from audit.canonical import Json
from audit.envelope import MOST_SIGNATURES, Envelope
from audit.errors import MalformedInput, NotFound, NotPermitted
from audit.grants import ROLES, Giving, Grant, Suspicion, grant_json, parse_grant
from audit.key_subjects import check_subject
from audit.keys import PublicKey
from audit.log_keys import LogKeys
from audit.note import VerifierKey
from audit.statement import Statement

__all__ = ["FORMAT", "KEY_KINDS", "MAY_SAY", "ROLES", "Grant", "Trust", "article", "grant_json"]

FORMAT = "urn:affidavit:ledger:v1"
KEY_KINDS = ("genesis", "key-grant", "key-revoke", "key-rotate", "log-rotate", "threshold")
"""The kinds of statement from which trust is learned."""

MAY_SAY: Mapping[str, tuple[str, ...]] = {
    "genesis": ("admin",),
    "key-grant": ("admin",),
    "key-revoke": ("admin",),
    "key-rotate": ("admin",),
    "log-rotate": ("admin",),
    "threshold": ("admin",),
    "erasure": ("admin",),
    "stage": ("admin",),
    "run": ("recorder",),
    "approval": ("validator", "approver"),
    "decision": ("approver",),
    "reproduction": ("recorder", "validator", "auditor"),
    "report": ("recorder", "validator", "approver", "auditor"),
}
"""For each kind of statement, the roles in which it may be said, the usual one first."""


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys by id, the log's keys, and how many keys must sign as admin, after some entry."""

    grants: Mapping[str, Grant] = field(default_factory=dict)
    logs: LogKeys = field(default_factory=LogKeys)
    needed: int = 1

    @property
    def log(self) -> VerifierKey | None:
        """The log's newest key."""
        return self.logs.newest

    def log_at(self, size: int) -> VerifierKey | None:
        """Return the log's key that signs a checkpoint of `size` entries."""
        return self.logs.at(size)

    def key(self, keyid: str) -> PublicKey:
        """Return the public key of a key id; `NotPermitted` when the ledger never granted it."""
        grant = self.grants.get(keyid)
        if grant is None:
            raise NotPermitted(f"the key {keyid[:16]} is not granted in this ledger")
        return grant.public

    def named(self, name: str) -> Grant:
        """Find a key by its name, which is that of the newest where keys were rotated, or by the start of its id."""
        found = [g for g in self.grants.values() if g.name == name and g.rotated is None]
        found = found or [g for g in self.grants.values() if len(name) >= 8 and g.keyid.startswith(name)]
        if len(found) != 1:
            known = ", ".join(sorted({g.name for g in self.grants.values()}))
            raise NotFound(f"this ledger has no key named {name!r}: its keys are {known}")
        return found[0]

    def first_key(self, keyid: str) -> str:
        """Return the id of the first of the keys that took each other's place up to this one: one person held them."""
        grant = self.grants.get(keyid)
        while grant is not None and grant.replaces is not None:
            keyid = grant.replaces
            grant = self.grants.get(keyid)
        return keyid

    def role_for(self, keyid: str, kind: str, seq: int, called: str | None = None) -> str:
        """Return the first role in which a key may say a kind of statement in entry `seq`, or raise `NotPermitted`.

        `called` is the name by which it was asked for: a key that was never granted has none here.
        """
        grant = self.grants.get(keyid)
        may = MAY_SAY.get(kind, ())
        role = next((r for r in may if grant is not None and grant.holds(r, seq)), None)
        if role is None:
            name = grant.name if grant else called
            raise NotPermitted(
                f"the key {keyid[:16] if name is None else repr(name)} may not sign {article(kind)} {kind} entry: "
                f"that takes the role {' or '.join(may) or 'of none'}, {_has(grant, seq)} ({_remedy(grant)})"
            )
        return role

    def permit(
        self, envelope: Envelope, statement: Statement, seq: int, verified: Container[Envelope] = ()
    ) -> None:
        """Check signatures, role and kind of a statement about to stand as entry `seq`.

        `verified` are envelopes whose signatures were verified just before, by the keys that their ids name.
        Raises `NotVerified` for a signature, and `NotPermitted` for who made it or what is said.
        """
        if statement.kind == "genesis" and not self.grants:
            first = parse_grant(statement.predicate, 0).public
            if [s.keyid for s in envelope.signatures] != [first.keyid]:
                raise NotPermitted("the genesis entry is signed by the key that it names, and by no other")
            if statement.text("role") != "admin":
                raise NotPermitted("the genesis entry is said in the role admin")
            envelope.verify(lambda _: first)
            return
        role = statement.text("role")
        if role not in MAY_SAY.get(statement.kind, ()) or statement.kind == "genesis":
            raise NotPermitted(
                f"{article(statement.kind)} {statement.kind} entry may not be said in the role {role!r}"
            )
        for signature in envelope.signatures:
            grant = self.grants.get(signature.keyid)
            if grant is None or not grant.holds(role, seq):
                who = repr(grant.name) if grant else signature.keyid[:16]
                gone = grant is not None and (not grant.roles or grant.is_expired(seq))
                raise NotPermitted(
                    f"the key {who} does not hold the role {role} that {article(statement.kind)} {statement.kind} "
                    f"entry needs here{f' ({_has(grant, seq)})' if gone else ''}"
                )
        if envelope not in verified:
            envelope.verify(self.key)
        self.check_enough(role, len({s.keyid for s in envelope.signatures}))

    def needed_for(self, role: str) -> int:
        """Return how many different keys must sign what is said in a role."""
        return self.needed if role == "admin" else 1

    def check_enough(self, role: str, signed: int) -> None:
        """Refuse what fewer keys signed than the role needs; `NotPermitted`."""
        needed = self.needed_for(role)
        if signed < needed:
            raise NotPermitted(
                f"what is said in the role {role} needs signatures by {needed} keys in this ledger and has {signed}: "
                "name more with --as or, where the command has it, pass a draft on with --draft FILE"
            )

    def after(self, seq: int, statement: Statement, by: Sequence[str] = ()) -> "Trust":
        """Return the trust once the entry `seq` stands; `MalformedInput` when a key entry makes no sense.

        `by` are the ids of the keys that signed it: nobody yet, where it is only tried.
        """
        check_subject(statement)
        match statement.kind:
            case "genesis":
                return self._from_genesis(seq, statement, by)
            case "key-grant":
                return self._with(_new_grant(self, parse_grant(statement.predicate, seq), by))
            case "key-revoke":
                return self._without(seq, statement)
            case "key-rotate":
                return self._rotated(seq, statement, by)
            case "log-rotate":
                return self._with_log(seq, VerifierKey.parse(statement.text("log")))
            case "threshold":
                return self._with_threshold(statement.predicate.get("needed"))
            case "erasure" if statement.predicate.get("erased") not in ("holder", "subject"):
                raise MalformedInput("what is erased is a holder or a subject")
        return self

    def _from_genesis(self, seq: int, statement: Statement, by: Sequence[str]) -> "Trust":
        if seq != 0 or self.grants:
            raise MalformedInput("the genesis entry is the first, and there is only one")
        if statement.predicate.get("format") != FORMAT:
            raise MalformedInput(f"the ledger's format is not {FORMAT}")
        log = VerifierKey.parse(statement.text("log"))
        if log.name != statement.text("ledger"):
            raise MalformedInput("the log's key is named by another ledger than the one it is for")
        begun = Trust(logs=LogKeys().then(seq, log))
        return begun._with(_new_grant(begun, parse_grant(statement.predicate, seq), by))

    def _with(self, *grants: Grant) -> "Trust":
        return _with_admins(replace(self, grants={**self.grants, **{g.keyid: g for g in grants}}))

    def _without(self, seq: int, statement: Statement) -> "Trust":
        grant = self._known(statement, "revoked")
        statement.text("reason")
        suspect = statement.predicate.get("suspect_since", False)
        if not (suspect is None or (type(suspect) is int and 0 <= suspect <= seq)):
            raise MalformedInput(
                f"what a key signed is in doubt from an entry that stands already (0 to {seq}), or not at all: "
                f"{suspect!r} is none"
            )
        more = () if suspect is None else (Suspicion(suspect, seq),)
        return self._with(replace(grant, roles=(), revoked=seq, suspicions=(*grant.suspicions, *more)))

    def _rotated(self, seq: int, statement: Statement, by: Sequence[str]) -> "Trust":
        old = self._known(statement, "rotated")
        if not old.roles or old.is_expired(seq):
            raise MalformedInput(
                f"the key {old.name!r} holds no role to pass on, it is {old.standing(seq)}: grant the new key its "
                "roles with `affidavit key grant`"
            )
        new = parse_grant(statement.predicate, seq)
        if (new.name, new.roles, new.holder, new.expires) != (old.name, old.roles, old.holder, old.expires):
            raise MalformedInput(
                "a key that takes the place of another has its name, its roles, its holder and its end"
            )
        if new.keyid in self.grants:
            raise MalformedInput("the new key is known in this ledger already: rotate to a key made for it")
        retired = replace(old, roles=(), rotated=seq)
        between = replace(self, grants={**self.grants, old.keyid: retired})
        return self._with(retired, replace(_new_grant(between, new, by), replaces=old.keyid))

    def _with_log(self, seq: int, log: VerifierKey) -> "Trust":
        if any(grant.public == PublicKey.of_raw(log.raw) for grant in self.grants.values()):
            raise MalformedInput("the log's key and a person's key are two different keys")
        return replace(self, logs=self.logs.then(seq, log))

    def _with_threshold(self, needed: Json) -> "Trust":
        if type(needed) is not int or not 1 <= needed <= MOST_SIGNATURES:
            raise MalformedInput(f"a threshold needs 1 to {MOST_SIGNATURES} keys")
        return _with_admins(replace(self, needed=needed))

    def _known(self, statement: Statement, done: str) -> Grant:
        keyid = statement.text("keyid")
        grant = self.grants.get(keyid)
        if grant is None:
            raise MalformedInput(
                f"the key {keyid[:16]} is not granted in this ledger, so it cannot be {done}"
            )
        return grant


def article(kind: str) -> str:
    """Return the article that goes before a kind of statement in a sentence."""
    return "an" if kind[:1] in "aeiou" else "a"


def _has(grant: Grant | None, seq: int) -> str:
    if grant is None:
        return "it holds no role here"
    if grant.roles and not grant.is_expired(seq):
        return f"it holds {', '.join(grant.roles)}"
    return f"it holds no role here, it is {grant.standing(seq)}"


def _remedy(grant: Grant | None) -> str:
    """Say what whoever lacks a role can do: a key that was taken out of use is given none again."""
    if grant is not None and grant.revoked is not None:
        return "sign with another key of yours: `affidavit key list` shows which hold roles"
    if grant is not None and grant.rotated is not None:
        return "sign with the key that took its place"
    return "`affidavit key grant` gives roles"


def _new_grant(trust: Trust, grant: Grant, by: Sequence[str]) -> Grant:
    """Check a grant, signed by these keys, against what is known, and keep what stays known of its key."""
    before = trust.grants.get(grant.keyid)
    taken = (g for g in trust.grants.values() if g.name == grant.name and g.rotated is None)
    if any(g.keyid != grant.keyid for g in taken):
        raise MalformedInput(f"the key name {grant.name!r} is taken by another key: choose another")
    if trust.logs.had(grant.public):
        raise MalformedInput("the log's key and a person's key are two different keys")
    giving = Giving(grant.since, tuple(by))
    if before is None:
        return replace(grant, givings=(giving,))
    givings = (*before.givings, giving)
    return replace(grant, suspicions=before.suspicions, replaces=before.replaces, givings=givings)


def _with_admins(trust: Trust) -> Trust:
    """Return the trust if enough keys hold the role admin for ever: else nobody could grant it again."""
    admins = sum("admin" in grant.roles and grant.expires is None for grant in trust.grants.values())
    if admins == 0:
        raise MalformedInput(
            "no key would hold the role admin for good, and nobody could grant it again: give it to another key first"
        )
    if admins < trust.needed:
        raise MalformedInput(
            f"{trust.needed} keys must sign what an admin says, and only {admins} would hold the role admin for good: "
            "give it to another key first, or lower the threshold"
        )
    return trust
