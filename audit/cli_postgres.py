"""Commands for a ledger on PostgreSQL: the sequencer in the foreground, and the database's roles."""

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from audit.errors import EnvironmentFailed
from audit.terminal import Command, say, warn

if TYPE_CHECKING:
    from audit.cli import Opened

__all__ = ["roles", "sequence"]

PAUSE_SECONDS = 1.0

_Open = Callable[[], "Opened"]


@click.command(
    cls=Command,
    examples=[
        "AFFIDAVIT_LEDGER=postgresql+psycopg://sequencer@db.bank.example/credit affidavit ledger sequence"
    ],
)
@click.option("--once", is_flag=True, help="End when the inbox is empty.")
@click.pass_obj
def sequence(opened: _Open, once: bool) -> None:
    """Append what others hand in.

    Runs until it is told to end (Ctrl-C, or SIGTERM), where the log's key is, and appends what those without the key
    put into the inbox of a ledger on PostgreSQL. Several may run: one at a time is elected. A database that goes away
    is waited for.
    """
    ledger = opened().ledger
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda signum, _: told.append(signum))
    say(f"Appending to {ledger.origin} what comes into its inbox.")
    while not told:
        try:
            ledger.sequence(lambda: bool(told), lambda there: told.append(0) if once and not there else None)
        except EnvironmentFailed as error:
            if once:
                raise
            warn(f"Waiting: {error}")
            time.sleep(PAUSE_SECONDS)
    say("Ended; what is in the inbox waits for the next sequencer.")


@click.command(cls=Command, examples=["affidavit ledger roles --schema credit"])
@click.option("--schema", default="public", show_default=True, help="The schema that the ledger lies in.")
@click.pass_obj
def roles(opened: _Open, schema: str) -> None:
    """Print the SQL of the database's roles.

    It makes affidavit_reader, affidavit_writer and affidavit_sequencer with the least rights. Nothing is connected to.
    """
    from audit.roles import roles_sql

    click.echo(roles_sql([follower.metadata for follower in opened().ledger.followers], schema), nl=False)
