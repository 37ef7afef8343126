"""Charts for reports: interval plots of groups and metrics, and small histograms for the cells of a table.

Rules:

- Pure functions that return SVG text (`reports.svg`): the same facts give the same bytes, with no clock, locale or
  library of plots in between.
- Every chart has a `<title>` that states its finding in words; the table beside it holds the figures.
- Not enough data is drawn as words in the place of the mark, never as a mark at 0.

Example::

    forest([Row("white", 506, (Mark(0.71, 0.67, 0.75),))], [Panel("Selection rate")], finding="…")
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reports import formats
from reports.svg import ACCENT, BAD, MUTED, RULE, WIDTH, drawing, fitted, length, line, text

__all__ = ["Mark", "Panel", "Row", "forest", "histogram"]

BETWEEN = 32.0
SMALL = (80.0, 17.0)
"""Width and height of a histogram in the cell of a table."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A value and its interval on the axis of a panel."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Panel:
    """One axis; `reference` is what to compare with, `limit` what a rule of a policy demands."""

    title: str
    reference: float | None = None
    reference_name: str = ""
    limit: float | None = None
    limit_name: str = "limit"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a forest plot: a mark for each panel, or words in its place; no marks at all is a heading."""

    label: str
    n: int | None
    marks: tuple[Mark | str, ...]
    text: str = ""


def forest(rows: Sequence[Row], panels: Sequence[Panel], *, finding: str, heading: str = "Group") -> str:
    """Draw values with intervals, one row a line, panels side by side; `finding` is the text alternative."""
    texts = any(row.text for row in rows)
    left, right = _label_width(rows) + 56.0, WIDTH - (118.0 if texts else 6.0)
    each = (right - left - BETWEEN * (len(panels) - 1)) / max(len(panels), 1)
    pitch, top = (20.0 if len(rows) <= 16 else 17.0), 34.0
    bottom = top + pitch * len(rows)
    parts = [text(0, 24, heading, size=8.5, fill=MUTED)]
    parts.append(text(left - 14, 24, "n", size=8.5, fill=MUTED, anchor="end"))
    for index, row in enumerate(rows):
        parts += _row_names(row, top + pitch * index, pitch, left)
    for index, panel in enumerate(panels):
        marks = [(at, row.marks[index]) for at, row in enumerate(rows) if row.marks]
        parts += _panel(panel, marks, left + index * (each + BETWEEN), each, (top, bottom), pitch)
    return drawing(WIDTH, bottom + 22, finding, parts)


def _label_width(rows: Sequence[Row]) -> float:
    widest = max((length(row.label, 9.5, bold=not row.marks) for row in rows), default=0.0)
    return min(max(widest, 132.0), 190.0)


def _row_names(row: Row, top: float, pitch: float, left: float) -> list[str]:
    base = top + pitch / 2 + 3.2
    if not row.marks:
        return [text(0, base, fitted(row.label, WIDTH, 9, bold=True), size=9, weight=600, fill=ACCENT)]
    n = formats.DASH if row.n is None else f"{row.n:,}"
    parts = [
        f'<line x1="0" y1="{top:.1f}" x2="{left - 8:.1f}" y2="{top:.1f}" stroke="{RULE}" stroke-width="0.5"/>',
        text(0, base, fitted(row.label, left - 56, 9.5), size=9.5),
        text(left - 14, base, n, size=8.5, fill=MUTED, anchor="end"),
    ]
    if row.text:
        parts.append(text(WIDTH, base, row.text, size=9, anchor="end"))
    return parts


def _panel(
    panel: Panel,
    marks: Sequence[tuple[int, Mark | str]],
    left: float,
    width: float,
    span: tuple[float, float],
    pitch: float,
) -> list[str]:
    top, bottom = span
    ticks = _ticks(_reach(panel, [mark for _, mark in marks]), 5 if width > 200 else 3)
    low, high = ticks[0], ticks[-1]

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * width

    parts = [text(left, 10, panel.title, size=9.5, weight=600)]
    for tick in ticks:
        x = across(tick)
        parts.append(line(x, top, x, bottom, RULE, 0.6))
        parts.append(text(x, bottom + 12, _tick_text(tick, ticks), size=7.5, fill=MUTED, anchor="middle"))
    if panel.reference is not None:
        x = across(panel.reference)
        parts.append(line(x, top, x, bottom, MUTED, 1.0, "3 2.5"))
        parts.append(_beside(x, left, width, panel.reference_name, MUTED))
    if panel.limit is not None:
        x = across(panel.limit)
        parts.append(line(x, top, x, bottom, BAD, 1.1, "5 2"))
        parts.append(_beside(x, left, width, panel.limit_name, BAD))
    for at, mark in marks:
        middle = top + pitch * (at + 0.5)
        parts += _mark(mark, middle, left, across)
    return parts


def _mark(mark: Mark | str, middle: float, left: float, across: Callable[[float], float]) -> list[str]:
    if isinstance(mark, str):
        behind = f'<rect x="{left + 2:.1f}" y="{middle - 6:.1f}" width="62" height="12" fill="#ffffff"/>'
        return [behind, text(left + 4, middle + 2.8, mark, size=8, fill=MUTED, style="italic")]
    x = across(mark.value)
    parts = []
    if mark.low is not None and mark.high is not None:
        low, high = across(mark.low), across(mark.high)
        parts.append(line(low, middle, high, middle, ACCENT, 1.5))
        parts += [line(end, middle - 3, end, middle + 3, ACCENT, 1.2) for end in (low, high)]
    parts.append(
        f'<path d="M{x:.1f} {middle - 4:.1f}l4 4l-4 4l-4 -4z" fill="{ACCENT}" stroke="#ffffff" stroke-width="0.6"/>'
    )
    return parts


def _beside(x: float, left: float, width: float, words: str, fill: str) -> str:
    anchor = "start" if x < left + width * 0.3 else "end" if x > left + width * 0.7 else "middle"
    return text(x, 24, words, size=7.5, fill=fill, anchor=anchor)


def _reach(panel: Panel, marks: Sequence[Mark | str]) -> tuple[float, float]:
    found = [
        value
        for mark in marks
        if isinstance(mark, Mark)
        for value in (mark.value, mark.low, mark.high)
        if value is not None
    ]
    found += [value for value in (panel.reference, panel.limit) if value is not None]
    return (min(found), max(found)) if found else (0.0, 1.0)


def _ticks(reach: tuple[float, float], most: int) -> list[float]:
    """Choose round ticks that enclose the reach, at most `most` steps apart; decimal, so that none is 0.30000004."""
    low, high = Decimal(f"{reach[0]:.6f}"), Decimal(f"{reach[1]:.6f}")
    if high - low < Decimal("0.02"):
        low, high = low - Decimal("0.02"), max(high, min(high + Decimal("0.02"), Decimal(1)))
    exponent = (high - low).adjusted() - 1
    while True:
        for base in (1, 2, 5):
            step = Decimal(base).scaleb(exponent)
            first, last = (low / step).__floor__(), (high / step).__ceil__()
            if last - first <= most:
                return [float(step * count) for count in range(first, last + 1)]
        exponent += 1


def _tick_text(tick: float, ticks: Sequence[float]) -> str:
    step = Decimal(str(ticks[1])) - Decimal(str(ticks[0]))
    places = 0 if step >= 1 else 1 if step >= Decimal("0.1") else 2 if step >= Decimal("0.01") else 3
    return f"{tick:.{places}f}".replace("-", "\N{MINUS SIGN}")


def histogram(heights: Sequence[float], *, finding: str) -> str:
    """Draw bars on a line, heights from 0 to 1, small enough for the cell of a table."""
    width, height = SMALL
    each = width / max(len(heights), 1)
    parts = [line(0, height, width, height, MUTED, 0.6)]
    for index, tall in enumerate(heights):
        if tall > 0:
            up = max(0.8, tall * (height - 1))
            parts.append(
                f'<rect x="{index * each + 0.4:.1f}" y="{height - up:.1f}" width="{max(each - 0.8, 0.6):.1f}" '
                f'height="{up:.1f}" fill="{ACCENT}"/>'
            )
    return drawing(width, height, finding, parts)
