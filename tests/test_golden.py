"""Ledgers that were written by earlier versions verify today."""

import hashlib
import shutil
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from audit import tables
from audit.bundle_check import verify_bundle
from audit.evidence import Brought
from audit.ledger import Ledger
from audit.merkle import leaf_hash
from audit.note import VerifierKey
from registry.artifacts import ArtifactStore
from registry.catalog import Catalog
from registry.home import Home
from registry.references import KeptArtifacts
from registry.registry import Registry
from tests.story import tell

GOLDEN = sorted(path.parent for path in (Path(__file__).parent / "golden").glob("*/ledger.db"))
pytestmark = pytest.mark.parametrize("kept", GOLDEN, ids=[path.name for path in GOLDEN])

ROOTS = {
    "v1": "5e0e1e190d502153ffd32f2bb6c7276028c81871bb9d088659c65351e9351613",
    "v2": "46acf88ff355ea315e38fa673ab3a955b6bb9ee9128b7c80b784f1049fe3d8c8",
}
"""The root of each, so that nobody replaces a golden ledger by a new one unseen."""

SIZES = {"v1": 20, "v2": 26}


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return shutil.copytree(kept, tmp_path / kept.name)


def opened(folder: Path) -> Ledger:
    return Ledger(
        tables.open_database(folder / "ledger.db"),
        followers=[Catalog()],
        artifacts=KeptArtifacts(ArtifactStore(folder / "artifacts")),
    )


def test_a_ledger_written_by_yesterdays_main_verifies_today(kept: Path, folder: Path) -> None:
    key = VerifierKey.parse((folder / "log.vkey").read_text().strip())
    answer = opened(folder).verify(checkpoint=(folder / "checkpoint").read_bytes(), log_key=key)
    assert [(step.name, step.detail) for step in answer.steps if step.status != "passed"] == []
    assert answer.root == ROOTS[kept.name]


def test_its_catalogue_learned_again_equals_the_one_that_was_stored(kept: Path, folder: Path) -> None:
    ledger = opened(folder)
    assert ledger.rebuild() == ledger.head().size
    assert ledger.verify()


def test_its_verbs_still_read_it(kept: Path, folder: Path) -> None:
    registry = Registry(Home(folder))
    assert [(v.version, v.stages) for v in registry.versions("credit")] == [
        (1, ()),
        (2, ("production",)),
        (3, ()),
    ]
    assert len(registry.gather("credit@2", "production").evidence.approvals) == 2


def test_its_hash_chain_is_followed_with_sha256_alone(kept: Path, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        records = [bytes(row[0]) for row in connection.execute("SELECT record FROM records ORDER BY seq")]
    broken = [
        number
        for number, (before, after) in enumerate(pairwise(records), start=1)
        if b'"prev":"%s"' % hashlib.sha256(b"\x00" + before).hexdigest().encode() not in after
    ]
    assert (len(records), broken) == (SIZES[kept.name], [])
    assert leaf_hash(records[0]) == hashlib.sha256(b"\x00" + records[0]).digest()


def test_it_is_small(kept: Path) -> None:
    assert (kept / "ledger.db").stat().st_size < 200_000


def test_todays_tables_are_those_of_the_newest(kept: Path, folder: Path, tmp_path: Path) -> None:
    if kept != GOLDEN[-1]:
        pytest.skip("an older format")
    today = tell(tmp_path).ledger
    with opened(folder).engine.connect() as then, today.engine.connect() as now:
        assert tables.schema(then) == tables.schema(now)


def test_the_bundle_that_was_written_from_it_verifies_today(kept: Path) -> None:
    bundle = kept / "evidence.zip"
    if not bundle.exists():
        pytest.skip("there were no bundles then")
    brought = Brought(log_key=VerifierKey.parse((kept / "log.vkey").read_text().strip()))
    answer = verify_bundle(bundle, brought)
    assert [step.name for step in answer.report.steps if step.status == "failed"] == []


def test_an_older_ledger_gets_the_newer_tables_with_the_first_entry_that_is_appended_to_it(
    folder: Path,
) -> None:
    with tables.writing(opened(folder).engine):
        pass
    ledger = opened(folder)
    with ledger.engine.connect() as connection:
        assert tables.version_of(connection) == tables.USER_VERSION
    assert ledger.verify()
