"""Keys in a key service (AWS, Google Cloud, Azure, HashiCorp Vault), by the signer URIs of securesystemslib.

Rules:

- Only what asks the service for a signature comes from securesystemslib; its envelopes and its PKCS#11 signer do not.
- The service's credentials are the ambient ones of its own package (such as ``AWS_ACCESS_KEY_ID``, ``VAULT_TOKEN``).
- Every signature is verified with the public key that is registered, before anything else sees it.

Source: securesystemslib 1.6, "Signer API".
"""

from cryptography.hazmat.primitives.serialization import load_der_public_key

from audit.errors import EnvironmentFailed
from audit.keys import PublicKey

try:
    from securesystemslib.exceptions import UnsupportedLibraryError
    from securesystemslib.signer import Signer as ServiceSigner
    from securesystemslib.signer import SSlibKey
except ImportError:
    raise EnvironmentFailed(
        "keys in a key service need the package securesystemslib: install affidavit[kms]"
    ) from None

__all__ = ["SERVICES", "KmsSigner"]

SERVICES = {"awskms": "awskms", "gcpkms": "gcpkms", "azurekms": "azurekms", "hv": "vault"}
"""The URI scheme of each service, and the extra of securesystemslib that brings its package."""


class KmsSigner:
    """A key in a service, by its URI; the service is asked when something is signed."""

    def __init__(self, uri: str, public: PublicKey) -> None:
        """Name the key; nothing is asked yet."""
        self._uri, self._public = uri, public
        self._signer: ServiceSigner | None = None

    @property
    def public(self) -> PublicKey:
        """The public key that is registered."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Sign the message: 64 bytes for Ed25519, DER for ECDSA."""
        try:
            if self._signer is None:
                self._signer = self._open()
            signature = bytes.fromhex(self._signer.sign(message).signature)
        except UnsupportedLibraryError:
            scheme = self._uri.partition(":")[0]
            extra = SERVICES.get(scheme, scheme)
            raise EnvironmentFailed(
                f"a key of {scheme} needs its service's package: pip install 'securesystemslib[{extra}]'"
            ) from None
        except Exception as error:
            # Whatever a service's package raises: they share no class.
            said = " ".join(str(error).split())[:200]
            raise EnvironmentFailed(
                f"the key service did not sign with {self._uri} ({type(error).__name__}: {said}): nothing was signed, "
                "try again once that is mended"
            ) from None
        if not self._public.verify(signature, message):
            raise EnvironmentFailed(
                f"the key {self._uri} is not the private part of the public key that is registered here: nothing was "
                "signed"
            )
        return signature

    def _open(self) -> ServiceSigner:
        known = SSlibKey.from_crypto(load_der_public_key(self._public.spki))
        return ServiceSigner.from_priv_key_uri(self._uri, known)
