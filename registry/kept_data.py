"""Kept data: tables put into the artifact store as Parquet, so that a run can be reproduced without their source.

Rules:

- Only on request (`keep_data`), and only what came in from outside: the tables of steps that take nothing from another,
  or those given to `run.data`. What other steps made of them can be made again.
- The file is written the same way every time: the same table, held by the same library, gives the same bytes for one
  version of pyarrow. It is read back before it counts: its fingerprint must be that of the table, and what pandas holds
  as categories or objects must be such again, since a model that is trained on them tells them from numbers.
- A table with protected columns (`registry.profiling`), or with columns that a privacy rule in force names
  (`registry.privacy`), is not kept unless that is asked for by name: what stands in the ledger stays, and a file of
  personal data that a statement names can be deleted but not silently. Where a policy has nothing kept of a column,
  asking does not help. What was not kept, and why, is recorded.
- A copy of a table with keyed columns holds 32 bytes more, derived from the fingerprint key: its digest tells nothing
  once the copy is deleted. Its size is not recorded.
- What a step returned is in memory; its Parquet goes to a file and from there to the store, never whole through memory.
  To be compared it is read back, which takes the room of the table once more. What is read piece by piece (a lazy
  frame, a dataset, a query) may be larger than memory, and is not kept.

What a part says: `"kept": {"artifact", "bytes", "format", "holder", "index", "place", "reason"}`; `index` names the
index of a pandas table, which is kept with it and is no column of its fingerprint; `place` is the key or index under
which its step returned it, null where it was all that it returned; without an artifact there is a reason.

>>> keeping = Keeping("all")
>>> keeping.see("applications", frame, parts)                  # doctest: +SKIP
>>> keeping.keep(artifacts, protected=())                      # doctest: +SKIP
"""

import hmac
import os
import re
import tempfile
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from audit.canonical import Json, JsonObject
from audit.errors import AffidavitError, MalformedInput, NotVerified
from registry.artifacts import ArtifactStore
from registry.fingerprint import KEYED_SCHEME, SCHEME, fingerprint
from registry.fingerprint_key import FingerprintKey
from registry.held import holder_of
from registry.parts import parts_of
from registry.privacy import NO_DEMANDS, Privacy
from registry.protected_names import is_protected
from registry.recorded import parts_of_run
from registry.sentences import listed

__all__ = ["KeepData", "Keeping", "checked_keeping", "not_kept", "read_kept", "warn_of_not_kept"]

KeepData = bool | Literal["all"]
"""Keep data: not, what holds no protected column, or all."""

