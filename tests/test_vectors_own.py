"""Our own vectors: the script still makes these bytes, and our code answers each case as it says."""

import base64
import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from audit.canonical import decode
from audit.checkpoint import open_checkpoint
from audit.envelope import Envelope
from audit.errors import AffidavitError, MalformedInput, NotVerified
from audit.evidence import Brought
from audit.keys import PublicKey
from audit.merkle import leaf_hash, root, verify_consistency, verify_inclusion
from audit.note import Note, VerifierKey
from audit.offline import verify_evidence
from audit.proof import TlogProof
from audit.record import FIRST_PREV, Entry, parse_record
from audit.statement import Statement
from audit.timestamp import pin, verify_stamp
from audit.trust import Trust
from tests.published import Tally
from tests.vectors import timestamps
from tests.vectors.evidence import written
from tests.vectors.key_events import OFFERS
from tests.vectors.make import FOLDER, MAKERS, text_of

Case = dict[str, Any]


def cases(name: str) -> list[Case]:
    file = json.loads((FOLDER / f"{name}.json").read_text())
    assert file["count"] == len(file["cases"])
    found: list[Case] = file["cases"]
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_the_script_makes_exactly_these_bytes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == text_of(name)


def test_every_file_is_made_by_the_script_and_named_in_the_readme() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted([*MAKERS, timestamps.NAME])
    readme = (FOLDER / "README.md").read_text()
    assert [name for name in MAKERS if f"`{name}.json`" not in readme] == []
    assert f"`{timestamps.NAME}.json`" in readme


def parsed(read: Callable[[], object]) -> str:
    """Answer `accepted`, or `refused` by an error of ours; any other error is the test's."""
    try:
        read()
    except AffidavitError:
        return "refused"
    return "accepted"


def answers(read: Callable[[Case], object]) -> Callable[[Case], str]:
    return lambda case: parsed(lambda: read(case))


def envelope(case: Case) -> str:
    known = {key["keyid"]: PublicKey.parse_base64(key["public"]) for key in cases("keys")}
    try:
        Envelope.from_json(case["envelope"]).verify(known.__getitem__)
    except MalformedInput:
        return "malformed"
    except NotVerified:
        return "not verified"
    return "verified"


def note(case: Case) -> object:
    try:
        keys = [VerifierKey.parse(text) for text in case["vkeys"]]
        return [str(key) for key in Note.parse(case["note"].encode()).verify(keys)]
    except MalformedInput:
        return "malformed"
    except NotVerified:
        return "not verified"


def hashes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def inclusion(case: Case) -> None:
    leaf, tree = bytes.fromhex(case["leaf_hash"]), bytes.fromhex(case["root"])
    verify_inclusion(leaf, case["index"], case["size"], hashes(case["proof"]), tree)


def consistency(case: Case) -> None:
    roots = bytes.fromhex(case["first_root"]), bytes.fromhex(case["second_root"])
    verify_consistency(case["first"], case["second"], *roots, hashes(case["proof"]))


def checkpoint(case: Case) -> None:
    head = open_checkpoint(case["note"].encode(), VerifierKey.parse(case["vkey"]))
    assert (head.origin, head.size, head.root.hex()) == (case["origin"], case["size"], case["root"])


def record(case: Case) -> None:
    assert parse_record(case["record"].encode()).leaf_hash == case["leaf_hash"]


def tlog_proof(case: Case) -> None:
    proof = TlogProof.parse(case["proof"].encode())
    proof.verify(leaf_hash(case["record"].encode()), [VerifierKey.parse(case["vkey"])])


def key(case: Case) -> None:
    assert PublicKey.parse(bytes.fromhex(case["spki"])).raw.hex() == case["key"]


def log_key(case: Case) -> None:
    VerifierKey.parse(str(VerifierKey("vectors.example/log", bytes.fromhex(case["key"]))))


def signature(case: Case) -> str:
    try:
        public = PublicKey.parse(bytes.fromhex(case["spki"]))
    except MalformedInput:
        return "key refused"
    good = public.verify(bytes.fromhex(case["signature"]), bytes.fromhex(case["message"]))
    return "verified" if good else "not verified"


def timestamp(case: Case) -> None:
    authority = pin("https://authority.example/tsr", case["certificates"], case["policy"])
    response = base64.b64decode(case["response"])
    verify_stamp(response, authority, case["text"], now=case["now"], nonce=case["nonce"])


@pytest.mark.parametrize(
    ("name", "count", "answer"),
    [
        ("ed25519-keys", 57, answers(key)),
        ("ed25519-signatures", 26, signature),
        ("timestamps", 23, answers(timestamp)),
        ("canonical", 50, answers(lambda case: decode(base64.b64decode(case["bytes"])))),
        ("statements", 26, answers(lambda case: Statement.parse(case["payload"].encode()))),
        ("envelopes", 17, envelope),
        ("records", 15, answers(record)),
        ("verifier-keys", 13, answers(lambda case: VerifierKey.parse(case["vkey"]))),
        ("notes", 19, note),
        ("checkpoints", 13, answers(checkpoint)),
        ("inclusion", 76, answers(inclusion)),
        ("consistency", 82, answers(consistency)),
        ("tlog-proofs", 21, answers(tlog_proof)),
    ],
)
def test_every_case_is_answered_as_it_says(
    request: pytest.FixtureRequest, name: str, count: int, answer: Callable[[Case], object]
) -> None:
    tally = Tally(f"own vectors, {name}")
    for case in cases(name):
        tally.case(case["why"], answer(case), case["answer"])
    tally.close(count, request)


