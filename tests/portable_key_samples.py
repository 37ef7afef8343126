"""Evidence of a ledger whose keys change: what holds when, and what somebody tries who ignores it."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from audit import key_events
from audit.envelope import PAYLOAD_TYPE, pae, sign
from audit.keys import LocalSigner, Signer
from audit.ledger import Ledger
from tests import dishonest
from tests.evidence import a_bundle, root_of, said
from tests.portable_samples import Kept, Sample, rechained
from tests.small_ledger import ENTRY_ID, ORIGIN, Clock, People, new_ledger, report, signer

__all__ = ["BROUGHT_IN", "brought_in", "key_samples", "keys_over_time"]

GONE = "left out"
IN_DOUBT = (6, 10)
"""Signed with a key that was revoked in entry 11, suspect since 6."""


def keys_over_time(folder: Path) -> Kept:
    """Make a ledger in which keys are rotated, expire, are suspect, need company, and in which the log's key changes.

    0 genesis, 1 grant of a second admin, 2 threshold 2, 3 grant of ana, 4 report by ana, 5 ana's key rotated, 6 report
    by the new one, 7 bob's grant until 9, 8 report by bob, 9 the log's key rotated, 10 report by ana's new key, 11 that
    key revoked, suspect since 6, 12 report by the admin.
    """
    people = People()
    ledger = new_ledger(folder, people)
    second, ana, next_ana, bob, next_log = (signer() for _ in range(5))
    both = [people.admin, second]
    ledger.grant("second", second.public, ("admin",), "Mira Okafor")
    ledger.say(key_events.threshold(ORIGIN, 2), by=people.admin)
    ledger.say(key_events.grant("ana", ana.public, ("recorder",), "Ana Ruiz", bytes(32), None), by=both)
    ledger.append(report("one"), signer=ana)
    ledger.say(key_events.rotate(ledger.trust().named("ana"), next_ana.public, "yearly"), by=both)
    ledger.append(report("two"), signer=next_ana)
    ledger.say(key_events.grant("bob", bob.public, ("recorder",), "Bob Stone", bytes(32), 9), by=both)
    ledger.append(report("three"), signer=bob)
    event = key_events.log_rotate(ORIGIN, next_log.public, "yearly")
    claimed = ledger.claim(event.statement, people.admin.public.keyid)
    ledger.append_signed(sign(claimed.payload(), both), log_signers=[next_log])
    later = Ledger(
        ledger.engine,
        signer=lambda kind: people.admin,
        log_signer=lambda: next_log,
        clock=Clock(2_000_000_000.0),
    )
    later.append(report("four"), signer=next_ana)
    later.say(key_events.revoke(next_ana.public.keyid, "lost", 6), by=both)
    later.append(report("five"), signer=people.admin)
    assert ledger.verify()
    named = {
        "admin": people.admin, "second": second, "ana": ana, "next ana": next_ana, "bob": bob, "next log": next_log,
    }  # fmt: skip
    return Kept(dishonest.records_of(folder), [people.log, next_log], None, named)


def granted_again(folder: Path) -> Kept:
    """Make a ledger in which a key is suspect, and granted roles again; and one revokes itself.

    0 genesis, 1 grant of ana, 2 report by ana, 3 ana's key revoked, suspect since 2, 4 ana's key granted again, 5
    report by ana, 6 grant of a second admin, 7 that key revokes itself, suspect since 7.
    """
    people, ana, second = People(), signer(), signer()
    ledger = new_ledger(folder, people)
    ledger.grant("ana", ana.public, ("recorder",), "Ana Ruiz")
    ledger.append(report("one"), signer=ana)
    ledger.revoke(ana.public.keyid, "lost", 2)
    ledger.grant("ana", ana.public, ("recorder",), "Ana Ruiz")
    ledger.append(report("two"), signer=ana)
    ledger.grant("second", second.public, ("admin",), "Mira Okafor")
    ledger.revoke(second.public.keyid, "left", 7, by=second)
    assert ledger.verify()
    return Kept(dishonest.records_of(folder), [people.log], None, {})


def brought_in(folder: Path) -> Kept:
    """Make a ledger in which a suspect admin's key brought in others, and they others; and some are granted again.

    0 genesis, 1 grant of a second admin, 2 ana's grant by the second, 3 report by ana, 4 eve's grant by the second, an
    admin, 5 bob's grant by eve, 6 report by bob, 7 bob's key rotated by eve, 8 report by the new one, 9 ana's grant by
    eve, 10 report by ana, 11 the second's key revoked, suspect since 4, 12 report by bob's new key, 13 ana's grant by
    the first admin, 14 report by ana, 15 ana's grant by eve, 16 report by ana, 17 eve's key revoked, suspect since 15,
    18 and granted again, 19 report by eve.
    """
    people = People()
    ledger = new_ledger(folder, people)
    second, ana, eve, bob, next_bob = (signer() for _ in range(5))

    def grant(name: str, key: LocalSigner, by: LocalSigner, *roles: str) -> None:
        ledger.say(
            key_events.grant(name, key.public, roles or ("recorder",), name.title(), bytes(32), None), by=by
        )

    def say(by: LocalSigner) -> None:
        ledger.append(report(), signer=by)

    grant("second", second, people.admin, "admin")
    grant("ana", ana, second)
    say(ana)
    grant("eve", eve, second, "admin", "recorder")
    grant("bob", bob, eve)
    say(bob)
    ledger.say(key_events.rotate(ledger.trust().named("bob"), next_bob.public, "yearly"), by=eve)
    say(next_bob)
    grant("ana", ana, eve)
    say(ana)
    ledger.revoke(second.public.keyid, "stolen", 4)
    say(next_bob)
    grant("ana", ana, people.admin)
    say(ana)
    grant("ana", ana, eve)
    say(ana)
    ledger.revoke(eve.public.keyid, "brought in by a thief", 15)
    grant("eve", eve, people.admin)
    say(eve)
    assert ledger.verify()
    named = {"second": second, "ana": ana, "eve": eve, "bob": bob, "next bob": next_bob}
    return Kept(dishonest.records_of(folder), [people.log], None, {"admin": people.admin, **named})


BROUGHT_IN = (
    ("second", None, (4,)), ("eve", 4, (5, 7, 9)), ("bob", 5, (6,)), ("next bob", 7, (8, 12)), ("ana", 9, (10,)),
    ("eve", None, (15,)), ("ana", 15, (16,)),
)  # fmt: skip
"""Of the ledger above: who signed which entries in doubt, and by which grant in doubt (None: that key was suspect)."""


def resigned(
    record: bytes, change: Callable[[dict[str, Any]], object], *by: Signer, **statement: Any
) -> bytes:
    """Change a predicate, and let keys sign it; what is about a key stays about the key that it names.

    `statement` are members of the statement to put in the place of its own; a member that becomes `GONE` is left out.
    """
    document = json.loads(dishonest.forge(record, change))
    said = json.loads(base64.b64decode(document["entry"]["payload"]))
    about = said["predicate"].get("key", said["predicate"])
    if "keyid" in about:
        said["subject"][0]["digest"]["sha256"] = about["keyid"]
    said |= statement
    said["predicate"] = {name: value for name, value in said["predicate"].items() if value != GONE}
    payload = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    document["entry"]["payload"] = base64.b64encode(payload).decode()
    document["entry"]["signatures"] = [
        {"keyid": s.public.keyid, "sig": base64.b64encode(s.sign(pae(PAYLOAD_TYPE, payload))).decode()}
        for s in by
    ]
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def appended(kept: Kept, seq: int, *by: str, statement: dict[str, Any] | None = None, **change: Any) -> Kept:
    """Say what entry `seq` says once more at the end, changed and signed by these keys."""
    leaf = [hashlib.sha256(b"\x00" + record).digest() for record in kept.records]
    change = {"entry_id": ENTRY_ID, "observed": {"size": len(leaf), "root": root_of(leaf).hex()}, **change}
    keys = (kept.people[name] for name in by)
    new = resigned(kept.records[seq], lambda p: p.update(change), *keys, **(statement or {}))
    new = dishonest.backdate(new, json.loads(kept.records[-1])["time"])
    return kept.with_records(rechained([*kept.records, new]))


def key_samples(folder: Path, keys: Kept) -> list[Sample]:
    """Make evidence of it in a folder."""
    again = granted_again(folder / "again-ledger")
    thief = brought_in(folder / "thief-ledger")
    found = [*_heads(folder, keys), *_again(folder, again), *_brought_in(folder, thief)]
    for number, (name, (make, fails)) in enumerate(TRICKS.items()):
        sample = Sample(name, make(keys).tree(folder / f"keys{number}"), in_doubt=IN_DOUBT)
        found.append(sample.bad("signatures") if fails else sample)
    return found


def _again(folder: Path, kept: Kept) -> list[Sample]:
    whole = a_bundle(folder / "again.zip", kept.records, range(8), kept.head(), kept.vkeys, about="entry 0")
    tree = kept.tree(folder / "again")
    return [Sample(f"a key granted again, {p.name}", p, kept.vkey(), in_doubt=(2, 7)) for p in (tree, whole)]


def _brought_in(folder: Path, kept: Kept) -> list[Sample]:
    doubted = tuple(sorted(seq for _, _, entries in BROUGHT_IN for seq in entries))
    whole = a_bundle(folder / "thief.zip", kept.records, range(20), kept.head(), kept.vkeys, about="entry 0")
    tree = kept.tree(folder / "thief")
    return [
        Sample(f"keys that a thief brought in, {p.name}", p, kept.vkey(), in_doubt=doubted)
        for p in (tree, whole)
    ]


def _heads(folder: Path, keys: Kept) -> list[Sample]:
    old, new = keys.log
    turn, tree = keys.head(10, old, new), keys.tree(folder / "keys")

    def bundle(name: str, **anchors: bytes) -> Path:
        notes = {f"anchors/{number}.note": note for number, note in enumerate(anchors.values())}
        made = (keys.records, range(len(keys.records)), keys.head(), keys.vkeys)
        return a_bundle(folder / f"{name}.zip", *made, anchors=notes, about="entry 0")

    late = keys.tree(folder / "late", keys.head(None, old))
    late_by_both = keys.tree(folder / "late-by-both", keys.head(None, old, new))
    late_by_new_first = keys.tree(folder / "late-by-new-first", keys.head(None, new, old))
    found = [
        Sample("keys over time", tree, keys.vkey()),
        Sample("the old log key and the head that both signed", tree, keys.vkey(old), turn),
        Sample("the old log key alone", tree, keys.vkey(old)).bad("log key"),
        Sample("a bundle with the head that both signed", bundle("both", turn=turn), keys.vkey(old)),
        Sample("a bundle without it", bundle("without")).bad("tree"),
        Sample("a head that the new key signed first", bundle("first", turn=keys.head(10, new, old))).bad(
            "tree"
        ),
        Sample("a head that the new key signed alone", bundle("new", turn=keys.head(10, new))).bad("tree"),
        Sample("a checkpoint signed by the old log key", late).bad("tree"),
        Sample("a checkpoint that the old log key signed as well", late_by_both).bad("tree"),
        Sample("a checkpoint that the old log key signed after the new", late_by_new_first).bad("tree"),
        Sample("an older head signed by the new log key", tree, kept=keys.head(5, new)).bad("checkpoint"),
    ]
    return [replace(sample, in_doubt=IN_DOUBT) for sample in found]


ADMINS = ("admin", "second")


def _key(keys: Kept, name: str, new: LocalSigner | None = None, **change: Any) -> dict[str, Any]:
    public = (new or signer()).public
    granted: dict[str, Any] = said(keys.records[3])["predicate"]["key"]
    return granted | {"name": name, "keyid": public.keyid, "public": public.base64(), **change}


def _about(name: str) -> Callable[[Kept], str]:
    return lambda keys: keys.people[name].public.keyid


def _said(
    seq: int, *by: str, statement: dict[str, Any] | None = None, **change: Any
) -> Callable[[Kept], Kept]:
    """Say entry `seq` again; what is a function of the ledger is called with it."""

    def make(keys: Kept) -> Kept:
        made = {name: value(keys) if callable(value) else value for name, value in change.items()}
        return appended(keys, seq, *by, statement=statement, **made)

    return make


def _erased(statement: dict[str, Any] | None = None, **change: Any) -> Callable[[Kept], Kept]:
    """Say that a subject was erased, in the form of entry 2, a threshold."""
    said = {"erased": "subject", "id": "ab" * 16, "reason": "asked for it", "needed": GONE}
    about = {"predicateType": "urn:affidavit:erasure:v1", "subject": _subject(hashlib.sha256(b"ab" * 16))}
    return _said(2, *ADMINS, statement={**about, **(statement or {})}, **{**said, **change})


def _subject(digest: Any = None) -> list[dict[str, Any]]:
    """Return the subjects of a statement about one thing, by default one that it does not speak of."""
    return [{"name": "x", "digest": {"sha256": digest.hexdigest() if digest else "cd" * 32}}]


def _by_many(count: int) -> Callable[[Kept], Kept]:
    """Grant so many keys, and let all of them sign a report."""

    def make(keys: Kept) -> Kept:
        new = {f"key {n}": signer() for n in range(count)}
        kept = replace(keys, people={**keys.people, **new})
        for n, (name, key) in enumerate(new.items()):
            granted = _key(keys, name, key)
            kept = appended(kept, 3, *ADMINS, key=granted, entry_id=f"{ENTRY_ID[:-3]}f{n:02x}")
        return appended(kept, 12, *new, role="recorder")

    return make


def _rotated(**change: Any) -> Callable[[Kept], Kept]:
    """Grant a key to eve, and rotate it: to one that differs in what is given."""
    reason = {"reason": change.pop("reason")} if "reason" in change else {}

    def make(keys: Kept) -> Kept:
        eve = _key(keys, "eve", old := signer())
        granted = appended(keys, 3, *ADMINS, key=eve, entry_id=f"{ENTRY_ID[:-3]}f00")
        next_eve = _key(keys, "eve", **change)
        return appended(granted, 5, *ADMINS, keyid=old.public.keyid, key=next_eve, **reason)

    return make


TRICKS: dict[str, tuple[Callable[[Kept], Kept], bool]] = {
    "an honest grant": (_said(3, *ADMINS, key=lambda keys: _key(keys, "eve", expires=15)), False),
    "a grant by one admin of two": (_said(3, "admin", key=lambda keys: _key(keys, "eve")), True),
    "a grant by one admin twice": (_said(3, "admin", "admin", key=lambda keys: _key(keys, "eve")), True),
    "a grant by an admin and a recorder": (_said(3, "admin", "bob", key=lambda keys: _key(keys, "eve")), True),
    "a report by a key that was rotated": (_said(4, "ana"), True),
    "a report by a key that expired": (_said(8, "bob"), True),
    "a report by a key that was revoked": (_said(6, "next ana"), True),
    "a report by a key and one that expired": (_said(12, "admin", "bob"), True),
    "a threshold that the admins cannot meet": (_said(2, *ADMINS, needed=3), True),
    "a threshold of none": (_said(2, *ADMINS, needed=0), True),
    "a threshold of seventeen": (_said(2, *ADMINS, needed=17), True),
    "a second genesis": (_said(0, *ADMINS), True),
    "a rotation to a key that is known": (_said(5, *ADMINS, keyid=_about("bob")), True),
    "a rotation of an expired key": (
        _said(5, *ADMINS, keyid=_about("bob"), key=lambda keys: _key(keys, "bob")), True),
    "a revocation of an admin who is needed": (_said(11, *ADMINS, keyid=_about("second")), True),
    "a revocation of a key that nobody has": (_said(11, *ADMINS, keyid="ab" * 32), True),
    "a suspicion of what is to come": (_said(11, *ADMINS, keyid=_about("ana"), suspect_since=14), True),
    "a grant of the log's own key": (_said(3, *ADMINS, key=lambda keys: _key(keys, "eve", keys.log[1])), True),
    "a grant under a name that is taken": (_said(3, *ADMINS, key=lambda keys: _key(keys, "bob")), True),
    "a grant under a rotated key's name": (_said(3, *ADMINS, key=lambda keys: _key(keys, "ana")), True),
    "a grant to a name that turns the writing": (_said(3, *ADMINS, key=lambda keys: _key(keys, "e\u202eve")), True),
    "a grant to a name that is not seen": (_said(3, *ADMINS, key=lambda keys: _key(keys, "bob\u200b")), True),
    "a grant to a name with a space": (_said(3, *ADMINS, key=lambda keys: _key(keys, "eve adams")), False),
    "a grant to a holder who is named": (
        _said(3, *ADMINS, key=lambda keys: _key(keys, "eve", holder="Eve")), True),
    "a report with sixteen signatures": (_by_many(16), False),
    "a report with seventeen signatures": (_by_many(17), True),
    "a key under another id": (_said(3, *ADMINS, key=lambda keys: _key(keys, "eve", keyid="ab" * 32)), True),
    "a key that expires at once": (_said(3, *ADMINS, key=lambda keys: _key(keys, "eve", expires=14)), True),
    "roles out of order": (
        _said(3, *ADMINS, key=lambda keys: _key(keys, "eve", roles=["recorder", "admin"])), True),
    "a grant whose subject is another key": (
        _said(3, *ADMINS, key=lambda keys: _key(keys, "eve"), statement={"subject": _subject()}), True),
    "a revocation": (_said(11, *ADMINS, keyid=_about("bob"), suspect_since=None), False),
    "a revocation whose subject is another key": (
        _said(11, *ADMINS, keyid=_about("bob"), suspect_since=None, statement={"subject": _subject()}), True),
    "a revocation without a reason": (
        _said(11, *ADMINS, keyid=_about("bob"), suspect_since=None, reason=GONE), True),
    "a revocation that says nothing of suspicion": (
        _said(11, *ADMINS, keyid=_about("bob"), suspect_since=GONE), True),
    "a threshold": (_said(2, *ADMINS, needed=1), False),
    "a threshold whose subject is another ledger": (
        _said(2, *ADMINS, needed=1, statement={"subject": _subject()}), True),
    "a rotation of the log's key whose subject is another": (
        _said(9, *ADMINS, log=lambda keys: keys.vkey(signer())), True),
    "a rotation to a key that never ends": (_rotated(), False),
    "a rotation to a key that ends": (_rotated(expires=20), True),
    "a rotation without a reason": (_rotated(reason=GONE), True),
    "an erasure": (_erased(), False),
    "an erasure of nobody": (_erased(erased="x"), True),
    "an erasure without an id": (_erased(id=GONE), True),
    "an erasure without a reason": (_erased(reason=GONE), True),
    "an erasure whose subject is another": (_erased({"subject": _subject()}), True),
    "a log key that the log had before": (_said(9, *ADMINS, log=lambda keys: keys.vkey(keys.log[0])), True),
    "a log key that is a person's": (_said(9, *ADMINS, log=lambda keys: keys.vkey(keys.people["bob"])), True),
}  # fmt: skip
"""What is said at the end, and whether it has to fail."""
