"""What is seen when a step runs again on a sample with one column changed, against truth written by hand."""

import functools
import itertools
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from registry.flows import Link
from registry.observe import MOST_SECONDS, Seen, observe, take_sample
from registry.pipeline import Pipeline
from registry.sampling import ROWS
from tests.lineage_truth import score


def loans(rows: int = 240) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "income": generator.uniform(20, 90, rows),
            "debt": generator.uniform(0, 60, rows),
            "race": generator.choice(["black", "white"], rows),
            "region": generator.choice(["north", "south", "west"], rows),
            "approve": generator.integers(0, 2, rows),
            "same": 1,
        }
    )


def seen(function: Callable[..., Any], table: Any = None, **options: Any) -> dict[str, Seen]:
    """Observe one step that takes the table of a step called `loans`."""
    pipeline = Pipeline("made")
    given = loans() if table is None else table
    pipeline.step(loans)
    pipeline.step(function)
    planned = pipeline.plan({})[-1]
    return observe(take_sample(planned, {"loans": given}), **options)


def pairs(found: Seen, *, rows: bool = True) -> set[tuple[str, str]]:
    return {
        (link.column or "rows", link.source)
        for link in found.links
        if link.source != "*" and (rows or link.column)
    }


def under_a_name(table: pd.DataFrame, name: Any) -> pd.DataFrame:
    table.columns.name = name
    return table


def with_attrs(table: pd.DataFrame) -> pd.DataFrame:
    table.attrs["race"] = table["race"].tolist()
    return table


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"table": loans(20), "list": [1, 2]}, ("loans.list",)),
        ({"table": loans(20), "dict": {1: "black"}, "none": None}, ("loans.dict",)),
        ({"table": loans(20).set_index("race")}, ("loans.table (its index)",)),
        ({"table": loans(20).set_axis([0, 1] * 10)}, ("loans.table (its index)",)),
        ({"table": with_attrs(loans(20))}, ("loans.table (its attrs)",)),
        ({"table": loans(20)}, ()),
        ({"table": under_a_name(loans(20), "0.37")}, ("loans.table (the name of its columns)",)),
        ({"table": under_a_name(loans(20), 0.37)}, ("loans.table (the name of its columns)",)),
        ({"table": under_a_name(loans(20), "race")}, ()),
    ],
)
def test_an_input_that_is_not_changed_is_named_among_those_of_which_nothing_is_told(
    given: dict[str, Any], names: tuple[str, ...]
) -> None:
    def cleaned(loans: dict[str, Any]) -> pd.DataFrame:
        table: pd.DataFrame = loans["table"].drop(columns="same")
        return table

    told = seen(cleaned, given)["cleaned"].untold
    assert tuple(name for name in told if not name.endswith(".same")) == names


USUAL = pd.DataFrame({"race": ["black", "white"], "usual": [1.0, 2.0]})
LEAST = 3.0
SHORT = {"black": "b", "white": "w"}
SET = 0.0


def set_it(value: float) -> None:
    global SET
    SET = value


class Usual:
    of: ClassVar[dict[str, float]] = dict(zip(USUAL.race, USUAL.usual, strict=True))


@functools.lru_cache
def cached(times: int) -> float:
    return float(USUAL.usual.sum()) * times


def usual_of(table: pd.DataFrame) -> float:
    return float(USUAL.usual.sum()) * LEAST * len(table)


