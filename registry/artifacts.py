"""Artifacts: bytes kept under their own SHA-256, so that a statement can name them and a reader can check them.

Rules:

- A file lies at `sha256/<first two hex digits>/<the other sixty-two>`, readable by all and writable by none.
- Writing is atomic: a temporary file in the same folder, fsync, rename, fsync of the folder. A reader meets the
  whole file or none. Writers do not lock: two that put the same bytes rename equal files over each other.
- Putting again is free of effect, except that a damaged file is replaced by the right bytes.
- Reading hashes first and hands out afterwards. Bytes that differ from their name are never returned.
- Only digests reach the file system: anything that is not 64 lower-case hex digits is refused.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     store = ArtifactStore(Path(folder))
...     store.get(store.put(b"evidence"))
b'evidence'
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from audit.durable import UNFINISHED, make_folder, replacing
from audit.errors import EnvironmentFailed, MalformedInput, NotFound, NotVerified

__all__ = ["ArtifactStore", "digest_of_file"]

CHUNK = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtifactStore:
    """A folder of content-addressed files. The folder is made on the first `put`, not before."""

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, digest: str) -> Path:
        """Give the place of an artifact, whether or not it is there; `MalformedInput` if it is no digest."""
        if not _DIGEST.fullmatch(digest):
            raise MalformedInput(
                f"{digest!r} is not a SHA-256 digest: 64 hex digits in lower case are expected"
            )
        return self.root / "sha256" / digest[:2] / digest[2:]

    def put(self, data: bytes) -> str:
        """Keep bytes and return their SHA-256 in hex; durable when this returns."""
        digest = hashlib.sha256(data).hexdigest()
        if not self._holds(digest):
            self._write(digest, (data,))
        return digest

    def put_file(self, path: Path) -> str:
        """Keep a copy of a file and return its SHA-256 in hex; memory stays constant.

        Raises `NotFound` where there is no such file, and `EnvironmentFailed` if it changes while it is copied.
        """
        digest, _ = digest_of_file(path)
        if not self._holds(digest):
            self._write(digest, _chunks(path))
        return digest

    def put_stream(self, stream: BinaryIO) -> str:
        """Keep all that an open file holds and return its SHA-256 in hex; memory stays constant."""
        stream.seek(0)
        found = hashlib.sha256()
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            found.update(chunk)
        if not self._holds(found.hexdigest()):
            stream.seek(0)
            self._write(found.hexdigest(), iter(lambda: stream.read(CHUNK), b""))
        return found.hexdigest()

    def get(self, digest: str) -> bytes:
        """Return the bytes of an artifact, or raise `NotFound` or, where they are not its bytes, `NotVerified`."""
        with self.open(digest) as stream:
            return stream.read()

    @contextmanager
    def open(self, digest: str) -> Iterator[BinaryIO]:
        """Open an artifact for reading after its digest was checked on the very same open file."""
        path = self.path(digest)
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            raise NotFound(
                f"the artifact {digest} is not in the store: restore {self.root.name} from a copy"
            ) from None
        except OSError as error:
            raise EnvironmentFailed(f"the artifact {digest} cannot be read: {error.strerror}") from error
        with stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                raise NotVerified(f"the artifact {digest} was changed: its bytes have another SHA-256")
            stream.seek(0)
            yield stream

    def exists(self, digest: str) -> bool:
        """Say whether an artifact is there, without reading it."""
        return self.path(digest).is_file()

    def digests(self) -> Iterator[str]:
        """Yield the name of every artifact, sorted; unfinished files and strangers are passed over."""
        for folder in sorted((self.root / "sha256").glob("??/")):
            for entry in sorted(folder.iterdir()):
                if _DIGEST.fullmatch(folder.name + entry.name):
                    yield folder.name + entry.name

    def strays(self) -> Iterator[Path]:
        """Yield every file that is no artifact, sorted, as a path from the root.

        A file that a writer has not finished (or was killed over) is no stray: it has no name yet, and no reader.
        """
        for path in sorted(self.root.rglob("*")):
            parts = path.relative_to(self.root).parts
            is_artifact = len(parts) == 3 and parts[0] == "sha256" and _DIGEST.fullmatch(parts[1] + parts[2])
            if path.is_file() and not is_artifact and not path.name.startswith(UNFINISHED):
                yield path.relative_to(self.root)

    def _holds(self, digest: str) -> bool:
        # Presence alone is no proof: a file that was damaged would make a later put a silent loss.
        path = self.path(digest)
        try:
            return path.is_file() and digest_of_file(path)[0] == digest
        except NotFound:
            return False

    def _write(self, digest: str, chunks: Iterable[bytes]) -> None:
        path = self.path(digest)
        try:
            make_folder(path.parent)
            with replacing(path, 0o444) as stream:
                found = hashlib.sha256()
                for chunk in chunks:
                    found.update(chunk)
                    stream.write(chunk)
                if found.hexdigest() != digest:
                    raise EnvironmentFailed(
                        "a file changed while it was being stored: run again when it is still"
                    )
                # Readable by all, whatever the umask: who put it is seldom who verifies it.
                os.fchmod(stream.fileno(), 0o444)
        except OSError as error:
            raise EnvironmentFailed(
                f"an artifact cannot be stored in {self.root}: {error.strerror or error}; let who runs this write "
                "there, or free some space, and try again: nothing was half-written"
            ) from error


def digest_of_file(path: Path) -> tuple[str, int]:
    """Return the SHA-256 in hex and the size in bytes of a file, or raise `NotFound` or `EnvironmentFailed`."""
    found, size = hashlib.sha256(), 0
    for chunk in _chunks(path):
        found.update(chunk)
        size += len(chunk)
    return found.hexdigest(), size


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except FileNotFoundError:
        raise NotFound(f"there is no file {Path(path).name}") from None
    except OSError as error:
        raise EnvironmentFailed(f"{Path(path).name} cannot be read: {error.strerror}") from error
