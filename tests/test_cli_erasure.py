"""An erasure that two must sign: nothing is deleted before it is submitted, and then everything is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.command_line import Folder, a_lender

ERASE = ("erase", "validator", "--reason", "left the bank", "--as", "admin", "--draft", "it.draft")


@pytest.fixture
def two(tmp_path: Path) -> Folder:
    """Give a lender in which two administrators sign."""
    here = a_lender(tmp_path / "lender")
    here.text("key", "create", "second")
    here.text("key", "grant", "second", "--role", "admin", "--holder", "Bob Osei")
    here.text("key", "threshold", "2")
    return here


def rows(here: Folder) -> list[tuple[str, bytes]]:
    """Read the names and salts of those who hold or held the validator's key."""
    with closing(sqlite3.connect(here.path / ".affidavit" / "ledger.db")) as database:
        return database.execute("SELECT name, salt FROM holders WHERE name LIKE 'Dana%'").fetchall()


def sign_and_submit(here: Folder, file: str) -> dict[str, object]:
    here.text("key", "sign", file, "--as", "second")
    return here.json("key", "submit", file)


def test_an_erasure_that_two_must_sign_is_refused_to_one_and_goes_by_draft(two: Folder) -> None:
    refused = two(*ERASE[:-2], "--yes")
    assert refused.exit_code != 0
    assert len(rows(two)) == 1
    drafted = two.json(*ERASE)
    assert (drafted["drafts"], drafted["missing"], len(rows(two))) == (["it.draft"], 1, 1)
    [(_, salt)] = rows(two)
    done = sign_and_submit(two, "it.draft")
    assert (done["scrubbed"], rows(two)) == (True, [])
    database = (two.path / ".affidavit" / "ledger.db").read_bytes()
    assert (b"Dana Whitfield" in database, salt in database) == (False, False)
    assert f"1 key holder erased by entry {done['entry']}" in two.text("verify")


def test_who_signs_an_erasure_is_told_whom_and_why(two: Folder) -> None:
    two.text(*ERASE)
    shown = " ".join(two.text("key", "sign", "it.draft", "--as", "second", "--dry-run").split())
    assert "the holder of the key validator is erased for ever. Reason: left the bank" in shown


def test_keys_that_took_each_others_place_have_a_draft_each_and_the_last_of_them_scrubs(two: Folder) -> None:
    two.text("key", "rotate", "validator", "--reason", "yearly", "--as", "admin", "--draft", "rotate.draft")
    sign_and_submit(two, "rotate.draft")
    [(_, salt), _] = rows(two)
    assert two.json(*ERASE)["drafts"] == ["it.draft", "it.draft.2"]
    assert sign_and_submit(two, "it.draft")["scrubbed"] is True
    assert len(rows(two)) == 1
    assert sign_and_submit(two, "it.draft.2")["scrubbed"] is True
    assert salt not in (two.path / ".affidavit" / "ledger.db").read_bytes()
    assert "2 key holders erased" in two.text("verify")


def test_an_erasure_that_came_first_leaves_nothing_for_a_second_draft(two: Folder) -> None:
    two.text(*ERASE)
    two.text(*ERASE[:-1], "other.draft")
    two.text("key", "sign", "other.draft", "--as", "second")
    sign_and_submit(two, "it.draft")
    late = two("key", "submit", "other.draft")
    assert late.exit_code != 0
    assert "was erased: look again" in late.stderr
    assert two("verify").exit_code == 0
