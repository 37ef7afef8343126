"""Commands on a ledger that a URL names, as they are typed, and what docs/postgresql.md shows."""

import re
from pathlib import Path

import pytest

from tests.command_line import Folder, empty_folder
from tests.postgres_ledger import Database
from tests.transcripts import blocks, run_block


def test_a_table_of_somebody_else_is_neither_used_nor_dropped(
    empty_database: Database, tmp_path: Path
) -> None:
    empty_database.execute("CREATE TABLE inbox (letter TEXT)")
    result = Folder(tmp_path)(
        "--ledger", empty_database.text, "init", "--origin", "bank.example/credit",
        variables={"XDG_DATA_HOME": str(tmp_path / "data")},
    )  # fmt: skip
    assert (result.exit_code, "tables called inbox already" in result.stderr) == (2, True)
    tables = empty_database.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    )
    assert tables == [("inbox",)]


def test_commands_work_with_a_url(empty_database: Database, tmp_path: Path) -> None:
    here = Folder(tmp_path)

    def typed(*arguments: str, status: int = 0) -> str:
        result = here(
            *arguments,
            variables={"AFFIDAVIT_LEDGER": empty_database.text, "XDG_DATA_HOME": str(tmp_path / "data")},
        )
        assert result.exit_code == status, result.stderr
        return result.stdout

    result = here(
        "--ledger", empty_database.text, "init", "--origin", "bank.example/credit",
        variables={"XDG_DATA_HOME": str(tmp_path / "data")},
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    typed("key", "create", "validator")
    typed("key", "grant", "validator", "--role", "validator", "--holder", "Dana Whitfield")
    assert "key-grant" in typed("log")
    assert "validator" in typed("key", "list")
    assert "passed: verified, 4 entries" in typed("verify")
    typed("ledger", "rebuild")
    assert [len(list((tmp_path / "data").rglob(name))) for name in ("log.pem", "anchor.checkpoint")] == [1, 1]
    again = here(
        "--ledger", empty_database.text, "init", "--origin", "bank.example/credit",
        variables={"XDG_DATA_HOME": str(tmp_path / "other")},
    )  # fmt: skip
    assert (again.exit_code, "holds a ledger already" in again.stderr) == (2, True)
    assert list((tmp_path / "other").rglob("*.pem")) == []


def test_what_the_page_shows_happens_as_shown(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE", empty_database.text)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    page = Path(__file__).parents[1] / "docs" / "postgresql.md"
    here = empty_folder(tmp_path / "here")
    for block in blocks(page):
        run_block(block, here, page.name)
    # The SQL that the page makes can be run, and run again; and so can what it shows of logins.
    roles = (here.path / "roles.sql").read_text()
    logins = re.search(r"```sql\n(.*?)```", page.read_text(), re.DOTALL)
    assert logins is not None
    names = re.findall(r"ROLE (\w+) LOGIN", logins[1])
    for sql in (roles, roles, logins[1], *(f"DROP ROLE {name}" for name in names)):
        empty_database.execute(sql)