HOLDERS = ("pandas.DataFrame", "pandas.Series", "polars.DataFrame", "polars.Series", "pyarrow.Table")
LIBRARIES = ("dask", "datafusion", "duckdb", "ibis", "pandas", "polars", "pyarrow", "pyspark")
"""What a step returns of theirs is data, also where it is not in memory; that it was not kept is said."""
BUFFER = 1 << 20
_UNNAMED = re.compile(r"__index_level_[0-9]+__")
"""What Arrow calls the level of an index that has no name."""
_SALT = b"affidavit.salt"
PROTECTED = "it holds protected columns"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A table that was written to a file without a name, or (`file` None) why it was not."""

    part: JsonObject
    said: JsonObject
    columns: tuple[str, ...]
    file: BinaryIO | None


class Keeping:
    """Collects the tables of one run that are to be kept."""

    def __init__(self, wanted: KeepData = False) -> None:
        self.wanted = wanted
        self._waiting: list[Waiting] = []

    def see(
        self, step: str, value: object, parts: list[JsonObject], key: FingerprintKey | None = None
    ) -> None:
        """Write the tables among what a step returned to files that vanish with this process."""
        if not self.wanted:
            return
        for (name, item), part in zip(parts_of(step, value), parts, strict=True):
            if part["kind"] == "table" or _of_table_library(item):
                self._waiting.append(_written(part, item, _place(value, step, name), key))

    def forget(self) -> None:
        """Keep none of them."""
        for waiting in self._waiting:
            if waiting.file is not None:
                waiting.file.close()
        self._waiting = []

    def keep(
        self, artifacts: ArtifactStore, protected: Collection[str], privacy: Privacy = NO_DEMANDS
    ) -> None:
        """Store what may be stored; raises `EnvironmentFailed` where that cannot be done."""
        for waiting in self._waiting:
            if waiting.file is not None:
                refused = self._refused(waiting.columns, protected, privacy)
                waiting.said["reason"] = refused
                waiting.said["artifact"] = artifacts.put_stream(waiting.file) if refused is None else None
            waiting.part["kept"] = waiting.said
        self.forget()

    def _refused(self, columns: Collection[str], protected: Collection[str], privacy: Privacy) -> str | None:
        """Say why a table with these columns is not to be kept, or nothing."""
        by_name = self.wanted == "all"
        # First, since asking does not help against it, or makes the rule fail.
        ruled_out = privacy.why_not_kept(columns, protected, by_name=by_name)
        held = [name for name in columns if is_protected(name, (*protected, *privacy.named))]
        if ruled_out is None and held and not by_name:
            return f"{PROTECTED} ({listed(held)})"
        return ruled_out


def checked_keeping(keep_data: object) -> KeepData:
    """Return what `keep_data` asks for, or raise `MalformedInput`."""
    if keep_data == "all":
        return "all"
    if isinstance(keep_data, bool):
        return keep_data
    raise MalformedInput(f'keep_data is True, False or "all" (protected columns too), not {keep_data!r}')


def not_kept(run: JsonObject, way: str = "") -> Iterator[str]:
    """Say in sentences which tables of a run were to be kept and were not; a run whose steps moved says nothing.

    `way` says how a table with protected columns is kept all the same.
    """
    for _, part in parts_of_run(run) if isinstance(run["steps"], list) else ():
        kept = part.get("kept")
        if isinstance(kept, dict) and kept.get("artifact") is None:
            reason = str(kept.get("reason"))
            more = f"; {way}" if way and reason.startswith(PROTECTED) else ""
            yield f"the table {part['name']} was not kept: {reason}{more}"


def warn_of_not_kept(run: JsonObject) -> None:
    """Warn, in Python's way, of each table that was to be kept and was not."""
    for sentence in not_kept(run, 'keep_data="all" keeps it too'):
        warnings.warn(sentence, stacklevel=3)


