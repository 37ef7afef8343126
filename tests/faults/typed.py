"""Commands that a person types, while a fault strikes: what is there afterwards, and what the same command does again.

Each is judged twice over. What is there is what was before or all of what was asked for; and the command, typed once
more, does it or says in a sentence that it was done.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from audit import tables
from audit.anchor_file import ANCHOR_FILE
from audit.canonical import JsonObject
from audit.durable import UNFINISHED
from audit.errors import EnvironmentFailed
from audit.statement import Statement
from audit.subjects import Referrer
from registry.founding import Founding, create_home
from registry.home import FOLDER, Home
from registry.policy import packaged
from registry.predicates import PolicyDigest, StagePolicies
from registry.registry import Registry
from tests.command_line import Folder
from tests.faults.outcome import Said, Scene, outcome
from tests.small_ledger import ORIGIN

__all__ = ["SCENES"]


def _type(folder: Path, say: Callable[..., None], *command: str) -> Any:
    """Type a command, say how it was refused if it was, and else return the document that it printed."""
    said = Folder(folder)(*command, "--json")
    if said.exception is not None and not isinstance(said.exception, SystemExit):
        raise said.exception
    if said.exit_code == 0:
        return json.loads(said.stdout)
    assert said.exit_code == EnvironmentFailed.exit_status, said.output
    # An erasure that stands, of which the files are not clean yet, prints what it did and ends with status 3.
    say("refused", "EnvironmentFailed", said.stderr.removesuffix("\n"))
    return None


def _made(folder: Path) -> Home:
    return create_home(folder, Founding(ORIGIN, "ilse", "Ilse"), lambda _: b"")


def _verified(folder: Path, checkpoint: str = f"{FOLDER}/{ANCHOR_FILE}") -> int:
    """Verify the whole ledger with its anchor; return how many entries it has."""
    answer = Folder(folder).json("verify", "--checkpoint", checkpoint)
    assert {step["status"] for step in answer["steps"]} == {"passed"}, answer
    size: int = answer["size"]
    return size


def _only(folder: Path, *names: str) -> None:
    """Check that a folder holds nothing but files of these names, and what a killed writer could not name."""
    there = {path.name for path in folder.iterdir() if not path.name.startswith(UNFINISHED)}
    assert there <= set(names), there


class Grant:
    """A person types `affidavit key grant` in the folder of a registry's ledger."""

    def prepare(self, folder: Path) -> None:
        _made(folder).keys.create("ana", b"")

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        done = _type(folder, say, "key", "grant", "ana", "--role", "auditor", "--holder", "Ana")
        if done is not None:
            say("acknowledged", done["entry"])

    def judge(self, folder: Path, said: Said) -> str:
        before = _verified(folder)
        Folder(folder).json("key", "grant", "ana", "--role", "recorder", "--holder", "Ana")
        assert _verified(folder) == before + 1
        return outcome(said, before == 4, [3])


class Init:
    """A ledger is made, with its newest head kept outside it."""

    KEPT = "kept/head.checkpoint"
    COMMAND = ("init", "--origin", ORIGIN, "--key", "ilse", "--anchor", f"../{KEPT}")

    def prepare(self, folder: Path) -> None:
        (folder / "work").mkdir()
        (folder / "kept").mkdir()

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        done = _type(folder / "work", say, *self.COMMAND)
        if done is not None:
            say("acknowledged", done["origin"])

    def judge(self, folder: Path, said: Said) -> str:
        work = folder / "work"
        there = (work / FOLDER).exists()
        if there:
            assert "exists: a ledger is never overwritten" in Folder(work)(*self.COMMAND).stderr
        else:
            if any(word[0] == "refused" for word in said):
                left = [path.name for path in (*work.iterdir(), *(folder / "kept").iterdir())]
                # Where nothing can be removed, the refusal says what is left; the same command then clears it away.
                assert all(_says(said, f"cannot be removed from {name} now") for name in left)
            Folder(work).json(*self.COMMAND)
        assert [path.name for path in work.iterdir()] == [FOLDER]
        assert (work / FOLDER / ".gitignore").read_text() == "*\n"
        _only(folder / "kept", Path(self.KEPT).name)
        size = _verified(work, f"../{self.KEPT}")
        Folder(work).json("key", "grant", "ilse", "--role", "admin", "--holder", "Ilse")
        assert _verified(work, f"../{self.KEPT}") == size + 1
        return outcome(said, there, [ORIGIN])


