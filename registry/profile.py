"""The profile of a table: what its columns look like, told so that no person shows (scheme `affidavit-profile-v2`).

Rules:

- The same table has the same profile, byte for byte, whatever library holds it and however it is cut: it depends on
  the logical values and on nothing else (`registry.column_profile`).
- Every figure keeps the small-cell rule (`registry.disclosure`). Texts are told by their lengths, and by their values
  only where those are few. Of a withheld column only its type and its share of missing values is told.
- `low`, `high`, quantiles and lengths are bounds for which enough rows stand (`registry.bounds`); mean and deviation
  are of the values with those beyond `low` and `high` counted as these.
- A profile is bounded: at most `MOST_COLUMNS` columns, the first ones; how many more there are is told.
- It is canonical JSON: numbers are decimal strings, dates and times ISO 8601, durations seconds; null means that it is
  not told. `exact` is false where distinct values and quantiles are estimates (`registry.distribution`); `errors` says
  how good those are: the standard error of `distinct` relative to it, and of a quantile's share of the rows.
- Profiles of the scheme `affidavit-profile-v1`, which earlier releases recorded, are read as they are: there `low`,
  `high` and quantiles were single values or came from buckets, and the greatest error of a quantile is one relative to
  its value.

The profile of a column::

    {"name", "type", "missing", "missing_share", "withheld", "note", "distinct", "exact", "low", "high",
     "quantiles": [[share, value], ...], "mean", "deviation", "lengths": {"low", "median", "high"} or null,
     "values": [[value, rows], ...], "hidden", "hidden_rows"}

>>> import pyarrow as pa
>>> profile(pa.table({"a": [1.5, 2.5] * 20})).columns[0].quantiles[0]
('0.25', '1.5')
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from registry.disclosure import SMALL_CELL, share_shown
from registry.protected_names import is_protected, names_of

__all__ = ["LEVELS", "MOST_COLUMNS", "SCHEME", "ColumnProfile", "Level", "Profile", "profile"]

SCHEME = "affidavit-profile-v2"

MOST_COLUMNS = 512
"""So many columns are profiled, the first ones of the table."""

PROTECTED = "a protected column"
LIMITED = "limited by a policy"

Level = Literal["nothing", "missing", "counts", "all"]
LEVELS: tuple[Level, ...] = ("nothing", "missing", "counts", "all")
"""How much of a column is told beside its name and type: the share of missing values, counts, or all."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What is told of one column; None, or an empty tuple, is not told."""

    name: str
    type: str
    missing: int | None = None
    missing_share: str | None = None
    withheld: str | None = None
    note: str | None = None
    distinct: int | None = None
    exact: bool | None = None
    low: str | None = None
    high: str | None = None
    quantiles: tuple[tuple[str, str], ...] = ()
    mean: str | None = None
    deviation: str | None = None
    lengths: tuple[str, str, str] | None = None
    values: tuple[tuple[str, int], ...] = ()
    hidden: int | None = None
    hidden_rows: int | None = None

    def withhold(self, why: str, rows: int, small_cell: int) -> "ColumnProfile":
        """Tell the type and the share of missing values in so many rows, and nothing else."""
        return ColumnProfile(
            self.name, self.type, missing_share=self._rough_share(rows, small_cell), withheld=why
        )

    def limited(self, level: Level, rows: int, small_cell: int) -> "ColumnProfile":
        """Tell no more than a policy allows of a column of so many rows."""
        if LEVELS.index(self.told) <= LEVELS.index(level):
            return self
        if level == "counts":
            return replace(self, low=None, high=None, quantiles=(), mean=None, deviation=None, lengths=None)
        share = self._rough_share(rows, small_cell) if level == "missing" else None
        return ColumnProfile(self.name, self.type, missing_share=share, withheld=self.withheld or LIMITED)

    def _rough_share(self, rows: int, small_cell: int) -> str | None:
        """Round the share of missing values until a small cell lies in each step; one that is withheld was rounded."""
        return self.missing_share if self.missing is None else share_shown(self.missing, rows, small_cell)

    @property
    def told(self) -> Level:
        """How much is told."""
        if self.low or self.high or self.quantiles or self.mean or self.deviation or self.lengths:
            return "all"
        counts = (self.missing, self.distinct, self.hidden, self.hidden_rows)
        if self.values or any(count is not None for count in counts):
            return "counts"
        return "nothing" if self.missing_share is None else "missing"

    def to_json(self) -> JsonObject:
        """Write the column."""
        said: JsonObject = {field.name: getattr(self, field.name) for field in fields(self)}
        return said | {
            "quantiles": [list[Json](pair) for pair in self.quantiles],
            "values": [list[Json](pair) for pair in self.values],
            "lengths": dict(zip(("low", "median", "high"), self.lengths, strict=True))
            if self.lengths
            else None,
        }

    @classmethod
    def from_json(cls, value: Json) -> "ColumnProfile":
        """Read the column, or raise `MalformedInput`; members that are not known are passed over."""
        try:
            said = cast(dict[str, Any], value)
            known: dict[str, Any] = {field.name: said.get(field.name) for field in fields(cls)}
            known["quantiles"] = tuple((str(share), str(at)) for share, at in said["quantiles"])
            known["values"] = tuple((str(each), _count(rows)) for each, rows in said["values"])
            lengths = said.get("lengths")
            known["lengths"] = None if lengths is None else _three(lengths)
            for name in ("missing", "distinct", "hidden", "hidden_rows"):
                known[name] = None if known[name] is None else _count(known[name])
            return cls(**known)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise MalformedInput("a column of the profile is not what a profile holds") from None


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile of a table; `omitted` columns of it are not in it."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    omitted: int = 0
    small_cell: int = SMALL_CELL
    scheme: str = SCHEME

    def withholding(
        self, protected: Collection[str], profiled: Collection[str] = (), part: str = ""
    ) -> "Profile":
        """Withhold the columns of a `part` that are protected, but for those that may be `profiled` all the same."""
        columns = tuple(
            column.withhold(PROTECTED, self.rows, self.small_cell)
            if any(is_protected(name, protected) and not is_protected(name, profiled) for name in names)
            else column
            for column in self.columns
            for names in [self.names_in(column.name, part)]
        )
        return replace(self, columns=columns)

    def names_in(self, column: str, part: str) -> tuple[str, ...]:
        """Return the names by which a column of it is known, where it is the profile of the `part` of that name."""
        return names_of(column, part, alone=len(self.columns) + self.omitted == 1)

    def withholding_all(self, why: Callable[[str], str | None]) -> "Profile":
        """Withhold the columns for which `why` gives a reason, unless they are withheld already."""
        columns = tuple(
            each.withhold(reason, self.rows, self.small_cell)
            if each.withheld is None and (reason := why(each.name))
            else each
            for each in self.columns
        )
        return replace(self, columns=columns)

    def limited(self, ceiling: Callable[[str], Level]) -> "Profile":
        """Tell of each column no more than `ceiling` allows for its name."""
        return replace(
            self,
            columns=tuple(
                each.limited(ceiling(each.name), self.rows, self.small_cell) for each in self.columns
            ),
        )

    def column(self, name: str) -> ColumnProfile | None:
        """Find a column by its name."""
        return next((column for column in self.columns if column.name == name), None)

    def to_json(self) -> JsonObject:
        """Write the profile as a canonical JSON value that `from_json` reads."""
        return {
            "scheme": self.scheme,
            "rows": self.rows,
            "small_cell": self.small_cell,
            "errors": dict(_ERRORS[self.scheme]),
            "columns": [column.to_json() for column in self.columns],
            "omitted": self.omitted,
        }

    @classmethod
    def from_json(cls, value: Json) -> "Profile":
        """Read what `to_json` wrote, or raise `MalformedInput`."""
        if not isinstance(value, dict) or value.get("scheme") not in _ERRORS:
            raise MalformedInput(f"this is no profile of the scheme {SCHEME}, nor of one before it")
        columns = value.get("columns")
        if not isinstance(columns, list):
            raise MalformedInput("the profile has no list of columns")
        try:
            counts = (_count(value.get(name)) for name in ("rows", "omitted", "small_cell"))
            rows, omitted, small_cell = counts
        except ValueError:
            raise MalformedInput("the profile's counts are not counts") from None
        read = tuple(ColumnProfile.from_json(column) for column in columns)
        return cls(rows, read, omitted, small_cell, str(value["scheme"]))


