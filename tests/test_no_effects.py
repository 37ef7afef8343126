"""Code that is called to see what it computes cannot write, send or start anything that Python announces."""

import io
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from registry.no_effects import HasEffect, no_effects


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("kept")


def message() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendmsg([b"x"], [], 0, ("127.0.0.1", 9))


def fork() -> None:
    if os.fork() == 0:  # pragma: no cover - only where it is not refused, and then not for long
        os._exit(0)


EFFECTS: dict[str, Callable[[], object]] = {
    "open to write": lambda: Path("there").write_text("x"),
    "open to append": lambda: Path("there").open("a").close(),
    "os.open": lambda: os.open("new", os.O_CREAT | os.O_WRONLY),
    "pandas to_csv": lambda: pd.DataFrame({"a": [1]}).to_csv("there"),
    "NumPy save": lambda: np.save("new.npy", np.zeros(2)),
    "remove": lambda: Path("there").unlink(),
    "rename": lambda: Path("there").rename("gone"),
    "copy": lambda: shutil.copy("there", "new"),
    "mkdir": lambda: Path("folder").mkdir(),
    "temporary file": lambda: tempfile.mkstemp(dir="."),
    "a program": lambda: subprocess.run(["true"], check=False),
    "a shell": lambda: os.system("true"),
    "a connection": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    "SQLite": lambda: sqlite3.connect("there"),
    "a message": message,
    "a signal": lambda: os.kill(os.getpid(), 0),
    "a signal to a group": lambda: os.killpg(os.getpgid(0), 0),
    "another time": lambda: os.utime("there"),
    "another owner": lambda: os.chown("there", -1, -1),
    "a process": fork,
}


@pytest.mark.parametrize("name", EFFECTS)
def test_what_python_announces_is_refused_and_nothing_happens(name: str) -> None:
    with no_effects(), pytest.raises(HasEffect):
        EFFECTS[name]()
    assert {each.name: each.read_text() for each in Path().iterdir()} == {"there": "kept"}


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="this system has no such attributes")
@pytest.mark.parametrize("name", ["setxattr", "removexattr"])
def test_attributes_of_a_file_stay_as_they_are(name: str) -> None:
    with no_effects(), pytest.raises(HasEffect):
        getattr(os, name)("there", "user.a", *([b"1"] if name == "setxattr" else []))


def test_reading_and_memory_stay_allowed() -> None:
    with no_effects():
        assert Path("there").read_text() == "kept"
        with closing(sqlite3.connect(":memory:")) as memory:
            assert memory.execute("SELECT 1").fetchone() == (1,)
        with Path(os.devnull).open("w") as nothing:
            nothing.write("x")
        assert io.StringIO("x").read() == "x"


def test_a_module_that_is_not_compiled_yet_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fresh_module.py").write_text("number = 3\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    with no_effects():
        import fresh_module  # type: ignore[import-not-found]
    assert fresh_module.number == 3
    del sys.modules["fresh_module"]


def test_other_threads_and_what_comes_afterwards_are_not_kept_from_anything() -> None:
    with no_effects():
        thread = threading.Thread(target=lambda: Path("other").write_text("x"))
        thread.start()
        thread.join()
    Path("later").write_text("x")
    assert Path("other").exists()
