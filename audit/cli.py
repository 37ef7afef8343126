"""Commands about the ledger itself: verify, checkpoint, keys, rebuild."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import click

from audit.errors import MalformedInput, NotVerified
from audit.terminal import (
    Command,
    Group,
    NewPassphrase,
    bar,
    folded,
    json_option,
    mark,
    print_json,
    print_table,
    say,
)

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.keys import Signer
    from audit.keystore import KeyStore
    from audit.ledger import Ledger
    from audit.report import Report

__all__ = ["Open", "Opened", "checkpoint", "key", "ledger", "verify"]


class Opened(Protocol):
    """An open ledger with the keys of who works on it; `ctx.obj` is a function that opens it."""

    @property
    def ledger(self) -> "Ledger":
        """The ledger."""
        ...

    @property
    def keys(self) -> "KeyStore":
        """The key files at hand."""
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
        "affidavit verify card.pdf",
    ],
)
@click.argument("files", nargs=-1, type=_FILE)
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
@json_option
@click.pass_obj
def verify(
    opened: Open,
    files: tuple[Path, ...],
    kept: Path | None,
    log_key: Path | None,
    pinned: Path | None,
    as_json: bool,
) -> None:
    """Verify the whole ledger.

    Everything is recomputed from the records, in eight numbered steps. With FILE, say besides which entries are about
    exactly these files. Checking a report or a bundle without its ledger is not part of this version.
    """
    from audit.anchor_settings import AnchorSettings
    from audit.note import VerifierKey

    note = kept.read_bytes() if kept else None
    # A key is ASCII: what is not is kept visible, so that the parser can refuse it by what it says.
    key_given = VerifierKey.parse(log_key.read_text("ascii", "replace").strip()) if log_key else None
    believed = AnchorSettings.read_file(pinned) if pinned else None
    opened_ledger = opened().ledger
    with bar("verifying") as progress:
        report = opened_ledger.verify(checkpoint=note, log_key=key_given, pinned=believed, progress=progress)
    about = [(path, _entries_about(opened_ledger, path)) for path in files]
    unknown = [path for path, entries in about if not entries]
    if as_json:
        known = [{"file": str(path), "entries": entries} for path, entries in about]
        print_json(
            report.to_json()
            | ({"files": known} if files else {})
            | {"verified": bool(report) and not unknown}
        )
    else:
        _print_report(report)
        for path, entries in about:
            said = (
                f"is what entry {', '.join(map(str, entries))} is about"
                if entries
                else f"{mark('failed')}: is in no entry of this ledger"
            )
            say(f"{path} {said}")
    raise SystemExit(0 if report and not unknown else NotVerified.exit_status)


@click.command(
    cls=Command,
    examples=["affidavit checkpoint", "affidavit checkpoint -o /mnt/safe/models-2026-11-23.checkpoint"],
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
@click.option("--size", type=int, help="The head at this many entries (default: the newest).")
@json_option
@click.pass_obj
def checkpoint(opened: Open, output: Path | None, size: int | None, as_json: bool) -> None:
    """Print the signed head of the ledger.

    Keep it where the keepers of the ledger cannot reach: `affidavit verify --checkpoint` then shows a tail that was
    cut off, or a history that was signed anew.
    """
    opened_ledger = opened().ledger
    head = opened_ledger.head() if size is None else opened_ledger.head_at(size)
    if output is not None:
        output.write_bytes(head.checkpoint)
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


@click.group(cls=Group)
def key() -> None:
    """Signing keys, and the roles they hold."""


@key.command("create", examples=["affidavit key create validator"])
@click.argument("name")
@click.option(
    "--algorithm",
    type=click.Choice(["ed25519", "ecdsa-p256"]),
    default="ed25519",
    show_default=True,
    help="Kind of key.",
)
@json_option
@click.pass_obj
def key_create(opened: Open, name: str, algorithm: str, as_json: bool) -> None:
    """Make a key; it holds no role yet.

    It may say nothing until `affidavit key grant` gives it one.
    """
    from audit.keys import Algorithm

    here = opened()
    passphrase = NewPassphrase(here.passphrase_of)
    signer = here.keys.create(name, passphrase(name), cast("Algorithm", algorithm))
    passphrase.warn_of_none()
    if as_json:
        print_json(
            {"name": name, "keyid": signer.public.keyid, "file": str(here.keys.folder / f"{name}.pem")}
        )
        return
    say(f"Made the key {name} ({signer.public.keyid[:16]}…) in {here.keys.folder / f'{name}.pem'}.")
    say(f"Give it roles with: affidavit key grant {name} --role ROLE --holder 'NAME OF THE PERSON'")


@key.command("list", examples=["affidavit key list --json"])
@json_option
@click.pass_obj
def key_list(opened: Open, as_json: bool) -> None:
    """List the keys, their roles and holders."""
    from audit.erasure import erasures

    here = opened()
    gone = erasures(here.ledger)
    rows = [
        {
            "name": grant.name,
            "keyid": grant.keyid,
            "roles": list(grant.roles),
            "holder": holder,
            "since": grant.since,
            "revoked": grant.revoked,
            "suspect_since": grant.suspect_since,
            "holder_erased_by": gone.get(("holder", grant.keyid)) if holder is None else None,
            "here": grant.name in here.keys.names(),
        }
        for grant in here.ledger.trust().grants.values()
        for holder in (here.ledger.holder(grant.keyid),)
    ]
    if as_json:
        print_json({"keys": rows})
        return
    shown = [
        (
            row["name"],
            ", ".join(cast(list[str], row["roles"])) or f"revoked by entry {row['revoked']}",
            row["holder"] or _holder_gone(row["holder_erased_by"]),
            row["since"],
            str(row["keyid"])[:16] + "…",
            "yes" if row["here"] else "no",
        )
        for row in rows
    ]
    print_table(("Key", "Roles", "Holder", "Since entry", "Key id", "Private part here"), shown)


@key.command("grant", examples=["affidavit key grant validator --role validator --holder 'Dana Whitfield'"])
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, help="A role; repeat for several.")
@click.option(
    "--holder", help="The person who holds the key. Kept outside the ledger, bound to it by a commitment."
)
@click.option("--public", type=_FILE, help="A PEM public key, where the private part is elsewhere.")
@click.option("--as", "as_key", help="The granting key; it needs the role admin.")
@json_option
@click.pass_obj
def key_grant(
    opened: Open,
    name: str,
    roles: tuple[str, ...],
    holder: str | None,
    public: Path | None,
    as_key: str | None,
    as_json: bool,
) -> None:
    """Give a key its roles.

    They hold from the next entry on, in place of those it had.
    """
    from audit.keys import PublicKey

    here = opened()
    granted = PublicKey.parse_pem(public.read_bytes()) if public else here.keys.public(name)
    holder = holder or here.ledger.holder(granted.keyid)
    if holder is None:
        raise MalformedInput("say who holds the key: --holder 'NAME OF THE PERSON'")
    entry = here.ledger.grant(name, granted, roles, holder, by=here.signer_for("key-grant", as_key))
    if as_json:
        print_json({"name": name, "keyid": granted.keyid, "roles": list(roles), "entry": entry.seq})
    else:
        say(f"Entry {entry.seq}: the key {name} holds {', '.join(roles)} from now on.")


@key.command(
    "revoke", examples=["affidavit key revoke validator --reason 'left the bank' --suspect-since 41"]
)
@click.argument("name")
@click.option("--reason", required=True, help="Why.")
@click.option("--suspect-since", type=int, help="The first entry that someone else may have signed with it.")
@click.option("--as", "as_key", help="The revoking key; it needs the role admin.")
@json_option
@click.pass_obj
def key_revoke(
    opened: Open, name: str, reason: str, suspect_since: int | None, as_key: str | None, as_json: bool
) -> None:
    """Take a key's roles away.

    From the next entry on it may say nothing; what it said before stays.
    """
    here = opened()
    grant = here.ledger.trust().named(name)
    entry = here.ledger.revoke(grant.keyid, reason, suspect_since, by=here.signer_for("key-revoke", as_key))
    if as_json:
        print_json({"name": name, "keyid": grant.keyid, "entry": entry.seq})
    else:
        say(f"Entry {entry.seq}: the key {name} may say nothing from now on.")


@click.group(cls=Group)
def ledger() -> None:
    """Keep the ledger's own tables."""


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


def _entries_about(opened_ledger: "Ledger", path: Path) -> list[int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return [
        entry.seq
        for entry in opened_ledger.entries()
        if digest in {s.sha256 for s in entry.statement.subjects}
    ]


def _holder_gone(entry: object) -> str:
    return "not known" if entry is None else f"erased by entry {entry}"


def _print_report(report: "Report") -> None:
    for step in report.steps:
        head = f"{step.number} {step.name:<11} {mark(step.status)}{' ' * (8 - len(step.status))} "
        say(folded(head + step.detail, " " * 23))
    say()
    skipped = sum(step.status == "skipped" for step in report.steps)
    not_done = f" ({skipped} of {len(report.steps)} steps skipped, see above)" if skipped else ""
    if report:
        say(f"{mark('passed')}: verified, {report.size} entries{not_done}\nroot {report.root}")
    else:
        failed = ", ".join(f"{s.number} {s.name}" for s in report.steps if s.status == "failed")
        say(f"{mark('failed')}: not verified, step {failed}{not_done}")
