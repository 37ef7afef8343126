"""The verdict: one conclusion on a model version, in the same words everywhere, and the counts it rests on.

Rules:

- Unknown is never a pass: without a decision the verdict is "Not decided", and a promotion that no decision in the
  ledger backs is not a promotion.
- The newest decision speaks, unless it is in doubt, or does not follow from the evidence: then the verdict is
  "Decision in doubt". A refusal that came after a promotion is shown as the refusal it is.
- What is in doubt counts for nothing: opinions in doubt are told apart from those that are counted.

Example::

    verdict_of(entry, run, ("production",), approvals, decisions).words           # "Promoted to production"
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reports import formats
from reports.facts import Approval, Decision, EntryFacts, Rule, Run

__all__ = ["Verdict", "count_opinions", "held_stages", "tally", "verdict_of"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The conclusion in words; `tone` is `good`, `bad`, `caution` or `neutral`."""

    words: str
    tone: str
    sentence: str
    decision: Decision | None


def verdict_of(
    entry: EntryFacts,
    run: Run,
    stages: tuple[str, ...],
    approvals: Sequence[Approval],
    decisions: Sequence[Decision],
) -> Verdict:
    """Conclude on a version from its run, the stages it holds now, and its opinions and decisions, oldest first."""
    if run.status != "succeeded":
        return _failed_run(run)
    if not decisions and entry.doubts:
        sentence = f"The run in entry #{entry.seq} is in doubt: {'; '.join(entry.doubts)}. No gate promotes such a run."
        return Verdict("Run in doubt", "bad", f"{sentence} {_undecided(approvals, stages)}", None)
    if not decisions:
        return Verdict("Not decided", "neutral", _undecided(approvals, stages), None)
    newest = decisions[-1]
    if newest.entry.doubts:
        return _doubted(newest)
    if newest.decision == "promoted":
        return _promoted(newest, stages)
    if newest.decision != "refused":
        sentence = (
            f"Entry #{newest.entry.seq} records the outcome “{newest.decision}”, which is not a promotion."
        )
        return Verdict("Not decided", "neutral", sentence, newest)
    still = formats.plain_list(held_stages(stages, decisions))
    held = f" The version still holds {still} by an earlier decision." if stages else ""
    return Verdict(f"Refused for {newest.stage}", "bad", f"{_refusal(newest)}{held}", newest)


def _doubted(newest: Decision) -> Verdict:
    sentence = (
        f"Entry #{newest.entry.seq} says {newest.decision} for {newest.stage}, but this decision is in doubt:"
        f" {'; '.join(newest.entry.doubts)}."
    )
    return Verdict("Decision in doubt", "bad", sentence, newest)


def _failed_run(run: Run) -> Verdict:
    if run.status != "failed":
        return Verdict("Unfinished run", "bad", f"The run was recorded with the status “{run.status}”.", None)
    where = f" in step “{run.failed_step}”" if run.failed_step else ""
    error = f" with {run.error}" if run.error else ""
    sentence = (
        f"The run failed{where}{error}. A failed run yields no model that could be approved or promoted."
    )
    return Verdict("Failed run", "bad", sentence, None)


def _undecided(approvals: Sequence[Approval], stages: tuple[str, ...]) -> str:
    if stages:
        return (
            f"The catalogue says that this version holds {formats.plain_list(stages)}, but no decision that"
            " says so is part of this evidence. It must not be taken as promoted."
        )
    if not approvals:
        return "No gate has decided on this version, and nobody has approved or rejected it."
    return f"No gate has decided on this version. Signed opinions so far: {count_opinions(approvals)}."


def count_opinions(approvals: Sequence[Approval]) -> str:
    """Count approvals and rejections in words: one for each key, role, stage and evidence, the newest.

    What a key said before it spoke again is told apart, so that one person who signs twice does not look like two; so
    are those in doubt, each with its reason.
    """
    sound = [approval for approval in approvals if not approval.entry.doubts]
    standing = {(one.entry.key, one.role, one.stage, one.evidence): one.verdict for one in sound}
    verdicts = list(standing.values())
    approved, rejected = verdicts.count("approve"), verdicts.count("reject")
    told = [f"{approved} approved", f"{rejected} rejected"]
    if len(verdicts) > approved + rejected:
        told.append(f"{len(verdicts) - approved - rejected} without a verdict")
    counted = formats.plain_list(told)
    if before := len(sound) - len(verdicts):
        counted += f" ({before} more by {'a key' if before == 1 else 'keys'} that spoke again since)"
    return "; ".join([counted, *_opinions_in_doubt(approvals)])


