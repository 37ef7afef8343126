"""Facts about a run that a rule may ask for: how each is read, and what is said of each answer.

Rules:

- An answer is True, False or None for unknown. Unknown is never a pass.
- Where a fact is "there is one" (a seed, a fingerprint), it is never "there is none that is not": taking
  evidence away must never turn a no into a yes (the in-toto specification's monotonic principle).

>>> FACTS["code-clean"].read({"code": {"dirty": False}})
True
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from audit.canonical import Json
from registry.finding import at, count, items, text
from registry.rules import FactName

__all__ = ["FACTS", "Fact", "succeeded"]


@dataclass(frozen=True, slots=True)
class Fact:
    """How a fact is read (True, False, or None for unknown) and what is said of each answer."""

    read: Callable[[Mapping[str, Json]], bool | None]
    holds: str
    fails: str
    unknown: str


def succeeded(run: Mapping[str, Json]) -> bool | None:
    """Say whether the run succeeded; None where its statement does not say."""
    return {"succeeded": True, "failed": False}.get(str(run.get("status")))


def _clean(run: Mapping[str, Json]) -> bool | None:
    dirty = at(run, "code", "dirty")
    return not dirty if isinstance(dirty, bool) else None


def _nothing_untracked(run: Mapping[str, Json]) -> bool | None:
    untracked = count(at(run, "code", "untracked"))
    return None if untracked is None else untracked == 0


def _pipeline(run: Mapping[str, Json]) -> bool | None:
    return {"pipeline": True, "record": False}.get(str(run.get("how")))


def _safe_format(run: Mapping[str, Json]) -> bool | None:
    return {"skops": True, "pickle": False}.get(str(at(run, "model_file", "format")))


def _seeded(run: Mapping[str, Json]) -> bool | None:
    return any(count(step.get("seed")) is not None for step in items(run.get("steps"))) or None


def _fingerprinted(run: Mapping[str, Json]) -> bool | None:
    steps = items(run.get("steps"))
    parts = [part for step in steps for side in ("inputs", "outputs") for part in items(step.get(side))]
    return any(part.get("kind") == "table" and text(part.get("fingerprint")) for part in parts) or None


def _checked(run: Mapping[str, Json]) -> bool | None:
    checks = [check for step in items(run.get("steps")) for check in items(step.get("checks"))]
    if any(check.get("passed") is False for check in checks):
        return False
    # One that could not be made leaves the answer open, and so does none at all. A run that failed does too: what
    # failed it may have been a check, and leaving that out must not make a pass.
    passed = bool(checks) and all(check.get("passed") is True for check in checks)
    return (passed and succeeded(run) is True) or None


FACTS: Final[Mapping[FactName, Fact]] = {
    "run-succeeded": Fact(
        succeeded,
        "the run succeeded",
        "the run failed: mend the step that failed and run again",
        "the run does not say whether it succeeded: run it again",
    ),
    "code-committed": Fact(
        lambda run: text(at(run, "code", "commit")) is not None or None,
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
        "no step records a seed: give the steps that draw at random a parameter named seed; that none draws cannot be "
        "seen from a run, so where none does, guard the stage by a policy of your own that asks for a reproduction "
        "instead (`affidavit policy show NAME --text` gives one to begin with)",
    ),
    "data-fingerprinted": Fact(
        _fingerprinted,
        "the data is recorded by fingerprint",
        "no table is fingerprinted",
        "no table is recorded by fingerprint: pass the data between steps as tables, or call run.data()",
    ),
    "environment-recorded": Fact(
        lambda run: text(at(run, "environment", "packages", "artifact")) is not None or None,
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
        lambda run: bool(items(at(run, "evaluation", "metrics"))) or None,
        "the model was evaluated",
        "the model was not evaluated",
        "the run has no evaluation: add @pipeline.evaluate, or call run.evaluate()",
    ),
    "bias-measured": Fact(
        lambda run: bool(items(at(run, "evaluation", "bias"))) or None,
        "bias was measured by group",
        "bias was not measured",
        "bias was not measured: name the protected attributes in evaluate(sensitive=[...])",
    ),
    "data-checks-passed": Fact(
        _checked,
        "the data passed the checks of its schemas",
        "the data failed a check of its schema: mend the data, or the schema, and run again",
        "no data check was made: declare one with @pipeline.step(check=schema), or run.data(..., check=schema)",
    ),
}
"""Every fact that a policy may ask for."""
