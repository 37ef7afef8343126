"""Commands that run a pipeline: run, reproduce."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, cast

import click

from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput, NotVerified
from audit.terminal import Command, folded, json_option, mark, print_json, print_table, say, warn

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.canonical import Json, JsonObject
    from registry.registry import Registry

__all__ = ["as_option", "reproduce", "run", "short"]

Open = Callable[[], "Registry"]
MOST_OF_A_MESSAGE = 500

as_option = click.option("--as", "as_key", metavar="KEY", help="The key that signs, by name.")


@click.command(
    cls=Command,
    examples=[
        "affidavit run mortgage.py",
        "affidavit run mortgage.py:mortgage -p C=0.5 -p split.seed=11",
        "affidavit run mortgage.py --keep-data",
        "affidavit run mortgage.py --dry-run",
    ],
)
@click.argument("target")
@click.option(
    "-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter; STEP.NAME for one step's own."
)
@click.option(
    "--keep-data", is_flag=True, help="Keep the tables that come in, unless they hold protected columns."
)
@click.option("--keep-protected-data", is_flag=True, help="Keep also those that hold protected columns.")
@click.option("--no-profile", is_flag=True, help="Make no profiles of the tables; the run says so.")
@click.option("--dry-run", is_flag=True, help="Show the steps and parameters, run and record nothing.")
@click.option("--traceback", "with_traceback", is_flag=True, help="Show where a failing step failed.")
@as_option
@json_option
@click.pass_obj
def run(
    opened: Open,
    target: str,
    given: tuple[str, ...],
    keep_data: bool,
    keep_protected_data: bool,
    no_profile: bool,
    dry_run: bool,
    with_traceback: bool,
    as_key: str | None,
    as_json: bool,
) -> None:
    """Run a pipeline and record it, signed.

    A run that fails is recorded as well, and then ends with exit status 2; with 1 where a data check failed.

    TARGET is file.py, file.py:name or package.module:name.
    """
    if dry_run:
        _print_plan(target, given, as_json)
        return
    registry = opened()
    from registry.documents import run_document
    from registry.parameters import read_assignments
    from registry.run import run_pipeline
    from registry.target import load_target

    key, privacy = registry.on_record(as_key)
    with _printing_aside() if as_json else nullcontext():
        found = load_target(target)
        parameters = read_assignments(found.pipeline.parameters, given)
        result = run_pipeline(
            found.pipeline,
            parameters,
            artifacts=registry.artifacts,
            target=found.text,
            referrer=registry.referrer(),
            keep_data="all" if keep_protected_data else keep_data,
            progress=_step_line(),
            key=key,
            privacy=privacy,
            unprofiled="it was run with --no-profile" if no_profile else None,
        )
    recorded = registry.record_run(result, as_key)
    document = run_document(registry, recorded)
    _warn_of(result.predicate)
    if as_json:
        print_json(document)
    if result.exception is not None:
        _end_of_failed_run(document, result.exception, with_traceback)
    if not as_json:
        _print_run(document)


@click.command(
    cls=Command, examples=["affidavit reproduce mortgage@2", "affidavit reproduce mortgage@2 --kept"]
)
@click.argument("ref")
@click.option("--kept", is_flag=True, help="Take the kept tables, also where their sources are at hand.")
@as_option
@json_option
@click.pass_obj
def reproduce(opened: Open, ref: str, kept: bool, as_key: str | None, as_json: bool) -> None:
    """Run a version again, and compare.

    Its recorded code, parameters and data are used, and the results compared step by step. It runs in the environment
    at hand, in a folder of its own, with your rights: look at the code first if you do not know who recorded it. Where
    a source is gone, the table that was kept of it stands in, and the verdict says so. The verdict is an entry.
    """
    from registry.causes import environments_differ, hints
    from registry.reproduce import reproduce as reproduce_version

    registry = opened()
    found = registry.find(ref)
    entry, said = reproduce_version(
        registry, f"{found.model}@{found.version}", key=as_key, kept=kept, progress=_step_line()
    )
    look_at = hints(registry.run_of(found), said, registry.artifacts)
    if as_json:
        print_json(
            {
                "model": said.model,
                "version": said.version,
                "verdict": said.verdict,
                "reason": said.reason,
                "first_difference": said.first_difference,
                "entry": entry.seq,
                "compared": list(said.compared),
                "environment": said.environment,
                "hints": look_at,
            }
        )
    else:
        same = sum(row["same"] is True for row in said.compared)
        one = "the one part that was compared is the same"
        told = said.reason or (one if same == 1 else f"all {same} compared parts are the same")
        say(folded(f"{mark(said.verdict)}: {told} (entry {entry.seq})"))
        if (differs := environments_differ(said.environment)) is not None:
            say(folded(differs))
        if look_at:
            say("Where to look (none of this is a finding):")
        for sentence in look_at:
            say(folded(f"- {sentence}", "  "))
    raise SystemExit(0 if said.verdict == "identical" else NotVerified.exit_status)


def _print_plan(target: str, given: tuple[str, ...], as_json: bool) -> None:
    from registry.parameters import read_assignments
    from registry.recorded_values import to_json
    from registry.target import load_target

    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        pipeline = load_target(target).pipeline
        plan = pipeline.plan(read_assignments(pipeline.parameters, given))
    if as_json:
        steps = [
            {
                "name": p.step.name,
                "after": list(p.after),
                "parameters": {name: to_json(name, value) for name, value in p.parameters.items()},
            }
            for p in plan
        ]
        print_json({"model": pipeline.name, "steps": steps})
        return
    rows = [
        (
            p.step.name,
            ", ".join(p.after) or "-",
            ", ".join(f"{name}={_shown(to_json(name, value))}" for name, value in p.parameters.items())
            or "-",
        )
        for p in plan
    ]
    print_table(("Step", "After", "Parameters"), rows)


def _shown(value: "Json") -> str:
    """Show a parameter as it would be recorded: a secret stays one."""
    from registry.recorded_values import shown

    return repr(value) if isinstance(value, str) else shown(value)


@contextmanager
def _printing_aside() -> Iterator[None]:
    """Send what the user's code prints to standard error: it is not part of the document.

    The descriptor itself is moved, since subprocesses and compiled code do not ask Python where to print.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _step_line() -> Callable[[str], None] | None:
    """Show the steps as they run, on a terminal."""
    return warn if sys.stderr.isatty() else None


