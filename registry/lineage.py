"""Where a version comes from: files, steps and the model, as the pipeline declared them.

A link is known in one of three ways: *declared* (the pipeline or the model says so), *parsed* (read from a query)
or *observed* (seen by changing inputs). This file draws the declared ones between sources, steps and the model;
`registry.field_trace` goes down to columns and features.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from audit.canonical import Json, JsonObject
from audit.report import counted
from registry.changes import model_part
from registry.recorded import after_of, origins_of, sources_of, steps_of
from registry.recorded_sources import digest_of_source, is_keyed_source

__all__ = ["Edge", "Lineage", "Node", "lineage_of"]


@dataclass(frozen=True, slots=True)
class Node:
    """A source, a step, a column, a feature that the model reads, or the model; `detail` is its digest or fingerprint.

    `table` is the table that a column is one of, or the features; a drawing keeps them together.
    """

    id: str
    kind: str
    name: str
    detail: str | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """Something flows from one node to another, and how that is known."""

    start: str
    end: str
    how: str
    use: str | None = None
    step: str | None = None

    def to_json(self) -> JsonObject:
        """Write the edge; what for, and in which step, where that is known of it."""
        more = {"use": self.use, "step": self.step} if self.use is not None else {}
        return {"from": self.start, "to": self.end, "how": self.how, **more}


@dataclass(frozen=True, slots=True)
class Lineage:
    """Nodes and edges, in the order in which the steps ran."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    unknown: tuple[str, ...] = ()
    """Where there may be more than the edges say, a sentence each."""
    notes: tuple[str, ...] = ()
    """What was noted while the run took it down: why something is not known, or what is surprising."""

    def to_json(self) -> JsonObject:
        """Write the graph as `lineage --json` prints it."""
        return {
            "nodes": [{"id": n.id, "kind": n.kind, "name": n.name, "detail": n.detail} for n in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
            "unknown": list[Json](self.unknown),
            "notes": list[Json](self.notes),
        }

    def lines(self) -> Iterator[str]:
        """Write the graph as text: each node with what flows into it."""
        names = {node.id: node.name for node in self.nodes}
        features = {node.id for node in self.nodes if node.kind == "feature"}
        for node in self.nodes:
            if node.id in features:
                continue
            into = [
                names[edge.start] for edge in self.edges if edge.end == node.id and edge.start not in features
            ]
            came = f" <- {', '.join(into)}" if into else ""
            yield f"{node.kind} {node.name}{came}{f'  ({node.detail})' if node.detail else ''}"
            if node.kind == "model" and features:
                read = ", ".join(sorted(names[feature] for feature in features))
                yield f"  reads {counted(len(features), 'feature')}: {read}"


def lineage_of(run: Mapping[str, Json]) -> Lineage:
    """Draw the declared lineage of a run predicate."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    for source in sources_of(run):
        nodes.append(Node(f"source:{source['uri']}", "source", str(source["uri"]), _detail(source)))
        edges.append(Edge(f"source:{source['uri']}", f"step:{source['step']}", "declared"))
    for origin in origins_of(run):
        place = f"source:{origin['uri']}"
        nodes.append(Node(place, "source", str(origin["uri"])))
        edges.append(Edge(place, f"step:{origin['step']}", str(origin["how"])))
    fingerprint, features = _model(run)
    _, made_model = model_part(run)
    for step in steps_of(run):
        nodes.append(Node(f"step:{step['name']}", "step", str(step["name"])))
        edges += [Edge(f"step:{name}", f"step:{step['name']}", "declared") for name in after_of(step)]
        if fingerprint is not None and step["name"] == made_model:
            edges.append(Edge(f"step:{step['name']}", "model", "declared"))
    if fingerprint is not None:
        nodes += [Node(f"feature:{name}", "feature", str(name)) for name in features]
        edges += [Edge(f"feature:{name}", "model", "declared") for name in features]
        nodes.append(Node("model", "model", str(run["model"]), str(fingerprint)))
    unique = dict.fromkeys(nodes)
    return Lineage(tuple(unique), tuple(dict.fromkeys(edges)))


def _detail(source: Mapping[str, Json]) -> str:
    told = digest_of_source(source)
    return told if is_keyed_source(source) else f"sha256:{told}"


def _model(run: Mapping[str, Json]) -> tuple[Json, list[Json]]:
    model_file = run.get("model_file")
    if not isinstance(model_file, dict):
        return None, []
    features = model_file.get("features")
    return model_file.get("fingerprint"), features if isinstance(features, list) else []
