"""Pipelines: steps declared as plain functions, and the order that follows from the names of their arguments.

Rules:

- An argument named like a step takes what that step returned, even if it has a default. Every other argument is
  a parameter: with a default, or required and then given by the caller.
- The order is topological; steps that do not depend on each other keep the order of their declaration.
- A decorated function stays the function it was.
- At most one step evaluates. It returns `y_true`, `y_pred` and, if it has them, `y_score` and `sensitive`.
- What cannot be recorded honestly is refused when it is declared (`registry.steps`).

>>> mortgage = Pipeline("mortgage")
>>> @mortgage.step
... def applications(source: str = "loanapp.csv"): ...
>>> @mortgage.step
... def model(applications, C: float = 1.0): ...
>>> [planned.step.name for planned in mortgage.plan({})]
['applications', 'model']
"""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast, overload

from audit.errors import MalformedInput
from registry.data_checks import Checks, checked_schemas
from registry.evaluation_settings import check_options
from registry.fingerprint_key import FingerprintKey
from registry.keying import Keying, warn_of_protecting_nothing
from registry.model_file import ModelFormat, checked_format
from registry.parameters import MISSING, Parameter, assign
from registry.predicates import check_model_name
from registry.privacy import Privacy
from registry.profiling import Profiling, checked_columns
from registry.sentences import did_you_mean
from registry.steps import PlannedStep, Step, arguments_of, name_of
from registry.told import Told, tell

if TYPE_CHECKING:
    from registry.kept_data import KeepData
    from registry.registry import RunEntry
    from registry.sql_step import Query

__all__ = ["Pipeline"]

F = TypeVar("F", bound=Callable[..., object])


