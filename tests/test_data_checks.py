"""Data checks: every check of a schema is made, what came out is recorded without a value, a failure ends the run."""

import json
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import polars as pl
import pytest

from affidavit import Pipeline
from audit.canonical import JsonObject, decode, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.data_checks import CHANGED, ChecksFailed, check_parts
from registry.facts import FACTS
from registry.recording import Recording
from registry.run import run_pipeline
from registry.run_predicate import artifacts_named
from registry.run_recorder import RunResult
from tests.command_line import Folder, empty_folder
from tests.test_recording import Kept, kept

__all__ = ["kept"]

GOOD = pd.DataFrame({"income": [1.0, 2.0], "home": ["house", "flat"]})
# Put together here, since this file is in the recorded patch of the tests' own tree.
NUMBER, WORD = "-47" + "11.5", "hun" + "ter2"
BAD = pd.DataFrame({"income": [float(NUMBER), -1.0], "home": ["house", WORD]})

SCHEMA = pa.DataFrameSchema(
    {
        "income": pa.Column(float, pa.Check.ge(0)),
        "home": pa.Column(str, pa.Check.isin(["house", "flat"])),
    },
    name="applications",
)


class Applications(pa.DataFrameModel):
    income: float = pa.Field(ge=0)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


def run(value: Any, check: Any, store: ArtifactStore) -> RunResult:
    pipeline = Pipeline("loans")

    @pipeline.step(check=check)
    def load() -> Any:
        return value

    @pipeline.step
    def after(load: Any) -> int:
        return 1

    return run_pipeline(pipeline, {}, artifacts=store)


def checks(result: RunResult) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], cast(list[JsonObject], result.predicate["steps"])[0]["checks"])


def fact(result: RunResult) -> bool | None:
    return FACTS["data-checks-passed"].read(result.predicate)


@pytest.mark.parametrize("schema", [SCHEMA, Applications, pa.DataFrameSchema()])
def test_data_that_holds_its_schema_passes(schema: Any, store: ArtifactStore) -> None:
    result = run(GOOD, schema, store)
    [said] = checks(result)
    assert (result.predicate["status"], said["passed"], said["failed"]) == ("succeeded", True, [])
    assert fact(result) is True
    encode(result.predicate)


def test_data_that_does_not_ends_the_run_with_what_failed_and_how_often(store: ArtifactStore) -> None:
    result = run(BAD, SCHEMA, store)
    assert result.predicate["failure"] == {"step": "load", "error": "ChecksFailed"}
    assert cast(list[JsonObject], result.predicate["steps"])[1]["status"] == "not run"
    [said] = checks(result)
    assert said["passed"] is False
    assert [(f["column"], f["check"], f["cases"]) for f in said["failed"]] == [
        ("income", "greater_than_or_equal_to(0)", "fewer than 10"),
        ("home", "isin(['house', 'flat'])", "fewer than 10"),
    ]
    assert str(result.exception) == (
        "the data of load fails what its schema says: income greater_than_or_equal_to(0) (fewer than 10 cases), "
        "home isin(['house', 'flat']) (fewer than 10 cases)"
    )
    assert isinstance(result.exception, ChecksFailed)
    assert fact(result) is False


def test_no_value_of_the_table_is_recorded(store: ArtifactStore) -> None:
    result = run(BAD, SCHEMA, store)
    kept = [encode(result.predicate), *(store.get(digest) for digest in store.digests())]
    assert not any(word.encode() in data for data in kept for word in (NUMBER, WORD))


def test_the_schema_is_kept_by_its_digest(store: ArtifactStore) -> None:
    result = run(GOOD, SCHEMA, store)
    digest = checks(result)[0]["schema"]
    assert digest in set(artifacts_named(result.predicate, store))
    said = cast(dict[str, Any], decode(store.get(digest)))
    income = said["columns"][0]
    assert (income["name"], income["type"]) == ("income", "float64")
    assert income["checks"] == ["greater_than_or_equal_to(0)"]
    assert set(json.loads(said["serialized"])["columns"]) == {"income", "home"}


def test_a_check_that_is_a_function_is_named(store: ArtifactStore) -> None:
    schema = pa.DataFrameSchema({"income": pa.Column(float, pa.Check(lambda s: s < 2, name="small"))})
    [said] = checks(run(GOOD, schema, store))
    assert said["failed"][0]["check"] == "small"
    assert cast(Any, decode(store.get(said["schema"])))["columns"][0]["checks"] == ["small"]


def test_missing_and_unknown_columns_are_named(store: ArtifactStore) -> None:
    schema = pa.DataFrameSchema({"debt": pa.Column(float), "income": pa.Column(float)}, strict=True)
    [said] = checks(run(GOOD, schema, store))
    assert {(f["column"], f["reason"]) for f in said["failed"]} >= {
        ("debt", "column_not_in_dataframe"),
        ("home", "column_not_in_schema"),
    }


def test_parts_have_schemas_of_their_own(store: ArtifactStore) -> None:
    result = run({"train": GOOD, "test": BAD}, {"train": SCHEMA, "test": SCHEMA}, store)
    assert [(c["part"], c["passed"]) for c in checks(result)] == [("load.train", True), ("load.test", False)]


