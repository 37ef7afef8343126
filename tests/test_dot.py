"""Lineage in DOT is what Graphviz reads and draws, whatever the names hold."""

import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from registry.dot import dot_of
from registry.field_trace import trace, whole_trace
from registry.flows import Flow, Link
from registry.lineage import Edge, Lineage, Node
from tests.test_field_trace import LOAD, MODEL, RATIOS, halves, of, several

NAMES = [
    'say "hi"', "C:\\new\\", "\\N \\G \\l", "a|b {c} <d>", "R&amp;D & co", "收入 доход דחופה", "caf\u00e9",
    "graph", "-> b;", "/* none */ # none", "a.b.c", " spaces  ", "\N{ADULT} \N{SNOWMAN}",
]  # fmt: skip


def drawn(dot: str) -> list[str]:
    """Let Graphviz draw a graph, and return the texts in its picture."""
    program = shutil.which("dot")
    if program is None:
        pytest.skip("NOTHING WAS DRAWN: Graphviz is not installed (apt-get install graphviz)")
    done = subprocess.run(
        [program, "-Tsvg"],
        input=dot,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [
        each.text or "" for each in ElementTree.fromstring(done.stdout).iter() if each.tag.endswith("}text")
    ]


def test_names_with_quotes_stay_names() -> None:
    node = Node('feature:say "hi" \\ there', "feature", 'say "hi" \\ there')
    assert r'"feature:say \"hi\" \\ there" [label="say \"hi\" \\ there", shape=plaintext];' in dot_of(
        Lineage((node,), ())
    )


def test_graphviz_draws_every_name_as_it_is() -> None:
    nodes = tuple(Node(f"column:{name}", "column", name, table="t") for name in NAMES)
    edges = tuple(Edge(node.id, "model", "parsed", "IDENTITY") for node in nodes)
    texts = drawn(dot_of(Lineage((*nodes, Node("model", "model", "m")), edges)))
    assert {" ".join(name.split()) for name in NAMES} <= {" ".join(text.split()) for text in texts}
    # Each name is one node: none was cut, doubled or taken for syntax.
    assert len(texts) == len(nodes) + len(edges) + len(["m", "the frame's name"])


@pytest.mark.parametrize(
    ("name", "shown"), [("two\nlines", r"two\nlines"), ("a\0b", r"a\x00b"), ("\x1b[1m", r"\x1b[1m")]
)
def test_control_characters_are_written_out(name: str, shown: str) -> None:
    assert shown in drawn(dot_of(Lineage((Node("model", "model", name),), ())))


def test_columns_stand_in_the_frame_of_their_table_and_strokes_say_how_links_are_known() -> None:
    dot = dot_of(trace(of(LOAD, RATIOS, MODEL), [of(LOAD, RATIOS, MODEL).inputs()[0]]).lineage())
    assert '  subgraph "cluster load" {\n    label="load";' in dot
    assert '    "column:load.debt" [label="debt", shape=plaintext];' in dot
    assert '"column:load.debt" -> "column:ratios.ratio" [label="parsed TRANSFORMATION", style=dashed];' in dot
    assert '"source:loans.csv" -> "column:file:loans.csv.debt" [style=solid];' in dot
    assert {"loans.csv", "load", "ratios", "features", "debt", "rows of ratios"} <= set(drawn(dot))


def test_forty_columns_are_drawn_with_each_name_once_in_its_table() -> None:
    names = tuple(f"c{number}" for number in range(40))
    links = tuple(Link(name, "load", name, "observed", "DEPENDENCE") for name in names)
    known = of(
        Flow("load", "load", "table", names, (), frozenset(names), True),
        Flow("ratios", "ratios", "table", names, links),
        Flow(
            "model",
            "model",
            "model",
            names,
            tuple(Link(n, "ratios", n, "declared", "IDENTITY") for n in names),
        ),
        features=names,
    )
    texts = drawn(dot_of(whole_trace(known).lineage()))
    assert [texts.count(name) for name in names] == [3] * 40


def test_what_is_not_known_stands_below_and_a_column_that_may_be_the_feature_is_not_drawn_as_declared() -> (
    None
):
    known = of(*halves(), several())
    found = whole_trace(known).lineage()
    dot = dot_of(found)
    assert (
        '"column:train.ratio" -> "feature:ratio" [label="one of these, not known which", style=dashed' in dot
    )
    assert "declared" not in dot
    assert {"not known:", *found.unknown} <= set(drawn(dot))
    assert found.unknown
