"""The portable verifier, which shares no code with the package, gives the answers of our vectors too."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.record import parse_record
from tests.evidence import a_tiles_tree
from tests.portable_verifier import VERIFIER, answer, said_by
from tests.published import Tally
from tests.vectors.evidence import written
from tests.vectors.history import History
from tests.vectors.key_events import OFFERS
from tests.vectors.make import FOLDER
from tests.vectors.people import ORIGIN, signer

Case = dict[str, Any]

LOG_KEY = 1


def cases(name: str) -> list[Case]:
    found: list[Case] = json.loads((FOLDER / f"{name}.json").read_text())["cases"]
    return found


def canonical(case: Case) -> None:
    VERIFIER.parse_json(base64.b64decode(case["bytes"]), "it")


def record(case: Case) -> None:
    data = case["record"].encode()
    said = json.loads(data)
    VERIFIER.parse_record(data, said["seq"], said["log"])
    assert VERIFIER.leaf_hash(data).hex() == case["leaf_hash"]


def checkpoint(case: Case) -> None:
    head = VERIFIER.parse_checkpoint(case["note"].encode())
    key = VERIFIER.parse_vkey(case["vkey"], LOG_KEY)
    VERIFIER.need(head.origin == key.name and head.place_of(key) is not None, "it is not signed by the log")
    assert (head.size, head.root.hex()) == (case["size"], case["root"])


def log_key(case: Case) -> None:
    VERIFIER.parse_vkey(
        str(VERIFIER.VerifierKey("vectors.example/log", 1, bytes.fromhex(case["key"]))), LOG_KEY
    )


def inclusion(case: Case) -> None:
    leaf, proof = bytes.fromhex(case["leaf_hash"]), [bytes.fromhex(text) for text in case["proof"]]
    VERIFIER.need(all(len(node) == 32 for node in proof), "a hash of another length")
    found = VERIFIER.root_by_inclusion(case["index"], case["size"], leaf, proof)
    VERIFIER.need(found.hex() == case["root"], "another root")


def consistency(case: Case) -> None:
    roots = [bytes.fromhex(case[name]) for name in ("first_root", "second_root")]
    proof = [bytes.fromhex(text) for text in case["proof"]]
    VERIFIER.check_consistency(case["first"], roots[0], case["second"], roots[1], proof)


def answered(read: Callable[[Case], None], case: Case) -> str:
    try:
        read(case)
    except VERIFIER.Wrong:
        return "refused"
    return "accepted"


@pytest.mark.parametrize(
    ("name", "count", "read", "is_asked"),
    [
        ("canonical", 50, canonical, lambda case: True),
        ("ed25519-keys", 57, log_key, lambda case: True),
        ("records", 15, record, lambda case: True),
        ("verifier-keys", 13, lambda case: VERIFIER.parse_vkey(case["vkey"], LOG_KEY), lambda case: True),
        # Lines of extension are read by the package, and refused in evidence.
        ("checkpoints", 12, checkpoint, lambda case: case["why"] != "extension"),
        ("inclusion", 76, inclusion, lambda case: True),
        # Equal sizes and size 0 need no proof, and no function is asked.
        ("consistency", 56, consistency, lambda case: 0 < case["first"] < case["second"]),
    ],
)
def test_it_answers_every_case_as_it_says(
    request: pytest.FixtureRequest,
    name: str,
    count: int,
    read: Callable[[Case], None],
    is_asked: Callable[[Case], bool],
) -> None:
    tally = Tally(f"own vectors by the portable verifier, {name}")
    for case in filter(is_asked, cases(name)):
        tally.case(case["why"], answered(read, case), case["answer"])
    tally.close(count, request)


@pytest.mark.parametrize(("name", "count"), [("bundles", 35), ("tiles-trees", 8)])
def test_it_verifies_evidence_where_it_says_so(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, count: int
) -> None:
    tally = Tally(f"own vectors by the portable verifier, {name}")
    for number, case in enumerate(cases(name)):
        status, _, _ = said_by(written(case, tmp_path / str(number)), "--key", case["vkey"])
        tally.case(case["why"], "accepted" if status == 0 else "refused", case["answer"])
    tally.close(count, request)


class Kept:
    """A log that keeps what stands, and lets the portable verifier look at it with one more."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.records, self.shown = folder, list[bytes](), 0
        self.logs = ["log"]

    def answer(self, record: bytes, answer_expected: str) -> str:
        """Show a tiles tree that ends with an offer; the log's key signs as it must where the offer stands."""
        offered = [*self.records, record]
        changes = answer_expected == "stands" and parse_record(record).kind == "log-rotate"
        self.logs += ["log-2"] if changes else []
        by = self.logs[-2:] if changes else self.logs[-1:]
        head = History(offered).checkpoint(*by)
        vkeys = "".join(f"{VERIFIER.VerifierKey(ORIGIN, 1, signer(name).public.raw)}\n" for name in self.logs)
        self.shown += 1
        tree = a_tiles_tree(self.folder / str(self.shown), offered, head.encode(), vkeys.encode())
        failed = {step["name"] for step in answer(tree)["steps"] if step["status"] == "failed"}
        if answer_expected == "stands":
            self.records = offered
        return "refused" if failed & {"records", "signatures", "observed"} else str(failed or "stands")


@pytest.mark.parametrize(("name", "count"), OFFERS.items())
def test_it_takes_or_refuses_a_history_with_each_offer_as_it_says(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, count: int
) -> None:
    tally, kept = Tally(f"own vectors by the portable verifier, key events, {name}"), Kept(tmp_path)
    [history] = [case for case in cases("key-events") if case["name"] == name]
    for offer in history["offers"]:
        tally.case(offer["why"], kept.answer(offer["record"].encode(), offer["answer"]), offer["answer"])
    tally.close(count, request)


def test_it_verifies_the_small_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    [ledger] = cases("ledger")
    records = [text.encode() for text in ledger["records"]]
    head, vkeys = ledger["checkpoints"][-1].encode(), f"{ledger['vkey']}\n".encode()
    document = answer(a_tiles_tree(tmp_path / "tree", records, head, vkeys), "--key", ledger["vkey"])
    tally = Tally("own vectors by the portable verifier, ledger")
    tally.case("verified", document["verified"], True)
    tally.close(1, request)
