"""The URL of a shared ledger is read strictly, and nothing that could be a password is ever shown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL

from audit import postgres
from audit.anchor_settings import check_url
from audit.errors import AffidavitError, MalformedInput, NotFound
from audit.postgres_url import is_url, parse_url, readable_place, readable_url
from registry.home import Home, find_home
from tests.command_line import empty_folder
from tests.postgres_ledger import Databases

SECRET = "gEhEiM7q"
SCHEMES = st.sampled_from(
    [
        "postgresql",
        "postgresql+psycopg",
        "postgres",
        "postgresql+asyncpg",
        "mysql",
        "htp",
        "http",
        "POSTGRESQL",
        "",
    ]
)
SLASHES = st.sampled_from(["://", ":/", ":", "//", ":///", ""])
PLACES = st.sampled_from(
    ["h/db", "h:5432/db", "h", "/db", "h/", "[::1]/db", "[h", "h:port/db", "h/a b", "h@k/db", ""]
)
AROUND = st.text(alphabet="ab:/@?#&=%[] ", max_size=3)


@st.composite
def odd_urls(draw: st.DrawFn) -> str:
    """Write a URL of a kind that people type, with the secret where a password, or what is taken for one, stands."""
    place, secret = draw(PLACES), draw(AROUND) + SECRET + draw(AROUND)
    login = draw(st.sampled_from([f"bob:{secret}@{place}", f":{secret}@{place}", f"bob@x:{secret}@{place}"]))
    query = draw(
        st.sampled_from(
            [
                f"password={secret}",
                f"sslpassword={secret}",
                f"user=bob&password={secret}",
                f"a=b&passfile={secret}",
            ]
        )
    )
    text = draw(st.sampled_from([login, f"{place}?{query}", f"bob@{place}?{query}", f"{login}?{query}"]))
    keywords = f"host=h user=bob password={secret} dbname=db"
    return draw(st.one_of(st.just(draw(SCHEMES) + draw(SLASHES) + text), st.just(keywords)))


def said_about(named: str) -> str:
    """Gather all that is said about a ledger by what names it."""
    try:
        home = find_home(named, Path("/nonexistent"))
    except AffidavitError as error:
        return f"{error} {error!r} {error.__cause__!r}"
    return f"{home.name} {home!r} {postgres.open_url(home.url)!r}" if home.url is not None else home.name


@given(odd_urls())
def test_no_sentence_about_a_ledgers_url_holds_its_password(named: str) -> None:
    assert SECRET not in said_about(named)


@given(odd_urls())
def test_no_sentence_about_an_anchors_address_holds_a_password(url: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        check_url(url.replace("?", "@?", 1) if url.startswith("http://") and "@" not in url else url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "named",
    [
        f"postgresql:/bob:{SECRET}@h",
        f"postgres//bob:{SECRET}@h/db",
        f"postgresql+psycopg://bob:{SECRET}@h@k/db",
        f"host=h password={SECRET}",
        f"mysql://bob:{SECRET}@h/db",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [["log"], ["init", "--origin", "bank.example/credit"]])
def test_a_command_with_a_mistyped_url_is_refused_without_it_and_makes_nothing(
    tmp_path: Path, named: str, command: list[str]
) -> None:
    here = empty_folder(tmp_path / "here")
    result = here("--ledger", named, *command)
    assert (result.exit_code, SECRET in result.output) == (2, False)
    assert list(here.path.iterdir()) == []


def test_what_is_no_secret_is_shown() -> None:
    url = parse_url("postgresql://ana@h:5433/credit?options=-csearch_path%3Dtwo&sslmode=require&sslkey=/k")
    assert readable_url(url) == (
        "postgresql+psycopg://ana@h:5433/credit?options=-csearch_path%3Dtwo&sslkey=%2A%2A%2A&sslmode=require"
    )


def test_a_password_in_the_query_is_used_and_hidden() -> None:
    url = parse_url(f"postgresql://ana@h/credit?password={SECRET}")
    assert (url.password, SECRET in repr(url)) == (SECRET, False)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://ana@h/x", "no database that is known here"),
        ("postgresql://ana@h", "no database that is known here"),
        ("postgresql://[h", "no database that is known here"),
        ("postgresql://ana@h:port/x", "does not read as one"),
        ("postgresql://ana:p@ss@h/x", "write one that is not before the host as %40"),
        ("postgresql:///ana:pw@h/x", "elsewhere than before the host"),
        ("postgresql://ana:one@h/x?password=two", "more than one password"),
        ("postgresql://ana@h/x?password=one&password=two", "more than one password"),
    ],
)
def test_a_url_that_could_be_read_in_two_ways_or_in_none_is_refused(url: str, words: str) -> None:
    with pytest.raises(MalformedInput, match=words):
        parse_url(url)


def test_another_process_gets_the_whole_url(databases: Databases) -> None:
    url = databases.root.url.update_query_dict({"sslpassword": SECRET}).set(password=SECRET)
    engine = postgres.open_url(url)
    with engine.connect() as connection:
        assert parse_url(postgres.place_of(connection)) == url
    engine.dispose()


def test_a_password_with_an_at_sign_is_written_with_its_code() -> None:
    assert parse_url("postgresql://ana:p%40ss@h/x").password == "p@ss"


@pytest.mark.parametrize(
    ("named", "is_one"), [("/srv/credit", False), ("models", False), ("a:b", False), ("file:///x", True)]
)
def test_a_folder_is_told_from_a_url(named: str, is_one: bool) -> None:
    assert is_url(named) is is_one


def test_a_folder_that_is_not_there_is_named() -> None:
    assert readable_place("/srv/credit") == "/srv/credit"
    with pytest.raises(NotFound, match="there is no ledger at /srv/credit"):
        find_home("/srv/credit")


def test_two_databases_have_two_folders_and_two_logins_one() -> None:
    def folder(text: str) -> Path:
        return find_home(text).folder

    one = folder("postgresql://ana@h/credit")
    assert folder("postgresql+psycopg://bob:x@h/credit") == one
    assert folder("postgresql://ana@h/credit?password=x") == one
    assert folder("postgresql://ana@h/credit?options=-csearch_path%3Dtwo") != one
    assert isinstance(Home(one, URL.create("postgresql+psycopg", database="credit")).name, str)
