"""Two runs of one version, compared step by step: every part, then the model's learned state, metrics and bias.

Parts are compared by fingerprint. What has none on either side is neither the same nor different: it cannot be told.
Tables that differ in nothing but columns which are keyed otherwise, and values that are, cannot be told either.
Where two tables differ, their whole fingerprints say in which column and rows, if both are at hand and are those that
the runs name.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.canonical import Json, JsonObject
from audit.errors import AffidavitError
from registry.artifacts import ArtifactStore
from registry.recorded import parts_of_step, steps_of
from registry.recorded_fingerprint import recorded_fingerprint

if TYPE_CHECKING:
    from registry.diff import Difference

__all__ = ["Compared", "compare_runs"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A recorded part and its counterpart: the same, not the same, or (None) not to be told."""

    step: str
    part: str
    same: bool | None
    difference: JsonObject | None = None
    kept: bool = False
    """The step did not run again: a kept table stood in for what it returned."""

    def to_json(self) -> JsonObject:
        """Write the comparison as a reproduction statement holds it."""
        said: JsonObject = {"step": self.step, "part": self.part, "same": self.same}
        return said | {"kept": True} if self.kept else said


def compare_runs(
    recorded: JsonObject, again: JsonObject, recorded_store: ArtifactStore, again_store: ArtifactStore
) -> list[Compared]:
    """Compare two run predicates step by step, in the order of the recorded one; then model and metrics."""
    return [
        *_compare_steps(recorded, again, recorded_store, again_store),
        *_compare_model(recorded.get("model_file"), again.get("model_file")),
        *_compare_evaluation(recorded.get("evaluation"), again.get("evaluation")),
    ]


def _compare_steps(
    recorded: JsonObject, again: JsonObject, recorded_store: ArtifactStore, again_store: ArtifactStore
) -> Iterator[Compared]:
    here = {step["name"]: step for step in steps_of(again)}
    for step in steps_of(recorded):
        name = str(step["name"])
        other = here.get(name)
        if other is None or other["status"] != step["status"]:
            yield Compared(name, name, False, _place(name, name))
            continue
        theirs = {part["name"]: part for part in parts_of_step(other)}
        for part in parts_of_step(step):
            yield _compare_part(name, part, theirs.get(part["name"]), recorded_store, again_store)


def _compare_part(
    step: str,
    part: JsonObject,
    other: JsonObject | None,
    recorded_store: ArtifactStore,
    again_store: ArtifactStore,
) -> Compared:
    name = str(part["name"])
    if other is None:
        return Compared(step, name, False, _place(step, name))
    if part.get("fingerprint") is None or other.get("fingerprint") is None:
        return Compared(step, name, None)
    if part["fingerprint"] == other["fingerprint"]:
        return Compared(step, name, True)
    if part["kind"] == other["kind"] == "value" and _is_keyed_otherwise(part, other):
        return Compared(step, name, None)
    column, rows = None, None
    if part["kind"] == other["kind"] == "table":
        with suppress(AffidavitError):  # that they differ is known; where, only their documents can tell
            found = recorded_fingerprint(part, recorded_store).diff(recorded_fingerprint(other, again_store))
            if found.only_unknown:  # keyed, and not with one key on both sides
                return Compared(step, name, None)
            column, rows = _first(found)
    return Compared(step, name, False, _place(step, name, column, rows))


def _is_keyed_otherwise(part: JsonObject, other: JsonObject) -> bool:
    """Say whether two values have digests under different keys, or only one has a key."""
    return part.get("key") != other.get("key")


def _first(found: "Difference") -> tuple[str | None, list[Json] | None]:
    if found.differences:
        first = found.differences[0]
        return first.column, list(first.rows)
    changed = [*found.removed, *found.added]
    return (changed[0] if changed else None), None


def _compare_model(recorded: Json, again: Json) -> Iterator[Compared]:
    if not isinstance(recorded, dict):
        return
    mine = recorded.get("fingerprint")
    theirs = again.get("fingerprint") if isinstance(again, dict) else None
    same = None if mine is None or (isinstance(again, dict) and theirs is None) else mine == theirs
    yield Compared(
        "model", "the model's learned state", same, None if same is not False else _place("model", "model")
    )


def _compare_evaluation(recorded: Json, again: Json) -> Iterator[Compared]:
    if not isinstance(recorded, dict):
        return
    same = recorded == again
    yield Compared(
        "evaluation", "metrics and bias", same, None if same else _place("evaluation", "metrics and bias")
    )


def _place(step: str, part: str, column: str | None = None, rows: list[Json] | None = None) -> JsonObject:
    return {"step": step, "part": part, "column": column, "rows": rows}
