"""Commands about evidence that leaves the ledger: files verified on their own, import, the static tiles tree."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import Open, ledger, print_steps
from audit.errors import AffidavitError, MalformedInput, NotVerified
from audit.outputs import check_folder
from audit.terminal import Command, FolderToWrite, bar, folded, json_option, mark, print_json, say

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.canonical import JsonObject
    from audit.evidence import Brought, Evidence
    from audit.note import VerifierKey
    from audit.offline import Kind

__all__ = ["brought_from", "evidence_in", "import_bundle", "ledger_tiles", "verify_files"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NAMES = {"bundle": "bundle", "tiles": "tiles tree", "proof": "proof of an entry", "checkpoint": "checkpoint"}


@click.command(
    "import",
    cls=Command,
    examples=[
        "affidavit import evidence.zip",
        "affidavit import evidence.zip --into case-12 --key log.vkey --checkpoint kept-elsewhere.txt",
    ],
)
@click.argument("file", type=_FILE)
@click.option(
    "--into",
    metavar="DIR",
    type=FolderToWrite(),
    help="The folder to make (default: named as the file).",
)
@click.option(
    "--checkpoint", "kept", type=_FILE, help="A checkpoint kept outside: it must be of this history."
)
@click.option("--key", "log_key", type=_FILE, help="The log's verifier key, as known from outside.")
@click.option("--anchors", "pinned", type=_FILE, help="Whose anchors you believe (a file like anchors.json).")
@json_option
def import_bundle(
    file: Path, into: Path | None, kept: Path | None, log_key: Path | None, pinned: Path | None, as_json: bool
) -> None:
    """Verify a bundle and unpack it.

    No ledger is needed, and none is changed. What does not verify is not unpacked.
    The folder must be new or empty; it is there whole or not at all.
    """
    from audit.bundle_check import verify_bundle
    from audit.offline import kind_of

    check_can_be_read_again(file)
    if kind_of(file) != "bundle":
        raise MalformedInput(f"{file} is not a bundle: `affidavit export` makes one")
    folder = into or file.with_suffix("")
    check_folder(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MalformedInput(f"{folder} exists and is not empty: name another folder with --into")
    answer = verify_bundle(file, brought_from(kept, log_key, pinned), unpack_into=folder)
    if as_json:
        print_json({**answer.to_json(), "folder": str(folder) if answer else None})
    else:
        _print_evidence(file, answer)
        say(f"\nUnpacked into {folder}." if answer else "\nNothing was unpacked.")
    raise SystemExit(0 if answer else NotVerified.exit_status)


@ledger.command(
    "tiles", examples=["affidavit ledger tiles public/", "affidavit ledger tiles /mnt/usb/tiles --json"]
)
@click.argument("folder", metavar="DIR", type=FolderToWrite())
@json_option
@click.pass_obj
def ledger_tiles(opened: Open, folder: Path, as_json: bool) -> None:
    """Write all entries as static files.

    DIR becomes a C2SP tlog-tiles tree, to be put on a web server or a disk: anyone who has it can verify the whole
    history with `affidavit verify DIR` or with tools of their own. A tree of this ledger that is there is continued.
    """
    from audit.tiles_tree import write_tiles_tree

    here = opened().ledger
    with bar("writing tiles") as progress:
        head = write_tiles_tree(here, folder, progress)
    if as_json:
        print_json({"folder": str(folder), "size": head.size, "root": head.root.hex(), "origin": here.origin})
    else:
        say(f"{folder} holds all {head.size} entries of {here.origin}.\nroot {head.root.hex()}")


def brought_from(kept: Path | None, log_key: Path | None, pinned: Path | None = None) -> "Brought":
    """Read what the reader brought: a checkpoint, the log's verifier key, of several in a file the newest, and pins."""
    from audit.anchor_settings import AnchorSettings
    from audit.evidence import Brought

    return Brought(
        _checkpoint_in(kept) if kept else None,
        _key_in(log_key) if log_key else None,
        AnchorSettings.read_file(pinned) if pinned else AnchorSettings(),
        time.time(),
    )


def _checkpoint_in(path: Path) -> bytes:
    """Read a checkpoint; whether it is signed, and of this history, is for the verification to find."""
    from audit.checkpoint import Checkpoint
    from audit.note import Note

    data = path.read_bytes()
    try:
        note = Note.parse(data)
        if Checkpoint.parse(note.text).text() != note.text:
            raise MalformedInput("a log's checkpoint has the lines origin, size and root, and no more")
    except MalformedInput as error:
        raise MalformedInput(
            f"{path} is no checkpoint ({error}): give a file that `affidavit checkpoint -o` wrote"
        ) from None
    return data


