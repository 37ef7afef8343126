"""What commands share: facts as JSON or for people, progress, help with examples, and errors as one line.

Rules:

- With ``--json`` standard output holds one JSON document and nothing else; progress goes to standard error.
- Colour, progress bars and prompts only on a terminal.
- An `AffidavitError` ends a command with its one sentence and its exit status, never with a traceback.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from audit.errors import AffidavitError, EnvironmentFailed

__all__ = [
    "Command",
    "Group",
    "bar",
    "json_option",
    "mark",
    "new_passphrase",
    "passphrase",
    "print_json",
    "print_table",
    "say",
    "warn",
]

_COLOURS = {
    "passed": "green",
    "promoted": "green",
    "would_promote": "green",
    "identical": "green",
    "succeeded": "green",
    "approve": "green",
    "failed": "red",
    "refused": "red",
    "would_refuse": "red",
    "diverged": "red",
    "reject": "red",
    "uncertain": "yellow",
    "missing": "yellow",
    "skipped": "yellow",
    "impossible": "yellow",
}

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Command(click.Command):
    """A command whose help ends in examples and whose errors are one line."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        """Keep the examples beside what click takes."""
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                for example in self.examples:
                    formatter.write_text(example)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what fails on purpose ends it with one line."""
        with _errors_as_one_line():
            return super().invoke(ctx)


class Group(click.Group):
    """A group of `Command`s, listed in the order in which they were added."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List in the order of declaration, which tells the story."""
        return list(self.commands)


def say(text: str = "") -> None:
    """Print a line for people on standard output."""
    click.echo(text)


def warn(text: str) -> None:
    """Print a line on standard error."""
    click.echo(text, err=True)


def mark(word: str) -> str:
    """Colour a verdict's word; colour is dropped where the output is not a terminal."""
    return click.style(word, fg=_COLOURS.get(word), bold=True)


def print_json(document: object) -> None:
    """Print one JSON document."""
    import json

    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings, aligned; nothing is cut where the output is not a terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 400)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell), style=_COLOURS.get(str(cell), "")) for cell in row))
    with console.capture() as drawn:
        console.print(table)
    # Rows end where their text ends, so that what is piped into a file or a ticket holds no padding.
    click.echo("\n".join(line.rstrip() for line in drawn.get().strip("\n").split("\n")))


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal's standard error; yields what to tell (done, total)."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def passphrase(from_environment: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Give passphrases from the environment, else ask for them on a terminal."""

    def ask(name: str) -> bytes:
        known = from_environment(name)
        if known or not sys.stdin.isatty():
            return known
        text: str = click.prompt(f"Passphrase of the key {name}", hide_input=True, err=True)
        return text.encode()

    return ask


def new_passphrase(from_environment: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Give a new key's passphrase from the environment, else ask twice on a terminal; say when there is none."""

    def ask(name: str) -> bytes:
        known = from_environment(name)
        if not known and sys.stdin.isatty():
            prompt = f"New passphrase of the key {name} (empty for none)"
            text: str = click.prompt(prompt, hide_input=True, confirmation_prompt=True, default="", err=True)
            known = text.encode()
        if not known:
            warn(
                f"Warning: the key {name} is stored without a passphrase (file mode 0600): set AFFIDAVIT_PASSPHRASE"
            )
        return known

    return ask


@contextmanager
def _errors_as_one_line() -> Iterator[None]:
    try:
        yield
    except AffidavitError as error:
        _end(str(error), error.exit_status)
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is wrong, and the interpreter's own flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else str(error)
        where = f" ({error.filename})" if error.filename else ""
        full = " free some space and try again" if error.errno == errno.ENOSPC else " mend that and try again"
        _end(f"{what}{where}: nothing was half-written,{full}", EnvironmentFailed.exit_status)


def _end(sentence: str, status: int) -> None:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {sentence}", err=True)
    raise SystemExit(status)
