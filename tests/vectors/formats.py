"""Vectors of what is parsed: canonical JSON, statements, envelopes, records, notes, verifier keys, checkpoints."""

import base64
import json
from collections.abc import Callable
from typing import Any

from audit.canonical import Json, encode
from audit.envelope import Envelope, sign
from audit.merkle import leaf_hash
from audit.note import VerifierKey
from audit.record import MOST_BYTES
from tests.vectors.history import begun, report
from tests.vectors.people import NAMES, ORIGIN, seed, signer

__all__ = ["FILES"]

Cases = list[dict[str, Any]]


def test_keys() -> Cases:
    """The keys that the other files are signed with."""
    return [
        {
            "name": name,
            "algorithm": "ecdsa-p256" if name == "pat" else "ed25519",
            "private": seed(name).hex(),
            "public": signer(name).public.base64(),
            "keyid": signer(name).public.keyid,
            "pem": signer(name).public.pem().decode(),
            **({} if name == "pat" else {"vkey": str(VerifierKey(ORIGIN, signer(name).public.raw))}),
        }
        for name in NAMES
    ]


def canonical() -> Cases:
    """Bytes that are canonical JSON in the value domain, and bytes that are not."""
    good: list[Any] = [
        *(None, True, False, 0, -1, 2**53 - 1, -(2**53 - 1), "", "text", [], {}, [1, [2, [3]]]),
        *("\u00e9\u20ac\U0001f600", 'quote " backslash \\ slash /', "\b\t\n\f\r", "\x00\x1f\x7f", "0.8731"),
        {"b": [1, None], "a": "0.8731", "B": {}, "": "empty", "1": 1, "10": 2},
        "A\u030a",
        _nested(63),
    ]
    bad = {
        "a key twice": '{"a":1,"a":2}',
        "keys out of order": '{"b":1,"a":2}',
        "a space": '{"a": 1}',
        "a newline after the end": "[]\n",
        "a byte order mark": "\ufeff[]",
        "a letter as an escape": '"\\u0061"',
        "an escaped solidus": '"\\/"',
        "a character beyond ASCII as an escape": '"\\u00e9"',
        "an escape in upper case": '"\\u001F"',
        "a long escape where a short one exists": '"\\u000a"',
        "a lone surrogate as an escape": '"\\ud800"',
        "a key beyond ASCII": '{"\u00e9":1}',
        "a fraction": "0.5",
        "a whole number with a fraction": "1.0",
        "an exponent": "1e2",
        "minus zero": "-0",
        "a leading zero": "01",
        "an integer beyond 2^53-1": "9007199254740992",
        "not a number": "NaN",
        "infinity": "Infinity",
        "single quotes": "'a'",
        "a trailing comma": "[1,]",
        "two values": "[1][2]",
        "a bare control character": '"\n"',
        "65 lists within each other": "[" * 65 + "]" * 65,
        "nothing": "",
    }
    raw = {
        "a byte that is not UTF-8": b'"\xff"',
        "an overlong encoding": b'"\xc0\xaf"',
        "a lone surrogate as bytes": b'"\xed\xa0\x80"',
        "a zero byte": b"\x00",
    }
    cases: Cases = [{"bytes": _b64(encode(v)), "answer": "accepted", "why": "canonical"} for v in good]
    refused = {**{why: text.encode() for why, text in bad.items()}, **raw}
    return cases + [{"bytes": _b64(data), "answer": "refused", "why": why} for why, data in refused.items()]


def statements() -> Cases:
    """Payloads of envelopes."""
    good = json.loads(_envelope(_first()).payload)
    predicate = good["predicate"]
    cases = [_text_case("a statement of a kind that no reader knows is a statement", good, True)]

    def bad(why: str, **changes: Any) -> None:
        cases.append(_text_case(why, {**good, **changes}, False))

    bad("another type", _type="https://in-toto.io/Statement/v0.1")
    bad("no subject", subject=[])
    bad("a subject without a name", subject=[{"digest": {"sha256": "ab" * 32}}])
    bad("a subject by SHA-512 too", subject=[{"digest": {"sha256": "ab" * 32, "sha512": "ab"}, "name": "x"}])
    bad("a digest in upper case", subject=[{"digest": {"sha256": "AB" * 32}, "name": "x"}])
    bad("a predicate type without a version", predicateType="urn:affidavit:report")
    bad("a predicate type of another version", predicateType="urn:affidavit:report:v2")
    bad("a kind in upper case", predicateType="urn:affidavit:Report:v1")
    bad("a member too many", more=1)
    bad("a predicate that is a list", predicate=[])
    for member in ("ledger", "entry_id", "signed_at", "observed", "role"):
        bad(f"no {member}", predicate={k: v for k, v in predicate.items() if k != member})
    for why, member, value in (
        ("an entry_id of UUID version 4", "entry_id", "019bbb5c-5a3e-4000-8000-000000000000"),
        ("an entry_id in upper case", "entry_id", "019BBB5C-5A3E-7000-8000-000000000000"),
        ("a time without microseconds", "signed_at", "2026-01-13T09:30:00Z"),
        ("a time with an offset", "signed_at", "2026-01-13T09:30:00.000000+01:00"),
        ("a month that is none", "signed_at", "2026-13-13T09:30:00.000000Z"),
        ("an observed size below 0", "observed", {"size": -1, "root": "00" * 32}),
        ("an observed size that is true", "observed", {"size": True, "root": "00" * 32}),
        ("an observed root of 31 bytes", "observed", {"size": 0, "root": "00" * 31}),
        ("a role that is no text", "role", 1),
    ):
        bad(why, predicate={**predicate, member: value})
    spaced = json.dumps(good, sort_keys=True)
    return [*cases, {"payload": spaced, "answer": "refused", "why": "spaces between the members"}]


