"""A dishonest operator: holds the files, knows SQL and this very format, and may have stolen keys.

Each trick is one function with a name, on a ledger's folder. None of them goes through the code that writes a ledger
honestly, but for what an operator would copy from it: hashing, tiling, and signing with a key that was stolen.
"""

import base64
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from audit import tables
from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.envelope import PAYLOAD_TYPE, pae
from audit.errors import MalformedInput
from audit.keys import Signer
from audit.ledger import Ledger
from audit.merkle import CompactRange, leaf_hash
from audit.record import FIRST_PREV, index_columns, parse_record
from audit.tiles import Tiles
from registry.catalog import Catalog

__all__ = [
    "add_column",
    "add_table",
    "backdate",
    "delete",
    "drop_column",
    "drop_table",
    "drop_trigger",
    "edit",
    "everything",
    "flip_artifact",
    "flip_page_byte",
    "forge",
    "forget_types",
    "insert_copy",
    "leave_stray",
    "lose_artifact",
    "mark",
    "other",
    "records_of",
    "refit",
    "replay",
    "resign",
    "sizes_of",
    "sql",
    "swap_entries",
    "truncate_file",
    "truncate_tail",
]

Value = int | float | str | bytes | None


@contextmanager
def sql(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database with the guards out of the way, and put them back as they were."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA ignore_check_constraints=ON")
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, definition in guards:
            connection.execute(definition)
        connection.commit()


def everything(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Read all that a database says: definitions, marks, and every row with its types."""
    with closing(sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        said = {
            "definitions": connection.execute(
                "SELECT type, name, sql FROM sqlite_master ORDER BY name"
            ).fetchall(),
            "marks": [
                connection.execute(f"PRAGMA {m}").fetchone() for m in ("user_version", "application_id")
            ],
        }
        for kind, name, _ in said["definitions"]:
            if kind == b"table":
                # Without an index: the table itself is what is read.
                rows = connection.execute(f"SELECT * FROM {name.decode()} NOT INDEXED").fetchall()
                said[name.decode()] = sorted(rows, key=repr)
        return said


# -- single rows -------------------------------------------------------------------------------------------------------


def other(value: Any) -> Value:
    """Return another value of the same type."""
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return f"{value}x"


def edit(folder: Path, table: str, column: str, rowid: int, value: Value) -> None:
    """Change one value of one row."""
    with sql(folder) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))


def delete(folder: Path, table: str, rowid: int) -> None:
    """Remove one row."""
    with sql(folder) as connection:
        connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))


def insert_copy(folder: Path, table: str, rowid: int, unique: Sequence[str]) -> None:
    """Insert a row that differs from another only where the table asks for it."""
    with sql(folder) as connection:
        cursor = connection.execute(f"SELECT * FROM {table} WHERE rowid = ?", (rowid,))
        row = dict(zip([c[0] for c in cursor.description], cursor.fetchone(), strict=True))
        row |= {column: other(row[column]) for column in unique}
        places = ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values()))


def swap_entries(folder: Path, one: int, two: int) -> None:
    """Let two entries trade places, with all their index columns but the place."""
    with sql(folder) as connection:
        connection.execute("UPDATE records SET seq = -1 WHERE seq = ?", (one,))
        connection.execute("UPDATE records SET seq = ? WHERE seq = ?", (one, two))
        connection.execute("UPDATE records SET seq = ? WHERE seq = -1", (two,))


# -- the format, known as well as we know it ---------------------------------------------------------------------------


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


def forge(record: bytes, change: Callable[[dict[str, Any]], object], signer: Signer | None = None) -> bytes:
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


def resign(folder: Path, log: Signer) -> None:
    """Sign every checkpoint anew, over the records as they are now."""
    refit(folder, records_of(folder), sizes_of(folder), log, chain=False)


def refit(
    folder: Path, records: Sequence[bytes], sizes: Sequence[int], log: Signer, *, chain: bool = True
) -> None:
    """Make these the ledger's records and everything else fit: chain, index, tiles, head, checkpoints, catalogue."""
    tree, tiles, last, previous = CompactRange(), Tiles(), FIRST_PREV, "{}"
    with sql(folder) as connection:
        for table in ("records", "tiles", "checkpoints"):
            connection.execute(f"DELETE FROM {table}")
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
                note = sign_checkpoint(Checkpoint(entry.log, tree.size, tree.root()), log)
                number = sizes.index(seq + 1) + 1
                connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", (number, tree.size, note))
        connection.execute(
            "UPDATE head SET size = ?, compact_range = ?, last_leaf = ?, last_time = ?, checkpoints = ?",
            (tree.size, tree.to_bytes(), bytes.fromhex(last), previous, len(sizes)),
        )
    # Where statements name runs by hashes that are gone, the catalogue cannot be made to fit, and stays as it was.
    with suppress(MalformedInput):
        Ledger(tables.open_database(folder / "ledger.db"), followers=[Catalog()]).rebuild()
    with sql(folder) as connection:
        granted = tuple(_granted(folder))
        connection.execute(f"DELETE FROM holders WHERE key NOT IN ({', '.join('?' * len(granted))})", granted)
        referred = tuple({n for r in records_of(folder) for n, _ in parse_record(r).statement.refers_to})
        connection.execute(
            f"DELETE FROM subjects WHERE subject NOT IN ({', '.join('?' * len(referred))})", referred
        )


def _granted(folder: Path) -> Iterator[str]:
    for record in records_of(folder):
        entry = parse_record(record)
        if entry.kind in ("genesis", "key-grant"):
            key: Any = entry.statement.predicate["key"]
            yield key["keyid"]


def truncate_tail(folder: Path, size: int, log: Signer) -> None:
    """Cut the tail off cleanly: head, tiles, checkpoints and catalogue fit what is left."""
    refit(folder, records_of(folder)[:size], [s for s in sizes_of(folder) if s <= size], log)


# -- the database as a whole -------------------------------------------------------------------------------------------


def drop_trigger(folder: Path, name: str) -> None:
    """Take a guard rail away."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"DROP TRIGGER {name}")


def drop_table(folder: Path, name: str) -> None:
    """Take a whole table away."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"DROP TABLE {name}")


def drop_column(folder: Path, table: str, column: str) -> None:
    """Make a table anew without one of its columns."""
    with sql(folder) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != column]
        connection.execute(f"CREATE TABLE kept AS SELECT {', '.join(names)} FROM {table}")
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE kept RENAME TO {table}")


