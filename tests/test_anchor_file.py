"""The anchor file: the newest head is in it after every append; a ledger behind or beside it is not appended to."""

import os
import shutil
import sqlite3
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path

import pytest

from audit import tables
from audit.anchor_file import ANCHOR_FILE, AnchorFile
from audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from audit.errors import EnvironmentFailed, MalformedInput
from audit.ledger import Ledger
from audit.note import Note, NoteSignature, VerifierKey
from tests.command_line import Folder, empty_folder
from tests.small_ledger import ORIGIN, Clock, People, new_ledger, report

APPENDER = Path(__file__).with_name("anchored_appender.py")


@pytest.fixture
def anchor(tmp_path: Path, people: People) -> AnchorFile:
    ledger = new_ledger(tmp_path / "ledger", people)
    made = AnchorFile(tmp_path / "elsewhere" / "credit.checkpoint")
    made.create(ledger.head().checkpoint)
    return made


@pytest.fixture
def ledger(tmp_path: Path, people: People, anchor: AnchorFile) -> Ledger:
    return opened(tmp_path / "ledger", people, anchor)


def opened(folder: Path, people: People, anchor: AnchorFile) -> Ledger:
    """Open a ledger anew, as another process would."""
    file = AnchorFile(anchor.path)
    return Ledger(
        tables.open_database(folder / "ledger.db"),
        signer=lambda kind: people.admin,
        log_signer=lambda: people.log,
        anchor=lambda: file,
        clock=Clock(),
    )


def kept(anchor: AnchorFile, people: People) -> Checkpoint:
    return open_checkpoint(anchor.read(), VerifierKey(ORIGIN, people.log.public.raw))


def note(size: int, people: People, root: bytes = bytes(32), origin: str = ORIGIN) -> bytes:
    return sign_checkpoint(Checkpoint(origin, size, root), people.log)


def test_the_newest_head_is_there_after_every_append(
    ledger: Ledger, anchor: AnchorFile, people: People
) -> None:
    for count in (1, 3, 200):
        ledger.append_many([report(str(n)) for n in range(count)])
        assert anchor.read() == ledger.head().checkpoint
    assert kept(anchor, people).size == 205


def test_a_failed_append_leaves_the_anchor_as_it_was(ledger: Ledger, anchor: AnchorFile) -> None:
    before = anchor.read()

    def refuse(_: object) -> None:
        raise MalformedInput("not like this")

    with pytest.raises(MalformedInput):
        ledger.append(report(), within=refuse)
    assert anchor.read() == before


def test_an_older_copy_put_back_is_not_appended_to(
    tmp_path: Path, ledger: Ledger, anchor: AnchorFile, people: People
) -> None:
    database, backup = tmp_path / "ledger" / "ledger.db", tmp_path / "backup.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    ledger.append_many([report("one"), report("two")])
    for journal in database.parent.glob("ledger.db-*"):
        journal.unlink()
    backup.replace(database)
    restored, before = opened(tmp_path / "ledger", people, anchor), anchor.read()
    with pytest.raises(
        EnvironmentFailed, match=r"has 1 entries and its anchor .* 3: an older copy was restored"
    ):
        restored.append(report())
    assert restored.head().size == 1
    assert anchor.read() == before


def test_an_older_copy_that_went_on_under_another_anchor_is_a_fork(
    tmp_path: Path, ledger: Ledger, anchor: AnchorFile, people: People
) -> None:
    shutil.copytree(tmp_path / "ledger", tmp_path / "copy")
    copy = Ledger(
        tables.open_database(tmp_path / "copy" / "ledger.db"),
        signer=lambda kind: people.admin,
        log_signer=lambda: people.log,
    )
    ledger.append(report("here"))
    copy.append(report("there"))
    with pytest.raises(EnvironmentFailed, match="two histories were written under one name"):
        opened(tmp_path / "copy", people, anchor).append(report())
    copy.append(report("and further"))
    with pytest.raises(EnvironmentFailed, match="its first 2 entries are not the same"):
        opened(tmp_path / "copy", people, anchor).append(report())
    assert copy.head().size == 3


