"""Any sequence of key events: what is trusted follows from it, and nobody can lock a ledger."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.canonical import JsonObject
from audit.envelope import sign
from audit.errors import AffidavitError, MalformedInput, NotPermitted
from audit.key_events import KeyEvent, grant, log_rotate, revoke, rotate, threshold
from audit.keys import LocalSigner
from audit.note import VerifierKey
from audit.statement import Statement
from audit.trust import FORMAT, Trust, grant_json
from tests.small_ledger import ORIGIN, claimed, signer

KEYS = [signer() for _ in range(5)]
LOGS = [signer() for _ in range(3)]
ROLES = st.sets(st.sampled_from(["admin", "recorder", "validator"]), min_size=1).map(
    lambda s: tuple(sorted(s))
)
KEY, LOG = st.sampled_from(KEYS), st.sampled_from(LOGS)

EVENTS = st.one_of(
    st.tuples(st.just("grant"), KEY, st.sampled_from("abcd"), ROLES, st.none() | st.integers(2, 30)),
    st.tuples(st.just("revoke"), KEY, st.none() | st.integers(0, 30)),
    st.tuples(st.just("rotate"), KEY, KEY),
    st.tuples(st.just("log"), LOG),
    st.tuples(st.just("threshold"), st.integers(0, 4)),
)


def genesis() -> Statement:
    key = grant_json("a", KEYS[0].public, ("admin",), "cd" * 32)
    log = str(VerifierKey(ORIGIN, LOGS[0].public.raw))
    return claimed("genesis", {"format": FORMAT, "log": log, "key": key}, role="admin")


def event(trust: Trust, said: tuple[Any, ...]) -> KeyEvent | None:
    match said:
        case ("grant", key, name, roles, expires):
            return grant(name, key.public, roles, name, bytes(32), expires)
        case ("revoke", key, suspect):
            return revoke(key.public.keyid, "reason", suspect)
        case ("rotate", old, new):
            known = trust.grants.get(old.public.keyid)
            return rotate(known, new.public, "reason") if known else None
        case ("log", log):
            return log_rotate(ORIGIN, log.public, "reason")
    return threshold(ORIGIN, said[1])


@dataclass
class Story:
    """What became of a sequence: the statements that stand, and the trust after them."""

    trust: Trust = field(default_factory=lambda: Trust().after(0, genesis()))
    stands: list[Statement] = field(default_factory=lambda: [genesis()])

    def say(self, said: tuple[Any, ...]) -> None:
        made = event(self.trust, said)
        if made is None:
            return
        predicate: JsonObject = dict(made.statement.predicate)
        statement = claimed(
            made.statement.kind, predicate, role="admin", subject=made.statement.subjects[0].sha256
        )
        try:
            self.trust = self.trust.after(len(self.stands), statement)
        except AffidavitError:
            return
        self.stands.append(statement)


def told(events: list[tuple[Any, ...]]) -> Story:
    story = Story()
    for one in events:
        story.say(one)
    return story


@given(st.lists(EVENTS, max_size=25))
def test_any_sequence_of_key_events_replayed_gives_the_same_trust(events: list[tuple[Any, ...]]) -> None:
    story = told(events)
    again = Trust()
    for seq, statement in enumerate(story.stands):
        again = again.after(seq, statement)
    assert again == story.trust


@given(st.lists(EVENTS, max_size=25), st.integers(0, 10**6))
@settings(max_examples=60)
def test_no_sequence_leaves_a_ledger_without_enough_administrators(
    events: list[tuple[Any, ...]], later: int
) -> None:
    story = told(events)
    by_id = {key.public.keyid: key for key in KEYS}
    admins: list[LocalSigner] = [
        by_id[g.keyid] for g in story.trust.grants.values() if g.holds("admin", len(story.stands) + later)
    ]
    statement = claimed("stage", role="admin")
    story.trust.permit(sign(statement.payload(), admins), statement, len(story.stands) + later)
    assert len(admins) >= story.trust.needed >= 1


@given(st.lists(EVENTS, max_size=25))
def test_no_two_keys_that_may_speak_share_a_name(events: list[tuple[Any, ...]]) -> None:
    names = [g.name for g in told(events).trust.grants.values() if g.roles]
    assert len(set(names)) == len(names)


@given(st.lists(EVENTS, max_size=25))
def test_every_head_is_signed_by_a_key_that_the_entries_before_it_named(
    events: list[tuple[Any, ...]],
) -> None:
    story = told(events)
    named: list[VerifierKey] = []
    for size, statement in enumerate(story.stands, start=1):
        before = named[-1:]
        if statement.kind in ("genesis", "log-rotate"):
            named.append(VerifierKey.parse(statement.text("log")))
        expected = [*before, named[-1]] if statement.kind == "log-rotate" else named[-1:]
        assert list(story.trust.logs.signing(size)) == expected


@given(st.lists(EVENTS, max_size=25), KEY)
def test_a_key_that_was_taken_its_roles_says_nothing(events: list[tuple[Any, ...]], key: LocalSigner) -> None:
    story = told(events)
    known = story.trust.grants.get(key.public.keyid)
    if known is not None and known.roles:
        return
    for kind in ("stage", "run", "approval"):
        with pytest.raises((NotPermitted, MalformedInput)):
            story.trust.role_for(key.public.keyid, kind, len(story.stands))
