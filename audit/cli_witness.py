"""Commands for a witness: a second department that cosigns a ledger's heads and remembers them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from audit.errors import MalformedInput
from audit.terminal import (
    FolderToWrite,
    Group,
    NewPassphrase,
    json_option,
    passphrase,
    print_json,
    print_table,
    say,
    warn,
)

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.keystore import KeyStore

__all__ = ["witness"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_state_option = click.option(
    "--state",
    type=FolderToWrite(),
    required=True,
    help="The witness's folder: its keys, and what it remembers.",
)


@click.group(cls=Group)
def witness() -> None:
    """Be a witness of other people's ledgers.

    A witness cosigns the head of a ledger if that contains every head that it cosigned before (C2SP tlog-witness). Who
    keeps a ledger cannot be its witness too: run one in another department, on another machine.
    """


@witness.group("key", cls=Group)
def witness_key() -> None:
    """Make the witness's own key."""


@witness_key.command(
    "create", examples=["affidavit witness key create compliance.bank.example --state /srv/witness"]
)
@click.argument("name")
@_state_option
@json_option
def witness_key_create(name: str, state: Path, as_json: bool) -> None:
    """Make the witness's key, and print its verifier key.

    NAME stands in every cosignature. The verifier key goes to those who keep the ledgers (`affidavit anchor add
    witness`) and to their auditors.
    """
    from audit.cosignature import WitnessKey
    from audit.keystore import passphrase_from_environment

    asked = NewPassphrase(passphrase_from_environment)
    made = _keys(state).create(name, asked(name))
    asked.warn_of_none()
    key = WitnessKey(name, made.public.raw)
    if as_json:
        print_json({"name": name, "verifier_key": str(key), "file": str(state / "keys" / f"{name}.pem")})
    else:
        say(str(key))


@witness.command(
    "serve",
    examples=[
        "affidavit witness serve --key compliance.bank.example --state /srv/witness --log credit.vkey",
        "affidavit witness serve --key w1 --state w1 --listen 0.0.0.0:8123 --log credit.vkey --log fraud.vkey",
    ],
)
@click.option(
    "--listen", default="127.0.0.1:8123", show_default=True, metavar="HOST:PORT", help="Where to listen."
)
@click.option("--key", "name", required=True, help="The witness's key, by name.")
@_state_option
@click.option(
    "--log", "logs", type=_FILE, multiple=True, required=True,
    help="Verifier keys of a ledger, one to a line; repeat for several ledgers.",
)  # fmt: skip
def witness_serve(listen: str, name: str, state: Path, logs: tuple[Path, ...]) -> None:
    """Serve cosignatures until SIGTERM.

    One line on standard error for every request. Put a proxy with TLS before it where it is reached from outside. What
    it remembers is in the state folder, and the copy of it that is restored must be the newest: a witness that forgets
    can be made to sign two histories.
    """
    import time

    from audit.keystore import passphrase_from_environment
    from audit.witness_server import WitnessServer, parse_listen
    from audit.witness_service import Witness, read_logs

    address = parse_listen(listen)
    known = read_logs([path.read_text("utf-8", "replace") for path in logs])
    if not known:
        raise MalformedInput("no verifier key is in the files that were given with --log")
    signer = _keys(state).open(name, passphrase(passphrase_from_environment))
    serving = Witness(name, signer, known, state, time.time)
    try:
        server = WitnessServer(address, serving, warn)
    except BaseException:
        serving.close()
        raise
    warn(f"The witness {serving.key} answers at {server.url} for {', '.join(known)}.")
    server.run()
    warn("The witness has ended.")


@witness.command(
    "list", examples=["affidavit witness list --key compliance.bank.example --state /srv/witness"]
)
@click.option("--key", "name", required=True, help="The witness's key, by name.")
@_state_option
@json_option
def witness_list(name: str, state: Path, as_json: bool) -> None:
    """List what the witness remembers: of each ledger the last head that it cosigned."""
    from audit.cosignature import WitnessKey
    from audit.statement import written_time
    from audit.witness_service import remembered

    key = WitnessKey(name, _keys(state).public(name).raw)
    rows = [
        {
            "origin": seen.checkpoint.origin,
            "size": seen.checkpoint.size,
            "root": seen.checkpoint.root.hex(),
            "time": written_time(seen.time),
        }
        for seen in remembered(state, key)
    ]
    if as_json:
        print_json({"witness": str(key), "logs": rows})
    else:
        print_table(
            ("Ledger", "Entries", "Root", "Cosigned"),
            [(row["origin"], row["size"], f"{row['root']!s:.16}…", row["time"]) for row in rows],
        )


def _keys(state: Path) -> "KeyStore":
    from audit.keystore import KeyStore

    return KeyStore(state / "keys")
