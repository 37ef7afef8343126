"""How the data of two runs differs, by the profiles that both recorded: missing, distinct, range, middle and mean.

Rules:

- Tables are compared by name, and only where their fingerprints differ. A run without profiles has none to compare:
  that its data differs is told by the fingerprints.
- A difference of counts below the small-cell bound (`registry.disclosure`) is about few people: it is said to be one,
  and not how large. Both profiles are recorded as they are, so that who can read both can subtract them.

>>> list(_beside({"missing": "12", "missing share": "0.06"}, {"missing": "11", "missing share": "0.05"}))
[('missing', '12', 'fewer than 10 away')]
"""

from collections.abc import Iterator, Mapping

from audit.canonical import Json, JsonObject, decode
from registry.artifacts import ArtifactStore
from registry.compare import Row
from registry.disclosure import SMALL_CELL
from registry.profile import ColumnProfile, Profile
from registry.recorded import parts_of_run

__all__ = ["profile_rows"]

COUNTS = ("missing", "distinct")
ROWS_WITH = "rows with "
FIGURES = ("type", "missing", "missing_share", "distinct", "low", "high", "mean", "deviation")


def profile_rows(
    first: Mapping[str, Json], second: Mapping[str, Json], artifacts: ArtifactStore
) -> list[Row]:
    """Put the profiled figures of two run predicates side by side; raises where a profile is gone or changed."""
    mine, theirs = dict(_profiled(first)), dict(_profiled(second))
    rows: list[Row] = []
    for name, part in mine.items():
        other = theirs.get(name)
        if other is None or part["fingerprint"] == other["fingerprint"]:
            continue
        before, after = (
            Profile.from_json(decode(artifacts.get(str(each["profile"])))) for each in (part, other)
        )
        rows += _between(name, before, after)
    return rows


def _profiled(run: Mapping[str, Json]) -> Iterator[tuple[str, JsonObject]]:
    for _, part in parts_of_run(run):
        if part.get("profile") is not None:
            yield str(part["name"]), part


def _between(table: str, first: Profile, second: Profile) -> Iterator[Row]:
    """Compare the columns that both have; what one lacks, the fingerprints tell."""
    for column in first.columns:
        other = second.column(column.name)
        if other is None:
            continue
        for name, mine, theirs in _beside(dict(_figures(column)), dict(_figures(other))):
            yield Row("profile", f"{table}.{column.name} {name}", mine, theirs)


def _beside(
    first: Mapping[str, str], second: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Put figures side by side; counts that differ by few rows are only said to differ."""
    few = {
        name
        for name in first.keys() & second.keys()
        if (name in COUNTS or name.startswith(ROWS_WITH))
        and 0 < abs(int(first[name]) - int(second[name])) < SMALL_CELL
    }
    for name in dict.fromkeys([*first, *second]):
        if name in few:
            yield name, first[name], f"fewer than {SMALL_CELL} away"
        elif not (name == "missing share" and "missing" in few):
            yield name, first.get(name), second.get(name)


def _figures(column: ColumnProfile) -> Iterator[tuple[str, str]]:
    for name in FIGURES:
        value = getattr(column, name)
        if value is not None:
            yield name.replace("_", " "), str(value)
    median = dict(column.quantiles).get("0.5")
    if median is not None:
        yield "median", median
    for value, rows in column.values:
        yield f"{ROWS_WITH}{value}", str(rows)
