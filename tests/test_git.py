"""git is asked without running what a repository brings along."""

import subprocess
from pathlib import Path

import pytest

from registry.git import git, git_environment


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose monitor and whose hook leave a file where they ran."""
    folder = tmp_path / "repository"
    folder.mkdir()
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)

    def run(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=folder, check=True, env=git_environment())

    run("init", "-q")
    hooks = folder / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "post-index-change").write_bytes(program.read_bytes())
    (hooks / "post-index-change").chmod(0o755)
    run("config", "core.fsmonitor", str(program))
    return folder


def test_neither_the_monitor_nor_a_hook_of_a_repository_runs(repository: Path) -> None:
    (repository / "new.py").write_text("x = 1\n")
    assert git(repository, "add", "new.py").returncode == 0
    assert b"new.py" in git(repository, "status", "--porcelain").stdout
    assert not (repository.parent / "ran").exists()


def test_the_variables_of_a_hook_do_not_name_the_repository(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git(repository, "rev-parse", "--is-inside-work-tree").stdout == b"true\n"


def test_what_git_is_given_comes_to_it(repository: Path) -> None:
    done = git(repository, "hash-object", "--stdin", given=b"x\n")
    assert done.stdout == b"587be6b4c3f93f93c489c0111bba5596147a26cb\n"