class Erase:
    """A subject is erased, row and random key, and the files are scrubbed."""

    REASON = ("--reason", "a request", "--yes")

    def prepare(self, folder: Path) -> None:
        registry = Registry(_made(folder), lambda _: b"")
        referrer, stage = Referrer(registry.ledger.engine, os.urandom), _stage("review")
        said: JsonObject = {**stage.predicate, "asked_by": referrer.refer("applicant 4711", "1980-02-03")}
        referring = replace(stage, predicate=said | referrer.members())
        registry.ledger.append(referring, within=referrer.remember)
        with registry.ledger.engine.connect() as connection:
            row = connection.execute(select(tables.subjects)).one()
        (folder / "number").write_text(row.subject)
        (folder / "secret").write_bytes(row.key)
        registry.ledger.close()

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        done = _type(folder, say, "erase", (folder / "number").read_text(), *self.REASON)
        if done is not None:
            say("acknowledged", *done["entries"])

    def judge(self, folder: Path, said: Said) -> str:
        number, size = (folder / "number").read_text(), _verified(folder)
        assert size in (4, 5)
        again = Folder(folder).json("erase", number, *self.REASON)
        assert again["already"] == (4 if size == 5 else None)
        assert again["scrubbed"] is True
        assert _verified(folder) == 5
        secret = (folder / "secret").read_bytes()
        held = [path.name for path in (folder / FOLDER).glob("ledger.db*") if secret in path.read_bytes()]
        assert held == []
        # An erasure that stands is not undone where scrubbing fails: status 3 says that the files are not clean yet.
        return outcome(said, size == 5, [4], keeps_what_it_refused=_says(said, "erased by entry 4"))


class Export:
    """A bundle is written in the place of an older one of the same name."""

    def prepare(self, folder: Path) -> None:
        _made(folder)
        Folder(folder).json("export", "1", "-o", "evidence.zip")
        (folder / "before.sha256").write_text(_digest(folder / "evidence.zip"))

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        done = _type(folder, say, *self._command())
        if done is not None:
            say("acknowledged", done["file"])

    def judge(self, folder: Path, said: Said) -> str:
        there = _digest(folder / "evidence.zip")
        Folder(folder).json("verify", "evidence.zip")
        written = there != (folder / "before.sha256").read_text()
        Folder(folder).json(*self._command())
        Folder(folder).json("verify", "evidence.zip")
        # The same ledger gives the same bytes, so what was whole is what is written again.
        assert not written or _digest(folder / "evidence.zip") == there
        _only(folder, FOLDER, "before.sha256", "evidence.zip")
        # A file that has its name stays, where only the folder could not be synchronised.
        return outcome(said, written, ["evidence.zip"], keeps_what_it_refused=True)

    def _command(self) -> Sequence[str]:
        return ("export", "2", "-o", "evidence.zip")


@dataclass(frozen=True, slots=True)
class Tiles:
    """A tiles tree is written of a ledger of `size` entries, or continued from one of `before`."""

    before: int
    size: int

    def prepare(self, folder: Path) -> None:
        registry = Registry(_made(folder), lambda _: b"")
        for there, wanted in ((3, self.before), (max(3, self.before), self.size)):
            if wanted > there:
                registry.ledger.append_many([_stage(f"stage-{n}") for n in range(there, wanted)])
            if wanted and wanted == self.before:
                Folder(folder).json("ledger", "tiles", "public")
        registry.ledger.close()

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        done = _type(folder, say, "ledger", "tiles", "public")
        if done is not None:
            say("acknowledged", done["size"])

    def judge(self, folder: Path, said: Said) -> str:
        written = self._size(folder) == self.size
        assert Folder(folder).json("ledger", "tiles", "public")["size"] == self.size
        assert self._size(folder) == self.size
        # A checkpoint that has its name stays, where only the folder could not be synchronised.
        return outcome(said, written, [self.size], keeps_what_it_refused=True)

    def _size(self, folder: Path) -> int:
        """Verify the tree that is there, as somebody does who has nothing else; return its size."""
        if not (folder / "public" / "checkpoint").exists():
            assert self.before == 0
            return 0
        size: int = Folder(folder).json("verify", "public")["size"]
        assert size in (self.before, self.size)
        return size


def _stage(name: str) -> Statement:
    """Say a statement that a registry's catalogue learns, which costs little."""
    return StagePolicies(name, (PolicyDigest("baseline", packaged("baseline").sha256),)).statement()


def _says(said: Said, words: str) -> bool:
    return any(word[0] == "refused" and words in str(word[2]) for word in said)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


SCENES: dict[str, Scene] = {
    "command": Grant(),
    "init": Init(),
    "erase": Erase(),
    "export": Export(),
    "tiles": Tiles(before=254, size=258),
    "new-tiles": Tiles(before=0, size=5),
}
