"""What was observed stands beside what was declared, and contradicts it aloud."""

from typing import Any

import pandas as pd

from audit.canonical import JsonObject
from registry.artifacts import ArtifactStore
from registry.pipeline import Pipeline
from registry.run import run_pipeline
from tests.lineage_truth import dependences, flow_named
from tests.test_observe import loans


def run(store: ArtifactStore, function: Any, *, observe: bool = True, **told: Any) -> JsonObject:
    pipeline = Pipeline("made", observe=observe)
    pipeline.step(raw)
    pipeline.step(**told)(function)
    result = run_pipeline(pipeline, {}, artifacts=store)
    if result.exception is not None:
        raise result.exception
    return result.predicate


def raw() -> pd.DataFrame:
    return loans()


def ratios(raw: pd.DataFrame) -> pd.DataFrame:
    white = raw.race == "white"
    return pd.DataFrame({"ratio": raw.debt.where(white, 0) / raw.income})


def test_what_was_seen_and_not_declared_is_a_path_and_a_note(tmp_path: Any) -> None:
    recorded = run(ArtifactStore(tmp_path), ratios, columns={"ratio": ["debt", "income"]}, rows=[])
    flow = flow_named(recorded, "ratios")
    assert ("ratio", "raw.race") in dependences(flow)
    assert flow.notes[-1] == "step ratios: seen and not declared: ratio on raw.race"


def test_columns_that_the_sample_did_not_have_are_unseen_and_links_of_the_others_stay(tmp_path: Any) -> None:
    def coded(raw: pd.DataFrame) -> pd.DataFrame:
        calls.append(1)
        first = {"first": raw.debt} if len(calls) == 1 else {}
        return pd.DataFrame({"income": raw.income, **first})

    calls: list[int] = []
    flow = flow_named(run(ArtifactStore(tmp_path), coded), "coded")
    assert flow.unseen == ("first",)
    assert dependences(flow) == {("income", "raw.income")}


def test_what_is_only_seen_is_never_complete(tmp_path: Any) -> None:
    flow = flow_named(run(ArtifactStore(tmp_path), ratios), "ratios")
    assert dependences(flow) == {("ratio", f"raw.{name}") for name in ("race", "debt", "income")}
    assert (flow.complete, flow.rows_complete, flow.observed) == (frozenset(), False, True)
    assert flow.untold == ("raw.same",)


def test_nothing_is_called_again_unless_the_pipeline_asks_for_it(tmp_path: Any) -> None:
    calls = []

    def counted(raw: pd.DataFrame) -> pd.DataFrame:
        calls.append(1)
        return raw

    assert not flow_named(run(ArtifactStore(tmp_path), counted, observe=False), "counted").observed
    assert calls == [1]


def test_a_step_can_be_left_out_of_what_is_observed(tmp_path: Any) -> None:
    calls = []

    def counted(raw: pd.DataFrame) -> pd.DataFrame:
        calls.append(1)
        return raw

    pipeline = Pipeline("made", observe=True)
    pipeline.step(raw)
    pipeline.step(observe=False)(counted)
    run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    assert calls == [1]
