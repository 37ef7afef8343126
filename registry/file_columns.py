"""Columns that a step took from a file as they are: seen by comparing the two, cell by cell.

A step that reads a file can do anything with it on the way. Where a column that it returned has the name and the very
content of a column of the file, it is that column, and its lineage ends there; where it has not, nothing is said.

Rules:

- Compared are fingerprints, so every cell counts. The file is read a second time, as the library of the step's table
  reads it by default, then as `affidavit fingerprint` does.
- Rows are those of the file, in its order, where every column that both have is equal.
- A file that was written, replaced or moved since the run began comes from no outside: the run may have made it of
  anything, so its columns stay unknown. The time of its change (ctime) counts as well as that of its writing (mtime),
  which any program can set back.
- A file above `MOST_BYTES` is not read again, and its columns stay unknown.

>>> with_file_columns(flow, part, "pandas", {"loans.csv": path}, store)    # doctest: +SKIP
"""

import importlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from audit.canonical import JsonObject
from registry.artifacts import ArtifactStore
from registry.attempted import attempted
from registry.fingerprint import Fingerprint
from registry.flows import ALL_ROWS, IDENTITY, ROWS, Flow, Link
from registry.keying import UNKEYED, Keying
from registry.places import FILE
from registry.recorded_fingerprint import recorded_fingerprint

__all__ = ["MOST_BYTES", "file_moment", "is_written_since", "with_file_columns", "written_meanwhile"]

MOST_BYTES = 64_000_000
"""A file beyond it takes longer to read again than a run should wait for its lineage."""


def file_moment() -> int:
    """Return the time as files are stamped with it, in nanoseconds: that clock may go behind the one of programs."""
    with tempfile.TemporaryFile() as file:
        return os.fstat(file.fileno()).st_mtime_ns


def is_written_since(path: Path, since: int | None) -> bool:
    """Say whether a file was written, replaced or moved since a moment; None is no moment."""
    about = path.stat()
    return since is not None and max(about.st_mtime_ns, about.st_ctime_ns) >= since


def written_meanwhile(uri: str) -> str:
    """Say that a file tells nothing of where its columns come from."""
    return f"{uri} was written while the run was going on: what it was made from is not known"


def with_file_columns(
    flow: Flow,
    part: JsonObject,
    holder: str,
    files: Mapping[str, Path],
    artifacts: ArtifactStore,
    keying: Keying = UNKEYED,
    *,
    since: int | None = None,
) -> Flow:
    """Add the columns of files that a table holds unchanged.

    `part` describes the table, `holder` names the package that it is of, `files` are the step's sources by name,
    `keying` says which columns are keyed, in files as in the table, and `since` is when the run began (`file_moment`).
    """
    if flow.kind != "table" or part["document"] is None or flow.is_whole:
        return flow
    return attempted(
        lambda: _with_files(flow, part, holder, files, artifacts, keying, since),
        lambda why: replace(flow, notes=(*flow.notes, f"step {flow.step}: {why}")),
    )


def _with_files(
    flow: Flow,
    part: JsonObject,
    holder: str,
    files: Mapping[str, Path],
    artifacts: ArtifactStore,
    keying: Keying,
    since: int | None,
) -> Flow:
    table = recorded_fingerprint(part, artifacts)
    for uri, path in files.items():
        if not path.is_file():
            continue  # the step moved it away
        if is_written_since(path, since):
            note = written_meanwhile(uri)
            if not any(each.endswith(note) for each in flow.notes):
                flow = replace(flow, notes=(*flow.notes, note))
            continue
        if path.stat().st_size > MOST_BYTES:
            note = f"{uri} is too large to be compared with what the step {flow.step} made of it"
            flow = replace(flow, notes=(*flow.notes, note))
            continue
        flow = _compared(flow, table, uri, _readings(path, holder, keying))
    return flow


def _compared(flow: Flow, table: Fingerprint, uri: str, readings: Iterator[Fingerprint]) -> Flow:
    ours = {column.name: column.root for column in table.columns}
    equal: set[str] = set()
    both: set[str] = set()
    for reading in readings:
        known = {column.name: column.root for column in reading.columns}
        both |= ours.keys() & known.keys()
        if reading.rows == table.rows:
            equal |= {name for name in both if ours[name] == known.get(name)}
        if both and equal == both:
            break
    if not equal:
        return flow
    new = equal - flow.complete
    links = [Link(name, FILE + uri, name, "observed", IDENTITY) for name in flow.columns if name in new]
    if equal == both and not flow.rows_complete:
        rows = Link(None, FILE + uri, ALL_ROWS, "observed", ROWS)
        flow = replace(flow, links=(*flow.links, rows), rows_complete=True)
    flow = replace(flow, links=(*flow.links, *links), complete=flow.complete | new)
    # What was not understood of a plan is of no matter where all of it is known.
    return replace(flow, notes=()) if flow.is_whole else flow


def _readings(path: Path, holder: str, keying: Keying) -> Iterator[Fingerprint]:
    """Read a file in the ways in which it is likely to have been read; what cannot be read so is passed over."""
    ways: list[Callable[[], object]] = [lambda: path]
    if path.suffix == ".csv" and holder in ("pandas", "polars"):
        ways.insert(0, lambda: importlib.import_module(holder).read_csv(path))
    for read in ways:
        found = _tried(read, keying)
        if found is not None:
            yield found


def _tried(read: Callable[[], object], keying: Keying) -> Fingerprint | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return keying.fingerprint(read())
        except Exception:  # a library may say in any way that it cannot read a file; then nothing was seen
            return None
