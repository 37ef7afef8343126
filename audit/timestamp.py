"""RFC 3161 timestamps over checkpoints: an authority signs that it saw the text at a time.

What is stamped is SHA-256 of the checkpoint's text, up to and with the newline before the empty line. What is kept is
the authority's whole answer (TimeStampResp, RFC 3161, 2.4.2), which ``openssl ts -verify`` reads.

Rules:

- The certificate that signs the tokens is pinned, not just its root: another authority under the same root, a
  certificate that a token brings along, or a root of the sender's own count for nothing.
- The answer grants what was asked, and nothing else: status 0, SHA-256, this text, the nonce of the request when it
  is fresh, the policy where one is pinned.
- The certificates held at the time that the token names. A pinned certificate that has expired since still proves
  tokens from before.
- The fields of the token that its signature does not cover have the one value that they should have.
- A time in the future of the clock at hand is no time.

Parsing and the signature are `rfc3161-client`'s (1.0.8 and older accept a rogue authority that embeds a root of its
own); what is pinned, and what beside the signature must hold, is decided here.
"""

import hashlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerifierBuilder,
    decode_timestamp_response,
)

from audit.anchor_settings import SKEW_SECONDS, Authority, check_url
from audit.errors import EnvironmentFailed, MalformedInput, NotVerified
from audit.post import Answer, fetch

__all__ = ["Stamp", "check_granted", "obtain", "open_response", "pin", "verify_stamp"]

MOST_BYTES = 64 * 1024
_SHA256 = "2.16.840.1.101.3.4.2.1"
_NOT_DER = "the answer of the authority is not a TimeStampResp in DER (RFC 3161)"
_QUERY = "application/timestamp-query"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a token says once its signature is checked; `time` is in seconds since 1970."""

    time: float
    algorithm: str
    digest: bytes
    policy: str
    nonce: int | None


def pin(url: str, certificates: str, policy: str | None = None) -> Authority:
    """Pin an authority: PEM of the certificate that signs its tokens first, then those above it, the root among them.

    Raises `MalformedInput` where the first is not an authority's, or its root is missing.
    """
    if policy is not None:
        try:
            x509.ObjectIdentifier(policy)
        except ValueError:
            raise MalformedInput(
                f"the policy {policy!r} is no object identifier, such as 1.2.3.4.1"
            ) from None
    pems = [f"{pem}\n" for pem in _PEM.findall(certificates)]
    authority = Authority(check_url(url), *((pems[0], tuple(pems[1:])) if pems else ("", ())), policy)
    leaf, _, roots = _certificates(authority)
    if not _stamps(leaf):
        raise MalformedInput(
            "the first certificate is not a time stamp authority's (its extended key usage is not timeStamping, "
            "critical): put the one that signs the tokens first"
        )
    if not roots:
        raise MalformedInput(
            "the root above the authority's certificate is missing: give the whole chain, as its operator publishes it"
        )
    return authority


def obtain(
    authority: Authority, text: str, *, now: float, send: Callable[[str, bytes, str], Answer] = fetch
) -> bytes:
    """Ask an authority for a timestamp over a checkpoint's text; return its answer, verified.

    `now` is the clock at hand, in seconds since 1970. Raises `EnvironmentFailed` where the authority does not answer,
    `NotVerified` where it answers with anything but what was asked.
    """
    request = (
        TimestampRequestBuilder(data=text.encode(), hash_algorithm=HashAlgorithm.SHA256)
        .cert_request(cert_request=True)
        .build()
    )
    answer = send(authority.url, request.as_bytes(), _QUERY)
    if answer.status != 200 or len(answer.body) > MOST_BYTES:
        raise EnvironmentFailed(
            f"the authority {authority.url} answers with the status {answer.status} and {len(answer.body):,} bytes, "
            "not with a timestamp"
        )
    if request.nonce is None:
        raise EnvironmentFailed("no nonce was drawn for the timestamp: try again")
    verify_stamp(answer.body, authority, text, now=now, nonce=request.nonce)
    return answer.body


def verify_stamp(
    response: bytes, authority: Authority, text: str, *, now: float, nonce: int | None = None
) -> float:
    """Check that the pinned authority stamped a checkpoint's text; return when, in seconds since 1970.

    `nonce` is that of the request, where the answer is fresh. Raises `MalformedInput` or `NotVerified`.
    """
    stamp = open_response(response, authority)
    if stamp.algorithm != _SHA256:
        raise NotVerified(f"the timestamp is over the digest algorithm {stamp.algorithm}, not over SHA-256")
    if stamp.digest != hashlib.sha256(text.encode()).digest():
        raise NotVerified("the timestamp is over another text than this checkpoint's")
    if nonce is not None and stamp.nonce != nonce:
        raise NotVerified(
            "the timestamp answers another request than the one that was sent: its nonce is another"
        )
    if stamp.time > now + SKEW_SECONDS:
        raise NotVerified(
            f"the timestamp is of {_written(stamp.time)}, which is in the future: the authority's clock is wrong, "
            "or the one here"
        )
    return stamp.time


def open_response(response: bytes, authority: Authority) -> Stamp:
    """Check that the pinned authority granted and signed an answer; return what it says."""
    leaf, between, roots = _certificates(authority)
    with warnings.catch_warnings():
        # A certificate that a stranger sends may be odd in ways that its reader warns of; the pinned one decides.
        warnings.simplefilter("ignore")
        answer = _decoded(response)
        try:
            VerifierBuilder(tsa_certificate=leaf, intermediates=between, roots=roots).build().verify(
                answer, answer.tst_info.message_imprint.message
            )
            stamp = _stamp(answer)
        except Exception as error:
            # What the library and the reader of the certificates in the token raise on odd bytes is not one class.
            raise NotVerified(f"the timestamp does not verify: {_reason(error)}") from None
    if authority.policy is not None and stamp.policy != authority.policy:
        raise NotVerified(f"the timestamp is under the policy {stamp.policy}, not {authority.policy}")
    _check_unsigned(answer.time_stamp_token(), leaf)
    return stamp


def check_granted(response: bytes) -> None:
    """Check that an answer is one and grants a timestamp, whosoever's: `MalformedInput` or `NotVerified`."""
    _decoded(response)


