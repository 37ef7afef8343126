"""Lineage by observation: rerun a step on a small sample, change one input column at a time, see which outputs move.

For steps of which neither a declaration nor a query tells. It is done only where the pipeline asks for it
(`observe=True`), because it calls the step again, dozens of times: a step that writes, sends or charges would do that
again too.

Rules:

- The sample is at most `ROWS` rows of each table, the same places in tables of the same length, in their order. The
  step is called twice on it first; where the two differ, it is not deterministic and nothing is said.
- A column is permuted; where an output then stays as it is, the column is drawn anew with replacement as well, since
  a mean does not move when its values change places.
- Rows are followed by their labels (pandas), so that a step that filters or sorts is not taken for one that computes;
  without labels, rows that only changed places are recognised as such.
- What moved depends on the column. What did not is *not observed*, never independent: a branch that no sampled row
  takes, a value that the sample lacks.
- `untold` names the input columns of which nothing can be said: they do not vary in the sample, the step raised, or
  the time was up.
- The step's output to the terminal is dropped, and the state of the random generators is put back afterwards.

>>> sample = take_sample(planned, returned); observe(planned.step.name, sample)     # doctest: +SKIP
"""

import copy
import io
import random
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from registry.flows import ALL_ROWS, DEPENDENCE, ROWS, Link
from registry.outcome import Outcome, moved, outcomes
from registry.pipeline import PlannedStep
from registry.sampling import Sample, changed, sampled, tables_in

__all__ = ["MOST_SECONDS", "Seen", "observe", "take_sample"]

MOST_SECONDS = 15.0
"""How long a step may be observed, in seconds of the processor; waiting counts for an eighth."""

SEED = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one part: links, the inputs of which nothing can be said, and why there is nothing at all."""

    links: tuple[Link, ...] = ()
    untold: tuple[str, ...] = ()
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """A sample of what a step receives, taken before it is called, and how to call it on such values."""

    step: str
    call: Callable[[Mapping[str, object]], object]
    sample: Mapping[str, Sample] = field(default_factory=dict)

    def on(self, values: Mapping[str, object]) -> dict[str, Outcome]:
        """Call the step on copies of the values and describe what it returns."""
        return outcomes(self.step, self.call({name: _copied(value) for name, value in values.items()}))


def take_sample(planned: PlannedStep, returned: Mapping[str, object]) -> Observation:
    """Take a sample of a step's inputs, which the step itself may then change in place."""
    # Rows first, then the copy: a large table is not held twice.
    sample = {name: Sample(_copied(sampled(returned[name], SEED).value)) for name in planned.after}
    return Observation(planned.step.name, planned.call, sample)


def observe(
    observation: Observation,
    *,
    known: Collection[tuple[str, str]] = (),
    stopwatch: Callable[[], float] | None = None,
) -> dict[str, Seen]:
    """Say what was seen of every part that the step returns; `stopwatch` gives seconds that were spent.

    `known` are input columns (part and name) that a model reads: where a step returns models only, they need no look.
    """
    values = {name: each.value for name, each in observation.sample.items()}
    with _apart():
        try:
            first, second = observation.on(values), observation.on(values)
        except Exception as error:  # the step is the user's, and may not like a sample
            failure = f"it raised {type(error).__name__} on a sample of its input"
            return {ALL_ROWS: Seen(failure=failure)}
        if first.keys() != second.keys() or any(moved(first[name], second[name]).any for name in first):
            return {ALL_ROWS: Seen(failure="two calls on the same rows gave different results")}
        skipped = known if all(outcome.kind == "model" for outcome in first.values()) else ()
        return _each_column(observation, values, first, skipped, stopwatch or _spending())


def _each_column(
    observation: Observation,
    values: Mapping[str, object],
    before: Mapping[str, Outcome],
    skipped: Collection[tuple[str, str]],
    stopwatch: Callable[[], float],
) -> dict[str, Seen]:
    links: dict[str, list[Link]] = {name: [] for name in before}
    untold: list[str] = []
    begun = stopwatch()
    for step, part, columns in tables_in(values):
        for column in columns:
            if (part, column) in skipped:
                continue
            told = None
            if stopwatch() - begun < MOST_SECONDS:
                told = _one_column(observation, values, before, (step, part, column))
            if told is None:
                untold.append(f"{part}.{column}")
                continue
            for name, found in told.items():
                links[name] += found
        for name in links:
            links[name].append(Link(None, part, ALL_ROWS, "observed", ROWS))
    return {name: Seen(tuple(found), tuple(untold)) for name, found in links.items()}


def _one_column(
    observation: Observation,
    values: Mapping[str, object],
    before: Mapping[str, Outcome],
    which: tuple[str, str, str],
) -> dict[str, list[Link]] | None:
    """Change one column in two ways and link what moved; None where nothing can be said."""
    step, part, column = which
    found: dict[str, list[Link]] = {name: [] for name in before}
    for redraw in (False, True):
        changed_value = changed(values[step], step, part, column, redraw=redraw, seed=SEED)
        if changed_value is None:
            return None
        try:
            after = observation.on({**values, step: changed_value})
        except (
            Exception
        ):  # that the step does not bear the change says something, but not what depends on what
            return None
        for name, outcome in before.items():
            if name not in after:
                found[name].append(Link(None, part, column, "observed", ROWS))
                continue
            move = moved(outcome, after[name], column)
            found[name] += [Link(each, part, column, "observed", DEPENDENCE) for each in move.columns]
            if move.rows:
                use = DEPENDENCE if outcome.kind == "model" else ROWS
                found[name].append(Link(None, part, column, "observed", use))
        if all(outcome.kind == "model" and found[name] for name, outcome in before.items()):
            break  # a model can do no more than move
    return {name: list(dict.fromkeys(each)) for name, each in found.items()}


def _spending() -> Callable[[], float]:
    """Measure what observing costs: on a busy machine the same columns are looked at as on an idle one."""
    busy, begun = time.process_time(), time.perf_counter()
    return lambda: max(time.process_time() - busy, (time.perf_counter() - begun) / 8)


def _copied(value: object) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # what cannot be copied is shared, as it is between steps
        return value


@contextmanager
def _apart() -> Iterator[None]:
    """Keep what the step prints, warns and draws at random from the run that it is called in."""
    ours, numpys = random.getstate(), np.random.get_state()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(ours)
        with suppress(ValueError):
            np.random.set_state(numpys)
