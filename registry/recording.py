"""`record()`: a run recorded from code that is already written, without turning it into steps.

Rules:

- The block is the step `record`, which holds the parameters and, if the block raises, the failure. Every call of
  `data`, `model` and `evaluate` adds a step of its own, in the order of the calls.
- Nobody can see which table went into which model, so `after` names what was recorded before: the most that can be
  known, unless the caller says `after=`. A pipeline says more. `inputs` stay empty where nothing is declared, else they
  are what `after` names, as it is then: the block may have changed it in place (`registry.recorded_parts`).
- Where columns come from is what the caller declares (`columns=`, `rows=`), what the file that is named as the source
  shows, and what scikit-learn's names say; the rest is unknown (`registry.recorded_fields`).
- An exception in the block is recorded as a failed run and then goes on, the very same object. A call that was
  refused and whose exception the block handles does not fail the run; its step says `failed`, and the same name may
  be tried again. Only a data check that failed, and was not made again with success, fails the run all the same.

>>> with record("mortgage", params={"C": 1.0}) as run:                    # doctest: +SKIP
...     frame = run.data("applications", pd.read_csv("loanapp.csv"))
...     run.model(fitted, features=X.columns)
...     run.evaluate(y_true, y_pred, sensitive=frame[["race", "sex"]])
>>> run.entry                                                             # doctest: +SKIP
"""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.data_checks import checked_schemas, failed_checks
from registry.declared_source import checked_source, refuse_name_of_file
from registry.estimators import input_names
from registry.evaluation_settings import check_options
from registry.fingerprint_key import FingerprintKey
from registry.flow_advice import with_advice
from registry.held import written
from registry.kept_data import KeepData, Keeping, checked_keeping, warn_of_not_kept
from registry.keying import Keying, warn_of_protecting_nothing
from registry.model_file import save_model
from registry.origins import SqlSource
from registry.parts import is_fitted_model
from registry.places import FILE
from registry.predicates import check_model_name
from registry.privacy import Privacy
from registry.profiling import Profiling, checked_columns
from registry.recorded_fields import RecordedFields
from registry.recorded_parts import RecordedParts, in_memory
from registry.run import not_hiding
from registry.run_evaluation import judge
from registry.run_recorder import RunRecorder, RunResult
from registry.sentences import did_you_mean
from registry.told import Told, tell
from registry.written_arguments import written_by_block

if TYPE_CHECKING:
    from audit.subjects import Referrer
    from registry.registry import RunEntry

__all__ = ["Recorder", "Recording", "record"]

BLOCK = "record"
T = TypeVar("T")


class Recorder(Protocol):
    """What a recording needs of a registry: where artifacts go, and who signs the run."""

    @property
    def artifacts(self) -> ArtifactStore:
        """The artifact store of the ledger."""

    def record_run(self, result: RunResult, /) -> "RunEntry":
        """Sign and append a run."""

    def referrer(self) -> "Referrer":
        """Refer to people by the ledger's erasable table."""

    def on_record(self) -> tuple[FingerprintKey | None, Privacy]:
        """Open the key that signs, and read that of keyed fingerprints and what the policies ask of a recorded run."""


