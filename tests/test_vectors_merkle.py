"""The RFC 6962 probes of transparency-dev/merkle: proofs that hold and proofs that do not.

Its probes of subtrees (draft-ietf-plants-merkle-tree-certs) are not run: nothing here proves a subtree.

One convention differs. To its authors the question whether the tree of no leaves is a prefix of another is useless
and answered with an error; here it is a yes: RFC 6962 gives that tree a root, and a ledger's genesis entry observed it.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from audit.errors import NotVerified
from audit.merkle import EMPTY_ROOT, verify_consistency, verify_inclusion
from tests.published import Tally, published


def probes(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path of each probe, and the probe."""
    folder = published("merkle-rfc6962/testdata")
    for path in sorted((folder / kind).rglob("*.json")):
        yield str(path.relative_to(folder)), json.loads(path.read_text())


def hashes(texts: list[str] | None) -> list[bytes]:
    return [base64.b64decode(text) for text in texts or []]


def holds(verify: Any, *arguments: object) -> bool:
    try:
        verify(*arguments)
    except NotVerified:
        return False
    return True


def test_every_probe_of_inclusion_is_answered_as_published(request: pytest.FixtureRequest) -> None:
    tally = Tally("RFC 6962 inclusion probes")
    for path, probe in probes("inclusion"):
        leaf, root = base64.b64decode(probe["leafHash"]), base64.b64decode(probe["root"])
        proof = hashes(probe["proof"])
        found = holds(verify_inclusion, leaf, probe["leafIdx"], probe["treeSize"], proof, root)
        tally.case(path, found, not probe["wantErr"])
    tally.close(98, request)


def consistent(probe: dict[str, Any]) -> bool:
    roots = base64.b64decode(probe["root1"]), base64.b64decode(probe["root2"])
    return holds(verify_consistency, probe["size1"], probe["size2"], *roots, hashes(probe["proof"]))


def test_every_probe_of_consistency_is_answered_as_published(request: pytest.FixtureRequest) -> None:
    tally = Tally("RFC 6962 consistency probes")
    for path, probe in probes("consistency"):
        tally.case(path, consistent(probe), not probe["wantErr"])
    tally.close(98, request)


def test_of_the_tree_of_no_leaves_the_probes_say_no_and_we_say_that_it_is_a_prefix_of_every_tree() -> None:
    path = "additional/size1-is-zero-and-size2-is-not-zero.json"
    probe = json.loads(published(f"merkle-rfc6962/testdata/consistency/{path}").read_text())
    assert (probe["wantErr"], base64.b64decode(probe["root1"])) == (True, EMPTY_ROOT)
    # The probe's second root is no hash, for which it is refused here as well; with one, it is the other convention.
    assert not consistent(probe)
    assert consistent({**probe, "root2": base64.b64encode(bytes(32)).decode()})
