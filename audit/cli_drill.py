"""The command `affidavit drill`: a matrix of attacks, and what caught each."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import Open
from audit.durable import replace_file
from audit.errors import NotVerified
from audit.outputs import DRILL
from audit.terminal import Command, FileToWrite, bar, folded, json_option, mark, print_json, print_table, say

# What the command needs is imported inside it: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.drill import Drill, Result

__all__ = ["drill"]

_MOST_ENTRIES_SHOWN = 3


@click.command(
    cls=Command,
    examples=[
        "affidavit drill",
        "affidavit drill --entries 1000 --json",
        "affidavit drill -o drill-2026-11.json",
    ],
)
@click.option(
    "--entries",
    "most",
    type=click.IntRange(min=3),
    default=100,
    show_default=True,
    help="Of a longer ledger, attack the first so many at most, up to a head that the log signed.",
)
@click.option(
    "-o",
    "--output",
    type=FileToWrite(DRILL),
    help="Keep the matrix in a JSON file, with the time: what --json prints, to be shown later.",
)
@json_option
@click.pass_obj
def drill(opened: Open, most: int, output: Path | None, as_json: bool) -> None:
    """Attack copies of the ledger, and say what caught each attack.

    Nothing is done to the ledger itself, and no private key of it is opened: what takes a stolen key is tried on a
    ledger made for the drill. The exit status is 1 if an attack that should be caught is not.
    """
    from importlib.metadata import version

    from audit.drill import drill as run_drill
    from audit.statement import written_time

    ledger = opened().ledger
    with bar("attacking copies") as progress:
        answer = run_drill(ledger, most=most, progress=progress)
    document = answer.to_json() | {"time": written_time(time.time()), "version": version("affidavit")}
    if output is not None:
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        replace_file(output, text.encode(), 0o666)
    if as_json:
        print_json(document)
    else:
        _print(answer)
        if output is not None:
            say(f"\nKept in {output}. It is not signed: who shows it vouches for it.")
    raise SystemExit(0 if answer else NotVerified.exit_status)


def _print(answer: "Drill") -> None:
    part = (
        f"its {answer.copied} entries"
        if answer.copied == answer.entries
        else f"its first {answer.copied} of {answer.entries} entries"
    )
    for on, title in (
        ("copy", f"On a copy of this ledger ({part}), with no key stolen"),
        (
            "made",
            f"On a ledger made for the drill ({answer.made} entries, keys of its own), with keys stolen",
        ),
    ):
        rows = [_row(result) for result in answer.results if result.attack.on == on]
        say(f"{title}:\n")
        print_table(("Attack", "Stolen", "Caught", "By step", "At entry"), rows)
        say()
    for skipped in answer.skipped:
        say(f"{mark('skipped')}: {skipped.attack}, {skipped.why}")
    _print_sum(answer)


def _row(result: "Result") -> tuple[str, str, str, str, str]:
    step, attack = result.caught_by, result.attack
    what = f"{attack.what} ({result.tried} tried)" if result.tried > 1 else attack.what
    if step is None or not result.ok:
        return what, attack.stolen, "no", f"meant: {attack.expected}", ", ".join(result.missed)
    caught = "with an anchor" if result.needs_anchor else "yes"
    return what, attack.stolen, caught, f"{step.number} {step.name}", _at(step.entries)


def _at(entries: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, entries[:_MOST_ENTRIES_SHOWN]))
    return f"{shown}, ..." if len(entries) > _MOST_ENTRIES_SHOWN else shown


def _print_sum(answer: "Drill") -> None:
    caught = [result for result in answer.results if result.ok]
    anchored = sum(result.needs_anchor for result in caught)
    say(
        folded(
            f"{mark('passed' if answer else 'failed')}: {len(caught)} of {len(answer.results)} attacks were caught, "
            f"{anchored} of them only with an anchor: a head kept where the keepers of the ledger cannot reach, as "
            "`affidavit checkpoint -o FILE` writes it."
        )
    )
