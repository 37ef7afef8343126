"""Evaluation: how well a binary classifier does on held-out rows, for everybody and for each protected group.

Rules:

- The result is the `evaluation` of a run statement: decimal strings, no floats, missing is null.
- Every figure has an interval and the number of rows it rests on. Rates have Wilson's score interval, the
  disparities those of `registry.bootstrap`, the area under the ROC curve DeLong's variance on the logit scale
  (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44, 837-845, computed as Sun and Xu 2014, IEEE Signal
  Process. Lett. 21, 1389-1393), the Brier score its normal interval on the logit scale.
- An area or a score without any spread in the rows (a perfect one, say) gets the wider Wilson interval of its
  value, for the area on as many rows as the rarer label has: no spread in few rows is no certainty.
- Of a test set of fewer than `small_cell` rows no figure is told: the accuracy of one row is its outcome.
- The positive label is stated: by default the greater of the two (1 of 0 and 1, "yes" of "no" and "yes").
- No error tells a value of the data, for errors are printed and logged where nobody looks after them.
- Rows are matched by position, as scikit-learn does, never by a table's index.

Example::

    evaluate(y_true, y_pred, y_score=score, sensitive=select_sensitive(table, ["race", "sex"]))
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import rankdata

from audit.canonical import Json, decimal
from audit.errors import MalformedInput
from registry.bootstrap import Interval, wilson
from registry.evaluation_settings import USUAL, Settings
from registry.fairness import bias
from registry.group_figures import Cells, Figure, rates
from registry.group_rows import as_text
from registry.sentences import did_you_mean

__all__ = ["evaluate", "select_sensitive"]

METHOD = (
    "rates: Wilson score; disparities: percentile Bayesian bootstrap over counts with Jeffreys' prior, joint over"
    " all pairs of groups; roc_auc: DeLong on the logit scale; brier_score: normal on the logit scale"
)

MOST_LABEL = 200

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def evaluate(
    y_true: Any,
    y_pred: Any,
    *,
    y_score: Any = None,
    sensitive: Any = None,
    replicates: int = USUAL.replicates,
    confidence: float = USUAL.confidence,
    seed: int = USUAL.seed,
    minimum: int = USUAL.minimum,
    positive: object = None,
    most_groups: int = USUAL.most_groups,
    small_cell: int = USUAL.small_cell,
) -> dict[str, Json]:
    """Evaluate a binary classifier; the result can be signed as it is.

    `y_true` and `y_pred` are labels of shape (n,); `y_score`, of shape (n,), is higher where the positive label
    is likelier; `sensitive` is a table (pandas, polars, Arrow or a dict of columns) of shape (n, k) that no
    model needs to have seen. Groups below `minimum` rows have no figures; at most `most_groups` groups of an
    attribute are listed, the largest, and a second call with a greater number lists them all with the same
    figures. Groups below `small_cell` rows are told together (`registry.told_together`); 1 tells each by itself.

    Raises
    ------
    MalformedInput
        A setting is not usable, lengths differ, labels are missing, the truth has one class or the labels more than
        two, scores are not finite numbers, or protected columns are not usable.

    """
    settings = Settings(replicates, confidence, seed, minimum, most_groups, small_cell)
    labels = _labels(_column(y_true, "y_true"), _column(y_pred, "y_pred"), positive)
    n = len(labels.truth)
    metrics = _metrics(labels, settings)
    if y_score is not None:
        scores = _scores(y_score, n)
        metrics += [_roc_auc(labels.truth, scores, confidence), _brier(labels.truth, scores, confidence)]
    if n < settings.small_cell:
        withheld = f"not told: these are fewer than {settings.small_cell} rows"
        metrics = [Figure(figure.name, n, note=withheld) for figure in metrics]
    table = None if sensitive is None else _table(sensitive, n)
    return {
        "n": n,
        "task": "binary classification",
        "positive": labels.positive,
        "labels": list[Json](labels.names),
        "confidence": decimal(settings.confidence),
        "replicates": settings.replicates,
        "seed": settings.seed,
        "small_cell": settings.small_cell,
        "method": METHOD,
        "metrics": [figure.to_json() for figure in metrics],
        "bias": [] if table is None else bias(labels.truth, labels.predicted, table, settings),
        "artifact": None,
    }


def select_sensitive(frame: Any, names: Sequence[str]) -> pd.DataFrame:
    """Take the protected columns out of a table, or raise `MalformedInput` that names the one not there."""
    table = _frame(frame)
    present = [str(column) for column in table.columns]
    for name in names:
        if name not in present:
            raise MalformedInput(f"the table has no protected column {name!r}{did_you_mean(name, present)}")
    return table[list(names)]


@dataclass(frozen=True, slots=True)
class _Labels:
    """True and predicted labels as flags (is it the positive one?), and how the two labels are written."""

    truth: Flags
    predicted: Flags
    names: tuple[str, str]
    positive: str


def _labels(y_true: pd.Series, y_pred: pd.Series, positive: object) -> _Labels:
    if len(y_true) != len(y_pred):
        raise MalformedInput(
            f"y_true has {len(y_true)} rows and y_pred {len(y_pred)}: they must be the same rows"
        )
    true_codes, true_values = _classes(y_true, "y_true")
    pred_codes, pred_values = _classes(y_pred, "y_pred")
    if len(true_values) < 2:
        raise MalformedInput(
            "the true labels have one class only: nothing can be told apart, evaluate on rows that hold both labels"
        )
    if len(true_values) > 2:
        raise MalformedInput(
            f"the true labels have {len(true_values)} classes: only binary classification, two labels, is evaluated "
            "so far"
        )
    strange = sum(value not in true_values for value in pred_values)
    if strange:
        raise MalformedInput(
            f"y_pred holds {strange} different value{'s' * (strange != 1)} that {'are' if strange != 1 else 'is'} none "
            "of the labels of y_true: y_pred takes predicted labels, written as in y_true; scores and probabilities go "
            "to y_score"
        )
    ordered = _ordered(true_values)
    if max(len(as_text(label)) for label in ordered) > MOST_LABEL:
        raise MalformedInput(f"a label is longer than {MOST_LABEL} letters: y_true takes labels, not texts")
    wanted = ordered[1] if positive is None else _named(ordered, positive)
    names = (as_text(ordered[0]), as_text(ordered[1]))
    return _Labels(
        np.array([value == wanted for value in true_values], dtype=bool)[true_codes],
        np.array([value == wanted for value in pred_values], dtype=bool)[pred_codes],
        names,
        as_text(wanted),
    )


def _classes(column: pd.Series, what: str) -> tuple[npt.NDArray[np.intp], list[Any]]:
    try:
        codes, values = pd.factorize(column)
    except TypeError:
        raise MalformedInput(
            f"{what} holds values that are not labels: use text, numbers or booleans"
        ) from None
    return codes, list(values)


def _ordered(labels: list[Any]) -> list[Any]:
    try:
        return sorted(labels)
    except TypeError:
        kinds = " and ".join(type(label).__name__ for label in labels)
        raise MalformedInput(f"the labels are of different kinds ({kinds}): use one kind for both") from None


def _named(labels: list[Any], positive: object) -> Any:
    for label in labels:
        if label == positive or as_text(label) == as_text(positive):
            return label
    raise MalformedInput(f"the positive label {positive!r} is neither of the two labels of y_true")


def _metrics(labels: _Labels, settings: Settings) -> list[Figure]:
    cells = Cells(
        tp=int(np.sum(labels.truth & labels.predicted)),
        fp=int(np.sum(~labels.truth & labels.predicted)),
        fn=int(np.sum(labels.truth & ~labels.predicted)),
        tn=int(np.sum(~labels.truth & ~labels.predicted)),
    )
    by_name = {name: (k, n) for name, k, n, _ in rates(cells)}
    counts = {
        "accuracy": by_name["accuracy"],
        "selection_rate": by_name["selection_rate"],
        "base_rate": (cells.positives, cells.n),
        "true_positive_rate": by_name["true_positive_rate"],
        "false_positive_rate": by_name["false_positive_rate"],
        "precision": (cells.tp, cells.selected),
    }
    return [_rate(name, k, n, settings.confidence) for name, (k, n) in counts.items()]


def _rate(name: str, k: int, n: int, confidence: float) -> Figure:
    if n == 0:
        # Both labels occur in the truth, so this is precision where nothing was predicted positive.
        return Figure(name, 0, note="not enough data: no row was given the positive label")
    return Figure(name, n, k / n, wilson(k, n, confidence))


def _roc_auc(truth: Flags, scores: Floats, confidence: float) -> Figure:
    above, below = scores[truth], scores[~truth]
    m, n = len(above), len(below)
    ranks = rankdata(np.concatenate([above, below]))
    # For each positive row the share of negative rows it outranks (a tie is half), and the other way round.
    wins = (ranks[:m] - rankdata(above)) / n
    losses = 1 - (ranks[m:] - rankdata(below)) / m
    area = (float(np.sum(ranks[:m])) - m * (m + 1) / 2) / (m * n)
    spread = np.var(wins, ddof=1) / m + np.var(losses, ddof=1) / n if min(m, n) > 1 else 0.0
    return Figure("roc_auc", m + n, area, _logit_interval(area, float(spread), min(m, n), confidence))


def _brier(truth: Flags, scores: Floats, confidence: float) -> Figure:
    n = len(scores)
    if float(scores.min()) < 0 or float(scores.max()) > 1:
        return Figure("brier_score", n, note="not defined: the scores are not probabilities between 0 and 1")
    losses = (scores - truth) ** 2
    value = math.fsum(losses.tolist()) / n
    return Figure(
        "brier_score", n, value, _logit_interval(value, float(np.var(losses, ddof=1)) / n, n, confidence)
    )


def _logit_interval(value: float, variance: float, n: int, confidence: float) -> Interval:
    """Give a normal interval on the logit scale, or Wilson's for `n` rows where that has no width."""
    inside = value * (1 - value)
    if inside <= 0 or variance <= 0:
        return wilson(value * n, n, confidence)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(variance) / inside
    centre = math.log(value / (1 - value))
    return float(expit(centre - reach)), float(expit(centre + reach))


