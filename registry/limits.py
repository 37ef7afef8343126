"""Limits on figures: one figure, the disparity between groups, or every group of an attribute; pure.

Rules:

- A limit on an interval passes only when the whole interval clears it, and fails only when all of it is on
  the wrong side; in between it is `uncertain`, which refuses. Decimals are compared exactly.
- The policy says how sure an interval must be and how many rows a rate needs (`CONFIDENCE` and `MINIMUM`
  unless it says otherwise): whoever records a run also chooses the options of its evaluation.
- A rule about the groups of an attribute needs the whole table: the groups' rows and the rows with no value
  must add up to the rows evaluated. A group with too few rows to say anything makes the rule `uncertain`,
  unless the rule ignores small groups, and then the message names them.
- Groups that are told together (`registry.told_together`) are such groups. Where one among them has enough rows, and
  cannot be measured, what is asked is `missing`: no rule can leave it aside. Where rows of others may be among those of
  a group, its figures are known up to their interval, and so a limit `on: point` is judged on that as well.

Example::

    judge_limit(rule, run)          # Finding("passed", "accuracy is 0.88 (95% interval 0.85 to 0.91, …")
"""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Final

from audit.canonical import Json
from registry.facts import FACTS, succeeded
from registry.finding import AbsentError, Finding, Outcome, at, count, decimal, items, only, text
from registry.groups_aside import aside, common_value, too_small
from registry.measured_groups import MeasuredGroup, attribute_of, groups_of, named_group
from registry.rules import CONFIDENCE, EVERY, MINIMUM, ROWS, LimitRule
from registry.sentences import listed

__all__ = ["judge_limit", "limit_text"]

_WORST_FIRST: Final[tuple[Outcome, ...]] = ("failed", "missing", "uncertain", "passed")
_ASKS: Final = {">=": "at least", "<=": "at most", ">": "above", "<": "below", "==": "exactly"}
_MISSES: Final = {">=": "below", "<=": "above", ">": "not above", "<": "not below", "==": "not"}