def read_kept(file: BinaryIO, holder: str) -> Any:
    """Read a kept table back into what held it; raises `NotVerified` where it is none."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Through a small buffer, or whole columns of the file would be in memory beside its table.
        table = parquet.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False).read()
        return _restored(table, holder)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise NotVerified(f"a kept table cannot be read: {type(error).__name__}") from error


def _written(part: JsonObject, item: Any, place: Json, key: FingerprintKey | None) -> Waiting:
    held = ".".join(holder_of(item) or ())
    holder = held if held in HOLDERS else ""
    said: JsonObject = {
        "artifact": None, "bytes": None, "format": "parquet", "holder": holder, "index": [], "place": place,
        "reason": None,
    }  # fmt: skip
    # Without a name, so that nothing is left behind where this process is killed.
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed when it is stored, or forgotten
    try:
        salt = _salt(part, key)
        _write(item, holder, file, salt)
        back = read_kept(file, holder)
        if str(fingerprint(back)) != _mark(part, item):
            raise MalformedInput("it does not come back from Parquet as it was")
        _refuse_other_kinds(item, back)
    except Exception as error:  # a table may hold anything, and what holds it is somebody else's code
        file.close()
        ours = isinstance(error, AffidavitError)
        said["reason"] = str(error) if ours else f"it cannot be written as Parquet ({type(error).__name__})"
        return Waiting(part, said, (), None)
    columns = tuple(dict.fromkeys(_names_in(file)))
    said["index"] = list[Json](_index_in(file))
    size = file.seek(0, os.SEEK_END)
    said["bytes"] = size if salt is None else None
    return Waiting(part, said, columns, file)


def _refuse_other_kinds(item: Any, back: Any) -> None:
    """Refuse a pandas table in which categories or objects came back as something else: models tell them apart."""
    if not hasattr(back, "dtypes") or not hasattr(back, "iloc"):
        return
    for name, before, after in zip(_labels(back), _dtypes(item), _dtypes(back), strict=True):
        if before != after and {str(before), str(after)} & {"category", "object"}:
            raise MalformedInput(
                f"its column {name!r} does not come back from Parquet as it was: {before} became {after}"
            )


def _labels(table: Any) -> list[Any]:
    return list(table.columns) if table.ndim == 2 else [table.name]


def _dtypes(table: Any) -> list[Any]:
    return list(table.dtypes) if table.ndim == 2 else [table.dtype]


def _names_in(file: BinaryIO) -> Iterator[str]:
    """Name all that a copy holds: its columns, what is in their structs, and the index of a pandas table."""
    from pyarrow import parquet

    waiting = list(parquet.ParquetFile(file).schema_arrow)
    for field in waiting:
        yield field.name
        waiting += (field.type.field(number) for number in range(field.type.num_fields))


def _index_in(file: BinaryIO) -> Iterator[str]:
    """Name the levels of the index that a pandas table was written with, as far as they have names."""
    from pyarrow import parquet

    about = parquet.ParquetFile(file).schema_arrow.pandas_metadata or {}
    for level in about.get("index_columns", ()):
        name = level.get("name") if isinstance(level, dict) else level  # a range is described, and not stored
        if isinstance(name, str) and not _UNNAMED.fullmatch(name):
            yield name


def _salt(part: JsonObject, key: FingerprintKey | None) -> bytes | None:
    """Return what makes the digest of a copy unknown: the same for the same table, so that it is kept once."""
    mark = str(part["fingerprint"])
    if key is None or not mark.startswith(f"{KEYED_SCHEME}:"):
        return None
    return hmac.digest(key.of_copies(), mark.encode(), "sha256").hex().encode()


def _write(item: Any, holder: str, file: BinaryIO, salt: bytes | None) -> None:
    """Write a table as Parquet, always in the same way."""
    from pyarrow import parquet

    table = _arrow(item, holder).combine_chunks()
    if salt is not None:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _SALT: salt})
    parquet.write_table(
        table,
        file,
        version="2.6",
        compression="zstd",
        compression_level=3,
        row_group_size=1 << 20,
    )


def _arrow(item: Any, holder: str) -> Any:
    import pyarrow as pa

    match holder:
        case "pandas.DataFrame" | "pandas.Series":
            frame = item.to_frame() if holder.endswith("Series") else item.copy(deep=False)
            frame.attrs = {}  # they may hold anything, and are no part of the table
            return pa.Table.from_pandas(frame)
        case "polars.DataFrame" | "polars.Series":
            return (item.to_frame() if holder.endswith("Series") else item).to_arrow()
        case "pyarrow.Table":
            return item
    raise MalformedInput("only tables of pandas, polars and Arrow in memory are kept")


def _restored(table: Any, holder: str) -> Any:
    about = table.schema.metadata or {}
    if _SALT in about:
        left = {name: said for name, said in about.items() if name != _SALT}
        table = table.replace_schema_metadata(left or None)
    match holder:
        case "pandas.DataFrame":
            return table.to_pandas()
        case "pandas.Series":
            return table.to_pandas().iloc[:, 0]
        case "polars.DataFrame" | "polars.Series":
            import polars

            frame: Any = polars.from_arrow(table)
            return frame.to_series() if holder.endswith("Series") else frame
        case "pyarrow.Table":
            return table
    raise NotVerified(f"a kept table is said to be held by {holder!r}, which is not known here")


def _mark(part: JsonObject, item: Any) -> str:
    """Return the fingerprint without keys: a kept copy is compared by its values alone."""
    mark = str(part["fingerprint"])
    return mark if mark.startswith(f"{SCHEME}:") else str(fingerprint(item))


def _of_table_library(item: object) -> bool:
    return type(item).__module__.partition(".")[0] in LIBRARIES


def _place(value: object, step: str, name: str) -> Json:
    """Return the key or the index of a part among what its step returned, or None where it is all of it."""
    if name == step:
        return None
    key = name.removeprefix(f"{step}.")
    return key if isinstance(value, dict) or not key.isdecimal() else int(key)
