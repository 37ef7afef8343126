"""Verification, against an operator who rewrites entries, with stolen keys and made to fit: every trick is seen."""

import re
from typing import Any

import pytest

from audit.note import VerifierKey
from audit.record import parse_record
from tests import dishonest
from tests.kept_story import GENESIS, LAST, PERSON, REFUSAL, RUN, Kept, failed
from tests.small_ledger import DIGEST


def test_entries_that_traded_places_are_named(kept: Kept) -> None:
    dishonest.swap_entries(kept.folder, RUN, RUN + 1)
    assert failed(kept.verify())["records"].entries == (RUN, RUN + 1, RUN + 2)


def test_entries_that_traded_places_in_a_ledger_made_to_fit_are_seen_by_what_signers_saw(kept: Kept) -> None:
    records = kept.records
    records[11], records[12] = records[12], records[11]
    kept.refit(records)
    assert failed(kept.verify())["observed"].entries[0] == 11


def promoted(predicate: dict[str, Any]) -> None:
    predicate["decision"] = "promoted"


def excused(predicate: dict[str, Any]) -> None:
    predicate["reason"] = "an excuse that nobody gave"


def test_an_edited_payload_is_named(kept: Kept) -> None:
    records = kept.records
    records[REFUSAL] = dishonest.forge(records[REFUSAL], promoted)
    dishonest.edit(kept.folder, "records", "record", REFUSAL, records[REFUSAL])
    found = failed(kept.verify())
    assert set(found) == {"records", "tree", "signatures", "observed", "tables"}
    assert found["signatures"].entries == (REFUSAL,)


def test_an_edit_with_every_checkpoint_signed_anew_is_caught_by_signature_and_by_what_signers_saw(
    kept: Kept,
) -> None:
    records = kept.records
    records[REFUSAL] = dishonest.forge(records[REFUSAL], excused)
    kept.refit(records)
    found = failed(kept.verify())
    assert set(found) == {"signatures", "observed"}
    assert found["signatures"].entries == (REFUSAL,)
    assert found["observed"].entries == tuple(range(REFUSAL + 1, LAST + 1))


def test_an_edit_without_a_new_chain_is_caught_by_the_chain_too(kept: Kept) -> None:
    records = kept.records
    forged = dishonest.forge(records[REFUSAL], promoted)
    dishonest.edit(kept.folder, "records", "record", REFUSAL, forged)
    dishonest.resign(kept.folder, kept.stolen("log"))
    assert failed(kept.verify())["records"].entries == (REFUSAL + 1,)


def test_an_edit_with_the_signers_key_stolen_too_is_caught_by_what_others_saw(kept: Kept) -> None:
    records = kept.records
    records[REFUSAL] = dishonest.forge(records[REFUSAL], excused, kept.stolen("approver"))
    kept.refit(records)
    assert set(failed(kept.verify())) == {"observed"}


def test_an_edit_after_the_last_observed_head_needs_a_checkpoint_kept_elsewhere(kept: Kept) -> None:
    elsewhere = kept.ledger.head().checkpoint
    records = kept.records
    better = dishonest.forge(
        records[LAST], lambda p: p.update(started="2020-01-01T00:00:00.000000Z"), kept.stolen("scientist")
    )
    kept.refit([*records[:LAST], better])
    assert kept.verify()
    assert set(failed(kept.verify(elsewhere))) == {"anchors"}


@pytest.mark.parametrize("seq", [GENESIS, PERSON, RUN, LAST - 1])
def test_an_entry_taken_out_of_a_ledger_made_to_fit_is_seen(kept: Kept, seq: int) -> None:
    records = kept.records
    kept.refit(records[:seq] + records[seq + 1 :])
    assert not kept.verify()


def test_an_entry_put_between_others_by_a_stolen_key_is_seen_by_what_signers_saw(kept: Kept) -> None:
    records = kept.records
    inserted = dishonest.forge(
        records[RUN],
        lambda p: p.update(entry_id="019bbb5c-5a3e-7cc9-8d1e-2f3a4b5c6d7e", model="inserted"),
        kept.stolen("scientist"),
    )
    kept.refit([*records[: RUN + 1], inserted, *records[RUN + 1 :]])
    assert failed(kept.verify())["observed"].entries[0] == RUN + 3


