"""The text of a query counts as the code's where the code writes it, and nowhere else."""

import textwrap
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from registry.artifacts import ArtifactStore
from registry.pipeline import Pipeline
from registry.relations import NotUnderstood
from registry.run import run_pipeline
from registry.settled_file import process_began
from registry.written_query import check_written
from tests.lineage_truth import flow_named

BEFORE = """
    import pathlib
    from pathlib import Path
    from affidavit import Pipeline
    p = Pipeline("loans")
    TEXT = "SELECT income FROM loans"
    LEAST = 2
    COLUMNS = ["income", "debt"]
    HERE = Path(__file__).parent
    mean = sum([1, 2]) / 2
    part = HERE.joinpath("part.txt").read_text()
    WHOLE = (HERE / "q.sql").read_text()
    CHOICE = "income" if mean > 1 else "debt"
"""


@pytest.fixture(autouse=True)
def _written_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take it that the files that a test writes were there before."""
    monkeypatch.setattr("registry.settled_file.process_began", lambda: 1 << 63)


def step_of(tmp_path: Path, written: str, before: str = BEFORE) -> tuple[Callable[..., Any], str]:
    """Read a module that declares a step by a query, and return it with the query's text."""
    (tmp_path / "q.sql").write_text("SELECT income FROM loans")
    (tmp_path / "part.txt").write_text("3")
    place = tmp_path / "declared.py"
    place.write_text(
        f"{textwrap.dedent(before)}\n@p.sql_step({written})\ndef made(loans): ...\nstep = p.steps[-1]\n"
    )
    spec = util.spec_from_file_location("declared", place)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.step.function, module.step.query.text


@pytest.mark.parametrize("written", [
    '"SELECT income FROM loans"',
    "TEXT",
    'f"SELECT income / {LEAST:.2f} AS r FROM loans"',
    "f\"SELECT {', '.join(COLUMNS)} FROM loans\"",
    "f\"SELECT {', '.join(f'avg({c}) AS {c}' for c in COLUMNS)} FROM loans\"",
    'TEXT + " ORDER BY income"',
    '"SELECT income / %s AS r FROM loans" % LEAST',
    '"SELECT {} FROM loans".format(", ".join(COLUMNS))',
    "WHOLE",
    '(HERE / "q.sql").read_text(encoding="utf-8")',
    'pathlib.Path(__file__).resolve().parent.joinpath("q.sql").read_text()',
])  # fmt: skip
def test_a_text_that_the_code_writes_is_of_the_code(tmp_path: Path, written: str) -> None:
    check_written(*step_of(tmp_path, written))


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_file_that_is_opened_and_never_closed_is_read_as_well(tmp_path: Path) -> None:
    check_written(*step_of(tmp_path, 'open(Path(__file__).with_name("q.sql")).read()'))


@pytest.mark.parametrize("written", [
    'f"SELECT income / {mean} AS r FROM loans"',
    '"SELECT income / " + str(mean) + " AS r FROM loans"',
    'f"SELECT income / {part} AS r FROM loans"',
    '"SELECT income / " + HERE.joinpath("part.txt").read_text() + " AS r FROM loans"',
    'f"{WHOLE} WHERE income > 0"',
    'f"SELECT {CHOICE} FROM loans"',
    'TEXT if mean > 1 else "SELECT debt FROM loans"',
    '(HERE / ("q.sql" if mean > 1 else "r.sql")).read_text()',
])  # fmt: skip
def test_a_text_that_is_worked_out_is_not(tmp_path: Path, written: str) -> None:
    with pytest.raises(NotUnderstood, match="worked out by code"):
        check_written(*step_of(tmp_path, written))


def test_a_name_that_a_function_around_the_step_sets_is_none_of_the_module() -> None:
    TEXT = "SELECT 1 AS one FROM loans"  # noqa: N806

    @Pipeline("loans").sql_step(TEXT)
    def one(loans: Any) -> Any: ...

    with pytest.raises(NotUnderstood, match="worked out by code"):
        check_written(one, TEXT)


def test_a_file_that_holds_another_text_by_now_says_nothing_of_the_query(tmp_path: Path) -> None:
    function, text = step_of(tmp_path, '(HERE / "q.sql").read_text()')
    (tmp_path / "q.sql").write_text("SELECT debt FROM loans")
    with pytest.raises(NotUnderstood, match="worked out by code"):
        check_written(function, text)


def test_a_file_that_was_written_while_the_program_ran_may_be_made_of_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.settled_file.process_began", process_began)
    with pytest.raises(NotUnderstood, match=r"q\.sql was written after this program had started"):
        check_written(*step_of(tmp_path, '(HERE / "q.sql").read_text()'))


def made(loans: Any) -> Any: ...


def test_a_query_that_is_given_without_a_decorator_is_unknown() -> None:
    with pytest.raises(NotUnderstood, match="stands in no decorator"):
        check_written(made, "SELECT income FROM loans")


TEXT = "SELECT 1 AS one FROM loans"
MEAN = float(pd.Series([1.0, 2.0]).mean())


def test_a_run_knows_nothing_of_a_table_whose_query_was_worked_out(tmp_path: Path) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def loans() -> pd.DataFrame:
        return pd.DataFrame({"income": [1.0, 2.0]})

    @pipeline.sql_step(f"SELECT income / {MEAN} AS ratio FROM loans")
    def ratios(loans: pd.DataFrame) -> Any: ...

    result = run_pipeline(pipeline, {}, artifacts=ArtifactStore(tmp_path))
    flow = flow_named(result.predicate, "ratios")
    assert (flow.complete, flow.rows_complete) == (frozenset(), False)
    assert flow.notes[0].startswith(
        "step ratios: the query's text is worked out by code, of what is not known"
    )
