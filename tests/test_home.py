"""A new ledger is there whole, or not at all."""

from pathlib import Path

import pytest

from audit.errors import EnvironmentFailed, MalformedInput
from registry.founding import Founding, create_home
from registry.home import FOLDER, Home, find_home


def create(folder: Path) -> Home:
    return create_home(folder, Founding("test.example/models", "owner", "Ilse", ("admin",)), lambda _: b"")


def test_a_ledger_is_never_made_over_another(tmp_path: Path) -> None:
    create(tmp_path)
    with pytest.raises(MalformedInput, match="never overwritten"):
        create(tmp_path)


def test_a_place_that_cannot_take_the_new_folder_is_one_sentence_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / FOLDER).symlink_to(tmp_path / "not there")
    with pytest.raises(EnvironmentFailed, match="nothing was made"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_a_ledger_whose_database_is_gone_is_not_said_to_be_none(tmp_path: Path) -> None:
    home = create(tmp_path)
    home.database.unlink()
    with pytest.raises(EnvironmentFailed, match=r"has lost its database: restore ledger\.db from a copy"):
        find_home(None, tmp_path)
