"""Places in a run's lineage, and what leads into each: the map that traces and rules are read from.

A place is a column of a table, the rows of a table as a whole, a feature, what is behind the transformers, a step, a
source, or the model.

Rules:

- What leads into a place is what the run recorded (`registry.flows`), and nothing else.
- A feature that several tables have is one of these, which is not known, unless it is declared or parsed.
- A feature that the transformers drop is given to the model and goes no further.
- A doubt says that there may be more than what is recorded: nothing is known, or it was seen on a sample only.
- Where a column is unknown, its step and all that the step received stand for it: a path never just ends.
- A table that was changed in place is another one for the step that received it so (`registry.changes`): its columns
  are unknown, and a model that was changed after it was returned learned from what is not known.

>>> Place("column", "loans", "debt").id
'column:loans.debt'
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from audit.canonical import Json
from registry.changes import Change, changed_model, changed_tables, model_part
from registry.flows import ALL_ROWS, IDENTITY, TARGET, THE_TARGET, Flow, Link, flows_of
from registry.recorded import after_of, sources_of, steps_of
from registry.sentences import listed

__all__ = ["DROPPED", "FILE", "ONE_OF", "Doubt", "Into", "Map", "Place", "map_of", "one_of_several"]

FILE = "file:"
"""Before the name of a source where a link comes from a column of the file itself."""

ONE_OF = "ONE_OF"
"""The use of a link to one of several columns of a feature's name: which of them the model read is not known."""

DROPPED = "DROPPED"
"""The use of a feature that is given to the model and that its transformers drop: nothing of it is learned."""

UNKNOWN = "is not known"
SEEN = "was seen on a sample only"

_NODE_KINDS = {"rows": "column", "encoded": "feature"}


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere that data passes: its kind, the part, step or file it belongs to, and its name there."""

    kind: str
    part: str
    name: str

    @property
    def id(self) -> str:
        """The place as an id of a node."""
        match self.kind:
            case "column":
                return f"column:{self.part}.{self.name}"
            case "rows":
                return f"column:{self.part}.{ALL_ROWS}"
            case "model":
                return "model"
        return f"{self.kind}:{self.name}"

    @property
    def node_kind(self) -> str:
        """The kind of the node: column, step, feature, model or source."""
        return _NODE_KINDS.get(self.kind, self.kind)

    @property
    def table(self) -> str | None:
        """The table that the place is a part of; features are drawn as one, too."""
        match self.kind:
            case "column" | "rows":
                return self.part
            case "feature":
                return "features"
            case "encoded":
                return "behind the transformers"
        return None

    @property
    def words(self) -> str:
        """The place as a person reads it."""
        match self.kind:
            case "column" if self.name == THE_TARGET:
                return self.name
            case "column":
                return f"{self.part.removeprefix(FILE)}.{self.name}"
            case "rows":
                return self.name or f"rows of {self.part.removeprefix(FILE)}"
        return self.name


@dataclass(frozen=True, slots=True)
class Into:
    """What leads into a place, in which step, how that is known, and what for."""

    start: Place
    step: str | None
    how: str
    use: str | None


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why there may be more behind a place than is recorded, and how far it is known."""

    place: Place
    step: str | None
    how: str
    says: str
    named: bool = False
    """Whether it is a feature that has the name of a column: only what was done to that column may be unknown."""

    @property
    def seen(self) -> bool:
        """Whether the step was observed at all."""
        return self.how != UNKNOWN

    @property
    def seen_whole(self) -> bool:
        """Whether the step was observed with regard to every input."""
        return self.how == SEEN


@dataclass(frozen=True, slots=True)
class _Known:
    """What is asked of a flow for each of its columns, to be looked up: a table may have thousands."""

    columns: frozenset[str]
    unseen: frozenset[str]
    links: Mapping[str | None, Sequence[Link]]

    @classmethod
    def of(cls, flow: Flow) -> "_Known":
        return cls(frozenset(flow.columns), frozenset(flow.unseen), flow.by_column())


