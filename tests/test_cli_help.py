"""The help of the command line: every command has examples that parse, and nothing is cut."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from audit.terminal import Command
from reports.cli import affidavit


def every_command(group: click.Group = affidavit, path: str = "affidavit") -> Iterator[tuple[str, Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path} {name}")
        else:
            assert isinstance(command, Command)
            yield f"{path} {name}", command


COMMANDS = dict(every_command())
EXAMPLES = [example for command in COMMANDS.values() for example in command.examples]


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_an_example_in_its_help(path: str) -> None:
    result = CliRunner().invoke(affidavit, [*path.split()[1:], "--help"])
    assert result.exit_code == 0
    assert all(f"\n  {example}\n" in result.stdout for example in COMMANDS[path].examples)
    assert COMMANDS[path].examples


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_command_line_that_parses(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(example)
    # Variables may be set in front, and the shell may send the output to a file.
    words = words[words.index("affidavit") + 1 : words.index(">") if ">" in words else None]
    for word in words:
        if "." in word and "/" not in word and not word.startswith("-"):
            Path(word).touch()
    command: click.Command | None = affidavit
    context = click.Context(affidavit, info_name="affidavit")
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
    assert isinstance(command, Command)
    assert command.make_context(name, words, parent=context).params


@pytest.mark.parametrize("group", ["", "key", "policy", "ledger"])
def test_no_short_help_is_cut_on_a_narrow_terminal(group: str) -> None:
    result = CliRunner().invoke(affidavit, [*group.split(), "--help"], terminal_width=80)
    assert "..." not in result.stdout.partition("Commands:")[2]


def test_the_help_tells_the_exit_statuses() -> None:
    said = " ".join(CliRunner().invoke(affidavit, ["--help"]).stdout.split())
    assert "0 yes, 1 no, 2 wrong input, 3 the environment failed" in said


def test_the_version_is_the_packages() -> None:
    from affidavit import __version__

    assert CliRunner().invoke(affidavit, ["--version"]).stdout == f"affidavit, version {__version__}\n"
