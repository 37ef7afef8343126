"""Reading a ledger: entries by number, kind and hash, in one view, and learning its tables again."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from audit import tables
from audit.errors import MalformedInput, NotFound
from audit.ledger import Ledger
from tests.small_ledger import People, Titles, reopened, report, titles

# -- reading -----------------------------------------------------------------------------------------------------------


def test_entries_are_read_in_order_by_kind_and_newest_first(ledger: Ledger) -> None:
    ledger.append_many([report("one"), report("two")])
    assert [e.seq for e in ledger.entries()] == [0, 1, 2]
    assert [e.seq for e in ledger.entries(newest_first=True)] == [2, 1, 0]
    assert [e.seq for e in ledger.entries(kind="report")] == [1, 2]


@pytest.mark.parametrize("seq", [1, -1, 2**63, 10**30])
def test_an_entry_that_is_not_there_is_said(ledger: Ledger, seq: int) -> None:
    with pytest.raises(NotFound, match=f"no entry {seq}"):
        ledger.entry(seq)


def test_an_entry_is_found_by_the_start_of_its_hash(ledger: Ledger) -> None:
    entry = ledger.append(report("one"))
    assert ledger.find(entry.leaf_hash[:8].upper()) == entry


@pytest.mark.parametrize("prefix", ["", "abc", "________", "%%%%%%%%", "0" * 65, "ghijklmn"])
def test_what_is_no_start_of_a_hash_is_refused(ledger: Ledger, prefix: str) -> None:
    with pytest.raises(MalformedInput, match="not the start of a hash"):
        ledger.find(prefix)


def test_a_hash_that_no_entry_has_is_said(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="no entries start with the hash 00000000"):
        ledger.find("00000000")


def test_a_reader_sees_one_view_while_another_writes(ledger: Ledger, tmp_path: Path, people: People) -> None:
    ledger.append_many([report(str(n)) for n in range(20)])
    reading = ledger.entries()
    first = [next(reading) for _ in range(3)]
    reopened(tmp_path, people, [Titles()]).append(report("later"))
    assert [e.seq for e in [*first, *reading]] == list(range(21))


def test_readers_and_verification_do_not_wait_for_a_writer(ledger: Ledger) -> None:
    ledger.append(report("one"))
    answers: list[object] = []

    def read(connection: Connection) -> None:
        reader = threading.Thread(target=lambda: answers.extend([ledger.head().size, bool(ledger.verify())]))
        reader.start()
        reader.join(timeout=30)

    ledger.append(report("two"), within=read)
    assert answers == [2, True]


# -- rebuilding --------------------------------------------------------------------------------------------------------


def test_rebuilding_learns_the_same_tables_again(ledger: Ledger) -> None:
    ledger.append_many([report("one"), report("two")])
    before = titles(ledger)
    with tables.writing(ledger.engine) as connection:
        connection.execute(Titles.table.update().values(title="edited"))
    assert not ledger.verify()
    assert ledger.rebuild() == 3
    assert (titles(ledger), bool(ledger.verify())) == (before, True)
