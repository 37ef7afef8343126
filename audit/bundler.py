"""Making a bundle from a ledger: the entries asked for, every entry about keys, and the proofs that they need.

Rules:

- Everything in it is under the newest checkpoint at the time of making; entries after that are left out.
- Which entries are about a thing is for the floor above to say; every entry that changes who may say what, and every
  erasure, is added here.
- It is verified, as its reader will, before it gets its name: a ledger that does not hold gives no bundle. Nothing is
  left behind where it fails.
- The same ledger under the same checkpoint gives the same bytes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from sqlalchemy import Connection

from audit import tables
from audit.anchor_settings import AnchorSettings
from audit.anchoring import stored_anchors
from audit.anchors import StoredAnchor
from audit.archive import write_archive
from audit.bundle import VERIFIERS, Manifest, write_vkeys
from audit.bundle_anchors import chosen, noted
from audit.bundle_check import verify_bundle
from audit.bundle_readme import readme
from audit.checkpoint import Checkpoint
from audit.durable import replacing
from audit.errors import EnvironmentFailed, MalformedInput, NotVerified
from audit.evidence import Brought, Evidence
from audit.ledger import Head, Ledger
from audit.log_keys import LogKeys
from audit.note import Note
from audit.proof import TlogProof, hash_lines
from audit.prover import Prover
from audit.record import Entry
from audit.trust import KEY_KINDS

__all__ = ["Wanted", "portable_verifiers", "write_bundle"]

ALWAYS = (*KEY_KINDS, "erasure")
"""The kinds of which a bundle holds every entry: who held which role when, and what can no longer be told."""

Members = dict[str, bytes | Path]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bundle is to be about.

    `entries` are the numbers of the entries asked for, the first of them the one that its README checks by hand;
    `artifacts` the files to put in, by their digests; `checkpoints` signed heads that its reader has kept; `pinned` the
    authorities whose certificates go beside their timestamps; `more` are other members.
    """

    about: str
    entries: Sequence[int]
    artifacts: Mapping[str, bytes | Path] = field(default_factory=dict)
    report: bytes | Path | None = None
    checkpoints: Sequence[bytes] = ()
    more: Mapping[str, bytes] = field(default_factory=dict)
    pinned: AnchorSettings = field(default_factory=AnchorSettings)


def write_bundle(
    ledger: Ledger, wanted: Wanted, target: Path, tell: Callable[[str], None] = lambda doing: None
) -> Evidence:
    """Write a bundle into a file and return what verifying it answers; `tell` is told what is done meanwhile.

    Raises `NotVerified` where it would not verify, `MalformedInput` where `target` is a folder, `EnvironmentFailed`
    where it cannot be written; then `target` is as it was.
    """
    try:
        with replacing(target, 0o666) as file:
            tell("gathering entries and proofs")
            members = _members(ledger, wanted)
            tell(f"writing {target.name}")
            write_archive(file, members)
            file.flush()
            tell(f"verifying {target.name}")
            answer = verify_bundle(Path(file.name), Brought())
            if not answer:
                failed = next(step for step in answer.report.steps if step.status == "failed")
                raise NotVerified(
                    "the bundle would not verify, so it was not written, see `affidavit verify`: "
                    f"step {failed.number} {failed.name}: {failed.detail}"
                )
    except IsADirectoryError:
        raise MalformedInput(f"{target} is a folder, and nothing was written: name another place") from None
    except OSError as error:
        raise EnvironmentFailed(
            f"{target} cannot be written: {error.strerror or error}; nothing was written"
        ) from None
    return answer


def portable_verifiers() -> dict[str, bytes]:
    """Read the verifiers that a bundle can carry: they share no code with this package, and are part of it."""
    folder = files("audit") / "portable"
    try:
        return {name: (folder / name).read_bytes() for name in VERIFIERS}
    except OSError as error:
        raise EnvironmentFailed(
            f"this installation lacks a portable verifier ({error.filename}): install affidavit again"
        ) from None


