"""The command that hands evidence on: export."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.outputs import BUNDLE, check_file, check_place
from audit.terminal import Command, FileToWrite, json_option, print_json, say, stages

# What the command needs is imported inside it: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from registry.registry import Registry

__all__ = ["export"]

Open = Callable[[], "Registry"]


@click.command(
    cls=Command,
    examples=[
        "affidavit export mortgage@1 -o evidence.zip",
        "affidavit export mortgage@production -o evidence.zip --with-verifier --with-artifacts",
        "affidavit export 7 -o entry-7.zip --checkpoint kept-by-the-auditor.txt",
    ],
)
@click.argument("ref")
@click.option(
    "-o",
    "--output",
    type=FileToWrite(BUNDLE),
    help="The zip file to write (default: named after REF).",
)
@click.option(
    "--with-verifier", is_flag=True, help="Put a verifier in: one Python file, and one page for a browser."
)
@click.option(
    "--with-artifacts",
    "all_artifacts",
    is_flag=True,
    help="Put in every file that the entries name, the model too (default: policies and the report).",
)
@click.option(
    "--checkpoint",
    "kept",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint that the reader kept: the proof that it is of this history goes in. Repeatable.",
)
@json_option
@click.pass_obj
def export(
    opened: Open,
    ref: str,
    output: Path | None,
    with_verifier: bool,
    all_artifacts: bool,
    kept: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write the evidence about a version.

    A bundle is one zip file that `affidavit verify FILE` checks with no ledger: the entries, the proofs that they are
    in the ledger, the signed head, the public keys, the policies, the report, and how to check it by hand.
    REF is NAME@VERSION, NAME@STAGE, NAME@latest, or one entry's number or the start of its leaf hash.
    """
    from audit.bundler import portable_verifiers, write_bundle
    from registry.export import wanted

    registry = opened()
    target = output or Path(f"{ref.replace('@', '-')}-evidence.zip")
    check_file(target, BUNDLE)
    check_place(target)
    chosen = wanted(
        registry, ref, all_artifacts=all_artifacts, checkpoints=[path.read_bytes() for path in kept]
    )
    chosen = replace(chosen, pinned=registry.home.anchors, more=portable_verifiers() if with_verifier else {})
    with stages() as tell:
        answer = write_bundle(registry.ledger, chosen, target, tell)
    if as_json:
        print_json({"file": str(target), **answer.to_json()})
        return
    held = ", ".join(map(str, answer.entries))
    say(f"Wrote {target} about {answer.about}: entries {held} of {answer.report.size}, and it verifies.")
    say("Tell its reader the log's key by another way than this file:")
    say(str(answer.log_key))
