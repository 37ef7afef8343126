"""The default anchor: the newest checkpoint in a file, which the ledger may not fall behind.

After every append the checkpoint is written there; inside the next one's transaction the store is compared with it. A
store with fewer entries than its anchor, or with another root at that size, is a backup that was restored over a newer
ledger, a half-copied one, or a fork: appending to it would make two histories under one name, so nothing is appended.

Rules:

- The file holds a C2SP signed checkpoint and nothing else: `affidavit verify --checkpoint` takes it as it is.
- It costs an append no fsync (`renew`, by which the file takes the place of another, makes one). The note is written
  in place by one pwrite, under flock; one that would be shorter than what is there (which happens when the log's key
  changes) goes to a new file that replaces the old one, durably.
- Never an older note over a newer: who writes reads first, under the same lock.
- After a crash of a process the file is whole: the kernel has it. After a loss of power it may hold an older note,
  which is no harm (the store is ahead of it, and the next append writes it), or, where a note lies across two sectors
  of the disk, halves of two notes. Such a file does not read; then nothing is appended, and the message says how a
  person looks and sets it anew. It is never passed over, since nobody could tell it from one that was destroyed.
- A file that was there and is gone is not made anew by an append, for the same reason.

The comparison guards against accidents. Who holds the machine can put the file back with the database: what stops that
is a file on another machine, a witness or a time stamp authority (`audit.anchors`).
"""

import fcntl
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from audit.checkpoint import Checkpoint
from audit.durable import make_folder, new_file, replace_file
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput, NotVerified
from audit.note import Note, VerifierKey

__all__ = ["ANCHOR_FILE", "AnchorFile"]

ANCHOR_FILE = "anchor.checkpoint"
MOST_BYTES = 65_536
_LOOK = (
    "run `affidavit verify`, and where the ledger is whole and newest, `affidavit anchor reset --reason TEXT`"
)


