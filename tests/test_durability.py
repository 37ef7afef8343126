"""What was acknowledged is there: with several processes at once, and after `kill -9` at any moment."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit.keystore import KeyStore
from tests.small_ledger import People, new_ledger, reopened, report

APPENDER = Path(__file__).with_name("appender.py")
Process = subprocess.Popen[str]


@pytest.fixture
def people(tmp_path: Path) -> People:
    keys = KeyStore(tmp_path / "keys")
    return People(keys.create("admin", b""), keys.create("log", b""))


def start(folder: Path, name: str, count: int, batch: int = 1) -> Process:
    arguments = [str(folder), name, str(count), str(batch)]
    return subprocess.Popen(
        [sys.executable, "-P", str(APPENDER), *arguments], stdout=subprocess.PIPE, text=True, bufsize=1
    )


def acknowledged(process: Process) -> list[int]:
    """Read what the process said, whole lines only: the last may have been cut off with it."""
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    process.wait()
    return [int(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_that_append_at_once_lose_nothing_and_leave_no_gap(
    tmp_path: Path, people: People, processes: int
) -> None:
    new_ledger(tmp_path, people)
    running = [start(tmp_path, f"process {n}", 30) for n in range(processes)]
    said = [acknowledged(process) for process in running]
    ledger = reopened(tmp_path, people)
    entries = list(ledger.entries(kind="report"))
    assert [process.returncode for process in running] == [0] * processes
    assert sorted(seq for seqs in said for seq in seqs) == list(range(1, 30 * processes + 1))
    assert [e.seq for e in entries] == list(range(1, 30 * processes + 1))
    assert {(e.statement.text("by"), e.statement.predicate["number"]) for e in entries} == {
        (f"process {n}", number) for n in range(processes) for number in range(30)
    }
    assert ledger.verify()


def test_each_process_sees_its_own_entries_in_the_order_it_appended_them(
    tmp_path: Path, people: People
) -> None:
    new_ledger(tmp_path, people)
    running = [start(tmp_path, name, 15, batch=3) for name in ("a", "b")]
    said = [acknowledged(process) for process in running]
    assert said == [sorted(seqs) for seqs in said]
    entries = reopened(tmp_path, people).entries(kind="report")
    by_a = [int(str(e.statement.predicate["number"])) for e in entries if e.statement.text("by") == "a"]
    assert by_a == [number for number in range(15) for _ in range(3)]


@pytest.mark.parametrize(("seed", "processes"), [(1, 1), (2, 1), (3, 2)])
def test_nothing_acknowledged_is_lost_when_processes_are_killed(
    tmp_path: Path, people: People, seed: int, processes: int
) -> None:
    moments = random.Random(seed)
    new_ledger(tmp_path, people)
    told = 0
    for _ in range(2):
        running = [start(tmp_path, "victim", 10**6, moments.choice([1, 1, 7])) for _ in range(processes)]
        heard = []
        for process in running:
            assert process.stdout is not None
            heard.append(int(process.stdout.readline()))
        time.sleep(moments.uniform(0, 0.15))
        for process in running:
            process.kill()
        heard += [seq for process in running for seq in acknowledged(process)]
        told += len(heard)
        ledger = reopened(tmp_path, people)
        there = [entry.seq for entry in ledger.entries()]
        assert set(heard) <= set(there)
        assert there == list(range(len(there)))
        assert ledger.verify()
        assert ledger.append(report("next")).seq == len(there)
    assert told > 2
