"""The table that a reference names: a file, a filed fingerprint, or a table that a run recorded.

- `NAME@VERSION:TABLE` and `7:TABLE` name a table of a version and of an entry. A file that is called so comes first.
- `affidavit-table-...` names the table with this fingerprint, of whichever version has one.
- Any other reference is the path of a table, or of a fingerprint that was filed.

A recorded fingerprint is read from the document that the run names, and only where it is the one that the run names.

>>> def without_ledger():
...     raise NotFound("there is no ledger here")
>>> str(named_table(without_ledger, "new.csv"))
'new.csv'
>>> named_table(without_ledger, "mortgage@3:applications")
Traceback (most recent call last):
    ...
audit.errors.NotFound: there is no ledger here
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from audit.canonical import JsonObject
from audit.errors import MalformedInput, NotFound
from registry.artifacts import digest_of_file
from registry.files import kind_of
from registry.fingerprint import Fingerprint
from registry.fingerprint_text import filed, is_filed
from registry.recorded import parts_of_run, resolve_run, sources_of
from registry.recorded_fingerprint import recorded_fingerprint
from registry.recorded_sources import is_of_source

if TYPE_CHECKING:
    from registry.fingerprint_key import FingerprintKey
    from registry.registry import Registry

__all__ = ["is_reference", "named_table", "recorded_source", "run_and_table"]

Open = Callable[[], "Registry"]


def named_table(opened: Open, ref: str) -> Path | Fingerprint:
    """Find what a reference names: the path of a table, or a fingerprint that was filed or recorded.

    Raises `NotFound` where the ledger, the run or its table is not there, `MalformedInput` for a filed fingerprint that
    is not as it was written, and `NotVerified` where the run names the document of another fingerprint.
    """
    path = Path(ref)
    if _is_there(path) and path.is_file() and kind_of(path) is None and is_filed(path):
        return filed(path)
    if ref.startswith("affidavit-table-") and not _is_there(path):
        return _with_fingerprint(opened(), ref)
    if not is_reference(ref):
        return path
    registry = opened()
    run, table = run_and_table(registry, ref, _tables)
    kept = _tables(run)
    if table not in kept:
        name = ref.partition(":")[0]
        raise NotFound(f"{name} has no table {table!r}: its tables are {', '.join(kept)}")
    return recorded_fingerprint(kept[table], registry.artifacts)


def is_reference(ref: str) -> bool:
    """Say whether this names a version or an entry, with a table of it or without, and no file."""
    name = ref.partition(":")[0]
    is_file = _is_there(Path(ref)) or (name == ref and kind_of(Path(ref)) is not None)
    return not is_file and ("@" in name or name.isdecimal())


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, say
        return False


def run_and_table(
    registry: "Registry", ref: str, tables: Callable[[JsonObject], Iterable[str]]
) -> tuple[JsonObject, str]:
    """Return the run that a reference names and the name of its table; refuse one without, and list `tables`."""
    name, colon, table = ref.partition(":")
    run = _run_named(registry, name)
    names = list(tables(run))
    if not names:
        raise NotFound(f"{name} has no table for this: `affidavit show {name}` tells what it recorded")
    if not colon:
        raise MalformedInput(
            f"a table of {name} has a name: write {name}:TABLE, with one of {', '.join(names)}"
        )
    return run, table


def recorded_source(
    opened: Open, path: Path, ref: str, key: "FingerprintKey | None" = None
) -> JsonObject | None:
    """Return the source of a recorded run of which a file is a copy, byte for byte; None where none is known.

    One that is recorded under a key is known with that `key` alone.
    """
    if not is_reference(ref) or not path.is_file():
        return None
    sources = sources_of(_run_named(opened(), ref.partition(":")[0]))
    digest, _ = digest_of_file(path)
    found = next((each for each in sources if is_of_source(each, digest, key)), None)
    told = ("uri", "step", "sha256", "hmac_sha256", "key")
    return None if found is None else {name: found[name] for name in told if name in found}


def _run_named(registry: "Registry", name: str) -> JsonObject:
    """Read the run of a version or of an entry."""
    if "@" in name:
        return registry.run_of(registry.find(name))
    entry = registry.ledger.entry(int(name[:18]))
    if entry.kind != "run":
        raise NotFound(f"entry {name} is no run: only runs have tables")
    return resolve_run(entry.statement.predicate, registry.artifacts)


def _tables(run: JsonObject) -> dict[str, JsonObject]:
    return {str(part["name"]): part for _, part in parts_of_run(run) if part["document"] is not None}


def _with_fingerprint(registry: "Registry", ref: str) -> Fingerprint:
    for found in registry.versions():
        for _, part in parts_of_run(registry.run_of(found)):
            if part["fingerprint"] == ref and part["document"] is not None:
                return recorded_fingerprint(part, registry.artifacts)
    raise NotFound(f"no version in this ledger has a table with the fingerprint {ref}")
