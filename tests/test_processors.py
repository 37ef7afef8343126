"""Work that several threads do: what comes back or is raised is what one after the other gives."""

import subprocess
import sys
import threading

import pytest

from audit import processors
from audit.processors import by_threads


@pytest.fixture(autouse=True)
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "processors", lambda: 3)


@pytest.mark.parametrize("count", [0, 1, 8, 9, 10, 100])
def test_every_thing_is_done_once_and_in_order(count: int) -> None:
    assert by_threads(lambda n: n * n, range(count)) == [n * n for n in range(count)]


def test_many_things_are_done_by_as_many_threads_as_there_are_processors() -> None:
    together = threading.Barrier(3, timeout=60)
    by_threads(lambda n: together.wait() if n in (0, 10, 20) else None, range(30))


def test_a_few_things_are_done_by_the_thread_that_asks() -> None:
    assert set(by_threads(lambda _: threading.get_ident(), range(8))) == {threading.get_ident()}


def test_of_things_that_fail_the_first_in_order_is_raised() -> None:
    later = threading.Event()

    def fail(number: int) -> None:
        if number == 25:
            later.set()
        if number in (7, 25):
            assert later.wait(60)
            raise ValueError(number)

    with pytest.raises(ValueError, match=r"^7$"):
        by_threads(fail, range(30))


def test_at_the_end_of_the_program_where_no_thread_begins_the_work_is_done_all_the_same() -> None:
    program = (
        "import atexit; from audit import processors; processors.processors = lambda: 2; "
        "atexit.register(lambda: print(sum(processors.by_threads(abs, range(100)))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("4950\n", "")