def test_a_store_ahead_of_its_anchor_goes_on(ledger: Ledger, anchor: AnchorFile, people: People) -> None:
    # As after a loss of power, which may lose what was written without an fsync.
    older = anchor.read()
    ledger.append(report("one"))
    anchor.path.write_bytes(older)
    ledger.append(report("two"))
    assert kept(anchor, people).size == 3


def test_halves_of_two_notes_are_not_passed_over_and_not_taken_for_a_note(
    ledger: Ledger, anchor: AnchorFile, people: People
) -> None:
    ledger.append(report())
    whole = anchor.read()
    torn = whole[:-40] + bytes(40)
    anchor.path.write_bytes(torn)
    with pytest.raises(EnvironmentFailed, match=r"does not read .*`affidavit anchor reset --reason TEXT`"):
        ledger.append(report())
    assert (ledger.head().size, anchor.path.read_bytes()) == (2, torn)


def test_a_note_whose_signature_is_cut_from_another_is_not_taken(
    ledger: Ledger, anchor: AnchorFile, people: People
) -> None:
    ledger.append(report())
    first, second = note(2, people).split(b"\n\n"), anchor.read().split(b"\n\n")
    anchor.path.write_bytes(second[0] + b"\n\n" + first[1])
    with pytest.raises(EnvironmentFailed, match="nothing was appended"):
        ledger.append(report())


@pytest.mark.parametrize("empty", [True, False])
def test_an_anchor_that_is_gone_or_empty_is_not_made_anew(
    ledger: Ledger, anchor: AnchorFile, empty: bool
) -> None:
    anchor.path.unlink()
    if empty:
        anchor.path.touch()
    with pytest.raises(EnvironmentFailed, match="does not read" if empty else "is not there"):
        ledger.append(report())
    assert ledger.head().size == 1


def test_an_anchor_of_another_ledger_is_named(ledger: Ledger, anchor: AnchorFile, people: People) -> None:
    anchor.path.write_bytes(note(1, people, origin="other.example/ledger"))
    with pytest.raises(EnvironmentFailed, match=r"is of the ledger 'other\.example/ledger'"):
        ledger.append(report())


def test_an_anchor_of_another_ledger_with_the_same_origin_is_named(
    ledger: Ledger, anchor: AnchorFile
) -> None:
    anchor.path.write_bytes(note(1, People()))
    with pytest.raises(EnvironmentFailed, match=r"two ledgers with the origin 'test\.example/ledger'"):
        ledger.append(report())


def test_an_older_note_never_takes_the_place_of_a_newer(anchor: AnchorFile, people: People) -> None:
    newer, older = note(9, people), note(8, people)
    anchor.advance(newer)
    anchor.advance(older)
    assert anchor.read() == newer


def test_a_note_that_is_shorter_leaves_nothing_of_the_longer_one(anchor: AnchorFile, people: People) -> None:
    one = Note.parse(note(7, people))
    both = Note(one.text, (*one.signatures, NoteSignature("another", bytes(4), bytes(64))))
    anchor.advance(both.to_bytes())
    inode = anchor.path.stat().st_ino
    anchor.advance(note(8, people))
    assert anchor.read() == note(8, people)
    assert anchor.path.stat().st_ino != inode


