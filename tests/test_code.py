"""What git says of the code is recorded, with a patch that gives the code that ran and no credentials."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from registry import working_tree
from registry.artifacts import ArtifactStore
from registry.clean_urls import clean_remote
from registry.code import describe_code, keep_source


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's git configuration out."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "sub").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "loans.py").write_text("x = 1\n")
    (folder / "sub" / "more.py").write_text("y = 1\n")
    (folder / ".env").write_text("OLD=1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def patch_of(described: Mapping[str, object], store: ArtifactStore) -> str:
    return store.get(str(described["patch"])).decode()


def test_a_clean_repository_has_commit_and_branch_and_no_patch(
    repository: Path, store: ArtifactStore
) -> None:
    described = describe_code(repository / "sub", store, target=f"{repository}/sub/more.py:y")
    assert described == {
        "commit": git(repository, "rev-parse", "HEAD"),
        "branch": "main",
        "remote": None,
        "dirty": False,
        "patch": None,
        "untracked": 0,
        "changed": 0,
        "untracked_python": {
            "kept": 0, "names": [], "left_out": 0, "left_out_names": [], "open_secret": None,
        },
        "target": "sub/more.py:y",
        "folder": None,
        "source": None,
    }  # fmt: skip


def test_the_working_directory_is_recorded_from_the_top_of_the_repository(
    repository: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "sub")
    assert describe_code(repository, store)["folder"] == "sub"


def test_the_patch_applied_to_the_commit_gives_the_code_that_ran(
    repository: Path, store: ArtifactStore, tmp_path: Path
) -> None:
    (repository / "loans.py").write_text("x = 2\n")
    (repository / "sub" / "more.py").unlink()
    (repository / "new ünder.py").write_text("z = 3\n")
    (repository / "binary.bin").write_bytes(bytes(range(256)))
    git(repository, "add", "binary.bin")
    described = describe_code(repository, store)
    assert described["dirty"] is True
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    subprocess.run(["git", "-C", str(clone), "apply"], input=store.get(str(described["patch"])), check=True)
    assert (clone / "loans.py").read_text() == "x = 2\n"
    assert (clone / "new ünder.py").read_text() == "z = 3\n"
    assert (clone / "binary.bin").read_bytes() == bytes(range(256))
    assert not (clone / "sub" / "more.py").exists()


def test_the_users_index_and_objects_stay_as_they_were(repository: Path, store: ArtifactStore) -> None:
    (repository / "new.py").write_text("z = 3\n")
    index = (repository / ".git" / "index").read_bytes()
    objects = sorted((repository / ".git" / "objects").rglob("*"))
    describe_code(repository, store)
    assert (repository / ".git" / "index").read_bytes() == index
    assert sorted((repository / ".git" / "objects").rglob("*")) == objects
    assert git(repository, "status", "--porcelain") == "?? new.py"


def test_other_untracked_files_are_counted_and_do_not_make_the_code_dirty(
    repository: Path, store: ArtifactStore
) -> None:
    (repository / "data.csv").write_text("a\n1\n")
    (repository / "notes.txt").write_text("n")
    described = describe_code(repository, store)
    assert (described["untracked"], described["dirty"], described["patch"]) == (2, False, None)


def test_secrets_and_ledgers_stay_out_of_the_patch(repository: Path, store: ArtifactStore) -> None:
    (repository / ".env").write_text("TOKEN=hunter2\n")
    (repository / "loans.py").write_text("x = 2\n")
    (repository / ".affidavit").mkdir()
    (repository / ".affidavit" / "inside.py").write_text("hunter3\n")
    described = describe_code(repository, store)
    patch = patch_of(described, store)
    assert "x = 2" in patch
    assert "hunter" not in patch
    assert described["untracked"] == 0
    assert "secrets" in str(described["note"])


def test_a_patch_that_is_too_large_is_not_kept_and_says_so(
    repository: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_tree, "MOST_PATCH", 100)
    (repository / "loans.py").write_text("x = 2\n" * 100)
    described = describe_code(repository, store)
    assert (described["dirty"], described["patch"]) == (True, None)
    assert "not kept" in str(described["note"])


def test_a_detached_head_has_no_branch(repository: Path, store: ArtifactStore) -> None:
    git(repository, "checkout", "-q", "--detach")
    described = describe_code(repository, store)
    assert described["branch"] is None
    assert described["commit"] == git(repository, "rev-parse", "HEAD")


def test_a_repository_without_a_commit_is_all_patch(tmp_path: Path, store: ArtifactStore) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "loans.py").write_text("x = 1\n")
    described = describe_code(folder, store)
    assert described["commit"] is None
    assert described["dirty"] is True
    assert "+x = 1" in patch_of(described, store)
    assert "no commit" in str(described["note"])


def test_a_renamed_file_is_one_change(repository: Path, store: ArtifactStore) -> None:
    git(repository, "mv", "loans.py", "renamed.py")
    described = describe_code(repository, store)
    assert described["dirty"] is True
    assert "renamed.py" in patch_of(described, store)


def test_a_hooks_variables_do_not_point_elsewhere(
    repository: Path, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere" / "index"))
    assert describe_code(repository, store)["commit"] == commit


def test_the_repositorys_hooks_do_not_run(repository: Path, store: ArtifactStore, tmp_path: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    (repository / "new.py").write_text("x = 1\n")
    assert describe_code(repository, store)["patch"] is not None
    assert not (tmp_path / "ran").exists()


def test_a_change_inside_a_submodule_is_noted(repository: Path, store: ArtifactStore, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q", "-b", "main")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository), "inner")
    git(outer, "commit", "-q", "-m", "first")
    (outer / "inner" / "loans.py").write_text("x = 2\n")
    described = describe_code(outer, store)
    assert described["dirty"] is True
    assert "submodules" in str(described["note"])


def test_outside_a_repository_everything_is_unknown_and_says_why(
    tmp_path: Path, store: ArtifactStore
) -> None:
    file = tmp_path / "loans.py"
    file.write_text("x = 1\n")
    described = describe_code(tmp_path, store, target=f"{file}:x", file=file)
    assert [described[key] for key in ("commit", "branch", "remote", "dirty", "patch", "untracked")] == [
        None
    ] * 6
    assert described["target"] == "loans.py:x"
    assert store.get(str(described["source"])) == b"x = 1\n"
    assert "not in a git repository" in str(described["note"])


def test_without_git_everything_is_unknown_and_says_why(
    repository: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    described = describe_code(repository, store)
    assert described["commit"] is None
    assert described["note"] == "git is not installed"


def test_a_target_elsewhere_is_named_without_its_folder(
    repository: Path, store: ArtifactStore, tmp_path: Path
) -> None:
    assert describe_code(repository, store, target=f"{tmp_path}/x.py:p")["target"] == "x.py:p"
    assert describe_code(repository, store, target="package.module:p")["target"] == "package.module:p"


def test_the_remote_of_the_branch_is_recorded_without_credentials(
    repository: Path, store: ArtifactStore
) -> None:
    git(repository, "remote", "add", "origin", "https://alice:hunter2@example.org/team/loans.git")
    assert describe_code(repository, store)["remote"] == "https://example.org/team/loans.git"


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://alice:secret@example.org:8443/a.git?token=x#y", "https://example.org:8443/a.git"),
        ("https://token@example.org/a.git", "https://example.org/a.git"),
        ("ssh://git@example.org:22/a.git", "ssh://example.org:22/a.git"),
        ("git@example.org:a/b.git", "example.org:a/b.git"),
        ("alice:secret@example.org:a/b.git", "example.org:a/b.git"),
        ("example.org:a/b.git", "example.org:a/b.git"),
        ("https://alice:se/cret@example.org/a.git", None),
        ("alice:se/cret@example.org:a.git", None),
        ("ext::sh -c 'curl -u alice:secret %S'", None),
        ("/home/alice/loans.git", "file:loans.git"),
        ("../loans", "file:loans"),
        ("C:\\Users\\alice\\loans", "file:loans"),
        ("https://example.org/a.git;token=secret", "https://example.org/a.git"),
        ("https://alice@[::1]:8443/a.git", "https://[::1]:8443/a.git"),
        ("file:///home/alice/loans.git", "file:loans.git"),
    ],
)
def test_a_remote_keeps_host_and_path_and_nothing_that_may_be_a_credential(
    url: str, clean: str | None
) -> None:
    assert clean_remote(url) == clean


def test_the_source_of_a_function_is_kept_dedented(store: ArtifactStore) -> None:
    def inner() -> int:
        return 1

    digest = keep_source(inner, store)
    assert digest is not None
    assert store.get(digest) == b"def inner() -> int:\n    return 1\n"


def test_a_function_without_source_has_none(store: ArtifactStore) -> None:
    space: dict[str, object] = {}
    exec("def made(): ...", space)
    assert keep_source(space["made"], store) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_git_was_told_not_to_look_at_is_in_the_patch(
    mark: str, repository: Path, store: ArtifactStore
) -> None:
    git(repository, "update-index", mark, "loans.py")
    assert describe_code(repository, store)["dirty"] is False
    (repository / "loans.py").write_text("x = 2\n")
    described = describe_code(repository, store)
    assert described["dirty"] is True
    assert "+x = 2" in patch_of(described, store)
    assert git(repository, "status", "--porcelain") == ""


def test_the_file_that_declares_the_run_is_in_the_patch_even_if_git_ignores_it(
    repository: Path, store: ArtifactStore
) -> None:
    (repository / ".gitignore").write_text("local.py\nother.py\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "second")
    (repository / "local.py").write_text("z = 1\n")
    (repository / "other.py").write_text("z = 2\n")
    described = describe_code(repository, store, file=repository / "local.py")
    assert (described["dirty"], described["untracked"]) == (True, 0)
    assert described["note"] == "git ignores the file that declares the run"
    assert "+z = 1" in patch_of(described, store)
    assert "+z = 2" not in patch_of(described, store)
    assert describe_code(repository, store, file=repository / "loans.py")["dirty"] is False


def test_an_untracked_file_that_is_named_like_a_secret_stays_out_and_a_note_says_so(
    repository: Path, store: ArtifactStore
) -> None:
    (repository / "secrets.py").write_text("KEY = 'hunter2'\n")
    described = describe_code(repository, store)
    assert (described["dirty"], described["patch"]) == (True, None)
    assert described["note"] == "changes to files that usually hold secrets are not in the patch"


def untracked_in(described: Mapping[str, object]) -> dict[str, object]:
    said = described["untracked_python"]
    assert isinstance(said, dict)
    return said


def test_an_untracked_file_that_gives_a_secret_a_text_stays_out_and_the_others_are_named(
    repository: Path, store: ArtifactStore
) -> None:
    (repository / "settings_local.py").write_text("PASSWORD = 'hunter2'\n")
    (repository / "more.py").write_text("z = 3\n")
    described = describe_code(repository, store)
    patch = patch_of(described, store)
    assert ("+z = 3" in patch, "hunter2" in patch) == (True, False)
    assert untracked_in(described) == {
        "kept": 1,
        "names": ["more.py"],
        "left_out": 1,
        "left_out_names": ["settings_local.py"],
        "open_secret": None,
    }


def test_the_file_that_declares_the_run_is_kept_whatever_is_in_it_and_that_is_said(
    repository: Path, store: ArtifactStore
) -> None:
    (repository / "new.py").write_text("PASSWORD = 'hunter2'\n")
    described = describe_code(repository, store, file=repository / "new.py")
    assert "hunter2" in patch_of(described, store)
    assert (untracked_in(described)["kept"], untracked_in(described)["open_secret"]) == (1, "new.py")


def test_of_very_many_untracked_files_the_first_are_named(repository: Path, store: ArtifactStore) -> None:
    for number in range(25):
        (repository / f"m{number:02}.py").write_text("z = 3\n")
    said = untracked_in(describe_code(repository, store))
    assert (said["kept"], len(said["names"])) == (25, 20)  # type: ignore[arg-type]
