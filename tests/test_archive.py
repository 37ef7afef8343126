"""Zip files: the same bytes for the same members, and nothing read that tools could read differently."""

import base64
import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import archive
from audit.archive import Archive, write_archive
from audit.errors import MalformedInput

MEMBERS = {"b/c": b"two", "a": b"one", "empty": b""}


def written(members: dict[str, bytes] | None = None) -> bytes:
    target = io.BytesIO()
    write_archive(target, MEMBERS if members is None else members)
    return target.getvalue()


def read(data: bytes) -> dict[str, bytes]:
    with Archive.open(io.BytesIO(data)) as opened:
        opened.check()
        return {name: opened.read(name, most=1 << 20) for name in opened.sizes}


def zipped(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    """Write a zip file with the standard library alone."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        change(file)
    return target.getvalue()


@given(st.dictionaries(st.text("abc/.", min_size=1, max_size=8), st.binary(max_size=200), max_size=6))
def test_what_was_written_is_read(members: dict[str, bytes]) -> None:
    assert read(written(members)) == members


def test_the_bytes_follow_from_the_members_alone(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"one")
    target = io.BytesIO()
    write_archive(target, {"a": tmp_path / "one", "empty": b"", "b/c": b"two"})
    assert target.getvalue() == written()


def test_other_tools_read_it(tmp_path: Path) -> None:
    (tmp_path / "written.zip").write_bytes(written())
    with zipfile.ZipFile(tmp_path / "written.zip") as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == MEMBERS


def test_a_deflated_copy_reads_the_same() -> None:
    def deflated(file: zipfile.ZipFile) -> None:
        for name, data in MEMBERS.items():
            file.writestr(name, data * 1_000, zipfile.ZIP_DEFLATED)

    assert read(zipped(deflated)) == {name: data * 1_000 for name, data in MEMBERS.items()}


# `zip -q -D again.zip a` by Info-ZIP 3.0, of 1,000 times "one": deflated, with timestamps, owner and group beside it.
BY_INFO_ZIP = (
    "UEsDBBQAAAAIAMBLLVyPE3DYGAAAALgLAAABABwAYVVUCQADmBBmaZgQZml1eAsAAQQAAAAABAAAAADtwqENAAAMArBrsfC/2xsT"
    "bbpmqqrq7wdQSwECHgMUAAAACADASy1cjxNw2BgAAAC4CwAAAQAYAAAAAAABAAAApIEAAAAAYVVUBQADmBBmaXV4CwABBAAAAAAE"
    "AAAAAFBLBQYAAAAAAQABAEcAAABTAAAAAAA="
)


def test_a_copy_that_was_zipped_again_by_info_zip_reads_the_same() -> None:
    assert read(base64.b64decode(BY_INFO_ZIP)) == {"a": b"one" * 1_000}


def twice(file: zipfile.ZipFile) -> None:
    file.writestr("a", b"one")
    with pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("a", b"two")


def linked(file: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("a")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    file.writestr(info, "/etc/passwd")


def packed_otherwise(file: zipfile.ZipFile) -> None:
    file.writestr("a", b"one", zipfile.ZIP_BZIP2)


def commented(file: zipfile.ZipFile) -> None:
    file.writestr("a", b"one")
    file.comment = b"hello"


def member_commented(file: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("a")
    info.comment = b"hello"
    file.writestr(info, b"one")


def named_again(file: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("a")
    info.extra = struct.pack("<2H", 0x7075, 6) + b"\x01\0\0\0\0b"  # Info-ZIP's Unicode path: another name
    file.writestr(info, b"one")


def foreign_name(file: zipfile.ZipFile) -> None:
    file.writestr("ä", b"one")


def a_folder(file: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("a/")
    info.create_system, info.external_attr = 3, (stat.S_IFDIR | 0o755) << 16
    file.writestr(info, b"")


@pytest.mark.parametrize(
    "change",
    [twice, linked, packed_otherwise, commented, member_commented, named_again, foreign_name, a_folder],
)
def test_what_tools_could_read_differently_is_refused(change: Callable[[zipfile.ZipFile], None]) -> None:
    with pytest.raises(MalformedInput):
        read(zipped(change))


def test_a_stream_with_data_descriptors_is_refused() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *arguments: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    target = Unseekable()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("a", b"one")
    with pytest.raises(MalformedInput):
        read(target.getvalue())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"x" + written(),
        written() + b"x",
        written() + written(),
        written()[:-1],
        written()[:40],
        written().replace(b"one", b"oen"),
        written().replace(b"b/c", b"b/d", 1),
        written().replace(b"PK\x01\x02", b"PK\x01\x03", 1),
    ],
)
def test_a_file_that_is_not_whole_or_more_than_whole_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read(data)


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(written({"a": b"one"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    with pytest.raises(MalformedInput, match="encrypted"):
        read(bytes(data))


def test_members_that_share_their_bytes_are_refused() -> None:
    data = bytearray(written({"a": b"one", "b": b"one"}))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[second + 42 : second + 46] = struct.pack("<L", 0)  # the second member's place: that of the first
    with pytest.raises(MalformedInput):
        read(bytes(data))


def test_a_member_that_unpacks_to_more_than_it_says_is_refused() -> None:
    data = bytearray(zipped(lambda file: file.writestr("a", b"0" * 100_000, zipfile.ZIP_DEFLATED)))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        data[data.index(mark) + place : data.index(mark) + place + 4] = struct.pack("<L", 100)
    with pytest.raises(MalformedInput):
        read(bytes(data))


def test_too_many_bytes_are_refused_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written({"a": b"0" * 60, "b": b"0" * 60})
    monkeypatch.setattr(archive, "MOST_BYTES", 100)
    with pytest.raises(MalformedInput, match="unpacks to more"):
        read(data)
    with pytest.raises(MalformedInput, match="leave artifacts out"):
        written({"a": b"0" * 101})


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written()
    monkeypatch.setattr(archive, "MOST_MEMBERS", 2)
    with pytest.raises(MalformedInput, match="3 members"):
        read(data)
    with pytest.raises(MalformedInput, match="at most 2 members"):
        written()


def test_a_member_larger_than_was_asked_for_is_refused() -> None:
    with Archive.open(io.BytesIO(written())) as opened, pytest.raises(MalformedInput, match="3 bytes"):
        opened.read("a", most=2)


@given(st.data())
def test_a_changed_byte_is_refused_or_leaves_every_member_as_it_was(data: st.DataObject) -> None:
    changed = bytearray(written())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(changed))
    except MalformedInput:
        return
    # Dates, versions and permissions are no evidence; names and contents are.
    assert found == MEMBERS


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read(b"PK\x03\x04" + data)
