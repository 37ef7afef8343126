"""A field is traced back to raw columns, and what is not known is said."""

from dataclasses import replace
from typing import Any

import pytest

from audit.errors import MalformedInput, NotFound
from registry.field_text import lines, summary
from registry.field_trace import find_field, trace, whole_trace
from registry.flows import THE_TARGET, Flow, Link
from registry.places import Map, Place, map_of

MARK = "affidavit-model-v1:sha256:" + "b" * 64


def a_run(*flows: Flow, features: tuple[str, ...] = ("ratio",)) -> dict[str, Any]:
    """Say a run of the steps load, ratios and model, in the fewest members that a trace reads."""
    return {
        "model": "loans",
        "sources": [{"step": "load", "uri": "loans.csv", "sha256": "2" * 64}],
        "steps": [
            {"name": "load", "after": [], "outputs": [{"name": "load", "fingerprint": "a"}]},
            {"name": "ratios", "after": ["load"], "outputs": [{"name": "ratios", "fingerprint": "c"}]},
            {"name": "model", "after": ["ratios"], "outputs": [{"name": "model", "fingerprint": MARK}]},
        ],
        "model_file": {"fingerprint": MARK, "features": list(features)},
        "lineage": [flow.to_json() for flow in flows],
    }


def all_known(names: tuple[str, ...]) -> dict[str, Any]:
    return {"complete": frozenset(names), "rows_complete": True}


LOAD = Flow("load", "load", "table", ("debt", "income", "race"), (
    Link("debt", "file:loans.csv", "debt", "observed", "IDENTITY"),
    Link("income", "file:loans.csv", "income", "observed", "IDENTITY"),
    Link("race", "file:loans.csv", "race", "observed", "IDENTITY"),
    Link(None, "file:loans.csv", "*", "observed", "ROWS"),
), **all_known(("debt", "income", "race")))  # fmt: skip
RATIOS = Flow("ratios", "ratios", "table", ("ratio",), (
    Link("ratio", "load", "debt", "parsed", "TRANSFORMATION"),
    Link("ratio", "load", "income", "parsed", "TRANSFORMATION"),
    Link(None, "load", "race", "parsed", "FILTER"),
    Link(None, "load", "*", "parsed", "ROWS"),
), **all_known(("ratio",)))  # fmt: skip
MODEL = Flow("model", "model", "model", ("ratio",), (
    Link("ratio", "ratios", "ratio", "declared", "IDENTITY"), Link(None, "ratios", "*", "declared", "ROWS"),
), **all_known(("ratio",)))  # fmt: skip
ENCODED = Flow("model", "model", "encoded", ("n__ratio",), (
    Link("n__ratio", "model", "ratio", "declared", "TRANSFORMATION"),
), **all_known(("n__ratio",)))  # fmt: skip


def of(*flows: Flow, features: tuple[str, ...] = ("ratio",)) -> Map:
    return map_of(a_run(*flows, features=features))


def pairs(known: Map, name: str) -> set[tuple[str, str]]:
    return {(edge.start, edge.end) for edge in trace(known, [find_field(known, name)]).lineage().edges}


def test_a_feature_goes_back_to_the_columns_of_the_file_and_to_what_decides_its_rows() -> None:
    assert pairs(of(LOAD, RATIOS, MODEL), "ratio") == {
        ("column:ratios.ratio", "feature:ratio"), ("column:load.debt", "column:ratios.ratio"),
        ("column:load.income", "column:ratios.ratio"), ("column:load.race", "column:ratios.*"),
        ("column:ratios.*", "column:ratios.ratio"), ("column:ratios.*", "column:model.*"),
        ("column:model.*", "feature:ratio"),
        *((f"column:file:loans.csv.{name}", f"column:load.{name}") for name in LOAD.columns),
        *(("source:loans.csv", f"column:file:loans.csv.{name}") for name in LOAD.columns),
    }  # fmt: skip


def test_rows_that_no_column_decides_are_not_drawn() -> None:
    plain = Flow("ratios", "ratios", "table", ("ratio",), RATIOS.links[:2], **all_known(("ratio",)))
    known = of(LOAD, plain, MODEL)
    assert not any(".*" in start for start, _ in pairs(known, "ratio"))
    assert trace(known, known.inputs()).doubts == ()


def test_an_unknown_column_goes_on_through_its_step_to_the_source() -> None:
    unknown = Flow("ratios", "ratios", "table", ("ratio",))
    found = trace(of(LOAD, unknown, MODEL), [Place("feature", "", "ratio")])
    assert {(edge.start, edge.end) for edge in found.lineage().edges} >= {
        ("step:ratios", "column:ratios.ratio"), ("step:load", "step:ratios"), ("source:loans.csv", "step:load"),
    }  # fmt: skip
    assert found.lineage().unknown == (
        "step ratios: how ratios.ratio comes about is not known",
        "step ratios: what decides its rows is not known",
    )


