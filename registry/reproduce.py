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

Not done here: rebuilding the recorded environment, tolerances, and the search for the cause.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

from audit.canonical import Json, JsonObject, decode, encode
from audit.errors import AffidavitError, NotFound
from audit.record import Entry
from registry.artifacts import ArtifactStore
from registry.catalog import Catalogued
from registry.checkout import Impossible, check_out
from registry.environment import VARIABLES, describe_environment
from registry.fingerprint import KEYED_SCHEME
from registry.predicates import Reproduction
from registry.recorded import parts_of_run, resolve_run, steps_of
from registry.registry import Registry
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
        said = _attempt(
            registry,
            found,
            run,
            Path(scratch),
            [*places, Path.cwd(), registry.home.folder.parent],
            tables,
            progress,
            lost,
            asked=kept,
        )
    return registry.ledger.append(said.statement(found.leaf_hash), signer=signer), said


def _attempt(
    registry: Registry,
    found: Catalogued,
    run: JsonObject,
    scratch: Path,
    places: Sequence[Path],
    kept: JsonObject,
    progress: Callable[[str], None] | None,
    lost: str | None,
    *,
    asked: bool,
) -> Reproduction:
    store = ArtifactStore(scratch / "artifacts")
    environment = _environments(run, describe_environment(store))

    def answer(
        verdict: str,
        reason: str | None,
        difference: JsonObject | None = None,
        compared: Sequence[Compared] = (),
    ) -> Reproduction:
        return Reproduction(
            found.model,
            found.version,
            verdict,
            None if reason is None else _with_lacking(_one_line(reason), verdict, run),
            difference,
            _rows(compared),
            environment,
        )

    if asked and lost is not None:
        return answer("impossible", lost)
    try:
        again = _run_again(registry, run, scratch, places, kept, progress)
    except (Impossible, AffidavitError) as error:
        return answer("impossible", str(error) if lost is None else f"{error}; {lost}")
    stood_in = cast(dict[str, str], again.get("stood_in") or {})
    compared = [
        replace(c, kept=c.step in stood_in) for c in compare_runs(run, again, registry.artifacts, store)
    ]
    different = next((c for c in compared if c.same is False), None)
    if different is not None and (wanting := _wanting(different, again)):
        return answer("impossible", wanting, None, compared)
    if different is not None:
        return answer("diverged", _diverged(different, again), different.difference, compared)
    unknown = [c.part for c in compared if c.same is None]
    if unknown or not compared:
        named = ", ".join(unknown[:5]) or "nothing"
        return answer(
            "impossible", f"all else is the same, but this cannot be compared: {named}", None, compared
        )
    return answer("identical", with_kept(stood_in), None, compared)


def _run_again(
    registry: Registry,
    run: JsonObject,
    scratch: Path,
    places: Sequence[Path],
    kept: JsonObject,
    progress: Callable[[str], None] | None,
) -> JsonObject:
    checked_out = check_out(run, registry.artifacts, scratch / "code", places, kept)
    result = scratch / "run.json"
    job: JsonObject = {
        "target": checked_out.target,
        "parameters": _parameters(run) | dict(checked_out.moved),
        "artifacts": str(scratch / "artifacts"),
        "result": str(result),
        "kept": without_sources(kept, checked_out.gone),
        "key": _key_of(registry, run),
        # What was in force then, and not what is now: a fingerprint is compared with its like.
        "privacy": run.get("privacy"),
    }
    _run_job(job, checked_out.folder, _variables(run), progress)
    if not result.is_file():
        raise Impossible("the rerun ended without a result")
    return resolve_run(cast(JsonObject, decode(result.read_bytes())), ArtifactStore(scratch / "artifacts"))


def _key_of(registry: Registry, run: JsonObject) -> str | None:
    """Return the ledger's fingerprint key for the rerun of a run that has keyed tables; it goes through a pipe."""
    keyed = any(str(part["fingerprint"]).startswith(f"{KEYED_SCHEME}:") for _, part in parts_of_run(run))
    key = registry.fingerprint_key() if keyed else None
    return None if key is None else key.secret.hex()


def _parameters(run: JsonObject) -> JsonObject:
    """Return the recorded parameters as they were written; those that were never written must be defaults."""
    parameters: JsonObject = {}
    for step in steps_of(run):
        given = cast(list[Json], step.get("given") or [])
        for name, value in cast(JsonObject, step["parameters"]).items():
            if not (isinstance(value, dict) and ({"withheld", "opaque", "hmac"} & value.keys())):
                parameters[f"{step['name']}.{name}"] = value
            elif name in given:
                raise Impossible(f"the parameter {step['name']}.{name} was not recorded")
    return parameters


def _run_job(
    job: JsonObject, folder: Path, variables: dict[str, str], progress: Callable[[str], None] | None
) -> None:
    # -P: the working directory holds the user's code, and may not stand in for affidavit's own modules.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "registry.rerun"],
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    last = ""
    try:
        with suppress(BrokenPipeError):  # it ended before it listened, and its status says so
            process.stdin.write(encode(job))
            process.stdin.close()
        for line in process.stderr:
            last = line.decode("utf-8", "replace").strip() or last
            if progress is not None and last.startswith("step "):
                progress(_one_line(last))
        process.wait()
    finally:
        # Also what the steps started, and also when this very process is interrupted.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
    if process.returncode < 0:
        raise Impossible(f"the rerun was ended by signal {-process.returncode} after: {last or 'no step'}")
    if process.returncode != 0:
        raise Impossible(f"the recorded code does not run here: {last or 'it ended without a word'}")


def _variables(run: JsonObject) -> dict[str, str]:
    """Return this process's environment, with the variables that a run records set, or not set, as they were."""
    recorded = cast(JsonObject, run["environment"]).get("variables")
    set_then = recorded if isinstance(recorded, dict) else {}
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in VARIABLES and not name.startswith("AFFIDAVIT_")
    }
    return variables | {name: str(set_then[name]) for name in VARIABLES if name in set_then}


def _environments(run: JsonObject, here: JsonObject) -> JsonObject:
    recorded = cast(JsonObject, run["environment"])
    return {
        "recorded": {name: recorded.get(name) for name in ("python", "platform", "packages")},
        "here": {name: here.get(name) for name in ("python", "platform", "packages")},
        "same": recorded.get("python") == here.get("python") and _packages(recorded) == _packages(here),
    }


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


def _one_line(text: str) -> str:
    """Make text that the recorded code may have written fit for a statement and a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)[:MOST_REASON]


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
