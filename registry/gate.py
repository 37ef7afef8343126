"""The gate: may this model version serve at this stage? Policies and evidence in, a decision out; pure.

Rules of deciding ("deny unless", as the in-toto specification's monotonic principle asks):

- A version is allowed only when there is at least one policy and every rule of every policy passed or is
  waived. Unknown is never a pass: what is absent, null, cut short or unreadable is `missing`.
- A limit on an interval passes only when the whole interval clears it, and fails only when all of it is on
  the wrong side; in between it is `uncertain`, which refuses. Decimals are compared exactly.
- The policy says how sure an interval must be and how many rows a rate needs (95% and 30 unless it says
  otherwise): whoever records a run also chooses the options of its evaluation.
- A rule about the groups of an attribute needs the whole table: the groups' rows and the rows with no value
  must add up to the rows evaluated. A group with too few rows to say anything makes the rule `uncertain`,
  unless the rule ignores small groups, and then the message names them.
- Approvals count by distinct keys, never the recorder's, and a key that speaks in two roles is counted in
  one of them. Who holds a key is not signed evidence and can be erased, so it decides nothing here.
- Taking evidence away therefore never turns a refusal into a promotion. The exceptions are the two ways of
  saying no: a rejection that stands, and a newest reproduction that diverged. The ledger's chain, not the
  gate, is what keeps those from being withheld.

A refusal is a result, not an error; evidence that is not what the contract says is `missing`, not a crash.

>>> decide([], Evidence("mortgage", 1, "production", {}, "key", (), ())).allowed
False
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from itertools import product
from typing import Final, Literal, NamedTuple

from audit.canonical import Json, JsonObject
from registry.policy import (
    CONFIDENCE,
    EVERY,
    MINIMUM,
    ROWS,
    ApprovalRule,
    FactName,
    FactRule,
    LimitRule,
    Policy,
    ReproductionRule,
    Rule,
)

__all__ = ["ALLOWING", "FACTS", "Approval", "Decision", "Evidence", "Fact", "Outcome", "RuleResult", "decide"]

Outcome = Literal["passed", "failed", "uncertain", "missing", "waived"]

ALLOWING: Final[frozenset[Outcome]] = frozenset({"passed", "waived"})
"""The outcomes that do not refuse."""

_WORST_FIRST: Final[tuple[Outcome, ...]] = ("failed", "missing", "uncertain", "passed")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?(e[+-]?[0-9]{1,3})?")
_MOST_SHOWN: Final = 6
_MOST_TORN: Final = 10
_MOST_MESSAGE: Final = 800


@dataclass(frozen=True, slots=True)
class Approval:
    """One signed verdict on exactly this evidence; `seq` is its ledger entry, `key` the signer's key id."""

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
    predicates of this version's reproductions in ledger order, the newest last.
    """

    model: str
    version: int
    stage: str
    run: Mapping[str, Json]
    recorder: str
    approvals: tuple[Approval, ...]
    reproductions: tuple[Mapping[str, Json], ...]


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What became of one rule, in one sentence that needs nothing else to be read."""

    id: str
    policy: str
    outcome: Outcome
    message: str
    clauses: tuple[str, ...]


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
                "message": result.message,
                "clauses": list(result.clauses),
            }
            for result in self.results
        ]


def decide(policies: Sequence[Policy], evidence: Evidence) -> Decision:
    """Judge every rule of every policy; allow only when there are rules and none of them refuses."""
    rules = [rule for policy in policies for rule in policy.rules]
    seats = _seats([rule for rule in rules if isinstance(rule, ApprovalRule)], evidence)
    results = tuple(
        RuleResult(rule.id, policy.name, finding.outcome, _bounded(finding.message), rule.clauses)
        for policy in policies
        for rule in policy.rules
        for finding in [_judge(rule, evidence, seats)]
    )
    complete = bool(policies) and all(policy.rules for policy in policies)
    return Decision(complete and all(result.outcome in ALLOWING for result in results), results)


class _Finding(NamedTuple):
    outcome: Outcome
    message: str


