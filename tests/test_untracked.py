"""Untracked Python files: what a run keeps of them, what it leaves out, and that both are said."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from audit.canonical import JsonObject
from registry.untracked import lacking, only_left_out, told
from tests.command_line import Folder, a_lender


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A lender whose code is committed."""
    folder = a_lender(tmp_path_factory.mktemp("untracked") / "lender")
    _git(folder, "init", "-q")
    (folder.path / ".gitignore").write_text("*\n!*.py\n!.gitignore\n")
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", "all")
    return folder


@pytest.fixture
def here(lender: Folder, tmp_path: Path) -> Folder:
    return Folder(Path(shutil.copytree(lender.path, tmp_path / "lender")))


def _git(folder: Folder, *arguments: str) -> None:
    name = ("-c", "user.name=Ana", "-c", "user.email=ana@lender.example", "-c", "commit.gpgsign=false")
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "-C", str(folder.path), *name, *arguments], check=True, env=quiet)


def test_a_run_says_which_untracked_files_it_kept_and_which_it_left_out(here: Folder) -> None:
    (here.path / "more.py").write_text("z = 3\n")
    (here.path / "settings_local.py").write_text("PASSWORD = 'hunter2'\n")
    said = here("run", "loans.py", "--as", "scientist").stderr
    assert "1 untracked .py file is in the ledger's artifacts now, in the run's patch: more.py" in said
    assert "settings_local.py looks as if with a secret" in said
    assert not any(
        b"hunter2" in path.read_bytes()
        for path in here.path.rglob(".affidavit/artifacts/**/*")
        if path.is_file()
    )
    assert "with changes that were not committed, 2 untracked files)" in here.text("show", "loans@latest")


def test_a_run_without_such_files_says_nothing_of_them(here: Folder) -> None:
    assert "untracked" not in here("run", "loans.py", "--as", "scientist").stderr
    assert "(clean)" not in here.text("show", "loans@1")
    assert "(clean)" in here.text("show", "loans@latest")


def test_where_only_a_file_with_a_secret_was_left_out_the_commit_is_run_again(here: Folder) -> None:
    (here.path / "settings_local.py").write_text("PASSWORD = 'hunter2'\n")
    here.text("run", "loans.py", "--as", "scientist")
    assert here.json("reproduce", "loans@latest", "--as", "validator")["verdict"] == "identical"


def test_a_reproduction_that_needs_what_was_left_out_says_what_that_is(here: Folder) -> None:
    (here.path / "settings_local.py").write_text("PASSWORD = 'hunter2'\n")
    text = (here.path / "loans.py").read_text()
    (here.path / "loans.py").write_text(f"import settings_local  # noqa: F401\n{text}")
    here.text("run", "loans.py", "--as", "scientist")
    answer = here.json("reproduce", "loans@latest", "--as", "validator", status=1)
    assert answer["verdict"] == "impossible"
    assert answer["reason"].endswith(
        "; the recorded patch is without settings_local.py, left out as if with a secret"
    )


def run_with(said: JsonObject) -> JsonObject:
    return {"code": {"untracked_python": said}}


def test_the_file_that_declares_the_run_is_kept_with_a_warning() -> None:
    said: JsonObject = {
        "kept": 0,
        "names": [],
        "left_out": 0,
        "left_out_names": [],
        "open_secret": "loans.py",
    }
    [sentence] = told(run_with(said))
    assert sentence.startswith("loans.py looks as if it holds a secret, and is kept")


def test_of_very_many_files_the_first_are_said() -> None:
    said: JsonObject = {
        "kept": 25,
        "names": ["a.py", "b.py"],
        "left_out": 0,
        "left_out_names": [],
        "open_secret": None,
    }
    [sentence] = told(run_with(said))
    assert (
        "25 untracked .py files are in the ledger's artifacts now, in the run's patch: a.py, b.py and 23 more"
        in sentence
    )


@pytest.mark.parametrize("code", [{}, {"untracked_python": None}, None])
def test_of_a_run_from_before_this_was_recorded_nothing_is_said(code: None) -> None:
    assert (list(told({"code": code})), lacking({"code": code}), only_left_out({"code": code})) == (
        [],
        "",
        False,
    )
