"""The client of a witness: what it asks, what it takes for a cosignature, and what it says of a refusal."""

import pytest

from audit.anchor_settings import WitnessAt
from audit.cosignature import WitnessKey, cosign
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput, NotVerified
from audit.keys import LocalSigner
from audit.note import Note, NoteSignature, VerifierKey
from audit.post import Answer
from audit.witness import SIZE_TYPE, cosigned_by
from audit.witness_service import Witness
from tests.small_ledger import signer
from tests.small_witness import FORKED, KEY, LOG, LOGS, NAME, ORIGIN, WITNESS, asked, note, proof


def answering(*answers: Answer) -> object:
    left = list(answers)
    return lambda url, body: left.pop(0)


def cosignature(size: int = 5, name: str = NAME, key: LocalSigner = WITNESS, time: int = 1000) -> bytes:
    return f"{cosign(Note.parse(note(size)).text, name, key, time)}\n".encode()


def client(*answers: Answer, size: int = 5) -> int:
    send = answering(*answers)
    assert callable(send)
    at = WitnessAt("http://witness.example/", KEY)
    return cosigned_by(at, note(size), lambda old, new: proof(old, new), now=2000.0, send=send).time


def test_a_client_that_knows_nothing_learns_the_size_and_proves_from_there(witness: Witness) -> None:
    asked(witness, note(5))
    assert asked(witness, note(30)) > asked(witness, note(30), known_size=30) - 10


def test_a_ledger_that_is_behind_the_witness_is_told(witness: Witness) -> None:
    asked(witness, note(30))
    with pytest.raises(NotVerified, match="has cosigned 30 entries of this ledger, and here are 5"):
        asked(witness, note(5))


def test_a_forked_ledger_is_refused_and_told(witness: Witness) -> None:
    asked(witness, note(5))
    with pytest.raises(NotVerified, match="has seen another history of this ledger"):
        asked(witness, note(9, FORKED), FORKED)


def test_lines_of_other_witnesses_are_passed_over() -> None:
    other = cosignature(name="other.example", key=signer())
    assert client(Answer(200, "text/plain", other + cosignature())) == 1000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"", "something else than signature lines", id="nothing"),
        pytest.param(b"\xff\n", "something else than signature lines", id="not UTF-8"),
        pytest.param(b"thank you\n", "em dash", id="another line"),
        pytest.param(cosignature()[:-1], "something else than signature lines", id="no newline"),
        pytest.param(b"\n" + cosignature(), "em dash", id="an empty line first"),
        pytest.param(cosignature(name="other.example"), "with 0 cosignatures", id="another name"),
        pytest.param(cosignature(key=LOG), "with 0 cosignatures", id="another key"),
        pytest.param(cosignature() * 2, "with 2 cosignatures", id="twice"),
        pytest.param(cosignature(size=6), "does not verify", id="over another checkpoint"),
        pytest.param(cosignature(time=5000), "in the future", id="a time in the future"),
        pytest.param(
            f"{NoteSignature(NAME, KEY.hash, bytes(8) + bytes(64))}\n".encode(), "not a time", id="no time"
        ),
        pytest.param(f"{NoteSignature(NAME, KEY.hash, bytes(64))}\n".encode(), "not a time", id="too short"),
    ],
)  # fmt: skip
def test_what_is_not_the_cosignature_is_not_taken(body: bytes, words: str) -> None:
    with pytest.raises(AffidavitError, match=words):
        client(Answer(200, "text/plain", body))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404, "text/plain", b"unknown\n"), r"does not know this ledger .*; it says: unknown"),
        (Answer(403, "text/html", b"<html>"), "under another log key"),
        (Answer(500, "text/plain", b""), "its status is 500"),
        (Answer(302, "text/plain", b""), "its status is 302"),
        (Answer(409, "text/plain", b"5\n"), "409 without the size"),
        (Answer(409, SIZE_TYPE, b"05\n"), "409 without the size"),
        (Answer(409, SIZE_TYPE, b"5"), "409 without the size"),
    ],
)
def test_a_refusal_is_one_sentence(answer: Answer, words: str) -> None:
    with pytest.raises(NotVerified, match=words):
        client(answer)


def test_a_witness_that_conflicts_for_ever_is_not_asked_for_ever() -> None:
    with pytest.raises(EnvironmentFailed, match="remembers another size whenever it is asked"):
        client(*[Answer(409, SIZE_TYPE, b"%d\n" % (n % 3)) for n in range(9)])


def test_a_time_is_written_before_the_signature_and_changed_with_it() -> None:
    line = cosign(Note.parse(note(5)).text, NAME, WITNESS, 1000)
    later = NoteSignature(line.name, line.key_hash, (1001).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(NotVerified, match="does not verify"):
        KEY.time_of(later, Note.parse(note(5)).text)


def test_a_witness_key_is_not_a_log_key() -> None:
    assert WitnessKey.parse(str(KEY)) == KEY
    with pytest.raises(MalformedInput):
        VerifierKey.parse(str(KEY))
    with pytest.raises(MalformedInput):
        WitnessKey.parse(str(LOGS[ORIGIN][0]))