def _members(ledger: Ledger, wanted: Wanted) -> Members:
    head, trust = ledger.head(), ledger.trust()
    entries = _entries(ledger, wanted.entries, head.size)
    keys = {s.keyid: trust.key(s.keyid) for entry in entries.values() for s in entry.envelope.signatures}
    anchors = chosen(stored_anchors(ledger.engine), 1 + max(wanted.entries), head.size)
    notes = noted(_notes(ledger, head, trust.logs, wanted.checkpoints, anchors), anchors, wanted.pinned)
    [checkpoint] = {n.note for n in noted({head.size: head.checkpoint}, anchors, wanted.pinned)}
    members: Members = {
        "manifest.json": Manifest(wanted.about, ledger.origin, head.size, tuple(entries)).to_bytes(),
        "checkpoint": checkpoint,
        "vkey.txt": write_vkeys([key for seq, key in trust.logs.named if seq < head.size]),
        **{f"keys/{keyid}.pem": key.pem() for keyid, key in keys.items()},
        **{f"artifacts/{digest}": data for digest, data in wanted.artifacts.items()},
        **({} if wanted.report is None else {"report.pdf": wanted.report}),
        **{name: data for number, note in enumerate(notes) for name, data in note.members(number).items()},
        **wanted.more,
    }
    heads = [entry.statement.observed.size for entry in entries.values()]
    heads += [Checkpoint.parse(Note.parse(note.note).text).size for note in notes]
    with tables.failures(), ledger.engine.connect() as connection:
        members |= _proofs(connection, entries, replace(head, checkpoint=checkpoint), heads)
    shown = entries[wanted.entries[0]]
    members["README.txt"] = readme(
        wanted.about,
        shown,
        [keys[signature.keyid] for signature in shown.envelope.signatures],
        entries=tuple(entries),
        size=head.size,
        signature_line=_signature_line(head, trust.logs),
        files=tuple(
            sorted(name for name in members if name.startswith("artifacts/") or name == "report.pdf")
        ),
        tokens=tuple(f"anchors/{n}.note" for n, note in enumerate(notes) if note.token is not None),
        verifiers=set(VERIFIERS) <= wanted.more.keys(),
    )
    return members


def _entries(ledger: Ledger, asked: Sequence[int], size: int) -> dict[int, Entry]:
    """Read the entries asked for and those that every bundle has, by rising number."""
    if not asked or max(asked) >= size:
        raise MalformedInput(f"a bundle is about entries that the checkpoint of {size} entries covers")
    found = {entry.seq: entry for kind in ALWAYS for entry in ledger.entries(kind=kind) if entry.seq < size}
    found |= {seq: ledger.entry(seq) for seq in asked if seq not in found}
    return dict(sorted(found.items()))


def _proofs(
    connection: Connection, entries: Mapping[int, Entry], head: Head, heads: Collection[int]
) -> Members:
    prover, members = Prover(connection), Members()
    for seq, entry in entries.items():
        proof = TlogProof(seq, prover.inclusion(seq, head.size), head.checkpoint)
        members |= {f"entries/{seq}.json": entry.record, f"entries/{seq}.tlog-proof": proof.to_bytes()}
    for size in {size for size in heads if 0 < size < head.size}:
        members[f"consistency/{size}"] = hash_lines(prover.consistency(size, head.size))
    return members


def _notes(
    ledger: Ledger, head: Head, logs: LogKeys, kept: Sequence[bytes], anchors: Sequence[StoredAnchor]
) -> dict[int, bytes]:
    """Return the other heads that belong in the bundle, by size.

    Those with which the log's key changed, those that its reader kept, and those that were anchored; the newest only
    where there is a timestamp over it, since the cosignatures are in the bundle's checkpoint.
    """
    anchored = {a.size for a in anchors if a.size < head.size or a.kind == "timestamp"}
    sizes = anchored | {size for size in logs.handovers if size < head.size}
    notes = {size: ledger.head_at(size).checkpoint for size in sizes}
    for note in kept:
        size = logs.open(note).size
        if size > head.size:
            raise NotVerified(
                f"the checkpoint that was given has {size} entries and the ledger {head.size}: it was cut off, see "
                "`affidavit verify --checkpoint`"
            )
        notes.setdefault(size, note)
    return notes


def _signature_line(head: Head, logs: LogKeys) -> int:
    """Return the number of the line in the checkpoint on which the log's newest key signed."""
    note, key = Note.parse(head.checkpoint), logs.at(head.size)
    lines: Iterable[tuple[str, bytes]] = [(line.name, line.key_hash) for line in note.signatures]
    wanted = (key.name, key.hash) if key else None
    return note.text.count("\n") + 2 + next((n for n, line in enumerate(lines) if line == wanted), 0)
