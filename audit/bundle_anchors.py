"""The anchors in a bundle: which to put in, and what they come to for a reader.

Rules:

- Put in, of each witness and each authority, are the first anchor that covers all that the bundle is about, which says
  since when it has stood, and the newest. A note carries the cosignatures over it; a timestamp has a note of its own.
- Whose anchors are believed the reader says (`--anchors`). A certificate that comes with the bundle shows only that
  the token is whole; by whom it is, it cannot say. What nobody vouches for is skipped and named so.
- A token and a certificate have the form of one, whoever signed them: anything else has no place in a bundle.
- A cosignature that stands under several notes of one head is one cosignature.
- An anchor counts for a head that was proven to be of the checkpoint's history, and for no other.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from audit.anchor_settings import AnchorSettings, Authority
from audit.anchors import Opened, Problem, StoredAnchor, open_anchors
from audit.bundle import Bundle, Token
from audit.checkpoint import Checkpoint
from audit.errors import AffidavitError
from audit.log_keys import LogKeys
from audit.note import Note, NoteSignature, VerifierKey, read_line

__all__ = ["Noted", "chosen", "noted", "open_bundled"]

_IN_THE_BUNDLE = "https://certificate.in.the.bundle.invalid/"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM = re.compile(
    rb"[ \t\r\n]*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/= \t\r\n]*)-----END CERTIFICATE-----[ \t\r\n]*"
)


@dataclass(frozen=True, slots=True)
class Noted:
    """A signed head for a bundle, with the timestamp over it and the certificates of who signed that, if any."""

    note: bytes
    token: bytes | None = None
    certificates: bytes | None = None

    def members(self, number: int) -> dict[str, bytes]:
        """Write it as members of a bundle."""
        parts = {"note": self.note, "tsr": self.token, "pem": self.certificates}
        return {f"anchors/{number}.{end}": data for end, data in parts.items() if data is not None}


def chosen(anchors: Sequence[StoredAnchor], covers: int, size: int) -> list[StoredAnchor]:
    """Choose from a ledger's anchors those for a bundle about entries before `covers`, under a head of `size`."""
    within = [a for a in anchors if type(a.size) is int and 0 < a.size <= size]
    kept = []
    for by in dict.fromkeys((a.kind, a.source) for a in within):
        own = sorted((a for a in within if (a.kind, a.source) == by), key=lambda a: (a.size, a.number))
        first = next((a for a in own if a.size >= covers), own[-1])
        kept += [first] if first is own[-1] else [first, own[-1]]
    return kept


def noted(notes: Mapping[int, bytes], anchors: Sequence[StoredAnchor], pinned: AnchorSettings) -> list[Noted]:
    """Put cosignatures under the heads that they are over, and timestamps beside them.

    `notes` are the signed heads by size: those that a bundle has anyway, and one for every size in `anchors`.
    """
    made = []
    for size in sorted(notes):
        over = [anchor for anchor in anchors if anchor.size == size]
        note = Note.parse(notes[size])
        lines = [read_line(a.body.decode()) for a in over if a.kind == "cosignature"]
        signed = replace(note, signatures=(*note.signatures, *_new(note, lines))).to_bytes()
        tokens = [anchor for anchor in over if anchor.kind == "timestamp"]
        made += [Noted(signed, a.body, _certificates(a, note.text, pinned)) for a in tokens] or [
            Noted(signed)
        ]
    return made


