"""The process in which a recorded pipeline runs again: how it is started, listened to and ended.

Rules:

- It has a session of its own. Where it ends, or who waits is interrupted, all that its steps started is ended with it.
- The job goes through a pipe, since it may hold a key. Of what the process says, steps are told on, and the last line
  is the reason where it fails.
- What the recorded code may have written is made fit for a statement and a terminal.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from audit.canonical import encode
from registry.checkout import Impossible
from registry.rerun import Job

__all__ = ["one_line", "run_job"]

MOST_OF_A_LINE = 500


def run_job(
    job: Job, folder: Path, variables: Mapping[str, str], progress: Callable[[str], None] | None
) -> None:
    """Do a job in a folder, with these environment variables, or raise `Impossible` with what the process said last.

    `progress` is told each step as it begins.
    """
    # -P: the working directory holds the user's code, and may not stand in for affidavit's own modules.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "registry.rerun"],
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    last = ""
    try:
        with suppress(BrokenPipeError):  # it ended before it listened, and its status says so
            process.stdin.write(encode(job.to_json()))
            process.stdin.close()
        for line in process.stderr:
            last = line.decode("utf-8", "replace").strip() or last
            if progress is not None and last.startswith("step "):
                progress(one_line(last))
        process.wait()
    finally:
        # Also what the steps started, and also when this very process is interrupted.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
    if process.returncode < 0:
        raise Impossible(f"the rerun was ended by signal {-process.returncode} after: {last or 'no step'}")
    if process.returncode != 0:
        raise Impossible(f"the recorded code does not run here: {last or 'it ended without a word'}")


def one_line(text: str) -> str:
    """Return text without what a terminal would take for more than text, cut where it is long."""
    return "".join(c if c.isprintable() else " " for c in text)[:MOST_OF_A_LINE]
