"""Tests of the picture of a trace."""

import re
from xml.etree import ElementTree

from registry.field_trace import trace, whole_trace
from registry.flows import Flow, Link
from reports.field_drawing import field_drawing
from tests.test_field_trace import ENCODED, LOAD, MODEL, RATIOS, of


def drawn(*flows: Flow, whole: bool = False) -> str:
    known = of(*flows)
    return field_drawing(
        whole_trace(known) if whole else trace(known, known.inputs()), "where ratio <comes> from"
    )


def texts(svg: str) -> list[str]:
    return [
        element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]


def test_a_picture_is_well_formed_and_shows_every_column_on_the_way() -> None:
    svg = drawn(LOAD, RATIOS, MODEL)
    assert {"loans.csv", "load", "ratios", "features", "debt", "income", "race", "its rows", "ratio"} <= set(
        texts(svg)
    )
    assert "<title>where ratio &lt;comes&gt; from</title>" in svg


def test_boxes_go_from_the_source_to_the_model_from_left_to_right() -> None:
    svg = drawn(LOAD, RATIOS, MODEL, ENCODED, whole=True)
    left = {
        name: float(x)
        for x, name in re.findall(r'<text x="([\d.]+)"[^>]*font-weight="600"[^>]*>([^<]+)<', svg)
    }
    assert sorted(left, key=left.__getitem__) == [
        "loans.csv",
        "load",
        "ratios",
        "features",
        "transformed",
        "loans",
    ]
    assert len(set(left.values())) == 6


def test_how_a_link_is_known_is_its_stroke_and_stands_in_the_legend() -> None:
    assert [
        text for text in texts(drawn(LOAD, RATIOS, MODEL)) if text in ("declared", "parsed", "observed")
    ] == [
        "declared",
        "parsed",
        "observed",
    ]
    assert 'stroke-dasharray="9 3"' in drawn(LOAD, RATIOS, MODEL)
    assert 'stroke-dasharray="9 3"' not in drawn(LOAD, MODEL)


def test_what_is_not_known_is_written_below_and_its_box_is_broken() -> None:
    svg = drawn(LOAD, Flow("ratios", "ratios", "table", ("ratio",)), MODEL)
    said = texts(svg)
    assert said.index("not known:") < said.index("step ratios: how ratios.ratio comes about is not known")
    assert 'stroke-dasharray="4 3"' in svg
    assert 'stroke-dasharray="4 3"' not in drawn(LOAD, RATIOS, MODEL)


def test_the_same_trace_gives_the_same_bytes() -> None:
    assert drawn(LOAD, RATIOS, MODEL) == drawn(LOAD, RATIOS, MODEL)


def test_columns_stand_in_the_order_of_the_features_and_long_names_are_whole() -> None:
    names = tuple(f"{'wide_' * number}{number}" for number in range(12))
    links = tuple(Link(name, "load", name, "parsed", "IDENTITY") for name in names)
    known = of(
        Flow("load", "load", "table", tuple(reversed(names)), (), frozenset(names), True),
        Flow("model", "model", "model", names, links, frozenset(names), True),
        features=names,
    )
    svg = field_drawing(whole_trace(known), "all of it")
    shown = texts(svg)
    assert [name for name in shown if name in names[:10]] == [*names[:10]] * 2
    # What is too long for any box is cut there, and whole where the pointer rests.
    wider = field_drawing(
        whole_trace(of(Flow("model", "model", "model", ("x" * 90,)), features=("x" * 90,))), "x"
    )
    assert f"<title>{'x' * 90}</title>xxx" in wider


def test_a_name_that_fits_its_box_is_never_cut() -> None:
    names = tuple("x" * number for number in range(1, 50))
    known = of(Flow("model", "model", "model", names), features=names)
    assert set(names) <= set(texts(field_drawing(whole_trace(known), "x")))


def test_the_legend_says_what_pale_lines_and_broken_edges_are() -> None:
    assert "not all is known" in texts(drawn(LOAD, RATIOS))
    assert "decides rows only" in texts(drawn(LOAD, RATIOS, MODEL))
    assert "not all is known" not in texts(drawn(LOAD, RATIOS, MODEL))


def test_a_picture_shrinks_with_its_window() -> None:
    assert 'style="max-width:100%;height:auto" viewBox="0 0 ' in drawn(LOAD, RATIOS, MODEL)


def test_a_feature_that_the_transformers_drop_has_no_line_to_the_model() -> None:
    model = Flow("model", "model", "model", ("ratio", "race"), (), frozenset({"ratio", "race"}), True)
    known = of(LOAD, model, ENCODED, features=("ratio", "race"))
    svg = field_drawing(whole_trace(known), "all")
    assert "race (dropped)" in texts(svg)
    assert svg.count("<path d=") - svg.count("h34") == 2  # ratio to n__ratio, and that to the model
