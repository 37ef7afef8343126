"""Commands about anchors: naming them, obtaining them, keeping copies, and setting the anchor file anew."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli_anchor_add import Open, Opened, anchor_add, dry_run_option, refusal, settings_of
from audit.durable import make_folder, new_file
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput
from audit.terminal import FolderToWrite, Group, json_option, mark, print_json, print_table, say

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.anchor_settings import AnchorSettings, Authority
    from audit.anchors import StoredAnchor
    from audit.ledger import Ledger

__all__ = ["anchor"]


@click.group(cls=Group)
def anchor() -> None:
    """Have the ledger's head vouched for elsewhere.

    What nobody outside has seen can be changed by whoever holds the keys, and cut off by whoever holds the disk. A
    witness, a time stamp authority or a file on another machine bounds that: docs/anchors.md says what each is worth.
    """


@anchor.command("list", examples=["affidavit anchor list"])
@json_option
@click.pass_obj
def anchor_list(opened: Open, as_json: bool) -> None:
    """List the anchors: whom they are by, and the newest of each.

    Nothing is checked here; `affidavit verify` checks them all.
    """
    here = opened()
    rows = [*_file(here), *_others(settings_of(here), _stored(here.ledger))]
    if as_json:
        print_json({"size": here.ledger.head().size, "anchors": rows})
        return
    if not rows:
        say("No anchors: `affidavit anchor add --help` says how to get one.")
        return
    shown = [
        (row["kind"], row["name"], row["obtained"], row["newest_size"] or "none", row["note"]) for row in rows
    ]
    print_table(("Kind", "Name", "Obtained", "Newest, over entries", ""), shown)


anchor.add_command(anchor_add)


@anchor.command("remove", examples=["affidavit anchor remove compliance.bank.example"])
@click.argument("name")
@dry_run_option
@json_option
@click.pass_obj
def anchor_remove(opened: Open, name: str, dry_run: bool, as_json: bool) -> None:
    """Ask a witness or an authority no more, or keep the head in a file no more.

    What was obtained stays in the ledger; it is not checked any more where the key is not pinned elsewhere.
    """
    here = opened()
    settings = settings_of(here).without(name)
    if not dry_run:
        settings.write(here.home.folder)
    if as_json:
        print_json({"removed": name, "dry_run": dry_run})
    else:
        say(f"{'Would remove' if dry_run else 'Removed'} the anchor {name}.")


@anchor.command("now", examples=["affidavit anchor now", "affidavit anchor now --dry-run"])
@dry_run_option
@json_option
@click.pass_obj
def anchor_now(opened: Open, dry_run: bool, as_json: bool) -> None:
    """Have the newest head cosigned and stamped.

    Every witness and authority is asked; one that fails does not stop the others, and the exit status is then 3. Run it
    as often as you can afford to lose certainty about what lies between, such as from cron every hour.
    """
    from audit.anchoring import obtain_anchors

    here = opened()
    settings, head = settings_of(here), here.ledger.head()
    names = [*(w.key.name for w in settings.witnesses), *dict.fromkeys(a.url for a in settings.timestamps)]
    if not names:
        raise MalformedInput(
            "no witness and no time stamp authority is known: `affidavit anchor add` adds one"
        )
    if dry_run:
        if as_json:
            print_json({"size": head.size, "would_ask": names})
        else:
            say(f"Would have the head of {head.size} entries anchored by {', '.join(names)}.")
        return
    obtained = obtain_anchors(here.ledger.engine, head.checkpoint, head.size, settings, time.time)
    failed = [one for one in obtained if one.problem is not None]
    if as_json:
        print_json({"size": head.size, "anchors": [one.to_json() for one in obtained], "failed": len(failed)})
    else:
        for one in obtained:
            what = f"{one.kind} by {one.source} over {one.size} entries"
            say(f"{mark('failed')}: {what}: {one.problem}" if one.problem else f"{mark('succeeded')}: {what}")
    raise SystemExit(EnvironmentFailed.exit_status if failed else 0)


@anchor.command("save", examples=["affidavit anchor save anchors-2026-11"])
@click.argument("folder", type=FolderToWrite())
@json_option
@click.pass_obj
def anchor_save(opened: Open, folder: Path, as_json: bool) -> None:
    """Write what was obtained into a folder, for other people's tools and for keeping elsewhere.

    N.txt is the text that was signed, N.note the checkpoint with the cosignature, N.tsr the timestamp, N.pem the
    certificate of its authority and N-issuers.pem those above it. A file that is there is not overwritten.
    """
    here = opened()
    authorities = {a.url: a for a in settings_of(here).timestamps}
    written = []
    for row in _stored(here.ledger):
        for name, data in _saved(here.ledger, row, authorities).items():
            path = folder / name
            make_folder(path.parent)
            with suppress(FileExistsError):
                new_file(path, data, 0o666)
                written.append(str(path))
    if as_json:
        print_json({"files": written})
    else:
        say(f"Wrote {len(written)} files into {folder}.")


@anchor.command("reset", examples=["affidavit anchor reset --reason 'the newest day was lost with the disk'"])
@click.option("--reason", required=True, help="Why the head in the anchor file is given up.")
@dry_run_option
@json_option
@click.pass_obj
def anchor_reset(opened: Open, reason: str, dry_run: bool, as_json: bool) -> None:
    """Set the anchor file anew, where the ledger it is of is lost.

    Only where an append is refused because of it, and when the newer copy of the ledger is lost for good. The head that
    is given up is kept beside the file and in anchors.json, with the reason, and `affidavit verify` says it. Witnesses
    do not forget: one that cosigned the lost entries will not cosign this ledger again.

    Where anchors.json itself does not read, it is begun anew and the old one kept beside it: the head is then kept in
    the ledger's own folder, and every other anchor has to be added again.
    """
    from audit.anchor_settings import AnchorSettings, Reset
    from audit.statement import written_time

    if not reason.strip():
        raise MalformedInput("say why the head in the anchor file is given up (--reason)")
    here = opened()
    settings = AnchorSettings.read_if_possible(here.home.folder)
    if settings.unread:
        _begin_list(here, settings.unread, reason.strip(), dry_run, as_json)
        return
    file, head = settings.anchor_file(here.home.folder), here.ledger.head()
    if file is None:
        raise MalformedInput("the ledger keeps its head in no file: there is nothing to set anew")
    problem = refusal(here.ledger, settings, here.home.folder)
    if problem is None:
        raise MalformedInput(f"the ledger goes on from the head in {file.path}: there is nothing to set anew")
    given_up = file.path.read_bytes().decode("utf-8", "replace") if file.path.exists() else ""
    aside = None
    if not dry_run:
        reset = Reset(written_time(time.time()), reason.strip(), given_up or "(the file was gone)")
        replace(settings, resets=(*settings.resets, reset)).write(here.home.folder)
        aside = file.reset(head.checkpoint)
    if as_json:
        kept = None if aside is None else str(aside)
        print_json(
            {"file": str(file.path), "size": head.size, "was": problem, "kept": kept, "dry_run": dry_run}
        )
        return
    say(f"It was refused because {problem}")
    say(f"{'Would write' if dry_run else 'Wrote'} the head of {head.size} entries to {file.path}.")
    if aside is not None:
        say(f"The head that was given up is kept in {aside}.")


def _begin_list(here: Opened, unread: str, reason: str, dry_run: bool, as_json: bool) -> None:
    from audit.anchor_file import ANCHOR_FILE, AnchorFile
    from audit.anchor_settings import SETTINGS, AnchorSettings, Reset
    from audit.statement import written_time

    folder, head, kept = here.home.folder, here.ledger.head(), None
    file = AnchorFile(folder / ANCHOR_FILE)
    if not dry_run:
        reset = Reset(written_time(time.time()), reason, "(the list of anchors did not read)")
        # The file first: a list must not name one that is not there. One that is there still guards the ledger.
        if not file.path.exists():
            file.create(head.checkpoint)
        begun = AnchorSettings(file=ANCHOR_FILE, resets=(reset,))
        kept = AnchorFile(folder / SETTINGS).reset(begun.to_bytes())
    if as_json:
        facts = {"file": str(file.path), "size": head.size, "was": unread, "dry_run": dry_run}
        print_json(facts | {"kept": None if kept is None else str(kept)})
        return
    say(f"Nothing was appended because {unread}.")
    say(f"{'Would begin' if dry_run else 'Began'} it anew, with the anchor file {file.path} alone.")
    if kept is not None:
        say(f"The list that does not read is kept in {kept}.")
        say("Next: affidavit anchor add --help, for every other anchor that the ledger had")


def _stored(ledger: "Ledger") -> "list[StoredAnchor]":
    from audit.anchoring import stored_anchors

    return stored_anchors(ledger.engine)


def _file(here: Opened) -> list[dict[str, object]]:
    from audit.checkpoint import Checkpoint
    from audit.note import Note

    file = settings_of(here).anchor_file(here.home.folder)
    if file is None:
        return []
    note = "" if file.outside else "in the ledger's own folder: no anchor outside"
    try:
        size: int | None = Checkpoint.parse(Note.parse(file.read()).text).size
    except AffidavitError as error:
        size, note = None, str(error)
    return [{"kind": "file", "name": str(file.path), "obtained": 1, "newest_size": size, "note": note}]


def _others(settings: "AnchorSettings", stored: "Sequence[StoredAnchor]") -> list[dict[str, object]]:
    named = [
        *(("cosignature", witness.key.name) for witness in settings.witnesses),
        *(("timestamp", url) for url in dict.fromkeys(a.url for a in settings.timestamps)),
    ]
    rows: list[dict[str, object]] = []
    for kind, name in dict.fromkeys([*named, *((str(row.kind), str(row.source)) for row in stored)]):
        sizes = [row.size for row in stored if (row.kind, row.source) == (kind, name)]
        note = "" if (kind, name) in named else "not asked any more"
        obtained = {"obtained": len(sizes), "newest_size": max(sizes, default=None)}
        rows.append({"kind": kind, "name": name, **obtained, "note": note})
    return rows


def _saved(ledger: "Ledger", row: "StoredAnchor", authorities: "dict[str, Authority]") -> dict[str, bytes]:
    from audit.note import Note

    note = ledger.head_at(row.size).checkpoint
    files = {f"{row.number}.txt": Note.parse(note).text.encode(), f"{row.number}.note": note}
    if row.kind == "cosignature":
        files[f"{row.number}.note"] = note + row.body + b"\n"
    elif row.kind == "timestamp":
        files[f"{row.number}.tsr"] = row.body
        if row.source in authorities:
            files[f"{row.number}.pem"] = authorities[row.source].certificate.encode()
            files[f"{row.number}-issuers.pem"] = "".join(authorities[row.source].issuers).encode()
    return files
