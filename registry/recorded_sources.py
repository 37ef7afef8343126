"""By what digest a run's files and objects are recorded, bare or under a key, and whether a file is one of them. Pure.

Rules:

- A bare digest is SHA-256 of the file; a keyed one (`registry.keyed_digests`) is HMAC-SHA256 over that, written in
  lower-case hex. One is never taken for the other.
- Without the key, or with another one, nobody knows whether a file is the one that was read: that is no "no".

>>> digest_of_source({"sha256": None, "hmac_sha256": "ab", "key": "cd"})
'hmac-sha256:ab, key cd'
"""

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

from audit.canonical import Json

if TYPE_CHECKING:
    from registry.fingerprint_key import FingerprintKey

__all__ = ["digest_of_source", "etag_of", "hmac_of", "is_keyed_source", "is_of_source"]


def is_keyed_source(source: Mapping[str, Json]) -> bool:
    """Say whether a source is recorded under a key."""
    return not isinstance(source.get("sha256"), str) and isinstance(source.get("hmac_sha256"), str)


def is_of_source(source: Mapping[str, Json], sha256: str, key: "FingerprintKey | None") -> bool | None:
    """Say whether a file with this digest is the recorded source; None where that takes a key that is not given."""
    if not is_keyed_source(source):
        return source.get("sha256") == sha256
    if key is None or source.get("key") != key.id:
        return None
    return source["hmac_sha256"] == hmac_of(key.of_sources(), sha256)


def digest_of_source(source: Mapping[str, Json]) -> str:
    """Write the digest by which a file is recorded; a keyed one says so, and under which key."""
    return _keyed(source, "hmac_sha256") if is_keyed_source(source) else str(source.get("sha256"))


def etag_of(version: Mapping[str, Json]) -> str | None:
    """Write the etag by which an object is recorded, likewise; None where its store told none."""
    if isinstance(version.get("etag_hmac_sha256"), str):
        return _keyed(version, "etag_hmac_sha256")
    bare = version.get("etag")
    return bare if isinstance(bare, str) else None


def hmac_of(key: bytes, digest: str) -> str:
    """Compute HMAC-SHA256 over a digest as it is written, in lower-case hex."""
    return hmac.digest(key, digest.encode("utf-8"), "sha256").hex()


def _keyed(holder: Mapping[str, Json], member: str) -> str:
    return f"hmac-sha256:{holder[member]}, key {holder.get('key')}"
