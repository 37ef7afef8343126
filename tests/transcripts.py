"""What a document shows, run as it stands: ```console transcripts and ```python blocks, in order, in one folder.

Rules:

- In a `console` block a line after ``$`` is a command; what follows is its output, compared where it is shown, with
  ``...`` for anything and white space taken as one blank.
- ``[exit status N]`` after the output states a status other than 0.
- A `python` block that begins with ``# name.py`` is that file; any other is run.
- A plain `affidavit` command runs in this process, for speed, also with variables of its own before it, and where its
  streams go to a file, into a pipe (what comes after that is bash's) or both are shown (``2>&1``); every other line is
  bash's.
"""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from tests.command_line import Folder, clean_environment

__all__ = ["Block", "Typed", "blocks", "run_block", "typed_in"]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_STATUS = re.compile(r"^\[exit status (\d+)\]\n", re.MULTILINE)
_SHELL = set("|&;<>()$`*~\n")
_STREAMS = re.compile(r"( 2>&1)?(?: (2?)> ?(\w+\.\w+))?$")
_PIPE = re.compile(r"""((?:[^'"|]|'[^']*'|"[^"]*")+?) \| (.*)""", re.DOTALL)
_PLAIN = re.compile(r"((?:AFFIDAVIT_\w+=\S+ |AFFIDAVIT_\w+='[^']*' )*)affidavit ")

SQLITE = """#!{python}
import sqlite3, sys
from pathlib import Path
connection = sqlite3.connect(sys.argv[1])
connection.create_function("writefile", 2, lambda name, data: Path(name).write_bytes(data))
for row in connection.execute(sys.argv[2]):
    print("|".join(v.decode() if isinstance(v, bytes) else str(v) for v in row))
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line of the document on which it begins."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of a transcript with the output and the status that are shown."""

    command: str
    output: str
    status: int


def blocks(document: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a document."""
    text = document.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)


def typed_in(block: Block) -> Iterator[Typed]:
    """Yield the commands of a transcript."""
    for piece in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, output = re.match(r"((?:.*\\\n)*.*)\n?((?:.|\n)*)", piece).groups()  # type: ignore[union-attr]
        status = _STATUS.search(output)
        yield Typed(command, _STATUS.sub("", output), int(status[1]) if status else 0)


def run_block(block: Block, here: Folder, name: str) -> None:
    """Run one block, and compare."""
    where = f"{name}:{block.line}"
    if block.language == "console":
        for typed in typed_in(block):
            _run_typed(typed, here, where)
    elif block.language == "python":
        file = re.match(r"# (\w+\.py)\n", block.text)
        if file:
            (here.path / file[1]).write_text(block.text)
        else:
            with chdir(here.path):
                exec(compile(block.text, where, "exec"), {"__name__": "__main__"})


def _run_typed(typed: Typed, here: Folder, where: str) -> None:
    piped = _PIPE.fullmatch(typed.command)
    plain, streams = _divided((piped[1] if piped else typed.command).replace("\\\n", " "))
    if _PLAIN.match(plain) and not _SHELL & set(re.sub(r"'[^']*'", "", plain)):
        status, said, complaint = _run_here(plain, streams, here)
        if piped:
            last, said, more = _run_in_bash(piped[2], here, said)
            status, complaint = last or status, complaint + more
    else:
        status, said, complaint = _run_in_bash(typed.command, here)
    assert status == typed.status, f"{where}: {typed.command} ended with {status}: {said}{complaint}"
    if typed.output.strip():
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        same = doctest.OutputChecker().check_output(typed.output, said, options)
        assert same, f"{where}: {typed.command}\nshown:\n{typed.output}\nsaid:\n{said}{complaint}"


def _divided(command: str) -> tuple[str, re.Match[str]]:
    """Divide a command from where its streams go."""
    streams = _STREAMS.search(command)
    assert streams is not None  # it matches where nothing is said, too
    return command[: streams.start()], streams


def _run_here(plain: str, streams: re.Match[str], here: Folder) -> tuple[int, str, str]:
    """Run a command in this process; return its status, what is shown of it, and what it said on standard error."""
    together, which, file = streams.groups()
    words = shlex.split(plain)
    typed = words.index("affidavit")
    result = here(*words[typed + 1 :], variables=dict(word.split("=", 1) for word in words[:typed]))
    shown = result.output if together else result.stdout
    if file:
        (here.path / file).write_text(result.stderr if which else result.stdout)
        if not which:
            shown = result.stderr if together else ""
    return result.exit_code, shown, result.stderr


def _run_in_bash(command: str, here: Folder, given: str | None = None) -> tuple[int, str, str]:
    """Run a command as it is typed, on what it is given; return its status and what it said on both streams."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=here.path, env=_environment(here), input=given, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def _environment(here: Folder) -> dict[str, str]:
    """Return an environment in which `affidavit` and `python` are those under test, and git knows who commits."""
    scripts = here.path.parent / f"{here.path.name}-scripts"
    if not scripts.exists():
        scripts.mkdir()
        _script(scripts / "affidavit", f'#!/bin/sh\nexec "{sys.executable}" -P -m affidavit "$@"\n')
        _script(scripts / "python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        if shutil.which("sqlite3") is None:
            _script(scripts / "sqlite3", SQLITE.format(python=sys.executable))
    person = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Ilse Brandt"), ("EMAIL", "ilse@bank.example"))
    }
    return {**clean_environment(), **person, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
