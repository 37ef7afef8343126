"""Commands that decide: gate, approve, reject, promote, roll back."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from audit.terminal import Command, folded, json_option, mark, print_json, say
from registry.cli_run import as_option

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.record import Entry
    from registry.catalog import Catalogued
    from registry.gate import Decision
    from registry.registry import Registry

__all__ = ["approve", "gate", "promote", "reject", "rollback", "stage_option"]

Open = Callable[[], "Registry"]
_KEY = re.compile(r"\b[0-9a-f]{12}(?= \(entry \d+\))")
"""How a rule's finding names who signed: by the key, since a name can be erased and is no evidence."""

stage_option = click.option("--stage", required=True, help="The stage, such as production.")


@click.command(cls=Command, examples=["affidavit gate mortgage@1 --stage production"])
@click.argument("ref")
@stage_option
@json_option
@click.pass_obj
def gate(opened: Open, ref: str, stage: str, as_json: bool) -> None:
    """Judge a version, change nothing.

    The policies of the stage are applied to the evidence as it stands, rule by rule.
    """
    from registry.gate import decide

    registry = opened()
    gathered = registry.gather(ref, stage)
    decision = decide(gathered.policies, gathered.evidence)
    model, version = gathered.found.model, gathered.found.version
    held = _holding(registry, model, stage)
    elsewhere = _bound_elsewhere(registry, gathered.found, stage, gathered.digest)
    if as_json:
        word = "would_promote" if decision.allowed else "would_refuse"
        _print_as_json(word, stage, decision, held, {"bound_elsewhere": elsewhere})
    else:
        _print_rules(registry, decision)
        say(f"\n{mark('would_promote' if decision.allowed else 'would_refuse')} for {stage}")
        say(f"{model}@{version} holds {stage} now.") if held == version else None
        _say_bound_elsewhere(elsewhere)
    raise SystemExit(0 if decision.allowed else 1)


def _approving(verdict: str) -> Callable[..., None]:
    def command(
        opened: Open, ref: str, stage: str, as_key: str, role: str, meaning: str, as_json: bool
    ) -> None:
        registry = opened()
        entry = registry.approve(ref, stage, key=as_key, role=role, meaning=meaning, verdict=verdict)
        said = entry.statement.predicate
        model, version = str(said["model"]), said["version"]
        before = _said_before(registry, entry)
        keeps = verdict == "reject" and _holding(registry, model, stage) == version
        if as_json:
            facts = {k: said[k] for k in ("model", "version", "stage", "verdict", "evidence")}
            print_json({"entry": entry.seq, **facts, "said_before": before, "holds_stage": keeps})
            return
        done = "approved" if verdict == "approve" else "rejected"
        say(f"Entry {entry.seq}: {model}@{version} {done} for {stage} as {role}.")
        say(f"Bound to the evidence {said['evidence']}.")
        if before is not None:
            say(f"This key said so already, in entry {before}: that counts once.")
        if keeps:
            say(
                f"{model}@{version} holds {stage} and keeps it: `affidavit rollback {model} {stage}` moves it back."
            )

    return command


def _approval_command(
    name: str, verdict: str, help_text: str, example: str, meaning: tuple[str, ...]
) -> click.Command:
    command = click.pass_obj(_approving(verdict))
    for decorate in reversed(
        [
            click.argument("ref"),
            stage_option,
            click.option("--as", "as_key", metavar="KEY", required=True, help="The person's key, by name."),
            click.option("--role", required=True, help="In which role: validator or approver."),
            click.option(*meaning, "meaning", required=True, help="What the signature means, in a sentence."),
            json_option,
        ]
    ):
        command = decorate(command)
    return click.command(name, cls=Command, help=help_text, examples=[example])(command)


approve = _approval_command(
    "approve",
    "approve",
    "Sign an approval, bound to the evidence.\n\n"
    "It counts for exactly this run, this stage and this text of its policies.",
    "affidavit approve mortgage@2 --stage production --as validator --role validator "
    "--meaning 'Validated: data, method and bias reviewed'",
    ("--meaning",),
)
reject = _approval_command(
    "reject",
    "reject",
    "Sign a refusal, bound to the evidence.\n\nIt stands until the same key approves.",
    "affidavit reject mortgage@1 --stage production --as validator --role validator "
    "--meaning 'Uses the judgement of the underwriter'",
    # What else is taken back or refused has a reason: whoever types that here means the same.
    ("--meaning", "--reason"),
)


@click.command(cls=Command, examples=["affidavit promote mortgage@2 production --as approver"])
@click.argument("ref")
@click.argument("stage")
@as_option
@json_option
@click.pass_obj
def promote(opened: Open, ref: str, stage: str, as_key: str | None, as_json: bool) -> None:
    """Move a stage to a version, if allowed.

    The stage's policies decide; the decision is an entry either way, with the outcome of every rule.
    """
    registry = opened()
    held = _holding(registry, registry.find(ref).model, stage)
    entry, decision = registry.promote(ref, stage, key=as_key)
    _print_decision(registry, entry, decision, held, as_key, as_json)


