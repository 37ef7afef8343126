"""The evaluation of a run: what the evaluating step, or `run.evaluate`, gives is checked and becomes figures.

Rules:

- A step returns a dict with `y_true` and `y_pred`, perhaps `y_score`, and the table `sensitive` where the pipeline
  declares protected columns. Any other key is refused, for a misspelt one would go unseen.
- A run holds the figures of the largest groups; where some are left out, the complete table is an artifact.
- Which groups are told by themselves is for the options to say (`small_cell`), up to what the ledger's policies allow
  (`registry.privacy`). Who reproduces a run goes by what it says; those of earlier releases say nothing (`UNSAID`), and
  told every group.

Example::

    judge({"y_true": truth, "y_pred": predicted}, {"minimum": 30}, artifacts)["metrics"]
"""

from collections.abc import Mapping
from typing import Any, cast

from audit.canonical import Json, JsonObject, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.evaluation_settings import USUAL
from registry.fingerprint import is_table, opened
from registry.privacy import NO_DEMANDS, Privacy
from registry.sentences import did_you_mean
from registry.steps import Step

__all__ = ["UNSAID", "judge", "judge_step", "small_cell_of"]

EVALUATED = ("y_true", "y_pred", "y_score", "sensitive")
EVERY_GROUP = 1_000_000
UNSAID = 0
"""The `small_cell` of a run that was recorded before there was one."""


def judge(
    returned: Mapping[str, object],
    options: Mapping[str, object],
    artifacts: ArtifactStore,
    *,
    privacy: Privacy = NO_DEMANDS,
    small_cell: int | None = None,
) -> JsonObject:
    """Compute the evaluation of labels, scores and protected columns; the complete table of groups is an artifact.

    `returned` has `y_true`, `y_pred` and perhaps `y_score` and `sensitive`. `small_cell` is that of the run that is
    reproduced, where one is. Raises `MalformedInput`.
    """
    # Here and not above: pandas and SciPy are loaded by a run that evaluates and by nothing else.
    from registry.evaluation import evaluate

    cell = small_cell
    if cell is None:
        asked = cast(int, options.get("small_cell", USUAL.small_cell))
        cell = max(asked, privacy.smallest_group(_columns(returned.get("sensitive"))))
    said = {name: value for name, value in options.items() if name != "small_cell"}

    def evaluated(**more: Any) -> JsonObject:
        found = evaluate(
            returned["y_true"],
            returned["y_pred"],
            y_score=returned.get("y_score"),
            sensitive=returned.get("sensitive"),
            **cast(dict[str, Any], said),
            small_cell=max(cell, 1),
            **more,
        )
        if cell == UNSAID:
            del found["small_cell"]
        return found

    found = evaluated()
    biases = cast(list[JsonObject], found["bias"])
    if any(bias.get("groups_omitted") for bias in biases):
        found["artifact"] = artifacts.put(encode(evaluated(most_groups=EVERY_GROUP)))
    return found


def small_cell_of(run: Mapping[str, Json]) -> int | None:
    """Return the `small_cell` with which a run is evaluated again; None where it was not evaluated."""
    evaluation = run.get("evaluation")
    if not isinstance(evaluation, dict):
        return None
    said = evaluation.get("small_cell", UNSAID)
    return said if isinstance(said, int) else None


def _columns(sensitive: object) -> tuple[str, ...]:
    """Name the protected columns of a table, as far as it has names; what is none is refused by who evaluates it."""
    try:
        return tuple(opened(sensitive).names) if is_table(sensitive) else ()
    except Exception:
        return ()


def judge_step(
    step: Step,
    value: object,
    artifacts: ArtifactStore,
    *,
    privacy: Privacy = NO_DEMANDS,
    small_cell: int | None = None,
) -> JsonObject:
    """Check what the evaluating step returned, then judge it. Raises `MalformedInput`."""
    if not isinstance(value, Mapping):
        raise MalformedInput(
            f"the step {step.name} must return a dict with y_true and y_pred, not a {type(value).__name__}"
        )
    for key in value:
        if key not in EVALUATED:
            raise MalformedInput(f"the step {step.name} returned {key!r}{did_you_mean(str(key), EVALUATED)}")
    for key in ("y_true", "y_pred"):
        if value.get(key) is None:
            raise MalformedInput(f"the step {step.name} returned no {key}: return it beside the other labels")
    returned = dict(value)
    if step.sensitive:
        if returned.get("sensitive") is None:
            raise MalformedInput(
                f"the step {step.name} declares the protected columns {', '.join(step.sensitive)} and returned no "
                "table of them: return it as sensitive"
            )
        from registry.evaluation import select_sensitive

        returned["sensitive"] = select_sensitive(returned["sensitive"], step.sensitive)
    return judge(returned, dict(step.options), artifacts, privacy=privacy, small_cell=small_cell)
