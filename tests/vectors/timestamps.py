"""Make timestamps.json: `python -m tests.vectors.timestamps` asks authorities made for it, with `openssl ts`.

A token holds the time at which it was made, so that no two runs make the same bytes: the file is kept as it was made,
unlike the others, and made anew only when a case is added. What each case answers is said by hand beside it.
"""

import base64
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from tests.authority import POLICY, Certified, LocalAuthority, certified, root_certificate
from tests.vectors.make import FOLDER, WARNING

__all__ = ["NAME", "main"]

NAME = "timestamps"
TEXT = "vectors.example/ledger\n9\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
ABOUT = "RFC 3161 answers over the text of a checkpoint: does the pinned authority say that it saw the text?"
YEAR = 365 * 86400


@dataclass(frozen=True)
class _Asked:
    response: bytes
    nonce: int


def _ask(
    authority: LocalAuthority, text: str = TEXT, algorithm: HashAlgorithm = HashAlgorithm.SHA256, *more: str
) -> _Asked:
    request = TimestampRequestBuilder(data=text.encode(), hash_algorithm=algorithm).cert_request(
        cert_request=True
    )
    built = request.build()
    return _Asked(authority.answer(built.as_bytes(), *more), built.nonce or 0)


def _authority(place: Path, name: str, root: Certified, **options: Any) -> LocalAuthority:
    return LocalAuthority.make(place / name, root, certified(root, f"Authority {name}", **options))


def cases(place: Path, now: int) -> list[dict[str, Any]]:
    """Ask for every token, and say what it is worth."""
    root, other_root = root_certificate("Vectors root"), root_certificate("Vectors root")
    here, beside = _authority(place, "here", root), _authority(place, "beside", root)
    rogue = LocalAuthority.make(place / "rogue", other_root, certified(other_root, "Authority here"))
    expired = _authority(place, "expired", root, days=(-20, -10))
    early = _authority(place, "early", root, days=(10, 20))
    web = _authority(place, "web", root, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    good = _ask(here)
    *rest, last = good.response  # the signature is the last thing in the answer

    def case(response: bytes, answer: str, why: str, **more: Any) -> dict[str, Any]:
        known = {"certificates": here.chain, "policy": None, "text": TEXT, "now": now, "nonce": None}
        return {
            "response": base64.b64encode(response).decode(),
            **known,
            **more,
            "why": why,
            "answer": answer,
        }

    return [
        case(good.response, "accepted", "a token over the text"),
        case(good.response, "accepted", "fresh: the nonce is that of the request", nonce=good.nonce),
        case(good.response, "accepted", "under the policy that is pinned", policy=POLICY),
        case(good.response, "accepted", "read in fifty years, its certificate expired long ago", now=now + 50 * YEAR),
        case(_ask(beside).response, "accepted", "another authority, pinned", certificates=beside.chain),
        case(good.response, "refused", "over another text", text=TEXT.replace("\n9\n", "\n8\n")),
        case(good.response, "refused", "over the text without its last newline", text=TEXT.removesuffix("\n")),
        case(good.response, "refused", "of the future: the clock at hand is a day behind", now=now - 86400),
        case(good.response, "refused", "fresh: the nonce of another request", nonce=good.nonce ^ 1),
        case(good.response, "refused", "under another policy than the one pinned", policy="1.2.3.4"),
        case(
            _ask(here, TEXT, HashAlgorithm.SHA512).response, "refused", "over SHA-512 of the text, not SHA-256"
        ),
        case(_ask(beside).response, "refused", "by another authority under the same root"),
        case(_ask(rogue).response, "refused", "by a stranger whose root and authority have the same names"),
        case(_ask(rogue).response, "refused", "by a stranger, with its root pinned beside the right authority",
             certificates=here.signer.pem + rogue.root.pem),
        case(_ask(expired).response, "refused", "its certificate had expired by then", certificates=expired.chain),
        case(_ask(early).response, "refused", "its certificate was not valid yet", certificates=early.chain),
        case(good.response, "refused", "what is pinned is a web server's certificate", certificates=web.chain),
        case(good.response, "refused", "no root is pinned", certificates=here.signer.pem),
        case(bytes([*rest, last ^ 1]), "refused", "a bit of the signature is another"),
        case(bytes.fromhex("30053003020102"), "refused", "status 2, rejection: no token"),
        case(good.response[:-1], "refused", "a byte is missing"),
        case(good.response + b"\x00", "refused", "a byte more"),
        case(b"", "refused", "nothing"),
    ]  # fmt: skip


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as place:
        made = cases(Path(place), int(time.time()) + 60)
    file = {"warning": WARNING, "about": ABOUT, "count": len(made), "cases": made}
    path = FOLDER / f"{NAME}.json"
    path.write_text(json.dumps(file, indent=1, ensure_ascii=True) + "\n")
    print(f"{path.name}: {len(made)} cases")


if __name__ == "__main__":
    main()
