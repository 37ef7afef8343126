"""Rows of facts as text of a width: a table where that fits, else a block for each row.

Rules:

- In a table cells are folded between words and never within one, so that no number and no name is broken. Where the
  words alone are wider than the terminal, each row is a block of lines instead, each with its heading: nothing is cut,
  however narrow the terminal is.
- Lines end where their text ends, so that what is piped into a file or a ticket holds no padding.

>>> print(drawn(("Name", "Says"), [("a-long-name", "what it says, at length")], width=20, styles={}, plain=True))
Name  a-long-name
Says  what it says,
      at length
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

# Rich is imported where it draws: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["drawn"]

WIDEST = 400
BETWEEN, EDGES, GAP = 3, 2, 2
"""Characters between the columns of a table, at its two edges together, and between those of a block."""

Row = Sequence["Text"]


def drawn(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
    styles: Mapping[str, str],
    plain: bool,
) -> str:
    """Draw rows under their headings, `width` characters wide at most; `styles` are those of some words.

    Without a width it is a table, folded only where a line would be longer than any reader takes for one. `plain` is
    without colour and bold type.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, width=width or WIDEST, color_system=None if plain else "auto")
    texts = [[Text(cell, style=styles.get(cell, "")) for cell in row] for row in rows]
    words = _longest_words(headings, texts)
    fits = width is None or sum(words) + BETWEEN * (len(words) - 1) + EDGES <= width
    shown = _table(headings, texts, words if width else None) if fits else _blocks(headings, texts)
    with console.capture() as held:
        console.print(shown)
    return "\n".join(line.rstrip() for line in held.get().split("\n")).strip("\n")


def _longest_words(headings: Sequence[str], rows: Sequence[Row]) -> list[int]:
    """Return how wide the longest word of each column is."""
    from rich.cells import cell_len

    columns = ([heading, *(row[n].plain for row in rows)] for n, heading in enumerate(headings))
    return [
        max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in columns
    ]


def _table(headings: Sequence[str], rows: Sequence[Row], words: Sequence[int] | None) -> "Table":
    """Lay out a table, each column at least as wide as its longest word where these are given."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for n, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", min_width=words[n] if words else None)
    for row in rows:
        table.add_row(*row)
    return table


def _blocks(headings: Sequence[str], rows: Sequence[Row]) -> "Table":
    """Lay out each row as lines of a heading and a cell, with an empty line between rows; empty cells are left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(style="bold", overflow="fold")
    grid.add_column(overflow="fold")
    for number, row in enumerate(rows):
        if number:
            grid.add_row("", "")
        for heading, cell in zip(headings, row, strict=True):
            if cell:
                grid.add_row(Text(heading), cell)
    return grid
