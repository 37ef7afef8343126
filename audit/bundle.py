"""A bundle: evidence about one thing in a zip file, for who has no ledger (docs/ledger-format.md).

Rules:

- The members are those of the format page and no others, so that nothing rides along that nobody checks.
- Entry 0, the genesis, is always there: without it nobody could tell who may say anything.
- Every entry has its inclusion proof, under the one checkpoint of the bundle.
- A file is a bundle if it is a zip file that can be read and holds a manifest and a checkpoint (`Bundle.open`). Whether
  it is one that must be refused, for its names or its form, is another question (`Bundle.check`).
- The manifest is a table of contents. It must agree with what is there; nothing is believed because it says so.

What is read here is only taken apart; `audit.bundle_check` verifies it, and `audit.bundler` makes one from a ledger.

>>> Manifest.parse(Manifest("mortgage@1", "bank.example/models", 12, (0, 7)).to_bytes()).entries
(0, 7)
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from audit.archive import Archive
from audit.canonical import decode, encode, utf8
from audit.durable import make_folder, replacing, sync_folder
from audit.errors import EnvironmentFailed, MalformedInput
from audit.note import VerifierKey
from audit.proof import parse_hash_lines
from audit.record import MOST_BYTES as MOST_RECORD_BYTES

__all__ = ["BUNDLE_TYPE", "VERIFIERS", "Bundle", "Manifest", "Token", "parse_vkeys", "write_vkeys"]

BUNDLE_TYPE = "urn:affidavit:bundle:v1"
NEEDED = ("README.txt", "checkpoint", "entries/0.json", "manifest.json", "vkey.txt")
VERIFIERS = ("verify_affidavit.html", "verify_affidavit.py")
MOST_TEXT = 1 << 20

_NUMBER = "0|[1-9][0-9]{0,14}"
_MEMBER = re.compile(
    rf"README\.txt|manifest\.json|checkpoint|vkey\.txt|report\.pdf|verify_affidavit\.(?:py|html)"
    rf"|entries/(?P<seq>{_NUMBER})\.(?:json|tlog-proof)|consistency/(?P<size>[1-9][0-9]{{0,14}})"
    rf"|keys/(?P<keyid>[0-9a-f]{{64}})\.pem|anchors/(?P<anchor>{_NUMBER})\.(?:note|tsr|pem)"
    rf"|artifacts/(?P<digest>[0-9a-f]{{64}})"
)
# What a member stands beside: a proof its record, a token its note, a certificate its token.
_OWNERS = (
    (re.compile(r"(entries/\d+)\.tlog-proof"), ".json"),
    (re.compile(r"(entries/\d+)\.json"), ".tlog-proof"),
    (re.compile(r"(anchors/\d+)\.tsr"), ".note"),
    (re.compile(r"(anchors/\d+)\.pem"), ".tsr"),
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says it holds: about what, from which ledger, under a checkpoint of how many entries, and which."""

    about: str
    origin: str
    size: int
    entries: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """Write the manifest in canonical JSON."""
        return encode(
            {
                "about": self.about,
                "entries": list(self.entries),
                "origin": self.origin,
                "size": self.size,
                "type": BUNDLE_TYPE,
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "Manifest":
        """Read a manifest strictly; raise `MalformedInput`."""
        value = decode(data)
        if not isinstance(value, dict) or set(value) != {"about", "entries", "origin", "size", "type"}:
            raise MalformedInput("manifest.json has exactly about, entries, origin, size and type")
        about, origin, size, entries = value["about"], value["origin"], value["size"], value["entries"]
        if value["type"] != BUNDLE_TYPE or not isinstance(about, str) or not isinstance(origin, str):
            raise MalformedInput(
                f"manifest.json is of the type {BUNDLE_TYPE}, and its about and origin are text"
            )
        if (
            type(size) is not int
            or not isinstance(entries, list)
            or not all(type(seq) is int for seq in entries)
        ):
            raise MalformedInput("manifest.json gives size and entries as numbers")
        return cls(about, origin, size, tuple(cast(list[int], entries)))


@dataclass(frozen=True, slots=True)
class Token:
    """An RFC 3161 token in a bundle, with the certificate of who signed it where that is there."""

    body: bytes
    certificate: bytes | None


class Bundle:
    """An open bundle, of which nothing is believed; `check` says whether it has the form that it must have."""

    def __init__(self, archive: Archive) -> None:
        """Look for what makes a zip file a bundle; `MalformedInput` where that is missing."""
        self.archive = archive
        if not {"manifest.json", "checkpoint"} <= archive.sizes.keys():
            raise MalformedInput("it has no manifest.json and checkpoint")
        self.seqs = self._numbers("seq")
        self.proven = self._numbers("size")
        self.keyids = tuple(sorted(self._named("keyid")))
        self.digests = tuple(sorted(self._named("digest")))

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["Bundle"]:
        """Open the bundle in a file; `MalformedInput` where none can be read from it."""
        with path.open("rb") as stream, Archive.open(stream) as archive:
            yield cls(archive)

    def check(self) -> None:
        """Check that the members are those that it must and may have, and their check sums; raise `MalformedInput`."""
        self.archive.check()
        names = self.archive.sizes.keys()
        strange = [name for name in names if _MEMBER.fullmatch(name) is None]
        if strange:
            raise MalformedInput(f"{strange[0]!r} is no member of a bundle")
        lacking = [needed for name in names if (needed := _owner(name)) is not None and needed not in names]
        lacking += [name for name in NEEDED if name not in names]
        if lacking:
            raise MalformedInput(f"{lacking[0]} is missing from the bundle")
        self.archive.check_sums()

    @cached_property
    def checkpoint(self) -> bytes:
        """The signed head that every proof leads to."""
        return self._read("checkpoint")

    @property
    def manifest(self) -> Manifest:
        """What it says it holds."""
        return Manifest.parse(self._read("manifest.json"))

    @property
    def vkeys(self) -> tuple[VerifierKey, ...]:
        """The log's verifier keys, the oldest first, as the bundle gives them."""
        return parse_vkeys(self._read("vkey.txt"))

    @property
    def has_report(self) -> bool:
        """Say whether there is a report."""
        return "report.pdf" in self.archive.sizes

    @property
    def verifiers(self) -> tuple[str, ...]:
        """The names of the verifiers in it."""
        return tuple(name for name in VERIFIERS if name in self.archive.sizes)

    def record(self, seq: int) -> bytes:
        """Read a record's bytes."""
        return self.archive.read(f"entries/{seq}.json", most=MOST_RECORD_BYTES)

    def proof(self, seq: int) -> bytes:
        """Read an entry's tlog-proof."""
        return self._read(f"entries/{seq}.tlog-proof")

    def consistency(self, size: int) -> tuple[bytes, ...]:
        """Read the consistency proof from a size to the checkpoint."""
        return parse_hash_lines(self._read(f"consistency/{size}"))

    def key(self, keyid: str) -> bytes:
        """Read a public key in PEM."""
        return self._read(f"keys/{keyid}.pem")

    def notes(self) -> Iterator[tuple[str, bytes]]:
        """Yield the other signed heads in it with the names of their members."""
        for number in self._numbers("anchor"):
            yield f"anchors/{number}.note", self._read(f"anchors/{number}.note")

    def token(self, note: str) -> Token | None:
        """Read the timestamp token over a note, by the name of the note's member."""
        token, certificate = note.replace(".note", ".tsr"), note.replace(".note", ".pem")
        if not note.endswith(".note") or token not in self.archive.sizes:
            return None
        return Token(
            self._read(token), self._read(certificate) if certificate in self.archive.sizes else None
        )

    def unpack(self, folder: Path) -> None:
        """Write all members into a folder that is new or empty: it holds them all afterwards, or is as it was.

        Their names are those that a bundle may have, so that nothing is written elsewhere.
        """
        try:
            make_folder(folder.absolute().parent)
            making = Path(tempfile.mkdtemp(prefix=".affidavit-import-", dir=folder.absolute().parent))
            try:
                self._write_members(making)
                making.chmod(0o755)
                making.replace(folder)
                sync_folder(folder.absolute().parent)
            finally:
                shutil.rmtree(making, ignore_errors=True)
        except OSError as error:
            raise EnvironmentFailed(
                f"{folder} cannot be written: {error.strerror}; nothing was unpacked"
            ) from None

    def _write_members(self, folder: Path) -> None:
        for name in self.archive.sizes:
            place = folder / name
            make_folder(place.parent)
            with replacing(place, 0o666) as file:
                file.writelines(self.archive.chunks(name))

    def _read(self, name: str) -> bytes:
        return self.archive.read(name, most=MOST_TEXT)

    def _named(self, part: str) -> set[str]:
        found = (_MEMBER.fullmatch(name) for name in self.archive.sizes)
        return {match[part] for match in found if match is not None and match[part] is not None}

    def _numbers(self, part: str) -> tuple[int, ...]:
        return tuple(sorted(map(int, self._named(part))))


def write_vkeys(keys: Sequence[VerifierKey]) -> bytes:
    """Write a log's verifier keys, one to a line, the oldest first."""
    return "".join(f"{key}\n" for key in keys).encode()


def parse_vkeys(data: bytes) -> tuple[VerifierKey, ...]:
    """Read what `write_vkeys` wrote; raise `MalformedInput`."""
    *lines, last = utf8(data, "vkey.txt").split("\n")
    if last or not lines:
        raise MalformedInput("vkey.txt holds verifier keys, one to a line")
    return tuple(VerifierKey.parse(line) for line in lines)


def _owner(name: str) -> str | None:
    for pattern, ending in _OWNERS:
        matched = pattern.fullmatch(name)
        if matched is not None:
            return matched[1] + ending
    return None
