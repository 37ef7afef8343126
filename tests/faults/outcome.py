"""What a scene is, and how what was told is put beside what is there.

A scene prepares a folder once; every run acts on a copy of it in a process of its own, and is judged by another that
looks at the folder alone and at what was acknowledged. A judgement is a short word for the outcome; where something
was lost, or is half there, it raises `AssertionError`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Said", "Scene", "outcome"]

Said = Sequence[Sequence[object]]
"""What the process told before it ended: ``["acknowledged", ...]``, ``["refused", class, sentence]``."""


class Scene(Protocol):
    """Something that must survive a fault."""

    def prepare(self, folder: Path) -> None:
        """Make what is there before."""
        ...

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        """Do it, in a process that a fault may end; say what was acknowledged."""
        ...

    def judge(self, folder: Path, said: Said) -> str:
        """Look at what is there now, and that it can go on from here."""
        ...


def outcome(said: Said, written: bool, whole: list[Any], *, keeps_what_it_refused: bool = False) -> str:
    """Put what was told beside what is there: a yes binds, and so does a no."""
    broken = [str(word[1]) for word in said if word[0] == "broken"]
    assert not broken, broken[0]
    there = "written" if written else "nothing written"
    warned = "; with a warning" if any(word[0] == "warned" for word in said) else ""
    for word, *told in said:
        if word == "warned":
            continue
        if word == "acknowledged":
            assert written, "what was acknowledged is not there"
            assert told == whole
            return f"acknowledged, written{warned}"
        error, sentence = told
        assert error == "EnvironmentFailed", told
        assert "\n" not in str(sentence)
        assert keeps_what_it_refused or not written, f"refused ({sentence}), and written all the same"
        return f"EnvironmentFailed, {there}"
    return f"killed, {there}"
