"""What `affidavit show` says of checks and kept copies: never a pass for what was not made, nor for what only warns."""

from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from audit.canonical import Json, JsonObject
from reports.cli import affidavit
from tests import report_example as made
from tests.small_registry import new_registry, run_result

FAILED, NOT_MADE = made.checks()[1:]
WARNS = {**cast(JsonObject, FAILED), "warned": 1}
BOTH_WARN = {**cast(JsonObject, FAILED), "warned": 2}


@pytest.fixture
def shown(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of `affidavit show` for a run whose first step says what the test gives."""
    monkeypatch.chdir(tmp_path)
    registry = new_registry(tmp_path)
    result = run_result(registry)
    step = cast(list[dict[str, Json]], result.predicate["steps"])[0]
    outputs = cast(list[dict[str, Json]], step["outputs"])
    step |= {"checks": request.param.get("checks", [])}
    outputs[0] |= {"kept": request.param.get("kept")}
    registry.record_run(result)
    answer = CliRunner().invoke(affidavit, ["show", "credit@1"], catch_exceptions=False)
    return [" ".join(line.split()) for line in answer.stdout.splitlines()]


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        ({"checks": [made.checks()[0]]}, "check applications passed"),
        ({"checks": [FAILED]}, "check applications failed"),
        ({"checks": [NOT_MADE]}, "check applications could not be made"),
        ({"checks": [WARNS]}, "check applications failed (1 that only warns)"),
        ({"checks": [BOTH_WARN]}, "check applications failed (2 that only warn)"),
        ({"kept": {"artifact": None, "reason": "it holds protected columns (race)"}},
         "kept load not: it holds protected columns (race)"),
        ({"kept": {"artifact": "ab" * 32, "reason": None}}, f"kept load {'ab' * 32}"),
    ],
    indirect=["shown"],
)  # fmt: skip
def test_checks_and_copies_are_shown_as_what_they_are(shown: list[str], line: str) -> None:
    assert line in shown
