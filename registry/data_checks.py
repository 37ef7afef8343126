"""Data checks: what a step returned is held against a pandera schema, and what came out is recorded.

`@pipeline.step(check=schema)` for one table, `check={"train": schema, "test": schema}` for a step that returns several,
`run.data(name, table, check=schema)` in a recording. A schema is a `DataFrameSchema`, a `SeriesSchema` or a
`DataFrameModel` of pandera, for pandas or polars (the extra `checks`).

Rules:

- Every check of the schema is made (lazily, whatever pandera's settings say).
- The table goes on as the step returned it. A schema that changes it (coerces, parses, drops or adds something) has
  checked another table than the one that goes on, so that is no pass. A type is changed too where every value compares
  equal, as 1 and 1.0 do: of columns, of the index, and of objects one by one (`None` is not NaN).
- Recorded are the schema, by digest, and per failed check its column, its name and how many cases it found, of rows
  below ten as "fewer than 10" (`registry.disclosure`). Never a value of the table, nor which row it was in.
- A check that fails ends the run: it is recorded as failed. One that its schema says only warns (`raise_warning`) is
  recorded as failed too, and the run goes on. One that could not be made (a schema for another library,
  a check that raises) is no pass either: it fails the run too, and says that it could not be made.

What a step says: `"checks": [{"part", "schema", "name", "library", "passed", "failed": [{"column", "check", "reason",
"cases"}], "more"}]`; `passed` is true, false, or null where it could not be made; `cases` is a number, the text
"fewer than 10", or null for a check that raised an exception; `warned` counts the checks that failed and only warn.
The schema's artifact is canonical JSON with the columns and the names of their checks, and pandera's own text of it
where it can write one: what is written in a schema is recorded, as code is.

>>> @mortgage.step(check=DataFrameSchema({"income": Column(float, Check.ge(0))}))      # doctest: +SKIP
... def applications(): ...
"""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from audit.canonical import Json, JsonObject, encode, storable
from audit.errors import MalformedInput, NotVerified
from registry.artifacts import ArtifactStore
from registry.disclosure import few_or_many
from registry.parts import parts_of

__all__ = ["Checks", "ChecksFailed", "check_parts", "checked_schemas", "failed_checks", "raise_failed"]

Checks = Mapping[str, Any]
"""Schemas by the parts that they are for; the one under the empty name is for all that a step returns."""

MOST_FAILED = 50
MOST_TOLD = 5
MOST_TEXT = 200

CHANGED = (
    "its schema changes the table (it coerces, parses, drops or adds something), and the table goes on without that: "
    "change it in the step, before it is checked"
)


class ChecksFailed(NotVerified):
    """The data does not hold what its schema says; the run is recorded as failed."""


def checked_schemas(step: str, check: object) -> dict[str, Any]:
    """Return the schemas that a step declares, by part; `MalformedInput` where one is none, or is wrong in itself."""
    if check is None:
        return {}
    if isinstance(check, Mapping):
        return {str(part): _schema(f"{step}.{part}", each) for part, each in check.items()}
    return {"": _schema(step, check)}


def check_parts(step: str, value: object, schemas: Checks, artifacts: ArtifactStore) -> Iterator[JsonObject]:
    """Check what a step returned and yield what is recorded of each schema, passed or not."""
    found = dict(parts_of(step, value))
    for part, schema in schemas.items():
        name = f"{step}.{part}" if part else step
        table = value if not part else found.get(name)
        yield _checked(name, table, schema, artifacts)


def raise_failed(checks: list[JsonObject]) -> None:
    """Raise `ChecksFailed` where one of the recorded checks failed or could not be made."""
    for said in checks:
        failed = _failed(said)
        if said["passed"] is None:
            raise ChecksFailed(f"the data of {said['part']} could not be checked: {said['note']}")
        if failed:
            more = len(failed) - MOST_TOLD + int(str(said["more"]))
            told = ", ".join(
                f"{each['column'] or 'the table'} {each['check']} ({_cases(each)})"
                for each in failed[:MOST_TOLD]
            )
            raise ChecksFailed(
                f"the data of {said['part']} fails what its schema says: {told}"
                f"{f' and {more} more' if more > 0 else ''}"
            )


def failed_checks(steps: list[JsonObject]) -> tuple[str, ChecksFailed] | None:
    """Return the first step whose recorded checks did not all pass, and what is wrong; None where all did."""
    for step in steps:
        checks = step.get("checks")
        try:
            raise_failed(
                [each for each in checks if isinstance(each, dict)] if isinstance(checks, list) else []
            )
        except ChecksFailed as error:
            return str(step["name"]), error
    return None


def _cases(failed: JsonObject) -> str:
    if failed["cases"] is None:
        return "could not be made"
    return f"{failed['cases']} case{'s' * (failed['cases'] != 1)}"


def _failed(said: JsonObject) -> list[JsonObject]:
    failed = said["failed"]
    return [each for each in failed if isinstance(each, dict)] if isinstance(failed, list) else []


def _schema(name: str, given: Any) -> Any:
    """Return a schema whose `validate` can be called."""
    if not any(base.__module__.startswith("pandera.") for base in _bases(given)):
        raise MalformedInput(
            f"check takes a schema of pandera, not an object of the type {type(given).__name__} (step {name})"
        )
    if not isinstance(given, type):
        return given
    try:
        return given.to_schema()  # type: ignore[attr-defined]
    except Exception as error:  # a model is the user's code
        raise MalformedInput(
            f"the schema {given.__name__} of the step {name} is wrong in itself ({type(error).__name__}): mend it"
        ) from error


