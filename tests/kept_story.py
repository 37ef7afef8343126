"""A ledger with a whole story, to be attacked by those who hold its folder and its keys, and what verification says."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table

from audit import tables
from audit.anchor_settings import SETTINGS, AnchorSettings
from audit.errors import AffidavitError
from audit.keys import Signer
from audit.keystore import KeyStore
from audit.ledger import Ledger
from audit.note import VerifierKey
from audit.report import Report, Step
from registry.artifacts import ArtifactStore
from registry.catalog import Catalog
from registry.home import FOLDER
from registry.references import KeptArtifacts
from tests import dishonest
from tests.story import tell
from tests.vouched import vouch

__all__ = [
    "COLUMNS", "GENESIS", "GRANT", "LAST", "PERSON", "REFUSAL", "RUN", "TABLES", "Kept", "copied",
    "detected", "failed", "kept", "names", "rowids", "template", "told", "value",
]  # fmt: skip

TABLES: list[Table] = [*tables.ledger_metadata.sorted_tables, *Catalog.metadata.sorted_tables]
COLUMNS = [(table.name, column.name) for table in TABLES for column in table.columns]
GENESIS, PERSON, RUN, REFUSAL, GRANT, LAST = 0, 4, 7, 10, 17, 19
"""Entries of the story by what they are; each but the last was followed by others."""


@dataclass(frozen=True)
class Kept:
    """A ledger's folder, whose own keys the tests may steal."""

    folder: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger(
            tables.open_database(self.folder / "ledger.db"),
            followers=[Catalog()],
            artifacts=KeptArtifacts(ArtifactStore(self.folder / "artifacts")),
            pinned=AnchorSettings.read(self.folder),
        )

    def verify(self, checkpoint: bytes | None = None, log_key: VerifierKey | None = None) -> Report:
        return self.ledger.verify(checkpoint=checkpoint, log_key=log_key)

    def stolen(self, name: str) -> Signer:
        return KeyStore(self.folder / "keys").open(name, lambda _: b"")

    @property
    def records(self) -> list[bytes]:
        return dishonest.records_of(self.folder)

    def refit(self, records: list[bytes]) -> None:
        """Make everything fit these records, with the stolen key of the log."""
        sizes = [size for size in dishonest.sizes_of(self.folder) if size < len(records)]
        dishonest.refit(self.folder, records, [*sizes, len(records)], self.stolen("log"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("story")
    tell(folder)
    made = Kept(folder / FOLDER)
    # Over the genesis entry alone: what these tests do to later entries, no anchor is to give away.
    vouch(made.folder, made.ledger, 1)
    return made


@pytest.fixture
def kept(template: Kept, tmp_path: Path) -> Kept:
    return Kept(shutil.copytree(template.folder, tmp_path / "ledger"))


def failed(answer: Report) -> dict[str, Step]:
    assert not answer
    return {step.name: step for step in answer.steps if step.status == "failed"}


def told(answer: Report) -> str:
    return "\n".join(step.detail for step in failed(answer).values())


def rowids(kept: Kept, table: str) -> list[int]:
    with closing(sqlite3.connect(kept.folder / "ledger.db")) as connection:
        return [row[0] for row in connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]


def value(kept: Kept, table: str, column: str, rowid: int) -> Any:
    with closing(sqlite3.connect(kept.folder / "ledger.db")) as connection:
        return connection.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()[0]


def names(table: str, rowid: int) -> str:
    """Give the pattern that names a row of a table in a finding."""
    return {
        "records": rf"\bentr(y|ies) {rowid}\b",
        "checkpoints": rf"\bcheckpoint {rowid}\b",
        "tiles": r"\btiles\.hashes of level 0, tile 0\b",
        "head": r"\bhead\.|\btable head\b",
        "holders": r"\bholders?\b.*\bkey\b",
        "anchors": rf"\banchor {rowid}\b",
    }.get(table, rf"\brow {table} |\b{table}\.\w+ of the row {table} ")


def detected(kept: Kept) -> bool:
    """Say whether verification is false, or ends in an error of ours."""
    try:
        return not kept.verify()
    except AffidavitError:
        return True


class _Copies:
    """Copies of a ledger's database in a folder that goes away."""

    def __init__(self, template: Kept) -> None:
        self.template, self.place = template, tempfile.TemporaryDirectory()

    def __enter__(self) -> Kept:
        folder = Path(self.place.name)
        shutil.copyfile(self.template.folder / "ledger.db", folder / "ledger.db")
        shutil.copyfile(self.template.folder / SETTINGS, folder / SETTINGS)
        (folder / "artifacts").symlink_to(self.template.folder / "artifacts")
        (folder / "keys").symlink_to(self.template.folder / "keys")
        return Kept(folder)

    def __exit__(self, *_: object) -> None:
        self.place.cleanup()


def copied(template: Kept) -> _Copies:
    return _Copies(template)
