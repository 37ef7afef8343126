"""Verification, against an operator who edits the database: whatever is changed, added or dropped is named."""

import re
import shutil
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import dishonest
from tests.kept_story import COLUMNS, LAST, TABLES, Kept, copied, failed, names, rowids, told, value

UNIQUE = {table.name: [c.name for c in table.columns if c.primary_key or c.unique] for table in TABLES}


# -- one value, one row ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["first", "last"])
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_an_edit_of_any_column_of_any_table_is_named(kept: Kept, table: str, column: str, which: str) -> None:
    rowid = rowids(kept, table)[0 if which == "first" else -1]
    dishonest.edit(kept.folder, table, column, rowid, dishonest.other(value(kept, table, column, rowid)))
    assert re.search(names(table, rowid), told(kept.verify()))


@pytest.mark.parametrize("which", ["first", "last"])
@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_deletion_of_a_row_of_any_table_is_named(kept: Kept, table: str, which: str) -> None:
    rowid = rowids(kept, table)[0 if which == "first" else -1]
    if (table, which) == ("anchors", "last"):
        pytest.skip("nobody can notice it: see the test about the newest anchor")
    dishonest.delete(kept.folder, table, rowid)
    missing = {"checkpoints": rf"checkpoint {rowid} |newest checkpoint is of {LAST} entries"}
    missing["records"] = rf"entry {rowid} missing|the table records has {LAST}"
    assert re.search(missing.get(table, names(table, rowid)), told(kept.verify()))


def test_a_deletion_of_any_row_but_the_newest_anchor_is_seen(template: Kept, kept: Kept) -> None:
    seen = {}
    for table in TABLES:
        for rowid in rowids(template, table.name):
            shutil.copyfile(template.folder / "ledger.db", kept.folder / "ledger.db")
            dishonest.delete(kept.folder, table.name, rowid)
            seen[table.name, rowid] = bool(kept.verify())
    assert [row for row, verified in seen.items() if verified] == [("anchors", 2)]


def test_a_deletion_of_the_newest_anchor_can_be_noticed_by_nobody(kept: Kept) -> None:
    # Nor can that of another one, where those after it are numbered anew: what nobody else has, nobody misses. Who got
    # a copy (`affidavit anchor save`), or asks the witness for what it remembers, has it.
    dishonest.delete(kept.folder, "anchors", 2)
    answer = kept.verify()
    assert answer
    assert "1 cosignature is of this history" in answer.steps[2].detail


def test_an_anchor_taken_from_between_others_leaves_a_gap(kept: Kept) -> None:
    dishonest.delete(kept.folder, "anchors", 1)
    assert "anchor 2 of the table anchors stands where anchor 1 should" in told(kept.verify())


@settings(max_examples=30)
@given(data=st.data())
def test_an_edit_of_any_value_is_seen(template: Kept, data: st.DataObject) -> None:
    table, column = data.draw(st.sampled_from(COLUMNS))
    rowid = data.draw(st.sampled_from(rowids(template, table)))
    was = value(template, table, column, rowid)
    kinds: dict[type, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**63), 2**63 - 1),
        str: st.text(max_size=20),
        bytes: st.binary(max_size=40),
    }
    becomes = data.draw(kinds[type(was)].filter(lambda v: v != was))
    with copied(template) as kept:
        try:
            dishonest.edit(kept.folder, table, column, rowid, becomes)
        except sqlite3.IntegrityError:
            return  # the operator's own database refused it
        assert not kept.verify()


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_an_added_row_of_any_table_is_named(kept: Kept, table: str) -> None:
    last = rowids(kept, table)[-1]
    dishonest.insert_copy(kept.folder, table, last, UNIQUE[table])
    new = rowids(kept, table)[-1]
    pattern = rf"tiles\.hashes of level {1000}, tile" if table == "tiles" else names(table, new)
    assert re.search(pattern, told(kept.verify()))


def test_a_row_before_the_genesis_entry_is_named(kept: Kept) -> None:
    dishonest.insert_copy(kept.folder, "records", LAST, ["seq", "leaf_hash", "entry_id"])
    dishonest.edit(kept.folder, "records", "seq", LAST + 1000, -5)
    assert "entry -5 is before the genesis entry" in told(kept.verify())


@pytest.mark.parametrize("column", ["kind", "key", "time", "entry_id"])
def test_text_that_is_not_utf_8_is_a_finding_and_no_failure_to_read(kept: Kept, column: str) -> None:
    with dishonest.sql(kept.folder) as connection:
        connection.execute(f"UPDATE records SET {column} = CAST(x'ff41' AS TEXT) WHERE seq = 3")
    assert f"records.{column} of entry 3" in told(kept.verify())


