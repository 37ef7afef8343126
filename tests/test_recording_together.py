"""Two processes that record at once, and one that is killed: versions have no gap and nothing acknowledged is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from registry.registry import Registry, open_registry
from tests.small_registry import new_registry

PIPELINE = """
from affidavit import Pipeline
counting = Pipeline("counting")

@counting.step
def numbers(start: int = 0):
    return [start, start + 1]
"""

RECORD_MANY = """
import sys
from registry.registry import open_registry
from registry.run import run_pipeline
from registry.target import load_target
target = load_target("counting.py")
for start in range(int(sys.argv[1])):
    registry = open_registry()
    result = run_pipeline(target.pipeline, {"start": start}, artifacts=registry.artifacts, target=target.text)
    print(registry.record_run(result).version, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "counting.py").write_text(PIPELINE)
    new_registry(tmp_path)
    return tmp_path


def recording(folder: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RECORD_MANY, str(count)], cwd=folder, stdout=subprocess.PIPE, text=True
    )


def open_in(folder: Path) -> Registry:
    return open_registry(str(folder))


def test_two_processes_that_record_at_once_share_the_versions_without_gap_or_duplicate(folder: Path) -> None:
    processes = [recording(folder, 12) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0].split() for process in processes]
    assert sorted(int(version) for lines in printed for version in lines) == list(range(1, 25))
    assert [v.version for v in open_in(folder).versions("counting")] == list(range(1, 25))


@pytest.mark.parametrize("seconds", [0.0, 0.013, 0.031, 0.052])
def test_a_killed_process_loses_nothing_that_it_acknowledged(folder: Path, seconds: float) -> None:
    process = recording(folder, 10_000)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline())]
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    registry = open_in(folder)
    assert [v.version for v in registry.versions("counting")][: len(acknowledged)] == acknowledged
    assert registry.ledger.verify()


def test_the_next_command_works_after_a_kill(folder: Path) -> None:
    process = recording(folder, 10_000)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    before = len(open_in(folder).versions("counting"))
    assert recording(folder, 1).communicate(timeout=60)[0].split() == [str(before + 1)]
