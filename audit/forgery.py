"""Another history in place of the one that was: entries forged, moved or taken out, and everything made to fit.

The part of a dishonest operator's tricks that takes knowledge of the format, and often stolen keys; `audit.attacks` has
those that take SQL alone. None goes through the code that writes a ledger honestly, but for what an operator would copy
from it: hashing, tiling, and signing.

`refit` makes everything fit: chain, index, tiles, head, checkpoints, and the tables that followers learn. Without the
log's key it can only keep the heads that were signed, and those fit where the history was cut back to one.
"""

import base64
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from audit import tables
from audit.attacks import Value, other, sql
from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.envelope import PAYLOAD_TYPE, pae
from audit.errors import MalformedInput
from audit.follower import Follower
from audit.keys import Signer
from audit.ledger import Ledger
from audit.merkle import EMPTY_ROOT, CompactRange, leaf_hash
from audit.record import FIRST_PREV, index_columns, parse_record
from audit.tiles import Tiles

__all__ = [
    "backdate",
    "cut_back",
    "forge",
    "records_of",
    "refit",
    "replay",
    "resign",
    "rewrite",
    "sizes_of",
    "truncate_tail",
]

Change = Callable[[dict[str, Any]], object]
"""Changes the predicate of a statement in place."""


def records_of(folder: Path) -> list[bytes]:
    """Read every record."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        return [row[0] for row in connection.execute("SELECT record FROM records ORDER BY seq")]


def sizes_of(folder: Path) -> list[int]:
    """Read the sizes at which a checkpoint was signed."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        return [row[0] for row in connection.execute("SELECT size FROM checkpoints ORDER BY number")]


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def forge(record: bytes, change: Change, signer: Signer | None = None) -> bytes:
    """Change the predicate of a record; sign it anew where the signer's key was stolen."""
    document = json.loads(record)
    said = json.loads(base64.b64decode(document["entry"]["payload"]))
    change(said["predicate"])
    payload = _canonical(said)
    document["entry"]["payload"] = base64.b64encode(payload).decode()
    if signer is not None:
        signature = base64.b64encode(signer.sign(pae(PAYLOAD_TYPE, payload))).decode()
        document["entry"]["signatures"] = [{"keyid": signer.public.keyid, "sig": signature}]
    return _canonical(document)


def backdate(record: bytes, time: str) -> bytes:
    """Let a record have been written at another time."""
    return _canonical(json.loads(record) | {"time": time})


def replay(records: Sequence[bytes], seq: int) -> list[bytes]:
    """Append what was said in entry `seq` a second time."""
    return [*records, _canonical(json.loads(records[seq]) | {"time": json.loads(records[-1])["time"]})]


def rewrite(records: Sequence[bytes], seq: int, change: Change, signers: Mapping[str, Signer]) -> list[bytes]:
    """Change entry `seq`, and sign every entry from there on as if its signer had seen that: all keys are stolen."""
    tree, roots, last = CompactRange(), [EMPTY_ROOT], FIRST_PREV
    written = []
    for number, record in enumerate(records):
        entry = parse_record(record)

        def seen(predicate: dict[str, Any]) -> None:
            predicate["observed"]["root"] = roots[predicate["observed"]["size"]].hex()

        if number >= seq:
            record = forge(record, change if number == seq else seen, signers[entry.key])
            record = _canonical(json.loads(record) | {"prev": last})
        written.append(record)
        leaf = leaf_hash(record)
        tree, last = tree.append(leaf), leaf.hex()
        roots.append(tree.root())
    return written


def resign(folder: Path, log: Signer, followers: Sequence[Follower] = ()) -> None:
    """Sign every checkpoint anew, over the records as they are now."""
    refit(folder, records_of(folder), sizes_of(folder), log, chain=False, followers=followers)


def refit(
    folder: Path,
    records: Sequence[bytes],
    sizes: Sequence[int],
    log: Signer | None,
    *,
    chain: bool = True,
    followers: Sequence[Follower] = (),
) -> None:
    """Make these the ledger's records and everything else fit: chain, index, tiles, head, checkpoints, catalogue."""
    with sql(folder) as connection:
        notes = dict(connection.execute("SELECT size, note FROM checkpoints").fetchall())
        for table in ("records", "tiles", "checkpoints"):
            connection.execute(f"DELETE FROM {table}")
        _write_again(connection, records, sizes, log, notes, chain)
    # Where statements name runs by hashes that are gone, the catalogue cannot be made to fit, and stays as it was.
    with suppress(MalformedInput):
        ledger = Ledger(tables.open_database(folder / "ledger.db"), followers=followers)
        ledger.rebuild()
        ledger.close()
    _forget_people(folder)


def _write_again(
    connection: sqlite3.Connection,
    records: Sequence[bytes],
    sizes: Sequence[int],
    log: Signer | None,
    notes: Mapping[int, bytes],
    chain: bool,
) -> None:
    tree, tiles, last, previous = CompactRange(), Tiles(), FIRST_PREV, "{}"
    ids: set[Value] = set()
    for seq, written in enumerate(records):
        record = _canonical(json.loads(written) | {"seq": seq, "prev": last}) if chain else written
        entry = parse_record(record)
        row: dict[str, Any] = index_columns(entry)
        if row["entry_id"] in ids:
            row["entry_id"] = other(row["entry_id"])
        ids.add(row["entry_id"])
        connection.execute(
            f"INSERT INTO records ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            tuple(row.values()),
        )
        leaf = leaf_hash(record)
        for tile in tiles.append(leaf):
            connection.execute("INSERT OR REPLACE INTO tiles VALUES (?, ?, ?)", tile)
        tree, last, previous = tree.append(leaf), leaf.hex(), entry.time
        if seq + 1 in sizes:
            head = Checkpoint(entry.log, tree.size, tree.root())
            note = notes[tree.size] if log is None else sign_checkpoint(head, log)
            number = sizes.index(seq + 1) + 1
            connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (number, tree.size, note))
    connection.execute(
        "UPDATE head SET size = ?, compact_range = ?, last_leaf = ?, last_time = ?, checkpoints = ?",
        (tree.size, tree.to_bytes(), bytes.fromhex(last), previous, len(sizes)),
    )


def _forget_people(folder: Path) -> None:
    """Delete the rows of those whom no record names any more."""
    keys: set[str] = set()
    subjects: set[str] = set()
    for record in records_of(folder):
        statement = parse_record(record).statement
        key: Any = statement.predicate.get("key")
        if statement.kind in ("genesis", "key-grant", "key-rotate"):
            keys.add(key["keyid"])
        subjects.update(number for number, _ in statement.refers_to)
    with sql(folder) as connection:
        for table, column, known in (("holders", "key", keys), ("subjects", "subject", subjects)):
            places = ", ".join("?" * len(known))
            connection.execute(f"DELETE FROM {table} WHERE {column} NOT IN ({places})", tuple(known))


def truncate_tail(folder: Path, size: int, log: Signer, followers: Sequence[Follower] = ()) -> None:
    """Cut the tail off cleanly: head, tiles, checkpoints and catalogue fit what is left."""
    sizes = [s for s in sizes_of(folder) if s <= size]
    refit(folder, records_of(folder)[:size], sizes, log, followers=followers)


def cut_back(folder: Path, size: int, followers: Sequence[Follower] = ()) -> None:
    """Cut the tail off cleanly with no key at all: back to a size whose head the log signed once."""
    sizes = [s for s in sizes_of(folder) if s <= size]
    refit(folder, records_of(folder)[:size], sizes, None, chain=False, followers=followers)
