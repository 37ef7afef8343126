"""Which columns of which tables a polars table holds: told by their memory, not by their cells.

polars shares the memory of a column wherever it is passed on unchanged: into a plan, under another name, beside other
columns. So two columns in one place of memory are one column, and two with equal cells are not.

Rules:

- The tables that are compared with are held meanwhile (`Held`), so that their memory is nobody else's.
- What has no memory of its own (no rows, nothing but missing values, one value throughout that was never laid out,
  Python objects, types that Arrow lacks) is told by nothing, and is not found.
- Nested columns are compared down to their leaves, since a slice of a struct shows in its fields only.

>>> import polars
>>> held = Held({"loans": polars.DataFrame({"debt": [1, 2]})})
>>> held.found(held.frames["loans"]["debt"])
{('loans', 'debt')}
"""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Held"]

Place = tuple[object, ...]


class Held:
    """Polars tables by name, as they are now, and where in memory each of their columns lies."""

    def __init__(self, frames: Mapping[str, Any]) -> None:
        # Clones share the memory and keep their columns when somebody puts another one into the original.
        self.frames = {part: frame.clone() for part, frame in frames.items()}
        self._at: dict[Place, set[tuple[str, str]]] = {}
        for part, frame in self.frames.items():
            for column in frame.columns:
                if (place := _place(frame[column])) is not None:
                    self._at.setdefault(place, set()).add((part, column))

    def found(self, series: Any) -> set[tuple[str, str]]:
        """Say which columns of which tables a column is; several where tables share it."""
        place = _place(series)
        return set() if place is None else set(self._at.get(place, ()))

    def fewest(self, found: Mapping[str, set[tuple[str, str]]]) -> dict[str, set[tuple[str, str]]]:
        """Choose, for the columns of one table, the fewest tables that hold all of them under their names.

        Tables that share memory (`loans`, and what a step made of it by adding a column) hold the very same values:
        the one that has just these columns is named, else each of them, never one by chance.
        """
        shared = [name for name, places in found.items() if places]
        whole = [part for part in self.frames if all((part, name) in found[name] for name in shared)]
        exact = [part for part in whole if self.frames[part].columns == list(found)]
        chosen = exact or whole
        if not chosen:
            return dict(found)
        return {
            name: {(part, name) for part in chosen} if places else places for name, places in found.items()
        }


def _place(series: Any) -> Place | None:
    """Say where the values of a column lie; None where that tells nothing."""
    import polars

    if not len(series) or series.null_count() == len(series):
        return None
    try:
        # Codes instead of categories: those are written anew for Arrow each time.
        plain = series.to_physical().rename("").to_frame()
        [column] = plain.to_arrow(compat_level=polars.CompatLevel.newest()).columns
    except (
        Exception
    ):  # a type that Arrow has no word for fails in a way of its own (`pl.Int128`, `pl.Object`)
        return None
    return (str(series.dtype), *(part for chunk in column.chunks for part in _leaves(chunk)))


def _leaves(array: Any) -> Iterator[object]:
    import pyarrow as pa

    yield array.offset, len(array), tuple(None if part is None else part.address for part in array.buffers())
    if pa.types.is_struct(array.type):
        for number in range(array.type.num_fields):
            yield from _leaves(array.field(number))
    elif pa.types.is_nested(array.type):
        yield from _leaves(array.values)
