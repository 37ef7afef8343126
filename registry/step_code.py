"""The code of steps: as a run kept it (the source of functions, the text of queries), and the values in it.

>>> print(code_of(run, ["cleaned"], store)["cleaned"])                     # doctest: +SKIP
@mortgage.step
def cleaned(applications): ...
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from types import CodeType
from typing import cast

from audit.canonical import Json, JsonObject
from audit.errors import NotFound
from registry.artifacts import ArtifactStore

__all__ = ["code_of", "written_values"]


def code_of(run: Mapping[str, Json], steps: Collection[str], artifacts: ArtifactStore) -> dict[str, str]:
    """Read the kept code of steps by name; one whose code was not kept, or is lost, is left out.

    Raises `NotVerified` where what is kept is not what was recorded.
    """
    found: dict[str, str] = {}
    for step in cast(list[JsonObject], run["steps"]):
        name, digest = str(step["name"]), _digest(step)
        if name in steps and digest is not None:
            try:
                found[name] = artifacts.get(digest).decode("utf-8", "replace")
            except NotFound:
                continue
    return found


def _digest(step: JsonObject) -> str | None:
    """Name what tells most of a step: its query, else the source of its function."""
    query = step.get("query")
    digest = query.get("artifact") if isinstance(query, dict) else step.get("source")
    return digest if isinstance(digest, str) else None


def written_values(function: Callable[..., object], parameters: Mapping[str, object]) -> set[object]:
    """Collect the numbers and texts that stand in a function's code, in the globals that it names, or in parameters."""
    plain = inspect.unwrap(function)
    code = getattr(plain, "__code__", None)
    found: set[object] = set()
    _gather(list(parameters.values()), found)
    if isinstance(code, CodeType):
        _gather_code(code, found)
        known = getattr(plain, "__globals__", {})
        _gather([known[name] for name in code.co_names if name in known], found)
        for cell in getattr(plain, "__closure__", None) or ():
            with suppress(ValueError):  # a cell that nothing was put into yet
                _gather([cell.cell_contents], found)
    return found


def _gather_code(code: CodeType, found: set[object]) -> None:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _gather_code(constant, found)
        else:
            _gather([constant], found)


def _gather(values: Iterable[object], found: set[object]) -> None:
    for value in values:
        if isinstance(value, str | bytes | int | float | Decimal | date | time | timedelta):
            found.add(value)
            if isinstance(value, int | float):
                found.add(-value)  # written -3, it is 3 with a sign
        elif isinstance(value, list | tuple | set | frozenset):
            _gather(value, found)
        elif isinstance(value, dict):
            _gather([*value, *value.values()], found)
