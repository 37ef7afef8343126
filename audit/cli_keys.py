"""Commands about keys: give and take roles, say how many admins must sign; and those that make and rotate keys."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.cli import Open, Opened
from audit.cli_drafts import (
    PEM,
    as_keys_option,
    draft_option,
    dry_run_option,
    key_sign,
    key_submit,
    public_of,
    said,
)
from audit.cli_new_keys import key_create, key_rotate
from audit.errors import MalformedInput
from audit.terminal import Group, json_option, print_json, print_table, say

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.doubt import Doubted, Doubts
    from audit.grants import Grant
    from audit.ledger import Ledger
    from audit.trust import Trust

__all__ = ["key"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Group)
def key() -> None:
    """Signing keys, and the roles they hold."""


key.add_command(key_create)


@key.command("list", examples=["affidavit key list --json"])
@json_option
@click.pass_obj
def key_list(opened: Open, as_json: bool) -> None:
    """List the keys, their roles and holders.

    Also those that were rotated, revoked or have expired; how many admins must sign; and the log's own keys.
    """
    from audit.doubt import Doubts
    from audit.erasure import erasures

    here = opened()
    trust, size, gone = here.ledger.trust(), here.ledger.head().size, erasures(here.ledger)
    kept = {here.keys.public(name).keyid for name in here.keys.names()}
    doubts = Doubts.of(trust.grants)
    rows = [
        _row(here, grant, size, gone, doubts) | {"here": grant.keyid in kept}
        for grant in trust.grants.values()
    ]
    logs = [{"since": seq, "verifier_key": str(log)} for seq, log in trust.logs.named]
    if as_json:
        print_json({"keys": rows, "threshold": {"admin": trust.needed}, "log": logs})
        return
    shown = [
        (
            row["name"] if row["rotated"] is None else f"{row['name']} (old)",
            row["standing"],
            row["holder"] or _holder_gone(row["holder_erased_by"]),
            row["since"],
            "" if row["expires"] is None else row["expires"],
            str(row["keyid"])[:16] + "…",
            "yes" if row["here"] else "no",
        )
        for row in rows
    ]
    heads = ("Key", "Roles", "Holder", "Since entry", "Expires at", "Key id", "Private part here")
    print_table(heads, shown)
    say()
    say(f"What an admin says is signed by {_keys(trust.needed)}.")
    for log in logs:
        say(f"The log's key since entry {log['since']}: {log['verifier_key']}")


@key.command(
    "grant",
    examples=[
        "affidavit key grant validator --role validator --holder 'Dana Whitfield'",
        "affidavit key grant guest --role auditor --holder 'Kim Seo' --expires 500 --public guest.pem",
    ],
)
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, help="A role; repeat for several.")
@click.option(
    "--holder", help="The person who holds the key. Kept outside the ledger, bound to it by a commitment."
)
@click.option("--expires", type=int, metavar="ENTRY", help="The first entry in which it holds them no more.")
@click.option("--public", type=_FILE, help=PEM)
@as_keys_option
@draft_option
@dry_run_option
@json_option
@click.pass_obj
def key_grant(
    opened: Open,
    name: str,
    roles: tuple[str, ...],
    holder: str | None,
    expires: int | None,
    public: Path | None,
    as_keys: tuple[str, ...],
    draft: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give a key its roles.

    They hold from the next entry on, in place of those it had.
    """
    from audit import key_events
    from audit.holders import SALT_BYTES

    here = opened()
    granted = public_of(public) or here.keys.public(name)
    holder = holder or here.ledger.holder(granted.keyid)
    if holder is None:
        raise MalformedInput("say who holds the key: --holder 'NAME OF THE PERSON'")
    salt = os.urandom(SALT_BYTES)
    event = key_events.grant(name, granted, roles, holder, salt, expires)
    until = f" up to entry {expires - 1}" if expires is not None else ""
    sentence = f"the key {name} holds {', '.join(roles)} from now on{until}"
    before = here.ledger.trust().grants.get(granted.keyid)
    lost = [] if before is None else sorted(set(before.roles) - set(roles))
    already = before is not None and (set(before.roles), before.expires) == (set(roles), expires)
    sentence += f", and no more {', '.join(lost)}" if lost else ", as it did already" if already else ""
    facts = {"name": name, "keyid": granted.keyid, "roles": list(roles), "expires": expires}
    facts |= {"no_longer": lost, "already": already}
    said(here, event, as_keys, draft, dry_run, as_json, facts, sentence)


