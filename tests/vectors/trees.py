"""Vectors of the tree: leaf hashes, roots, inclusion and consistency proofs, tlog-proofs, good and bad."""

import base64
from collections.abc import Callable
from typing import Any

from audit.merkle import consistency_proof, inclusion_proof, leaf_hash, root
from audit.proof import TlogProof
from tests.vectors.history import History, begun, report
from tests.vectors.people import VKEY

__all__ = ["FILES"]

Cases = list[dict[str, Any]]

LEAVES = [bytes.fromhex("00" * length) if length else b"" for length in range(20)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def roots() -> Cases:
    """The roots over the first 0, 1, 2, ... leaves."""
    return [
        {
            "leaves": [leaf.hex() for leaf in LEAVES[:size]],
            "leaf_hashes": [leaf.hex() for leaf in HASHES[:size]],
            "root": root(HASHES[:size]).hex(),
        }
        for size in range(len(LEAVES) + 1)
    ]


def inclusion() -> Cases:
    """Proofs that a leaf stands at an index of a tree."""
    good = [_inclusion(index, size) for size in (1, 2, 3, 4, 5, 7, 8, 13, 20) for index in range(size)]
    one = _inclusion(6, 13)
    changes: dict[str, dict[str, Any]] = {
        "another index": {"index": 7},
        "an index that is the size": {"index": 13},
        "another size": {"size": 8},
        "size 0": {"index": 0, "size": 0},
        "another leaf": {"leaf_hash": HASHES[7].hex()},
        "another root": {"root": root(HASHES[:12]).hex()},
        "a hash too few": {"proof": one["proof"][:-1]},
        "a hash too many": {"proof": [*one["proof"], HASHES[0].hex()]},
        "a hash too many in front": {"proof": [HASHES[6].hex(), *one["proof"]]},
        "two hashes changed about": {"proof": [*one["proof"][1::-1], *one["proof"][2:]]},
        "no hash": {"proof": []},
        "a hash of 31 bytes": {"proof": [one["proof"][0][:-2], *one["proof"][1:]]},
        "a bit of a hash": {"proof": [_flipped(one["proof"][0]), *one["proof"][1:]]},
    }
    return good + [{**one, **changed, "answer": "refused", "why": why} for why, changed in changes.items()]


def consistency() -> Cases:
    """Proofs that a tree is a prefix of another."""
    sizes = (0, 1, 2, 3, 4, 6, 7, 8, 13, 16, 20)
    good = [_consistency(first, second) for second in sizes for first in sizes if first <= second]
    one = _consistency(6, 13)
    changes: dict[str, dict[str, Any]] = {
        "another first size": {"first": 5},
        "another second size": {"second": 20},
        "the sizes changed about": {"first": 13, "second": 6},
        "the roots changed about": {"first_root": one["second_root"], "second_root": one["first_root"]},
        "another first root": {"first_root": root(HASHES[:7]).hex()},
        "another second root": {"second_root": root(HASHES[:12]).hex()},
        "a hash too few": {"proof": one["proof"][:-1]},
        "a hash too many": {"proof": [*one["proof"], HASHES[0].hex()]},
        "the first root in front": {"proof": [one["first_root"], *one["proof"]]},
        "no hash": {"proof": []},
        "a bit of a hash": {"proof": [_flipped(one["proof"][0]), *one["proof"][1:]]},
    }
    bad = [{**one, **changed, "answer": "refused", "why": why} for why, changed in changes.items()]
    same = _consistency(7, 7)
    nothing = _consistency(0, 7)
    return [
        *good,
        *bad,
        {**same, "proof": [HASHES[0].hex()], "answer": "refused", "why": "equal sizes and a hash"},
        {**same, "second_root": root(HASHES[:6]).hex(), "answer": "refused", "why": "equal sizes, two roots"},
        {**nothing, "proof": [HASHES[0].hex()], "answer": "refused", "why": "from size 0 and a hash"},
        {**nothing, "first_root": "00" * 32, "answer": "refused", "why": "size 0 with the root of something"},
        # Only the signed checkpoint says the size: a proof leads to a root, and here both sizes need the same hashes.
        {
            **one,
            "second": 14,
            "answer": "accepted",
            "why": "another second size whose proof has the same shape",
        },
    ]


def tlog_proofs() -> Cases:
    """C2SP tlog-proofs of records, with the log's verifier key."""
    history = begun()
    for number in range(5):
        history.offer(True, "", report(f"title {number}"), "admin", role="recorder")
    leaves = [leaf_hash(record) for record in history.records]
    good = [_tlog_proof(history, leaves, index) for index in range(len(leaves))]
    one = str(good[2]["proof"])
    lines = one.split("\n")
    changes = {
        "another version": one.replace("@v1", "@v2"),
        "an index with a leading zero": one.replace("index 2", "index 02"),
        "another index": one.replace("index 2", "index 3"),
        "an index beyond the checkpoint": one.replace("index 2", "index 6"),
        "no index": one.replace("index 2\n", ""),
        "a hash too few": "\n".join(lines[:2] + lines[3:]),
        "a hash twice": "\n".join(lines[:3] + lines[2:]),
        "a hash without padding": one.replace("=\n", "\n", 1),
        "no empty line": one.replace("\n\n", "\n", 1),
        "an empty extra line": one.replace("index 2", "extra \nindex 2"),
        "a checkpoint of fewer entries": one.split("\n\n")[0] + "\n\n" + history.checkpoint(size=5),
        "a stranger's checkpoint": one.split("\n\n")[0] + "\n\n" + history.checkpoint("stranger"),
        "a newline after the end": one + "\n",
    }
    extra = {**good[2], "proof": one.replace("index 2", f"extra {_b64(b'anything')}\nindex 2")}
    bad = [{**good[2], "proof": text, "answer": "refused", "why": why} for why, text in changes.items()]
    other = {
        **good[2],
        "record": good[3]["record"],
        "answer": "refused",
        "why": "the proof of another record",
    }
    return [*good, {**extra, "why": "extra data, which proves nothing"}, *bad, other]


def _node(leaves: list[bytes]) -> Callable[[int, int], bytes]:
    return lambda level, index: root(leaves[index << level : (index + 1) << level])


def _inclusion(index: int, size: int) -> dict[str, Any]:
    proof = inclusion_proof(_node(HASHES), index, size)
    return {
        "index": index,
        "size": size,
        "leaf_hash": HASHES[index].hex(),
        "root": root(HASHES[:size]).hex(),
        "proof": [value.hex() for value in proof],
        "answer": "accepted",
        "why": "a proof",
    }


def _consistency(first: int, second: int) -> dict[str, Any]:
    proof = consistency_proof(_node(HASHES), first, second)
    return {
        "first": first,
        "second": second,
        "first_root": root(HASHES[:first]).hex(),
        "second_root": root(HASHES[:second]).hex(),
        "proof": [value.hex() for value in proof],
        "answer": "accepted",
        "why": "a proof",
    }


def _tlog_proof(history: History, leaves: list[bytes], index: int) -> dict[str, Any]:
    hashes = inclusion_proof(_node(leaves), index, len(leaves))
    proof = TlogProof(index, hashes, history.checkpoint().encode())
    return {
        "record": history.records[index].decode(),
        "vkey": str(VKEY),
        "proof": proof.to_bytes().decode(),
        "answer": "accepted",
        "why": "a proof",
    }


def _flipped(value: str) -> str:
    data = bytearray.fromhex(value)
    data[5] ^= 1
    return data.hex()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


FILES: dict[str, Callable[[], Cases]] = {
    "roots": roots,
    "inclusion": inclusion,
    "consistency": consistency,
    "tlog-proofs": tlog_proofs,
}
