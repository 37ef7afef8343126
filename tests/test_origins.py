"""Origins: databases and object stores are recorded by URI and version, and no credential is, anywhere."""

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from affidavit import Pipeline
from audit.canonical import JsonObject, encode
from audit.errors import EnvironmentFailed, MalformedInput
from registry.artifacts import ArtifactStore
from registry.clean_urls import clean_database, clean_uri
from registry.origins import Origins, sql_source
from registry.recorded import resolve_run
from registry.recording import Recording
from registry.run import run_pipeline
from registry.run_predicate import MOST_BYTES, artifacts_named, fit_in_record
from registry.run_recorder import RunResult
from tests.small_registry import new_registry
from tests.test_recording import Kept, kept

__all__ = ["kept"]

QUERY = "SELECT a FROM loans WHERE a > 1"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A real database with a table, in the working directory."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect(tmp_path / "bank.db") as connection:
        connection.execute("CREATE TABLE loans (a INTEGER)")
        connection.executemany("INSERT INTO loans VALUES (?)", [(1,), (2,), (3,)])
    connection.close()
    return f"sqlite:///{tmp_path / 'bank.db'}"


def loading(function: Any, store: ArtifactStore) -> RunResult:
    pipeline = Pipeline("loans")
    function.__name__ = "load"
    pipeline.step(function)
    return run_pipeline(pipeline, {}, artifacts=store)


def origins(result: RunResult) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], result.predicate["origins"])


# --- SQL ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["a URL", "an engine", "a connection"])
def test_a_query_of_pandas_is_recorded_without_a_word_of_code(
    how: str, database: str, store: ArtifactStore
) -> None:
    def load() -> Any:
        engine = create_engine(database)
        with engine.connect() as connection:
            given: dict[str, Any] = {"a URL": database, "an engine": engine, "a connection": connection}
            frame = pd.read_sql(QUERY if how == "a URL" else text(QUERY), given[how])
        engine.dispose()
        return frame

    result = loading(load, store)
    assert result.exception is None
    [said] = origins(result)
    assert (said["step"], said["kind"], said["how"]) == ("load", "sql", "observed")
    assert (said["uri"], said["query"]) == ("sqlite:///bank.db", QUERY)


def test_what_is_bound_to_a_query_is_not_recorded(database: str, store: ArtifactStore) -> None:
    def load() -> Any:
        engine = create_engine(database)
        try:
            return pd.read_sql(text("SELECT a FROM loans WHERE a = :who"), engine, params={"who": 4711})
        finally:
            engine.dispose()

    [said] = origins(loading(load, store))
    assert "4711" not in said["query"]


def test_the_same_query_again_is_recorded_once(database: str, store: ArtifactStore) -> None:
    def load() -> Any:
        return [pd.read_sql(QUERY, database) for _ in range(3)]

    assert len(origins(loading(load, store))) == 1


def test_a_declared_source_is_read_and_recorded_once(database: str, store: ArtifactStore) -> None:
    def load(source: Any = sql_source(database, QUERY)) -> Any:  # noqa: B008 - a value, not a call that matters
        return source.read()

    result = loading(load, store)
    [said] = origins(result)
    assert (said["parameter"], said["how"], said["uri"]) == ("source", "declared", "sqlite:///bank.db")
    [step] = cast(list[JsonObject], result.predicate["steps"])
    assert step["parameters"] == {"source": {"opaque": "registry.origins.SqlSource"}}


