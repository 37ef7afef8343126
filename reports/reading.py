"""Predicates read into facts, without judging them.

Rules:

- Fields are only ever added to predicates, so what is not known here is passed over, and what is missing is
  None: a report is made from what the ledger holds, whatever release wrote it.
- Nothing is filled in. A missing number never becomes 0, a missing outcome is `missing`, never `passed`.

Example::

    run = read_run(entry)           # entry: EntryFacts of kind "run"
    run.evaluation.metrics[0].value
"""

from collections.abc import Mapping

from audit.canonical import Json
from reports.facts import (
    Approval,
    Attribute,
    Check,
    Code,
    Decision,
    EntryFacts,
    Environment,
    Evaluation,
    Figure,
    Group,
    ModelFile,
    Origin,
    Part,
    Policy,
    Reproduction,
    Rule,
    Run,
    Source,
    Step,
)
from reports.formats import value

__all__ = ["read_approval", "read_decision", "read_reproduction", "read_run"]

OUTCOMES = ("passed", "failed", "uncertain", "missing", "waived")


def _text(mapping: Mapping[str, Json], key: str) -> str | None:
    item = mapping.get(key)
    return None if item is None else item if isinstance(item, str) else value(item)


def _whole(mapping: Mapping[str, Json], key: str) -> int | None:
    item = mapping.get(key)
    return item if isinstance(item, int) and not isinstance(item, bool) else None


def _truth(mapping: Mapping[str, Json], key: str) -> bool | None:
    item = mapping.get(key)
    return item if isinstance(item, bool) else None


