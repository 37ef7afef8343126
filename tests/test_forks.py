"""One hook for all that heeds forks."""

import gc
import os
import weakref

import pytest

from audit.forks import at_fork


class Opened:
    """Says what is done with it."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name, self.said = name, said

    def pause(self) -> None:
        self.said.append(f"pause {self.name}")

    def resume(self) -> None:
        self.said.append(f"resume {self.name}")

    def begin(self) -> None:
        self.said.append(f"begin {self.name}")

    def fail(self) -> None:
        if self.name == "failing":
            raise RuntimeError(self.name)


def fork(said: list[str]) -> list[str]:
    """Fork, and return what was done in the child."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, ",".join(said).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        told = answer.read()
    os.waitpid(pid, 0)
    return told.split(",")


def heeding(name: str, said: list[str]) -> Opened:
    opened = Opened(name, said)
    at_fork(opened, before=Opened.pause, in_parent=Opened.resume, in_child=Opened.begin)
    return opened


def test_the_newest_is_prepared_first_and_the_oldest_resumed_first() -> None:
    said: list[str] = []
    kept = [heeding(name, said) for name in "ab"]
    in_child = fork(said)
    assert said == ["pause b", "pause a", "resume a", "resume b"]
    assert in_child == ["pause b", "pause a", "begin a", "begin b"]
    assert len(kept) == 2


def test_what_is_let_go_is_forgotten() -> None:
    said: list[str] = []
    gone = weakref.ref(heeding("gone", said))
    gc.collect()
    assert gone() is None
    fork(said)
    assert said == []


def test_what_fails_for_one_is_done_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    ignored: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", ignored.append)
    first = heeding("a", said)
    failing = Opened("failing", said)
    at_fork(failing, before=Opened.fail, in_parent=Opened.fail)
    fork(said)
    failing.name = "harmless, should another test fork before it is forgotten"
    assert said == ["pause a", "resume a"]
    assert first.name == "a"
    assert len(ignored) == 2
