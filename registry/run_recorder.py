"""The recorder of one run: what happened, step by step, becomes the fields of one `run` statement.

Rules:

- Inputs are fingerprinted anew before every step, so that a table which somebody changed in place shows; outputs
  after it. The code and the environment are described before the first step.
- The exception that ends a run is kept and not raised, so that the caller records first.
- A run is never refused for its size: `registry.run_predicate` moves its longest parts to the artifact store.
- What is keyed is known at the end (`registry.keyed_digests`): until then digests are bare, and in memory alone.
- What is a person's is referred to (`Private`); the rows that give the references meaning are written with the entry.
- No floats, no object's `repr`, no message of an exception: they can hold anything.

`registry.run` drives it through the steps of a pipeline, `registry.recording` through a block of code.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from audit.canonical import Json, JsonObject, decimal, storable
from audit.errors import MalformedInput
from audit.statement import written_time
from registry.artifacts import ArtifactStore
from registry.code import describe_code, keep_source
from registry.data_checks import Checks, check_parts, raise_failed
from registry.environment import describe_environment
from registry.field_lineage import Watch, watch
from registry.file_columns import file_moment, with_file_columns
from registry.flow_advice import with_advice
from registry.flows import Flow
from registry.held import holder_of, is_lazy, polars_frame, settled
from registry.kept_data import Keeping
from registry.keyed_digests import key_digests
from registry.keying import Keying
from registry.model_file import ModelFormat, describe_model, save_model
from registry.no_effects import Reads, noted_reads
from registry.origins import Origins
from registry.outside import Outside, outside_of, unnamed_reads
from registry.parts import describe, parts_of
from registry.private import Private
from registry.profiling import Profiling
from registry.reached import readers
from registry.recorded_values import to_json
from registry.run_evaluation import judge_step
from registry.run_predicate import fit_in_record
from registry.source_files import SourceFiles
from registry.steps import PlannedStep
from registry.told import Told

if TYPE_CHECKING:
    from audit.subjects import Referrer

__all__ = ["RunRecorder", "RunResult"]

MOST_SUBJECTS = 20
MOST_NAME = 200


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that happened: what to sign, which artifacts it is about, and the exception that ended it, if any."""

    predicate: JsonObject
    subjects: tuple[tuple[str, str], ...]
    exception: BaseException | None
    referrer: "Referrer | None" = None
    """Remembers, with the entry, to whom the run refers."""


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
        referrer: "Referrer | None" = None,
        small_cell: int | None = None,
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
        self.sources = SourceFiles()
        self.profiling = profiling
        self.keeping = keeping
        self.keying = keying
        self._small_cell = small_cell
        self._model, self._how = model, how
        self._process = os.getpid()
        self._stopwatch = stopwatch
        self._begun = stopwatch()
        self._started = clock()
        self._failure: JsonObject | None = None
        self._files_before: int | None = None
        self._seen: dict[str, str] = {}
        self._code: JsonObject = {}
        self._environment = describe_environment(artifacts)

    def describe_code(self, file: Path | None, target: str | None) -> None:
        """Describe the repository of a file, else of the working directory."""
        folder = file.parent if file is not None else Path.cwd()
        self._code = describe_code(folder, self.artifacts, target=target, file=file)

    def begin(self) -> None:
        """Take it that whatever changes a file from here on may be the run itself."""
        self._files_before = file_moment()

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
        try:
            row["inputs"] = [
                part for name in planned.after for part in self.parts(name, returned[name], came_in=True)
            ]
            self.find_sources(planned.step.name, planned.parameters)
            told = planned.step.told
            watched = watch(planned, returned, self.outside(planned.step.name, look=told.is_declared))
            with self.timed(row), self.origins.listening(planned.step.name), noted_reads() as read:
                plan = planned.call(returned)
                value = settled(plan)
            outputs = self.parts(planned.step.name, value, made_here=bool(planned.after))
            row["outputs"] = cast(Json, outputs)
            if planned.step.kind == "evaluate":
                self.evaluation = judge_step(
                    planned.step,
                    value,
                    self.artifacts,
                    privacy=self.profiling.privacy,
                    small_cell=self._small_cell,
                )
                self.profiling.protect_table(cast(Mapping[str, object], value).get("sensitive"))
            else:
                watched = watched.doubting(self._unnamed(planned, read) if told.is_declared else ())
                self.flows += self._traced(watched, plan, row)
                if not planned.after:
                    self.keeping.see(planned.step.name, value, outputs, self.keying.key)
                self.check(row, value, planned.step.checks)
            returned[planned.step.name] = value
            row["status"] = "succeeded"
        # An interrupt ends a run as an error does: it is recorded, then it goes on.
        except BaseException as error:
            self.fail(planned.step.name, error)

    def check(self, row: JsonObject, value: object, schemas: Checks) -> None:
        """Hold what a step returned against its schemas; raises `ChecksFailed` once all that came out is recorded."""
        if schemas:
            checks = list(check_parts(str(row["name"]), value, schemas, self.artifacts))
            row["checks"] = cast(Json, checks)
            raise_failed(checks)

    def outside(self, step: str, *, look: bool = True) -> Outside:
        """Find what a step reads by itself, as far as its parameters name it."""
        paths = self.sources.of_step(step)
        return outside_of(self._rows_of(step), paths, since=self._files_before, look=look)

    def _rows_of(self, step: str) -> list[JsonObject]:
        return [row for row in (*self.sources.found, *self.origins.found) if row["step"] == step]

    def _unnamed(self, planned: PlannedStep, read: Reads) -> list[str]:
        step = planned.step
        return unnamed_reads(
            step.function, read, self._rows_of(step.name), self.sources.of_step(step.name).values()
        )

    def _traced(self, watched: Watch, value: object, row: JsonObject) -> list[Flow]:
        """Say how the columns of what a step returned come about, down to the files that it read."""
        outputs = cast(list[JsonObject], row["outputs"])
        name, step = str(row["name"]), watched.step
        unnamed = step.query is None and not self._rows_of(name) and bool(readers(step.function))
        return self.with_files(name, value, outputs, watched.flows(value), step.told, reads_unnamed=unnamed)

    def with_files(
        self,
        step: str,
        value: object,
        outputs: Sequence[JsonObject],
        flows: Sequence[Flow],
        told: Told,
        *,
        in_pipeline: bool = True,
        reads_unnamed: bool = False,
    ) -> list[Flow]:
        """Add to the flows of what a step returned the columns of the files that it names as its sources.

        Of what is not known then, it is noted what to do.
        """
        files = self.sources.of_step(step)
        rows = {part["name"]: part for part in outputs}
        items = dict(parts_of(step, value))
        holders = {name: (holder_of(item) or ("",))[0] for name, item in items.items()}
        found = [
            with_file_columns(
                flow,
                rows[flow.part],
                holders[flow.part],
                files,
                self.artifacts,
                self.keying,
                since=self._files_before,
            )
            if files and flow.part in rows
            else flow
            for flow in flows
        ]
        return [
            with_advice(
                flow,
                told,
                items.get(flow.part),
                files,
                in_pipeline=in_pipeline,
                reads_unnamed=reads_unnamed,
            )
            for flow in found
        ]

    def pass_over(self, planned: PlannedStep) -> None:
        """Record a step that did not run because one before it failed."""
        self._planned_row(planned, "not run")

    def parts(
        self,
        name: str,
        value: object,
        *,
        came_in: bool = False,
        made_here: bool = False,
        keying: Keying | None = None,
    ) -> list[JsonObject]:
        """Describe what a step returned, or, with `came_in`, what another step is about to receive of it.

        `made_here` says that it was made from what other steps returned; `keying` is another than the run's of now.
        """
        parts = []
        for part_name, held in parts_of(name, value):
            item = polars_frame(held) if is_lazy(held) else held
            part = describe(part_name, item, self.artifacts, keying or self.keying)
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
        """Record every file and every other origin that the parameters name."""
        for name, value in parameters.items():
            self.origins.find(step, name, value)
            self.sources.find(step, name, value)

    def keep_model(
        self, step: str, models: Sequence[object], model_format: ModelFormat, *, store: bool
    ) -> None:
        """Store the model, or only describe it; where it is not one, or cannot be stored, its step has failed."""
        try:
            if len(models) > 1:
                raise MalformedInput(
                    f"the step {step} returned {len(models)} fitted models, and a run registers one: return that one "
                    "from a step called model"
                )
            self.model_file = (
                save_model(models[0], self.artifacts, format=model_format)
                if store
                else describe_model(models[0], format=model_format)
            )
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

    @contextmanager
    def timed(self, row: JsonObject) -> Iterator[None]:
        """Note in the row of a step how many seconds the block inside takes, also where it raises."""
        begun = self._stopwatch()
        try:
            yield
        finally:
            row["duration_s"] = self._seconds_since(begun)

    def _seconds_since(self, begun: float) -> str | None:
        """Return a duration as a decimal of seconds."""
        return decimal(round(max(0.0, self._stopwatch() - begun), 4))

    def finish(self) -> RunResult:
        """Say the run: the predicate without what the ledger adds, and its subjects."""
        self.profiling.keep(self.artifacts)
        self.keeping.keep(self.artifacts, self.profiling.protected, self.keying.privacy)
        keying = self.keying.protecting(self.profiling.protected)
        key = self._key_digests(keying)
        predicate: JsonObject = {
            "model": self._model,
            "status": "succeeded" if self.exception is None else "failed",
            "failure": self._failure,
            "started": written_time(self._started),
            "duration_s": self._seconds_since(self._begun),
            "how": self._how,
            "code": self._code,
            "environment": self._environment,
            "steps": cast(Json, self.steps),
            "sources": cast(Json, self.sources.found),
            "evaluation": self.evaluation,
            # A model that a failed run trained is not registered; its fingerprint stands with its step.
            "model_file": self.model_file if self.exception is None else None,
            "origins": cast(Json, self.origins.found),
            "lineage": [flow.to_json() for flow in self.flows],
            "privacy": {
                **self.keying.privacy.to_json(self.profiling.protected),
                **({"unmatched": unmatched} if (unmatched := self.keying.unmatched()) else {}),
                **({"late": late} if (late := keying.too_late()) else {}),
                **({"key": key} if key is not None else {}),
            },
            **(self.referrer.members() if self.referrer is not None else {}),
        }
        subjects = self._subjects(predicate)
        fitting = fit_in_record(predicate, subjects, self.artifacts)
        return RunResult(fitting, subjects, self.exception, self.referrer)

    def _key_digests(self, keying: Keying) -> str | None:
        """Key what else is digested of the data, where the run keys columns; return the id of the key."""
        if self.exception is not None:
            keying = keying.after_failure()
        if keying.key is None or not keying.is_at_work:
            return None
        key_digests(keying, self.steps, self.sources.found, self.origins.found)
        return keying.key.id

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
            text = storable(step.query.text).encode()
            row["query"] = {"language": "DuckDB SQL", "artifact": self.artifacts.put(text)}
        return row

    def _subjects(self, predicate: JsonObject) -> tuple[tuple[str, str], ...]:
        subjects: dict[str, str] = {}
        if isinstance(model_file := predicate["model_file"], dict) and "sha256" in model_file:
            suffix = "skops" if model_file["format"] == "skops" else "pickle"
            subjects[f"{self._model}.{suffix}"] = str(model_file["sha256"])
        # A file that is recorded under a key is no subject: those have bare digests.
        for source in self.sources.found[:MOST_SUBJECTS]:
            if source["sha256"] is not None:
                subjects.setdefault(str(source["uri"])[-200:], str(source["sha256"]))
        if self._code.get("source"):
            subjects.setdefault("source.py", str(self._code["source"]))
        packages = cast(JsonObject, self._environment["packages"])
        subjects.setdefault("packages.txt", str(packages["artifact"]))
        return tuple(subjects.items())


def _is_whole(value: object) -> bool:
    item = value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value
    return isinstance(item, int) and not isinstance(item, bool)
