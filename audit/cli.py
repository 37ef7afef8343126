"""Commands about the ledger itself: verify, checkpoint, rebuild."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from audit.cli_postgres import roles, sequence
from audit.durable import replace_file
from audit.errors import MalformedInput, NotFound, NotVerified
from audit.outputs import CHECKPOINT
from audit.terminal import (
    Command,
    FileToWrite,
    Group,
    bar,
    folded,
    json_option,
    mark,
    print_json,
    say,
)

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.cli_anchor_add import Home
    from audit.keys import Signer
    from audit.keystore import KeyStore
    from audit.ledger import Ledger
    from audit.report import Report

__all__ = ["Open", "Opened", "checkpoint", "ledger", "print_steps", "verify"]


class Opened(Protocol):
    """An open ledger with the keys of who works on it; `ctx.obj` is a function that opens it."""

    @property
    def ledger(self) -> "Ledger":
        """The ledger."""
        ...

    @property
    def home(self) -> "Home":
        """Where it lies."""
        ...

    @property
    def keys(self) -> "KeyStore":
        """The key files at hand."""
        ...

    @property
    def log_keys(self) -> "KeyStore":
        """The files of the log's own key."""
        ...

    def passphrase_of(self, name: str) -> bytes:
        """Give the passphrase of a key, empty for none."""
        ...

    def signer_for(self, kind: str, name: str | None = None) -> "Signer":
        """Open the key that may say a kind of statement."""
        ...


