"""Issue a report: gather the dossier, render it, write the PDF, and record its digest as an entry."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit.canonical import JsonObject, decode
from audit.doubt import Doubts
from audit.durable import replacing
from audit.erasure import erasures
from audit.errors import Conflict, EnvironmentFailed, MalformedInput, NotFound, NotVerified
from audit.ledger import Head
from audit.outputs import check_place
from audit.record import Entry
from registry.evidence import adopted, adopted_in_doubt
from registry.predicates import IssuedReport
from registry.profile import Profile
from registry.recheck import doubts, signed_in_doubt
from registry.recorded import resolve_run
from registry.registry import Registry
from reports.dossier import Dossier, EntryFacts, compose
from reports.facts import TableProfile
from reports.html import render
from reports.pdf import write
from reports.reading import read_run

__all__ = ["Issued", "gather", "issue_report"]

_MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class Issued:
    """A report that was written: about what, its digest, and the entry that records it."""

    model: str
    version: int
    template: str
    sha256: str
    entry: int

    def to_json(self) -> JsonObject:
        """Write it as `report --json` prints it."""
        return {
            "model": self.model,
            "version": self.version,
            "template": self.template,
            "sha256": self.sha256,
            "entry": self.entry,
        }


def gather(registry: Registry, ref: str) -> Dossier:
    """Gather everything that the ledger says about a version, as of its newest checkpoint.

    Raises `Conflict` where the ledger does not stand still for as long as that takes.
    """
    for _ in range(_MOST_TRIES):
        head = registry.ledger.head()
        dossier = _gather(registry, ref, head)
        if registry.ledger.head().size == head.size:
            return dossier
    raise Conflict("the ledger kept growing while the report was gathered: try again")


def issue_report(
    registry: Registry,
    ref: str,
    template: str,
    output: Path,
    *,
    key: str | None = None,
    tell: Callable[[str], None] = lambda doing: None,
) -> Issued:
    """Write the PDF and append its `report` entry; there is no file without its entry.

    `tell` is told what is done meanwhile.
    Raises `EnvironmentFailed` where the file cannot be written; then nothing was recorded.
    """
    check_place(output)
    signer = registry.signer_for("report", key)
    tell("gathering the evidence")
    dossier = gather(registry, ref)
    html = render(dossier, template)
    tell(f"drawing the pages of {output.name}")
    pdf = write(
        html,
        title=f"{dossier.name} {template}",
        as_of=dossier.as_of,
        identifier=f"{dossier.origin}/{dossier.name}/{template}/{dossier.size}",
    )
    sha256 = registry.artifacts.put(pdf)
    said = IssuedReport(dossier.model, dossier.version, template, "pdf", sha256, dossier.size)
    with _written_whole(output, pdf):
        entry = registry.ledger.append(said.statement(), signer=signer)
    return Issued(dossier.model, dossier.version, template, sha256, entry.seq)


def _gather(registry: Registry, ref: str, head: Head) -> Dossier:
    found = registry.find(ref)

    by = Doubts.of(registry.ledger.trust().grants)

    def facts(kind: str) -> list[EntryFacts]:
        return [_facts(registry, entry, by) for entry in registry.entries_about(found, kind)]

    run = _facts(registry, registry.ledger.entry(found.seq), by)
    approvals, decisions = facts("approval"), facts("decision")
    stages = dict.fromkeys(str(entry.predicate.get("stage")) for entry in (*approvals, *decisions))
    adoptions = (adopted_in_doubt(adopted(registry, stage), stage, by) for stage in stages)
    return compose(
        model=found.model,
        version=found.version,
        stages=found.stages,
        run=run,
        approvals=approvals,
        decisions=decisions,
        reproductions=facts("reproduction"),
        origin=registry.ledger.origin,
        size=head.size,
        root=head.root.hex(),
        log_vkey=str(registry.ledger.trust().log),
        as_of=registry.ledger.entry(head.size - 1).time,
        profiles=_profiles(registry, run),
        adoptions_in_doubt=tuple(doubt for doubt in adoptions if doubt is not None),
    )


def _profiles(registry: Registry, run: EntryFacts) -> tuple[TableProfile, ...]:
    """Read the profiles of the tables that came in from outside: those of steps that take nothing from another."""
    parts = {
        part.name: part
        for step in read_run(run).steps
        if not step.after and step.kind != "evaluate"
        for part in step.outputs
        if part.profile is not None or part.not_profiled is not None
    }
    return tuple(
        TableProfile(name, part.profile, _profile(registry, part.profile), part.not_profiled)
        for name, part in parts.items()
    )


def _profile(registry: Registry, sha256: str | None) -> Profile | None:
    if sha256 is None:
        return None
    try:
        return Profile.from_json(decode(registry.artifacts.get(sha256)))
    except (MalformedInput, NotFound, NotVerified):
        return None


def _facts(registry: Registry, entry: Entry, by: Doubts) -> EntryFacts:
    predicate = entry.statement.predicate
    person = registry.ledger.holder(entry.key)
    return EntryFacts(
        seq=entry.seq,
        kind=entry.kind,
        time=entry.time,
        key=entry.key,
        person=person,
        leaf_hash=entry.leaf_hash,
        predicate=resolve_run(predicate, registry.artifacts) if entry.kind == "run" else predicate,
        doubts=doubts(registry, entry) if entry.kind == "decision" else signed_in_doubt(entry, by),
        erased_by=None if person else erasures(registry.ledger).get(("holder", entry.key)),
    )


@contextmanager
def _written_whole(output: Path, data: bytes) -> Iterator[None]:
    """Write a file, whole and durable, that gets its name when the block has ended well."""
    rest = "nothing was recorded"
    try:
        with replacing(output, 0o666) as file:
            file.write(data)
            # Before the entry: a disk that is full, or fails, is met while nothing is said yet.
            file.flush()
            os.fsync(file.fileno())
            yield
            rest = "its entry and its bytes are in the ledger"
    except OSError as error:
        raise _unwritable(output, error, rest) from None


def _unwritable(output: Path, error: OSError, rest: str) -> EnvironmentFailed:
    return EnvironmentFailed(f"{output} cannot be written: {error.strerror}; {rest}")