@dataclass(frozen=True, slots=True)
class Map:
    """The flows, steps and sources of one run."""

    tables: Mapping[str, Flow]
    model: Flow | None
    encoded: Flow | None
    features: tuple[str, ...]
    steps: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, tuple[str, ...]]
    made_model: str | None
    name: str
    changes: Mapping[tuple[str, str], Change] = field(default_factory=dict)
    """The tables that were changed in place, by the step that received them so and their name."""
    model_changed: str | None = None
    """What is to be said of a model that is not the one that its step returned."""
    _known: Mapping[tuple[str, str], _Known] = field(init=False, repr=False, compare=False)
    _features: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        flows = [flow for flow in (*self.tables.values(), self.model, self.encoded) if flow is not None]
        # The way round a frozen dataclass: both follow from its other fields and are no part of its value.
        object.__setattr__(self, "_known", {(flow.kind, flow.part): _Known.of(flow) for flow in flows})
        object.__setattr__(self, "_features", frozenset(self.features))

    @property
    def end(self) -> Place:
        """The model."""
        return Place("model", "", self.name)

    def inputs(self) -> list[Place]:
        """List the features of the model."""
        return [Place("feature", "", name) for name in self.features]

    def dropped(self) -> list[Place]:
        """List the features that are given to the model and that its transformers drop."""
        if self.encoded is None or not self.encoded.columns:
            return []
        kept = {link.source for link in self.encoded.links}
        return [place for place in self.inputs() if place.name not in kept]

    @property
    def learns_before(self) -> bool:
        """Whether transformers of the model learn from its target what they give on to its last estimator."""
        links = () if self.encoded is None else self.encoded.links
        return any(link.source == THE_TARGET and link.use == TARGET for link in links)

    @property
    def target(self) -> Place | None:
        """The target of the model; None where the run records no lineage of its model."""
        return None if self.model is None else Place("column", self.model.part, THE_TARGET)

    def columns(self) -> Iterator[Place]:
        """Yield every column of every table that is recorded."""
        for part, flow in self.tables.items():
            yield from (Place("column", part, name) for name in flow.columns)

    def names_in(self, place: Place) -> Iterator[str]:
        """Yield the names that stand for a place: its own, and those of the fields that its column holds."""
        yield place.name
        flow = self._flow(place) if place.kind == "column" else None
        for column, paths in () if flow is None else flow.fields:
            if column == place.name:
                yield from (
                    name for path in paths for name in (f"{column}.{path}", path, path.split(".")[-1])
                )

    def into(self, place: Place) -> list[Into]:
        """List what leads into a place."""
        match place.kind:
            case "model":
                return self._into_model()
            case "feature":
                return self._through(self.model, place.name) + self._rows(self.model)
            case "encoded":
                return self._through(self.encoded, place.name)
            case "rows" if place.part.startswith(FILE):
                return []
            case "column" if place == self.target and self.model is not None:
                return [
                    Into(self._start(self.model, link.part, link.source), self.model.step, link.how, link.use)
                    for link in self.model.target
                ]
            case "column" | "rows" if (change := self._change(place)) is not None:
                return self._before_change(place, change)
            case "column" if place.part.startswith(FILE):
                return [Into(Place("source", "", place.part.removeprefix(FILE)), None, "declared", None)]
            case "column" if (flow := self._flow(place)) is not None:
                return self._through(flow, place.name) + self._rows(flow)
            case "rows" if place.part in self.tables:
                return self._through(self.tables[place.part], None)
            case "rows" if self.model is not None and place.part == self.model.part:
                return self._through(self.model, None)
            case "step":
                return [
                    Into(Place("step", "", name), place.name, "declared", None)
                    for name in self.steps[place.name]
                ] + [
                    Into(Place("source", "", uri), place.name, "declared", None)
                    for uri in self.sources.get(place.name, ())
                ]
        return []

    def doubt(self, place: Place) -> Doubt | None:
        """Say whether there may be more behind a place than leads into it, and why; None where all is known."""
        flow = self._flow(place)
        if self.model_changed is not None and (place.kind in ("feature", "model") or place == self.target):
            return Doubt(place, None, UNKNOWN, self.model_changed)
        if place.kind == "model" and self.made_model is not None and not self.features:
            return Doubt(place, None, UNKNOWN, "which columns the model reads is not recorded")
        if place.kind not in ("column", "feature", "rows") or place.part.startswith(FILE):
            return None
        if (change := self._change(place)) is not None:
            return Doubt(place, None, UNKNOWN, change.says)
        if place == self.target and self.model is not None and self.model.target:
            says = f"step {self.model.step}: what {THE_TARGET} is made of {UNKNOWN}"
            return None if self.model.target_complete else Doubt(place, None, UNKNOWN, says)
        if flow is None and place.name == THE_TARGET:
            return Doubt(place, None, UNKNOWN, f"which column was {THE_TARGET} is not recorded")
        if flow is None:
            return Doubt(place, None, UNKNOWN, f"{place.words}: where it comes from is not recorded")
        if place.name in flow.complete or (place.kind == "rows" and flow.rows_complete):
            return None
        how = UNKNOWN if place.name in self._of(flow).unseen else _how_far(flow)
        what = f"how {place.words} comes about"
        if place.kind == "rows":
            what = "what else the model learned from" if flow.kind == "model" else "what decides its rows"
        named = place.kind == "feature" and place.name in self._of(flow).links
        return Doubt(place, flow.step, how, f"step {flow.step}: {what} {how}", named)

    def notes(self, place: Place) -> tuple[str, ...]:
        """Say what was noted while the lineage of a place was taken down, such as why it is not known."""
        flow = self.model if place.kind == "model" and not self.features else self._flow(place)
        return () if flow is None else flow.notes

    def _flow(self, place: Place) -> Flow | None:
        match place.kind:
            case "feature":
                return self.model
            case "encoded":
                return self.encoded
            case "column":
                flow = self.tables.get(place.part)
                return flow if flow is not None and place.name in self._of(flow).columns else None
            case "rows":
                known = self.model if self.model is not None and place.part == self.model.part else None
                return self.tables.get(place.part) or known
        return None

    def _of(self, flow: Flow) -> _Known:
        return self._known[flow.kind, flow.part]

    def _into_model(self) -> list[Into]:
        last = (
            [Place("encoded", "", name) for name in self.encoded.columns]
            if self.encoded is not None and self.encoded.columns
            else self.inputs()
        )
        told = (
            [self.target] if self.target is not None and self.model is not None and self.model.target else []
        )
        return [
            *(Into(place, self.made_model, "declared", None) for place in last),
            *(Into(place, self.made_model, "declared", DROPPED) for place in self.dropped()),
            *(Into(place, self.made_model, "declared", TARGET) for place in told),
        ]

    def _through(self, flow: Flow | None, column: str | None) -> list[Into]:
        if flow is None:
            return []
        links = self._of(flow).links.get(column, ())
        several = one_of_several(flow, links)
        return [
            Into(
                self._start(flow, link.part, link.source),
                flow.step,
                link.how,
                ONE_OF if link in several else link.use,
            )
            for link in links
        ]

    def _start(self, flow: Flow, part: str, source: str) -> Place:
        if flow.kind == "encoded" and source in self._features:
            return Place("feature", "", source)
        if (flow.step, part) in self.changes:
            part = _received(part, flow.step)
        return Place("rows", part, "") if source == ALL_ROWS else Place("column", part, source)

    def _change(self, place: Place) -> Change | None:
        """Find the change that made a place's table another one; None where it is as it was returned."""
        return next(
            (each for each in self.changes.values() if _received(each.part, each.reader) == place.part), None
        )

    def _before_change(self, place: Place, change: Change) -> list[Into]:
        """Lead into a changed table what it was before, and every step that may have changed it."""
        return [Into(replace(place, part=change.part), None, "declared", None)] + [
            Into(Place("step", "", step), step, "declared", None) for step in change.steps
        ]

    def _rows(self, flow: Flow | None) -> list[Into]:
        """Lead the rows of a table into each of its columns, which depends on what decides them."""
        if flow is None:
            return []
        words = f"what {flow.part} learned from" if flow.kind == "model" else ""
        return [Into(Place("rows", flow.part, words), flow.step, "declared", None)]


