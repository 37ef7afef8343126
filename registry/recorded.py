"""A recorded run read again, whole: what was moved to the artifact store for size is put back in its place.

Rules:

- Whoever holds a recorder's key can sign any run. What its readers take for granted is checked here once, and a run
  of another shape is one sentence (`MalformedInput`), not a crash; members beyond it are passed over.

>>> run = {"steps": [{"name": "load", "outputs": [{"name": "loans"}, {"name": "payments"}]}]}
>>> [(step["name"], part["name"]) for step, part in parts_of_run(run)]
[('load', 'loans'), ('load', 'payments')]
"""

from collections.abc import Iterator, Mapping
from typing import Literal, cast

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.run_predicate import MOVABLE, resolve

__all__ = [
    "after_of",
    "bias_of",
    "code_of",
    "environment_of",
    "metrics_of",
    "origins_of",
    "parameters_of",
    "parts_of_run",
    "parts_of_step",
    "resolve_run",
    "sources_of",
    "steps_of",
]

_SHAPES: Mapping[tuple[str, ...], Mapping[str, type]] = {
    ("environment", "packages"): {"artifact": str},
    ("steps", "*"): {"name": str, "status": str, "parameters": dict, "after": list, "outputs": list},
    ("steps", "*", "outputs", "*"): {"name": str, "kind": str},
    ("sources", "*"): {"step": str, "uri": str},
    ("origins", "*"): {"step": str, "kind": str, "uri": str},
    ("privacy",): {"rules": list, "protected": list},
    ("evaluation",): {"metrics": list, "bias": list},
    ("evaluation", "metrics", "*"): {"name": str},
    ("evaluation", "bias", "*"): {"attribute": str, "disparities": list},
    ("evaluation", "bias", "*", "disparities", "*"): {"name": str},
}
"""What stands at each place of a run (`*` is every item of a list), the outer before the inner."""


def resolve_run(predicate: Mapping[str, Json], artifacts: ArtifactStore) -> JsonObject:
    """Return the run predicate with every moved list in place.

    Raises `NotFound` or `NotVerified` when an artifact is not what it was, `MalformedInput` when the run is none.
    """
    whole: JsonObject = dict(predicate)
    for path in MOVABLE:
        _put_back(whole, path, artifacts)
    for path, members in _SHAPES.items():
        for value in _at(whole, path):
            _check(value, path, members)
    for source in _at(whole, ("sources", "*")):
        _check(
            source,
            ("sources", "*"),
            {"hmac_sha256": str, "key": str} if _is_keyed(source) else {"sha256": str},
        )
    return whole


def steps_of(run: Mapping[str, Json]) -> list[JsonObject]:
    """Return the steps of a run whose moved lists are in place."""
    return cast(list[JsonObject], run["steps"])


def parts_of_step(step: JsonObject, side: Literal["inputs", "outputs"] = "outputs") -> list[JsonObject]:
    """Return what a recorded step returned, or what it received, part by part."""
    return cast(list[JsonObject], step.get(side) or [])


def parts_of_run(run: Mapping[str, Json]) -> Iterator[tuple[JsonObject, JsonObject]]:
    """Yield every part that the steps of a run returned, in their order, each after its step."""
    for step in steps_of(run):
        for part in parts_of_step(step):
            yield step, part


def sources_of(run: Mapping[str, Json]) -> list[JsonObject]:
    """Return the files that a run read."""
    return cast(list[JsonObject], run["sources"])


def origins_of(run: Mapping[str, Json]) -> list[JsonObject]:
    """Return where a run's data came from beside files; releases before there was this recorded none."""
    return cast(list[JsonObject], run.get("origins") or [])


def parameters_of(step: Mapping[str, Json]) -> JsonObject:
    """Return the parameters of a recorded step."""
    return cast(JsonObject, step["parameters"])


def after_of(step: Mapping[str, Json]) -> list[str]:
    """Return the names of the steps whose results a recorded step received."""
    return [str(name) for name in cast(list[Json], step["after"])]


def code_of(run: Mapping[str, Json]) -> JsonObject:
    """Return the code that a run was made with."""
    return cast(JsonObject, run["code"])


def environment_of(run: Mapping[str, Json]) -> JsonObject:
    """Return what a run was made in."""
    return cast(JsonObject, run["environment"])


def metrics_of(run: Mapping[str, Json]) -> list[JsonObject]:
    """Return the figures of a run's evaluation; none where it was not evaluated."""
    evaluation = run.get("evaluation")
    return cast(list[JsonObject], evaluation["metrics"]) if isinstance(evaluation, dict) else []


def bias_of(run: Mapping[str, Json]) -> list[tuple[JsonObject, list[JsonObject]]]:
    """Return the tables of a run's evaluation, one for each protected column, each with its disparities."""
    evaluation = run.get("evaluation")
    tables = cast(list[JsonObject], evaluation["bias"]) if isinstance(evaluation, dict) else []
    return [(table, cast(list[JsonObject], table["disparities"])) for table in tables]


def _check(value: Json, path: tuple[str, ...], members: Mapping[str, type]) -> None:
    for name, kind in members.items():
        if not isinstance(value, dict) or not isinstance(value.get(name), kind):
            raise MalformedInput(
                f"the recorded run cannot be read: its {'.'.join(path)} has no {name} that is a {kind.__name__}"
            )


def _is_keyed(source: Json) -> bool:
    return isinstance(source, dict) and source.get("sha256") is None and "hmac_sha256" in source


def _at(value: Json, path: tuple[str, ...]) -> Iterator[Json]:
    """Yield what stands at a place, once per item of the lists on the way; what is null has no places."""
    if not path:
        yield value
    elif path[0] != "*":
        inner = value.get(path[0]) if isinstance(value, dict) else None
        yield from () if inner is None else _at(inner, path[1:])
    elif isinstance(value, list):
        for item in value:
            yield from _at(item, path[1:])
    else:
        raise MalformedInput(
            f"the recorded run cannot be read: there is no list of {'.'.join(path[1:]) or 'items'}"
        )


def _put_back(holder: JsonObject, path: tuple[str, ...], artifacts: ArtifactStore) -> None:
    if path[0] not in holder:
        return
    value = holder[path[0]]
    if len(path) == 1:
        holder[path[0]] = resolve(value, artifacts)
    elif isinstance(value, dict):
        # A copy, so that what was parsed from the record stays as it was.
        inner = dict(value)
        holder[path[0]] = inner
        _put_back(inner, path[1:], artifacts)
