"""A new ledger is there whole, or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.anchor_file import AnchorFile
from audit.anchor_settings import AnchorSettings
from audit.errors import EnvironmentFailed, MalformedInput
from registry.founding import Founding, create_home
from registry.home import FOLDER, Home, find_home
from registry.registry import Registry
from registry.unfinished_home import unfinished_home


def create(folder: Path, anchor: Path | None = None, told: Callable[[str], object] = lambda _: None) -> Home:
    founding = Founding("test.example/models", "owner", "Ilse", ("admin",))
    return create_home(folder, founding, lambda _: b"", anchor, told)


def killed(home: Home, folder: Path) -> Path:
    """Put a new ledger where an init that was killed before it gave the folder its name has left it."""
    (home.folder / "unfinished").touch()
    return home.folder.rename(folder / ".affidavit-new-killed")


def test_a_ledger_is_never_made_over_another(tmp_path: Path) -> None:
    create(tmp_path)
    with pytest.raises(MalformedInput, match="never overwritten"):
        create(tmp_path)


def test_a_place_that_cannot_take_the_new_folder_is_one_sentence_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / FOLDER).symlink_to(tmp_path / "not there")
    with pytest.raises(EnvironmentFailed, match="no ledger was made"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_a_ledger_whose_database_is_gone_is_not_said_to_be_none(tmp_path: Path) -> None:
    home = create(tmp_path)
    home.database.unlink()
    for named in (None, str(tmp_path), str(home.folder)):
        with pytest.raises(EnvironmentFailed, match=r"has lost its database: restore ledger\.db from a copy"):
            find_home(named, tmp_path)


def test_what_a_killed_init_left_is_cleared_away_with_its_anchor_and_said(tmp_path: Path) -> None:
    kept, told = tmp_path / "kept.checkpoint", list[str]()
    left = killed(create(tmp_path, anchor=kept), tmp_path)
    home = create(tmp_path, anchor=kept, told=told.append)
    assert not left.exists()
    assert told == [f"removed what an interrupted init had left in {tmp_path}: {left.name}"]
    assert AnchorFile(kept).read() == Registry(home).ledger.head().checkpoint


def test_the_anchor_of_another_ledger_is_not_taken_for_one_that_a_killed_init_left(tmp_path: Path) -> None:
    kept = tmp_path / "kept.checkpoint"
    create(tmp_path / "other", anchor=kept)
    left = killed(create(tmp_path / "left"), tmp_path)
    AnchorSettings(file=str(kept)).write(left)
    with pytest.raises(MalformedInput, match="two ledgers with one origin"):
        create(tmp_path, anchor=kept)
    assert kept.exists()


def test_a_ledger_that_somebody_copied_is_not_taken_for_one_that_a_killed_init_left(tmp_path: Path) -> None:
    kept, told = tmp_path / "kept.checkpoint", list[str]()
    copied = create(tmp_path, anchor=kept).folder.rename(tmp_path / ".affidavit-new-20261126")
    create(tmp_path, told=told.append)
    assert (Home(copied).database.is_file(), kept.is_file(), told) == (True, True, [])


def test_a_link_to_a_ledger_costs_it_neither_its_files_nor_its_anchor(tmp_path: Path) -> None:
    kept, told = tmp_path / "kept.checkpoint", list[str]()
    other = create(tmp_path / "other", anchor=kept)
    (other.folder / "unfinished").touch()
    (tmp_path / ".affidavit-new-link").symlink_to(other.folder)
    create(tmp_path, told=told.append)
    assert (other.database.is_file(), kept.is_file(), told) == (True, True, [])


def test_an_empty_folder_of_a_killed_init_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".affidavit-new-killed").mkdir()
    create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_a_ledger_that_somebody_is_making_just_now_is_left_alone(tmp_path: Path) -> None:
    with unfinished_home(tmp_path) as making:
        create(tmp_path)
        assert making.is_dir()
