"""What a step reads besides the tables that it receives, for what is declared of it.

A declaration names the columns of a file as it names those of a table: by the parameter that names the file,
`columns={"black": ["source.race"]}`.

Rules:

- A file, and every other origin, that a parameter of the step names can be named so. The columns of a file that holds a
  table are known from its header; those of a database, or of a file of another kind, are taken as they are declared.
- A file that was written since the run began may be made of anything, whatever is declared.
- So may what the step reads and no parameter names: nothing that is declared of the step is complete. Seen is what
  Python opens (`registry.no_effects`), what is asked through SQLAlchemy, and by their names functions that read
  (`read_parquet`, `scan_csv`).

>>> outside_of([], {}, since=None, look=True) == NOTHING
True
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audit.canonical import JsonObject
from audit.errors import AffidavitError
from registry.file_columns import is_written_since, written_meanwhile
from registry.held import written
from registry.no_effects import Reads
from registry.places import FILE
from registry.reached import readers, texts
from registry.told import Source

__all__ = ["NOTHING", "Outside", "outside_of", "unnamed_reads"]


@dataclass(frozen=True, slots=True)
class Outside:
    """The sources that a declaration can name, and why nothing that is declared may be complete."""

    sources: tuple[Source, ...] = ()
    doubts: tuple[str, ...] = ()


NOTHING: Final = Outside()


def outside_of(
    rows: Iterable[JsonObject], paths: Mapping[str, Path], *, since: int | None, look: bool
) -> Outside:
    """Find what the parameters of a step name, before it is called: `rows` are its sources and origins.

    `paths` are its files by their URIs, `since` is when the run began (`registry.file_columns.file_moment`). Files are
    not looked into where nothing is declared that could name their columns (`look`).
    """
    named = [(str(row["parameter"]), str(row["uri"])) for row in rows if row["parameter"] is not None]
    fresh = [uri for _, uri in named if uri in paths and is_written_since(paths[uri], since)]
    return Outside(
        tuple(Source(name, FILE + uri, _columns(paths.get(uri)) if look else None) for name, uri in named),
        tuple(map(written_meanwhile, dict.fromkeys(fresh))),
    )


def unnamed_reads(
    function: Callable[..., object], read: Reads, rows: Sequence[JsonObject], paths: Iterable[Path]
) -> list[str]:
    """Say what a step read that none of its parameters names; `rows` are its sources and origins after its call."""
    known = {os.path.realpath(path) for path in paths}
    asked = [row for row in rows if "kind" in row]
    databases = {Path(uri).name for row in asked if (uri := str(row["uri"])).startswith("sqlite")}
    read_files = [Path(name).name for name in read.files if name not in known]
    files = [name for name in read_files if name not in databases]
    found = []
    if files:
        found.append(f"it reads the file {files[0]}, which none of its parameters names")
    if any(row["parameter"] is None for row in asked) or (read.connected and not asked):
        found.append("it asks a server or a database that none of its parameters names")
    if not found and (calls := readers(function)):
        others = [name for name in texts(function) if _is_other_file(name, {*known, *read.wrote})]
        if others:
            found.append(f"it names the file {Path(others[0]).name}, which none of its parameters names")
        elif not rows:
            found.append(f"it calls {calls[0]}, and none of its parameters names what it reads")
    return found


def _is_other_file(text: str, known: Collection[str]) -> bool:
    try:
        return Path(text).is_file() and os.path.realpath(text) not in known
    except (OSError, ValueError):  # too long a name, or a NUL in it, names no file
        return False


def _columns(path: Path | None) -> tuple[str, ...] | None:
    """Name the columns of a file that holds a table; None where it is of another kind, or cannot be read."""
    if path is None:
        return None
    # Here and not above: Arrow is loaded where a file is looked at.
    from registry.file_notes import separated_otherwise
    from registry.files import from_file, kind_of

    if kind_of(path) is None:
        return None
    try:
        names: Any = from_file(path).names
    except AffidavitError:
        return None
    # What separates the cells otherwise than by commas is no one column.
    return None if separated_otherwise(names) else written(names)
