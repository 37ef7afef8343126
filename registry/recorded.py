"""A recorded run read again, whole: what was moved to the artifact store for size is put back in its place."""

from collections.abc import Mapping

from audit.canonical import Json, JsonObject
from registry.artifacts import ArtifactStore
from registry.run_predicate import resolve

__all__ = ["resolve_run"]

_MOVABLE: tuple[tuple[str, ...], ...] = (
    ("steps",),
    ("sources",),
    ("model_file", "features"),
    ("evaluation", "bias"),
)


def resolve_run(predicate: Mapping[str, Json], artifacts: ArtifactStore) -> JsonObject:
    """Return the run predicate with every moved list in place; `NotFound` or `NotVerified` when one is not."""
    whole: JsonObject = dict(predicate)
    for path in _MOVABLE:
        _put_back(whole, path, artifacts)
    return whole


def _put_back(holder: JsonObject, path: tuple[str, ...], artifacts: ArtifactStore) -> None:
    value = holder.get(path[0])
    if len(path) == 1:
        holder[path[0]] = resolve(value, artifacts)
    elif isinstance(value, dict):
        # A copy, so that what was parsed from the record stays as it was.
        inner = dict(value)
        holder[path[0]] = inner
        _put_back(inner, path[1:], artifacts)
