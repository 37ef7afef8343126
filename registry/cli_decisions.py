"""Commands that decide: gate, approve, reject, promote, roll back, and the policies behind them."""

from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli_drafts import as_keys_option, draft_option, dry_run_option, said
from audit.errors import NotFound
from audit.terminal import Command, Group, folded, json_option, mark, print_json, print_table, say
from registry.cli_run import as_option

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from registry.gate import Decision
    from registry.policy import Policy
    from registry.registry import Registry

__all__ = ["approve", "gate", "policy", "promote", "reject", "rollback"]

Open = Callable[[], "Registry"]
_FILE = click.Path(path_type=Path)

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

    gathered = opened().gather(ref, stage)
    decision = decide(gathered.policies, gathered.evidence)
    _print_decision("would_promote" if decision.allowed else "would_refuse", stage, decision, as_json, None)


def _approving(verdict: str) -> Callable[..., None]:
    def command(
        opened: Open, ref: str, stage: str, as_key: str, role: str, meaning: str, as_json: bool
    ) -> None:
        registry = opened()
        entry = registry.approve(ref, stage, key=as_key, role=role, meaning=meaning, verdict=verdict)
        said = entry.statement.predicate
        if as_json:
            print_json(
                {
                    "entry": entry.seq,
                    **{k: said[k] for k in ("model", "version", "stage", "verdict", "evidence")},
                }
            )
        else:
            done = "approved" if verdict == "approve" else "rejected"
            say(f"Entry {entry.seq}: {said['model']}@{said['version']} {done} for {stage} as {role}.")
            say(f"Bound to the evidence {said['evidence']}.")

    return command


