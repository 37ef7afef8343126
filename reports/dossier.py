"""The dossier: everything a report says about one model version, gathered, frozen, each fact with its entry.

Rules:

- `compose` is pure: entries in, dossier out. It reads no clock, no ledger and no file.
- One verdict, said in the same words everywhere (`reports.verdict`).
- What is in doubt says so wherever it stands, and counts for nothing: no count of opinions holds it.
- What is missing is listed (`Gap`), never filled in.

Example::

    dossier = compose(model="mortgage", version=1, stages=("production",), run=run, approvals=approvals,
                      decisions=decisions, reproductions=(), origin="bank.example/models", size=9,
                      root="5f…", log_vkey="bank.example/models+…", as_of="2026-11-23T09:14:00Z")
    dossier.verdict.words           # "Promoted to production"
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reports import formats
from reports.facts import (
    Approval,
    Decision,
    EntryFacts,
    Evaluation,
    Figure,
    Reproduction,
    Rule,
    Run,
    TableProfile,
)
from reports.gaps import Gap, find_gaps
from reports.reading import read_approval, read_decision, read_reproduction, read_run
from reports.verdict import Verdict, count_opinions, held_stages, verdict_of

__all__ = ["Card", "Dossier", "EntryFacts", "Evidence", "Gap", "Verdict", "compose"]

SECTIONS = {
    "run": "Data, pipeline, parameters, code, performance and fairness",
    "approval": "Approvals",
    "decision": "Decisions",
    "reproduction": "Reproductions",
}
HEADLINE = ("roc_auc", "accuracy", "brier_score", "true_positive_rate", "false_positive_rate", "precision")


@dataclass(frozen=True, slots=True)
class Card:
    """One figure for the first page, with the attribute it is about, if any."""

    label: str
    about: str | None
    figure: Figure


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of the evidence index: a reference, and the entry behind it."""

    ref: str
    what: str
    sections: str
    entry: EntryFacts


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that a report prints; sequences are in the order of the ledger."""

    model: str
    version: int
    stages: tuple[str, ...]
    entry: EntryFacts
    run: Run
    approvals: tuple[Approval, ...]
    decisions: tuple[Decision, ...]
    reproductions: tuple[Reproduction, ...]
    origin: str
    size: int
    root: str
    log_vkey: str
    as_of: str
    verdict: Verdict
    cards: tuple[Card, ...]
    gaps: tuple[Gap, ...]
    evidence: tuple[Evidence, ...]
    profiles: tuple[TableProfile, ...] = ()
    adoptions_in_doubt: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name the version as the command line does."""
        return f"{self.model}@{self.version}"

    @property
    def opinions(self) -> str:
        """Count the signed approvals and rejections in words; those in doubt apart, each with its reason."""
        return count_opinions(self.approvals) if self.approvals else "none"

    @property
    def held(self) -> tuple[str, ...]:
        """Name the stages that the version holds, those by a decision in doubt as such."""
        return held_stages(self.stages, self.decisions)

    @property
    def doubted(self) -> frozenset[int]:
        """Give the entries used here that are in doubt."""
        return frozenset(item.entry.seq for item in self.evidence if item.entry.doubts)

    @property
    def signers(self) -> tuple[tuple[str, str | None, bool], ...]:
        """List each key that signed an entry used here, its holder, and whether any is in doubt, by first use."""
        doubted = {item.entry.key for item in self.evidence if item.entry.doubts}
        return tuple(
            {
                item.entry.key: (item.entry.key, item.entry.holder, item.entry.key in doubted)
                for item in self.evidence
            }.values()
        )

    def limits_on(self, metric: str) -> tuple[Rule, ...]:
        """List the rules that set a limit for a metric in the newest decision, unless it is in doubt or they differ."""
        newest = self.verdict.decision
        rules = newest.rules if newest and not newest.entry.doubts else ()
        found = tuple(rule for rule in rules if rule.metric == metric and rule.limit is not None)
        return found if len({rule.limit for rule in found}) == 1 else ()

    @property
    def base_rate(self) -> Figure | None:
        """Give the share of actual positives, with which an accuracy is compared."""
        metrics = self.run.evaluation.metrics if self.run.evaluation else ()
        return next((one for one in metrics if one.name == "base_rate" and one.value is not None), None)

    def ref(self, seq: int) -> str:
        """Give the reference of an entry in the evidence index."""
        return next((item.ref for item in self.evidence if item.entry.seq == seq), "")


