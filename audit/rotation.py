"""The files of a key that takes the place of another.

While a rotation is said, the new key lies beside the old one as ``NAME.next``. Once the entry stands, the old one
becomes ``NAME.old-<start of its id>`` and the new one ``NAME``. No private key is ever deleted.

Rules:

- The ledger decides: files are renamed when the entry stands, by whoever looks next (`settle`). So a crash between the
  entry and the renaming, or a rotation that was submitted on another machine, leaves nothing to mend by hand.
- Renaming can be cut off anywhere and is continued: the public part of a name goes last. One process renames at a
  time.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import EnvironmentFailed
from audit.keys import PublicKey
from audit.keystore import LOG_KEY, KeyStore
from audit.trust import Trust

__all__ = ["next_name", "settle", "waiting"]

_NEXT = ".next"


def next_name(name: str) -> str:
    """Return the name of the files in which the next key of a name lies until its entry stands."""
    return name + _NEXT


def waiting(store: KeyStore) -> list[str]:
    """List the names that have a next key, also where it was renamed half."""
    return [path.stem.removesuffix(_NEXT) for path in store.folder.glob(f"*{_NEXT}.pub")]


def settle(store: KeyStore, trust: Trust) -> None:
    """Give every next key whose entry stands the name of the key whose place it took."""
    if not waiting(store):
        return
    try:
        with _alone(store):
            for name in waiting(store):
                replaced = _replaced(trust, name, store.public(next_name(name)))
                if replaced is not None:
                    _take_place(store, name, replaced)
    except OSError as error:
        raise EnvironmentFailed(
            f"the files of a key in {store.folder} cannot be renamed: {error.strerror}; its entry stands and both keys "
            "are there, try again once that is mended"
        ) from None


def _replaced(trust: Trust, name: str, public: PublicKey) -> str | None:
    """Return the id of the key whose place a public key took, if its entry stands."""
    if name == LOG_KEY and trust.log is not None and PublicKey.of_raw(trust.log.raw) == public:
        before = trust.logs.keys[-2:-1]
        return PublicKey.of_raw(before[0].raw).keyid if before else None
    grant = trust.grants.get(public.keyid)
    return grant.replaces if grant else None


def _take_place(store: KeyStore, name: str, replaced: str) -> None:
    if (store.folder / f"{name}.pub").exists():
        if store.public(name).keyid != replaced:
            return
        _move(store, name, f"{name}.old-{replaced[:8]}")
    _move(store, next_name(name), name)


def _move(store: KeyStore, name: str, to: str) -> None:
    for suffix in ("pem", "uri", "pub"):
        here, there = store.folder / f"{name}.{suffix}", store.folder / f"{to}.{suffix}"
        if here.exists() and not there.exists():
            here.rename(there)


@contextmanager
def _alone(store: KeyStore) -> Iterator[None]:
    folder = os.open(store.folder, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)
    finally:
        os.close(folder)
