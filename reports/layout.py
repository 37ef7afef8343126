"""A layered layout of a directed graph, from top to bottom (after Sugiyama, Tagawa and Toda, 1981).

Four passes: ranks by longest path, with at most `width` boxes a rank; a bend for every rank that an edge
passes by; barycentre sweeps for the order within ranks; then places, pulled towards neighbours.

Rules:

- Pure and deterministic: ties are broken by position in the input, never by hash order.
- An edge bends only between ranks and passes a rank only through its own bend, so none runs through a box.
- An edge that would close a circle is left out of the ranks; the drawing never hangs on bad input.

Example::

    placed = place(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")], box=(120.0, 40.0), gap=(16.0, 28.0))
    placed.at["b"]                      # (left, top)
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Placed", "place"]

BEND_WIDTH = 10.0
SWEEPS = 12


@dataclass(frozen=True, slots=True)
class Placed:
    """Where each box stands (left, top) and the points each edge passes, from bottom to top edge of boxes."""

    width: float
    height: float
    at: dict[str, tuple[float, float]]
    routes: tuple[tuple[tuple[float, float], ...], ...]


def place(
    nodes: Sequence[str],
    edges: Sequence[tuple[str, str]],
    *,
    box: tuple[float, float],
    gap: tuple[float, float],
    width: int = 4,
    inward: float = 1.0,
) -> Placed:
    """Place boxes of one size (width, height) with gaps (across, down), in the units of the drawing.

    `inward` below 1 pulls every rank towards the middle: narrower, but chains stand less straight.
    """
    ranks = _ranks(nodes, edges, width)
    forward = [edge for edge in edges if ranks[edge[0]] < ranks[edge[1]]]
    rows, chains = _with_bends(nodes, forward, ranks)
    above, below = _neighbours(chains)
    for sweep in range(SWEEPS):
        _sweep(rows, above if sweep % 2 == 0 else below, down=sweep % 2 == 0)
    sizes = dict.fromkeys(nodes, box[0])
    centres = _centres(rows, above, below, sizes, gap[0], inward)
    left = min((centres[name] - sizes.get(name, BEND_WIDTH) / 2 for row in rows for name in row), default=0.0)
    right = max(
        (centres[name] + sizes.get(name, BEND_WIDTH) / 2 for row in rows for name in row), default=0.0
    )
    step = box[1] + gap[1]
    routes = tuple(_route(chain, centres, ranks, left, box[1], step) for chain in chains)
    at = {name: (round(centres[name] - left - box[0] / 2, 1), round(ranks[name] * step, 1)) for name in nodes}
    height = len(rows) * step - gap[1] if rows else 0.0
    return Placed(round(right - left, 1), round(height, 1), at, routes)


def _ranks(nodes: Sequence[str], edges: Sequence[tuple[str, str]], width: int) -> dict[str, int]:
    """Rank by longest path; a rank that is full hands its next box down (list scheduling)."""
    waiting = {name: {start for start, end in edges if end == name and start != name} for name in nodes}
    ranks: dict[str, int] = {}
    held: dict[int, int] = {}
    while waiting:
        ready = [name for name in waiting if not waiting[name] - ranks.keys()]
        name = ready[0] if ready else next(iter(waiting))
        rank = max((ranks[start] + 1 for start in waiting[name] if start in ranks), default=0)
        while held.get(rank, 0) >= width:
            rank += 1
        ranks[name] = rank
        held[rank] = held.get(rank, 0) + 1
        del waiting[name]
    return ranks


def _with_bends(
    nodes: Sequence[str], edges: Sequence[tuple[str, str]], ranks: dict[str, int]
) -> tuple[list[list[str]], list[list[str]]]:
    rows: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name in nodes:
        rows[ranks[name]].append(name)
    chains: list[list[str]] = []
    bends: dict[tuple[str, bool, int], str] = {}
    long = [edge for edge in edges if ranks[edge[1]] - ranks[edge[0]] > 1]
    leaving = Counter(start for start, _ in long)
    entering = Counter(end for _, end in long)
    for start, end in edges:
        # long edges that leave or enter one box share their bends, as a bus does: fewer lines to follow
        out = leaving[start] >= entering[end]
        chain = [start]
        for rank in range(ranks[start] + 1, ranks[end]):
            key = (start if out else end, out, rank)
            if key not in bends:
                bends[key] = "\0".join(("", *map(str, key)))
                rows[rank].append(bends[key])
            chain.append(bends[key])
        chains.append([*chain, end])
    # bends start in the middle of their rank: where the sweeps find a tie, boxes then stand on both sides
    for row in rows:
        boxes = [name for name in row if name in ranks]
        half = len(boxes) // 2
        row[:] = [*boxes[:half], *(name for name in row if name not in ranks), *boxes[half:]]
    return rows, chains


def _neighbours(chains: Sequence[Sequence[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            if upper not in above.setdefault(lower, []):
                above[lower].append(upper)
                below.setdefault(upper, []).append(lower)
    return above, below


def _sweep(rows: list[list[str]], beside: dict[str, list[str]], *, down: bool) -> None:
    order = range(1, len(rows)) if down else range(len(rows) - 2, -1, -1)
    for index in order:
        other = {name: place for place, name in enumerate(rows[index - 1 if down else index + 1])}
        here = {name: float(place) for place, name in enumerate(rows[index])}
        for name in rows[index]:
            around = [other[friend] for friend in beside.get(name, []) if friend in other]
            if around:
                here[name] = sum(around) / len(around)
        rows[index].sort(key=here.__getitem__)


def _centres(
    rows: Sequence[Sequence[str]],
    above: dict[str, list[str]],
    below: dict[str, list[str]],
    sizes: dict[str, float],
    gap: float,
    inward: float,
) -> dict[str, float]:
    centres: dict[str, float] = {}
    for row in rows:
        _settle(row, dict.fromkeys(row, 0.0), centres, sizes, gap)
    for turn in range(SWEEPS * 2):
        beside = above if turn % 2 == 0 else below
        for row in rows if turn % 2 == 0 else list(reversed(rows)):
            wish = {}
            for name in row:
                around = [centres[friend] for friend in beside.get(name, [])]
                wish[name] = inward * (sum(around) / len(around) if around else centres[name])
            _settle(row, wish, centres, sizes, gap)
    return centres


def _settle(
    row: Sequence[str],
    wish: dict[str, float],
    centres: dict[str, float],
    sizes: dict[str, float],
    gap: float,
) -> None:
    """Give each box its wish as far as the order and the gaps allow (pool adjacent violators)."""
    offsets = [0.0]
    for left, right in pairwise(row):
        between = (sizes.get(left, BEND_WIDTH) + sizes.get(right, BEND_WIDTH)) / 2 + gap
        offsets.append(offsets[-1] + between)
    blocks: list[tuple[float, int]] = []
    for name, offset in zip(row, offsets, strict=True):
        total, members = wish[name] - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / members:
            earlier = blocks.pop()
            total, members = total + earlier[0], members + earlier[1]
        blocks.append((total, members))
    starts = [total / members for total, members in blocks for _ in range(members)]
    for name, offset, start in zip(row, offsets, starts, strict=True):
        centres[name] = round(start + offset, 3)


def _route(
    chain: Sequence[str],
    centres: dict[str, float],
    ranks: dict[str, int],
    left: float,
    height: float,
    step: float,
) -> tuple[tuple[float, float], ...]:
    """List the points of one edge: two at each bend, so that it passes the rank straight down."""
    points = [(round(centres[chain[0]] - left, 1), round(ranks[chain[0]] * step + height, 1))]
    for index, bend in enumerate(chain[1:-1], start=ranks[chain[0]] + 1):
        across = round(centres[bend] - left, 1)
        points += [(across, round(index * step, 1)), (across, round(index * step + height, 1))]
    points.append((round(centres[chain[-1]] - left, 1), round(ranks[chain[-1]] * step, 1)))
    return tuple(points)
