import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.checkout import Impossible, check_out
from registry.predicates import Reproduction
from registry.recorded import resolve_run
from registry.registry import Registry
from registry.reproduce import reproduce
from registry.run import run_pipeline
from registry.target import load_target
from tests.small_registry import new_registry

PIPELINE = """
import pandas as pd
from affidavit import Pipeline

sums = Pipeline("sums")

@sums.step
def table(source: str = "data.csv"):
    return pd.read_csv(source)

@sums.step
def scaled(table, factor: float = 2.0):
    return table * factor
"""


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@test.example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A project in git with its data beside it, and a ledger."""
    (tmp_path / "sums.py").write_text(PIPELINE)
    (tmp_path / "data.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / ".gitignore").write_text(".affidavit/\n*.csv\n__pycache__/\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "sums.py", ".gitignore")
    git(tmp_path, "commit", "-qm", "sums")
    monkeypatch.chdir(tmp_path)
    return new_registry(tmp_path)


def record(registry: Registry, **parameters: object) -> None:
    target = load_target("sums.py")
    result = run_pipeline(target.pipeline, parameters, artifacts=registry.artifacts, target=target.text)
    assert result.exception is None
    registry.record_run(result)


def verdict(registry: Registry) -> Reproduction:
    return reproduce(registry, "sums@1", key="validator")[1]


def test_the_same_code_and_data_give_identical(registry: Registry) -> None:
    record(registry, factor=3.5)
    said = verdict(registry)
    assert (said.verdict, said.reason) == ("identical", None)


def test_the_verdict_is_an_entry_about_the_run(registry: Registry) -> None:
    record(registry)
    entry, _ = reproduce(registry, "sums@1", key="validator")
    assert entry.statement.subjects[0].sha256 == registry.find("sums@1").leaf_hash


def test_code_committed_since_does_not_matter(registry: Registry) -> None:
    record(registry)
    Path("sums.py").write_text(PIPELINE.replace("* factor", "+ factor"))
    git(Path.cwd(), "commit", "-qam", "another idea")
    assert verdict(registry).verdict == "identical"


def test_a_dirty_tree_is_rebuilt_from_its_patch(registry: Registry) -> None:
    Path("sums.py").write_text(PIPELINE.replace("* factor", "+ factor"))
    record(registry)
    git(Path.cwd(), "checkout", "-q", "sums.py")
    assert verdict(registry).verdict == "identical"


def test_a_run_outside_git_is_rebuilt_from_the_source_that_was_kept(registry: Registry) -> None:
    shutil.rmtree(".git")
    record(registry)
    Path("sums.py").unlink()
    assert verdict(registry).verdict == "identical"


def test_changed_data_makes_it_impossible_and_names_the_file(registry: Registry) -> None:
    record(registry)
    Path("data.csv").write_text("a,b\n1,2\n3,5\n")
    said = verdict(registry)
    assert said.verdict == "impossible"
    assert "data.csv has changed" in str(said.reason)


def test_missing_data_makes_it_impossible_and_names_the_file(registry: Registry) -> None:
    record(registry)
    Path("data.csv").unlink()
    assert "data.csv" in str(verdict(registry).reason)


def test_a_commit_that_is_not_here_makes_it_impossible(registry: Registry) -> None:
    record(registry)
    shutil.rmtree(".git")
    assert "is in no repository here" in str(verdict(registry).reason)


def test_code_that_is_not_deterministic_diverges_at_the_first_step_and_column(registry: Registry) -> None:
    noisy = PIPELINE.replace("return table * factor", "return table.assign(b=__import__('random').random())")
    Path("sums.py").write_text(noisy)
    git(Path.cwd(), "commit", "-qam", "noise")
    record(registry)
    said = verdict(registry)
    assert said.verdict == "diverged"
    assert said.first_difference == {"step": "scaled", "part": "scaled", "column": "b", "rows": [0, 2]}


def test_code_that_no_longer_runs_diverges_and_names_the_step(registry: Registry) -> None:
    fragile = PIPELINE.replace("return table * factor", "open('seen', 'x').close(); return table * factor")
    Path("sums.py").write_text(fragile.replace("'seen'", "r'%s'" % (Path.cwd() / "seen")))
    git(Path.cwd(), "commit", "-qam", "works once")
    record(registry)
    said = verdict(registry)
    assert said.verdict == "diverged"
    assert said.reason == "the rerun failed in the step scaled with FileExistsError"


def test_what_cannot_be_compared_is_not_called_identical(registry: Registry) -> None:
    Path("sums.py").write_text(PIPELINE.replace("return table * factor", "return (x for x in [1])"))
    git(Path.cwd(), "commit", "-qam", "a generator")
    record(registry)
    said = verdict(registry)
    assert said.verdict == "impossible"
    assert "cannot be compared: scaled" in str(said.reason)


def test_a_recorded_file_name_cannot_lead_out_of_the_folder(registry: Registry, tmp_path: Path) -> None:
    record(registry)
    run = registry.run_of(registry.find("sums@1"))
    run["sources"] = [
        {"step": "table", "parameter": "source", "uri": "../../etc/hosts", "sha256": "0" * 64, "bytes": 1}
    ]
    with pytest.raises(Impossible, match="leads out of its folder"):
        check_out(run, registry.artifacts, tmp_path / "out", [Path.cwd()])


def test_nothing_is_left_behind_in_the_project(registry: Registry) -> None:
    record(registry)
    before = sorted(str(path) for path in Path.cwd().iterdir())
    verdict(registry)
    assert sorted(str(path) for path in Path.cwd().iterdir()) == before


def commit(text: str, name: str = "sums.py") -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text)
    git(Path.cwd(), "add", "-A")
    git(Path.cwd(), "commit", "-qm", "next")


@pytest.mark.parametrize("target", ["sums.py", "sums:sums"])
def test_a_pipeline_below_the_top_of_its_repository_runs_where_it_ran(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    top = Path.cwd()
    (top / ".gitignore").write_text(".affidavit/\n__pycache__/\n")
    (top / "team").mkdir()
    (top / "data.csv").rename(top / "team" / "data.csv")
    commit(PIPELINE, "team/sums.py")
    monkeypatch.chdir(top / "team")
    monkeypatch.delitem(sys.modules, "sums", raising=False)
    loaded = load_target(target)
    registry.record_run(run_pipeline(loaded.pipeline, {}, artifacts=registry.artifacts, target=loaded.text))
    monkeypatch.chdir(top)
    monkeypatch.delitem(sys.modules, "sums", raising=False)
    said = verdict(registry)
    assert (said.verdict, said.reason) == ("identical", None)


@pytest.mark.parametrize("absolute", [True, False])
def test_data_outside_the_working_directory_is_found_by_its_path(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory, absolute: bool
) -> None:
    away = tmp_path_factory.mktemp("away") / "loans.csv"
    away.write_text("a,b\n5,6\n")
    record(registry, source=str(away if absolute else os.path.relpath(away)))
    said = verdict(registry)
    assert (said.verdict, said.reason) == ("identical", None)


def test_data_outside_the_working_directory_is_read_from_the_copy_that_was_checked(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away") / "loans.csv"
    away.write_text("a,b\n5,6\n")
    record(registry, source=str(away))
    shutil.copy(away, Path.cwd())
    away.write_text("a,b\n7,8\n")
    assert verdict(registry).verdict == "identical"


def test_two_files_of_one_name_are_not_confused(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    commit(PIPELINE.replace("def scaled(table,", "def scaled(table, other: str = '',"))
    away = [tmp_path_factory.mktemp("away") / "loans.csv" for _ in range(2)]
    for number, file in enumerate(away):
        file.write_text(f"a\n{number}\n")
    record(registry, source=str(away[0]), other=str(away[1]))
    assert verdict(registry).verdict == "identical"


def test_a_rerun_that_lacks_something_is_impossible_and_not_diverged(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "notes.csv").write_text("x")  # ignored by git, and no parameter names it
    commit(PIPELINE.replace("return table * factor", "open('notes.csv').close(); return table * factor"))
    record(registry)
    said = verdict(registry)
    assert (said.verdict, said.first_difference) == ("impossible", None)
    assert "failed in the step scaled with FileNotFoundError" in str(said.reason)


def test_what_a_step_prints_does_not_disturb_the_rerun(registry: Registry) -> None:
    commit(PIPELINE.replace("return table * factor", "print('{}' * 100_000); return table * factor"))
    record(registry)
    assert verdict(registry).verdict == "identical"


def test_the_recorded_code_is_not_given_the_passphrase(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(
        PIPELINE.replace(
            "return table * factor",
            "import os; return table * len([n for n in os.environ if n.startswith('AFFIDAVIT')])",
        )
    )
    for name in [name for name in os.environ if name.startswith("AFFIDAVIT")]:
        monkeypatch.delenv(name)
    record(registry)
    monkeypatch.setenv("AFFIDAVIT_PASSPHRASE", "")
    assert verdict(registry).verdict == "identical"


def test_a_rerun_that_is_killed_is_impossible_and_says_after_which_step(registry: Registry) -> None:
    dying = (
        "import os, sys; 'registry.rerun' in sys.argv[0] or os.kill(os.getpid(), 9); return table * factor"
    )
    commit(
        PIPELINE.replace(
            "return table * factor",
            dying.replace("'registry.rerun' in sys.argv[0] or", "'pytest' in sys.modules or"),
        )
    )
    record(registry)
    said = verdict(registry)
    assert said.verdict == "impossible"
    assert "ended by signal 9 after: step 2 of 2: scaled" in str(said.reason)


def test_an_interrupted_rerun_is_ended_and_leaves_nothing(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alive = tmp_path_factory.mktemp("alive") / "pid"
    hanging = f"__import__('pathlib').Path({str(alive)!r}).write_text(str(__import__('os').getpid()))"
    commit(
        PIPELINE.replace(
            "return table * factor",
            f"'pytest' in __import__('sys').modules or ({hanging}, __import__('time').sleep(600)); return table",
        )
    )
    record(registry)
    scratch = tmp_path_factory.mktemp("scratch")
    before = registry.ledger.head().size
    code = (
        "from registry.registry import open_registry; from registry.reproduce import reproduce; "
        "reproduce(open_registry(), 'sums@1', key='validator')"
    )
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    for _ in range(600):
        if alive.is_file() and alive.read_text():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in said
    assert list(scratch.iterdir()) == []
    assert registry.ledger.head().size == before
    with pytest.raises(ProcessLookupError):
        os.kill(int(alive.read_text()), 0)


def test_a_copy_is_not_written_through_a_link_in_the_recorded_code(
    registry: Registry, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("theirs") / "precious"
    target.write_text("precious")
    record(registry)
    run = registry.run_of(registry.find("sums@1"))
    (tmp_path / "data.csv").rename(tmp_path / "kept.csv")
    (tmp_path / "data.csv").symlink_to(target)
    git(tmp_path, "add", "-f", "data.csv")
    git(tmp_path, "commit", "-qm", "a link")
    git(tmp_path, "rm", "-q", "--cached", "data.csv")
    (tmp_path / "data.csv").unlink()
    (tmp_path / "kept.csv").rename(tmp_path / "data.csv")
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    run["code"] = {**run["code"], "commit": head.strip()}  # type: ignore[dict-item]
    with tempfile.TemporaryDirectory() as scratch:
        check_out(run, registry.artifacts, Path(scratch) / "code", [tmp_path])
    assert target.read_text() == "precious"


def test_a_link_to_a_folder_does_not_lead_out_either(
    registry: Registry, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "data").symlink_to(tmp_path_factory.mktemp("theirs"))
    commit(PIPELINE)
    record(registry)
    run = registry.run_of(registry.find("sums@1"))
    run["sources"] = [
        {"step": "table", "parameter": "?", "uri": "data/new.csv", "sha256": "0" * 64, "bytes": 1}
    ]
    with pytest.raises(Impossible, match="leads out of its folder"):
        check_out(run, registry.artifacts, tmp_path / "out", [tmp_path])


@pytest.mark.parametrize(
    "patch",
    [
        "--- /dev/null\n+++ b/../evil.py\n@@ -0,0 +1 @@\n+evil\n",
        (
            "diff --git a/way b/way\nnew file mode 120000\n--- /dev/null\n+++ b/way\n@@ -0,0 +1 @@\n+..\n"
            "\\ No newline at end of file\ndiff --git a/way/evil.py b/way/evil.py\nnew file mode 100644\n"
            "--- /dev/null\n+++ b/way/evil.py\n@@ -0,0 +1 @@\n+evil\n"
        ),
    ],
    ids=["by dots", "by a link of its own"],
)
def test_a_patch_that_writes_outside_is_refused(registry: Registry, tmp_path: Path, patch: str) -> None:
    record(registry)
    run = registry.run_of(registry.find("sums@1"))
    digest = registry.artifacts.put(patch.encode())
    run["code"] = {**run["code"], "dirty": True, "patch": digest}  # type: ignore[dict-item]
    with pytest.raises(Impossible, match="git apply failed"):
        check_out(run, registry.artifacts, tmp_path / "deep" / "out", [tmp_path])
    assert not list(tmp_path.rglob("evil.py"))


def test_a_run_of_another_shape_is_one_sentence(registry: Registry) -> None:
    record(registry)
    run = registry.run_of(registry.find("sums@1"))
    with pytest.raises(MalformedInput, match=r"its steps\.\* has no name that is a str"):
        resolve_run({**run, "steps": [{}]}, ArtifactStore(Path("artifacts")))
