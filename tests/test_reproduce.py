import shutil
import subprocess
from pathlib import Path

import pytest

from registry.predicates import Reproduction
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
    from registry.checkout import Impossible, check_out

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
