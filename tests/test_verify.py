"""Verification, against a dishonest operator: every trick is seen, and the place is named."""

import random
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, Table

from audit import tables
from audit.anchor_settings import SETTINGS, AnchorSettings
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput
from audit.keys import Signer
from audit.keystore import KeyStore
from audit.ledger import Ledger
from audit.merkle import EMPTY_ROOT
from audit.note import VerifierKey
from audit.record import parse_record
from audit.report import Findings, Report, Step
from audit.statement import Statement, Subject
from audit.verify import verify_ledger
from registry.artifacts import ArtifactStore
from registry.catalog import Catalog
from registry.home import FOLDER
from registry.references import KeptArtifacts
from tests import dishonest
from tests.small_ledger import DIGEST, Clock, People, new_ledger, reopened, report, signer
from tests.story import tell
from tests.vouched import vouch

TABLES: list[Table] = [*tables.ledger_metadata.sorted_tables, *Catalog.metadata.sorted_tables]
COLUMNS = [(table.name, column.name) for table in TABLES for column in table.columns]
UNIQUE = {table.name: [c.name for c in table.columns if c.primary_key or c.unique] for table in TABLES}
STEPS = ["records", "tree", "anchors", "signatures", "observed", "tables", "artifacts", "times"]
GENESIS, PERSON, RUN, REFUSAL, GRANT, LAST = 0, 4, 7, 10, 17, 19
"""Entries of the story by what they are; each but the last was followed by others."""


