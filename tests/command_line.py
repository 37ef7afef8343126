"""A lender's folder with a ledger, in which the tests type commands: in this process, for speed, or as a user does."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from reports.cli import affidavit

__all__ = [
    "COMMAND", "ENTRIES", "LOANS", "Folder", "a_lender", "clean_environment", "complaint", "empty_folder", "untouched",
]  # fmt: skip

ENTRIES = 11
"""How many the ledger of a lender has."""

COMMAND = [sys.executable, "-P", "-m", "affidavit"]

LOANS = '''"""A small pipeline on made loan applications."""

import pandas as pd
from sklearn.linear_model import LogisticRegression

from affidavit import Pipeline

loans = Pipeline("loans")


@loans.step
def applications(source: str = "loans.csv") -> pd.DataFrame:
    return pd.read_csv(source)


@loans.step
def split(applications, test_size: float = 0.5, seed: int = 7):
    shuffled = applications.sample(frac=1.0, random_state=seed)
    cut = round(len(shuffled) * (1 - test_size))
    return {"train": shuffled[:cut], "test": shuffled[cut:]}


@loans.step
def model(split, C: float = 1.0):
    print("fitting")
    return LogisticRegression(C=C).fit(split["train"][["income", "debt"]], split["train"].approve)


@loans.evaluate(sensitive=["race"], replicates=200)
def evaluation(model, split):
    test = split["test"]
    return {
        "y_true": test.approve,
        "y_pred": model.predict(test[["income", "debt"]]),
        "sensitive": test[["race"]],
    }
'''

EASY = """name: easy
version: 1
title: "Two pairs of eyes"
rules:
  - {id: better-than-a-coin, says: "It beats a coin.", clauses: [], kind: limit, metric: accuracy, operator: ">",
     limit: 0.5, on: point}
  - {id: validated, says: "A validator approves.", clauses: [], kind: approval, role: validator, count: 1}
"""

STRICT = """name: strict
version: 1
title: "No model is that good"
rules:
  - {id: perfect, says: "It is never wrong.", clauses: [], kind: limit, metric: accuracy, operator: ">=",
     limit: 1.0, on: point}
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder in which commands are typed."""

    path: Path

    def __call__(self, *arguments: str, variables: dict[str, str] | None = None) -> Result:
        """Run a command in this process, with nothing of the tester's surroundings."""
        nothing = {name: None for name in os.environ if name.startswith("AFFIDAVIT_")}
        found = list(sys.path)
        try:
            with chdir(self.path):
                return CliRunner().invoke(affidavit, arguments, env={**nothing, **(variables or {})})
        finally:
            sys.path[:] = found

    def json(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """Run a command with --json and return its document."""
        result = self(*arguments, "--json")
        assert result.exit_code == status, result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def text(self, *arguments: str, status: int = 0) -> str:
        """Run a command and return what it prints."""
        result = self(*arguments)
        assert result.exit_code == status, result.stderr
        return result.stdout

    def typed(
        self, *arguments: str, variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a user does, in a process of its own."""
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.path,
            env={**clean_environment(), **(variables or {})},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )

    @property
    def size(self) -> int:
        """How many entries the ledger has."""
        entries: list[object] = self.json("log")["entries"]
        return len(entries)


def clean_environment() -> dict[str, str]:
    """Return the environment without variables that name a ledger, keys or passphrases."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AFFIDAVIT_")}


def empty_folder(path: Path) -> Folder:
    """Make an empty folder, with no ledger in it."""
    path.mkdir(parents=True, exist_ok=True)
    return Folder(path)


def a_lender(path: Path) -> Folder:
    """Copy the lender's folder: a ledger with people, two versions of the model `loans`, and a stage `production`.

    Version 1 is approved by the validator and in production; version 2 is neither.
    """
    shutil.copytree(_template(), path)
    return Folder(path)


@cache
def _template() -> Path:
    place = Path(tempfile.mkdtemp(prefix="affidavit-tests-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    here = empty_folder(place / "lender")
    (here.path / "loans.py").write_text(LOANS)
    (here.path / "easy.yaml").write_text(EASY)
    (here.path / "strict.yaml").write_text(STRICT)
    (here.path / "loans.csv").write_text("\n".join(["income,debt,race,approve", *_rows()]) + "\n")
    for command in (
        ("init", "--origin", "lender.example/models", "--key", "admin", "--holder", "Ilse Brandt"),
        *(("key", "create", name) for name in ("scientist", "validator", "approver", "nobody")),
        ("key", "grant", "scientist", "--role", "recorder", "--role", "validator", "--holder", "Ana Ruiz"),
        ("key", "grant", "validator", "--role", "validator", "--holder", "Dana Whitfield"),
        ("key", "grant", "approver", "--role", "approver", "--holder", "Okonkwo Eze"),
        ("policy", "adopt", "easy.yaml", "--stage", "production"),
        ("run", "loans.py", "--as", "scientist"),
        ("run", "loans.py", "-p", "C=0.5", "--as", "scientist"),
        (*_approve("loans@1"), "--meaning", "Data and method reviewed"),
        ("promote", "loans@1", "production", "--as", "approver"),
    ):
        here.text(*command)
    return here.path


def _approve(ref: str) -> tuple[str, ...]:
    return ("approve", ref, "--stage", "production", "--as", "validator", "--role", "validator")


def _rows() -> list[str]:
    # A generator of our own, so that the file is the same everywhere: Lehmer's, as Park and Miller give it.
    state, rows = 7, []
    for _ in range(240):
        drawn = []
        for _ in range(4):
            state = state * 48_271 % 2_147_483_647
            drawn.append(state / 2_147_483_647)
        income, debt = round(20 + 80 * drawn[0], 1), round(60 * drawn[1], 1)
        race = "black" if drawn[2] < 0.4 else "white"
        rows.append(f"{income},{debt},{race},{int(income - debt + 40 * (drawn[3] - 0.5) > 30)}")
    return rows


def complaint(result: Result, status: int = 2) -> str:
    """Return the one line that a failed command said."""
    assert result.exit_code == status, (result.exit_code, result.stdout, result.stderr)
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert "a fault in affidavit" not in result.stderr
    return result.stderr


def untouched(here: Folder, entries: int = ENTRIES) -> None:
    """Assert that the ledger verifies and holds as many entries as it should."""
    document = here.json("verify")
    assert document["verified"] is True, document
    assert document["size"] == entries
    assert not list((here.path / ".affidavit").rglob(".new-*"))
