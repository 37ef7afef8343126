"""What a witness decides, and what it remembers: C2SP tlog-witness without the HTTP around it.

For every log that it knows, a witness remembers the last checkpoint that it cosigned, in one file of its state folder,
``<SHA-256 of the origin>.checkpoint``: the note with the log's signature and its own cosignature, as `GET
/<hash>/checkpoint` serves it. A checkpoint is cosigned only if the tree in it contains that one.

Rules:

- What is remembered is on disk before the cosignature leaves: a crash at any moment can lose an answer, never a memory.
- It never signs two roots of one size, and never a smaller tree after a larger one.
- A memory that does not read, or that another key signed, stops the service at its start: a witness that forgets signs
  two histories. Deleting a file of the state folder makes it forget, so that folder is backed up and guarded.
- One process has the folder at a time.
- Its times do not go back, even where its clock does.
"""

import fcntl
import hashlib
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.checkpoint import Checkpoint
from audit.cosignature import Cosigned, WitnessKey, cosign, cosignatures
from audit.durable import replace_file
from audit.errors import EnvironmentFailed, MalformedInput, NotVerified
from audit.keys import Signer
from audit.merkle import EMPTY_ROOT, verify_consistency
from audit.note import Note, VerifierKey
from audit.post import Answer
from audit.proof import parse_hash_lines
from audit.witness import SIZE_TYPE

__all__ = ["Remembered", "Witness", "read_logs", "remembered"]

