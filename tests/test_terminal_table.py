"""Rows of facts at any width: nothing is cut, no word is broken, and no colour where none is wanted."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.terminal_table import drawn

HEADINGS = ("Entry", "Time (UTC)", "Kind", "Leaf hash", "Summary")
ROWS = [
    (
        "11",
        "2026-11-26 09:12:13",
        "decision",
        "3f9ac2d1aa11",
        "loans@2 promoted to production, 3 rules passed",
    ),
    ("7", "2026-11-25 19:00:01", "run", "77ab00ffee12", "loans@2"),
]


def at(width: int | None) -> str:
    return drawn(HEADINGS, ROWS, width=width, styles={}, plain=True)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_at_every_width_every_word_is_whole_and_no_line_is_too_long(width: int) -> None:
    words = {word for line in at(width).splitlines() for word in line.split()}
    assert {word for row in ROWS for cell in row for word in cell.split()} <= words
    assert max(map(len, at(width).splitlines())) <= width


def test_on_a_narrow_terminal_each_row_is_a_block() -> None:
    assert at(40).split("\n\n")[1].splitlines() == [
        "Entry       7",
        "Time (UTC)  2026-11-25 19:00:01",
        "Kind        run",
        "Leaf hash   77ab00ffee12",
        "Summary     loans@2",
    ]


def test_where_the_words_fit_it_is_a_table() -> None:
    assert at(120).splitlines()[0].split() == ["Entry", "Time", "(UTC)", "Kind", "Leaf", "hash", "Summary"]


def test_elsewhere_than_on_a_terminal_it_is_a_table_however_long_a_word_is() -> None:
    lines = drawn(("A", "B"), [("x", "y" * 900)], width=None, styles={}, plain=True).splitlines()
    assert lines[0].split() == ["A", "B"]
    assert "".join(lines).count("y") == 900


def test_an_empty_cell_has_no_line_in_a_block() -> None:
    said = drawn(("Name", "Note"), [("a" * 30, ""), ("b" * 30, "x")], width=20, styles={}, plain=True)
    assert said.count("Note") == 1


def test_no_rows_are_the_headings() -> None:
    assert drawn(("A", "B"), [], width=40, styles={}, plain=True).splitlines()[0].split() == ["A", "B"]


@given(
    st.integers(12, 90),
    st.lists(st.tuples(*[st.text(st.characters(codec="ascii", categories=["L", "N"]))] * 3), min_size=1),
)
def test_nothing_is_cut_at_any_width(width: int, rows: list[tuple[str, str, str]]) -> None:
    said = drawn(("A", "B", "C"), rows, width=width, styles={}, plain=True)
    letters = sorted("".join(c for c in said if c.isalnum()))
    shown = [letter for row in rows for cell in row for letter in cell]
    assert all(letters.count(letter) >= shown.count(letter) for letter in set(shown))


def on_a_terminal(**variables: str) -> str:
    """Print a verdict and a table of it on a pseudo-terminal, and return the bytes."""
    program = "from audit.terminal import *; say(mark('passed')); print_table(('Outcome',), [('failed',)])"
    ours, theirs = os.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment = kept | {"TERM": "xterm-256color"} | variables
    subprocess.run([sys.executable, "-c", program], stdout=theirs, stderr=theirs, check=True, env=environment)
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    return said


def test_verdicts_have_colours_on_a_terminal() -> None:
    assert on_a_terminal().count("\x1b[3") >= 2


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_where_no_colour_is_wanted_there_is_none(variables: dict[str, str]) -> None:
    assert "\x1b" not in on_a_terminal(**variables)
