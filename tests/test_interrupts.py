"""A command that is told to end leaves nothing behind, unless it was told to ignore that."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TOLD = [signal.SIGTERM, signal.SIGHUP]


BEGIN = """
import os, signal, tempfile, time
from audit.interrupts import end_as_interrupted
"""
FOR_THE_WHILE = """
end_as_interrupted()
with tempfile.TemporaryDirectory():
    os.kill(os.getpid(), {number})
    time.sleep(0.01)
    print("went on")
"""
FORKED = """
end_as_interrupted()
ours, theirs = os.pipe()
if (child := os.fork()) == 0:
    os.write(theirs, b".")
    time.sleep(60)
os.read(ours, 1)
os.kill(child, {number})
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def run(folder: Path, code: str, number: signal.Signals) -> "subprocess.CompletedProcess[str]":
    surroundings = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", BEGIN + code.format(number=int(number))]
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", TOLD)
def test_a_folder_for_the_while_is_removed(number: signal.Signals, tmp_path: Path) -> None:
    done = run(tmp_path, FOR_THE_WHILE, number)
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("", "KeyboardInterrupt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", TOLD)
def test_a_signal_that_was_to_be_ignored_is_ignored(number: signal.Signals, tmp_path: Path) -> None:
    done = run(tmp_path, "signal.signal({number}, signal.SIG_IGN)" + FOR_THE_WHILE, number)
    assert (done.returncode, done.stdout) == (0, "went on\n")


@pytest.mark.parametrize("number", TOLD)
def test_a_forked_child_ends_at_once(number: signal.Signals, tmp_path: Path) -> None:
    done = run(tmp_path, FORKED, number)
    assert (done.stdout, done.stderr) == (f"-{int(number)}\n", "")
