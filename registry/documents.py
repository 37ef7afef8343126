"""What commands print about models, as JSON documents; what people read is drawn from the same documents.

The keys are a contract (the interface page): there may be more, never other ones.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from typing import cast

from audit.canonical import Json, JsonObject
from audit.doubt import Doubts
from audit.erasure import erasures
from audit.record import Entry
from registry.catalog import Catalogued
from registry.recheck import doubts, signed_in_doubt
from registry.recorded import metrics_of, parts_of_run, resolve_run
from registry.registry import Registry, RunEntry

__all__ = ["entry_document", "log_documents", "run_document", "signer_of", "summary", "version_document"]


def run_document(registry: Registry, recorded: RunEntry) -> JsonObject:
    """Describe a run that was just recorded."""
    run = recorded.entry.statement.predicate
    model_file = _object(run.get("model_file"))
    return {
        "model": recorded.model,
        "version": recorded.version,
        "entry": recorded.entry.seq,
        "status": run["status"],
        "failure": run.get("failure"),
        **_metrics(run),
        "data": _data(registry, recorded.entry),
        "model_fingerprint": model_file.get("fingerprint"),
        "model_digest": model_file.get("sha256"),
    }


def version_document(registry: Registry, found: Catalogued) -> JsonObject:
    """Describe a version with everything that was said about it."""
    run = registry.run_of(found)
    evaluation = _object(run.get("evaluation"))
    by = Doubts.of(registry.ledger.trust().grants)
    return {
        "model": found.model,
        "version": found.version,
        "entry": found.seq,
        "leaf_hash": found.leaf_hash,
        "recorded_by": signer_of(registry, found.recorder),
        "time": found.time,
        "stages": list[Json](found.stages),
        "run": run,
        "doubts": list[Json](signed_in_doubt(registry.ledger.entry(found.seq), by)),
        **_metrics(run),
        "bias": evaluation.get("bias") or [],
        "approvals": [_about(registry, e, by) for e in registry.entries_about(found, "approval")],
        "decisions": [
            _about(registry, e, by) | {"doubts": list[Json](doubts(registry, e))}
            for e in registry.entries_about(found, "decision")
        ],
        "reproductions": [_about(registry, e, by) for e in registry.entries_about(found, "reproduction")],
        "reports": [_about(registry, e, by) for e in registry.entries_about(found, "report")],
    }


def entry_document(registry: Registry, entry: Entry) -> JsonObject:
    """Describe one entry: its place, its signer, and what it says."""
    return {
        **_row(entry, signer_of(registry, entry.key)),
        "prev": entry.prev,
        "ledger": entry.log,
        "subjects": [{"name": s.name, "sha256": s.sha256} for s in entry.statement.subjects],
        "predicate": dict(entry.statement.predicate),
    }


def log_documents(registry: Registry, entries: Iterable[Entry]) -> Iterator[JsonObject]:
    """Describe each entry in a line of the log; who holds a key is read once, however many lines there are."""
    signer = cache(partial(signer_of, registry))
    for entry in entries:
        yield _row(entry, signer(entry.key))


def summary(entry: Entry) -> str:
    """Say in a few words what an entry says."""
    said = entry.statement.predicate
    version = f"{said.get('model')}@{said.get('version')}"
    match entry.kind:
        case "genesis" | "key-grant":
            key = _object(said.get("key"))
            return f"{key.get('name')} holds {', '.join(map(str, cast(list[Json], key.get('roles'))))}"
        case "key-revoke":
            return f"key {str(said.get('keyid'))[:16]} revoked: {said.get('reason')}"
        case "erasure":
            who = "the holder of the key" if said.get("erased") == "holder" else "the subject"
            return f"{who} {str(said.get('id'))[:16]} erased: {said.get('reason')}"
        case "stage":
            names = [str(_object(p).get("name")) for p in cast(list[Json], said.get("policies"))]
            return f"{said.get('stage')} is guarded by {', '.join(names)}"
        case "run":
            failure = _object(said.get("failure"))
            how = (
                f"failed in {failure.get('step')} ({failure.get('error')})"
                if failure
                else str(said.get("status"))
            )
            return f"run of {said.get('model')} {how}"
        case "approval":
            return f"{version} for {said.get('stage')}: {said.get('verdict')} as {said.get('role')}"
        case "decision":
            decision = str(said.get("decision"))
            if said.get("action") == "rollback":
                decision = (
                    f"rolled back to ({said.get('reason')})" if decision == "promoted" else "rollback refused"
                )
            return f"{version} for {said.get('stage')}: {decision}"
        case "reproduction":
            return f"{version}: {said.get('verdict')}"
        case "report":
            return f"{version}: {said.get('template')} ({said.get('format')})"
    return ", ".join(s.name for s in entry.statement.subjects)


def _row(entry: Entry, signer: str) -> JsonObject:
    return {
        "seq": entry.seq,
        "kind": entry.kind,
        "time": entry.time,
        "key": entry.key,
        "signer": signer,
        "leaf_hash": entry.leaf_hash,
        "summary": summary(entry),
    }


def _metrics(run: Mapping[str, Json]) -> JsonObject:
    figures = metrics_of(run)
    # Numbers here, for programs; the ledger and `show` keep the decimals as they were signed.
    values = {str(f["name"]): _number(f.get("value")) for f in figures}
    intervals = {str(f["name"]): [_number(f.get("low")), _number(f.get("high"))] for f in figures}
    return cast(JsonObject, {"metrics": values, "metric_intervals": intervals})


def _data(registry: Registry, entry: Entry) -> list[Json]:
    run = resolve_run(entry.statement.predicate, registry.artifacts)
    return [
        {"name": part["name"], "fingerprint": part["fingerprint"], "rows": part["rows"]}
        for _, part in parts_of_run(run)
        if part["kind"] == "table"
    ]


def _about(registry: Registry, entry: Entry, by: Doubts) -> JsonObject:
    said = {k: v for k, v in entry.statement.predicate.items() if k not in ("ledger", "entry_id", "observed")}
    return {
        "entry": entry.seq,
        "time": entry.time,
        "key": entry.key,
        "signer": signer_of(registry, entry.key),
        "doubts": list[Json](signed_in_doubt(entry, by)),
        **said,
    }


def signer_of(registry: Registry, keyid: str) -> str:
    """Name who signs with a key: the person, and the key's name, as far as they are known."""
    grant = registry.ledger.trust().grants.get(keyid)
    person = registry.ledger.holder(keyid)
    name = grant.name if grant else keyid[:16]
    erased = None if person else erasures(registry.ledger).get(("holder", keyid))
    if erased is not None:
        return f"{name} (holder erased by entry {erased})"
    return f"{person} ({name})" if person and person != name else name


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, str) else None


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
