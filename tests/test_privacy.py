"""The policies that guard a ledger's stages decide what the record of a run gives away of people."""

from pathlib import Path
from typing import cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affidavit import Pipeline
from audit.canonical import JsonObject, decode, encode
from audit.errors import MalformedInput, NotFound
from registry.artifacts import ArtifactStore
from registry.fingerprint_key import FingerprintKey, create_key
from registry.policy import Policy, packaged, parse
from registry.privacy import NO_DEMANDS, Demand, Privacy
from registry.profile import LEVELS, Level, Profile, profile
from registry.recording import Recording
from registry.registry import Registry
from registry.rerun import Job
from registry.rerun import main as rerun
from registry.run import run_pipeline
from registry.run_predicate import artifacts_named, fit_in_record
from tests.small_registry import new_registry
from tests.test_keying import KEY, keyed, people, store
from tests.test_recording import Kept

__all__ = ["store"]

LEVEL = st.sampled_from(LEVELS)
PEOPLE = pd.DataFrame({"race": ["a", "b", "c"] * 20, "income": [n + 0.5 for n in range(60)]})


RULE: JsonObject = {
    "policy": "p", "sha256": "ab" * 32, "rule": "r", "columns": None, "fingerprint": None, "profile": None,
}  # fmt: skip


def demanding(
    columns: tuple[str, ...] | None = ("race",), fingerprint: str | None = "keyed", told: Level | None = None
) -> Privacy:
    return Privacy((Demand("people", "ab" * 32, "rule", columns, fingerprint, told),))


def a_policy(name: str, fields: str) -> Policy:
    rule = f"{{id: r, says: R., clauses: [], kind: privacy, {fields}}}"
    return parse(f"name: {name}\nversion: 1\ntitle: T\nrules:\n  - {rule}\n".encode(), name)


def profiled(privacy: Privacy, store: ArtifactStore, **options: tuple[str, ...]) -> Profile:
    pipeline = Pipeline("people", **options)  # type: ignore[arg-type]

    @pipeline.step
    def load() -> pd.DataFrame:
        return PEOPLE

    run = run_pipeline(pipeline, {}, artifacts=store, privacy=privacy).predicate
    [part] = cast(list[JsonObject], cast(list[JsonObject], run["steps"])[0]["outputs"])
    return Profile.from_json(decode(store.get(str(part["profile"]))))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.chdir(tmp_path)
    return new_registry(tmp_path)


# --- fingerprints --------------------------------------------------------------------------------------------


def test_a_column_that_a_policy_names_is_keyed_though_the_code_names_none(store: ArtifactStore) -> None:
    run = run_pipeline(people(), {}, artifacts=store, key=KEY, privacy=demanding()).predicate
    assert keyed(run, store) == ["race", "race_b"]


def test_a_recording_keys_what_a_policy_names(store: ArtifactStore) -> None:
    kept = Kept(store, key=KEY, privacy=demanding())
    with Recording("people", {}, lambda: kept) as run:
        run.data("people", PEOPLE)
    assert keyed(kept.results[0].predicate, store) == ["race"]


def test_the_sensitive_table_of_a_recording_is_keyed(store: ArtifactStore) -> None:
    kept = Kept(store, key=KEY)
    with Recording("people", {}, lambda: kept) as run:
        run.evaluate([0, 1] * 30, [1, 0] * 30, sensitive=PEOPLE[["race"]], replicates=100)
    steps = cast(list[JsonObject], kept.results[0].predicate["steps"])
    marks = {
        str(part["name"]): str(part["fingerprint"]) for part in cast(list[JsonObject], steps[-1]["outputs"])
    }
    assert marks["evaluation.sensitive"].startswith("affidavit-table-keyed-v1:")


@pytest.mark.parametrize(("columns", "said"), [(("race",), "the column 'race'"), (None, "protected columns")])
def test_without_the_key_no_run_is_recorded_where_a_policy_asks_for_it(
    columns: tuple[str, ...] | None, said: str
) -> None:
    with pytest.raises(
        NotFound, match=f"the policy people .rule rule. asks for keyed fingerprints of {said}"
    ):
        demanding(columns).check_key(at_hand=False)


def test_with_the_key_and_where_nothing_is_to_be_keyed_a_run_is_recorded() -> None:
    assert demanding().check_key(at_hand=True) == demanding()
    assert demanding(fingerprint=None, told="counts").check_key(at_hand=False)


