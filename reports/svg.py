"""SVG as text: the few elements that drawings are made of, the colours of what they show, and how wide a text is.

Rules:

- Pure functions: the same arguments give the same bytes. Lengths are CSS pixels, written to a tenth.
- Every text is escaped here, and every drawing has a `<title>` that states its finding in words.
- Colour repeats what a word or a shape says already. Text is solid, never see-through.

>>> line(0, 0, 10, 0, INK, 1.0)
'<line x1="0.0" y1="0.0" x2="10.0" y2="0.0" stroke="#16232d" stroke-width="1.0"/>'
"""

from collections.abc import Sequence
from html import escape

__all__ = [
    "ACCENT",
    "BAD",
    "INK",
    "KINDS",
    "MONO",
    "MUTED",
    "RULE",
    "WIDTH",
    "drawing",
    "fitted",
    "length",
    "line",
    "text",
]

WIDTH = 658.0
"""The width of the text on an A4 page: drawings are made to it, so type keeps its size."""

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
"""The colours of what a lineage shows, by its kind: of the line around it, and of the ground in it."""


def drawing(
    width: float, height: float, finding: str, parts: Sequence[str], scale: float = 1.0, margin: float = 0.0
) -> str:
    """Put parts together to a drawing; `scale` makes it smaller, `margin` leaves room above and below."""
    tall = height + 2 * margin
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width * scale:.1f}" '
        f'height="{tall * scale:.1f}" viewBox="0 {0.0 - margin:.1f} {width:.1f} {tall:.1f}">'
        f"<title>{escape(finding)}</title>{''.join(parts)}</svg>"
    )


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float, dash: str = "") -> str:
    """Draw a straight line; `dash` is its pattern, empty for a solid one."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{stroke}" stroke-width="{width}"{dashed}/>'
    )


def text(
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
    whole: str | None = None,
) -> str:
    """Write a text at its base line; `whole` is what it stands for where it had to be cut, and becomes its tooltip."""
    told = f"<title>{escape(whole)}</title>" if whole not in (None, words) else ""
    spaced = f' letter-spacing="{spacing}"' if spacing else ""
    slanted = f' font-style="{style}"' if style != "normal" else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{family}" font-size="{size}" font-weight="{weight}" '
        f'fill="{fill}" text-anchor="{anchor}"{slanted}{spaced}>{told}{escape(words)}</text>'
    )


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