@key.command(
    "revoke", examples=["affidavit key revoke validator --reason 'laptop stolen' --suspect-since 41"]
)
@click.argument("name")
@click.option("--reason", required=True, help="Why.")
@click.option("--suspect-since", type=int, help="The first entry that someone else may have signed with it.")
@as_keys_option
@draft_option
@dry_run_option
@json_option
@click.pass_obj
def key_revoke(
    opened: Open,
    name: str,
    reason: str,
    suspect_since: int | None,
    as_keys: tuple[str, ...],
    draft: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take a key's roles away.

    From the next entry on it may say nothing; what it said before stays, but for what is suspect: that no approval
    counts, and no run can be promoted. NAME may be the start of a key id, for a key that was rotated.
    """
    from audit import key_events
    from audit.doubt import granted_words

    here = opened()
    grant = here.ledger.trust().named(name)
    event = key_events.revoke(grant.keyid, reason, suspect_since)
    after = here.ledger.trust().after(here.ledger.head().size, event.statement)
    # What was in doubt before is not this revocation's to say; what it puts in doubt follows from grant to grant.
    groups = [] if suspect_since is None else _doubted(here.ledger, after)
    own = {seq for g in groups if g.keyid == grant.keyid and g.grant is None for seq in g.entries}
    doubted = sorted(seq for seq in own if suspect_since is not None and seq >= suspect_since)
    facts = {
        "name": grant.name,
        "keyid": grant.keyid,
        "suspect_since": suspect_since,
        "in_doubt": doubted,
        "doubted": [group.to_json() for group in groups],
    }
    named = grant.name if name == grant.name else f"{grant.name} ({grant.keyid[:16]}…)"
    sentence = f"the key {named} may say nothing from now on"
    if suspect_since is not None:
        entries = ", ".join(map(str, doubted))
        sentence += f"; what it signed from entry {suspect_since} on is in doubt: {entries or 'nothing'}"
        if grant.replaces is not None and suspect_since <= grant.since:
            before = f"{grant.replaces[:16]}…"
            sentence += (
                f"; what the key before it signed, {before}, is not: where that is meant, revoke that too"
            )
        sentence += "".join(f"; {words}" for words in granted_words(groups, after.grants))
        sentence += _nobody_left(after)
    said(here, event, as_keys, draft, dry_run, as_json, facts, sentence)


def _doubted(ledger: "Ledger", trust: "Trust") -> "list[Doubted]":
    """List the entries of a ledger that are in doubt by what is trusted then."""
    from audit import tables
    from audit.doubt import Doubts
    from audit.verify_anchors import signed_in_doubt

    doubts = Doubts.of(trust.grants)
    with tables.failures(), ledger.engine.connect() as connection:
        return doubts.doubted(signed_in_doubt(connection, doubts))


def _nobody_left(trust: "Trust") -> str:
    """Say where every administrator is in doubt: nobody is left who could end it."""
    from audit.doubt import Doubts

    doubts = Doubts.of(trust.grants)
    admins = [grant for grant in trust.grants.values() if "admin" in grant.roles]
    if any(doubts.holds_undoubted(admin.keyid) for admin in admins):
        return ""
    return (
        "; and no administrator is left whose own grant is in no doubt: nothing that is said in this ledger from now "
        "on ends that"
    )


key.add_command(key_rotate)


@key.command(
    "threshold",
    examples=["affidavit key threshold", "affidavit key threshold 2 --as admin --as second"],
)
@click.argument("needed", type=int, required=False)
@as_keys_option
@draft_option
@dry_run_option
@json_option
@click.pass_obj
def key_threshold(
    opened: Open,
    needed: int | None,
    as_keys: tuple[str, ...],
    draft: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Say how many admins must sign.

    From the next entry on, what is said in the role admin needs signatures by NEEDED different keys. Without a number,
    tell how many it is.
    """
    from audit import key_events

    here = opened()
    if needed is None:
        now = here.ledger.trust().needed
        print_json({"needed": now}) if as_json else say(f"{_keys(now)} must sign what an admin says.")
        return
    event = key_events.threshold(here.ledger.origin, needed)
    sentence = f"{_keys(needed)} must sign what an admin says from now on"
    said(here, event, as_keys, draft, dry_run, as_json, {"needed": needed}, sentence)


def _keys(number: int) -> str:
    return "1 key" if number == 1 else f"{number} different keys"


def _holder_gone(entry: object) -> str:
    return "not known" if entry is None else f"erased by entry {entry}"


def _row(
    here: Opened, grant: "Grant", size: int, gone: dict[tuple[str, str], int], doubts: "Doubts"
) -> dict[str, object]:
    holder = here.ledger.holder(grant.keyid)
    standing = grant.standing(size)
    for suspicion in grant.suspicions:
        standing += f", suspect in entries {suspicion.since} to {suspicion.until}"
    granted = [doubt for doubt in doubts.by_key.get(grant.keyid, ()) if doubt.grant is not None]
    for doubt in granted:
        up_to = f" up to entry {doubt.until}" if doubt.until is not None else ""
        standing += f", by a grant in doubt (entry {doubt.grant}){up_to}"
    return {
        "name": grant.name,
        "keyid": grant.keyid,
        "roles": list(grant.roles),
        "standing": standing,
        "holder": holder,
        "holder_erased_by": gone.get(("holder", grant.keyid)) if holder is None else None,
        "since": grant.since,
        "expires": grant.expires,
        "revoked": grant.revoked,
        "rotated": grant.rotated,
        "replaces": grant.replaces,
        "suspect_since": grant.suspect_since,
        "suspect": [{"since": suspicion.since, "until": suspicion.until} for suspicion in grant.suspicions],
        "granted_in_doubt": [{"since": d.since, "until": d.until, "grant": d.grant} for d in granted],
    }


key.add_command(key_sign)
key.add_command(key_submit)
