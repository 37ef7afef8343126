"""Bias: how a binary classifier treats groups of people, and how sure that is.

Definitions are fairlearn's (`demographic_parity_difference`, `demographic_parity_ratio`,
`equalized_odds_difference`), computed on counts; intervals are those of `registry.bootstrap`.

Rules:

- Every protected column is looked at alone, then the intersection of all of them, and every pair where there
  are three or more (Buolamwini and Gebru 2018; Kearns et al. 2018: parity per column says nothing about
  intersections).
- A group without enough rows for a rate (`registry.group_figures`) is never counted as fair: it is left out of the
  disparities, whose notes name it. With fewer than two groups left a disparity has no value either.
- No figure is about a few people: small groups are told together (`registry.told_together`). Where few of the rows are
  of others, the group is still measured, and the interval holds wherever those rows belong. Where a group that has
  enough rows is not measured, a disparity has no value: it could hang on it.
- A missing protected value (`registry.group_rows`) is counted as missing and is not a group.
- Which groups are told, by which names and of how many rows depends on no label and no prediction.
- Figures depend on counts and the seed alone, not on the order of the rows. Which other columns are looked at matters
  only where two of them would give a small group away.

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

from audit.canonical import Json, JsonObject
from registry.bootstrap import (
    MOST_GROUPS_COMPARED,
    Counts,
    Interval,
    difference_interval,
    ratio_interval,
)
from registry.evaluation_settings import Settings
from registry.group_figures import Figure, Group
from registry.group_rows import GroupRows, coded
from registry.told_together import told_together

__all__ = ["bias"]

Flags = npt.NDArray[np.bool_]


def bias(truth: Flags, predicted: Flags, sensitive: pd.DataFrame, settings: Settings) -> list[Json]:
    """Measure every protected column and every intersection; `truth` and `predicted` have shape (n,).

    Returns the `bias` list of an evaluation. `sensitive` has shape (n, k) with distinct text column names.
    """
    names = [str(name) for name in sensitive.columns]
    if not names:
        return []
    columns = [coded(sensitive[name]) for name in names]
    codes = np.column_stack([each for each, _ in columns])
    values = [texts for _, texts in columns]
    tables = _sets(len(names))
    cells = truth.astype(np.int64) * 2 + predicted
    blocks = told_together(codes, tables, settings.small_cell)
    return [
        _attribute(
            [names[column] for column in table], GroupRows(codes, values, cells, table), told, settings
        )
        for table, told in zip(tables, blocks, strict=True)
    ]


def _sets(count: int) -> list[tuple[int, ...]]:
    alone: list[tuple[int, ...]] = [(column,) for column in range(count)]
    pairs = list(combinations(range(count), 2)) if count > 2 else []
    return alone + pairs + ([tuple(range(count))] if count > 1 else [])


def _attribute(
    columns: list[str], rows: GroupRows, blocks: npt.NDArray[np.int64], settings: Settings
) -> JsonObject:
    attribute = " x ".join(columns)
    groups = list(rows.groups(blocks, settings))
    without = sum(group.without_value for group in groups)
    # The largest are chosen, and told in the order of their names, which later data will not change.
    named = [group for group in groups if group.values is not None]
    largest = sorted(named, key=lambda group: (-group.cells.n, group.values))[: settings.most_groups]
    told = sorted(largest, key=lambda group: group.values or ())
    told += sorted((group for group in groups if group.values is None), key=lambda group: -group.cells.n)
    missing = len(blocks) - sum(group.cells.n for group in groups)
    return {
        "attribute": attribute,
        "columns": list[Json](columns),
        **({"missing": None, "missing_apart": missing} if without else {"missing": missing}),
        "minimum": settings.minimum,
        "groups_omitted": len(groups) - len(told),
        "groups": [group.to_json(columns, settings) for group in told],
        "disparities": _disparities(groups, attribute, settings),
    }


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The groups that a disparity may compare, and their counts for each rate that it looks at.

    `hidden`: a group that has enough rows is told together with others and cannot be compared.
    """

    compared: Sequence[Group]
    left_out: Sequence[str]
    families: Sequence[Counts]
    needed: str
    hidden: bool

    @property
    def widened(self) -> bool:
        """Whether rows of others are among those of a group that is compared."""
        return any(group.others for group in self.compared)

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
        wide = "the interval holds wherever the rows of others belong" if self.widened and not first else ""
        return "; ".join(filter(None, [first, rest, wide])) or None


def _disparities(groups: Sequence[Group], attribute: str, settings: Settings) -> list[Json]:
    least = settings.minimum
    large = [g for g in groups if g.has(g.cells.n, least)]
    parity = _Comparison(
        large,
        [f"{g.name} (n={g.cells.n})" for g in groups if not g.has(g.cells.n, least)],
        [[(g.cells.selected, g.cells.n) for g in large]],
        f"{least} rows",
        any(group.hides_enough for group in groups),
    )
    both = [g for g in groups if g.has(g.cells.rarer, least)]
    odds = _Comparison(
        both,
        [
            f"{g.name} (n={g.cells.rarer if g.values is not None else g.cells.n})"
            for g in groups
            if not g.has(g.cells.rarer, least)
        ],
        [[(g.cells.tp, g.cells.positives) for g in both], [(g.cells.fp, g.cells.negatives) for g in both]],
        f"{least} rows of each label",
        any(group.hides_labels for group in groups),
    )
    return [
        _disparity("demographic_parity_difference", parity, attribute, settings),
        _disparity("demographic_parity_ratio", parity, attribute, settings),
        _disparity("equalized_odds_difference", odds, attribute, settings),
    ]


def _disparity(name: str, comparison: _Comparison, attribute: str, settings: Settings) -> JsonObject:
    n = sum(group.cells.n for group in comparison.compared)
    count = len(comparison.compared)
    if comparison.hidden:
        why = "not known: a group that has enough rows is told together with others"
        return _with_pair(Figure(name, n, note=why), None)
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
    found = _drawn(name, comparison.families, attribute, settings)
    if not comparison.widened:
        return found
    # Each group stands there twice, at both ends of what it may be, for what is furthest apart; and for what is
    # nearest those alone of which all rows are their own: more groups are never nearer.
    ends = [
        [end for group, (k, n) in zip(comparison.compared, counts, strict=True) for end in group.reach(k, n)]
        for counts in comparison.families
    ]
    low, high = _drawn(name, ends, attribute, settings)
    own = [
        [count for group, count in zip(comparison.compared, counts, strict=True) if not group.others]
        for counts in comparison.families
    ]
    if len(own[0]) > 1:
        near = _drawn(name, own, attribute, settings)
    else:
        near = (1.0, 1.0) if name == "demographic_parity_ratio" else (0.0, 0.0)
    return (low, near[1]) if name == "demographic_parity_ratio" else (near[0], high)


def _drawn(name: str, families: Sequence[Counts], attribute: str, settings: Settings) -> Interval:
    # A generator of its own for every figure: adding a column or a figure changes no other one.
    rng = np.random.default_rng([settings.seed, zlib.crc32(f"{attribute}/{name}".encode())])
    if name == "demographic_parity_ratio":
        return ratio_interval(
            families[0], replicates=settings.replicates, confidence=settings.confidence, rng=rng
        )
    return difference_interval(
        families, replicates=settings.replicates, confidence=settings.confidence, rng=rng
    )


_DEFINITIONS = {
    "demographic_parity_difference": demographic_parity_difference,
    "demographic_parity_ratio": demographic_parity_ratio,
    "equalized_odds_difference": equalized_odds_difference,
}


def _fairlearn(name: str, groups: Sequence[Group]) -> float:
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
