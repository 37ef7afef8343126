"""Signatures that others published, good and bad: Wycheproof, CCTV, RFC 8032's reference, NIST's CAVP."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from audit.curve import has_prime_order
from audit.errors import MalformedInput
from audit.keys import PublicKey
from audit.keystore import decrypt_pem
from tests.published import Tally, packaged, published
from tests.vectors.make import FOLDER


def libsodium_verifies(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def p256(x: int, y: int) -> PublicKey:
    key = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    return PublicKey.parse(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def wycheproof(file: str) -> Iterator[tuple[PublicKey, dict[str, Any]]]:
    """Yield every case with its key, read as strictly as a grant is."""
    groups = json.loads(published(f"wycheproof/testvectors_v1/{file}").read_text())["testGroups"]
    for group in groups:
        key = PublicKey.parse(bytes.fromhex(group["publicKeyDer"]))
        for case in group["tests"]:
            yield key, case


@pytest.mark.parametrize(
    ("file", "cases"), [("ed25519_test.json", 151), ("ecdsa_secp256r1_sha256_test.json", 484)]
)
def test_wycheproof_signatures_verify_where_it_says_so_and_nowhere_else(
    request: pytest.FixtureRequest, file: str, cases: int
) -> None:
    tally = Tally(f"Wycheproof {file}")
    for key, case in wycheproof(file):
        verified = key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
        tally.case(case["tcId"], verified, case["result"] == "valid")
    tally.close(cases, request)


def test_libsodium_answers_wycheproofs_ed25519_as_openssl_does(request: pytest.FixtureRequest) -> None:
    tally = Tally("Wycheproof ed25519_test.json, libsodium")
    for key, case in wycheproof("ed25519_test.json"):
        verified = libsodium_verifies(key.raw, bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
        tally.case(case["tcId"], verified, case["result"] == "valid")
    tally.close(151, request)


def cctv() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(
        published("cctv-ed25519/ed25519/ed25519vectors.json").read_text()
    )
    return cases


def test_openssl_and_libsodium_agree_on_cctvs_edge_cases_once_keys_of_mixed_order_are_refused(
    request: pytest.FixtureRequest,
) -> None:
    # The one they differ on is signed with a good key and an R of small order, which only libsodium refuses. Its
    # signer chose the nonce zero and gave the private key away with it.
    differ = {304: ["low_order_R"]}
    tally = Tally("CCTV ed25519vectors.json, OpenSSL beside libsodium")
    is_accepted = cache(has_prime_order)
    for case in cctv():
        key, signature = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"])
        message = case["msg"].encode()
        accepted = is_accepted(key)
        openssl = accepted and PublicKey.of_raw(key).verify(signature, message)
        libsodium = accepted and libsodium_verifies(key, signature, message)
        tally.case(
            case["number"], None if openssl == libsodium else case["flags"], differ.get(case["number"])
        )
    tally.close(914, request)


def test_every_key_that_cctv_flags_is_refused_and_no_other(request: pytest.FixtureRequest) -> None:
    flagged = {"low_order_A", "non_canonical_A", "low_order_component_A"}
    tally = Tally("CCTV ed25519vectors.json, the key check")
    is_accepted = cache(has_prime_order)
    for case in cctv():
        tally.case(
            case["number"], is_accepted(bytes.fromhex(case["key"])), not flagged & set(case["flags"] or ())
        )
    tally.close(914, request)


def test_the_signatures_of_rfc_8032s_reference_implementation_verify(request: pytest.FixtureRequest) -> None:
    tally = Tally("cryptography-vectors Ed25519/sign.input")
    for line in packaged("asymmetric/Ed25519/sign.input").read_text().splitlines():
        _, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        tally.case(public.hex(), PublicKey.of_raw(public).verify(signed[:64], message), True)
    tally.close(1024, request)


def test_the_signatures_of_rfc_8032s_reference_implementation_are_of_one_message_only(
    request: pytest.FixtureRequest,
) -> None:
    tally = Tally("cryptography-vectors Ed25519/sign.input, another message")
    for line in packaged("asymmetric/Ed25519/sign.input").read_text().splitlines():
        _, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        tally.case(public.hex(), PublicKey.of_raw(public).verify(signed[:64], message + b"\x00"), False)
    tally.close(1024, request)


def test_libsodium_answers_our_own_edge_cases_as_openssl_does_once_the_key_is_accepted(
    request: pytest.FixtureRequest,
) -> None:
    tally = Tally("own vectors, ed25519-signatures, libsodium")
    cases = json.loads((FOLDER / "ed25519-signatures.json").read_text())["cases"]
    for case in cases:
        if case["answer"] != "key refused":
            key, message, signature = (bytes.fromhex(case[name]) for name in ("key", "message", "signature"))
            tally.case(case["why"], libsodium_verifies(key, signature, message), case["answer"] == "verified")
    tally.close(18, request)


def cavp(path: Path) -> Iterator[dict[str, str]]:
    """Yield the cases of the section P-256 with SHA-256 of a NIST CAVP file."""
    section = path.read_text().split("[P-256,SHA-256]\n")[1].split("\n[")[0]
    for block in section.strip().split("\n\n"):
        yield dict(line.split(" = ", 1) for line in block.splitlines())


@pytest.mark.parametrize(("file", "cases"), [("SigVer.rsp", 15), ("SigGen.txt", 15)])
def test_nists_signatures_on_p_256_verify_where_it_says_so_and_nowhere_else(
    request: pytest.FixtureRequest, file: str, cases: int
) -> None:
    tally = Tally(f"cryptography-vectors ECDSA/FIPS_186-3/{file} P-256, SHA-256")
    for case in cavp(packaged(f"asymmetric/ECDSA/FIPS_186-3/{file}")):
        key = p256(int(case["Qx"], 16), int(case["Qy"], 16))
        signature = encode_dss_signature(int(case["R"], 16), int(case["S"], 16))
        good = case.get("Result", "P").startswith("P")
        tally.case(case["Msg"][:16], key.verify(signature, bytes.fromhex(case["Msg"])), good)
    tally.close(cases, request)


PUBLIC_KEYS = {
    "asymmetric/Ed25519/ed25519-pub.der": True,
    "asymmetric/Ed25519/ed25519-pub-non-zero-unused-bits.der": False,
    "asymmetric/X25519/x25519-pub.der": False,
    "asymmetric/DER_Serialization/unenc-rsa-pkcs8.pub.der": False,
    "asymmetric/PKCS8/rsa_pss_2048_pub.der": False,
}


def test_of_published_public_keys_in_der_only_our_algorithms_in_their_one_form_are_read(
    request: pytest.FixtureRequest,
) -> None:
    tally = Tally("cryptography-vectors public keys")
    for file, expected in PUBLIC_KEYS.items():
        data = packaged(file).read_bytes()
        try:
            read = PublicKey.parse(data).spki == data
        except MalformedInput:
            read = False
        tally.case(file, read, expected)
    tally.close(5, request)


def test_every_published_private_key_opens_as_one_of_ours_or_is_refused_in_a_sentence(
    request: pytest.FixtureRequest,
) -> None:
    ours = {"ec_private_key.pem", "ec_private_key_encrypted.pem", "ecc_private_with_rfc5915_ext.pem"}
    ours |= {"ed25519-scrypt.pem", "ec-consistent-curve.pem", "enc-ec-sha1-128-rc4.pem"}
    ours |= {"ed25519-pkcs8.pem", "ed25519-pkcs8-enc.pem"}
    tally = Tally("cryptography-vectors PKCS8/*.pem and Ed25519/*.pem")
    folders = [packaged(f"asymmetric/{name}") for name in ("PKCS8", "Ed25519")]
    for path in sorted(path for folder in folders for path in folder.glob("*.pem")):
        opened = False
        for passphrase in (b"", b"123456", b"hunter42", b"password"):
            try:
                decrypt_pem(path.read_bytes(), passphrase)
                opened = True
            except MalformedInput:
                pass
        tally.case(path.name, opened, path.name in ours)
    tally.close(55, request)
