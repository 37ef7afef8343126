"""Keys over time on a real ledger: what stands is what verification finds, and nothing else gets in."""

from pathlib import Path

import pytest

from audit import key_events
from audit.envelope import sign
from audit.errors import MalformedInput, NotPermitted
from audit.key_events import KeyEvent
from audit.keys import LocalSigner, Signer
from audit.ledger import Ledger
from audit.note import Note, VerifierKey
from audit.record import Entry
from tests.small_ledger import ORIGIN, People, new_ledger, reopened, report, signer


@pytest.fixture
def ledger(tmp_path: Path, people: People) -> Ledger:
    return new_ledger(tmp_path, people)


def rotate_log(ledger: Ledger, admin: LocalSigner, *new: LocalSigner) -> Entry:
    event = key_events.log_rotate(ORIGIN, new[0].public, "yearly")
    claimed = ledger.claim(event.statement, admin.public.keyid)
    return ledger.append_signed(sign(claimed.payload(), [admin]), log_signers=new)


def say(ledger: Ledger, event: KeyEvent, *by: Signer) -> Entry:
    return ledger.say(event, by=list(by) or None)


def failures(ledger: Ledger) -> list[str]:
    return [step.detail for step in ledger.verify().steps if step.status == "failed"]


# -- rotation of a person's key ----------------------------------------------------------------------------------------


def test_a_rotated_key_hands_its_roles_to_the_next_and_all_verifies(ledger: Ledger) -> None:
    ana, next_ana = signer(), signer()
    ledger.grant("ana", ana.public, ("recorder",), "Ana Ruiz")
    before = ledger.append(report(), signer=ana)
    say(ledger, key_events.rotate(ledger.trust().named("ana"), next_ana.public, "yearly"))
    after = ledger.append(report(), signer=next_ana)
    with pytest.raises(NotPermitted, match="replaced by another key in entry 3"):
        ledger.append(report(), signer=ana)
    assert (before.seq, after.seq) == (2, 4)
    assert failures(ledger) == []


def test_the_holder_of_a_rotated_key_is_the_holder_of_the_next(ledger: Ledger) -> None:
    ana, next_ana = signer(), signer()
    ledger.grant("ana", ana.public, ("recorder",), "Ana Ruiz")
    say(ledger, key_events.rotate(ledger.trust().named("ana"), next_ana.public, "yearly"))
    assert ledger.holder(next_ana.public.keyid) == ledger.holder(ana.public.keyid) == "Ana Ruiz"
    grants = ledger.trust().grants
    assert grants[ana.public.keyid].holder == grants[next_ana.public.keyid].holder


def test_an_admin_may_rotate_its_own_key(ledger: Ledger, people: People) -> None:
    next_admin = signer()
    say(ledger, key_events.rotate(ledger.trust().named("admin"), next_admin.public, "yearly"))
    ledger.grant("ana", signer().public, ("recorder",), "Ana Ruiz", by=next_admin)
    with pytest.raises(NotPermitted):
        ledger.grant("bob", signer().public, ("recorder",), "Bob", by=people.admin)


# -- expiry ------------------------------------------------------------------------------------------------------------


def test_a_key_signs_until_the_entry_at_which_it_expires(ledger: Ledger) -> None:
    ana = signer()
    say(ledger, key_events.grant("ana", ana.public, ("recorder",), "Ana Ruiz", bytes(32), 3))
    assert ledger.append(report(), signer=ana).seq == 2
    with pytest.raises(NotPermitted, match="it is expired at entry 3"):
        ledger.append(report(), signer=ana)
    assert failures(ledger) == []


def test_a_key_that_expires_within_a_batch_spoils_the_whole_batch(ledger: Ledger) -> None:
    ana = signer()
    say(ledger, key_events.grant("ana", ana.public, ("recorder",), "Ana Ruiz", bytes(32), 3))
    with pytest.raises(NotPermitted, match="it is expired at entry 3"):
        ledger.append_many([report("one"), report("two")], signer=ana)
    assert ledger.head().size == 2


