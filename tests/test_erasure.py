"""Erasure: the row is gone from every byte of the database's files, the entry says so, and nothing else changed."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from audit import key_events, sqlite_lock
from audit.bindings import Erasure
from audit.canonical import JsonObject
from audit.erasure import Erased, erasable, erase, erased_before, erasures, holder_shown
from audit.errors import Conflict, MalformedInput, NotFound, NotPermitted
from audit.report import Report, Step
from audit.scrub import scrub
from audit.statement import Statement, Subject
from audit.subjects import known_subjects
from registry.home import FOLDER, Home
from registry.registry import Registry
from tests import dishonest
from tests.small_registry import new_registry, run_result
from tests.story import referring, tell

NAME, BORN, HOLDER = "applicant 4711", "1980-02-03", "validator person"
MEANING = "Reviewed data, method and bias"
LAST = 19


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("erasure")
    tell(folder)
    return folder / FOLDER


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Registry:
    return opened(Home(Path(shutil.copytree(template, tmp_path / FOLDER))))


def opened(home: Home) -> Registry:
    return Registry(home, lambda _: b"")


def erased(registry: Registry, named: str, reason: str = "a request") -> Erased:
    return erase(registry.ledger, erasable(registry.ledger, named), reason, by=registry.signer("admin"))


def table_step(answer: Report) -> Step:
    return next(step for step in answer.steps if step.name == "tables")


def raw_bytes(registry: Registry) -> bytes:
    database = registry.home.database
    files = [database, *(database.with_name(database.name + end) for end in ("-wal", "-shm"))]
    return b"".join(path.read_bytes() for path in files if path.exists())


@contextmanager
def kept_open(registry: Registry) -> Iterator[sqlite3.Connection]:
    """Keep the database open, so that closing the last connection does not tidy up its files."""
    with closing(sqlite3.connect(registry.home.database)) as connection:
        connection.execute("SELECT count(*) FROM records").fetchone()
        yield connection


# -- what is gone ------------------------------------------------------------------------------------------------------


def test_a_subject_that_was_erased_leaves_neither_name_nor_key_in_any_byte_of_the_files(
    registry: Registry,
) -> None:
    [known] = known_subjects(registry.ledger.engine)
    with kept_open(registry):
        referring_again = referring(registry, run_result(registry, auc=0.9))
        registry.record_run(referring_again)
        assert known.name.encode() in raw_bytes(registry)
        done = erased(registry, NAME)
        left = raw_bytes(registry)
    assert done.scrubbed.problem is None
    assert (known.name.encode() in left, known.key in left) == (False, False)


def test_a_holder_who_was_erased_leaves_neither_name_nor_salt_in_any_byte_of_the_files(
    registry: Registry,
) -> None:
    with kept_open(registry):
        [found] = erasable(registry.ledger, "validator")
        assert found.name.encode() in raw_bytes(registry)
        erased(registry, "validator")
        left = raw_bytes(registry)
    assert (found.name.encode() in left, found.secret in left) == (False, False)


def test_the_name_before_a_key_was_granted_anew_is_gone_as_well(registry: Registry) -> None:
    with kept_open(registry):
        public = registry.keys.public("validator")
        admin = registry.signer("admin")
        registry.ledger.grant("validator", public, ("validator",), "Vera Lindqvist", by=admin)
        erased(registry, "validator")
        left = raw_bytes(registry)
    assert (HOLDER.encode() in left, b"Vera Lindqvist" in left) == (False, False)


def test_remnants_in_a_page_that_was_split_long_ago_are_scrubbed_too(registry: Registry) -> None:
    # A connection without secure_delete, as another tool has: it leaves the bytes where they stood.
    secret = b"\xa5" * 32
    with closing(sqlite3.connect(registry.home.database)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        connection.execute("INSERT INTO subjects VALUES ('x', 'left behind', ?)", (secret,))
        connection.execute("DELETE FROM subjects WHERE subject = 'x'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert secret in raw_bytes(registry)
    assert scrub(registry.ledger.engine, [secret], ["left behind"]).problem is None
    assert (secret in raw_bytes(registry), b"left behind" in raw_bytes(registry)) == (False, False)


def test_a_reader_that_holds_the_log_open_is_said_and_not_passed_over(registry: Registry) -> None:
    with kept_open(registry) as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_lock, "BUSY_SECONDS", 0.01)  # of what is opened from here on
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        done = erased(opened(registry.home), NAME)
    assert "another process is reading" in str(done.scrubbed.problem)
    assert known_subjects(registry.ledger.engine) == []


def test_a_name_that_still_stands_in_another_row_is_said(registry: Registry) -> None:
    public = registry.keys.create("second", b"").public
    registry.ledger.grant("second", public, ("auditor",), HOLDER, by=registry.signer("admin"))
    assert "the name stands elsewhere in it" in erased(registry, "validator").scrubbed.done


# -- what is said ------------------------------------------------------------------------------------------------------


def test_an_erasure_is_an_entry_by_an_admin_with_its_reason(registry: Registry) -> None:
    [known] = known_subjects(registry.ledger.engine)
    [entry] = erased(registry, NAME).entries
    said = Erasure.read(entry.statement.predicate)
    assert (said, entry.statement.text("role")) == (Erasure("subject", known.number, "a request"), "admin")


def test_a_ledger_with_erasures_is_verified_and_says_by_which_entry(registry: Registry) -> None:
    erased(registry, NAME)
    erased(registry, "validator")
    answer = registry.ledger.verify()
    assert answer
    assert f"1 key holder erased by entry {LAST + 2}" in table_step(answer).detail
    assert f"1 subject erased by entry {LAST + 1}" in table_step(answer).detail


def test_no_other_step_changes_with_an_erasure(registry: Registry) -> None:
    before = dishonest.records_of(registry.home.folder)
    erased(registry, NAME)
    assert dishonest.records_of(registry.home.folder)[: len(before)] == before


def test_a_persons_name_erases_every_key_and_every_subject_of_that_person(registry: Registry) -> None:
    public = registry.keys.create("second", b"").public
    registry.ledger.grant("second", public, ("auditor",), HOLDER, by=registry.signer("admin"))
    found = erasable(registry.ledger, HOLDER)
    assert sorted(one.id for one in found) == sorted(
        registry.keys.public(name).keyid for name in ("validator", "second")
    )
    erased(registry, HOLDER)
    assert registry.ledger.verify()


def test_the_entries_that_refer_to_a_subject_are_told(registry: Registry) -> None:
    assert erasable(registry.ledger, NAME)[0].entries == (LAST,)


def test_the_entries_that_a_key_signed_are_told_with_its_holder(registry: Registry) -> None:
    [found] = erasable(registry.ledger, "validator")
    assert [registry.ledger.entry(seq).kind for seq in found.entries] == ["approval"]


def test_the_start_of_a_key_id_names_its_holder(registry: Registry) -> None:
    keyid = registry.keys.public("validator").keyid
    assert erasable(registry.ledger, keyid[:12])[0].id == keyid


def test_keys_that_took_each_others_place_lose_their_holder_together(registry: Registry) -> None:
    old = registry.ledger.trust().named("validator")
    new = registry.keys.create("validator-2", b"").public
    registry.ledger.say(key_events.rotate(old, new, "a new laptop"), by=registry.signer("admin"))
    done = erased(registry, old.keyid)
    assert (len(done.entries), done.scrubbed.problem) == (2, None)
    assert "2 key holders erased by entries" in table_step(registry.ledger.verify()).detail


def test_what_is_not_known_cannot_be_erased(registry: Registry) -> None:
    with pytest.raises(NotFound, match="nothing is known here under 'nobody'"):
        erasable(registry.ledger, "nobody")


def test_what_was_erased_is_found_no_more_but_the_entry_is_told(registry: Registry) -> None:
    erased(registry, "validator")
    assert erasable(registry.ledger, "validator") == ()
    assert erased_before(registry.ledger, "validator") == LAST + 1
    assert (
        holder_shown(registry.ledger, registry.keys.public("validator").keyid)
        == f"erased by entry {LAST + 1}"
    )


def test_a_key_and_a_subject_of_one_name_are_not_guessed_between(registry: Registry) -> None:
    registry.record_run(referring(registry, run_result(registry, auc=0.9), "validator"))
    with pytest.raises(MalformedInput, match="both a key and a subject are named 'validator'"):
        erasable(registry.ledger, "validator")


@pytest.mark.parametrize("reason", ["", "  ", "the wish of Applicant 4711", "of ap\u00adplicant\u00a0 4711"])
def test_a_reason_is_given_and_does_not_hold_the_name(registry: Registry, reason: str) -> None:
    with pytest.raises(MalformedInput, match="reason"):
        erased(registry, NAME, reason)
    assert len(known_subjects(registry.ledger.engine)) == 1


def test_who_is_no_admin_erases_nothing(registry: Registry) -> None:
    found = erasable(registry.ledger, NAME)
    with pytest.raises(NotPermitted, match="takes the role admin"):
        erase(registry.ledger, found, "a request", by=registry.signer("scientist"))
    assert len(known_subjects(registry.ledger.engine)) == 1


def test_of_two_erasures_at_once_the_second_writes_nothing(registry: Registry) -> None:
    found = erasable(registry.ledger, NAME)
    erased(registry, NAME)
    with pytest.raises(Conflict, match="erased or changed meanwhile"):
        erase(registry.ledger, found, "a request", by=registry.signer("admin"))
    assert erasures(registry.ledger) == {("subject", found[0].id): LAST + 1}


# -- what verification says of rows and erasures that do not fit -------------------------------------------------------


def findings(registry: Registry) -> str:
    answer = registry.ledger.verify()
    assert not answer
    assert [step.name for step in answer.steps if step.status == "failed"] == ["tables"]
    return table_step(answer).detail


def say_erased(registry: Registry, what: Any, ident: str) -> None:
    """Say an erasure without deleting anything, as an admin with code of their own can."""
    registry.ledger.append(Erasure(what, ident, "a request").statement(), signer=registry.signer("admin"))


@pytest.mark.parametrize("table", ["holders", "subjects"])
def test_a_row_that_is_missing_without_an_erasure_is_named(registry: Registry, table: str) -> None:
    dishonest.delete(registry.home.folder, table, 1)
    assert "missing" in findings(registry)


def test_a_subject_that_is_still_there_after_its_erasure_is_named(registry: Registry) -> None:
    say_erased(registry, "subject", known_subjects(registry.ledger.engine)[0].number)
    assert f"is still there, though entry {LAST + 1} erased it" in findings(registry)


def test_a_holder_who_is_still_there_after_the_erasure_is_named(registry: Registry) -> None:
    say_erased(registry, "holder", registry.keys.public("validator").keyid)
    assert f"'validator' is still there, though entry {LAST + 1} erased it" in findings(registry)


@pytest.mark.parametrize("what", ["holder", "subject"])
def test_an_erasure_of_somebody_unknown_is_named(registry: Registry, what: str) -> None:
    say_erased(registry, what, "ab" * 16)
    assert f"entry {LAST + 1} erased a {what} of whom no entry says anything" in findings(registry)


@pytest.mark.parametrize(
    ("erased", "digest", "complaint"),
    [
        ("all", hashlib.sha256(b"x").hexdigest(), "a holder or a subject"),
        ("holder", "ab" * 32, "the subject of the erasure entry"),
    ],
)
def test_an_erasure_in_another_form_never_stands(
    registry: Registry, erased: str, digest: str, complaint: str
) -> None:
    said = Statement("erasure", (Subject("x", digest),), {"erased": erased, "id": "x", "reason": "y"})
    with pytest.raises(MalformedInput, match=complaint):
        registry.ledger.append(said, signer=registry.signer("admin"))


def test_a_holder_who_was_erased_and_granted_again_has_a_row_again(registry: Registry) -> None:
    erased(registry, "validator")
    public = registry.keys.public("validator")
    registry.ledger.grant("validator", public, ("validator",), "Vera", by=registry.signer("admin"))
    answer = registry.ledger.verify()
    assert answer
    assert "erased" not in table_step(answer).detail


def test_a_statement_that_commits_to_another_row_for_a_subject_is_named(registry: Registry) -> None:
    [known] = known_subjects(registry.ledger.engine)
    result = run_result(registry, auc=0.9)
    other: JsonObject = {"refers_to": [{"subject": known.number, "commitment": "ab" * 32}]}
    statement = Statement("run", tuple(Subject(*s) for s in result.subjects), {**result.predicate, **other})
    registry.ledger.append(statement, signer=registry.signer("scientist"))
    assert f"entry {LAST + 1} commits to another row for the subject" in findings(registry)


def test_a_run_that_began_before_an_erasure_may_still_refer_to_the_subject(registry: Registry) -> None:
    begun = referring(registry, run_result(registry, auc=0.9))
    erased(registry, NAME)
    registry.record_run(begun)
    assert registry.ledger.verify()
    assert known_subjects(registry.ledger.engine) == []


# -- independence ------------------------------------------------------------------------------------------------------


def second_key(registry: Registry, of: str, role: str) -> None:
    public = registry.keys.create("second", b"").public
    registry.ledger.grant("second", public, (role,), of, by=registry.signer("admin"))


@pytest.mark.parametrize("gone", ["scientist", "second"])
def test_one_person_with_two_keys_cannot_approve_their_own_run_once_a_holder_is_erased(
    tmp_path: Path, gone: str
) -> None:
    registry = new_registry(tmp_path)
    registry.record_run(run_result(registry))
    second_key(registry, "scientist person", "approver")
    erased(registry, gone)
    with pytest.raises(NotPermitted, match=rf"nobody can tell .* the key '{gone}' is erased by entry \d+"):
        registry.approve("credit@1", "production", key="second", role="approver", meaning=MEANING)


def test_one_person_with_two_keys_cannot_approve_twice_once_a_holder_is_erased(tmp_path: Path) -> None:
    registry = new_registry(tmp_path)
    registry.record_run(run_result(registry))
    second_key(registry, HOLDER, "approver")
    registry.approve("credit@1", "production", key="validator", role="validator", meaning=MEANING)
    erased(registry, "validator")
    with pytest.raises(NotPermitted, match=r"nobody can tell .* has approved this already"):
        registry.approve("credit@1", "production", key="second", role="approver", meaning=MEANING)


def test_an_erasure_leaves_a_decision_as_it_was(tmp_path: Path) -> None:
    registry = new_registry(tmp_path)
    registry.record_run(run_result(registry))
    for name in ("validator", "approver"):
        registry.approve("credit@1", "production", key=name, role=name, meaning=MEANING)
    for name in ("validator", "approver", "scientist"):
        erased(registry, name)
    assert registry.promote("credit@1", "production", key="approver")[1].allowed


def test_where_two_admins_must_sign_an_erasure_by_one_erases_nothing_and_by_two_does(tmp_path: Path) -> None:
    registry = new_registry(tmp_path)
    second_key(registry, "Second Admin", "admin")
    admins = [registry.signer("admin"), registry.signer("second")]
    registry.ledger.say(key_events.threshold(registry.ledger.origin, 2), by=admins)
    found = erasable(registry.ledger, "validator")
    with pytest.raises(NotPermitted):
        erase(registry.ledger, found, "a request", by=admins[0])
    assert registry.ledger.holder(found[0].id) == HOLDER
    erase(registry.ledger, found, "a request", by=admins)
    assert registry.ledger.verify()
