"""The edge of a ledger while several threads read it: each goes on from what it saw, and from nothing in between."""

import threading
from pathlib import Path
from typing import Any

import pytest

from audit import tables
from audit.ledger import Ledger
from audit.record import Entry, parse_record
from tests.small_ledger import People, new_ledger, report


def test_who_appends_while_another_reads_anew_what_is_trusted_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = People()
    made = new_ledger(tmp_path, people)
    opened = [
        Ledger(made.engine, signer=lambda _: people.admin, log_signer=lambda: people.log) for _ in range(2)
    ]
    ours, others = opened
    reading, go_on, in_the_middle, end = (threading.Event() for _ in range(4))
    fetch_row, quick_row = tables.fetch_row, tables.quick_row

    def fetched(*arguments: Any) -> Any:
        row = fetch_row(*arguments)
        if threading.current_thread() is reader and not reading.is_set():
            reading.set()
            go_on.wait(30)
        return row

    def parsed(record: bytes) -> Entry:
        if threading.current_thread() is reader:
            in_the_middle.set()
            end.wait(30)
        return parse_record(record)

    def looked(*arguments: Any) -> Any:
        row = quick_row(*arguments)
        go_on.set()
        in_the_middle.wait(30)
        return row

    monkeypatch.setattr(tables, "fetch_row", fetched)
    monkeypatch.setattr("audit.edge.parse_record", parsed)
    reader = threading.Thread(target=ours.head)
    reader.start()
    assert reading.wait(30)
    ours.append(report("one"))
    others.append(report("two"))
    monkeypatch.setattr(tables, "quick_row", looked)
    try:
        assert ours.append(report("three")).seq == 3
    finally:
        end.set()
        reader.join()
