"""Lineage in the DOT language of Graphviz: `affidavit lineage NAME@VERSION --field FIELD --format dot | dot -Tsvg`.

Rules:

- How a link is known is its stroke: declared is solid, parsed dashed, observed dotted; what for stands beside it. One
  of several that may be the feature has an open head, and says so. The columns of a table stand in one frame.
- What is not known stands below the drawing.
- A name is shown as it is, whatever it holds: quotes, backslashes and, in labels, HTML's entities are escaped. Control
  characters are written as Python writes them, since NUL would end the text.
- The same lineage gives the same bytes.

>>> print(dot_of(Lineage((Node("model", "model", "a & b"),), ())))
digraph lineage {
  graph [rankdir=LR, nodesep=0.1, ranksep=0.9];
  node [shape=box, fontsize=11, height=0.25, margin="0.1,0.03"];
  edge [fontsize=9];
  "model" [label="a &amp; b", shape=doubleoctagon];
}
"""

from collections.abc import Iterator
from typing import Final

from registry.lineage import Edge, Lineage, Node
from registry.places import FILE, ONE_OF

__all__ = ["dot_of"]

SHAPES: Final = {
    "source": "cylinder",
    "step": "box",
    "column": "plaintext",
    "model": "doubleoctagon",
    "feature": "plaintext",
}
STROKES: Final = {"declared": "solid", "parsed": "dashed", "observed": "dotted"}


def dot_of(lineage: Lineage) -> str:
    """Write nodes and edges as one digraph, from left to right."""
    frames: dict[str, list[Node]] = {}
    for node in lineage.nodes:
        frames.setdefault(node.table or "", []).append(node)
    lines = [
        "digraph lineage {",
        "  graph [rankdir=LR, nodesep=0.1, ranksep=0.9];",
        '  node [shape=box, fontsize=11, height=0.25, margin="0.1,0.03"];',
        "  edge [fontsize=9];",
        *(_node(node, "  ") for node in frames.pop("", [])),
    ]
    for table, nodes in frames.items():
        lines += _frame(table, nodes)
    return "\n".join([*lines, *map(_edge, lineage.edges), *_said(lineage), "}"])


def _frame(table: str, nodes: list[Node]) -> Iterator[str]:
    yield f"  subgraph {_quoted('cluster ' + table)} {{"
    yield f"    label={_label(table.removeprefix(FILE))};"
    yield "    color=gray;"
    yield from (_node(node, "    ") for node in nodes)
    yield "  }"


def _said(lineage: Lineage) -> Iterator[str]:
    """Write what is not known, and what was noted.

    It stands at the end, since frames take on what is said of the whole drawing before them.
    """
    unknown = ("not known:", *lineage.unknown) if lineage.unknown else ()
    noted = ("noted while it ran:", *lineage.notes) if lineage.notes else ()
    if unknown or noted:
        lines = "".join(f"{_label(sentence)[1:-1]}\\l" for sentence in (*unknown, *noted))
        yield f'  label="{lines}"; labelloc=b; labeljust=l; fontsize=10;'


def _node(node: Node, indent: str) -> str:
    table = (node.table or "").removeprefix(FILE)
    name = node.name.removeprefix(f"{table}.") if table else node.name
    return f"{indent}{_quoted(node.id)} [label={_label(name)}, shape={SHAPES[node.kind]}];"


def _edge(edge: Edge) -> str:
    if edge.use == ONE_OF:
        ends = f"{_quoted(edge.start)} -> {_quoted(edge.end)}"
        return f'  {ends} [label="one of these, not known which", style=dashed, arrowhead=empty];'
    label = f"label={_label(f'{edge.how} {edge.use}')}, " if edge.use is not None else ""
    return f"  {_quoted(edge.start)} -> {_quoted(edge.end)} [{label}style={STROKES[edge.how]}];"


def _label(text: str) -> str:
    return _quoted(text.replace("&", "&amp;"))


def _quoted(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
