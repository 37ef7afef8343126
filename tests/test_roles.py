"""The rights on a shared ledger: each role suffices for its work, and has nothing more."""

import psycopg
import pytest

from audit.errors import EnvironmentFailed, MalformedInput
from audit.ledger import Ledger
from audit.roles import ROLES, roles_sql
from tests.postgres_ledger import Database, Sequencing, failed, opened, titles
from tests.small_ledger import Titles, report, signer


@pytest.fixture
def with_roles(shared_ledger: Ledger, shared_database: Database) -> Database:
    """Make the three roles, and a user for each; roles belong to the server, so they may be there."""
    with shared_ledger.engine.begin() as connection:
        connection.exec_driver_sql(roles_sql([Titles.metadata]))
        for role in ROLES:
            connection.exec_driver_sql(
                f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'test_{role}') THEN "
                f"CREATE ROLE test_{role} LOGIN IN ROLE {role}; END IF; END $$"
            )
    return shared_database


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", ["records", "checkpoints"])
def test_nobody_has_update_delete_or_truncate_on_what_only_grows(
    shared_ledger: Ledger, with_roles: Database, role: str, table: str
) -> None:
    with shared_ledger.engine.connect() as connection:
        has = [
            right
            for right in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
            if connection.exec_driver_sql(
                f"SELECT has_table_privilege('test_{role}', '{table}', '{right}')"
            ).scalar()
        ]
    assert has == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT said FROM inbox",
        "INSERT INTO inbox (said, until, refused) VALUES ('x', now(), 'no')",
        "INSERT INTO inbox (number, said, until) OVERRIDING SYSTEM VALUE VALUES (1, 'x', now())",
    ],
)
def test_a_writer_neither_reads_what_others_say_nor_answers_them(with_roles: Database, sql: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        with_roles.as_user("test_affidavit_writer").execute(sql)


def test_a_writer_fills_the_inbox_and_nothing_else(shared_ledger: Ledger, with_roles: Database) -> None:
    with shared_ledger.engine.connect() as connection:
        rights = connection.exec_driver_sql(
            "SELECT c.relname, r FROM pg_class c, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) r "
            "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace "
            "AND CASE r WHEN 'INSERT' THEN has_any_column_privilege('test_affidavit_writer', c.oid, r) "
            "ELSE has_table_privilege('test_affidavit_writer', c.oid, r) END"
        ).all()
    assert [tuple(row) for row in rights] == [("inbox", "INSERT")]


def test_each_role_suffices_for_its_work(shared_ledger: Ledger, with_roles: Database) -> None:
    by = {role: with_roles.as_user(f"test_{role}") for role in ROLES}
    sequencer = opened(by["affidavit_sequencer"])
    writer = opened(by["affidavit_writer"], keyless=True)
    reader = opened(by["affidavit_reader"], keyless=True)
    sequencer.grant("ana", signer().public, ("recorder",), "Ana Ruiz")
    with Sequencing(sequencer):
        assert writer.append(report("one")).seq == 2
    with pytest.raises(EnvironmentFailed, match="lacks a right"):
        reader.append(report("two"))
    with pytest.raises(EnvironmentFailed, match="lacks a right"):
        opened(by["affidavit_writer"]).append(report("three"))
    assert (titles(reader), failed(reader)) == (["one"], [])


def test_a_schema_with_an_odd_name_gets_no_sql() -> None:
    with pytest.raises(MalformedInput, match="plain name"):
        roles_sql([], 'public"; DROP')
