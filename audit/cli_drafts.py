"""What is said in the role admin, which several may have to sign: an entry at once, or a draft that is passed on."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import Open, Opened
from audit.durable import new_file, replace_file
from audit.errors import EnvironmentFailed, MalformedInput
from audit.outputs import NEW
from audit.terminal import Command, FileToWrite, folded, json_option, print_json, say, warn

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.canonical import JsonObject
    from audit.drafts import Draft
    from audit.key_events import KeyEvent
    from audit.keys import PublicKey, Signer
    from audit.statement import Statement
    from audit.trust import Trust

__all__ = [
    "PEM",
    "as_keys_option",
    "draft_option",
    "dry_run_option",
    "key_sign",
    "key_submit",
    "public_of",
    "said",
    "signers_of",
    "write_new",
]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PEM = "A PEM public key, where the private part is elsewhere."

as_keys_option = click.option(
    "--as",
    "as_keys",
    multiple=True,
    metavar="KEY",
    help="A key that signs, by name; it needs the role admin. Repeat where several must sign.",
)
draft_option = click.option(
    "--draft",
    type=FileToWrite(NEW),
    help="Write a draft that others sign (`affidavit key sign`), and append nothing yet.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Check and say what would be done; change nothing."
)


@click.command("sign", cls=Command, examples=["affidavit key sign grant.draft --as second"])
@click.argument("file", type=_FILE)
@click.option(
    "--as", "as_key", required=True, metavar="KEY", help="The key that signs; it needs the role admin."
)
@click.option("--yes", is_flag=True, help="Do not ask on a terminal.")
@dry_run_option
@json_option
@click.pass_obj
def key_sign(opened: Open, file: Path, as_key: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Sign a draft.

    Says in words what is signed, asks on a terminal, and adds the signature to the file.
    """
    here = opened()
    draft = _read_draft(file)
    trust = draft.check(here.ledger)
    told, changes = _told(here, draft, trust)
    names = [trust.grants[signature.keyid].name for signature in draft.envelope.signatures]
    # What is signed is shown before anything is signed, also where the facts go to a program.
    (warn if as_json else say)(folded(f"{file} says: {told}"))
    (warn if as_json else say)(f"Signed so far by {', '.join(names)}.")
    if not dry_run:
        if sys.stdin.isatty() and not yes:
            click.confirm(f"Sign this as {as_key}?", abort=True, err=True)
        draft = draft.signed_by(here.signer_for(draft.statement.kind, as_key), here.ledger)
        replace_file(file, draft.to_bytes(), 0o600)
    missing = draft.missing(trust)
    if as_json:
        signed = [signature.keyid for signature in draft.envelope.signatures]
        print_json(
            {
                "file": str(file),
                "says": told,
                **changes,
                "signed": signed,
                "missing": missing,
                "dry_run": dry_run,
            }
        )
    elif not dry_run:
        do = f"affidavit key submit {file}" if not missing else f"{missing} more must sign it"
        say(f"Signed as {as_key}: {do}.")


@click.command("submit", cls=Command, examples=["affidavit key submit grant.draft"])
@click.argument("file", type=_FILE)
@dry_run_option
@json_option
@click.pass_obj
def key_submit(opened: Open, file: Path, dry_run: bool, as_json: bool) -> None:
    """Append a draft that enough have signed."""
    from audit.drafts import submit
    from audit.erasure import named_by, scrub_after

    here = opened()
    draft = _read_draft(file)
    trust = draft.check(here.ledger)
    told, changes = _told(here, draft, trust)
    missing, facts = draft.missing(trust), {"file": str(file), "says": told, **changes}
    if dry_run:
        if as_json:
            print_json({**facts, "missing": missing, "dry_run": True})
        else:
            say(folded(f"{file} says: {told}"))
            say(f"{missing} more must sign it." if missing else "Enough have signed it.")
        return
    gone = [named_by(here.ledger, draft.statement)] if draft.statement.kind == "erasure" else []
    entry = submit(here.ledger, draft, _log_signers(here, draft.statement.kind))
    _settle(here)
    scrubbed = scrub_after(here.ledger, gone) if gone else None
    if as_json:
        print_json({**facts, "entry": entry.seq, **(scrubbed.to_json() if scrubbed else {})})
    else:
        say(folded(f"Entry {entry.seq}: {told}"))
        if scrubbed and scrubbed.done:
            say(folded(f"Scrubbed: {scrubbed.done}."))
        _say_next(draft.statement)
    if scrubbed and scrubbed.problem:
        raise EnvironmentFailed(
            f"erased by entry {entry.seq}, but the files are not clean yet: {scrubbed.problem}"
        )