def _end_of_failed_run(document: "JsonObject", error: BaseException, with_traceback: bool) -> None:
    if with_traceback:
        import traceback

        traceback.print_exception(error)
    failure = cast("JsonObject", document["failure"])
    if isinstance(error, KeyboardInterrupt):
        warn(f"The step {failure['step']} was interrupted: a failed run in entry {document['entry']}.")
        raise error
    hint = "" if with_traceback else " (--traceback shows where)"
    # What the environment could not do, or the data does not hold, ends with its own status.
    ended = next(
        (kind for kind in (EnvironmentFailed, NotVerified) if isinstance(error, kind)), MalformedInput
    )
    recorded = f"recorded as a failed run in entry {document['entry']}{hint}"
    step, told = f"the step {failure['step']}", _told(error)
    # A message of ours may name the step itself.
    named = isinstance(error, AffidavitError) and re.search(rf"\b{re.escape(step)}\b", told)
    raise ended(f"{told if named else f'{step} failed: {told}'}; {recorded}")


def _told(error: BaseException) -> str:
    """Say in a line what an exception says; the user's own may say anything, or fail to."""
    try:
        line = str(error).strip().partition("\n")[0]
    except Exception:
        line = "(it cannot be shown)"
    line = line if len(line) <= MOST_OF_A_MESSAGE else line[: MOST_OF_A_MESSAGE - 3] + "..."
    return line if isinstance(error, AffidavitError) else f"{type(error).__name__}: {line}"


def _warn_of(recorded: "JsonObject") -> None:
    """Say what a run does not have that somebody may count on."""
    from registry.kept_data import not_kept
    from registry.keying import protects_nothing
    from registry.untracked import told

    kept_too = "--keep-protected-data keeps it too"
    for sentence in (*not_kept(recorded, kept_too), *told(recorded), *protects_nothing(recorded)):
        warn(f"Note: {sentence}")


def _print_run(document: "JsonObject") -> None:
    name = f"{document['model']}@{document['version']}"
    say(f"Recorded {name} as entry {document['entry']}.")
    metrics = cast(dict[str, float | None], document["metrics"])
    intervals = cast(dict[str, list[float | None]], document["metric_intervals"])
    rows = [
        (m, short(value), f"{short(intervals[m][0])} to {short(intervals[m][1])}")
        for m, value in metrics.items()
    ]
    if rows:
        say()
        print_table(("Metric", "Value", "95% interval"), rows)
        say()
    say(f"Model fingerprint {document['model_fingerprint'] or 'none: no model was returned'}")
    say(f"Next: affidavit show {name}, or affidavit gate {name} --stage staging")


def short(value: float | None) -> str:
    """Write a figure with three decimals, and what is missing as a dash."""
    return "-" if value is None else f"{value:.3f}"
