"""Tests of `registry.fairness` and `registry.bootstrap`: fairlearn's figures, honest intervals, no false comfort."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from registry.bootstrap import MOST_GROUPS_COMPARED, difference_interval, ratio_interval, wilson
from registry.evaluation_settings import Settings
from registry.fairness import bias

Flags = npt.NDArray[np.bool_]


@pytest.fixture
def people() -> tuple[Flags, Flags, pd.DataFrame]:
    rng = np.random.default_rng(11)
    table = pd.DataFrame(
        {
            "race": rng.choice(["black", "hispanic", "white"], 1500, p=[0.25, 0.2, 0.55]),
            "sex": rng.choice(["female", "male"], 1500),
        }
    )
    truth = rng.random(1500) < np.where(table["race"] == "white", 0.75, 0.6)
    return truth, rng.random(1500) < np.where(truth, 0.8, 0.35), table


def measured(truth: Any, predicted: Any, table: pd.DataFrame, **settings: Any) -> dict[str, Any]:
    """Give the bias of every attribute by its name."""
    result: list[Any] = bias(
        np.asarray(truth, bool), np.asarray(predicted, bool), table, Settings(**settings)
    )
    return {item["attribute"]: item for item in result}


def counted(**groups: tuple[int, int, int, int]) -> tuple[Flags, Flags, pd.DataFrame]:
    """Make rows of one column `group` from counts (tp, fp, fn, tn)."""
    rows = [
        (name, truth, predicted)
        for name, counts in groups.items()
        for (truth, predicted), count in zip(
            [(True, True), (False, True), (True, False), (False, False)], counts, strict=True
        )
        for _ in range(count)
    ]
    names, truth, predicted = zip(*rows, strict=True)
    return np.array(truth), np.array(predicted), pd.DataFrame({"group": names})


def disparity(item: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(figure for figure in item["disparities"] if figure["name"] == name)
    return found


def test_the_rates_of_every_group_are_those_of_a_metric_frame(people: Any) -> None:
    truth, predicted, table = people
    functions = {
        "selection_rate": selection_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "accuracy": accuracy_score,
    }
    frame = MetricFrame(metrics=functions, y_true=truth, y_pred=predicted, sensitive_features=table)
    groups = measured(truth, predicted, table)["race x sex"]["groups"]
    assert len(groups) == len(frame.by_group) == 6
    for group in groups:
        expected = frame.by_group.loc[(group["group"]["race"], group["group"]["sex"])]
        found = {figure["name"]: float(figure["value"]) for figure in group["metrics"]}
        assert found == pytest.approx(expected.to_dict(), rel=1e-11)


@pytest.mark.parametrize(
    "function", [demographic_parity_difference, demographic_parity_ratio, equalized_odds_difference]
)
@pytest.mark.parametrize("columns", [["race"], ["sex"], ["race", "sex"]])
def test_a_disparity_is_what_fairlearn_says_of_the_rows(
    people: Any, function: Any, columns: list[str]
) -> None:
    truth, predicted, table = people
    item = measured(truth, predicted, table)[" x ".join(columns)]
    expected = function(truth, predicted, sensitive_features=table[columns])
    assert float(disparity(item, function.__name__)["value"]) == pytest.approx(expected, rel=1e-11)


def test_a_disparity_names_the_two_groups_furthest_apart() -> None:
    rows = counted(a=(30, 10, 30, 30), b=(60, 20, 10, 10), c=(50, 20, 10, 20))
    item = measured(*rows)["group"]
    assert disparity(item, "demographic_parity_ratio")["between"] == ["a", "b"]


def test_a_small_group_is_not_enough_data_and_never_fair() -> None:
    rows = counted(large=(60, 20, 10, 10), medium=(50, 20, 20, 10), tiny=(6, 2, 2, 2))
    item = measured(*rows)["group"]
    tiny = next(group for group in item["groups"] if group["name"] == "tiny")
    assert (tiny["n"], tiny["enough"]) == (12, False)
    for figure in tiny["metrics"]:
        assert figure["value"] is figure["low"] is figure["high"] is None
        assert figure["note"].startswith("not enough data: n=")
        assert figure["note"].endswith("at least 30 needed")


def test_a_small_group_is_left_out_of_the_disparity_and_its_note_says_so() -> None:
    rows = counted(large=(60, 20, 10, 10), medium=(50, 20, 20, 10), tiny=(6, 2, 2, 2))
    ratio = disparity(measured(*rows)["group"], "demographic_parity_ratio")
    assert float(ratio["value"]) == pytest.approx(0.7 / 0.8)
    assert (ratio["n"], ratio["between"]) == (200, ["medium", "large"])
    assert "tiny (n=12)" in ratio["note"]


def test_a_rate_whose_denominator_is_small_has_no_value_in_a_large_group() -> None:
    item = measured(*counted(a=(90, 5, 5, 3), b=(50, 20, 20, 15)))["group"]
    found = {figure["name"]: figure for figure in item["groups"][0]["metrics"]}
    assert item["groups"][0]["enough"]
    assert found["true_positive_rate"]["n"] == 95
    assert found["false_positive_rate"]["value"] is None
    assert "n=8 rows with the negative label" in found["false_positive_rate"]["note"]


def test_equalized_odds_need_both_labels_in_two_groups() -> None:
    odds = disparity(
        measured(*counted(a=(90, 5, 5, 3), b=(50, 20, 20, 15)))["group"], "equalized_odds_difference"
    )
    assert (odds["value"], odds["low"], odds["high"], odds["between"]) == (None, None, None, None)
    assert "not enough data" in odds["note"]
    assert "a (n=8)" in odds["note"]


def test_one_group_alone_has_no_disparity() -> None:
    item = measured(*counted(a=(40, 40, 40, 40)))["group"]
    assert [figure["value"] for figure in item["disparities"]] == [None, None, None]
    assert all("not enough data" in figure["note"] for figure in item["disparities"])


def test_a_ratio_without_anybody_selected_is_not_defined() -> None:
    item = measured(*counted(a=(0, 0, 40, 40), b=(0, 0, 40, 40)))["group"]
    assert disparity(item, "demographic_parity_ratio")["value"] is None
    assert "not defined" in disparity(item, "demographic_parity_ratio")["note"]
    assert disparity(item, "demographic_parity_difference")["value"] == "0.0"


def test_a_ratio_of_zero_is_a_ratio() -> None:
    ratio = disparity(
        measured(*counted(a=(0, 0, 40, 40), b=(40, 0, 0, 40)))["group"], "demographic_parity_ratio"
    )
    assert (ratio["value"], ratio["low"]) == ("0.0", "0.0")
    assert 0 < float(ratio["high"]) < 0.2


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, "", "  "])
def test_a_missing_protected_value_is_counted_and_is_no_group(missing: object) -> None:
    truth, predicted, table = counted(a=(20, 20, 20, 20), b=(20, 20, 20, 20))
    table["group"] = pd.Series(
        [missing if row % 5 == 0 and row < 80 else name for row, name in enumerate(table["group"])],
        dtype=object,
    )
    item = measured(truth, predicted, table)["group"]
    assert item["missing"] == 16
    assert [(group["name"], group["n"]) for group in item["groups"]] == [("a", 64), ("b", 80)]


def test_a_row_is_missing_from_an_intersection_if_either_value_is_missing(people: Any) -> None:
    truth, predicted, table = people
    table = table.copy()
    table.loc[:4, "race"] = None
    table.loc[3:9, "sex"] = None
    found = measured(truth, predicted, table, small_cell=1)
    assert [found[name]["missing"] for name in ("race", "sex", "race x sex")] == [5, 7, 10]
    assert sum(group["n"] for group in found["race x sex"]["groups"]) == 1490


def test_nothing_but_missing_values_leaves_no_groups() -> None:
    truth, predicted, table = counted(a=(20, 20, 20, 20))
    item = measured(truth, predicted, table.assign(group=None))["group"]
    assert (item["missing"], item["groups"]) == (80, [])


def test_three_columns_are_looked_at_alone_in_pairs_and_together(people: Any) -> None:
    truth, predicted, table = people
    table = table.assign(old=np.arange(len(table)) % 2)
    assert list(measured(truth, predicted, table)) == [
        "race",
        "sex",
        "old",
        "race x sex",
        "race x old",
        "sex x old",
        "race x sex x old",
    ]


def test_another_column_changes_no_figure_of_the_first(people: Any) -> None:
    truth, predicted, table = people
    assert measured(truth, predicted, table)["race"] == measured(truth, predicted, table[["race"]])["race"]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([0, 1], ["0", "1"]),
        ([0.0, 1.0], ["0", "1"]),
        ([False, True], ["False", "True"]),
        (["1990-1", "ß"], ["1990-1", "ß"]),
        ([0.5, 1.5], ["0.5", "1.5"]),
    ],
)
@pytest.mark.parametrize("dtype", [None, "category", "object"])
def test_protected_values_are_written_as_text(values: list[Any], names: list[str], dtype: Any) -> None:
    truth = np.tile([True, False], 40)
    table = pd.DataFrame({"group": pd.Series(np.repeat(values, 40), dtype=dtype)})
    assert [group["name"] for group in measured(truth, truth, table)["group"]["groups"]] == names


def test_only_the_largest_groups_are_told_and_the_disparities_are_of_all(people: Any) -> None:
    truth, predicted, table = people
    full = measured(truth, predicted, table)["race x sex"]
    short = measured(truth, predicted, table, most_groups=2)["race x sex"]
    assert short["groups_omitted"] == 4
    assert short["groups"] == sorted(
        sorted(full["groups"], key=lambda group: -group["n"])[:2], key=lambda group: group["name"]
    )
    assert short["disparities"] == full["disparities"]


def test_too_many_groups_to_compare_leave_the_interval_open_and_say_so() -> None:
    count = MOST_GROUPS_COMPARED + 1
    truth = np.tile([True, False], 30 * count)
    table = pd.DataFrame({"zip": np.repeat(np.arange(count), 60)})
    figure = disparity(measured(truth, truth, table)["zip"], "demographic_parity_difference")
    assert (figure["value"], figure["low"], figure["high"]) == ("0.0", None, None)
    assert "no interval: 101 groups" in figure["note"]


def test_an_interval_narrows_with_the_square_root_of_the_rows() -> None:
    small = difference_interval([[(60, 100), (90, 100)]], **_settings())
    large = difference_interval([[(600_000, 1_000_000), (900_000, 1_000_000)]], **_settings())
    assert (small[1] - small[0]) / (large[1] - large[0]) == pytest.approx(100, rel=0.1)


def _settings(seed: int = 0, replicates: int = 2000) -> dict[str, Any]:
    return {"replicates": replicates, "confidence": 0.95, "rng": np.random.default_rng(seed)}


def test_an_interval_of_large_groups_is_that_of_resampled_rows(people: Any) -> None:
    truth, predicted, table = people
    female = (table["sex"] == "female").to_numpy()
    rng = np.random.default_rng(0)
    gaps = []
    for row in rng.integers(0, len(truth), (2000, len(truth))):
        chosen, group = predicted[row], female[row]
        gaps.append(chosen[group].mean() / chosen[~group].mean())
    counts = [(int(predicted[group].sum()), int(group.sum())) for group in (female, ~female)]
    low, high = ratio_interval(counts, **_settings())
    # The ratio of the lower to the higher rate: what lies above 1 folds back.
    ends = np.quantile(gaps, [0.025, 0.975])
    assert low == pytest.approx(min(ends[0], 1 / ends[1]), abs=0.01)
    assert high == pytest.approx(1.0 if ends[0] < 1 < ends[1] else max(ends[0], 1 / ends[1]), abs=0.01)


@pytest.mark.parametrize(
    ("rates", "sizes"),
    [
        ((0.75, 0.95), (60, 500)),
        ((0.7, 0.8, 0.92), (99, 55, 841)),
        ((0.85, 0.85, 0.95), (60, 60, 400)),
        ((0.8, 0.8, 0.8), (50, 50, 200)),
        ((0.97, 0.99), (40, 400)),
        ((0.05, 0.1), (40, 300)),
    ],
)
@pytest.mark.parametrize("interval", ["difference", "ratio"])
def test_the_truth_lies_in_at_least_its_share_of_intervals(
    rates: tuple[float, ...], sizes: tuple[int, ...], interval: str
) -> None:
    rng = np.random.default_rng(1)
    true = max(rates) - min(rates) if interval == "difference" else min(rates) / max(rates)
    held = 0
    for samples in rng.binomial(sizes, rates, (300, len(sizes))):
        counts = [(int(k), n) for k, n in zip(samples, sizes, strict=True)]
        settings: dict[str, Any] = {"replicates": 400, "confidence": 0.9, "rng": rng}
        low, high = (
            difference_interval([counts], **settings)
            if interval == "difference"
            else ratio_interval(counts, **settings)
        )
        held += low <= true <= high
    # 0.9 less twice the standard error of 300 trials (0.017).
    assert held / 300 >= 0.865


@pytest.mark.parametrize(("k", "n"), [(0, 30), (30, 30), (0, 1), (1, 1)])
def test_a_rate_at_the_end_of_its_range_is_not_certain(k: int, n: int) -> None:
    low, high = wilson(k, n, 0.95)
    assert 0 <= low < high <= 1
    assert k / n in (low, high)


def test_the_score_interval_is_the_published_one() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    assert wilson(81, 263, 0.95) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148, 0.95) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20, 0.95) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29, 0.95) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_groups_with_everybody_selected_are_not_certainly_equal() -> None:
    item = measured(*counted(a=(40, 40, 0, 0), b=(40, 40, 0, 0)))["group"]
    ratio = disparity(item, "demographic_parity_ratio")
    assert (ratio["value"], ratio["high"]) == ("1.0", "1.0")
    assert 0.9 < float(ratio["low"]) < 0.99


count = st.integers(0, 60)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(count, count, count, count).filter(any), min_size=1, max_size=4))
def test_no_interval_leaves_its_range_whatever_the_counts(groups: list[tuple[int, int, int, int]]) -> None:
    rows = counted(**{f"g{place}": counts for place, counts in enumerate(groups)})
    item = measured(*rows, replicates=100, minimum=1)["group"]
    told = [figure for group in item["groups"] for figure in group["metrics"]] + item["disparities"]
    for figure in told:
        if figure["value"] is None:
            assert figure["low"] is figure["high"] is None
            assert figure["note"]
        else:
            low, middle, high = (float(figure[key]) for key in ("low", "value", "high"))
            assert 0 <= low <= middle <= high <= 1
            assert low < high


@pytest.mark.parametrize("written", ["nan", "NaN", "<NA>", "NaT", " "])
def test_a_missing_value_that_became_text_is_still_missing(written: str) -> None:
    table = pd.DataFrame({"race": ["a", "None", "NA", written] * 40})
    found = measured([True, False] * 80, [True] * 160, table)["race"]
    assert found["missing"] == 40
    assert [group["name"] for group in found["groups"]] == ["NA", "None", "a"]
