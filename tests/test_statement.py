"""Statements: what is signed reads back as it was, and nothing that we would not write is read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import Json, JsonObject, decode, encode
from audit.errors import MalformedInput
from audit.statement import COMMON, Observed, Statement, Subject, claim, new_entry_id, written_time

DIGEST = "ab" * 32
ENTRY_ID = "019bbb5c-5a3e-7cc9-8d1e-2f3a4b5c6d7e"
TIME = "2026-01-13T09:30:00.123456Z"


def claimed(kind: str = "run", predicate: JsonObject | None = None, **changes: Any) -> Statement:
    """Claim a statement as a ledger does, with some of it changed."""
    common: dict[str, Any] = {
        "ledger": "test.example/models",
        "entry_id": ENTRY_ID,
        "signed_at": TIME,
        "observed": Observed(3, DIGEST),
        "role": "recorder",
        "subjects": (Subject("credit.skops", DIGEST),),
    } | changes
    subjects = common.pop("subjects")
    said = Statement(kind, subjects, predicate if predicate is not None else {"model": "credit"})
    return claim(said, **common)


def document() -> dict[str, Any]:
    return cast(dict[str, Any], decode(claimed().payload()))


def test_a_statement_reads_back_as_it_was_said() -> None:
    said = claimed()
    assert Statement.parse(said.payload()) == said


def test_a_statement_is_an_in_toto_statement() -> None:
    assert document() == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "credit.skops", "digest": {"sha256": DIGEST}}],
        "predicateType": "urn:affidavit:run:v1",
        "predicate": {
            "model": "credit",
            "ledger": "test.example/models",
            "entry_id": ENTRY_ID,
            "signed_at": TIME,
            "observed": {"size": 3, "root": DIGEST},
            "role": "recorder",
        },
    }


def test_what_the_signer_saw_is_read() -> None:
    assert claimed().observed == Observed(3, DIGEST)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d.pop("_type"), id="no _type"),
        pytest.param(lambda d: d.pop("subject"), id="no subject member"),
        pytest.param(lambda d: d.pop("predicate"), id="no predicate"),
        pytest.param(lambda d: d.pop("predicateType"), id="no predicate type"),
        pytest.param(lambda d: d.update(extra=1), id="a member more"),
        pytest.param(lambda d: d.update(_type="https://in-toto.io/Statement/v0.1"), id="an older _type"),
        pytest.param(lambda d: d.update(_type=1), id="a _type that is a number"),
        pytest.param(lambda d: d.update(subject=[]), id="no subjects"),
        pytest.param(lambda d: d.update(subject=None), id="null for subjects"),
        pytest.param(lambda d: d.update(subject={}), id="an object for subjects"),
        pytest.param(lambda d: d.update(subject=["x"]), id="a text for a subject"),
        pytest.param(lambda d: d["subject"][0].pop("name"), id="a subject without a name"),
        pytest.param(lambda d: d["subject"][0].update(name=1), id="a subject's name that is a number"),
        pytest.param(lambda d: d["subject"][0].update(uri="x"), id="a subject with a member more"),
        pytest.param(lambda d: d["subject"][0].update(digest={}), id="a subject without a digest"),
        pytest.param(lambda d: d["subject"][0].update(digest=DIGEST), id="a digest that is a text"),
        pytest.param(lambda d: d["subject"][0]["digest"].update(md5="0"), id="a second digest"),
        pytest.param(lambda d: d["subject"][0]["digest"].update(sha256=DIGEST.upper()), id="upper case"),
        pytest.param(lambda d: d["subject"][0]["digest"].update(sha256=DIGEST[1:]), id="63 digits"),
        pytest.param(lambda d: d["subject"][0]["digest"].update(sha256=DIGEST + "\n"), id="a newline"),
        pytest.param(lambda d: d.update(predicateType="urn:affidavit:run:v2"), id="another major version"),
        pytest.param(lambda d: d.update(predicateType="urn:affidavit:Run:v1"), id="a kind in upper case"),
        pytest.param(lambda d: d.update(predicateType="urn:affidavit::v1"), id="no kind"),
        pytest.param(lambda d: d.update(predicateType="urn:affidavit:run-:v1"), id="a trailing hyphen"),
        pytest.param(lambda d: d.update(predicateType="https://slsa.dev/provenance/v1"), id="a foreign type"),
        pytest.param(lambda d: d.update(predicateType=["urn:affidavit:run:v1"]), id="a list for a type"),
        pytest.param(lambda d: d.update(predicate=[]), id="a list for a predicate"),
        *(pytest.param(lambda d, m=m: d["predicate"].pop(m), id=f"no {m}") for m in COMMON),
        *(pytest.param(lambda d, m=m: d["predicate"].update({m: 1}), id=f"{m} a number") for m in COMMON),
        pytest.param(lambda d: d["predicate"]["observed"].update(size=-1), id="a negative size"),
        pytest.param(lambda d: d["predicate"]["observed"].update(size=True), id="true for a size"),
        pytest.param(lambda d: d["predicate"]["observed"].update(size="3"), id="a text for a size"),
        pytest.param(lambda d: d["predicate"]["observed"].update(root="00"), id="a short root"),
        pytest.param(lambda d: d["predicate"]["observed"].update(time=1), id="observed with a member more"),
        pytest.param(lambda d: d["predicate"]["observed"].pop("root"), id="observed without a root"),
    ],
)
def test_what_is_not_a_strict_statement_is_refused(change: Change) -> None:
    changed = document()
    change(changed)
    with pytest.raises(MalformedInput):
        Statement.parse(encode(changed))


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-13T09:30:00Z",
        "2026-01-13T09:30:00.123456+00:00",
        "2026-01-13 09:30:00.123456Z",
        "2026-01-13T09:30:00.123456z",
        "2026-13-01T09:30:00.123456Z",
        "2026-00-01T09:30:00.123456Z",
        "2026-01-32T09:30:00.123456Z",
        "2026-01-13T24:30:00.123456Z",
        "2026-01-13T09:60:00.123456Z",
        "2026-01-13T09:30:60.123456Z",
        "٢٠٢٦-01-13T09:30:00.123456Z",
        "2026-01-13T09:30:00.123456Z\n",
    ],
)
def test_a_time_in_another_spelling_is_refused(written: str) -> None:
    with pytest.raises(MalformedInput, match="signed_at"):
        claimed(signed_at=written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "1",
        ENTRY_ID.upper(),
        ENTRY_ID.replace("-", ""),
        "{" + ENTRY_ID + "}",
        "019bbb5c-5a3e-4cc9-8d1e-2f3a4b5c6d7e",
        "019bbb5c-5a3e-7cc9-cd1e-2f3a4b5c6d7e",
    ],
)
def test_an_entry_id_that_is_no_uuid_of_version_7_is_refused(written: str) -> None:
    with pytest.raises(MalformedInput, match="UUIDv7"):
        claimed(entry_id=written)


@pytest.mark.parametrize("name", COMMON)
def test_a_predicate_may_not_use_a_reserved_name(name: str) -> None:
    with pytest.raises(MalformedInput, match=f"reserved names {name}"):
        claimed(predicate={name: "x"})


@pytest.mark.parametrize("kind", ["", "Run", "run:v2", "run ", "rün", "-run", "run-", "a--b", "run1"])
def test_a_kind_is_lower_case_words_joined_by_hyphens(kind: str) -> None:
    with pytest.raises(MalformedInput, match="kind"):
        claimed(kind=kind)


def test_a_statement_without_a_subject_is_not_signed() -> None:
    with pytest.raises(MalformedInput, match="at least one subject"):
        claimed(subjects=())


def test_a_float_in_a_predicate_is_not_signed() -> None:
    with pytest.raises(MalformedInput, match="float"):
        claimed(predicate=cast(Any, {"auc": 0.5}))


def test_another_spelling_of_a_statement_is_refused() -> None:
    with pytest.raises(MalformedInput, match="not canonical"):
        Statement.parse(claimed().payload() + b"\n")


@pytest.mark.parametrize("payload", [b"[]", b"null", b'"x"', b"", b"\xff"])
def test_what_is_not_an_object_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedInput):
        Statement.parse(payload)


def test_a_member_that_is_not_text_is_named() -> None:
    with pytest.raises(MalformedInput, match="the run statement has no text in `version`"):
        claimed(predicate={"version": 1}).text("version")


json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text("abc_", max_size=4), json_values, max_size=4))
def test_any_predicate_reads_back_as_it_was_said(predicate: JsonObject) -> None:
    said = claimed(predicate=predicate)
    assert Statement.parse(said.payload()) == said


# -- RFC 9562, 5.7 ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_entry_id_has_the_bits_of_a_uuid_of_version_7(milliseconds: int, drawn: bytes) -> None:
    # Half a millisecond more, so that a float that is a little below does not count as the one before.
    made = UUID(new_entry_id((milliseconds + 0.5) / 1000, lambda count: drawn[:count]))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == milliseconds
    random = int.from_bytes(drawn, "big")
    assert made.int >> 64 & 0xFFF == random >> 64 & 0xFFF
    assert made.int & (1 << 62) - 1 == random & (1 << 62) - 1


def test_the_example_of_the_standard_is_made() -> None:
    # RFC 9562, A.6: Tuesday, February 22, 2022 2:22:22.00 PM GMT-05:00
    seconds = 0x017F22E279B0 / 1000
    drawn = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    assert new_entry_id(seconds, lambda count: drawn) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_entry_ids_sort_by_their_time() -> None:
    ids = [new_entry_id(seconds, lambda count: b"\xff" * count) for seconds in (1.0, 1.001, 2.0, 1e9)]
    assert ids == sorted(ids)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)))
def test_times_are_written_so_that_they_sort_as_they_pass(moment: datetime) -> None:
    written = written_time(moment.replace(tzinfo=UTC).timestamp())
    assert written_time(0) <= written
    claimed(signed_at=written)
