"""Signed notes that others published: Go's sumdb/note, the example of C2SP, the key of Tessera's test log."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import AffidavitError, MalformedInput
from audit.keys import LocalSigner
from audit.note import Note, VerifierKey, sign_note
from tests.published import Tally, published


def vectors() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(published("signed-note/vectors.json").read_text())
    return found


def signers_of(note: str, keys: list[VerifierKey]) -> list[str] | str:
    """Name the keys that a note verifies with, or the class of what is wrong with it."""
    try:
        return [key.name for key in Note.parse(note.encode()).verify(keys)]
    except AffidavitError as error:
        return type(error).__name__


def test_published_verifier_keys_are_read_as_they_are_written(request: pytest.FixtureRequest) -> None:
    said, tally = vectors(), Tally("signed notes, verifier keys")
    keys = [*said["vkeys"], said["c2sp_example"]["vkey"], said["tessera_testdata_vkey"]]
    for text in keys:
        tally.case(text, str(VerifierKey.parse(text)), text)
    tally.close(4, request)


def test_published_bad_verifier_keys_are_refused(request: pytest.FixtureRequest) -> None:
    said, tally = vectors(), Tally("signed notes, bad verifier keys")
    for text in said["bad_vkeys"]:
        try:
            found = str(VerifierKey.parse(text))
        except MalformedInput:
            found = "refused"
        tally.case(text, found, "refused")
    tally.close(2, request)


def test_published_notes_verify_with_the_keys_that_signed_them(request: pytest.FixtureRequest) -> None:
    said, tally = vectors(), Tally("signed notes, notes")
    peter, enoch = (VerifierKey.parse(text) for text in said["vkeys"])
    text, by_peter, by_enoch = said["text"], said["peter_sig"], said["enoch_sig"]
    example = said["c2sp_example"]
    changed = text.replace("cryptography", "cartography")
    broken = by_peter.replace("ZJkuBS", "ZJkuBT")
    for label, note, keys, expected in (
        ("C2SP's example", example["note"], [VerifierKey.parse(example["vkey"])], ["example.com/foo"]),
        ("one signature", f"{text}\n{by_peter}", [peter], ["PeterNeumann"]),
        ("two signatures", f"{text}\n{by_peter}{by_enoch}", [peter, enoch], ["PeterNeumann", "EnochRoot"]),
        ("two signatures, one key known", f"{text}\n{by_peter}{by_enoch}", [enoch], ["EnochRoot"]),
        ("the other's key", f"{text}\n{by_peter}", [enoch], "NotVerified"),
        ("a changed text", f"{changed}\n{by_peter}", [peter], "NotVerified"),
        ("a changed signature", f"{text}\n{broken}", [peter], "NotVerified"),
        (
            "a changed signature beside a good one",
            f"{text}\n{broken}{by_enoch}",
            [peter, enoch],
            "NotVerified",
        ),
        ("no signature", f"{text}\n", [peter], "MalformedInput"),
        ("no empty line", f"{text}{by_peter}", [peter], "MalformedInput"),
    ):
        tally.case(label, signers_of(note, keys), expected)
    tally.close(10, request)


def test_a_note_signed_here_with_the_published_key_is_the_published_note(
    request: pytest.FixtureRequest,
) -> None:
    said, tally = vectors(), Tally("signed notes, signing")
    _, _, name, _, encoded = said["skey"].split("+", 4)
    signer = LocalSigner(Ed25519PrivateKey.from_private_bytes(base64.b64decode(encoded)[1:]))
    note = sign_note(said["text"], name, signer).to_bytes().decode()
    tally.case(name, note, f"{said['text']}\n{said['peter_sig']}")
    tally.close(1, request)
