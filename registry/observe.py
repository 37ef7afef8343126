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
- `untold` names the inputs of which nothing can be said, and `notes` say why: a column that does not vary in the
  sample, at which the step raised, or for which the time was up; an index with labels of its own; and whatever is no
  table (a list, a dict, a model), since that is never changed; what the step takes from its module, or reads from a
  file through Python, likewise. Columns that the step returns on all rows and not on
  the sample are not seen.
- The step is waited for no longer than the time allows (`registry.bounded_call`): one that never returns, and one that
  a call in C holds up, end neither the observation nor the run.
- Python's own ways to write a file, to send and to start a program are refused meanwhile (`registry.no_effects`).
- The step's output to the terminal is dropped, and the state of the random generators is put back afterwards.

>>> observe(take_sample(planned, returned))                                # doctest: +SKIP
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

from registry.bounded_call import Raised, TookTooLong, bounded
from registry.flows import ALL_ROWS, DEPENDENCE, ROWS, Link
from registry.no_effects import HasEffect, no_effects
from registry.reached import reached
from registry.sampled_parts import SampledPart, moved, sampled_parts
from registry.sampling import changed, sampled, tables_in, unchangeable
from registry.sentences import listed
from registry.steps import PlannedStep

__all__ = ["MOST_SECONDS", "Seen", "apart", "observe", "take_sample"]

MOST_SECONDS = 15.0
"""How long a step may be observed, in seconds of the processor; waiting counts for an eighth."""

SEED = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one part: links, the inputs of which nothing can be said, and why there is nothing at all.

    `columns` are those that the part had on the sample; None for a model, whose features are not seen one by one.
    `notes` say what hindered.
    """

    links: tuple[Link, ...] = ()
    untold: tuple[str, ...] = ()
    failure: str | None = None
    columns: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """A sample of what a step receives, taken before it is called, and how to call it on such values."""

    step: str
    call: Callable[[Mapping[str, object]], object]
    sample: Mapping[str, object] = field(default_factory=dict)
    outside: tuple[str, ...] = ()
    """What the step reaches besides what it receives (`registry.reached`)."""
    read: set[str] = field(default_factory=set)
    """The files that it was seen to read."""

    def on(self, values: Mapping[str, object], is_over: Callable[[], bool]) -> dict[str, SampledPart]:
        """Call the step on copies of the values and describe what it returns; raises what `bounded` raises."""
        copies = {name: _copied(value) for name, value in values.items()}

        def called() -> dict[str, SampledPart]:
            with no_effects() as read:
                try:
                    return sampled_parts(self.step, self.call(copies))
                finally:
                    self.read.update(read)

        return bounded(called, is_over)


def take_sample(planned: PlannedStep, returned: Mapping[str, object]) -> Observation:
    """Take a sample of a step's inputs, which the step itself may then change in place."""
    # Rows first, then the copy: a large table is not held twice.
    sample = {name: _copied(sampled(returned[name], SEED)) for name in planned.after}
    return Observation(planned.step.name, planned.call, sample, tuple(reached(planned.step.function)))


def observe(
    observation: Observation,
    *,
    known: Collection[tuple[str, str]] = (),
    most: float = MOST_SECONDS,
    stopwatch: Callable[[], float] | None = None,
) -> dict[str, Seen]:
    """Say what was seen of every part that the step returns, in at most so many seconds.

    `known` are input columns (part and name) that a model reads: where a step returns models only, they need no look.
    `stopwatch` gives the seconds that were spent when the next column is to be looked at.
    """
    values = dict(observation.sample)
    spent = _spending()
    with apart():
        try:
            first, second = (observation.on(values, lambda: spent() >= most) for _ in range(2))
        except (Raised, TookTooLong) as error:
            return {ALL_ROWS: Seen(failure=f"{_why(error, most)} on a sample of its input")}
        if first.keys() != second.keys() or any(moved(first[name], second[name]).any for name in first):
            return {ALL_ROWS: Seen(failure="two calls on the same rows gave different results")}
        skipped = known if all(given.kind == "model" for given in first.values()) else ()
        looking = _Looking(observation, values, first, stopwatch or spent, lambda: spent() >= most, most)
        return looking.at_each(skipped)


