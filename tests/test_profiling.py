"""The profiles of a run: named by its parts, and nothing of what is protected in them."""

from pathlib import Path
from typing import Any, cast

import numpy as np
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
        name: {
            column.name
            for column in kept_profile(predicate, name, store).columns
            if column.withheld == "a protected column"
        }
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
    assert why_not(first)["applications"] == "the run ended before it was said which columns are protected"
    assert withheld(second, kept.artifacts)["applications"] == {"race"}


def why_not(predicate: JsonObject) -> dict[str, str]:
    return {
        name: str(part["not_profiled"])
        for name, part in outputs(predicate).items()
        if "not_profiled" in part and "profile" not in part
    }


def test_a_pipeline_that_wants_no_profiles_has_none_and_says_so(store: ArtifactStore) -> None:
    predicate = run_pipeline(lending(profile=False), {}, artifacts=store).predicate
    assert withheld(predicate, store) == {}
    assert why_not(predicate)["load"] == "the pipeline says profile=False"


def test_a_recording_that_wants_no_profiles_has_none_and_says_so(kept: Kept) -> None:
    frame = applications(200, 0)
    with Recording("lending", {}, lambda: kept, profile=False) as run:
        run.data("applications", frame)
        run.evaluate(frame.approve, frame.approve, sensitive=frame[["race"]])
    assert why_not(kept.results[0].predicate)["applications"] == "record() was told profile=False"


def test_a_table_that_cannot_be_profiled_says_so_and_ends_no_run(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(table: object, *, whole: bool) -> Profile:
        raise ValueError

    monkeypatch.setattr("registry.profiling.profile", broken)
    predicate = run_pipeline(lending(), {}, artifacts=store).predicate
    assert (predicate["status"], why_not(predicate)["load"]) == (
        "succeeded",
        "it could not be profiled (ValueError)",
    )


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


def test_a_column_without_a_name_is_withheld_where_its_part_is_called_as_a_protected_one(
    store: ArtifactStore,
) -> None:
    pipeline = Pipeline("lending", protected=["race"])

    @pipeline.step
    def load() -> dict[str, Any]:
        return {"race": np.repeat(["white", "black"], 40), "debt": np.repeat([1, 2], 40)}

    predicate = run_pipeline(pipeline, {}, artifacts=store).predicate
    assert told(predicate, "load.race", store) == {"0": "a protected column"}
    assert told(predicate, "load.debt", store) == {"0": None}


def told(predicate: JsonObject, name: str, store: ArtifactStore) -> dict[str, str | None]:
    return {column.name: column.withheld for column in kept_profile(predicate, name, store).columns}


def test_the_parts_of_a_split_give_nothing_away_of_one_another(store: ArtifactStore) -> None:
    """15 of the whole and 12 in the one part would say 3 in the other."""
    predicate = run_pipeline(lending(), {}, artifacts=store).predicate
    assert not any(each for name, each in told(predicate, "load", store).items() if name != "race")
    for part in ("split.train", "split.test", "evaluation.y_true"):
        for column in kept_profile(predicate, part, store).columns:
            assert column.told == "missing"
            assert column.withheld in ("made from what came in", "a protected column")


def test_a_column_that_came_in_with_several_tables_is_told_of_the_first(store: ArtifactStore) -> None:
    pipeline = Pipeline("parts")
    whole = applications(200, 0)

    @pipeline.step
    def both() -> dict[str, Any]:
        return {"all": whole, "train": whole[:150].rename(columns={"debt": "Debt", "income": "pay"})}

    predicate = run_pipeline(pipeline, {}, artifacts=store).predicate
    assert set(told(predicate, "both.all", store).values()) == {None}
    train = told(predicate, "both.train", store)
    assert (train["Debt"], train["pay"]) == ("told of the table both.all", None)


def test_a_table_that_a_recording_is_given_after_another_may_be_made_from_it(kept: Kept) -> None:
    frame = applications(200, 0)
    with Recording("lending", {}, lambda: kept, protected=["race"]) as run:
        run.data("applications", frame)
        run.data("train", frame[:150])
        run.data("branches", pd.DataFrame({"branch": ["a", "b"] * 20}), after=[])
    predicate = kept.results[0].predicate
    assert set(told(predicate, "train", kept.artifacts).values()) == {
        "made from what came in",
        "a protected column",
    }
    assert told(predicate, "branches", kept.artifacts) == {"branch": None}
