"""Anchors in a bundle: cosignatures and timestamps by others, put in and believed only where the reader pins them."""

import time
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from audit import tables
from audit.anchor_settings import AnchorSettings, Authority, WitnessAt
from audit.anchors import StoredAnchor
from audit.bundle_anchors import chosen
from audit.bundle_check import verify_bundle
from audit.bundler import Wanted, write_bundle
from audit.checkpoint import Checkpoint
from audit.cosignature import WitnessKey, cosign
from audit.evidence import Brought
from audit.keys import LocalSigner
from audit.ledger import Ledger
from audit.note import Note
from audit.timestamp import pin
from tests.authority import LocalAuthority
from tests.small_evidence import Members, by_hand, failed, members_of, verified
from tests.small_ledger import new_ledger, report, signer

WITNESS, URL = "witness.example/w1", "https://tsa.example/tsr"


@dataclass(frozen=True)
class Anchored:
    """A ledger whose heads of 2 and 5 entries a witness and an authority saw, and a bundle about entry 1 of it."""

    ledger: Ledger
    witness: LocalSigner
    authority: Authority
    bundle: Path
    now: float

    @property
    def pinned(self) -> AnchorSettings:
        return AnchorSettings(
            timestamps=(self.authority,),
            witnesses=(WitnessAt("https://witness.example/", WitnessKey(WITNESS, self.witness.public.raw)),),
        )


@pytest.fixture(scope="module")
def anchored(tmp_path_factory: pytest.TempPathFactory) -> Anchored:
    folder, witness = tmp_path_factory.mktemp("anchored"), signer()
    local = LocalAuthority.make(folder / "tsa")
    authority, ledger = pin(URL, local.chain), new_ledger(folder / "ledger")
    rows = []
    for number in range(4):
        ledger.append(report(f"report {number}"))
        size = ledger.head().size
        if size in (2, 5):
            text = Note.parse(ledger.head().checkpoint).text
            query = TimestampRequestBuilder(text.encode(), HashAlgorithm.SHA256).build().as_bytes()
            rows.append(
                ("cosignature", size, WITNESS, str(cosign(text, WITNESS, witness, int(time.time()))).encode())
            )
            rows.append(("timestamp", size, URL, local.answer(query)))
    with ledger.engine.begin() as connection:
        for number, (kind, size, source, body) in enumerate(rows, 1):
            values = {"number": number, "kind": kind, "size": size, "source": source, "body": body}
            connection.execute(tables.anchors.insert().values(values))
    made = Anchored(ledger, witness, authority, folder / "bundle.zip", time.time())
    write_bundle(ledger, Wanted("entry 1", (1,), pinned=made.pinned), made.bundle)
    return made


@pytest.fixture
def members(anchored: Anchored) -> Members:
    return members_of(anchored.bundle)


def test_the_first_anchor_that_covers_it_and_the_newest_go_into_the_bundle(members: Members) -> None:
    notes = {name: Note.parse(data) for name, data in members.items() if name.endswith(".note")}
    assert {name: Checkpoint.parse(note.text).size for name, note in notes.items()} == {
        "anchors/0.note": 2,
        "anchors/1.note": 5,
    }
    assert all(name.replace("note", end) in members for name in notes for end in ("tsr", "pem"))
    assert [len(Note.parse(members[n]).signatures) for n in ("checkpoint", "anchors/0.note")] == [2, 2]


def test_anchors_that_the_reader_pins_hold_with_their_times(anchored: Anchored) -> None:
    answer = verify_bundle(anchored.bundle, Brought(pinned=anchored.pinned, now=anchored.now + 60))
    step = answer.report.steps[2]
    assert step.status == "passed"
    assert (
        step.detail.count(f"the cosignature by {WITNESS}") == 2
    )  # one over each head, under however many notes
    assert step.detail.count(f"the timestamp by {URL}") == 2
    assert answer.report.anchor is not None
    assert answer.report.anchor.age_seconds is not None
    assert answer.confirmed


def test_anchors_that_nobody_vouches_for_are_skipped_and_named(anchored: Anchored) -> None:
    answer = verify_bundle(anchored.bundle, Brought(now=anchored.now))
    step = answer.report.steps[2]
    assert (bool(answer), step.status, answer.confirmed) == (True, "skipped", False)
    assert "the timestamp over anchors/0.note (by an authority that you have to know" in step.detail
    assert WITNESS in step.detail


def test_openssl_checks_the_timestamps_by_the_commands_of_the_readme(
    anchored: Anchored, tmp_path: Path
) -> None:
    with zipfile.ZipFile(anchored.bundle) as file:
        file.extractall(tmp_path)
    (tmp_path / "AUTHORITY.pem").write_text(
        anchored.authority.certificate + "".join(anchored.authority.issuers)
    )
    assert by_hand(tmp_path).count("Verification: OK") == 2


def test_a_timestamp_alone_does_not_say_whose_ledger_it_is(anchored: Anchored) -> None:
    pinned = AnchorSettings(timestamps=(anchored.authority,))
    answer = verify_bundle(anchored.bundle, Brought(pinned=pinned, now=anchored.now))
    assert (answer.report.steps[2].status, answer.confirmed) == ("passed", False)


def test_a_changed_cosignature_of_a_pinned_witness_is_a_finding(
    anchored: Anchored, members: Members, tmp_path: Path
) -> None:
    note = Note.parse(members["anchors/0.note"])
    forged = cosign(note.text, WITNESS, signer(), int(anchored.now))
    line = replace(forged, key_hash=note.signatures[1].key_hash)
    members["anchors/0.note"] = Note(note.text, (note.signatures[0], line)).to_bytes()
    brought = Brought(pinned=anchored.pinned, now=anchored.now)
    assert failed(verified(tmp_path / "changed.zip", members, brought)) == ["anchors"]


def test_a_token_that_is_not_by_the_certificate_beside_it_is_a_finding(
    members: Members, tmp_path: Path
) -> None:
    token = bytearray(members["anchors/0.tsr"])
    token[-10] ^= 1
    members["anchors/0.tsr"] = bytes(token)
    assert failed(verified(tmp_path / "changed.zip", members)) == ["anchors"]


def test_a_token_over_another_head_is_a_finding(members: Members, tmp_path: Path) -> None:
    members["anchors/0.tsr"], members["anchors/1.tsr"] = members["anchors/1.tsr"], members["anchors/0.tsr"]
    assert failed(verified(tmp_path / "changed.zip", members)) == ["anchors"]


def test_a_head_that_is_not_proven_to_be_of_this_history_anchors_nothing(
    anchored: Anchored, members: Members, tmp_path: Path
) -> None:
    del members["consistency/2"]
    answer = verified(tmp_path / "changed.zip", members, Brought(pinned=anchored.pinned, now=anchored.now))
    assert "tree" in failed(answer)
    assert "size 2" not in answer.report.steps[2].detail


def stored(number: int, size: object, source: str = "a") -> StoredAnchor:
    return StoredAnchor(number, "cosignature", size, source, b"")


def test_of_many_anchors_the_first_that_covers_the_entries_and_the_newest_are_chosen() -> None:
    rows = [stored(n, size) for n, size in enumerate((2, 4, 6, 8, 10, 12))]
    assert [a.size for a in chosen(rows, 5, 10)] == [6, 10]
    assert [a.size for a in chosen(rows, 11, 10)] == [10]
    assert [a.size for a in chosen([*rows, stored(9, 3, "b")], 3, 2)] == [2]
    assert chosen([stored(0, None), stored(1, "2"), stored(2, 0)], 0, 10) == []
