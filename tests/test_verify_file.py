"""Verification of a damaged file: cut short, flipped bytes, and statements that say anything at all."""

import random
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import MalformedInput
from audit.keystore import KeyStore
from audit.record import parse_record
from tests import dishonest
from tests.kept_story import GENESIS, LAST, Kept, copied, detected, failed, value


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_database_that_was_cut_short_is_seen(kept: Kept, share: float) -> None:
    dishonest.truncate_file(kept.folder, int((kept.folder / "ledger.db").stat().st_size * share))
    assert detected(kept)


def test_of_a_database_that_is_damaged_in_the_middle_it_is_said_how_far_it_reads_and_no_root(
    kept: Kept,
) -> None:
    with closing(sqlite3.connect(kept.folder / "ledger.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [record] = connection.execute("SELECT record FROM records WHERE seq = 9").fetchone()
    place = (kept.folder / "ledger.db").read_bytes().index(record[:200])
    dishonest.flip_page_byte(kept.folder, place // 4096 * 4096, 0x80)  # the kind of the page
    report = kept.verify()
    assert 0 < report.size <= 9
    assert (report.to_json()["root"], report.to_json()["anchor"]) == (None, None)
    where = f"the database cannot be read past entry {report.size - 1}"
    assert [step.detail for step in report.steps if step.status == "skipped"] == [f"not done: {where}"] * 7
    assert report.steps[5].status == "failed"
    assert where in report.steps[5].detail


@pytest.mark.parametrize("data", [b"", b"garbage", b"SQLite format 3\x00" + bytes(84), b"\x00" * 8192])
def test_a_file_that_is_no_database_is_not_verified(kept: Kept, data: bytes) -> None:
    (kept.folder / "ledger.db").write_bytes(data)
    assert detected(kept)


def test_a_definition_that_is_not_utf_8_is_seen_and_said_in_a_sentence(kept: Kept) -> None:
    data = (kept.folder / "ledger.db").read_bytes()
    place = data.index(b"CREATE TABLE holders") + 3
    dishonest.flip_page_byte(kept.folder, place, 0x80)
    assert detected(kept)
    with pytest.raises(MalformedInput, match="a definition in it is not UTF-8"):
        kept.ledger.head()


@pytest.mark.parametrize("page", range(36))
def test_a_byte_flipped_in_any_page_is_seen_or_changes_nothing_that_is_said(
    template: Kept, page: int
) -> None:
    pages = (template.folder / "ledger.db").stat().st_size // 4096
    random_places = random.Random(page)
    said = dishonest.everything(template.folder)
    overlooked = []
    for _ in range(2):
        place = page % pages * 4096 + random_places.randrange(4096)
        difference = random_places.randrange(1, 256)
        with copied(template) as kept:
            dishonest.flip_page_byte(kept.folder, place, difference)
            if not detected(kept) and dishonest.everything(kept.folder) != said:
                overlooked.append(place)
    assert overlooked == []


@pytest.mark.parametrize("place", [*range(72), *range(92, 100)])  # the rest is reserved, and unused
def test_a_byte_flipped_in_the_files_header_is_seen_or_changes_nothing_that_is_said(
    template: Kept, place: int
) -> None:
    with copied(template) as kept:
        dishonest.flip_page_byte(kept.folder, place, 0x41)
        assert detected(kept) or dishonest.everything(kept.folder) == dishonest.everything(template.folder)


@settings(max_examples=30)
@given(data=st.data())
def test_bytes_flipped_in_a_record_are_always_a_finding_that_names_the_entry(
    template: Kept, data: st.DataObject
) -> None:
    seq = data.draw(st.integers(GENESIS, LAST))
    record = bytearray(value(template, "records", "record", seq))
    for place in data.draw(st.sets(st.integers(0, len(record) - 1), min_size=1, max_size=4)):
        record[place] ^= data.draw(st.integers(1, 255))
    with copied(template) as kept:
        dishonest.edit(kept.folder, "records", "record", seq, bytes(record))
        found = failed(kept.verify())
    assert seq in found["records"].entries or seq in found["tree"].entries


@settings(max_examples=30)
@given(data=st.data())
def test_a_predicate_that_says_anything_at_all_never_breaks_verification(
    template: Kept, data: st.DataObject
) -> None:
    # The signer's key is stolen, so that every check but the signature's meets what was said.
    seq = data.draw(st.integers(GENESIS, LAST))
    flat: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=5)
    junk: st.SearchStrategy[Any] = (
        flat | st.lists(flat, max_size=2) | st.dictionaries(st.text("ab"), flat, max_size=2)
    )
    record = template.records[seq]
    members = sorted(parse_record(record).statement.predicate)
    drawn = data.draw(st.dictionaries(st.sampled_from(members), junk, min_size=1, max_size=3))
    owners = {template.stolen(n).public.keyid: n for n in KeyStore(template.folder / "keys").names()}
    signer = template.stolen(owners[parse_record(record).key])
    with copied(template) as kept:
        forged = dishonest.forge(record, lambda p: p.update(drawn), signer)
        dishonest.edit(kept.folder, "records", "record", seq, forged)
        assert kept.verify() or forged != record
