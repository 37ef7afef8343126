"""Vectors of signed texts: verifier keys, notes and checkpoints, as C2SP has them."""

import base64
from collections.abc import Callable
from typing import Any

from audit.canonical import Json
from audit.note import Note, NoteSignature, VerifierKey
from tests.vectors.history import History, begun, signed_by
from tests.vectors.people import LOG, ORIGIN, VKEY, signer

__all__ = ["FILES"]

Cases = list[dict[str, Any]]


def verifier_keys() -> Cases:
    """C2SP verifier keys of a log."""
    good, encoded = str(VKEY), str(VKEY).split("+", 2)[2]
    other = VerifierKey("other.example", LOG.public.raw)
    bad = {
        "another hash": f"{ORIGIN}+00000000+{encoded}",
        "another name": good.replace("vectors", "vektors"),
        "a hash in upper case": good.replace(good.split("+")[1], good.split("+")[1].upper() + "x"),
        "a space in the name": str(VerifierKey("a b", LOG.public.raw)),
        "no name": str(VerifierKey("", LOG.public.raw)),
        "31 bytes": f"{ORIGIN}+{VKEY.hash.hex()}+{_b64(bytes([1]) + LOG.public.raw[1:])}",
        "another algorithm": f"{ORIGIN}+{VKEY.hash.hex()}+{_b64(bytes([2]) + LOG.public.raw)}",
        "a key of order 1": str(VerifierKey(ORIGIN, (1).to_bytes(32, "little"))),
        "a key of order 8": str(
            VerifierKey(
                ORIGIN, bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
            )
        ),
        "a newline": f"{good}\n",
        "no key": f"{ORIGIN}+{VKEY.hash.hex()}+",
    }
    return [
        *({"vkey": text, "answer": "accepted", "why": "a verifier key"} for text in (good, str(other))),
        *({"vkey": text, "answer": "refused", "why": why} for why, text in bad.items()),
    ]


def notes() -> Cases:
    """Signed notes with the keys that are known; the answer names the keys that signed, or what is wrong."""
    text, name = "one\ntwo\n", ORIGIN
    both = signed_by(text, ["log", "log-2"])
    known: list[Json] = [str(VKEY), str(VerifierKey(name, signer("log-2").public.raw))]
    one, two = known
    cases: Cases = []

    def case(answer: Json, why: str, note: str, *keys: Json) -> None:
        cases.append({"note": note, "vkeys": list(keys), "answer": answer, "why": why})

    case([one], "one signature", signed_by(text, ["log"]), one)
    case([one, two], "two signatures", both, one, two)
    case([two], "two signatures, one key known", both, two)
    case([one], "an empty line in the text", signed_by("one\n\ntwo\n", ["log"]), one)
    case("not verified", "no key known", both)
    case("not verified", "another's key", signed_by(text, ["log"]), two)
    case("not verified", "a changed text", both.replace("two", "too"), one)
    spoilt = Note(text, (NoteSignature(name, VKEY.hash, bytes(64)),)).to_bytes().decode()
    case("not verified", "a bad signature of a known key", spoilt, one)
    bad = spoilt + signed_by(text, ["log-2"]).split("\n\n")[1]
    case("not verified", "a bad signature of a known key beside a good one", bad, one, two)
    for why, note in {
        "no signature": text + "\n",
        "no empty line": both.replace("\n\n", "\n"),
        "no newline at the end": both.removesuffix("\n"),
        "a carriage return": both.replace("two\n", "two\r\n"),
        "a tab": both.replace("two", "t\two"),
        "a hyphen for the dash": both.replace("\u2014", "-"),
        "two spaces": both.replace("\u2014 ", "\u2014  "),
        "a plus sign in the name": both.replace(f"\u2014 {name}", "\u2014 a+b"),
        "a line that is no signature": both + "comment\n",
        "65 signature lines": signed_by(text, ["log"] * 65),
    }.items():
        case("malformed", why, note, one, two)
    return cases


def checkpoints() -> Cases:
    """Checkpoints of the log whose key is given."""
    history = begun()
    good = history.checkpoint()
    text = good.split("\n\n")[0] + "\n"
    cases: Cases = [
        {"note": good, "vkey": str(VKEY), **_head_of(history), "answer": "accepted", "why": "a head"}
    ]
    extended = signed_by(f"{text}an extension line\n", ["log"])
    cases.append(
        {"note": extended, "vkey": str(VKEY), **_head_of(history), "answer": "accepted", "why": "extension"}
    )
    for why, changed in {
        "a size with a leading zero": text.replace("\n1\n", "\n01\n"),
        "a size below 0": text.replace("\n1\n", "\n-1\n"),
        "a size with a plus sign": text.replace("\n1\n", "\n+1\n"),
        "a size of 20 digits": text.replace("\n1\n", f"\n{'9' * 20}\n"),
        "a size in other digits": text.replace("\n1\n", "\n\u0661\n"),
        "no root": text.rsplit("\n", 2)[0] + "\n",
        "a root of 31 bytes": text.rsplit("\n", 2)[0] + f"\n{_b64(bytes(31))}\n",
        "a root without padding": text.replace("=\n", "\n"),
        "another log's origin": text.replace(ORIGIN, "other.example"),
        "no origin": text.replace(ORIGIN, ""),
    }.items():
        cases.append(
            {"note": signed_by(changed, ["log"]), "vkey": str(VKEY), "answer": "refused", "why": why}
        )
    stranger = signed_by(text, ["stranger"])
    return [
        *cases,
        {"note": stranger, "vkey": str(VKEY), "answer": "refused", "why": "a stranger's signature"},
    ]


def _head_of(history: History) -> dict[str, Json]:
    return {"origin": ORIGIN, "size": len(history.records), "root": history.root().hex()}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


FILES: dict[str, Callable[[], Cases]] = {
    "verifier-keys": verifier_keys,
    "notes": notes,
    "checkpoints": checkpoints,
}