def _object(mapping: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    item = mapping.get(key)
    return item if isinstance(item, Mapping) else {}


def _objects(mapping: Mapping[str, Json], key: str) -> list[Mapping[str, Json]]:
    item = mapping.get(key)
    return [part for part in item if isinstance(part, Mapping)] if isinstance(item, list) else []


def _words(mapping: Mapping[str, Json], key: str) -> tuple[str, ...]:
    item = mapping.get(key)
    return tuple(value(part) for part in item) if isinstance(item, list) else ()


def _digest(mapping: Mapping[str, Json], key: str) -> str | None:
    """Read a digest, given as text or as an artifact reference `{"sha256": ...}`."""
    item = mapping.get(key)
    return _text(item, "sha256") if isinstance(item, Mapping) else _text(mapping, key)


def read_run(entry: EntryFacts) -> Run:
    """Read what a run recorded."""
    run = entry.predicate
    failure = _object(run, "failure")
    evaluation = run.get("evaluation")
    model_file = run.get("model_file")
    return Run(
        status=_text(run, "status") or "unknown",
        failed_step=_text(failure, "step"),
        error=_text(failure, "error"),
        started=_text(run, "started"),
        duration=_text(run, "duration_s"),
        how=_text(run, "how"),
        code=_code(_object(run, "code")),
        environment=_environment(_object(run, "environment")),
        steps=tuple(_step(step) for step in _objects(run, "steps")),
        sources=tuple(_source(source) for source in _objects(run, "sources")),
        origins=tuple(_origin(origin) for origin in _objects(run, "origins")),
        evaluation=_evaluation(evaluation, entry.seq) if isinstance(evaluation, Mapping) else None,
        model_file=_model_file(model_file) if isinstance(model_file, Mapping) else None,
    )


def _code(code: Mapping[str, Json]) -> Code:
    return Code(
        commit=_text(code, "commit"),
        branch=_text(code, "branch"),
        remote=_text(code, "remote"),
        dirty=_truth(code, "dirty"),
        patch=_digest(code, "patch"),
        untracked=_whole(code, "untracked"),
        target=_text(code, "target"),
        source=_digest(code, "source"),
    )


def _environment(environment: Mapping[str, Json]) -> Environment:
    packages = _object(environment, "packages")
    variables = _object(environment, "variables")
    return Environment(
        python=_text(environment, "python"),
        implementation=_text(environment, "implementation"),
        platform=_text(environment, "platform"),
        machine=_text(environment, "machine"),
        cpu_count=_whole(environment, "cpu_count"),
        variables=tuple((name, value(variables[name])) for name in sorted(variables)),
        packages=_whole(packages, "count"),
        packages_digest=_digest(packages, "artifact"),
    )


def _step(step: Mapping[str, Json]) -> Step:
    parameters = _object(step, "parameters")
    return Step(
        name=_text(step, "name") or "unnamed",
        kind=_text(step, "kind") or "step",
        status=_text(step, "status") or "unknown",
        source=_digest(step, "source"),
        seed=_whole(step, "seed"),
        duration=_text(step, "duration_s"),
        after=_words(step, "after"),
        parameters=tuple((name, parameters[name]) for name in sorted(parameters)),
        inputs=tuple(_part(part) for part in _objects(step, "inputs")),
        outputs=tuple(_part(part) for part in _objects(step, "outputs")),
        checks=tuple(_check(check) for check in _objects(step, "checks")),
    )


def _check(check: Mapping[str, Json]) -> Check:
    failed = _objects(check, "failed")
    return Check(
        part=_text(check, "part") or "unnamed",
        name=_text(check, "name"),
        schema=_text(check, "schema"),
        passed=_truth(check, "passed"),
        failed=tuple(
            f"{_text(each, 'column') or 'the table'} {_text(each, 'check') or 'unnamed'}: "
            f"{'could not be made' if each.get('cases') is None else value(each.get('cases'))}"
            for each in failed
        )
        + ((f"checks that only warn: {value(check['warned'])}",) if check.get("warned") else ()),
    )


def _origin(origin: Mapping[str, Json]) -> Origin:
    version = _object(origin, "version")
    query = origin.get("query")
    return Origin(
        step=_text(origin, "step") or "unknown",
        kind=_text(origin, "kind") or "unknown",
        uri=_text(origin, "uri") or "unnamed",
        how=_text(origin, "how"),
        query=_query(query) if query is not None else None,
        version=tuple((name, version[name]) for name in sorted(version) if version[name] is not None),
        note=_text(origin, "note"),
    )


def _query(query: Json) -> str:
    if not isinstance(query, Mapping):
        return value(query)
    artifact = _text(query, "artifact")
    return "withheld: it holds what looks like a secret" if artifact is None else f"SHA-256 {artifact}"


def _part(part: Mapping[str, Json]) -> Part:
    return Part(
        name=_text(part, "name") or "unnamed",
        kind=_text(part, "kind") or "opaque",
        type=_text(part, "type"),
        fingerprint=_text(part, "fingerprint"),
        rows=_whole(part, "rows"),
        columns=_whole(part, "columns"),
        profile=_digest(part, "profile"),
        not_profiled=_text(part, "not_profiled"),
        kept=_text(_object(part, "kept"), "artifact"),
    )


def _source(source: Mapping[str, Json]) -> Source:
    return Source(
        step=_text(source, "step") or "unknown",
        parameter=_text(source, "parameter"),
        uri=_text(source, "uri") or "unnamed",
        sha256=_text(source, "sha256"),
        size=_whole(source, "bytes"),
        keyed=_text(source, "hmac_sha256"),
        key=_text(source, "key"),
    )


def _model_file(model: Mapping[str, Json]) -> ModelFile:
    return ModelFile(
        format=_text(model, "format"),
        sha256=_text(model, "sha256"),
        size=_whole(model, "bytes"),
        fingerprint=_text(model, "fingerprint"),
        kind=_text(model, "class"),
        features=_words(model, "features") if isinstance(model.get("features"), list) else None,
    )


def _evaluation(evaluation: Mapping[str, Json], seq: int) -> Evaluation:
    return Evaluation(
        n=_whole(evaluation, "n"),
        task=_text(evaluation, "task"),
        positive=_text(evaluation, "positive"),
        labels=_words(evaluation, "labels"),
        confidence=_text(evaluation, "confidence"),
        replicates=_whole(evaluation, "replicates"),
        seed=_whole(evaluation, "seed"),
        method=_text(evaluation, "method"),
        metrics=_figures(evaluation, "metrics", seq, "/evaluation"),
        bias=tuple(
            _attribute(part, seq, f"/evaluation/bias/{index}")
            for index, part in enumerate(_objects(evaluation, "bias"))
        ),
        artifact=_digest(evaluation, "artifact"),
        small_cell=_whole(evaluation, "small_cell"),
    )


def _attribute(part: Mapping[str, Json], seq: int, pointer: str) -> Attribute:
    return Attribute(
        name=_text(part, "attribute") or "unnamed",
        columns=_words(part, "columns"),
        missing=_whole(part, "missing"),
        minimum=_whole(part, "minimum"),
        omitted=_whole(part, "groups_omitted"),
        groups=tuple(
            Group(
                name=_text(group, "name") or value(dict(_object(group, "group"))),
                n=_whole(group, "n"),
                enough=_truth(group, "enough") is True,
                metrics=_figures(group, "metrics", seq, f"{pointer}/groups/{index}"),
                together=bool(_object(group, "together")),
            )
            for index, group in enumerate(_objects(part, "groups"))
        ),
        disparities=_figures(part, "disparities", seq, pointer),
    )


def _figures(mapping: Mapping[str, Json], key: str, seq: int, pointer: str) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            name=_text(figure, "name") or "unnamed",
            value=_text(figure, "value"),
            low=_text(figure, "low"),
            high=_text(figure, "high"),
            n=_whole(figure, "n"),
            note=_text(figure, "note"),
            between=_words(figure, "between"),
            entry=seq,
            pointer=f"{pointer}/{key}/{index}",
        )
        for index, figure in enumerate(_objects(mapping, key))
    )