def test_a_part_that_was_not_returned_is_no_pass(store: ArtifactStore) -> None:
    result = run({"train": GOOD}, {"test": SCHEMA}, store)
    assert result.predicate["status"] == "failed"
    assert "returned no such part" in str(result.exception)
    assert fact(result) is None


@pytest.mark.parametrize(("values", "passed"), [([1.0], True), ([-1.0], False)])
def test_polars_is_checked_by_its_own_schemas(
    values: list[float], passed: bool, store: ArtifactStore
) -> None:
    schema = pp.DataFrameSchema({"income": pp.Column(float, pp.Check.ge(0))})
    assert checks(run(pl.DataFrame({"income": values}), schema, store))[0]["passed"] is passed


def test_a_schema_for_another_library_is_no_pass(store: ArtifactStore) -> None:
    result = run(GOOD, pp.DataFrameSchema({"income": pp.Column(float)}), store)
    assert checks(result)[0]["passed"] is None
    assert "could not be checked: BackendNotFoundError" in str(result.exception)
    assert fact(result) is None


def _raising(values: Any) -> Any:
    raise ValueError(f"what is {values.iloc[0]}?")


@pytest.mark.parametrize("answer", [_raising, lambda values: None])
def test_a_check_that_raises_was_not_made_and_tells_no_value(answer: Any, store: ArtifactStore) -> None:
    result = run(BAD, pa.DataFrameSchema({"home": pa.Column(str, pa.Check(answer, name="mine"))}), store)
    [said] = checks(result)
    assert (said["passed"], said["note"]) == (None, "a check raised an exception (home mine)")
    assert said["failed"] == [{"column": "home", "check": "mine", "reason": "check_error", "cases": None}]
    assert "could not be checked: a check raised an exception (home mine)" in str(result.exception)
    assert fact(result) is None


def test_a_check_that_raises_beside_one_that_failed_is_a_failure(store: ArtifactStore) -> None:
    schema = pa.DataFrameSchema(
        {"income": pa.Column(float, [pa.Check.ge(0), pa.Check(_raising, name="mine")])}
    )
    result = run(BAD, schema, store)
    assert checks(result)[0]["passed"] is False
    assert "greater_than_or_equal_to(0) (fewer than 10 cases), income mine (could not be made)" in str(
        result.exception
    )


