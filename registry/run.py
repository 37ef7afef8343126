"""Runs: the steps of a pipeline run in order, and what happened said once, as the fields of one `run` statement.

Rules:

- Inputs are fingerprinted anew before every step, so that a table which somebody changed in place shows; outputs
  after it. The code and the environment are described before the first step.
- A step that raises ends the run: its status is `failed`, the rest are `not run`. The result carries the very same
  exception, so that the caller records first and raises it afterwards. This holds for an interrupt as well.
- A run is never refused for its size: `registry.run_predicate` moves its longest parts to the artifact store.
- What is a person's is referred to (`Private`); the rows that give the references meaning are written with the entry.
- No floats, no object's `repr`, no message of an exception: they can hold anything.

>>> result = run_pipeline(mortgage, {"C": 0.5}, artifacts=store)          # doctest: +SKIP
>>> result.predicate["status"]                                            # doctest: +SKIP
'succeeded'
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from audit.canonical import Json, JsonObject, decimal, encode
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput
from audit.statement import written_time
from audit.subjects import Referrer
from registry.artifacts import ArtifactStore, digest_of_file
from registry.code import describe_code, keep_source
from registry.data_checks import Checks, check_parts, raise_failed
from registry.environment import describe_environment
from registry.field_lineage import Watch, watch
from registry.file_columns import file_moment, with_file_columns
from registry.fingerprint_key import FingerprintKey
from registry.flows import Flow
from registry.held import holder_of, is_lazy, polars_frame, settled
from registry.kept_data import KeepData, Keeping
from registry.keying import Keying
from registry.model_file import save_model
from registry.origins import Origins
from registry.parameters import did_you_mean, to_json
from registry.parts import describe, is_fitted_model, parts_of
from registry.pipeline import Pipeline, PlannedStep
from registry.privacy import NO_DEMANDS, Privacy
from registry.private import Private
from registry.profiling import Profiling
from registry.run_predicate import fit_in_record

__all__ = ["RunRecorder", "RunResult", "judge", "not_hiding", "run_pipeline"]

MOST_SUBJECTS = 20
MOST_NAME = 200
EVALUATED = ("y_true", "y_pred", "y_score", "sensitive")


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that happened: what to sign, which artifacts it is about, and the exception that ended it, if any."""

    predicate: JsonObject
    subjects: tuple[tuple[str, str], ...]
    exception: BaseException | None
    referrer: Referrer | None = None
    """Remembers, with the entry, to whom the run refers."""


def run_pipeline(
    pipeline: Pipeline,
    parameters: Mapping[str, object],
    *,
    artifacts: ArtifactStore,
    target: str | None = None,
    referrer: Referrer | None = None,
    keep_data: KeepData = False,
    clock: Callable[[], float] = time.time,
    stopwatch: Callable[[], float] = time.perf_counter,
    progress: Callable[[str], None] | None = None,
    key: FingerprintKey | None = None,
    privacy: Privacy = NO_DEMANDS,
    unprofiled: str | None = None,
) -> RunResult:
    """Run every step of a pipeline and return what happened, also where a step failed.

    `referrer` refers to the people of `Private` parameters (else they are withheld); `keep_data` keeps the tables that
    came in from outside (`registry.kept_data`); `key` is the ledger's fingerprint key, with which protected columns are
    keyed; `privacy` is what the ledger's policies ask (`registry.privacy`); `unprofiled` is why no table is to be
    profiled, where that is so;
    `clock` gives seconds since 1970, `stopwatch` seconds for durations. Raises `MalformedInput` where the steps or
    the parameters are wrong (then nothing ran), and `EnvironmentFailed` where the artifact store cannot be written.
    """
    plan = pipeline.plan(parameters)
    keying = pipeline.keying(key, privacy)
    recorder = RunRecorder(
        pipeline.name,
        "pipeline",
        artifacts,
        profiling=pipeline.profiling(privacy, declined=unprofiled),
        keeping=Keeping(keep_data),
        keying=keying,
        referrer=referrer,
        clock=clock,
        stopwatch=stopwatch,
    )
    recorder.describe_code(pipeline.file, target)
    recorder.begin()
    try:
        _perform(plan, recorder, pipeline.model_format, progress)
        return recorder.finish()
    except EnvironmentFailed as error:
        raise error from recorder.exception


