"""The drill: every attack is tried on a copy of a ledger, and verification must see it and name the step.

21 CFR 11.10(a) asks for systems that can "discern invalid or altered records": a drill shows it on this very ledger,
with the verification that an auditor runs, instead of promising it.

Rules:

- An attack is caught where a numbered step fails on the attacked copy. Some leave nothing that a ledger alone could
  show: they are verified once more with an anchor (the head before the attack), and must be caught then.
- `expected` is the step that is meant to see the attack, and it must be among those that fail. An attack that only an
  anchor can catch and that is caught without one is caught all the same.
- `origin`, `entries` and `root` say of which ledger, and of which state of it, the matrix is.
- An attack that could not be tried is listed as skipped, with the reason, and never as caught.

>>> answer = drill(ledger)                                                    # doctest: +SKIP
>>> bool(answer), answer.results[0].caught_by.name                            # doctest: +SKIP
(True, 'records')
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit import tables
from audit.canonical import Json, JsonObject
from audit.drill_attacks import Attack, Skipped, attacks_on_copy
from audit.drill_histories import attacks_on_made
from audit.drill_ledgers import MOST_ENTRIES, Victim, copied, made
from audit.errors import NotVerified
from audit.follower import Artifacts
from audit.ledger import Ledger
from audit.report import Step
from audit.verify import verify_ledger

__all__ = ["Drill", "Result", "drill"]

Progress = Callable[[int, int], None]
ANCHORS = "anchors"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one attack, tried in one or several ways (`tried`); `missed` are those that nobody saw."""

    attack: Attack
    caught_by: Step | None
    needs_anchor: bool
    also: tuple[str, ...]
    tried: int
    missed: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Say whether it was caught in every way in which it was tried."""
        return self.tried > 0 and self.caught_by is not None and not self.missed

    def to_json(self) -> JsonObject:
        """Write it as `drill --json` prints it."""
        step = self.caught_by
        caught: Json = (
            None
            if step is None
            else {"step": step.number, "name": step.name, "entries": list[Json](step.entries)}
        )
        return {
            "attack": self.attack.name,
            "what": self.attack.what,
            "on": self.attack.on,
            "stolen": self.attack.stolen,
            "caught_by": caught,
            "also": list[Json](self.also),
            "needs_anchor": self.needs_anchor,
            "expected": self.attack.expected,
            "tried": self.tried,
            "missed": list[Json](self.missed),
            "ok": self.ok,
        }


@dataclass(frozen=True, slots=True)
class Drill:
    """The answer: every attack with what caught it; true where each was caught."""

    results: tuple[Result, ...]
    skipped: tuple[Skipped, ...]
    entries: int
    copied: int
    made: int
    origin: str
    root: str

    def __bool__(self) -> bool:
        return bool(self.results) and all(result.ok for result in self.results)

    def to_json(self) -> JsonObject:
        """Write it as `drill --json` prints it."""
        return {
            "attacks": [result.to_json() for result in self.results],
            "skipped": [{"attack": one.attack, "why": one.why} for one in self.skipped],
            "origin": self.origin,
            "root": self.root,
            "entries": self.entries,
            "copied_entries": self.copied,
            "made_entries": self.made,
            "ok": bool(self),
        }


def drill(ledger: Ledger, *, most: int = MOST_ENTRIES, progress: Progress | None = None) -> Drill:
    """Try every attack on copies; of a long ledger on its first entries, at most so many where a head allows it.

    Raises `NotVerified` where the copy does not verify before anything was done to it: then an attack would prove
    nothing. `progress` is told the attacks tried so far and in all.
    """
    head = ledger.head()
    with tempfile.TemporaryDirectory(prefix="affidavit-drill-") as scratch:
        folders = [Path(scratch, name) for name in ("copy", "made", "attacked")]
        for folder in folders:
            folder.mkdir()
        victims = copied(ledger, folders[0], most), made(folders[1])
        for victim in victims:
            _check_honest(_Arena(victim, folders[2]))
        plan = attacks_on_copy(victims[0])
        attacks = [one for one in plan if isinstance(one, Attack)] + attacks_on_made(victims[1])
        results = []
        for number, attack in enumerate(attacks):
            if progress is not None:
                progress(number, len(attacks))
            results.append(_try(attack, _Arena(victims[attack.on == "made"], folders[2])))
        if progress is not None:
            progress(len(attacks), len(attacks))
    skipped = tuple(one for one in plan if isinstance(one, Skipped))
    if tables.is_shared(ledger.engine):
        skipped += (Skipped("the server, its roles and its triggers", "the copy is an SQLite file"),)
    sizes = (head.size, victims[0].size, victims[1].size)
    return Drill(tuple(results), skipped, *sizes, ledger.origin, head.root.hex())


_Caught = tuple[Step, bool, tuple[str, ...]]
"""The step that caught an attack, whether that took the anchor, and the names of the others that failed."""


class _Arena:
    """Where copies of one victim are attacked, one after the other, in the same place."""

    def __init__(self, victim: Victim, place: Path) -> None:
        self._victim, self._folder = victim, place / "ledger"

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """Copy the victim into an empty folder, which goes away afterwards."""
        self._folder.mkdir()
        try:
            shutil.copyfile(self._victim.folder / "ledger.db", self._folder / "ledger.db")
            yield self._folder
        finally:
            shutil.rmtree(self._folder)

    def failed(self, artifacts: Artifacts | None = None, *, anchored: bool) -> list[Step]:
        """Verify what is there now, and return the steps that failed."""
        report = verify_ledger(
            tables.open_database(self._folder / "ledger.db"),
            followers=self._victim.followers,
            artifacts=artifacts,
            checkpoint=self._victim.anchor if anchored else None,
        )
        return [step for step in report.steps if step.status == "failed"]


def _check_honest(arena: _Arena) -> None:
    with arena.fresh():
        failed = arena.failed(anchored=True)
    if failed:
        told = "; ".join(f"{step.number} {step.name}: {step.detail}" for step in failed)
        raise NotVerified(f"the ledger does not verify as it is, so a drill would prove nothing ({told})")


def _try(attack: Attack, arena: _Arena) -> Result:
    """Try an attack in every one of its ways, each on a copy of its own; the first answer stands for all."""
    caught: list[_Caught] = []
    missed, tried = [], 0
    for trial in attack.trials:
        with arena.fresh() as folder:
            try:
                artifacts = trial.do(folder)
            except sqlite3.IntegrityError:
                continue  # the operator's own database refused it
            tried += 1
            found = _caught(attack, arena, artifacts)
        if found is None:
            missed.append(trial.what)
        else:
            caught.append(found)
    step, needs_anchor, also = caught[0] if caught else (None, attack.expected == ANCHORS, ())
    return Result(attack, step, needs_anchor, also, tried, tuple(missed))


def _caught(attack: Attack, arena: _Arena, artifacts: Artifacts | None) -> _Caught | None:
    for anchored in (False, True) if attack.expected == ANCHORS else (False,):
        failed = arena.failed(artifacts, anchored=anchored)
        meant = next((step for step in failed if step.name == attack.expected), None)
        if attack.expected == ANCHORS and failed:
            meant = meant or failed[0]
        if meant is not None:
            return meant, anchored, tuple(step.name for step in failed if step is not meant)
    return None
