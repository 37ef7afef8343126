"""A client of C2SP tlog-witness: has a witness cosign a checkpoint, and shows it that history only grew.

The witness remembers the last tree that it cosigned. A request names that tree's size and proves that the new tree
contains it; a witness that remembers another size answers 409 with it, and is asked again from there. A witness that
remembers a tree that this ledger does not contain never cosigns: the ledger was forked, or the witness was lied to.

Rules:

- What it answers is read strictly: signature lines and nothing else, at most so many bytes.
- Lines by keys other than the pinned one are passed over; the pinned key's line must be there, and verify.
- A cosignature whose time is in the future of the clock at hand is not taken.
"""

import re
from collections.abc import Callable, Sequence

from audit.anchor_settings import SKEW_SECONDS, WitnessAt
from audit.checkpoint import Checkpoint
from audit.cosignature import Cosigned, cosignatures
from audit.errors import EnvironmentFailed, NotVerified
from audit.note import Note, NoteSignature, read_line
from audit.post import Answer, fetch
from audit.proof import hash_lines

__all__ = ["SIZE_TYPE", "cosigned_by", "write_request"]

SIZE_TYPE = "text/x.tlog.size"
_MOST_LINES = 64
_MOST_TRIES = 3
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


def write_request(old_size: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Write the body of an ``add-checkpoint`` request."""
    return f"old {old_size}\n".encode() + hash_lines(proof) + b"\n" + note


def cosigned_by(
    witness: WitnessAt,
    note: bytes,
    consistency: Callable[[int, int], Sequence[bytes]],
    *,
    now: float,
    known_size: int = 0,
    send: Callable[[str, bytes], Answer] = fetch,
) -> Cosigned:
    """Have a witness cosign a signed checkpoint; return its cosignature, verified.

    `consistency` proves one size a prefix of another, `known_size` is the size that the witness is thought to remember,
    `now` the clock at hand in seconds since 1970. Raises `EnvironmentFailed` where it does not answer, `NotVerified`
    where it refuses this history or answers with anything but a cosignature.
    """
    text = Note.parse(note).text
    size = Checkpoint.parse(text).size
    url = f"{witness.url.rstrip('/')}/add-checkpoint"
    old = min(known_size, size)
    for _ in range(_MOST_TRIES):
        # Every tree contains the empty one, so nothing is proven from there.
        proof = consistency(old, size) if 0 < old < size else ()
        answer = send(url, write_request(old, proof, note))
        if answer.status != 409:
            return _cosignature(answer, witness, text, now)
        old = _remembered(answer, witness, size)
    raise EnvironmentFailed(
        f"the witness {witness.key.name} remembers another size whenever it is asked: another process has this ledger "
        "cosigned too, try again"
    )


def _remembered(answer: Answer, witness: WitnessAt, size: int) -> int:
    found = _SIZE.fullmatch(answer.body)
    if found is None or answer.media_type != SIZE_TYPE:
        raise NotVerified(f"the witness {witness.key.name} answers 409 without the size that it remembers")
    remembered = int(found[1])
    if remembered > size:
        raise NotVerified(
            f"the witness {witness.key.name} has cosigned {remembered} entries of this ledger, and here are {size}: an "
            "older copy was restored, or its tail was cut off"
        )
    return remembered


def _cosignature(answer: Answer, witness: WitnessAt, text: str, now: float) -> Cosigned:
    name = witness.key.name
    if answer.status != 200:
        raise NotVerified(f"the witness {name} does not cosign: {_refusal(answer)}")
    found = cosignatures(text, _lines(answer.body, name), [witness.key])
    if len(found) != 1:
        raise NotVerified(
            f"the witness {name} answers with {len(found)} cosignatures by its key, not with one"
        )
    if found[0].time > now + SKEW_SECONDS:
        raise NotVerified(
            f"the cosignature by {name} is of a time in the future: its clock is wrong, or the one here"
        )
    return found[0]


def _refusal(answer: Answer) -> str:
    said = {
        400: "it cannot read the request (400)",
        403: "it knows this ledger under another log key (403): where the log's key was rotated, its operator adds the "
        "new verifier key; else this is a second ledger of one origin, and needs an origin of its own",
        404: "it does not know this ledger (404): its operator adds the log's verifier key",
        422: "it has seen another history of this ledger (422): the ledger was forked, or rewritten",
    }
    words = answer.body[:200].decode("utf-8", "replace").strip()
    reason = said.get(answer.status, f"its status is {answer.status}")
    return f"{reason}; it says: {words}" if words and answer.media_type == "text/plain" else reason


def _lines(body: bytes, name: str) -> tuple[NoteSignature, ...]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    *lines, last = text.split("\n")
    if last or not 1 <= len(lines) <= _MOST_LINES:
        raise NotVerified(f"the witness {name} answers with something else than signature lines")
    return tuple(read_line(line) for line in lines)
