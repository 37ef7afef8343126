"""What a witness decides and remembers: the protocol, status by status, and its folder."""

import os
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.cosignature import cosign, cosignatures
from audit.errors import EnvironmentFailed, MalformedInput
from audit.merkle import EMPTY_ROOT, root
from audit.note import Note, VerifierKey
from audit.witness import SIZE_TYPE, write_request
from audit.witness_service import Witness, read_logs, remembered
from tests.small_ledger import Clock
from tests.small_witness import (
    FORKED,
    KEY,
    LEAVES,
    LOG,
    LOGS,
    NAME,
    ORIGIN,
    OTHER_LOG,
    WITNESS,
    asked,
    note,
    proof,
    request,
    status,
)

# -- the protocol, status by status ------------------------------------------------------------------------------------


def test_a_tree_that_grows_is_cosigned_at_every_size(witness: Witness) -> None:
    for old, size in ((0, 1), (1, 2), (2, 7), (7, 7), (7, 8), (8, 33), (33, 40)):
        answer, about = witness.add_checkpoint(request(old, size))
        assert answer.status == 200, answer.body
        assert about == f"{ORIGIN} {old} -> {size}"
        whole = Note.parse(note(size) + answer.body)
        assert [c.key for c in cosignatures(whole.text, whole.signatures, [KEY])] == [KEY]


def test_an_empty_tree_is_cosigned_if_its_root_is_that_of_nothing(witness: Witness) -> None:
    wrong = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), LOG)
    assert status(witness, write_request(0, (), wrong)) == 422
    assert (
        status(witness, write_request(0, (), sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), LOG))) == 200
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"old 0\n" + note(1), 400, id="no empty line"),
        pytest.param(b"old 00\n\n" + note(1), 400, id="a size with a leading zero"),
        pytest.param(b"old -1\n\n" + note(1), 400, id="a negative size"),
        pytest.param(b"old  0\n\n" + note(1), 400, id="two spaces"),
        pytest.param(b"new 0\n\n" + note(1), 400, id="another word"),
        pytest.param(b"old 0\r\n\n" + note(1), 400, id="a carriage return"),
        pytest.param(b"old 5\nAAAA\n\n" + note(7), 400, id="a short hash"),
        pytest.param(b"old 5\n\xff\n\n" + note(7), 400, id="a line that is not UTF-8"),
        pytest.param(write_request(5, [bytes(32)] * 64, note(7)), 400, id="64 hashes"),
        pytest.param(b"old 0\n\n" + note(1)[:-1], 400, id="a note cut short"),
        pytest.param(b"old 0\n\nno checkpoint\n\n" + note(1).partition(b"\n\n")[2], 400, id="another note"),
        pytest.param(write_request(9, (), note(7)), 400, id="old more than new"),
        pytest.param(write_request(0, (), note(1, origin="other.example")), 404, id="an unknown log"),
        pytest.param(write_request(0, (), note(1, log=OTHER_LOG)), 403, id="another key"),
        pytest.param(write_request(0, (), note(1).replace(b"\n1\n", b"\n2\n")), 403, id="another text"),
        pytest.param(write_request(4, (), note(7)), 409, id="a size that is not remembered"),
        pytest.param(write_request(5, (), note(5)), 200, id="the same tree again"),
        pytest.param(request(5, 7), 200, id="a larger tree"),
        pytest.param(write_request(5, (), note(7)), 422, id="no proof"),
        pytest.param(write_request(5, [*proof(5, 7), bytes(32)], note(7)), 422, id="a hash too many"),
        pytest.param(write_request(5, proof(5, 8), note(7)), 422, id="the proof of another size"),
        pytest.param(write_request(5, (), note(5, FORKED)), 422, id="another root at the same size"),
        pytest.param(write_request(5, proof(5, 7, FORKED), note(7, FORKED)), 422, id="a forked log"),
        pytest.param(write_request(5, [bytes(32)], note(5)), 422, id="a proof where none is needed"),
    ],
)  # fmt: skip
def test_a_request_is_answered_as_the_protocol_says(witness: Witness, body: bytes, expected: int) -> None:
    assert status(witness, request(0, 5)) == 200
    assert status(witness, body) == expected


def test_a_proof_from_the_empty_tree_is_too_much(witness: Witness) -> None:
    assert status(witness, write_request(0, [bytes(32)], note(7))) == 422


def test_what_conflicts_is_answered_with_the_size_that_is_remembered(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 5))
    answer, _ = witness.add_checkpoint(request(0, 7))
    assert (answer.status, answer.media_type, answer.body) == (409, SIZE_TYPE, b"5\n")