@dataclass(slots=True)
class _Looking:
    """The observation of one step: what it gave on the sample, and what came of changing each column so far."""

    observation: Observation
    values: Mapping[str, object]
    before: Mapping[str, SampledPart]
    stopwatch: Callable[[], float]
    is_over: Callable[[], bool]
    most: float
    why: dict[str, list[str]] = field(default_factory=dict)
    """The input columns of which nothing can be said, by the reason."""

    def at_each(self, skipped: Collection[tuple[str, str]]) -> dict[str, Seen]:
        """Change each input column but those `skipped`, and say what was seen of every part."""
        links: dict[str, list[Link]] = {name: [] for name in self.before}
        begun = self.stopwatch()
        for step, part, columns in tables_in(self.values):
            for column in columns:
                if (part, column) in skipped:
                    continue
                told: dict[str, list[Link]] | str = "the time was up"
                if self.stopwatch() - begun < self.most and not self.is_over():
                    told = self._one_column(step, part, column)
                if isinstance(told, str):
                    self.why.setdefault(told, []).append(f"{part}.{column}")
                    continue
                for name, found in told.items():
                    links[name] += found
            for name in links:
                links[name].append(Link(None, part, ALL_ROWS, "observed", ROWS))
        outside = [
            (f"{name} outside of the step", "it is nothing that the step received")
            for name in self.observation.outside
        ]
        files = [
            (f"the file {name}", "it is read by the step itself") for name in sorted(self.observation.read)
        ]
        for name, reason in (*unchangeable(self.values), *outside, *files):
            self.why.setdefault(reason, []).append(name)
        untold = tuple(name for names in self.why.values() for name in names)
        notes = tuple(
            f"not observed with regard to {listed(names)}: {reason}" for reason, names in self.why.items()
        )
        return {
            name: Seen(tuple(found), untold, columns=self.before[name].columns, notes=notes)
            for name, found in links.items()
        }

    def _one_column(self, step: str, part: str, column: str) -> dict[str, list[Link]] | str:
        """Change one column in two ways and link what moved; or say why nothing can be said."""
        found: dict[str, list[Link]] = {name: [] for name in self.before}
        for redraw in (False, True):
            changed_value = changed(self.values[step], step, part, column, redraw=redraw, seed=SEED)
            if changed_value is None:
                return "it is the same in every row of the sample"
            try:
                after = self.observation.on({**self.values, step: changed_value}, self.is_over)
            except (Raised, TookTooLong) as error:
                # That the step does not bear the change says something, but not what depends on what.
                return f"{_why(error, self.most)} when it was changed"
            for name, given in self.before.items():
                found[name] += _links(part, column, name, given, after)
            if all(given.kind == "model" and found[name] for name, given in self.before.items()):
                break  # a model can do no more than move
        return {name: list(dict.fromkeys(each)) for name, each in found.items()}


def _links(
    part: str, column: str, name: str, before: SampledPart, after: Mapping[str, SampledPart]
) -> Iterator[Link]:
    """Link what moved of one part of the output, after one input column was changed."""
    if name not in after:
        yield Link(None, part, column, "observed", ROWS)
        return
    move = moved(before, after[name], column)
    yield from (Link(each, part, column, "observed", DEPENDENCE) for each in move.columns)
    if move.rows:
        yield Link(None, part, column, "observed", DEPENDENCE if before.kind == "model" else ROWS)


def _why(error: Raised | TookTooLong, most: float) -> str:
    if isinstance(error, TookTooLong):
        left = ", and could not be ended: it runs on beside this run" if error.left_behind else ""
        return f"it did not come back within {most:g} seconds of the processor, or {most * 8:g} in all{left}"
    if isinstance(error.error, HasEffect):
        return f"it {error.error} and was kept from it"
    return f"it raised {type(error.error).__name__}"


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
def apart() -> Iterator[None]:
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