_ERRORS = {
    "affidavit-profile-v1": {"distinct": "0.0081", "quantiles": "0.000123"},
    SCHEME: {"distinct": "0.0081", "quantile_shares": "0.0028", "means": "0.0055"},
}
"""Those of `registry.cardinality` and `registry.value_sample`, so that reading a profile loads no NumPy."""


def profile(
    table: object,
    *,
    small_cell: int = SMALL_CELL,
    whole: bool = True,
    progress: Callable[[int, int | None], None] | None = None,
) -> Profile:
    """Profile a table of any kind that `fingerprint` takes, in one pass, memory bounded by its columns.

    Without `whole`, only types and missing values are measured. Raises as `fingerprint` does. Nothing is withheld yet:
    `withholding` does that.
    """
    # pyarrow and numpy are loaded here, so that reading a profile needs neither.
    from registry.column_profile import MeasuredColumn
    from registry.fingerprint import opened
    from registry.profile_figures import ToldColumn
    from registry.row_runs import feed

    if type(small_cell) is not int or small_cell < 1:
        raise MalformedInput(f"the small cell is a whole number of rows from 1, not {small_cell!r}")
    source = opened(table)
    names = source.names[:MOST_COLUMNS]

    def begin() -> list[ToldColumn]:
        measured = (MeasuredColumn(name, small_cell, whole=whole) for name in names)
        return [ToldColumn(column, small_cell, source.rows) for column in measured]

    columns = feed(source, begin, progress)
    done = tuple(column.told() for column in columns)
    rows = columns[0].rows if columns else source.rows or 0
    return Profile(rows, done, len(source.names) - len(names), small_cell)


def _count(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a count")
    return value


def _three(lengths: dict[str, str]) -> tuple[str, str, str]:
    return str(lengths["low"]), str(lengths["median"]), str(lengths["high"])