class Recording:
    """A block that is being recorded; use it as `record` returns it. `entry` is the run's entry afterwards.

    Inside the block `data`, `model`, `evaluate` and `refer` record what it has made so far.
    """

    def __init__(
        self,
        model: str,
        params: Mapping[str, object],
        open_recorder: Callable[[], Recorder],
        *,
        file: Path | None = None,
        code: CodeType | None = None,
        space: dict[str, Any] | None = None,
        protected: Collection[str] = (),
        profiled: Collection[str] = (),
        keep_data: KeepData = False,
        profile: bool = True,
    ) -> None:
        for name in params:
            if not isinstance(name, str) or not name.isascii():
                raise MalformedInput(f"the parameter name {name!r} must be text in ASCII letters")
        self._entry: RunEntry | None = None
        self._name = check_model_name(model)
        self._params = dict(params)
        self._protected = checked_columns("protected", protected)
        self._profiled = checked_columns("profiled", profiled)
        self._keep_data = checked_keeping(keep_data)
        self._declined = None if profile else "record() was told profile=False"
        self._open_recorder = open_recorder
        self._file = file
        self._code, self._space = code, space or {}
        self._registry: Recorder | None = None
        self._run: RunRecorder | None = None
        self._fields = RecordedFields()
        self._parts = RecordedParts()
        self._refused: tuple[str, BaseException | None] = (BLOCK, None)
        self._block = ExitStack()

    @property
    def entry(self) -> "RunEntry":
        """The run's entry; raises `MalformedInput` before the block has ended, and where it could not be recorded."""
        if self._entry is None:
            raise MalformedInput(
                "this recording has no entry: it has one once its block has ended and was recorded"
            )
        return self._entry

    @property
    def is_recorded(self) -> bool:
        """Say whether the block has ended and its run is in the ledger."""
        return self._entry is not None

    def __enter__(self) -> Self:
        if self._registry is not None:
            raise MalformedInput("a recording is used once: call record() again for another run")
        self._registry = self._open_recorder()
        key, privacy = self._registry.on_record()
        run = RunRecorder(
            self._name,
            "record",
            self._registry.artifacts,
            profiling=Profiling(self._protected, self._profiled, privacy, declined=self._declined),
            keeping=Keeping(self._keep_data),
            keying=Keying((), tuple(self._protected), key, privacy),
            referrer=self._registry.referrer(),
        )
        run.describe_code(self._file, None if self._file is None else str(self._file))
        row = run.add_step(BLOCK, parameters=self._params, given=self._params)
        run.find_sources(BLOCK, self._params)
        run.begin()
        self._block.enter_context(run.origins.listening(BLOCK))
        self._block.enter_context(run.timed(row))
        self._run = run
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run, self._run = self._open_run(), None
        self._block.close()
        if error is not None:
            run.steps[0]["status"] = "failed"
            step, cause = self._refused
            run.fail(step if cause is error else BLOCK, error)
            if not run.profiling.protected:
                # Nobody has said yet what is protected.
                run.profiling.forget()
                run.keeping.forget()
        elif (failed := failed_checks(run.steps)) is not None:
            # Handled or not: data that does not hold its schema makes no version.
            run.fail(*failed)
        assert self._registry is not None
        with not_hiding(error):
            result = run.finish()
            self._entry = self._registry.record_run(result)
            warn_of_not_kept(result.predicate)
            warn_of_protecting_nothing(result.predicate)

    def data(
        self,
        name: str,
        table: T,
        *,
        source: str | Path | SqlSource | None = None,
        check: object = None,
        keyed: Collection[str] = (),
        columns: Mapping[str, Sequence[str]] | None = None,
        rows: Sequence[str] | None = None,
        after: Collection[str] | None = None,
    ) -> T:
        """Record a table (or any value) under a name and return it; a DuckDB relation is run and its rows recorded.

        `source` names where it came from: a file, the URI of an object, or `sql_source(url, query)`. `check` is a
        pandera schema for it; where it fails, `ChecksFailed` ends the block unless that is handled. The columns named
        in `keyed` are keyed from here on, with the ledger's fingerprint key.

        `columns` maps its columns to those of tables recorded before that they are made of, `rows` lists those that
        decide which rows it has (as in a pipeline, see `registry.told`), and `after` names what it was made from
        (default: everything recorded before, unless the source shows all of it, which a file that was written since
        the block began does not).
        """
        schemas, told = checked_schemas(name, check), tell("table", name, columns, rows)
        run = self._open_run()
        refuse_name_of_file(name, table)
        source = checked_source(source)
        with self._step(name) as row:
            made_from, held = self._made_from(after), in_memory(table)
            if (taken := self._fields.taken(name, held)) is not None:
                raise MalformedInput(f"{taken} is already recorded in this run: choose another name")
            run.keying.check_given(checked_columns("keyed", keyed), held)
            run.keying = run.keying.also(keyed)
            run.profiling.protect(keyed)
            row["inputs"] = self._received(made_from, told)
            outputs = run.parts(name, held)
            row["outputs"] = cast(Json, outputs)
            run.profiling.found_made(outputs if made_from else ())
            run.keeping.see(name, held, outputs, run.keying.key)
            run.origins.find(name, "source", source)
            if isinstance(source, Path):
                run.sources.add(name, "source", source)
            outside = run.outside(name, look=told.is_declared)
            flows = self._fields.of_table(name, held, told, made_from, outside)
            flows = run.with_files(name, held, outputs, flows, told, in_pipeline=False)
            # A table that is its file, cell by cell, was made from nothing else.
            shown = (
                after is None and not told.columns and bool(flows) and all(flow.is_whole for flow in flows)
            )
            row["after"] = [] if shown else list[Json](made_from)
            run.profiling.found_given(outputs if shown else ())
            run.check(row, held, schemas)
            run.flows += flows
            self._fields.keep(name, held)
            self._parts.keep(name, table, outputs, run.keying)
        return table

    def refer(self, subject: str, value: object, *, name: str | None = None) -> JsonObject:
        """Record a reference to a person's value, never the value, and return the reference.

        It stands among the parameters under `name`; the person can be erased later (`affidavit erase`).
        """
        run = self._open_run()
        assert run.referrer is not None
        reference = run.referrer.refer(subject, value)
        parameters = cast(JsonObject, run.steps[0]["parameters"])
        name = name or f"reference {sum(_is_reference(said) for said in parameters.values()) + 1}"
        if not name.isascii() or name in parameters:
            raise MalformedInput(
                f"{name!r} cannot name a reference: use ASCII text that names no other parameter"
            )
        parameters[name] = reference
        return reference

    def model(
        self,
        model: T,
        *,
        features: Iterable[object] | None = None,
        format: str = "skops",  # noqa: A002 - the name that pandas and scikit-learn use for it
        columns: Mapping[str, Sequence[str]] | None = None,
        rows: Sequence[str] | None = None,
        after: Collection[str] | None = None,
        target: Sequence[str] | None = None,
    ) -> T:
        """Record and store the fitted model of this run and return it; `format="pickle"` asks for a pickle.

        A feature is taken for the column of its name in what was recorded before, or in those named in `after`; that
        nothing was done to it on the way is known only where `columns` says so: `columns={"*": ["*"]}`. `rows` lists
        what else decided what it learned from, and `target` what its target is made of.
        """
        run, told = self._open_run(), tell("model", "model", columns, rows, target=target)
        if run.model_file is not None:
            raise MalformedInput("this run already has a model: record another run for another model")
        if not is_fitted_model(model):
            raise MalformedInput(
                f"an object of the type {type(model).__name__} is no fitted model: it needs fit and predict, and "
                "has to be fitted"
            )
        names = None if features is None else list(features)
        with self._step("model") as row:
            made_from = self._made_from(after)
            row["after"] = list[Json](made_from)
            row["inputs"] = self._received(made_from, told)
            row["outputs"] = cast(Json, run.parts("model", model))
            read = (input_names(model) if names is None else written(names)) or ()
            given = written_by_block(self._code, self._space, self._params)
            flows = self._fields.of_model(model, read, told, made_from, given)
            flows = [with_advice(flow, told, model, (), in_pipeline=False) for flow in flows]
            run.model_file = save_model(model, run.artifacts, format=format, features=names)
            run.flows += flows
        return model

    def evaluate(
        self,
        y_true: object,
        y_pred: object,
        y_score: object = None,
        sensitive: object = None,
        **options: object,
    ) -> dict[str, Json]:
        """Record and return metrics and bias; `sensitive` is the table of protected columns, row by row.

        `options`: `positive`, `minimum`, `replicates`, `confidence`, `seed`, `small_cell`. Raises `MalformedInput`.
        """
        run = self._open_run()
        if run.evaluation is not None:
            raise MalformedInput("this run is evaluated already: evaluate it once, at the end of its block")
        check_options(options)
        given = {"y_true": y_true, "y_pred": y_pred, "y_score": y_score, "sensitive": sensitive}
        returned = {name: value for name, value in given.items() if value is not None}
        run.profiling.protect_table(sensitive)
        run.keying = run.keying.protecting(run.profiling.protected)
        with self._step("evaluation", kind="evaluate", after=self._recorded()) as row:
            row["outputs"] = cast(Json, run.parts("evaluation", returned, made_here=True))
            run.evaluation = judge(given, options, run.artifacts, privacy=run.profiling.privacy)
        return run.evaluation

    @contextmanager
    def _step(self, name: str, **fields: Any) -> Iterator[JsonObject]:
        """Add the step of one call, which has failed until the call returns."""
        run = self._open_run()
        # What was refused under this name is tried again: one name, one step.
        run.steps = [row for row in run.steps if row["name"] != self._free(name)]
        row = run.add_step(name, status="failed", **fields)
        try:
            with run.timed(row):
                yield row
        except BaseException as error:
            self._refused = name, error
            raise
        row["status"] = "succeeded"

    def _open_run(self) -> RunRecorder:
        if self._run is None:
            raise MalformedInput("a recording works inside its block: with record(...) as run")
        return self._run

    def _made_from(self, after: Collection[str] | None) -> list[str]:
        """Name what a call was made from: what the caller says, else the most that can be known."""
        # The call itself stands among the steps, and has not succeeded yet.
        recorded = self._recorded()
        if after is None:
            return recorded
        if isinstance(after, str):
            raise MalformedInput(f'after takes a list of names: write after=["{after}"]')
        for name in after:
            if name not in recorded:
                raise MalformedInput(
                    f"after names {name}, and nothing of that name is recorded yet{did_you_mean(str(name), recorded)}"
                )
        return list(dict.fromkeys(after))

    def _received(self, made_from: Sequence[str], told: Told) -> Json:
        """Describe what a call was made from as it is now, where anything is declared of it."""
        return cast(Json, self._parts.received(made_from, self._open_run()) if told.is_declared else [])

    def _recorded(self) -> list[str]:
        return [str(row["name"]) for row in self._open_run().steps[1:] if row["status"] == "succeeded"]

    def _free(self, name: str) -> str:
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise MalformedInput(f"{name!r} cannot name what is recorded: use printable text")
        if name.startswith(FILE):
            raise MalformedInput(f"{name} is how lineage names a file: choose another name")
        if name in (BLOCK, *self._recorded()):
            raise MalformedInput(f"{name} is already recorded in this run: choose another name")
        return name


