"""SQL steps: a query on DuckDB over the tables of earlier steps.

`@pipeline.sql_step("SELECT ...")` decorates a function whose arguments are the tables, named like the steps they come
from, and the query's parameters (`$least`); its body is empty.

Rules:

- The query is one SELECT and reads tables that the function names, nothing else: DuckDB is kept from files, the
  network, extensions and Python's variables. So all that goes in is known.
- A table of a step that returned several is `split.train`. Tables are handed over as Arrow, copied only where their
  library holds them otherwise. The result is held as the first table is: pandas, polars, or Arrow.
- One thread: the order of rows that a query leaves open is then the same in every run of one version of DuckDB.
- What does not parse, or names what is not there, is refused when it is declared; a column that is not there, before
  a row is read.

>>> @mortgage.sql_step("SELECT *, debt / income AS ratio FROM applications WHERE income > $least")  # doctest: +SKIP
... def ratios(applications, least: float = 0.0): ...
"""

import dis
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from audit.errors import EnvironmentFailed, MalformedInput
from registry.fingerprint import is_table
from registry.held import column_labels, holder_of
from registry.parts import parts_of
from registry.sentences import did_you_mean, first_line, listed

__all__ = ["SETTINGS", "Query", "as_arrow", "as_function", "quoted", "read_query"]


