"""Rows by their protected values: values as numbers and texts, and the group that each block of rows is.

Rules:

- A missing protected value (null, NaN, blank text, and what a missing value becomes when it is written as text) is no
  group. "None" and "NA" can be answers, so they are groups.
- A block (`registry.told_together`) is called by the group that nearly all of its rows are of, where the others are as
  few as a small group may be: how few of them is not told.

>>> coded(pd.Series(["b", None, "a", "b"]))[1]
['a', 'b']
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.errors import MalformedInput
from registry.evaluation_settings import Settings
from registry.group_figures import Cells, Group

__all__ = ["GroupRows", "as_text", "coded"]

Flags = npt.NDArray[np.bool_]

_WRITTEN_MISSING = ("", "nan", "NaN", "<NA>", "NaT")
"""Missing values after `astype(str)`, and blank text."""


@dataclass(frozen=True, slots=True)
class GroupRows:
    """The rows of one table: the codes and texts of every column, 2 * truth + prediction, and the table's columns."""

    codes: npt.NDArray[np.int64]
    values: Sequence[Sequence[str]]
    cells: npt.NDArray[np.int64]
    columns: tuple[int, ...]

    def groups(self, blocks: npt.NDArray[np.int64], settings: Settings) -> Iterator[Group]:
        """Yield what each block is; one in which no row has a value is no group."""
        keys = np.column_stack([blocks, self.codes[:, list(self.columns)]])
        found, place = np.unique(keys, axis=0, return_inverse=True)
        counts = np.bincount(place.reshape(-1) * 4 + self.cells, minlength=4 * len(found)).reshape(-1, 4)
        known: Flags = np.all(found[:, 1:] >= 0, axis=1)
        starts = np.flatnonzero(np.diff(found[:, 0], prepend=-1))
        for some in np.split(np.arange(len(found)), starts[1:]):
            named = some[known[some]]
            if len(named):
                yield self._group(
                    found[named, 1:], counts[named].sum(axis=1), counts[some].sum(axis=0), settings
                )

    def _group(self, codes: Any, sizes: Any, total: Any, settings: Settings) -> Group:
        """Say what a block is, by the codes and sizes of the groups in it and the counts of all its rows."""
        tn, fp, fn, tp = (int(count) for count in total)
        cells = Cells(tp=tp, fp=fp, fn=fn, tn=tn)
        largest = int(np.argmax(sizes))
        values = tuple(
            self.values[column][code] for column, code in zip(self.columns, codes[largest], strict=True)
        )
        own, without = int(sizes[largest]), cells.n > int(sizes.sum())
        if own == cells.n and own >= settings.small_cell:
            return Group(values, cells)
        others = settings.small_cell - 1
        # A name says that so many rows are its own. Where that is more than is left without all that may be others, it
        # would say how few the others are.
        named = cells.n - own <= others and cells.n - others >= settings.small_cell
        group = Group(values if named else None, cells, len(sizes), others, without)
        least = settings.minimum
        # How many rows of each label the largest has is told by nothing else, so that this goes by what may be.
        most = min(own // 2, cells.rarer)
        return replace(
            group,
            hides_enough=own >= least and not group.has(cells.n, least),
            hides_labels=most >= least and not group.has(cells.rarer, least),
        )


def coded(column: pd.Series) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Turn protected values into numbers in the order of their texts, -1 where one is missing; 1.0 is "1"."""
    try:
        codes, values = pd.factorize(column)
    except TypeError:
        raise MalformedInput(
            f"the protected column {str(column.name)!r} holds values that cannot be grouped: use text or numbers"
        ) from None
    texts = [None if str(value).strip() in _WRITTEN_MISSING else as_text(value) for value in values]
    ordered = sorted({text for text in texts if text is not None})
    number = {text: place for place, text in enumerate(ordered)}
    numbers = np.array([*(-1 if text is None else number[text] for text in texts), -1], dtype=np.int64)
    return numbers[codes], ordered


def as_text(value: object) -> str:
    """Write a label or a group as text: whole floats without their point, as a missing value next to 1 made 1.0."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)
