"""Group commit: one thread writes for all that wait; each submission stands or falls alone, and none twice."""

import os
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from audit.envelope import sign
from audit.errors import Conflict, EnvironmentFailed, MalformedInput, NotPermitted
from audit.ledger import Ledger
from audit.record import Entry
from audit.sequencer import Sequencer, Submission
from tests.small_ledger import People, Titles, report

PATIENCE = 30.0


class Together:
    """Holds the leader back until so many others wait, so that they become one batch."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.outcomes: dict[str, object] = {}
        self._threads: list[threading.Thread] = []

    def start(self, name: str, append: Callable[[], object]) -> None:
        def work() -> None:
            try:
                self.outcomes[name] = append()
            except BaseException as error:
                self.outcomes[name] = error

        thread = threading.Thread(target=work)
        thread.start()
        self._threads.append(thread)

    def wait_in_queue(self, number: int) -> None:
        until = time.monotonic() + PATIENCE
        while len(self.ledger._sequencer._queue) < number:
            assert time.monotonic() < until
            time.sleep(0.001)

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def one_batch(ledger: Ledger, appends: Mapping[str, Callable[[], object]]) -> dict[str, object]:
    """Append all of them in one batch, in this order, behind one that leads and waits for them."""
    together = Together(ledger)
    begun, go = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        begun.set()
        assert go.wait(PATIENCE)

    together.start("leader", lambda: ledger.append(report("leader"), within=hold))
    assert begun.wait(PATIENCE)
    for number, (name, append) in enumerate(appends.items(), 1):
        together.start(name, append)
        together.wait_in_queue(number)
    go.set()
    together.finish()
    return together.outcomes


def checkpoints(ledger: Ledger) -> list[int]:
    with ledger.engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT size FROM checkpoints ORDER BY number").scalars())


def titles(ledger: Ledger) -> list[str]:
    return [e.statement.text("title") for e in ledger.entries(kind="report")]


def test_what_waits_while_another_writes_is_one_batch_under_one_checkpoint(ledger: Ledger) -> None:
    appends = {name: partial(ledger.append, report(name)) for name in "abcde"}
    outcomes = one_batch(ledger, appends)
    assert all(isinstance(outcome, Entry) for outcome in outcomes.values())
    assert checkpoints(ledger) == [1, 2, 7]
    assert sorted(titles(ledger)) == sorted(["leader", *"abcde"])
    assert ledger.verify()


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (lambda ledger: ledger.append(report("forbidden")), RuntimeError),
        (lambda ledger: ledger.append(report("x" * 65_000)), MalformedInput),
        (lambda ledger: ledger.append(report("late"), role="validator"), NotPermitted),
        (lambda ledger: ledger.append(report("late"), within=gone), Conflict),
        (lambda ledger: ledger.append_many([report("half"), report("forbidden")]), RuntimeError),
    ],
    ids=["a follower raises", "a record too large", "a role not held", "a view that is gone", "the second of two"],
)  # fmt: skip
def test_one_that_fails_fails_alone(
    ledger: Ledger, how: Callable[[Ledger], object], error: type[Exception]
) -> None:
    outcomes = one_batch(
        ledger,
        {
            "before": lambda: ledger.append(report("before")),
            "failing": lambda: how(ledger),
            "after": lambda: ledger.append(report("after")),
        },
    )
    assert type(outcomes["failing"]) is error
    assert titles(ledger) == ["leader", "before", "after"]
    assert ledger.verify()


def gone(connection: Connection) -> None:
    connection.execute(Titles.table.insert().values(seq=99, title="half-written"))
    raise Conflict("the view is gone: try again")


def test_what_a_submission_decides_on_sees_those_before_it_in_its_batch(ledger: Ledger) -> None:
    seen: list[int] = []

    def look(connection: Connection) -> None:
        seen.append(connection.exec_driver_sql("SELECT count(*) FROM titles").scalar_one())

    one_batch(
        ledger,
        {"a": lambda: ledger.append(report("a")), "b": lambda: ledger.append(report("b"), within=look)},
    )
    assert seen == [2]


def test_a_key_that_is_revoked_in_a_batch_says_nothing_later_in_it(ledger: Ledger, people: People) -> None:
    other = People().admin
    ledger.grant("other", other.public, ("recorder",), "Other")
    outcomes = one_batch(
        ledger,
        {
            "revoke": lambda: ledger.revoke(other.public.keyid, "left", None),
            "late": lambda: ledger.append(report("late"), signer=other),
        },
    )
    assert isinstance(outcomes["late"], NotPermitted)
    assert ledger.verify()


def test_an_append_inside_an_append_is_refused(ledger: Ledger) -> None:
    def append_inside(_: Connection) -> None:
        ledger.append(report("inner"))

    with pytest.raises(MalformedInput, match="append inside another"):
        ledger.append(report("outer"), within=append_inside)
    assert titles(ledger) == []


def test_a_disk_that_fills_up_in_a_batch_loses_nothing_acknowledged(ledger: Ledger) -> None:
    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # as many as there are

    large = {"text": "x" * 40_000}
    outcomes = one_batch(
        ledger,
        {
            "a": partial(ledger.append, report("a", **large)),
            "full": partial(ledger.append, report("full", **large), within=fill),
            "b": partial(ledger.append, report("b", **large)),
        },
    )
    acknowledged = {outcome.seq for outcome in outcomes.values() if isinstance(outcome, Entry)}
    assert isinstance(outcomes["full"], EnvironmentFailed)
    assert {type(outcome) for outcome in outcomes.values()} == {Entry, EnvironmentFailed}
    assert acknowledged == {e.seq for e in ledger.entries(kind="report")}
    ledger.close()
    assert ledger.append(report("next")).seq == len(acknowledged) + 1
    assert ledger.verify()


# -- interrupts --------------------------------------------------------------------------------------------------------


class Commits:
    """Commits in memory: what was written, in order; a submission may stand only once."""

    def __init__(self) -> None:
        self.written: list[Submission] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def __call__(self, batch: Sequence[Submission]) -> None:
        self.before()
        for submission in batch:
            if submission in self.written:
                assert submission.doubtful
            else:
                self.written.append(submission)
        self.after()
        for submission in batch:
            submission.error = Conflict("settled")


def interrupted_with_one_waiting(
    commits: Commits, when: str, by: type[BaseException] = KeyboardInterrupt
) -> tuple[Submission, Submission]:
    """Lead with one submission while another waits in its batch, and interrupt the leader once."""
    sequencer = Sequencer(commits)
    own, other = Submission(()), Submission(())

    def interrupt() -> None:
        setattr(commits, when, lambda: None)
        raise by

    # The queue as it is when both have come and nobody leads yet.
    sequencer._queue.append(other)
    setattr(commits, when, interrupt)
    with pytest.raises(by):
        sequencer.submit(own)
    if not other.is_settled:
        sequencer._lead(other)
    return own, other


def test_an_interrupt_before_the_commit_leaves_the_others_to_the_next_leader() -> None:
    commits = Commits()
    own, other = interrupted_with_one_waiting(commits, "before")
    assert commits.written == [other]
    assert other.is_settled
    assert not own.is_settled


def test_an_interrupt_after_the_commit_writes_nothing_twice() -> None:
    commits = Commits()
    own, other = interrupted_with_one_waiting(commits, "after")
    assert commits.written == [other, own]
    assert other.is_settled
    assert not own.is_settled


def test_a_signals_handler_that_raises_after_the_commit_does_not_tell_the_others_that_theirs_failed() -> None:
    commits = Commits()
    own, other = interrupted_with_one_waiting(commits, "after", TimeoutError)
    assert commits.written == [other, own]
    assert isinstance(other.error, Conflict)
    assert not own.is_settled


def test_a_doubtful_submission_that_stands_is_acknowledged_and_not_written_again(ledger: Ledger) -> None:
    entry = ledger.append(report("one"))
    again = Submission((entry.envelope,), doubtful=True)
    assert ledger._sequencer.submit(again) == [entry]
    assert ledger.head().size == 2


def test_of_a_doubtful_submission_that_cannot_be_looked_for_nobody_says_that_it_was_not_written() -> None:
    def fail(batch: Sequence[Submission]) -> None:
        raise EnvironmentFailed("the disk is gone: nothing was written")

    own, begun = Submission(()), Submission((), doubtful=True)
    sequencer = Sequencer(fail)
    sequencer._queue.append(begun)
    with pytest.raises(EnvironmentFailed, match=r"^the disk is gone: nothing was written$"):
        sequencer.submit(own)
    with pytest.raises(
        EnvironmentFailed, match=r"whether it stands could not be told .*look with `affidavit log`"
    ):
        begun.outcome()


def test_what_somebody_else_said_under_the_same_id_does_not_acknowledge_a_doubtful_submission(
    ledger: Ledger, people: People
) -> None:
    statement = ledger.append(report("of another")).statement
    own = replace(statement, predicate={**statement.predicate, "title": "own"})
    doubtful = Submission((sign(own.payload(), [people.admin]),), doubtful=True)
    with pytest.raises(MalformedInput, match="stands in this ledger already"):
        ledger._sequencer.submit(doubtful)


def test_a_doubtful_submission_that_does_not_stand_is_written(
    ledger: Ledger, tmp_path: Path, people: People
) -> None:
    statement = ledger.claim(report("one"), people.admin.public.keyid)
    doubtful = Submission((sign(statement.payload(), [people.admin]),), doubtful=True)
    assert [e.seq for e in ledger._sequencer.submit(doubtful)] == [1]


def test_a_waiting_caller_that_is_interrupted_takes_its_submission_back() -> None:
    commits = Commits()
    sequencer = Sequencer(commits)
    sequencer._leader = -1
    waiting = Submission(())

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    sequencer._changed.wait = interrupt  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        sequencer.submit(waiting)
    assert list(sequencer._queue) == []


def test_an_error_of_the_whole_batch_reaches_each_of_its_callers(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(batch: Sequence[Submission]) -> None:
        if len(batch) > 1:
            raise EnvironmentFailed("the disk is gone")
        commit(batch)

    commit = ledger._sequencer._commit
    monkeypatch.setattr(ledger._sequencer, "_commit", fail)
    outcomes = one_batch(ledger, {n: partial(ledger.append, report(n)) for n in "ab"})
    assert isinstance(outcomes["leader"], Entry)
    assert [type(outcomes[name]) for name in "ab"] == [EnvironmentFailed, EnvironmentFailed]
    monkeypatch.undo()
    assert ledger.append(report("next")).seq == 2


# -- forks -------------------------------------------------------------------------------------------------------------


def forked(child: Callable[[], object]) -> int:
    """Run something in a forked child; return its status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_appends_and_its_parent_goes_on(ledger: Ledger) -> None:
    ledger.append(report("parent"))
    assert forked(partial(ledger.append, report("child"))) == 0
    ledger.append(report("parent again"))
    assert titles(ledger) == ["parent", "child", "parent again"]
    assert ledger.verify()


def test_a_fork_while_others_append_loses_nothing(ledger: Ledger) -> None:
    def work(name: str) -> None:
        for number in range(15):
            ledger.append(report(f"{name}{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    statuses = [forked(partial(ledger.append, report(f"child{n}"))) for n in range(4)]
    for thread in threads:
        thread.join()
    assert statuses == [0] * 4
    assert len(titles(ledger)) == len(set(titles(ledger))) == 34
    assert ledger.verify()
