"""A command that is told to end (SIGTERM), or whose terminal was closed (SIGHUP), ends as with Ctrl-C.

Rules:

- What it had begun is undone: folders for the while are removed, what it had started is ended, and a run is recorded as
  a failed one. By itself Python would leave all of it behind.
- A signal that whoever started the command had it ignore, as `nohup` does, stays ignored. Commands that serve until
  they are told to end have their own way.
- A child that is forked from it ends at once, as any program: a pool ends its workers so.

>>> end_as_interrupted()                                                    # doctest: +SKIP
"""

import os
import signal
from typing import NoReturn

__all__ = ["end_as_interrupted"]

_TOLD_TO_END = (signal.SIGTERM, signal.SIGHUP)


def end_as_interrupted() -> None:
    """Have this process raise `KeyboardInterrupt` where it is told to end; called once, from its main thread."""
    for number in _TOLD_TO_END:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    os.register_at_fork(after_in_child=_end_at_once)


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _end_at_once() -> None:
    for number in _TOLD_TO_END:
        if signal.getsignal(number) is _interrupt:
            signal.signal(number, signal.SIG_DFL)
