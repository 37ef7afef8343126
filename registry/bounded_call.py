"""Calls that come back: somebody else's code, waited for no longer than one wants.

Rules:

- The call is made in a thread, and who waits for it goes on when the time is up. What was set where it is waited for
  (context variables, NumPy's errstate, scikit-learn's configuration) holds in the thread as well.
- Python code that runs on is then ended by an exception that is no `Exception`, so that it is not taken for one of its
  own. Code that catches even that, and a call in C, are left behind: they end when they return, or with the process.
- A call in C that keeps the interpreter for itself (few do, and not for long) stops everybody, who waits included:
  nothing inside of a process can help against that.
- What the call raises, `SystemExit` included, is `Raised`; an interrupt of who waits ends the call and goes on.

>>> bounded(lambda: 3, lambda: False)
3
"""

import contextvars
import ctypes
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Raised", "TookTooLong", "bounded"]

LOOK = 0.05
"""Seconds between two looks at whether the time is up."""

GRACE = 1.0
"""Seconds that Python code is given to end, in each of the attempts to end it."""
ATTEMPTS = 3

T = TypeVar("T")


class Raised(Exception):
    """The call raised `error`."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(type(error).__name__)
        self.error = error


class TookTooLong(Exception):
    """The time was up before the call came back; `left_behind` says that it could not be ended either."""

    def __init__(self, *, left_behind: bool) -> None:
        super().__init__("the call did not come back in time")
        self.left_behind = left_behind


class TimeIsUp(BaseException):
    """Ends the code of a call whose time is up."""


def bounded(function: Callable[[], T], is_over: Callable[[], bool]) -> T:
    """Return what a call returns; raise `Raised`, or `TookTooLong` once `is_over` says so."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            answers.append(function())
        except BaseException as error:  # it is for who waits to say what comes of it
            errors.append(error)

    prepared = _as_here(call)
    thread = threading.Thread(target=contextvars.copy_context().run, args=(prepared,), daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(LOOK)
            if thread.is_alive() and is_over():
                raise TookTooLong(left_behind=not _ended(thread))
    except KeyboardInterrupt:
        _ended(thread)
        raise
    if errors:
        raise Raised(errors[0])
    return answers[0]


def _ended(thread: threading.Thread) -> bool:
    """Raise `TimeIsUp` in a thread, and say whether that ended it."""
    for _ in range(ATTEMPTS):
        if not thread.is_alive():
            break
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeIsUp)
        )
        thread.join(GRACE)
    return not thread.is_alive()


def _as_here(call: Callable[[], None]) -> Callable[[], None]:
    """Let scikit-learn's configuration hold, which it keeps for each thread alone."""
    sklearn = sys.modules.get("sklearn")
    if sklearn is None:
        return call
    settings = sklearn.get_config()

    def configured() -> None:
        with sklearn.config_context(**settings):
            call()

    return configured
