"""What commands share: facts as JSON or for people, progress, help with examples, and errors as one line.

Rules:

- With ``--json`` standard output holds one JSON document and nothing else; progress goes to standard error.
- Colour, progress bars and prompts only on a terminal, and no colour where `NO_COLOR` is set; there, long lines are
  folded to its width, and a table that is wider is a block for each row.
- What fails ends a command with one line on standard error and its exit status, never with a traceback:
  `audit.errors` says which; 2 for a command line that click refuses; 130 for Ctrl-C and 141 where the reader of a
  pipe went away, as shells count them (an answer that nobody could read is not a yes). `AFFIDAVIT_TRACEBACK=1`
  shows where a fault of affidavit's own lies.
- Text from the ledger or from a file reaches the terminal without control characters.
"""

import errno
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput
from audit.outputs import Kind, check_file, check_folder

__all__ = [
    "Command",
    "FileToWrite",
    "FolderToWrite",
    "Group",
    "NewPassphrase",
    "bar",
    "folded",
    "json_option",
    "mark",
    "open_streams",
    "passphrase",
    "print_json",
    "print_table",
    "printable",
    "say",
    "stages",
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

INTERRUPTED, READER_GONE = 130, 141
"""128 and the number of the signal, SIGINT and SIGPIPE, as shells report a program that one of them ended."""

_STYLE = re.compile(r"\x1b\[(?:0|1|3\d)m")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class FileToWrite(click.Path):
    """A file of a kind that a command writes, where it may be written (`audit.outputs`).

    Never standard output: what is written has a name by which it is handed on.
    """

    def __init__(self, kind: Kind) -> None:
        """Take a path that is no folder."""
        super().__init__(dir_okay=False, path_type=Path)
        self.kind = kind

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Refuse ``-``, by which other programs mean standard output."""
        if value == "-":
            self.fail("'-' is no file: name the one to write", param, ctx)
        path = super().convert(value, param, ctx)
        check_file(Path(os.fsdecode(path)), self.kind)
        return path


class FolderToWrite(click.Path):
    """A folder that a command writes files into, which is in no ledger's own."""

    def __init__(self) -> None:
        """Take a path that is no file."""
        super().__init__(file_okay=False, path_type=Path)

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Refuse a ledger's folder."""
        path = super().convert(value, param, ctx)
        check_folder(Path(os.fsdecode(path)))
        return path


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
                    # Never folded: an example is there to be copied.
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what fails on purpose ends it with one line."""
        with _errors_as_one_line():
            return super().invoke(ctx)


class Group(click.Group):
    """A group of `Command`s, listed in the order in which they were added."""

    command_class = Command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; what click refuses is one line as well."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        with _errors_as_one_line():
            status = super().main(args, prog_name, complete_var, False, **extra)
        # click gives the status of --help and --version as a number, and what a command returned as it is.
        raise SystemExit(status if isinstance(status, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List in the order of declaration, which tells the story."""
        return list(self.commands)


def printable(text: str) -> str:
    """Write control characters as escapes, so that no recorded text can draw on the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def folded(text: str, indent: str = "", width: int | None = None) -> str:
    """Fold a line to `width` (else to the terminal's; elsewhere not at all); the lines after the first are indented."""
    if width is None:
        if not sys.stdout.isatty():
            return text
        width = shutil.get_terminal_size().columns
    lines, line = [], ""
    for gap, word in re.findall(r"(\s*)(\S+)", text):
        if line and len(_STYLE.sub("", line + gap + word)) > width:
            lines.append(line)
            line = indent + word
        else:
            line += gap + word
    return "\n".join([*lines, line])


def open_streams() -> None:
    """Open what a caller has closed of the three streams, on nothing.

    Else the next files to be opened would be taken for them: what is printed would go into a database.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115


def say(text: str = "") -> None:
    """Print a line for people on standard output."""
    click.echo("".join(_safe(part) for part in re.split(f"({_STYLE.pattern}|\n)", text)))


def warn(text: str) -> None:
    """Print a line on standard error."""
    click.echo(printable(text), err=True)


def mark(word: str) -> str:
    """Colour a verdict's word; colour is dropped where the output is not a terminal, or is not wanted."""
    return click.style(word, fg=_COLOURS.get(word), bold=True) if _may_be_styled() else word


def print_json(document: object) -> None:
    """Print one JSON document."""
    import json

    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under headings, or, on a terminal too narrow for that, a block for each row; nothing is cut."""
    from audit.terminal_table import drawn

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    plain = not (sys.stdout.isatty() and _may_be_styled())
    click.echo(drawn(headings, cells, width=width, styles=_COLOURS, plain=plain))


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


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """Show on a terminal's standard error what long work is at, where nobody can say how far; yields what to tell."""
    if not sys.stderr.isatty():
        yield lambda doing: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda doing: progress.update(task, description=printable(doing))


def passphrase(from_environment: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Give passphrases from the environment, else ask for them on a terminal."""

    def ask(name: str) -> bytes:
        known = from_environment(name)
        if known or not sys.stdin.isatty():
            return known
        text: str = click.prompt(f"Passphrase of the key {name}", hide_input=True, err=True)
        return text.encode()

    return ask


class NewPassphrase:
    """Gives new keys their passphrase: from the environment, else asked twice on a terminal."""

    def __init__(self, from_environment: Callable[[str], bytes]) -> None:
        """Ask nothing yet."""
        self._from_environment = from_environment
        self._open: list[str] = []

    def __call__(self, name: str) -> bytes:
        """Give the passphrase of the new key `name`, empty for none."""
        known = self._from_environment(name)
        if not known and sys.stdin.isatty():
            prompt = f"New passphrase of the key {name} (empty for none)"
            text: str = click.prompt(prompt, hide_input=True, confirmation_prompt=True, default="", err=True)
            known = text.encode()
        if not known:
            self._open.append(name)
        return known

    def warn_of_none(self) -> None:
        """Say which keys were stored without one; once they are stored, and not before."""
        for name in self._open:
            warn(
                f"Warning: the key {name} is stored without a passphrase (file mode 0600): set AFFIDAVIT_PASSPHRASE"
            )


def _may_be_styled() -> bool:
    """Tell whether colour and bold type are wanted: not with NO_COLOR (no-color.org), nor on a dumb terminal."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _safe(part: str) -> str:
    return part if part == "\n" or _STYLE.fullmatch(part) else printable(part)


@contextmanager
def _errors_as_one_line() -> Iterator[None]:
    try:
        yield
    except AffidavitError as error:
        _end(str(error), error.exit_status)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        raise SystemExit(MalformedInput.exit_status) from None
    except click.ClickException as error:
        _end(_refused(error), MalformedInput.exit_status)
    except (KeyboardInterrupt, click.Abort):
        _end("interrupted; the ledger holds whole entries only", INTERRUPTED)
    except BrokenPipeError:
        # The reader went away (`| head`): the interpreter's own flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(READER_GONE) from None
    except OSError as error:
        _end(*_system_failure(error))
    except Exception as error:
        if os.environ.get("AFFIDAVIT_TRACEBACK"):
            raise
        _end(
            f"a fault in affidavit, {type(error).__name__}: {error}; AFFIDAVIT_TRACEBACK=1 shows where, "
            "please report it",
            EnvironmentFailed.exit_status,
        )


_ABSENT = re.compile(r"\b(?:File|Path) '(.+)' does not exist$")
"""click's words for a file that is not there."""


def _refused(error: click.ClickException) -> str:
    """Say in one line what click says in several."""
    # What stands in place of an argument needs no name: `[FILES]...` tells a person nothing.
    is_argument = isinstance(error, click.BadParameter) and isinstance(error.param, click.Argument)
    said = (is_argument and error.message) or error.format_message()
    sentence = _ABSENT.sub(r"there is no file \1: check its name", " ".join(said.split()).rstrip("."))
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{sentence} (see `{context.command_path} --help`)" if context else sentence


def _system_failure(error: OSError) -> tuple[str, int]:
    what = os.strerror(error.errno) if error.errno else str(error)
    where = f"{error.filename}: {what}" if error.filename else what
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError | FileExistsError):
        return f"{where}; name another place", MalformedInput.exit_status
    do = "free some space and try again" if error.errno == errno.ENOSPC else "mend that and try again"
    return f"{where}: nothing was half-written, {do}", EnvironmentFailed.exit_status


def _end(sentence: str, status: int) -> None:
    error = click.style("Error:", fg="red", bold=True) if _may_be_styled() else "Error:"
    click.echo(f"{error} {printable(sentence)}", err=True)
    raise SystemExit(status)