def _bases(given: Any) -> tuple[type, ...]:
    return given.__mro__ if isinstance(given, type) else type(given).__mro__


def _checked(name: str, table: Any, schema: Any, artifacts: ArtifactStore) -> JsonObject:
    import pandera
    from pandera.config import ValidationDepth, config_context
    from pandera.errors import SchemaErrors, SchemaWarning

    said: JsonObject = {
        "part": name,
        "schema": artifacts.put(encode(_described(schema))),
        "name": _text(getattr(schema, "name", None)) or None,
        "library": f"pandera {pandera.__version__}",
        "passed": None,
        "failed": [],
        "more": 0,
    }
    if table is None:
        return said | {"note": "its step returned no such part"}
    try:
        # The warnings of checks that only warn quote what they found: they are counted, and not shown.
        with (
            warnings.catch_warnings(record=True) as warned,
            config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA),
        ):
            warnings.simplefilter("always")
            checked = schema.validate(table, lazy=True)
            if not _equal(table, checked):
                return said | {"note": CHANGED}
    except SchemaErrors as error:
        return said | _outcome([_failure(each) for each in error.schema_errors])
    except Exception as error:  # the checks of a schema are the user's code
        return said | {"note": f"{type(error).__name__} while it was checked"}
    only = sum(issubclass(each.category, SchemaWarning) for each in warned)
    return said | ({"passed": False, "warned": only} if only else {"passed": True})


def _outcome(failed: list[JsonObject]) -> JsonObject:
    """Say what failed; where no more is known than that checks could not be made, it neither passed nor failed."""
    kept: list[Json] = list(failed[:MOST_FAILED])
    found: JsonObject = {"failed": kept, "more": len(failed) - len(kept)}
    if any(each["cases"] is not None for each in failed):
        return found | {"passed": False}
    names = ", ".join(f"{each['column'] or 'the table'} {each['check']}" for each in failed[:MOST_TOLD])
    return found | {"passed": None, "note": f"a check raised an exception ({names})"}


def _equal(given: Any, checked: Any) -> bool:
    """Tell whether validation gave back the table that it was given: its values and its types."""
    if hasattr(given, "collect"):
        given, checked = given.collect(), checked.collect()
    return type(given) is type(checked) and bool(given.equals(checked)) and _types(given) == _types(checked)


def _types(table: Any) -> list[object]:
    """List the types of a table of pandas or polars, which its library's `equals` passes over."""
    if type(table).__module__.partition(".")[0] != "pandas":
        return [getattr(table, "schema", None) or table.dtype]
    index, columns = table.index, table.items() if table.ndim == 2 else [(table.name, table)]
    types: list[object] = list(index.dtypes) if index.nlevels > 1 else [index.dtype]
    types.append(list(index.names))
    for name, column in columns:
        types += [name, column.dtype]
        if column.dtype == object:  # 1 and 1.0, None and NaN are equal among objects
            types.append([type(value) for value in column])
    return types


def _failure(error: Any) -> JsonObject:
    """Say which check failed, and how often; not what it found."""
    cases = error.failure_cases
    # What is wrong with a whole column or table (its type, its name) is one case, and about no row.
    rows = next(iter(getattr(cases, "shape", ())), None)
    check = error.check
    reason = getattr(error.reason_code, "value", None)
    # For a column that is missing, or one too many, what was found is its name.
    about_names = str(reason).startswith("column_")
    column = str(cases) if about_names and isinstance(cases, str) else getattr(error.schema, "name", None)
    return {
        "column": _text(column) or None,
        "check": _check_name(check),
        "reason": _text(reason),
        # What a check that raises reports as its one case is its exception.
        "cases": None if reason == "check_error" else few_or_many(rows) if isinstance(rows, int) else 1,
    }


def _described(schema: Any) -> JsonObject:
    """Describe a schema: its columns with the names of their checks, and pandera's own text where there is one."""
    columns = getattr(schema, "columns", None)
    described = (
        [_column(each) for each in columns.values()] if isinstance(columns, dict) else [_column(schema)]
    )
    return {
        "library": "pandera",
        "type": f"{type(schema).__module__}.{type(schema).__qualname__}",
        "name": _text(getattr(schema, "name", None)) or None,
        "columns": list[Json](described),
        "checks": [_check_name(check) for check in getattr(schema, "checks", None) or []],
        "strict": str(getattr(schema, "strict", False)).lower(),
        "serialized": _serialized(schema),
    }


def _column(column: Any) -> JsonObject:
    return {
        "name": _text(getattr(column, "name", None)),
        "type": _text(getattr(column, "dtype", None)) or None,
        "nullable": bool(getattr(column, "nullable", False)),
        "unique": bool(getattr(column, "unique", False)),
        "required": bool(getattr(column, "required", True)),
        "checks": [_check_name(check) for check in getattr(column, "checks", None) or []],
    }


def _serialized(schema: Any) -> str | None:
    """Return what pandera writes of a schema; it leaves out checks that are functions, which are named beside it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(schema.to_json())
    except Exception:  # not every schema can be written
        return None


def _check_name(check: Any) -> str:
    """Name a check as pandera does: `greater_than(0)`, the error text it was given, or the name of its function."""
    if isinstance(check, str):
        return _text(check)
    return _text(getattr(check, "error", None) or getattr(check, "name", None) or type(check).__name__)


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    clean = "".join(c if c.isprintable() else " " for c in storable(text))
    return clean if len(clean) <= MOST_TEXT else clean[: MOST_TEXT - 1] + "…"
