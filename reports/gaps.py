"""What a report does not provide: each gap with the reason why, so that a reader need not look for it.

Rules:

- A gap is stated, never filled: text that a person must write is asked for, not generated.
- A gap comes from what the evidence lacks. Adding evidence can only take gaps away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from registry.sentences import listed
from reports.facts import Approval, Decision, EntryFacts, Evaluation, Reproduction, Run

__all__ = ["Gap", "find_gaps"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something a reader may expect that is not here; `by` is who could provide it."""

    what: str
    why: str
    by: str


WRITTEN = (
    Gap("Intended use", "No text on intended use and users stands in the ledger.", "model owner"),
    Gap(
        "Limitations", "No text on known limitations and unsuitable uses stands in the ledger.", "model owner"
    ),
    Gap(
        "Data description",
        "The origin, lawful basis and collection of the data are not described.",
        "data owner",
    ),
    Gap("Monitoring plan", "How the model is watched in use is not described.", "model owner"),
    Gap(
        "Tamper drill",
        "No drill is part of the evidence (21 CFR 11.10(a)): affidavit drill -o FILE runs one and keeps its matrix.",
        "keeper of the ledger",
    ),
    Gap(
        "Signature on this file",
        "This PDF is not signed; the ledger entries it names are.",
        "a later release of affidavit",
    ),
)


def find_gaps(
    entry: EntryFacts,
    run: Run,
    approvals: Sequence[Approval],
    decisions: Sequence[Decision],
    reproductions: Sequence[Reproduction],
) -> tuple[Gap, ...]:
    """List what the evidence lacks, what was measured first, then what people must write."""
    gaps = [*_performance(run), *_origin(run)]
    if entry.doubts:
        gaps.append(Gap("Recorder", "The run is in doubt: record it again with another key.", "recorder"))
    if not approvals:
        gaps.append(Gap("Approvals", "Nobody has signed an approval or a rejection.", "validator, approver"))
    elif all(approval.entry.doubts for approval in approvals):
        gaps.append(Gap("Approvals", "Each approval and rejection is in doubt.", "validator, approver"))
    if not decisions:
        gaps.append(Gap("Decision", "No gate has decided on this version.", "approver"))
    elif all(decision.entry.doubts for decision in decisions):
        gaps.append(Gap("Decision", "Each decision on this version is in doubt.", "approver"))
    if not reproductions:
        gaps.append(Gap("Reproduction", "No reproduction of this run has been recorded.", "validator"))
    elif all(attempt.entry.doubts for attempt in reproductions):
        gaps.append(Gap("Reproduction", "Each reproduction of this run is in doubt.", "validator"))
    return (*gaps, *WRITTEN)


def _performance(run: Run) -> Iterator[Gap]:
    if run.model_file is None:
        yield Gap("Model", "The run recorded no model file.", "recorder")
    elif run.model_file.features is None:
        yield Gap("Features", "The names of the model's input features were not recorded.", "recorder")
    if run.evaluation is None:
        yield Gap(
            "Evaluation", "The run recorded no evaluation: performance and fairness are unknown.", "recorder"
        )
        return
    if not run.evaluation.bias:
        yield Gap("Fairness", "No protected attribute was evaluated: fairness is unknown.", "recorder")
    if not any(figure.name == "roc_auc" for figure in run.evaluation.metrics):
        yield Gap("Scores", "No scores were evaluated, so ranking and calibration are unknown.", "recorder")
    small = _too_small(run.evaluation)
    if small:
        yield Gap(
            "Small groups", f"Not enough data to say anything about: {listed(small, '; ')}.", "recorder"
        )


def _too_small(evaluation: Evaluation) -> list[str]:
    return [
        f"{group.name} ({attribute.name})"
        for attribute in evaluation.bias
        for group in attribute.groups
        if not group.enough
    ]


def _origin(run: Run) -> Iterator[Gap]:
    if run.code.commit is None:
        yield Gap("Code commit", "The run was recorded outside a git repository.", "recorder")
    elif run.code.dirty is None:
        yield Gap("State of the tree", "Whether the working tree was clean was not recorded.", "recorder")
    if not run.sources:
        yield Gap("Source files", "No file read from outside was recorded.", "recorder")
    opaque = sorted(
        {
            part.name
            for step in run.steps
            for part in (*step.inputs, *step.outputs)
            if part.fingerprint is None and part.kind != "value"
        }
    )
    if opaque:
        why = f"A change in these would not show, since no fingerprint exists: {listed(opaque, '; ')}."
        yield Gap("Fingerprints", why, "recorder")
