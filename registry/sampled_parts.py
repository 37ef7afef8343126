"""What a step returned on a sample, and what moved between two calls.

Rules:

- A table is compared column by column. Rows are matched by their labels where they have distinct ones; else by their
  places, and columns that only lie in another order together are rows that moved, not values.
- A model is one thing: it moved if its learned state did.
- What cannot be compared has moved neither way, and is not told.

>>> sampled_parts("limit", 3)
{}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audit.errors import AffidavitError
from registry.held import column_labels, holder_of, run_plan, written
from registry.model_state import fingerprint_model
from registry.parts import is_fitted_model, parts_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Moved", "SampledPart", "moved", "sampled_parts"]


@dataclass(frozen=True, slots=True)
class SampledPart:
    """One part of what a step returned: a table as pandas holds it, or the fingerprint of a model."""

    kind: str
    table: Any = None
    mark: str | None = None

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of a table's columns; None of a model."""
        return None if self.table is None else tuple(self.table.columns)


@dataclass(frozen=True, slots=True)
class Moved:
    """The columns whose values changed, and whether there are other rows, or rows in another order."""

    columns: tuple[str, ...] = ()
    rows: bool = False

    @property
    def any(self) -> bool:
        """Whether anything moved."""
        return bool(self.columns) or self.rows


def sampled_parts(step: str, value: object) -> dict[str, SampledPart]:
    """Describe the tables and models of what a step returned."""
    found: dict[str, SampledPart] = {}
    for name, item in parts_of(step, value):
        if is_fitted_model(item):
            try:
                found[name] = SampledPart("model", mark=fingerprint_model(item))
            except AffidavitError:
                continue
        elif column_labels(item) is not None:
            found[name] = SampledPart("table", table=_as_pandas(item))
    return found


def moved(before: SampledPart, after: SampledPart, column: str | None = None) -> Moved:
    """Say what differs between two calls in one part, after the input `column` was changed."""
    if before.kind != after.kind:
        return Moved(rows=True)
    if before.kind == "model":
        return Moved(rows=before.mark != after.mark)
    first, second = before.table, after.table
    names = [name for name in first.columns if name in second.columns]
    gone = tuple(name for name in first.columns if name not in second.columns)
    if first.index.equals(second.index):
        return _by_place(first, second, names, gone, column)
    counted = _is_counted(first) and _is_counted(second)
    if first.index.is_unique and second.index.is_unique and not counted:
        common = first.index.intersection(second.index, sort=False)
        a, b = first.loc[common], second.loc[common]
        return Moved((*gone, *(name for name in names if not a[name].equals(b[name]))), rows=True)
    return Moved(gone, rows=True)


def _by_place(
    first: "pd.DataFrame",
    second: "pd.DataFrame",
    names: Sequence[str],
    gone: tuple[str, ...],
    column: str | None,
) -> Moved:
    different = [name for name in names if not first[name].equals(second[name])]
    # Together in another order: the rows were sorted by what changed.
    stayed = [name for name in different if name != column]
    if len(stayed) > 1 and _is_counted(first) and _rows_of(first, stayed) == _rows_of(second, stayed):
        return Moved((*gone, *(name for name in different if name == column)), rows=True)
    return Moved((*gone, *different))


def _rows_of(table: "pd.DataFrame", names: Sequence[str]) -> list[str]:
    return sorted(map(repr, table[list(names)].itertuples(index=False, name=None)))


def _is_counted(table: "pd.DataFrame") -> bool:
    """Say whether the labels of a table are only 0, 1, 2..., which follow no row anywhere."""
    import pandas as pd

    return isinstance(table.index, pd.RangeIndex) and table.index.start == 0 and table.index.step == 1


def _as_pandas(item: Any) -> "pd.DataFrame":
    import pandas as pd

    match holder_of(item):
        case "pandas", "DataFrame":
            table: pd.DataFrame = item.copy()
        case "pandas", _:
            table = item.to_frame()
        case "polars", "LazyFrame":
            table = run_plan(item).to_pandas()
        case "polars", "Series":
            table = item.to_frame().to_pandas()
        case "polars" | "pyarrow", _:
            table = item.to_pandas()
        case _:
            table = pd.DataFrame(item)
    table.columns = pd.Index(
        written(table.columns) if len(table.columns) > 1 else (column_labels(item) or ("0",))
    )
    return table
