"""The lineage of one version as a drawing: boxes from sources at the top to decisions at the bottom, and their edges.

Rules:

- Each box has its kind, its name, its digest and its entry; a name that is too long is cut.
- It fits on a page: a wide graph is drawn closer, then smaller.

Example::

    lineage_drawing(lineage(entry, run, approvals, decisions), finding="Lineage of mortgage@1")
"""

from collections.abc import Sequence
from itertools import pairwise

from reports.graph import Graph, Node
from reports.layout import place
from reports.svg import KINDS, MONO, MUTED, WIDTH, drawing, fitted, text

__all__ = ["lineage_drawing"]

BOX = (158.0, 31.0)
GAP = (14.0, 19.0)
TALLEST = 850.0


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
    return drawing(WIDTH / scale, placed.height, finding, parts, scale, margin=1.0)


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
        text(left + 10, top + 11, node.kind.upper(), size=6.8, fill=dark, weight=600, spacing=0.5),
        text(left + 10, top + 24, fitted(node.name, width - 16, 9.5, bold=True), size=9.5, weight=600),
    ]
    if node.entry is not None:
        parts.append(text(left + width - 6, top + 11, f"#{node.entry}", size=7.2, fill=MUTED, anchor="end"))
    if node.digest:
        right = left + width - (28 if node.entry is not None else 6)
        parts.append(text(right, top + 11, node.digest, size=7.2, fill=MUTED, family=MONO, anchor="end"))
    return parts