@dataclass(slots=True)
class AnchorFile:
    """One anchor file of one ledger; `outside` says whether it lies outside the ledger's folder.

    `unread` says why the list of anchors does not read that names it: then nobody knows where it is.
    """

    path: Path
    outside: bool = False
    unread: str = ""
    _checked: bytes = field(default=b"", repr=False)

    def check_free(self, origin: str) -> None:
        """Refuse a file that is there already, and say whose it is: `MalformedInput`."""
        if self.path.exists():
            raise MalformedInput(self._taken(origin))

    def create(self, note: bytes) -> None:
        """Write a ledger's first note where there is no file yet."""
        origin = Checkpoint.parse(Note.parse(note).text).origin
        self.check_free(origin)
        try:
            make_folder(self.path.parent)
            new_file(self.path, note, 0o644)
        except OSError as error:
            raise EnvironmentFailed(
                f"the anchor file {self.path} cannot be written: {error.strerror}"
            ) from None

    def read(self) -> bytes:
        """Read the note; `EnvironmentFailed` where the file is gone or cannot be read."""
        with self._open(os.O_RDONLY, fcntl.LOCK_SH) as descriptor:
            return os.pread(descriptor, MOST_BYTES, 0)

    def check(
        self,
        size: int,
        root: bytes,
        head_at: Callable[[int], bytes | None],
        log_keys: Sequence[VerifierKey],
    ) -> None:
        """Compare a store, as an append is about to continue it, with the anchor; raise `EnvironmentFailed`.

        `size` and `root` are the store's; `head_at` gives the note that it holds of a size, if any; `log_keys` are all
        that the log has had.
        """
        # For writing, so that a file that an append could not renew stops it before and not after.
        with self._open(os.O_RDWR, fcntl.LOCK_SH) as descriptor:
            note = os.pread(descriptor, MOST_BYTES, 0)
        anchored = self._opened(note, log_keys[0].name if log_keys else "")
        # First of all, since a copy from before the log's key changed does not know the key that signed the anchor.
        if size < anchored.size:
            raise EnvironmentFailed(
                f"the ledger has {size} entries and its anchor {self.path} {anchored.size}: an older copy was restored "
                "over it, or it was copied in part; put the newer copy back, or, where the newer entries are lost for "
                "good, say so with `affidavit anchor reset --reason TEXT`; nothing was appended"
            )
        self._check_signature(note, log_keys)
        if size > anchored.size:
            stored = head_at(anchored.size)
            root = Checkpoint.parse(Note.parse(stored).text).root if stored else b""
        if root != anchored.root:
            raise EnvironmentFailed(
                f"the ledger is another one than its anchor {self.path} saw: its first {anchored.size} entries are not "
                "the same, so that two histories were written under one name (an older copy was restored and appended "
                "to); find the copy that the anchor is of, or say with `affidavit anchor reset --reason TEXT` that "
                "this one is meant; nothing was appended"
            )

    def advance(self, note: bytes) -> None:
        """Write a newer note in place of the one there; an older one is passed over.

        What is written is committed already, so a failure is a warning and no error; the next append meets the file
        first, and stops where it still cannot be written.
        """
        try:
            with self._open(os.O_RDWR, fcntl.LOCK_EX) as descriptor:
                self._put(descriptor, note)
            self._checked = note
        except (OSError, AffidavitError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            warnings.warn(
                f"the entry stands, but the anchor file {self.path} could not be renewed: {reason}",
                RuntimeWarning,
                stacklevel=2,
            )

    def renew(self, note: bytes) -> None:
        """Write a newer note in place of the one there, durably; `EnvironmentFailed` where that cannot be done."""
        with self._open(os.O_RDWR, fcntl.LOCK_EX) as descriptor:
            try:
                self._put(descriptor, note)
                os.fsync(descriptor)
            except OSError as error:
                raise EnvironmentFailed(
                    f"the anchor file {self.path} cannot be written: {error.strerror}"
                ) from None

    def reset(self, note: bytes) -> Path | None:
        """Put another history's note in place of the one there, which is kept beside it; return where."""
        aside = None
        try:
            if self.path.exists():
                old = self.path.read_bytes()
                aside = _free_name(self.path)
                replace_file(aside, old, 0o644)
            replace_file(self.path, note, 0o644)
        except OSError as error:
            raise EnvironmentFailed(
                f"the anchor file {self.path} cannot be written: {error.strerror}"
            ) from None
        return aside

    def _put(self, descriptor: int, note: bytes) -> None:
        before = os.pread(descriptor, MOST_BYTES, 0)
        if Checkpoint.parse(Note.parse(before).text).size >= Checkpoint.parse(Note.parse(note).text).size:
            return
        if len(note) < len(before):
            replace_file(self.path, note, 0o644)
        elif os.pwrite(descriptor, note, 0) != len(note):
            raise OSError(None, "the disk took a part of it only")

    def _opened(self, note: bytes, origin: str) -> Checkpoint:
        try:
            checkpoint = Checkpoint.parse(Note.parse(note).text)
        except MalformedInput as error:
            raise EnvironmentFailed(
                f"the anchor file {self.path} does not read ({error}): it was damaged, as a loss of power can do; "
                f"{_LOOK}; nothing was appended"
            ) from None
        if checkpoint.origin != origin:
            raise EnvironmentFailed(
                f"the anchor file {self.path} is of the ledger {checkpoint.origin!r}, this one is {origin!r}: "
                "name this ledger's own with `affidavit anchor add file PATH`; nothing was appended"
            )
        return checkpoint

    def _check_signature(self, note: bytes, log_keys: Sequence[VerifierKey]) -> None:
        if note == self._checked:
            return
        try:
            Note.parse(note).verify(log_keys)
        except NotVerified:
            raise EnvironmentFailed(
                f"the anchor file {self.path} is signed by another key than this log's: there are two ledgers with the "
                f"origin {log_keys[0].name!r} and this file is the other one's, or it was damaged; {_LOOK}; nothing "
                "was appended"
            ) from None
        self._checked = note

    def _taken(self, origin: str) -> str:
        try:
            there = Checkpoint.parse(Note.parse(self.path.read_bytes()).text).origin
        except (OSError, AffidavitError):
            return (
                f"{self.path} exists and is no checkpoint: an anchor never overwrites a file, choose another"
            )
        if there == origin:
            return (
                f"{self.path} is the anchor of a ledger that is named {origin!r} too: two ledgers with one origin "
                "could not be told apart, so give this one a name of its own"
            )
        return f"{self.path} is the anchor of the ledger {there!r}: every ledger has a file of its own, choose another"

    @contextmanager
    def _open(self, flags: int, lock: int) -> Iterator[int]:
        if self.unread:
            raise EnvironmentFailed(f"{self.unread}; until then nothing is appended")
        try:
            descriptor = self._locked(flags, lock)
        except FileNotFoundError:
            raise EnvironmentFailed(
                f"the anchor file {self.path} is not there: it was moved or deleted, or the ledger was copied without "
                f"it; put it back, or {_LOOK}; nothing was appended"
            ) from None
        except OSError as error:
            raise EnvironmentFailed(
                f"the anchor file {self.path} cannot be opened: {error.strerror}; nothing was appended"
            ) from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _locked(self, flags: int, lock: int) -> int:
        while True:
            descriptor = os.open(self.path, flags | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, lock)
                # Another process may have replaced the file between opening and locking it.
                if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


def _free_name(path: Path) -> Path:
    number = 1
    while (name := path.with_name(f"{path.name}.replaced-{number}")).exists():
        number += 1
    return name
