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

- No user, password, query string or fragment of a URL is recorded, and of host, database and path only what has the
  form of one. Of PostgreSQL's parameters the name of a service is told, since nothing else may say where the database
  is: what the service file says of it is not. A query that holds what looks like a secret is withheld.
- Values bound to a query are not recorded; what is written into its text is.
- The first 200 origins of a run are recorded. Where there were more, one last row says so.
- What the store does not tell is null, with a note that says why. That never breaks a run.

A run says `"origins": [{"step", "parameter", "kind", "uri", "how", "query", "version", "note"}]`.

>>> clean_database("postgresql+psycopg://ana:hunter2@db.bank.example/loans?password=hunter3")
'postgresql+psycopg://db.bank.example/loans'
>>> clean_uri("s3://KEY:SECRET@bucket/loans.parquet?token=1")
's3://bucket/loans.parquet'
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audit.canonical import JsonObject
from audit.errors import EnvironmentFailed, MalformedInput
from registry.artifacts import ArtifactStore
from registry.parameters import to_json

__all__ = ["Origins", "SqlSource", "clean_database", "clean_uri", "sql_source"]

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "azure", "abfs", "abfss", "adl", "r2", "memory"})
OTHER_URLS = frozenset({"http", "https", "ftp", "sftp", "hdfs"})
MOST_ORIGINS = 200
NOT_RECORDED = "not recorded"
MOST_INLINE = 2_000
SECONDS = 5
"""How long an object store may take to answer."""

_URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_HOST = re.compile(r"[\w.\-\[\]:]{1,255}")
_SERVICE = re.compile(r"[\w.\-]{1,255}")
_CONTAINER = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){2,62}")
_PLACE = re.compile(r"[\w.\-/+=%$ ]{0,1024}")
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
            scheme = urlsplit(value).scheme if _splits(value) else ""
            if scheme in OBJECT_STORES:
                version, note = _version(value) if len(self.found) < MOST_ORIGINS else (None, None)
                self._add(step, name, "object", clean_uri(value), "declared", version=version, note=note)
            elif scheme in OTHER_URLS:
                self._add(
                    step, name, "url", clean_uri(value), "declared", note="it was not asked for its version"
                )

    def add_query(
        self, step: str, uri: str, query: str, *, parameter: str | None = None, how: str = "observed"
    ) -> None:
        """Record a query, once for each step."""
        if self._is_cut():
            return
        text = query.strip().encode("utf-8", "backslashreplace").decode()
        said = _said(text)
        if any((each["step"], each["uri"], each["query"]) == (step, uri, said) for each in self.found):
            return
        if isinstance(said, dict) and "artifact" in said and len(self.found) < MOST_ORIGINS:
            self._artifacts.put(text.encode())
        self._add(step, parameter, "sql", uri, how, query=said)

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

    def _add(
        self,
        step: str,
        parameter: str | None,
        kind: str,
        uri: str,
        how: str,
        *,
        query: str | JsonObject | None = None,
        version: JsonObject | None = None,
        note: str | None = None,
    ) -> None:
        if len(self.found) >= MOST_ORIGINS:
            parameter, kind, uri, query, version = (
                None,
                NOT_RECORDED,
                f"more than {MOST_ORIGINS} origins",
                None,
                None,
            )
            note = f"the first {MOST_ORIGINS} origins of a run are recorded; this step and those after it had more"
        self.found.append(
            {
                "step": step,
                "parameter": parameter,
                "kind": kind,
                "uri": uri,
                "how": how,
                "query": query,
                "version": version,
                "note": note,
            }
        )


def _said(query: str) -> str | JsonObject:
    """Return what a run says of a query: its text, or the digest of a long one, or that it is withheld."""
    if to_json("query", query) == {"withheld": True}:
        return {"withheld": True}
    return query if len(query) <= MOST_INLINE else {"artifact": hashlib.sha256(query.encode()).hexdigest()}


def clean_database(url: Any) -> str:
    """Write a database's URL less its credentials; what has not the form of a host or a database is left out."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
        port = parsed.port
    except (ArgumentError, ValueError):
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+._-]*(?=://)", str(url))
        return f"{scheme[0] if scheme else 'database'}://"
    database = parsed.database or ""
    if parsed.drivername.startswith(("sqlite", "duckdb")):
        return f"{parsed.drivername}:///{_file(database)}"
    host = _formed(_HOST, parsed.host or "") + (f":{port}" if port is not None else "")
    return f"{parsed.drivername}://{host}/{_formed(_PLACE, database)}{_service(parsed)}"


def _service(url: Any) -> str:
    """Name the service (libpq, "The Connection Service File") that says where a PostgreSQL database is."""
    named = url.query.get("service") if url.drivername.startswith("postgresql") else None
    name = _formed(_SERVICE, named) if isinstance(named, str) else ""
    return f"?service={name}" if name else ""


def clean_uri(uri: str) -> str:
    """Write a URI less user, password, query and fragment; what has not the form of a host or a path is left out."""
    if not _splits(uri):
        return f"{uri.partition('://')[0]}://"
    parts = urlsplit(uri)
    user, _, host = parts.netloc.rpartition("@")
    # What stands there is the container (abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH), and no user.
    container = _formed(_CONTAINER, user) if parts.scheme in ("abfs", "abfss") else ""
    host = (f"{container}@" if container else "") + _formed(_HOST, host)
    return f"{parts.scheme}://{host}{_formed(_PLACE, parts.path)}"


def _splits(uri: str) -> bool:
    try:
        return bool(urlsplit(uri).scheme)
    except ValueError:
        return False


def _formed(form: re.Pattern[str], text: str) -> str:
    """Return what has a form and holds no secret that can be told by its own, else nothing."""
    return text if form.fullmatch(text) and to_json("place", text) == text else ""


def _file(database: str) -> str:
    """Name the file of an embedded database from the working directory, or by its name alone."""
    name = re.split("[?;#]", database.removeprefix("file:"), maxsplit=1)[0]
    if not name or name == ":memory:":
        return name
    whole, here = Path(name).resolve(), Path.cwd()
    short = whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.name
    return short if to_json("place", short) == short else ""


def _version(uri: str) -> tuple[JsonObject | None, str | None]:
    """Ask an object store for the version of an object, without reading it; else say why there is none."""
    try:
        import obstore
        from obstore.store import from_url
    except ModuleNotFoundError:
        return None, "its version was not asked for: pip install 'affidavit[s3]'"
    parts = urlsplit(uri)
    try:
        store = from_url(
            f"{parts.scheme}://{parts.netloc}",
            client_options={"timeout": f"{SECONDS}s", "connect_timeout": f"{SECONDS}s", "allow_http": True},
            retry_config={"max_retries": 0},
        )
        found = obstore.head(store, parts.path.lstrip("/"))
    except Exception as error:  # a store may fail in any way, and its words may hold the URI
        return None, f"its version could not be told ({type(error).__name__})"
    return {
        "etag": found["e_tag"],
        "version": found["version"],
        "bytes": found["size"],
        "modified": found["last_modified"].isoformat(),
    }, None
