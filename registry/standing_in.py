"""Kept tables that stand in for a step whose source is gone, when a version is run again.

Rules:

- A step can be stood in for where everything that it returned was kept (`registry.kept_data`).
- Where its files are not to be had as they were, or where that is asked for, the step does not run. Else it runs, and
  where it fails (its database is gone, say), what was kept is taken.
- The kept file is checked by its digest before, and again as it is read; the table's fingerprint is computed anew like
  that of any other part. That the step did not run again is said with the verdict: what it did with its source was not
  reproduced.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import cast

from audit.canonical import Json, JsonObject
from audit.errors import AffidavitError, NotVerified
from registry.artifacts import ArtifactStore
from registry.kept_data import read_kept
from registry.pipeline import Pipeline
from registry.recorded import parts_of_run, parts_of_step, steps_of
from registry.sentences import listed
from registry.steps import Step

__all__ = ["kept_tables", "lost_tables", "stand_in_for", "with_kept", "without_sources"]

ASKED_FOR = "the kept tables were asked for"


def kept_tables(run: Mapping[str, Json], artifacts: ArtifactStore, *, always: bool = False) -> JsonObject:
    """Return, for each step that can be stood in for, where its tables are: `{step: {"why", "tables"}}`.

    `why` is None where the step is to be tried first. A table whose file is gone or changed stands in for nothing.
    """
    found: JsonObject = {}
    for step in steps_of(run):
        tables = [_table(part.get("kept"), artifacts) for part in parts_of_step(step)]
        if tables and None not in tables:
            found[str(step["name"])] = {"why": ASKED_FOR if always else None, "tables": cast(Json, tables)}
    return found


def lost_tables(run: Mapping[str, Json], artifacts: ArtifactStore) -> str | None:
    """Say which tables were kept and cannot be taken any more, or nothing."""
    lost = [
        str(part["name"])
        for _, part in parts_of_run(run)
        if isinstance(kept := part.get("kept"), dict)
        and isinstance(kept.get("artifact"), str)
        and _table(kept, artifacts) is None
    ]
    if not lost:
        return None
    return (
        f"the kept table {listed(lost)} is gone from the artifact store, or changed: restore it from a copy"
    )


def without_sources(kept: JsonObject, gone: Mapping[str, str]) -> JsonObject:
    """Say of each step whose sources are gone why its tables are taken."""
    return {
        name: {**cast(JsonObject, tables), "why": gone[name]} if name in gone else tables
        for name, tables in kept.items()
    }


def stand_in_for(pipeline: Pipeline, kept: JsonObject) -> dict[str, str]:
    """Put kept tables in the place of steps; returns what will say, after the run, which were taken and why."""
    taken: dict[str, str] = {}
    for step in pipeline.steps:
        if step.name in kept:
            pipeline.stand_in(step.name, _standing_in(step, cast(JsonObject, kept[step.name]), taken))
    return taken


def with_kept(stood_in: Mapping[str, str]) -> str | None:
    """Say which steps did not run again, or nothing."""
    if not stood_in:
        return None
    told = "; ".join(f"{step}: {why}" for step, why in stood_in.items())
    return f"all is the same, but kept tables stood in for steps that did not run again ({told})"


def _table(kept: Json, artifacts: ArtifactStore) -> JsonObject | None:
    if not isinstance(kept, dict) or not isinstance(kept.get("artifact"), str):
        return None
    digest = str(kept["artifact"])
    try:
        with artifacts.open(digest):
            return {
                "artifact": digest,
                "file": str(artifacts.path(digest).resolve()),
                "holder": kept["holder"],
                "place": kept["place"],
            }
    except (AffidavitError, KeyError):
        return None


def _standing_in(step: Step, kept: JsonObject, taken: dict[str, str]) -> Callable[..., object]:
    @wraps(step.function)
    def stand_in(*arguments: object, **named: object) -> object:
        if kept["why"] is None:
            try:
                return step.function(*arguments, **named)
            except Exception as error:  # whatever it is, the step worked once, and its table is here
                taken[step.name] = f"it failed here with {type(error).__name__}"
        else:
            taken[step.name] = str(kept["why"])
        return _value(cast(list[JsonObject], kept["tables"]))

    return stand_in


def _value(tables: list[JsonObject]) -> object:
    """Put the tables together as their step returned them."""
    read = [(table["place"], _read(table)) for table in tables]
    if len(read) == 1 and read[0][0] is None:
        return read[0][1]
    if all(isinstance(place, int) for place, _ in read):
        return tuple(value for _, value in read)
    return dict(read)


def _read(table: JsonObject) -> object:
    """Read a kept file, which may have changed since it was looked for."""
    with Path(str(table["file"])).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != table["artifact"]:
            raise NotVerified(
                f"the kept table {table['artifact']} is not what was kept: restore it from a copy"
            )
        file.seek(0)
        return read_kept(file, str(table["holder"]))
