"""Decisions that no gate made: what a key with the role approver can sign, and what is seen of it."""

from pathlib import Path
from typing import cast

import pytest

from audit.canonical import Json, JsonObject
from audit.errors import NotVerified
from audit.record import Entry
from audit.statement import Statement, Subject
from registry.documents import version_document
from registry.policy import packaged
from registry.predicates import Reproduction
from registry.recheck import doubts
from registry.registry import Registry
from reports.issue import gather
from tests.small_registry import new_registry, run_result


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = new_registry(tmp_path)
    registry.record_run(run_result(registry))
    return registry


def sign(registry: Registry) -> None:
    for name in ("validator", "approver"):
        registry.approve("credit@1", "production", key=name, role=name, meaning="Reviewed")


def lie(registry: Registry, **lies: Json) -> Entry:
    """Append a decision by hand, in which every rule has passed."""
    gathered = registry.gather("credit@1", "production")
    rules = [
        {"policy": policy.name, "id": rule.id, "outcome": "passed"}
        for policy in gathered.policies
        for rule in policy.rules
    ]
    predicate: JsonObject = {
        "model": "credit",
        "version": 1,
        "stage": "production",
        "action": "promote",
        "decision": "promoted",
        "reason": None,
        "evidence": gathered.digest,
        "policies": [policy.to_json() for policy in gathered.policy_digests],
        "rules": cast(list[Json], rules),
        "approvals": [approval.seq for approval in gathered.evidence.approvals],
    }
    statement = Statement("decision", (Subject("credit@1", gathered.found.leaf_hash),), predicate | lies)
    return registry.ledger.append(statement, signer=registry.signer("approver"))


def test_a_decision_of_the_gate_leaves_no_doubt(registry: Registry) -> None:
    refused, _ = registry.promote("credit@1", "production", key="approver")
    sign(registry)
    promoted, _ = registry.promote("credit@1", "production", key="approver")
    assert (doubts(registry, refused), doubts(registry, promoted)) == ((), ())


def test_what_happened_afterwards_does_not_change_what_a_decision_followed_from(registry: Registry) -> None:
    sign(registry)
    promoted, _ = registry.promote("credit@1", "production", key="approver")
    registry.adopt("production", (packaged("baseline"), packaged("lending")))
    registry.approve(
        "credit@1", "production", key="validator", role="validator", meaning="No", verdict="reject"
    )
    assert doubts(registry, promoted) == ()


def test_a_promotion_without_approvals_is_in_doubt_and_names_the_rules(registry: Registry) -> None:
    found = doubts(registry, lie(registry))
    assert "it says promoted, and the gate computed again says refused" in found
    assert any("rule baseline/" in one and "computed again that is missing" in one for one in found)


@pytest.mark.parametrize(("said", "is_told"), [({}, True), ({"small_cell": 10}, False)])
def test_that_an_earlier_release_recorded_the_run_is_told_beside_rules_that_differ(
    tmp_path: Path, said: JsonObject, is_told: bool
) -> None:
    registry = new_registry(tmp_path)
    run = run_result(registry)
    cast(JsonObject, run.predicate["evaluation"]).update(said)
    registry.record_run(run)
    found = doubts(registry, lie(registry))
    assert any("an earlier release recorded this run" in one for one in found) == is_told


@pytest.mark.parametrize(
    ("lies", "doubt"),
    [
        ({"evidence": "1" * 64}, "other evidence"),
        ({"approvals": [1, 2]}, "other approvals"),
        (
            {"rules": [{"policy": "own", "id": "own", "outcome": "passed"}]},
            "rules that its policies do not have",
        ),
        ({"decision": "refused", "policies": [{"name": "own", "sha256": "1" * 64}]}, "other policies"),
        ({"decision": "refused"}, "it says refused, and the gate computed again says promoted"),
    ],
)
def test_each_lie_of_a_decision_is_named(registry: Registry, lies: dict[str, Json], doubt: str) -> None:
    sign(registry)
    assert any(doubt in one for one in doubts(registry, lie(registry, **lies)))


def test_what_cannot_be_computed_again_is_in_doubt(registry: Registry) -> None:
    entry, _ = registry.promote("credit@1", "production", key="approver")
    registry.artifacts.path(packaged("baseline").sha256).unlink()
    assert "it cannot be computed again" in doubts(registry, entry)[0]


def test_a_decision_by_a_key_that_was_suspect_is_in_doubt(registry: Registry) -> None:
    sign(registry)
    entry, _ = registry.promote("credit@1", "production", key="approver")
    keyid = registry.keys.public("approver").keyid
    registry.ledger.revoke(keyid, "stolen", entry.seq, by=registry.signer("admin"))
    assert doubts(registry, entry) == (f"it was signed with a key that is suspect from entry {entry.seq} on",)


def test_a_decision_that_relied_on_a_key_found_stolen_since_is_in_doubt(registry: Registry) -> None:
    sign(registry)
    entry, _ = registry.promote("credit@1", "production", key="approver")
    [approval] = [
        e.seq for e in registry.ledger.entries(kind="approval") if e.statement.text("role") == "validator"
    ]
    keyid = registry.keys.public("validator").keyid
    registry.ledger.revoke(keyid, "stolen", approval, by=registry.signer("admin"))
    assert doubts(registry, entry) == (
        f"the approval in entry {approval} was signed with a key that is suspect from entry {approval} on",
    )


def test_show_and_the_report_say_that_a_decision_is_in_doubt(registry: Registry) -> None:
    lie(registry)
    decisions = cast(list[JsonObject], version_document(registry, registry.find("credit@1"))["decisions"])
    assert decisions[0]["doubts"]
    assert gather(registry, "credit@1").verdict.words == "Decision in doubt"


