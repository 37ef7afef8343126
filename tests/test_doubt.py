from dataclasses import replace

from audit.doubt import Doubt, Doubted, Doubts, entries_of, granted_words
from audit.grants import Giving, Grant, Suspicion
from audit.keys import LocalSigner
from tests.small_ledger import signer

ADMIN, SECOND, EVE, BOB = signer(), signer(), signer(), signer()


def key(of: LocalSigner, *givings: tuple[int, LocalSigner], suspect: tuple[Suspicion, ...] = ()) -> Grant:
    given = tuple(Giving(entry, (by.public.keyid,)) for entry, by in givings)
    return Grant("a name", of.public, ("admin",), "", given[-1].entry, suspicions=suspect, givings=given)


def doubts(*grants: Grant, before: int | None = None) -> Doubts:
    return Doubts.of({grant.keyid: grant for grant in grants}, before)


STOLEN = key(SECOND, (1, ADMIN), suspect=(Suspicion(4, 9),))
FIRST = key(ADMIN, (0, ADMIN))


def test_no_key_is_doubted_that_no_revocation_calls_suspect() -> None:
    assert doubts(FIRST, replace(STOLEN, suspicions=()), key(EVE, (5, SECOND))).by_key == {}


def test_a_grant_by_a_suspect_key_puts_in_doubt_what_its_key_signs_from_the_next_entry_on() -> None:
    found = doubts(FIRST, STOLEN, key(EVE, (5, SECOND)))
    assert [seq for seq in range(12) if found.reason(EVE.public.keyid, seq)] == list(range(6, 12))


def test_a_grant_from_before_the_suspicion_or_after_the_revocation_is_in_no_doubt() -> None:
    found = doubts(FIRST, STOLEN, key(EVE, (3, SECOND)), key(BOB, (10, SECOND)))
    assert found.by_key.keys() == {SECOND.public.keyid}


def test_doubt_goes_on_from_grant_to_grant() -> None:
    found = doubts(FIRST, STOLEN, key(EVE, (5, SECOND)), key(BOB, (7, EVE)))
    assert found.reason(BOB.public.keyid, 8) == Doubt(8, None, 7)


def test_a_grant_in_no_doubt_ends_it_for_what_follows() -> None:
    found = doubts(FIRST, STOLEN, key(EVE, (5, SECOND), (8, ADMIN)))
    assert found.by_key[EVE.public.keyid] == (Doubt(6, 8, 5),)
    assert found.holds_undoubted(EVE.public.keyid)


def test_a_key_in_doubt_cannot_clear_itself() -> None:
    found = doubts(FIRST, STOLEN, key(EVE, (5, SECOND), (7, EVE)))
    assert found.by_key[EVE.public.keyid] == (Doubt(6, 7, 5), Doubt(8, None, 7))
    assert not found.holds_undoubted(EVE.public.keyid)


def test_the_newest_grant_counts_also_where_an_older_one_is_in_no_doubt() -> None:
    found = doubts(FIRST, STOLEN, key(EVE, (2, ADMIN), (5, SECOND)))
    assert [seq for seq in range(3, 8) if found.reason(EVE.public.keyid, seq)] == [6, 7]


def test_one_signature_in_doubt_is_enough() -> None:
    both = Giving(5, (ADMIN.public.keyid, SECOND.public.keyid))
    assert doubts(FIRST, STOLEN, replace(key(EVE, (5, ADMIN)), givings=(both,))).reason(EVE.public.keyid, 6)


def test_what_was_known_before_an_entry_follows_from_the_revocations_before_it() -> None:
    grants = (FIRST, STOLEN, key(EVE, (5, SECOND)))
    assert doubts(*grants, before=9).by_key == {}
    assert doubts(*grants, before=10).by_key == doubts(*grants).by_key


def test_that_a_key_itself_was_suspect_is_said_before_what_its_grant_is() -> None:
    eve = key(EVE, (5, SECOND), suspect=(Suspicion(7, 11), Suspicion(6, 12)))
    reason = doubts(FIRST, STOLEN, eve).reason(EVE.public.keyid, 8)
    assert reason is not None
    assert reason.words == "a key that is suspect from entry 6 on"


def test_entries_in_doubt_are_sorted_out_by_key_and_reason() -> None:
    eve, second = EVE.public.keyid, SECOND.public.keyid
    found = doubts(FIRST, STOLEN, key(EVE, (5, SECOND)))
    groups = found.doubted({second: [3, 5], eve: [6, 7, 20], ADMIN.public.keyid: [0, 9]})
    assert groups == [Doubted(second, None, (5,)), Doubted(eve, 5, (6, 7, 20))]
    assert entries_of(groups) == (5, 6, 7, 20)
    assert granted_words(groups, {eve: key(EVE, (5, SECOND))}) == [
        f"entries 6 to 7, 20 were signed by the key 'a name' ({eve[:16]}…), whose grant (entry 5) is in doubt"
    ]