def add_table(folder: Path, name: str = "notes") -> None:
    """Keep something of one's own."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"CREATE TABLE {name} (note TEXT)")


def add_column(folder: Path, table: str) -> None:
    """Give a table a column of one's own."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN remark TEXT")


def forget_types(folder: Path, table: str, column: str, value: Value) -> None:
    """Make a table anew so that it holds any type anywhere, and put one where it does not belong."""
    with sql(folder) as connection:
        connection.execute(f"CREATE TABLE kept AS SELECT * FROM {table}")
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE kept RENAME TO {table}")
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", (value,))


def mark(folder: Path, name: str, value: int) -> None:
    """Change a number in the file's header."""
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute(f"PRAGMA {name}={value}")


def truncate_file(folder: Path, size: int) -> None:
    """Cut the file short, as a copy that broke off."""
    os.truncate(folder / "ledger.db", size)


def flip_page_byte(folder: Path, place: int, difference: int = 1) -> None:
    """Change one byte of the database file."""
    with (folder / "ledger.db").open("r+b") as file:
        file.seek(place)
        [byte] = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ difference]))


# -- artifacts ---------------------------------------------------------------------------------------------------------


def _artifact(folder: Path, digest: str) -> Path:
    return folder / "artifacts" / "sha256" / digest[:2] / digest[2:]


def lose_artifact(folder: Path, digest: str) -> None:
    """Take an artifact away."""
    _artifact(folder, digest).unlink()


def flip_artifact(folder: Path, digest: str, place: int = 0) -> None:
    """Change one byte of an artifact."""
    path = _artifact(folder, digest)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))


def leave_stray(folder: Path, name: str) -> None:
    """Leave a file in the artifact store that is no artifact."""
    path = folder / "artifacts" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"stray")