@dataclass(frozen=True)
class Kept:
    """A ledger's folder, whose own keys the tests may steal."""

    folder: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger(
            tables.open_database(self.folder / "ledger.db"),
            followers=[Catalog()],
            artifacts=KeptArtifacts(ArtifactStore(self.folder / "artifacts")),
            pinned=AnchorSettings.read(self.folder),
        )

    def verify(self, checkpoint: bytes | None = None, log_key: VerifierKey | None = None) -> Report:
        return self.ledger.verify(checkpoint=checkpoint, log_key=log_key)

    def stolen(self, name: str) -> Signer:
        return KeyStore(self.folder / "keys").open(name, lambda _: b"")

    @property
    def records(self) -> list[bytes]:
        return dishonest.records_of(self.folder)

    def refit(self, records: list[bytes]) -> None:
        """Make everything fit these records, with the stolen key of the log."""
        sizes = [size for size in dishonest.sizes_of(self.folder) if size < len(records)]
        dishonest.refit(self.folder, records, [*sizes, len(records)], self.stolen("log"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("story")
    tell(folder)
    made = Kept(folder / FOLDER)
    # Over the genesis entry alone: what these tests do to later entries, no anchor is to give away.
    vouch(made.folder, made.ledger, 1)
    return made


@pytest.fixture
def kept(template: Kept, tmp_path: Path) -> Kept:
    return Kept(shutil.copytree(template.folder, tmp_path / "ledger"))


def failed(answer: Report) -> dict[str, Step]:
    assert not answer
    return {step.name: step for step in answer.steps if step.status == "failed"}


def told(answer: Report) -> str:
    return "\n".join(step.detail for step in failed(answer).values())


def rowids(kept: Kept, table: str) -> list[int]:
    with closing(sqlite3.connect(kept.folder / "ledger.db")) as connection:
        return [row[0] for row in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]


def value(kept: Kept, table: str, column: str, rowid: int) -> Any:
    with closing(sqlite3.connect(kept.folder / "ledger.db")) as connection:
        return connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()[0]


def names(table: str, rowid: int) -> str:
    """Give the pattern that names a row of a table in a finding."""
    return {
        "records": rf"\bentr(y|ies) {rowid}\b",
        "checkpoints": rf"\bcheckpoint {rowid}\b",
        "tiles": r"\btiles\.hashes of level 0, tile 0\b",
        "head": r"\bhead\.|\btable head\b",
        "holders": r"\bholders?\b.*\bkey\b",
        "anchors": rf"\banchor {rowid}\b",
    }.get(table, rf"\brow {table} |\b{table}\.\w+ of the row {table} ")


# -- an honest ledger --------------------------------------------------------------------------------------------------


def test_an_honest_ledger_is_verified_step_by_step(template: Kept) -> None:
    answer = template.verify(
        checkpoint=template.ledger.head().checkpoint, log_key=template.ledger.trust().log
    )
    assert [(step.number, step.name, step.status) for step in answer.steps] == [
        (number, name, "passed") for number, name in enumerate(STEPS, start=1)
    ]
    head = template.ledger.head()
    assert (answer.size, answer.root) == (head.size, head.root.hex())


def test_the_story_fills_every_table(template: Kept) -> None:
    assert [table.name for table in TABLES if not rowids(template, table.name)] == []


def test_what_was_not_looked_at_is_skipped_with_the_reason(template: Kept) -> None:
    answer = verify_ledger(template.ledger.engine, followers=[Catalog()])
    skipped = {step.name: step.detail for step in answer.steps if step.status == "skipped"}
    assert answer
    assert set(skipped) == {"anchors", "artifacts"}
    assert "--checkpoint" in skipped["anchors"]
    assert "no artifact store" in skipped["artifacts"]


def test_the_answer_is_written_as_json_values(template: Kept) -> None:
    document = template.verify(checkpoint=template.ledger.head().checkpoint).to_json()
    assert (document["verified"], document["size"]) == (True, LAST + 1)
    anchor: Any = document["anchor"]
    assert (anchor["kind"], anchor["size"]) == ("checkpoint file", LAST + 1)
    assert 0 <= anchor["age_seconds"] < 3600


def test_a_report_of_nothing_but_skipped_steps_is_not_true() -> None:
    assert not Report(
        0, EMPTY_ROOT.hex(), tuple(Step(n, name, "skipped", "") for n, name in enumerate(STEPS))
    )


def test_progress_is_told_to_its_end(template: Kept) -> None:
    heard: list[tuple[int, int]] = []
    template.ledger.verify(progress=lambda done, total: heard.append((done, total)))
    assert (heard[0], heard[-1]) == ((0, LAST + 1), (LAST + 1, LAST + 1))


def test_verification_writes_nothing(kept: Kept) -> None:
    before = (kept.folder / "ledger.db").read_bytes()
    assert kept.verify()
    assert (kept.folder / "ledger.db").read_bytes() == before


def test_a_ledger_of_several_tiles_is_verified_and_a_tile_of_its_upper_level_is_named(tmp_path: Path) -> None:
    people = People()
    ledger = new_ledger(tmp_path, people)
    ledger.append_many([report(str(n)) for n in range(300)])
    assert ledger.verify()
    with dishonest.sql(tmp_path) as connection:
        connection.execute("UPDATE tiles SET hashes = zeroblob(32) WHERE level = 1")
    assert "tiles.hashes of level 1, tile 0" in told(reopened(tmp_path, people).verify())


def test_the_operators_own_tools_leave_an_honest_ledger_as_it_is(kept: Kept) -> None:
    before = dishonest.everything(kept.folder)
    kept_sizes = dishonest.sizes_of(kept.folder)
    dishonest.refit(kept.folder, kept.records, kept_sizes, kept.stolen("log"))
    assert dishonest.everything(kept.folder) == before
    assert kept.verify()


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


# -- entries -----------------------------------------------------------------------------------------------------------


def test_entries_that_traded_places_are_named(kept: Kept) -> None:
    dishonest.swap_entries(kept.folder, RUN, RUN + 1)
    assert failed(kept.verify())["records"].entries == (RUN, RUN + 1, RUN + 2)


def test_entries_that_traded_places_in_a_ledger_made_to_fit_are_seen_by_what_signers_saw(kept: Kept) -> None:
    records = kept.records
    records[11], records[12] = records[12], records[11]
    kept.refit(records)
    assert failed(kept.verify())["observed"].entries[0] == 11


def promoted(predicate: dict[str, Any]) -> None:
    predicate["decision"] = "promoted"


def excused(predicate: dict[str, Any]) -> None:
    predicate["reason"] = "an excuse that nobody gave"


def test_an_edited_payload_is_named(kept: Kept) -> None:
    records = kept.records
    records[REFUSAL] = dishonest.forge(records[REFUSAL], promoted)
    dishonest.edit(kept.folder, "records", "record", REFUSAL, records[REFUSAL])
    found = failed(kept.verify())
    assert set(found) == {"records", "tree", "signatures", "observed", "tables"}
    assert found["signatures"].entries == (REFUSAL,)


def test_an_edit_with_every_checkpoint_signed_anew_is_caught_by_signature_and_by_what_signers_saw(
    kept: Kept,
) -> None:
    records = kept.records
    records[REFUSAL] = dishonest.forge(records[REFUSAL], excused)
    kept.refit(records)
    found = failed(kept.verify())
    assert set(found) == {"signatures", "observed"}
    assert found["signatures"].entries == (REFUSAL,)
    assert found["observed"].entries == tuple(range(REFUSAL + 1, LAST + 1))


def test_an_edit_without_a_new_chain_is_caught_by_the_chain_too(kept: Kept) -> None:
    records = kept.records
    forged = dishonest.forge(records[REFUSAL], promoted)
    dishonest.edit(kept.folder, "records", "record", REFUSAL, forged)
    dishonest.resign(kept.folder, kept.stolen("log"))
    assert failed(kept.verify())["records"].entries == (REFUSAL + 1,)


def test_an_edit_with_the_signers_key_stolen_too_is_caught_by_what_others_saw(kept: Kept) -> None:
    records = kept.records
    records[REFUSAL] = dishonest.forge(records[REFUSAL], excused, kept.stolen("approver"))
    kept.refit(records)
    assert set(failed(kept.verify())) == {"observed"}


def test_an_edit_after_the_last_observed_head_needs_a_checkpoint_kept_elsewhere(kept: Kept) -> None:
    elsewhere = kept.ledger.head().checkpoint
    records = kept.records
    better = dishonest.forge(
        records[LAST], lambda p: p.update(started="2020-01-01T00:00:00.000000Z"), kept.stolen("scientist")
    )
    kept.refit([*records[:LAST], better])
    assert kept.verify()
    assert set(failed(kept.verify(elsewhere))) == {"anchors"}


@pytest.mark.parametrize("seq", [GENESIS, PERSON, RUN, LAST - 1])
def test_an_entry_taken_out_of_a_ledger_made_to_fit_is_seen(kept: Kept, seq: int) -> None:
    records = kept.records
    kept.refit(records[:seq] + records[seq + 1 :])
    assert not kept.verify()


def test_an_entry_put_between_others_by_a_stolen_key_is_seen_by_what_signers_saw(kept: Kept) -> None:
    records = kept.records
    inserted = dishonest.forge(
        records[RUN],
        lambda p: p.update(entry_id="019bbb5c-5a3e-7cc9-8d1e-2f3a4b5c6d7e", model="inserted"),
        kept.stolen("scientist"),
    )
    kept.refit([*records[: RUN + 1], inserted, *records[RUN + 1 :]])
    assert failed(kept.verify())["observed"].entries[0] == RUN + 3


def test_a_backdated_entry_is_named_by_the_times(kept: Kept) -> None:
    records = kept.records
    records[RUN] = dishonest.backdate(records[RUN], "2020-01-01T00:00:00.000000Z")
    kept.refit(records)
    assert failed(kept.verify())["times"].entries == (RUN,)


def test_an_entry_backdated_by_little_is_seen_by_what_signers_saw(kept: Kept) -> None:
    records = kept.records
    before = parse_record(records[RUN - 1]).time
    records[RUN] = dishonest.backdate(records[RUN], before)
    kept.refit(records)
    found = failed(kept.verify())
    assert found["observed"].entries == tuple(range(RUN + 1, LAST + 1))
    assert "times" not in found


def test_a_statement_said_once_and_entered_twice_is_named(kept: Kept) -> None:
    kept.refit(dishonest.replay(kept.records, RUN))
    found = failed(kept.verify())
    assert f"the statement of entry {LAST + 1} stands in the ledger twice" in found["signatures"].detail
    assert f"records.entry_id of entry {LAST + 1}" in found["records"].detail


def test_a_statement_signed_for_another_ledger_is_named(kept: Kept) -> None:
    records = kept.records
    moved = dishonest.forge(
        records[LAST], lambda p: p.update(ledger="other.example"), kept.stolen("scientist")
    )
    kept.refit([*records[:LAST], moved])
    assert "entry 19 was signed for another ledger" in failed(kept.verify())["signatures"].detail


@pytest.mark.parametrize("change", [{"roles": ["admin"]}, {"name": "someone"}, {"holder": DIGEST}])
def test_an_edited_grant_is_named(kept: Kept, change: dict[str, Any]) -> None:
    records = kept.records
    records[PERSON] = dishonest.forge(records[PERSON], lambda p: p["key"].update(change))
    kept.refit(records)
    assert PERSON in failed(kept.verify())["signatures"].entries


def test_a_grant_of_the_operators_own_key_is_named(kept: Kept) -> None:
    records, own = kept.records, kept.stolen("leaver").public
    records[PERSON] = dishonest.forge(
        records[PERSON], lambda p: p["key"].update(public=own.base64(), keyid=own.keyid)
    )
    kept.refit(records)
    assert PERSON in failed(kept.verify())["signatures"].entries


def test_a_statement_by_a_revoked_key_is_named(kept: Kept) -> None:
    records = kept.records
    later = dishonest.forge(
        records[RUN],
        lambda p: p.update(entry_id="019bbb5c-5a3e-7cc9-8d1e-2f3a4b5c6d7e"),
        kept.stolen("leaver"),
    )
    kept.refit([*records, dishonest.backdate(later, parse_record(records[-1]).time)])
    assert "'leaver' does not hold the role recorder" in failed(kept.verify())["signatures"].detail


def test_another_log_key_in_the_genesis_entry_is_named(kept: Kept) -> None:
    records, own = kept.records, kept.stolen("leaver")
    origin = parse_record(records[0]).log
    records[0] = dishonest.forge(records[0], lambda p: p.update(log=str(VerifierKey(origin, own.public.raw))))
    dishonest.refit(kept.folder, records, dishonest.sizes_of(kept.folder), own)
    assert GENESIS in failed(kept.verify())["signatures"].entries


@pytest.mark.parametrize(("column", "becomes"), [("name", "Nobody"), ("salt", bytes(32))])
def test_an_edited_holder_is_named_by_the_key(kept: Kept, column: str, becomes: str | bytes) -> None:
    dishonest.edit(kept.folder, "holders", column, 2, becomes)
    detail = failed(kept.verify())["tables"].detail
    assert re.search(r"holders\.name or salt of the key '\w+'", detail)


# -- what needs an anchor ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, RUN, LAST])
def test_a_tail_that_was_cut_off_cleanly_is_seen_by_a_checkpoint_alone_and_said_so(
    kept: Kept, size: int
) -> None:
    elsewhere = kept.ledger.head().checkpoint
    dishonest.truncate_tail(kept.folder, size, kept.stolen("log"))
    blind = kept.verify()
    assert blind
    # The anchors of the story are over the genesis entry alone, and it is said what they leave open.
    assert f"entries 1 to {size - 1} are covered by no anchor outside" in blind.steps[2].detail
    assert "could have changed or cut them" in blind.steps[2].detail
    found = failed(kept.verify(elsewhere))
    assert set(found) == {"anchors"}
    assert (
        f"the ledger has {size} entries, the checkpoint that was given {LAST + 1}" in found["anchors"].detail
    )
    assert found["anchors"].entries == (size,)


def test_a_fork_is_seen_by_a_checkpoint_kept_before_it(kept: Kept) -> None:
    elsewhere = kept.ledger.head().checkpoint
    dishonest.truncate_tail(kept.folder, LAST, kept.stolen("log"))
    scientist, log = kept.stolen("scientist"), kept.stolen("log")
    forked = Ledger(
        kept.ledger.engine, followers=[Catalog()], signer=lambda kind: scientist, log_signer=lambda: log
    )
    run = parse_record(kept.records[RUN]).statement
    said = {
        k: v
        for k, v in run.predicate.items()
        if k not in ("ledger", "entry_id", "signed_at", "observed", "role")
    }
    for _ in range(2):
        forked.append(Statement("run", run.subjects, said))
    assert kept.verify()
    found = failed(kept.verify(elsewhere))
    assert "the first 20 entries are not those of the checkpoint" in found["anchors"].detail


@pytest.mark.parametrize("note", [b"", b"garbage\n", "früher\n\n— x AAAAAAA=\n".encode()])
def test_a_checkpoint_that_is_none_fails_the_step(kept: Kept, note: bytes) -> None:
    assert "the checkpoint that was given" in failed(kept.verify(note))["anchors"].detail


def test_an_older_checkpoint_of_this_history_is_part_of_it(kept: Kept) -> None:
    with closing(sqlite3.connect(kept.folder / "ledger.db")) as connection:
        [note] = connection.execute("SELECT note FROM checkpoints WHERE number = 5").fetchone()
    assert kept.verify(note).steps[2].status == "passed"


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


# -- the file ----------------------------------------------------------------------------------------------------------


def detected(kept: Kept) -> bool:
    """Say whether verification is false, or ends in an error of ours."""
    try:
        return not kept.verify()
    except AffidavitError:
        return True


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_database_that_was_cut_short_is_seen(kept: Kept, share: float) -> None:
    dishonest.truncate_file(kept.folder, int((kept.folder / "ledger.db").stat().st_size * share))
    assert detected(kept)


def test_of_a_database_that_is_damaged_in_the_middle_it_is_said_how_far_it_reads_and_no_root(
    kept: Kept,
) -> None:
    with closing(sqlite3.connect(kept.folder / "ledger.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [record] = connection.execute("SELECT record FROM records WHERE seq = 9").fetchone()
    place = (kept.folder / "ledger.db").read_bytes().index(record[:200])
    dishonest.flip_page_byte(kept.folder, place // 4096 * 4096, 0x80)  # the kind of the page
    report = kept.verify()
    assert 0 < report.size <= 9
    assert (report.to_json()["root"], report.to_json()["anchor"]) == (None, None)
    where = f"the database cannot be read past entry {report.size - 1}"
    assert [step.detail for step in report.steps if step.status == "skipped"] == [f"not done: {where}"] * 7
    assert report.steps[5].status == "failed"
    assert where in report.steps[5].detail


@pytest.mark.parametrize("data", [b"", b"garbage", b"SQLite format 3\x00" + bytes(84), b"\x00" * 8192])
def test_a_file_that_is_no_database_is_not_verified(kept: Kept, data: bytes) -> None:
    (kept.folder / "ledger.db").write_bytes(data)
    assert detected(kept)


def test_a_definition_that_is_not_utf_8_is_seen_and_said_in_a_sentence(kept: Kept) -> None:
    data = (kept.folder / "ledger.db").read_bytes()
    place = data.index(b"CREATE TABLE holders") + 3
    dishonest.flip_page_byte(kept.folder, place, 0x80)
    assert detected(kept)
    with pytest.raises(MalformedInput, match="a definition in it is not UTF-8"):
        kept.ledger.head()


@pytest.mark.parametrize("page", range(36))
def test_a_byte_flipped_in_any_page_is_seen_or_changes_nothing_that_is_said(
    template: Kept, page: int
) -> None:
    pages = (template.folder / "ledger.db").stat().st_size // 4096
    random_places = random.Random(page)
    said = dishonest.everything(template.folder)
    overlooked = []
    for _ in range(2):
        place = page % pages * 4096 + random_places.randrange(4096)
        difference = random_places.randrange(1, 256)
        with copied(template) as kept:
            dishonest.flip_page_byte(kept.folder, place, difference)
            if not detected(kept) and dishonest.everything(kept.folder) != said:
                overlooked.append(place)
    assert overlooked == []


@pytest.mark.parametrize("place", [*range(72), *range(92, 100)])  # the rest is reserved, and unused
def test_a_byte_flipped_in_the_files_header_is_seen_or_changes_nothing_that_is_said(
    template: Kept, place: int
) -> None:
    with copied(template) as kept:
        dishonest.flip_page_byte(kept.folder, place, 0x41)
        assert detected(kept) or dishonest.everything(kept.folder) == dishonest.everything(template.folder)


class _Copies:
    """Copies of a ledger's database in a folder that goes away."""

    def __init__(self, template: Kept) -> None:
        self.template, self.place = template, tempfile.TemporaryDirectory()

    def __enter__(self) -> Kept:
        folder = Path(self.place.name)
        shutil.copyfile(self.template.folder / "ledger.db", folder / "ledger.db")
        shutil.copyfile(self.template.folder / SETTINGS, folder / SETTINGS)
        (folder / "artifacts").symlink_to(self.template.folder / "artifacts")
        (folder / "keys").symlink_to(self.template.folder / "keys")
        return Kept(folder)

    def __exit__(self, *_: object) -> None:
        self.place.cleanup()


def copied(template: Kept) -> _Copies:
    return _Copies(template)


@settings(max_examples=30)
@given(data=st.data())
def test_bytes_flipped_in_a_record_are_always_a_finding_that_names_the_entry(
    template: Kept, data: st.DataObject
) -> None:
    seq = data.draw(st.integers(GENESIS, LAST))
    record = bytearray(value(template, "records", "record", seq))
    for place in data.draw(st.sets(st.integers(0, len(record) - 1), min_size=1, max_size=4)):
        record[place] ^= data.draw(st.integers(1, 255))
    with copied(template) as kept:
        dishonest.edit(kept.folder, "records", "record", seq, bytes(record))
        found = failed(kept.verify())
    assert seq in found["records"].entries or seq in found["tree"].entries


@settings(max_examples=30)
@given(data=st.data())
def test_a_predicate_that_says_anything_at_all_never_breaks_verification(
    template: Kept, data: st.DataObject
) -> None:
    # The signer's key is stolen, so that every check but the signature's meets what was said.
    seq = data.draw(st.integers(GENESIS, LAST))
    flat: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=5)
    junk: st.SearchStrategy[Any] = (
        flat | st.lists(flat, max_size=2) | st.dictionaries(st.text("ab"), flat, max_size=2)
    )
    record = template.records[seq]
    members = sorted(parse_record(record).statement.predicate)
    drawn = data.draw(st.dictionaries(st.sampled_from(members), junk, min_size=1, max_size=3))
    owners = {template.stolen(n).public.keyid: n for n in KeyStore(template.folder / "keys").names()}
    signer = template.stolen(owners[parse_record(record).key])
    with copied(template) as kept:
        forged = dishonest.forge(record, lambda p: p.update(drawn), signer)
        dishonest.edit(kept.folder, "records", "record", seq, forged)
        assert kept.verify() or forged != record


# -- artifacts ---------------------------------------------------------------------------------------------------------


def some_artifact(kept: Kept) -> tuple[str, int]:
    """Return an artifact's digest and the entry that names it: the model of the last run."""
    entry = parse_record(kept.records[LAST])
    model: Any = entry.statement.predicate["model_file"]
    return model["sha256"], LAST


def test_a_missing_artifact_is_named_with_its_entry(kept: Kept) -> None:
    digest, entry = some_artifact(kept)
    dishonest.lose_artifact(kept.folder, digest)
    step = failed(kept.verify())["artifacts"]
    assert (digest in step.detail, step.entries) == (True, (entry,))


def test_every_artifact_with_one_byte_flipped_is_named(kept: Kept) -> None:
    store = ArtifactStore(kept.folder / "artifacts")
    missed = []
    for digest in list(store.digests()):
        dishonest.flip_artifact(kept.folder, digest)
        if digest not in failed(kept.verify())["artifacts"].detail:
            missed.append(digest)
        dishonest.flip_artifact(kept.folder, digest)
    assert missed == []
    assert kept.verify()


def test_an_artifact_that_no_entry_names_is_checked_too(kept: Kept) -> None:
    digest = ArtifactStore(kept.folder / "artifacts").put(b"named by nobody")
    assert kept.verify()
    dishonest.flip_artifact(kept.folder, digest)
    assert digest in failed(kept.verify())["artifacts"].detail


@pytest.mark.parametrize("name", ["README", "sha256/README", "sha256/ab/short", "sha256/zz", "sha256/a"])
def test_a_file_that_is_no_artifact_is_named(kept: Kept, name: str) -> None:
    dishonest.leave_stray(kept.folder, name)
    assert name.rsplit("/", 1)[-1] in failed(kept.verify())["artifacts"].detail


def test_an_artifact_store_that_is_gone_is_seen(kept: Kept) -> None:
    shutil.rmtree(kept.folder / "artifacts")
    assert set(failed(kept.verify())) == {"artifacts"}


def test_a_statement_whose_artifacts_cannot_be_told_is_named(kept: Kept) -> None:
    scientist, log = kept.stolen("scientist"), kept.stolen("log")
    odd = Ledger(kept.ledger.engine, signer=lambda kind: scientist, log_signer=lambda: log, clock=Clock(4e9))
    odd.append(Statement("run", (Subject("x", DIGEST),), {"model": "odd", "status": "failed"}))
    step = failed(kept.verify())["artifacts"]
    assert ("the artifacts that entry 20 names cannot be told" in step.detail, step.entries) == (True, (20,))


# -- followers ---------------------------------------------------------------------------------------------------------


class Broken:
    """A follower that fails as no follower should."""

    metadata = MetaData()

    def apply(self, connection: object, entry: object) -> None:
        raise ZeroDivisionError("a fault of its own")


def test_a_follower_that_fails_is_a_finding_with_the_entry(kept: Kept) -> None:
    answer = verify_ledger(kept.ledger.engine, followers=[Catalog(), Broken()])
    step = failed(answer)["tables"]
    assert ("ZeroDivisionError: a fault of its own" in step.detail, step.entries) == (True, (0,))


def test_tables_of_a_follower_that_is_not_known_are_named(kept: Kept) -> None:
    assert (
        "the table runs in the database is not affidavit's"
        in failed(verify_ledger(kept.ledger.engine))["tables"].detail
    )


def test_what_surrounds_the_database_is_not_taken_for_tampering(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = kept.ledger
    shutil.rmtree(kept.folder)
    with pytest.raises(EnvironmentFailed, match="could not be read"):
        ledger.verify()


# -- figures -----------------------------------------------------------------------------------------------------------


def test_every_step_says_what_it_looked_at(template: Kept) -> None:
    figures = {
        s.name: dict(s.figures)
        for s in template.verify(checkpoint=template.ledger.head().checkpoint).steps
        if s.name != "anchors"
    }
    assert figures["records"]["records"] == LAST + 1
    assert figures["records"]["bytes"] == sum(map(len, template.records))
    assert figures["tree"] == {"tiles": 1, "checkpoints": len(rowids(template, "checkpoints"))}
    assert figures["signatures"]["signatures"] == LAST + 1
    assert figures["observed"] == {"tree heads": LAST + 1}
    assert figures["tables"]["rows"] > 0
    assert figures["artifacts"]["artifacts"] > 0


def test_a_key_that_was_granted_and_never_signed_is_not_counted(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    ledger.grant("idle", signer().public, ("recorder",), "Ana Ruiz")
    [said] = [step for step in ledger.verify().steps if step.name == "signatures"]
    assert said.detail == "2 signatures by 1 key that held their roles"


def test_of_very_many_findings_the_first_are_named_and_all_are_counted() -> None:
    found = Findings(1, "records")
    for number in range(3_000):
        found.add(f"entry {number} is wrong", number)
    step = found.step("")
    assert step.detail.startswith("entry 0 is wrong; ")
    assert step.detail.endswith("; and 2995 more")
    assert step.entries == tuple(range(1_000))


def test_findings_of_two_ranges_are_those_of_the_whole() -> None:
    one, two, whole = Findings(1, "records"), Findings(1, "records"), Findings(1, "records")
    for number in range(8):
        (one if number < 4 else two).add(f"entry {number} is wrong", number)
        (one if number < 4 else two).figures["records"] += 1
        whole.add(f"entry {number} is wrong", number)
        whole.figures["records"] += 1
    one.join(Findings.from_json(two.to_json()))
    assert one.step("") == whole.step("")