class _AbsentError(Exception):
    """What a rule needs is not in the evidence; the message says what, and how to supply it."""


def _judge(rule: Rule, evidence: Evidence, seats: "_Seats") -> _Finding:
    try:
        match rule:
            case LimitRule():
                return _limit(rule, evidence.run)
            case FactRule():
                return _fact(rule, evidence.run)
            case ApprovalRule():
                return _approval(rule, evidence, seats)
            case ReproductionRule():
                return _reproduction(rule, evidence)
    except _AbsentError as absent:
        return _Finding("missing", str(absent))


def _bounded(message: str) -> str:
    # A statement has room for about 45 KB in all; a group or a meaning may be as long as its author likes.
    return message if len(message) <= _MOST_MESSAGE else message[: _MOST_MESSAGE - 1] + "…"


# Reading the predicate: anything may be absent, so every step down answers None rather than raising.


def _at(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _items(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _decimal(value: object) -> Decimal | None:
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def _only(items: Iterable[Mapping[str, object]], field: str, name: str) -> Mapping[str, object] | None:
    """Find the one item of that name; two of a name are as good as none, since either may be meant."""
    found = [item for item in items if item.get(field) == name]
    return found[0] if len(found) == 1 else None


# Facts about the run


@dataclass(frozen=True, slots=True)
class Fact:
    """How a fact is read (True, False, or None for unknown) and what is said of each answer."""

    read: Callable[[Mapping[str, Json]], bool | None]
    holds: str
    fails: str
    unknown: str


def _status(run: Mapping[str, Json]) -> bool | None:
    return {"succeeded": True, "failed": False}.get(str(run.get("status")))


def _clean(run: Mapping[str, Json]) -> bool | None:
    dirty = _at(run, "code", "dirty")
    return not dirty if isinstance(dirty, bool) else None


def _nothing_untracked(run: Mapping[str, Json]) -> bool | None:
    untracked = _count(_at(run, "code", "untracked"))
    return None if untracked is None else untracked == 0


def _pipeline(run: Mapping[str, Json]) -> bool | None:
    return {"pipeline": True, "record": False}.get(str(run.get("how")))


def _safe_format(run: Mapping[str, Json]) -> bool | None:
    return {"skops": True, "pickle": False}.get(str(_at(run, "model_file", "format")))


# Where a fact is "there is one", it is never "there is none that is not": see the monotonic principle.
def _seeded(run: Mapping[str, Json]) -> bool | None:
    return any(_count(step.get("seed")) is not None for step in _items(run.get("steps"))) or None


def _fingerprinted(run: Mapping[str, Json]) -> bool | None:
    steps = _items(run.get("steps"))
    parts = [part for step in steps for side in ("inputs", "outputs") for part in _items(step.get(side))]
    return any(part.get("kind") == "table" and _text(part.get("fingerprint")) for part in parts) or None


FACTS: Final[Mapping[FactName, Fact]] = {
    "run-succeeded": Fact(
        _status,
        "the run succeeded",
        "the run failed: mend the step that failed and run again",
        "the run does not say whether it succeeded: run it again",
    ),
    "code-committed": Fact(
        lambda run: _text(_at(run, "code", "commit")) is not None or None,
        "the code was at a recorded git commit",
        "the code has no commit",
        "no git commit is recorded: commit the code and run it inside its repository",
    ),
    "code-clean": Fact(
        _clean,
        "the code tree had no uncommitted changes",
        "the code tree had uncommitted changes: commit them and run again",
        "it is not recorded whether the code tree was clean: run inside a git repository",
    ),
    "nothing-untracked": Fact(
        _nothing_untracked,
        "the code tree had no untracked files",
        "the code tree had untracked files, which no commit or patch holds: add or ignore them and run again",
        "it is not recorded whether the code tree had untracked files: run inside a git repository",
    ),
    "recorded-as-pipeline": Fact(
        _pipeline,
        "the run was recorded step by step as a pipeline",
        "the run was recorded with record(), not as a pipeline: write its steps with @pipeline.step",
        "the run does not say how it was recorded: run it as a pipeline",
    ),
    "seeded": Fact(
        _seeded,
        "a seed is recorded",
        "no seed is recorded",
        "no step records a seed: give the steps that draw at random a parameter named seed",
    ),
    "data-fingerprinted": Fact(
        _fingerprinted,
        "the data is recorded by fingerprint",
        "no table is fingerprinted",
        "no table is recorded by fingerprint: pass the data between steps as tables, or call run.data()",
    ),
    "environment-recorded": Fact(
        lambda run: _text(_at(run, "environment", "packages", "artifact")) is not None or None,
        "the packages of the environment are recorded",
        "the packages are not recorded",
        "the packages of the environment are not recorded: run the version again",
    ),
    "safe-model-format": Fact(
        _safe_format,
        "the model is stored in a format that runs no code when it is loaded (skops)",
        "the model is stored as a pickle, which can run any code when it is loaded: store it as skops",
        "no model in a known format is stored: return one from a step, or call run.model()",
    ),
    "evaluated": Fact(
        lambda run: bool(_items(_at(run, "evaluation", "metrics"))) or None,
        "the model was evaluated",
        "the model was not evaluated",
        "the run has no evaluation: add @pipeline.evaluate, or call run.evaluate()",
    ),
    "bias-measured": Fact(
        lambda run: bool(_items(_at(run, "evaluation", "bias"))) or None,
        "bias was measured by group",
        "bias was not measured",
        "bias was not measured: name the protected attributes in evaluate(sensitive=[...])",
    ),
}
"""Every fact that a policy may ask for."""


def _fact(rule: FactRule, run: Mapping[str, Json]) -> _Finding:
    fact = FACTS[rule.fact]
    match fact.read(run):
        case True:
            return _Finding("passed", fact.holds)
        case False:
            return _Finding("failed", fact.fails)
        case None:
            return _Finding("missing", fact.unknown)


# Limits on figures

_ASKS: Final = {">=": "at least", "<=": "at most", ">": "above", "<": "below", "==": "exactly"}
_MISSES: Final = {">=": "below", "<=": "above", ">": "not above", "<": "not below", "==": "not"}


# The rates of each group on which a disparity rests (registry.fairness leaves out groups that lack one).
_RESTS_ON: Final = {
    "demographic_parity_difference": ("selection_rate",),
    "demographic_parity_ratio": ("selection_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}


class _Group(NamedTuple):
    """One group of an attribute; `minimum` is the number of rows below which a rate says nothing."""

    name: str
    of: str
    n: int
    enough: bool
    minimum: int
    metrics: list[Mapping[str, object]]


def _limit(rule: LimitRule, run: Mapping[str, Json]) -> _Finding:
    evaluation = _evaluation(run)
    name = _called(rule.metric)
    if rule.of is None:
        rows = {"value": str(n)} if (n := _count(evaluation.get("n"))) is not None else None
        figure = (
            rows if rule.metric == ROWS else _only(_items(evaluation.get("metrics")), "name", rule.metric)
        )
        return _compared(rule, name, figure, evaluation)
    table = _attribute(evaluation, rule.of)
    if rule.group is None:
        return _disparity(rule, table, evaluation)
    if rule.group == EVERY:
        return _every(rule, _groups(table, evaluation), evaluation)
    found = _only(_items(table.get("groups")), "name", rule.group)
    if found is None:
        names = _listed([str(group.get("name")) for group in _items(table.get("groups"))])
        raise _AbsentError(
            f"{rule.of} has no group named {rule.group} in this evaluation: its groups are {names}"
        )
    return _in_group(rule, _group(found, table), evaluation)


def _called(metric: str) -> str:
    named = {ROWS: "number of rows", "roc_auc": "ROC AUC", "brier_score": "Brier score"}
    return named.get(metric, metric.replace("_", " "))


def _evaluation(run: Mapping[str, Json]) -> Mapping[str, object]:
    if (status := _status(run)) is not True:
        why = "the run failed" if status is False else "the run does not say that it succeeded"
        raise _AbsentError(f"{why}, so it has no figures to judge: run it again")
    evaluation = run.get("evaluation")
    if not isinstance(evaluation, Mapping):
        raise _AbsentError(FACTS["evaluated"].unknown)
    return evaluation


def _attribute(evaluation: Mapping[str, object], attribute: str) -> Mapping[str, object]:
    tables = _items(evaluation.get("bias"))
    if (table := _only(tables, "attribute", attribute)) is not None:
        return table
    measured = _listed([str(table.get("attribute")) for table in tables])
    raise _AbsentError(
        f"bias by {attribute} was not measured: name it in evaluate(sensitive=[...]) (measured: {measured})"
    )


def _group(group: Mapping[str, object], table: Mapping[str, object]) -> _Group:
    of = str(table.get("attribute"))
    name, n, minimum = _text(group.get("name")), _count(group.get("n")), _count(table.get("minimum"))
    enough = group.get("enough")
    if name is None or n is None or minimum is None or not isinstance(enough, bool):
        raise _AbsentError(
            f"a group of {of} lacks its name, its count or what is enough: record the run again"
        )
    return _Group(name, of, n, enough, minimum, _items(group.get("metrics")))


def _groups(table: Mapping[str, object], evaluation: Mapping[str, object]) -> tuple[_Group, ...]:
    """Read all groups of an attribute, and make sure that they are all: every row is in one, or has no value."""
    groups = tuple(_group(group, table) for group in _items(table.get("groups")))
    omitted, without, n = (
        _count(table.get("groups_omitted")),
        _count(table.get("missing")),
        _count(evaluation.get("n")),
    )
    of = table.get("attribute")
    if omitted:
        raise _AbsentError(
            f"{omitted} groups of {of} were left out of the statement for its size, so not every group can be "
            "judged: measure fewer attributes together"
        )
    counted = sum(group.n for group in groups) + (without or 0)
    if not groups or n is None or without is None or omitted is None or counted != n:
        raise _AbsentError(
            f"the groups of {of} account for {counted} of {'?' if n is None else n} evaluated rows, so a group "
            "may be absent: record the run again"
        )
    return groups


def _small(rule: LimitRule, group: _Group, metric: str) -> bool:
    """Whether a group has too few rows for a rate; a rate that is absent for any other reason is missing.

    What is too few is the greater of what the policy says and what the evaluation was made with.
    """
    figure = _only(group.metrics, "name", metric) or {}
    n = _count(figure.get("n"))
    if n is not None and (not group.enough or n < max(group.minimum, rule.minimum or MINIMUM)):
        return True
    if n is None or _decimal(figure.get("value")) is None:
        raise _AbsentError(f"{_called(metric)} of {group.name} ({group.of}) is not in the evaluation")
    return False


def _disparity(rule: LimitRule, table: Mapping[str, object], evaluation: Mapping[str, object]) -> _Finding:
    subject = f"{_called(rule.metric)} by {rule.of}"
    figure = _only(_items(table.get("disparities")), "name", rule.metric)
    finding = _compared(rule, subject, figure, evaluation)
    if finding.outcome != "passed":
        return finding
    groups = _groups(table, evaluation)
    small = [group for group in groups if any(_small(rule, group, rate) for rate in _RESTS_ON[rule.metric])]
    if not small:
        return finding
    if rule.small_groups == "ignore":
        return _Finding("passed", f"{finding.message}; {_too_small(small)}, and the rule leaves that aside")
    return _Finding("uncertain", f"{finding.message}, but {_too_small(small)}: evaluate on more rows")


def _every(rule: LimitRule, groups: Sequence[_Group], evaluation: Mapping[str, object]) -> _Finding:
    aside = [group for group in groups if rule.small_groups == "ignore" and _small(rule, group, rule.metric)]
    judged = [(group, _in_group(rule, group, evaluation)) for group in groups if group not in aside]
    note = f"; {_too_small(aside)}, and the rule leaves that aside" if aside else ""
    if not judged:
        return _Finding("missing", f"no group of {rule.of} can be judged{note}: evaluate on more rows")
    refusing = [finding for _, finding in judged if finding.outcome != "passed"]
    if refusing:
        refusing.sort(key=lambda finding: _WORST_FIRST.index(finding.outcome))
        return _Finding(refusing[0].outcome, _listed([one.message for one in refusing], "; ") + note)
    each = _listed([f"{group.name} {_figure_of(rule, group)}" for group, _ in judged])
    how = "the whole interval is" if rule.on == "interval" else "it is"
    return _Finding(
        "passed",
        f"{_called(rule.metric)} of every group of {rule.of} ({each}): "
        f"{how} {_ASKS[rule.operator]} {_limit_text(rule)}{note}",
    )


def _in_group(rule: LimitRule, group: _Group, evaluation: Mapping[str, object]) -> _Finding:
    subject = f"{_called(rule.metric)} of {group.name} ({group.of})"
    if rule.metric == ROWS:
        return _compared(rule, subject, {"value": str(group.n)}, evaluation)
    try:
        if _small(rule, group, rule.metric):
            return _Finding(
                "uncertain", f"{subject} is not known, {_too_small([group])}: evaluate on more rows"
            )
        return _compared(rule, subject, _only(group.metrics, "name", rule.metric), evaluation)
    except _AbsentError as absent:
        return _Finding("missing", str(absent))


def _figure_of(rule: LimitRule, group: _Group) -> str:
    figure = _only(group.metrics, "name", rule.metric) or {}
    value = Decimal(group.n) if rule.metric == ROWS else _decimal(figure.get("value"))
    return "?" if value is None else _shown(value, rule.limit)


def _too_small(groups: Sequence[_Group]) -> str:
    names = _listed([f"{group.name} (n={group.n})" for group in groups])
    return f"{names} {'has' if len(groups) == 1 else 'have'} too few rows to say anything"


def _compared(
    rule: LimitRule, subject: str, figure: Mapping[str, object] | None, evaluation: Mapping[str, object]
) -> _Finding:
    """Compare one figure with the limit: the point, or the whole interval and the point within it."""
    if figure is None:
        hint = " (it needs y_score)" if rule.metric in ("roc_auc", "brier_score") else ""
        raise _AbsentError(f"{subject} is not in the evaluation: have the evaluate step report it{hint}")
    value, low, high = (_decimal(figure.get(name)) for name in ("value", "low", "high"))
    if value is None:
        note = _text(figure.get("note")) or "no value is recorded"
        raise _AbsentError(f"{subject} is not known ({note[:200]}): evaluate on more rows")
    level = _decimal(evaluation.get("confidence"))
    sentence = f"{subject} is {_shown(value, rule.limit)}{_grounds(rule, figure, level)}"
    if rule.on == "point":
        return _on_point(rule, sentence, value)
    least = rule.confidence or CONFIDENCE
    if level is None or level < least:
        raise _AbsentError(
            f"{sentence}, and it is not known with {_plain(least * 100)}% confidence, as the rule asks: "
            "evaluate with a greater confidence"
        )
    if low is None or high is None:
        raise _AbsentError(f"{sentence} with no interval, and the rule asks for one: evaluate on more rows")
    # A percentile interval need not hold its own point: both have to clear the limit.
    return _on_interval(rule, sentence, min(low, value, high), max(low, value, high))


def _grounds(rule: LimitRule, figure: Mapping[str, object], level: Decimal | None) -> str:
    """Write what a figure rests on: " (95% interval 0.65 to 0.89, n=995)"."""
    low, high, n = _decimal(figure.get("low")), _decimal(figure.get("high")), _count(figure.get("n"))
    grounds = []
    if low is not None and high is not None:
        percent = "" if level is None else f"{_plain(level * 100)}% "
        grounds.append(f"{percent}interval {_shown(low, rule.limit)} to {_shown(high, rule.limit)}")
    if n is not None:
        grounds.append(f"n={n}")
    return f" ({', '.join(grounds)})" if grounds else ""


def _on_point(rule: LimitRule, sentence: str, value: Decimal) -> _Finding:
    if _holds(value, rule):
        return _Finding("passed", f"{sentence}: it is {_ASKS[rule.operator]} {_limit_text(rule)}")
    return _Finding("failed", f"{sentence}: it is {_MISSES[rule.operator]} the limit {_limit_text(rule)}")


def _on_interval(rule: LimitRule, sentence: str, low: Decimal, high: Decimal) -> _Finding:
    limit = _limit_text(rule)
    if _holds(low, rule) and _holds(high, rule):
        return _Finding("passed", f"{sentence}: the whole interval is {_ASKS[rule.operator]} {limit}")
    # An exact limit may lie inside the interval though neither end meets it.
    if _holds(low, rule) or _holds(high, rule) or (rule.operator == "==" and low <= rule.limit <= high):
        return _Finding("uncertain", f"{sentence}: the interval straddles the limit {limit}")
    return _Finding("failed", f"{sentence}: the whole interval is {_MISSES[rule.operator]} the limit {limit}")


def _holds(value: Decimal, rule: LimitRule) -> bool:
    # Comparing Decimals is exact whatever the context; arithmetic on them would not be.
    match rule.operator:
        case ">=":
            return value >= rule.limit
        case "<=":
            return value <= rule.limit
        case ">":
            return value > rule.limit
        case "<":
            return value < rule.limit
        case "==":
            return value == rule.limit


def _limit_text(rule: LimitRule) -> str:
    return format(rule.limit, "f")


def _shown(value: Decimal, limit: Decimal) -> str:
    """Round for reading, but never across the limit: 0.7999 is not shown as 0.8 beside a limit of 0.80."""
    rounded = value.quantize(Decimal("0.001"), context=Context(prec=1100))
    if (rounded < limit, rounded > limit) != (value < limit, value > limit):
        return str(value)
    return _plain(rounded)


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _listed(names: Sequence[str], joint: str = ", ") -> str:
    shown = joint.join(names[:_MOST_SHOWN])
    more = len(names) - _MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown or "none"


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


def _approval(rule: ApprovalRule, evidence: Evidence, seats: _Seats) -> _Finding:
    for rejection in sorted(_standing(evidence, rule.role, "reject"), key=lambda one: -one.seq):
        return _Finding(
            "failed",
            f"rejected by {rule.role} {rejection.key[:12]} (entry {rejection.seq}): “{rejection.meaning[:300]}”",
        )
    counting = _counting(rule, evidence)
    counted = [approval for key, approval in counting.items() if seats.get(key) == rule.role]
    if len(counted) >= rule.count:
        each = _listed([f"{one.key[:12]} (entry {one.seq}): “{one.meaning[:120]}”" for one in counted], "; ")
        return _Finding("passed", f"approved by {rule.role} {each}")
    raise _AbsentError(_wanting(rule, evidence, counted, counting))


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


# Reproduction


def _reproduction(rule: ReproductionRule, evidence: Evidence) -> _Finding:
    """Take the newest reproduction that was accepted or diverged; an impossible one says nothing."""
    verdicts = [str(one.get("verdict")) for one in evidence.reproductions]
    accepted = " or ".join(rule.verdicts)
    telling = [verdict for verdict in verdicts if verdict == "diverged" or verdict in rule.verdicts]
    if telling and telling[-1] != "diverged":
        return _Finding("passed", f"the version was reproduced, and the newest result is {telling[-1]}")
    if telling or "equivalent" in verdicts:
        said = telling[-1] if telling else "equivalent"
        return _Finding("failed", f"the newest reproduction is {said}, and the rule asks for {accepted}")
    tried = "could not be attempted so far" if verdicts else "has not been tried"
    raise _AbsentError(
        f"reproduction {tried}, and the rule asks for {accepted}: "
        f"affidavit reproduce {evidence.model}@{evidence.version}"
    )
