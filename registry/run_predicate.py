"""A run's statement fits in a record: what is too long moves to the artifact store, and is followed there.

Rules:

- A record holds 65,535 bytes, and a run is never refused for its size: where it is too long, its longest lists
  (`MOVABLE`) move to the artifact store as canonical JSON and leave `{"artifact": sha256, "count": n}` in their place.
- A reader that meets such a place follows it by `resolve`, and the digest is checked on the way; `registry.recorded`
  puts all of them back.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     store = ArtifactStore(Path(folder))
...     moved = {"artifact": store.put(encode([{"name": "applications"}])), "count": 1}
...     resolve(moved, store)
[{'name': 'applications'}]
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from audit.canonical import Json, JsonObject, decode, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore

__all__ = ["MOST_BYTES", "MOVABLE", "NAMING", "artifacts_named", "fit_in_record", "resolve"]

MOST_BYTES = 40_000
"""What predicate and subjects may take of a statement's 45 KB; the rest is for the fields that every entry has."""

MOVABLE: Final[tuple[tuple[str, ...], ...]] = (
    ("lineage",),
    ("steps",),
    ("model_file", "features"),
    ("sources",),
    ("origins",),
    ("evaluation", "bias"),
    ("privacy", "rules"),
    ("privacy", "protected"),
)
"""Where the lists stand that may move, in the order in which moving them hides least."""

NAMING: Final = ("steps", "origins")
"""The lists among them that name artifacts themselves."""

_KEYED_BY_USERS = frozenset({"parameters", "group"})
"""What may hold any key: parameters, and the protected columns of a group. Nothing in them names an artifact."""


def resolve(value: Json, artifacts: ArtifactStore) -> Json:
    """Return a part of a predicate, read from the artifact store if it was moved there."""
    if isinstance(value, dict) and value.keys() == {"artifact", "count"}:
        return decode(artifacts.get(str(value["artifact"])))
    return value


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
    waiting += [
        _moved(name, predicate[name], artifacts) for name in NAMING if isinstance(predicate.get(name), dict)
    ]
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


def _moved(name: str, place: Json, artifacts: ArtifactStore) -> Json:
    items = resolve(place, artifacts)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedInput(f"the {name} of this run are not a list of objects")
    return items


def _named_by_privacy(said: Json) -> Iterator[JsonObject]:
    """Yield what names artifacts in what was in force: lists that were moved, and the texts of policies.

    A rule has a `profile` too, which is how much profiles may tell, and no digest. The policies of rules that were
    moved are named by the entries that adopted them.
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
    for *way, name in MOVABLE:
        if len(encode(predicate)) <= space:
            break
        holder = _holder(predicate, way)
        value = None if holder is None else holder.get(name)
        if holder is not None and isinstance(value, list):
            holder[name] = {"artifact": artifacts.put(encode(value)), "count": len(value)}
    return predicate


def _holder(predicate: JsonObject, way: Sequence[str]) -> JsonObject | None:
    """Return the object at the end of a way, or None where there is none."""
    held: Json = predicate
    for name in way:
        held = held.get(name) if isinstance(held, dict) else None
    return held if isinstance(held, dict) else None
