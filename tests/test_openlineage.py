"""Tests of the OpenLineage event of a run, which OpenLineage's own client has to read as it was written."""

import json
from typing import Any
from uuid import UUID

import pytest
from openlineage.client.serde import Serde

from registry.flows import Flow, Link
from registry.openlineage import event_of
from tests.openlineage_client import OWN, read_event
from tests.test_field_trace import LOAD, MODEL, RATIOS, a_run

LEAF = "3f" * 32


def event(*flows: Flow) -> Any:
    run = a_run(*flows) | {"status": "succeeded", "started": "2026-01-01T00:00:00.000000Z"}
    return json.loads(json.dumps(event_of(run, "lender.example/models", LEAF)))


def facet_of(said: Any, name: str, facet: str = "columnLineage") -> Any:
    [output] = [output for output in said["outputs"] if output["name"] == name]
    return output["facets"][facet]


def test_an_event_has_what_the_schema_of_a_run_event_requires() -> None:
    said = event(LOAD, RATIOS, MODEL)
    assert said.keys() >= {
        "eventType",
        "eventTime",
        "producer",
        "schemaURL",
        "run",
        "job",
        "inputs",
        "outputs",
    }
    assert said["schemaURL"].startswith("https://openlineage.io/spec/2-0-2/OpenLineage.json")
    assert UUID(said["run"]["runId"]).version == 8
    assert said["job"]["name"] == "loans"
    assert [data["name"] for data in said["inputs"]] == ["loans.csv"]
    assert [data["name"] for data in said["outputs"]] == ["load", "ratios", "model"]
    for data in (*said["inputs"], *said["outputs"]):
        assert data["namespace"] == "lender.example/models"
        for facet in data["facets"].values():
            assert facet.keys() >= {"_producer", "_schemaURL"}


def test_columns_stand_under_fields_and_what_decides_rows_under_dataset() -> None:
    facet = facet_of(event(LOAD, RATIOS, MODEL), "ratios")
    assert facet["_schemaURL"].startswith(
        "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json"
    )
    used = {"namespace": "lender.example/models", "name": "load"}
    direct = {"type": "DIRECT", "subtype": "TRANSFORMATION", "description": "parsed", "masking": False}
    assert facet["fields"] == {
        "ratio": {
            "inputFields": [
                {**used, "field": "debt", "transformations": [direct]},
                {**used, "field": "income", "transformations": [direct]},
            ]
        }
    }
    assert facet["dataset"] == [
        {
            **used, "field": "race",
            "transformations": [
                {"type": "INDIRECT", "subtype": "FILTER", "description": "parsed", "masking": False}
            ],
        }
    ]  # fmt: skip


def test_the_names_of_types_and_subtypes_are_openlineages_own() -> None:
    uses = ["DEPENDENCE", "ROWS", "TARGET", "WINDOW", "CONDITIONAL", "GROUP_BY", "SORT", "JOIN", "IDENTITY"]
    links = tuple(Link("ratio", "load", f"c{use}", "observed", use) for use in uses)
    fields = facet_of(event(Flow("ratios", "ratios", "table", ("ratio",), links)), "ratios")["fields"]
    for field in fields["ratio"]["inputFields"]:
        [told] = field["transformations"]
        assert told["type"] in ("DIRECT", "INDIRECT")
        assert told["subtype"] in {
            "IDENTITY", "TRANSFORMATION", "AGGREGATION", "JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW",
            "CONDITIONAL",
        }  # fmt: skip


def test_what_is_not_known_is_said_in_a_facet_of_our_own() -> None:
    said = event(LOAD, Flow("ratios", "ratios", "table", ("ratio",)), MODEL)
    own = facet_of(said, "ratios", "affidavit_unknown")
    assert (own["fields"], own["rows"], own["observed"]) == (["ratio"], True, False)
    with pytest.raises(KeyError):
        facet_of(said, "load", "affidavit_unknown")


def test_the_same_entry_has_the_same_event() -> None:
    assert event(LOAD, RATIOS, MODEL) == event(LOAD, RATIOS, MODEL)


def changed(said: Any, *path: str | int, to: Any) -> Any:
    """Return a copy of an event with one member changed, or without it."""
    copy = json.loads(json.dumps(said))
    here = copy
    for name in path[:-1]:
        here = here[name]
    if to is None:
        del here[path[-1]]
    else:
        here[path[-1]] = to
    return copy


def test_openlineages_own_client_reads_the_event_and_writes_the_same() -> None:
    said = event(LOAD, RATIOS, Flow("open", "open", "table", ("x",)), MODEL)
    written = Serde.to_dict(read_event(said))
    for output in said["outputs"]:
        output["facets"].pop(
            OWN, None
        )  # of a facet that it does not know the client keeps only what every facet has
        output["outputFacets"] = {}
        for field in output["facets"]["schema"]["fields"]:
            field["fields"] = []
    for data in said["inputs"]:
        data["inputFacets"] = {}
    for output in written["outputs"]:
        output["facets"].pop(OWN, None)
    assert written == said


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("outputs", 1, "facets", "columnLineage", "fields", "ratio", "inputFields", 0, "field"), None),
        (("outputs", 1, "facets", "columnLineage", "fields", "ratio", "inputFields", 0, "transformation"), []),
        (("outputs", 1, "facets", "columnLineage", "dataset"), {}),
        (("outputs", 1, "facets", "columnLineage", "_schemaURL"), "https://openlineage.io/spec/facets/1-1-0/x.json"),
        (("outputs", 1, "facets", "schema", "fields", 0, "name"), 3),
        (("run", "runId"), "no UUID"),
        (("eventType",), "DONE"),
        (("eventTime",), "yesterday"),
        (("job", "namespace"), None),
    ],
)  # fmt: skip
def test_an_event_with_one_member_wrong_is_refused_by_the_same_reading(
    path: tuple[str | int, ...], to: Any
) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_event(changed(event(LOAD, RATIOS, MODEL), *path, to=to))
