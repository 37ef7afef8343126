"""What a block of `record()` was given, held until it ends and fingerprinted again when something is made of it.

Rules:

- What is declared to be made of a table is made of what was recorded. The block may have changed that in place, and
  then nothing that is declared of it is known (`registry.changes`), as in a pipeline.
- A table that only got more columns holds what was recorded: the new ones are none that a declaration can name.
- Each is fingerprinted as it was the first time: what is keyed or protected later does not make it another one.
- A DuckDB relation is a query, and is run each time: what it gives by then is what something is made of.
- It is held by reference, no copy is made; and nothing is fingerprinted again where nothing is declared, as what
  is made of it is then unknown anyway.

>>> parts.keep("loans", frame, outputs, run.keying)                        # doctest: +SKIP
>>> parts.received(["loans"], run)[0]["fingerprint"]                       # doctest: +SKIP
'affidavit-table-v1:sha256:...'
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.canonical import JsonObject, decode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.keying import Keying
from registry.unread import is_query

if TYPE_CHECKING:
    from registry.run_recorder import RunRecorder

__all__ = ["RecordedParts", "in_memory"]


@dataclass(frozen=True, slots=True)
class _Recorded:
    value: object
    parts: tuple[JsonObject, ...]
    keying: Keying


class RecordedParts:
    """The values that were recorded so far, by their names, with what was said of each."""

    def __init__(self) -> None:
        self._recorded: dict[str, _Recorded] = {}

    def keep(self, name: str, value: object, parts: Sequence[JsonObject], keying: Keying) -> None:
        """Hold what was recorded under a name, with the keying by which it was fingerprinted."""
        self._recorded[name] = _Recorded(value, tuple(parts), keying)

    def received(self, names: Iterable[str], run: "RunRecorder") -> list[JsonObject]:
        """Describe what was recorded under these names as it is now."""
        found: list[JsonObject] = []
        for name in names:
            if (known := self._recorded.get(name)) is not None:
                before = {part["name"]: part for part in known.parts}
                now = run.parts(name, _again(known.value), came_in=True, keying=known.keying)
                found += [_without_more(before.get(part["name"]), part, run.artifacts) for part in now]
        return found


def in_memory(value: object) -> object:
    """Return the rows that a DuckDB relation gives, and any other value as it is.

    Raise `MalformedInput` where the query fails, or its rows would not be the same outside of DuckDB.
    """
    if not is_query(value):
        return value
    # It loads pyarrow, which a run without such a table does not need.
    from registry.arrow import run_query

    return run_query(value)


def _again(value: object) -> object:
    """Run a query again; where that fails, its rows are not known any more."""
    try:
        return in_memory(value)
    except MalformedInput:
        return value


def _without_more(before: JsonObject | None, now: JsonObject, artifacts: ArtifactStore) -> JsonObject:
    """Return the part as it was recorded where all its columns are still in the table, else as it is now."""
    if before is None or before["document"] is None or now["document"] is None:
        return now
    if before["document"] == now["document"]:
        return now
    # Here and not above: it is read only where a table differs.
    from registry.fingerprint import Fingerprint

    was, found = (
        Fingerprint.from_json(decode(artifacts.get(str(part["document"])))) for part in (before, now)
    )
    if was.rows != found.rows or any(column not in found.columns for column in was.columns):
        return now
    return {member: before[member] for member in now if member != "note" and member in before}