def _is_reference(said: Json) -> bool:
    return isinstance(said, dict) and set(said) == {"subject", "hmac"}


def record(
    model: str,
    params: Mapping[str, object] | None = None,
    *,
    ledger: str | None = None,
    protected: Collection[str] = (),
    profiled: Collection[str] = (),
    keep_data: KeepData = False,
    profile: bool = True,
) -> Recording:
    """Record the block that follows as one run of `model` in a ledger (else in the nearest one).

    `params` are the parameters of the run; those that name files are recorded as its sources. `protected` names columns
    whose values profiles do not tell, beside the sensitive ones; `profiled` those that they tell all the same.
    `keep_data` keeps what `run.data` is given, where it holds no protected column; "all" keeps every table.
    `profile=False` makes no profiles of the tables, and the run says so.
    """

    def open_recorder() -> Recorder:
        # Here and not above: the ledger's libraries are loaded by who records.
        from registry.registry import open_registry

        return open_registry(ledger)

    frame = sys._getframe(1)
    path = Path(frame.f_code.co_filename)
    file = path.resolve() if path.is_file() else None
    return Recording(
        model,
        params or {},
        open_recorder,
        file=file,
        code=frame.f_code,
        space=frame.f_globals,
        protected=protected,
        profiled=profiled,
        keep_data=keep_data,
        profile=profile,
    )
