"""How sure a figure is: intervals for rates, and for gaps between the rates of several groups.

Sources: Wilson (1927), J. Am. Stat. Assoc. 22, 209-212; Rubin (1981), "The Bayesian bootstrap", Ann. Statist.
9, 130-134; Brown, Cai and DasGupta (2001), "Interval estimation for a binomial proportion", Statist. Sci. 16,
101-133; Beran (1988), "Balanced simultaneous confidence sets", J. Am. Stat. Assoc. 83, 679-686.

Rules:

- A rate gets Wilson's score interval. It stays inside [0, 1] and does not shrink to a point at 0 of n or n of
  n, where the plain bootstrap claims a certainty that nobody has.
- A gap between groups gets a Bayesian bootstrap over counts: each draw takes every group's rate from
  Beta(k + 1/2, n - k + 1/2). For large counts this is the law of resampling rows, at a cost that does not grow
  with the rows; the added halves (Jeffreys' prior) keep it honest at 0 of n and n of n.
- Which two groups lie furthest apart is itself read from the data, so a percentile of the largest gap would
  start above zero for groups that are truly equal. The percentiles are therefore taken jointly over all pairs,
  equally deep in each (Beran's balance); the interval of the largest gap follows from them. With two groups
  that is the plain percentile interval of their difference or ratio.
- Randomness is an argument: the same generator gives the same interval.

>>> low, high = wilson(30, 30, 0.95)
>>> round(low, 3), high
(0.886, 1.0)
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_GROUPS_COMPARED", "Counts", "Interval", "difference_interval", "ratio_interval", "wilson"]

Interval = tuple[float, float]
Counts = Sequence[tuple[int, int]]
"""For each group (k, n): k of its n rows have what is counted."""

MOST_GROUPS_COMPARED = 100
"""More groups than this (4,950 pairs) are not compared pair by pair: a second or so of work each."""

_Draws = npt.NDArray[np.float64]


def wilson(k: float, n: int, confidence: float) -> Interval:
    """Give Wilson's score interval for a rate of `k` in `n` rows, `n` at least 1 (`k` may be a mean times `n`)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (k + z * z / 2) / (n + z * z)
    reach = z / (n + z * z) * sqrt(k * (n - k) / n + z * z / 4)
    # At the ends the formula gives exactly 0 and 1, up to the last bit of its roots.
    return (0.0 if k == 0 else centre - reach), (1.0 if k == n else centre + reach)


def difference_interval(
    families: Sequence[Counts], *, replicates: int, confidence: float, rng: np.random.Generator
) -> Interval:
    """Give an interval for the largest difference between two groups' rates, in any family of rates.

    A family is one rate with the counts of at least two groups: demographic parity has one family, equalized
    odds two (true and false positive rates).
    """
    draws = [_rates(counts, replicates, rng) for counts in families]
    depth = _joint_depth(
        (a - b for rates in draws for a, b in combinations(rates, 2)), replicates, confidence
    )
    low = high = 0.0
    for a, b in (pair for rates in draws for pair in combinations(rates, 2)):
        least, most = _at_depth(a - b, depth)
        low, high = max(low, least, -most), max(high, abs(least), abs(most))
    return low, high


def ratio_interval(
    counts: Counts, *, replicates: int, confidence: float, rng: np.random.Generator
) -> Interval:
    """Give an interval for the smallest ratio between two groups' rates, inside [0, 1]."""
    rates = _rates(counts, replicates, rng)
    depth = _joint_depth((a / b for a, b in combinations(rates, 2)), replicates, confidence)
    low = high = 1.0
    for a, b in combinations(rates, 2):
        least, most = _at_depth(a / b, depth)
        low, high = min(low, least, 1 / most), min(high, most, 1 / least)
    return low, high


def _rates(counts: Counts, replicates: int, rng: np.random.Generator) -> _Draws:
    """Draw every group's rate: an array of shape (groups, replicates), all strictly between 0 and 1."""
    have = np.array([[k] for k, _ in counts], dtype=np.float64)
    rows = np.array([[n] for _, n in counts], dtype=np.float64)
    draws = rng.beta(have + 0.5, rows - have + 0.5, size=(len(counts), replicates))
    # A Beta draw may underflow to 0; a ratio then needs something to divide by.
    return np.maximum(draws, np.finfo(np.float64).tiny)


def _joint_depth(pairs: Iterator[_Draws], replicates: int, confidence: float) -> int:
    """Find how many draws may be cut off each end of every pair, so that enough draws lie inside all of them."""
    ranks = np.arange(replicates)
    from_the_end = np.minimum(ranks, replicates - 1 - ranks)
    shallowest = np.full(replicates, replicates)
    for pair in pairs:
        order = np.argsort(pair, kind="stable")
        shallowest[order] = np.minimum(shallowest[order], from_the_end)
    inside = ceil(confidence * replicates)
    return int(np.sort(shallowest)[replicates - inside])


def _at_depth(pair: _Draws, depth: int) -> Interval:
    ends = np.partition(pair, [depth, len(pair) - 1 - depth])
    return float(ends[depth]), float(ends[len(pair) - 1 - depth])
