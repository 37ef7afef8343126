"""Checkpoints: origin, size and root of a tree, signed by the key that the origin names."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.checkpoint import Checkpoint, check_origin, open_checkpoint, sign_checkpoint
from audit.errors import MalformedInput, NotVerified
from audit.note import NoteSignature, VerifierKey, sign_note
from tests.small_ledger import signer

ORIGIN = "test.example/models"
SIGNER = signer()
KEY = VerifierKey(ORIGIN, SIGNER.public.raw)
ROOT = bytes(range(32))
ENCODED = base64.b64encode(ROOT).decode()

# The example of C2SP tlog-checkpoint.md.
EXAMPLE = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


def test_the_example_of_the_standard_reads_and_is_written_alike() -> None:
    checkpoint = Checkpoint.parse(EXAMPLE)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text() == EXAMPLE


@given(st.integers(0, 10**15 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_reads_back_as_it_was_signed(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert open_checkpoint(sign_checkpoint(checkpoint, SIGNER), KEY) == checkpoint


def test_lines_of_extension_are_read_and_not_minded() -> None:
    note = sign_note(f"{ORIGIN}\n7\n{ENCODED}\nextension 1\nextension 2\n", ORIGIN, SIGNER)
    assert open_checkpoint(note.to_bytes(), KEY) == Checkpoint(ORIGIN, 7, ROOT)


def test_signatures_of_witnesses_are_passed_over() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 7, ROOT), SIGNER)
    witnessed = note + f"{NoteSignature('witness.example', bytes(4), bytes(76))}\n".encode()
    assert open_checkpoint(witnessed, KEY).size == 7


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"{ORIGIN}\n7\n", id="no root"),
        pytest.param(f"{ORIGIN}\n7\n{ENCODED}", id="no newline at the end"),
        pytest.param(f"{ORIGIN}\n7\n{ENCODED}\nextension", id="an extension without a newline"),
        pytest.param(f"{ORIGIN}\n7\n{ENCODED}\n\nextension\n", id="an empty line among extensions"),
        pytest.param(f"\n7\n{ENCODED}\n", id="no origin"),
        pytest.param(f"{ORIGIN}\n\n{ENCODED}\n", id="no size"),
        pytest.param(f"{ORIGIN}\n07\n{ENCODED}\n", id="a size with a leading zero"),
        pytest.param(f"{ORIGIN}\n-7\n{ENCODED}\n", id="a negative size"),
        pytest.param(f"{ORIGIN}\n+7\n{ENCODED}\n", id="a size with a sign"),
        pytest.param(f"{ORIGIN}\n{10**15}\n{ENCODED}\n", id="a size of more than 15 digits"),
        pytest.param(f"{ORIGIN}\n 7\n{ENCODED}\n", id="a size with a space"),
        pytest.param(f"{ORIGIN}\n1_0\n{ENCODED}\n", id="a size with an underscore"),
        pytest.param(f"{ORIGIN}\n1٢\n{ENCODED}\n", id="a size in other digits"),
        pytest.param(f"{ORIGIN}\n{'9' * 20}\n{ENCODED}\n", id="a size of 20 digits"),
        pytest.param(f"{ORIGIN}\n7\n***\n", id="a root that is not base64"),
        pytest.param(f"{ORIGIN}\n7\né\n", id="a root beyond ASCII"),
        pytest.param(f"{ORIGIN}\n7\n{base64.b64encode(ROOT[1:]).decode()}\n", id="a root of 31 bytes"),
        pytest.param(f"{ORIGIN}\n7\n{ENCODED[:-2]}9=\n", id="base64 with bits after its end"),
        pytest.param(f"{ORIGIN}\n7\n{ENCODED.rstrip('=')}\n", id="base64 without padding"),
        pytest.param(f"{ORIGIN}\n7\n{ROOT.hex()}\n", id="a root in hexadecimal"),
    ],
)
def test_what_is_not_a_strict_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput):
        Checkpoint.parse(text)


def test_a_checkpoint_of_another_key_does_not_open() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 7, ROOT), signer())
    with pytest.raises(NotVerified, match="none of the keys"):
        open_checkpoint(note, KEY)


def test_a_checkpoint_of_another_ledger_by_the_same_key_does_not_open() -> None:
    other = Checkpoint("other.example/models", 7, ROOT)
    note = sign_note(other.text(), ORIGIN, SIGNER).to_bytes()
    with pytest.raises(NotVerified, match=r"of the ledger 'other\.example/models'"):
        open_checkpoint(note, KEY)


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_a_checkpoint_with_one_bit_changed_does_not_open(place: int) -> None:
    note = bytearray(sign_checkpoint(Checkpoint(ORIGIN, 7, ROOT), SIGNER))
    note[place] ^= 1
    with pytest.raises((MalformedInput, NotVerified)):
        open_checkpoint(bytes(note), KEY)


@pytest.mark.parametrize("origin", ["bank.example/credit", "x", "kredit.example/bäume"])
def test_a_name_without_spaces_is_an_origin(origin: str) -> None:
    assert check_origin(origin) == origin


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\x00b", "a\u200bb", "x" * 201])
def test_a_name_that_no_checkpoint_could_carry_is_no_origin(origin: str) -> None:
    with pytest.raises(MalformedInput, match="not usable"):
        check_origin(origin)


def test_an_origin_that_is_not_in_normal_form_is_refused() -> None:
    with pytest.raises(MalformedInput, match="form NFC"):
        check_origin("kredit.example/ba\u0308ume")
