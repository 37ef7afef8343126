"""What differs between two recorded runs: parameters, data, code, environment, metrics, bias and model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from audit.canonical import Json, JsonObject
from registry.recorded import (
    bias_of,
    environment_of,
    metrics_of,
    origins_of,
    parameters_of,
    parts_of_run,
    parts_of_step,
    sources_of,
    steps_of,
)
from registry.recorded_sources import digest_of_source, etag_of
from registry.recorded_values import shown

__all__ = ["Row", "compare_versions"]


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded value in both runs, as text; None where a run does not have it."""

    what: str
    name: str
    first: str | None
    second: str | None
    keys: tuple[str | None, str | None] = (None, None)
    """The ids of the fingerprint keys under which they were digested."""

    @property
    def is_untold(self) -> bool:
        """Whether nobody can tell if they differ: they were digested under different keys, or only one was."""
        return None not in (self.first, self.second) and self.keys[0] != self.keys[1]


def compare_versions(first: Mapping[str, Json], second: Mapping[str, Json]) -> list[Row]:
    """Put the recorded values of two run predicates side by side, equal ones too."""
    mine, theirs = dict(_values(first)), dict(_values(second))
    names = [*mine, *(name for name in theirs if name not in mine)]
    keys, other_keys = dict(_keys(first)), dict(_keys(second))
    return [
        Row(*name, mine.get(name), theirs.get(name), (keys.get(name), other_keys.get(name))) for name in names
    ]


def _keys(run: Mapping[str, Json]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the id of the key of what was digested under one, by what and name as `_values` has them."""
    for source in sources_of(run):
        if isinstance(key := source.get("key"), str):
            yield ("source", str(source["uri"])), key
    for origin in origins_of(run):
        version = origin.get("version")
        if isinstance(version, dict) and isinstance(key := version.get("key"), str):
            yield ("origin", f"{origin['uri']} in {origin['step']}"), key
    for _, part in parts_of_run(run):
        if isinstance(key := part.get("key"), str):
            yield (str(part["kind"]), str(part["name"])), key


def _values(run: Mapping[str, Json]) -> Iterator[tuple[tuple[str, str], str | None]]:
    for step in steps_of(run):
        for name, value in parameters_of(step).items():
            yield ("parameter", f"{step['name']}.{name}"), _text(value)
    for source in sources_of(run):
        yield ("source", str(source["uri"])), digest_of_source(source)
    for origin in origins_of(run):
        version = origin.get("version")
        told = etag_of(version) if isinstance(version, dict) else origin.get("query")
        yield ("origin", f"{origin['uri']} in {origin['step']}"), _text(told)
    for step in steps_of(run):
        for part in parts_of_step(step):
            yield (str(part["kind"]), str(part["name"])), _text(part["fingerprint"])
        yield ("step source", str(step["name"])), _text(step["source"])
    yield from _members("code", run["code"], ("commit", "branch", "dirty", "patch", "target"))
    yield from _members("environment", run["environment"], ("python", "platform", "cpu_count"))
    packages = cast(JsonObject, environment_of(run)["packages"])
    yield ("environment", "packages"), _text(packages["artifact"])
    yield from _members("model", run.get("model_file"), ("class", "format", "fingerprint"))
    for figure in metrics_of(run):
        yield ("metric", str(figure["name"])), _figure(figure)
    for table, disparities in bias_of(run):
        for figure in disparities:
            yield ("bias", f"{figure['name']} by {table['attribute']}"), _figure(figure)


def _members(what: str, holder: Json, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, str], str | None]]:
    if isinstance(holder, dict):
        for name in names:
            yield (what, name), _text(holder.get(name))


def _figure(figure: JsonObject) -> str:
    if figure["value"] is None:
        return "not enough data"
    # Every digit: two figures that differ in the last one differ. Who shows them to people may round.
    low, high = (figure[end] if isinstance(figure[end], str) else "?" for end in ("low", "high"))
    return f"{figure['value']} ({low} to {high})"


def _text(value: Json) -> str | None:
    return None if value is None else shown(value)
