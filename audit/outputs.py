"""Where a command may write: never into a ledger's folder, and never over what is of another kind.

Rules:

- A ledger's folder holds its database or its list of anchors, and keys or artifacts beside that. Nothing that a person
  names is written anywhere in it, nor in the folders that `AFFIDAVIT_KEYS` and `AFFIDAVIT_ARTIFACTS` name.
- A file that is there is replaced by one of its own kind (a PDF by a PDF), or where it is empty. By its content it is
  told what it is, not by its name.
- What may not be written is refused before anything is done, and above all before an entry is appended.

>>> check_file(Path(".affidavit/ledger.db"), PDF)                                          # doctest: +SKIP
Traceback (most recent call last):
audit.errors.MalformedInput: .affidavit/ledger.db is in a ledger's own folder, where nothing else is written: ...
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audit.errors import MalformedInput

__all__ = ["BUNDLE", "CHECKPOINT", "DRILL", "NEW", "PDF", "Kind", "check_file", "check_folder", "check_place"]

_LEDGERS = ("ledger.db", "anchors.json")
_BESIDE = ("keys", "artifacts")
_ELSEWHERE = ("AFFIDAVIT_KEYS", "AFFIDAVIT_ARTIFACTS")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a command writes, in words, and how a file that is there is told to be one."""

    words: str
    is_one: Callable[[Path], bool]


def check_file(path: Path, kind: Kind) -> None:
    """Refuse to write a file of a kind where it may not be written: `MalformedInput`."""
    _check_not_in_a_ledger(path)
    # A folder, a pipe or a device is no file to be replaced; who writes says so.
    if path.is_file() and path.stat().st_size and not kind.is_one(path):
        raise MalformedInput(
            f"there is something else than {kind.words} at {path}: write it under another name"
        )


def check_place(path: Path) -> None:
    """Refuse to write a file into a folder that is not there, or where a folder is: `MalformedInput`."""
    if not path.parent.is_dir():
        raise MalformedInput(f"there is no folder {path.parent}: make it, or name another place")
    if path.is_dir():
        raise MalformedInput(f"{path} is a folder, and nothing was written: name another place")


def check_folder(path: Path) -> None:
    """Refuse to write files into a ledger's own folder: `MalformedInput`."""
    _check_not_in_a_ledger(path / "file")


def _check_not_in_a_ledger(path: Path) -> None:
    whole = path.resolve()
    named = {Path(folder).resolve() for name in _ELSEWHERE if (folder := os.environ.get(name))}
    if any(folder in named or _is_a_ledgers(folder) for folder in whole.parents):
        raise MalformedInput(
            f"{path} is in a ledger's own folder, where nothing else is written: name another place"
        )


def _is_a_ledgers(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _LEDGERS) and any(
        (folder / name).is_dir() for name in _BESIDE
    )


def _is_pdf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"%PDF-"


def _is_evidence(kind: str) -> Callable[[Path], bool]:
    def is_one(path: Path) -> bool:
        from audit.offline import kind_of

        return kind_of(path) == kind

    return is_one


def _is_drill(path: Path) -> bool:
    """Tell whether a file begins as a kept matrix of attacks does."""
    with path.open("rb") as file:
        return file.read(64).split()[:2] == [b"{", b'"attacks":']


PDF = Kind("a PDF", _is_pdf)
BUNDLE = Kind("a bundle", _is_evidence("bundle"))
CHECKPOINT = Kind("a checkpoint", _is_evidence("checkpoint"))
DRILL = Kind("a matrix of attacks", _is_drill)
NEW = Kind("a new file", lambda path: True)
"""A file whose writer refuses any that is there."""
