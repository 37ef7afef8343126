"""The anchor commands, with a real witness and a real time stamp authority: obtain, verify, forge, restore, reset."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit import key_events
from audit.anchor_file import AnchorFile
from audit.anchor_settings import AnchorSettings
from audit.cosignature import WitnessKey
from audit.errors import EnvironmentFailed
from audit.keystore import KeyStore
from audit.note import VerifierKey
from registry.home import Home
from registry.registry import Registry
from tests import dishonest
from tests.authority import LocalAuthority, served
from tests.command_line import Folder, a_lender
from tests.local_witness import NAME, SIGNER, witness_of
from tests.small_ledger import new_ledger


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority.make(tmp_path_factory.mktemp("authority") / "one")


@dataclass(frozen=True)
class Anchored:
    """A lender's folder whose ledger has a witness and an authority that answer."""

    here: Folder
    witness: str
    authority: str

    @property
    def ledger(self) -> Path:
        return self.here.path / ".affidavit"

    def step(self, name: str, *arguments: str, status: int = 0) -> dict[str, Any]:
        steps = self.here.json("verify", *arguments, status=status)["steps"]
        found: dict[str, Any] = next(step for step in steps if step["name"] == name)
        return found

    def grow(self, name: str) -> None:
        self.here.text("key", "create", name)
        self.here.text("key", "grant", name, "--role", "recorder", "--holder", "Ana Ruiz", "--as", "admin")

    def backup(self, to: Path) -> Path:
        with closing(sqlite3.connect(self.ledger / "ledger.db")) as connection:
            connection.execute("VACUUM INTO ?", (str(to),))
        return to

    def restore(self, backup: Path) -> None:
        for journal in self.ledger.glob("ledger.db-*"):
            journal.unlink()
        shutil.copyfile(backup, self.ledger / "ledger.db")


@pytest.fixture
def anchored(tmp_path: Path, local: LocalAuthority) -> Iterator[Anchored]:
    here = a_lender(tmp_path / "lender")
    log = VerifierKey.parse(here.json("checkpoint")["verifier_key"])
    with witness_of(log, tmp_path / "state") as witness, served(local) as authority:
        (here.path / "chain.pem").write_text(local.chain)
        (here.path / "witness.vkey").write_text(f"{WitnessKey(NAME, SIGNER.public.raw)}\n")
        here.text("anchor", "add", "witness", witness, "--key", "witness.vkey")
        here.text("anchor", "add", "timestamp", authority, "--certificate", "chain.pem")
        yield Anchored(here, witness, authority)


def test_the_head_is_cosigned_and_stamped_and_verification_counts_both(anchored: Anchored) -> None:
    said = anchored.here.json("anchor", "now")
    assert [(one["kind"], one["size"], one["problem"]) for one in said["anchors"]] == [
        ("cosignature", 11, None),
        ("timestamp", 11, None),
    ]
    step = anchored.step("anchors")
    assert (step["status"], step["figures"]["cosignatures"], step["figures"]["timestamps"]) == (
        "passed",
        1,
        1,
    )
    assert "it covers every entry" in step["detail"]
    assert anchored.here.json("verify")["anchor"]["age_seconds"] < 300


def test_what_was_appended_since_is_said_until_it_is_anchored_too(anchored: Anchored) -> None:
    anchored.here.text("anchor", "now")
    anchored.grow("second")
    assert "entry 11 is covered by no anchor outside" in anchored.step("anchors")["detail"]
    anchored.here.text("anchor", "now")
    listed = {row["kind"]: row for row in anchored.here.json("anchor", "list")["anchors"]}
    assert {kind: (row["obtained"], row["newest_size"]) for kind, row in listed.items()} == {
        "file": (1, 12),
        "cosignature": (2, 12),
        "timestamp": (2, 12),
    }


def test_a_dry_run_asks_and_writes_nothing(anchored: Anchored) -> None:
    assert anchored.here.json("anchor", "now", "--dry-run")["would_ask"] == [NAME, anchored.authority]
    assert NAME in anchored.here.text("anchor", "now", "--dry-run")
    assert anchored.here.json("anchor", "list")["anchors"][1]["obtained"] == 0


