"""Measure proofs on a tree of a million made-up leaf hashes, stored as a ledger stores its tiles.

A proof is produced from a cold reader (a new connection is not counted, nothing is kept from the proof before), and
checked as anyone would who holds the root. Goals: produced within 1 ms, checked within 50 us.
"""

import hashlib
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from audit import tables
from audit.merkle import HASH_SIZE, node_hash, root_at, verify_consistency, verify_inclusion
from audit.prover import Prover
from audit.terminal import print_table
from audit.tiles import TILE_WIDTH, TileReader
from tests.bench.rows import HEADER, Row, at_most

LEAVES = 1_000_000
PROOFS = 300

Tree = dict[tuple[int, int], bytes]


def made_up_tree(size: int) -> Tree:
    """Cut a tree of made-up leaf hashes into tiles, row by row."""
    tree, level = Tree(), 0
    hashes = [hashlib.sha256(b"%d" % number).digest() for number in range(size)]
    while hashes:
        rows = [hashes[i : i + TILE_WIDTH] for i in range(0, len(hashes), TILE_WIDTH)]
        tree |= {(level, number): b"".join(row) for number, row in enumerate(rows)}
        hashes = [_top(row) for row in rows if len(row) == TILE_WIDTH]
        level += 1
    return tree


def bench_proofs() -> list[Row]:
    """Produce and check inclusion and consistency proofs at random places of a tree of a million leaves."""
    tree = made_up_tree(LEAVES)
    with tempfile.TemporaryDirectory(prefix="affidavit-bench-") as scratch:
        engine = tables.create(Path(scratch) / "ledger.db", [])
        with engine.begin() as connection:
            rows = [{"level": level, "number": n, "hashes": hashes} for (level, n), hashes in tree.items()]
            connection.execute(tables.tiles.insert(), rows)
        with engine.connect() as connection:
            return _measure(connection, root_at(TileReader(lambda *tile: tree.get(tile)).node, LEAVES), tree)


def _measure(connection: Connection, root: bytes, tree: Tree) -> list[Row]:
    places = random.Random(7).sample(range(1, LEAVES), PROOFS)
    roots = {size: root_at(TileReader(lambda *tile: tree.get(tile)).node, size) for size in places}
    leaf = {i: tree[0, i // TILE_WIDTH][i % TILE_WIDTH * HASH_SIZE :][:HASH_SIZE] for i in places}
    inclusion = {i: Prover(connection).inclusion(i, LEAVES) for i in places}
    consistency = {i: Prover(connection).consistency(i, LEAVES) for i in places}
    return [
        _row("inclusion proof", 1_000, places, lambda i: Prover(connection).inclusion(i, LEAVES)),
        _row("  checked", 50, places, lambda i: verify_inclusion(leaf[i], i, LEAVES, inclusion[i], root)),
        _row("consistency proof", 1_000, places, lambda i: Prover(connection).consistency(i, LEAVES)),
        _row(
            "  checked",
            50,
            places,
            lambda i: verify_consistency(i, LEAVES, roots[i], root, consistency[i]),
        ),
    ]


def _row(what: str, goal: float, places: list[int], work: Callable[[int], object]) -> Row:
    taken = []
    for place in places:
        begun = time.perf_counter()
        work(place)
        taken.append(time.perf_counter() - begun)
    taken.sort()
    middle, worst = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    return (
        what,
        f"{middle * 1e6:,.0f} us",
        "the 99th of 100",
        f"{worst * 1e6:,.0f} us",
        f"{middle / worst:.2f}",
        *at_most(middle * 1e6, goal, " us"),
    )


def _top(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def main() -> None:
    """Measure and print."""
    print_table((f"Of {LEAVES:,} leaves", *HEADER[1:]), bench_proofs())


if __name__ == "__main__":
    main()