def test_a_log_with_two_keys_is_known_by_either(tmp_path: Path) -> None:
    newer = VerifierKey(ORIGIN, OTHER_LOG.public.raw)
    texts = [f"{LOGS[ORIGIN][0]}\n{newer}\n", "\n"]
    made = Witness(NAME, WITNESS, read_logs(texts), tmp_path, Clock())
    assert status(made, request(0, 1)) == 200
    assert status(made, write_request(1, proof(1, 2), note(2, log=OTHER_LOG))) == 200
    made.close()


def test_a_log_that_signs_many_times_is_remembered_by_one_line(tmp_path: Path, witness: Witness) -> None:
    one = Note.parse(note(1))
    many = Note(one.text, one.signatures * 64)
    assert status(witness, write_request(0, (), many.to_bytes())) == 200
    [seen] = remembered(tmp_path / "state", KEY)
    assert len(Note.parse(seen.note).signatures) == 2


@settings(max_examples=200)
@given(body=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda tail: b"old 0\n" + tail)))
def test_any_bytes_are_answered_with_400(body: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = Witness(NAME, WITNESS, LOGS, tmp_path_factory.mktemp("state"), Clock())
    assert status(made, body) == 400
    made.close()


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_a_witness_started_anew_remembers(tmp_path: Path) -> None:
    with closing(Witness(NAME, WITNESS, LOGS, tmp_path / "state", Clock())) as before:
        assert status(before, request(0, 5)) == 200
    with closing(Witness(NAME, WITNESS, LOGS, tmp_path / "state", Clock())) as again:
        assert status(again, write_request(0, (), note(5, FORKED))) == 409
        assert status(again, write_request(5, (), note(5, FORKED))) == 422


def test_two_witnesses_do_not_share_a_memory(tmp_path: Path, witness: Witness) -> None:
    with pytest.raises(EnvironmentFailed, match="another witness has the state folder"):
        Witness(NAME, WITNESS, LOGS, tmp_path / "state", Clock())


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-30], id="cut short"),
        pytest.param(lambda data: data.replace(b"\n5\n", b"\n4\n"), id="an edited size"),
        pytest.param(lambda data: note(5), id="without a cosignature"),
        pytest.param(
            lambda data: note(5) + f"{cosign(Note.parse(note(5)).text, NAME, LOG, 9)}\n".encode(), id="another key's"
        ),
    ],
)  # fmt: skip
def test_a_memory_that_was_changed_stops_the_witness(
    tmp_path: Path, witness: Witness, damage: object
) -> None:
    assert callable(damage)
    witness.add_checkpoint(request(0, 5))
    [path] = (tmp_path / "state").glob("*.checkpoint")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MalformedInput, match="restore it from a copy"):
        remembered(tmp_path / "state", KEY)


def test_a_memory_under_another_logs_name_stops_the_witness(tmp_path: Path, witness: Witness) -> None:
    witness.add_checkpoint(request(0, 5))
    [path] = (tmp_path / "state").glob("*.checkpoint")
    path.rename(path.with_name(f"{'0' * 64}.checkpoint"))
    with pytest.raises(MalformedInput, match="whose file has another name"):
        remembered(tmp_path / "state", KEY)


def test_what_cannot_be_remembered_is_not_cosigned(
    tmp_path: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    witness.add_checkpoint(request(0, 5))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        answer, _ = witness.add_checkpoint(request(5, 7))
    assert (answer.status, answer.body) == (500, b"the witness cannot remember: No space left on device\n")
    assert [seen.checkpoint.size for seen in remembered(tmp_path / "state", KEY)] == [5]
    assert status(witness, request(5, 8)) == 200


def test_the_times_of_a_witness_do_not_go_back(tmp_path: Path) -> None:
    clock = Clock()
    made = Witness(NAME, WITNESS, LOGS, tmp_path, clock)
    first = asked(made, note(5))
    clock.now -= 1000
    assert asked(made, note(6), known_size=5) == first
    made.close()


def test_of_requests_that_race_for_one_size_one_wins_and_the_memory_holds(
    tmp_path: Path, witness: Witness
) -> None:
    witness.add_checkpoint(request(0, 5))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda size=size: statuses.append(status(witness, request(5, size))))
        for size in range(6, 18)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[409] * 11]
    [seen] = remembered(tmp_path / "state", KEY)
    assert seen.checkpoint.root == root(LEAVES[: seen.checkpoint.size])
