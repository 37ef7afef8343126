"""Precision and recall of the lineage that a run recorded against truth that was written by hand."""

from collections.abc import Iterable
from dataclasses import dataclass

from audit.canonical import JsonObject
from registry.flows import Flow, flows_of
from registry.places import Map, Place, map_of

__all__ = ["Score", "dependences", "flow_named", "row_dependences", "score", "trace_map"]

Pair = tuple[str, str]
"""(output column, `input.column`)."""


@dataclass(frozen=True, slots=True)
class Score:
    """How many of the links that were found are true, and how many of the true ones were found."""

    name: str
    precision: float
    recall: float
    spurious: tuple[Pair, ...]
    missed: tuple[Pair, ...]

    def __str__(self) -> str:
        words = f"{self.name}: precision {self.precision:.3f}, recall {self.recall:.3f}"
        return words + (f", spurious {self.spurious}" if self.spurious else "") + (
            f", missed {self.missed}" if self.missed else ""
        )  # fmt: skip


def score(name: str, found: set[Pair], truth: Iterable[Pair]) -> Score:
    """Compare links with the truth, and print the figures."""
    true = set(truth)
    right = found & true
    result = Score(
        name,
        len(right) / len(found) if found else float(not true),
        len(right) / len(true) if true else 1.0,
        tuple(sorted(found - true)),
        tuple(sorted(true - found)),
    )
    print(result)
    return result


def flow_named(run: JsonObject, part: str, kind: str = "table") -> Flow:
    """Return the one flow of a part."""
    [flow] = [flow for flow in flows_of(run) if (flow.part, flow.kind) == (part, kind)]
    return flow


def dependences(flow: Flow) -> set[Pair]:
    """Return what each column of a part depends on by itself."""
    return {
        (link.column, f"{link.part}.{link.source}")
        for link in flow.links
        if link.column and link.source != "*"
    }


def row_dependences(flow: Flow) -> set[Pair]:
    """Return the columns that decide on the rows of a part."""
    return {
        ("rows", f"{link.part}.{link.source}")
        for link in flow.links
        if link.column is None and link.source != "*"
    }


def trace_map(run: JsonObject) -> tuple[Map, Place]:
    """Return the map of a run, and its model."""
    known = map_of(run)
    return known, known.end