def _opinions_in_doubt(approvals: Sequence[Approval]) -> list[str]:
    found: dict[str, list[EntryFacts]] = {}
    for approval in approvals:
        if approval.entry.doubts:
            noun = {"approve": "approval", "reject": "rejection"}.get(approval.verdict or "", "opinion")
            found.setdefault(noun, []).append(approval.entry)
    return [
        f"{len(entries)} {noun}{'' if len(entries) == 1 else 's'} in doubt: "
        + "; ".join(f"entry #{entry.seq}, {'; '.join(entry.doubts)}" for entry in entries)
        for noun, entries in found.items()
    ]


def held_stages(stages: tuple[str, ...], decisions: Sequence[Decision]) -> tuple[str, ...]:
    """Name the stages that a version holds, those by a decision in doubt as such."""
    by = {one.stage: one for one in decisions if one.decision == "promoted"}
    doubted = {stage for stage, one in by.items() if one.entry.doubts}
    return tuple(f"{stage} (by a decision in doubt)" if stage in doubted else stage for stage in stages)


def _promoted(decision: Decision, stages: tuple[str, ...]) -> Verdict:
    when = formats.instant(decision.entry.time)
    if decision.stage not in stages:
        sentence = (
            f"This version was promoted to {decision.stage} on {when} (entry #{decision.entry.seq});"
            " it no longer holds that stage."
        )
        return Verdict(f"Formerly in {decision.stage}", "neutral", sentence, decision)
    open_rules = [rule for rule in decision.rules if rule.outcome not in ("passed", "waived")]
    outcome = tally(decision.rules)
    if decision.action == "rollback":
        words, how = f"Returned to {decision.stage}", "returned to it by rollback"
    else:
        words, how = f"Promoted to {decision.stage}", "was promoted"
    because = f" Reason given: {decision.reason.rstrip('.')}." if decision.reason else ""
    sentence = f"The version {how} on {when} (entry #{decision.entry.seq}). {outcome}{because}"
    if open_rules:
        sentence += f" It went ahead although {_named(open_rules)}."
    return Verdict(words, "caution" if open_rules else "good", sentence, decision)


def _refusal(decision: Decision) -> str:
    open_rules = [rule for rule in decision.rules if rule.outcome not in ("passed", "waived")]
    why = f" Not met: {_named(open_rules)}." if open_rules else ""
    if len(open_rules) == 1 and open_rules[0].message:
        why += f" {formats.sentence(open_rules[0].message).rstrip('.')}."
    because = f" Reason given: {decision.reason.rstrip('.')}." if decision.reason and not open_rules else ""
    when = formats.instant(decision.entry.time)
    return f"The gate refused on {when} (entry #{decision.entry.seq}). {tally(decision.rules)}{why}{because}"


def _named(rules: Sequence[Rule], most: int = 4) -> str:
    named = [f"{rule.id} ({rule.outcome})" for rule in rules[:most]]
    if len(rules) > most:
        named.append(f"{len(rules) - most} more")
    return formats.plain_list(named)


def tally(rules: Sequence[Rule]) -> str:
    """Say how many rules came out how; outcomes that did not occur are left out."""
    if not rules:
        return "The decision records no rules."
    outcomes = [rule.outcome for rule in rules]
    passed = outcomes.count("passed")
    others = [
        f"{outcomes.count(outcome)} {outcome}"
        for outcome in ("failed", "uncertain", "missing", "waived")
        if outcome in outcomes
    ]
    noun = "rule" if len(rules) == 1 else "rules"
    if not others:
        return f"{'The one rule' if len(rules) == 1 else f'All {len(rules)} rules'} passed."
    return f"Of {len(rules)} {noun}, {formats.plain_list([f'{passed} passed', *others])}."
