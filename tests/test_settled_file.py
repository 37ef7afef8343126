"""A file that the code reads is of the code where no run can have written it."""

import time
from pathlib import Path

import pytest

from registry.settled_file import process_began, unsettled
from tests.test_code import git

LATER = 1 << 63


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    path = tmp_path / "q.sql"
    path.write_text("SELECT 1\n")
    git(tmp_path, "add", "q.sql")
    git(tmp_path, "commit", "-qm", "x")
    return path


def test_a_file_that_is_as_it_was_committed_is_of_the_code_whenever_it_was_written(committed: Path) -> None:
    assert unsettled(committed, began=0) is None


@pytest.mark.parametrize("told", [(), ("--assume-unchanged",), ("--skip-worktree",)])
def test_a_file_that_was_changed_since_is_not_whatever_git_was_told(
    committed: Path, told: tuple[str, ...]
) -> None:
    if told:
        git(committed.parent, "update-index", *told, "q.sql")
    committed.write_text("SELECT 2\n")
    assert unsettled(committed, began=LATER) == "q.sql is not as the last commit has it"


def test_a_file_that_is_only_staged_is_not(committed: Path) -> None:
    committed.write_text("SELECT 2\n")
    git(committed.parent, "add", "q.sql")
    assert unsettled(committed, began=LATER) == "q.sql is not as the last commit has it"


def test_a_file_that_git_does_not_know_is_not(committed: Path) -> None:
    other = committed.with_name("other.sql")
    other.write_text("")
    assert unsettled(other, began=LATER) == "other.sql is not as the last commit has it"


def test_lines_that_git_ends_otherwise_in_the_working_tree_are_the_same(committed: Path) -> None:
    git(committed.parent, "config", "core.autocrlf", "true")
    committed.write_bytes(b"SELECT 1\r\n")
    assert unsettled(committed, began=0) is None


def test_a_link_is_what_it_leads_to(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("elsewhere") / "link.sql"
    link.symlink_to(committed)
    assert unsettled(link, began=0) is None


@pytest.mark.parametrize(("began", "says"), [(LATER, None), (0, "written after"), (None, "written after")])
def test_outside_of_git_a_file_has_to_be_older_than_the_process(
    tmp_path: Path, began: int | None, says: str | None
) -> None:
    path = tmp_path / "q.sql"
    path.write_text("SELECT 1")
    found = unsettled(path, began=began)
    assert (found is None) if says is None else (says in str(found))


def test_a_file_that_is_gone_is_not(tmp_path: Path) -> None:
    assert unsettled(tmp_path / "q.sql", began=LATER) == "q.sql cannot be read any more"


def test_this_process_began_before_now_and_not_long_ago() -> None:
    began = process_began()
    assert began is None or 0 <= time.time_ns() - began < 86_400_000_000_000
