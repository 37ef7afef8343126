"""Verification by several processes over ranges says what one process says, whatever was done to the ledger."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from sqlalchemy import Connection

from audit import tables, verify, verify_pool, verify_whole
from audit.errors import EnvironmentFailed, MalformedInput
from audit.ledger import Ledger
from audit.record import parse_record
from audit.report import Report, Step
from audit.verify import verify_ledger
from audit.verify_pool import NoWorkers, Workers
from audit.verify_worker import RangeWorker
from tests import dishonest
from tests.small_ledger import People, Titles, new_ledger, reopened, report, signer

BY_LEAVER, REVOKE = 200, 400
"""Entries: a second recorder, granted in entry 1, says something, and is revoked."""
SIZE = 530
"""Two whole ranges, and the beginning of a third."""


class Told:
    """A ledger of several ranges, with its keys."""

    def __init__(self, folder: Path, people: People, leaver: Any) -> None:
        self.folder, self.people, self.leaver = folder, people, leaver

    def ledger(self) -> Ledger:
        return reopened(self.folder, self.people, [Titles()])

    def copy(self, folder: Path) -> "Told":
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.folder / "ledger.db", folder / "ledger.db")
        return Told(folder, self.people, self.leaver)

    def refit(self, records: list[bytes]) -> None:
        """Make the tree and its heads fit these records, with the stolen key of the log."""
        sizes = [size for size in dishonest.sizes_of(self.folder) if size < len(records)]
        dishonest.refit(self.folder, records, [*sizes, len(records)], self.people.log)

    def verify(self, jobs: int, **more: Any) -> Report:
        engine = tables.open_database(self.folder / "ledger.db")
        return verify_ledger(engine, followers=[Titles()], jobs=jobs, **more)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("ranges")
    people, leaver = People(), signer()
    ledger = new_ledger(folder, people, followers=[Titles()])
    ledger.grant("leaver", leaver.public, ("recorder",), "Leif Aas", by=people.admin)
    ledger.append_many([report(str(n)) for n in range(BY_LEAVER - 2)], signer=people.admin)
    ledger.append(report("by the leaver"), signer=leaver)
    ledger.append_many([report(str(n)) for n in range(REVOKE - BY_LEAVER - 1)], signer=people.admin)
    ledger.revoke(leaver.public.keyid, "left", None, by=people.admin)
    for title in ("one", "two", "three"):
        ledger.append(report(title), signer=people.admin)
    ledger.append_many([report(str(n)) for n in range(SIZE - REVOKE - 4)], signer=people.admin)
    assert ledger.head().size == SIZE
    return Told(folder, people, leaver)


@pytest.fixture
def kept(template: Told, tmp_path: Path) -> Told:
    return template.copy(tmp_path / "copy")


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "FEW", 0)
    monkeypatch.setattr(verify_whole, "RANGE", 256)


class Here:
    """Two workers without processes: each answers every other range, on a connection of its own."""

    def __init__(self, count: int, setup: dict[str, Any]) -> None:
        self.connections: list[Connection] = []
        self.workers = []
        for _ in range(count):
            connection = tables.snapshot(tables.open_place(setup["database"]))
            tables.read_any_text(connection)
            self.connections.append(connection)
            self.workers.append(RangeWorker(connection, setup))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self.connections:
            connection.close()

    def answers(self, starts: range, end: int, meanwhile: Iterator[None]) -> Iterator[dict[str, Any]]:
        for number, first in enumerate(starts):
            worker = self.workers[number % len(self.workers)]
            yield json.loads(json.dumps(worker.answer(first, min(first + starts.step, end))))
        for _ in meanwhile:
            pass


@pytest.fixture
def here(small_ranges: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "Workers", Here)


def processes(answer: Report) -> int:
    return answer.steps[0].figures["processes"]


def said(answer: Report) -> dict[str, Any]:
    """Give what a report says, but for the number of processes."""
    document: Any = answer.to_json()
    for step in document["steps"]:
        step["figures"].pop("processes", None)
    return dict(document)


def failed(answer: Report) -> dict[str, Step]:
    assert not answer
    return {step.name: step for step in answer.steps if step.status == "failed"}


# -- one answer, however many processes --------------------------------------------------------------------------------


def test_processes_say_what_one_process_says(template: Told, small_ranges: None) -> None:
    together, alone = template.verify(2), template.verify(1)
    assert (processes(together), processes(alone)) == (2, 1)
    assert together
    assert said(together) == said(alone)


def test_ranges_say_what_the_whole_says(template: Told, here: None) -> None:
    together = template.verify(2)
    assert processes(together) == 2
    assert said(together) == said(template.verify(1))


def test_a_small_ledger_starts_no_process(template: Told) -> None:
    assert processes(template.verify(8)) == 1


def columns(table: str, column: str, rowid: int, value: Any = None) -> Callable[[Told], None]:
    def trick(kept: Told) -> None:
        with dishonest.sql(kept.folder) as connection:
            was = connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()[0]
        dishonest.edit(kept.folder, table, column, rowid, dishonest.other(was) if value is None else value)

    return trick


def deleted(table: str, rowid: int) -> Callable[[Told], None]:
    return lambda kept: dishonest.delete(kept.folder, table, rowid)


def swapped(kept: Told) -> None:
    dishonest.swap_entries(kept.folder, 511, 512)


def backdated(kept: Told) -> None:
    records = dishonest.records_of(kept.folder)
    records[512] = dishonest.backdate(records[512], "2020-01-01T00:00:00.000000Z")
    kept.refit(records)


def forged(kept: Told) -> None:
    records = dishonest.records_of(kept.folder)
    records[100] = dishonest.forge(records[100], lambda p: p.update(title="another"))
    kept.refit(records)


def edited(kept: Told) -> None:
    record = dishonest.forge(dishonest.records_of(kept.folder)[520], lambda p: p.update(title="another"))
    dishonest.edit(kept.folder, "records", "record", 520, record)


def by_a_revoked_key(kept: Told) -> None:
    records = dishonest.records_of(kept.folder)
    records[-1] = dishonest.forge(records[-1], lambda p: None, kept.leaver)
    kept.refit(records)


def by_a_revoked_key_whose_revocation_the_index_hides(kept: Told) -> None:
    by_a_revoked_key(kept)
    dishonest.edit(kept.folder, "records", "kind", REVOKE, "report")


def said_twice(kept: Told) -> None:
    kept.refit(dishonest.replay(dishonest.records_of(kept.folder), 5))


def unreadable(kept: Told) -> None:
    dishonest.edit(kept.folder, "records", "record", 511, b"{}")


def without_genesis(kept: Told) -> None:
    kept.refit(dishonest.records_of(kept.folder)[1:])


def moved_up(kept: Told) -> None:
    with dishonest.sql(kept.folder) as connection:
        connection.execute("UPDATE records SET seq = -1 WHERE seq = 0")


TRICKS = {
    **{f"records.{c} at {n}": columns("records", c, n) for c in ("leaf_hash", "kind", "time") for n in (0, 512)},
    **{f"records {n} deleted": deleted("records", n) for n in (0, 256, SIZE - 1)},
    "a number far away": columns("records", "seq", SIZE - 1, 2**40),
    "a level 0 tile": columns("tiles", "hashes", 1),
    "a level 1 tile": lambda kept: dishonest.edit(kept.folder, "tiles", "hashes", 3, bytes(32)),
    "a tile deleted": deleted("tiles", 1),
    **{f"checkpoints.{c}": columns("checkpoints", c, 3) for c in ("number", "size", "note")},
    "a checkpoint deleted": deleted("checkpoints", 3),
    "the newest checkpoint deleted": deleted("checkpoints", 8),
    "head.size": columns("head", "size", 1),
    "head.compact_range": columns("head", "compact_range", 1),
    "titles.title": columns("titles", "title", 5),
    "holders.name": columns("holders", "name", 2),
    **{
        trick.__name__: trick
        for trick in (
            swapped, backdated, forged, edited, by_a_revoked_key, said_twice, unreadable, without_genesis, moved_up,
            by_a_revoked_key_whose_revocation_the_index_hides,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TRICKS)
def test_what_was_done_to_a_ledger_is_said_alike_by_ranges_and_by_the_whole(
    kept: Told, here: None, name: str
) -> None:
    TRICKS[name](kept)
    together = kept.verify(2)
    assert not together
    assert said(together) == said(kept.verify(1))


def test_a_revocation_that_the_index_hides_still_ends_what_a_key_may_say(kept: Told, here: None) -> None:
    by_a_revoked_key_whose_revocation_the_index_hides(kept)
    found = failed(kept.verify(2))
    assert "'leaver' does not hold the role recorder" in found["signatures"].detail
    assert found["records"].entries == (REVOKE,)


def test_findings_that_break_no_assumption_need_no_second_reading(kept: Told, here: None) -> None:
    by_a_revoked_key(kept)
    assert processes(kept.verify(2)) == 2


def test_a_table_that_is_not_what_was_assumed_is_read_again_by_one_process(kept: Told, here: None) -> None:
    TRICKS["a level 0 tile"](kept)
    assert processes(kept.verify(2)) == 1


# -- the processes -----------------------------------------------------------------------------------------------------


def test_a_process_that_is_killed_decides_nothing(
    template: Told, small_ranges: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doomed(Workers):
        def __init__(self, count: int, setup: dict[str, Any]) -> None:
            # One, with one range at a time: when it has answered the first, the second is not handed out yet.
            super().__init__(1, setup)

        def answers(self, *arguments: Any) -> Iterator[dict[str, Any]]:
            for answer in super().answers(*arguments):
                for process in self.processes():
                    os.kill(process, signal.SIGKILL)
                yield answer

    monkeypatch.setattr(verify_pool, "_AHEAD", 1)
    monkeypatch.setattr(verify, "Workers", Doomed)
    with pytest.raises(
        EnvironmentFailed, match="was killed by signal 9 before it was done, so nothing is verified"
    ):
        template.verify(2)


def test_where_no_process_can_start_this_one_does_the_work(
    template: Told, small_ranges: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python3")
    answer = template.verify(2)
    assert (bool(answer), processes(answer)) == (True, 1)


def test_a_program_that_is_no_python_interpreter_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/true")
    with pytest.raises(NoWorkers):
        Workers(1, {})


SCRIPT = """
import os, sys, threading
from pathlib import Path
from audit import tables, verify, verify_whole, verify_pool
from tests.small_ledger import Titles
verify.FEW, verify_whole.RANGE = 0, 256

