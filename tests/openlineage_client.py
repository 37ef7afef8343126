"""An event read as OpenLineage's own client for Python reads it: its generated classes, held to strictly.

The classes come from the published JSON schemas and carry their URLs, but take values of any type and drop nothing.
Here every member has to be one that its class has, of the type that stands there, and the schema that a facet names has
to be the one that its class was generated from.
"""

import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attr
from openlineage.client.event_v2 import RunEvent
from openlineage.client.facet_v2 import DatasetFacet, column_lineage_dataset, schema_dataset

__all__ = ["OWN", "read_event"]

FACETS: Mapping[str, type] = {
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    "schema": schema_dataset.SchemaDatasetFacet,
}
OWN = "affidavit_unknown"
"""Our own facet, of which OpenLineage asks no more than the members of every facet."""


def read_event(said: Mapping[str, Any]) -> RunEvent:
    """Return an event as an object of the client, or raise `TypeError` or `ValueError` where it is none."""
    event = _read(RunEvent, said, "event")
    assert isinstance(event, RunEvent)
    return event


def _read(kind: Any, value: Any, where: str) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        [only] = [each for each in inner if each is not types.NoneType]
        return _read(only, value, where)
    if origin is list:
        _demand(isinstance(value, list), where, "a list")
        return [_read(inner[0], each, f"{where}[{number}]") for number, each in enumerate(value)]
    if origin is dict:
        _demand(isinstance(value, dict), where, "an object")
        return {name: _read(_facet(inner[1], name), each, f"{where}.{name}") for name, each in value.items()}
    if attr.has(kind):
        return _read_object(kind, value, where)
    if issubclass(kind, Enum):
        return kind(value)
    _demand(type(value) is kind, where, f"of the type {kind.__name__}")
    return value


def _read_object(kind: Any, value: Any, where: str) -> Any:
    _demand(isinstance(value, dict), where, "an object")
    members = {member.name: member for member in attr.fields(kind)}
    hints = typing.get_type_hints(kind)
    more = {} if kind is not DatasetFacet else {name: value[name] for name in value.keys() - members.keys()}
    read: dict[str, Any] = {}
    for name in value.keys() - more.keys():
        _demand(name in members, f"{where}.{name}", f"a member of {kind.__name__}")
        made = _read(hints[name], value[name], f"{where}.{name}")
        if members[name].init:
            read[members[name].alias] = made
    if (schema := "_schemaURL" if "_schemaURL" in members else "schemaURL") in members and not more:
        _demand(value[schema] == kind._get_schema(), f"{where}.{schema}", kind._get_schema())
    # A member without a default that is left out is a TypeError of the class itself.
    return kind(**read)


def _facet(kind: Any, name: str) -> Any:
    if kind is not DatasetFacet:
        return kind
    return DatasetFacet if name == OWN else FACETS[name]


def _demand(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise TypeError(f"{where} is not {what}")