def evidence_in(files: Sequence[Path]) -> list[tuple[Path, "Kind"]]:
    """Say which of the files are evidence, and of what kind; `MalformedInput` where some are and others are not."""
    from audit.offline import kind_of

    for path in files:
        check_can_be_read_again(path)
    kinds = [(path, kind_of(path)) for path in files]
    evidence = [(path, kind) for path, kind in kinds if kind is not None]
    others = [path for path, kind in kinds if kind is None]
    if evidence and others:
        raise MalformedInput(
            f"{evidence[0][0]} is verified on its own and {others[0]} by the ledger: give them in two commands"
        )
    for folder in filter(Path.is_dir, others):
        if (folder / "manifest.json").is_file():
            raise MalformedInput(
                f"{folder} is a folder into which a bundle was unpacked: give the zip file itself, which is what was "
                "verified"
            )
        raise MalformedInput(
            f"{folder} is a folder and no tiles tree: it has no checkpoint and no folder tile"
        )
    return evidence


def check_can_be_read_again(path: Path) -> None:
    """Refuse a pipe, which may never end, and of which the second reading gives nothing; `MalformedInput`."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise MalformedInput(
            f"{path} is neither a file nor a folder, but a pipe or a device: evidence is read more than once, so write "
            "it to a file first"
        )


def verify_files(
    files: Sequence[tuple[Path, "Kind"]], brought: "Brought", record: Path | None, as_json: bool
) -> int:
    """Verify evidence without its ledger, print the answers, and return the exit status.

    Of several files, one that cannot be read does not keep back what is found of the others.
    """
    answers = [(path, _answer(path, kind, brought, record)) for path, kind in files]
    if len(answers) == 1 and isinstance(answers[0][1], AffidavitError):
        raise answers[0][1]
    if as_json:
        documents = [{**_as_json(answer), "file": str(path)} for path, answer in answers]
        # One document: that of the first that does not hold, with all of them beside it.
        shown = next((d for d in documents if not d["verified"]), documents[0])
        print_json(shown if len(documents) == 1 else {**shown, "files": documents})
    else:
        for number, (path, answer) in enumerate(answers):
            say("\n") if number else None
            _print_evidence(path, answer)
    unread = [answer.exit_status for _, answer in answers if isinstance(answer, AffidavitError)]
    if all(answer for _, answer in answers if not isinstance(answer, AffidavitError)):
        return max(unread, default=0)
    return NotVerified.exit_status


def _answer(path: Path, kind: "Kind", brought: "Brought", record: Path | None) -> "Evidence | AffidavitError":
    from audit.offline import verify_evidence

    said = record.read_bytes() if record else None
    try:
        with bar(f"verifying {path.name}") as progress:
            return verify_evidence(path, kind, brought, record=said, progress=progress)
    except AffidavitError as error:
        return error


def _as_json(answer: "Evidence | AffidavitError") -> "JsonObject":
    if isinstance(answer, AffidavitError):
        return {"verified": False, "steps": [], "error": str(answer)}
    return answer.to_json()


def _print_evidence(path: Path, answer: "Evidence | AffidavitError") -> None:
    if isinstance(answer, AffidavitError):
        say(f"{path}: {mark('failed')}: {answer}")
        return
    word = "" if answer.about_is_signed else " (which version it is, is its maker's word)"
    about = f" about {answer.about}{word}" if answer.about else ""
    held = f"entries {', '.join(map(str, answer.entries))} of" if answer.entries else "a history of"
    say(f"{path}: a {_NAMES[answer.kind]}{about}")
    if answer.origin:
        say(folded(f"{answer.origin}, {held} {answer.report.size}", "  "))
    say()
    print_steps(answer.report)
    say()
    if answer.log_key:
        say(f"Log key: {answer.log_key}")
    if answer.not_shown:
        say("What this does not show:")
        for sentence in answer.not_shown:
            say(folded(f"- {sentence}", "  "))
        say()
    say(_verdict(answer))
    say(f"root {answer.report.root}") if answer.report.root else None


def _verdict(answer: "Evidence") -> str:
    skipped = sum(step.status == "skipped" for step in answer.report.steps)
    not_done = f" ({skipped} of {len(answer.report.steps)} steps skipped, see above)" if skipped else ""
    if answer.report and answer.unanswered:
        return (
            f"{mark('uncertain')}: not verified, as it cannot be held against the checkpoint given{not_done}"
        )
    if not answer:
        failed = ", ".join(f"{s.number} {s.name}" for s in answer.report.steps if s.status == "failed")
        return f"{mark('failed')}: not verified, step {failed}{not_done}"
    if not answer.confirmed:
        return f"{mark('passed')}: consistent in itself, and nothing from outside says whose ledger it is{not_done}"
    return f"{mark('passed')}: verified against what was given{not_done}"


def _key_in(path: Path) -> "VerifierKey":
    from audit.note import VerifierKey

    # A key's name is a ledger's origin, which may be in any script: what is not UTF-8 is the parser's to refuse.
    lines = path.read_text("utf-8", "replace").split()
    try:
        return VerifierKey.parse(lines[-1] if lines else "")
    except MalformedInput as error:
        raise MalformedInput(
            f"{path} holds no verifier key of a log ({error}): give a file as vkey.txt in a tiles tree is"
        ) from None
