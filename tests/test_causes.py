"""Where to look after a reproduction that diverged: what is recorded is told, and nothing is called the cause."""

from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from audit.canonical import Json, JsonObject, encode
from registry.artifacts import ArtifactStore
from registry.causes import differing, environments_differ, hints
from registry.fingerprint import fingerprint
from registry.predicates import Reproduction

SAME: JsonObject = {"same": True, "recorded": {"cpu_count": 2}, "here": {"cpu_count": 2}}


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """Give an empty store."""
    return ArtifactStore(tmp_path)


def run_of(
    store: ArtifactStore, *, seed: int | None = None, variables: dict[str, str] | None = None
) -> JsonObject:
    """Make a run of one step that returns a table with a whole number, a text and a float; and a model."""
    table = fingerprint(pd.DataFrame({"n": [1, 2], "name": ["a", "b"], "rate": [0.5, 0.25]}))
    document = store.put(encode(cast(Json, table.to_json())))
    part: JsonObject = {"name": "drawn", "kind": "table", "fingerprint": str(table), "document": document}
    model: JsonObject = {"name": "model", "kind": "model", "fingerprint": "m", "document": None}
    steps: list[Json] = [
        {"name": "drawn", "seed": seed, "outputs": [part]},
        {"name": "model", "seed": 3, "outputs": [model]},
    ]
    packages = store.put(b"numpy==2.1\n")
    return {
        "steps": steps,
        "model_file": {"fingerprint": "m"},
        "environment": {
            "python": "3.11.7",
            "packages": {"artifact": packages},
            "variables": dict[str, Json](variables or {}),
        },
    }


def diverged(
    column: str | None, *, part: str = "drawn", step: str = "drawn", environment: JsonObject = SAME
) -> Reproduction:
    """Say that a column of a part came out otherwise."""
    place: JsonObject = {"step": step, "part": part, "column": column, "rows": [0, 2]}
    return Reproduction("m", 1, "diverged", "it differs", place, (), environment)


def test_a_step_without_a_seed_is_named_with_what_to_do(store: ArtifactStore) -> None:
    [said] = hints(run_of(store), diverged("n"), store)
    assert said.startswith("The step drawn records no seed: if it draws at random, give it a parameter seed")


def test_a_step_with_a_seed_is_not_told_to_have_one(store: ArtifactStore) -> None:
    [said] = hints(run_of(store, seed=7), diverged("n"), store)
    assert "records the seed 7" in said
    assert "no seed" not in said


@pytest.mark.parametrize(("column", "threads"), [("n", False), ("name", False), ("rate", True), (None, True)])
def test_threads_are_named_where_floats_differ(
    store: ArtifactStore, column: str | None, threads: bool
) -> None:
    told = hints(run_of(store), diverged(column), store)
    assert any("OMP_NUM_THREADS=1" in sentence for sentence in told) is threads


def test_threads_that_the_run_fixed_are_not_named(store: ArtifactStore) -> None:
    run = run_of(store, variables={"OMP_NUM_THREADS": "1"})
    assert not any("THREADS" in sentence for sentence in hints(run, diverged("rate"), store))


def test_another_number_of_processors_is_named_beside_the_threads(store: ArtifactStore) -> None:
    environment: JsonObject = {**SAME, "here": {"cpu_count": 8}}
    told = hints(run_of(store), diverged("rate", environment=environment), store)
    assert "it had 2 processors then and 8 here" in told[-1]


def test_what_the_model_learned_is_looked_for_in_the_step_that_returned_it(store: ArtifactStore) -> None:
    told = hints(run_of(store), diverged(None, part="model", step="model"), store)
    assert told[0].startswith("The step model records the seed 3")


def test_other_versions_are_told_with_the_list_that_pip_reads(store: ArtifactStore) -> None:
    run = run_of(store)
    told = hints(run, diverged("n", environment={**SAME, "same": False}), store)
    [said] = [sentence for sentence in told if "pip install -r" in sentence]
    listed = Path(said.partition("pip install -r ")[2].partition(", with Python 3.11.7")[0])
    assert listed.read_bytes() == b"numpy==2.1\n"


@pytest.mark.parametrize("verdict", ["identical", "impossible"])
def test_nothing_is_said_where_nothing_diverged(store: ArtifactStore, verdict: str) -> None:
    assert hints(run_of(store), Reproduction("m", 1, verdict, None, None, (), SAME), store) == []


def test_packages_that_came_went_or_changed_are_told_apart() -> None:
    told: JsonObject = {
        "same": False,
        "recorded": {"python": "3.11.7"},
        "here": {"python": "3.12.1"},
        "packages_differing": 3,
        "packages_differ": [
            {"name": name, "recorded": before, "here": now}
            for name, before, now in differing("a==1\nb==1\nd==1\n", "a==1\nb==2\nc==1\n")
        ],
    }
    assert environments_differ(told) == (
        "The environment here is not the recorded one: Python 3.12.1, recorded 3.11.7; b 2, recorded 1; "
        "d is not here, recorded 1; c 1, recorded none."
    )


def test_packages_that_are_too_many_to_name_are_counted() -> None:
    packages: list[Json] = [{"name": f"p{n}", "recorded": "1", "here": "2"} for n in range(20)]
    told = environments_differ({"same": False, "packages_differ": packages, "packages_differing": 31})
    assert told is not None
    assert told.endswith("p5 2, recorded 1; and 25 more packages.")


def test_an_environment_of_which_the_list_is_lost_is_not_called_the_same() -> None:
    assert environments_differ({"same": False}) == (
        "The environment here is not the recorded one: how is not known."
    )
    assert environments_differ({"same": True}) is None
