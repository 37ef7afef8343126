r"""What may be behind a reproduction that diverged: where to look, from what is recorded. None of it is a finding.

- The step that differs: whether it records a seed, by which the same is drawn again.
- Packages: those of which the rerun had another version, by name.
- Numbers with a point, and what a model learned: sums come out otherwise in their last digits with another number of
  threads or another BLAS, where nothing that the run records fixed them.

>>> differing("numpy==2.1\npandas==3.0\n", "numpy==2.2\npandas==3.0\nduckdb==1.4\n")
[('numpy', '2.1', '2.2'), ('duckdb', None, '1.4')]
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from audit.canonical import Json, JsonObject, decode
from audit.errors import AffidavitError
from registry.artifacts import ArtifactStore
from registry.finding import at, count, items, text
from registry.predicates import Reproduction
from registry.recorded import parts_of_step, steps_of

__all__ = ["MOST_PACKAGES", "differing", "environments_differ", "hints"]

MOST_PACKAGES: Final = 20
"""How many packages that differ a statement names."""

_SHOWN: Final = 6
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def differing(recorded: str, here: str) -> list[tuple[str, str | None, str | None]]:
    """List the packages of two lists (`name==version` a line) that are not the same: name, recorded, here.

    First those of another version, which compute otherwise sooner than one that came or went.
    """
    mine, theirs = (
        dict(line.split("==", 1) for line in lines.splitlines() if "==" in line) for lines in (recorded, here)
    )
    names = sorted(mine.keys() | theirs.keys(), key=lambda name: (name not in mine, name not in theirs, name))
    return [(name, mine.get(name), theirs.get(name)) for name in names if mine.get(name) != theirs.get(name)]


def environments_differ(environment: Mapping[str, Json]) -> str | None:
    """Say how the environment of a rerun was not the recorded one; None where it was the same."""
    if environment.get("same") is True:
        return None
    recorded, here = (text(at(environment, side, "python")) for side in ("recorded", "here"))
    told = [f"Python {here}, recorded {recorded}"] if recorded != here else []
    packages = items(environment.get("packages_differ"))
    told += [
        f"{one.get('name')} {one.get('here') or 'is not here'}, recorded {one.get('recorded') or 'none'}"
        for one in packages[:_SHOWN]
    ]
    more = (count(environment.get("packages_differing")) or 0) - _SHOWN
    told += [f"and {more} more packages"] if more > 0 else []
    return f"The environment here is not the recorded one: {'; '.join(told) or 'how is not known'}."


def hints(run: JsonObject, said: Reproduction, artifacts: ArtifactStore) -> list[str]:
    """Say what to look at after a reproduction that diverged, in sentences; nothing after another one."""
    place = said.first_difference
    if said.verdict != "diverged" or place is None:
        return []
    steps = {str(step["name"]): step for step in steps_of(run)}
    step = steps.get(str(place.get("step"))) or _of_model(run, steps)
    found = [] if step is None else [_of_seed(step)]
    found += _of_packages(run, said.environment, artifacts)
    if step is None or _has_point(step, place, artifacts):
        found += _of_threads(run, said.environment)
    return found


def _of_model(run: JsonObject, steps: Mapping[str, JsonObject]) -> JsonObject | None:
    """Find the step that returned what the model is: its learned state is compared by itself."""
    fingerprint = at(run, "model_file", "fingerprint")
    returned = (
        step
        for step in steps.values()
        if any(part.get("fingerprint") == fingerprint for part in parts_of_step(step))
    )
    return next(returned, None) if fingerprint is not None else None


def _of_seed(step: JsonObject) -> str:
    name, seed = step["name"], step.get("seed")
    if seed is None:
        return (
            f"The step {name} records no seed: if it draws at random, give it a parameter seed and pass that to "
            "whatever draws (random_state=seed)."
        )
    return (
        f"The step {name} records the seed {seed}: look whether all that draws in it takes that, and whether anything "
        "depends on the clock, on the order of a set, or on what is outside its arguments."
    )


def _of_packages(run: JsonObject, environment: Mapping[str, Json], artifacts: ArtifactStore) -> Iterator[str]:
    if environment.get("same") is True:
        return
    digest = text(at(run, "environment", "packages", "artifact"))
    if digest is not None and artifacts.exists(digest):
        yield (
            "Other versions may compute otherwise: reproduce it where the recorded ones are installed "
            f"(pip install -r {artifacts.path(digest)}, with Python {at(run, 'environment', 'python')})."
        )


def _of_threads(run: JsonObject, environment: Mapping[str, Json]) -> Iterator[str]:
    variables = at(run, "environment", "variables")
    fixed = [name for name in THREADS if isinstance(variables, Mapping) and name in variables]
    if fixed:
        return
    before, here = (at(environment, side, "cpu_count") for side in ("recorded", "here"))
    machines = f"; it had {before} processors then and {here} here" if before != here else ""
    yield (
        "Floats may differ in their last digits with the number of threads, which nothing fixed"
        f"{machines}: record it with OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 set (a reproduction sets them as "
        "they were)."
    )


def _has_point(step: JsonObject, place: JsonObject, artifacts: ArtifactStore) -> bool:
    """Tell whether what differs may hold floats: a model, or a column of which nothing else is known."""
    part = next((part for part in parts_of_step(step) if part["name"] == place.get("part")), None)
    if part is None or part.get("kind") != "table" or place.get("column") is None:
        return True
    with suppress(AffidavitError):
        document = decode(artifacts.get(str(part.get("document"))))
        columns = items(document.get("columns")) if isinstance(document, dict) else []
        found = next((one for one in columns if one.get("name") == place["column"]), None)
        return found is None or found.get("type") == "float"
    return True
