"""The disk that loses power: what is certain is always there, and everything else may be missing."""

from pathlib import Path

import pytest

from tests.faults.disk import SECTOR, Disk, State


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    (tmp_path / "old").write_bytes(b"before")
    return Disk(tmp_path)


def states(disk: Disk) -> list[State]:
    return [state for _, state in disk.states()]


def test_what_was_not_synchronised_may_be_missing_and_may_be_there(disk: Disk, tmp_path: Path) -> None:
    disk.write(f"{tmp_path}/old", 0, b"after.")
    assert {state["old"] for state in states(disk)} == {b"before", b"after."}


def test_what_was_synchronised_is_there_in_every_state(disk: Disk, tmp_path: Path) -> None:
    disk.write(f"{tmp_path}/old", 0, b"after.")
    disk.sync(f"{tmp_path}/old")
    disk.make(f"{tmp_path}/new")
    assert {state["old"] for state in states(disk)} == {b"after."}


def test_the_name_of_a_file_is_certain_once_its_folder_is_synchronised_and_not_before(
    disk: Disk, tmp_path: Path
) -> None:
    disk.make(f"{tmp_path}/new")
    disk.write(f"{tmp_path}/new", 0, b"new")
    disk.sync(f"{tmp_path}/new")
    assert {"new" in state for state in states(disk)} == {True, False}
    disk.sync(str(tmp_path))
    assert {state["new"] for state in states(disk)} == {b"new"}


def test_a_name_that_was_given_to_another_file_leads_to_one_of_the_two(disk: Disk, tmp_path: Path) -> None:
    disk.make(f"{tmp_path}/new")
    disk.write(f"{tmp_path}/new", 0, b"after.")
    disk.rename(f"{tmp_path}/new", f"{tmp_path}/old")
    # Its bytes were not synchronised before: the name may lead to an empty file.
    assert {state["old"] for state in states(disk)} == {b"before", b"after.", b""}


def test_a_second_write_may_reach_the_disk_before_the_first(disk: Disk, tmp_path: Path) -> None:
    disk.write(f"{tmp_path}/old", 0, b"A")
    disk.write(f"{tmp_path}/old", 5, b"Z")
    assert b"beforZ" in {state["old"] for state in states(disk)}


def test_a_write_of_several_sectors_may_be_there_by_half_and_one_sector_may_not(
    disk: Disk, tmp_path: Path
) -> None:
    disk.make(f"{tmp_path}/new")
    disk.sync(str(tmp_path))
    disk.write(f"{tmp_path}/new", 0, bytes(2 * SECTOR))
    assert {len(state["new"] or b"") for state in states(disk)} == {0, SECTOR, 2 * SECTOR}


def test_what_is_in_a_folder_is_gone_with_its_name(disk: Disk, tmp_path: Path) -> None:
    disk.make(f"{tmp_path}/below", folder=True)
    disk.make(f"{tmp_path}/below/new")
    disk.sync(f"{tmp_path}/below")
    assert {tuple(sorted(state)) for state in states(disk)} == {("old",), ("below", "below/new", "old")}