def granted_by_a_thief(registry: Registry) -> int:
    """Let the approver be granted anew by a second admin, whose key turns out to be stolen; return that entry."""
    admin, second = registry.signer("admin"), registry.keys.create("second", b"")
    registry.ledger.grant("second", second.public, ("admin",), "Mira Okafor", by=admin)
    public = registry.keys.public("approver")
    granted = registry.ledger.grant("approver", public, ("approver",), "approver person", by=second).seq
    registry.ledger.revoke(second.public.keyid, "stolen", granted, by=admin)
    return granted


def test_an_approval_by_a_key_whose_grant_is_in_doubt_does_not_count(registry: Registry) -> None:
    granted = granted_by_a_thief(registry)
    sign(registry)
    _, decision = registry.promote("credit@1", "production", key="approver")
    assert not decision.allowed
    approvals = cast(list[JsonObject], version_document(registry, registry.find("credit@1"))["approvals"])
    said = [[], [f"it was signed with a key whose grant (entry {granted}) is in doubt"]]
    assert [approval["doubts"] for approval in approvals] == said
    dossier = gather(registry, "credit@1")
    assert [list(approval.entry.doubts) for approval in dossier.approvals] == said
    assert dossier.opinions.startswith("1 approved and 0 rejected; 1 approval in doubt")


def test_a_decision_by_a_key_whose_grant_is_in_doubt_is_in_doubt(registry: Registry) -> None:
    granted = granted_by_a_thief(registry)
    refused, _ = registry.promote("credit@1", "production", key="approver")
    assert doubts(registry, refused) == (
        f"it was signed with a key whose grant (entry {granted}) is in doubt",
    )


def test_who_is_granted_roles_again_by_an_admin_in_no_doubt_counts_again(registry: Registry) -> None:
    granted_by_a_thief(registry)
    public = registry.keys.public("approver")
    registry.ledger.grant("approver", public, ("approver",), "approver person", by=registry.signer("admin"))
    sign(registry)
    promoted, decision = registry.promote("credit@1", "production", key="approver")
    assert decision.allowed
    assert doubts(registry, promoted) == ()


def test_a_run_by_a_key_whose_grant_is_in_doubt_cannot_be_promoted(registry: Registry) -> None:
    admin, second = registry.signer("admin"), registry.keys.create("second", b"")
    registry.ledger.grant("second", second.public, ("admin",), "Mira Okafor", by=admin)
    public = registry.keys.public("scientist")
    registry.ledger.grant("scientist", public, ("recorder",), "scientist person", by=second)
    registry.record_run(run_result(registry, auc=0.9))
    registry.ledger.revoke(second.public.keyid, "stolen", 0, by=admin)
    with pytest.raises(
        NotVerified, match=r"a key whose grant \(entry \d+\) is in doubt: record the run again"
    ):
        registry.promote("credit@2", "production", key="approver")
    assert gather(registry, "credit@2").verdict.words == "Run in doubt"


def test_a_report_says_that_a_reproduction_is_in_doubt(registry: Registry) -> None:
    leaf = registry.find("credit@1").leaf_hash
    said = Reproduction("credit", 1, "identical", None, None, (), {}).statement(leaf)
    seq = registry.ledger.append(said, signer=registry.signer("validator")).seq
    keyid = registry.keys.public("validator").keyid
    registry.ledger.revoke(keyid, "stolen", seq, by=registry.signer("admin"))
    [attempt] = gather(registry, "credit@1").reproductions
    assert attempt.entry.doubts == (f"it was signed with a key that is suspect from entry {seq} on",)


def test_policies_that_a_suspect_admin_adopted_promote_nothing_until_they_are_adopted_again(
    registry: Registry,
) -> None:
    admin, second = registry.signer("admin"), registry.keys.create("second", b"")
    registry.ledger.grant("second", second.public, ("admin",), "Mira Okafor", by=admin)
    registry.adopt("production", (packaged("baseline"),), key="second")
    sign(registry)
    promoted, _ = registry.promote("credit@1", "production", key="approver")
    adoption = next(registry.ledger.entries(kind="stage", newest_first=True)).seq
    registry.ledger.revoke(second.public.keyid, "stolen", adoption, by=admin)
    suspect = f"a key that is suspect from entry {adoption} on"
    adopting = f"entry {adoption}, by which its policies were adopted,"
    assert doubts(registry, promoted) == (f"{adopting} was signed with {suspect}",)
    with pytest.raises(NotVerified, match=f"were adopted in entry {adoption}, .* adopt them again"):
        registry.promote("credit@1", "production", key="approver")
    told = f"the policies of the stage production were adopted in entry {adoption}, which was signed with {suspect}"
    assert gather(registry, "credit@1").adoptions_in_doubt == (told,)
    registry.adopt("production", (packaged("baseline"),))
    assert gather(registry, "credit@1").adoptions_in_doubt == ()
    assert registry.gather("credit@1", "production").policies


def test_a_decision_about_a_run_found_to_be_in_doubt_since_is_in_doubt(registry: Registry) -> None:
    sign(registry)
    promoted, _ = registry.promote("credit@1", "production", key="approver")
    run = registry.find("credit@1").seq
    registry.ledger.revoke(
        registry.keys.public("scientist").keyid, "stolen", run, by=registry.signer("admin")
    )
    assert f"the run in entry {run} was signed with a key that is suspect from entry {run} on" in doubts(
        registry, promoted
    )