def test_no_log_is_named_by_a_key_that_may_not_be_granted(request: pytest.FixtureRequest) -> None:
    tally = Tally("own vectors, ed25519-keys as keys of a log")
    for case in cases("ed25519-keys"):
        tally.case(case["why"], parsed(partial(log_key, case)), case["answer"])
    tally.close(57, request)


def test_every_test_key_is_named_by_its_own_id(request: pytest.FixtureRequest) -> None:
    tally = Tally("own vectors, keys")
    for key in cases("keys"):
        public = PublicKey.parse_pem(key["pem"].encode())
        tally.case(key["name"], (public.keyid, public.base64()), (key["keyid"], key["public"]))
    tally.close(9, request)


def test_every_root_is_that_of_its_leaves(request: pytest.FixtureRequest) -> None:
    tally = Tally("own vectors, roots")
    for case in cases("roots"):
        leaves = [leaf_hash(leaf) for leaf in hashes(case["leaves"])]
        tally.case(len(leaves), [leaf.hex() for leaf in leaves], case["leaf_hashes"])
        tally.case(len(leaves), root(leaves).hex(), case["root"])
    tally.close(42, request)


@pytest.mark.parametrize(("name", "count"), [("bundles", 35), ("tiles-trees", 8)])
def test_evidence_in_files_verifies_where_it_says_so(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, count: int
) -> None:
    tally = Tally(f"own vectors, {name}")
    for number, case in enumerate(cases(name)):
        place = written(case, tmp_path / str(number))
        brought = Brought(log_key=VerifierKey.parse(case["vkey"]))
        try:
            verified = bool(verify_evidence(place, "bundle" if "zip" in case else "tiles", brought))
        except MalformedInput:  # no bundle can be read from it
            verified = False
        tally.case(case["why"], "accepted" if verified else "refused", case["answer"])
    tally.close(count, request)


class Log:
    """Answers offers one by one, as a log does that keeps nothing but what it must."""

    def __init__(self, origin: str) -> None:
        self.origin, self.trust = origin, Trust()
        self.entries: list[Entry] = []

    def answer(self, offered: bytes) -> str:
        try:
            entry = parse_record(offered)
            self.check_place(entry)
            self.trust.permit(entry.envelope, entry.statement, entry.seq)
            self.trust = self.trust.after(entry.seq, entry.statement)
        except AffidavitError:
            return "refused"
        self.entries.append(entry)
        return "stands"

    def check_place(self, entry: Entry) -> None:
        """Refuse what is for another ledger or place, a second time here, or of another history."""
        before = self.entries[-1].leaf_hash if self.entries else FIRST_PREV
        seen = entry.statement.observed
        if (
            (entry.seq, entry.prev) != (len(self.entries), before)
            or {entry.log, entry.statement.text("ledger")} != {self.origin}
            or entry.entry_id in {stands.entry_id for stands in self.entries}
            or seen.size > entry.seq
            or seen.root != self.root(seen.size)
        ):
            raise NotVerified("it does not belong here")

    def root(self, size: int) -> str:
        return root(bytes.fromhex(entry.leaf_hash) for entry in self.entries[:size]).hex()


@pytest.mark.parametrize(("name", "count"), OFFERS.items())
def test_every_offer_stands_or_is_refused_as_it_says(
    request: pytest.FixtureRequest, name: str, count: int
) -> None:
    tally = Tally(f"own vectors, key events, {name}")
    [history] = [case for case in cases("key-events") if case["name"] == name]
    log = Log(history["origin"])
    for offer in history["offers"]:
        tally.case(offer["why"], log.answer(offer["record"].encode()), offer["answer"])
    tally.close(count, request)


def test_every_head_is_signed_by_the_keys_that_the_log_has_there(request: pytest.FixtureRequest) -> None:
    tally = Tally("own vectors, key events, heads of a log with two keys")
    [history] = [case for case in cases("key-events") if "heads" in case]
    log = Log(history["origin"])
    for offer in history["offers"]:
        log.answer(offer["record"].encode())
    for head in history["heads"]:
        tally.case(head["why"], parsed(partial(log.trust.logs.open, head["note"].encode())), head["answer"])
    tally.close(20, request)


def test_the_small_ledger_verifies_from_its_records_alone(request: pytest.FixtureRequest) -> None:
    tally = Tally("own vectors, ledger")
    [ledger] = cases("ledger")
    log = Log(ledger["origin"])
    for record_text, leaf in zip(ledger["records"], ledger["leaf_hashes"], strict=True):
        tally.case(leaf, log.answer(record_text.encode()), "stands")
        assert log.entries[-1].leaf_hash == leaf
    assert (len(log.entries), log.root(len(log.entries))) == (ledger["size"], ledger["root"])
    heads = [log.trust.logs.open(text.encode()) for text in ledger["checkpoints"]]
    assert [head.root.hex() for head in heads] == [log.root(head.size) for head in heads]
    assert all(first.size < second.size for first, second in pairwise(heads))
    assert (heads[-1].size, log.trust.logs.newest) == (9, VerifierKey.parse(ledger["vkey"]))
    tally.close(9, request)
