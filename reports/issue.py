"""Issue a report: gather the dossier, render it, write the PDF, and record its digest as an entry."""

from dataclasses import dataclass
from pathlib import Path

from audit.canonical import JsonObject
from audit.errors import EnvironmentFailed, MalformedInput
from audit.record import Entry
from registry.predicates import IssuedReport
from registry.recorded import resolve_run
from registry.registry import Registry
from reports.dossier import Dossier, EntryFacts, compose
from reports.html import render
from reports.pdf import write

__all__ = ["Issued", "gather", "issue_report"]


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
    """Gather everything that the ledger says about a version, as of its newest checkpoint."""
    found = registry.find(ref)
    head = registry.ledger.head()
    log = registry.ledger.trust().log

    def facts(entry: Entry) -> EntryFacts:
        return _facts(registry, entry)

    return compose(
        model=found.model,
        version=found.version,
        stages=found.stages,
        run=_facts(registry, registry.ledger.entry(found.seq), whole=True),
        approvals=[facts(e) for e in registry.entries_about(found, "approval")],
        decisions=[facts(e) for e in registry.entries_about(found, "decision")],
        reproductions=[facts(e) for e in registry.entries_about(found, "reproduction")],
        origin=registry.ledger.origin,
        size=head.size,
        root=head.root.hex(),
        log_vkey=str(log),
        as_of=registry.ledger.entry(head.size - 1).time,
    )


def issue_report(
    registry: Registry, ref: str, template: str, output: Path, *, key: str | None = None
) -> Issued:
    """Write the PDF and append its `report` entry; the file is there whole, or not at all."""
    if not output.parent.is_dir():
        raise MalformedInput(f"there is no folder {output.parent}: make it, or choose another place with -o")
    signer = registry.signer_for("report", key)
    dossier = gather(registry, ref)
    html = render(dossier, template)
    pdf = write(
        html,
        title=f"{dossier.name} {template}",
        as_of=dossier.as_of,
        identifier=f"{dossier.origin}/{dossier.name}/{template}/{dossier.size}",
    )
    sha256 = registry.artifacts.put(pdf)
    said = IssuedReport(dossier.model, dossier.version, template, "pdf", sha256, dossier.size)
    _write_whole(output, pdf)
    entry = registry.ledger.append(said.statement(), signer=signer)
    return Issued(dossier.model, dossier.version, template, sha256, entry.seq)


def _facts(registry: Registry, entry: Entry, *, whole: bool = False) -> EntryFacts:
    predicate = entry.statement.predicate
    return EntryFacts(
        seq=entry.seq,
        kind=entry.kind,
        time=entry.time,
        key=entry.key,
        person=registry.ledger.holder(entry.key),
        leaf_hash=entry.leaf_hash,
        predicate=resolve_run(predicate, registry.artifacts) if whole else predicate,
    )


def _write_whole(output: Path, data: bytes) -> None:
    making = output.with_name(f".{output.name}.new")
    try:
        making.write_bytes(data)
        making.replace(output)
    except OSError as error:
        making.unlink(missing_ok=True)
        raise EnvironmentFailed(
            f"{output} cannot be written: {error.strerror}; nothing was recorded"
        ) from None