# The rates of each group on which a disparity rests (registry.fairness leaves out groups that lack one).
_RESTS_ON: Final = {
    "demographic_parity_difference": ("selection_rate",),
    "demographic_parity_ratio": ("selection_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}


def judge_limit(rule: LimitRule, run: Mapping[str, Json]) -> Finding:
    """Judge a limit by the evaluation of a run; raise `AbsentError` where what it needs is not there."""
    evaluation = _evaluation(run)
    name = _called(rule.metric)
    if rule.of is None:
        rows = {"value": str(n)} if (n := count(evaluation.get("n"))) is not None else None
        figure = rows if rule.metric == ROWS else only(items(evaluation.get("metrics")), "name", rule.metric)
        return _compared(rule, name, figure, evaluation)
    table = attribute_of(evaluation, rule.of)
    if rule.group is None:
        return _disparity(rule, table, evaluation)
    if rule.group == EVERY:
        return _every(rule, groups_of(table, evaluation), evaluation)
    return _in_group(rule, named_group(table, rule.group), evaluation)


def _called(metric: str) -> str:
    named = {ROWS: "number of rows", "roc_auc": "ROC AUC", "brier_score": "Brier score"}
    return named.get(metric, metric.replace("_", " "))


def _evaluation(run: Mapping[str, Json]) -> Mapping[str, object]:
    if (status := succeeded(run)) is not True:
        why = "the run failed" if status is False else "the run does not say that it succeeded"
        raise AbsentError(f"{why}, so it has no figures to judge: run it again")
    evaluation = run.get("evaluation")
    if not isinstance(evaluation, Mapping):
        raise AbsentError(FACTS["evaluated"].unknown)
    return evaluation


def _small(rule: LimitRule, group: MeasuredGroup, metric: str) -> bool:
    """Whether a group has too few rows for a rate; a rate that is absent for any other reason is missing.

    What is too few is the greater of what the policy says and what the evaluation was made with.
    """
    if group.together.get("hides_enough"):
        raise AbsentError(
            f"{group.name} ({group.of}) may hide what is asked, for a group among them has enough rows and is not "
            f"told by itself: {common_value(group.of)}"
        )
    if group.unnamed:
        return True
    figure = only(group.metrics, "name", metric) or {}
    n = count(figure.get("n"))
    if n is not None and (not group.enough or n < max(group.minimum, rule.minimum or MINIMUM)):
        return True
    if n is None or decimal(figure.get("value")) is None:
        raise AbsentError(f"{_called(metric)} of {group.name} ({group.of}) is not in the evaluation")
    return False


def _disparity(rule: LimitRule, table: Mapping[str, object], evaluation: Mapping[str, object]) -> Finding:
    subject = f"{_called(rule.metric)} by {rule.of}"
    figure = only(items(table.get("disparities")), "name", rule.metric)
    parts = [group["together"] for group in items(table.get("groups")) if "together" in group]
    hides = "hides_labels" if rule.metric == "equalized_odds_difference" else "hides_enough"
    if any(at(part, hides) is True for part in parts):
        raise AbsentError(
            f"{subject} is not known, for a group that has enough rows is told together with others: "
            f"{common_value(str(rule.of))}"
        )
    blurred = any(at(part, "others") for part in parts)
    finding = _compared(rule, subject, figure, evaluation, blurred=blurred)
    if finding.outcome != "passed":
        return finding
    groups = groups_of(table, evaluation)
    unjudged = [
        group for group in groups if any(_small(rule, group, rate) for rate in _RESTS_ON[rule.metric])
    ]
    small = [group for group in groups if group in unjudged or group.besides]
    if not small:
        return finding
    if rule.small_groups == "ignore":
        judged = [group for group in groups if group not in unjudged]
        return Finding("passed", f"{finding.message}; {aside(small, judged, groups)}")
    return Finding("uncertain", f"{finding.message}, but {too_small(small)}: evaluate on more rows")


def _every(rule: LimitRule, groups: Sequence[MeasuredGroup], evaluation: Mapping[str, object]) -> Finding:
    small = [group for group in groups if rule.small_groups == "ignore" and _small(rule, group, rule.metric)]
    judged = [(group, _in_group(rule, group, evaluation)) for group in groups if group not in small]
    few = [group for group in groups if group in small or (group.besides and rule.metric != ROWS)]
    note = f"; {aside(few, [group for group, _ in judged], groups)}" if few else ""
    if not judged:
        return Finding("missing", f"no group of {rule.of} can be judged{note}: evaluate on more rows")
    refusing = [finding for _, finding in judged if finding.outcome != "passed"]
    if refusing:
        refusing.sort(key=lambda finding: _WORST_FIRST.index(finding.outcome))
        return Finding(refusing[0].outcome, listed([one.message for one in refusing], "; ") + note)
    if few and rule.small_groups != "ignore":
        message = f"{_called(rule.metric)} of every group of {rule.of} is not known, {too_small(few)}"
        return Finding("uncertain", f"{message}: evaluate on more rows")
    each = listed([f"{group.name} {_figure_of(rule, group)}" for group, _ in judged])
    how = "the whole interval is" if rule.on == "interval" else "it is"
    return Finding(
        "passed",
        f"{_called(rule.metric)} of every group of {rule.of} ({each}): "
        f"{how} {_ASKS[rule.operator]} {limit_text(rule)}{note}",
    )


def _in_group(rule: LimitRule, group: MeasuredGroup, evaluation: Mapping[str, object]) -> Finding:
    subject = f"{_called(rule.metric)} of {group.name} ({group.of})"
    try:
        if rule.metric == ROWS:
            return _rows(rule, subject, group, evaluation)
        if _small(rule, group, rule.metric):
            return Finding(
                "uncertain", f"{subject} is not known, {too_small([group])}: evaluate on more rows"
            )
        figure = only(group.metrics, "name", rule.metric)
        return _compared(rule, subject, figure, evaluation, blurred=group.others > 0)
    except AbsentError as absent:
        return Finding("missing", str(absent))


def _rows(rule: LimitRule, subject: str, group: MeasuredGroup, evaluation: Mapping[str, object]) -> Finding:
    """Compare how many rows a group has; with others among them, that is known up to those."""
    if group.unnamed or group.besides:
        raise AbsentError(f"{subject} is not known, for it is told of several groups together")
    ends = [
        _compared(rule, subject, {"value": str(n)}, evaluation)
        for n in dict.fromkeys((group.n - group.others, group.n))
    ]
    if len({end.outcome for end in ends}) > 1:
        raise AbsentError(f"{subject} is not known, for rows without a value are among its {group.n}")
    return ends[0]


def _figure_of(rule: LimitRule, group: MeasuredGroup) -> str:
    figure = only(group.metrics, "name", rule.metric) or {}
    value = Decimal(group.n) if rule.metric == ROWS else decimal(figure.get("value"))
    return "?" if value is None else _shown(value, rule.limit)


def _compared(
    rule: LimitRule,
    subject: str,
    figure: Mapping[str, object] | None,
    evaluation: Mapping[str, object],
    *,
    blurred: bool = False,
) -> Finding:
    """Compare one figure with the limit: the point, or the whole interval and the point within it.

    Of a `blurred` figure the point is not known, so that it is always the interval.
    """
    if figure is None:
        hint = " (it needs y_score)" if rule.metric in ("roc_auc", "brier_score") else ""
        raise AbsentError(f"{subject} is not in the evaluation: have the evaluate step report it{hint}")
    value, low, high = (decimal(figure.get(name)) for name in ("value", "low", "high"))
    if value is None:
        note = text(figure.get("note")) or "no value is recorded"
        raise AbsentError(f"{subject} is not known ({note[:200]}): evaluate on more rows")
    level = decimal(evaluation.get("confidence"))
    sentence = f"{subject} is {_shown(value, rule.limit)}{_grounds(rule, figure, level)}"
    if rule.on == "point" and not blurred:
        return _on_point(rule, sentence, value)
    least = rule.confidence or CONFIDENCE
    if level is None or level < least:
        raise AbsentError(
            f"{sentence}, and it is not known with {_plain(least * 100)}% confidence, as the rule asks: "
            "evaluate with a greater confidence"
        )
    if low is None or high is None:
        raise AbsentError(f"{sentence} with no interval, and the rule asks for one: evaluate on more rows")
    # A percentile interval need not hold its own point: both have to clear the limit.
    return _on_interval(rule, sentence, min(low, value, high), max(low, value, high))


def _grounds(rule: LimitRule, figure: Mapping[str, object], level: Decimal | None) -> str:
    """Write what a figure rests on: " (95% interval 0.65 to 0.89, n=995)"."""
    low, high, n = decimal(figure.get("low")), decimal(figure.get("high")), count(figure.get("n"))
    grounds = []
    if low is not None and high is not None:
        percent = "" if level is None else f"{_plain(level * 100)}% "
        grounds.append(f"{percent}interval {_shown(low, rule.limit)} to {_shown(high, rule.limit)}")
    if n is not None:
        grounds.append(f"n={n}")
    return f" ({', '.join(grounds)})" if grounds else ""


def _on_point(rule: LimitRule, sentence: str, value: Decimal) -> Finding:
    if _holds(value, rule):
        return Finding("passed", f"{sentence}: it is {_ASKS[rule.operator]} {limit_text(rule)}")
    return Finding("failed", f"{sentence}: it is {_MISSES[rule.operator]} the limit {limit_text(rule)}")


def _on_interval(rule: LimitRule, sentence: str, low: Decimal, high: Decimal) -> Finding:
    limit = limit_text(rule)
    if _holds(low, rule) and _holds(high, rule):
        return Finding("passed", f"{sentence}: the whole interval is {_ASKS[rule.operator]} {limit}")
    # An exact limit may lie inside the interval though neither end meets it.
    if _holds(low, rule) or _holds(high, rule) or (rule.operator == "==" and low <= rule.limit <= high):
        return Finding("uncertain", f"{sentence}: the interval straddles the limit {limit}")
    return Finding("failed", f"{sentence}: the whole interval is {_MISSES[rule.operator]} the limit {limit}")


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


def limit_text(rule: LimitRule) -> str:
    """Write the limit as the policy does: 0.80 stays 0.80."""
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