def compose(
    *,
    model: str,
    version: int,
    stages: tuple[str, ...],
    run: EntryFacts,
    approvals: Sequence[EntryFacts],
    decisions: Sequence[EntryFacts],
    reproductions: Sequence[EntryFacts],
    origin: str,
    size: int,
    root: str,
    log_vkey: str,
    as_of: str,
    profiles: Sequence[TableProfile] = (),
    adoptions_in_doubt: tuple[str, ...] = (),
) -> Dossier:
    """Gather what a report says about one model version.

    `stages` are those that this version holds now; `size` and `root` (hexadecimal) are the checkpoint that
    covers every entry given; `as_of` is the time of the newest entry it covers; `profiles` are those of the tables
    that came in from outside; `adoptions_in_doubt` say of which stages nobody knows who adopted the policies.
    """
    told = read_run(run)
    given = tuple(read_approval(entry) for entry in _ordered(approvals))
    made = tuple(read_decision(entry) for entry in _ordered(decisions))
    redone = tuple(read_reproduction(entry) for entry in _ordered(reproductions))
    return Dossier(
        model=model,
        version=version,
        stages=stages,
        entry=run,
        run=told,
        approvals=given,
        decisions=made,
        reproductions=redone,
        origin=origin,
        size=size,
        root=root,
        log_vkey=log_vkey,
        as_of=as_of,
        verdict=verdict_of(run, told, stages, given, made),
        cards=_cards(told.evaluation),
        gaps=find_gaps(run, told, given, made, redone),
        evidence=_evidence(run, [*approvals, *decisions, *reproductions]),
        profiles=tuple(profiles),
        adoptions_in_doubt=adoptions_in_doubt,
    )


def _ordered(entries: Sequence[EntryFacts]) -> list[EntryFacts]:
    return sorted(entries, key=lambda entry: entry.seq)


def _evidence(run: EntryFacts, others: Sequence[EntryFacts]) -> tuple[Evidence, ...]:
    entries = [run, *_ordered(others)]
    return tuple(
        Evidence(
            f"E{index}",
            _what(entry) + (", in doubt" if entry.doubts else ""),
            SECTIONS.get(entry.kind, "Record"),
            entry,
        )
        for index, entry in enumerate(entries, start=1)
    )


def _what(entry: EntryFacts) -> str:
    told = entry.predicate
    stage = f" for {formats.value(told.get('stage'))}" if told.get("stage") else ""
    if entry.kind == "run":
        return f"Run, {formats.value(told.get('status'))}"
    if entry.kind == "approval":
        return f"{'Rejection' if told.get('verdict') == 'reject' else 'Approval'}{stage}"
    if entry.kind == "decision":
        return f"Decision{stage}: {formats.value(told.get('decision'))}"
    if entry.kind == "reproduction":
        return f"Reproduction: {formats.value(told.get('verdict'))}"
    return entry.kind.capitalize()


def _cards(evaluation: Evaluation | None) -> tuple[Card, ...]:
    """Choose at most four figures: two of performance, then the widest disparities, then more."""
    if evaluation is None:
        return ()
    by_name = {figure.name: figure for figure in evaluation.metrics if figure.value is not None}
    performance = [Card(formats.label(name), None, by_name[name]) for name in HEADLINE if name in by_name]
    widest = [
        card
        for card in (
            _worst(evaluation, "demographic_parity_ratio", "selection rate ratio", lowest=True),
            _worst(evaluation, "equalized_odds_difference", "equalized odds difference", lowest=False),
        )
        if card is not None
    ]
    return tuple([*performance[: 4 - len(widest)], *widest][:4])


def _worst(evaluation: Evaluation, name: str, what: str, *, lowest: bool) -> Card | None:
    """Choose the widest of a disparity; where some have no value, that it is the widest of those known is said."""
    figures = [
        (attribute.name, figure)
        for attribute in evaluation.bias
        for figure in attribute.disparities
        if figure.name == name
    ]
    found = [
        (size, attribute_name, figure)
        for attribute_name, figure in figures
        if (size := formats.number(figure.value)) is not None
    ]
    if not found:
        return None
    _, attribute_name, figure = sorted(found, key=lambda item: item[0], reverse=not lowest)[0]
    known = " known" if len(found) < len(figures) else ""
    return Card(f"{'Lowest' if lowest else 'Largest'}{known} {what}", attribute_name, figure)
