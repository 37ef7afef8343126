"""A sample of a column's values by their places: for order statistics where there are too many values to count.

Rules:

- The places 0, 1, 2... of the present values are cut into blocks of 2^level, and one place of each block is kept: a
  stratified sample. Before more than twice `SAMPLED` are held, the level rises by one, and of each two neighbouring
  blocks one keeps its place. So there are `SAMPLED` values or more, whatever the length.
- Which place is kept depends on the block alone, by the finaliser of SplitMix64: the same values in the same order
  give the same sample, whatever the pieces in which they come. Whoever chooses the order of the rows can mislead it.
- Values that were counted before they were too many have their places in the order of their size.
- The share of rows at or below a value is off by a standard error of at most 0.5 / sqrt(32768) = 0.28% of the rows
  (W. G. Cochran: "Sampling techniques", 3rd edition, 1977, chapter 5; strata only make it smaller), and a mean by one
  of at most 1 / sqrt(32768) = 0.55% of the standard deviation.

>>> sample = ValueSample()
>>> sample.add(np.arange(1_000_000))
>>> abs(int(sample.at(500_000, 1_000_000)) - 500_000) < 10_000
True
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.cardinality import mixed

__all__ = ["MEAN_ERROR", "SAMPLED", "SHARE_ERROR", "ValueSample"]

SAMPLED = 32_768
"""So many values are kept at least, where there are as many."""

SHARE_ERROR = "0.0028"
"""The standard error of a rank from the sample, as a share of the rows."""

MEAN_ERROR = "0.0055"
"""The standard error of a mean from the sample, as a share of the standard deviation: 1 / sqrt(32768)."""

Places = NDArray[np.int64]


class ValueSample:
    """Takes the present values of a column in row order."""

    __slots__ = ("_held", "_level", "_seen", "_sorted")

    def __init__(self) -> None:
        self._level = self._seen = 0
        self._held: list[tuple[Places, NDArray[Any]]] = []
        self._sorted: NDArray[Any] | None = None

    def add(self, values: NDArray[Any]) -> None:
        """Take more values."""
        stop = self._room(len(values))
        places = _kept(self._seen, stop, self._level)
        self._held.append((places, values[places - self._seen]))
        self._seen = stop

    def add_counted(self, values: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Take values in their order, each as often as it is counted."""
        ends = np.cumsum(counts)
        stop = self._room(int(ends[-1]))
        places = _kept(self._seen, stop, self._level)
        self._held.append((places, values[np.searchsorted(ends, places - self._seen, side="right")]))
        self._seen = stop

    def at(self, rank: int, rows: int) -> Any:
        """Return the value about at a rank of so many rows, counted from 1."""
        return self.ordered[max(1, -(-rank * len(self.ordered) // rows)) - 1].item()

    @property
    def ordered(self) -> NDArray[Any]:
        """The sample in order."""
        if self._sorted is None:
            self._sorted = np.sort(np.concatenate([values for _, values in self._held]))
        return self._sorted

    def _room(self, values: int) -> int:
        """Raise the level until so many more values fit, and return the place behind them."""
        self._sorted = None
        stop = self._seen + values
        while stop >> self._level > 2 * SAMPLED:
            self._thin()
        return stop

    def _thin(self) -> None:
        self._level += 1
        if not self._held:
            return
        places = np.concatenate([places for places, _ in self._held])
        values = np.concatenate([values for _, values in self._held])
        keep = _places(places >> np.int64(self._level), self._level) == places
        self._held = [(places[keep], values[keep])]


def _kept(start: int, stop: int, level: int) -> Places:
    """Return the places from `start` to `stop` that are kept at a level."""
    if start == stop:
        return np.zeros(0, np.int64)
    places = _places(np.arange(start >> level, ((stop - 1) >> level) + 1), level)
    return places[(places >= start) & (places < stop)]


def _places(blocks: Places, level: int) -> Places:
    """Return the place that each block of 2^level keeps: that of one of its two halves, and so on down."""
    for below in range(level, 0, -1):
        draw = mixed((blocks << np.int64(6) | np.int64(below)).view(np.uint64))
        blocks = blocks << np.int64(1) | (draw >> np.uint64(63)).view(np.int64)
    return blocks
