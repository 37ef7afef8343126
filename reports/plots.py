"""The drawings of a report, from its facts: each with a sentence that says in words what it shows.

Rules:

- What is drawn is what the ledger holds, rounded for the eye alone; a figure without a value has no mark.
- The markup that is returned is safe to put in a page as it is: `reports.svg` escapes every text.

Example::

    metrics_plot(dossier.run.evaluation.metrics, "mortgage@1")
"""

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from registry import profile_shape
from registry.profile import ColumnProfile
from reports import charts, formats
from reports.dossier import Dossier
from reports.facts import Attribute, Figure, Group, Rule
from reports.graph import Graph
from reports.lineage_drawing import lineage_drawing
from reports.qr import qr

__all__ = [
    "code",
    "crossed_plot",
    "groups_plot",
    "lineage_plot",
    "metric_of",
    "metrics_plot",
    "profile_plot",
    "ratios_plot",
]

BARS = 20
RATES = (
    ("selection_rate", "Selection rate"),
    ("true_positive_rate", "True positive rate"),
    ("false_positive_rate", "False positive rate"),
)


def metric_of(group: Group, name: str) -> Figure | None:
    """Find a metric of a group by name."""
    return next((figure for figure in group.metrics if figure.name == name), None)


def profile_plot(column: ColumnProfile) -> Markup:
    """Draw the shape of a column, or nothing where it has none."""
    heights = profile_shape.shape(column, BARS)
    finding = f"How the rows of {column.name} are distributed, in {len(heights)} bars."
    return Markup(charts.histogram(heights, finding=finding) if heights else "")  # noqa: S704 - svg escapes every text


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
    return Markup(qr(text, finding=finding))  # noqa: S704 - svg escapes every text


def lineage_plot(dossier: Dossier, graph: Graph) -> Markup:
    """Draw the lineage of a version; the text alternative lists its boxes in order."""
    boxes = ", ".join(f"{node.kind} {node.name}" for node in graph.nodes)
    finding = f"Lineage of {dossier.name}, from sources to decisions: {boxes or 'nothing was recorded'}."
    return Markup(lineage_drawing(graph, finding=finding))  # noqa: S704 - svg escapes every text


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


def _mark(figure: Figure | None) -> charts.Mark | str:
    value = formats.number(figure.value) if figure else None
    if figure is None or value is None:
        return formats.no_value(figure.note if figure else None)
    return charts.Mark(value, formats.number(figure.low), formats.number(figure.high))


def _told(figure: Figure) -> str:
    if figure.value is None:
        return formats.no_value(figure.note)
    return f"{formats.figure(figure.value)} ({formats.interval(figure.low, figure.high)})"


def _forest(
    rows: Sequence[charts.Row], panels: Sequence[charts.Panel], finding: str, heading: str = "Group"
) -> Markup:
    return Markup(charts.forest(rows, panels, finding=finding, heading=heading))  # noqa: S704 - svg escapes every text