def test_a_backdated_entry_is_named_by_the_times(kept: Kept) -> None:
    records = kept.records
    records[RUN] = dishonest.backdate(records[RUN], "2020-01-01T00:00:00.000000Z")
    kept.refit(records)
    assert failed(kept.verify())["times"].entries == (RUN,)


def test_an_entry_backdated_by_little_is_seen_by_what_signers_saw(kept: Kept) -> None:
    records = kept.records
    before = parse_record(records[RUN - 1]).time
    records[RUN] = dishonest.backdate(records[RUN], before)
    kept.refit(records)
    found = failed(kept.verify())
    assert found["observed"].entries == tuple(range(RUN + 1, LAST + 1))
    assert "times" not in found


def test_a_statement_said_once_and_entered_twice_is_named(kept: Kept) -> None:
    kept.refit(dishonest.replay(kept.records, RUN))
    found = failed(kept.verify())
    assert f"the statement of entry {LAST + 1} stands in the ledger twice" in found["signatures"].detail
    assert f"records.entry_id of entry {LAST + 1}" in found["records"].detail


def test_a_statement_signed_for_another_ledger_is_named(kept: Kept) -> None:
    records = kept.records
    moved = dishonest.forge(
        records[LAST], lambda p: p.update(ledger="other.example"), kept.stolen("scientist")
    )
    kept.refit([*records[:LAST], moved])
    assert "entry 19 was signed for another ledger" in failed(kept.verify())["signatures"].detail


@pytest.mark.parametrize("change", [{"roles": ["admin"]}, {"name": "someone"}, {"holder": DIGEST}])
def test_an_edited_grant_is_named(kept: Kept, change: dict[str, Any]) -> None:
    records = kept.records
    records[PERSON] = dishonest.forge(records[PERSON], lambda p: p["key"].update(change))
    kept.refit(records)
    assert PERSON in failed(kept.verify())["signatures"].entries


def test_a_grant_of_the_operators_own_key_is_named(kept: Kept) -> None:
    records, own = kept.records, kept.stolen("leaver").public
    records[PERSON] = dishonest.forge(
        records[PERSON], lambda p: p["key"].update(public=own.base64(), keyid=own.keyid)
    )
    kept.refit(records)
    assert PERSON in failed(kept.verify())["signatures"].entries


def test_a_statement_by_a_revoked_key_is_named(kept: Kept) -> None:
    records = kept.records
    later = dishonest.forge(
        records[RUN],
        lambda p: p.update(entry_id="019bbb5c-5a3e-7cc9-8d1e-2f3a4b5c6d7e"),
        kept.stolen("leaver"),
    )
    kept.refit([*records, dishonest.backdate(later, parse_record(records[-1]).time)])
    assert "'leaver' does not hold the role recorder" in failed(kept.verify())["signatures"].detail


def test_another_log_key_in_the_genesis_entry_is_named(kept: Kept) -> None:
    records, own = kept.records, kept.stolen("leaver")
    origin = parse_record(records[0]).log
    records[0] = dishonest.forge(records[0], lambda p: p.update(log=str(VerifierKey(origin, own.public.raw))))
    dishonest.refit(kept.folder, records, dishonest.sizes_of(kept.folder), own)
    assert GENESIS in failed(kept.verify())["signatures"].entries


@pytest.mark.parametrize(("column", "becomes"), [("name", "Nobody"), ("salt", bytes(32))])
def test_an_edited_holder_is_named_by_the_key(kept: Kept, column: str, becomes: str | bytes) -> None:
    dishonest.edit(kept.folder, "holders", column, 2, becomes)
    detail = failed(kept.verify())["tables"].detail
    assert re.search(r"holders\.name or salt of the key '\w+'", detail)
