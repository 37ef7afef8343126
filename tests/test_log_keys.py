"""Who signs the heads of a ledger, over time: each way in which a signed head can be another's."""

from dataclasses import replace

import pytest

from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.errors import MalformedInput, NotPermitted, NotVerified
from audit.keys import LocalSigner
from audit.log_keys import LogKeys, sign_head
from audit.note import Note, VerifierKey, sign_note
from tests.small_ledger import ORIGIN, signer

OLD, NEW, OTHER = signer(), signer(), signer()


def key(one: LocalSigner, name: str = ORIGIN) -> VerifierKey:
    return VerifierKey(name, one.public.raw)


FIRST = LogKeys().then(0, key(OLD))
KEYS = FIRST.then(4, key(NEW))
"""OLD signs up to 5 entries, NEW from 5 on."""


def head(size: int, *by: LocalSigner, origin: str = ORIGIN) -> bytes:
    checkpoint = Checkpoint(origin, size, bytes(32))
    lines = [line for one in by for line in sign_note(checkpoint.text(), origin, one).signatures]
    return Note(checkpoint.text(), tuple(lines)).to_bytes()


@pytest.mark.parametrize(
    ("size", "by"), [(1, [OLD]), (4, [OLD]), (5, [OLD, NEW]), (6, [NEW]), (10**9, [NEW])]
)
def test_a_head_is_signed_by_who_signs_at_its_size(size: int, by: list[LocalSigner]) -> None:
    assert KEYS.open(head(size, *by)).size == size


@pytest.mark.parametrize(
    ("size", "by"),
    [
        pytest.param(4, [NEW], id="the new key before its time"),
        pytest.param(6, [OLD], id="the old key after its time"),
        pytest.param(6, [OLD, NEW], id="the old key besides"),
        pytest.param(5, [OLD], id="the old key alone where both must"),
        pytest.param(5, [NEW], id="the new key alone where both must"),
        pytest.param(5, [NEW, OLD], id="the new key first"),
        pytest.param(4, [OLD, NEW], id="the new key besides"),
    ],
)
def test_a_head_that_others_signed_than_who_signs_at_its_size_is_refused(
    size: int, by: list[LocalSigner]
) -> None:
    with pytest.raises(NotVerified, match=f"of size {size} is not signed by"):
        KEYS.open(head(size, *by))


def test_signatures_of_witnesses_are_passed_over() -> None:
    note = Note.parse(head(3, OLD))
    witness = sign_note(note.text, "witness.example", OTHER).signatures
    assert KEYS.open(replace(note, signatures=(*note.signatures, *witness)).to_bytes()).size == 3


def test_a_head_of_another_ledger_with_the_same_origin_is_said_to_be_that() -> None:
    with pytest.raises(NotVerified, match="rotated since, or there are two ledgers with one origin"):
        KEYS.open(head(3, OTHER))


def test_a_head_of_another_ledger_is_said_by_its_origin() -> None:
    with pytest.raises(NotVerified, match=r"of the ledger 'other\.example', not of"):
        KEYS.open(head(3, OLD, origin="other.example"))


def test_a_bad_signature_is_not_passed_over() -> None:
    good = Note.parse(head(3, OLD))
    [line] = good.signatures
    bad = replace(line, signature=bytes(64))
    with pytest.raises(NotVerified, match="does not verify"):
        KEYS.open(replace(good, signatures=(bad,)).to_bytes())


def test_before_the_genesis_entry_nobody_signs() -> None:
    with pytest.raises(NotVerified, match="no key of the log is known"):
        KEYS.open(head(0, OLD))
    assert KEYS.at(0) is None


def test_a_head_is_signed_as_it_is_opened() -> None:
    checkpoint = Checkpoint(ORIGIN, 5, bytes(32))
    signed = sign_head(checkpoint, FIRST, KEYS, [NEW, OLD])
    assert signed == head(5, OLD, NEW)
    assert sign_head(Checkpoint(ORIGIN, 3, bytes(32)), FIRST, FIRST, [OLD]) == sign_checkpoint(
        Checkpoint(ORIGIN, 3, bytes(32)), OLD
    )


@pytest.mark.parametrize("signers", [[OLD], [NEW], [], [OTHER, OLD]])
def test_a_head_that_two_keys_sign_needs_both_at_hand(signers: list[LocalSigner]) -> None:
    with pytest.raises(NotPermitted, match="not the one that signs this ledger's heads now"):
        sign_head(Checkpoint(ORIGIN, 5, bytes(32)), FIRST, KEYS, signers)


def test_no_entry_follows_the_change_of_the_key_under_one_head() -> None:
    with pytest.raises(MalformedInput, match="is the last of its batch"):
        sign_head(Checkpoint(ORIGIN, 6, bytes(32)), FIRST, KEYS, [OLD, NEW])
