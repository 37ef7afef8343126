"""Where data came from beside files: databases and object stores, as URIs less their credentials.

What is found, and how:

- **SQL**: every query that a step, or a `record` block, sends through SQLAlchemy (`pandas.read_sql` with a URL, an
  engine or a connection does), by listening to this process; or a query that is named by `sql_source(url, query)`, as
  the default of a parameter or as `run.data(..., source=...)`. Connections of a driver (`sqlite3`, `psycopg`), ADBC
  and DuckDB are not seen: name those.
- **Objects**: every parameter that is the URI of an object store (`s3://bucket/loans.parquet`), with the version that
  the store tells: etag, version id, size, time of change (through obstore, the extra `s3`). The object is not read.
- Other URLs (`https://...`) are recorded as what they are and not asked.

Rules:

- Of URLs only what `registry.clean_urls` leaves is recorded. A query that holds what looks like a secret is withheld.
- Values bound to a query are not recorded; what is written into its text is.
- The first 200 origins of a run are recorded. Where there were more, one last row says so.
- What the store does not tell is null, with a note that says why. That never breaks a run.

A run says `"origins": [{"step", "parameter", "kind", "uri", "how", "query", "version", "note"}]`.

>>> sql_source("postgresql+psycopg://ana:hunter2@db.bank.example/loans", "SELECT * FROM debts").uri
'postgresql+psycopg://db.bank.example/loans'
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from audit.canonical import JsonObject, storable
from audit.errors import EnvironmentFailed, MalformedInput
from registry.artifacts import ArtifactStore
from registry.clean_urls import clean_database, clean_uri, scheme_of
from registry.object_version import version_of
from registry.recorded_values import to_json

__all__ = ["Origins", "SqlSource", "is_recorded", "sql_source"]

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "adl", "r2", "memory"})
OTHER_URLS = frozenset({"http", "https", "ftp", "sftp", "hdfs"})
MOST_ORIGINS = 200
NOT_RECORDED = "not recorded"
MOST_INLINE = 2_000

_URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_READS = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:select|with|table|values|from|exec|execute|call)\b", re.I | re.S
)
_CATALOGUE = re.compile(
    r"\b(?:pg_catalog|information_schema|sqlite_master|sqlite_schema)\b|^\s*pragma\b", re.I
)


@dataclass(frozen=True, slots=True)
class SqlSource:
    """A query and the database that it is asked of. Its `repr` shows no credentials."""

    url: str = field(repr=False)
    query: str

    @property
    def uri(self) -> str:
        """The database's URL less its credentials."""
        return clean_database(self.url)

    def read(self) -> Any:
        """Run the query and return a pandas frame.

        Raises `EnvironmentFailed` where the database cannot be reached, or does not answer this query any more.
        """
        import pandas as pd
        from sqlalchemy import create_engine, text
        from sqlalchemy.exc import SQLAlchemyError

        # Neither the driver's words nor its traceback go on: both may hold the URL, or values.
        doing, what = "the database cannot be reached", "check that it is up and that you may read it"
        try:
            engine = create_engine(self.url)
            try:
                with engine.connect() as connection:
                    doing, what = "the query fails", "check that its tables and columns are still there"
                    return pd.read_sql(text(self.query), connection)
            finally:
                engine.dispose()
        except ModuleNotFoundError as error:
            name, what = type(error).__name__, "install its driver"
        # A driver may raise what it likes beside what SQLAlchemy and pandas make of it.
        except (SQLAlchemyError, pd.errors.DatabaseError, ValueError, TypeError, OSError) as error:
            name = type(error).__name__
        raise EnvironmentFailed(f"{doing}: {self.uri} ({name}): {what}")


def sql_source(url: str, query: str) -> SqlSource:
    """Name a query and its database (a SQLAlchemy URL), to be read with `.read()` or only to be recorded."""
    if not isinstance(url, str) or "://" not in url:
        raise MalformedInput("a database is named by a URL such as postgresql+psycopg://USER@HOST/DATABASE")
    if not isinstance(query, str) or not query.strip():
        raise MalformedInput("sql_source takes the text of a query")
    return SqlSource(url, query)


def is_recorded(uri: str) -> bool:
    """Say whether text is a URI that is recorded as an origin."""
    return bool(_URI.fullmatch(uri)) and scheme_of(uri) in OBJECT_STORES | OTHER_URLS


class Origins:
    """Collects the origins of one run."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self.found: list[JsonObject] = []

    def find(self, step: str, name: str, value: object) -> None:
        """Record the origin that a parameter names, if it names one."""
        if self._is_cut():
            return
        if isinstance(value, SqlSource):
            self.add_query(step, value.uri, value.query, parameter=name, how="declared")
        elif isinstance(value, str) and _URI.fullmatch(value):
            scheme = scheme_of(value)
            if scheme in OBJECT_STORES:
                version, note = version_of(value) if len(self.found) < MOST_ORIGINS else (None, None)
                self._add(
                    _row(step, name, "object", clean_uri(value), "declared", version=version, note=note)
                )
            elif scheme in OTHER_URLS:
                note = "it was not asked for its version"
                self._add(_row(step, name, "url", clean_uri(value), "declared", note=note))

    def add_query(
        self, step: str, uri: str, query: str, *, parameter: str | None = None, how: str = "observed"
    ) -> None:
        """Record a query, once for each step."""
        if self._is_cut():
            return
        text = storable(query.strip())
        said = _said(text)
        if any((each["step"], each["uri"], each["query"]) == (step, uri, said) for each in self.found):
            return
        if isinstance(said, dict) and "artifact" in said and len(self.found) < MOST_ORIGINS:
            self._artifacts.put(text.encode())
        self._add(_row(step, parameter, "sql", uri, how, query=said))

    @contextmanager
    def listening(self, step: str) -> Iterator[None]:
        """Record what is asked through SQLAlchemy inside, but for what ledgers ask."""
        from sqlalchemy import Engine, event

        def asked(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if connection.get_execution_options().get("affidavit_ledger"):
                return
            if _READS.match(statement) and not _CATALOGUE.search(statement):
                self.add_query(step, clean_database(connection.engine.url), statement)

        event.listen(Engine, "before_cursor_execute", asked)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", asked)

    def _is_cut(self) -> bool:
        return len(self.found) > MOST_ORIGINS

    def _add(self, row: JsonObject) -> None:
        is_last = len(self.found) == MOST_ORIGINS
        self.found.append(_had_more(str(row["step"]), str(row["how"])) if is_last else row)


def _row(
    step: str,
    parameter: str | None,
    kind: str,
    uri: str,
    how: str,
    *,
    query: str | JsonObject | None = None,
    version: JsonObject | None = None,
    note: str | None = None,
) -> JsonObject:
    return {
        "step": step,
        "parameter": parameter,
        "kind": kind,
        "uri": uri,
        "how": how,
        "query": query,
        "version": version,
        "note": note,
    }


def _had_more(step: str, how: str) -> JsonObject:
    note = f"the first {MOST_ORIGINS} origins of a run are recorded; this step and those after it had more"
    return _row(step, None, NOT_RECORDED, f"more than {MOST_ORIGINS} origins", how, note=note)


def _said(query: str) -> str | JsonObject:
    """Return what a run says of a query: its text, or the digest of a long one, or that it is withheld."""
    if to_json("query", query) == {"withheld": True}:
        return {"withheld": True}
    return query if len(query) <= MOST_INLINE else {"artifact": hashlib.sha256(query.encode()).hexdigest()}
