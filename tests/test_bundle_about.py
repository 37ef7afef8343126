"""What a bundle is about is what the signed statements in it are about: all three verifiers answer alike."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.bundle_check import verify_bundle
from audit.evidence import Brought, Evidence
from tests.browser import a_browser, give, shown
from tests.command_line import empty_folder
from tests.evidence import a_bundle, entries_about, said
from tests.portable_samples import Kept, a_story
from tests.portable_verifier import PORTABLE, answer, said_by

WORD = "about credit@7 (which version it is, is its maker's word)"
STATEMENTS = ("approval", "decision", "reproduction")
NOTHING_SAID = (*STATEMENTS, "report")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return a_story(tmp_path_factory.mktemp("story"))


def bundle(story: Kept, path: Path, about: str, left_out: Collection[str] = ()) -> Path:
    """Make a bundle of what was said about credit@2, without entries of some kinds, that says it is about something."""
    kinds = [str(said(record)["predicateType"]).split(":")[2] for record in story.records]
    numbers = [seq for seq in entries_about(story.records, "credit", 2) if kinds[seq] not in left_out]
    return a_bundle(path, story.records, numbers, story.head(), story.vkeys, about=about)


@dataclass(frozen=True)
class Case:
    about: str
    left_out: Collection[str]
    signed: bool | None
    """None where it is to be refused."""


CASES = [
    Case("credit@2", (), True),
    Case("entry 9", (), True),
    Case("entry 0", (), True),
    Case("credit@2", ("report",), True),
    Case("credit@2", STATEMENTS, True),  # the report says it
    Case("credit@7", NOTHING_SAID, False),
    Case("credit@7", (), None),
    Case("credit@7", STATEMENTS, None),
    Case("credit@1", (), None),
    Case("credit@02", NOTHING_SAID, None),
    Case("credit@0", NOTHING_SAID, None),
    Case("credit@1234567890123456", NOTHING_SAID, None),
    Case("credit@7, fair for all", NOTHING_SAID, None),
    Case("loans@2", NOTHING_SAID, None),
    Case("credit@2", ("run",), None),
    Case("credit@2, approved and fair for all", (), None),
    Case("credit", (), None),
    Case("@2", (), None),
    Case("entry 8", (), None),
    Case("entry 09", (), None),
    Case("2", (), None),
    Case("", (), None),
]
EACH = pytest.mark.parametrize("case", CASES, ids=str)


@EACH
def test_the_package_says_what_is_signed(story: Kept, tmp_path: Path, case: Case) -> None:
    found = verify_bundle(bundle(story, tmp_path / "b.zip", case.about, case.left_out), Brought())
    wrong = [step.name for step in found.report.steps if step.status == "failed"]
    assert wrong == (["records"] if case.signed is None else [])
    assert (found.about, found.to_json()["about_is_signed"]) == expected(case)
    assert _says_it_is_the_makers_word(found) == (case.signed is False)


def _says_it_is_the_makers_word(found: Evidence) -> bool:
    return any("which version the run in it is" in sentence for sentence in found.not_shown)


def expected(case: Case) -> tuple[str, bool | None]:
    return ("", None) if case.signed is None else (case.about, case.signed)


@EACH
def test_the_portable_verifier_says_what_is_signed(story: Kept, tmp_path: Path, case: Case) -> None:
    found = answer(bundle(story, tmp_path / "b.zip", case.about, case.left_out))
    wrong = [step["name"] for step in found["steps"] if step["status"] == "failed"]
    assert wrong == (["files"] if case.signed is None else [])
    assert (found["about"], found["about_is_signed"]) == expected(case)
    assert any("Which version the run in it is" in said for said in found["not_shown"]) == (
        case.signed is False
    )


def test_the_page_says_what_is_signed(story: Kept, tmp_path: Path) -> None:
    answers = {}
    with a_browser() as browser:
        browser.open(PORTABLE / "verify_affidavit.html")
        for case in CASES:
            give(browser, bundle(story, tmp_path / "b.zip", case.about, case.left_out))
            holds = shown(browser, "word") != "Not verified"
            caption = shown(browser, "caption").removeprefix("b.zip: a bundle")
            answers[str(case)] = (holds, caption)
    assert answers == {
        str(case): (
            case.signed is not None,
            f" about {case.about}{WORD[14:] if case.signed is False else ''}",
        )
        if case.signed is not None
        else (False, "")
        for case in CASES
    }


def test_a_version_that_nothing_in_it_says_is_printed_as_its_makers_word(story: Kept, tmp_path: Path) -> None:
    path = bundle(story, tmp_path / "b.zip", "credit@7", NOTHING_SAID)
    (tmp_path / "elsewhere").mkdir()
    assert WORD in empty_folder(tmp_path / "elsewhere").text("verify", str(path))
    assert WORD in said_by(path)[1]


def test_what_a_bundle_says_it_is_about_is_not_printed_where_nobody_signed_it(
    story: Kept, tmp_path: Path
) -> None:
    path = bundle(story, tmp_path / "b.zip", "credit@2, approved and fair for all")
    (tmp_path / "elsewhere").mkdir()
    assert "fair for all" not in empty_folder(tmp_path / "elsewhere").text("verify", str(path), status=1)
    assert "fair for all" not in said_by(path)[1]
