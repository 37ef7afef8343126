"""Bias: how a binary classifier treats groups of people, and how sure that is.

Definitions are fairlearn's (`demographic_parity_difference`, `demographic_parity_ratio`,
`equalized_odds_difference`), computed on counts; intervals are those of `registry.bootstrap`.

Rules:

- Every protected column is looked at alone, then the intersection of all of them, and every pair where there
  are three or more (Buolamwini and Gebru 2018; Kearns et al. 2018: parity per column says nothing about
  intersections).
- A rate whose denominator is below `minimum` rows has no value and a note, "not enough data". Such a group is
  never counted as fair: it is left out of the disparities, whose notes name it. With fewer than two groups
  left a disparity has no value either.
- A missing protected value (null, NaN, blank text, and what a missing value becomes when it is written as text)
  is counted as missing and is not a group. "None" and "NA" can be answers, so they are groups.
- Figures depend on counts and the seed alone: not on the order of the rows, nor on which other columns are
  looked at.
- Numbers have 12 significant digits: more than any data here can mean, fewer than the last bits in which
  processors and mathematics libraries differ.

Example::

    bias(truth, predicted, table[["race", "sex"]], Settings())
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from fairlearn.metrics import (
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
)

from audit.canonical import Json, JsonObject, decimal
from audit.errors import MalformedInput
from registry.bootstrap import (
    MOST_GROUPS_COMPARED,
    Counts,
    Interval,
    difference_interval,
    ratio_interval,
    wilson,
)
from registry.evaluation_settings import Settings

__all__ = ["Cells", "Figure", "as_text", "bias", "rates"]

Flags = npt.NDArray[np.bool_]

_WRITTEN_MISSING = ("", "nan", "NaN", "<NA>", "NaT")
"""Missing values after `astype(str)`, and blank text."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number, with its interval and the number of rows it rests on."""

    name: str
    n: int
    value: float | None = None
    interval: Interval | None = None
    note: str | None = None

    def to_json(self) -> JsonObject:
        """Write the figure for a statement; the interval is widened where needed to hold the value."""
        low = high = None
        if self.value is not None and self.interval is not None:
            low, high = min(self.value, self.interval[0]), max(self.value, self.interval[1])
        return {
            "name": self.name,
            "value": _digits(self.value),
            "low": _digits(low),
            "high": _digits(high),
            "n": self.n,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Cells:
    """The four counts of a binary classifier: true and false positives and negatives."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        """All rows."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def positives(self) -> int:
        """Rows whose true label is the positive one."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Rows whose true label is the negative one."""
        return self.fp + self.tn

    @property
    def rarer(self) -> int:
        """Rows of whichever true label has fewer."""
        return min(self.positives, self.negatives)

    @property
    def selected(self) -> int:
        """Rows predicted to have the positive label."""
        return self.tp + self.fp


@dataclass(frozen=True, slots=True)
class _Group:
    values: tuple[str, ...]
    cells: Cells

    @property
    def name(self) -> str:
        return " x ".join(self.values)


def rates(cells: Cells) -> list[tuple[str, int, int, str]]:
    """List the rates told of every group: (name, numerator, denominator, what the denominator counts)."""
    return [
        ("selection_rate", cells.selected, cells.n, "rows"),
        ("true_positive_rate", cells.tp, cells.positives, "rows with the positive label"),
        ("false_positive_rate", cells.fp, cells.negatives, "rows with the negative label"),
        ("accuracy", cells.tp + cells.tn, cells.n, "rows"),
    ]


def bias(truth: Flags, predicted: Flags, sensitive: pd.DataFrame, settings: Settings) -> list[Json]:
    """Measure every protected column and every intersection; `truth` and `predicted` have shape (n,).

    Returns the `bias` list of an evaluation. `sensitive` has shape (n, k) with distinct text column names.
    """
    names = [str(name) for name in sensitive.columns]
    texts = {name: _texts(sensitive[name]) for name in names}
    return [
        _attribute(truth, predicted, {name: texts[name] for name in some}, settings) for some in _sets(names)
    ]


def _sets(names: Sequence[str]) -> list[tuple[str, ...]]:
    alone: list[tuple[str, ...]] = [(name,) for name in names]
    pairs = list(combinations(names, 2)) if len(names) > 2 else []
    return alone + pairs + ([tuple(names)] if len(names) > 1 else [])


def _attribute(truth: Flags, predicted: Flags, texts: dict[str, pd.Series], settings: Settings) -> JsonObject:
    attribute = " x ".join(texts)
    columns = list(texts)
    groups, missing = _count(truth, predicted, texts)
    # The largest are chosen, and told in the order of their names, which later data will not change.
    largest = sorted(groups, key=lambda group: (-group.cells.n, group.values))[: settings.most_groups]
    told = sorted(largest, key=lambda group: group.values)
    return {
        "attribute": attribute,
        "columns": list[Json](columns),
        "missing": missing,
        "minimum": settings.minimum,
        "groups_omitted": len(groups) - len(told),
        "groups": [_group_json(group, columns, settings) for group in told],
        "disparities": _disparities(groups, attribute, settings),
    }


def _count(truth: Flags, predicted: Flags, texts: dict[str, pd.Series]) -> tuple[list[_Group], int]:
    """Count truth x prediction in every group that occurs; also count the rows with a missing value."""
    table = pd.DataFrame(texts)
    known = table.notna().all(axis=1).to_numpy()
    grouped = table[known].groupby(list(texts), sort=True)
    found = grouped.size().reset_index()[list(texts)]
    cell = grouped.ngroup().to_numpy(dtype=np.int64) * 4 + truth[known] * 2 + predicted[known]
    counts = np.bincount(cell, minlength=4 * len(found)).reshape(-1, 4)
    groups = [
        _Group(tuple(values), Cells(tp=int(c[3]), fp=int(c[1]), fn=int(c[2]), tn=int(c[0])))
        for values, c in zip(found.itertuples(index=False, name=None), counts, strict=True)
    ]
    return groups, int(len(known) - known.sum())


def _group_json(group: _Group, columns: Sequence[str], settings: Settings) -> JsonObject:
    figures: list[Json] = []
    for name, k, n, what in rates(group.cells):
        if n < settings.minimum:
            figures.append(Figure(name, n, note=_too_few(n, settings.minimum, what)).to_json())
        else:
            figures.append(Figure(name, n, k / n, wilson(k, n, settings.confidence)).to_json())
    return {
        "group": dict[str, Json](zip(columns, group.values, strict=True)),
        "name": group.name,
        "n": group.cells.n,
        "enough": group.cells.n >= settings.minimum,
        "metrics": figures,
    }


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The groups that a disparity may compare, and their counts for each rate that it looks at."""

    compared: Sequence[_Group]
    left_out: Sequence[str]
    families: Sequence[Counts]
    needed: str

    def between(self) -> list[str]:
        """Name the two groups furthest apart, the lower rate first."""
        gaps = []
        for counts in self.families:
            ordered = [k / n for k, n in counts]
            low, high = int(np.argmin(ordered)), int(np.argmax(ordered))
            gaps.append((ordered[high] - ordered[low], low, high))
        _, low, high = max(gaps, key=lambda gap: gap[0])
        # Where all rates are equal there is no lower one: the first two groups stand for all.
        return [self.compared[low].name, self.compared[high if high != low else low + 1].name]

    def note(self, first: str = "") -> str | None:
        """Say `first`, then which groups were left out."""
        some = ", ".join(self.left_out[:5])
        more = f" and {len(self.left_out) - 5} more" if len(self.left_out) > 5 else ""
        rest = f"left out, fewer than {self.needed}: {some}{more}" if some else ""
        return "; ".join(filter(None, [first, rest])) or None


def _disparities(groups: Sequence[_Group], attribute: str, settings: Settings) -> list[Json]:
    least = settings.minimum
    large = [g for g in groups if g.cells.n >= least]
    parity = _Comparison(
        large,
        [f"{g.name} (n={g.cells.n})" for g in groups if g.cells.n < least],
        [[(g.cells.selected, g.cells.n) for g in large]],
        f"{least} rows",
    )
    both = [g for g in groups if g.cells.rarer >= least]
    odds = _Comparison(
        both,
        [f"{g.name} (n={g.cells.rarer})" for g in groups if g.cells.rarer < least],
        [[(g.cells.tp, g.cells.positives) for g in both], [(g.cells.fp, g.cells.negatives) for g in both]],
        f"{least} rows of each label",
    )
    return [
        _disparity("demographic_parity_difference", parity, attribute, settings),
        _disparity("demographic_parity_ratio", parity, attribute, settings),
        _disparity("equalized_odds_difference", odds, attribute, settings),
    ]


def _disparity(name: str, comparison: _Comparison, attribute: str, settings: Settings) -> JsonObject:
    n = sum(group.cells.n for group in comparison.compared)
    count = len(comparison.compared)
    if count < 2:
        why = f"not enough data: {count} of the groups can be compared, at least 2 needed"
        return _with_pair(Figure(name, n, note=comparison.note(why)), None)
    if name == "demographic_parity_ratio" and not any(k for k, _ in comparison.families[0]):
        why = "not defined: nobody was given the positive label in any group"
        return _with_pair(Figure(name, n, note=comparison.note(why)), None)
    value = _fairlearn(name, comparison.compared)
    if count > MOST_GROUPS_COMPARED:
        why = f"no interval: {count} groups, at most {MOST_GROUPS_COMPARED} are compared pair by pair"
        return _with_pair(Figure(name, n, value, note=comparison.note(why)), comparison.between())
    interval = _interval(name, comparison, attribute, settings)
    return _with_pair(Figure(name, n, value, interval, comparison.note()), comparison.between())


def _with_pair(figure: Figure, between: list[str] | None) -> JsonObject:
    return {**figure.to_json(), "between": None if between is None else list[Json](between)}


def _interval(name: str, comparison: _Comparison, attribute: str, settings: Settings) -> Interval:
    # A generator of its own for every figure: adding a column or a figure changes no other one.
    rng = np.random.default_rng([settings.seed, zlib.crc32(f"{attribute}/{name}".encode())])
    if name == "demographic_parity_ratio":
        return ratio_interval(
            comparison.families[0], replicates=settings.replicates, confidence=settings.confidence, rng=rng
        )
    return difference_interval(
        comparison.families, replicates=settings.replicates, confidence=settings.confidence, rng=rng
    )


_DEFINITIONS = {
    "demographic_parity_difference": demographic_parity_difference,
    "demographic_parity_ratio": demographic_parity_ratio,
    "equalized_odds_difference": equalized_odds_difference,
}


def _fairlearn(name: str, groups: Sequence[_Group]) -> float:
    """Let fairlearn compute the disparity from at most four weighted rows for each group."""
    rows = [
        (truth, predicted, place, weight)
        for place, group in enumerate(groups)
        for truth, predicted, weight in (
            (1, 1, group.cells.tp),
            (1, 0, group.cells.fn),
            (0, 1, group.cells.fp),
            (0, 0, group.cells.tn),
        )
        if weight
    ]
    truth, predicted, place, weight = (np.array(column) for column in zip(*rows, strict=True))
    return float(_DEFINITIONS[name](truth, predicted, sensitive_features=place, sample_weight=weight))


def _texts(column: pd.Series) -> pd.Series:
    """Write protected values as text, with None where one is missing; 1, 1.0 and "1" are the same text."""
    try:
        codes, values = pd.factorize(column)
    except TypeError:
        raise MalformedInput(
            f"the protected column {str(column.name)!r} holds values that cannot be grouped: use text or numbers"
        ) from None
    texts = np.array(
        [*(None if str(value).strip() in _WRITTEN_MISSING else as_text(value) for value in values), None],
        dtype=object,
    )
    return pd.Series(texts[codes], dtype=object)


def as_text(value: object) -> str:
    """Write a label or a group as text: whole floats without their point, as a missing value next to 1 made 1.0."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _too_few(n: int, minimum: int, what: str) -> str:
    return f"not enough data: n={n} {what}, at least {minimum} needed"


def _digits(number: float | None) -> str | None:
    # Adding zero turns -0.0 into 0.0: one number, one text.
    return None if number is None else decimal(float(f"{number:.12g}") + 0.0)