_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})")
_TEXT = "text/plain"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The last checkpoint that a witness cosigned for a log, and when (seconds since 1970)."""

    note: bytes
    checkpoint: Checkpoint
    time: int


class Refused(Exception):
    """A request that is answered with another status than 200."""

    def __init__(self, status: int, body: str, media_type: str = _TEXT) -> None:
        """Keep what is answered."""
        super().__init__(body)
        self.answer = Answer(status, media_type, body.encode())


class Witness:
    """A witness of some logs, with its state in a folder. Call `close` to give the folder back."""

    def __init__(
        self,
        name: str,
        signer: Signer,
        logs: Mapping[str, Sequence[VerifierKey]],
        state: Path,
        clock: Callable[[], float],
    ) -> None:
        """Take the state folder and read what is remembered, or raise `EnvironmentFailed` or `MalformedInput`."""
        self.key = WitnessKey(name, signer.public.raw)
        self._signer, self._logs, self._state, self._clock = signer, logs, state, clock
        self._lock = threading.Lock()
        self._taken = _take(state)
        try:
            self._last = {seen.checkpoint.origin: seen for seen in remembered(state, self.key)}
        except BaseException:
            self.close()
            raise

    def add_checkpoint(self, body: bytes) -> tuple[Answer, str]:
        """Answer an ``add-checkpoint`` request; the text beside it says for the log of requests what it was."""
        about = "unreadable"
        try:
            old, proof, note = _request(body)
            checkpoint = _checkpoint(note)
            about = f"{checkpoint.origin} {old} -> {checkpoint.size}"
            self._check_signature(note, checkpoint.origin)
            if old > checkpoint.size:
                raise Refused(400, "the old size is more than the checkpoint's\n")
            # From reading what is remembered to having remembered the next there is nobody else.
            with self._lock:
                last = self._last.get(checkpoint.origin)
                _check_history(last, old, checkpoint, proof)
                line = self._remember(note, checkpoint, last)
        except Refused as refused:
            return refused.answer, about
        return Answer(200, _TEXT, f"{line}\n".encode()), about

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """Return the last cosigned checkpoint of a log by the SHA-256 of its origin; None where there is none."""
        for origin, seen in list(self._last.items()):
            if _file_name(origin) == f"{origin_hash}.checkpoint":
                return seen.note
        return None

    def close(self) -> None:
        """Wait until nothing is being written, and give the state folder back."""
        with self._lock:
            os.close(self._taken)

    def _check_signature(self, note: Note, origin: str) -> None:
        keys = self._logs.get(origin)
        if keys is None:
            raise Refused(404, "this witness does not know the log\n")
        try:
            note.verify(keys)
        except NotVerified as error:
            raise Refused(403, f"{error}\n") from None

    def _remember(self, note: Note, checkpoint: Checkpoint, last: Remembered | None) -> str:
        time = max(int(self._clock()), last.time if last else 1)
        line = cosign(note.text, self.key.name, self._signer, time)
        # One line a key, however many a log writes: what is remembered must be read again.
        by_the_log = {
            (signature.name, signature.key_hash): signature for signature in reversed(note.signatures)
        }
        known = [by_the_log.get((key.name, key.hash)) for key in self._logs[checkpoint.origin]]
        kept = Note(note.text, (*filter(None, known), line)).to_bytes()
        try:
            replace_file(self._state / _file_name(checkpoint.origin), kept, 0o666)
        except OSError as error:
            raise Refused(500, f"the witness cannot remember: {error.strerror}\n") from None
        self._last[checkpoint.origin] = Remembered(kept, checkpoint, time)
        return str(line)


def remembered(state: Path, key: WitnessKey) -> list[Remembered]:
    """Read what a witness remembers, by origin; `MalformedInput` where a file is not what it wrote."""
    found = []
    for path in sorted(state.glob("*.checkpoint")):
        try:
            note = Note.parse(path.read_bytes())
            checkpoint = Checkpoint.parse(note.text)
            [own] = _own(note, key)
        except (MalformedInput, NotVerified, ValueError) as error:
            raise MalformedInput(
                f"{path} is not what the witness {key.name} remembers ({error}): restore it from a copy; without it "
                "the witness could sign a second history"
            ) from None
        if path.name != _file_name(checkpoint.origin):
            raise MalformedInput(f"{path} is of the log {checkpoint.origin!r}, whose file has another name")
        found.append(Remembered(note.to_bytes(), checkpoint, own.time))
    return sorted(found, key=lambda seen: seen.checkpoint.origin)


def read_logs(texts: Sequence[str]) -> dict[str, tuple[VerifierKey, ...]]:
    """Read the verifier keys of logs, one to a line; a log may have several, under one origin."""
    logs: dict[str, tuple[VerifierKey, ...]] = {}
    for line in (line for text in texts for line in text.splitlines() if line.strip()):
        key = VerifierKey.parse(line.strip())
        logs[key.name] = (*logs.get(key.name, ()), key)
    return logs


def _own(note: Note, key: WitnessKey) -> tuple[Cosigned, ...]:
    own = cosignatures(note.text, note.signatures, [key])
    if len(own) != 1:
        raise NotVerified("it has no cosignature by this witness's key")
    return own


def _request(body: bytes) -> tuple[int, tuple[bytes, ...], Note]:
    head, mark, note = body.partition(b"\n\n")
    first, _, lines = head.partition(b"\n")
    old = _OLD.fullmatch(first)
    if old is None or not mark:
        raise Refused(400, "a request is an old size line, proof lines, an empty line and a checkpoint\n")
    try:
        return int(old[1]), parse_hash_lines(lines + b"\n" if lines else b""), Note.parse(note)
    except MalformedInput as error:
        raise Refused(400, f"{error}\n") from None


def _checkpoint(note: Note) -> Checkpoint:
    try:
        return Checkpoint.parse(note.text)
    except MalformedInput as error:
        raise Refused(400, f"{error}\n") from None


def _check_history(last: Remembered | None, old: int, checkpoint: Checkpoint, proof: Sequence[bytes]) -> None:
    size, root = (last.checkpoint.size, last.checkpoint.root) if last else (0, EMPTY_ROOT)
    if old != size:
        raise Refused(409, f"{size}\n", SIZE_TYPE)
    try:
        verify_consistency(size, checkpoint.size, root, checkpoint.root, proof)
    except NotVerified as error:
        raise Refused(422, f"{error}\n") from None


def _take(state: Path) -> int:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EnvironmentFailed(f"the state folder {state} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(taken)
        raise EnvironmentFailed(f"another witness has the state folder {state}: end that one first") from None
    return taken


def _file_name(origin: str) -> str:
    return f"{hashlib.sha256(origin.encode()).hexdigest()}.checkpoint"
