"""A trace as a picture: the columns of each table in a column of boxes, from the sources on the left to the right.

Rules:

- One box for each table, file and model on the way, with the columns of it that are on the way; a line for each link.
- How a link is known is its stroke: declared is solid, parsed is dashed in long strokes, observed in dots; a legend
  says so. What only decides rows is drawn pale, from the rows of a table; one of several columns has its own stroke.
- What is not known is written below the picture, and its box has a broken edge. A feature that the transformers drop
  has no line to the model.
- Deterministic: the same trace gives the same bytes.

Example::

    svg = field_drawing(found, "debt_to_income, a feature of mortgage@1")
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from xml.sax.saxutils import escape

from registry.field_trace import Trace, sentences
from registry.places import DROPPED, FILE, ONE_OF, Into, Place
from reports.svg import KINDS, MUTED, fitted, length, text

__all__ = ["field_drawing"]

NARROWEST, WIDEST = 120.0, 330.0
GAP = 78.0
HEAD = 24.0
ROW = 17.0
BELOW = 18.0
MARGIN = 14.0
INKED, PALE = "#4a6472", "#b3bdc4"
SCREEN = "'Inter', 'Helvetica Neue', Arial, sans-serif"
"""It is looked at in a browser, which has not the fonts of a report."""

ONE = "one of these, not known which"
STROKES = {"declared": "", "parsed": "9 3", "observed": "1.5 3", ONE: "7 2 1.5 2"}


@dataclass(frozen=True, slots=True)
class _Box:
    """A table, file, step or the model, and the places in it that are on the way."""

    kind: str
    name: str
    places: tuple[Place, ...]
    dropped: frozenset[Place] = frozenset()
    """The features in it that the model's transformers drop."""

    def shown(self, place: Place) -> str:
        """Name a place as the box shows it."""
        if place.kind == "rows":
            return place.name or "its rows"
        return f"{place.name} (dropped)" if place in self.dropped else place.name

    @property
    def width(self) -> float:
        """As wide as its longest name, within limits; a name beyond them is cut, and whole in its tooltip."""
        longest = max((length(self.shown(place), 9.5) for place in self.places), default=0.0)
        return min(WIDEST, max(NARROWEST, longest + 19, length(self.name, 10.5, bold=True) + 62))

    @property
    def height(self) -> float:
        return HEAD + ROW * len(self.places) + 5


def field_drawing(found: Trace, title: str) -> str:
    """Draw a trace as SVG; `title` is its text alternative."""
    boxes = _boxes(found)
    ranks = _ranks(found, boxes)
    at = _placed(boxes, ranks)
    width = max((x + boxes[key].width for key, (x, _) in at.items()), default=0.0) + 2 * MARGIN
    height = max((y + boxes[key].height for key, (_, y) in at.items()), default=0.0) + MARGIN
    spots = _spots(boxes, at)
    open_boxes = {_key(doubt.place) for doubt in found.doubts}
    parts = [_link(spots, boxes, place, each) for place in found.into for each in found.into[place]]
    for key, box in boxes.items():
        parts += _drawn(box, *at[key], broken=key in open_boxes)
    parts += _legend(found, height)
    given = ("(dropped): given to the model and dropped by its transformers",)
    drops = given if any(each.use == DROPPED for ways in found.into.values() for each in ways) else ()
    doubts, noted = sentences(found.doubts), found.notes
    notes = [
        sentence
        for said in (
            *drops,
            *(["not known:", *doubts] if doubts else ()),
            *(["noted while it ran:", *noted] if noted else ()),
        )
        for sentence in _folded(said, width)
    ]
    for number, line in enumerate(notes):
        parts.append(_write(MARGIN, height + 36 + 14 * number, line, size=9.5, fill=MUTED))
    whole = height + 36 + 14 * len(notes) + MARGIN / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.0f}" height="{whole:.0f}" '
        f'style="max-width:100%;height:auto" viewBox="0 0 {width:.0f} {whole:.0f}"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


_write = partial(text, family=SCREEN)


def _key(place: Place) -> tuple[str, str]:
    """Name the box that a place stands in."""
    match place.kind:
        case "column" if place.part.startswith(FILE):
            return "source", place.part.removeprefix(FILE)
        case "column":
            return "table", place.part
        case "rows":
            return ("model", "features") if place.name else ("table", place.part)
        case "feature":
            return "model", "features"
        case "encoded":
            return "model", "transformed"
    return place.kind, place.name


def _boxes(found: Trace) -> dict[tuple[str, str], _Box]:
    members: dict[tuple[str, str], list[Place]] = {}
    # Tables stand from the sources on, their columns in the order in which they were reached: that of the features.
    for place in reversed(list(found.into)):
        members.setdefault(_key(place), [])
    for place in found.into:
        held = members[_key(place)]
        if place.kind not in ("source", "step", "model"):
            held.append(place)
    dropped = frozenset(each.start for ways in found.into.values() for each in ways if each.use == DROPPED)
    titles = {("model", "model"): "features", ("model", "encoded"): "behind the transformers"}
    return {
        key: _Box(
            key[0],
            titles.get(key, key[1]),
            tuple(sorted(held, key=lambda place: place.kind == "rows")),
            dropped,
        )
        for key, held in members.items()
    }


