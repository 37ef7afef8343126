"""The command that profiles a data file, or shows the profile that a run recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.errors import MalformedInput, NotFound
from audit.terminal import Command, bar, json_option, print_json, print_table, say

# What the command needs is imported inside it: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.canonical import JsonObject
    from registry.profile import Profile
    from registry.registry import Registry

__all__ = ["print_profile", "profile", "recorded_profiles", "unprofiled_tables"]

Open = Callable[[], "Registry"]
BARS = 16


@click.command(
    cls=Command,
    examples=[
        "affidavit profile loanapp.csv",
        "affidavit profile loanapp.csv --protect race --protect sex --json",
        "affidavit profile mortgage@1:applications",
    ],
)
@click.argument("what", metavar="FILE-OR-REF")
@click.option(
    "--protect", "protected", multiple=True, metavar="COLUMN", help="A column to withhold; repeatable."
)
@click.option(
    "--small-cell",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="The fewest rows that a figure may be about.",
)
@json_option
@click.pass_obj
def profile(opened: Open, what: str, protected: tuple[str, ...], small_cell: int, as_json: bool) -> None:
    """Profile a data file, column by column.

    Types, missing and distinct values, range, quantiles and frequent values; no figure is about fewer than ten rows.
    FILE-OR-REF is a CSV, Parquet, Arrow or Feather file, or a table that a run recorded: NAME@VERSION:TABLE, 7:TABLE.
    """
    from registry.profile_text import promise
    from registry.sentences import did_you_mean

    found = _recorded(opened, what) or _of_file(Path(what), small_cell)
    for name in protected:
        if found.column(name) is None:
            raise MalformedInput(f"there is no column {name!r} to protect{did_you_mean(name, _names(found))}")
    found = found.withholding(protected)
    if as_json:
        print_json(found.to_json())
        return
    say(f"{found.rows} rows, {len(found.columns) + found.omitted} columns\n")
    print_profile(found)
    say(f"\n{promise(found)}")


def print_profile(found: "Profile", most: int | None = None) -> None:
    """Print a profile as a table, at most so many columns, and say how many are not in it."""
    from registry.profile_shape import blocks, shape
    from registry.profile_text import HEADINGS, rows

    shown = [
        (
            r.name,
            r.type,
            r.missing,
            r.distinct,
            blocks(shape(c, BARS)) or "-",
            r.range,
            r.half,
            r.mean,
            r.frequent,
        )
        for r, c in list(zip(rows(found), found.columns, strict=True))[:most]
    ]
    print_table(HEADINGS, shown)
    if found.omitted:
        say(f"The last {found.omitted} columns are not profiled.")


def recorded_profiles(registry: "Registry", run: "JsonObject") -> dict[str, "Profile"]:
    """Read the profiles that a run recorded, by the names of their tables; raises where one is gone or changed."""
    from audit.canonical import decode
    from registry.profile import Profile
    from registry.recorded import parts_of_run

    return {
        str(part["name"]): Profile.from_json(decode(registry.artifacts.get(str(part["profile"]))))
        for _, part in parts_of_run(run)
        if part.get("profile") is not None
    }


def unprofiled_tables(run: "JsonObject") -> dict[str, str]:
    """Return why the tables that a run recorded without a profile have none, as far as it says."""
    from registry.recorded import parts_of_run

    return {
        str(part["name"]): str(part["not_profiled"])
        for _, part in parts_of_run(run)
        if part.get("not_profiled") is not None
    }


def _recorded(opened: Open, what: str) -> "Profile | None":
    from registry.named_table import is_reference, run_and_table

    if not is_reference(what):
        return None
    registry = opened()
    run, table = run_and_table(registry, what, _tables)
    name = what.partition(":")[0]
    found, without = recorded_profiles(registry, run), unprofiled_tables(run)
    if table in without:
        raise NotFound(f"{name} has no profile of the table {table!r}: {without[table]}")
    if table not in found:
        raise NotFound(
            f"{name} has no profile of a table {table!r}: those recorded are {', '.join(found) or 'none'}"
        )
    return found[table]


def _tables(run: "JsonObject") -> list[str]:
    """Name the tables that a run recorded with a profile, or says why without."""
    from registry.recorded import parts_of_run

    profiled = [str(part["name"]) for _, part in parts_of_run(run) if part.get("profile") is not None]
    return [*profiled, *unprofiled_tables(run)]


def _names(found: "Profile") -> list[str]:
    return [column.name for column in found.columns]


def _of_file(path: Path, small_cell: int) -> "Profile":
    from registry.files import naming
    from registry.profile import profile as profile_of

    with naming(path), bar(f"reading {path.name}") as progress:
        return profile_of(
            path, small_cell=small_cell, progress=lambda done, total: progress(done, total or 0)
        )
