"""Figures as `affidavit show` and `affidavit compare` print them: with what they leave out, and alike in form."""

from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from audit.canonical import Json, JsonObject
from registry.run_recorder import RunResult
from reports.cli import affidavit
from tests.small_registry import new_registry, run_result

SMALL = "left out, fewer than 30 rows: other (n=16)"
SMALLER = "left out, fewer than 30 rows of each label: other (n=8)"
NAMES = ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference")


def printed(folder: Path, runs: list[RunResult], *command: str) -> str:
    registry = new_registry(folder)
    for result in runs:
        registry.record_run(result)
    registry.ledger.close()
    return CliRunner().invoke(affidavit, ["--ledger", str(folder), *command]).stdout


def with_bias(folder: Path, *notes: str | None, value: str | None = "0.02") -> RunResult:
    result = run_result(new_registry(folder / "other"))
    figures: list[Json] = [
        {"name": name, "value": value, "low": value, "high": value, "n": 284, "between": None, "note": note}
        for name, note in zip(NAMES, notes, strict=True)
    ]
    table: JsonObject = {"attribute": "sex", "columns": ["sex"], "missing": 0, "minimum": 30, "groups": [],
                         "groups_omitted": 0, "disparities": figures}  # fmt: skip
    cast(dict[str, Json], result.predicate["evaluation"])["bias"] = [table]
    return result


@pytest.mark.parametrize(
    ("notes", "value", "lines"),
    [
        ((SMALL, SMALL, SMALL), "0.02", [SMALL]),
        ((SMALL, SMALL, SMALLER), "0.02", [f"{NAMES[0]}, {NAMES[1]}: {SMALL}", f"{NAMES[2]}: {SMALLER}"]),
        ((None, None, None), "0.02", []),
        ((f"not enough data: 1 of the groups can be compared, at least 2 needed; {SMALL}",) * 3, None, [SMALL]),
    ],
)  # fmt: skip
def test_a_group_that_bias_leaves_out_is_named_below_it(
    tmp_path: Path, notes: tuple[str | None, ...], value: str | None, lines: list[str]
) -> None:
    shown = printed(tmp_path, [with_bias(tmp_path, *notes, value=value)], "show", "credit@1")
    below = shown.partition("by sex (0 without a value)\n")[2].partition("\n\n")[0].splitlines()
    assert [line.strip() for line in below[3:]] == lines


def test_of_metrics_that_differ_every_figure_has_four_decimals(tmp_path: Path) -> None:
    other = new_registry(tmp_path / "other")
    runs = [run_result(other, auc=0.8), run_result(other, auc=0.751234)]
    [row] = [
        line for line in printed(tmp_path, runs, "compare", "credit@1", "credit@2").splitlines()
        if "roc_auc" in line
    ]  # fmt: skip
    figures = [word.strip("()") for word in row.split()[2:] if word != "to"]
    assert figures == ["0.8000", "0.7500", "0.8500", "0.7512", "0.7012", "0.8012"]
