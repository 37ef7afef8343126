"""Proofs that a real ledger gives, at every size it ever had."""

from pathlib import Path

import pytest

from audit import tables
from audit.errors import NotVerified
from audit.ledger import Ledger
from audit.merkle import leaf_hash, root, verify_consistency, verify_inclusion
from audit.prover import Prover
from tests.small_ledger import new_ledger, report

SIZE = 12


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    made = new_ledger(tmp_path_factory.mktemp("proved"))
    made.append_many([report(f"report {number}") for number in range(SIZE - 1)])
    return made


@pytest.fixture(scope="module")
def leaves(ledger: Ledger) -> list[bytes]:
    return [leaf_hash(entry.record) for entry in ledger.entries()]


def test_every_entry_is_proven_to_be_in_every_tree_that_had_it(ledger: Ledger, leaves: list[bytes]) -> None:
    with ledger.engine.connect() as connection:
        prover = Prover(connection)
        for size in range(1, SIZE + 1):
            for seq in range(size):
                verify_inclusion(leaves[seq], seq, size, prover.inclusion(seq, size), root(leaves[:size]))


def test_every_tree_is_proven_to_contain_every_earlier_one(ledger: Ledger, leaves: list[bytes]) -> None:
    with ledger.engine.connect() as connection:
        prover = Prover(connection)
        for size in range(SIZE + 1):
            for first in range(size + 1):
                proof = prover.consistency(first, size)
                verify_consistency(first, size, root(leaves[:first]), root(leaves[:size]), proof)


def test_the_newest_root_is_the_one_that_the_log_signed(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert Prover(connection).root_at(SIZE) == ledger.head().root


def test_a_size_beyond_the_end_is_an_error(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection, pytest.raises(NotVerified, match="missing or too short"):
        Prover(connection).root_at(SIZE + 1)


def test_a_tile_that_is_no_bytes_gives_no_proof(tmp_path: Path) -> None:
    with new_ledger(tmp_path).engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE tiles")
        connection.exec_driver_sql("CREATE TABLE tiles (level, number, hashes)")
        connection.execute(tables.tiles.insert().values(level=0, number=0))
        connection.exec_driver_sql("UPDATE tiles SET hashes = 'text'")
        with pytest.raises(NotVerified, match="missing or too short"):
            Prover(connection).root_at(1)
