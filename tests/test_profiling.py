"""The profiles of a run: named by its parts, and nothing of what is protected in them."""

from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest

from audit.canonical import JsonObject, decode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.fingerprint_key import create_key
from registry.pipeline import Pipeline
from registry.profile import Profile
from registry.recording import Recording
from registry.run import run_pipeline
from registry.run_predicate import artifacts_named
from tests.lending_pipeline import applications, lending
from tests.test_recording import Kept, kept

__all__ = ["kept"]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def outputs(predicate: JsonObject) -> dict[str, JsonObject]:
    steps = cast(list[JsonObject], predicate["steps"])
    return {str(part["name"]): part for step in steps for part in cast(list[JsonObject], step["outputs"])}


def kept_profile(predicate: JsonObject, name: str, store: ArtifactStore) -> Profile:
    return Profile.from_json(decode(store.get(str(outputs(predicate)[name]["profile"]))))


def withheld(predicate: JsonObject, store: ArtifactStore) -> dict[str, set[str]]:
    return {
        name: {column.name for column in kept_profile(predicate, name, store).columns if column.withheld}
        for name, part in outputs(predicate).items()
        if "profile" in part
    }


def test_every_table_has_its_profile_without_the_protected_columns(store: ArtifactStore) -> None:
    predicate = run_pipeline(lending(), {}, artifacts=store).predicate
    found = withheld(predicate, store)
    assert {name for name in found if not name.startswith("evaluation")} == {
        "load",
        "split.train",
        "split.test",
    }
    assert all(columns == {"race"} for name, columns in found.items() if "race" in columns)
    assert found["load"] == {"race"}
    assert found["evaluation.sensitive"] == {"race"}


def test_a_profile_is_among_the_artifacts_that_a_run_rests_on(store: ArtifactStore) -> None:
    predicate = run_pipeline(lending(), {}, artifacts=store).predicate
    assert outputs(predicate)["load"]["profile"] in set(artifacts_named(predicate, store))


def test_what_a_pipeline_protects_and_what_it_lets_profile(store: ArtifactStore) -> None:
    declared = lending(protected=["income"], profiled=["race"])
    predicate = run_pipeline(declared, {}, artifacts=store).predicate
    assert withheld(predicate, store)["load"] == {"income"}


def test_a_run_that_fails_before_it_evaluates_protects_all_the_same(store: ArtifactStore) -> None:
    pipeline = lending()

    @pipeline.step
    def broken(load: pd.DataFrame) -> None:
        raise ValueError

    result = run_pipeline(pipeline, {}, artifacts=store)
    assert result.predicate["status"] == "failed"
    assert withheld(result.predicate, store)["load"] == {"race"}


def test_a_table_that_an_evaluation_gives_without_naming_its_columns_is_protected(
    store: ArtifactStore,
) -> None:
    predicate = run_pipeline(lending(sensitive=()), {}, artifacts=store).predicate
    assert withheld(predicate, store)["load"] == {"race"}


def test_a_recording_learns_at_its_end_what_is_protected(kept: Kept) -> None:
    frame = applications(200, 0)
    with Recording("lending", {}, lambda: kept, protected=["debt"]) as run:
        run.data("applications", frame)
        run.evaluate(frame.approve, frame.approve, sensitive=frame[["race"]])
    assert withheld(kept.results[0].predicate, kept.artifacts)["applications"] == {"race", "debt"}


def test_a_recording_that_ends_early_keeps_no_profile_unless_it_said_what_is_protected(kept: Kept) -> None:
    for protected in ((), ("race",)):
        recording = Recording("lending", {}, lambda: kept, protected=protected)
        with pytest.raises(MalformedInput, match="fitted"), recording as run:
            run.model(run.data("applications", applications(200, 0)))
    first, second = (result.predicate for result in kept.results)
    assert "profile" not in outputs(first)["applications"]
    assert withheld(second, kept.artifacts)["applications"] == {"race"}


@pytest.mark.parametrize("name", ["protected", "profiled"])
@pytest.mark.parametrize("given", ["race", [1]])
def test_columns_are_given_as_a_list_of_texts(name: str, given: Any) -> None:
    options: dict[str, Any] = {name: given}
    with pytest.raises(MalformedInput, match=name):
        Pipeline("lending", **options)


def test_a_keyed_column_is_told_by_no_profile(tmp_path: Path, store: ArtifactStore) -> None:
    key = create_key(tmp_path / "fingerprint.key")
    predicate = run_pipeline(lending(keyed=["debt"]), {}, artifacts=store, key=key).predicate
    assert withheld(predicate, store)["load"] == {"race", "debt"}
