"""Rules about reproductions: was the version run again, and did the same come out? Pure.

Rules:

- The newest reproduction that tells decides: one that was accepted, or one that diverged; an impossible one does not.
- A kept table that stands in for a step (`registry.standing_in`) shows nothing about that step. Whoever reproduces
  chooses whether it stands in, so a step that diverged is answered only by a later reproduction that ran it: by any
  of them, since each compares with the same recorded run.
- What stood in is said where the rule passes.

Example::

    judge_reproductions(rule, reproductions, "loans@1")   # Finding("passed", "the version was reproduced, ...")
"""

from collections.abc import Mapping, Sequence

from audit.canonical import Json
from registry.finding import AbsentError, Finding, at, items, text
from registry.rules import ReproductionRule
from registry.sentences import listed

__all__ = ["judge_reproductions"]

Told = Mapping[str, Json]

_SOME_STEP = "a step"
"""For a divergence that names none: only a reproduction that ran every step answers it."""


def judge_reproductions(rule: ReproductionRule, reproductions: Sequence[Told], version: str) -> Finding:
    """Judge a rule by the reproductions of a version, the newest last; raise `AbsentError` where none tells."""
    accepted = " or ".join(rule.verdicts)
    verdicts = [_verdict(one) for one in reproductions]
    telling = [one for one in reproductions if _verdict(one) in ("diverged", *rule.verdicts)]
    if telling and _verdict(telling[-1]) != "diverged":
        return _accepted(telling)
    if telling or "equivalent" in verdicts:
        said = "diverged" if telling else "equivalent"
        return Finding("failed", f"the newest reproduction is {said}, and the rule asks for {accepted}")
    tried = "could not be attempted so far" if verdicts else "has not been tried"
    raise AbsentError(
        f"reproduction {tried}, and the rule asks for {accepted}: affidavit reproduce {version}"
    )


def _accepted(telling: Sequence[Told]) -> Finding:
    """Find whether an accepted reproduction stands, after all that diverged before it."""
    newest = telling[-1]
    if unanswered := _unanswered(telling):
        return Finding(
            "failed",
            f"the newest reproduction is {_verdict(newest)}, but a kept table stood in for {listed(unanswered)}, where "
            "an earlier one diverged: reproduce it without the kept table",
        )
    stood_in = sorted(_stood_in(newest))
    but = f", where kept tables stood in for {listed(stood_in)}" if stood_in else ""
    return Finding("passed", f"the version was reproduced, and the newest result is {_verdict(newest)}{but}")


def _unanswered(telling: Sequence[Told]) -> list[str]:
    """Name the steps that diverged, and that no reproduction since then has run and found the same."""
    unanswered: dict[str, None] = {}
    for one in telling:
        if _verdict(one) == "diverged":
            unanswered |= dict.fromkeys(_diverged(one) or [_SOME_STEP])
        else:
            stood_in = _stood_in(one)
            unanswered = {
                step: None for step in unanswered if step in stood_in or (step == _SOME_STEP and stood_in)
            }
    return list(unanswered)


def _verdict(one: Told) -> str:
    return str(one.get("verdict"))


def _diverged(one: Told) -> list[str]:
    rows = [text(row.get("step")) for row in items(one.get("compared")) if row.get("same") is False]
    first = text(at(one, "first_difference", "step"))
    return [step for step in [first, *rows] if step is not None]


def _stood_in(one: Told) -> set[str]:
    steps = (text(row.get("step")) for row in items(one.get("compared")) if row.get("kept") is True)
    return {step for step in steps if step is not None}
