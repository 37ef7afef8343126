"""What the command line says about keys and passphrases that are not there, wrong, or seen by others."""

import json
from pathlib import Path

import pytest

from tests.command_line import ENTRIES, Folder, a_lender, complaint, empty_folder, untouched

ADOPT = ("policy", "adopt", "baseline", "--stage", "pilot")


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """Give a lender's folder: loans@1 in production, loans@2 recorded, 11 entries."""
    return a_lender(tmp_path / "lender")


@pytest.fixture
def locked(tmp_path: Path) -> Folder:
    """Give a ledger whose keys have a passphrase."""
    folder = empty_folder(tmp_path / "locked")
    assert (
        folder(
            "init", "--origin", "locked.example/x", variables={"AFFIDAVIT_PASSPHRASE": "correct"}
        ).exit_code
        == 0
    )
    return folder


def test_a_wrong_passphrase_is_one_line(locked: Folder) -> None:
    said = complaint(locked(*ADOPT, variables={"AFFIDAVIT_PASSPHRASE": "wrong"}))
    assert "passphrase is wrong" in said
    assert "wrong'" not in said.replace("'owner'", "")
    untouched(locked, 3)


def test_a_passphrase_that_is_not_given_is_one_line_that_names_the_variable(locked: Folder) -> None:
    assert "AFFIDAVIT_PASSPHRASE" in complaint(locked(*ADOPT))
    untouched(locked, 3)


def test_each_key_may_have_a_passphrase_of_its_own(locked: Folder) -> None:
    own = {"AFFIDAVIT_PASSPHRASE_OWNER": "correct", "AFFIDAVIT_PASSPHRASE_LOG": "correct"}
    assert locked(*ADOPT, variables={"AFFIDAVIT_PASSPHRASE": "wrong", **own}).exit_code == 0


def test_reading_and_verifying_need_no_passphrase(locked: Folder) -> None:
    untouched(locked, 3)


def test_a_key_without_a_passphrase_is_warned_about(tmp_path: Path) -> None:
    result = empty_folder(tmp_path)("init", "--origin", "open.example/x", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["key"] == "owner"
    assert "without a passphrase" in result.stderr


def test_a_key_file_that_others_can_read_is_refused(here: Folder) -> None:
    path = here.path / ".affidavit" / "keys" / "scientist.pem"
    path.chmod(0o644)
    said = complaint(here("run", "loans.py", "--as", "scientist"))
    assert "can be read by others" in said
    assert "chmod 600" in said
    path.chmod(0o600)
    untouched(here)


def test_a_key_file_that_is_damaged_is_one_line(here: Folder) -> None:
    path = here.path / ".affidavit" / "keys" / "scientist.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n")
    assert "'scientist' does not open" in complaint(here("run", "loans.py", "--as", "scientist"))
    untouched(here)


def test_keys_may_lie_elsewhere(here: Folder, tmp_path: Path) -> None:
    (here.path / ".affidavit" / "keys").rename(tmp_path / "keys")
    said = complaint(here("run", "loans.py"))
    assert "no key in" in said or "keys" in said
    found = here(*ADOPT, "--as", "admin", variables={"AFFIDAVIT_KEYS": str(tmp_path / "keys")})
    assert found.exit_code == 0
    untouched(here, ENTRIES + 1)