def map_of(run: Mapping[str, Json]) -> Map:
    """Read the map of a run predicate whose moved lists are in place."""
    flows = flows_of(run)
    part, step = model_part(run)
    model_file = run.get("model_file")
    features = model_file.get("features") if isinstance(model_file, dict) else None
    sources: dict[str, list[str]] = {}
    for source in sources_of(run):
        sources.setdefault(str(source["step"]), []).append(str(source["uri"]))
    return Map(
        tables={flow.part: flow for flow in flows if flow.kind == "table"},
        model=_only(flow for flow in flows if flow.kind == "model" and part in (None, flow.part)),
        encoded=_only(flow for flow in flows if flow.kind == "encoded" and part in (None, flow.part)),
        features=tuple(str(name) for name in features) if isinstance(features, list) else (),
        steps={str(each["name"]): tuple(after_of(each)) for each in steps_of(run)},
        sources={name: tuple(dict.fromkeys(uris)) for name, uris in sources.items()},
        made_model=step,
        name=str(run["model"]),
        changes=changed_tables(run),
        model_changed=changed_model(run),
    )


def one_of_several(flow: Flow, links: Iterable[Link]) -> frozenset[Link]:
    """List the links of a feature that stand for its name in several tables, of which the model read one."""
    named = [
        link
        for link in links
        if flow.kind == "model"
        and (link.how, link.use) == ("declared", IDENTITY)
        and link.column == link.source
        and link.column not in flow.complete
    ]
    return frozenset(named) if len(named) > 1 else frozenset()


def _received(part: str, step: str) -> str:
    """Name a table that a step received otherwise than it had been returned."""
    return f"{part} as {step} received it"


def _how_far(flow: Flow) -> str:
    """Say how far a flow is known where it is not complete."""
    if not flow.observed:
        return UNKNOWN
    return f"{SEEN}, and not with regard to {listed(flow.untold)}" if flow.untold else SEEN


def _only(flows: Iterable[Flow]) -> Flow | None:
    found = list(flows)
    return found[0] if len(found) == 1 else None