Open = Callable[[], Opened]
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    cls=Command,
    examples=[
        "affidavit verify",
        "affidavit verify --checkpoint kept-elsewhere.txt --key log.vkey",
        "affidavit verify evidence.zip --key log.vkey",
        "affidavit verify 7.tlog-proof --record 7.json --key log.vkey",
        "affidavit verify --checkpoint last-year.checkpoint --incremental",
        "affidavit verify card.pdf",
    ],
)
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--checkpoint",
    "kept",
    type=_FILE,
    help="A checkpoint kept outside: the ledger must contain it.",
)
@click.option("--key", "log_key", type=_FILE, help="The log's verifier key, as known from outside.")
@click.option(
    "--anchors",
    "pinned",
    type=_FILE,
    help="Whose anchors you believe (a file like the ledger's own anchors.json, which says it otherwise).",
)
@click.option("--record", type=_FILE, help="The record that a .tlog-proof is about.")
@click.option(
    "--incremental",
    is_flag=True,
    help="Take what was said up to --checkpoint as verified before: of those entries only the bytes are compared.",
)
@click.option(
    "--structural", is_flag=True, help="Only records, tree, anchors and times: no signature of a statement."
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Processes that work on it (default: one for each processor)."
)
@json_option
@click.pass_obj
def verify(
    opened: Open,
    files: tuple[Path, ...],
    kept: Path | None,
    log_key: Path | None,
    pinned: Path | None,
    record: Path | None,
    incremental: bool,
    structural: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Verify the whole ledger, or evidence.

    Everything is recomputed from the records, in eight numbered steps. A FILE that is a bundle, a tiles tree (its
    folder), a .tlog-proof or a checkpoint is verified on its own: no ledger is opened, nor needed. For any other FILE
    the ledger is verified, and which entries are about exactly this file is said besides.
    """
    from audit.cli_evidence import brought_from, evidence_in, verify_files

    brought = brought_from(kept, log_key, pinned)
    evidence = evidence_in(files)
    if record is not None and "proof" not in {kind for _, kind in evidence}:
        raise MalformedInput(
            "--record is what a .tlog-proof is about, and none was given: name the proof besides, as FILE"
        )
    if evidence:
        _check_options(incremental or structural, jobs)
        raise SystemExit(verify_files(evidence, brought, record, as_json))
    opened_ledger = opened().ledger
    with bar("verifying") as progress:
        report = opened_ledger.verify(
            checkpoint=brought.checkpoint,
            log_key=brought.log_key,
            pinned=brought.pinned if pinned else None,
            incremental=incremental,
            structural=structural,
            jobs=jobs,
            progress=progress,
        )
    about = {path: _entries_about(opened_ledger, path) for path in files}
    scope = "structural" if structural else "incremental" if incremental else "whole"
    (_print_as_json if as_json else _print_report)(report, scope, about)
    raise SystemExit(0 if report and all(about.values()) else NotVerified.exit_status)


def _check_options(in_part: bool, jobs: int | None) -> None:
    """Refuse, for evidence, what can be asked of a ledger alone."""
    if in_part:
        raise MalformedInput(
            "--incremental and --structural are about a ledger: evidence is always verified whole"
        )
    if jobs is not None:
        raise MalformedInput("--jobs is about a ledger: evidence is verified by one process")


@click.command(
    cls=Command,
    examples=["affidavit checkpoint", "affidavit checkpoint -o /mnt/safe/models-2026-11-23.checkpoint"],
)
@click.option("-o", "--output", type=FileToWrite(CHECKPOINT), help="Write to a file.")
@click.option("--size", type=int, help="The head at this many entries (default: the newest).")
@json_option
@click.pass_obj
def checkpoint(opened: Open, output: Path | None, size: int | None, as_json: bool) -> None:
    """Print the signed head of the ledger.

    Keep it where the keepers of the ledger cannot reach: `affidavit verify --checkpoint` then shows a tail that was
    cut off, or a history that was signed anew. A FILE that holds the head of another history is not written over, nor
    one of more entries: it may be all that shows what was lost.
    """
    here = opened()
    opened_ledger = here.ledger
    if output is not None:
        _check_not_its_anchor(output, here.home.folder)
    head = opened_ledger.head() if size is None else opened_ledger.head_at(size)
    if output is not None:
        _check_goes_on(output, opened_ledger, head.size)
        replace_file(output, head.checkpoint, 0o666)
    if as_json:
        log = opened_ledger.trust().log
        print_json(
            {
                "origin": opened_ledger.origin,
                "size": head.size,
                "root": head.root.hex(),
                "note": head.checkpoint.decode(),
                "verifier_key": str(log),
            }
        )
    elif output is None:
        click.echo(head.checkpoint.decode(), nl=False)
    else:
        say(f"Wrote the checkpoint of {head.size} entries to {output}.")


def _check_not_its_anchor(output: Path, folder: Path) -> None:
    """Refuse to put a head, perhaps an older one, in the place of the one that the ledger may not fall behind."""
    from audit.anchor_settings import AnchorSettings

    file = AnchorSettings.read_if_possible(folder).anchor_file(folder)
    if file is not None and output.resolve() == file.path.resolve():
        raise MalformedInput(
            f"{output} is the ledger's own anchor file, which it writes itself: name another file"
        )


def _check_goes_on(output: Path, opened_ledger: "Ledger", size: int) -> None:
    """Refuse to put a head of `size` entries over one that is not of the same history, or is of more entries."""
    from audit.checkpoint import Checkpoint
    from audit.note import Note

    if not output.is_file() or not output.stat().st_size:
        return
    there = Checkpoint.parse(Note.parse(output.read_bytes()).text)
    if there.origin != opened_ledger.origin:
        raise MalformedInput(f"{output} is a checkpoint of the ledger {there.origin!r}: name another file")
    if there.size > size:
        raise MalformedInput(
            f"{output} is a checkpoint of {there.size} entries and this one is of {size}: name another file, and "
            f"look with `affidavit verify --checkpoint {output}` whether the ledger lost its tail"
        )
    try:
        known = opened_ledger.head_at(there.size).root
    except NotFound:
        known = b""
    if there.root != known:
        raise MalformedInput(
            f"{output} is a checkpoint of another history of {there.size} entries: keep it, name another file, and "
            f"look with `affidavit verify --checkpoint {output}`"
        )


@click.group(cls=Group)
def ledger() -> None:
    """Keep the ledger's own tables."""


ledger.add_command(sequence)
ledger.add_command(roles)


@ledger.command("rebuild", examples=["affidavit ledger rebuild"])
@json_option
@click.pass_obj
def ledger_rebuild(opened: Open, as_json: bool) -> None:
    """Learn the catalogue again.

    Its tables are thrown away and learned anew from the entries.
    """
    count = opened().ledger.rebuild()
    if as_json:
        print_json({"entries": count})
    else:
        say(f"Learned the catalogue again from {count} entries.")


def _entries_about(opened_ledger: "Ledger", path: Path) -> dict[int, bool]:
    """Give the numbers of the entries about exactly this file, and for each whether it is in doubt."""
    from audit.doubt import Doubts

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    doubts = Doubts.of(opened_ledger.trust().grants)
    return {
        entry.seq: doubts.about(entry.envelope, entry.seq) is not None
        for entry in opened_ledger.entries()
        if digest in {s.sha256 for s in entry.statement.subjects}
    }


def print_steps(report: "Report") -> None:
    """Print the steps of a report, a line or more for each."""
    for step in report.steps:
        head = f"{step.number} {step.name:<11} {mark(step.status)}{' ' * (8 - len(step.status))} "
        say(folded(head + step.detail, " " * 23))


_VERDICTS = {
    "whole": "verified, {} entries",
    "structural": "the structure alone, of {} entries; who said what was not verified",
    "incremental": "verified from the checkpoint on, {} entries with those before it",
}


def _print_as_json(report: "Report", scope: str, about: Mapping[Path, Mapping[int, bool]]) -> None:
    known = [
        {"file": str(path), "entries": list(entries), "in_doubt": [n for n in entries if entries[n]]}
        for path, entries in about.items()
    ]
    verified = bool(report) and all(about.values())
    print_json(
        report.to_json() | ({"files": known} if about else {}) | {"verified": verified, "scope": scope}
    )


def _print_report(report: "Report", scope: str, about: Mapping[Path, Mapping[int, bool]]) -> None:
    print_steps(report)
    say()
    skipped = sum(step.status == "skipped" for step in report.steps)
    not_done = f" ({skipped} of {len(report.steps)} steps skipped, see above)" if skipped else ""
    if report:
        say(f"{mark('passed')}: {_VERDICTS[scope].format(report.size)}{not_done}\nroot {report.root}")
    else:
        failed = ", ".join(f"{s.number} {s.name}" for s in report.steps if s.status == "failed")
        say(f"{mark('failed')}: not verified, step {failed}{not_done}")
    from audit.report import listed

    for path, entries in about.items():
        if entries:
            one = len(entries) == 1
            doubted = [n for n in entries if entries[n]]
            in_doubt = f" (in doubt, see step 4: {listed(doubted)})" if doubted else ""
            named = f"{'entry' if one else 'entries'} {listed(list(entries))}{in_doubt}"
            say(f"{path} is what {named} {'is' if one else 'are'} about")
        else:
            say(f"{path} {mark('failed')}: is in no entry of this ledger")
