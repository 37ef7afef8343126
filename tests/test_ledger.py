"""The ledger: all of an append is there or none of it, and in one order."""

import shutil
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from audit import tables
from audit.checkpoint import open_checkpoint
from audit.envelope import sign
from audit.errors import Conflict, EnvironmentFailed, MalformedInput, NotPermitted, NotVerified
from audit.keys import LocalSigner, new_private_key
from audit.ledger import Ledger
from audit.merkle import CompactRange, leaf_hash
from audit.statement import Observed
from tests.small_ledger import (
    Clock,
    People,
    Titles,
    claimed,
    new_ledger,
    reopened,
    report,
    signer,
    state,
    titles,
)


@pytest.fixture
def ledger(tmp_path: Path, people: People) -> Ledger:
    """A ledger that keeps titles and whose admin also records."""
    made = new_ledger(tmp_path, people, followers=[Titles()])
    return Ledger(
        made.engine,
        followers=[Titles()],
        signer=lambda kind: people.admin,
        log_signer=lambda: people.log,
        clock=Clock(1_900_000_000.0),
    )


# -- appending ---------------------------------------------------------------------------------------------------------


def test_a_new_ledger_holds_its_genesis_entry(ledger: Ledger) -> None:
    assert [(e.seq, e.kind, e.prev) for e in ledger.entries()] == [(0, "genesis", "0" * 64)]


def test_an_appended_statement_is_the_next_entry(ledger: Ledger) -> None:
    appended = ledger.append(report("one"))
    assert (appended.seq, appended.prev) == (1, ledger.entry(0).leaf_hash)
    assert ledger.entry(1) == appended


def test_statements_appended_together_stand_in_order_under_one_checkpoint(ledger: Ledger) -> None:
    entries = ledger.append_many([report(str(n)) for n in range(5)])
    assert [(e.seq, e.statement.text("title")) for e in entries] == [(n + 1, str(n)) for n in range(5)]
    with ledger.engine.connect() as connection:
        sizes = connection.execute(select(tables.checkpoints.c.size).order_by("number")).scalars().all()
    assert sizes == [1, 6]


def test_nothing_appended_changes_nothing(ledger: Ledger) -> None:
    before = state(ledger)
    assert ledger.append_many([]) == []
    assert state(ledger) == before


def test_the_head_is_the_tree_over_all_records_and_is_signed_by_the_logs_key(
    ledger: Ledger, people: People
) -> None:
    ledger.append_many([report(str(n)) for n in range(300)])
    tree = CompactRange()
    for entry in ledger.entries():
        tree = tree.append(leaf_hash(entry.record))
    head, log = ledger.head(), ledger.trust().log
    assert log is not None
    checkpoint = open_checkpoint(head.checkpoint, log)
    assert (head.size, head.root) == (checkpoint.size, checkpoint.root) == (301, tree.root())
    assert log.raw == people.log.public.raw


def test_a_follower_learns_from_each_entry_in_the_same_transaction(ledger: Ledger) -> None:
    ledger.append_many([report("one"), report("two")])
    assert titles(ledger) == [(1, "one"), (2, "two")]


def test_an_entry_is_there_for_another_connection_when_append_returns(
    ledger: Ledger, tmp_path: Path, people: People
) -> None:
    appended = ledger.append(report("one"))
    assert reopened(tmp_path, people).entry(1) == appended


def test_commits_wait_for_the_disk(ledger: Ledger) -> None:
    with tables.writing(ledger.engine) as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    assert settings == ["wal", 2]


def test_a_statement_says_what_its_signer_saw(ledger: Ledger) -> None:
    head = ledger.head()
    assert ledger.append(report()).statement.observed == Observed(head.size, head.root.hex())


def test_every_entry_of_one_append_saw_the_same_head(ledger: Ledger) -> None:
    seen = {e.statement.observed for e in ledger.append_many([report(str(n)) for n in range(3)])}
    assert [s.size for s in seen] == [1]


def test_every_entry_has_an_id_of_its_own(ledger: Ledger) -> None:
    assert len({e.entry_id for e in ledger.append_many([report("same")] * 50)}) == 50


