"""Lineage as OpenLineage tells it: one RunEvent whose output datasets carry column lineage facets.

The event is that of OpenLineage 2-0-2, the facet ColumnLineageDatasetFacet 1-2-0. Every table that a step returned is a
dataset in the namespace of the ledger; so is every source, and the model, whose fields are its features.

Rules:

- Links to a column stand under `fields`, those to the rows under `dataset`, so that they are said once.
- DIRECT and INDIRECT with their subtypes are OpenLineage's own. What was observed has no subtype there: TRANSFORMATION
  stands for a value that moved, FILTER for rows that did, and the description says that it was observed.
- What is not known has no place in the facet. It stands in a facet of our own, `affidavit_unknown`, so that a reader
  does not take silence for independence.
- So do the fields that are given to the model and that its transformers drop (`affidavit_dropped`), and what was
  changed in place after it had been returned (`affidavit_changed`).
- The run's id is a UUID made of the entry's leaf hash (version 8 of RFC 9562): the same entry, the same id.

>>> event_of(run, "bank.example/models", "3f" * 32)["eventType"]        # doctest: +SKIP
'COMPLETE'
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from audit.canonical import Json, JsonObject
from registry.field_trace import sentences
from registry.flows import (
    AGGREGATION,
    ALL_ROWS,
    DEPENDENCE,
    DIRECT,
    FILTER,
    ROWS,
    TARGET,
    TRANSFORMATION,
    Flow,
    Link,
)
from registry.places import FILE, Map, Place, map_of, one_of_several

__all__ = ["event_of"]

PRODUCER: Final = "urn:affidavit:lineage:v1"
EVENT: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
COLUMN_LINEAGE: Final = (
    "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet"
)
SCHEMA: Final = "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet"
OWN: Final = f"{PRODUCER}#affidavit_unknown"
DROPPED: Final = f"{PRODUCER}#affidavit_dropped"
CHANGED: Final = f"{PRODUCER}#affidavit_changed"

_SUBTYPES: Final = {DEPENDENCE: TRANSFORMATION, ROWS: FILTER, TARGET: AGGREGATION}


def event_of(run: Mapping[str, Json], namespace: str, leaf_hash: str) -> JsonObject:
    """Tell the lineage of a run as an OpenLineage event; `namespace` is the ledger's origin."""
    known = map_of(run)
    flows = [*known.tables.values(), *([known.model] if known.model is not None else [])]
    names = {flow.part for flow in flows}
    inputs = dict.fromkeys(link.part for flow in flows for link in flow.links if link.part not in names)
    return {
        "eventType": "COMPLETE" if run["status"] == "succeeded" else "FAIL",
        "eventTime": run["started"],
        "producer": PRODUCER,
        "schemaURL": EVENT,
        "run": {"runId": _uuid(leaf_hash), "facets": {}},
        "job": {"namespace": namespace, "name": known.name, "facets": {}},
        "inputs": [{"namespace": namespace, "name": _dataset(part), "facets": {}} for part in inputs],
        "outputs": [_output(flow, namespace, known) for flow in flows],
    }


def _output(flow: Flow, namespace: str, known: Map) -> JsonObject:
    links = flow.by_column()
    facets: JsonObject = {
        "schema": _facet(SCHEMA) | {"fields": [{"name": name} for name in flow.columns]},
        "columnLineage": _facet(COLUMN_LINEAGE)
        | {
            "fields": {
                name: {"inputFields": _fields(flow, links[name], namespace)}
                for name in flow.columns
                if name in links
            },
            "dataset": _fields(flow, links.get(None, []), namespace),
        },
    }
    if flow.kind == "model" and (dropped := known.dropped()):
        facets["affidavit_dropped"] = _facet(DROPPED) | {"fields": [place.name for place in dropped]}
    if changes := _changes(flow, known):
        facets["affidavit_changed"] = _facet(CHANGED) | {"says": list[Json](changes)}
    open_columns = [name for name in flow.columns if name not in flow.complete]
    if open_columns or not flow.rows_complete:
        facets["affidavit_unknown"] = _facet(OWN) | {
            "fields": list[Json](open_columns),
            "rows": not flow.rows_complete,
            "observed": flow.observed,
            "says": list[Json](_doubts(flow, known)),
            "notes": list[Json](flow.notes),
        }
    return {"namespace": namespace, "name": flow.part, "facets": facets}


def _doubts(flow: Flow, known: Map) -> tuple[str, ...]:
    """Say what is not known of a flow, in the sentences of every other form."""
    kind = "feature" if flow.kind == "model" else "column"
    places = [Place(kind, "" if kind == "feature" else flow.part, name) for name in flow.columns]
    doubts = [known.doubt(place) for place in (*places, Place("rows", flow.part, ""))]
    return sentences(doubt for doubt in doubts if doubt is not None)


def _changes(flow: Flow, known: Map) -> list[str]:
    """Say which inputs of a flow were changed before its step received them, and whether the model was afterwards."""
    read = {link.part for link in flow.links}
    said = [
        change.says for (step, part), change in known.changes.items() if step == flow.step and part in read
    ]
    after = known.model_changed if flow.kind == "model" else None
    return said if after is None else [*said, after]


def _fields(flow: Flow, links: Sequence[Link], namespace: str) -> list[Json]:
    """List the input fields of a column, or of the rows, each with everything it is used for."""
    several = one_of_several(flow, links)
    uses: dict[tuple[str, str], list[Json]] = {}
    for link in links:
        if link.source != ALL_ROWS:
            uses.setdefault((link.part, link.source), []).append(_transformation(link, named=link in several))
    return [
        {"namespace": namespace, "name": _dataset(part), "field": source, "transformations": told}
        for (part, source), told in uses.items()
    ]


def _transformation(link: Link, *, named: bool) -> JsonObject:
    return {
        "type": "DIRECT" if link.use in DIRECT else "INDIRECT",
        "subtype": _SUBTYPES.get(link.use, link.use),
        "description": "by its name: one of these, which is not known" if named else link.how,
        "masking": False,
    }


def _facet(schema: str) -> JsonObject:
    return {"_producer": PRODUCER, "_schemaURL": schema}


def _dataset(part: str) -> str:
    return part.removeprefix(FILE)


def _uuid(leaf_hash: str) -> str:
    raw = bytearray(bytes.fromhex(leaf_hash)[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(raw)))
