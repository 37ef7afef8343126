"""How the data of two runs differs, by the profiles that both recorded: missing, distinct, range, middle and mean.

Tables are compared by name, and only where their fingerprints differ. A run without profiles has none to compare:
that its data differs is told by the fingerprints.
"""

from collections.abc import Iterator, Mapping

from audit.canonical import Json, JsonObject, decode
from registry.artifacts import ArtifactStore
from registry.compare import Row
from registry.profile import ColumnProfile, Profile
from registry.recorded import parts_of_run

__all__ = ["profile_rows"]

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
        mine, theirs = dict(_figures(column)), dict(_figures(other))
        for name in dict.fromkeys([*mine, *theirs]):
            yield Row("profile", f"{table}.{column.name} {name}", mine.get(name), theirs.get(name))


def _figures(column: ColumnProfile) -> Iterator[tuple[str, str]]:
    for name in FIGURES:
        value = getattr(column, name)
        if value is not None:
            yield name.replace("_", " "), str(value)
    median = dict(column.quantiles).get("0.5")
    if median is not None:
        yield "median", median
    for value, rows in column.values:
        yield f"rows with {value}", str(rows)