def test_what_was_seen_on_a_sample_is_a_path_and_not_the_whole_truth() -> None:
    seen = Flow("ratios", "ratios", "table", ("ratio",), (
        Link("ratio", "load", "debt", "observed", "DEPENDENCE"),
        Link(None, "load", "race", "observed", "ROWS"),
    ), observed=True)  # fmt: skip
    found = trace(of(LOAD, seen, MODEL), [Place("feature", "", "ratio")])
    assert ("column:load.debt", "column:ratios.ratio") in {
        (edge.start, edge.end) for edge in found.lineage().edges
    }
    assert found.lineage().unknown == (
        "step ratios: how ratios.ratio comes about was seen on a sample only",
        "step ratios: what decides its rows was seen on a sample only",
    )


def test_inputs_of_which_an_observation_says_nothing_are_named() -> None:
    seen = Flow("ratios", "ratios", "table", ("ratio",), observed=True, untold=("load.race",))
    found = trace(of(LOAD, seen, MODEL), [Place("feature", "", "ratio")])
    assert found.lineage().unknown[0] == (
        "step ratios: how ratios.ratio comes about was seen on a sample only, and not with regard to load.race"
    )


def test_a_run_from_before_lineage_says_that_nothing_is_recorded() -> None:
    run = a_run()
    del run["lineage"]
    known = map_of(run)
    assert trace(known, known.inputs()).lineage().unknown == ("ratio: where it comes from is not recorded",)


def test_what_is_behind_the_transformers_stands_between_features_and_model() -> None:
    edges = {(e.start, e.end) for e in whole_trace(of(LOAD, RATIOS, MODEL, ENCODED)).lineage().edges}
    assert {("feature:ratio", "encoded:n__ratio"), ("encoded:n__ratio", "model")} <= edges
    assert ("feature:ratio", "model") not in edges


def test_every_edge_joins_nodes_that_are_there() -> None:
    graph = whole_trace(of(LOAD, RATIOS, MODEL, ENCODED)).lineage()
    known = {node.id for node in graph.nodes}
    assert all(edge.start in known and edge.end in known for edge in graph.edges)


def test_a_field_is_a_feature_first_then_what_is_behind_it_then_a_column() -> None:
    known = of(LOAD, RATIOS, MODEL, ENCODED)
    assert [find_field(known, name).kind for name in ("ratio", "n__ratio", "debt", "ratios.ratio")] == [
        "feature", "encoded", "column", "column",
    ]  # fmt: skip


def test_a_field_that_does_not_exist_is_answered_by_the_one_that_was_meant() -> None:
    with pytest.raises(NotFound, match=r"loans has no field 'ratoi': did you mean .*ratio"):
        find_field(of(LOAD, RATIOS, MODEL), "ratoi")


def test_a_column_of_several_tables_has_to_be_named_with_one() -> None:
    twice = Flow("other", "ratios", "table", ("debt",))
    with pytest.raises(
        MalformedInput, match=r"'debt' is a column of 2 tables: choose load.debt or other.debt"
    ):
        find_field(of(LOAD, twice, MODEL), "debt")


def test_a_run_with_no_features_and_no_columns_has_no_field() -> None:
    with pytest.raises(NotFound, match="no features of the model and no columns are recorded"):
        find_field(of(features=()), "debt")


def test_text_shows_the_path_and_the_code_of_each_step_once() -> None:
    known = of(LOAD, RATIOS, MODEL)
    said = list(lines(trace(known, known.inputs()), "loans@1", {"ratios": "SELECT debt / income AS ratio"}))
    assert said[:5] == [
        "ratio, a feature of loans@1",
        "  <- ratios.ratio  declared in model, IDENTITY",
        "     <- load.debt  parsed in ratios, TRANSFORMATION",
        "        <- loans.csv.debt  observed in load, IDENTITY",
        "           <- source loans.csv",
    ]
    assert said[-2:] == ["\nstep ratios", "  | SELECT debt / income AS ratio"]


def test_a_summary_names_the_raw_columns_of_each_feature() -> None:
    known = of(LOAD, RATIOS, MODEL)
    [line] = list(summary(whole_trace(known), known.inputs()))
    assert line == "feature ratio <- loans.csv.debt, loans.csv.income; by their rows loans.csv.race"


