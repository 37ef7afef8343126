"""What is said beside a file's fingerprint: a thing about the file that its reader may not expect.

- An index of pandas is no part of a table, and a column of the file that pandas keeps it in: the table in memory has
  another fingerprint than its file.
- Cells that are separated by something else than commas are one column.

>>> separated_otherwise(["income;debt"])
"';'"
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from registry.files import index_in, kind_of
from registry.sentences import listed

__all__ = ["notes_on", "separated_otherwise"]

SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}


def notes_on(path: Path, names: Sequence[str], among: Collection[str] | None = None) -> list[str]:
    """Say in sentences what is to be known of a file with these columns; of its index only what is `among` these."""
    found = []
    index = [name for name in index_in(path) if name in names and (among is None or name in among)]
    if index:
        columns, are = ("columns", "are") if len(index) > 1 else ("column", "is")
        quoted = listed([repr(name) for name in index])
        found.append(
            f"the {columns} {quoted} of {path} {are} the index of a table of pandas, which is no part of it in memory: "
            "reset_index() makes it one there, and to_parquet(index=False) leaves it out of the file"
        )
    separator = separated_otherwise(names) if kind_of(path) == "csv" else None
    if separator is not None:
        found.append(
            f"{path} was read as one column, since {separator} and no comma stands in its header: if it separates the "
            "cells, save the file with commas"
        )
    return found


def separated_otherwise(names: Sequence[str]) -> str | None:
    """Name what may separate the cells of a CSV file whose header is one column."""
    if len(names) != 1:
        return None
    return next((said for separator, said in SEPARATORS.items() if separator in names[0]), None)
