"""Keys on hardware tokens, by PKCS#11: Ed25519 and ECDSA on P-256.

Rules:

- One session for each key, logged in when the first signature is asked for and kept; where it was lost (a token taken
  out, a service started anew) it is opened and logged in once again.
- A wrong PIN is tried once and never again by itself: a token locks after a few.
- Every signature is verified with the public key that is registered, before anything else sees it.
- ECDSA comes from a token as r and s, 32 bytes each, and leaves here in DER.

Source: PKCS#11 (Cryptoki) 3.0, 2.3.5 (ECDSA) and 2.3.14 (EdDSA).
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from asn1crypto.core import OctetString
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from audit.keys import Algorithm, PublicKey
from audit.pkcs11_uri import Pkcs11Uri

try:
    import pkcs11
    from pkcs11 import exceptions as failed
    from pkcs11.constants import Attribute, ObjectClass, TokenFlag
    from pkcs11.mechanisms import KeyType, Mechanism
    from pkcs11.types import PROTECTED_AUTH
except ImportError:
    raise EnvironmentFailed(
        "keys on hardware tokens need the package python-pkcs11: install affidavit[hsm]"
    ) from None

if TYPE_CHECKING:
    from pkcs11.types import Session, Token

__all__ = ["Pkcs11Signer", "create_key", "failures", "find_key"]

_LOST = (
    failed.SessionHandleInvalid,
    failed.SessionClosed,
    failed.UserNotLoggedIn,
    failed.KeyHandleInvalid,
    failed.ObjectHandleInvalid,
    failed.DeviceRemoved,
    failed.TokenNotPresent,
)
_ED25519 = (b"\x13\x0cedwards25519", bytes.fromhex("06032b6570"))
"""The curve as PKCS#11 3.0 names it, and as an object identifier (RFC 8410), which some tokens want."""
_P256 = bytes.fromhex("06082a8648ce3d030107")

# python-pkcs11 begins with C_Initialize(NULL), which promises the module that no two threads call it at once.
_ONE_AT_A_TIME = threading.Lock()


class Pkcs11Signer:
    """A key on a token; the PIN is asked for when it is first used."""

    def __init__(self, uri: str, public: PublicKey, pin: Callable[[], bytes]) -> None:
        """Name the key; nothing is opened yet."""
        self._uri, self._public, self._pin = Pkcs11Uri.parse(uri), public, pin
        self._session: Session | None = None
        self._key: Any = None

    @property
    def public(self) -> PublicKey:
        """The public key that is registered."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Sign the message: 64 bytes for Ed25519, DER for ECDSA."""
        with _ONE_AT_A_TIME, failures(self._uri):
            try:
                signature = self._sign(message)
            except _LOST:
                self._close()
                signature = self._sign(message)
        if not self._public.verify(signature, message):
            raise EnvironmentFailed(
                f"the key {self._uri.what} on {self._uri.where} is not the private part of the public key that is "
                "registered here, or the token is faulty: nothing was signed"
            )
        return signature

    def _sign(self, message: bytes) -> bytes:
        if self._session is None or self._key is None:
            self._session = _log_in(self._uri, self._pin, write=False)
            self._key = _one(self._session, self._uri, ObjectClass.PRIVATE_KEY)
        if self._key.key_type == KeyType.EC_EDWARDS:
            return bytes(self._key.sign(message, mechanism=Mechanism.EDDSA))
        both = bytes(self._key.sign(hashlib.sha256(message).digest(), mechanism=Mechanism.ECDSA))
        half = len(both) // 2
        return encode_dss_signature(int.from_bytes(both[:half], "big"), int.from_bytes(both[half:], "big"))

    def _close(self) -> None:
        if self._session is not None:
            with suppress(failed.PKCS11Error):
                self._session.close()
        self._session = self._key = None


def create_key(uri: str, algorithm: Algorithm, pin: Callable[[], bytes]) -> PublicKey:
    """Make a key on the token, which never leaves it; `MalformedInput` where one of that name is there."""
    named = Pkcs11Uri.parse(uri)
    if named.label is None:
        raise MalformedInput("a new key on a token gets a label: name it with object= in the URI")
    with _ONE_AT_A_TIME, failures(named):
        session = _log_in(named, pin, write=True)
        try:
            if _all(session, named, ObjectClass.PRIVATE_KEY):
                raise MalformedInput(
                    f"{named.where} has a key {named.what} already: choose another object=, or take it with --existing"
                )
            made = _generate(session, named.label, named.id or os.urandom(16), algorithm)
            return _public(made)
        finally:
            session.close()