class Pipeline:
    """A named set of steps. `model_format="pickle"` asks for a pickle where skops cannot store the model.

    `protected` names columns whose values profiles do not tell, beside those that the evaluation calls sensitive;
    `profiled` names protected ones that they tell all the same. `observe=True` lets a run call each step again on a
    sample, to see which columns depend on which (see `registry.observe`): only for steps that write and send nothing.
    `keyed` names columns whose fingerprints are keyed with the ledger's fingerprint key; where there is one, protected
    columns are keyed as well. `profile=False` makes no profiles, which take several times as long as fingerprints; the
    run says so.
    """

    def __init__(
        self,
        name: str,
        *,
        model_format: ModelFormat = "skops",
        protected: Collection[str] = (),
        profiled: Collection[str] = (),
        observe: bool = False,
        keyed: Collection[str] = (),
        profile: bool = True,
    ) -> None:
        self.name = check_model_name(name)
        self.model_format = checked_format(model_format)
        self.protected = checked_columns("protected", protected)
        self.profiled = checked_columns("profiled", profiled)
        self.observe = observe
        self.keyed = checked_columns("keyed", keyed)
        self.profile = profile
        self._steps: dict[str, Step] = {}

    def __repr__(self) -> str:
        return f"Pipeline({self.name!r}, steps={list(self._steps)})"

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in the order of their declaration."""
        return tuple(self._steps.values())

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every argument of every step that does not name a step."""
        return tuple(
            Parameter(step.name, argument.name, argument.expected, argument.default)
            for step in self.steps
            for argument in step.arguments
            if argument.name not in self._steps
        )

    @property
    def file(self) -> Path | None:
        """The file that declares the first step, if there is one."""
        for step in self.steps:
            try:
                path = Path(inspect.getsourcefile(inspect.unwrap(step.function)) or "")
            except TypeError:
                continue
            if path.is_file():
                return path.resolve()
        return None

    def profiling(self, privacy: Privacy, *, declined: str | None = None) -> Profiling:
        """Begin the profiles of one run, which tell no more than the policies in force allow.

        `declined` is why it is to have none.
        """
        # What is keyed so that it cannot be guessed is not told by a profile.
        withheld = [*self.protected, *self.keyed, *self._sensitive()]
        without = declined or (None if self.profile else "the pipeline says profile=False")
        return Profiling(withheld, self.profiled, privacy, declined=without)

    def keying(self, key: FingerprintKey | None, privacy: Privacy) -> Keying:
        """Say which columns are keyed; raise `NotFound` where the code names some and there is no key."""
        return Keying(self.keyed, (*self.protected, *self._sensitive()), key, privacy).checked()

    def _sensitive(self) -> list[str]:
        return [column for step in self.steps for column in step.sensitive]

    @overload
    def step(self, function: F, /) -> F: ...
    @overload
    def step(
        self,
        /,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        rows: Sequence[str] | None = None,
        observe: bool | None = None,
        check: object = None,
        target: Sequence[str] | None = None,
    ) -> Callable[[F], F]: ...
    def step(
        self,
        function: F | None = None,
        /,
        *,
        columns: Mapping[str, Sequence[str]] | None = None,
        rows: Sequence[str] | None = None,
        observe: bool | None = None,
        check: object = None,
        target: Sequence[str] | None = None,
    ) -> F | Callable[[F], F]:
        """Declare a step by decorating a function, which is returned as it is.

        `columns` maps a column that it returns to the input columns that it is made of, `rows` lists those that
        decide which rows it returns (see `registry.told`); `observe` lets a run call the step again on a sample, or
        not, whatever the pipeline says. `check` is a pandera schema for what it returns, or schemas by the names of
        its parts (see `registry.data_checks`). `target` lists what the target of the model is made of that the step
        returns.
        """

        def declare(function: F) -> F:
            name = getattr(function, "__name__", "")
            observing = self.observe if observe is None else observe
            told = tell("step", name, columns, rows, observing, target)
            self._declare(function, "step", told=told, checks=checked_schemas(name, check))
            return function

        return declare if function is None else declare(function)

    def sql_step(self, text: str, /, *, check: object = None) -> Callable[[F], F]:
        """Declare a step that a query makes, by decorating an empty function that names its tables and parameters.

        The function then runs the query. Needs the packages of the extra `sql` (see `registry.sql_step`).
        """
        from registry.sql_step import as_function, read_query

        query = read_query(text)

        def declare(function: F) -> F:
            run = as_function(query, function)
            checks = checked_schemas(getattr(function, "__name__", ""), check)
            self._declare(run, "step", query=query, checks=checks)
            return cast(F, run)

        return declare

    def evaluate(self, *, sensitive: Sequence[str] = (), **options: object) -> Callable[[F], F]:
        """Declare the step that evaluates; `sensitive` names the protected columns of the frame it returns.

        `options` go to the evaluation: `positive`, `minimum`, `replicates`, `confidence`, `seed`, `small_cell`.
        """
        if callable(sensitive):
            raise MalformedInput('write @pipeline.evaluate(sensitive=["..."]) with brackets, or evaluate()')
        columns = checked_columns("sensitive", sensitive)
        check_options(options)

        def declare(function: F) -> F:
            for other in self.steps:
                if other.kind == "evaluate":
                    raise MalformedInput(
                        f"the pipeline {self.name} already evaluates in {other.name}: one step does"
                    )
            self._declare(function, "evaluate", sensitive=columns, options=tuple(options.items()))
            return function

        return declare

    def plan(self, given: Mapping[str, object]) -> tuple[PlannedStep, ...]:
        """Order the steps and settle every parameter, or raise `MalformedInput` before anything runs."""
        if not self._steps:
            raise MalformedInput(
                f"the pipeline {self.name} has no steps: decorate functions with @pipeline.step"
            )
        for name in given:
            if name in self._steps:
                raise MalformedInput(f"{name} is a step of the pipeline {self.name}, not a parameter")
        assigned = assign(self.parameters, given)
        return tuple(self._planned(step, assigned) for step in self._ordered())

    def run(
        self, /, ledger: str | None = None, *, keep_data: "KeepData" = False, **parameters: object
    ) -> "RunEntry":
        """Run every step, record the run in the ledger (else the nearest one) and return its entry.

        `keep_data` keeps the tables that came in from outside, where they hold no protected column; "all" keeps every
        one. A failing step is recorded as a failed run; then its exception goes on, the very same object.
        """
        # Here and not above: the ledger is looked for, and its libraries loaded, only by who records.
        from registry.kept_data import checked_keeping, warn_of_not_kept
        from registry.registry import open_registry
        from registry.run import not_hiding, run_pipeline

        self.plan(parameters)
        checked_keeping(keep_data)
        registry = open_registry(ledger)
        key, privacy = registry.on_record()
        result = run_pipeline(
            self,
            parameters,
            artifacts=registry.artifacts,
            target=self._target(),
            referrer=registry.referrer(),
            keep_data=keep_data,
            key=key,
            privacy=privacy,
        )
        with not_hiding(result.exception):
            entry = registry.record_run(result)
        warn_of_not_kept(result.predicate)
        warn_of_protecting_nothing(result.predicate)
        if result.exception is not None:
            raise result.exception
        return entry

    def stand_in(self, name: str, function: Callable[..., object]) -> None:
        """Call another function in the place of a step's, in this process."""
        self._steps[name] = replace(self._steps[name], function=function)

    def _declare(
        self,
        function: Callable[..., object],
        kind: Literal["step", "evaluate"],
        *,
        sensitive: tuple[str, ...] = (),
        options: tuple[tuple[str, object], ...] = (),
        told: Told | None = None,
        query: "Query | None" = None,
        checks: Checks | None = None,
    ) -> None:
        name = name_of(function)
        if name in self._steps:
            raise MalformedInput(f"the pipeline {self.name} already has a step {name}: rename one of the two")
        self._steps[name] = Step(
            name,
            kind,
            function,
            arguments_of(name, function),
            sensitive=sensitive,
            options=options,
            told=told or Told(),
            query=query,
            checks=checks or {},
        )

    def _planned(self, step: Step, assigned: Mapping[str, object]) -> PlannedStep:
        after = tuple(argument.name for argument in step.arguments if argument.name in self._steps)
        values: dict[str, object] = {}
        for argument in step.arguments:
            if argument.name in after:
                continue
            address = f"{step.name}.{argument.name}"
            given = address in assigned
            value = assigned[address] if given else argument.default
            if value is MISSING:
                raise MalformedInput(self._unanswered(step, argument.name))
            # What can be filled is each step's own: else a step could fill what a later one is given.
            values[argument.name] = deepcopy(value) if type(value) in (list, dict, set) and given else value
        said = tuple(name for name in values if f"{step.name}.{name}" in assigned)
        return PlannedStep(step, after, values, said)

    def _unanswered(self, step: Step, name: str) -> str:
        others = [other for other in self._steps if other != step.name]
        return (
            f"the step {step.name} asks for {name}, which is neither a step nor a parameter with a default"
            f"{did_you_mean(name, others)}; a required parameter is given by its name (-p {name}=VALUE)"
        )

    def _ordered(self) -> list[Step]:
        waiting = {
            step.name: {argument.name for argument in step.arguments if argument.name in self._steps}
            for step in self.steps
        }
        ordered: list[Step] = []
        while waiting:
            ready = next((name for name, needs in waiting.items() if not needs & waiting.keys()), None)
            if ready is None:
                raise MalformedInput(f"the steps go in a circle: {' -> '.join(_circle(waiting))}")
            del waiting[ready]
            ordered.append(self._steps[ready])
        return ordered

    def _target(self) -> str | None:
        """Name this pipeline as the command line would, by its file and the variable that holds it."""
        if self.file is None:
            return None
        for step in self.steps:
            names = getattr(inspect.unwrap(step.function), "__globals__", {})
            for name, value in names.items():
                if value is self:
                    return f"{self.file}:{name}"
        return str(self.file)


def _circle(waiting: Mapping[str, Iterable[str]]) -> list[str]:
    """Find one circle among steps that all wait for each other."""
    trail = [next(iter(waiting))]
    while True:
        following = next(name for name in waiting if name in set(waiting[trail[-1]]))
        if following in trail:
            return [following, *reversed(trail[trail.index(following) :])]
        trail.append(following)