def test_what_was_noted_while_it_ran_is_told_with_what_is_not_known() -> None:
    why = "step ratios: the query's PIVOT is not understood here"
    known = map_of(a_run(LOAD, Flow("ratios", "ratios", "table", ("ratio",), notes=(why,)), MODEL))
    found = whole_trace(known)
    assert found.lineage().to_json()["notes"] == [why]
    assert list(summary(found, known.inputs()))[-2:] == ["\nnoted while it ran", f"  {why}"]


def several(*, complete: bool = False) -> Flow:
    """Say a model whose one feature two tables have."""
    links = tuple(Link("ratio", table, "ratio", "declared", "IDENTITY") for table in ("train", "test"))
    known = frozenset({"ratio"}) if complete else frozenset()
    return Flow("model", "model", "model", ("ratio",), links, known, rows_complete=True)


def halves() -> list[Flow]:
    return [
        Flow(name, "ratios", "table", ("ratio",), (), **all_known(("ratio",))) for name in ("train", "test")
    ]


def test_a_feature_that_several_tables_have_is_one_of_these() -> None:
    known = of(*halves(), several())
    assert (
        next(summary(whole_trace(known), known.inputs())) == "feature ratio <- one of train.ratio, test.ratio"
    )
    said = list(lines(trace(known, known.inputs()), "loans@1", {}))
    assert "  <- train.ratio  by its name in model, one of these, which is not known" in said
    assert {edge.use for edge in trace(known, known.inputs()).lineage().edges} == {"ONE_OF"}


def cut(name: str, *columns: str) -> Flow:
    """Say a part of a split that has one column, made of those of the file."""
    links = tuple(Link("ratio", "load", column, "declared", "TRANSFORMATION") for column in columns)
    return Flow(name, "ratios", "table", ("ratio",), links, **all_known(("ratio",)))


def test_halves_that_are_made_of_the_same_columns_leave_nothing_open_in_the_summary() -> None:
    known = of(LOAD, cut("train", "debt", "income"), cut("test", "income", "debt"), several())
    assert next(summary(whole_trace(known), known.inputs())).startswith(
        "feature ratio <- loans.csv.debt, loans.csv.income"
    )


def test_halves_that_are_made_of_other_columns_are_told_apart_in_the_summary() -> None:
    known = of(LOAD, cut("train", "debt", "income"), cut("test", "income"), several())
    assert next(summary(whole_trace(known), known.inputs())).startswith(
        "feature ratio <- one of (loans.csv.debt, loans.csv.income), loans.csv.income"
    )


def test_a_feature_that_is_declared_to_be_the_columns_of_its_name_is_that() -> None:
    known = of(*halves(), several(complete=True))
    assert {edge.use for edge in trace(known, known.inputs()).lineage().edges} >= {"IDENTITY"}
    assert next(summary(whole_trace(known), known.inputs())) == "feature ratio <- train.ratio, test.ratio"


def test_a_feature_that_the_transformers_drop_is_said_to_be_given_and_dropped() -> None:
    model = Flow("model", "model", "model", ("ratio", "race"), (
        Link("race", "load", "race", "declared", "IDENTITY"),
    ), **all_known(("ratio", "race")))  # fmt: skip
    known = of(LOAD, model, ENCODED, features=("ratio", "race"))
    assert "feature race, given to the model and dropped by its transformers <- loans.csv.race" in list(
        summary(whole_trace(known), known.inputs())
    )
    edges = whole_trace(known).lineage().edges
    assert [edge.use for edge in edges if (edge.start, edge.end) == ("feature:race", "model")] == ["DROPPED"]


def test_the_target_is_asked_by_its_short_name_or_by_the_column_of_several_tables_that_it_is() -> None:
    twice = Flow("other", "ratios", "table", ("debt",))
    of_debt = (Link(THE_TARGET, "other", "debt", "declared", "TARGET"),)
    known = of(LOAD, RATIOS, twice, replace(MODEL, target=of_debt, target_complete=True))
    assert [find_field(known, name) for name in ("y", "debt", THE_TARGET)] == [known.target] * 3
    assert find_field(known, "load.debt").kind == "column"
    assert find_field(known, "income") == Place("column", "load", "income")


def test_the_rows_that_a_target_depends_on_are_told_as_those_of_a_feature() -> None:
    of_ratio = (Link(THE_TARGET, "ratios", "ratio", "declared", "TARGET"),)
    known = of(LOAD, RATIOS, replace(MODEL, target=of_ratio, target_complete=True))
    told = list(summary(whole_trace(known), known.inputs()))
    assert told[0].removeprefix("feature ratio") == told[1].removeprefix(THE_TARGET)
    assert "; by their rows loans.csv.race" in told[1]
