"""Whatever the form, lineage says the same: what is not known, and what was noted."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from registry.dot import dot_of
from registry.field_text import summary
from registry.field_trace import sentences, trace, whole_trace
from registry.flows import Flow
from registry.openlineage import event_of
from registry.places import map_of
from reports.field_drawing import field_drawing
from tests.test_field_trace import LOAD, MODEL, RATIOS, a_run

NOTED = ("step ratios: the word PIVOT is not understood",)
OPEN = replace(RATIOS, complete=frozenset(), rows_complete=False, links=(), notes=NOTED)
SEEN = replace(RATIOS, complete=frozenset(), observed=True)
PARTLY = replace(
    SEEN, untold=("load.race", "the file usual.csv"), notes=("step ratios was not observed in part",)
)
UNSEEN = replace(SEEN, unseen=("ratio",))
NAMELESS = Flow("model", "model", "model", (), notes=("the model does not name its inputs",))

RUNS: dict[str, dict[str, Any]] = {
    "all is known": a_run(LOAD, RATIOS, MODEL),
    "a step is unknown": a_run(LOAD, OPEN, MODEL),
    "a step was observed": a_run(LOAD, SEEN, MODEL),
    "a step was observed in part": a_run(LOAD, PARTLY, MODEL),
    "a column was not seen": a_run(LOAD, UNSEEN, MODEL),
    "a model names no columns": a_run(LOAD, RATIOS, NAMELESS, features=()),
    "no flow of the model": a_run(LOAD, RATIOS),
}


@pytest.mark.parametrize("name", RUNS)
def test_text_json_and_pictures_say_the_same_of_what_is_not_known(name: str) -> None:
    known = map_of(RUNS[name])
    found = whole_trace(known)
    said = [*sentences(found.doubts), *found.notes]
    text = "\n".join(summary(found, known.inputs()))
    drawn = " ".join("".join(ElementTree.fromstring(field_drawing(found, "x")).itertext()).split())
    assert (said == []) == (name == "all is known")
    as_json: Any = found.lineage().to_json()
    assert [*as_json["unknown"], *as_json["notes"]] == said
    dot = dot_of(found.lineage())
    for sentence in said:
        assert sentence in text
        assert sentence in dot
        assert sentence.replace(" ", "") in drawn.replace(" ", "")
    assert ("not known" in text, "not known" in dot, "not known" in drawn) == (bool(found.doubts),) * 3


@pytest.mark.parametrize("name", ["a step is unknown", "a step was observed", "a step was observed in part"])
def test_openlineage_says_it_in_the_same_sentences(name: str) -> None:
    run = RUNS[name] | {"status": "succeeded", "started": "2026-01-01T00:00:00Z"}
    event: Any = event_of(run, "bank", "0" * 64)
    known = map_of(RUNS[name])
    [ratios] = [each for each in event["outputs"] if each["name"] == "ratios"]
    own = ratios["facets"]["affidavit_unknown"]
    [column] = [place for place in known.columns() if place.part == "ratios"]
    doubts = sentences(doubt for doubt in trace(known, [column]).doubts if doubt.step == "ratios")
    assert own["says"] == list(doubts)
    assert own["notes"] == list(known.tables["ratios"].notes)