def read_decision(entry: EntryFacts) -> Decision:
    """Read one decision of a gate."""
    told = entry.predicate
    approvals = told.get("approvals")
    return Decision(
        entry=entry,
        stage=_text(told, "stage") or "unnamed",
        action=_text(told, "action") or "promote",
        decision=_text(told, "decision") or "unknown",
        reason=_text(told, "reason"),
        policies=tuple(
            Policy(_text(policy, "name") or "unnamed", _text(policy, "sha256"))
            for policy in _objects(told, "policies")
        ),
        rules=tuple(_rule(rule) for rule in _objects(told, "rules")),
        approvals=tuple(
            seq for seq in (approvals if isinstance(approvals, list) else ()) if isinstance(seq, int)
        ),
        evidence=_text(told, "evidence"),
    )


def _rule(rule: Mapping[str, Json]) -> Rule:
    outcome = _text(rule, "outcome")
    return Rule(
        id=_text(rule, "id") or "unnamed",
        policy=_text(rule, "policy"),
        outcome=outcome if outcome in OUTCOMES else "missing",
        says=_text(rule, "says"),
        message=_text(rule, "message") or "",
        clauses=_words(rule, "clauses"),
        metric=_text(rule, "metric"),
        limit=_text(rule, "limit"),
    )


def read_approval(entry: EntryFacts) -> Approval:
    """Read one approval or rejection."""
    told = entry.predicate
    return Approval(
        entry=entry,
        stage=_text(told, "stage"),
        role=_text(told, "role"),
        verdict=_text(told, "verdict"),
        meaning=_text(told, "meaning"),
        evidence=_text(told, "evidence"),
    )


def read_reproduction(entry: EntryFacts) -> Reproduction:
    """Read one attempt at reproduction."""
    told = entry.predicate
    same = [_truth(part, "same") for part in _objects(told, "compared")]
    return Reproduction(
        entry=entry,
        verdict=_text(told, "verdict") or "unknown",
        reason=_text(told, "reason"),
        first_difference=_difference(_object(told, "first_difference")),
        same=same.count(True),
        differing=same.count(False),
        not_compared=same.count(None),
    )


def _difference(first: Mapping[str, Json]) -> str | None:
    if not first:
        return None
    named = [f"{key} {_text(first, key)}" for key in ("step", "part", "column") if first.get(key) is not None]
    rows = first.get("rows")
    if isinstance(rows, list) and len(rows) == 2:
        named.append(f"rows {value(rows[0])} to {value(rows[1])}")
    return ", ".join(named) or None
