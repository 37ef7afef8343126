"""A profile as rows of text: what the command line and the reports print of each column.

>>> rows(Profile(3, (ColumnProfile("age", "int", missing=1, missing_share="0.33"),)))[0].missing
'1 (33%)'
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from registry.bounds import TIMES
from registry.profile import SCHEME, ColumnProfile, Profile

__all__ = ["HEADINGS", "TextRow", "promise", "rows"]

HEADINGS = (
    "Column",
    "Type",
    "Missing",
    "Distinct",
    "Shape",
    "Range",
    "Middle half",
    "Mean ± sd",
    "Most frequent",
)
UNTOLD = "-"
MOST_VALUES = 4
LONGEST = 24
BRIEF = 10
_DAY = 86_400
_UNITS = {"date": " days", **dict.fromkeys(TIMES, " s")}


@dataclass(frozen=True, slots=True)
class TextRow:
    """One column in words and figures; what is not told is a dash."""

    name: str
    type: str
    missing: str
    distinct: str
    range: str
    half: str
    mean: str
    frequent: str


def rows(profile: Profile) -> tuple[TextRow, ...]:
    """Say every column of a profile."""
    return tuple(_row(column) for column in profile.columns)


def promise(profile: Profile) -> str:
    """Say what a profile keeps to itself; what earlier releases recorded keeps less."""
    if profile.scheme != SCHEME:
        return (
            f"An earlier release recorded this: no value is counted that fewer than {profile.small_cell} rows hold, "
            "but the ends of ranges and quantiles are values of single rows, and means are of all values."
        )
    return (
        f"Missing values apart, no figure is about fewer than {profile.small_cell} rows: ranges and quantiles are "
        "rounded until as many stand for them, and in means what lies beyond the range counts as its end."
    )


def _row(column: ColumnProfile) -> TextRow:
    if column.withheld:
        share = _percent(column.missing_share)
        return TextRow(column.name, column.type, share, UNTOLD, UNTOLD, UNTOLD, UNTOLD, column.withheld)
    quantiles = dict(column.quantiles)
    return TextRow(
        column.name,
        column.type,
        UNTOLD if column.missing is None else _missing(column),
        _distinct(column),
        _range(column),
        _span(quantiles.get("0.25"), quantiles.get("0.75")),
        _mean(column),
        column.note or _frequent(column),
    )


def _mean(column: ColumnProfile) -> str:
    """Write the mean and the deviation, which for dates is in days, and for times in seconds."""
    if column.mean is None or column.deviation is None:
        return UNTOLD
    spread = Decimal(column.deviation)
    if column.type in TIMES and spread >= 2 * _DAY:
        days = Decimal(f"{spread / _DAY:.2e}")
        return f"{column.mean} ± {days.normalize():f} days"
    return f"{column.mean} ± {column.deviation}{_UNITS.get(column.type, '')}"


def _missing(column: ColumnProfile) -> str:
    share = "<1%" if column.missing_share == "0" else _percent(column.missing_share)
    return f"{column.missing} ({share})" if column.missing else "0"


def _percent(share: str | None) -> str:
    return UNTOLD if share is None else f"{Decimal(share) * 100:.0f}%"


def _distinct(column: ColumnProfile) -> str:
    if column.distinct is None:
        return UNTOLD
    return str(column.distinct) if column.exact else f"about {column.distinct}"


def _range(column: ColumnProfile) -> str:
    if column.lengths is None:
        return _span(column.low, column.high)
    low, _, high = column.lengths
    return f"length {low if low == high else f'{low} to {high}'}"


def _span(low: str | None, high: str | None) -> str:
    if low is None or high is None:
        return UNTOLD
    low, high = _brief(low), _brief(high)
    return low if low == high else f"{low} to {high}"


def _brief(value: str) -> str:
    """Round a long number to six digits; the profile has all of them."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return value if len(value) <= BRIEF or not number.is_finite() else f"{float(number):.6g}"


def _frequent(column: ColumnProfile) -> str:
    said = [f"{_cut(value)} ({rows:,})" for value, rows in column.values[:MOST_VALUES]]
    others = (column.hidden or 0) + max(0, len(column.values) - MOST_VALUES)
    if said and others:
        said.append(f"{others} more")
    return ", ".join(said) or UNTOLD


def _cut(value: str) -> str:
    shown = value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    return f'"{shown}"' if not shown.strip() or shown != shown.strip() else shown