def _scores(y_score: Any, n: int) -> Floats:
    column = _column(y_score, "y_score")
    if len(column) != n:
        raise MalformedInput(f"y_score has {len(column)} rows and y_true {n}: they must be the same rows")
    try:
        scores = column.to_numpy(dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        scores = np.full(n, np.nan)
    if not np.isfinite(scores).all() or pd.api.types.is_string_dtype(column.dtype):
        raise MalformedInput("y_score must hold finite numbers, higher where the positive label is likelier")
    return scores


def _column(values: Any, what: str) -> pd.Series:
    """Read an array-like of shape (n,) or (n, 1), without its index; no value may be missing."""
    if hasattr(values, "to_pandas"):
        values = values.to_pandas()
    if isinstance(values, (Mapping, Set)):
        raise MalformedInput(
            f"{what} is a {type(values).__name__}, which has no rows: give an array or a column"
        )
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise MalformedInput(f"{what} has masked values: leave those rows out, and say so")
    if isinstance(values, (pd.DataFrame, np.ndarray)):
        array = np.asarray(values)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise MalformedInput(f"{what} has shape {array.shape}: it must be one column of shape (n,)")
        values = array
    try:
        column = pd.Series(values if isinstance(values, (pd.Series, np.ndarray)) else list(values))
    except TypeError:
        raise MalformedInput(f"{what} must be a column of shape (n,), not {type(values).__name__}") from None
    except OverflowError:  # of pandas 2; pandas 3 keeps such a number as an object
        raise MalformedInput(f"{what} must hold finite numbers, not an integer beyond any float") from None
    column = column.reset_index(drop=True)
    if column.empty:
        raise MalformedInput(f"{what} is empty: there is nothing to evaluate")
    missing = int(column.isna().sum())
    if missing:
        raise MalformedInput(
            f"{what} has {missing} missing values of {len(column)}: leave those rows out, and say so"
        )
    return column


def _frame(table: Any) -> pd.DataFrame:
    if hasattr(table, "to_pandas"):
        table = table.to_pandas()
    if isinstance(table, pd.Series):
        table = table.to_frame(name=table.name if table.name is not None else "group")
    if isinstance(table, Mapping):
        table = pd.DataFrame({name: list(column) for name, column in table.items()})
    if not isinstance(table, pd.DataFrame):
        raise MalformedInput(
            "protected values must be a table with named columns: a pandas or polars DataFrame"
        )
    return table


def _table(sensitive: Any, n: int) -> pd.DataFrame:
    table = _frame(sensitive)
    names = [str(name) for name in table.columns]
    if len(table) != n:
        raise MalformedInput(
            f"the protected columns have {len(table)} rows and y_true {n}: they must be the same rows"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MalformedInput(f"the protected column {twice[0]!r} occurs twice")
    for name in names:
        if not name.isascii():
            raise MalformedInput(
                f"the protected column {name!r} needs a name in plain ASCII letters to be recorded: rename it in what "
                f"the evaluation returns, and name the data's column beside that, protected=[{name!r}]"
            )
    return table.set_axis(names, axis=1).reset_index(drop=True)
