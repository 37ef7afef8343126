"""A new ledger: who may begin it, where, and that none is made over another."""

from pathlib import Path

import pytest

from audit import tables
from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from audit.ledger import Ledger, create_ledger
from tests.small_ledger import ORIGIN, People, new_ledger, signer, state


def test_an_origin_that_is_not_in_normal_form_makes_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match="NFC"):
        new_ledger(tmp_path, origin="kredit.example/ba\u0308ume")


def test_a_first_key_without_the_role_admin_makes_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match="role admin"):
        new_ledger(tmp_path, roles=("recorder",))


def test_one_key_for_the_log_and_a_person_makes_no_ledger(tmp_path: Path) -> None:
    own = signer()
    with pytest.raises(MalformedInput, match="two different keys"):
        new_ledger(tmp_path, People(own, own))


def test_a_ledger_is_not_made_over_another(tmp_path: Path, ledger: Ledger, people: People) -> None:
    before = state(ledger)
    with pytest.raises(MalformedInput, match="never overwritten"):
        new_ledger(tmp_path)
    with pytest.raises(MalformedInput, match="never overwritten"):
        create_ledger(
            ledger.engine,
            origin=ORIGIN,
            name="other",
            holder="Other",
            roles=("admin",),
            signer=signer(),
            log_signer=signer(),
        )
    assert state(ledger) == before


def test_a_place_where_no_file_can_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="cannot be made"):
        tables.create(tmp_path / "nowhere" / "ledger.db", [])


def test_a_place_without_a_ledger_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no ledger at"):
        tables.open_database(tmp_path / "ledger.db")
