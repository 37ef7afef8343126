"""What is done around a fork for all that is open in a process: one hook, whatever comes and goes.

Rules:

- Python's hooks (`os.register_at_fork`) cannot be taken back. So there is one in a process, and it holds what it does
  something for by weak references: a ledger that is let go is forgotten.
- Before a fork the newest comes first, after it the oldest, as Python has it. What fails for one is still done for the
  others.
- What is prepared for a fork is what is resumed in the parent, whatever others open in between. In the child all that
  there is begins anew: it has one thread.

::

    at_fork(engine, before=Engine.dispose)
"""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["at_fork"]

_T = TypeVar("_T")
_Do = Callable[[Any], object]


def at_fork(
    opened: _T,
    *,
    before: Callable[[_T], object],
    in_parent: Callable[[_T], object] = lambda _: None,
    in_child: Callable[[_T], object] = lambda _: None,
) -> None:
    """Do something around every fork for what is open, as long as somebody else holds it.

    The functions are given what is open: one that holds it itself would keep it for ever.
    """
    with _process.mutex:
        _process.heeding[opened] = (before, in_parent, in_child)


@dataclass(slots=True)
class _Process:
    """What heeds forks in this process, and what each thread that forks has prepared."""

    heeding: "WeakKeyDictionary[Any, tuple[_Do, _Do, _Do]]" = field(default_factory=WeakKeyDictionary)
    mutex: threading.Lock = field(default_factory=threading.Lock)
    prepared: threading.local = field(default_factory=threading.local)

    def before(self) -> None:
        # The lock is not held while something is prepared: that may wait for a thread which opens a ledger.
        with self.mutex:
            self.prepared.of = list(self.heeding.items())
        _last_to_first((do, opened) for opened, (do, _, _) in self.prepared.of)

    def in_parent(self) -> None:
        _last_to_first((do, opened) for opened, (_, do, _) in reversed(self._taken()))

    def in_child(self) -> None:
        self._taken()
        self.mutex = threading.Lock()
        _last_to_first((do, opened) for opened, (_, _, do) in reversed(list(self.heeding.items())))

    def _taken(self) -> list[tuple[Any, tuple[_Do, _Do, _Do]]]:
        taken, self.prepared.of = getattr(self.prepared, "of", []), []
        return taken


def _last_to_first(calls: Iterable[tuple[_Do, object]]) -> None:
    with ExitStack() as stack:
        for do, opened in calls:
            stack.callback(do, opened)


_process = _Process()
os.register_at_fork(
    before=_process.before,
    after_in_parent=_process.in_parent,
    after_in_child=_process.in_child,
)