def test_an_append_costs_no_fsync_of_the_anchor(
    ledger: Ledger, anchor: AnchorFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    inode = anchor.path.stat().st_ino
    ledger.append(report())
    assert (synced, anchor.path.stat().st_ino) == ([], inode)


def test_an_anchor_that_fails_after_the_commit_is_a_warning_and_the_entry_stands(
    ledger: Ledger, anchor: AnchorFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.warns(RuntimeWarning, match="the entry stands, but the anchor file"):
        assert ledger.append(report()).seq == 1
    assert ledger.head().size == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_anchor_that_cannot_be_written_stops_an_append_before_it(
    ledger: Ledger, anchor: AnchorFile
) -> None:
    anchor.path.chmod(0o444)
    with pytest.raises(EnvironmentFailed, match="cannot be opened: Permission denied; nothing was appended"):
        ledger.append(report())
    assert ledger.head().size == 1


def test_processes_that_append_at_once_leave_the_newest_head(
    tmp_path: Path, ledger: Ledger, anchor: AnchorFile, people: People
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, signer in (("admin", people.admin), ("log", people.log)):
        (keys / name).write_bytes(signer.private.private_bytes_raw())  # type: ignore[union-attr]
    arguments = [str(tmp_path / "ledger"), str(anchor.path), str(keys), "15"]
    running = [subprocess.Popen([sys.executable, "-P", str(APPENDER), *arguments]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert anchor.read() == ledger.head().checkpoint
    assert kept(anchor, people).size == 46


def test_a_reset_keeps_what_was_given_up(anchor: AnchorFile, people: People) -> None:
    old = anchor.read()
    first = anchor.reset(note(4, people))
    second = anchor.reset(note(2, people))
    assert first is not None
    assert second is not None
    assert (first.read_bytes(), second.read_bytes()) == (old, note(4, people))
    assert anchor.read() == note(2, people)


# -- init --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return empty_folder(tmp_path / "here")


def test_a_new_ledger_keeps_its_newest_head_in_its_folder(here: Folder) -> None:
    made = here.json("init", "--origin", "bank.example/one")
    assert Path(made["anchor"]) == Path(".affidavit") / ANCHOR_FILE
    assert (here.path / made["anchor"]).read_text() == here.text("checkpoint")


def test_a_new_ledger_keeps_its_newest_head_elsewhere_if_asked(here: Folder) -> None:
    here.text("init", "--origin", "bank.example/one", "--anchor", "../safe/one.checkpoint")
    assert (here.path.parent / "safe" / "one.checkpoint").read_text() == here.text("checkpoint")
    assert not (here.path / ".affidavit" / ANCHOR_FILE).exists()


@pytest.mark.parametrize(
    ("origin", "sentence"),
    [
        ("bank.example/one", "two ledgers with one origin could not be told apart"),
        ("bank.example/two", "is the anchor of the ledger 'bank.example/one'"),
    ],
)
def test_the_anchor_of_another_ledger_is_not_taken(here: Folder, origin: str, sentence: str) -> None:
    here.text("init", "one", "--origin", "bank.example/one", "--anchor", "safe/one.checkpoint")
    refused = here("init", "two", "--origin", origin, "--anchor", "safe/one.checkpoint")
    assert refused.exit_code == 2
    assert sentence in refused.stderr
    assert not (here.path / "two").exists()


def test_a_file_that_is_no_checkpoint_is_not_overwritten(here: Folder) -> None:
    (here.path / "thesis.txt").write_text("years of work")
    refused = here("init", "--origin", "bank.example/one", "--anchor", "thesis.txt")
    assert (refused.exit_code, (here.path / "thesis.txt").read_text()) == (2, "years of work")
    assert "an anchor never overwrites a file" in refused.stderr


def test_an_anchor_in_the_ledgers_own_folder_is_not_elsewhere(here: Folder) -> None:
    refused = here("init", "--origin", "bank.example/one", "--anchor", ".affidavit/kept.checkpoint")
    assert refused.exit_code == 2
    assert "lies in the ledger's own folder" in refused.stderr


def test_a_ledger_that_cannot_be_made_leaves_no_anchor(here: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    refused = here("init", "--origin", "bank.example/one", "--anchor", "safe/one.checkpoint")
    assert (refused.exit_code, list(here.path.glob("safe/*"))) == (3, [])


def test_a_restored_backup_is_refused_on_the_command_line_and_can_be_read(here: Folder) -> None:
    here.text("init", "--origin", "bank.example/one")
    ledger = here.path / ".affidavit" / "ledger.db"
    backup = ledger.read_bytes()
    here.text("key", "create", "second")
    here.text("key", "grant", "second", "--role", "recorder", "--holder", "Ana Ruiz")
    ledger.write_bytes(backup)
    with warnings.catch_warnings():
        refused = here("key", "grant", "second", "--role", "recorder", "--holder", "Ana Ruiz")
    assert refused.exit_code == 3
    assert "put the newer copy back" in refused.stderr
    assert here("log").exit_code == 0


def test_a_copy_from_before_the_logs_key_changed_is_still_told_to_be_older(
    anchor: AnchorFile, people: People
) -> None:
    anchor.reset(note(3, People()))
    known = [VerifierKey(ORIGIN, people.log.public.raw)]
    with pytest.raises(EnvironmentFailed, match="an older copy was restored"):
        anchor.check(1, bytes(32), lambda size: None, known)
