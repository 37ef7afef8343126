"""Evidence by its content, and what is left of the steps for a checkpoint or a proof alone."""

import os
import zipfile
from pathlib import Path

import pytest

from audit.errors import MalformedInput
from audit.evidence import Brought, Evidence
from audit.note import VerifierKey
from audit.offline import kind_of, verify_evidence
from audit.tiles_tree import write_tiles_tree
from tests.small_evidence import a_bundle, failed, key_of, members_of
from tests.small_ledger import ORIGIN, People, new_ledger, signer


@pytest.fixture(scope="module")
def people() -> People:
    return People()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, people: People) -> Path:
    """A folder with one of each."""
    folder = tmp_path_factory.mktemp("evidence")
    ledger = a_bundle(folder, people)
    (folder / "kept").write_bytes(ledger.head().checkpoint)
    members = members_of(folder / "bundle.zip")
    (folder / "proof").write_bytes(members["entries/3.tlog-proof"])
    (folder / "record").write_bytes(members["entries/3.json"])
    write_tiles_tree(ledger, folder / "tiles")
    return folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bundle.zip", "bundle"),
        ("kept", "checkpoint"),
        ("proof", "proof"),
        ("tiles", "tiles"),
        ("record", None),
        ("ledger", None),
    ],
)
def test_evidence_is_known_by_its_content(here: Path, name: str, kind: str | None) -> None:
    assert kind_of(here / name) == kind


def test_a_pipe_is_no_evidence_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert kind_of(tmp_path / "pipe") is None


def test_a_zip_file_that_is_no_bundle_is_not_taken_for_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as file:
        file.writestr("schema.json", "{}")
    assert kind_of(tmp_path / "model.skops") is None


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_bundle_that_was_cut_short_is_known_for_what_it_was_and_cannot_be_read(
    here: Path, tmp_path: Path, part: float
) -> None:
    data = (here / "bundle.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: int(len(data) * part)])
    assert kind_of(tmp_path / "cut.zip") == "bundle"
    with pytest.raises(MalformedInput, match=r"no bundle can be read from .*cut\.zip: it is cut short"):
        verify_evidence(tmp_path / "cut.zip", "bundle", Brought())


@pytest.mark.parametrize("name", ["empty", "text", "card.pdf"])
def test_any_other_file_is_no_evidence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes({"empty": b"", "text": b"a\nb\nc\n", "card.pdf": b"%PDF-1.7"}[name])
    assert kind_of(tmp_path / name) is None


def test_a_checkpoint_verifies_with_its_logs_key_and_says_that_it_is_nothing_more(
    here: Path, people: People
) -> None:
    answer = verify_evidence(here / "kept", "checkpoint", Brought(log_key=key_of(people)))
    assert answer
    assert [step.name for step in answer.report.steps if step.status == "passed"] == ["tree"]


def test_a_proof_with_its_record_verifies_with_its_logs_key(here: Path, people: People) -> None:
    answer = proven(here, (here / "record").read_bytes(), people)
    assert answer
    assert [step.name for step in answer.report.steps if step.status == "passed"] == ["records", "tree"]
    assert any("allowed to say it" in sentence for sentence in answer.not_shown)


def proven(here: Path, record: bytes, people: People) -> Evidence:
    return verify_evidence(here / "proof", "proof", Brought(log_key=key_of(people)), record=record)


def test_a_proof_of_another_record_does_not_verify(here: Path, people: People) -> None:
    other = members_of(here / "bundle.zip")["entries/0.json"]
    assert failed(proven(here, other, people)) == ["records", "tree"]


@pytest.mark.parametrize("name", ["kept", "proof"])
def test_without_the_logs_key_nothing_is_said(here: Path, name: str) -> None:
    with pytest.raises(MalformedInput, match="--key FILE"):
        verify_evidence(here / name, kind_of(here / name) or "bundle", Brought(), record=b"")


def test_a_proof_without_its_record_is_asked_for(here: Path, people: People) -> None:
    with pytest.raises(MalformedInput, match="--record FILE"):
        verify_evidence(here / "proof", "proof", Brought(log_key=key_of(people)))


@pytest.mark.parametrize("name", ["kept", "proof"])
def test_another_logs_key_does_not_verify(here: Path, name: str) -> None:
    other = Brought(log_key=VerifierKey(ORIGIN, signer().public.raw))
    record = (here / "record").read_bytes()
    assert failed(verify_evidence(here / name, kind_of(here / name) or "bundle", other, record=record)) == [
        "tree"
    ]


@pytest.mark.parametrize(
    ("name", "start"), [("kept", b"origin\n1\n" + b"A" * 43 + b"=\n"), ("proof", b"c2sp.org/tlog-proof@v9")]
)
def test_what_is_damaged_does_not_verify(tmp_path: Path, people: People, name: str, start: bytes) -> None:
    (tmp_path / name).write_bytes(start + b" and so on")
    kind = kind_of(tmp_path / name)
    assert kind is not None
    assert not verify_evidence(tmp_path / name, kind, Brought(log_key=key_of(people)), record=b"")


def test_two_heads_of_one_size_are_one_tree_or_a_fork(here: Path, people: People, tmp_path: Path) -> None:
    key = key_of(people)
    same = Brought((here / "kept").read_bytes(), key)
    assert verify_evidence(here / "kept", "checkpoint", same).report.anchor is not None
    fork = a_bundle(tmp_path, people).head().checkpoint
    assert failed(verify_evidence(here / "kept", "checkpoint", Brought(fork, key))) == ["anchors"]


def test_that_one_head_continues_another_takes_a_proof(here: Path, people: People, tmp_path: Path) -> None:
    begun = new_ledger(tmp_path, people).head().checkpoint
    answer = verify_evidence(here / "kept", "checkpoint", Brought(begun, key_of(people)))
    assert (bool(answer), answer.confirmed, failed(answer)) == (False, False, [])
    assert "consistency proof" in answer.report.steps[2].detail
