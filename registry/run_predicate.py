"""The run predicate's size, and reading it again wherever its parts are kept.

Rules:

- A record holds 65,535 bytes, and a run is never refused for its size: where it is too long, its longest lists move
  to the artifact store as canonical JSON and leave `{"artifact": sha256, "count": n}` in their place. First the
  lineage of fields, then the steps, the features, the sources and origins, the groups of the bias analysis, and what
  was in force and protected.
- A reader that meets such a place follows it by `resolve` and checks the digest on the way.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     store = ArtifactStore(Path(folder))
...     moved = {"artifact": store.put(encode([{"name": "applications"}])), "count": 1}
...     resolve_steps({"steps": moved}, store)
[{'name': 'applications'}]
"""

from collections.abc import Iterator, Mapping
from typing import cast

from audit.canonical import Json, JsonObject, decode, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore

__all__ = ["MOST_BYTES", "artifacts_named", "fit_in_record", "resolve", "resolve_steps"]

MOST_BYTES = 40_000
"""What predicate and subjects may take of a statement's 45 KB; the rest is for the fields that every entry has."""

_KEYED_BY_USERS = frozenset({"parameters", "group"})
"""What may hold any key: parameters, and the protected columns of a group. Nothing in them names an artifact."""


def resolve(value: Json, artifacts: ArtifactStore) -> Json:
    """Return a part of a predicate, read from the artifact store if it was moved there."""
    if isinstance(value, dict) and value.keys() == {"artifact", "count"}:
        return decode(artifacts.get(str(value["artifact"])))
    return value


def resolve_steps(predicate: Mapping[str, Json], artifacts: ArtifactStore) -> list[JsonObject]:
    """Return the list of steps of a run predicate, wherever it is kept."""
    steps = resolve(predicate["steps"], artifacts)
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise MalformedInput("the steps of this run are not a list of steps")
    return cast(list[JsonObject], steps)


def artifacts_named(predicate: Mapping[str, Json], artifacts: ArtifactStore) -> Iterator[str]:
    """Yield the digest of every artifact that a run rests on, each once.

    The digests of `sources` are not among them: those files belong to the user. Raises what reading the store
    raises, where a part of the predicate was moved there.
    """
    seen: set[str] = set()
    waiting: list[Json] = [value for key, value in predicate.items() if key not in ("sources", "privacy")]
    waiting += _named_by_privacy(predicate.get("privacy"))
    if isinstance(predicate["sources"], dict):
        waiting.append(predicate["sources"])
    if isinstance(predicate["steps"], dict):
        waiting += resolve_steps(predicate, artifacts)
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        if not isinstance(value, dict):
            continue
        waiting += [item for key, item in value.items() if key not in _KEYED_BY_USERS]
        for key in ("artifact", "document", "patch", "profile", "schema", "source", "sha256"):
            digest = value.get(key)
            if isinstance(digest, str) and digest not in seen:
                seen.add(digest)
                yield digest


def _named_by_privacy(said: Json) -> Iterator[JsonObject]:
    """Yield what names artifacts in what was in force: lists that were moved, and the texts of policies.

    A rule has a `profile` too, which is how much profiles may tell, and no digest.
    """
    if not isinstance(said, dict):
        return
    for value in said.values():
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list):
            yield from ({"sha256": rule.get("sha256")} for rule in value if isinstance(rule, dict))


def fit_in_record(
    predicate: JsonObject, subjects: tuple[tuple[str, str], ...], artifacts: ArtifactStore
) -> JsonObject:
    """Move the longest lists to the artifact store, in the order that hides least, until a record holds the rest."""
    space = MOST_BYTES - sum(len(encode(name)) + 120 for name, _ in subjects)
    places: list[tuple[JsonObject, str]] = [(predicate, "lineage"), (predicate, "steps")]
    if isinstance(model_file := predicate["model_file"], dict):
        places.append((model_file, "features"))
    places += [(predicate, "sources"), (predicate, "origins")]
    if isinstance(evaluation := predicate["evaluation"], dict):
        places.append((evaluation, "bias"))
    if isinstance(privacy := predicate.get("privacy"), dict):
        places += [(privacy, "rules"), (privacy, "protected")]
    for holder, key in places:
        if len(encode(predicate)) <= space:
            break
        value = holder.get(key)
        if isinstance(value, list):
            holder[key] = {"artifact": artifacts.put(encode(value)), "count": len(value)}
    return predicate