def find_key(uri: str, pin: Callable[[], bytes]) -> PublicKey:
    """Read the public part of a key that is on the token."""
    named = Pkcs11Uri.parse(uri)
    with _ONE_AT_A_TIME, failures(named):
        session = _log_in(named, pin, write=False)
        try:
            return _public(_one(session, named, ObjectClass.PUBLIC_KEY))
        finally:
            session.close()


def _log_in(uri: Pkcs11Uri, pin: Callable[[], bytes], *, write: bool) -> "Session":
    token: Token = pkcs11.lib(uri.module).get_token(token_label=uri.token, token_serial=uri.serial)
    secret: object = pin().decode()
    if not secret and TokenFlag.PROTECTED_AUTHENTICATION_PATH in token.flags:
        secret = PROTECTED_AUTH
    if not secret:
        raise EnvironmentFailed(
            f"{uri.where} asks for its PIN: give it at the prompt or in AFFIDAVIT_PASSPHRASE"
        )
    try:
        return token.open(rw=write, user_pin=secret)
    except failed.UserAlreadyLoggedIn:
        # Another key of this process is on the same token; a login holds for all of its sessions.
        return token.open(rw=write)


def _one(session: "Session", uri: Pkcs11Uri, kind: ObjectClass) -> Any:
    found = _all(session, uri, kind)
    if len(found) != 1:
        many = f"{len(found)} keys" if found else "no key"
        do = "add id= to the URI" if found else "check object= or id= in the URI"
        raise NotFound(f"{uri.where} has {many} {uri.what}: {do}")
    return found[0]


def _all(session: "Session", uri: Pkcs11Uri, kind: ObjectClass) -> list[Any]:
    wanted: dict[Attribute, Any] = {Attribute.CLASS: kind}
    if uri.label is not None:
        wanted[Attribute.LABEL] = uri.label
    if uri.id is not None:
        wanted[Attribute.ID] = uri.id
    return list(session.get_objects(wanted))


def _generate(session: "Session", label: str, ident: bytes, algorithm: Algorithm) -> Any:
    kind, curves = (KeyType.EC_EDWARDS, _ED25519) if algorithm == "ed25519" else (KeyType.EC, (_P256,))
    for curve in curves:
        domain = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
        try:
            return domain.generate_keypair(store=True, label=label, id=ident)[0]
        except (failed.DomainParamsInvalid, failed.AttributeValueInvalid, failed.ArgumentsBad):
            if curve is curves[-1]:
                raise
    raise AssertionError("there is a curve")


def _public(key: Any) -> PublicKey:
    """Read a public key object: CKA_EC_POINT is the point in an OCTET STRING, or bare on some tokens."""
    point = bytes(key[Attribute.EC_POINT])
    if len(point) not in (32, 65):
        point = bytes(OctetString.load(point).native)
    if len(point) == 32:
        return PublicKey.parse(PublicKey.of_raw(point).spki)
    try:
        loaded = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point)
    except (ValueError, UnsupportedAlgorithm):
        raise MalformedInput("a key is Ed25519 or ECDSA on P-256, no other algorithm is accepted") from None
    return PublicKey.parse(loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@contextmanager
def failures(uri: Pkcs11Uri) -> Iterator[None]:
    """Turn what a token answers into one sentence."""
    try:
        yield
    except (failed.PinIncorrect, failed.PinInvalid, failed.PinLenRange):
        raise MalformedInput(
            f"the PIN of {uri.where} is wrong: give the right one (most tokens lock after a few wrong ones)"
        ) from None
    except failed.PinLocked:
        raise EnvironmentFailed(
            f"{uri.where} is locked after too many wrong PINs: its security officer can set a new one"
        ) from None
    except (failed.NoSuchToken, failed.TokenNotPresent, failed.DeviceRemoved, failed.TokenNotRecognised):
        raise EnvironmentFailed(f"{uri.where} is not there: connect it, or check token= in the URI") from None
    except failed.MultipleTokensReturned:
        raise MalformedInput(f"several tokens are called {uri.token!r}: add serial= to the URI") from None
    except failed.UserPinNotInitialized:
        raise EnvironmentFailed(f"{uri.where} has no PIN yet: initialise it first") from None
    except (failed.MechanismInvalid, failed.FunctionNotSupported):
        raise EnvironmentFailed(
            f"{uri.where} does not do this kind of key: try --algorithm ecdsa-p256, or another token"
        ) from None
    except failed.PKCS11Error as error:
        said = str(error) or type(error).__name__
        if said.startswith(("OS exception", "Unknown exception")):
            raise EnvironmentFailed(
                f"the PKCS#11 module {uri.module} cannot be loaded: check module-path= in the URI"
            ) from None
        raise EnvironmentFailed(f"{uri.where} answered {said}: nothing was signed, try again") from None
