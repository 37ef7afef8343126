"""How many processors there are, and work that several threads of this process do at once on them.

Rules:

- Threads help where the work computes outside the interpreter, as signatures do: `cryptography` lets others run
  meanwhile. What is written in Python alone would only take turns.
- The threads are gone when the call returns: nothing runs in the background, and no fork meets them.
- What comes back, or is raised, is what doing one after the other gives: the first that fails in order raises. Later
  ones may have been done by then, so the work has no effect that matters.

>>> by_threads(abs, [-1, 2, -3])
[1, 2, 3]
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

__all__ = ["by_threads", "processors"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")

FEW = 8
"""Things up to which starting a thread takes longer than the work."""


def processors() -> int:
    """Count the processors that this process may use."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def by_threads(work: Callable[[_In], _Out], things: Sequence[_In]) -> list[_Out]:
    """Do `work` on each thing, by as many threads as there are processors; return what came out, in order."""

    def do(part: Sequence[_In]) -> list[_Out]:
        return [work(thing) for thing in part]

    if len(things) <= FEW or (count := processors()) == 1:
        return do(things)
    length = -(-len(things) // count)
    own, *others = (things[start : start + length] for start in range(0, len(things), length))
    with ThreadPoolExecutor(len(others)) as threads:
        try:
            begun = [threads.submit(do, part) for part in others]
        except RuntimeError:
            # The interpreter is ending, and starts no thread any more.
            return do(things)
        return [*do(own), *(out for part in begun for out in part.result())]
