"""The tally of vectors: nothing is passed over in silence."""

from pathlib import Path

import pytest

from tests import published
from tests.published import PROPERTY, Tally


def test_a_set_that_is_not_there_is_skipped_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AFFIDAVIT_VECTORS", raising=False)
    monkeypatch.setattr(published, "BESIDE", tmp_path)
    with pytest.raises(pytest.skip.Exception, match="PUBLISHED VECTORS NOT RUN: dsse/vector"):
        published.published("dsse/vector.json")


def test_a_folder_that_was_named_and_lacks_a_set_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AFFIDAVIT_VECTORS", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match="holds no dsse"):
        published.published("dsse")


def test_a_set_is_read_from_the_folder_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dsse").mkdir()
    monkeypatch.setenv("AFFIDAVIT_VECTORS", str(tmp_path))
    assert published.published("dsse") == tmp_path / "dsse"


def test_another_number_of_cases_than_the_set_has_is_a_failure(request: pytest.FixtureRequest) -> None:
    tally = Tally("a set")
    tally.case(1, True, True)
    with pytest.raises(AssertionError, match="a set: 1 cases ran, the set has 2"):
        tally.close(2, request)


def test_one_case_that_comes_out_otherwise_is_a_failure(request: pytest.FixtureRequest) -> None:
    tally = Tally("a set")
    tally.case(7, True, False)
    with pytest.raises(AssertionError):
        tally.close(1, request)
    assert tally.otherwise == ["7: True, the set says False"]


def test_a_set_that_ran_is_said_at_the_end_with_its_number(request: pytest.FixtureRequest) -> None:
    kept = list(request.node.user_properties)
    Tally("an empty set").close(0, request)
    assert request.node.user_properties == [*kept, (PROPERTY, "an empty set: 0")]
    # It is no set, and is not to be said.
    request.node.user_properties[:] = kept
