"""Reproduce a version: check out its recorded code, run it again with its parameters and data, compare step by step.

The rerun happens in the environment at hand, in a process and a folder of its own; it writes nothing to the ledger
but the verdict:

- ``identical``: every part of every step, the model's learned state and the metrics are the same; where the kept table
  of a step stood in for its source (`registry.standing_in`), the reason says that this step did not run again;
- ``diverged``: the first step, part, column and rows that differ are named;
- ``impossible``: what is missing is named, or what cannot be compared, since unknown is never the same. A rerun that
  fails for want of something (a file, a module, memory) says nothing about the results: it is impossible here.

The recorded code runs with the rights of whoever reproduces it, in a session of its own, without the variables of
affidavit (they may hold a passphrase). Interrupted, it is ended, its folder goes, and nothing is recorded.

Not done here: rebuilding the recorded environment, tolerances, and the search for the cause, for which
`registry.causes` says where to look.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from audit.canonical import Json, JsonObject, decode
from audit.errors import AffidavitError, MalformedInput, NotFound
from audit.record import Entry
from registry.artifacts import ArtifactStore
from registry.catalog import Catalogued
from registry.causes import MOST_PACKAGES, differing
from registry.checkout import Impossible, check_out
from registry.environment import VARIABLES, describe_environment
from registry.finding import at
from registry.fingerprint import KEYED_SCHEME
from registry.fingerprint_key import FingerprintKey
from registry.predicates import Reproduction
from registry.recorded import environment_of, parameters_of, parts_of_run, resolve_run, steps_of
from registry.recorded_values import from_json
from registry.registry import Registry
from registry.rerun import Job
from registry.rerun_process import one_line, run_job
from registry.run_evaluation import small_cell_of
from registry.sameness import Compared, compare_runs
from registry.standing_in import kept_tables, lost_tables, with_kept, without_sources
from registry.untracked import lacking

__all__ = ["reproduce"]

WANTING = (
    "FileNotFoundError", "ImportError", "MemoryError", "ModuleNotFoundError", "PermissionError",
    # A database that is out of reach, or has not the table any more, by the names that its drivers give it.
    "ConnectionError", "ConnectionRefusedError", "ConnectionResetError", "ConnectionTimeout", "DatabaseError",
    "EnvironmentFailed", "InterfaceError", "NoSuchModuleError", "NoSuchTableError", "OperationalError",
    "ProgrammingError", "TimeoutError", "UndefinedColumn", "UndefinedTable", "gaierror",
)  # fmt: skip
"""Errors that say what is not here, and nothing about what the code gives."""

MOST_ROWS = 200
MOST_REASON = 500


def reproduce(
    registry: Registry,
    ref: str,
    *,
    key: str | None = None,
    places: Sequence[Path] = (),
    kept: bool = False,
    progress: Callable[[str], None] | None = None,
) -> tuple[Entry, Reproduction]:
    """Run a version again, compare, and append the verdict as an entry.

    `kept` takes the kept tables, also where their sources are at hand.
    """
    found = registry.find(ref)
    signer = registry.signer_for("reproduction", key)
    run = registry.run_of(found)
    tables = kept_tables(run, registry.artifacts, always=kept)
    lost = lost_tables(run, registry.artifacts)
    if kept and not tables and lost is None:
        raise NotFound(f"no table of {found.model}@{found.version} was kept: reproduce it without --kept")
    # What a step left running may still write there: that is no reason to lose the verdict.
    with tempfile.TemporaryDirectory(prefix="affidavit-reproduce-", ignore_cleanup_errors=True) as scratch:
        everywhere = (*places, Path.cwd(), registry.home.folder.parent)
        attempt = _Attempt(registry, found, run, Path(scratch), everywhere, tables, lost)
        said = attempt.make(progress) if lost is None or not kept else attempt.answer("impossible", lost)
    return registry.ledger.append(said.statement(found.leaf_hash), signer=signer), said


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt to run a version again: the recorded run, and what there is to do it with."""

    registry: Registry
    found: Catalogued
    run: JsonObject
    scratch: Path
    """A folder that is thrown away."""
    places: Sequence[Path]
    """Where repositories and files are looked for, in this order."""
    tables: JsonObject
    """The kept tables that can stand in for steps (`kept_tables`)."""
    lost: str | None
    """What is to be said of kept tables that are gone."""

    @property
    def store(self) -> ArtifactStore:
        """The artifacts of the rerun."""
        return ArtifactStore(self.scratch / "artifacts")

    def make(self, progress: Callable[[str], None] | None) -> Reproduction:
        """Run the version again, compare, and say what came of it."""
        try:
            again = self._run_again(progress)
        except (Impossible, AffidavitError) as error:
            return self.answer("impossible", str(error) if self.lost is None else f"{error}; {self.lost}")
        stood_in = cast(dict[str, str], again.get("stood_in") or {})
        compared = [
            replace(one, kept=one.step in stood_in)
            for one in compare_runs(self.run, again, self.registry.artifacts, self.store)
        ]
        different = next((one for one in compared if one.same is False), None)
        if different is not None:
            if (wanting := _wanting(different, again)) is not None:
                return self.answer("impossible", wanting, compared)
            return self.answer("diverged", _diverged(different, again), compared, different.difference)
        unknown = [one.part for one in compared if one.same is None]
        if unknown or not compared:
            named = ", ".join(unknown[:5]) or "nothing"
            why = f"all else is the same, but this cannot be compared: {named}"
            return self.answer("impossible", why, compared)
        return self.answer("identical", with_kept(stood_in), compared)

    def answer(
        self,
        verdict: str,
        reason: str | None,
        compared: Sequence[Compared] = (),
        difference: JsonObject | None = None,
    ) -> Reproduction:
        """Say what came of it, as a statement does."""
        return Reproduction(
            self.found.model,
            self.found.version,
            verdict,
            None if reason is None else _with_lacking(one_line(reason)[:MOST_REASON], verdict, self.run),
            difference,
            _rows(compared),
            _environments(self.run, describe_environment(self.store), self.registry.artifacts, self.store),
        )

    def _run_again(self, progress: Callable[[str], None] | None) -> JsonObject:
        artifacts = self.registry.artifacts
        key = _key_of(self.registry, self.run)
        checked_out = check_out(self.run, artifacts, self.scratch / "code", self.places, self.tables, key)
        job = Job(
            target=checked_out.target,
            parameters=_parameters(self.run) | dict(checked_out.moved),
            artifacts=self.store.root,
            result=self.scratch / "run.json",
            kept=without_sources(self.tables, checked_out.gone),
            key=key,
            # What was in force then, and not what is now: a fingerprint is compared with its like.
            privacy=self.run.get("privacy"),
            small_cell=small_cell_of(self.run),
        )
        run_job(job, checked_out.folder, _variables(self.run), progress)
        if not job.result.is_file():
            raise Impossible("the rerun ended without a result")
        return resolve_run(cast(JsonObject, decode(job.result.read_bytes())), self.store)


