"""No command writes into a ledger's folder, or over what is of another kind, and none appends an entry before that."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from audit.errors import MalformedInput
from audit.outputs import NEW, check_file, check_folder
from tests.command_line import Folder, a_lender

INSIDE = ".affidavit/ledger.db"
WRITING: dict[str, tuple[str, ...]] = {
    "report": ("report", "loans@1", "--as", "validator", "-o"),
    "export": ("export", "loans@1", "-o"),
    "checkpoint": ("checkpoint", "-o"),
    "drill": ("drill", "--entries", "3", "-o"),
    "fingerprint": ("fingerprint", "loans.csv", "-o"),
}
IN_THE_LEDGER: dict[str, Sequence[str]] = {
    **{name: (*command, ".affidavit/new") for name, command in WRITING.items()},
    "over the database": (*WRITING["report"], INSIDE),
    "over the anchor": (*WRITING["checkpoint"], ".affidavit/anchor.checkpoint"),
    "among the keys": (*WRITING["checkpoint"], ".affidavit/keys/head.txt"),
    "a draft": ("key", "grant", "x", "--role", "recorder", "--holder", "X", "--draft", ".affidavit/x.draft"),
    "tiles": ("ledger", "tiles", ".affidavit"),
    "tiles beneath": ("ledger", "tiles", ".affidavit/artifacts/tiles"),
    "saved anchors": ("anchor", "save", ".affidavit/keys"),
    "a bundle unpacked": ("import", "evidence.zip", "--into", ".affidavit/case"),
    "a witness": ("witness", "key", "create", "w.example", "--state", ".affidavit"),
    "a demonstration": ("demo", ".affidavit/demo"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A lender with one file of each kind; no test changes it."""
    folder = a_lender(tmp_path_factory.mktemp("outputs") / "lender")
    folder.text("export", "loans@1", "-o", "evidence.zip")
    folder.text("checkpoint", "-o", "head.txt")
    (folder.path / "card.pdf").write_bytes(b"%PDF-1.7\n")
    (folder.path / "empty").touch()
    return folder


def state(folder: Folder) -> dict[str, bytes]:
    """Return every file, but for what SQLite keeps beside a database that is open."""
    files = (path for path in folder.path.rglob("*") if path.is_file())
    return {str(p): p.read_bytes() for p in files if not p.name.endswith(("-wal", "-shm", "-journal"))}


@pytest.mark.parametrize("command", IN_THE_LEDGER.values(), ids=list(IN_THE_LEDGER))
def test_nothing_is_written_into_a_ledgers_folder(made: Folder, command: Sequence[str]) -> None:
    before = state(made)
    result = made(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(
        "is in a ledger's own folder, where nothing else is written: name another place\n"
    )
    assert state(made) == before


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (name, place)
        for name in WRITING
        for place in ("loans.py", "loans.csv", "card.pdf", "evidence.zip", "head.txt")
        if (name, place)
        not in (("report", "card.pdf"), ("export", "evidence.zip"), ("checkpoint", "head.txt"))
    ],
)
def test_what_is_of_another_kind_is_not_written_over(made: Folder, name: str, place: str) -> None:
    before = state(made)
    result = made(*WRITING[name], place)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is something else than a" in result.stderr
    assert result.stderr.endswith(f"at {place}: write it under another name\n")
    assert state(made) == before


def test_the_name_that_a_report_gets_by_itself_is_looked_at_too(made: Folder, tmp_path: Path) -> None:
    here = Folder(Path(shutil.copytree(made.path, tmp_path / "lender")))
    for name in ("loans-1-model-card.pdf", "loans-1-evidence.zip"):
        (here.path / name).write_text("notes")
    before = state(here)
    assert here("report", "loans@1", "--as", "validator").exit_code == 2
    assert here("export", "loans@1").exit_code == 2
    assert state(here) == before


@pytest.mark.parametrize("name", ["export", "checkpoint", "drill", "fingerprint"])
def test_an_empty_file_and_one_of_the_same_kind_are_written_over(
    made: Folder, tmp_path: Path, name: str
) -> None:
    here = Folder(Path(shutil.copytree(made.path, tmp_path / "lender")))
    here.text(*WRITING[name], "empty")
    here.text(*WRITING[name], "empty")
    assert (here.path / "empty").stat().st_size > 0


def test_an_older_head_is_not_put_in_the_place_of_the_ledgers_anchor(made: Folder, tmp_path: Path) -> None:
    here = Folder(Path(shutil.copytree(made.path, tmp_path / "lender")))
    here.text("anchor", "remove", "anchor.checkpoint")
    here.text("anchor", "add", "file", str(tmp_path / "elsewhere.checkpoint"))
    before = (tmp_path / "elsewhere.checkpoint").read_bytes()
    result = here("checkpoint", "--size", "2", "-o", str(tmp_path / "elsewhere.checkpoint"))
    assert (result.exit_code, "the ledger's own anchor file" in result.stderr) == (2, True)
    assert (tmp_path / "elsewhere.checkpoint").read_bytes() == before


@pytest.mark.parametrize(("kept", "beside"), [("ledger.db", "keys"), ("anchors.json", "artifacts")])
def test_a_ledgers_folder_is_known_by_what_is_in_it(tmp_path: Path, kept: str, beside: str) -> None:
    (tmp_path / kept).write_bytes(b"x")
    check_file(tmp_path / "new", NEW)  # a list of whose anchors to believe may lie anywhere
    (tmp_path / beside).mkdir()
    for refused in (tmp_path / "new", tmp_path / "a" / "b" / "new"):
        with pytest.raises(MalformedInput, match="in a ledger's own folder"):
            check_file(refused, NEW)
    with pytest.raises(MalformedInput, match="in a ledger's own folder"):
        check_folder(tmp_path)


def test_a_link_into_a_ledgers_folder_leads_there(made: Folder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made.path / ".affidavit")
    with pytest.raises(MalformedInput, match="in a ledger's own folder"):
        check_file(tmp_path / "link" / "new", NEW)


@pytest.mark.parametrize("name", ["AFFIDAVIT_KEYS", "AFFIDAVIT_ARTIFACTS"])
def test_keys_and_artifacts_that_are_kept_elsewhere_are_the_ledgers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(MalformedInput, match="in a ledger's own folder"):
        check_file(tmp_path / "new", NEW)


@pytest.mark.parametrize(
    ("line", "instead", "reason"),
    [
        (0, "other.example/models", "a checkpoint of the ledger 'other.example/models'"),
        (1, "999", "whether the ledger lost its tail"),
        (2, "A" * 43 + "=", "a checkpoint of another history"),
    ],
)
def test_a_head_that_may_be_all_that_shows_a_loss_is_not_written_over(
    made: Folder, tmp_path: Path, line: int, instead: str, reason: str
) -> None:
    there = made.text("checkpoint").split("\n")
    there[line] = instead
    kept = tmp_path / "kept.txt"
    kept.write_text(before := "\n".join(there))
    result = made("checkpoint", "-o", str(kept))
    assert (result.exit_code, reason in result.stderr) == (2, True), result.stderr
    assert kept.read_text() == before