def test_what_a_ledger_asks_of_its_own_database_is_no_origin(
    tmp_path: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = new_registry(tmp_path)

    def load() -> int:
        return registry.ledger.head().size

    assert origins(loading(load, store)) == []


def test_nobody_listens_after_the_step(database: str, store: ArtifactStore) -> None:
    result = loading(lambda: 1, store)
    pd.read_sql(QUERY, database)
    assert origins(result) == []


def test_a_long_query_is_an_artifact(database: str, store: ArtifactStore) -> None:
    long = f"{QUERY} -- {'x' * 3000}"
    result = loading(lambda: pd.read_sql(long, database), store)
    digest = origins(result)[0]["query"]["artifact"]
    assert store.get(digest).decode() == long
    assert digest in set(artifacts_named(result.predicate, store))


def test_a_query_that_carries_a_secret_is_withheld(database: str, store: ArtifactStore) -> None:
    found = Origins(store)
    found.find("load", "source", sql_source(database, "SELECT * FROM dblink('password=hunter2')"))
    assert found.found[0]["query"] == {"withheld": True}


def test_a_recording_listens_and_takes_a_named_source(database: str, kept: Kept) -> None:
    with Recording("loans", {}, lambda: kept) as run:
        frame = pd.read_sql(QUERY, database)
        run.data("loans", frame, source=sql_source("duckdb:////elsewhere/warehouse.duckdb", "FROM loans"))
    first, second = origins(kept.results[0])
    assert (first["step"], first["uri"]) == ("record", "sqlite:///bank.db")
    assert (second["step"], second["uri"]) == ("loans", "duckdb:///warehouse.duckdb")


def test_a_database_that_cannot_be_reached_is_one_sentence(store: ArtifactStore, caplog: Any) -> None:
    password = "correct" + "horse"
    url = (
        f"postgresql+psycopg://ana:{password}@127.0.0.1:1/loans?connect_timeout=1&application_name={password}"
    )
    source = sql_source(url, "SELECT 1")

    def load() -> Any:
        return source.read()

    with caplog.at_level(logging.DEBUG):
        result = loading(load, store)
    assert isinstance(result.exception, EnvironmentFailed)
    assert "postgresql+psycopg://127.0.0.1:1/loans (OperationalError)" in str(result.exception)
    assert result.exception.__context__ is None
    told = [encode(result.predicate), *(store.get(d) for d in store.digests()), caplog.text.encode()]
    assert not any(password.encode() in each for each in (*told, repr(source).encode()))


def test_a_table_that_is_no_longer_there_is_one_sentence(database: str, store: ArtifactStore) -> None:
    source = sql_source(database, "SELECT * FROM dropped WHERE name = 'Ana Ruiz'")
    result = loading(lambda: source.read(), store)
    # pandas 3 raises an error of its own, pandas 2 lets SQLAlchemy's pass.
    assert str(result.exception) in {
        f"the query fails: sqlite:///bank.db ({error}): check that its tables and columns are still there"
        for error in ("DatabaseError", "OperationalError")
    }
    assert result.exception is not None
    assert result.exception.__context__ is None


def test_a_driver_that_is_not_installed_is_one_sentence() -> None:
    with pytest.raises(
        EnvironmentFailed, match=r"reached: oracle://h/x \(ModuleNotFoundError\): install its driver"
    ):
        sql_source("oracle://u:p@h/x", "SELECT 1").read()


@pytest.mark.parametrize(("url", "query"), [("bank.db", "SELECT 1"), (7, "SELECT 1"), ("sqlite://", " ")])
def test_what_is_no_source_is_refused(url: Any, query: str) -> None:
    with pytest.raises(MalformedInput):
        sql_source(url, query)


# --- no credentials -----------------------------------------------------------------------------------------

SECRET = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=3, max_size=12).map(
    lambda word: f"Zq{word}qZ"
)


@given(SECRET)
def test_no_password_of_a_database_is_told(secret: str) -> None:
    for url in (
        f"postgresql+psycopg://ana:{secret}@db.bank.example:5432/loans",
        f"postgresql://{secret}@db.bank.example/loans",
        f"mysql+pymysql://db.bank.example/loans?password={secret}",
        f"mssql+pyodbc:///?odbc_connect=DRIVER=x;UID=ana;PWD={secret}",
        f"snowflake://ana:{secret}@account/db/schema?token={secret}",
        f"oracle://ana:{secret}@host:1521/?service_name={secret}",
        f"postgresql:///?service=bank&password={secret}",
        f"postgresql://db.bank.example/loans;password={secret}",
        f"postgresql://db.bank.example/loans%3Fpassword={secret}",
        f"postgresql://ana:{quote(secret, safe='')}@db.bank.example/loans",
        f"sqlite:///file:bank.db?mode=ro&uri=true&key={secret}",
        f"duckdb:///md:loans?motherduck_token={secret}",
        f"duckdb:///md:loans;token={secret}",
        f"host=db.bank.example password={secret}",
    ):
        shown = clean_database(url)
        assert secret not in shown
        assert quote(secret, safe="") not in shown


@given(SECRET)
def test_no_secret_of_a_uri_is_told(secret: str) -> None:
    for uri in (
        f"s3://key:{secret}@bucket/loans.parquet",
        f"https://bank.example/loans.csv?X-Amz-Signature={secret}#{secret}",
        f"https://{secret}@bank.example/loans.csv",
        f"https://ana:x{secret}/loans.csv",
        f"s3://bucket/loans.parquet%3Fsig%3D{secret}",
    ):
        assert secret not in clean_uri(uri)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "postgresql+psycopg://ana@db.bank.example:5433/loans",
            "postgresql+psycopg://db.bank.example:5433/loans",
        ),
        ("postgresql://ana:p@ss@db.bank.example/loans", "postgresql:///loans"),
        ("mssql://host/loans;password=hunter2", "mssql://host/"),
        ("postgresql://host:port/loans", "postgresql://"),
        ("postgresql+psycopg:///?service=bank&password=hunter2", "postgresql+psycopg:///?service=bank"),
        ("postgresql://db.bank.example/loans?service=a%26password=x", "postgresql://db.bank.example/loans"),
        ("postgresql:///loans?service=a&service=b", "postgresql:///loans"),
        ("oracle://host/loans?service=bank", "oracle://host/loans"),
        ("mysql://ana:hunter2@[::1]:3306/loans", "mysql://[::1]:3306/loans"),
        ("sqlite://", "sqlite:///"),
        ("no url", "database://"),
    ],
)
def test_what_is_left_of_a_database_url(url: str, shown: str) -> None:
    assert clean_database(url) == shown


