"""Verification, step by step: an honest ledger, what needs an anchor, artifacts, followers and figures."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from audit.errors import EnvironmentFailed
from audit.ledger import Ledger
from audit.merkle import EMPTY_ROOT
from audit.record import parse_record
from audit.report import Findings, Report, Step
from audit.statement import Statement, Subject
from audit.verify import verify_ledger
from registry.artifacts import ArtifactStore
from registry.catalog import Catalog
from tests import dishonest
from tests.kept_story import LAST, RUN, TABLES, Kept, failed, rowids, told
from tests.small_ledger import DIGEST, Clock, People, new_ledger, reopened, report, signer

STEPS = ["records", "tree", "anchors", "signatures", "observed", "tables", "artifacts", "times"]


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
