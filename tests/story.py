"""A whole small story on a ledger, for tests: every kind of entry, and a row in every table."""

from dataclasses import replace
from pathlib import Path

from audit.canonical import JsonObject
from registry.policy import packaged
from registry.predicates import IssuedReport, Reproduction
from registry.registry import Registry
from registry.run_recorder import RunResult
from tests.small_registry import new_registry, run_result

__all__ = ["referring", "tell"]

MEANING = "Reviewed data, method and bias"


def tell(folder: Path) -> Registry:
    """Record, approve, refuse, promote, reproduce, report, grant and revoke."""
    registry = new_registry(folder)
    registry.adopt("production", (packaged("baseline"),))
    registry.record_run(run_result(registry, auc=0.75))
    registry.record_run(run_result(registry, status="failed"))
    registry.record_run(run_result(registry, auc=0.8))
    registry.promote("credit@1", "production", key="approver")
    for name in ("validator", "approver"):
        registry.approve("credit@2", "production", key=name, role=name, meaning=MEANING)
    registry.promote("credit@2", "production", key="approver")
    auditor = registry.keys.create("auditor", b"", "ecdsa-p256")
    registry.ledger.grant("auditor", auditor.public, ("auditor",), "Mira Okafor", by=registry.signer("admin"))
    run = registry.find("credit@2").leaf_hash
    said = Reproduction("credit", 2, "identical", None, None, ({"step": "load", "same": True},), {})
    registry.ledger.append(said.statement(run), signer=auditor)
    document = registry.artifacts.put(b"%PDF-1.7 a card")
    issued = IssuedReport("credit", 2, "model-card", "pdf", document, registry.ledger.head().size)
    registry.ledger.append(issued.statement(), signer=auditor)
    leaver = registry.keys.create("leaver", b"")
    registry.ledger.grant("leaver", leaver.public, ("recorder",), "Leif Aas", by=registry.signer("admin"))
    registry.ledger.revoke(leaver.public.keyid, "left", None, by=registry.signer("admin"))
    registry.record_run(referring(registry, run_result(registry, auc=0.81)))
    registry.ledger.close()
    return registry


def referring(registry: Registry, result: RunResult, name: str = "applicant 4711") -> RunResult:
    """Let a run refer to a person, as one with a parameter that is `Private` does."""
    referrer = registry.referrer()
    said: JsonObject = {**result.predicate, "complaint_by": referrer.refer(name, "1980-02-03")}
    return replace(result, predicate=said | referrer.members(), referrer=referrer)
