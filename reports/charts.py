"""Vector drawings for reports: interval plots, small histograms, the lineage drawing and the code for a phone's camera.

Rules:

- Pure functions that return SVG text: the same facts give the same bytes, with no clock, locale or library
  of plots in between.
- Every drawing has a `<title>` that states its finding in words; the table beside it holds the figures.
- Not enough data is drawn as words in the place of the mark, never as a mark at 0.
- Colour repeats what a word or a shape says already. Text is solid, never see-through.

Example::

    forest([Row("white", 506, (Mark(0.71, 0.67, 0.75),))], [Panel("Selection rate")], finding="…")
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import pairwise

import segno

from reports import formats
from reports.graph import Graph, Node
from reports.layout import place

__all__ = ["Mark", "Panel", "Row", "fitted", "forest", "histogram", "length", "lineage_drawing", "qr"]

WIDTH = 658.0
"""The width of the text on an A4 page, in CSS pixels: drawings are made to it, so type keeps its size."""

INK, MUTED, RULE, ACCENT, BAD = "#16232d", "#55636e", "#d5dce1", "#12506b", "#a61b1b"
SANS, MONO = "IBM Plex Sans, DejaVu Sans", "IBM Plex Mono, DejaVu Sans"
KINDS = {
    "source": ("#5b4a12", "#fbf6e3"),
    "step": ("#44515b", "#f3f5f6"),
    "table": ("#12506b", "#e9f2f6"),
    "model": ("#14713f", "#e8f4ed"),
    "evaluation": ("#5a3a8e", "#f2edf9"),
    "approval": ("#8a5200", "#fdf3e3"),
    "decision": ("#16232d", "#e7eaec"),
}
BOX = (158.0, 31.0)
GAP = (14.0, 19.0)
TALLEST = 850.0
BETWEEN = 32.0


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
    """One line of a forest plot: a mark for each panel, None for not enough data; no marks at all is a heading."""

    label: str
    n: int | None
    marks: tuple[Mark | None, ...]
    text: str = ""


def forest(rows: Sequence[Row], panels: Sequence[Panel], *, finding: str, heading: str = "Group") -> str:
    """Draw values with intervals, one row a line, panels side by side; `finding` is the text alternative."""
    texts = any(row.text for row in rows)
    left, right = _label_width(rows) + 56.0, WIDTH - (118.0 if texts else 6.0)
    each = (right - left - BETWEEN * (len(panels) - 1)) / max(len(panels), 1)
    pitch, top = (20.0 if len(rows) <= 16 else 17.0), 34.0
    bottom = top + pitch * len(rows)
    parts = [_text(0, 24, heading, size=8.5, fill=MUTED)]
    parts.append(_text(left - 14, 24, "n", size=8.5, fill=MUTED, anchor="end"))
    for index, row in enumerate(rows):
        parts += _row_names(row, top + pitch * index, pitch, left)
    for index, panel in enumerate(panels):
        marks = [(at, row.marks[index]) for at, row in enumerate(rows) if row.marks]
        parts += _panel(panel, marks, left + index * (each + BETWEEN), each, (top, bottom), pitch)
    return _svg(WIDTH, bottom + 22, finding, parts)


def _label_width(rows: Sequence[Row]) -> float:
    widest = max((length(row.label, 9.5, bold=not row.marks) for row in rows), default=0.0)
    return min(max(widest, 132.0), 190.0)


def _row_names(row: Row, top: float, pitch: float, left: float) -> list[str]:
    base = top + pitch / 2 + 3.2
    if not row.marks:
        return [_text(0, base, fitted(row.label, WIDTH, 9, bold=True), size=9, weight=600, fill=ACCENT)]
    n = formats.DASH if row.n is None else f"{row.n:,}"
    parts = [
        f'<line x1="0" y1="{top:.1f}" x2="{left - 8:.1f}" y2="{top:.1f}" stroke="{RULE}" stroke-width="0.5"/>',
        _text(0, base, fitted(row.label, left - 56, 9.5), size=9.5),
        _text(left - 14, base, n, size=8.5, fill=MUTED, anchor="end"),
    ]
    if row.text:
        parts.append(_text(WIDTH, base, row.text, size=9, anchor="end"))
    return parts


def _panel(
    panel: Panel,
    marks: Sequence[tuple[int, Mark | None]],
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

    parts = [_text(left, 10, panel.title, size=9.5, weight=600)]
    for tick in ticks:
        x = across(tick)
        parts.append(_line(x, top, x, bottom, RULE, 0.6))
        parts.append(_text(x, bottom + 12, _tick_text(tick, ticks), size=7.5, fill=MUTED, anchor="middle"))
    if panel.reference is not None:
        x = across(panel.reference)
        parts.append(_line(x, top, x, bottom, MUTED, 1.0, "3 2.5"))
        parts.append(_beside(x, left, width, panel.reference_name, MUTED))
    if panel.limit is not None:
        x = across(panel.limit)
        parts.append(_line(x, top, x, bottom, BAD, 1.1, "5 2"))
        parts.append(_beside(x, left, width, panel.limit_name, BAD))
    for at, mark in marks:
        middle = top + pitch * (at + 0.5)
        parts += _mark(mark, middle, left, across)
    return parts


def _mark(mark: Mark | None, middle: float, left: float, across: Callable[[float], float]) -> list[str]:
    if mark is None:
        behind = f'<rect x="{left + 2:.1f}" y="{middle - 6:.1f}" width="62" height="12" fill="#ffffff"/>'
        return [behind, _text(left + 4, middle + 2.8, "not enough data", size=8, fill=MUTED, style="italic")]
    x = across(mark.value)
    parts = []
    if mark.low is not None and mark.high is not None:
        low, high = across(mark.low), across(mark.high)
        parts.append(_line(low, middle, high, middle, ACCENT, 1.5))
        parts += [_line(end, middle - 3, end, middle + 3, ACCENT, 1.2) for end in (low, high)]
    parts.append(
        f'<path d="M{x:.1f} {middle - 4:.1f}l4 4l-4 4l-4 -4z" fill="{ACCENT}" stroke="#ffffff" stroke-width="0.6"/>'
    )
    return parts


def _beside(x: float, left: float, width: float, words: str, fill: str) -> str:
    anchor = "start" if x < left + width * 0.3 else "end" if x > left + width * 0.7 else "middle"
    return _text(x, 24, words, size=7.5, fill=fill, anchor=anchor)


def _reach(panel: Panel, marks: Sequence[Mark | None]) -> tuple[float, float]:
    found = [
        value
        for mark in marks
        if mark is not None
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


def histogram(heights: Sequence[float], *, finding: str, size: tuple[float, float] = (80.0, 17.0)) -> str:
    """Draw bars on a line, heights from 0 to 1, small enough for the cell of a table."""
    width, height = size
    each = width / max(len(heights), 1)
    parts = [_line(0, height, width, height, MUTED, 0.6)]
    for index, tall in enumerate(heights):
        if tall > 0:
            up = max(0.8, tall * (height - 1))
            parts.append(
                f'<rect x="{index * each + 0.4:.1f}" y="{height - up:.1f}" width="{max(each - 0.8, 0.6):.1f}" '
                f'height="{up:.1f}" fill="{ACCENT}"/>'
            )
    return _svg(width, height, finding, parts)


def lineage_drawing(graph: Graph, *, finding: str) -> str:
    """Draw the lineage from top to bottom, each box with its kind, its name, its digest and its entry."""
    names = [node.id for node in graph.nodes]
    placed = place(names, graph.edges, box=BOX, gap=GAP)
    if placed.width > WIDTH:
        placed = place(names, graph.edges, box=BOX, gap=GAP, inward=0.5)
    scale = min(1.0, WIDTH / max(placed.width, 1.0), TALLEST / max(placed.height + 4, 1.0))
    shift = max(0.0, (WIDTH / scale - placed.width) / 2)
    parts = _edges(placed.routes, shift) if placed.routes else []
    for node in graph.nodes:
        left, top = placed.at[node.id]
        parts += _box(node, left + shift, top)
    return _svg(WIDTH / scale, placed.height, finding, parts, scale, margin=1.0)


def _edges(routes: Sequence[Sequence[tuple[float, float]]], shift: float) -> list[str]:
    """Draw each stretch once, also where edges share it, and a tip at each box that an edge enters."""
    stretches: dict[tuple[float, float, float, float], None] = {}
    tips: dict[tuple[float, float], None] = {}
    for route in routes:
        for (x, y), (to_x, to_y) in pairwise(route):
            stretches[(x, y, to_x, to_y)] = None
        tips[route[-1]] = None
    path = []
    for x, y, to_x, to_y in stretches:
        end = to_y - (4.0 if (to_x, to_y) in tips else 0.0)
        middle = (y + end) / 2
        start, goal = f"{x + shift:.1f}", f"{to_x + shift:.1f}"
        bend = (
            f"L{goal} {end:.1f}"
            if x == to_x
            else f"C{start} {middle:.1f} {goal} {middle:.1f} {goal} {end:.1f}"
        )
        path.append(f"M{start} {y:.1f}{bend}")
    heads = [f"M{x + shift - 3:.1f} {y - 5:.1f}l3 5l3 -5z" for x, y in tips]
    return [
        f'<path d="{"".join(path)}" fill="none" stroke="#7b8891" stroke-width="1"/>',
        f'<path d="{"".join(heads)}" fill="#7b8891"/>',
    ]


def _box(node: Node, left: float, top: float) -> list[str]:
    dark, light = KINDS[node.kind]
    width, height = BOX
    painted = f'fill="{light}" stroke="{dark}" stroke-width="0.8"'
    parts = [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2.5" {painted}/>',
        f'<rect x="{left:.1f}" y="{top:.1f}" width="3.5" height="{height:.1f}" rx="1.5" fill="{dark}"/>',
        _text(left + 10, top + 11, node.kind.upper(), size=6.8, fill=dark, weight=600, spacing=0.5),
        _text(left + 10, top + 24, fitted(node.name, width - 16, 9.5, bold=True), size=9.5, weight=600),
    ]
    if node.entry is not None:
        parts.append(_text(left + width - 6, top + 11, f"#{node.entry}", size=7.2, fill=MUTED, anchor="end"))
    if node.digest:
        right = left + width - (28 if node.entry is not None else 6)
        parts.append(_text(right, top + 11, node.digest, size=7.2, fill=MUTED, family=MONO, anchor="end"))
    return parts


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Shorten a text to a width in pixels; an estimate on the wide side, so that nothing overflows."""
    if length(text, size, bold=bold) <= width:
        return text
    while text and length(text + "…", size, bold=bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def length(text: str, size: float, *, bold: bool = False) -> float:
    """Estimate how wide a text is, in pixels; on the wide side."""
    units = 0.0
    for letter in text:
        if letter in "iljtfrI.,:;'|!()[]- ":
            units += 0.36
        elif letter in "mwMW@%…—" or ord(letter) > 0x2E7F:
            units += 0.95 if ord(letter) < 0x2E80 else 1.1
        else:
            units += 0.68 if letter.isupper() else 0.585
    return units * size * (1.05 if bold else 1.0)


def qr(text: str, *, finding: str, size: float = 92.0) -> str:
    """Draw a QR code (ISO/IEC 18004, error correction M or better) with its quiet zone, as one path."""
    code = segno.make_qr(text, error="m")
    side = code.symbol_size(scale=1, border=2)[0]
    path = []
    for y, row in enumerate(code.matrix_iter(scale=1, border=2)):
        x = 0
        cells = list(row)
        while x < side:
            if not cells[x]:
                x += 1
                continue
            run = 1
            while x + run < side and cells[x + run]:
                run += 1
            path.append(f"M{x} {y}h{run}v1h-{run}z")
            x += run
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{size:.1f}" height="{size:.1f}" '
        f'viewBox="0 0 {side} {side}"><title>{escape(finding)}</title>'
        f'<path d="{"".join(path)}" fill="{INK}"/></svg>'
    )


def _svg(
    width: float, height: float, finding: str, parts: Sequence[str], scale: float = 1.0, margin: float = 0.0
) -> str:
    tall = height + 2 * margin
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width * scale:.1f}" '
        f'height="{tall * scale:.1f}" viewBox="0 {0.0 - margin:.1f} {width:.1f} {tall:.1f}">'
        f"<title>{escape(finding)}</title>{''.join(parts)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{stroke}" stroke-width="{width}"{dashed}/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    fill: str = INK,
    anchor: str = "start",
    weight: int = 400,
    family: str = SANS,
    style: str = "normal",
    spacing: float = 0.0,
) -> str:
    spaced = f' letter-spacing="{spacing}"' if spacing else ""
    slanted = f' font-style="{style}"' if style != "normal" else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{family}" font-size="{size}" font-weight="{weight}" '
        f'fill="{fill}" text-anchor="{anchor}"{slanted}{spaced}>{escape(words)}</text>'
    )