def _ranks(found: Trace, boxes: dict[tuple[str, str], _Box]) -> dict[tuple[str, str], int]:
    """Rank boxes by the longest way from where nothing leads in; what would close a circle does not count."""
    before: dict[tuple[str, str], set[tuple[str, str]]] = {key: set() for key in boxes}
    for place, ways in found.into.items():
        before[_key(place)] |= {_key(each.start) for each in ways} - {_key(place)}
    ranks: dict[tuple[str, str], int] = {}

    def rank(key: tuple[str, str], above: frozenset[tuple[str, str]]) -> int:
        if key not in ranks:
            inner = above | {key}
            ranks[key] = max((rank(each, inner) + 1 for each in sorted(before[key] - inner)), default=0)
        return ranks[key]

    for key in boxes:
        rank(key, frozenset())
    return ranks


def _placed(
    boxes: dict[tuple[str, str], _Box], ranks: dict[tuple[str, str], int]
) -> dict[tuple[str, str], tuple[float, float]]:
    at: dict[tuple[str, str], tuple[float, float]] = {}
    filled: dict[int, float] = {}
    lefts: list[float] = [MARGIN]
    for rank in range(max(ranks.values(), default=0)):
        widest = max((box.width for key, box in boxes.items() if ranks[key] == rank), default=0.0)
        lefts.append(lefts[-1] + widest + GAP)
    for key, box in boxes.items():
        top = filled.get(ranks[key], MARGIN)
        at[key] = (lefts[ranks[key]], top)
        filled[ranks[key]] = top + box.height + BELOW
    tallest = max(filled.values(), default=0.0)
    return {key: (x, y + (tallest - filled[ranks[key]]) / 2) for key, (x, y) in at.items()}


def _spots(
    boxes: dict[tuple[str, str], _Box], at: dict[tuple[str, str], tuple[float, float]]
) -> dict[Place, tuple[float, float]]:
    """Say where each place stands: the left end of its line and its middle."""
    spots = {}
    for key, box in boxes.items():
        left, top = at[key]
        for number, place in enumerate(box.places):
            spots[place] = (left, top + HEAD + ROW * (number + 0.5))
        spots[Place(box.kind, "", key[1])] = (left, top + HEAD / 2)
    return spots


def _link(
    spots: dict[Place, tuple[float, float]], boxes: dict[tuple[str, str], _Box], place: Place, each: Into
) -> str:
    start, end = spots.get(each.start), spots.get(place)
    if start is None or end is None or _key(each.start) == _key(place) or each.use == DROPPED:
        return ""
    (x, y), (to_x, to_y) = (start[0] + boxes[_key(each.start)].width, start[1]), end
    bend = max(26.0, (to_x - x) / 2)
    pale = _is_pale(place, each)
    stroke = STROKES[_how(each)]
    dash = f' stroke-dasharray="{stroke}"' if stroke else ""
    return (
        f'<path d="M{x:.1f} {y:.1f}C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}" '
        f'fill="none" stroke="{PALE if pale else INKED}" stroke-width="1.2"{dash}/>'
    )


def _how(each: Into) -> str:
    return ONE if each.use == ONE_OF else each.how


def _drawn(box: _Box, left: float, top: float, *, broken: bool) -> list[str]:
    dark, light = KINDS[box.kind]
    dash = ' stroke-dasharray="4 3"' if broken else ""
    size = f'x="{left:.1f}" y="{top:.1f}" width="{box.width:.0f}" height="{box.height:.1f}" rx="3"'
    parts = [
        f'<rect {size} fill="{light}" stroke="{dark}" stroke-width="0.9"{dash}/>',
        _write(left + 9, top + 16, fitted(box.name, box.width - 60, 10.5, bold=True), size=10.5, weight=600),
        _write(left + box.width - 8, top + 15, box.kind.upper(), size=6.8, fill=dark, anchor="end"),
    ]
    for number, place in enumerate(box.places):
        said = box.shown(place)
        style = "italic" if place.kind == "rows" else "normal"
        y = top + HEAD + ROW * number + 12
        parts.append(
            _write(left + 9, y, fitted(said, box.width - 18, 9.5), size=9.5, style=style, whole=said)
        )
    return parts


def _legend(found: Trace, top: float) -> list[str]:
    ways = [(place, each) for place, into in found.into.items() for each in into if each.use != DROPPED]
    hows = {_how(each) for _, each in ways}
    signs = [(how, _line(INKED, STROKES[how])) for how in STROKES if how in hows]
    if any(_is_pale(place, each) for place, each in ways):
        signs.append(("decides rows only", _line(PALE, "")))
    if found.doubts:
        dashed = f'm0 4v-8h34v8z" fill="none" stroke="{MUTED}" stroke-width="0.9" stroke-dasharray="4 3"'
        signs.append(("not all is known", dashed))
    parts: list[str] = []
    left = MARGIN
    for words, sign in signs:
        parts.append(
            f'<path d="M{left:.0f} {top + 8:.1f}{sign}/>'
            + _write(left + 40, top + 11, words, size=9.5, fill=MUTED)
        )
        left += 64 + length(words, 9.5)
    return parts


def _line(colour: str, dashes: str) -> str:
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'h34" stroke="{colour}" stroke-width="1.4"{dash}'


def _is_pale(place: Place, each: Into) -> bool:
    return "rows" in (each.start.kind, place.kind)


def _folded(said: str, width: float) -> Sequence[str]:
    lines, line = [], ""
    for word, after in pairwise([*said.split(), ""]):
        line = f"{line} {word}".strip()
        if len(f"{line} {after}") * 5.0 > width - 2 * MARGIN or not after:
            lines.append(line)
            line = ""
    return lines