@pytest.mark.parametrize(("table", "column"), [("holders", "name"), ("holders", "key"), ("stages", "stage")])
def test_a_key_of_a_row_that_is_not_utf_8_is_a_finding_that_can_be_printed(
    kept: Kept, table: str, column: str
) -> None:
    with dishonest.sql(kept.folder) as connection:
        connection.execute(f"UPDATE {table} SET {column} = CAST(x'ff41' AS TEXT) WHERE rowid = 1")
    detail = told(kept.verify())
    assert table[:6] in detail
    detail.encode("utf-8")


@pytest.mark.parametrize("number", [(2, 3), (1, 19), (18, 19)])
def test_checkpoints_that_traded_numbers_are_named(kept: Kept, number: tuple[int, int]) -> None:
    one, two = number
    with dishonest.sql(kept.folder) as connection:
        for becomes, was in ((-1, one), (one, two), (two, -1)):
            connection.execute("UPDATE checkpoints SET number = ? WHERE number = ?", (becomes, was))
    assert re.search(r"checkpoints\.size of checkpoint \d+ is not more", told(kept.verify()))


# -- the database as a whole -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [f"{t}_no_{v}" for t in ("records", "checkpoints") for v in ("update", "delete")]
)
def test_a_dropped_trigger_is_named(kept: Kept, name: str) -> None:
    dishonest.drop_trigger(kept.folder, name)
    assert f"the database has no trigger {name}" in failed(kept.verify())["tables"].detail


@pytest.mark.parametrize("name", [table.name for table in TABLES])
def test_a_dropped_table_is_named(kept: Kept, name: str) -> None:
    dishonest.drop_table(kept.folder, name)
    assert f"the database has no table {name}" in failed(kept.verify())["tables"].detail


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_a_dropped_column_is_named(kept: Kept, table: str, column: str) -> None:
    dishonest.drop_column(kept.folder, table, column)
    assert f"column {table}.{column}" in failed(kept.verify())["tables"].detail


def test_an_added_table_is_named(kept: Kept) -> None:
    dishonest.add_table(kept.folder, "notes")
    assert "the table notes in the database is not affidavit's" in failed(kept.verify())["tables"].detail


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_an_added_column_is_named(kept: Kept, table: str) -> None:
    dishonest.add_column(kept.folder, table)
    assert f"the definition of the table {table} was changed" in failed(kept.verify())["tables"].detail


@pytest.mark.parametrize(
    "object_made",
    [
        "VIEW peek AS SELECT * FROM records",
        "INDEX extra ON records (time)",
        "TRIGGER extra AFTER INSERT ON records BEGIN DELETE FROM holders; END",
    ],
)
def test_an_added_view_index_or_trigger_is_named(kept: Kept, object_made: str) -> None:
    with dishonest.sql(kept.folder) as connection:
        connection.execute(f"CREATE {object_made}")
    kind, name = object_made.split()[:2]
    assert (
        f"the {kind.lower()} {name} in the database is not affidavit's"
        in failed(kept.verify())["tables"].detail
    )


@pytest.mark.parametrize("name", ["user_version", "application_id"])
def test_a_changed_mark_of_the_file_is_named(kept: Kept, name: str) -> None:
    dishonest.mark(kept.folder, name, 7)
    assert f"the database's {name} is 7, not" in failed(kept.verify())["tables"].detail


WRONG = [None, 7, "text"]


@pytest.mark.parametrize("becomes", WRONG)
@pytest.mark.parametrize(
    ("table", "column"),
    [(t, c) for t, c in COLUMNS if t in ("records", "checkpoints", "tiles", "head", "holders", "versions")],
)
def test_a_value_of_another_type_is_a_finding_and_no_crash(
    kept: Kept, table: str, column: str, becomes: int | float | str | bytes | None
) -> None:
    dishonest.forget_types(kept.folder, table, column, becomes)
    assert f"the definition of the table {table} was changed" in failed(kept.verify())["tables"].detail


def test_an_empty_table_of_records_is_no_ledger(kept: Kept) -> None:
    with dishonest.sql(kept.folder) as connection:
        connection.execute("DELETE FROM records")
    answer = kept.verify()
    assert "not even the genesis entry" in failed(answer)["records"].detail
    assert [s.status for s in answer.steps if s.name in ("signatures", "observed", "times")] == [
        "skipped"
    ] * 3
