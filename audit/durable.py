"""Writing a file whole or not at all, so that it outlives a crash and a loss of power.

Rules:

- The bytes go to a temporary file in the same folder, which is synchronised and then gets the name: a reader meets the
  file from before or all of the new one, never a part.
- The folder is synchronised after that, so that the name is durable too when the function returns. A file system that
  cannot do it is passed over, as PostgreSQL does (`fsync_fname_ext`): there is nothing to be waited for.
- Every temporary file has a name of its own, which begins with `UNFINISHED`: one that a killed process left behind
  blocks nobody, and whoever lists the folder passes it over.
- `mode` is what open(2) takes: the process's umask is taken from it.
- What fails is an `OSError` about the file that was meant, and leaves what was there before.
- Only a file is replaced: a device or a pipe of that name stays what it is, also for who may do everything (a
  superuser's ``-o /dev/null`` would leave the machine without it).

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     replace_file(Path(folder) / "anchors.json", b"{}", 0o644)
...     os.listdir(folder)
['anchors.json']
"""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["UNFINISHED", "make_folder", "new_file", "replace_file", "replacing", "sync_folder"]

UNFINISHED = ".new-"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES)


def replace_file(path: Path, data: bytes, mode: int) -> None:
    """Write a file, in the place of the one before if there is one; raise `OSError`, also for a device or a pipe."""
    with replacing(path, mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """Give a file to be written, at `file.name`; it takes its place once the block ends, unless that raises."""
    if path.exists() and not path.is_file():
        number = errno.EISDIR if path.is_dir() else errno.EEXIST
        raise OSError(number, "it is no file, and is not replaced by one", str(path))
    with _unfinished(path, mode) as file:
        yield file
        _sync(file)
        Path(file.name).replace(path)
    sync_folder(path.parent)


def new_file(path: Path, data: bytes, mode: int) -> None:
    """Write a file where there is none; raise `FileExistsError` where there is one, and else `OSError`."""
    with _unfinished(path, mode) as file:
        file.write(data)
        _sync(file)
        _name(Path(file.name), path)
    try:
        sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and the missing ones above it, each durable in the one that holds it; raise `OSError`.

    `mode` is the folder's own, as mkdir(2) takes it.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where its file system can; raise `OSError`."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


@contextmanager
def _unfinished(path: Path, mode: int) -> Iterator[BinaryIO]:
    making = path.parent / f"{UNFINISHED}{secrets.token_hex(8)}"
    try:
        with open(making, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
    except OSError as error:
        # The temporary file is nobody's business: what could not be written is the file that was meant.
        if error.filename in (None, str(making)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):
            making.unlink()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _name(making: Path, path: Path) -> None:
    """Give a file its name. A link, unlike a renaming, is never made over a file that came in the meantime."""
    try:
        path.hardlink_to(making)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Such as FAT on a stick that is carried between machines: the name is taken first, and empty for a moment.
        path.touch(exist_ok=False)
        making.replace(path)