def envelopes() -> Cases:
    """Envelopes, each with the keys that are known and the answer to: do all its signatures verify?"""
    value: dict[str, Any] = _envelope(_first(), "admin", "pat").to_json()
    one, two = value["signatures"]
    payload = str(value["payload"])
    cases: Cases = []

    def case(answer: str, why: str, **changes: Any) -> None:
        cases.append({"envelope": {**value, **changes}, "answer": answer, "why": why})

    case("verified", "two signatures, Ed25519 and ECDSA")
    case("verified", "one signature", signatures=[one])
    case("verified", "the signatures the other way round", signatures=[two, one])
    case("not verified", "a signature of another payload", payload=_b64(report().payload()))
    case("not verified", "the other's signature", signatures=[{**one, "sig": two["sig"]}])
    case(
        "not verified", "a good signature beside a bad one", signatures=[one, {**two, "sig": _b64(bytes(70))}]
    )
    case("malformed", "no signature", signatures=[])
    case("malformed", "the same key twice", signatures=[one, one])
    case("malformed", "17 signatures", signatures=[{"keyid": f"{n:064x}", "sig": "AAAA"} for n in range(17)])
    case("malformed", "a signature without a key id", signatures=[{"sig": one["sig"]}])
    case("malformed", "a member too many in a signature", signatures=[{**one, "cert": ""}])
    case("malformed", "a member too many", more=1)
    case("malformed", "another payload type", payloadType="application/vnd.in-toto.v1+json")
    case("malformed", "base64 without padding", payload="AA")
    case("malformed", "the URL alphabet of base64", signatures=[{**one, "sig": "_-" + str(one["sig"])[2:]}])
    case("malformed", "base64 with bits after its end", payload="AB==")
    case("malformed", "a newline in base64", payload=f"{payload[:4]}\n{payload[4:]}")
    return cases


def records() -> Cases:
    """Records by themselves; where one is read, its leaf hash."""
    first = begun()
    good = first.offer(True, "", report(), "admin", role="recorder")
    value = json.loads(good)
    cases: Cases = [_record_case("a record", good, True)]
    cases += [_record_case("a genesis record", first.records[0], True)]
    cases += [_record_case("a record of 65,536 bytes", _sized(MOST_BYTES + 1), False)]
    cases += [_record_case("a record of 65,535 bytes", _sized(MOST_BYTES), True)]
    changed: dict[str, dict[str, Any]] = {
        "a member too many": {"more": 1},
        "another type": {"type": "urn:affidavit:record:v2"},
        "a seq below 0": {"seq": -1},
        "a seq that is text": {"seq": "1"},
        "a seq that is true": {"seq": True},
        "a prev of 31 bytes": {"prev": "00" * 31},
        "a prev in upper case": {"prev": "AB" * 32},
        "a time without microseconds": {"time": "2026-01-13T09:30:00Z"},
        "a log that is no text": {"log": 1},
        "an entry that is no envelope": {"entry": {}},
    }
    for why, changes in changed.items():
        cases.append(_record_case(why, encode({**value, **changes}), False))
    cases.append(_record_case("a space after a comma", good.replace(b',"log"', b', "log"'), False))
    return cases


def _first() -> bytes:
    return begun().offer(True, "", report(), "admin", role="recorder")


def _envelope(record: bytes, *by: str) -> Envelope:
    payload = Envelope.from_json(json.loads(record)["entry"]).payload
    return sign(payload, [signer(name) for name in by or ("admin",)])


def _text_case(why: str, value: object, accepted: bool) -> dict[str, Json]:
    return {"payload": encode(value).decode(), "answer": "accepted" if accepted else "refused", "why": why}


def _record_case(why: str, record: bytes, accepted: bool) -> dict[str, Json]:
    answer: dict[str, Json] = {"answer": "accepted", "leaf_hash": leaf_hash(record).hex()}
    return {"record": record.decode(), **(answer if accepted else {"answer": "refused"}), "why": why}


def _sized(bytes_wanted: int) -> bytes:
    """Write a record of so many bytes: base64 grows by four, so the digits of its number make up the rest."""
    first = begun()
    record = first.offer(True, "", report(), "admin", role="recorder")
    more = (bytes_wanted - len(record)) // 4 * 3
    said = report("x" * (len("a title") + more))
    offered = begun().offer(True, "", said, "admin", role="recorder")
    digits = bytes_wanted - len(offered)
    assert 0 <= digits < 8
    return encode({**json.loads(offered), "seq": 10**digits})


def _nested(depth: int) -> Json:
    value: Json = []
    for _ in range(depth):
        value = [value]
    return value


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


FILES: dict[str, Callable[[], Cases]] = {
    "keys": test_keys,
    "canonical": canonical,
    "statements": statements,
    "envelopes": envelopes,
    "records": records,
}