# --- profiles ------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from([("race",), ("income",), None]), LEVEL)), LEVEL)
def test_one_more_rule_never_has_more_told(
    given: list[tuple[tuple[str, ...] | None, Level]], level: Level
) -> None:
    demands = tuple(Demand("p", "", "r", columns, None, told) for columns, told in given)
    more = (*demands, Demand("p", "", "r", ("race",), None, level))
    before, after = (Privacy(each).ceiling("race", ["race"]) for each in (demands, more))
    assert LEVELS.index(after) == min(LEVELS.index(before), LEVELS.index(level))


@pytest.mark.parametrize("column", ["race", "income"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_limited_column_tells_what_the_level_says_and_no_more(column: str, level: Level) -> None:
    whole = profile(PEOPLE).column(column)
    assert whole is not None
    assert whole.told == "all"
    limited = profile(PEOPLE).limited(lambda name: level).column(column)
    assert limited is not None
    assert limited.told == level
    shown = {name for name, value in limited.to_json().items() if value not in (None, [])}
    assert (
        shown
        <= {
            "nothing": {"name", "type", "withheld"},
            "missing": {"name", "type", "withheld", "missing_share"},
            "counts": {
                "name",
                "type",
                "missing",
                "missing_share",
                "distinct",
                "exact",
                "values",
                "hidden",
                "hidden_rows",
            },
            "all": set(whole.to_json()),
        }[level]
    )


@pytest.mark.parametrize("level", LEVELS)
def test_a_run_profiles_no_more_than_a_policy_allows(level: Level, store: ArtifactStore) -> None:
    found = profiled(demanding(("race",), None, level), store)
    assert {each.name: each.told for each in found.columns} == {"race": level, "income": "all"}


def test_what_code_lets_be_profiled_is_still_held_to_the_policy(store: ArtifactStore) -> None:
    found = profiled(demanding(None, None, "nothing"), store, protected=("race",), profiled=("race",))
    assert {each.name: each.told for each in found.columns} == {"race": "nothing", "income": "all"}


def test_what_code_protects_is_not_told_because_a_policy_would_allow_it(store: ArtifactStore) -> None:
    race = profiled(demanding(("race",), None, "counts"), store, protected=("race",)).column("race")
    assert race is not None
    assert race.told == "missing"


# --- what is recorded ----------------------------------------------------------------------------------------


def test_a_run_says_what_was_in_force_and_what_it_protected(store: ArtifactStore) -> None:
    privacy = demanding(None, "keyed", "missing")
    run = run_pipeline(people(protected=("race", "born")), {}, artifacts=store, key=KEY, privacy=privacy)
    assert run.predicate["privacy"] == {**privacy.to_json(["race", "born"]), "key": KEY.id}
    assert Privacy.from_json(run.predicate["privacy"]) == privacy


def test_what_is_not_to_be_kept_is_said_with_the_run_and_read_again(store: ArtifactStore) -> None:
    privacy = Privacy((Demand("people", "ab" * 32, "rule", None, None, None, "nothing"),))
    run = run_pipeline(people(protected=("race",)), {}, artifacts=store, privacy=privacy).predicate
    assert Privacy.from_json(run["privacy"]) == privacy


def test_a_rule_that_was_recorded_before_copies_could_be_ruled_out_is_read(store: ArtifactStore) -> None:
    value = demanding().to_json([])
    [rule] = cast(list[JsonObject], value["rules"])
    del rule["kept"]
    assert Privacy.from_json(value) == demanding()


def test_a_run_of_an_earlier_version_says_that_nothing_was_in_force() -> None:
    assert Privacy.from_json(None) == NO_DEMANDS


@pytest.mark.parametrize(
    "value",
    [{}, [], {"rules": [{}]}, {"rules": [{**RULE, "kept": "some"}]}, {"rules": [1], "protected": []}, "x"],
)
def test_what_cannot_be_read_is_refused(value: object) -> None:
    with pytest.raises(MalformedInput, match="privacy rules in force cannot be read"):
        Privacy.from_json(value)  # type: ignore[arg-type]


def test_a_run_that_protects_very_many_columns_still_fits_in_a_record(store: ArtifactStore) -> None:
    run = run_pipeline(people(), {}, artifacts=store).predicate
    run["privacy"] = NO_DEMANDS.to_json(f"column {number:06}" for number in range(5_000))
    fitting = fit_in_record(run, (), store)
    assert cast(JsonObject, cast(JsonObject, fitting["privacy"])["protected"])["count"] == 5_000


# --- the ledger ----------------------------------------------------------------------------------------------


def test_a_new_ledger_asks_nothing(registry: Registry) -> None:
    assert registry.on_record() == (None, NO_DEMANDS)


def test_the_policies_of_every_stage_are_in_force_together(registry: Registry) -> None:
    create_key(registry.home.keys.folder / "fingerprint.key")
    registry.adopt("staging", (a_policy("one", "columns: [race], fingerprint: keyed"),))
    registry.adopt(
        "production", (packaged("privacy"), a_policy("two", "columns: [born], fingerprint: keyed"))
    )
    key, privacy = registry.on_record()
    assert isinstance(key, FingerprintKey)
    assert set(privacy.keyed) == {"race", "born"}
    assert [demand.policy for demand in privacy.demands] == ["privacy"] * 3 + ["two", "one"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_ledger_whose_runs_were_recorded_under_such_a_policy_verifies(
    registry: Registry, level: Level
) -> None:
    policy = a_policy("one", f"columns: [race], profile: {level}, kept: nothing")
    registry.keep((policy,))
    registry.adopt("production", (policy,))
    pipeline = Pipeline("people")

    @pipeline.step
    def load() -> pd.DataFrame:
        return PEOPLE

    _, privacy = registry.on_record()
    recorded = registry.record_run(
        run_pipeline(pipeline, {}, artifacts=registry.artifacts, privacy=privacy, keep_data=True)
    )
    assert level in encode(cast(JsonObject, recorded.entry.statement.predicate["privacy"])).decode()
    step = registry.ledger.verify().steps[6]
    assert (step.name, step.status) == ("artifacts", "passed"), step.detail
    registry.artifacts.path(policy.sha256).unlink()
    assert registry.ledger.verify().steps[6].status == "failed"


def test_what_was_moved_out_of_a_record_for_its_size_is_named(store: ArtifactStore) -> None:
    run = run_pipeline(people(), {}, artifacts=store).predicate
    run["privacy"] = NO_DEMANDS.to_json(f"column {number:06}" for number in range(5_000))
    moved = cast(JsonObject, cast(JsonObject, fit_in_record(run, (), store)["privacy"])["protected"])
    assert moved["artifact"] in set(artifacts_named(run, store))


def test_a_policy_can_have_nothing_kept(registry: Registry) -> None:
    registry.adopt("production", (a_policy("one", "columns: [race], kept: nothing"),))
    _, privacy = registry.on_record()
    assert privacy.why_not_kept(["race_black", "income"], ()) is not None
    assert privacy.why_not_kept(["income"], ()) is None


def test_a_policy_that_no_longer_guards_a_stage_asks_nothing(registry: Registry) -> None:
    registry.adopt("production", (a_policy("one", "columns: [race], fingerprint: keyed"),))
    with pytest.raises(NotFound, match="the policy one "):
        registry.on_record()
    registry.adopt("production", (packaged("baseline"),))
    assert registry.on_record() == (None, NO_DEMANDS)


def test_a_policy_whose_text_is_gone_is_no_policy_that_asks_nothing(registry: Registry) -> None:
    policy = a_policy("one", "columns: [race], fingerprint: keyed")
    registry.adopt("production", (policy,))
    registry.artifacts.path(policy.sha256).unlink()
    with pytest.raises(NotFound, match="the policy one guards a stage and may say what is to be keyed"):
        registry.on_record()


def test_the_text_of_a_policy_that_comes_with_affidavit_is_always_at_hand(registry: Registry) -> None:
    registry.artifacts.path(packaged("baseline").sha256).unlink()
    assert registry.on_record() == (None, NO_DEMANDS)
    assert registry.artifacts.get(packaged("baseline").sha256) == packaged("baseline").text


def test_a_rerun_goes_by_what_was_in_force_then(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "people.py").write_text(
        "import pandas as pd\nfrom affidavit import Pipeline\npeople = Pipeline('people')\n"
        "@people.step\ndef load():\n    return pd.DataFrame({'id': [1, 2], 'race': ['a', 'b']})\n"
    )
    result = tmp_path / "run.json"
    job = Job("people.py", {}, tmp_path / "again", result, {}, KEY, demanding().to_json([]), None)
    assert rerun(Job.read(encode(job.to_json()))) == 0
    again = cast(JsonObject, decode(result.read_bytes()))
    assert keyed(again, ArtifactStore(tmp_path / "again")) == ["race"]
