"""The static tiles tree: what C2SP tlog-tiles says, grown with the ledger, and verified from the files alone."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.envelope import sign
from audit.errors import EnvironmentFailed, MalformedInput, NotVerified
from audit.evidence import Brought
from audit.keys import LocalSigner
from audit.ledger import Ledger
from audit.merkle import leaf_hash, root
from audit.note import VerifierKey
from audit.record import write_record
from audit.statement import Observed
from audit.tiles import TILE_WIDTH
from audit.tiles_check import verify_tiles
from audit.tiles_folder import TilesFolder, tile_name, written_entry
from audit.tiles_tree import write_tiles_tree
from tests.small_evidence import failed, key_of
from tests.small_ledger import ORIGIN, People, claimed, new_ledger, report, signer

MANY = 270
"""Enough for a full tile, and a second row."""


@pytest.fixture(scope="module")
def people() -> People:
    return People()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory, people: People) -> Ledger:
    made = new_ledger(tmp_path_factory.mktemp("tiled"), people)
    made.append_many([report(f"report {number}") for number in range(MANY - 2)])
    made.append(report("the last"))
    return made


@pytest.fixture(scope="module")
def written(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "tiles"
    write_tiles_tree(ledger, folder)
    return folder


@pytest.fixture
def tree(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "tiles"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_are_those_of_the_specification(written: Path) -> None:
    assert sorted(files_of(written)) == [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/14",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/14",
        "vkey.txt",
    ]


@pytest.mark.parametrize(
    ("number", "width", "name"),
    [
        (0, 256, "tile/0/000"),
        (999, 7, "tile/0/999.p/7"),
        (1_000, 256, "tile/0/x001/000"),
        (1_234_067, 256, "tile/0/x001/x234/067"),
    ],
)
def test_a_tile_is_named_as_the_specification_says(number: int, width: int, name: str) -> None:
    assert tile_name(0, number, width) == name


def test_the_entries_are_the_records_and_hash_to_the_tiles(written: Path, ledger: Ledger) -> None:
    records = [record for _, record in TilesFolder(written).records(MANY)]
    assert records == [entry.record for entry in ledger.entries()]
    assert TilesFolder(written).tile(0, 1, 14) == b"".join(map(leaf_hash, records[256:]))
    assert TilesFolder(written).tile(1, 0, 1) == root(map(leaf_hash, records[:256]))


def test_a_tree_that_grows_equals_one_that_is_written_at_once(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    for more in (1, 3, 250, 1, 1, 256, 2):
        ledger.append_many([report() for _ in range(more)])
        write_tiles_tree(ledger, tmp_path / "grown")
        assert verify_tiles(tmp_path / "grown", Brought())
    write_tiles_tree(ledger, tmp_path / "at-once")
    grown, at_once = files_of(tmp_path / "grown"), files_of(tmp_path / "at-once")
    assert at_once.items() <= grown.items()
    # What is there besides: partial tiles of older checkpoints, of which the full tile is not there yet.
    assert all(name.partition(".p/")[0] not in grown for name in grown.keys() - at_once.keys())


def test_writing_again_changes_nothing(tree: Path, ledger: Ledger) -> None:
    before = files_of(tree)
    write_tiles_tree(ledger, tree)
    assert files_of(tree) == before


def test_a_writing_that_was_cut_short_is_taken_up_again(tree: Path, ledger: Ledger) -> None:
    whole = files_of(tree)
    (tree / "checkpoint").unlink()
    (tree / "tile/1/000.p/1").unlink()
    (tree / "tile/0/.new-77").write_bytes(b"half")
    write_tiles_tree(ledger, tree)
    (tree / "tile/0/.new-77").unlink()
    assert files_of(tree) == whole


@pytest.mark.parametrize("name", ["notes.txt", "checkpoint.txt"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(
    tmp_path: Path, ledger: Ledger, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(MalformedInput, match="not a tiles tree"):
        write_tiles_tree(ledger, tmp_path)
    assert files_of(tmp_path) == {name: b"mine"}


def test_the_tree_of_another_ledger_is_refused_and_left_alone(tree: Path, tmp_path: Path) -> None:
    before = files_of(tree)
    with pytest.raises(MalformedInput, match="not of the ledger"):
        write_tiles_tree(new_ledger(tmp_path / "other"), tree)
    assert files_of(tree) == before


def test_the_tree_of_another_history_of_the_same_log_is_refused(
    tree: Path, tmp_path: Path, people: People
) -> None:
    other = new_ledger(tmp_path / "other", people)
    other.append_many([report() for _ in range(MANY)])
    with pytest.raises(NotVerified, match="another history"):
        write_tiles_tree(other, tree)


def test_a_ledger_that_lost_its_tail_does_not_overwrite_the_tree(
    tree: Path, tmp_path: Path, people: People
) -> None:
    with pytest.raises((NotVerified, MalformedInput)):
        write_tiles_tree(new_ledger(tmp_path / "short", people), tree)


def test_a_ledger_whose_records_were_changed_gives_no_checkpoint(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    ledger.append_many([report(), report()])
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER records_no_update")
        connection.exec_driver_sql(
            "UPDATE records SET record = (SELECT record FROM records WHERE seq = 1) WHERE seq = 2"
        )
    with pytest.raises(NotVerified, match="do not lead to the root"):
        write_tiles_tree(ledger, tmp_path / "tiles")
    assert not (tmp_path / "tiles" / "checkpoint").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "tile" / "entries").mkdir(parents=True)
    (tmp_path / "tile" / "0").write_text("in the way")
    with pytest.raises(EnvironmentFailed, match="cannot be written"):
        write_tiles_tree(ledger, tmp_path)
    assert not (tmp_path / "checkpoint").exists()


# -- verified ----------------------------------------------------------------------------------------------------------


def test_a_tree_verifies_and_says_what_it_does_not_show(written: Path, people: People) -> None:
    answer = verify_tiles(written, Brought(log_key=key_of(people)))
    assert (bool(answer), answer.confirmed, answer.report.size) == (True, True, MANY)
    assert [step.name for step in answer.report.steps if step.status == "skipped"] == [
        "anchors",
        "tables",
        "artifacts",
    ]
    assert answer.not_shown


def test_an_older_checkpoint_is_part_of_the_history(written: Path, ledger: Ledger) -> None:
    answer = verify_tiles(written, Brought(ledger.head_at(1).checkpoint))
    assert answer.confirmed
    assert answer.report.anchor is not None


def test_a_checkpoint_of_another_history_is_found(written: Path, tmp_path: Path, people: People) -> None:
    other = new_ledger(tmp_path / "other", people)
    assert failed(verify_tiles(written, Brought(other.head().checkpoint))) == ["anchors"]


def test_a_newer_checkpoint_than_the_trees_is_neither_refuted_nor_verified(
    tree: Path, tmp_path: Path, people: People
) -> None:
    other = new_ledger(tmp_path / "other", people)
    other.append_many([report() for _ in range(MANY + 5)])
    answer = verify_tiles(tree, Brought(other.head().checkpoint, key_of(people)))
    assert (bool(answer), answer.confirmed, failed(answer)) == (False, False, [])
    assert answer.report.steps[2].status == "skipped"
    assert f"it is of {MANY + 6} entries and this copy of {MANY}" in answer.unanswered


def test_what_is_no_part_of_a_tree_is_named_and_passed_over(tree: Path, people: People) -> None:
    (tree / "index.html").write_text("mine")
    (tree / "tile/0/notes.txt").write_text("mine")
    answer = verify_tiles(tree, Brought(log_key=key_of(people)))
    assert answer.confirmed
    assert any("no part of it: index.html, tile/0/notes.txt" in sentence for sentence in answer.not_shown)


def test_a_strangers_name_can_be_written_whatever_it_is(tree: Path) -> None:
    (tree / os.fsdecode(b"\xff\x1b.txt")).write_text("mine")
    said = json.dumps(verify_tiles(tree, Brought()).to_json(), ensure_ascii=False)
    assert "udcff" in said.encode().decode()


def test_older_partial_tiles_are_no_strangers(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    for _ in range(2):
        write_tiles_tree(ledger, tmp_path / "tiles")
        ledger.append(report())
    assert (tmp_path / "tiles/tile/0/000.p/1").is_file()
    assert not any(
        "no part" in sentence for sentence in verify_tiles(tmp_path / "tiles", Brought()).not_shown
    )


def test_where_no_entry_can_be_read_the_key_that_was_given_is_not_accused(tree: Path, people: People) -> None:
    shutil.rmtree(tree / "tile/entries")
    answer = verify_tiles(tree, Brought(log_key=key_of(people)))
    assert failed(answer) == ["records", "tree"]
    assert [s.status for s in answer.report.steps[3:5]] == ["skipped", "skipped"]
    assert "--key" not in answer.report.steps[1].detail


def test_another_logs_key_is_found(written: Path) -> None:
    answer = verify_tiles(written, Brought(log_key=VerifierKey(ORIGIN, signer().public.raw)))
    assert failed(answer) == ["tree"]


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint",
        "vkey.txt",
        "tile/0/000",
        "tile/0/001.p/14",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/14",
    ],
)
@pytest.mark.parametrize("change", ["flipped", "cut", "gone", "longer"])
def test_a_changed_file_is_found(tree: Path, name: str, change: str) -> None:
    data = bytearray((tree / name).read_bytes())
    if change == "gone":
        (tree / name).unlink()
    else:
        data[len(data) // 2] ^= 1
        changes: dict[str, Callable[[], bytes]] = {
            "flipped": lambda: bytes(data),
            "cut": lambda: (tree / name).read_bytes()[:-1],
            "longer": lambda: (tree / name).read_bytes() + b"x",
        }
        (tree / name).write_bytes(changes[change]())
    assert not verify_tiles(tree, Brought())


@pytest.mark.parametrize("name", ["vkey.txt", "tile/0/000", "tile/entries/000"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tree: Path, name: str) -> None:
    (tree / name).unlink()
    os.mkfifo(tree / name)
    assert not verify_tiles(tree, Brought())


def test_a_full_tile_serves_for_the_partial_one_before_it(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    ledger.append_many([report() for _ in range(9)])
    write_tiles_tree(ledger, tmp_path / "tiles")
    old = (tmp_path / "tiles" / "checkpoint").read_bytes()
    ledger.append_many([report() for _ in range(TILE_WIDTH)])
    write_tiles_tree(ledger, tmp_path / "tiles")
    assert not (tmp_path / "tiles" / "tile/0/000.p").exists()
    (tmp_path / "tiles" / "checkpoint").write_bytes(old)
    assert verify_tiles(tmp_path / "tiles", Brought()).report.size == 10


def a_forged_tree(folder: Path, people: People, *records: bytes) -> Path:
    """Write a small tree of any records, and sign it with the log's key: what its thief could do."""
    leaves = [leaf_hash(record) for record in records]
    head = sign_checkpoint(Checkpoint(ORIGIN, len(leaves), root(leaves)), people.log)
    files = {
        "checkpoint": head,
        "vkey.txt": f"{key_of(people)}\n".encode(),
        tile_name(0, 0, len(leaves)): b"".join(leaves),
        tile_name("entries", 0, len(leaves)): b"".join(map(written_entry, records)),
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def forged(ledger: Ledger, by: LocalSigner, **more: Any) -> bytes:
    """Write a second record of a ledger, with a report signed by whomever."""
    statement = claimed("report", {"title": "forged"}, **more)
    first = ledger.entry(0)
    return write_record(
        sign(statement.payload(), [by]), log=ORIGIN, prev=first.leaf_hash, seq=1, time=first.time
    )


@pytest.fixture
def begun(tmp_path: Path, people: People) -> Ledger:
    return new_ledger(tmp_path / "begun", people)


def seen_by_the_signer(ledger: Ledger) -> Observed:
    return Observed(1, ledger.entry(0).leaf_hash)


def test_an_entry_by_a_key_without_the_role_is_found_though_the_logs_key_signed_it(
    begun: Ledger, tmp_path: Path, people: People
) -> None:
    record = forged(begun, signer(), observed=seen_by_the_signer(begun))
    answer = verify_tiles(a_forged_tree(tmp_path / "tiles", people, begun.entry(0).record, record), Brought())
    assert failed(answer) == ["signatures"]
    assert answer.report.steps[3].entries == (1,)


def test_a_head_that_its_signer_saw_elsewhere_is_found(begun: Ledger, tmp_path: Path, people: People) -> None:
    record = forged(begun, people.admin, observed=Observed(1, "ab" * 32))
    answer = verify_tiles(a_forged_tree(tmp_path / "tiles", people, begun.entry(0).record, record), Brought())
    assert failed(answer) == ["observed"]


def test_a_head_of_more_entries_than_there_were_is_found(
    begun: Ledger, tmp_path: Path, people: People
) -> None:
    record = forged(begun, people.admin, observed=Observed(2, "ab" * 32))
    answer = verify_tiles(a_forged_tree(tmp_path / "tiles", people, begun.entry(0).record, record), Brought())
    assert failed(answer) == ["observed"]


def test_what_is_no_record_fails_every_step_that_would_read_it(
    begun: Ledger, tmp_path: Path, people: People
) -> None:
    answer = verify_tiles(a_forged_tree(tmp_path / "tiles", people, begun.entry(0).record, b"{}"), Brought())
    assert failed(answer) == ["records", "signatures", "times"]


def test_a_record_that_names_another_before_it_is_found(
    begun: Ledger, tmp_path: Path, people: People
) -> None:
    record = forged(begun, people.admin, observed=seen_by_the_signer(begun))
    changed = record.replace(begun.entry(0).leaf_hash.encode(), b"0" * 64)
    answer = verify_tiles(
        a_forged_tree(tmp_path / "tiles", people, begun.entry(0).record, changed), Brought()
    )
    assert failed(answer) == ["records"]


def test_a_first_writing_that_was_cut_short_is_continued_wherever_it_was_cut(
    ledger: Ledger, written: Path, tmp_path: Path
) -> None:
    # Folder by folder, as they come: `tile`, a level of it, and the entries last.
    for begun in ("tile", "tile/0", "tile/entries"):
        (tmp_path / begun).mkdir()
        write_tiles_tree(ledger, shutil.copytree(tmp_path, tmp_path.with_name(begun.replace("/", "-"))))
    assert files_of(tmp_path.with_name("tile-0")) == files_of(written)


def test_a_folder_named_tile_that_holds_something_else_is_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "tile" / "oak").mkdir(parents=True)
    with pytest.raises(MalformedInput, match="not of the ledger"):
        write_tiles_tree(ledger, tmp_path)