def _key_of(registry: Registry, run: JsonObject) -> FingerprintKey | None:
    """Return the ledger's fingerprint key for the rerun of a run that was recorded under one."""
    keyed = at(run, "privacy", "key") is not None or any(
        str(part["fingerprint"]).startswith(f"{KEYED_SCHEME}:") for _, part in parts_of_run(run)
    )
    return registry.fingerprint_key() if keyed else None


def _parameters(run: JsonObject) -> JsonObject:
    """Return the recorded parameters as they were written; those that were never written must be defaults."""
    parameters: JsonObject = {}
    for step in steps_of(run):
        given = cast(list[Json], step.get("given") or [])
        for name, value in parameters_of(step).items():
            if _is_whole(value):
                parameters[f"{step['name']}.{name}"] = value
            elif name in given:
                raise Impossible(f"the parameter {step['name']}.{name} was not recorded")
    return parameters


def _is_whole(value: Json) -> bool:
    """Say whether a recorded value can be given again: nothing in it was withheld or left out."""
    try:
        from_json(value)
    except MalformedInput:
        return False
    return True


def _variables(run: JsonObject) -> dict[str, str]:
    """Return this process's environment, with the variables that a run records set, or not set, as they were."""
    recorded = environment_of(run).get("variables")
    set_then = recorded if isinstance(recorded, dict) else {}
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in VARIABLES and not name.startswith("AFFIDAVIT_")
    }
    return variables | {name: str(set_then[name]) for name in VARIABLES if name in set_then}


def _environments(
    run: JsonObject, here: JsonObject, recorded_store: ArtifactStore, here_store: ArtifactStore
) -> JsonObject:
    recorded = environment_of(run)
    said = ("python", "platform", "cpu_count", "packages")
    told: JsonObject = {
        "recorded": {name: recorded.get(name) for name in said},
        "here": {name: here.get(name) for name in said},
        "same": recorded.get("python") == here.get("python") and _packages(recorded) == _packages(here),
    }
    with suppress(AffidavitError):  # a list that is lost says nothing, and is no reason to compare nothing
        lists = [
            store.get(str(_packages(side))).decode()
            for side, store in ((recorded, recorded_store), (here, here_store))
        ]
        differ = differing(lists[0], lists[1])
        told["packages_differing"] = len(differ)
        told["packages_differ"] = [
            {"name": name, "recorded": before, "here": now} for name, before, now in differ[:MOST_PACKAGES]
        ]
    return told


def _packages(environment: JsonObject) -> Json:
    packages = environment.get("packages")
    return packages.get("artifact") if isinstance(packages, dict) else None


def _rows(compared: Sequence[Compared]) -> tuple[JsonObject, ...]:
    """Write what was compared; where that is too much for a record, the equal parts of a step in one row."""
    if len(compared) <= MOST_ROWS:
        return tuple(c.to_json() for c in compared)
    equal = Counter((c.step, c.kept) for c in compared if c.same)
    rows = [Compared(step, f"{count} parts", True, kept=kept) for (step, kept), count in equal.items()]
    rows = [*(c for c in compared if not c.same), *rows]
    return tuple(c.to_json() for c in rows[:MOST_ROWS])


def _with_lacking(reason: str, verdict: str, run: JsonObject) -> str:
    """Say beside why a reproduction did not come out what the recorded code is without."""
    lacks = "" if verdict == "identical" else lacking(run)
    return f"{reason[: MOST_REASON - len(lacks) - 2]}; {lacks}" if lacks else reason


def _wanting(different: Compared, again: Mapping[str, Json]) -> str | None:
    failure = again.get("failure")
    if (
        not isinstance(failure, dict)
        or failure.get("error") not in WANTING
        or failure.get("step") != different.step
    ):
        return None
    return (
        f"the rerun failed in the step {failure['step']} with {failure['error']}: "
        "something that the code needs is not here"
    )


def _diverged(different: Compared, again: Mapping[str, Json]) -> str:
    failure = again.get("failure")
    if isinstance(failure, dict):
        return f"the rerun failed in the step {failure.get('step')} with {failure.get('error')}"
    place = different.difference or {}
    where = f", column {place['column']}" if place.get("column") else ""
    return f"{different.part} of the step {different.step} differs{where}"
