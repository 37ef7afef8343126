"""Vectors of keys over time: histories of offers, each with the answer that it must get where it is made.

An offer that is refused does not stand: the next one takes its number.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

from audit import key_events
from audit.canonical import JsonObject
from audit.grants import Grant
from audit.key_events import KeyEvent
from audit.note import VerifierKey
from audit.statement import Observed, Statement, Subject
from tests.vectors.history import History, begin, begun, report
from tests.vectors.people import ORIGIN, signer

__all__ = ["FILES", "OFFERS"]

SALT = bytes(range(32))

OFFERS = {
    "first_entries": 7,
    "grants": 23,
    "revocations": 10,
    "rotations": 13,
    "expiries": 9,
    "thresholds": 14,
    "log_rotations": 10,
    "places": 11,
}
"""How many offers each history makes: whoever answers them has to have met every one."""


def first_entries() -> History:
    """Which entry may be the first."""
    history = History()
    history.refuses("a report before there is a genesis entry", report(), "admin", role="recorder")
    history.refuses("a genesis entry signed by another than the key that it names", begin(), "ana")
    history.refuses("a genesis entry signed by another key too", begin(), "admin", "ana")
    history.refuses("a first key without the role admin", begin(roles=("recorder",)), "admin")
    history.refuses("the log's key named by another ledger", _genesis_for("other.example"), "admin")
    history.takes("the genesis entry", begin(), "admin")
    history.refuses("a second genesis entry", begin(), "admin")
    return history


def grants() -> History:
    """Grants, and what a key may say with them."""
    history = begun()
    history.refuses("a key that was never granted", report(), "ana", role="recorder")
    history.refuses("a grant by a key without the role admin", _grant("ana", "recorder"), "ana")
    history.takes("a grant by an admin", _grant("ana", "auditor", "recorder"), "admin")
    history.takes("a role that was granted, from the next entry on", report(), "ana", role="recorder")
    history.takes("the other role that was granted", report(), "ana", role="auditor")
    history.refuses("a role that was not granted", report(), "ana", role="approver")
    history.refuses("a role in which no report may be said", report(), "admin")
    history.refuses("one signer of two holds the role", report(), "admin", "bob", role="recorder")
    history.takes("both signers hold the role", report(), "admin", "ana", role="recorder")
    history.refuses("the name of another key", _grant("bob", "auditor", name="ana"), "admin")
    history.refuses("the log's own key", _grant("log", "auditor"), "admin")
    for why, members in _bad_grants():
        history.refuses(why, _changed(_grant("bob", "auditor"), **members), "admin")
    history.takes("a grant in place of the one before", _grant("ana", "auditor"), "admin")
    history.refuses("a role that the newer grant does not have", report(), "ana", role="recorder")
    history.takes("a grant of an ECDSA key", _grant("pat", "recorder"), "admin")
    history.takes("signed with ECDSA on P-256", report(), "pat", role="recorder")
    return history


def revocations() -> History:
    """Revocations."""
    history = begun()
    history.takes("a grant", _grant("ana", "recorder"), "admin")
    history.refuses("the only admin revoked", _revoke("admin"), "admin")
    history.refuses("a key that was never granted", _revoke("bob"), "admin")
    history.refuses("suspect since an entry to come", _revoke("ana", 3), "admin")
    history.refuses("suspect since an entry below 0", _revoke("ana", -1), "admin")
    history.takes("revoked, suspect since entry 1", _revoke("ana", 1), "admin")
    history.refuses("a revoked key", report(), "ana", role="recorder")
    history.takes("a revoked key granted again", _grant("ana", "recorder"), "admin")
    history.takes("it may speak again", report(), "ana", role="recorder")
    return history


def rotations() -> History:
    """Another key in the place of one."""
    history = begun()
    history.takes("a grant", _grant("ana", "recorder"), "admin")
    history.refuses("another name", _rotate("ana", "ana-2", "recorder", name="ana2"), "admin")
    history.refuses("other roles", _rotate("ana", "ana-2", "admin"), "admin")
    history.refuses("another holder", _rotate("ana", "ana-2", "recorder", holder="ab" * 32), "admin")
    history.refuses("to a key that is known already", _rotate("ana", "admin", "recorder"), "admin")
    history.refuses("to the log's key", _rotate("ana", "log", "recorder"), "admin")
    history.refuses("of a key that was never granted", _rotate("bob", "ana-2", "recorder"), "admin")
    history.refuses("by the key itself, which is no admin", _rotate("ana", "ana-2", "recorder"), "ana")
    history.takes("a rotation", _rotate("ana", "ana-2", "recorder"), "admin")
    history.refuses("the old key", report(), "ana", role="recorder")
    history.takes("the new key", report(), "ana-2", role="recorder")
    history.refuses("of a key that was rotated", _rotate("ana", "bob", "recorder"), "admin")
    return history


def expiries() -> History:
    """Keys that hold their roles up to an entry."""
    history = begun()
    history.refuses("expires before it holds its roles", _grant("ana", "recorder", expires=2), "admin")
    history.refuses("the only admin made to expire", _grant("admin", "admin", expires=9), "admin")
    history.takes("expires at entry 3", _grant("ana", "recorder", expires=3), "admin")
    history.takes("entry 2", report(), "ana", role="recorder")
    history.refuses("entry 3", report(), "ana", role="recorder")
    history.refuses("a rotation of an expired key", _rotate("ana", "ana-2", "recorder", expires=3), "admin")
    history.takes("granted again", _grant("ana", "recorder"), "admin")
    history.takes("and no more expiring", report(), "ana", role="recorder")
    return history


def thresholds() -> History:
    """How many admins must sign."""
    history = begun()
    history.refuses("two needed where there is one", _needed(2), "admin")
    history.refuses("none needed", _needed(0), "admin")
    history.refuses("17 needed", _needed(17), "admin")
    history.takes("a second admin", _grant("admin-2", "admin"), "admin")
    history.takes("two needed", _needed(2), "admin")
    history.refuses("one of two signs", _grant("ana", "recorder"), "admin")
    history.refuses("one admin and one who is none", _grant("ana", "recorder"), "admin", "stranger")
    history.takes("both sign", _grant("ana", "recorder"), "admin", "admin-2")
    history.takes("what is said in another role needs one", report(), "ana", role="recorder")
    history.refuses(
        "one of two revoked, so that two can sign no more", _revoke("admin-2"), "admin", "admin-2"
    )
    history.refuses("one of two lowers it alone", _needed(1), "admin")
    history.takes("both lower it", _needed(1), "admin-2", "admin")
    history.takes("one signs again", _revoke("admin-2"), "admin")
    return history


def log_rotations() -> History:
    """Another key for the log."""
    history = begun()
    history.takes("a grant", _grant("ana", "recorder"), "admin")
    history.refuses("the key that it has", _log_rotate("log"), "admin")
    history.refuses("a person's key", _log_rotate("ana"), "admin")
    history.refuses("not by an admin", _log_rotate("log-2"), "ana")
    history.refuses("under another name", _log_rotate("log-2", "other.example"), "admin")
    history.takes("another key for the log", _log_rotate("log-2"), "admin")
    history.refuses("back to the first", _log_rotate("log"), "admin")
    history.refuses("a person granted the log's first key", _grant("log", "auditor"), "admin")
    history.takes("an entry after it", report(), "ana", role="recorder")
    return history


def places() -> History:
    """What binds a statement to its ledger, its place and the history before it."""
    history = begun()
    history.takes("a report", report(), "admin", role="recorder")
    now, first = history.root().hex(), history.root(1).hex()

    def offer(stands: bool, why: str, **place: Any) -> bytes:
        return history.offer(stands, why, report(), "admin", role="recorder", **place)

    offer(False, "signed for another ledger", ledger="other.example")
    offer(False, "in a record of another ledger", log="other.example")
    offer(False, "an entry_id that stands already", entry=1)
    offer(False, "observed an entry that is not there", observed=Observed(3, now))
    offer(False, "observed another root", observed=Observed(2, "ab" * 32))
    offer(False, "observed the root of another size", observed=Observed(1, now))
    offer(True, "observed an older head", observed=Observed(1, first))
    good = offer(True, "observed nothing", observed=Observed(0, history.root(0).hex()))
    history.offer_bytes(False, "the record before, once more", good)
    return history


def histories() -> list[dict[str, Any]]:
    """Offers to a log, each with its answer; and which keys must sign the heads of a log that changed its key."""
    makers = (first_entries, grants, revocations, rotations, expiries, thresholds, log_rotations, places)
    cases = []
    for make in makers:
        history = make()
        case: dict[str, Any] = {"name": make.__name__, "origin": ORIGIN, "offers": history.offers}
        cases.append({**case, "heads": list(_heads(history))} if make is log_rotations else case)
    return cases


def _heads(history: History) -> Iterator[dict[str, Any]]:
    change = 3
    for size in range(1, len(history.records) + 1):
        right = ("log",) if size < change else ("log", "log-2") if size == change else ("log-2",)
        for names in (("log",), ("log-2",), ("log", "log-2"), ("log-2", "log"), ("stranger",)):
            note, answer = history.checkpoint(*names, size=size), "accepted" if names == right else "refused"
            yield {"note": note, "answer": answer, "why": f"size {size}, signed by {' and '.join(names)}"}


def _grant(who: str, *roles: str, expires: int | None = None, name: str | None = None) -> KeyEvent:
    return key_events.grant(name or who, signer(who).public, roles, f"Holder of {who}", SALT, expires)


def _bad_grants() -> Iterator[tuple[str, JsonObject]]:
    # The point of order 1, as a SubjectPublicKeyInfo.
    small = base64.b64encode(signer("bob").public.spki[:-32] + (1).to_bytes(32, "little")).decode()
    yield "a role that is none", {"roles": ["owner"]}
    yield "no role", {"roles": []}
    yield "roles out of order", {"roles": ["recorder", "auditor"]}
    yield "a role twice", {"roles": ["auditor", "auditor"]}
    yield "another key's id", {"keyid": "ab" * 32}
    yield "a key of small order", {"public": small}
    yield "a member too many", {"email": ""}


def _revoke(who: str, suspect_since: int | None = None) -> KeyEvent:
    return key_events.revoke(signer(who).public.keyid, "left", suspect_since)


def _rotate(who: str, to: str, *roles: str, **changes: Any) -> KeyEvent:
    held = key_events.grant(who, signer(who).public, roles, f"Holder of {who}", SALT).holder
    assert held is not None
    old = Grant(who, signer(who).public, roles, held.commitment, 0)
    return key_events.rotate(replace(old, **changes), signer(to).public, "yearly")


def _needed(needed: int) -> KeyEvent:
    return key_events.threshold(ORIGIN, needed)


def _log_rotate(to: str, name: str = ORIGIN) -> Statement:
    public = signer(to).public
    said: JsonObject = {"log": str(VerifierKey(name, public.raw)), "reason": "yearly"}
    return Statement("log-rotate", (Subject("log", public.keyid),), said)


def _genesis_for(name: str) -> Statement:
    said = begin().statement
    return replace(
        said, predicate={**said.predicate, "log": str(VerifierKey(name, signer("log").public.raw))}
    )


def _changed(event: KeyEvent, **members: Any) -> Statement:
    said = event.statement
    key = cast(JsonObject, said.predicate["key"])
    return replace(said, predicate={**said.predicate, "key": {**key, **members}})


FILES: dict[str, Callable[[], list[dict[str, Any]]]] = {"key-events": histories}
