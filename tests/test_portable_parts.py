"""The parts of the portable verifier do what ours do, and whatever it is given, it answers."""

import base64
import hashlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.canonical import decode, encode
from audit.curve import has_prime_order
from audit.errors import MalformedInput
from tests.evidence import path_of, proof_of, root_of, zipped
from tests.portable_samples import Kept, a_story, rechained
from tests.portable_verifier import VERIFIER, said_by


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return a_story(tmp_path_factory.mktemp("portable-story"))


# -- its parts ---------------------------------------------------------------------------------------------------------

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_canonical_json_is_written_as_the_package_writes_it(value: Any) -> None:
    assert VERIFIER.canonical(value).encode() == encode(value)


@pytest.mark.parametrize(
    "data",
        [b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"1.0", b"1e2", b"-0", b"01", b" 1", b"9007199254740992", b'"\\u0041"',
     b'"\\/"', b'"\\ud800"', b'{"\xc3\xa9":1}', b"NaN", b"Infinity", b"[1,]", b"\xef\xbb\xbf1", b'"\xff"', b"", b"'a'",
     b"[" * 5000, b'"\xed\xa0\x80"', b"1" * 5000, b"true false", b'"\x7f\x1f"', b'"\\u001F"', b"[" * 66 + b"]" * 66],
    ids=lambda data: ascii(data[:20]),
)  # fmt: skip
def test_json_that_can_be_written_otherwise_is_refused(data: bytes) -> None:
    with pytest.raises(VERIFIER.Wrong):
        VERIFIER.parse_json(data, "it")
    with pytest.raises(MalformedInput):
        decode(data)


@settings(max_examples=200)
@given(st.binary(max_size=60) | VALUES.map(encode).map(lambda data: data[: len(data) // 2] + data))
def test_what_is_read_as_canonical_is_what_the_package_reads(data: bytes) -> None:
    try:
        ours = decode(data)
    except MalformedInput:
        with pytest.raises(VERIFIER.Wrong):
            VERIFIER.parse_json(data, "it")
    else:
        assert VERIFIER.parse_json(data, "it") == ours


SMALL_ORDER = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
"""Points of order 1, 2, 4 and 8, and encodings that are not the one of their point."""


@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_a_key_of_small_order_is_none(encoded: str) -> None:
    assert not VERIFIER.is_prime_order(bytes.fromhex(encoded))


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32))
def test_any_bytes_are_a_key_or_none_as_the_package_has_it(encoded: bytes) -> None:
    assert VERIFIER.is_prime_order(encoded) == has_prime_order(encoded)


def leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(b"\x00%d" % n).digest() for n in range(count)]


def test_every_proof_of_small_trees_verifies() -> None:
    for size in range(1, 20):
        tree = VERIFIER.Tree()
        for leaf in leaves(size):
            tree.append(leaf)
        root = root_of(leaves(size))
        assert tree.root(size) == root
        for seq, leaf in enumerate(leaves(size)):
            assert VERIFIER.root_by_inclusion(seq, size, leaf, path_of(seq, leaves(size))) == root
            old = root_of(leaves(seq))
            assert tree.root(seq) == old
            if seq:
                VERIFIER.check_consistency(seq, old, size, root, proof_of(seq, leaves(size)))


@given(st.integers(2, 40), st.data())
def test_a_consistency_proof_that_was_changed_is_refused(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    proof = proof_of(old, leaves(size))
    kind = data.draw(st.sampled_from(["drop", "add", "change", "root"]))
    place = data.draw(st.integers(0, len(proof) - 1))
    roots = [root_of(leaves(old)), root_of(leaves(size))]
    if kind == "drop":
        del proof[place]
    elif kind == "add":
        proof.insert(place, data.draw(st.sampled_from([*roots, bytes(32)])))
    elif kind == "change":
        proof[place] = bytes(32)
    else:
        roots[place % 2] = bytes(32)
    with pytest.raises(VERIFIER.Wrong):
        VERIFIER.check_consistency(old, roots[0], size, roots[1], proof)


# -- whatever is given -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("anything")


@settings(max_examples=40)
@given(data=st.data())
def test_whatever_stands_in_a_member_there_is_an_answer(
    story: Kept, place: Path, data: st.DataObject
) -> None:
    members = story.members(anchors={"anchors/0.note": story.head(5)})
    name = data.draw(st.sampled_from(sorted(members)))
    lines = members[name].split(b"\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(
        st.binary(max_size=80) | st.text(max_size=20).map(str.encode) | st.just(lines[at] * 2)
    )
    members[name] = b"\n".join(lines)
    status, out, err = said_by(zipped(place / "any.zip", members))
    assert status in (0, 1)
    assert (bool(out), err) == (True, "")


@settings(max_examples=60)
@given(data=st.binary(max_size=400), whole=st.booleans())
def test_whatever_a_file_holds_there_is_one_sentence(place: Path, data: bytes, whole: bool) -> None:
    end = b"PK\x05\x06" + bytes(8) + struct.pack("<IIH", len(data) // 2, len(data) - len(data) // 2, 0)
    (place / "any").write_bytes(data + (end if whole else b""))
    status, out, err = said_by(place / "any")
    assert (status, out, err.count("\n")) == (2, "", 1)


@settings(max_examples=25)
@given(data=st.data())
def test_a_statement_that_says_anything_at_all_never_breaks_it(
    story: Kept, place: Path, data: st.DataObject
) -> None:
    seq = data.draw(st.integers(0, 19))
    owners = {signer.public.keyid: name for name, signer in story.people.items()}
    record = json.loads(story.records[seq])
    said = json.loads(base64.b64decode(record["entry"]["payload"]))["predicate"]
    flat: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=5)
    junk = flat | st.lists(flat, max_size=2) | st.dictionaries(st.text("ab"), flat, max_size=2)
    drawn = data.draw(st.dictionaries(st.sampled_from(sorted(said)), junk, min_size=1, max_size=3))
    from tests import dishonest

    signer = story.people[owners[record["entry"]["signatures"][0]["keyid"]]]
    records = list(story.records)
    records[seq] = dishonest.forge(records[seq], lambda p: p.update(drawn), signer)
    shutil.rmtree(place / "tiles", ignore_errors=True)
    status, out, err = said_by(story.with_records(rechained(records)).tree(place / "tiles"), "--json")
    assert status in (0, 1)
    assert err == ""
    assert json.loads(out)["verified"] == (status == 0)
