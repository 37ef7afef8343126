"""The examples in the code: what a docstring shows is what happens."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for floor in ("audit", "registry", "reports")
    for path in (ROOT / floor).rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_shows_is_what_happens(module: str) -> None:
    runner = doctest.DocTestRunner()
    complaints: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module)):
        runner.run(example, out=complaints.append)
    assert "".join(complaints) == ""