@click.command(
    cls=Command, examples=["affidavit rollback mortgage production --as approver --reason 'drift in incomes'"]
)
@click.argument("name")
@click.argument("stage")
@as_option
@click.option("--reason", required=True, help="Why.")
@json_option
@click.pass_obj
def rollback(opened: Open, name: str, stage: str, as_key: str | None, reason: str, as_json: bool) -> None:
    """Move a stage back to the version before.

    The gate judges that version anew; the decision is an entry either way.
    """
    registry = opened()
    held = _holding(registry, name, stage)
    entry, decision = registry.rollback(name, stage, key=as_key, reason=reason)
    said = entry.statement.predicate
    if not as_json:
        say(f"Rolling {stage} back to {said['model']}@{said['version']}: {said['reason']}\n")
    _print_decision(registry, entry, decision, held, as_key, as_json)


def _holding(registry: "Registry", model: str, stage: str) -> int | None:
    """Return the version of a model that holds a stage now."""
    return next((found.version for found in registry.versions(model) if stage in found.stages), None)


def _bound_elsewhere(registry: "Registry", found: "Catalogued", stage: str, evidence: str) -> list[int]:
    """List the entries in which a version was approved for a stage on other evidence, or under other policies."""
    approvals = registry.entries_about(found, "approval")
    said = {entry.seq: entry.statement.predicate for entry in approvals}
    return [
        seq
        for seq, each in said.items()
        if (each.get("stage"), each.get("verdict")) == (stage, "approve") and each.get("evidence") != evidence
    ]


def _say_bound_elsewhere(entries: list[int]) -> None:
    if entries:
        which, count = f"{', '.join(map(str, entries))}", "entry" if len(entries) == 1 else "entries"
        say(
            folded(
                f"Approved on other evidence, or under other policies, which counts no more: {count} {which}."
            )
        )


def _said_before(registry: "Registry", entry: "Entry") -> int | None:
    """Return the entry in which a key said of the same evidence what it says in this one, and took back since."""
    said = entry.statement.predicate
    gathered = registry.gather(f"{said['model']}@{said['version']}", str(said["stage"]))
    key = registry.ledger.trust().first_key(entry.key)
    mine = [a for a in gathered.evidence.approvals if (a.key, a.role) == (key, said["role"])]
    last = max((a for a in mine if a.seq < entry.seq), key=lambda a: a.seq, default=None)
    return last.seq if last is not None and last.verdict == said["verdict"] else None


def _print_as_json(
    word: str, stage: str, decision: "Decision", held: int | None, more: dict[str, object]
) -> None:
    print_json({"decision": word, "stage": stage, "rules": decision.to_json(), "held": held, **more})


def _print_rules(registry: "Registry", decision: "Decision") -> None:
    """Print the outcome of every rule; a key by who holds it."""
    from registry.documents import signer_of

    grants = registry.ledger.trust().grants
    by_start = {keyid[:12]: keyid for keyid in grants}

    def named(found: re.Match[str]) -> str:
        keyid = by_start.get(found[0])
        return found[0] if keyid is None else signer_of(registry, keyid)

    for result in decision.results:
        padding = " " * (10 - len(result.outcome))
        message = _KEY.sub(named, result.message)
        told = f"{mark(result.outcome)}{padding} {result.policy}/{result.id}: {message}"
        say(folded(told, " " * 11))


def _print_decision(
    registry: "Registry",
    entry: "Entry",
    decision: "Decision",
    held: int | None,
    as_key: str | None,
    as_json: bool,
) -> None:
    """Print a decision that is an entry: every rule, who signed it where nobody was named, and what has moved."""
    word = "promoted" if decision.allowed else "refused"
    said = entry.statement.predicate
    stage, model, version = str(said["stage"]), said["model"], said["version"]
    found = registry.find(f"{model}@{version}")
    elsewhere = _bound_elsewhere(registry, found, stage, str(said["evidence"]))
    if as_json:
        _print_as_json(word, stage, decision, held, {"entry": entry.seq, "bound_elsewhere": elsewhere})
    else:
        _print_rules(registry, decision)
        signed = "" if as_key else f", signed by {registry.ledger.trust().grants[entry.key].name}"
        say(f"\n{mark(word)} for {stage} (entry {entry.seq}{signed})")
        if held == version:
            moved = "held it already: nothing moved" if decision.allowed else "holds it and keeps it"
            say(f"{model}@{version} {moved}.")
        elif held is not None:
            say(f"{model}@{held} {'held it until now' if decision.allowed else 'holds it and keeps it'}.")
        _say_bound_elsewhere(elsewhere)
    raise SystemExit(0 if decision.allowed else 1)
