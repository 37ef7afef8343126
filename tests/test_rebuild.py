"""Any sequence of verbs, then `rebuild`, gives the tables that were there, and the ledger verifies."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from audit.errors import AffidavitError
from audit.statement import Statement, Subject
from registry.catalog import Catalog
from registry.home import Home
from registry.policy import packaged
from registry.predicates import IssuedReport, Reproduction
from registry.registry import Registry
from tests.small_registry import new_registry, run_result

Verb = Callable[[Registry], object]
MODELS = st.sampled_from(["credit", "fraud"])
VERSIONS = st.integers(1, 3)
STAGES = st.sampled_from(["staging", "production", "shadow"])
PEOPLE = st.sampled_from(["validator", "approver"])


def record(model: str, status: str) -> Verb:
    return lambda r: r.record_run(run_result(r, model, status=status))


def adopt(stage: str, names: tuple[str, ...]) -> Verb:
    return lambda r: r.adopt(stage, tuple(packaged(name) for name in names))


def approve(model: str, version: int, stage: str, person: str, verdict: str) -> Verb:
    return lambda r: r.approve(
        f"{model}@{version}", stage, key=person, role=person, meaning="Looked at it", verdict=verdict
    )


def promote(model: str, version: int, stage: str) -> Verb:
    return lambda r: r.promote(f"{model}@{version}", stage, key="approver")


def release(model: str, version: int, stage: str) -> Verb:
    """Sign with both roles and promote: by chance alone the three would seldom meet."""

    def verb(r: Registry) -> object:
        for person in ("validator", "approver"):
            approve(model, version, stage, person, "approve")(r)
        return promote(model, version, stage)(r)

    return verb


def roll_back(model: str, stage: str) -> Verb:
    return lambda r: r.rollback(model, stage, key="approver", reason="drift")


def reproduce(model: str, version: int, verdict: str) -> Verb:
    def verb(r: Registry) -> object:
        said = Reproduction(model, version, verdict, None, None, (), {})
        leaf = r.find(f"{model}@{version}").leaf_hash
        return r.ledger.append(said.statement(leaf), signer=r.signer("validator"))

    return verb


def issue(model: str, version: int) -> Verb:
    def verb(r: Registry) -> object:
        said = IssuedReport(
            model, version, "model-card", "pdf", r.artifacts.put(b"%PDF-"), r.ledger.head().size
        )
        return r.ledger.append(said.statement(), signer=r.signer("scientist"))

    return verb


def say_nonsense(kind: str) -> Verb:
    """Say what the catalogue refuses: nothing may be written of it."""
    said = Statement(
        kind, (Subject("nothing", "0" * 64),), {"model": "credit", "version": "one", "verdict": "?"}
    )
    return lambda r: r.ledger.append(said, signer=r.signer("validator"))


VERBS = st.one_of(
    st.builds(record, MODELS, st.sampled_from(["succeeded", "succeeded", "failed"])),
    st.builds(adopt, STAGES, st.sampled_from([("baseline",), ("lending",), ("baseline", "lending")])),
    st.builds(approve, MODELS, VERSIONS, STAGES, PEOPLE, st.sampled_from(["approve", "approve", "reject"])),
    st.builds(promote, MODELS, VERSIONS, STAGES),
    st.builds(release, MODELS, VERSIONS, STAGES),
    st.builds(roll_back, MODELS, STAGES),
    st.builds(reproduce, MODELS, VERSIONS, st.sampled_from(["identical", "diverged", "impossible"])),
    st.builds(issue, MODELS, VERSIONS),
    st.builds(say_nonsense, st.sampled_from(["approval", "reproduction", "report"])),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    new_registry(folder)
    return folder / ".affidavit"


def tables_of(registry: Registry) -> dict[str, list[tuple[Any, ...]]]:
    with registry.read() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in Catalog.metadata.sorted_tables
        }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(verbs=st.lists(VERBS, max_size=14))
def test_rebuilt_tables_equal_the_stored_ones(template: Path, verbs: list[Verb]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        home = Home(Path(shutil.copytree(template, Path(scratch) / ".affidavit")))
        registry = Registry(home)
        for verb in verbs:
            try:
                verb(registry)
            except AffidavitError:
                continue  # what was refused left nothing, which the rest of this test shows
        before = tables_of(registry)
        registry.ledger.rebuild()
        assert tables_of(registry) == before
        assert registry.ledger.verify()
