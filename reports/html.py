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
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from audit.errors import NotFound
from registry import profile_text
from registry.profile import ColumnProfile, Profile
from reports import formats, plots
from reports.dossier import Dossier
from reports.facts import Attribute, Figure, Group, Part, Run
from reports.graph import lineage
from reports.verdict import tally

__all__ = ["render", "template_names"]

TEMPLATES = Path(__file__).parent / "templates"
MOST_PROFILED = 40


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
        no_value=formats.no_value,
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
        metrics_plot=plots.metrics_plot,
        groups_plot=plots.groups_plot,
        crossed_plot=plots.crossed_plot,
        disparity_names=disparity_names,
        disparity_of=disparity_of,
        notes_of=notes_of,
        passed_on=passed_on,
        ratios_plot=plots.ratios_plot,
        lineage_of=lambda dossier: lineage(dossier.entry, dossier.run, dossier.approvals, dossier.decisions),
        lineage_drawing=plots.lineage_plot,
        qr=plots.code,
        metric_of=plots.metric_of,
        shared_out=shared_out,
        profiled_columns=profiled_columns,
        profile_plot=plots.profile_plot,
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
