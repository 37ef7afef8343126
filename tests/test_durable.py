"""Writing whole or not at all: what fails leaves what was there, and what a killed process left blocks nobody."""

import errno
import os
import re
import stat
from pathlib import Path

import pytest

import audit.durable
from audit.durable import UNFINISHED, make_folder, new_file, replace_file, replacing, sync_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(number: int, only_folders: bool = False) -> object:
    """Return an fsync that fails with an error number."""

    def fsync(descriptor: int) -> None:
        if not only_folders or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    return fsync


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    replace_file(path, b"after", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"after", 0o600)
    assert names(tmp_path) == ["kept"]


def test_where_the_disk_is_full_the_file_from_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left") as caught:
        replace_file(path, b"after", 0o600)
    assert caught.value.filename == str(path)
    assert (path.read_bytes(), names(tmp_path)) == (b"before", ["kept"])


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileExistsError, match="no file"):
        replace_file(tmp_path / "pipe", b"after", 0o600)
    assert names(tmp_path) == ["pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_block_that_raises_leaves_the_file_from_before(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"before")

    def write_and_fail() -> None:
        with replacing(path, 0o600) as file:
            file.write(b"after")
            raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        write_and_fail()
    assert (path.read_bytes(), names(tmp_path)) == (b"before", ["kept"])


def test_a_new_file_is_never_made_over_another(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    new_file(path, b"mine", 0o600)
    with pytest.raises(FileExistsError) as caught:
        new_file(path, b"theirs", 0o600)
    assert caught.value.filename == str(path)
    assert (path.read_bytes(), names(tmp_path)) == (b"mine", ["kept"])


def test_a_new_file_whose_name_cannot_be_made_durable_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EIO, only_folders=True))
    with pytest.raises(OSError, match="Input/output error"):
        new_file(tmp_path / "kept", b"mine", 0o600)
    assert names(tmp_path) == []


def test_where_there_are_no_links_a_new_file_is_made_and_still_over_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(target), None, str(self))

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    path = tmp_path / "kept"
    new_file(path, b"mine", 0o600)
    with pytest.raises(FileExistsError):
        new_file(path, b"theirs", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"mine", 0o600)
    assert names(tmp_path) == ["kept"]


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path: Path) -> None:
    left = tmp_path / f"{UNFINISHED}0123456789abcdef"
    left.write_bytes(b"half")
    replace_file(tmp_path / "a", b"one", 0o600)
    new_file(tmp_path / "b", b"two", 0o600)
    assert names(tmp_path) == [left.name, "a", "b"]


def test_a_file_system_that_cannot_synchronise_a_folder_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL, only_folders=True))
    replace_file(tmp_path / "kept", b"mine", 0o600)
    assert (tmp_path / "kept").read_bytes() == b"mine"


def test_a_folder_that_is_not_there_is_an_error_and_no_silence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "none")


def test_folders_are_made_down_to_the_one_that_is_needed(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


NOT_TO_BE_KEPT = {
    "audit/attacks.py": "a dishonest operator's copy",
    "audit/terminal.py": "a stream that a caller has closed",
    "registry/checkout.py": "a checkout that goes away with its run",
    "registry/no_effects.py": "an example of what it refuses",
    "registry/rerun.py": "what a child process hands to its parent",
    "reports/demo.py": "a folder that is made anew each time",
}


def test_every_file_that_is_to_be_kept_is_written_by_the_one_writer_that_makes_it_durable() -> None:
    root = Path(audit.durable.__file__).parent.parent
    careless = re.compile(r"\.write_(bytes|text)\(|open\([^)]*[\"'][wax]b?[\"']")
    found = {
        str(path.relative_to(root))
        for floor in ("audit", "registry", "reports")
        for path in (root / floor).rglob("*.py")
        if careless.search(path.read_text())
    }
    # The second opens a member of a zip file, whose own file `replacing` gives.
    assert found - {"audit/durable.py", "audit/archive.py"} == NOT_TO_BE_KEPT.keys()
