"""Where a key on a hardware token is: a PKCS#11 URI (RFC 7512), read strictly.

Rules:

- Of the path are understood ``token``, ``serial``, ``object`` and ``id``, of the query ``module-path``; anything else
  is refused, since passing it over could name another key.
- The token is named by its label or its serial number, the key by its label (``object``) or its ``id``.
- A PIN is never in it: ``pin-value`` and ``pin-source`` are refused.

>>> Pkcs11Uri.parse("pkcs11:token=bank;object=ana?module-path=/usr/lib/softhsm/libsofthsm2.so").label
'ana'
"""

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from audit.errors import MalformedInput

__all__ = ["Pkcs11Uri"]

_PATH, _QUERY = {"token", "serial", "object", "id"}, {"module-path"}


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """The module to load, the token by label or serial number, the key by label or id."""

    module: str
    token: str | None
    serial: bytes | None
    label: str | None
    id: bytes | None

    @property
    def where(self) -> str:
        """Name the token in a sentence."""
        return f"the token {self.token!r}" if self.token is not None else f"the token {self.serial!r}"

    @property
    def what(self) -> str:
        """Name the key in a sentence."""
        return f"{self.label!r}" if self.label is not None else f"with the id {(self.id or b'').hex()}"

    @classmethod
    def parse(cls, uri: str) -> "Pkcs11Uri":
        """Read a URI; raise `MalformedInput`."""
        if not uri.isascii():
            raise _malformed("is ASCII: other characters of a label are percent-encoded as UTF-8")
        scheme, colon, rest = uri.partition(":")
        if scheme != "pkcs11" or not colon:
            raise _malformed("begins with pkcs11:")
        path, _, query = rest.partition("?")
        said = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
        module = _text(said, "module-path")
        if module is None or not module.startswith("/"):
            raise _malformed("names its module by its whole path (?module-path=/usr/lib/...)")
        if "token" not in said and "serial" not in said:
            raise _malformed("names the token (token= its label, or serial= its number)")
        if "object" not in said and "id" not in said:
            raise _malformed("names the key (object= its label, or id=)")
        return cls(module, _text(said, "token"), said.get("serial"), _text(said, "object"), said.get("id"))


def _attributes(text: str, separator: str, known: set[str]) -> dict[str, bytes]:
    said: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name in ("pin-value", "pin-source"):
            raise MalformedInput(
                "a PIN is not kept beside a key: leave it out of the URI, it is asked for, or read from "
                "AFFIDAVIT_PASSPHRASE"
            )
        if not equals or not value or name not in known:
            raise _malformed(f"has no part {part!r} (known are {', '.join(sorted(_PATH | _QUERY))})")
        if name in said:
            raise _malformed(f"says {name} once")
        said[name] = unquote_to_bytes(value)
    return said


def _text(said: dict[str, bytes], name: str) -> str | None:
    try:
        return said[name].decode() if name in said else None
    except UnicodeDecodeError:
        raise _malformed(f"has a {name} in UTF-8") from None


def _malformed(rule: str) -> MalformedInput:
    return MalformedInput(
        f"a PKCS#11 URI {rule}, such as pkcs11:token=bank;object=ana?module-path=/usr/lib/softhsm/libsofthsm2.so"
    )
