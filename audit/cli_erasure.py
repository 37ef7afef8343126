"""Commands about personal data: erase a person, and look at the subjects that statements refer to."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import Open, Opened
from audit.cli_drafts import as_keys_option, draft_option, signers_of, write_new
from audit.errors import EnvironmentFailed, MalformedInput, NotFound, NotVerified
from audit.terminal import Command, Group, folded, json_option, print_json, print_table, say, warn

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.erasure import Erasable
    from audit.keys import Signer
    from audit.ledger import Ledger
    from audit.subjects import KnownSubject

__all__ = ["erase", "subject"]

_MOST_ENTRIES_SHOWN = 8


@click.command(
    cls=Command,
    examples=[
        "affidavit erase 'applicant 4711' --reason 'request of 3 March 2026' --dry-run",
        "affidavit erase 'applicant 4711' --reason 'request of 3 March 2026' --yes",
        "affidavit erase validator --reason 'left the bank'",
        "affidavit erase 'applicant 4711' --reason 'request of 3 March 2026' --draft erasure.draft",
    ],
)
@click.argument("named", metavar="SUBJECT")
@click.option("--reason", default="", help="Why (needed). It stays in the ledger: no name belongs in it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be deleted and what refers to it; delete nothing."
)
@as_keys_option
@draft_option
@json_option
@click.pass_obj
def erase(
    opened: Open,
    named: str,
    reason: str,
    yes: bool,
    dry_run: bool,
    as_keys: tuple[str, ...],
    draft: Path | None,
    as_json: bool,
) -> None:
    """Erase a person from the ledger.

    SUBJECT is a key's name or id (its holder is erased), a subject's name or number, or a person's name. The row and
    its random key are deleted, an entry says so, and the database's files are scrubbed. Every entry stays as it was
    and is verified as before; to whom it refers can no longer be told. This cannot be undone.
    """
    from audit.erasure import check_reason, erasable, erased_before
    from audit.erasure import erase as erase_rows

    here = opened()
    found = erasable(here.ledger, named)
    if not found:
        _erased_before(here.ledger, erased_before(here.ledger, named), as_json, dry_run)
        return
    if dry_run:
        _print_plan(found, as_json)
        return
    check_reason(reason, found)
    signers = signers_of(here, "erasure", as_keys, draft)
    if draft is not None:
        _write_drafts(here, found, reason, signers, draft, as_json)
        return
    if not yes:
        _ask(found)
    done = erase_rows(here.ledger, found, reason, by=signers)
    entries = [entry.seq for entry in done.entries]
    if as_json:
        erased = [{"erased": one.erased, "id": one.id} for one in found]
        print_json({"erased": erased, "entries": entries, "already": None, **done.scrubbed.to_json()})
    else:
        for one, seq in zip(found, entries, strict=True):
            say(f"Entry {seq}: the {_what(one)} is erased.")
        _print_scrubbed(done.scrubbed.done)
    _end_where_not_clean(done.scrubbed.problem, entries)


@click.group(cls=Group)
def subject() -> None:
    """People and values that statements refer to."""


@subject.command("list", examples=["affidavit subject list", "affidavit subject list --json"])
@json_option
@click.pass_obj
def subject_list(opened: Open, as_json: bool) -> None:
    """List the subjects that entries refer to, and those erased."""
    from audit.erasure import erasures
    from audit.subjects import known_subjects

    ledger = opened().ledger
    names = {known.number: known.name for known in known_subjects(ledger.engine)}
    gone = {ident: seq for (what, ident), seq in erasures(ledger).items() if what == "subject"}
    entries: dict[str, list[int]] = {}
    for entry in ledger.entries():
        for number, _ in entry.statement.refers_to:
            entries.setdefault(number, []).append(entry.seq)
    rows = [
        {"subject": number, "name": names.get(number), "entries": seqs, "erased_by": gone.get(number)}
        for number, seqs in entries.items()
    ]
    if as_json:
        print_json({"subjects": rows})
    elif not rows:
        say("No entry refers to a subject.")
    else:
        shown = [
            (names.get(n) or f"erased by entry {gone.get(n, '?')}", n, _shortened(seqs))
            for n, seqs in entries.items()
        ]
        print_table(("Subject", "Number", "Entries that refer to it"), shown)


@subject.command(
    "check",
    examples=[
        "affidavit subject check 'applicant 4711' 1980-02-03",
        "affidavit subject check 'applicant 4711' -",
    ],
)
@click.argument("named", metavar="SUBJECT")
@click.argument("value")
@json_option
@click.pass_obj
def subject_check(opened: Open, named: str, value: str, as_json: bool) -> None:
    """Say which entries refer to this very value.

    SUBJECT is a subject's name or number; VALUE is the value as text, or - to read it from standard input, which keeps
    it out of the shell's history. The exit status is 0 when an entry refers to the value, and 1 when none does.
    """
    from audit.subjects import hmacs_of

    ledger = opened().ledger
    text = sys.stdin.read().removesuffix("\n") if value == "-" else value
    known = _known(ledger, named)
    references = {one.number: one.reference(text)["hmac"] for one in known}
    equal: list[int] = []
    other: list[int] = []
    for entry in ledger.entries():
        for number in {number for number, _ in entry.statement.refers_to} & references.keys():
            said = list(hmacs_of(dict(entry.statement.predicate), number))
            (equal if references[number] in said else other).append(entry.seq)
    if as_json:
        print_json({"subject": named, "equal": bool(equal), "entries": equal, "other_entries": other})
    elif equal:
        say(f"This value of {named!r} is what {_shortened(equal)} refer{'s' * (len(equal) == 1)} to.")
    else:
        others = (
            f"; {_shortened(other)} refer{'s' * (len(other) == 1)} to other values of it" if other else ""
        )
        say(f"No entry refers to this value of {named!r}{others}.")
    raise SystemExit(0 if equal else NotVerified.exit_status)


def _known(ledger: "Ledger", named: str) -> list["KnownSubject"]:
    from audit.erasure import erased_before
    from audit.subjects import known_subjects

    known = [one for one in known_subjects(ledger.engine) if named in (one.number, one.name)]
    seq = None if known else erased_before(ledger, named)
    if seq is not None:
        raise NotFound(
            f"the subject {named} was erased by entry {seq}: what was said of it can no longer be told"
        )
    if not known:
        raise NotFound(f"no subject is known here under {named!r}: `affidavit subject list` shows them")
    return known


def _erased_before(ledger: "Ledger", seq: int | None, as_json: bool, dry_run: bool) -> None:
    """Say that it was erased already; and scrub again, since the first time may have been interrupted."""
    from audit.scrub import Scrubbed, scrub

    scrubbed = Scrubbed("nothing was done") if dry_run else scrub(ledger.engine, [])
    if as_json:
        print_json({"erased": [], "entries": [], "already": seq, **scrubbed.to_json()})
    else:
        say(f"Erased already, by entry {seq}: there is nothing left to delete.")
        _print_scrubbed(scrubbed.done)
    _end_where_not_clean(scrubbed.problem, [] if seq is None else [seq])


def _write_drafts(
    here: Opened,
    found: Sequence["Erasable"],
    reason: str,
    signers: Sequence["Signer"],
    draft: Path,
    as_json: bool,
) -> None:
    """Write a draft for each row, since a draft says one thing: FILE, then FILE.2 and so on. Nothing is deleted."""
    from audit.bindings import Erasure
    from audit.drafts import begin

    begun = [
        begin(here.ledger, Erasure(one.erased, one.id, reason.strip()).statement(), None, signers)
        for one in found
    ]
    files = [draft, *(draft.with_name(f"{draft.name}.{n}") for n in range(2, len(begun) + 1))]
    for file, one in zip(files, begun, strict=True):
        write_new(file, one.to_bytes())
    missing = begun[0].missing(here.ledger.trust())
    if as_json:
        print_json({"drafts": [str(file) for file in files], "missing": missing})
        return
    for file, row in zip(files, found, strict=True):
        do = "affidavit key sign FILE --as KEY" if missing else f"affidavit key submit {file}"
        say(f"Wrote {file}; {missing} more must sign it ({do}). It erases the {_what(row)}.")
    say("Nothing was deleted yet.")


def _print_plan(found: Sequence["Erasable"], as_json: bool) -> None:
    from audit.scrub import OUT_OF_REACH

    if as_json:
        print_json({"would_erase": [one.to_json() for one in found], "out_of_reach": OUT_OF_REACH})
        return
    _print_what(found, sys.stdout)
    say(folded(f"Not reached from here: {OUT_OF_REACH}."))
    say("Nothing was deleted.")


def _print_what(found: Sequence["Erasable"], file: object) -> None:
    tell = say if file is sys.stdout else warn
    for one in found:
        refer = "signed by that key" if one.erased == "holder" else "that refer to it"
        tell(f"{_what(one)}, {one.name!r}: name and random key would be deleted")
        tell(f"  entries {refer}: {_shortened(one.entries)}")


def _ask(found: Sequence["Erasable"]) -> None:
    if not sys.stdin.isatty():
        raise MalformedInput("an erasure cannot be undone, and there is no terminal to ask on: say --yes")
    _print_what(found, sys.stderr)
    click.confirm("Erase this for ever?", abort=True, err=True)


def _what(one: "Erasable") -> str:
    return f"{'holder of the key' if one.erased == 'holder' else 'subject'} {one.id[:16]}…"


def _shortened(entries: Sequence[int]) -> str:
    if not entries:
        return "none"
    shown = ", ".join(map(str, entries[:_MOST_ENTRIES_SHOWN]))
    more = len(entries) - _MOST_ENTRIES_SHOWN
    return f"entr{'y' if len(entries) == 1 else 'ies'} {shown}{f' and {more} more' if more > 0 else ''}"


def _print_scrubbed(done: str) -> None:
    from audit.scrub import OUT_OF_REACH

    if done:
        say(folded(f"Scrubbed: {done}."))
    say(folded(f"Not reached from here: {OUT_OF_REACH}."))


def _end_where_not_clean(problem: str | None, entries: Sequence[int]) -> None:
    if problem is not None:
        raise EnvironmentFailed(
            f"erased by {_shortened(entries)}, but the files are not clean yet: {problem}"
        )