def _told(here: Opened, draft: "Draft", trust: "Trust") -> "tuple[str, JsonObject]":
    """Say in words what a draft says, and give what it changes of a stage, where it is about one."""
    from audit.drafts import described
    from audit.stage_change import stage_change

    statement = draft.statement
    change = stage_change(here.ledger, statement.predicate) if statement.kind == "stage" else None
    told = described(draft, trust, here.ledger.head().size, change)
    return told, {} if change is None else change.to_json()


def signers_of(here: Opened, kind: str, as_keys: Sequence[str], draft: Path | None) -> "list[Signer]":
    """Open the keys that sign; refuse too few of them, unless others sign a draft."""
    signers = [here.signer_for(kind, name) for name in as_keys] or [here.signer_for(kind)]
    if draft is None:
        here.ledger.trust().check_enough("admin", len(signers))
    return signers


def said(
    here: Opened,
    event: "KeyEvent",
    as_keys: Sequence[str],
    draft: Path | None,
    dry_run: bool,
    as_json: bool,
    facts: Mapping[str, object],
    sentence: str,
) -> None:
    """Sign and append what is said in the role admin, or write it as a draft, or only check it; and print which."""
    from audit.drafts import append, begin, would_stand

    statement = event.statement
    if dry_run:
        would_stand(here.ledger, statement)
        if as_json:
            print_json({**facts, "dry_run": True})
        else:
            say(f"Would be said: {sentence}.")
        return
    begun = begin(here.ledger, statement, event.holder, signers_of(here, statement.kind, as_keys, draft))
    if draft is not None:
        write_new(draft, begun.to_bytes())
        missing = begun.missing(here.ledger.trust())
        if as_json:
            print_json({**facts, "draft": str(draft), "missing": missing})
        else:
            do = "affidavit key sign FILE --as KEY" if missing else f"affidavit key submit {draft}"
            say(f"Wrote {draft}; {missing} more must sign it ({do}). It says: {sentence}.")
        return
    entry = append(here.ledger, begun, _log_signers(here, statement.kind))
    _settle(here)
    if as_json:
        print_json({**facts, "entry": entry.seq})
    else:
        say(f"Entry {entry.seq}: {sentence}.")
        _say_next(statement)


def _say_next(statement: "Statement") -> None:
    """Say what is left to do once the log's key has changed: others know the old one."""
    if statement.kind == "log-rotate":
        say(
            "Give its verifier key to this ledger's auditors and to the operators of its witnesses, who cosign no head"
        )
        say("by a key that they do not know:")
        say(statement.text("log"))


def public_of(file: Path | None) -> "PublicKey | None":
    """Read the PEM public key that was given with --public, if one was."""
    from audit.keys import PublicKey

    if file is None:
        return None
    try:
        return PublicKey.parse_pem(file.read_bytes())
    except MalformedInput as error:
        raise MalformedInput(f"{file}: {error}") from None


def _log_signers(here: Opened, kind: str) -> "list[Signer]":
    """Open the log's next key where a statement names it: both sign the head that ends with that entry."""
    from audit.keystore import LOG_KEY
    from audit.rotation import next_name

    if kind != "log-rotate":
        return []
    return [here.log_keys.open(next_name(LOG_KEY), lambda _: here.passphrase_of(LOG_KEY))]


def _settle(here: Opened) -> None:
    from audit.rotation import settle

    trust = here.ledger.trust()
    for store in (here.keys, here.log_keys):
        settle(store, trust)


def _read_draft(file: Path) -> "Draft":
    from audit.drafts import MOST_BYTES, Draft

    if not file.is_file():
        raise MalformedInput(
            f"{file} is no file, but a pipe or a device: a draft is signed and kept in a file"
        )
    with file.open("rb") as opened:
        data = opened.read(MOST_BYTES + 1)
    try:
        return Draft.parse(data)
    except MalformedInput as error:
        raise MalformedInput(f"{file}: {error}") from None


def write_new(file: Path, data: bytes) -> None:
    """Write a draft where there is none: it names a person, so others may not read it."""
    try:
        new_file(file, data, 0o600)
    except FileExistsError:
        raise MalformedInput(f"{file} exists: a draft is never overwritten, choose another name") from None
