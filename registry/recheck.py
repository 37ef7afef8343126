"""A recorded decision, judged once more: whether it follows from the evidence and policies that the ledger holds.

A decision is a statement like any other, and a key with the role approver can sign one that no gate ever made. The
catalogue believes it, since it never judges (it refuses only what contradicts itself); the signature says who is
answerable. Here the gate is computed again on what stood in the ledger before that entry, and each way in which the
decision differs is a doubt, in a sentence. What cannot be computed again is a doubt too: unknown is never a pass.

A later version of affidavit may word a finding in another way, so only outcomes are compared. It may also ask more of a
rule: where an earlier one recorded the run, that is said beside the outcomes that differ.
"""

from collections.abc import Mapping

from audit.canonical import Json
from audit.doubt import Doubts
from audit.errors import AffidavitError
from audit.record import Entry
from registry.evidence import adopted, gather_before
from registry.gate import RuleResult, decide
from registry.models import Models
from registry.predicates import Decided

__all__ = ["doubts", "signed_in_doubt"]

_MOST_RULES_NAMED = 5


def doubts(models: Models, entry: Entry) -> tuple[str, ...]:
    """Say in sentences how a `decision` entry does not follow from what stood before it; empty where it does."""
    said = Decided.read(entry.statement.predicate)
    by = Doubts.of(models.ledger.trust().grants)
    found = [*signed_in_doubt(entry, by), *_relied_on(models, said, entry.seq, by)]
    try:
        version = models.find(f"{said.model}@{said.version}")
        gathered = gather_before(models, version, said.stage, entry.seq)
    except AffidavitError as error:
        return (*found, f"it cannot be computed again: {error}")
    run = by.about(models.ledger.entry(version.seq).envelope, version.seq)
    if run is not None:
        found.append(f"the run in entry {version.seq} was signed with {run.words}")
    decision = decide(gathered.policies, gathered.evidence)
    if said.policies != gathered.policy_digests:
        found.append("it names other policies than those that guarded the stage")
    if said.evidence != gathered.digest:
        found.append("it names other evidence than that of this version, stage and policies")
    if said.approvals != tuple(approval.seq for approval in gathered.evidence.approvals):
        found.append("it names other approvals than those that stood")
    differing = _rules(said, decision.results)
    if differing and _of_earlier_release(gathered.evidence.run):
        differing.append(
            "an earlier release recorded this run, and asked less of some rules: record it again, and have that "
            "approved, for a decision by today's"
        )
    found += differing
    answer = "promoted" if decision.allowed else "refused"
    if said.decision != answer:
        found.append(f"it says {said.decision}, and the gate computed again says {answer}")
    return tuple(found)


def _of_earlier_release(run: Mapping[str, Json]) -> bool:
    """Say whether a run was evaluated before there was a small-cell rule, and digested before that was keyed."""
    evaluation = run.get("evaluation")
    return isinstance(evaluation, dict) and "small_cell" not in evaluation


def signed_in_doubt(entry: Entry, by: Doubts) -> tuple[str, ...]:
    """Say in a sentence why nobody knows who signed an entry; empty where there is no doubt."""
    doubt = by.about(entry.envelope, entry.seq)
    return () if doubt is None else (f"it was signed with {doubt.words}",)


def _relied_on(models: Models, said: Decided, seq: int, by: Doubts) -> list[str]:
    """Name the approvals and the adoption of policies that a decision relied on, and which are in doubt by now.

    A revocation that came after the decision takes nothing back, but who reads the decision must hear of it.
    """
    size = models.ledger.head().size
    relied: dict[str, Entry | None] = {
        f"the approval in entry {one}": models.ledger.entry(one) for one in said.approvals if 0 <= one < size
    }
    policies = adopted(models, said.stage, seq)
    if policies is not None:
        relied[f"entry {policies.seq}, by which its policies were adopted,"] = policies
    return [
        f"{what} was signed with {doubt.words}"
        for what, one in relied.items()
        if one is not None and (doubt := by.about(one.envelope, one.seq)) is not None
    ]


def _rules(said: Decided, results: tuple[RuleResult, ...]) -> list[str]:
    listed = {(rule.get("policy"), rule.get("id")): rule.get("outcome") for rule in said.rules}
    computed = {(result.policy, result.id): result.outcome for result in results}
    found = [
        f"it says {listed.get(rule) or 'nothing'} of the rule {rule[0]}/{rule[1]}, and computed again that is {outcome}"
        for rule, outcome in computed.items()
        if listed.get(rule) != outcome
    ]
    more = len(found) - _MOST_RULES_NAMED
    found = found[:_MOST_RULES_NAMED] + ([f"and so with {more} rules more"] if more > 0 else [])
    if listed.keys() - computed.keys():
        found.append("it lists rules that its policies do not have")
    return found
