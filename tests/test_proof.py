"""C2SP tlog-proof: written, read strictly, and verified against a leaf hash and the log's keys."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.errors import AffidavitError, MalformedInput, NotVerified
from audit.merkle import inclusion_proof, leaf_hash, root
from audit.note import Note, VerifierKey, sign_note
from audit.proof import TlogProof, hash_lines, parse_hash_lines
from tests.small_ledger import ORIGIN, signer

LOG = signer()
KEY = VerifierKey(ORIGIN, LOG.public.raw)
LEAVES = [leaf_hash(b"%d" % number) for number in range(5)]


def proof(index: int = 2, **more: bytes) -> TlogProof:
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, root(LEAVES)), LOG)
    hashes = inclusion_proof(lambda level, i: root(LEAVES[i << level : (i + 1) << level]), index, 5)
    return TlogProof(index, hashes, note, **more)


@pytest.mark.parametrize("index", range(5))
def test_a_proof_that_was_written_is_read_and_verifies(index: int) -> None:
    read = TlogProof.parse(proof(index).to_bytes())
    assert read == proof(index)
    assert read.verify(LEAVES[index], [KEY]).size == 5


def test_the_lines_are_those_of_the_specification() -> None:
    header, index, *hashes = proof(2).to_bytes().partition(b"\n\n")[0].decode().split("\n")
    assert (header, index) == ("c2sp.org/tlog-proof@v1", "index 2")
    assert [base64.b64decode(line) for line in hashes] == list(proof(2).hashes)


def test_extra_data_is_kept_and_proves_nothing() -> None:
    read = TlogProof.parse(proof(extra=b"anything").to_bytes())
    assert read.extra == b"anything"
    read.verify(LEAVES[2], [KEY])


def test_a_log_of_one_entry_is_proven_by_no_hash() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, LEAVES[0]), LOG)
    TlogProof.parse(TlogProof(0, (), note).to_bytes()).verify(LEAVES[0], [KEY])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"@v1", b"@v2"),
        lambda data: data.replace(b"index 2", b"index 02"),
        lambda data: data.replace(b"index 2", b"index +2"),
        lambda data: data.replace(b"index 2", b"index 5"),
        lambda data: data.replace(b"index 2\n", b""),
        lambda data: data.replace(b"index 2", b"extra \nindex 2"),
        lambda data: data.replace(b"index 2", b"extra YQ==\nextra YQ==\nindex 2"),
        lambda data: data.replace(b"index 2", b"index 2\nYQ=="),
        lambda data: data.replace(b"index 2", b"index 2\nnot base64"),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\n" + data,
        lambda data: data + b"\n",
        lambda data: data.partition(b"\n\n")[0],
        lambda data: data.replace(b"index 2", b"index 2\n" + hash_lines([bytes(32)] * 64)[:-1]),
        lambda data: b"\xff" + data,
        lambda data: b"",
        lambda data: data + b"x" * (1 << 20),
    ],
)
def test_what_would_not_be_written_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedInput):
        TlogProof.parse(change(proof().to_bytes()))


@given(st.data())
def test_a_single_changed_byte_is_refused_or_does_not_verify(data: st.DataObject) -> None:
    written = bytearray(proof().to_bytes())
    written[data.draw(st.integers(0, len(written) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(AffidavitError):
        TlogProof.parse(bytes(written)).verify(LEAVES[2], [KEY])


@given(st.binary(max_size=300))
def test_any_other_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        TlogProof.parse(b"c2sp.org/tlog-proof@v1\n" + data)


def test_a_proof_of_another_leaf_does_not_verify() -> None:
    with pytest.raises(NotVerified, match="does not lead"):
        proof(2).verify(LEAVES[3], [KEY])


def test_a_proof_under_another_logs_key_does_not_verify() -> None:
    other = VerifierKey(ORIGIN, signer().public.raw)
    with pytest.raises(NotVerified, match="none of the keys"):
        proof().verify(LEAVES[2], [other])


def test_a_proof_of_another_log_does_not_verify() -> None:
    other = VerifierKey("other.example/log", LOG.public.raw)
    with pytest.raises(NotVerified, match="no key is given"):
        proof().verify(LEAVES[2], [other])


def test_a_signature_by_someone_else_who_is_known_does_not_stand_for_the_logs() -> None:
    witness = signer()
    note = sign_note(Checkpoint(ORIGIN, 5, root(LEAVES)).text(), "witness.example", witness).to_bytes()
    with pytest.raises(NotVerified, match="none of the keys"):
        TlogProof(2, proof(2).hashes, note).verify(
            LEAVES[2], [KEY, VerifierKey("witness.example", witness.public.raw)]
        )


def test_signatures_of_others_beside_the_logs_are_kept() -> None:
    note, witness = Note.parse(proof().checkpoint), signer()
    signed = Note(note.text, (*note.signatures, *sign_note(note.text, "witness.example", witness).signatures))
    read = TlogProof.parse(TlogProof(2, proof(2).hashes, signed.to_bytes()).to_bytes())
    assert len(Note.parse(read.checkpoint).signatures) == 2
    read.verify(LEAVES[2], [KEY])


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_hashes_are_read_as_they_were_written(hashes: list[bytes]) -> None:
    assert parse_hash_lines(hash_lines(hashes)) == tuple(hashes)


@pytest.mark.parametrize(
    "data", [b"\n", b"YQ==\n", b"a", hash_lines([bytes(32)])[:-1], hash_lines([bytes(32)] * 64)]
)
def test_lines_that_are_no_hashes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse_hash_lines(data)
