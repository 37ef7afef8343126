"""Signers by URI: where a private key is that is in no file here.

==========================================  ==========================================================================
``pkcs11:token=...;object=...?module-path=``  a hardware token (RFC 7512), `audit.pkcs11_signer`, extra ``hsm``
``awskms:``, ``gcpkms:``, ``azurekms:``, ``hv:``  a key service, `audit.kms_signer`, extra ``kms``
==========================================  ==========================================================================

What each needs is imported when one is opened. A URI holds no secret: the PIN of a token is asked for as a
passphrase is, the credentials of a service are its own.
"""

from collections.abc import Callable

from audit.errors import MalformedInput
from audit.keys import Algorithm, PublicKey, Signer

__all__ = ["create_at", "open_uri"]

_SERVICES = ("awskms", "gcpkms", "azurekms", "hv")
_PROBE = b"affidavit: is this the key that is registered?\n"


def open_uri(uri: str, public: PublicKey, secret: Callable[[], bytes]) -> Signer:
    """Open the key behind a URI, whose public part is known; `secret` gives its PIN when it is needed."""
    if _scheme(uri) == "pkcs11":
        from audit.pkcs11_signer import Pkcs11Signer

        return Pkcs11Signer(uri, public, secret)
    from audit.kms_signer import KmsSigner

    return KmsSigner(uri, public)


def create_at(
    uri: str,
    secret: Callable[[], bytes],
    *,
    algorithm: Algorithm = "ed25519",
    existing: bool = False,
    public: PublicKey | None = None,
) -> PublicKey:
    """Make a key behind a URI, or take the one that is there, and return its public part.

    A token makes the key, unless it is an `existing` one. A service's key is made with the service's own tools; its
    `public` part is given, and a signature shows that it belongs to the key.
    """
    if _scheme(uri) == "pkcs11":
        from audit.pkcs11_signer import create_key, find_key

        return find_key(uri, secret) if existing else create_key(uri, algorithm, secret)
    if public is None:
        raise MalformedInput("a key in a key service is made there: give its public part with --public FILE")
    open_uri(uri, public, secret).sign(_PROBE)
    return public


def _scheme(uri: str) -> str:
    scheme = uri.partition(":")[0]
    if scheme not in ("pkcs11", *_SERVICES) or not uri.isprintable() or len(uri) > 2000:
        raise MalformedInput(
            f"the key's URI {uri[:60]!r} is not usable: it begins with pkcs11:, {':, '.join(_SERVICES[:-1])}: or "
            f"{_SERVICES[-1]}:"
        )
    return scheme