def test_one_that_fails_does_not_stop_the_others_and_the_status_says_so(anchored: Anchored) -> None:
    settings = json.loads((anchored.ledger / "anchors.json").read_text())
    settings["witnesses"][0]["url"] = "http://127.0.0.1:9/"
    (anchored.ledger / "anchors.json").write_text(json.dumps(settings))
    said = anchored.here.json("anchor", "now", status=3)
    assert [bool(one["problem"]) for one in said["anchors"]] == [True, False]
    assert "does not answer" in said["anchors"][0]["problem"]
    assert "failed: cosignature by" in anchored.here.text("anchor", "now", status=3)


def test_a_ledger_without_witness_or_authority_is_told_how_to_get_one(tmp_path: Path) -> None:
    refused = a_lender(tmp_path / "lender")("anchor", "now")
    assert refused.exit_code == 2
    assert "`affidavit anchor add` adds one" in refused.stderr


def test_a_tail_that_was_cut_off_cleanly_is_seen_by_the_anchors(anchored: Anchored) -> None:
    before = anchored.backup(anchored.here.path / "before.db")
    anchored.grow("second")
    anchored.here.text("anchor", "now")
    with closing(sqlite3.connect(anchored.ledger / "ledger.db")) as connection:
        rows = connection.execute("SELECT * FROM anchors").fetchall()
    anchored.restore(before)
    with dishonest.sql(anchored.ledger) as connection:
        connection.executemany("INSERT INTO anchors VALUES (?, ?, ?, ?, ?)", rows)
    step = anchored.step("anchors", status=1)
    assert step["status"] == "failed"
    assert "it is over 12 entries, the ledger has 11: its tail was cut off" in step["detail"]


def test_a_history_signed_anew_with_every_key_is_seen_by_the_anchors_alone(anchored: Anchored) -> None:
    anchored.here.text("anchor", "now")
    keys = KeyStore(anchored.ledger / "keys")
    records = dishonest.records_of(anchored.ledger)
    forged = dishonest.forge(
        records[-1], lambda p: p.update(reason="an excuse"), keys.open("approver", lambda _: b"")
    )
    log = keys.open("log", lambda _: b"")
    dishonest.refit(anchored.ledger, [*records[:-1], forged], dishonest.sizes_of(anchored.ledger), log)
    (anchored.ledger / "anchor.checkpoint").write_bytes(anchored.here.text("checkpoint").encode())
    steps = anchored.here.json("verify", status=1)["steps"]
    assert [step["name"] for step in steps if step["status"] == "failed"] == ["anchors"]
    detail = next(step["detail"] for step in steps if step["name"] == "anchors")
    assert "the witness saw another history" in detail
    assert "over another text" in detail


def test_a_restored_backup_is_refused_by_the_ledger_and_by_the_witness(anchored: Anchored) -> None:
    backup = anchored.backup(anchored.here.path / "backup.db")
    anchored.grow("second")
    anchored.here.text("anchor", "now")
    anchored.restore(backup)
    refused = anchored.here("key", "grant", "second", "--role", "recorder", "--holder", "Ana Ruiz")
    assert (refused.exit_code, "an older copy was restored" in refused.stderr) == (3, True)
    said = anchored.here.json("anchor", "now", status=3)["anchors"]
    assert "has cosigned 12 entries of this ledger, and here are 11" in said[0]["problem"]


def test_a_reset_lets_a_ledger_go_on_and_leaves_a_trace(anchored: Anchored) -> None:
    backup = anchored.backup(anchored.here.path / "backup.db")
    anchored.grow("second")
    anchored.restore(backup)
    why = ("anchor", "reset", "--reason", "the newest day was lost with the disk")
    assert "Would write the head of 11 entries" in anchored.here.text(*why, "--dry-run")
    assert (
        anchored.here("key", "grant", "second", "--role", "recorder", "--holder", "Ana Ruiz").exit_code == 3
    )
    said = anchored.here.json(*why)
    assert Path(said["kept"]).name == "anchor.checkpoint.replaced-1"
    assert anchored.here("key", "grant", "second", "--role", "recorder", "--holder", "A R").exit_code == 0
    assert "the anchor file was set anew on" in anchored.step("anchors")["detail"]
    again = anchored.here(*why)
    assert (again.exit_code, "nothing to set anew" in again.stderr) == (2, True)


