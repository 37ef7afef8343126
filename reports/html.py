"""A dossier written as HTML by one template environment; the PDF is made from it, and it can be read by itself.

Rules:

- Everything is escaped, every name must exist (`StrictUndefined`), and templates get the dossier, the
  functions of `reports.formats` and drawings: no clock, no environment, no randomness.
- Templates hold words and layout, never a figure: what is printed as a number comes from the evidence.

Example::

    text = render(dossier, "model-card")
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from audit.errors import NotFound
from registry import profile_shape, profile_text
from registry.profile import ColumnProfile, Profile
from reports import charts, formats
from reports.dossier import Dossier
from reports.facts import Attribute, Figure, Group, Part, Rule, Run
from reports.graph import Graph, lineage
from reports.verdict import tally

__all__ = ["render", "template_names"]

TEMPLATES = Path(__file__).parent / "templates"
MOST_PROFILED, BARS = 40, 20
RATES = (
    ("selection_rate", "Selection rate"),
    ("true_positive_rate", "True positive rate"),
    ("false_positive_rate", "False positive rate"),
)


def template_names() -> tuple[str, ...]:
    """List the templates that `render` knows, in alphabetical order."""
    return tuple(sorted(path.stem for path in TEMPLATES.glob("*.html") if not path.name.startswith("_")))


def render(dossier: Dossier, template: str) -> str:
    """Write a dossier as one HTML document; an unknown template raises `NotFound`."""
    names = template_names()
    if template not in names:
        raise NotFound(f"there is no report template {template}; there are: {', '.join(names)}")
    return _environment().get_template(f"{template}.html").render(d=dossier, template=template)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        brief=formats.brief_value,
        bytes=formats.bytes_of,
        confidence=formats.confidence,
        count=formats.count,
        figure=formats.figure,
        instant=formats.instant,
        label=formats.label,
        known=lambda text: formats.UNKNOWN if text is None else text,
        plain_list=formats.plain_list,
        seconds=formats.seconds,
        sentence=formats.sentence,
        short=formats.short,
        split_digest=formats.scheme_and_hex,
        yes_or_no=formats.yes_or_no,
    )
    environment.filters.update(notes=notes_of, members=members_of)
    environment.tests.update(single=lambda columns: len(columns) < 2)
    environment.globals.update(
        interval=formats.interval,
        tally=tally,
        metrics_plot=metrics_plot,
        groups_plot=groups_plot,
        crossed_plot=crossed_plot,
        disparity_names=disparity_names,
        disparity_of=disparity_of,
        notes_of=notes_of,
        passed_on=passed_on,
        ratios_plot=ratios_plot,
        lineage_of=lambda dossier: lineage(dossier.entry, dossier.run, dossier.approvals, dossier.decisions),
        lineage_drawing=lineage_plot,
        qr=code,
        metric_of=metric_of,
        shared_out=shared_out,
        profiled_columns=profiled_columns,
        profile_plot=profile_plot,
        promise=profile_text.promise,
    )
    return environment


def shared_out(items: Sequence[object], most: int) -> list[Sequence[object]]:
    """Cut a long list into parts of about the same length, at most `most`; an empty list has none."""
    parts = -(-len(items) // most)
    size = -(-len(items) // max(parts, 1))
    return [items[start : start + size] for start in range(0, len(items), max(size, 1))]


@dataclass(frozen=True, slots=True)
class Passed:
    """A part as it went through the pipeline: the steps it came out of and those it went into."""

    part: Part
    made_by: tuple[str, ...]
    read_by: tuple[str, ...]


def passed_on(run: Run) -> tuple[Passed, ...]:
    """List each part once, in the order of the steps; one that changed on the way has a line for each state."""
    made: dict[Part, list[str]] = {}
    read: dict[Part, list[str]] = {}
    for step in run.steps:
        for part in step.inputs:
            read.setdefault(part, []).append(step.name)
            made.setdefault(part, [])
        for part in step.outputs:
            made.setdefault(part, []).append(step.name)
    return tuple(Passed(part, tuple(steps), tuple(read.get(part, ()))) for part, steps in made.items())


def profiled_columns(profile: Profile) -> list[tuple[ColumnProfile, profile_text.TextRow]]:
    """Pair the first columns of a profile with what is said of each; the rest are in its document."""
    return list(zip(profile.columns, profile_text.rows(profile), strict=True))[:MOST_PROFILED]


def profile_plot(column: ColumnProfile) -> Markup:
    """Draw the shape of a column, or nothing where it has none."""
    heights = profile_shape.shape(column, BARS)
    finding = f"How the rows of {column.name} are distributed, in {len(heights)} bars."
    return Markup(charts.histogram(heights, finding=finding) if heights else "")  # noqa: S704 - charts escapes every text


def disparity_names(attributes: Sequence[Attribute]) -> list[str]:
    """Name the disparities that any attribute has, in the order in which they stand."""
    return list(dict.fromkeys(figure.name for one in attributes for figure in one.disparities))


def disparity_of(attribute: Attribute, name: str) -> Figure | None:
    """Find a disparity of an attribute by name."""
    return next((figure for figure in attribute.disparities if figure.name == name), None)


def members_of(attribute: Attribute) -> list[tuple[Attribute, Group]]:
    """Pair each group of an attribute with the attribute."""
    return [(attribute, group) for group in attribute.groups]


def notes_of(attribute: Attribute) -> list[tuple[str, str]]:
    """List the notes on an attribute's disparities, each once, with the measures it is about."""
    about: dict[str, list[str]] = {}
    for figure in attribute.disparities:
        if figure.note:
            about.setdefault(figure.note, []).append(formats.label(figure.name).partition(" (")[0])
    return [(formats.plain_list(labels), note) for note, labels in about.items()]


