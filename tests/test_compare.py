"""Tests of comparing two recorded runs."""

from typing import Any

import pytest

from registry.compare import Row, compare_versions

DIGEST = "affidavit-table-v1:sha256:" + "a" * 64


def a_run(**changed: Any) -> dict[str, Any]:
    """Say a run in the fewest fields that a comparison reads."""
    run: dict[str, Any] = {
        "steps": [
            {
                "name": "load", "source": "1" * 64, "parameters": {"n": 5, "C": {"decimal": "1.0"}},
                "outputs": [{"kind": "table", "name": "load", "fingerprint": DIGEST}],
            }
        ],
        "sources": [{"uri": "loans.csv", "sha256": "2" * 64}],
        "code": {"commit": "3" * 40, "branch": "main", "dirty": False, "patch": None, "target": "x.py:x"},
        "environment": {"python": "3.11.7", "platform": "Linux", "cpu_count": 2, "packages": {"artifact": "4" * 64}},
        "model_file": {"class": "Model", "format": "skops", "fingerprint": "f"},
        "evaluation": {
            "metrics": [{"name": "accuracy", "value": "0.75", "low": "0.7", "high": "0.8"}],
            "bias": [
                {
                    "attribute": "race",
                    "disparities": [{"name": "demographic_parity_ratio", "value": "0.9", "low": None, "high": None}],
                }
            ],
        },
    }  # fmt: skip
    return run | changed


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[Row]:
    return [row for row in compare_versions(first, second) if row.first != row.second]


def test_a_run_does_not_differ_from_itself() -> None:
    assert differences(a_run(), a_run()) == []


def test_equal_values_are_listed_as_well() -> None:
    assert Row("code", "branch", "main", "main") in compare_versions(a_run(), a_run())


def test_a_parameter_is_shown_as_it_was_given() -> None:
    other = a_run()
    other["steps"][0]["parameters"]["C"] = {"decimal": "0.5"}
    assert differences(a_run(), other) == [Row("parameter", "load.C", "1.0", "0.5")]


def test_numbers_and_times_in_a_list_are_shown_as_what_they_are() -> None:
    first, other = a_run(), a_run()
    first["steps"][0]["parameters"]["C"] = [1, {"decimal": "2.5"}, "a"]
    other["steps"][0]["parameters"]["C"] = {"time": "2026-01-31"}
    assert differences(first, other) == [Row("parameter", "load.C", "[1, 2.5, a]", "2026-01-31")]


def test_a_parameter_that_only_one_run_has_is_there() -> None:
    other = a_run()
    other["steps"][0]["parameters"]["extra"] = True
    assert differences(a_run(), other) == [Row("parameter", "load.extra", None, "True")]


def test_a_step_that_only_one_run_has_is_there() -> None:
    other = a_run()
    other["steps"].append({"name": "more", "source": "9" * 64, "parameters": {}, "outputs": []})
    assert differences(a_run(), other) == [Row("step source", "more", None, "9" * 64)]


def test_data_code_environment_and_model_are_compared() -> None:
    other = a_run(
        sources=[{"uri": "loans.csv", "sha256": "5" * 64}],
        code={"commit": "6" * 40, "branch": "main", "dirty": True, "patch": None, "target": "x.py:x"},
        model_file={"class": "Model", "format": "pickle", "fingerprint": "f"},
    )
    other["environment"]["packages"] = {"artifact": "7" * 64}
    assert [(row.what, row.name) for row in differences(a_run(), other)] == [
        ("source", "loans.csv"), ("code", "commit"), ("code", "dirty"), ("environment", "packages"),
        ("model", "format"),
    ]  # fmt: skip


def test_figures_are_compared_with_their_intervals() -> None:
    other = a_run()
    other["evaluation"]["metrics"][0]["low"] = "0.6"
    expected = Row("metric", "accuracy", "0.75 (0.7 to 0.8)", "0.75 (0.6 to 0.8)")
    assert differences(a_run(), other) == [expected]


def test_a_figure_on_too_few_rows_says_so() -> None:
    other = a_run()
    other["evaluation"]["bias"][0]["disparities"][0]["value"] = None
    [row] = differences(a_run(), other)
    assert (row.name, row.first, row.second) == (
        "demographic_parity_ratio by race", "0.9 (? to ?)", "not enough data",
    )  # fmt: skip


def test_figures_that_differ_after_the_fourth_decimal_differ() -> None:
    other = a_run()
    other["evaluation"]["metrics"][0]["value"] = "0.75000001"
    [row] = differences(a_run(), other)
    assert row.name == "accuracy"
    assert row.first != row.second


def test_runs_without_model_or_evaluation_can_be_compared() -> None:
    bare = a_run(model_file=None, evaluation=None)
    assert differences(bare, bare) == []
    assert {row.what for row in differences(bare, a_run())} == {"model", "metric", "bias"}


@pytest.mark.parametrize(
    ("first", "second", "is_untold"),
    [("aa", "aa", False), ("aa", "bb", True), ("aa", None, True), (None, None, False)],
)
def test_what_was_digested_under_other_keys_is_not_said_to_differ(
    first: str | None, second: str | None, is_untold: bool
) -> None:
    def keyed(key: str | None, digest: str) -> dict[str, Any]:
        told = {"sha256": digest} if key is None else {"sha256": None, "hmac_sha256": digest, "key": key}
        run = a_run(sources=[{"uri": "people.csv", **told}])
        run["steps"][0]["outputs"] = [
            {"kind": "value", "name": "born", "fingerprint": digest, **({} if key is None else {"key": key})}
        ]
        return run

    rows = differences(keyed(first, "1" * 64), keyed(second, "2" * 64))
    assert [(row.what, row.is_untold) for row in rows] == [("source", is_untold), ("value", is_untold)]