def test_a_reset_says_why(anchored: Anchored) -> None:
    assert anchored.here("anchor", "reset", "--reason", " ").exit_code == 2


def test_what_was_obtained_is_checked_by_openssl(anchored: Anchored) -> None:
    anchored.here.text("anchor", "now")
    written = anchored.here.json("anchor", "save", "kept")["files"]
    assert sorted(Path(name).name for name in written) == [
        "1.note", "1.txt", "2-issuers.pem", "2.note", "2.pem", "2.tsr", "2.txt",
    ]  # fmt: skip
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", "2.txt", "-in", "2.tsr", "-CAfile", "2-issuers.pem"],
        cwd=anchored.here.path / "kept", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "Verification: OK"), done.stderr
    assert anchored.here.json("anchor", "save", "kept")["files"] == []


def test_an_auditor_believes_whom_they_choose(anchored: Anchored, tmp_path: Path) -> None:
    anchored.here.text("anchor", "now")
    settings = json.loads((anchored.ledger / "anchors.json").read_text())
    (anchored.here.path / "nobody.json").write_text(
        json.dumps(settings | {"witnesses": [], "timestamps": []})
    )
    step = anchored.step("anchors", "--anchors", "nobody.json")
    assert step["status"] == "skipped"
    assert f"anchor 1 (a cosignature by {NAME}, whose key is not at hand)" in step["detail"]


def test_the_file_is_kept_elsewhere_after_all(anchored: Anchored) -> None:
    taken = anchored.here("anchor", "add", "file", "../safe/head.checkpoint")
    assert "`affidavit anchor remove anchor.checkpoint` lets it go" in taken.stderr
    anchored.here.text("anchor", "remove", "anchor.checkpoint", "--dry-run")
    anchored.here.text("anchor", "remove", "anchor.checkpoint")
    assert anchored.step("anchors")["status"] == "skipped"
    anchored.here.text("anchor", "add", "file", "../safe/head.checkpoint", "--dry-run")
    anchored.here.text("anchor", "add", "file", "../safe/head.checkpoint")
    anchored.grow("second")
    step = anchored.step("anchors")
    assert (step["status"], step["figures"]["files"]) == ("passed", 1)
    assert "by the log's own time of its newest entry" in step["detail"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("remove", "somebody"), "no anchor is named 'somebody'"),
        (("add", "witness", "ftp://w", "--key", "witness.vkey"), "is not usable"),
        (("add", "witness", "http://w", "--key", "witness.vkey"), "is an anchor already"),
        (("add", "witness", "http://w", "--key", "chain.pem"), "a verifier key is written"),
        (("add", "timestamp", "http://t", "--certificate", "witness.vkey"), "are not X.509 in PEM"),
        (("add", "timestamp", "http://t", "--certificate", "chain.pem", "--policy", "x"), "no object identifier"),
    ],
)  # fmt: skip
def test_what_is_not_an_anchor_is_refused_in_a_sentence(
    anchored: Anchored, arguments: tuple[str, ...], words: str
) -> None:
    before = (anchored.ledger / "anchors.json").read_bytes()
    refused = anchored.here("anchor", *arguments)
    assert (refused.exit_code, words in refused.stderr) == (2, True), refused.stderr
    assert (anchored.ledger / "anchors.json").read_bytes() == before


DAMAGED = "anchors.json: it is not JSON from line 1, column 2 on; restore it from a copy, or, where"


def test_a_list_of_anchors_that_was_damaged_stops_no_reading_and_fails_verification(
    anchored: Anchored,
) -> None:
    (anchored.ledger / "anchors.json").write_text("{")
    assert len(anchored.here.json("log", "-n", "3")["entries"]) == 3
    step = anchored.here.json("verify", status=1)["steps"][2]
    assert step["status"] == "failed"
    assert DAMAGED in step["detail"]


