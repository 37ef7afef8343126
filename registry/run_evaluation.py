"""The evaluation of a run: what the evaluating step, or `run.evaluate`, gives is checked and becomes figures.

Rules:

- A step returns a dict with `y_true` and `y_pred`, perhaps `y_score`, and the table `sensitive` where the pipeline
  declares protected columns. Any other key is refused, for a misspelt one would go unseen.
- A run holds the figures of the largest groups; where some are left out, the complete table is an artifact.

Example::

    judge({"y_true": truth, "y_pred": predicted}, {"minimum": 30}, artifacts)["metrics"]
"""

from collections.abc import Mapping
from typing import Any, cast

from audit.canonical import JsonObject, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.sentences import did_you_mean
from registry.steps import Step

__all__ = ["judge", "judge_step"]

EVALUATED = ("y_true", "y_pred", "y_score", "sensitive")
EVERY_GROUP = 1_000_000


def judge(
    returned: Mapping[str, object], options: Mapping[str, object], artifacts: ArtifactStore
) -> JsonObject:
    """Compute the evaluation of labels, scores and protected columns; the complete table of groups is an artifact.

    `returned` has `y_true`, `y_pred` and perhaps `y_score` and `sensitive`. Raises `MalformedInput`.
    """
    # Here and not above: pandas and SciPy are loaded by a run that evaluates and by nothing else.
    from registry.evaluation import evaluate

    def evaluated(**more: Any) -> JsonObject:
        return evaluate(
            returned["y_true"],
            returned["y_pred"],
            y_score=returned.get("y_score"),
            sensitive=returned.get("sensitive"),
            **cast(dict[str, Any], options),
            **more,
        )

    found = evaluated()
    biases = cast(list[JsonObject], found["bias"])
    if any(bias.get("groups_omitted") for bias in biases):
        found["artifact"] = artifacts.put(encode(evaluated(most_groups=EVERY_GROUP)))
    return found


def judge_step(step: Step, value: object, artifacts: ArtifactStore) -> JsonObject:
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
    return judge(returned, dict(step.options), artifacts)
