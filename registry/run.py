"""Runs: the steps of a pipeline run in order, each recorded (`registry.run_recorder`), until one fails.

Rules:

- A step that raises ends the run: its status is `failed`, the rest are `not run`. The result carries the very same
  exception, so that the caller records first and raises it afterwards. This holds for an interrupt as well.
- The model of a run is the one that its step `model` returned, else the last one that any step returned.

>>> result = run_pipeline(mortgage, {"C": 0.5}, artifacts=store)          # doctest: +SKIP
>>> result.predicate["status"]                                            # doctest: +SKIP
'succeeded'
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from audit.errors import AffidavitError, EnvironmentFailed
from registry.artifacts import ArtifactStore
from registry.fingerprint_key import FingerprintKey
from registry.kept_data import KeepData, Keeping
from registry.model_file import ModelFormat
from registry.parts import is_fitted_model, parts_of
from registry.pipeline import Pipeline
from registry.privacy import NO_DEMANDS, Privacy
from registry.run_recorder import RunRecorder, RunResult
from registry.steps import PlannedStep

# A rerun opens no ledger, and does not wait for the library that would.
if TYPE_CHECKING:
    from audit.subjects import Referrer

__all__ = ["not_hiding", "run_pipeline"]


def run_pipeline(
    pipeline: Pipeline,
    parameters: Mapping[str, object],
    *,
    artifacts: ArtifactStore,
    target: str | None = None,
    referrer: "Referrer | None" = None,
    keep_data: KeepData = False,
    clock: Callable[[], float] = time.time,
    stopwatch: Callable[[], float] = time.perf_counter,
    progress: Callable[[str], None] | None = None,
    key: FingerprintKey | None = None,
    privacy: Privacy = NO_DEMANDS,
    named_alone: bool = False,
    unprofiled: str | None = None,
    store_model: bool = True,
    small_cell: int | None = None,
) -> RunResult:
    """Run every step of a pipeline and return what happened, also where a step failed.

    `referrer` refers to the people of `Private` parameters (else they are withheld); `keep_data` keeps the tables that
    came in from outside (`registry.kept_data`); `key` is the ledger's fingerprint key, with which protected columns are
    keyed; `privacy` is what the ledger's policies ask (`registry.privacy`); `named_alone` keys columns by their names
    and nothing else (`registry.keyed_digests`); `unprofiled` is why no table is to be profiled, where that is so;
    without `store_model` the model is described and fingerprinted, and no file is made; `small_cell` is that of
    the run that is reproduced (`registry.run_evaluation`); `clock` gives seconds since 1970, `stopwatch` seconds for
    durations. Raises `MalformedInput` where the steps or the parameters are wrong (then
    nothing ran), and `EnvironmentFailed` where the artifact store cannot be written.
    """
    plan = pipeline.plan(parameters)
    keying = replace(pipeline.keying(key, privacy), named_alone=named_alone)
    recorder = RunRecorder(
        pipeline.name,
        "pipeline",
        artifacts,
        profiling=pipeline.profiling(privacy, declined=unprofiled),
        keeping=Keeping(keep_data),
        keying=keying,
        referrer=referrer,
        small_cell=small_cell,
        clock=clock,
        stopwatch=stopwatch,
    )
    recorder.describe_code(pipeline.file, target)
    recorder.begin()
    try:
        _perform(plan, recorder, pipeline.model_format, progress, store_model=store_model)
        return recorder.finish()
    except EnvironmentFailed as error:
        raise error from recorder.exception


def _perform(
    plan: Sequence[PlannedStep],
    recorder: RunRecorder,
    model_format: ModelFormat,
    progress: Callable[[str], None] | None,
    *,
    store_model: bool,
) -> None:
    """Run the steps in their order until one fails, and keep the model."""
    returned: dict[str, object] = {}
    for number, planned in enumerate(plan, start=1):
        if recorder.exception is not None:
            recorder.pass_over(planned)
            continue
        if progress is not None:
            progress(f"step {number} of {len(plan)}: {planned.step.name}")
        recorder.perform(planned, returned)
    if recorder.exception is None:
        name, models = _models(plan, returned)
        if models:
            recorder.keep_model(name, models, model_format, store=store_model)


@contextmanager
def not_hiding(exception: BaseException | None) -> Iterator[None]:
    """Record a run inside: where a failed run cannot be recorded, that becomes a note on the exception that ended it.

    The exception that goes on is then the run's own, which the caller raises.
    """
    try:
        yield
    except AffidavitError as error:
        if exception is None:
            raise
        exception.add_note(f"this run was not recorded: {error}")


def _models(plan: Iterable[PlannedStep], returned: Mapping[str, object]) -> tuple[str, list[object]]:
    """Find the fitted models of the step called `model`, else those of the last step that returned any."""
    found: tuple[str, list[object]] = ("", [])
    for planned in plan:
        name = planned.step.name
        models = {id(item): item for _, item in parts_of(name, returned[name]) if is_fitted_model(item)}
        if models:
            found = (name, list(models.values()))
        if models and name == "model":
            break
    return found