def test_who_brings_a_list_of_their_own_is_told_that_the_ledgers_does_not_read(anchored: Anchored) -> None:
    shutil.copy(anchored.ledger / "anchors.json", anchored.here.path / "mine.json")
    (anchored.ledger / "anchors.json").write_text("{")
    said = anchored.here.json("verify", "--anchors", "mine.json")
    assert (
        "the anchor file of this ledger (anchors.json, which names it, does not read)"
        in said["steps"][2]["detail"]
    )


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("key", "grant", "admin", "--role", "admin"), 3),
        (("anchor", "list"), 2),
        (("anchor", "remove", NAME), 2),
    ],
)
def test_what_needs_a_list_of_anchors_that_was_damaged_is_refused_and_leaves_it(
    anchored: Anchored, arguments: tuple[str, ...], status: int
) -> None:
    (anchored.ledger / "anchors.json").write_text("{")
    refused = anchored.here(*arguments)
    assert (refused.exit_code, DAMAGED in refused.stderr) == (status, True), refused.stderr
    assert (anchored.ledger / "anchors.json").read_text() == "{"


def test_a_list_of_anchors_that_was_damaged_is_begun_anew_and_verification_says_so(
    anchored: Anchored,
) -> None:
    (anchored.ledger / "anchors.json").write_text("{")
    reset = ("anchor", "reset", "--reason", "the list was damaged")
    anchored.here.text(*reset, "--dry-run")
    assert (anchored.ledger / "anchors.json").read_text() == "{"
    kept = Path(anchored.here.json(*reset)["kept"])
    assert (anchored.here.path / kept).read_text() == "{"
    anchored.grow("second")
    step = anchored.step("anchors")
    assert (step["status"], "(the list was damaged)" in step["detail"]) == ("skipped", True)


def test_a_file_that_holds_no_witness_key_is_named(anchored: Anchored) -> None:
    (anchored.here.path / "empty.vkey").touch()
    refused = anchored.here("anchor", "add", "witness", "http://127.0.0.1:9/", "--key", "empty.vkey")
    assert refused.exit_code == 2
    assert "empty.vkey: a verifier key is written name+hash+base64" in refused.stderr


# -- another file in the place of the one there ------------------------------------------------------------------------


@pytest.fixture
def moving(tmp_path: Path) -> Folder:
    return a_lender(tmp_path / "lender")


def file_of(here: Folder) -> dict[str, Any]:
    [found] = [row for row in here.json("anchor", "list")["anchors"] if row["kind"] == "file"]
    return dict(found)


def test_the_head_is_kept_in_another_file_in_one_step_and_the_old_file_stays(moving: Folder) -> None:
    old = moving.path / ".affidavit" / "anchor.checkpoint"
    before = old.read_bytes()
    said = moving.text("anchor", "add", "file", "../elsewhere/head", "--replace")
    assert "stays as it is and is not written any more" in said
    assert (file_of(moving)["name"], file_of(moving)["newest_size"]) == (
        str(moving.path.parent / "elsewhere" / "head"),
        11,
    )
    grown(moving)
    assert (old.read_bytes(), file_of(moving)["newest_size"]) == (before, 12)


def test_a_process_that_has_the_ledger_open_keeps_to_the_new_file_from_its_next_entry_on(
    moving: Folder,
) -> None:
    registry = Registry(Home(moving.path / ".affidavit"))
    registry.ledger.say(key_events.threshold(registry.ledger.origin, 1), by=registry.signer("admin"))
    moving.text("anchor", "add", "file", "../elsewhere/head", "--replace")
    registry.ledger.say(key_events.threshold(registry.ledger.origin, 1), by=registry.signer("admin"))
    assert file_of(moving)["newest_size"] == 13
    registry.ledger.close()


