"""A function's source is the one that it runs, or none."""

import subprocess
import sys
from pathlib import Path

import pytest

LINE = "both = (lambda t: t.collect()), (lambda t: t.head())\n"
SHOW = """
import ast
from registry.function_source import source_of
from registry.relations import NotUnderstood

for each in both:
    try:
        print(ast.unparse(source_of(each).node))
    except NotUnderstood:
        print("not known")
"""


@pytest.mark.parametrize(
    ("options", "said"),
    [((), ["lambda t: t.collect()", "lambda t: t.head()"]), (("-X", "no_debug_ranges"), ["not known", "not known"])],
)  # fmt: skip
def test_of_two_lambdas_in_a_line_each_is_itself_or_is_not_known(
    options: tuple[str, ...], said: list[str], tmp_path: Path
) -> None:
    script = tmp_path / "two.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\n{LINE}{SHOW}")
    done = subprocess.run(
        [sys.executable, *options, script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == said
