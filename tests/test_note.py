"""C2SP signed notes, read strictly."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import MalformedInput, NotVerified
from audit.note import Note, NoteSignature, VerifierKey, sign_note
from tests.small_ledger import signer

# The example of C2SP signed-note.md.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)

SIGNER = signer()
KEY = VerifierKey("test.example/log", SIGNER.public.raw)
TEXT = "one\ntwo\n"
NOTE = sign_note(TEXT, KEY.name, SIGNER)
LINE = str(NOTE.signatures[0])


def test_the_example_of_the_standard_verifies() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)
    assert Note.parse(EXAMPLE.encode()).verify([key]) == (key,)


def test_the_key_of_the_example_is_written_as_it_was_read() -> None:
    assert str(VerifierKey.parse(EXAMPLE_KEY)) == EXAMPLE_KEY


def test_a_keys_hash_is_that_of_name_newline_one_and_key() -> None:
    assert KEY.hash == hashlib.sha256(b"test.example/log\n\x01" + KEY.raw).digest()[:4]


def test_a_key_reads_back_as_it_was_written() -> None:
    assert VerifierKey.parse(str(KEY)) == KEY


def test_a_note_reads_back_as_it_was_written() -> None:
    assert Note.parse(NOTE.to_bytes()) == NOTE


def test_a_text_may_hold_empty_lines() -> None:
    note = sign_note("one\n\n\ntwo\n\n", KEY.name, SIGNER)
    assert Note.parse(note.to_bytes()).verify([KEY]) == (KEY,)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30))
def test_any_text_without_control_characters_can_be_signed(text: str) -> None:
    note = sign_note(text + "\n", KEY.name, SIGNER)
    assert Note.parse(note.to_bytes()).verify([KEY]) == (KEY,)


def line(name: str = "name", blob: bytes = bytes(68)) -> str:
    return str(NoteSignature(name, blob[:4], blob[4:]))


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("", id="nothing"),
        pytest.param(TEXT, id="no signatures"),
        pytest.param(TEXT + "\n", id="no signature lines"),
        pytest.param(TEXT + LINE + "\n", id="no empty line"),
        pytest.param(TEXT + "\n" + LINE, id="no newline at the end"),
        pytest.param(TEXT + "\n" + LINE + "\n\n", id="an empty line at the end"),
        pytest.param(TEXT + "\n" + LINE + "\n" + "comment\n", id="a line that is no signature"),
        pytest.param(TEXT + "\n" + LINE.replace("—", "-", 1) + "\n", id="a hyphen for the dash"),
        pytest.param(TEXT + "\n" + LINE.replace("— ", "—", 1) + "\n", id="no space after the dash"),
        pytest.param(TEXT + "\n" + LINE.replace("— ", "—  ", 1) + "\n", id="two spaces after the dash"),
        pytest.param(TEXT + "\n" + LINE + " \n", id="a space at the end of a line"),
        pytest.param(TEXT + "\n" + " " + LINE + "\n", id="a space at the start of a line"),
        pytest.param(TEXT + "\n" + LINE + "\r\n", id="a carriage return"),
        pytest.param(TEXT + "\n" + "— name\n", id="a line without a signature"),
        pytest.param(TEXT + "\n" + "— name ***\n", id="a signature that is not base64"),
        pytest.param(TEXT + "\n" + "— name é\n", id="a signature beyond ASCII"),
        pytest.param(TEXT + "\n" + "— name AAAA\n", id="a signature of three bytes"),
        pytest.param(TEXT + "\n" + "— name AAAAAA==\n", id="a signature with no byte after its key hash"),
        pytest.param(TEXT + "\n" + "— name AAAAAAB=\n", id="base64 with bits after its end"),
        pytest.param(TEXT + "\n" + "— name AAAAAAA\n", id="base64 without padding"),
        pytest.param(TEXT + "\n" + line("a+b") + "\n", id="a plus sign in a name"),
        pytest.param(TEXT + "\n" + line("a\u00a0b") + "\n", id="a no-break space in a name"),
        pytest.param(TEXT + "\n" + line("") + "\n", id="an empty name"),
        pytest.param("one\ttwo\n\n" + LINE + "\n", id="a tab in the text"),
        pytest.param("one\x00\n\n" + LINE + "\n", id="a zero byte in the text"),
        pytest.param("one\x7f\n\n" + LINE + "\n", id="a delete character in the text"),
        pytest.param(TEXT + "\n" + (line() + "\n") * 65, id="65 signatures"),
    ],
)
def test_what_is_not_a_strict_note_is_refused(note: str) -> None:
    with pytest.raises(MalformedInput):
        Note.parse(note.encode())


def test_a_note_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(MalformedInput, match="not UTF-8"):
        Note.parse(b"\xff" + NOTE.to_bytes())


@given(st.binary(max_size=60))
def test_any_bytes_are_read_as_a_note_that_writes_them_or_refused(tail: bytes) -> None:
    data = TEXT.encode() + b"\n" + tail
    try:
        note = Note.parse(data)
    except MalformedInput:
        return
    assert note.to_bytes() == data


def test_as_many_signatures_as_the_standard_asks_for_are_read() -> None:
    lines = "".join(line(f"name{number}") + "\n" for number in range(15))
    assert Note.parse(f"{TEXT}\n{lines}{LINE}\n".encode()).verify([KEY]) == (KEY,)


def test_signatures_of_unknown_keys_are_passed_over() -> None:
    strangers = (NoteSignature("stranger", bytes(4), b"x"), NoteSignature(KEY.name, bytes(4), bytes(64)))
    assert Note(TEXT, (*strangers, *NOTE.signatures)).verify([KEY]) == (KEY,)


def test_a_note_signed_by_no_known_key_does_not_verify() -> None:
    with pytest.raises(NotVerified, match="none of the keys"):
        NOTE.verify([VerifierKey(KEY.name, signer().public.raw)])


def test_a_key_under_another_name_is_another_key() -> None:
    with pytest.raises(NotVerified, match="none of the keys"):
        NOTE.verify([VerifierKey("other.example/log", KEY.raw)])


def test_no_keys_verify_nothing() -> None:
    with pytest.raises(NotVerified):
        NOTE.verify([])


BAD = NoteSignature(KEY.name, KEY.hash, bytes(64))
SECOND_SIGNER = signer()
SECOND = VerifierKey("second.example", SECOND_SIGNER.public.raw)


@pytest.mark.parametrize(
    "signatures",
    [
        pytest.param((BAD,), id="alone"),
        pytest.param((BAD, *NOTE.signatures), id="before its good one"),
        pytest.param((*NOTE.signatures, BAD), id="after its good one"),
        pytest.param(
            (*sign_note(TEXT, SECOND.name, SECOND_SIGNER).signatures, BAD), id="beside another key's"
        ),
        pytest.param((NoteSignature(KEY.name, KEY.hash, b"short"),), id="too short"),
    ],
)
def test_a_bad_signature_of_a_known_key_spoils_the_note(signatures: tuple[NoteSignature, ...]) -> None:
    with pytest.raises(NotVerified, match=r"by test\.example/log does not verify"):
        Note(TEXT, signatures).verify([KEY, SECOND])


def test_a_text_that_was_changed_does_not_verify() -> None:
    with pytest.raises(NotVerified):
        Note("one\ntoo\n", NOTE.signatures).verify([KEY])


def test_two_signers_are_both_returned_once() -> None:
    both = (*NOTE.signatures, *sign_note(TEXT, SECOND.name, SECOND_SIGNER).signatures, *NOTE.signatures)
    assert Note(TEXT, both).verify([SECOND, KEY]) == (KEY, SECOND)


ENCODED = base64.b64encode(b"\x01" + KEY.raw).decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("name", id="a name alone"),
        pytest.param(f"{KEY.name}+{KEY.hash.hex()}", id="no key"),
        pytest.param(f"{KEY.name}+{KEY.hash.hex()}+", id="an empty key"),
        pytest.param(f"{KEY.name}+00000000+{ENCODED}", id="another hash"),
        pytest.param(f"{KEY.name}+{KEY.hash.hex().upper()}x+{ENCODED}", id="a hash that is not hexadecimal"),
        pytest.param(f"other+{KEY.hash.hex()}+{ENCODED}", id="another name"),
        pytest.param(f"+{KEY.hash.hex()}+{ENCODED}", id="an empty name"),
        pytest.param(f"{KEY}\n", id="a newline"),
        pytest.param(f"{KEY}=", id="padding too much"),
        pytest.param(str(VerifierKey("a b", KEY.raw)), id="a space in the name"),
        pytest.param(f"{KEY.name}+{KEY.hash.hex()}+é", id="a key beyond ASCII"),
        pytest.param(
            f"{KEY.name}+{KEY.hash.hex()}+" + base64.b64encode(b"\x04" + KEY.raw).decode(),
            id="another algorithm",
        ),
        pytest.param(
            f"{KEY.name}+{KEY.hash.hex()}+" + base64.b64encode(b"\x01" + KEY.raw[1:]).decode(), id="31 bytes"
        ),
        pytest.param(str(VerifierKey("name", (1).to_bytes(32, "little"))), id="a key of small order"),
    ],
)
def test_what_is_not_a_strict_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput):
        VerifierKey.parse(text)
