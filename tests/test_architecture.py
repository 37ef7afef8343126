"""The page on the architecture names every module once, and imports run down through its rooms."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import audit
import registry
import reports

ROOT = Path(__file__).parent.parent
FLOORS = {floor.__name__: Path(floor.__path__[0]) for floor in (reports, registry, audit)}


def rooms(floor: str) -> dict[str, int]:
    """Read the table of a floor: for each module the number of its room, counted from the top."""
    return {name: number for number, names in enumerate(_rows(floor)) for name in names}


def _rows(floor: str) -> list[list[str]]:
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.partition(f"\n## {floor}\n")[2].partition("\n## ")[0]
    tables = re.findall(r"^\| .* \| .* \| (`.*`) \|$", section, re.MULTILINE)
    return [re.findall(r"`(\w+)`", modules) for modules in tables]


def modules(floor: str) -> set[str]:
    return {path.stem for path in FLOORS[floor].glob("*.py")} - {"__init__"}


def loaded_with(floor: str, module: str) -> Iterator[str]:
    """Yield the modules of the same floor that are loaded together with one, not those that it imports later."""
    tree = ast.parse((FLOORS[floor] / f"{module}.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == floor:
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{floor}."):
            yield str(node.module).removeprefix(f"{floor}.")


@pytest.mark.parametrize("floor", FLOORS)
def test_every_module_has_one_room_on_the_page_and_every_room_names_modules_that_there_are(
    floor: str,
) -> None:
    named = Counter(name for names in _rows(floor) for name in names)
    there = modules(floor)
    wrong = {
        "have no room in docs/architecture.md": sorted(there - named.keys()),
        "are on the page, and are no modules": sorted(named.keys() - there),
        "have more than one room": [name for name, times in named.items() if times > 1],
    }
    assert {what: names for what, names in wrong.items() if names} == {}


@pytest.mark.parametrize("floor", FLOORS)
def test_what_a_module_is_loaded_with_stands_in_its_own_room_or_in_one_below(floor: str) -> None:
    room = rooms(floor)
    up = [
        f"{floor}.{module} imports {floor}.{other}"
        for module in sorted(room.keys() & modules(floor))
        for other in loaded_with(floor, module)
        if other in room and room[other] < room[module]
    ]
    assert up == []


def test_what_the_page_says_of_the_way_of_a_question_names_modules_that_there_are() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    ways = page.partition("## How a question goes through")[2].partition("\n## ")[0]
    ways += page.partition("## Words that look alike")[2]
    known = {
        name for floor in FLOORS for name in (*modules(floor), *(f"{floor}.{m}" for m in modules(floor)))
    }
    named = re.findall(r"`([a-z][\w.]*)`", ways)
    strangers = [
        name
        for name in named
        if name not in known and name.partition(".")[0] not in known and name not in ENTRIES
    ]
    assert strangers == []


ENTRIES = {"run", "decision", "reproduction", "report"}
"""Kinds of entries, which the page names as it does modules."""
