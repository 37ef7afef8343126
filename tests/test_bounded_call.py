"""A call is waited for no longer than one wants, and what set the caller holds in it."""

import contextvars
import itertools
import threading
import time
from collections.abc import Callable

import pytest
import sklearn

from registry import bounded_call
from registry.bounded_call import Raised, TookTooLong, bounded


def never() -> bool:
    return False


def soon() -> Callable[[], bool]:
    """Say that the time is up from the third time on that somebody asks."""
    asked = itertools.count()
    return lambda: next(asked) >= 2


def test_a_call_gives_what_it_returns() -> None:
    assert bounded(lambda: [1, 2], never) == [1, 2]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_call_raises_is_for_who_waits_to_judge(error: BaseException) -> None:
    def fails() -> None:
        raise error

    with pytest.raises(Raised) as raised:
        bounded(fails, never)
    assert raised.value.error is error


def endless() -> None:
    while True:
        pass


def stubborn() -> None:
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


@pytest.mark.parametrize("function", [endless, stubborn], ids=["a loop", "a loop that handles errors"])
def test_python_code_that_never_returns_is_ended(function: Callable[[], None]) -> None:
    before = threading.active_count()
    with pytest.raises(TookTooLong) as raised:
        bounded(function, soon())
    assert not raised.value.left_behind
    assert threading.active_count() == before


def test_a_call_in_c_that_never_returns_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_call, "GRACE", 0.02)
    lock = threading.Lock()
    lock.acquire()
    before = set(threading.enumerate())
    try:
        with pytest.raises(TookTooLong) as raised:
            bounded(lock.acquire, soon())
        assert raised.value.left_behind
    finally:
        lock.release()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


def test_an_interrupt_of_who_waits_ends_the_call_and_goes_on() -> None:
    def interrupted() -> bool:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        bounded(endless, interrupted)
    assert threading.active_count() == before


def test_what_is_set_where_a_call_is_waited_for_holds_in_it() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    variable.set(7)
    with sklearn.config_context(transform_output="pandas"):
        assert bounded(lambda: sklearn.get_config()["transform_output"], never) == "pandas"
    assert bounded(variable.get, never) == 7
