"""Evidence in a file, by what is in it: a bundle, a tiles tree, a tlog-proof or a checkpoint. No ledger is needed.

Rules:

- A file is known by its content, never by its name; one that is damaged is still known for what it was, so that what is
  said is about that: findings, or that no bundle can be read from it any more (`MalformedInput`).
- A zip file that is no bundle, such as a model, is none of these.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from audit.errors import MalformedInput
from audit.evidence import Brought, Evidence

__all__ = ["Kind", "kind_of", "verify_evidence"]

Kind = Literal["bundle", "tiles", "proof", "checkpoint"]
MOST_TEXT = 1 << 20

_LOOK = 1 << 20

_HEAD = re.compile(rb"[^\n]+\n[0-9]{1,15}\n[A-Za-z0-9+/]{43}=\n")


def kind_of(path: Path) -> Kind | None:
    """Say what kind of evidence is at a path, or None where it is something else."""
    if path.is_dir():
        return "tiles" if (path / "checkpoint").is_file() and (path / "tile").is_dir() else None
    if path.exists() and not path.is_file():
        return None  # a pipe is read once, and may never end
    with path.open("rb") as file:
        start = file.read(_LOOK)
        if start.startswith(b"PK\x03\x04"):
            file.seek(max(0, path.stat().st_size - _LOOK))
            return "bundle" if _names_a_bundle(start, file.read(_LOOK)) else None
    if start.startswith(b"c2sp.org/tlog-proof@"):
        return "proof"
    return "checkpoint" if _HEAD.match(start) else None


def verify_evidence(
    path: Path,
    kind: Kind,
    brought: Brought,
    *,
    record: bytes | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evidence:
    """Verify what `kind_of` found; `record` is that of a tlog-proof.

    Raises `MalformedInput` where the reader has to bring something that is missing, or the file is no more what it was.
    """
    match kind:
        case "bundle":
            from audit.bundle_check import verify_bundle

            return verify_bundle(path, brought)
        case "tiles":
            from audit.tiles_check import verify_tiles

            return verify_tiles(path, brought, progress)
        case "proof":
            from audit.note_check import verify_proof

            if record is None:
                raise MalformedInput(
                    f"{path.name} proves that a record is in a log: give the record's file with --record FILE"
                )
            return verify_proof(_text(path), record, brought)
        case "checkpoint":
            from audit.note_check import verify_checkpoint

            return verify_checkpoint(_text(path), brought)


def _names_a_bundle(start: bytes, end: bytes) -> bool:
    # One that lost a member is still one. One that was cut short has no table of members, but begins with its README.
    names = sum(name in end for name in (b"manifest.json", b"vkey.txt", b".tlog-proof"))
    return names >= 2 or (start[30:40] == b"README.txt" and b"affidavit bundle" in start)


def _text(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_TEXT + 1)
