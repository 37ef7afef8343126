"""Flows: for one table or model that a step returned, which input columns each of its columns depends on.

A flow is what a run records of the lineage of fields, one for each part that a step returned. Its words are those
of OpenLineage's column lineage facet (ColumnLineageDatasetFacet 1-2-0).

Rules:

- A link goes from a column of an input to a column of the part, or to its rows as a whole (`column` is None). The
  source `*` stands for the rows of an input: a count depends on them and on no column.
- `how` a link is known: *declared* by the pipeline or by scikit-learn's feature names, *parsed* from a query or a
  plan, *observed* by changing inputs and looking.
- `use` says what for. IDENTITY, TRANSFORMATION and AGGREGATION are direct; the others are indirect: the value is not
  made of the input, yet depends on it. DEPENDENCE and ROWS are what can be said where it was only observed.
- `complete` are the columns all of whose links are known. What is observed on a sample is never complete: no link
  means *not observed*, not *independent*. A column that is not complete and has no link is unknown.

>>> flow = Flow("scored", "scored", "table", ("ratio",), (Link("ratio", "loans", "debt", "parsed", TRANSFORMATION),))
>>> Flow.from_json(flow.to_json()) == flow
True
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput

__all__ = [
    "AGGREGATION",
    "ALL_ROWS",
    "CONDITIONAL",
    "DEPENDENCE",
    "DIRECT",
    "FILTER",
    "GROUP_BY",
    "IDENTITY",
    "JOIN",
    "ROWS",
    "SORT",
    "TARGET",
    "THE_TARGET",
    "TRANSFORMATION",
    "USES",
    "WINDOW",
    "Flow",
    "Link",
    "flows_of",
]

IDENTITY: Final = "IDENTITY"
TRANSFORMATION: Final = "TRANSFORMATION"
AGGREGATION: Final = "AGGREGATION"
DEPENDENCE: Final = "DEPENDENCE"
CONDITIONAL: Final = "CONDITIONAL"
WINDOW: Final = "WINDOW"
FILTER: Final = "FILTER"
JOIN: Final = "JOIN"
GROUP_BY: Final = "GROUP_BY"
SORT: Final = "SORT"
ROWS: Final = "ROWS"
TARGET: Final = "TARGET"

DIRECT: Final = frozenset({IDENTITY, TRANSFORMATION, AGGREGATION, DEPENDENCE})
USES: Final = DIRECT | {CONDITIONAL, WINDOW, FILTER, JOIN, GROUP_BY, SORT, ROWS, TARGET}
HOWS: Final = ("declared", "parsed", "observed")
KINDS: Final = ("table", "model", "encoded")

ALL_ROWS: Final = "*"
"""The source of a link that depends on the rows of an input and on none of its columns."""

THE_TARGET: Final = "the target (y)"
"""What a target encoder learned from besides its input; a fitted model does not say which column that was."""


@dataclass(frozen=True, slots=True)
class Link:
    """A column of a part (None: its rows) depends on the column `source` of the input `part`."""

    column: str | None
    part: str
    source: str
    how: str
    use: str


@dataclass(frozen=True, slots=True)
class Flow:
    """What is known of one part that a step returned; the columns of a model are its features.

    A flow of the kind `encoded` goes from a model's features to what its last estimator sees.
    """

    part: str
    step: str
    kind: str
    columns: tuple[str, ...]
    links: tuple[Link, ...] = ()
    complete: frozenset[str] = frozenset()
    rows_complete: bool = False
    notes: tuple[str, ...] = ()
    observed: bool = False
    untold: tuple[str, ...] = ()
    """Inputs (`applications.race`) of which an observation could say nothing."""
    unseen: tuple[str, ...] = ()
    """Columns that the step did not return when it was observed: nothing was seen of them."""
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The columns that hold fields of structs, each with their paths (`registry.nested_fields`)."""
    target: tuple[Link, ...] = ()
    """What the target of a model is made of, as far as it is declared."""
    target_complete: bool = False

    @property
    def tells(self) -> bool:
        """Whether anything is known of it whole."""
        return bool(self.complete) or self.rows_complete or self.target_complete

    @property
    def is_whole(self) -> bool:
        """Whether all is known of where its columns and its rows come from."""
        return self.rows_complete and self.complete >= set(self.columns)

    def by_column(self) -> dict[str | None, list[Link]]:
        """Sort the links by the column that they lead into (None: the rows)."""
        found: dict[str | None, list[Link]] = {}
        for link in self.links:
            found.setdefault(link.column, []).append(link)
        return found

    def to_json(self) -> JsonObject:
        """Write the flow as a run records it: links that share how, use and input stand together."""
        numbers = {column: number for number, column in enumerate(self.columns)}
        groups: dict[tuple[str, str, str], list[Json]] = {}
        for link in dict.fromkeys(self.links):
            number = None if link.column is None else numbers[link.column]
            groups.setdefault((link.how, link.use, link.part), []).append([number, link.source])
        whole = self.complete >= set(self.columns)
        return {
            "part": self.part,
            "step": self.step,
            "kind": self.kind,
            "columns": list[Json](self.columns),
            "complete": True
            if whole
            else [number for column, number in numbers.items() if column in self.complete],
            "rows_complete": self.rows_complete,
            "links": [
                {"how": how, "use": use, "from": part, "pairs": pairs}
                for (how, use, part), pairs in groups.items()
            ],
            "notes": list[Json](self.notes),
            **({"observed": True, "untold": list[Json](self.untold)} if self.observed else {}),
            **({"unseen": list[Json](self.unseen)} if self.unseen else {}),
            **({"target": self._target()} if self.target else {}),
            **({"fields": {name: list[Json](paths) for name, paths in self.fields}} if self.fields else {}),
        }

    def _target(self) -> JsonObject:
        links: list[Json] = [[link.part, link.source] for link in dict.fromkeys(self.target)]
        return {"complete": self.target_complete, "links": links}

    @classmethod
    def from_json(cls, value: Json) -> "Flow":
        """Read a flow, or raise `MalformedInput` where it is none."""
        try:
            return cls._read(cast(JsonObject, value))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise MalformedInput(f"the recorded lineage cannot be read: {type(error).__name__}") from error

    @classmethod
    def _read(cls, value: JsonObject) -> "Flow":
        columns = tuple(_text(column) for column in _list(value["columns"]))
        complete = value["complete"]
        known = columns if complete is True else [columns[_index(number)] for number in _list(complete)]
        target = cast(JsonObject, value.get("target", {"complete": False, "links": []}))
        return cls(
            target=tuple(
                Link(THE_TARGET, _text(part), _text(source), "declared", TARGET)
                for part, source in map(_list, _list(target["links"]))
            ),
            target_complete=target["complete"] is True,
            part=_text(value["part"]),
            step=_text(value["step"]),
            kind=_one_of(value["kind"], KINDS),
            columns=columns,
            links=tuple(link for group in _list(value["links"]) for link in _links(group, columns)),
            complete=frozenset(known),
            rows_complete=value["rows_complete"] is True,
            notes=tuple(_text(note) for note in _list(value["notes"])),
            observed=value.get("observed") is True,
            untold=tuple(_text(name) for name in _list(value.get("untold", []))),
            unseen=tuple(_text(name) for name in _list(value.get("unseen", []))),
            fields=tuple(
                (name, tuple(_text(path) for path in _list(paths)))
                for name, paths in cast(JsonObject, value.get("fields", {})).items()
            ),
        )


def flows_of(run: Mapping[str, Json]) -> tuple[Flow, ...]:
    """Read the flows of a run predicate; a run that was recorded without lineage has none."""
    value = run.get("lineage")
    return () if value is None else tuple(Flow.from_json(item) for item in _list(value))


def _links(group: Json, columns: tuple[str, ...]) -> Iterable[Link]:
    said = cast(JsonObject, group)
    how, use, part = _one_of(said["how"], HOWS), _one_of(said["use"], USES), _text(said["from"])
    for pair in _list(said["pairs"]):
        number, source = cast(list[Json], pair)
        yield Link(None if number is None else columns[_index(number)], part, _text(source), how, use)


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise MalformedInput("the recorded lineage cannot be read: a list is missing")
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise MalformedInput("the recorded lineage cannot be read: a name is missing")
    return value


def _index(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise MalformedInput("the recorded lineage cannot be read: a column's number is none")
    return value


def _one_of(value: Json, known: Iterable[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise MalformedInput(f"the recorded lineage cannot be read: {value!r} is not known here")
    return value