def _decoded(response: bytes) -> TimeStampResponse:
    try:
        answer = decode_timestamp_response(response)
    except ValueError:
        answer = _decoded_in_order(response)
    try:
        status = answer.status
    except ValueError:
        raise MalformedInput(_NOT_DER) from None
    if status != 0:
        raise NotVerified(
            f"the authority did not grant a timestamp: its status is {status} (RFC 3161, 2.4.2)"
        )
    return answer


def _decoded_in_order(response: bytes) -> TimeStampResponse:
    """Read an answer whose certificates stand in another order than DER's, as `openssl ts` writes several.

    RFC 5652, 5.1, asks for no order of them, and nothing that is signed changes with it.
    """
    try:
        token = tsp.TimeStampResp.load(response)["time_stamp_token"]
        certificates = [each.dump() for each in token["content"]["certificates"]]
        written, sorted_ones = b"".join(certificates), b"".join(sorted(certificates))
        return decode_timestamp_response(response.replace(written, sorted_ones, 1))
    except Exception:
        # What the reader of odd bytes raises is not one class.
        raise MalformedInput(_NOT_DER) from None


def _stamp(answer: TimeStampResponse) -> Stamp:
    said = answer.tst_info
    return Stamp(
        time=said.gen_time.replace(tzinfo=UTC).timestamp(),
        algorithm=said.message_imprint.hash_algorithm.dotted_string,
        digest=said.message_imprint.message,
        policy=said.policy.dotted_string,
        nonce=said.nonce,
    )


def _check_unsigned(token: bytes, leaf: x509.Certificate) -> None:
    """Refuse other versions and another signature algorithm than the key's: no signature covers these fields."""
    signed: Any = tsp.ContentInfo.load(token)["content"]
    [signer] = signed["signer_infos"]
    algorithm = signer["signature_algorithm"]
    try:
        named = (
            signed["version"].native,
            signer["version"].native,
            algorithm.signature_algo,
            algorithm.hash_algo,
        )
    except ValueError:
        named = (signed["version"].native, signer["version"].native, algorithm["algorithm"].native, None)
    key = leaf.public_key()
    digest = signer["digest_algorithm"]["algorithm"].native
    for kind, name in ((EllipticCurvePublicKey, "ecdsa"), (RSAPublicKey, "rsassa_pkcs1v15")):
        if isinstance(key, kind) and named in (("v3", "v1", name, digest), ("v3", "v1", name, None)):
            return
    raise NotVerified(
        f"the timestamp's versions and signature algorithm are {', '.join(map(str, named))}, which do not belong to "
        "the pinned certificate"
    )


def _certificates(
    authority: Authority,
) -> tuple[x509.Certificate, list[x509.Certificate], list[x509.Certificate]]:
    """Read the pinned certificate, those between, and the roots (which are named by themselves)."""
    try:
        leaf, *above = (
            x509.load_pem_x509_certificate(pem.encode("ascii"))
            for pem in (authority.certificate, *authority.issuers)
        )
    except ValueError:
        raise MalformedInput(
            f"the pinned certificates of {authority.url} are not X.509 in PEM (openssl x509 prints them so)"
        ) from None
    roots = [c for c in (leaf, *above) if c.subject == c.issuer]
    return leaf, [c for c in above if c.subject != c.issuer], roots


def _stamps(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return usage.critical and list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def _reason(error: Exception) -> str:
    """Say in a few words what the library and OpenSSL say in many."""
    said = str(error)
    for mark, words in (
        ("certificate has expired", "its certificate had expired at the time it names"),
        ("certificate is not yet valid", "its certificate was not valid yet at the time it names"),
        ("signature failure", "its signature is not the pinned certificate's"),
        ("signer certificate not found", "it is signed by another certificate than the pinned one"),
        ("does not match the one", "it is signed by another certificate than the pinned one"),
        ("No leaf certificate", "it is signed by another certificate than the pinned one"),
        ("certificate verify error", "the pinned certificate does not lead to the pinned root"),
    ):
        if mark in said:
            return words
    return said.partition(": ErrorStack")[0][:200]


def _written(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
