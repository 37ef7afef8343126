"""Drafts: what several sign, each with a key of their own, and each way in which a draft can be wrong."""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import key_events
from audit.canonical import decode, encode
from audit.drafts import Draft, begin, described, submit
from audit.envelope import Envelope, Signature, sign
from audit.errors import AffidavitError, MalformedInput, NotPermitted, NotVerified
from audit.key_events import KeyEvent
from audit.keys import LocalSigner
from audit.ledger import Ledger
from audit.statement import Statement, Subject
from tests.small_ledger import DIGEST, ORIGIN, People, claimed, new_ledger, report, signer

ADMIN, SECOND, ANA = signer(), signer(), signer()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Give a ledger in which two admins must sign."""
    ledger = new_ledger(tmp_path, People(admin=ADMIN))
    ledger.grant("second", SECOND.public, ("admin",), "Bob Osei")
    ledger.grant("ana", ANA.public, ("recorder",), "Ana Ruiz")
    ledger.say(key_events.threshold(ORIGIN, 2))
    return ledger


def granting(key: LocalSigner | None = None) -> KeyEvent:
    return key_events.grant("dana", (key or signer()).public, ("validator",), "Dana Moss", bytes(range(32)))


def drafted(ledger: Ledger, event: KeyEvent | None = None) -> Draft:
    event = event or granting()
    return begin(ledger, event.statement, event.holder, [ADMIN])


def test_a_draft_that_was_passed_on_and_signed_becomes_an_entry(ledger: Ledger) -> None:
    passed_on = Draft.parse(drafted(ledger).to_bytes())
    signed = Draft.parse(passed_on.signed_by(SECOND, ledger).to_bytes())
    entry = submit(ledger, signed, [])
    assert [s.keyid for s in entry.envelope.signatures] == [ADMIN.public.keyid, SECOND.public.keyid]
    assert ledger.holder(ledger.trust().named("dana").keyid) == "Dana Moss"
    assert ledger.verify()


def test_a_draft_that_too_few_have_signed_is_not_submitted(ledger: Ledger) -> None:
    with pytest.raises(NotPermitted, match="needs 1 more signature: pass it on"):
        submit(ledger, drafted(ledger), [])
    assert ledger.head().size == 4


def test_one_key_counts_once(ledger: Ledger) -> None:
    with pytest.raises(MalformedInput, match="has signed the draft already"):
        drafted(ledger).signed_by(ADMIN, ledger)


def test_who_does_not_hold_the_role_cannot_sign(ledger: Ledger) -> None:
    with pytest.raises(NotPermitted, match="'ana' may not sign a key-grant entry"):
        drafted(ledger).signed_by(ANA, ledger)


def test_a_draft_becomes_one_entry_however_often_it_is_submitted(ledger: Ledger) -> None:
    draft = drafted(ledger, key_events.threshold(ORIGIN, 1)).signed_by(SECOND, ledger)
    submit(ledger, draft, [])
    for again in (lambda: submit(ledger, draft, []), lambda: draft.signed_by(SECOND, ledger)):
        with pytest.raises(
            MalformedInput, match="submitted already, as entry 4: there is nothing left to do"
        ):
            again()


def test_a_draft_whose_signer_lost_the_role_meanwhile_is_refused(ledger: Ledger) -> None:
    draft = drafted(ledger)
    third = signer()
    for event in (
        key_events.grant("third", third.public, ("admin",), "Kim Seo", bytes(32)),
        key_events.revoke(ADMIN.public.keyid, "left", None),
    ):
        ledger.say(event, by=[ADMIN, SECOND])
    with pytest.raises(NotPermitted, match=r"does not hold the role admin .* it is revoked by entry 5"):
        draft.signed_by(third, ledger)


def test_a_draft_that_makes_no_sense_any_more_is_refused(ledger: Ledger) -> None:
    draft = drafted(ledger, granting(ANA)).signed_by(SECOND, ledger)
    ledger.say(
        key_events.grant("dana", signer().public, ("auditor",), "Another Dana", bytes(32)), by=[ADMIN, SECOND]
    )
    with pytest.raises(MalformedInput, match="the key name 'dana' is taken"):
        submit(ledger, draft, [])


def test_a_draft_of_another_ledger_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    other = new_ledger(tmp_path / "other", People(admin=ADMIN), origin="other.example")
    with pytest.raises(MalformedInput, match=r"is for the ledger 'other\.example', this one is 'test"):
        drafted(other).check(ledger)


def test_a_signature_that_does_not_verify_is_said(ledger: Ledger) -> None:
    draft = drafted(ledger)
    forged = Signature(SECOND.public.keyid, bytes(64))
    envelope = replace(draft.envelope, signatures=(*draft.envelope.signatures, forged))
    with pytest.raises(NotVerified, match="does not verify"):
        replace(draft, envelope=envelope).check(ledger)


def test_what_is_signed_is_the_payload_and_not_what_a_draft_says_beside_it(ledger: Ledger) -> None:
    draft = drafted(ledger)
    other = drafted(ledger, key_events.revoke(ANA.public.keyid, "left", None))
    mixed = Envelope(other.envelope.payload, draft.envelope.signatures)
    with pytest.raises(NotVerified):
        Draft(mixed, other.statement, None).check(ledger)


def test_the_change_of_the_logs_key_is_submitted_where_both_its_keys_are(ledger: Ledger) -> None:
    new = signer()
    draft = drafted(ledger, key_events.log_rotate(ORIGIN, new.public, "yearly")).signed_by(SECOND, ledger)
    with pytest.raises(NotPermitted, match="the log key at hand is not the one"):
        submit(ledger, draft, [])
    assert submit(ledger, draft, [new]).seq == 4


# -- in words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (lambda: granting(ANA), r"the key dana \([0-9a-f]{16}…\) held by Dana Moss holds validator"),
        (
            lambda: key_events.grant("d", signer().public, ("auditor",), "Kim", bytes(32), 9),
            r"the key d .* held by Kim holds auditor up to entry 8",
        ),
        (
            lambda: key_events.revoke(ANA.public.keyid, "stolen", 2),
            r"the key ana .* holds no role; what it signed from entry 2 on is in doubt\. Reason: stolen",
        ),
        (
            lambda: key_events.log_rotate(ORIGIN, signer().public, "yearly"),
            r"signs its heads with test\.example",
        ),
        (lambda: key_events.threshold(ORIGIN, 1), "1 key must sign what is said in the role admin"),
        (
            lambda: KeyEvent(
                Statement(
                    "stage",
                    (Subject("other", DIGEST),),
                    {"stage": "production", "policies": [{"name": "lending", "sha256": DIGEST}]},
                )
            ),
            r"the stage production is guarded by lending \(abab",
        ),
    ],
)
def test_who_signs_is_told_in_words_what(ledger: Ledger, event: Callable[[], KeyEvent], said: str) -> None:
    draft = drafted(ledger, event())
    assert re.match(said, described(draft, ledger.trust(), 4).replace("the log ", ""))


def test_a_rotation_is_told_in_words(ledger: Ledger) -> None:
    event = key_events.rotate(ledger.trust().named("ana"), signer().public, "yearly")
    told = described(drafted(ledger, event), ledger.trust(), 4)
    assert "takes the place of ana (" in told


# -- the file ----------------------------------------------------------------------------------------------------------


def changed(ledger: Ledger, **members: Any) -> bytes:
    document = decode(drafted(ledger).to_bytes()[:-1])
    assert isinstance(document, dict)
    return encode(document | members)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"type": "urn:affidavit:draft:v2"}, "the draft's type is not urn:affidavit:draft:v1"),
        ({"more": 1}, "a draft has exactly type, envelope and holder"),
        ({"envelope": {}}, "an envelope has exactly"),
        ({"holder": None}, "names its holder, by name and salt"),
        ({"holder": {"name": "Dana Moss"}}, "names its holder, by name and salt"),
        ({"holder": {"name": "Dana Moss", "salt": "00"}}, "the salt 64 hexadecimal digits"),
        ({"holder": {"name": "Dana Moss", "salt": "AB" * 32}}, "the salt 64 hexadecimal digits"),
        ({"holder": {"name": 1, "salt": "ab" * 32}}, "a holder's name is text"),
        (
            {"holder": {"name": "Mallory", "salt": bytes(range(32)).hex()}},
            "not the one that the grant commits",
        ),
    ],
)
def test_a_draft_with_another_member_is_refused(
    ledger: Ledger, members: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        Draft.parse(changed(ledger, **members))


def test_only_a_draft_that_grants_a_key_names_a_holder(ledger: Ledger) -> None:
    draft = drafted(ledger, key_events.threshold(ORIGIN, 1))
    with pytest.raises(MalformedInput, match="only a draft that grants a key"):
        Draft.parse(replace(draft, holder=granting().holder).to_bytes())


def test_what_one_person_says_is_no_draft() -> None:
    statement = claimed("run", role="recorder")
    draft = Draft(sign(statement.payload(), [ANA]), statement, None)
    with pytest.raises(MalformedInput, match="a run statement is signed by one, and is no draft"):
        Draft.parse(draft.to_bytes())


@pytest.mark.parametrize("data", [b"", b"{}", b"garbage", b"\n", b" " * 200_000])
def test_another_file_is_no_draft(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        Draft.parse(data)


def test_a_draft_that_was_edited_is_no_draft(ledger: Ledger) -> None:
    data = drafted(ledger).to_bytes()
    for spoiled in (data + b"\n", b" " + data, data.replace(b":", b": ", 1)):
        with pytest.raises(MalformedInput, match="or it was changed on its way"):
            Draft.parse(spoiled)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_draft_or_malformed(data: bytes) -> None:
    with suppress(MalformedInput):
        Draft.parse(data)


SAMPLE = Draft(
    sign(claimed("threshold", {"needed": 2}, role="admin").payload(), [ADMIN]), claimed(), None
).to_bytes()


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255))
def test_a_draft_with_any_byte_changed_is_read_or_malformed(place: int, byte: int) -> None:
    with suppress(MalformedInput):
        Draft.parse(SAMPLE[:place] + bytes([byte]) + SAMPLE[place + 1 :])


def test_what_an_entry_of_one_signer_says_is_not_changed_by_a_draft(ledger: Ledger) -> None:
    with pytest.raises(AffidavitError):
        submit(ledger, drafted(ledger), [])
    assert ledger.append(report(), signer=ANA).seq == 4


def test_a_draft_whose_subject_is_another_key_than_the_one_it_installs_is_refused(ledger: Ledger) -> None:
    known, own = signer().public, signer().public
    honest = key_events.rotate(ledger.trust().named("ana"), own, "a new laptop")
    misleading = replace(honest.statement, subjects=(Subject("ana", known.keyid),))
    with pytest.raises(MalformedInput, match="the subject of the key-rotate entry"):
        begin(ledger, misleading, None, [ADMIN])


def test_a_rotation_that_changes_when_the_key_ends_is_refused(ledger: Ledger) -> None:
    ana = ledger.trust().named("ana")
    longer = key_events.rotate(replace(ana, expires=99), signer().public, "a new laptop")
    with pytest.raises(MalformedInput, match="its end"):
        begin(ledger, longer.statement, None, [ADMIN])


def erasing(keyid: str, reason: str) -> Statement:
    about = Subject("holder", hashlib.sha256(keyid.encode()).hexdigest())
    return Statement("erasure", (about,), {"erased": "holder", "id": keyid, "reason": reason})


@pytest.mark.parametrize("reason", ["Ana Ruiz asked for it", "ANA  RUIZ asked", "  "])
def test_a_draft_of_an_erasure_whose_reason_names_the_person_is_not_signed_and_not_submitted(
    ledger: Ledger, reason: str
) -> None:
    statement = erasing(ANA.public.keyid, reason)
    claim = ledger.claim(statement, ADMIN.public.keyid)
    forged = Draft(sign(claim.payload(), [ADMIN, SECOND]), claim, None)
    for step in (lambda: forged.check(ledger), lambda: submit(ledger, forged, [])):
        with pytest.raises(MalformedInput, match="reason"):
            step()
    assert ledger.head().size == 4


def test_a_draft_of_an_erasure_whose_reason_names_nobody_is_submitted(ledger: Ledger) -> None:
    draft = begin(ledger, erasing(ANA.public.keyid, "asked for it"), None, [ADMIN]).signed_by(SECOND, ledger)
    submit(ledger, draft, [])
    assert ledger.holder(ANA.public.keyid) is None
