"""The artifact store keeps bytes under their digest, and never hands out others."""

import errno
import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest

from audit.errors import EnvironmentFailed, MalformedInput, NotFound, NotVerified
from registry.artifacts import ArtifactStore, digest_of_file


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def test_what_was_put_comes_back_under_its_sha256(store: ArtifactStore) -> None:
    digest = store.put(b"evidence")
    assert digest == hashlib.sha256(b"evidence").hexdigest()
    assert store.get(digest) == b"evidence"


def test_a_file_lies_in_the_folder_of_its_first_two_digits_and_nobody_may_write_it(
    store: ArtifactStore,
) -> None:
    digest = store.put(b"evidence")
    path = store.root / "sha256" / digest[:2] / digest[2:]
    assert path.read_bytes() == b"evidence"
    assert path.stat().st_mode & 0o777 == 0o444


def test_putting_twice_keeps_one_file(store: ArtifactStore) -> None:
    assert store.put(b"x") == store.put(b"x")
    assert len(list(store.digests())) == 1


def test_empty_bytes_are_an_artifact_too(store: ArtifactStore) -> None:
    assert store.get(store.put(b"")) == b""


def test_a_file_is_copied_into_the_store(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(b"abc" * 1_000_000)
    digest = store.put_file(source)
    assert digest_of_file(source) == (digest, 3_000_000)
    with store.open(digest) as stream:
        assert stream.read(6) == b"abcabc"


def test_an_open_file_is_copied_from_its_beginning(store: ArtifactStore, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(b"abc" * 1_000_000)
    with source.open("rb") as stream:
        stream.seek(5)
        assert store.put_stream(stream) == store.put_stream(stream) == digest_of_file(source)[0]
    assert len(store.get(digest_of_file(source)[0])) == 3_000_000


def test_a_flipped_byte_is_never_handed_out(store: ArtifactStore) -> None:
    digest = store.put(b"evidence")
    path = store.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"evidencf")
    with pytest.raises(NotVerified, match=digest):
        store.get(digest)


def test_putting_again_mends_a_damaged_file(store: ArtifactStore) -> None:
    digest = store.put(b"evidence")
    path = store.path(digest)
    path.chmod(0o644)
    path.write_bytes(b"")
    store.put(b"evidence")
    assert store.get(digest) == b"evidence"


def test_a_missing_artifact_is_named(store: ArtifactStore) -> None:
    with pytest.raises(NotFound, match="0" * 64):
        store.get("0" * 64)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_digest_never_reaches_the_file_system(store: ArtifactStore, name: str) -> None:
    with pytest.raises(MalformedInput):
        store.exists(name)


def test_digests_are_sorted_and_pass_over_strangers(store: ArtifactStore) -> None:
    digests = sorted(store.put(bytes([number])) for number in range(20))
    folder = store.path(digests[0]).parent
    (folder / ".new-abc").write_bytes(b"half")
    (folder / "README").write_bytes(b"stranger")
    assert list(store.digests()) == digests


def test_what_is_no_artifact_is_a_stray_but_a_file_in_the_making_is_not(store: ArtifactStore) -> None:
    folder = store.path(store.put(b"x")).parent
    (folder / ".new-abc").write_bytes(b"half")
    (folder / "README").write_bytes(b"stranger")
    (store.root / "notes.txt").write_bytes(b"stranger")
    assert [path.name for path in store.strays()] == ["notes.txt", "README"]


def test_an_empty_store_has_no_digests_and_makes_no_folder(store: ArtifactStore) -> None:
    assert list(store.digests()) == []
    assert not store.root.exists()


def test_a_full_disk_leaves_no_half_file(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentFailed, match="No space left"):
        store.put(b"evidence")
    assert [path for path in store.root.rglob("*") if path.is_file()] == []


def test_a_source_that_is_not_there_is_named(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"missing\.csv"):
        store.put_file(tmp_path / "missing.csv")


def _put_many(root: Path) -> None:
    for number in range(40):
        ArtifactStore(root).put(str(number).encode())


def test_concurrent_writers_of_the_same_bytes_do_not_disturb_each_other(tmp_path: Path) -> None:
    # Not by fork: in a process that runs threads (a numeric library's) that is a warning.
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_many, args=(tmp_path / "store",)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store = ArtifactStore(tmp_path / "store")
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sorted(store.get(digest) for digest in store.digests()) == sorted(
        str(n).encode() for n in range(40)
    )
    assert not list(store.root.rglob(".new-*"))


def test_a_file_where_a_folder_of_artifacts_belongs_is_a_stray_and_hides_nothing(
    store: ArtifactStore,
) -> None:
    digest = store.put(b"evidence")
    (store.root / "sha256" / "zz").write_text("stray")
    assert list(store.digests()) == [digest]
    assert list(store.strays()) == [Path("sha256/zz")]
