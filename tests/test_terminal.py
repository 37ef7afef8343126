"""The command line as a process, on a terminal and in a pipe, and what its texts may do there."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from audit.terminal import folded, printable, say
from tests.command_line import COMMAND, Folder, a_lender, clean_environment


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """Give a lender's folder: loans@1 in production, loans@2 recorded."""
    return a_lender(tmp_path / "lender")


# -- as a process ------------------------------------------------------------------------------------------------------


def test_it_runs_as_a_module(here: Folder) -> None:
    done = here.typed("verify", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["verified"] is True
    assert done.stderr == ""


def test_a_reader_that_goes_away_makes_no_noise(here: Folder) -> None:
    with subprocess.Popen(
        [*COMMAND, "show", "loans@1", "--json"],
        cwd=here.path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
        status = process.wait(timeout=60)
    assert complaint == ""
    assert status == 141


def test_who_has_closed_the_streams_is_answered_by_the_exit_status(here: Folder) -> None:
    command = f"exec {shlex.join(COMMAND)} log 0<&- 1>&- 2>&-"
    done = subprocess.run(["sh", "-c", command], cwd=here.path, env=clean_environment(), check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_with_one_line_and_the_run_is_recorded(here: Folder, told: signal.Signals) -> None:
    (here.path / "slow.py").write_text(
        "import pathlib, time\nfrom affidavit import Pipeline\np = Pipeline('slow')\n"
        "@p.step\ndef wait():\n    pathlib.Path('waiting').touch()\n"
        # In short sleeps: a signal that comes just before a long one is noticed at its end.
        "    for _ in range(600):\n        time.sleep(0.1)\n"
    )
    with subprocess.Popen(
        [*COMMAND, "run", "slow.py", "--as", "scientist"],
        cwd=here.path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        for _ in range(600):
            if (here.path / "waiting").exists():
                break
            time.sleep(0.05)
        process.send_signal(told)
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == ""
    assert "Traceback" not in complaint
    assert complaint.splitlines()[-1].startswith("Error: interrupted")
    assert (
        here.json("log", "-n", "1")["entries"][0]["summary"]
        == "run of slow failed in wait (KeyboardInterrupt)"
    )
    assert here.json("verify")["verified"] is True


def on_a_terminal(here: Folder, *arguments: str) -> str:
    """Run a command on a terminal of 80 columns and return what it shows."""
    try:
        ours, theirs = pty.openpty()
    except OSError:
        pytest.skip("this machine gives no pseudo-terminals (is /dev/pts mounted?), so none was tried")
    environment = {**clean_environment(), "TERM": "xterm", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=here.path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
    ):  # fmt: skip
        os.close(theirs)
        shown = b""
        # A terminal whose other end is closed gives an error and not an end of file on Linux.
        try:
            while more := os.read(ours, 65_536):
                shown += more
        except OSError:
            pass
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colour_and_lines_folded_to_its_width(here: Folder) -> None:
    shown = on_a_terminal(here, "verify")
    assert "\x1b[32m\x1b[1mpassed\x1b[0m" in shown
    assert all(
        len(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rpartition("\r")[2]) <= 80
        for line in shown.split("\n")
    )


def test_long_work_shows_on_a_terminal_what_it_is_at(here: Folder) -> None:
    shown = on_a_terminal(here, "export", "loans@1", "-o", "evidence.zip")
    assert "verifying evidence.zip" in shown
    assert "verifying" not in here.typed("export", "loans@1", "-o", "again.zip").stderr


# -- texts -------------------------------------------------------------------------------------------------------------


def test_a_recorded_text_cannot_draw_on_the_terminal(here: Folder) -> None:
    here.text(
        "approve", "loans@2", "--stage", "production", "--as", "validator", "--role", "validator",
        "--meaning", "fine\x1b[2K\x1b[1Apassed",
    )  # fmt: skip
    shown = here.text("gate", "loans@2", "--stage", "production")
    assert "\x1b" not in shown
    assert r"fine\x1b[2K\x1b[1Apassed" in shown


def test_control_characters_are_written_as_escapes() -> None:
    assert printable("a\x1b[2Kb\u202ec\u00e9") == r"a\x1b[2Kb\u202ecé"


def test_styles_take_no_place_when_a_line_is_folded() -> None:
    plain = folded("passed " + "word " * 30, "    ", 40)
    styled = folded("\x1b[32m\x1b[1mpassed\x1b[0m " + "word " * 30, "    ", 40)
    assert styled.replace("\x1b[32m\x1b[1m", "").replace("\x1b[0m", "").split() == plain.split()
    assert all(len(line) <= 40 for line in plain.split("\n"))
    assert plain.split("\n")[1].startswith("    word")


def test_styles_are_the_only_control_characters_that_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ntwo\x07")
    assert capsys.readouterr().out == "one\ntwo\\x07\n"