SETTINGS: Final[dict[str, Any]] = {
    "threads": 1,
    "preserve_insertion_order": True,
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
"""How DuckDB is kept to the tables that a query names, and to one order of rows."""

_OWN: Final = frozenset({"information_schema", "memory", "pg_catalog", "system", "temp"})
"""What DuckDB calls places of its own: no step can stand there."""

_IDLE = frozenset({"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"})
"""What CPython compiles an empty body to."""

MOST_SAID = 400
"""As many letters of another library's complaint as one sentence bears."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it was written, the tables that it reads (`applications`, `split.train`) and its parameters."""

    text: str
    tables: tuple[str, ...]
    parameters: tuple[str, ...]


def read_query(text: str) -> Query:
    """Read a query, or raise `MalformedInput` with the line and column of what is wrong."""
    if not isinstance(text, str):
        raise MalformedInput('write @pipeline.sql_step("SELECT ...") with the text of the query')
    exp, statements = _parsed(text)
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise MalformedInput("a SQL step is one SELECT: it reads tables and writes nothing")
    [tree] = statements
    within = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    tables: dict[str, str] = {}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue  # a function of DuckDB's; what it may not read, DuckDB refuses
        if table.db or table.name.lower() not in within or _reads_its_namesake(table, exp):
            named = f"{table.db}.{table.name}" if table.db else table.name
            tables.setdefault(named.lower(), named)  # SQL does not tell `loans` from `LOANS`
    parameters = dict.fromkeys(node.name for node in tree.find_all(exp.Placeholder))
    if any(not name.isidentifier() for name in parameters):
        raise MalformedInput("the parameters of a SQL step have names: write $least, not ? or $1")
    return Query(text, tuple(tables.values()), tuple(parameters))


def as_function(query: Query, function: Callable[..., object]) -> Callable[..., object]:
    """Return what runs a query with the signature of a function whose body is empty.

    Raises `MalformedInput` where the function and the query do not name the same.
    """
    name = getattr(function, "__name__", "")
    if not _is_empty(function):
        raise MalformedInput(f"the step {name} is made by its query: leave its body empty (...)")
    signature = inspect.signature(function)
    arguments = {argument.lower(): argument for argument in signature.parameters}
    if alike := [each for each in signature.parameters if each not in arguments.values()]:
        raise MalformedInput(
            f"the step {name} takes {alike[0]} and {arguments[alike[0].lower()]}, which differ only in case, which SQL "
            "does not tell apart: rename one"
        )
    for table in query.tables:
        if table.partition(".")[0].lower() not in arguments:
            raise MalformedInput(
                f"the query of the step {name} reads {table}, which is no argument of it"
                f"{did_you_mean(table, signature.parameters)}"
            )
    _check_places(name, query.tables)
    used = {table.partition(".")[0].lower() for table in query.tables}
    for argument in signature.parameters:
        if argument.lower() not in used and argument not in query.parameters:
            raise MalformedInput(
                f"the query of the step {name} does not use {argument}: read it as a table, or as ${argument}"
            )
    for parameter in query.parameters:
        if parameter not in signature.parameters:
            raise MalformedInput(
                f"the query of the step {name} has the parameter ${parameter}, which is no argument of it"
                f"{did_you_mean(parameter, signature.parameters)}"
            )

    @wraps(function)
    def run(*positional: object, **named: object) -> object:
        bound = signature.bind(*positional, **named)
        bound.apply_defaults()
        given = dict(bound.arguments)
        tables = {
            table: _table(name, table, given[arguments[table.partition(".")[0].lower()]])
            for table in query.tables
        }
        return _run(name, query, tables, {each: given[each] for each in query.parameters})

    return run


def _check_places(step: str, tables: Iterable[str]) -> None:
    """Refuse tables that DuckDB would look for elsewhere, or take for one another."""
    known = {table.lower() for table in tables}
    for table in tables:
        place, dot, part = table.lower().partition(".")
        if dot and (place in _OWN or (place == "main" and part in known)):
            raise MalformedInput(
                f"the query of the step {step} reads {table}, and {place} is a name of DuckDB's own: give the step "
                f"{place} another name"
            )


def _parsed(text: str) -> tuple[Any, list[Any]]:
    try:
        import duckdb  # noqa: F401 - better missed when the pipeline is declared than an hour into its run
        import sqlglot
        from sqlglot import exp

        from registry.sql_text import statements
    except ImportError:
        raise EnvironmentFailed(
            "a SQL step needs the packages duckdb and sqlglot: pip install 'affidavit[sql]'"
        ) from None
    try:
        return exp, statements(text)
    except sqlglot.errors.ParseError as error:
        told = error.errors[0] if error.errors else {}
        place = f"line {told.get('line')}, column {told.get('col')}: " if told else ""
        what = str(told.get("description") or error).partition(" but got <Token")[0].rstrip(".")
        incomplete = re.match(r"Required keyword: '\w+' missing for <class '.*\.(\w+)'>", what)
        what = f"{incomplete[1].upper()} is not complete" if incomplete else what
        raise MalformedInput(f"the query is not SQL that DuckDB reads: {place}{what}") from None
    except sqlglot.errors.TokenError:
        raise MalformedInput(
            "the query is not SQL that DuckDB reads: a text, a name or a comment in it is not closed"
        ) from None
    except sqlglot.errors.SqlglotError as error:
        raise MalformedInput(f"the query is not SQL that DuckDB reads: {first_line(error)}") from None


def _reads_its_namesake(table: Any, exp: Any) -> bool:
    """Say whether a table of a WITH is read inside the query of that name, where it means the real one.

    Unless the WITH is recursive: then it means itself.
    """
    around = table.find_ancestor(exp.CTE)
    while around is not None:
        if around.alias_or_name.lower() == table.name.lower():
            return not around.parent.args.get("recursive")
        around = around.find_ancestor(exp.CTE)
    return False


def _is_empty(function: Callable[..., object]) -> bool:
    """Say whether a function does nothing but return None: its body is `...`, `pass` or its documentation."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return False
    steps = list(dis.get_instructions(code))
    loaded = [each.argval for each in steps if each.opname in ("LOAD_CONST", "RETURN_CONST")]
    return {each.opname for each in steps} <= _IDLE and loaded == [None]


def _table(step: str, name: str, value: object) -> object:
    """Pick the table that a query names out of what an earlier step returned."""
    origin = name.partition(".")[0]
    found = {each: item for each, item in parts_of(origin, value) if column_labels(item) is not None}
    lower = {each.lower(): item for each, item in found.items()}
    if name.lower() in lower:
        return lower[name.lower()]
    if not found and is_table(value):
        raise MalformedInput(
            f"the query of the step {step} reads {name}, which has two columns of one name: rename one in {origin}"
        )
    if not found:
        raise MalformedInput(
            f"the query of the step {step} reads {name}, and {origin} returned no table but an object "
            f"of the type {type(value).__name__}"
        )
    raise MalformedInput(
        f"the query of the step {step} reads {name}, and {origin} returned {listed(list(found))}"
    )


def _run(step: str, query: Query, tables: Mapping[str, object], values: Mapping[str, object]) -> object:
    import duckdb

    with duckdb.connect(":memory:", config=SETTINGS) as connection:
        for name, value in tables.items():
            _register(connection, step, name, value)
        try:
            # Not execute(): its results are copied once more on their way to Arrow.
            result: Any = connection.sql(query.text, params=dict(values) or None).to_arrow_table()
        except duckdb.Error as error:
            raise MalformedInput(f"the query of the step {step} failed: {_sentence(error)}") from error
    names = result.schema.names
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise MalformedInput(
            f"the query of the step {step} returns several columns called {listed(twice)}: name them with AS"
        )
    return _held_like(next(iter(tables.values()), None), result)


def _register(connection: Any, step: str, name: str, value: object) -> None:
    """Make a table known to DuckDB under its name, in the schema of its step where that returned several."""
    columns = column_labels(value)
    assert columns is not None
    folded = [column.lower() for column in columns]
    if twice := [column for column in columns if folded.count(column.lower()) > 1]:
        raise MalformedInput(
            f"the query of the step {step} reads {name}, whose columns {listed(twice)} differ only in "
            "case, which SQL does not tell apart: rename one"
        )
    schema, dot, table = name.partition(".")
    view = f"affidavit {name}"
    connection.register(view, as_arrow(step, name, value))
    if dot:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
    place = f"{quoted(schema)}.{quoted(table)}" if dot else f"main.{quoted(name)}"
    connection.execute(f"CREATE VIEW {place} AS SELECT * FROM {quoted(view)}")  # noqa: S608 - quoted


def as_arrow(step: str, name: str, value: Any) -> Any:
    """Return a table as DuckDB is given it, an Arrow table; raises `MalformedInput` where it cannot be one."""
    import pyarrow as pa

    match holder_of(value):
        case "pyarrow", _:
            return pa.Table.from_batches([value]) if isinstance(value, pa.RecordBatch) else value
        case "polars", _:
            frame = value.collect() if hasattr(value, "collect") else value
            return (frame if hasattr(frame, "columns") else frame.to_frame()).to_arrow()
        case "pandas", _:
            frame = value if hasattr(value, "columns") else value.to_frame(value.name or "0")
            try:
                return pa.Table.from_pandas(frame, preserve_index=False)
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
                raise MalformedInput(
                    f"the query of the step {step} cannot read {name}: {_sentence(error)}"
                ) from error
    raise MalformedInput(
        f"the query of the step {step} reads {name}, whose columns have no names: return a table of pandas, polars or "
        f"Arrow there, not an object of the type {type(value).__name__}"
    )


def _held_like(first: Any, result: Any) -> object:
    match holder_of(first):
        case "pandas", _:
            return result.to_pandas()
        case "polars", _:
            import polars

            return polars.from_arrow(result)
    return result


def _sentence(error: BaseException) -> str:
    """Take what a library says first: after it come a piece of the query again, and every function there is.

    Arrow says in a second sentence which column it could not convert.
    """
    said = "; ".join(map(str, error.args)) or str(error)
    lines = re.split(r"\n\nLINE|\n\s*Candidate functions:", said)[0].splitlines()
    text = " ".join(" ".join(lines).split()).rstrip(".")
    return (text if len(text) <= MOST_SAID else f"{text[: MOST_SAID - 1]}…") or type(error).__name__


def quoted(name: str) -> str:
    """Write a name as SQL takes it whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