def open_bundled(
    bundle: Bundle,
    heads: Mapping[str, Checkpoint],
    pinned: AnchorSettings,
    logs: LogKeys,
    size: int,
    now: float,
) -> Opened:
    """Open the anchors of a bundle. `heads` are those that were verified, by the name of their member."""
    roots = {head.size: head.root for head in heads.values()}
    rows, problems, skipped = list[StoredAnchor](), list[Problem](), list[str]()
    for name, head in heads.items():
        note = Note.parse(bundle.checkpoint if name == "checkpoint" else dict(bundle.notes())[name])
        cosigned = [
            StoredAnchor(0, "cosignature", head.size, line.name, str(line).encode())
            for line in _others(note, logs.keys)
        ]
        rows += [row for row in dict.fromkeys(cosigned) if row not in rows]
        token = bundle.token(name)
        if token is None:
            continue
        malformed = _form(token)
        if malformed:
            problems.append(Problem(f"{malformed} over {name}"))
            continue
        believed = next((a for a in pinned.timestamps if _holds(token, a, note.text, now) is None), None)
        if believed is not None:
            rows.append(StoredAnchor(0, "timestamp", head.size, believed.url, token.body))
            continue
        brought_along = _brought_along(token)
        problem = _holds(token, brought_along, note.text, now) if brought_along else None
        if problem:
            problems.append(Problem(f"the timestamp over {name}: {problem}"))
        else:
            skipped.append(
                f"the timestamp over {name} (by an authority that you have to know: --anchors FILE)"
            )
    numbered = [replace(row, number=number) for number, row in enumerate(rows, 1)]
    opened = open_anchors(numbered, (), pinned, logs, size, roots.get, now)
    return replace(opened, problems=(*problems, *opened.problems), skipped=(*skipped, *opened.skipped))


def _form(token: Token) -> str | None:
    """Say what beside a note has not the form of a token or a certificate; None where both have it."""
    if not _is_der(token.body):
        return "there is no timestamp token (RFC 3161, in DER)"
    if token.certificate is not None and not _are_pems(token.certificate):
        return "there is no certificate (PEM)"
    return None


def _is_der(data: bytes) -> bool:
    """Say whether bytes are one SEQUENCE in DER and nothing after it (X.690, 8.1.3 and 10.1), of less than 4 GiB."""
    if len(data) < 2 or data[0] != 0x30 or not (data[1] < 0x80 or 0x81 <= data[1] <= 0x84):
        return False
    width = data[1] & 0x7F if data[1] > 0x7F else 0
    digits = data[2 : 2 + width]
    length = int.from_bytes(digits, "big") if width else data[1]
    shortest = not width or (length > 0x7F and digits[0] != 0)
    return shortest and len(data) == 2 + width + length


def _are_pems(data: bytes) -> bool:
    """Say whether bytes are certificates in PEM (RFC 7468), one or more and nothing else."""
    bodies = _PEM.findall(data)
    try:
        inside = [base64.b64decode(b"".join(body.split()), validate=True) for body in bodies]
    except ValueError:
        return False
    return bool(inside) and not _PEM.sub(b"", data) and all(map(_is_der, inside))


def _others(note: Note, own: Sequence[VerifierKey]) -> Iterator[NoteSignature]:
    known = {(key.name, key.hash) for key in own}
    return (line for line in note.signatures if (line.name, line.key_hash) not in known)


def _new(note: Note, lines: Sequence[NoteSignature]) -> list[NoteSignature]:
    return [line for line in dict.fromkeys(lines) if line not in note.signatures]


def _certificates(anchor: StoredAnchor, text: str, pinned: AnchorSettings) -> bytes | None:
    """Return the certificates of the pinned authority that signed a timestamp, its own first."""
    token = Token(anchor.body, None)
    for authority in pinned.timestamps:
        if authority.url == anchor.source and _holds(token, authority, text, float("inf")) is None:
            return "".join([authority.certificate, *authority.issuers]).encode()
    return None


def _brought_along(token: Token) -> Authority | None:
    if token.certificate is None:
        return None
    pems = [
        f"{_BEGIN}{rest.strip()}\n" for rest in token.certificate.decode("ascii", "replace").split(_BEGIN)[1:]
    ]
    return Authority(_IN_THE_BUNDLE, pems[0] if pems else "", tuple(pems[1:]))


def _holds(token: Token, authority: Authority, text: str, now: float) -> str | None:
    """Say what is wrong with a timestamp by an authority, or None."""
    # Imported here: a bundle without timestamps is verified without their libraries.
    from audit.timestamp import verify_stamp

    try:
        verify_stamp(token.body, authority, text, now=now)
    except AffidavitError as error:
        return str(error)
    return None
