"""Commands about policies, and the stages that they guard: list, show, check, adopt."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli_drafts import as_keys_option, draft_option, dry_run_option, said
from audit.errors import MalformedInput, NotFound
from audit.terminal import Group, folded, json_option, print_json, print_table, say
from registry.cli_decisions import stage_option

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from registry.policy import Policy
    from registry.registry import Registry

__all__ = ["policy"]

Open = Callable[[], "Registry"]
_FILE = click.Path(path_type=Path)


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


@policy.command(
    "show", examples=["affidavit policy show lending", "affidavit policy show lending --text > ours.yaml"]
)
@click.argument("name")
@click.option("--text", "as_text", is_flag=True, help="Print the file itself, to begin one of your own.")
@json_option
def policy_show(name: str, as_text: bool, as_json: bool) -> None:
    """Show a policy as sentences.

    NAME is one that comes with affidavit, or a file.
    """
    from registry.policy import load

    if as_text and as_json:
        raise MalformedInput("--text prints the file and --json what it says: ask for one of them")
    found = load(name)
    if as_text:
        click.echo(found.text, nl=False)
        return
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
    from audit.stage_change import stage_change
    from registry.policy import load

    registry, adopted = opened(), tuple(load(name) for name in policies)
    statement = registry.adopting(stage, adopted)
    if not dry_run:
        registry.keep(adopted)
    change = stage_change(registry.ledger, statement.predicate)
    named = [{"name": p.name, "sha256": p.sha256} for p in adopted]
    facts = {"stage": stage, "policies": named, **change.to_json()}
    sentence = f"{stage} is guarded by {', '.join(p.name for p in adopted)} from now on{change.words}"
    said(registry, KeyEvent(statement), as_keys, draft, dry_run, as_json, facts, sentence)


def _rules(found: "Policy") -> str:
    return "1 rule" if len(found.rules) == 1 else f"{len(found.rules)} rules"
