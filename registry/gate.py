"""The gate: may this model version serve at this stage? Policies and evidence in, a decision out; pure.

Rules of deciding ("deny unless", as the in-toto specification's monotonic principle asks):

- A version is allowed only when there is at least one policy and every rule of every policy passed or is
  waived. Unknown is never a pass: what is absent, null, cut short or unreadable is `missing`.
- `registry.facts`, `registry.limits`, `registry.lineage_rule` and `registry.privacy_rule` say what a rule asks of
  the evidence.
- Approvals count by distinct keys, never the recorder's, and a key that speaks in two roles is counted in
  one of them. Who holds a key is not signed evidence and can be erased, so it decides nothing here.
- Taking evidence away therefore never turns a refusal into a promotion. The exceptions are the two ways of
  saying no: a rejection that stands, and a newest reproduction that diverged. The ledger's chain, not the
  gate, is what keeps those from being withheld.

A refusal is a result, not an error; evidence that is not what the contract says is `missing`, not a crash.

>>> decide([], Evidence("mortgage", 1, "production", {}, "key", (), ())).allowed
False
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from audit.canonical import Json, JsonObject
from registry.facts import FACTS
from registry.finding import AbsentError, Finding, Outcome
from registry.limits import judge_limit, limit_text
from registry.lineage_rule import judge_lineage
from registry.policy import Policy
from registry.privacy_rule import judge_privacy
from registry.reproduction_rule import judge_reproductions
from registry.rules import ApprovalRule, FactRule, LimitRule, LineageRule, PrivacyRule, ReproductionRule, Rule
from registry.sentences import listed
from registry.tables_told import TableTold

__all__ = ["ALLOWING", "Approval", "Decision", "Evidence", "RuleResult", "decide"]

ALLOWING: Final[frozenset[Outcome]] = frozenset({"passed", "waived"})
"""The outcomes that do not refuse."""

_MOST_TORN: Final = 10
_MOST_MESSAGE: Final = 800


@dataclass(frozen=True, slots=True)
class Approval:
    """One signed verdict on exactly this evidence.

    `seq` is its ledger entry; `key` the id of the signer's first key, by which keys that took each other's place count
    as one.
    """

    seq: int
    key: str
    person: str | None
    role: str
    verdict: str
    meaning: str
    time: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a gate may look at: the run's predicate, who recorded it, and what was said about it since.

    `approvals` are the verdicts bound to this evidence's digest and this stage; `reproductions` are the
    predicates of this version's reproductions in ledger order, the newest last. `recorder` is the first key of who
    recorded the run. `tables` are what the run's artifacts tell of its tables, read where a rule asks for it.
    """

    model: str
    version: int
    stage: str
    run: Mapping[str, Json]
    recorder: str
    approvals: tuple[Approval, ...]
    reproductions: tuple[Mapping[str, Json], ...]
    tables: tuple[TableTold, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What became of one rule: what the policy demands, and what was found, each a sentence of its own.

    `metric` and `limit` (decimal text) are those of a limit, and None for every other kind of rule.
    """

    id: str
    policy: str
    outcome: Outcome
    says: str
    message: str
    clauses: tuple[str, ...]
    metric: str | None = None
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and the outcome of every rule in the order of the policies."""

    allowed: bool
    results: tuple[RuleResult, ...]

    def to_json(self) -> list[JsonObject]:
        """Write the rules as they stand in a `decision` statement."""
        return [
            {
                "id": result.id,
                "policy": result.policy,
                "outcome": result.outcome,
                "says": result.says,
                "message": result.message,
                "clauses": list(result.clauses),
                "metric": result.metric,
                "limit": result.limit,
            }
            for result in self.results
        ]


def decide(policies: Sequence[Policy], evidence: Evidence) -> Decision:
    """Judge every rule of every policy; allow only when there are rules and none of them refuses."""
    rules = [rule for policy in policies for rule in policy.rules]
    seats = _seats([rule for rule in rules if isinstance(rule, ApprovalRule)], evidence)
    results = tuple(
        _result(rule, policy, _judge(rule, evidence, seats)) for policy in policies for rule in policy.rules
    )
    complete = bool(policies) and all(policy.rules for policy in policies)
    return Decision(complete and all(result.outcome in ALLOWING for result in results), results)


def _result(rule: Rule, policy: Policy, finding: Finding) -> RuleResult:
    metric, limit = (rule.metric, limit_text(rule)) if isinstance(rule, LimitRule) else (None, None)
    message = _bounded(finding.message)
    return RuleResult(rule.id, policy.name, finding.outcome, rule.says, message, rule.clauses, metric, limit)


def _judge(rule: Rule, evidence: Evidence, seats: "_Seats") -> Finding:
    try:
        match rule:
            case LimitRule():
                return judge_limit(rule, evidence.run)
            case FactRule():
                return _fact(rule, evidence.run)
            case LineageRule():
                return judge_lineage(rule, evidence.run)
            case PrivacyRule():
                return judge_privacy(rule, evidence.run, evidence.tables)
            case ApprovalRule():
                return _approval(rule, evidence, seats)
            case ReproductionRule():
                return judge_reproductions(
                    rule, evidence.reproductions, f"{evidence.model}@{evidence.version}"
                )
    except AbsentError as absent:
        return Finding("missing", str(absent))


def _bounded(message: str) -> str:
    # A statement has room for about 45 KB in all; a group or a meaning may be as long as its author likes.
    return message if len(message) <= _MOST_MESSAGE else message[: _MOST_MESSAGE - 1] + "…"


def _fact(rule: FactRule, run: Mapping[str, Json]) -> Finding:
    fact = FACTS[rule.fact]
    match fact.read(run):
        case True:
            return Finding("passed", fact.holds)
        case False:
            return Finding("failed", fact.fails)
        case None:
            return Finding("missing", fact.unknown)


# Approvals

_Seats = Mapping[str, str]
"""The role in which each key is counted, by key."""


def _standing(evidence: Evidence, role: str, verdict: str) -> list[Approval]:
    """List the verdicts of one kind in a role that no later verdict of the same key has taken back.

    An approval is taken back only by a later rejection, not by another approval, so that dropping an
    approval never revives an older one.
    """
    given = [approval for approval in evidence.approvals if approval.role == role]
    other = {"approve": "reject", "reject": "approve"}[verdict]
    return [
        one
        for one in given
        if one.verdict == verdict
        and not any(
            later.key == one.key and later.verdict == other and later.seq > one.seq for later in given
        )
    ]


def _counting(rule: ApprovalRule, evidence: Evidence) -> dict[str, Approval]:
    """Find the approvals that may count for a rule, one for each key, the newest; not the recorder's."""
    if not evidence.recorder:
        return {}
    return {
        approval.key: approval
        for approval in sorted(_standing(evidence, rule.role, "approve"), key=lambda one: one.seq)
        if approval.key != evidence.recorder and rule.meaning in (None, approval.meaning.strip())
    }


def _seats(rules: Sequence[ApprovalRule], evidence: Evidence) -> _Seats:
    """Choose the one role in which each key counts, so that as many rules are met as can be.

    Four eyes: a key that holds two roles is still one pair. Whether all rules can be met at once only shrinks
    with fewer approvals, whichever key is counted where.
    """
    counting = [(rule, set(_counting(rule, evidence))) for rule in rules]
    roles: dict[str, list[str]] = {}
    for rule, keys in counting:
        for key in keys:
            if rule.role not in roles.setdefault(key, []):
                roles[key].append(rule.role)
    torn = sorted(key for key in roles if len(roles[key]) > 1)
    fixed = {key: names[0] for key, names in roles.items() if len(names) == 1}

    def choices() -> Iterable[dict[str, str]]:
        for chosen in product(*(roles[key] for key in torn[:_MOST_TORN])):
            yield fixed | dict(zip(torn, chosen, strict=False))

    def met(seats: dict[str, str]) -> int:
        return sum(
            len([k for k in keys if seats.get(k) == rule.role]) >= rule.count for rule, keys in counting
        )

    return max(choices(), key=met)


def _approval(rule: ApprovalRule, evidence: Evidence, seats: _Seats) -> Finding:
    for rejection in sorted(_standing(evidence, rule.role, "reject"), key=lambda one: -one.seq):
        return Finding(
            "failed",
            f"rejected by {rule.role} {rejection.key[:12]} (entry {rejection.seq}): “{rejection.meaning[:300]}”",
        )
    counting = _counting(rule, evidence)
    counted = [approval for key, approval in counting.items() if seats.get(key) == rule.role]
    if len(counted) >= rule.count:
        each = listed([f"{one.key[:12]} (entry {one.seq}): “{one.meaning[:120]}”" for one in counted], "; ")
        return Finding("passed", f"approved by {rule.role} {each}")
    raise AbsentError(_wanting(rule, evidence, counted, counting))


def _wanting(
    rule: ApprovalRule, evidence: Evidence, counted: Sequence[Approval], counting: Mapping[str, Approval]
) -> str:
    wanted = f"{rule.count} approval{'s' if rule.count > 1 else ''} by a key with the role {rule.role}"
    if rule.meaning:
        wanted += f" that say “{rule.meaning}”"
    if not evidence.recorder:
        return f"needs {wanted}, and none can count while it is not known who recorded the run"
    why = ""
    if any(one.key == evidence.recorder for one in _standing(evidence, rule.role, "approve")):
        why = " (whoever recorded the run cannot approve it)"
    elif len(counting) > len(counted):
        why = " (a key is counted in one role only)"
    return (
        f"needs {wanted} and has {len(counted)}{why}: affidavit approve {evidence.model}@{evidence.version} "
        f"--stage {evidence.stage} --as KEY --role {rule.role} --meaning TEXT"
    )
