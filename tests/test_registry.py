from pathlib import Path

import pytest

from audit.errors import Conflict, MalformedInput, NotFound, NotPermitted, NotVerified
from registry.policy import load, packaged, parse
from registry.predicates import GivenApproval, PolicyDigest, Reproduction, StagePolicies
from registry.registry import Registry, open_ledger
from tests.small_registry import made_registry, new_registry, run_result

MEANING = "Reviewed data, method and bias"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return new_registry(tmp_path)


def sign_for(registry: Registry, ref: str, stage: str = "production") -> None:
    for name in ("validator", "approver"):
        registry.approve(ref, stage, key=name, role=name, meaning=MEANING)


def test_a_run_that_succeeds_becomes_the_next_version(registry: Registry) -> None:
    recorded = [registry.record_run(run_result(registry, auc=auc)) for auc in (0.7, 0.8)]
    assert [r.version for r in recorded] == [1, 2]


def test_a_run_that_failed_is_an_entry_and_no_version(registry: Registry) -> None:
    recorded = registry.record_run(run_result(registry, status="failed"))
    assert (recorded.version, recorded.entry.kind) == (None, "run")


def test_a_failed_run_leaves_no_gap_in_the_versions(registry: Registry) -> None:
    for status in ("succeeded", "failed", "succeeded"):
        last = registry.record_run(run_result(registry, status=status))
    assert last.version == 2


def test_versions_are_numbered_for_each_model_by_itself(registry: Registry) -> None:
    registry.record_run(run_result(registry, "credit"))
    assert registry.record_run(run_result(registry, "fraud")).version == 1


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("credit", "write credit@1, credit@latest or credit@STAGE"),
        ("fraud", "write NAME@VERSION"),
        ("fraud@1", "its models are credit"),
        ("credit@9", "its only version is 1"),
        ("credit@production", "none of its versions is in a stage yet"),
    ],
)
def test_a_reference_that_leads_nowhere_says_what_there_is(
    registry: Registry, ref: str, sentence: str
) -> None:
    registry.record_run(run_result(registry))
    with pytest.raises((MalformedInput, NotFound), match=sentence):
        registry.find(ref)


