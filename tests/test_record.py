"""Records: an envelope at its place, in at most 65,535 bytes."""

import base64
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import decode, encode
from audit.envelope import Envelope, sign
from audit.errors import MalformedInput
from audit.merkle import leaf_hash
from audit.record import FIRST_PREV, MOST_BYTES, index_columns, parse_record, write_record
from tests.small_ledger import DIGEST, ENTRY_ID, ORIGIN, claimed, signer

SIGNER = signer()
TIME = "2026-01-13T09:30:00.123456Z"


def envelope(padding: int = 0) -> Envelope:
    return sign(claimed(predicate={"padding": "x" * padding}).payload(), [SIGNER])


def written(padding: int = 0, log: str = ORIGIN) -> bytes:
    return write_record(envelope(padding), log=log, prev=DIGEST, seq=7, time=TIME)


def test_a_record_reads_back_as_it_was_written() -> None:
    entry = parse_record(written())
    assert (entry.seq, entry.log, entry.prev, entry.time) == (7, ORIGIN, DIGEST, TIME)
    assert (entry.kind, entry.key, entry.entry_id) == ("report", SIGNER.public.keyid, ENTRY_ID)
    assert entry.envelope == envelope()


def test_a_record_is_the_canonical_json_of_six_members() -> None:
    assert decode(written()) == {
        "entry": envelope().to_json(),
        "log": ORIGIN,
        "prev": DIGEST,
        "seq": 7,
        "time": TIME,
        "type": "urn:affidavit:record:v1",
    }


def test_a_records_hash_is_that_of_its_bytes_as_a_leaf() -> None:
    assert parse_record(written()).leaf_hash == leaf_hash(written()).hex()


def test_every_index_column_follows_from_the_record() -> None:
    record = written()
    assert index_columns(parse_record(record)) == {
        "seq": 7,
        "record": record,
        "leaf_hash": leaf_hash(record),
        "entry_id": ENTRY_ID,
        "kind": "report",
        "key": SIGNER.public.keyid,
        "time": TIME,
    }


# -- the limit: three bytes of payload are four of base64, so the origin gives the last bytes ----------------------


def of_size(size: int) -> bytes:
    padding = (size - len(written()) - 8) // 4 * 3
    record = written(padding)
    return written(padding, log=ORIGIN + "x" * (size - len(record)))


def test_a_record_of_65535_bytes_is_written_and_read() -> None:
    record = of_size(MOST_BYTES)
    assert (len(record), parse_record(record).record == record) == (65_535, True)


def test_a_record_of_65536_bytes_is_not_written() -> None:
    with pytest.raises(MalformedInput, match=r"would be 65536 bytes and at most 65535 fit: .*artifact"):
        of_size(MOST_BYTES + 1)


def test_a_record_of_65536_bytes_is_not_read() -> None:
    whole = cast(dict[str, Any], decode(of_size(MOST_BYTES)))
    with pytest.raises(MalformedInput, match="at most 65535 bytes, this one has 65536"):
        parse_record(encode(whole | {"log": whole["log"] + "x"}))


# -- strictness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        *(
            pytest.param(lambda r, m=m: r.pop(m), id=f"no {m}")
            for m in ("entry", "log", "prev", "seq", "time", "type")
        ),
        pytest.param(lambda r: r.update(extra=1), id="a member more"),
        pytest.param(lambda r: r.update(type="urn:affidavit:record:v2"), id="another type"),
        pytest.param(lambda r: r.update(seq=-1), id="a negative seq"),
        pytest.param(lambda r: r.update(seq=True), id="true for a seq"),
        pytest.param(lambda r: r.update(seq="7"), id="a text for a seq"),
        pytest.param(lambda r: r.update(log=None), id="null for a log"),
        pytest.param(lambda r: r.update(prev=DIGEST[1:]), id="a short prev"),
        pytest.param(lambda r: r.update(prev=DIGEST.upper()), id="a prev in upper case"),
        pytest.param(lambda r: r.update(prev=None), id="null for a prev"),
        pytest.param(lambda r: r.update(time="2026-01-13"), id="a day for a time"),
        pytest.param(lambda r: r.update(time="2026-01-13T09:30:0٣.123456Z"), id="a time in other digits"),
        pytest.param(lambda r: r.update(time=1), id="a number for a time"),
        pytest.param(lambda r: r.update(entry=None), id="null for an envelope"),
        pytest.param(lambda r: r["entry"].update(extra=1), id="an envelope with a member more"),
        pytest.param(lambda r: r["entry"].update(payload=""), id="an empty payload"),
        pytest.param(
            lambda r: r["entry"].update(payload=base64.b64encode(b"{}").decode()), id="no statement"
        ),
    ],
)
def test_what_is_not_a_strict_record_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    changed = cast(dict[str, Any], decode(written()))
    change(changed)
    with pytest.raises(MalformedInput):
        parse_record(encode(changed))


def test_another_spelling_of_a_record_is_refused() -> None:
    with pytest.raises(MalformedInput, match="not canonical"):
        parse_record(written() + b"\n")


def test_the_first_record_follows_from_64_zeros() -> None:
    assert (
        parse_record(write_record(envelope(), log=ORIGIN, prev=FIRST_PREV, seq=0, time=TIME)).prev == "0" * 64
    )


@given(st.data())
def test_a_record_that_was_edited_is_refused_or_is_the_one_spelling_of_what_it_says(
    data: st.DataObject,
) -> None:
    record = bytearray(written())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(len(record) - 220, len(record)))
        gone, put = data.draw(st.integers(0, 2)), data.draw(st.text('09aé"\\,:{}. \x00\x7f', max_size=2))
        record[at : at + gone] = put.encode()
    try:
        entry = parse_record(bytes(record))
    except MalformedInput:
        return
    again = write_record(entry.envelope, log=entry.log, prev=entry.prev, seq=entry.seq, time=entry.time)
    assert again == record


@pytest.mark.parametrize(
    "log", ["bank.example/é", 'bank.example/"', "bank.example/\\", "bank.example/\x7f", ""]
)
def test_a_record_whose_text_is_not_plain_ascii_reads_like_any_other(log: str) -> None:
    record = written(log=log)
    assert (parse_record(record).log, parse_record(record).record) == (log, record)


def test_a_record_under_two_signatures_reads_like_any_other() -> None:
    two = sign(claimed().payload(), [SIGNER, signer()])
    assert parse_record(write_record(two, log=ORIGIN, prev=DIGEST, seq=7, time=TIME)).envelope == two


@pytest.mark.parametrize("seq", [10**14, 2**53 - 1])
def test_a_large_number_of_an_entry_is_read_as_it_is(seq: int) -> None:
    assert parse_record(write_record(envelope(), log=ORIGIN, prev=DIGEST, seq=seq, time=TIME)).seq == seq


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse_record(data)


@given(st.integers(0, len(written()) - 1), st.integers(1, 255))
def test_a_record_with_one_byte_changed_is_refused_or_another_record(place: int, difference: int) -> None:
    changed = bytearray(written())
    changed[place] ^= difference
    try:
        entry = parse_record(bytes(changed))
    except MalformedInput:
        return
    assert entry.leaf_hash != leaf_hash(written()).hex()
