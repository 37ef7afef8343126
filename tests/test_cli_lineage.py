"""The command `lineage`, as it is typed."""

import json
from pathlib import Path

import pytest

from tests.command_line import Folder, a_lender


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Give a lender's folder; nothing here writes to it."""
    place: Path = tmp_path_factory.mktemp("lineage")
    return a_lender(place / "lender")


def test_the_document_of_a_version_goes_down_to_columns(here: Folder) -> None:
    document = here.json("lineage", "loans@1")
    assert {"id", "kind", "name"} <= document["nodes"][0].keys()
    assert {"from": "step:split", "to": "step:model", "how": "declared"} in document["edges"]
    assert {node["kind"] for node in document["nodes"]} == {"source", "step", "model", "feature", "column"}
    known = {node["id"] for node in document["nodes"]}
    assert all(edge["from"] in known and edge["to"] in known for edge in document["edges"])


def test_the_document_of_a_field_has_its_path_and_what_is_not_known(here: Folder) -> None:
    document = here.json("lineage", "loans@1", "--field", "income")
    assert {
        "from": "column:split.train.income", "to": "feature:income", "how": "declared", "use": "ONE_OF",
        "step": "model",
    } in document["edges"]  # fmt: skip
    assert document["unknown"][0] == (
        "step split: how split.train.income, split.test.income come about is not known"
    )


def test_text_of_a_version_names_the_columns_behind_each_feature(here: Folder) -> None:
    said = here.text("lineage", "loans@1")
    assert "model loans <- model" in said
    assert "feature income <- one of split.train.income, split.test.income" in said


def test_text_of_a_field_shows_the_code_on_the_way(here: Folder) -> None:
    said = here.text("lineage", "loans@1", "--field", "income")
    assert "income, a feature of loans@1" in said
    assert "shuffled = applications.sample(frac=1.0, random_state=seed)" in said


def test_a_graph_of_a_field_is_one_for_graphviz(here: Folder) -> None:
    said = here.text("lineage", "loans@1", "--field", "income", "--format", "dot")
    assert '"column:split.train.income" -> "feature:income" [label="one of these, not known which"' in said


def test_a_graph_of_a_version_leads_its_features_back_to_columns(here: Folder) -> None:
    said = here.text("lineage", "loans@1", "--format", "dot")
    assert '"column:split.train.income" -> "feature:income"' in said
    assert "not known:" in said


@pytest.mark.parametrize(
    ("field", "says"),
    [("incme", "did you mean income?"), ("race", "choose applications.race or split.train.race")],
)
def test_a_field_that_is_none_is_one_sentence(here: Folder, field: str, says: str) -> None:
    result = here("lineage", "loans@1", "--field", field)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_a_picture_of_a_field_and_of_a_version_is_svg(here: Folder) -> None:
    for arguments in ((), ("--field", "income")):
        said = here.text("lineage", "loans@1", *arguments, "--format", "svg")
        assert said.startswith("<svg xmlns=")
        assert "split.train" in said


def test_openlineage_gets_one_event_of_the_whole_run(here: Folder) -> None:
    event = json.loads(here.text("lineage", "loans@1", "--format", "openlineage"))
    assert event["job"] == {"namespace": "lender.example/models", "name": "loans", "facets": {}}
    result = here("lineage", "loans@1", "--field", "income", "--format", "openlineage")
    assert result.exit_code == 2
    assert "leave --field out" in result.stderr
