"""What the catalogue refuses to learn: a statement that lacks what its readers need, or contradicts the ledger."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput, NotFound, NotPermitted
from audit.statement import Statement, Subject
from registry.policy import packaged
from registry.predicates import IssuedReport, PolicyDigest, Reproduction, StagePolicies
from registry.registry import Registry
from tests.small_registry import new_registry, run_result

Change = Callable[[JsonObject], Any]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with one version that was refused once."""
    registry = new_registry(tmp_path)
    registry.record_run(run_result(registry))
    return registry


def put(member: str, value: Json) -> Change:
    return lambda said: said.__setitem__(member, value)


def drop(member: str) -> Change:
    return lambda said: said.pop(member)


def said_of(registry: Registry, kind: str) -> Statement:
    """A statement of each kind as it should be."""
    found = registry.find("credit@1")
    match kind:
        case "run":
            result = run_result(registry)
            return Statement("run", tuple(Subject(*s) for s in result.subjects), result.predicate)
        case "approval":
            registry.approve("credit@1", "production", key="validator", role="validator", meaning="Looked")
        case "decision":
            registry.promote("credit@1", "production", key="approver")
        case "reproduction":
            return Reproduction("credit", 1, "identical", None, None, (), {}).statement(found.leaf_hash)
        case "report":
            return IssuedReport("credit", 1, "card", "pdf", registry.artifacts.put(b"%PDF"), 3).statement()
        case "stage":
            return StagePolicies("live", (PolicyDigest("baseline", packaged("baseline").sha256),)).statement()
    entry = registry.entries_about(found, kind)[-1]
    common = ("ledger", "entry_id", "signed_at", "observed", "role")
    predicate = {name: value for name, value in entry.statement.predicate.items() if name not in common}
    return Statement(kind, entry.statement.subjects, predicate)


def append(registry: Registry, kind: str, change: Change, subject: str | None = None) -> None:
    statement = said_of(registry, kind)
    predicate = dict(statement.predicate)
    change(predicate)
    subjects = (Subject("another", subject),) if subject else statement.subjects
    registry.ledger.append(Statement(kind, subjects, predicate), signer=registry.signer_for(kind))


KINDS = ("run", "approval", "decision", "reproduction", "report", "stage")


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_no_reader_knows_is_passed_over(registry: Registry, kind: str) -> None:
    append(registry, kind, put("added_later", {"any": ["thing"]}))
    before = registry.ledger.head().size
    assert registry.ledger.rebuild() == before
    assert registry.ledger.verify()


NO_VERSIONS: tuple[Json, ...] = (True, "1", 0, -1, 2, None, [1], {})
VERSIONED = ("approval", "decision", "reproduction", "report")
REFUSED: list[tuple[str, Change]] = [
    *((kind, put("version", version)) for kind in VERSIONED for version in NO_VERSIONS),
    *((kind, drop("version")) for kind in VERSIONED),
    *((kind, put("model", model)) for kind in VERSIONED for model in ("Credit", None, 1, "")),
    *(
        (kind, put("stage", stage))
        for kind in ("approval", "decision")
        for stage in ("", "latest", "1", 1, "Live")
    ),
    *((kind, put("evidence", "all of it")) for kind in ("approval", "decision")),
    ("approval", put("verdict", "maybe")),
    ("approval", put("meaning", " \n")),
    ("decision", put("decision", "approved")),
    ("decision", put("action", "retire")),
    ("decision", put("rules", {})),
    ("decision", put("rules", ["passed"])),
    ("decision", put("approvals", [True])),
    ("decision", put("approvals", ["7"])),
    ("decision", put("reason", 1)),
    ("decision", put("policies", [])),
    ("reproduction", put("verdict", "excellent")),
    ("reproduction", put("compared", None)),
    ("reproduction", put("first_difference", [])),
    ("reproduction", drop("environment")),
    ("report", put("sha256", "0" * 63)),
    ("report", put("covers", "all")),
    ("stage", put("stage", "latest")),
    ("stage", put("policies", [])),
    ("stage", put("policies", [{"name": "baseline", "sha256": "../../etc"}])),
    ("run", put("model", "../credit")),
    ("run", put("status", "fine")),
    *(("run", drop(member)) for member in ("model", "status", "code", "environment", "steps", "sources")),
    ("run", put("steps", ["load"])),
    ("run", put("steps", {"artifact": "gone", "count": 1})),
    ("run", put("sources", None)),
    ("run", put("evaluation", [])),
    ("run", put("model_file", "credit.skops")),
]


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_what_a_reader_could_not_rely_on_never_stands(registry: Registry, case: int) -> None:
    kind, change = REFUSED[case]
    said_of(registry, kind)
    with pytest.raises(MalformedInput):
        append(registry, kind, change)


@pytest.mark.parametrize("kind", VERSIONED)
def test_a_statement_about_a_version_names_its_run_or_its_document(registry: Registry, kind: str) -> None:
    with pytest.raises(MalformedInput, match=r"another run|subject is not the document"):
        append(registry, kind, put("added_later", 1), subject="1" * 64)


def test_a_stage_names_its_policies_as_subjects(registry: Registry) -> None:
    with pytest.raises(MalformedInput, match="subjects of the stage"):
        append(registry, "stage", put("added_later", 1), subject="1" * 64)


def promoted(said: JsonObject) -> None:
    said["decision"] = "promoted"


def passed_but(**lies: Json) -> Change:
    rules: JsonObject = {"rules": [{"policy": "baseline", "id": "anything", "outcome": "passed"}]}
    return lambda said: said.update({"decision": "promoted"} | rules | lies)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (promoted, "not every rule that it lists has passed"),
        (passed_but(rules=[]), "not every rule"),
        (passed_but(rules=[{"outcome": []}]), "not every rule"),
        (passed_but(stage="nowhere"), "other policies than those that guard"),
        (passed_but(policies=[{"name": "mine", "sha256": "1" * 64}]), "other policies than those that guard"),
    ],
)
def test_a_promotion_that_contradicts_itself_moves_no_stage(
    registry: Registry, change: Change, sentence: str
) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        append(registry, "decision", change)
    with pytest.raises(NotFound):
        registry.find("credit@production")


def test_a_kind_that_nobody_may_say_is_one_sentence(registry: Registry) -> None:
    with pytest.raises(NotPermitted, match="no key may sign a waiver entry: the kinds are genesis"):
        registry.ledger.append(Statement("waiver", (Subject("x", "0" * 64),), {}))
