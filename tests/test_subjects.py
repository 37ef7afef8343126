"""References to people: what stands in a statement says nothing without the row, and everything with it."""

import datetime
import hashlib
import hmac
import unicodedata
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from audit.ledger import Ledger
from audit.statement import Statement
from audit.subjects import KnownSubject, Referrer, hmacs_of, known_subjects, value_text
from tests.small_ledger import new_ledger, report

KNOWN = KnownSubject("ab" * 16, "applicant 4711", bytes(range(32)))
BORN = "1980-02-03"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return new_ledger(tmp_path)


def drawn(ledger: Ledger, first: int = 0) -> Referrer:
    """Draw no chance: every number of bytes is the next letter, so many times."""
    letters = iter(range(first, 256))
    return Referrer(ledger.engine, lambda size: bytes([next(letters)]) * size)


def saying(referrer: Referrer, by: Json) -> Statement:
    said = report(by=by)
    return replace(said, predicate={**said.predicate, **referrer.members()})


def say(ledger: Ledger, referrer: Referrer, name: str = "applicant 4711", value: object = BORN) -> Statement:
    by = referrer.refer(name, value)
    return ledger.append(saying(referrer, by), within=referrer.remember).statement


def test_a_reference_is_the_hmac_that_the_format_page_says() -> None:
    expected = hmac.new(KNOWN.key, BORN.encode(), hashlib.sha256).hexdigest()
    assert KNOWN.reference(BORN) == {"subject": "ab" * 16, "hmac": expected}


def test_a_commitment_is_the_hmac_that_the_format_page_says() -> None:
    message = b"\xff" + b"ab" * 16 + b"applicant 4711"
    assert KNOWN.commitment() == hmac.new(KNOWN.key, message, hashlib.sha256).hexdigest()


@given(st.text())
def test_no_value_has_the_hmac_of_a_commitment(value: str) -> None:
    try:
        assert KNOWN.reference(value)["hmac"] != KNOWN.commitment()
    except MalformedInput:
        assert any(unicodedata.category(character) == "Cs" for character in value)


def test_a_key_is_not_shown_with_its_subject() -> None:
    assert "key" not in repr(KNOWN)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Müller", "M\u00fcller"),
        ("Mu\u0308ller", "M\u00fcller"),
        (52_000, "52000"),
        (0.1, "0.1"),
        (Decimal("1.50"), "1.50"),
        (True, "true"),
        (datetime.date(1980, 2, 3), BORN),
    ],
)
def test_a_value_is_referred_to_as_text(value: object, text: str) -> None:
    assert value_text(value) == text


@pytest.mark.parametrize("value", [None, [], float("nan"), b"bytes", "\ud800", object()])
def test_a_value_that_has_no_one_text_is_refused(value: object) -> None:
    with pytest.raises(MalformedInput, match=r"cannot be referred to|is Unicode text"):
        value_text(value)


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", 7])
def test_a_name_that_cannot_be_shown_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(MalformedInput, match="the name of a subject is printable text"):
        drawn(ledger).refer(name, BORN)


def test_a_subject_is_known_once_the_statement_stands(ledger: Ledger) -> None:
    say(ledger, drawn(ledger))
    [known] = known_subjects(ledger.engine)
    assert (known.number, known.name, known.key) == ("00" * 16, "applicant 4711", b"\1" * 32)


def test_a_subject_is_not_known_where_the_statement_was_not_appended(ledger: Ledger) -> None:
    referrer = drawn(ledger)
    said = saying(referrer, referrer.refer("applicant 4711", BORN))
    with pytest.raises(MalformedInput):
        ledger.append(Statement("run", (), said.predicate), within=referrer.remember)
    assert known_subjects(ledger.engine) == []


def test_the_same_name_is_the_same_subject_in_one_statement_and_in_the_next(ledger: Ledger) -> None:
    first = drawn(ledger)
    one, two = first.refer("applicant 4711", BORN), first.refer(" applicant 4711 ", "other")
    ledger.append(saying(first, [one, two]), within=first.remember)
    third = drawn(ledger, first=9).refer("applicant 4711", BORN)
    assert (two["subject"], third) == (one["subject"], one)


def test_another_name_has_another_key(ledger: Ledger) -> None:
    referrer = drawn(ledger)
    one, two = referrer.refer("applicant 1", BORN), referrer.refer("applicant 2", BORN)
    assert one["hmac"] != two["hmac"]


def test_a_statement_that_refers_to_nobody_says_so_by_saying_nothing(ledger: Ledger) -> None:
    assert drawn(ledger).members() == {}


def test_a_hundred_subjects_fit_in_a_statement_and_one_more_is_refused(ledger: Ledger) -> None:
    referrer = Referrer(
        ledger.engine, lambda size: hashlib.sha256(str(next(counted)).encode()).digest()[:size]
    )
    counted = iter(range(1000))
    said = [referrer.refer(f"applicant {n}", BORN) for n in range(100)]
    ledger.append(saying(referrer, list[Json](said)), within=referrer.remember)
    with pytest.raises(MalformedInput, match="refers to at most 100 people"):
        referrer.refer("one more", BORN)


def test_references_are_found_wherever_they_stand(ledger: Ledger) -> None:
    reference = KNOWN.reference(BORN)
    said: JsonObject = {"a": [1, {"b": reference}], "c": {**reference, "more": 1}, "d": KNOWN.reference("x")}
    assert list(hmacs_of(said, KNOWN.number)) == [reference["hmac"], KNOWN.reference("x")["hmac"]]


@pytest.mark.parametrize(
    "listed",
    [
        "text",
        [1],
        [{"subject": "ab" * 16}],
        [{"subject": "AB" * 16, "commitment": "0" * 64}],
        [{"subject": "ab" * 16, "commitment": "0" * 63}],
        [{"subject": "ab" * 16, "commitment": "0" * 64}] * 2,
    ],
)
def test_a_list_of_subjects_in_another_form_is_not_written(ledger: Ledger, listed: object) -> None:
    with pytest.raises(MalformedInput, match="refers_to"):
        ledger.append(report(refers_to=listed))  # type: ignore[arg-type]