# -- the threshold -----------------------------------------------------------------------------------------------------


@pytest.fixture
def second(ledger: Ledger) -> LocalSigner:
    """Give the second admin of a ledger in which two must sign."""
    bob = signer()
    ledger.grant("bob", bob.public, ("admin",), "Bob Osei")
    say(ledger, key_events.threshold(ORIGIN, 2))
    return bob


def test_where_two_admins_must_sign_one_alone_grants_nothing(ledger: Ledger, second: LocalSigner) -> None:
    with pytest.raises(NotPermitted, match="needs signatures by 2 keys in this ledger and has 1"):
        ledger.grant("ana", signer().public, ("recorder",), "Ana Ruiz")


def test_two_admins_sign_one_statement_together(ledger: Ledger, people: People, second: LocalSigner) -> None:
    entry = ledger.grant("ana", signer().public, ("recorder",), "Ana Ruiz", by=[people.admin, second])
    assert [s.keyid for s in entry.envelope.signatures] == [people.admin.public.keyid, second.public.keyid]
    assert failures(ledger) == []


def test_one_admin_twice_is_one_admin(ledger: Ledger, people: People, second: LocalSigner) -> None:
    with pytest.raises(MalformedInput, match="one signature per key"):
        ledger.grant("ana", signer().public, ("recorder",), "Ana Ruiz", by=[people.admin, people.admin])


# -- the log's key -----------------------------------------------------------------------------------------------------


def test_the_head_that_ends_with_the_change_is_signed_by_both_keys_the_old_one_first(
    ledger: Ledger, people: People
) -> None:
    new = signer()
    entry = rotate_log(ledger, people.admin, new)
    note = Note.parse(ledger.head_at(entry.seq + 1).checkpoint)
    hashes = [VerifierKey(ORIGIN, key.public.raw).hash for key in (people.log, new)]
    assert [line.key_hash for line in note.signatures] == hashes


def test_the_log_goes_on_with_its_new_key_and_with_no_other(
    ledger: Ledger, people: People, tmp_path: Path
) -> None:
    new = signer()
    rotate_log(ledger, people.admin, new)
    with pytest.raises(NotPermitted, match="not the one that signs this ledger's heads now"):
        ledger.append(report())
    later = reopened(tmp_path, People(people.admin, new))
    later.append(report())
    assert failures(later) == []
    assert later.verify(log_key=VerifierKey(ORIGIN, people.log.public.raw))
    assert later.verify(log_key=VerifierKey(ORIGIN, new.public.raw))


def test_the_change_of_the_logs_key_needs_the_new_key_at_hand(ledger: Ledger, people: People) -> None:
    event = key_events.log_rotate(ORIGIN, signer().public, "yearly")
    with pytest.raises(NotPermitted, match="not the one that signs this ledger's heads now"):
        say(ledger, event)
    assert ledger.head().size == 1


def test_no_entry_follows_a_change_of_the_logs_key_in_its_batch(ledger: Ledger, people: People) -> None:
    new = signer()
    changing = key_events.log_rotate(ORIGIN, new.public, "yearly").statement
    with pytest.raises(MalformedInput, match="is the last of its batch"):
        ledger.append_many([changing, report()])


# -- what is said ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
def test_an_entry_about_a_key_states_its_reason(ledger: Ledger, reason: str) -> None:
    with pytest.raises(MalformedInput, match="states its reason"):
        key_events.revoke(signer().public.keyid, reason, None)


def test_a_key_whose_holder_is_not_known_any_more_is_not_rotated(ledger: Ledger) -> None:
    ledger.grant("ana", signer().public, ("recorder",), "Ana Ruiz")
    old = ledger.trust().named("ana")
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM holders WHERE name = 'Ana Ruiz'")
    with pytest.raises(MalformedInput, match="is not known any more"):
        say(ledger, key_events.rotate(old, signer().public, "yearly"))
    assert ledger.head().size == 2