def test_what_a_step_takes_from_its_module_is_named_among_that_of_which_nothing_is_told() -> None:
    held = [0.5]

    def directly(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.assign(debt=loans.debt * USUAL.usual.iloc[0])

    def by_a_function(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.assign(debt=loans.debt * usual_of(loans))

    def by_a_closure(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.assign(debt=[each * held[0] for each in loans.debt])

    def by_a_number_that_is_set(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.assign(debt=loans.debt * SET)

    def by_a_class(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.assign(debt=loans.debt * Usual.of["black"])

    def by_a_cached_function(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.assign(debt=loans.debt * cached(3))

    def not_at_all(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.assign(debt=np.sqrt(loans.debt) * LEAST, race=loans.race.map(SHORT))

    ways = (
        directly, by_a_function, by_a_closure, by_a_number_that_is_set, by_a_class, by_a_cached_function, not_at_all,
    )  # fmt: skip
    assert [untold for way in ways for untold in [set(seen(way)[way.__name__].untold) - {"loans.same"}]] == [
        {"USUAL outside of the step"}, {"USUAL outside of the step"}, {"held outside of the step"},
        {"SET outside of the step"}, {"Usual outside of the step"},
            {"USUAL outside of the step", "the cache of cached outside of the step"}, set(),
    ]  # fmt: skip


class Held:
    """An object whose method is a step."""

    times = 2.0

    def multiplied(self, loans: pd.DataFrame) -> pd.DataFrame:
        """Multiply by what the object holds."""
        return loans.assign(debt=loans.debt * self.times)


def test_a_step_that_is_no_plain_function_may_hold_anything() -> None:
    assert "its method outside of the step" in seen(Held().multiplied)["multiplied"].untold


def test_a_file_that_a_step_reads_is_named_among_that_of_which_nothing_is_told(tmp_path: Path) -> None:
    file = tmp_path / "usual.csv"
    USUAL.to_csv(file, index=False)

    def joined(loans: pd.DataFrame, source: str = str(file)) -> pd.DataFrame:
        return loans.merge(pd.read_csv(source), on="race")

    found = seen(joined)["joined"]
    assert "the file usual.csv" in found.untold
    assert "observed with regard to the file usual.csv: it is read by the step itself" in found.notes[-1]


def test_a_hand_written_pandas_function_is_seen_as_it_is() -> None:
    def cleaned(loans: pd.DataFrame) -> pd.DataFrame:
        kept = loans[loans.region != "west"]
        kept = kept.assign(
            ratio=kept.debt / kept.income,
            centred=kept.income - kept.income.mean(),
            relative=kept.debt / kept.groupby("region").income.transform("mean"),
            flag=np.where(kept.race == "black", 1, 0),
        )
        return kept.drop(columns=["race", "same"]).sort_values("debt")

    found = seen(cleaned)["cleaned"]
    truth = {
        ("income", "income"), ("debt", "debt"), ("region", "region"), ("approve", "approve"), ("ratio", "debt"),
        ("ratio", "income"), ("centred", "income"), ("centred", "region"), ("relative", "debt"),
        ("relative", "income"), ("relative", "region"), ("flag", "race"), ("rows", "region"), ("rows", "debt"),
    }  # fmt: skip
    result = score("a hand-written pandas function, observed", pairs(found), truth)
    assert result.precision == 1.0
    assert result.recall == 1.0


def test_what_the_sample_does_not_show_is_missed_and_nothing_is_made_up() -> None:
    def cleaned(loans: pd.DataFrame) -> pd.DataFrame:
        rare = np.where(loans.income > 1_000, loans.race == "black", False)  # no income is that high
        return loans[["income"]].assign(rare=rare, owes=(loans.debt > -1).astype(int))

    truth = {("income", "income"), ("rare", "income"), ("rare", "race"), ("owes", "debt")}
    result = score("branches that no row takes, observed", pairs(seen(cleaned)["cleaned"]), truth)
    assert result.precision == 1.0
    assert result.recall == 0.25


@pytest.mark.parametrize("hold", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "Arrow"])
def test_tables_of_other_libraries_are_looked_at_as_well(hold: Callable[[pd.DataFrame], Any]) -> None:
    def ratios(loans: Any) -> Any:
        frame = pl.DataFrame(loans)
        return frame.select("race", ratio=pl.col("debt") / pl.col("income"))

    assert pairs(seen(ratios, hold(loans()))["ratios"]) == {
        ("race", "race"), ("ratio", "debt"), ("ratio", "income"),
    }  # fmt: skip


def test_an_array_is_looked_at_by_the_places_of_its_columns() -> None:
    def doubled(loans: Any) -> Any:
        return loans[:, [1]] * 2

    assert pairs(seen(doubled, loans()[["income", "debt"]].to_numpy())["doubled"]) == {("0", "1")}


def test_rows_that_are_counted_anew_are_seen_to_move_and_not_to_change() -> None:
    def sorted_(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.sort_values("debt").reset_index(drop=True)[["debt", "income", "race"]]

    found = seen(sorted_)["sorted_"]
    assert ("rows", "debt") in pairs(found)
    assert pairs(found, rows=False) == {("debt", "debt"), ("income", "income"), ("race", "race")}


def test_a_filter_moves_rows_alone() -> None:
    def kept(loans: pd.DataFrame) -> pd.DataFrame:
        return loans.loc[loans.race == "white", ["income"]]

    assert pairs(seen(kept)["kept"]) == {("income", "income"), ("rows", "race")}


def test_a_split_by_groups_depends_on_them() -> None:
    def split(loans: pd.DataFrame) -> dict[str, pd.DataFrame]:
        train, test = train_test_split(loans[["income", "race"]], random_state=7, stratify=loans.race)
        return {"train": train, "test": test}

    found = seen(split)
    assert set(found) == {"split.train", "split.test"}
    assert pairs(found["split.train"]) == {("income", "income"), ("race", "race"), ("rows", "race")}


def test_a_model_moves_with_its_target_and_its_weights() -> None:
    def model(loans: pd.DataFrame) -> LogisticRegression:
        weights = np.where(loans.race == "black", 2.0, 1.0)
        return LogisticRegression().fit(loans[["income"]], loans.approve, sample_weight=weights)

    found = seen(model, known={("loans", "income")})["model"]
    assert pairs(found) == {("rows", "approve"), ("rows", "race")}


def test_a_step_that_draws_at_random_is_not_told() -> None:
    def noisy(loans: pd.DataFrame) -> pd.DataFrame:
        return loans + pd.DataFrame({"income": np.random.default_rng().normal(size=len(loans))})

    assert seen(noisy)["*"].failure == "two calls on the same rows gave different results"


def test_a_step_that_does_not_bear_a_sample_is_not_told() -> None:
    def strict(loans: pd.DataFrame) -> pd.DataFrame:
        if len(loans) < 1000:
            raise ValueError("too few")
        return loans

    found = seen(strict, loans(2000))
    assert found == {"*": Seen(failure="it raised ValueError on a sample of its input")}


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: Path("out.csv").write_text("x"), "it writes the file out.csv and was kept from it"),
        (lambda: sys.exit(3), "it raised SystemExit"),
        (lambda: sqlite3.connect("gone/base.db"), "it opens an SQLite database and was kept from it"),
    ],
    ids=["writes", "exits", "asks a database"],
)
def test_a_step_that_does_more_than_compute_is_not_told(
    act: Callable[[], object], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def acting(loans: pd.DataFrame) -> pd.DataFrame:
        act()
        return loans

    assert seen(acting) == {"*": Seen(failure=f"{says} on a sample of its input")}
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_never_returns_from_a_sample_is_not_told() -> None:
    def waiting(loans: pd.DataFrame) -> pd.DataFrame:
        while True:
            time.sleep(0.01)

    [found] = seen(waiting, most=0.02).values()
    assert found.failure is not None
    assert found.failure.startswith("it did not come back within 0.02 seconds of the processor")


def test_a_step_that_never_returns_from_one_change_leaves_that_column_and_the_rest_untold() -> None:
    first = tuple(loans().debt.tolist())

    def picky(loans: pd.DataFrame) -> pd.DataFrame:
        while tuple(loans.debt.tolist()) != first:
            time.sleep(0.01)
        return loans[["income"]]

    found = seen(picky, most=0.4)["picky"]
    untold = ("loans.debt", "loans.race", "loans.region", "loans.approve", "loans.same")
    assert found.untold == (*untold, "first outside of the step")
    assert pairs(found) == {("income", "income")}
    assert found.notes[1] == (
        "not observed with regard to loans.race, loans.region, loans.approve, loans.same: the time was up"
    )


def test_why_nothing_can_be_said_of_a_column_is_noted() -> None:
    assert seen(lessened)["lessened"].notes == (
        "not observed with regard to loans.same: it is the same in every row of the sample",
    )


def lessened(loans: pd.DataFrame) -> pd.DataFrame:
    return loans[["debt"]]


def test_columns_that_a_sample_does_not_have_are_not_said_to_be_seen() -> None:
    def dummies(loans: pd.DataFrame) -> pd.DataFrame:
        return pd.get_dummies(loans.region)

    rare = loans(5000).assign(region=["rare"] + ["north", "south"] * 2499 + ["north"])
    assert seen(dummies, rare)["dummies"].columns == ("north", "south")


def test_a_column_that_does_not_vary_or_that_may_not_change_is_untold() -> None:
    first = float(loans().income.iloc[0])

    def checked(loans: pd.DataFrame) -> pd.DataFrame:
        if loans.income.iloc[0] != first:
            raise ValueError("changed")
        return loans[["debt"]]

    assert seen(checked)["checked"].untold == ("loans.income", "loans.same", "first outside of the step")


def test_when_the_time_is_up_the_rest_is_untold() -> None:
    def kept(loans: pd.DataFrame) -> pd.DataFrame:
        return loans

    ticks = itertools.chain([0.0, 0.0, 0.0], itertools.repeat(MOST_SECONDS))
    found = seen(kept, stopwatch=lambda: next(ticks))["kept"]
    assert pairs(found) == {("income", "income"), ("debt", "debt")}
    assert found.untold == ("loans.race", "loans.region", "loans.approve", "loans.same")


def test_a_sample_is_small_and_what_belongs_together_stays_together() -> None:
    pipeline = Pipeline("made")

    @pipeline.step
    def parts() -> dict[str, Any]:
        return {}

    @pipeline.step
    def sizes(parts: dict[str, Any]) -> pd.DataFrame:
        assert len(parts["x"]) <= ROWS
        assert (parts["x"].index == parts["y"].index).all()
        return pd.DataFrame(parts["x"])

    table = loans(5000)
    found = observe(
        take_sample(pipeline.plan({})[-1], {"parts": {"x": table[["income"]], "y": table.approve}})
    )
    assert Link("income", "parts.x", "income", "observed", "DEPENDENCE") in found["sizes"].links


def test_looking_leaves_inputs_generators_and_the_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def loud(loans: pd.DataFrame) -> pd.DataFrame:
        print("looking")
        random.random()
        np.random.rand()
        loans["income"] = 0
        return loans[["debt"]]

    table = loans()
    random.seed(1)
    np.random.seed(1)
    expected = random.Random(1).random(), np.random.RandomState(1).rand()
    assert pairs(seen(loud, table)["loud"]) == {("debt", "debt")}
    assert (random.random(), np.random.rand()) == expected
    assert table.equals(loans())
    assert capsys.readouterr().out == ""


def test_what_a_step_makes_of_a_plan_is_seen() -> None:
    def made(loans: Any) -> Any:
        return loans.collect().select(twice=pl.col("income") * 2)

    assert pairs(seen(made, pl.from_pandas(loans()).lazy())["made"]) == {("twice", "income")}