def test_threads_that_append_at_once_lose_nothing(ledger: Ledger) -> None:
    def work(name: str) -> None:
        for number in range(10):
            ledger.append(report(f"{name}{number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.seq for e in ledger.entries()] == list(range(31))
    assert ledger.verify()


# -- all or nothing ----------------------------------------------------------------------------------------------------


def test_nothing_is_written_when_a_follower_raises(ledger: Ledger) -> None:
    before = state(ledger)
    with pytest.raises(RuntimeError, match="this follower refuses"):
        ledger.append_many([report("one"), report("forbidden"), report("three")])
    assert state(ledger) == before


def test_nothing_is_written_when_one_signature_of_many_does_not_verify(
    ledger: Ledger, people: People
) -> None:
    class Slips:
        """Signs something else the thirteenth time."""

        public = people.admin.public
        signed = 0

        def sign(self, message: bytes) -> bytes:
            self.signed += 1
            return people.admin.sign(b"something else" if self.signed == 13 else message)

    before, slips = state(ledger), Slips()
    with pytest.raises(NotVerified):
        ledger.append_many([report(str(n)) for n in range(20)], signer=slips)
    assert slips.signed == 20
    assert state(ledger) == before


def test_nothing_is_written_when_the_view_it_was_decided_on_is_gone(ledger: Ledger) -> None:
    before = state(ledger)

    def gone(connection: Connection) -> None:
        connection.execute(Titles.table.insert().values(seq=99, title="half-written"))
        raise Conflict("the view is gone: try again")

    with pytest.raises(Conflict):
        ledger.append(report("one"), within=gone)
    assert state(ledger) == before


def test_what_must_be_decided_on_one_view_sees_what_is_committed(ledger: Ledger) -> None:
    ledger.append(report("one"))
    seen: list[int] = []

    def look(connection: Connection) -> None:
        seen.append(connection.execute(select(func.count()).select_from(tables.records)).scalar_one())

    ledger.append(report("two"), within=look)
    assert seen == [2]


def test_nothing_is_written_when_one_of_several_may_not_be_said(ledger: Ledger, people: People) -> None:
    before = state(ledger)
    with pytest.raises(NotPermitted):
        ledger.append_many([report("one")], role="validator")
    assert state(ledger) == before


def test_nothing_is_written_when_one_of_several_is_too_large(ledger: Ledger) -> None:
    before = state(ledger)
    with pytest.raises(MalformedInput, match="at most 65535 fit"):
        ledger.append_many([report("one"), report("x" * 60_000)])
    assert state(ledger) == before


def test_an_append_goes_on_after_one_that_failed(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError):
        ledger.append(report("forbidden"))
    assert ledger.append(report("one")).seq == 1
    assert ledger.verify()


def test_another_log_key_than_the_ledgers_own_signs_nothing(ledger: Ledger, people: People) -> None:
    before = state(ledger)
    swapped = Ledger(ledger.engine, signer=lambda kind: people.admin, log_signer=signer)
    with pytest.raises(NotPermitted, match="log key at hand is not the one"):
        swapped.append(report())
    assert state(ledger) == before


def test_a_log_key_that_is_not_ed25519_makes_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match="Ed25519 key is needed"):
        new_ledger(tmp_path, People(log=LocalSigner(new_private_key("ecdsa-p256"))))


# -- replay ------------------------------------------------------------------------------------------------------------


def test_a_statement_of_this_ledger_is_not_appended_again(ledger: Ledger, people: People) -> None:
    entry = ledger.append(report("one"))
    before = state(ledger)
    with (
        pytest.raises(MalformedInput, match="stands in this ledger already"),
    ):
        ledger.append_signed(entry.envelope)
    assert state(ledger) == before


def test_a_statement_of_another_ledger_is_not_appended(
    tmp_path: Path, ledger: Ledger, people: People
) -> None:
    other = new_ledger(tmp_path / "other", people, origin="other.example")
    entry = other.append(report("one"))
    before = state(ledger)
    with (
        pytest.raises(
            MalformedInput, match=r"for the ledger 'other\.example', this one is 'test\.example/ledger'"
        ),
    ):
        ledger.append_signed(entry.envelope)
    assert state(ledger) == before


def test_a_statement_that_was_changed_after_signing_is_not_appended(ledger: Ledger, people: People) -> None:
    statement = claimed(predicate={"title": "signed"})
    other = claimed(predicate={"title": "changed"})
    forged = sign(statement.payload(), [people.admin])
    forged = type(forged)(other.payload(), forged.signatures)
    with pytest.raises(NotVerified):
        ledger.append_signed(forged)


# -- two ledgers under one name ----------------------------------------------------------------------------------------


def test_a_history_told_twice_is_caught_by_what_its_signers_saw(tmp_path: Path) -> None:
    people = People()
    one = new_ledger(tmp_path / "one", people)
    two = new_ledger(tmp_path / "two", people)
    one.append(report("one"))
    entry = one.append(report("two"))
    two.append(report("another"))
    two.append_signed(entry.envelope)
    failed = [step for step in two.verify().steps if step.status == "failed"]
    assert [(step.name, step.entries) for step in failed] == [("observed", (2,))]


def test_a_checkpoint_of_the_other_ledger_under_this_name_is_caught_by_the_logs_key(tmp_path: Path) -> None:
    one, two = new_ledger(tmp_path / "one"), new_ledger(tmp_path / "two")
    answer = two.verify(checkpoint=one.head().checkpoint)
    assert [step.name for step in answer.steps if step.status == "failed"] == ["anchors"]


def test_a_ledger_under_this_name_with_another_log_key_is_caught_by_the_key_known_outside(
    tmp_path: Path,
) -> None:
    one, two = new_ledger(tmp_path / "one"), new_ledger(tmp_path / "two")
    answer = two.verify(log_key=one.trust().log)
    assert "tree" in [step.name for step in answer.steps if step.status == "failed"]
    assert "not the key that was given" in answer.steps[1].detail


# -- time --------------------------------------------------------------------------------------------------------------


def test_time_does_not_go_back_when_the_clock_does(tmp_path: Path) -> None:
    clock = Clock()
    ledger = new_ledger(tmp_path, clock=clock)
    ledger.append(report("one"))
    clock.now -= 86_400
    entry = ledger.append(report("two"))
    times = [e.time for e in ledger.entries()]
    assert times == sorted(times)
    assert times[1] == times[2]
    # What the signer claims is the signer's own affair.
    assert entry.statement.text("signed_at") < entry.time
    assert ledger.verify()


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_granted_key_may_append_from_the_next_entry_on(ledger: Ledger, people: People) -> None:
    ana = signer()
    with pytest.raises(NotPermitted):
        ledger.append(report(), signer=ana)
    ledger.grant("ana", ana.public, ("recorder",), "Ana Ruiz", by=people.admin)
    assert ledger.append(report(), signer=ana).key == ana.public.keyid


def test_a_revoked_key_may_append_no_more(ledger: Ledger) -> None:
    ana = signer()
    ledger.grant("ana", ana.public, ("recorder",), "Ana Ruiz")
    ledger.revoke(ana.public.keyid, "left", 1)
    with pytest.raises(NotPermitted):
        ledger.append(report(), signer=ana)


def test_a_suspect_key_is_named_by_verification(ledger: Ledger) -> None:
    ana = signer()
    ledger.grant("ana", ana.public, ("recorder",), "Ana Ruiz")
    ledger.append(report(), signer=ana)
    ledger.revoke(ana.public.keyid, "lost", 2)
    assert "signed in the entries 2 to 3 is suspect" in ledger.verify().steps[3].detail


def test_a_grant_that_is_refused_leaves_no_holder_behind(ledger: Ledger) -> None:
    ana = signer()
    with pytest.raises(MalformedInput, match="roles are"):
        ledger.grant("ana", ana.public, ("root",), "Ana Ruiz")
    assert ledger.holder(ana.public.keyid) is None


def test_the_holders_name_is_beside_the_ledger_and_not_in_it(ledger: Ledger) -> None:
    ana = signer()
    entry = ledger.grant("ana", ana.public, ("recorder",), "  Ana Ruiz ")
    assert ledger.holder(ana.public.keyid) == "Ana Ruiz"
    assert b"Ruiz" not in entry.envelope.payload


@pytest.mark.parametrize("holder", ["", "  ", "a\nb", "x" * 201])
def test_a_holder_is_a_printable_name(ledger: Ledger, holder: str) -> None:
    with pytest.raises(MalformedInput, match="holder of a key"):
        ledger.grant("ana", signer().public, ("recorder",), holder)


def test_a_ledger_opened_for_reading_appends_nothing(ledger: Ledger, people: People) -> None:
    with pytest.raises(MalformedInput, match="no key signs here"):
        Ledger(ledger.engine).append(report())
    with pytest.raises(MalformedInput, match="opened for reading"):
        Ledger(ledger.engine).append(report(), signer=people.admin)


# -- a kept connection -------------------------------------------------------------------------------------------------


def test_a_database_that_was_replaced_under_a_writer_is_not_appended_to(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.append(report("one"))
    shutil.copyfile(tmp_path / "ledger.db", tmp_path / "copy.db")
    (tmp_path / "copy.db").rename(tmp_path / "ledger.db")
    with pytest.raises(EnvironmentFailed, match="was replaced while this process had it open"):
        ledger.append(report("two"))


def test_a_closed_ledger_leaves_one_whole_file_and_can_be_used_again(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append(report("one"))
    ledger.close()
    assert list(tmp_path.glob("ledger.db-*")) == []
    assert ledger.append(report("two")).seq == 2


# -- guard rails -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["records", "checkpoints"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid"])
def test_an_accident_with_sql_is_stopped(ledger: Ledger, table: str, verb: str) -> None:
    with (
        pytest.raises(MalformedInput, match="a ledger only grows"),
        tables.writing(ledger.engine) as connection,
    ):
        connection.exec_driver_sql(verb.format(table))


def test_a_database_without_its_head_is_said_when_appending(ledger: Ledger) -> None:
    with tables.writing(ledger.engine) as connection:
        connection.execute(tables.head.delete())
    with pytest.raises(MalformedInput, match="no head row"):
        ledger.append(report())


def test_a_head_that_was_set_back_overwrites_nothing(ledger: Ledger) -> None:
    ledger.append_many([report("one"), report("two")])
    with tables.writing(ledger.engine) as connection:
        connection.execute(tables.head.update().values(size=2, compact_range=bytes(32)))
    before = state(ledger)
    with pytest.raises(MalformedInput):
        ledger.append(report("three"))
    assert state(ledger) == before
