"""What a bundle about a model version holds: which entries are about it, and which files they name.

Rules:

- Everything that was said about the version: its run, approvals and rejections, decisions, reproductions, reports.
  What speaks against it is not left out.
- The `stage` entries about every stage that one of these names, so that the policies of each decision can be told; and
  the texts of the policies.
- The newest report that is kept as a PDF. With all artifacts: every file that the entries say is kept, too; a model
  and its data documents can be large.

>>> wanted(registry, "mortgage@1").about                      # doctest: +SKIP
'mortgage@1'
"""

from collections.abc import Sequence
from pathlib import Path

from audit.bundler import Wanted
from audit.record import Entry
from registry.catalog import Catalogued
from registry.models import Models
from registry.predicates import IssuedReport
from registry.references import KeptArtifacts

__all__ = ["wanted"]

KINDS = ("approval", "decision", "reproduction", "report")


def wanted(
    models: Models, ref: str, *, all_artifacts: bool = False, checkpoints: Sequence[bytes] = ()
) -> Wanted:
    """Select what a bundle about a model version, or about one entry, holds.

    `ref` is NAME@VERSION, NAME@STAGE or NAME@latest; or an entry's number or the start of its leaf hash.
    """
    if "@" in ref:
        found = models.find(ref)
        about, entries = f"{found.model}@{found.version}", _about(models, found)
    else:
        entry = models.named_entry(ref)
        about, entries = f"entry {entry.seq}", [entry]
    report = _newest_report(models, entries)
    named = _named(models, entries, all_artifacts) - ({report} if report else set())
    return Wanted(
        about=about,
        entries=[entry.seq for entry in entries],
        artifacts={digest: _kept(models, digest) for digest in sorted(named)},
        report=_kept(models, report) if report else None,
        checkpoints=checkpoints,
    )


def _about(models: Models, found: Catalogued) -> list[Entry]:
    """List the entries about a version, its run first."""
    run = models.ledger.entry(found.seq)
    said = [entry for kind in KINDS for entry in models.entries_about(found, kind)]
    stages = {
        str(entry.statement.predicate["stage"]) for entry in said if "stage" in entry.statement.predicate
    }
    policies = [
        entry
        for entry in models.ledger.entries(kind="stage")
        if entry.statement.predicate.get("stage") in stages
    ]
    return [run, *said, *policies]


def _newest_report(models: Models, entries: Sequence[Entry]) -> str | None:
    """Return the digest of the newest report among them whose PDF is kept."""
    reports = [IssuedReport.read(entry.statement.predicate) for entry in entries if entry.kind == "report"]
    kept = [
        report.sha256
        for report in reports
        if report.format == "pdf" and models.artifacts.exists(report.sha256)
    ]
    return kept[-1] if kept else None


def _named(models: Models, entries: Sequence[Entry], all_artifacts: bool) -> set[str]:
    """Return the digests of the artifacts that belong in: the policies, or all that the entries say are kept."""
    references = KeptArtifacts(models.artifacts).references
    return {
        digest
        for entry in entries
        if all_artifacts or entry.kind == "stage"
        for digest in references(entry.statement)
    }


def _kept(models: Models, digest: str) -> Path:
    """Return where an artifact is kept, after its bytes were read; raises where they are gone or changed."""
    with models.artifacts.open(digest):
        return models.artifacts.path(digest)
