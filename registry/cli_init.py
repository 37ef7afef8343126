"""The command that makes a ledger: init."""

import os
from functools import partial
from pathlib import Path

import click

from audit.terminal import Command, NewPassphrase, json_option, print_json, say, warn

# What the command needs is imported inside it: `affidavit --help` loads none of that.
__all__ = ["init"]

_FILE = click.Path(path_type=Path)


@click.command(
    cls=Command,
    examples=[
        "affidavit init --origin bank.example/credit-models",
        "AFFIDAVIT_PASSPHRASE=... affidavit init models --origin bank.example/credit --holder 'Ana Ruiz'",
        "affidavit init --origin bank.example/credit --anchor /mnt/compliance/credit.checkpoint",
        "AFFIDAVIT_LEDGER=postgresql+psycopg://ana@db.bank.example/credit affidavit init --origin bank.example/credit",
    ],
)
@click.argument("folder", default=".", metavar="[DIR]", type=_FILE)
@click.option(
    "--origin", required=True, help="The ledger's name, unique for ever, such as bank.example/credit-models."
)
@click.option("--key", "name", default="owner", show_default=True, help="Name of the first key.")
@click.option("--holder", help="The person who holds it (default: the key's name).")
@click.option(
    "--role",
    "roles",
    multiple=True,
    default=("admin", "recorder"),
    show_default=True,
    help="Its roles; repeat for several.",
)
@click.option(
    "--anchor",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the newest signed head in this file, outside the ledger's folder (default: inside it).",
)
@json_option
@click.pass_context
def init(
    ctx: click.Context,
    folder: Path,
    origin: str,
    name: str,
    holder: str | None,
    roles: tuple[str, ...],
    anchor: Path | None,
    as_json: bool,
) -> None:
    """Make a new ledger with its first key.

    It is the folder DIR/.affidavit, and begins with a genesis entry that names the key and its roles. With the URL of
    an empty PostgreSQL database in --ledger, or in AFFIDAVIT_LEDGER and without DIR, it is made there.
    """
    from audit.postgres_url import is_url
    from registry.founding import Founding, create_home, create_shared_home
    from registry.home import passphrase_from_environment

    passphrase = NewPassphrase(passphrase_from_environment)
    # A folder that is named is meant, whatever the environment says.
    elsewhere = os.environ.get("AFFIDAVIT_LEDGER") if folder == Path() else None
    named = str(ctx.find_root().params.get("ledger") or elsewhere or "")
    make = partial(create_shared_home, named) if is_url(named) else partial(create_home, folder, told=warn)
    home = make(Founding(origin, name, holder or name, roles), passphrase, anchor)
    passphrase.warn_of_none()
    kept = home.folder / str(home.anchors.file)
    if as_json:
        made = {"ledger": home.name, "origin": origin, "key": name, "roles": list(roles)}
        print_json(made | {"anchor": str(kept)})
        return
    say(f"Made the ledger {origin} in {home.name}, with the key {name} ({', '.join(roles)}).")
    if anchor is not None:
        say(f"Its newest head is kept in {kept}.")
    say("Next: affidavit run PIPELINE.py")