def _approval_command(name: str, verdict: str, help_text: str, example: str) -> click.Command:
    command = click.pass_obj(_approving(verdict))
    for decorate in reversed(
        [
            click.argument("ref"),
            stage_option,
            click.option("--as", "as_key", metavar="KEY", required=True, help="The person's key, by name."),
            click.option("--role", required=True, help="In which role: validator or approver."),
            click.option("--meaning", required=True, help="What the signature means, in a sentence."),
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
)
reject = _approval_command(
    "reject",
    "reject",
    "Sign a refusal, bound to the evidence.\n\nIt stands until the same key approves.",
    "affidavit reject mortgage@1 --stage production --as validator --role validator "
    "--meaning 'Uses the judgement of the underwriter'",
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
    entry, decision = registry.promote(ref, stage, key=as_key)
    by = None if as_key else registry.ledger.trust().grants[entry.key].name
    _print_decision("promoted" if decision.allowed else "refused", stage, decision, as_json, entry.seq, by)


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
    entry, decision = registry.rollback(name, stage, key=as_key, reason=reason)
    by = None if as_key else registry.ledger.trust().grants[entry.key].name
    said = entry.statement.predicate
    if not as_json:
        say(f"Rolling {stage} back to {said['model']}@{said['version']}: {said['reason']}\n")
    _print_decision("promoted" if decision.allowed else "refused", stage, decision, as_json, entry.seq, by)


@click.group(cls=Group)
def policy() -> None:
    """Policies, and the stages that they guard."""


@policy.command("list", examples=["affidavit policy list"])
@json_option
@click.pass_obj
def policy_list(opened: Open, as_json: bool) -> None:
    """List the policies and what they guard.

    Those that come with affidavit, and those that guard each stage of this ledger.
    """
    from registry.policy import packaged, packaged_names

    known = [packaged(name) for name in packaged_names()]
    try:
        stages = {s: [p.name for p in policies] for s, policies in opened().stage_policies().items()}
    except NotFound:
        stages = {}
    if as_json:
        policies = [
            {"name": p.name, "version": p.version, "title": p.title, "sha256": p.sha256} for p in known
        ]
        print_json({"policies": policies, "stages": stages})
        return
    print_table(
        ("Policy", "Version", "Title", "Rules"), [(p.name, p.version, p.title, len(p.rules)) for p in known]
    )
    if stages:
        say()
        print_table(("Stage", "Guarded by"), [(stage, ", ".join(names)) for stage, names in stages.items()])


@policy.command("show", examples=["affidavit policy show lending"])
@click.argument("name")
@json_option
def policy_show(name: str, as_json: bool) -> None:
    """Show a policy as sentences.

    NAME is one that comes with affidavit, or a file.
    """
    from registry.policy import load

    found = load(name)
    if as_json:
        rules = [{"id": rule.id, "says": rule.says, "clauses": list(rule.clauses)} for rule in found.rules]
        print_json({"name": found.name, "version": found.version, "sha256": found.sha256, "rules": rules})
        return
    say(f"{found.title} ({found.name}, version {found.version})\nSHA-256 {found.sha256}\n")
    for rule in found.rules:
        say(folded(f"  {rule.id}: {rule.says}", "    "))
        if rule.clauses:
            say(folded(f"    serves {', '.join(rule.clauses)}", "      "))


@policy.command("check", examples=["affidavit policy check my-policy.yaml"])
@click.argument("file", type=_FILE)
@json_option
def policy_check(file: Path, as_json: bool) -> None:
    """Check a policy file.

    Every mistake is named with its line and column.
    """
    from registry.policy import load

    found = load(file)
    if as_json:
        print_json({"name": found.name, "sha256": found.sha256, "rules": len(found.rules)})
    else:
        say(f"{file}: the policy {found.name} reads well, {_rules(found)}.\nSHA-256 {found.sha256}")


@policy.command(
    "adopt",
    examples=[
        "affidavit policy adopt baseline lending --stage production --as admin",
        "affidavit policy adopt lending --stage production --as admin --draft lending.draft",
    ],
)
@click.argument("policies", nargs=-1, required=True, metavar="NAME-OR-FILE...")
@stage_option
@as_keys_option
@draft_option
@dry_run_option
@json_option
@click.pass_obj
def policy_adopt(
    opened: Open,
    policies: tuple[str, ...],
    stage: str,
    as_keys: tuple[str, ...],
    draft: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Guard a stage with policies.

    They hold from the next entry on, in place of those before; approvals given under others no longer count.
    """
    from audit.key_events import KeyEvent
    from registry.policy import load

    registry, adopted = opened(), tuple(load(name) for name in policies)
    statement = registry.adopting(stage, adopted)
    if not dry_run:
        registry.keep(adopted)
    named = [{"name": p.name, "sha256": p.sha256} for p in adopted]
    before = registry.stage_policies().get(stage)
    no_longer = [p.name for p in before or () if p.sha256 not in {policy.sha256 for policy in adopted}]
    sentence = f"{stage} is guarded by {', '.join(p.name for p in adopted)} from now on"
    sentence += _in_place_of(no_longer, {policy.name for policy in adopted})
    sentence += "; it is a new stage" if before is None else ""
    facts = {"stage": stage, "policies": named, "no_longer": no_longer, "new_stage": before is None}
    said(registry, KeyEvent(statement), as_keys, draft, dry_run, as_json, facts, sentence)


def _in_place_of(no_longer: Sequence[str], adopted: Container[str]) -> str:
    """Say which policies guard the stage no more: that a policy was left out is easily overlooked."""
    told = [f"{name} as it was before" if name in adopted else name for name in no_longer]
    return f", and no longer by {', '.join(told)}" if told else ""


def _rules(found: "Policy") -> str:
    return "1 rule" if len(found.rules) == 1 else f"{len(found.rules)} rules"


def _print_decision(
    word: str, stage: str, decision: "Decision", as_json: bool, entry: int | None, by: str | None = None
) -> None:
    """Print the outcome of every rule and the decision; `by` is the key that signed it, where nobody named one."""
    if as_json:
        document: dict[str, object] = {"decision": word, "stage": stage, "rules": decision.to_json()}
        print_json(document | ({} if entry is None else {"entry": entry}))
    else:
        for result in decision.results:
            padding = " " * (10 - len(result.outcome))
            told = f"{mark(result.outcome)}{padding} {result.policy}/{result.id}: {result.message}"
            say(folded(told, " " * 11))
        signed = f", signed by {by}" if by is not None else ""
        where = f" (entry {entry}{signed})" if entry is not None else ""
        say(f"\n{mark(word)} for {stage}{where}")
    raise SystemExit(0 if decision.allowed else 1)