def test_a_version_with_both_signatures_is_promoted_and_found_by_its_stage(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    _, decision = registry.promote("credit@1", "production", key="approver")
    assert decision.allowed
    assert registry.find("credit@production").version == 1


def test_a_version_without_signatures_is_refused_and_the_refusal_is_an_entry(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    entry, decision = registry.promote("credit@latest", "production", key="approver")
    assert not decision.allowed
    assert entry.statement.text("decision") == "refused"


def test_the_outcome_of_every_rule_stands_in_the_decision(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    entry, _ = registry.promote("credit@1", "production", key="approver")
    rules = entry.statement.predicate["rules"]
    assert isinstance(rules, list)
    assert len(rules) == len(packaged("baseline").rules)


def test_who_recorded_the_run_cannot_approve_it(registry: Registry) -> None:
    grant = registry.keys.public("scientist")
    registry.ledger.grant("scientist", grant, ("recorder", "approver"), "Ana", by=registry.signer("admin"))
    registry.record_run(run_result(registry))
    with pytest.raises(NotPermitted, match="cannot approve it"):
        registry.approve("credit@1", "production", key="scientist", role="approver", meaning=MEANING)


def test_the_same_person_with_another_key_cannot_approve_either(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    second = registry.keys.create("second", b"").public
    registry.ledger.grant("second", second, ("approver",), "scientist person", by=registry.signer("admin"))
    with pytest.raises(NotPermitted, match="cannot approve it"):
        registry.approve("credit@1", "production", key="second", role="approver", meaning=MEANING)


def test_a_role_that_the_key_does_not_hold_cannot_be_claimed(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    with pytest.raises(NotPermitted, match="does not hold the role approver"):
        registry.approve("credit@1", "production", key="validator", role="approver", meaning=MEANING)


def test_an_approval_needs_a_meaning(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    with pytest.raises(MalformedInput, match="states its meaning"):
        registry.approve("credit@1", "production", key="validator", role="validator", meaning=" ")


def test_approvals_given_under_other_policies_no_longer_count(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    registry.adopt("production", (packaged("baseline"), packaged("lending")))
    assert registry.gather("credit@1", "production").evidence.approvals == ()


def test_approvals_for_one_stage_do_not_count_for_another(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1", "staging")
    assert registry.gather("credit@1", "production").evidence.approvals == ()


def test_approvals_of_one_version_do_not_count_for_another(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    registry.record_run(run_result(registry, auc=0.7))
    sign_for(registry, "credit@1")
    assert registry.gather("credit@2", "production").evidence.approvals == ()


def test_a_rejection_after_the_approvals_refuses(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    registry.approve(
        "credit@1", "production", key="validator", role="validator", meaning="Found a leak", verdict="reject"
    )
    _, decision = registry.promote("credit@1", "production", key="approver")
    assert not decision.allowed


def test_a_rollback_returns_to_the_version_before(registry: Registry) -> None:
    for auc in (0.7, 0.8):
        version = registry.record_run(run_result(registry, auc=auc)).version
        sign_for(registry, f"credit@{version}")
        registry.promote(f"credit@{version}", "production", key="approver")
    registry.rollback("credit", "production", key="approver", reason="drift")
    assert registry.find("credit@production").version == 1


def test_a_rollback_with_nothing_before_it_says_so(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    with pytest.raises(NotFound, match="no other version"):
        registry.rollback("credit", "production", key="approver", reason="drift")


def test_an_unknown_stage_names_those_that_there_are(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    with pytest.raises(NotFound, match="its stages are production, staging"):
        registry.gather("credit@1", "live")


def test_a_decision_on_evidence_that_changed_meanwhile_writes_nothing(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.record_run(run_result(registry))
    gather, before = registry.gather, registry.ledger.head().size

    def gather_and_be_overtaken(ref: str, stage: str) -> object:
        gathered = gather(ref, stage)
        monkeypatch.setattr(registry, "gather", gather)
        registry.approve(ref, stage, key="validator", role="validator", meaning=MEANING)
        return gathered

    monkeypatch.setattr(registry, "gather", gather_and_be_overtaken)
    with pytest.raises(Conflict, match="try again"):
        registry.promote("credit@1", "production", key="approver")
    assert registry.ledger.head().size == before + 1


def test_a_key_without_the_role_is_told_what_it_takes(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    with pytest.raises(NotPermitted, match="that takes the role approver, it holds validator"):
        registry.promote("credit@1", "production", key="validator")


def test_a_key_that_may_not_sign_a_run_is_refused_before_there_is_one(registry: Registry) -> None:
    with pytest.raises(NotPermitted, match="recorder"):
        registry.on_record("validator")


def test_a_ledger_opened_by_its_path_appends_and_verifies(registry: Registry) -> None:
    ledger = open_ledger(str(registry.home.folder))
    assert ledger.origin == "test.example/models"
    assert ledger.verify()


def test_a_policy_from_a_file_guards_a_stage_and_is_kept_as_an_artifact(
    registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(packaged("baseline").text.replace(b"name: baseline", b"name: own"))
    registry.adopt("production", (load(file),))
    assert [p.name for p in registry.policies("production")] == ["own"]


def test_the_log_names_every_entry_whose_artifact_is_gone(registry: Registry) -> None:
    recorded = registry.record_run(run_result(registry))
    digest = recorded.entry.statement.subjects[0].sha256
    registry.artifacts.path(digest).unlink()
    step = registry.ledger.verify().steps[6]
    assert step.status == "failed"
    assert step.entries == (recorded.entry.seq,)


@pytest.mark.parametrize("which", ["0", "-1", "01", "1.0", "+1", " 1", "\u0661", "9" * 5000, "2"])
def test_a_version_is_written_as_it_is_counted(registry: Registry, which: str) -> None:
    registry.record_run(run_result(registry))
    with pytest.raises(NotFound, match=r"credit has no version .*: its only version is 1"):
        registry.find(f"credit@{which}")


def test_of_several_versions_the_first_and_the_last_are_said(registry: Registry) -> None:
    for _ in range(2):
        registry.record_run(run_result(registry))
    with pytest.raises(NotFound, match="its versions are 1 to 2"):
        registry.find("credit@9")


@pytest.mark.parametrize("stage", ["1", "latest", "", "Production", "a b", "../x", "a" * 51])
def test_a_stage_cannot_be_named_like_something_else(registry: Registry, stage: str) -> None:
    with pytest.raises(MalformedInput, match="is not usable"):
        registry.adopt(stage, (packaged("baseline"),))


@pytest.mark.parametrize("model", ["a/b", "..", ".hidden", "a@b", "a b", "a" * 101, "cafe\u0301", "a\n", ""])
def test_a_model_cannot_be_named_like_a_path_or_a_reference(registry: Registry, model: str) -> None:
    with pytest.raises(MalformedInput, match="is not usable"):
        registry.record_run(run_result(registry, model))


def test_a_model_may_have_a_name_in_any_script(registry: Registry) -> None:
    registry.record_run(run_result(registry, "кредит.café_2"))
    assert registry.find("кредит.café_2@latest").version == 1


def revoke(registry: Registry, name: str, suspect_since: int | None = None) -> None:
    keyid = registry.keys.public(name).keyid
    registry.ledger.revoke(keyid, "left", suspect_since, by=registry.signer("admin"))


def promotes(registry: Registry) -> bool:
    return registry.promote("credit@1", "production", key="approver")[1].allowed


def test_an_approval_by_a_key_that_was_revoked_afterwards_still_counts(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    revoke(registry, "validator")
    assert promotes(registry)


def test_an_approval_by_a_key_that_has_another_role_since_still_counts(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    public = registry.keys.public("validator")
    registry.ledger.grant("validator", public, ("auditor",), "Vera", by=registry.signer("admin"))
    assert promotes(registry)


def test_an_approval_that_somebody_else_may_have_signed_does_not_count(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    revoke(registry, "validator", suspect_since=registry.ledger.head().size - 2)
    assert not promotes(registry)


def test_an_approval_before_the_entry_from_which_a_key_is_suspect_counts(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    revoke(registry, "validator", suspect_since=registry.ledger.head().size)
    assert promotes(registry)


def test_a_key_that_is_granted_again_does_not_clear_what_was_suspect(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    revoke(registry, "validator", suspect_since=0)
    public = registry.keys.public("validator")
    registry.ledger.grant("validator", public, ("validator",), "Vera", by=registry.signer("admin"))
    assert not promotes(registry)


def test_what_a_key_approves_once_it_is_granted_roles_again_counts(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    revoke(registry, "validator", suspect_since=0)
    public = registry.keys.public("validator")
    registry.ledger.grant("validator", public, ("validator",), "Vera", by=registry.signer("admin"))
    sign_for(registry, "credit@1")
    assert promotes(registry)


def test_a_rejection_counts_even_when_its_key_is_suspect(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    registry.approve(
        "credit@1", "production", key="validator", role="validator", meaning="A leak", verdict="reject"
    )
    revoke(registry, "validator", suspect_since=registry.ledger.head().size - 1)
    assert not promotes(registry)


def test_a_run_that_was_signed_with_a_suspect_key_cannot_be_promoted(registry: Registry) -> None:
    recorded = registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    revoke(registry, "scientist", suspect_since=recorded.entry.seq)
    with pytest.raises(NotVerified, match="record the run again with another key"):
        promotes(registry)


def test_a_reproduction_by_a_suspect_key_does_not_count_unless_it_diverged(registry: Registry) -> None:
    leaf = registry.record_run(run_result(registry)).entry.leaf_hash
    for verdict in ("identical", "diverged"):
        said = Reproduction("credit", 1, verdict, None, None, (), {}).statement(leaf)
        registry.ledger.append(said, signer=registry.signer("validator"))
    revoke(registry, "validator", suspect_since=0)
    left = registry.gather("credit@1", "production").evidence.reproductions
    assert [one["verdict"] for one in left] == ["diverged"]


def test_a_revocation_while_a_promotion_is_judged_stops_it(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    gather = registry.gather

    def gather_and_be_overtaken(ref: str, stage: str) -> object:
        gathered = gather(ref, stage)
        revoke(registry, "validator", suspect_since=0)
        return gathered

    monkeypatch.setattr(registry, "gather", gather_and_be_overtaken)
    with pytest.raises(Conflict, match="try again"):
        promotes(registry)


def test_rolling_back_twice_goes_back_twice(registry: Registry) -> None:
    for auc in (0.7, 0.8, 0.9):
        version = registry.record_run(run_result(registry, auc=auc)).version
        sign_for(registry, f"credit@{version}")
        registry.promote(f"credit@{version}", "production", key="approver")
    for expected in (2, 1):
        registry.rollback("credit", "production", key="approver", reason="drift")
        assert registry.find("credit@production").version == expected
    with pytest.raises(NotFound, match="no other version"):
        registry.rollback("credit", "production", key="approver", reason="drift")


def test_a_rollback_to_a_version_that_was_rejected_since_is_refused(registry: Registry) -> None:
    for auc in (0.7, 0.8):
        version = registry.record_run(run_result(registry, auc=auc)).version
        sign_for(registry, f"credit@{version}")
        registry.promote(f"credit@{version}", "production", key="approver")
    registry.approve(
        "credit@1", "production", key="validator", role="validator", meaning="A leak", verdict="reject"
    )
    _, decision = registry.rollback("credit", "production", key="approver", reason="drift")
    assert not decision.allowed
    assert registry.find("credit@production").version == 2


def test_a_rollback_that_was_overtaken_by_a_promotion_writes_nothing(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for auc in (0.7, 0.8, 0.9):
        version = registry.record_run(run_result(registry, auc=auc)).version
        sign_for(registry, f"credit@{version}")
        if version != 3:
            registry.promote(f"credit@{version}", "production", key="approver")
    gather = registry.gather

    def gather_and_be_overtaken(ref: str, stage: str) -> object:
        monkeypatch.setattr(registry, "gather", gather)
        registry.promote("credit@3", "production", key="approver")
        return gather(ref, stage)

    monkeypatch.setattr(registry, "gather", gather_and_be_overtaken)
    with pytest.raises(Conflict, match="was moved while the rollback was judged"):
        registry.rollback("credit", "production", key="approver", reason="drift")
    assert registry.find("credit@production").version == 3


def test_a_policy_that_the_ledger_names_as_another_is_not_applied(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    digest = registry.artifacts.put(packaged("baseline").text)
    said = StagePolicies("live", (PolicyDigest("lending", digest),)).statement()
    registry.ledger.append(said, signer=registry.signer("admin"))
    with pytest.raises(NotVerified, match="names the policy 'baseline' as 'lending'"):
        registry.promote("credit@1", "live", key="approver")


@pytest.mark.parametrize("damage", ["gone", "edited"])
def test_a_policy_whose_text_is_not_what_it_was_promotes_nothing(registry: Registry, damage: str) -> None:
    registry.record_run(run_result(registry))
    sign_for(registry, "credit@1")
    path = registry.artifacts.path(packaged("baseline").sha256)
    path.unlink()
    if damage == "edited":
        path.write_bytes(packaged("baseline").text + b"\n")
    with pytest.raises((NotFound, NotVerified), match="artifact"):
        registry.promote("credit@1", "production", key="approver")


def test_the_recorder_approving_by_hand_does_not_count(registry: Registry) -> None:
    public = registry.keys.public("scientist")
    registry.record_run(run_result(registry))
    roles = ("approver", "recorder", "validator")
    registry.ledger.grant("scientist", public, roles, "Ana", by=registry.signer("admin"))
    gathered = registry.gather("credit@1", "production")
    said = GivenApproval("credit", 1, "production", "approve", "Fine", gathered.digest)
    for role in ("approver", "validator"):
        registry.ledger.append(
            said.statement(gathered.found.leaf_hash), signer=registry.signer("scientist"), role=role
        )
    assert not promotes(registry)


def test_keys_may_lie_in_a_folder_of_their_own_and_the_logs_key_stays_with_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFIDAVIT_KEYS", str(tmp_path / "elsewhere"))
    registry = made_registry(tmp_path / "ledger")
    registry.record_run(run_result(registry))
    assert registry.keys.names() == ["admin", "approver", "scientist", "validator"]
    assert registry.home.log_keys.names() == ["log"]


def long_policy(rules: int) -> bytes:
    words = "of which very much is to be said " * 12
    written = (
        f'  - {{id: rule-{number}, says: "Rule {number} {words}.", clauses: [], kind: limit, metric: accuracy, '
        'operator: ">=", limit: 0.99, on: interval}'
        for number in range(rules)
    )
    return "\n".join(["name: long", "version: 1", 'title: "Long"', "rules:", *written]).encode()


def test_a_decision_by_a_hundred_long_rules_still_names_every_outcome(registry: Registry) -> None:
    registry.adopt("production", (parse(long_policy(100), "long.yaml"),))
    registry.record_run(run_result(registry))
    entry, _ = registry.promote("credit@1", "production", key="approver")
    rules = entry.statement.predicate["rules"]
    assert isinstance(rules, list)
    assert [rule["outcome"] for rule in rules if isinstance(rule, dict)] == ["failed"] * 100


def test_more_rules_than_a_decision_can_hold_are_not_adopted(registry: Registry) -> None:
    with pytest.raises(MalformedInput, match="have 101 rules together and a decision holds at most 100"):
        registry.adopt("production", (parse(long_policy(101), "long.yaml"),))


def test_one_person_with_two_keys_is_not_two_people(registry: Registry) -> None:
    registry.record_run(run_result(registry))
    second = registry.keys.create("second", b"").public
    registry.ledger.grant("second", second, ("approver",), "Validator  Person", by=registry.signer("admin"))
    registry.approve("credit@1", "production", key="validator", role="validator", meaning=MEANING)
    with pytest.raises(NotPermitted, match="has approved this already, with another key"):
        registry.approve("credit@1", "production", key="second", role="approver", meaning=MEANING)


def test_a_new_ledger_keeps_git_from_adding_its_keys(registry: Registry) -> None:
    assert (registry.home.folder / ".gitignore").read_text() == "*\n"


def test_the_head_at_an_earlier_size_is_the_one_that_was_signed_then(registry: Registry) -> None:
    before = registry.ledger.head()
    registry.record_run(run_result(registry))
    assert registry.ledger.head_at(before.size) == before


def test_a_size_at_which_no_head_was_signed_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound, match="the log signed no head at size 99"):
        registry.ledger.head_at(99)


def test_a_policy_guards_a_stage_once(registry: Registry) -> None:
    with pytest.raises(MalformedInput, match="name no policy twice"):
        registry.adopt("production", (packaged("baseline"), packaged("baseline")))
