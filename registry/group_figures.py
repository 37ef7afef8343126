"""The figures of one group of people: its four counts, the rates made of them, and what stands in the record.

Rules:

- A rate whose denominator is below `minimum` rows has no value and a note, "not enough data".
- A group that is told together with others (`registry.told_together`) has rates only where few of the rows are not its
  own, as few as a small group; their intervals hold wherever those rows belong. It is called what it is: "female and
  fewer than 10 others". What else is told together has no rates, and no values are named: a rare one can be a person's.
- Numbers have 12 significant digits: more than any data here can mean, fewer than the last bits in which processors and
  mathematics libraries differ.

>>> Group(("female",), Cells(40, 10, 5, 5), groups=2, others=9).name
'female and fewer than 10 others'
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audit.canonical import Json, JsonObject, decimal
from registry.bootstrap import Interval, wilson
from registry.evaluation_settings import Settings

__all__ = ["Cells", "Figure", "Group", "rates"]


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


def rates(cells: Cells) -> list[tuple[str, int, int, str]]:
    """List the rates told of every group: (name, numerator, denominator, what the denominator counts)."""
    return [
        ("selection_rate", cells.selected, cells.n, "rows"),
        ("true_positive_rate", cells.tp, cells.positives, "rows with the positive label"),
        ("false_positive_rate", cells.fp, cells.negatives, "rows with the negative label"),
        ("accuracy", cells.tp + cells.tn, cells.n, "rows"),
    ]


@dataclass(frozen=True, slots=True)
class Group:
    """A group by its values, or several told together.

    `groups` of them have rows here. `others` rows at most are not of the group that `values` names, and `values` is
    None where that would be too many. `without_value`: rows without a value are among them. `hides_enough`: one
    has enough rows to be measured, and cannot be; `hides_labels`: one may have enough rows of each label.
    """

    values: tuple[str, ...] | None
    cells: Cells
    groups: int = 1
    others: int = 0
    without_value: bool = False
    hides_enough: bool = False
    hides_labels: bool = False

    @property
    def alone(self) -> bool:
        """Whether this is one group and nothing else."""
        return self.values is not None and not self.others

    @property
    def name(self) -> str:
        """What the group is called."""
        if self.values is not None:
            return " x ".join(self.values) + (
                f" and fewer than {self.others + 1} others" if self.others else ""
            )
        several = f"{self.groups} group{'s' * (self.groups != 1)}"
        return f"{several}{' and rows without a value' if self.without_value else ''}, told together"

    def reach(self, k: int, n: int) -> Iterator[tuple[int, int]]:
        """Yield the counts between which k of n are, wherever the rows of others belong; there may be none."""
        own = n - self.others
        yield from ((max(0, k - self.others), own), (min(k, own), own)) if self.others else ((k, n),)

    def has(self, n: int, minimum: int) -> bool:
        """Say whether so many rows are enough of the group's own."""
        return self.values is not None and n - self.others >= minimum

    def to_json(self, columns: Sequence[str], settings: Settings) -> JsonObject:
        """Write the group for a statement."""
        said: JsonObject = {
            "group": dict[str, Json](zip(columns, self.values or (), strict=False)),
            "name": self.name,
            "n": self.cells.n,
            "enough": self.has(self.cells.n, settings.minimum),
            "metrics": []
            if self.values is None
            else [figure.to_json() for figure in self._figures(settings)],
        }
        if self.alone:
            return said
        return said | {
            "together": {
                "groups": self.groups,
                "without_value": self.without_value,
                "mainly": None if self.values is None else " x ".join(self.values),
                "others": None if self.values is None else self.others,
                "hides_enough": self.hides_enough,
                "hides_labels": self.hides_labels,
            }
        }

    def _figures(self, settings: Settings) -> Iterator[Figure]:
        note = f"fewer than {self.others + 1} of these rows are of others" if self.others else None
        for name, k, n, what in rates(self.cells):
            if not self.has(n, settings.minimum):
                yield Figure(name, n, note=_too_few(n, settings.minimum, what))
                continue
            ends = [wilson(*counts, settings.confidence) for counts in self.reach(k, n)]
            yield Figure(name, n, k / n, (ends[0][0], ends[-1][1]), note)


def _too_few(n: int, minimum: int, what: str) -> str:
    return f"not enough data: n={n} {what}, at least {minimum} needed"


def _digits(number: float | None) -> str | None:
    # Adding zero turns -0.0 into 0.0: one number, one text.
    return None if number is None else decimal(float(f"{number:.12g}") + 0.0)