def run(progress=None):
    engine = tables.open_database(Path(sys.argv[1]))
    more = {"followers": [Titles()], "structural": True, "progress": progress}
    report = verify.verify_ledger(engine, jobs=2, **more)
    print(bool(report), report.steps[0].figures["processes"], flush=True)
"""


def script(folder: Path, more: str, *arguments: str) -> list[str]:
    path = folder / "program.py"
    path.write_text(SCRIPT + more)
    return [sys.executable, str(path), str(folder / "ledger.db"), *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


@pytest.mark.parametrize(
    "call", ["run()", "thread = threading.Thread(target=run); thread.start(); thread.join()"]
)
def test_a_script_without_a_guard_and_a_thread_may_verify(kept: Told, call: str) -> None:
    done = subprocess.run(
        script(kept.folder, call), env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "True 2\n"


INTERRUPTED = """
class Watched(verify_pool.Workers):
    def __enter__(self):
        print(*self.processes(), flush=True)
        return super().__enter__()

def wait(done, total):
    print("waiting", flush=True)
    for _ in range(600):  # a signal that comes just before a wait does not end it: none of these is long
        threading.Event().wait(0.1)

verify.Workers = Watched
run(wait)
"""


def test_ctrl_c_leaves_no_process_behind(kept: Told) -> None:
    command = script(kept.folder, INTERRUPTED)
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        started = [int(word) for word in program.stdout.readline().split()]
        assert program.stdout.readline() == "waiting\n"
        program.send_signal(signal.SIGINT)
        _, complaint = program.communicate(timeout=60)
    assert "KeyboardInterrupt" in complaint
    assert len(started) == 2
    assert [process for process in started if is_running(process)] == []


def is_running(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


# -- a ledger at work --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_ledger_that_grows_meanwhile_is_verified_up_to_its_size_at_the_start(
    kept: Told, here: None, jobs: int
) -> None:
    ledger = kept.ledger()
    grown: list[object] = []

    def grow(done: int, total: int) -> None:
        if not grown:
            grown.append(ledger.append_many([report(f"late {n}") for n in range(300)]))

    answer = kept.verify(jobs, progress=grow)
    assert (bool(answer), answer.size) == (True, SIZE)
    assert processes(answer) == jobs


def test_a_copy_that_cannot_be_written_is_verified(
    kept: Told, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    answer = kept.verify(2)
    assert (bool(answer), processes(answer)) == (True, 2)


def test_progress_is_told_over_all_processes_to_its_end(template: Told, here: None) -> None:
    heard: list[tuple[int, int]] = []
    template.verify(2, progress=lambda done, total: heard.append((done, total)))
    assert (heard[0], heard[-1]) == ((0, SIZE), (SIZE, SIZE))
    assert heard == sorted(heard)


# -- one file, whoever reads it ----------------------------------------------------------------------------------------


def with_a_clean_copy(kept: Told) -> Path:
    """Change what an entry says and what followers learned from it; return a copy from before."""
    copied = kept.folder / "clean.db"
    shutil.copyfile(kept.folder / "ledger.db", copied)
    record = dishonest.forge(dishonest.records_of(kept.folder)[100], lambda p: p.update(title="another"))
    dishonest.edit(kept.folder, "records", "record", 100, record)
    dishonest.edit(kept.folder, "titles", "title", 100, "another")
    return copied


def test_processes_read_the_file_that_is_open_whatever_a_table_in_it_says(
    kept: Told, small_ranges: None
) -> None:
    copied = with_a_clean_copy(kept)
    with dishonest.sql(kept.folder) as connection:
        connection.execute("CREATE TABLE pragma_database_list (name TEXT, file TEXT)")
        connection.execute("INSERT INTO pragma_database_list VALUES ('main', ?)", (str(copied),))
    engine = tables.open_database(kept.folder / "ledger.db")
    with tables.snapshot(engine) as connection:
        assert Path(tables.place_of(connection)).samefile(kept.folder / "ledger.db")
    assert "records" in failed(kept.verify(2, structural=True))


@pytest.mark.parametrize("name", ["table_list", "table_xinfo", "index_list", "index_info"])
def test_a_table_that_is_called_like_a_pragma_describes_no_other(kept: Told, name: str) -> None:
    engine = tables.open_database(kept.folder / "ledger.db")
    with tables.snapshot(engine) as connection:
        before = tables.schema(connection)
    with dishonest.sql(kept.folder) as other:
        other.execute(f"CREATE TABLE pragma_{name} (name TEXT, strict INTEGER, origin TEXT, partial INTEGER)")
    with tables.snapshot(engine) as connection:
        after = tables.schema(connection)
    assert after.pop(f"table pragma_{name}")
    assert after == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_table_that_is_nobodys_is_a_finding_however_little_is_asked_for(
    kept: Told, here: None, checkpoint: bytes, jobs: int
) -> None:
    dishonest.add_table(kept.folder, "notes")
    for less in ({"structural": True}, {"checkpoint": checkpoint, "incremental": True}):
        found = failed(kept.verify(jobs, **less))
        assert found["tables"].detail == "the table notes in the database is not affidavit's"


def test_processes_that_find_another_file_in_the_place_are_not_believed(
    kept: Told, small_ranges: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied, place = with_a_clean_copy(kept), kept.folder / "ledger.db"

    class Swapping(Workers):
        def __init__(self, count: int, setup: dict[str, Any]) -> None:
            place.rename(kept.folder / "changed.db")
            copied.rename(place)
            super().__init__(count, setup)

    monkeypatch.setattr(verify, "Workers", Swapping)
    answer = kept.verify(2, structural=True)
    assert "records" in failed(answer)
    assert processes(answer) == 1


def test_what_is_replayed_must_be_what_the_others_recomputed(
    kept: Told, small_ranges: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = with_a_clean_copy(kept)

    class Elsewhere(Here):
        def __init__(self, count: int, setup: dict[str, Any]) -> None:
            super().__init__(count, setup | {"database": str(copied)})

    monkeypatch.setattr(verify, "Workers", Elsewhere)
    answer = kept.verify(2)
    assert "records" in failed(answer)
    assert processes(answer) == 1


def test_a_key_entry_must_be_the_one_that_the_others_recomputed(
    kept: Told, small_ranges: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = kept.folder / "clean.db"
    shutil.copyfile(kept.folder / "ledger.db", copied)
    record = dishonest.records_of(kept.folder)[REVOKE]
    dishonest.edit(
        kept.folder, "records", "record", REVOKE, dishonest.backdate(record, "2026-01-01T00:00:00.000000Z")
    )

    class Elsewhere(Here):
        def __init__(self, count: int, setup: dict[str, Any]) -> None:
            super().__init__(count, setup | {"database": str(copied)})

    monkeypatch.setattr(verify, "Workers", Elsewhere)
    assert processes(kept.verify(2, structural=True)) == 1


# -- less than everything ----------------------------------------------------------------------------------------------


def test_the_structure_alone_leaves_out_what_it_says_it_leaves_out(template: Told, here: None) -> None:
    for jobs in (1, 2):
        answer = template.verify(jobs, structural=True)
        assert answer
        skipped = {step.name: step.detail for step in answer.steps if step.status == "skipped"}
        assert set(skipped) == {"anchors", "signatures", "observed", "tables", "artifacts"}
        assert "--structural" in skipped["signatures"]


@pytest.mark.parametrize("trick", ["records.kind at 512", "edited", "checkpoints.note", "a level 1 tile"])
def test_the_structure_alone_sees_what_does_not_fit(kept: Told, here: None, trick: str) -> None:
    TRICKS[trick](kept)
    together = kept.verify(2, structural=True)
    assert not together
    assert said(together) == said(kept.verify(1, structural=True))


def test_the_structure_alone_is_no_word_about_signatures(kept: Told, here: None) -> None:
    forged(kept)
    answer = kept.verify(2, structural=True)
    assert answer
    assert answer.steps[3].status == "skipped"


@pytest.fixture(scope="module")
def checkpoint(template: Told) -> bytes:
    return template.ledger().head_at(BY_LEAVER + 1).checkpoint


def test_an_incremental_verification_says_what_it_took_from_the_checkpoint(
    template: Told, here: None, checkpoint: bytes
) -> None:
    for jobs in (1, 2):
        answer = template.verify(jobs, checkpoint=checkpoint, incremental=True)
        assert answer
        details = {step.name: step.detail for step in answer.steps}
        assert f"the records before entry {BY_LEAVER + 1} hash to the checkpoint" in details["records"]
        assert f"{SIZE - BY_LEAVER - 1} signatures from entry {BY_LEAVER + 1} on" in details["signatures"]
        assert (answer.steps[2].status, answer.steps[5].status) == ("passed", "skipped")
        assert "replaying needs all of them" in details["tables"]


def test_an_incremental_verification_from_the_newest_head_on_says_that_nothing_stands_after_it(
    template: Told, here: None
) -> None:
    answer = template.verify(1, checkpoint=template.ledger().head_at(SIZE).checkpoint, incremental=True)
    assert answer
    assert (answer.steps[7].status, answer.steps[7].detail) == (
        "skipped", "no entry stands after the checkpoint that was given",
    )  # fmt: skip


@pytest.mark.parametrize(
    "trick", ["edited", "by_a_revoked_key", "by_a_revoked_key_whose_revocation_the_index_hides", "backdated"]
)
def test_what_was_done_after_the_checkpoint_is_seen_incrementally(
    kept: Told, here: None, checkpoint: bytes, trick: str
) -> None:
    TRICKS[trick](kept)
    together = kept.verify(2, checkpoint=checkpoint, incremental=True)
    assert not together
    assert said(together) == said(kept.verify(1, checkpoint=checkpoint, incremental=True))


@pytest.mark.parametrize("old", [1, 5], ids=["a grant", "a report"])
def test_what_was_said_before_the_checkpoint_is_not_said_again_after_it(
    kept: Told, here: None, template: Told, old: int
) -> None:
    later = template.ledger().head_at(REVOKE + 1).checkpoint
    kept.refit(dishonest.replay(dishonest.records_of(kept.folder), old))
    # The index keeps its unique ids: the old row takes the one that no statement has.
    with dishonest.sql(kept.folder) as connection:
        ids = {
            seq: connection.execute("SELECT entry_id FROM records WHERE seq = ?", (seq,)).fetchone()[0]
            for seq in (old, SIZE)
        }
        for seq, entry_id in ((SIZE, "none"), (old, ids[SIZE]), (SIZE, ids[old])):
            connection.execute("UPDATE records SET entry_id = ? WHERE seq = ?", (entry_id, seq))
    for jobs in (1, 2):
        found = failed(kept.verify(jobs, checkpoint=later, incremental=True))
        assert f"the statement of entry {SIZE} stands in the ledger twice" in found["signatures"].detail


def test_an_old_record_that_was_changed_no_longer_hashes_to_the_checkpoint(
    kept: Told, here: None, checkpoint: bytes
) -> None:
    forged(kept)
    found = failed(kept.verify(2, checkpoint=checkpoint, incremental=True))
    assert "not those of the checkpoint" in found["anchors"].detail
    assert "do not hash to the checkpoint" in found["records"].detail


def test_a_key_entry_before_the_checkpoint_is_found_whatever_the_index_says(
    kept: Told, here: None, template: Told
) -> None:
    later = template.ledger().head_at(REVOKE + 1).checkpoint
    by_a_revoked_key_whose_revocation_the_index_hides(kept)
    for jobs in (1, 2):
        found = failed(kept.verify(jobs, checkpoint=later, incremental=True))
        assert "'leaver' does not hold the role recorder" in found["signatures"].detail


def test_a_checkpoint_of_another_log_is_trusted_by_nobody(kept: Told, here: None, tmp_path: Path) -> None:
    other = new_ledger(tmp_path / "other", People()).head().checkpoint
    assert "anchors" in failed(kept.verify(2, checkpoint=other, incremental=True))


def test_an_incremental_verification_needs_a_checkpoint(template: Told) -> None:
    with pytest.raises(MalformedInput, match="give one with --checkpoint FILE"):
        template.verify(1, incremental=True)


def test_a_key_entry_is_told_by_its_bytes_as_by_reading_it(template: Told) -> None:
    from audit.verify_range import may_be_key_entry, payload_of

    records = dishonest.records_of(template.folder)
    kinds = [parse_record(record).kind for record in records]
    payloads = map(payload_of, records)
    suspected = [kind for kind, payload in zip(kinds, payloads, strict=True) if may_be_key_entry(payload)]
    assert suspected == ["genesis", "key-grant", "key-revoke"]


def test_the_thread_that_verifies_leaves_the_others_alone(template: Told, small_ranges: None) -> None:
    before = threading.active_count()
    template.verify(2, structural=True)
    assert threading.active_count() == before
