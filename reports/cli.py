"""The front door: one command line, joined from the floors below, with the reports and the demonstration."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from audit import cli as audit_commands
from audit import cli_anchors as anchor_commands
from audit import cli_drill as drill_commands
from audit import cli_erasure as erasure_commands
from audit import cli_evidence as evidence_commands
from audit import cli_keys as key_commands
from audit import cli_witness as witness_commands
from audit.interrupts import end_as_interrupted
from audit.outputs import PDF, check_file
from audit.terminal import (
    Command,
    FileToWrite,
    FolderToWrite,
    Group,
    json_option,
    open_streams,
    passphrase,
    print_json,
    say,
    stages,
)
from registry import cli_decisions as decision_commands
from registry import cli_export as export_commands
from registry import cli_fingerprint as fingerprint_commands
from registry import cli_init as init_commands
from registry import cli_policies as policy_commands
from registry import cli_profile as profile_commands
from registry import cli_reading as reading_commands
from registry import cli_run as run_commands
from reports import cli_lineage as lineage_commands

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from registry.registry import Registry

__all__ = ["affidavit", "demo", "main", "report"]

Open = Callable[[], "Registry"]


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: affidavit demo. Exit status: 0 yes, 1 no, 2 wrong input, 3 the environment failed.",
)
@click.option(
    "--ledger",
    metavar="PATH-OR-URL",
    help="The ledger (default: AFFIDAVIT_LEDGER, else the nearest .affidavit folder at or above this one).",
)
@click.version_option(package_name="affidavit", prog_name="affidavit")
@click.pass_context
def affidavit(ctx: click.Context, ledger: str | None) -> None:
    """Signed evidence for every model.

    Runs, decisions and reports of machine-learning models on a ledger that strangers can verify.
    """
    # Opened by the first command that needs it, and only once.
    ctx.obj = cache(lambda: _open(ctx, ledger))


@click.command(cls=Command, examples=["affidavit demo", "affidavit demo /tmp/story"])
@click.argument("folder", metavar="[DIR]", default="affidavit-demo", type=FolderToWrite())
@json_option
@click.pass_context
def demo(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Tell the whole story on real data.

    Mortgage applications, in DIR (default: affidavit-demo): two versions are recorded, one is refused and one is
    approved and promoted; then a report, verification, reproduction, and a forged copy that verification catches.
    """
    from reports.demo import run_demo

    run_demo(folder, cast(click.Group, ctx.find_root().command), as_json=as_json)


@click.command(
    cls=Command,
    examples=["affidavit report mortgage@1 --template model-card -o card.pdf", "affidavit report templates"],
)
@click.argument("ref")
@click.option(
    "--template", default="model-card", show_default=True, help="The template: `affidavit report templates`."
)
@click.option("-o", "--output", type=FileToWrite(PDF), help="The PDF to write.")
@click.option("--as", "as_key", metavar="KEY", help="The key that signs the report's entry, by name.")
@json_option
@click.pass_obj
def report(
    opened: Open, ref: str, template: str, output: Path | None, as_key: str | None, as_json: bool
) -> None:
    """Write a PDF report about a version.

    It is written from the ledger, and its digest becomes an entry.
    REF is a model version, or the word `templates` to list them.
    """
    from reports.html import template_names

    if ref == "templates":
        names = template_names()
        print_json({"templates": list(names)}) if as_json else say("\n".join(names))
        return
    from reports.issue import issue_report

    target = output or Path(f"{ref.replace('@', '-')}-{template}.pdf")
    check_file(target, PDF)
    registry = opened()
    with stages() as tell:
        issued = issue_report(registry, ref, template, target, key=as_key, tell=tell)
    if as_json:
        print_json({"file": str(target), **issued.to_json()})
        return
    say(f"Wrote {target} about {issued.model}@{issued.version}.")
    say(f"SHA-256 {issued.sha256}, recorded in entry {issued.entry}.")


def main() -> None:
    """Run the command line."""
    open_streams()
    end_as_interrupted()
    affidavit(prog_name="affidavit")


def _open(ctx: click.Context, ledger: str | None) -> "Registry":
    from registry.home import passphrase_from_environment
    from registry.registry import open_registry

    registry = open_registry(ledger, passphrase(passphrase_from_environment))
    ctx.call_on_close(registry.ledger.close)
    return registry


for _command in (
    demo,
    init_commands.init,
    run_commands.run,
    reading_commands.log,
    reading_commands.show,
    reading_commands.compare,
    lineage_commands.lineage,
    fingerprint_commands.fingerprint,
    profile_commands.profile,
    decision_commands.gate,
    decision_commands.approve,
    decision_commands.reject,
    decision_commands.promote,
    decision_commands.rollback,
    policy_commands.policy,
    report,
    audit_commands.verify,
    run_commands.reproduce,
    export_commands.export,
    evidence_commands.import_bundle,
    audit_commands.checkpoint,
    key_commands.key,
    audit_commands.ledger,
    anchor_commands.anchor,
    witness_commands.witness,
    drill_commands.drill,
    erasure_commands.subject,
    erasure_commands.erase,
):
    affidavit.add_command(_command)
key_commands.key.add_command(fingerprint_commands.fingerprint_key)
