"""A privacy rule is judged from the documents of the run, and what they do not tell never passes."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl
import pytest

from affidavit import Pipeline
from audit.canonical import Json, JsonObject, decode, encode
from registry.artifacts import ArtifactStore
from registry.finding import AbsentError, Finding
from registry.gate import Evidence, decide
from registry.kept_data import KeepData
from registry.policy import packaged
from registry.privacy import NO_DEMANDS, Demand, Privacy
from registry.privacy_rule import judge_privacy
from registry.rules import Misplaced, PrivacyRule
from registry.run import run_pipeline
from registry.tables_told import TableTold, tables_told
from tests.test_keying import KEY, PEOPLE, people, store

__all__ = ["store"]

ASKED = Privacy((Demand("p", "ab" * 32, "r", ("race",), "keyed", "missing"),))


KEYED_AND_FEW = (
    "fingerprints, values and source files are keyed and profiles tell the share of missing values"
)


def rule(**said: Any) -> PrivacyRule:
    return PrivacyRule(id="r", says="Says.", clauses=(), **said)


def recorded(
    store: ArtifactStore, privacy: Privacy = NO_DEMANDS, keep: KeepData = False, **options: tuple[str, ...]
) -> JsonObject:
    key = KEY if privacy.demands else None
    pipeline = people(**options)
    return run_pipeline(pipeline, {}, artifacts=store, key=key, privacy=privacy, keep_data=keep).predicate


def part(run: JsonObject) -> JsonObject:
    [found] = cast(list[JsonObject], cast(list[JsonObject], run["steps"])[0]["outputs"])
    return found


def judged(run: JsonObject, store: ArtifactStore, **said: Any) -> Finding:
    return judge_privacy(rule(**said), run, tables_told(run, store))


def test_a_run_that_was_recorded_under_the_rule_passes(store: ArtifactStore) -> None:
    found = judged(recorded(store, ASKED), store, columns=("race",), fingerprint="keyed", profile="missing")
    told = "fingerprints, values and source files are keyed and profiles tell the share of missing values at most"
    assert found == ("passed", f"race, race_b: {told} and no table with them was kept")


def test_a_column_that_was_fingerprinted_bare_fails(store: ArtifactStore) -> None:
    found = judged(recorded(store), store, columns=("race",), fingerprint="keyed")
    assert found.outcome == "failed"
    assert found.message.startswith("race, race_b in load (step load) was fingerprinted without a key")


def test_a_source_file_and_a_value_that_are_digested_bare_fail_where_all_columns_are_keyed(
    store: ArtifactStore,
) -> None:
    Path("people.csv").write_text("born\n1980-02-03\n")
    pipeline = people(protected=("race",))

    @pipeline.step
    def last(load: pd.DataFrame, path: str = "people.csv") -> str:
        return str(load["born"].iloc[-1])

    outcomes = {}
    for named_alone in (True, False):
        run = run_pipeline(pipeline, {}, artifacts=store, key=KEY, named_alone=named_alone).predicate
        outcomes[named_alone] = judged(run, store, fingerprint="keyed")
    assert outcomes[False].outcome == "passed"
    assert outcomes[True].outcome == "failed"
    assert outcomes[True].message.startswith(
        "the file people.csv (step last) was recorded by bare SHA-256; the value last (step last) was digested "
    )


def test_an_object_with_a_bare_etag_fails(store: ArtifactStore) -> None:
    run = recorded(store, ASKED)
    run["origins"] = [{"step": "load", "uri": "s3://bank/people.csv", "version": {"etag": '"5d41"'}}]
    found = judged(run, store, columns=("race",), fingerprint="keyed")
    assert found.outcome == "failed"
    assert "the object s3://bank/people.csv (step load) was recorded by bare etag" in found.message


def test_a_column_without_a_name_that_is_not_keyed_fails(store: ArtifactStore) -> None:
    pipeline = people(protected=("race",))

    @pipeline.step
    def array(load: pd.DataFrame) -> Any:
        return load[["race_b"]].to_numpy()

    run = run_pipeline(pipeline, {}, artifacts=store, key=KEY, named_alone=True).predicate
    found = judged(run, store, fingerprint="keyed")
    assert found.outcome == "failed"
    assert found.message.startswith("a column without a name in array (step array) was fingerprinted without")


def test_a_column_without_a_name_is_what_its_part_is_called(store: ArtifactStore) -> None:
    pipeline = Pipeline("people")

    @pipeline.step
    def load() -> dict[str, Any]:
        return {"race": np.repeat(["white", "black"], 40)}

    run = run_pipeline(pipeline, {}, artifacts=store).predicate
    bare = judged(run, store, columns=("race",), fingerprint="keyed")
    assert bare.outcome == "failed"
    assert bare.message.startswith("race in load.race (step load) was fingerprinted without a key")
    assert judged(run, store, columns=("race",), profile="missing").outcome == "failed"


def test_a_profile_that_tells_more_than_is_allowed_fails(store: ArtifactStore) -> None:
    run = run_pipeline(_many(), {}, artifacts=store).predicate
    found = judged(run, store, columns=("age",), profile="counts")
    assert found.outcome == "failed"
    assert "the profile of load (step load) tells all figures of age" in found.message
    assert judged(run, store, columns=("age",), profile="all").outcome == "passed"


def test_a_profile_that_tells_of_a_few_rows_fails_whatever_is_allowed(store: ArtifactStore) -> None:
    run = run_pipeline(_many(), {}, artifacts=store).predicate
    shown = cast(JsonObject, decode(store.get(str(part(run)["profile"]))))
    cast(list[JsonObject], shown["columns"])[0]["values"] = [["41", 2]]
    part(run)["profile"] = store.put(encode(shown))
    found = judged(run, store, columns=("age",), profile="all")
    assert found.outcome == "failed"
    assert "tells of fewer than 10 rows in age" in found.message


def test_few_rows_of_hidden_values_are_few_rows_too(store: ArtifactStore) -> None:
    run = run_pipeline(_many(), {}, artifacts=store).predicate
    shown = cast(JsonObject, decode(store.get(str(part(run)["profile"]))))
    cast(list[JsonObject], shown["columns"])[0].update(values=[["0", 95]], hidden=1, hidden_rows=5)
    part(run)["profile"] = store.put(encode(shown))
    assert "tells of fewer than 10 rows in age" in judged(run, store, columns=("age",), profile="all").message


@pytest.mark.parametrize("change", [{"name": "rage"}, {"type": "float"}])
def test_the_profile_of_another_table_is_missing(change: JsonObject, store: ArtifactStore) -> None:
    run = recorded(store, ASKED)
    shown = cast(JsonObject, decode(store.get(str(part(run)["profile"]))))
    cast(list[JsonObject], shown["columns"])[1].update(change)
    part(run)["profile"] = store.put(encode(shown))
    with pytest.raises(AbsentError, match="its profile is that of another table"):
        judged(run, store, columns=("race",), profile="missing")


@pytest.mark.parametrize("kept", ["nothing", None])
def test_a_protected_field_of_a_struct_is_a_protected_column(kept: Any, store: ArtifactStore) -> None:
    pipeline = Pipeline("people")

    @pipeline.step
    def load() -> pl.DataFrame:
        return pl.DataFrame({"race": [1, 2], "who": [[{"race": 1, "x": 2}], []]})

    privacy = ASKED if kept else NO_DEMANDS  # recorded before there was a rule, with bare fingerprints
    run = run_pipeline(pipeline, {}, artifacts=store, key=KEY, privacy=privacy, keep_data="all").predicate
    asked: dict[str, Any] = {"kept": kept} if kept else {"kept": "all", "fingerprint": "keyed"}
    found = judged(run, store, columns=("race",), **asked)
    assert found.outcome == "failed"
    assert ("was kept, with race, race" if kept else "race in load (step load) was finger") in found.message


def test_a_copy_that_was_kept_fails_also_when_it_is_gone(store: ArtifactStore) -> None:
    run = recorded(store, keep="all")
    store.path(str(cast(JsonObject, part(run)["kept"])["artifact"])).unlink()
    found = judged(run, store, columns=("race",), kept="nothing")
    assert found.outcome == "failed"
    assert found.message.startswith("a copy of load (step load) was kept, with race, race_b: ")


def test_the_index_of_a_copy_that_was_kept_before_the_rule_was_in_force_is_one_of_its_columns(
    store: ArtifactStore,
) -> None:
    pipeline = Pipeline("people")

    @pipeline.step
    def load() -> pd.DataFrame:
        return pd.DataFrame({"born": [1, 2]}, index=pd.Index(["078-05-1120", "219-09-9999"], name="SSN"))

    run = run_pipeline(pipeline, {}, artifacts=store, keep_data=True).predicate
    found = judged(run, store, columns=("born", "ssn"), kept="nothing")
    assert found.outcome == "failed"
    assert found.message.startswith("a copy of load (step load) was kept, with born, SSN: ")


def test_a_rule_that_does_not_speak_of_copies_fails_on_one_too_unless_it_allows_them(
    store: ArtifactStore,
) -> None:
    run = recorded(store, ASKED, keep="all")
    asked = {"columns": ("race",), "fingerprint": "keyed", "profile": "missing"}
    found = judged(run, store, **asked)
    assert found.message.startswith(
        "a copy of load (step load) was kept, with race, race_b: run it again under this"
    )
    assert "with no protected data kept" in found.message
    assert judged(run, store, **asked, kept="all") == (
        "passed",
        f"race, race_b: {KEYED_AND_FEW} at most",
    )


def test_a_run_that_keeps_its_data_under_a_rule_keeps_no_table_that_the_rule_is_about(
    store: ArtifactStore,
) -> None:
    run = recorded(store, ASKED, keep=True)  # the pipeline itself protects nothing
    assert judged(run, store, columns=("race",), fingerprint="keyed").outcome == "passed"


@pytest.mark.parametrize("name", ["Race", "RACE ", "race-black", "race.code", "race_b"])
def test_a_column_whose_name_is_written_otherwise_is_one_of_those_that_the_rule_names(name: str) -> None:
    table = TableTold("people", "load", ((name, False),))
    found = judge_privacy(rule(columns=("race",), fingerprint="keyed"), {}, [table])
    assert found.outcome == "failed"


def test_a_rule_does_not_pass_where_one_of_its_columns_is_in_no_table(store: ArtifactStore) -> None:
    with pytest.raises(AbsentError, match="no table of the run has a column called gender, which the rule"):
        judged(recorded(store, ASKED), store, columns=("race", "gender"), profile="missing")


def test_a_run_that_was_asked_to_keep_all_under_the_rule_passes(store: ArtifactStore) -> None:
    asked = Privacy((Demand("p", "ab" * 32, "r", ("race",), None, None, "nothing"),))
    run = recorded(store, asked, keep="all")
    assert judged(run, store, columns=("race",), kept="nothing") == (
        "passed",
        "race, race_b: no table with them was kept",
    )


def test_a_copy_of_a_table_that_came_out_of_two_steps_is_not_overlooked(store: ArtifactStore) -> None:
    run = recorded(store, keep="all")
    steps = cast(list[JsonObject], run["steps"])
    steps.insert(0, {**steps[0], "name": "first", "outputs": [{**part(run), "kept": None}]})
    assert judged(run, store, columns=("race",), kept="nothing").outcome == "failed"


def test_a_rule_without_columns_is_about_those_that_the_run_protected(store: ArtifactStore) -> None:
    assert judged(recorded(store, protected=("born",)), store, fingerprint="keyed").outcome == "failed"
    run = recorded(store, ASKED, protected=("born",))
    assert judged(run, store, fingerprint="keyed", profile="missing").message.startswith("born: ")


@pytest.mark.parametrize("gone", ["document", "profile"])
def test_a_document_that_is_gone_is_missing(gone: str, store: ArtifactStore) -> None:
    run = recorded(store, ASKED)
    store.path(str(part(run)[gone])).unlink()
    with pytest.raises(AbsentError, match="not all that the run recorded of its tables can be read"):
        judged(run, store, columns=("race",), fingerprint="keyed")


def test_a_document_of_another_fingerprint_is_missing(store: ArtifactStore) -> None:
    run, other = recorded(store, ASKED), recorded(store)
    part(other)["document"] = part(run)["document"]
    with pytest.raises(AbsentError, match="names the document of another, affidavit-table"):
        judged(other, store, columns=("race",), fingerprint="keyed")


@pytest.mark.parametrize(
    ("columns", "change", "reason"),
    [
        (("sex",), {}, "no table of the run has a column called sex"),
        (None, {}, "the run protected no column"),
        (None, {"privacy": None}, "the run does not say which columns it protected"),
        (("race",), {"steps": []}, "no table is recorded by fingerprint"),
        (("race",), {"steps": None}, "no table is recorded by fingerprint"),
    ],
)
def test_what_is_not_known_is_missing(
    columns: Any, change: JsonObject, reason: str, store: ArtifactStore
) -> None:
    with pytest.raises(AbsentError, match=reason):
        judged(recorded(store, ASKED) | change, store, columns=columns, fingerprint="keyed")


def test_a_gate_that_did_not_read_the_tables_passes_nothing(store: ArtifactStore) -> None:
    run = recorded(store, ASKED, protected=("race",))
    decision = decide([packaged("privacy")], Evidence("people", 1, "production", run, "key", (), ()))
    assert {result.outcome for result in decision.results} == {"missing"}
    told = Evidence("people", 1, "production", run, "key", (), (), tables_told(run, store))
    assert decide([packaged("privacy")], told).allowed


def test_a_rule_that_asks_nothing_is_refused() -> None:
    with pytest.raises(Misplaced, match="asks nothing"):
        rule(columns=("race",))
    with pytest.raises(Misplaced, match="asks nothing"):
        rule(columns=("race",), kept="all")


def test_a_table_that_was_changed_on_the_way_is_told_twice(store: ArtifactStore) -> None:
    pipeline = Pipeline("people")

    @pipeline.step
    def load() -> pd.DataFrame:
        return PEOPLE.copy()

    @pipeline.step
    def spoil(load: pd.DataFrame) -> int:
        load["late"] = 1
        return 1

    @pipeline.step
    def last(load: pd.DataFrame, spoil: int) -> int:
        return spoil

    told = tables_told(run_pipeline(pipeline, {}, artifacts=store).predicate, store)
    assert [table.columns[-1][0] for table in told] == ["born", "late"]


def _many() -> Pipeline:
    pipeline = Pipeline("people")

    @pipeline.step
    def load() -> pd.DataFrame:
        return pd.DataFrame({"age": list(range(20, 60)) * 2})

    return pipeline


# --- what a message says ------------------------------------------------------------------------------------


def failing(run: JsonObject, *tables: TableTold, **said: Any) -> str:
    found = judge_privacy(rule(columns=("race",), **said), run, tables)
    assert found.outcome == "failed"
    return found.message


def test_many_parts_without_a_key_are_told_in_one_short_sentence() -> None:
    steps = [f"a_step_with_a_long_name_{number}" for number in range(12)]
    tables = [TableTold(step, step, (("race", False), ("race_black", False))) for step in steps]
    files: list[Json] = [{"uri": f"{step}.csv", "sha256": "ab", "step": step} for step in steps]
    message = failing({"sources": files}, *tables, fingerprint="keyed")
    assert message.count("without a key") == message.count("bare SHA-256") == 1
    assert message.count("and 9 more") == 2
    assert len(message) < 800


def test_the_advice_speaks_of_copies_only_where_one_was_kept() -> None:
    bare = TableTold("people", "load", (("race", False),))
    kept = TableTold("people", "load", (("race", True),), kept=True)
    assert failing({}, bare, fingerprint="keyed").endswith("without a key: run it again under this policy")
    assert failing({}, kept, fingerprint="keyed").endswith("this policy, with no protected data kept")


def test_the_advice_names_the_columns_that_were_protected_too_late() -> None:
    bare = TableTold("people", "load", (("race", False),))
    run: JsonObject = {"privacy": {"protected": ["race"], "late": [{"column": "race", "part": "people"}]}}
    found = judge_privacy(rule(fingerprint="keyed"), run, [bare])
    assert found.message.endswith("under this policy, and name race in protected=[...] from the start")