def _perform(
    plan: Sequence[PlannedStep],
    recorder: "RunRecorder",
    model_format: str,
    progress: Callable[[str], None] | None,
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
            recorder.keep_model(name, models, model_format)


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


class RunRecorder:
    """Collects one run, step by step; `finish` says it. An exception ends the run and is kept, not raised."""

    def __init__(
        self,
        model: str,
        how: str,
        artifacts: ArtifactStore,
        *,
        profiling: Profiling,
        keeping: Keeping,
        keying: Keying,
        referrer: Referrer | None = None,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.artifacts = artifacts
        self.referrer = referrer
        self.exception: BaseException | None = None
        self.evaluation: JsonObject | None = None
        self.model_file: JsonObject | None = None
        self.steps: list[JsonObject] = []
        self.flows: list[Flow] = []
        self.origins = Origins(artifacts)
        self.profiling = profiling
        self.keeping = keeping
        self.keying = keying
        self._model, self._how = model, how
        self._process = os.getpid()
        self._stopwatch = stopwatch
        self._begun = stopwatch()
        self._started = clock()
        self._failure: JsonObject | None = None
        self._sources: list[JsonObject] = []
        self._files: dict[tuple[str, str], Path] = {}
        self._begun_for_files: int | None = None
        self._seen: dict[str, str] = {}
        self._code: JsonObject = {}
        self._environment = describe_environment(artifacts)

    def describe_code(self, file: Path | None, target: str | None) -> None:
        """Describe the repository of a file, else of the working directory."""
        folder = file.parent if file is not None else Path.cwd()
        self._code = describe_code(folder, self.artifacts, target=target, file=file)

    def begin(self) -> None:
        """Take it that whatever changes a file from here on may be the run itself."""
        self._begun_for_files = file_moment()

    def add_step(
        self,
        name: str,
        *,
        kind: str = "step",
        source: str | None = None,
        parameters: Mapping[str, object] | None = None,
        given: Iterable[str] = (),
        after: Iterable[str] = (),
        status: str = "succeeded",
    ) -> JsonObject:
        """Add a step and return its row, which the caller completes.

        `given` names the parameters that the caller set; the others have the defaults that stand in the code.
        """
        values = dict(parameters or {})
        seeds = [values[name] for name in ("seed", "random_state") if _is_whole(values.get(name))]
        row: JsonObject = {
            "name": name,
            "kind": kind,
            "source": source,
            "status": status,
            "parameters": {key: self._said(key, value) for key, value in values.items()},
            "given": list[Json](given),
            "seed": to_json("seed", seeds[0]) if seeds else None,
            "duration_s": None,
            "after": list[Json](after),
            "inputs": [],
            "outputs": [],
        }
        self.steps.append(row)
        return row

    def _said(self, name: str, value: object) -> Json:
        if isinstance(value, Private) and self.referrer is not None:
            return self.referrer.refer(value.subject, value.value)
        return to_json(name, value)

    def perform(self, planned: PlannedStep, returned: dict[str, object]) -> None:
        """Run one step with what came before it, and record it."""
        row = self._planned_row(planned, "failed")
        begun = self._stopwatch()
        try:
            row["inputs"] = [
                part for name in planned.after for part in self.parts(name, returned[name], came_in=True)
            ]
            self.find_sources(planned.step.name, planned.parameters)
            watched = watch(planned, returned)
            begun = self._stopwatch()
            try:
                with self.origins.listening(planned.step.name):
                    plan = planned.call(returned)
                    value = settled(plan)
            finally:
                row["duration_s"] = self.seconds_since(begun)
            outputs = self.parts(planned.step.name, value, made_here=bool(planned.after))
            row["outputs"] = cast(Json, outputs)
            if planned.step.kind == "evaluate":
                self.evaluation = _judge(planned, value, self.artifacts)
                self.profiling.protect_table(cast(Mapping[str, object], value).get("sensitive"))
            else:
                self.flows += self._traced(watched, plan, row)
                if not planned.after:
                    self.keeping.see(planned.step.name, value, outputs)
                self.check(row, value, planned.step.checks)
            returned[planned.step.name] = value
            row["status"] = "succeeded"
        except (
            BaseException
        ) as error:  # an interrupt ends a run as an error does: it is recorded, then it goes on
            self.fail(planned.step.name, error)

    def check(self, row: JsonObject, value: object, schemas: Checks) -> None:
        """Hold what a step returned against its schemas; raises `ChecksFailed` once all that came out is recorded."""
        if schemas:
            checks = list(check_parts(str(row["name"]), value, schemas, self.artifacts))
            row["checks"] = cast(Json, checks)
            raise_failed(checks)

    def _traced(self, watched: Watch, value: object, row: JsonObject) -> list[Flow]:
        """Say how the columns of what a step returned come about, down to the files that it read."""
        outputs = cast(list[JsonObject], row["outputs"])
        return self.with_files(str(row["name"]), value, outputs, watched.flows(value))

    def with_files(
        self, step: str, value: object, outputs: Sequence[JsonObject], flows: Sequence[Flow]
    ) -> list[Flow]:
        """Add to the flows of what a step returned the columns of the files that it names as its sources."""
        files = {uri: path for (name, uri), path in self._files.items() if name == step}
        rows = {part["name"]: part for part in outputs}
        holders = {name: (holder_of(item) or ("",))[0] for name, item in parts_of(step, value)}
        return [
            with_file_columns(
                flow,
                rows[flow.part],
                holders[flow.part],
                files,
                self.artifacts,
                self.keying,
                since=self._begun_for_files,
            )
            if files and flow.part in rows
            else flow
            for flow in flows
        ]

    def pass_over(self, planned: PlannedStep) -> None:
        """Record a step that did not run because one before it failed."""
        self._planned_row(planned, "not run")

    def parts(
        self, name: str, value: object, *, came_in: bool = False, made_here: bool = False
    ) -> list[JsonObject]:
        """Describe what a step returned, or, with `came_in`, what another step is about to receive of it.

        `made_here` says that it was made from what other steps returned.
        """
        parts = []
        for part_name, held in parts_of(name, value):
            item = polars_frame(held) if is_lazy(held) else held
            part = describe(part_name, item, self.artifacts, self.keying)
            mark = part["fingerprint"]
            before = self._seen.get(part_name)
            if came_in and before is not None and mark is not None and mark != before:
                part["note"] = f"changed in place after the step {name} returned it"
            if not came_in and isinstance(mark, str):
                self._seen[part_name] = mark
                self.profiling.see(part, item, made_here=made_here)
            parts.append(part)
        return parts

    def find_sources(self, step: str, parameters: Mapping[str, object]) -> None:
        """Record every text or path among the parameters that names a file, by its digest, and every other origin."""
        for name, value in parameters.items():
            self.origins.find(step, name, value)
            if not isinstance(value, str | Path) or to_json(name, value) == {"withheld": True}:
                continue
            path = _file_named(value)
            if path is not None:
                self.add_source(step, name, path)

    def add_source(self, step: str, parameter: str, path: Path) -> None:
        """Record a file that a step reads: its name from the working directory, digest and size."""
        digest, size = digest_of_file(path)
        uri = _short_name(path)
        self._files[step, uri] = path
        self._sources.append(
            {"step": step, "parameter": parameter, "uri": uri, "sha256": digest, "bytes": size}
        )

    def keep_model(self, step: str, models: Sequence[object], model_format: str) -> None:
        """Store the model; where it is not one, or the format cannot hold it, the step that made it has failed."""
        try:
            if len(models) > 1:
                raise MalformedInput(
                    f"the step {step} returned {len(models)} fitted models, and a run registers one: return that one "
                    "from a step called model"
                )
            self.model_file = save_model(models[0], self.artifacts, format=model_format)
        except BaseException as error:  # as in `perform`
            for row in self.steps:
                if row["name"] == step:
                    row["status"] = "failed"
            self.fail(step, error)

    def fail(self, step: str, error: BaseException) -> None:
        """Keep the exception that ended the run; the first one counts.

        In a process that a step forked off it goes on at once: the run is its parent's to record.
        """
        if os.getpid() != self._process:
            raise error
        if self.exception is None:
            self.exception = error
            self._failure = {"step": step, "error": type(error).__name__[:MOST_NAME]}

    def seconds_since(self, begun: float) -> str | None:
        """Return a duration as a decimal of seconds."""
        return decimal(round(max(0.0, self._stopwatch() - begun), 4))

    def finish(self) -> RunResult:
        """Say the run: the predicate without what the ledger adds, and its subjects."""
        self.profiling.keep(self.artifacts)
        self.keeping.keep(self.artifacts, self.profiling.protected, self.keying.privacy)
        predicate: JsonObject = {
            "model": self._model,
            "status": "succeeded" if self.exception is None else "failed",
            "failure": self._failure,
            "started": written_time(self._started),
            "duration_s": self.seconds_since(self._begun),
            "how": self._how,
            "code": self._code,
            "environment": self._environment,
            "steps": cast(Json, self.steps),
            "sources": cast(Json, self._sources),
            "evaluation": self.evaluation,
            # A model that a failed run trained is not registered; its fingerprint stands with its step.
            "model_file": self.model_file if self.exception is None else None,
            "origins": cast(Json, self.origins.found),
            "lineage": [flow.to_json() for flow in self.flows],
            "privacy": {
                **self.keying.privacy.to_json(self.profiling.protected),
                **({"unmatched": unmatched} if (unmatched := self.keying.unmatched()) else {}),
            },
            **(self.referrer.members() if self.referrer is not None else {}),
        }
        subjects = self._subjects(predicate)
        fitting = fit_in_record(predicate, subjects, self.artifacts)
        return RunResult(fitting, subjects, self.exception, self.referrer)

    def _planned_row(self, planned: PlannedStep, status: str) -> JsonObject:
        step = planned.step
        row = self.add_step(
            step.name,
            kind=step.kind,
            source=keep_source(step.function, self.artifacts),
            parameters=planned.parameters,
            given=planned.given,
            after=planned.after,
            status=status,
        )
        if step.query is not None:
            text = step.query.text.encode("utf-8", "backslashreplace")
            row["query"] = {"language": "DuckDB SQL", "artifact": self.artifacts.put(text)}
        return row

    def _subjects(self, predicate: JsonObject) -> tuple[tuple[str, str], ...]:
        subjects: dict[str, str] = {}
        if isinstance(model_file := predicate["model_file"], dict):
            suffix = "skops" if model_file["format"] == "skops" else "pickle"
            subjects[f"{self._model}.{suffix}"] = str(model_file["sha256"])
        for source in self._sources[:MOST_SUBJECTS]:
            subjects.setdefault(str(source["uri"])[-200:], str(source["sha256"]))
        if self._code.get("source"):
            subjects.setdefault("source.py", str(self._code["source"]))
        packages = cast(JsonObject, self._environment["packages"])
        subjects.setdefault("packages.txt", str(packages["artifact"]))
        return tuple(subjects.items())


def judge(
    returned: Mapping[str, object], options: Mapping[str, object], artifacts: ArtifactStore
) -> JsonObject:
    """Compute the evaluation of labels, scores and protected columns; the complete table of groups is an artifact.

    `returned` has `y_true`, `y_pred` and perhaps `y_score` and `sensitive`. Raises `MalformedInput`.
    """
    # Here and not above: pandas and SciPy are loaded by a run that evaluates and by nothing else.
    from registry.evaluation import evaluate

    def evaluated(**more: Any) -> JsonObject:
        return evaluate(
            returned["y_true"],
            returned["y_pred"],
            y_score=returned.get("y_score"),
            sensitive=returned.get("sensitive"),
            **cast(dict[str, Any], options),
            **more,
        )

    found = evaluated()
    biases = cast(list[JsonObject], found["bias"])
    if any(bias.get("groups_omitted") for bias in biases):
        found["artifact"] = artifacts.put(encode(evaluated(most_groups=1_000_000)))
    return found


def _judge(planned: PlannedStep, value: object, artifacts: ArtifactStore) -> JsonObject:
    """Check what the evaluating step returned, then judge it."""
    step = planned.step
    if not isinstance(value, Mapping):
        raise MalformedInput(
            f"the step {step.name} must return a dict with y_true and y_pred, not a {type(value).__name__}"
        )
    for key in value:
        if key not in EVALUATED:
            raise MalformedInput(f"the step {step.name} returned {key!r}{did_you_mean(str(key), EVALUATED)}")
    for key in ("y_true", "y_pred"):
        if value.get(key) is None:
            raise MalformedInput(f"the step {step.name} returned no {key}: return it beside the other labels")
    returned = dict(value)
    if step.sensitive:
        if returned.get("sensitive") is None:
            raise MalformedInput(
                f"the step {step.name} declares the protected columns {', '.join(step.sensitive)} and returned no "
                "table of them: return it as sensitive"
            )
        from registry.evaluation import select_sensitive

        returned["sensitive"] = select_sensitive(returned["sensitive"], step.sensitive)
    return judge(returned, dict(step.options), artifacts)


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


def _is_whole(value: object) -> bool:
    item = value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value
    return isinstance(item, int) and not isinstance(item, bool)


def _file_named(value: str | Path) -> Path | None:
    with suppress(OSError, ValueError):  # too long a name, or a NUL in it, names no file
        path = Path(value)
        if str(value) and path.is_file():
            return path
    return None


def _short_name(path: Path) -> str:
    """Name a file from the working directory; one outside it by its name alone, which tells nothing of the machine."""
    whole, here = path.resolve(), Path.cwd()
    short = whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.name
    return short.encode("utf-8", "backslashreplace").decode()