def metric_of(group: Group, name: str) -> Figure | None:
    """Find a metric of a group by name."""
    return next((figure for figure in group.metrics if figure.name == name), None)


def code(dossier: Dossier) -> Markup:
    """Draw what names this version and its checkpoint as a QR code."""
    text = "\n".join(
        (
            f"affidavit {dossier.origin}",
            f"{dossier.name} entry {dossier.entry.seq}",
            f"leaf {dossier.entry.leaf_hash}",
            f"checkpoint {dossier.size}",
            f"root {dossier.root}",
        )
    )
    finding = f"QR code naming {dossier.name}, its run entry and the checkpoint of size {dossier.size}"
    return Markup(charts.qr(text, finding=finding))  # noqa: S704 - charts escapes every text


def lineage_plot(dossier: Dossier, graph: Graph) -> Markup:
    """Draw the lineage of a version; the text alternative lists its boxes in order."""
    boxes = ", ".join(f"{node.kind} {node.name}" for node in graph.nodes)
    finding = f"Lineage of {dossier.name}, from sources to decisions: {boxes or 'nothing was recorded'}."
    return Markup(charts.lineage_drawing(graph, finding=finding))  # noqa: S704 - charts escapes every text


def metrics_plot(figures: Sequence[Figure], of: str) -> Markup:
    """Draw metrics on one axis with their intervals."""
    rows = [charts.Row(formats.label(item.name), item.n, (_mark(item),)) for item in figures]
    known = [f"{formats.label(item.name)} {_told(item)}" for item in figures]
    finding = f"Metrics of {of} with intervals: {'; '.join(known)}."
    return _forest(rows, [charts.Panel("Estimate and interval")], finding, "Metric")


def groups_plot(attribute: Attribute, groups: Sequence[Group], overall: Sequence[Figure]) -> Markup:
    """Draw the rates of each group with intervals, against the rate over all rows."""
    whole = {figure.name: formats.number(figure.value) for figure in overall}
    panels = [charts.Panel(title, whole.get(name), "all rows") for name, title in RATES]
    rows = [
        charts.Row(group.name, group.n, tuple(_mark(metric_of(group, name)) for name, _ in RATES))
        for group in groups
    ]
    return _forest(rows, panels, _finding(attribute, groups))


def crossed_plot(pairs: Sequence[tuple[Attribute, Group]], overall: Sequence[Figure]) -> Markup:
    """Draw the rates of the groups of several attributes in one plot, each attribute under its name."""
    whole = {figure.name: formats.number(figure.value) for figure in overall}
    panels = [charts.Panel(title, whole.get(name), "all rows") for name, title in RATES]
    rows, found = [], []
    for attribute, members in groupby(pairs, key=lambda pair: pair[0]):
        groups = [group for _, group in members]
        rows.append(charts.Row(attribute.name, None, ()))
        rows += [
            charts.Row(group.name, group.n, tuple(_mark(metric_of(group, name)) for name, _ in RATES))
            for group in groups
        ]
        found.append(_finding(attribute, groups))
    return _forest(rows, panels, " ".join(found))


def _finding(attribute: Attribute, groups: Sequence[Group]) -> str:
    rates = [(formats.number(figure.value), group.name, figure) for group in groups
             if (figure := metric_of(group, "selection_rate")) is not None]  # fmt: skip
    ranked = sorted((item for item in rates if item[0] is not None), key=lambda item: (item[0], item[1]))
    words = [f"Rates by {attribute.name} with intervals."]
    if ranked:
        (_, low, first), (_, high, last) = ranked[0], ranked[-1]
        words.append(f"Lowest selection rate: {low}, {_told(first)}. Highest: {high}, {_told(last)}.")
    small = sum(not group.enough for group in groups)
    if small:
        words.append(f"Groups without enough data: {small}.")
    return " ".join(words)


def ratios_plot(attributes: Sequence[Attribute], limits: Sequence[Rule]) -> Markup:
    """Draw the selection rate ratio of every attribute, and the limit that rules set; 1 means equal rates."""
    found = [
        (attribute, figure)
        for attribute in attributes
        for figure in attribute.disparities
        if figure.name == "demographic_parity_ratio"
    ]
    rows = [charts.Row(attribute.name, item.n, (_mark(item),), _told(item)) for attribute, item in found]
    known = [f"{attribute.name} {_told(item)}" for attribute, item in found]
    limit = limits[0].limit if limits else None
    panel = charts.Panel(
        "Lowest rate divided by highest rate", 1.0, "equal rates", formats.number(limit), f"limit {limit}"
    )
    return _forest(rows, [panel], f"Selection rate ratio by attribute: {'; '.join(known)}.", "Attribute")


def _mark(figure: Figure | None) -> charts.Mark | None:
    value = formats.number(figure.value) if figure else None
    if figure is None or value is None:
        return None
    return charts.Mark(value, formats.number(figure.low), formats.number(figure.high))


def _told(figure: Figure) -> str:
    if figure.value is None:
        return formats.NO_DATA
    return f"{formats.figure(figure.value)} ({formats.interval(figure.low, figure.high)})"


def _forest(
    rows: Sequence[charts.Row], panels: Sequence[charts.Panel], finding: str, heading: str = "Group"
) -> Markup:
    return Markup(charts.forest(rows, panels, finding=finding, heading=heading))  # noqa: S704 - charts escapes every text