def test_the_container_of_an_azure_uri_is_no_user() -> None:
    uri = "abfss://loans@bank.dfs.core.windows.net/2026/loans.parquet"
    assert clean_uri(uri) == uri
    assert (
        clean_uri("abfss://Key:Secret@bank.dfs.core.windows.net/x") == "abfss://bank.dfs.core.windows.net/x"
    )


# --- object stores ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A server that speaks S3, with one object in a bucket that keeps versions."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"

    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_bucket(Bucket="bank")
    client.put_bucket_versioning(Bucket="bank", VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket="bank", Key="loans.csv", Body=b"a\n1\n")
    client.close()
    yield url
    server.stop()


@pytest.fixture
def s3(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "Zhunter2Z")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return "s3://bank/loans.csv"


def test_an_object_is_recorded_with_the_version_that_its_store_tells(s3: str, store: ArtifactStore) -> None:
    def load(source: str = s3) -> int:
        return 1

    result = loading(load, store)
    [said] = origins(result)
    assert (said["kind"], said["uri"], said["note"]) == ("object", "s3://bank/loans.csv", None)
    version = said["version"]
    assert version["etag"] == '"34ff2335cbe2045ddc3b78993d1e971d"'  # the MD5 of its bytes
    assert (version["bytes"], len(version["version"])) == (4, 36)
    assert b"Zhunter2Z" not in encode(result.predicate)


@pytest.mark.parametrize("uri", ["s3://bank/none.csv", "s3://nobucket/x.csv", "s3://"])
def test_an_object_that_is_not_there_is_a_note(s3: str, uri: str, store: ArtifactStore) -> None:
    found = Origins(store)
    found.find("load", "source", uri)
    assert [(said["version"], str(said["note"])[:25]) for said in found.found] in (
        [(None, "its version could not be ")],
        [],
    )


def test_a_store_that_does_not_answer_is_a_note(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    found = Origins(store)
    found.find("load", "source", "s3://bank/loans.csv")
    assert "could not be told" in str(found.found[0]["note"])


def test_other_urls_are_not_asked(store: ArtifactStore) -> None:
    found = Origins(store)
    found.find("load", "source", "https://ana:x@data.example/loans.csv?sig=abc")
    assert (found.found[0]["uri"], found.found[0]["kind"]) == ("https://data.example/loans.csv", "url")


@pytest.mark.parametrize(
    "value", ["a sentence: s3://bucket is where it is", "mailto:ana@bank.example", 7, None]
)
def test_what_is_no_uri_is_no_origin(value: Any, store: ArtifactStore) -> None:
    found = Origins(store)
    found.find("load", "source", value)
    assert found.found == []


def test_many_origins_fit_in_a_record_and_are_read_back(store: ArtifactStore) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def load() -> None: ...

    found = run_pipeline(pipeline, {}, artifacts=store).predicate
    many = Origins(store)
    for number in range(150):
        many.find("load", "source", sql_source(f"mysql://host{number}/db", f"SELECT '{'x' * 500}'"))
    fitted = fit_in_record({**found, "origins": list(many.found)}, (), store)
    assert len(encode(fitted)) < MOST_BYTES
    assert resolve_run(fitted, store)["origins"] == many.found


def test_long_queries_are_named_by_the_run_though_its_origins_moved_to_the_artifact_store(
    store: ArtifactStore,
) -> None:
    pipeline = Pipeline("loans")

    @pipeline.step
    def load() -> None: ...

    many = Origins(store)
    for number in range(150):
        place = f"mysql://host{'x' * 100}{number}/db"
        many.add_query("load", place, f"SELECT '{number} {'x' * 3_000}'")
    found = run_pipeline(pipeline, {}, artifacts=store).predicate
    fitted = fit_in_record({**found, "origins": list(many.found)}, (), store)
    assert "artifact" in cast(JsonObject, fitted["origins"])
    assert set(artifacts_named(fitted, store)) == set(store.digests())


def test_one_last_row_says_that_there_were_more_origins_than_are_recorded(store: ArtifactStore) -> None:
    many = Origins(store)
    for number in range(210):
        many.add_query("load", f"mysql://host{number}/db", "SELECT 1")
    assert len(many.found) == 201
    assert many.found[-1]["kind"] == "not recorded"
    assert many.found[-1]["uri"] == "more than 200 origins"
    assert "had more" in str(many.found[-1]["note"])


def test_a_query_that_is_not_recorded_leaves_no_artifact(store: ArtifactStore) -> None:
    many = Origins(store)
    for number in range(200):
        many.add_query("load", f"mysql://host{number}/db", "SELECT 1")
    many.add_query("load", "mysql://host/db", f"SELECT '{'x' * 3000}'")
    assert not [file for file in store.root.rglob("*") if file.is_file()]