def test_a_check_that_only_warns_is_counted_and_tells_no_value(
    store: ArtifactStore, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = pa.DataFrameSchema({"income": pa.Column(float, pa.Check.ge(0, raise_warning=True))})
    result = run(BAD, schema, store)
    [said] = checks(result)
    assert (result.predicate["status"], said["passed"], said["warned"]) == ("succeeded", False, 1)
    assert fact(result) is False
    assert NUMBER not in str(capsys.readouterr())


def test_a_check_that_answers_for_a_whole_group_is_one_case(store: ArtifactStore) -> None:
    check = pa.Check(lambda groups: groups["house"].mean() > 0, groupby="home", name="houses")
    result = run(BAD, pa.DataFrameSchema({"income": pa.Column(float, check), "home": pa.Column(str)}), store)
    assert "income houses (1 case)" in str(result.exception)


def test_pandera_that_was_switched_off_checks_all_the_same(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandera.config

    monkeypatch.setattr(pandera.config.CONFIG, "validation_enabled", False)
    assert checks(run(BAD, SCHEMA, store))[0]["passed"] is False


def test_the_table_goes_on_as_it_was(store: ArtifactStore) -> None:
    pipeline = Pipeline("loans")
    seen: list[Any] = []

    @pipeline.step(check=pa.DataFrameSchema({"income": pa.Column(float)}, coerce=True))
    def load() -> Any:
        return GOOD

    @pipeline.step
    def after(load: Any) -> None:
        seen.append(load)

    run_pipeline(pipeline, {}, artifacts=store)
    assert seen[0] is GOOD


def test_without_a_check_the_fact_is_missing(store: ArtifactStore) -> None:
    assert fact(run(GOOD, None, store)) is None


@pytest.mark.parametrize("check", [7, "schema", dict, {"train": 7}, pd.DataFrame])
def test_what_is_no_schema_is_refused_where_it_is_declared(check: Any) -> None:
    with pytest.raises(MalformedInput, match="schema of pandera"):
        Pipeline("loans").step(check=check)(lambda: None)


def test_a_schema_that_is_wrong_in_itself_is_refused_where_it_is_declared() -> None:
    class Broken(pa.DataFrameModel):
        income: "NoSuchType"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(MalformedInput, match="Broken of the step load is wrong in itself"):

        @Pipeline("loans").step(check=Broken)
        def load() -> None: ...


def test_a_recording_checks_what_it_is_given(kept: Kept) -> None:
    with Recording("loans", {}, lambda: kept) as recorded:
        assert recorded.data("good", GOOD, check=SCHEMA) is GOOD
        with pytest.raises(ChecksFailed, match="the data of bad"):
            recorded.data("bad", BAD, check=SCHEMA)
    steps = cast(list[JsonObject], kept.results[0].predicate["steps"])
    assert [(step["name"], step["status"]) for step in steps] == [
        ("record", "succeeded"),
        ("good", "succeeded"),
        ("bad", "failed"),
    ]
    assert kept.results[0].predicate["failure"] == {"step": "bad", "error": "ChecksFailed"}
    assert fact(kept.results[0]) is False


def test_data_that_was_mended_may_be_checked_again_under_its_name(kept: Kept) -> None:
    with Recording("loans", {}, lambda: kept) as recorded:
        with pytest.raises(ChecksFailed):
            recorded.data("loans", BAD, check=SCHEMA)
        recorded.data("loans", GOOD, check=SCHEMA)
    assert kept.results[0].predicate["status"] == "succeeded"
    assert fact(kept.results[0]) is True


def test_a_failed_check_ends_the_command_with_status_1(tmp_path: Path) -> None:
    here: Folder = empty_folder(tmp_path)
    (here.path / "checked.py").write_text(
        "import pandas as pd\nimport pandera.pandas as pa\nfrom affidavit import Pipeline\n"
        'checked = Pipeline("checked")\n'
        '@checked.step(check=pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))}))\n'
        'def load():\n    return pd.DataFrame({"a": [-1, 1]})\n'
    )
    assert here("init", "--origin", "bank.example/checks").exit_code == 0
    ended = here("run", "checked.py")
    assert ended.exit_code == 1
    assert (
        "fails what its schema says: a greater_than_or_equal_to(0) (fewer than 10 cases); recorded as a failed run"
        in (ended.stderr)
    )


CLIPPED = pa.Parser(lambda column: column.clip(lower=0))


@pytest.mark.parametrize(
    "schema",
    [
        pa.DataFrameSchema({"income": pa.Column(float, pa.Check.ge(0))}, drop_invalid_rows=True),
        pa.DataFrameSchema({"income": pa.Column(float, pa.Check.ge(0), parsers=CLIPPED)}),
        pa.DataFrameSchema({"income": pa.Column(str, coerce=True)}),
        pa.DataFrameSchema({"age": pa.Column(int, default=0)}, add_missing_columns=True),
        pa.DataFrameSchema({"income": pa.Column(float)}, strict="filter"),
    ],
    ids=["drops rows", "parses", "coerces", "adds a column", "drops columns"],
)
def test_a_schema_that_changes_the_table_has_not_checked_what_goes_on(
    schema: Any, store: ArtifactStore
) -> None:
    result = run(BAD, schema, store)
    [said] = checks(result)
    assert (result.predicate["status"], said["passed"]) == ("failed", None)
    assert "its schema changes the table" in str(said["note"])
    assert fact(result) is not True


NUMBERS = pd.DataFrame({"a": [1, 2]})
OBJECTS = pd.DataFrame({"a": ["x", None]}, dtype=object)
NO_NONE = pa.Parser(lambda column: column.where(column.notna(), float("nan")))
FLOATS = pa.Parser(lambda column: column.map(float).astype(object))
POLARS = pp.DataFrameSchema({"a": pp.Column(pl.Float64, coerce=True)})


@pytest.mark.parametrize(
    ("table", "schema"),
    [
        (pl.DataFrame({"a": [1, 2]}), POLARS),
        (pl.LazyFrame({"a": [1, 2]}), POLARS),
        (OBJECTS, pa.DataFrameSchema({"a": pa.Column(object, nullable=True, parsers=NO_NONE)})),
        (NUMBERS, pa.DataFrameSchema({"a": pa.Column(int)}, index=pa.Index(float, coerce=True))),
        (
            NUMBERS.set_axis(pd.MultiIndex.from_tuples([(1, 1), (2, 2)])),
            pa.DataFrameSchema(
                index=pa.MultiIndex([pa.Index(int), pa.Index(float, coerce=True)], coerce=True)
            ),
        ),
        (NUMBERS.astype(object), pa.DataFrameSchema({"a": pa.Column(object, parsers=FLOATS)})),
    ],
    ids=["polars", "lazy", "None", "index", "level", "objects"],
)
def test_a_schema_that_changes_types_alone_changes_the_table(
    table: Any, schema: Any, store: ArtifactStore
) -> None:
    [said] = check_parts("load", table, {"": schema}, store)
    assert (said["passed"], said.get("note")) == (None, CHANGED)


def test_coercing_to_the_type_that_is_there_already_passes(store: ArtifactStore) -> None:
    result = run(GOOD, pa.DataFrameSchema({"income": pa.Column(float)}, coerce=True), store)
    assert checks(result)[0]["passed"] is True


@pytest.mark.parametrize(("rows", "told"), [(9, "fewer than 10"), (10, 10)])
def test_how_many_cases_a_check_found_is_told_from_ten_on(
    rows: int, told: object, store: ArtifactStore
) -> None:
    bad = pd.concat([GOOD.head(1).assign(income=-1.0)] * rows + [GOOD], ignore_index=True)
    [said] = checks(run(bad, SCHEMA, store))
    assert [failed["cases"] for failed in said["failed"]] == [told]