def test_nobody_appends_between_the_new_file_and_the_list_that_names_it(
    moving: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def write(*_: object) -> None:
        with closing(sqlite3.connect(moving.path / ".affidavit" / "ledger.db", timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    monkeypatch.setattr(AnchorSettings, "write", write)
    moving.text("anchor", "add", "file", "../elsewhere/head", "--replace")
    assert refused == ["database is locked"]


def grown(here: Folder) -> None:
    here.text("key", "threshold", "1", "--as", "admin")


def test_a_dry_run_of_another_file_changes_nothing(moving: Folder) -> None:
    listed = (moving.path / ".affidavit" / "anchors.json").read_bytes()
    assert "Would add" in moving.text("anchor", "add", "file", "../elsewhere/head", "--replace", "--dry-run")
    assert (moving.path / ".affidavit" / "anchors.json").read_bytes() == listed
    assert not (moving.path.parent / "elsewhere").exists()


def test_a_file_is_let_go_of_only_where_another_is_asked_for(moving: Folder) -> None:
    refused = moving("anchor", "add", "file", "../elsewhere/head")
    assert (refused.exit_code, "--replace moves it to another file" in refused.stderr) == (2, True)
    same = moving("anchor", "add", "file", ".affidavit/anchor.checkpoint", "--replace")
    assert (same.exit_code, "there is nothing to replace" in same.stderr) == (2, True)


def test_a_file_that_the_ledger_is_behind_is_not_let_go_of(anchored: Anchored) -> None:
    before = anchored.backup(anchored.here.path / "before.db")
    anchored.grow("second")
    anchored.restore(before)
    refused = anchored.here("anchor", "add", "file", "../elsewhere/head", "--replace")
    assert refused.exit_code == 2
    assert "does not go on from the head in it: the ledger has 11 entries and its anchor" in refused.stderr
    assert not (anchored.here.path.parent / "elsewhere").exists()


def test_what_was_interrupted_between_file_and_list_is_taken_up_again(
    moving: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(AnchorSettings, "write", lambda *_: (_ for _ in ()).throw(EnvironmentFailed("full")))
        assert moving("anchor", "add", "file", "../elsewhere/head", "--replace").exit_code == 3
    assert file_of(moving)["name"].endswith("anchor.checkpoint")
    grown(moving)
    moving.text("anchor", "add", "file", "../elsewhere/head", "--replace")
    assert (file_of(moving)["name"].endswith("elsewhere/head"), file_of(moving)["newest_size"]) == (True, 12)


def with_an_older_place(here: Folder) -> Path:
    """Keep the head of now in a file elsewhere, and let the ledger go on."""
    (here.path.parent / "elsewhere").mkdir()
    older = here.path.parent / "elsewhere" / "head"
    shutil.copy(here.path / ".affidavit" / "anchor.checkpoint", older)
    grown(here)
    return older


def test_an_older_place_holds_the_newest_head_before_the_list_names_it(
    moving: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = with_an_older_place(moving)
    monkeypatch.setattr(AnchorSettings, "write", lambda *_: (_ for _ in ()).throw(EnvironmentFailed("full")))
    assert moving("anchor", "add", "file", "../elsewhere/head", "--replace").exit_code == 3
    assert older.read_bytes() == (moving.path / ".affidavit" / "anchor.checkpoint").read_bytes()


def test_a_file_is_not_let_go_of_where_its_successor_cannot_be_written(
    moving: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_an_older_place(moving)
    monkeypatch.setattr(
        AnchorFile, "_put", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    refused = moving("anchor", "add", "file", "../elsewhere/head", "--replace")
    assert (refused.exit_code, "cannot be written: No space left" in refused.stderr) == (3, True)
    assert file_of(moving)["name"].endswith("anchor.checkpoint")


def test_another_ledgers_file_is_not_taken_up(moving: Folder, tmp_path: Path) -> None:
    other = new_ledger(tmp_path / "other", origin="lender.example/models")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "head").write_bytes(other.head().checkpoint)
    other.close()
    refused = moving("anchor", "add", "file", "../elsewhere/head", "--replace")
    assert (refused.exit_code, "two ledgers with one origin" in refused.stderr) == (2, True)
    assert file_of(moving)["name"].endswith("anchor.checkpoint")
