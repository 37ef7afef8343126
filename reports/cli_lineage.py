"""The command `lineage`: where a version, or one field of it, comes from."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from audit.errors import MalformedInput
from audit.terminal import Command, print_json, say

# What the command needs is imported inside it: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.canonical import JsonObject
    from registry.lineage import Lineage
    from registry.places import Map
    from registry.registry import Registry

__all__ = ["lineage"]

Open = Callable[[], "Registry"]


@click.command(
    cls=Command,
    examples=[
        "affidavit lineage mortgage@1",
        "affidavit lineage mortgage@1 --field debt_to_income",
        "affidavit lineage mortgage@1 --field cleaned.race --format svg > race.svg",
        "affidavit lineage mortgage@1 --format openlineage > event.json",
    ],
)
@click.argument("ref")
@click.option(
    "--field", metavar="FEATURE", help="One feature of the model, or a column: its name, or TABLE.COLUMN."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "dot", "svg", "openlineage"]),
    default="text",
    show_default=True,
    help="Form.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.pass_obj
def lineage(opened: Open, ref: str, field: str | None, form: str, as_json: bool) -> None:
    """Show where a version comes from.

    Sources, steps, and the columns behind each feature, each link with how it is known: declared, parsed or observed.
    With --field, one feature or column all the way back, with the code of the steps on the way. What is not known is
    said. The event for OpenLineage is about the whole run.
    """
    from registry.lineage import lineage_of
    from registry.places import map_of

    registry = opened()
    version = registry.find(ref)
    run = registry.run_of(version)
    known = map_of(run)
    form = "json" if as_json else form
    if form == "openlineage":
        from registry.openlineage import event_of

        if field is not None:
            raise MalformedInput("an OpenLineage event is about a whole run: leave --field out")
        print_json(event_of(run, registry.ledger.origin, version.leaf_hash))
    elif field is not None:
        _show_field(registry, run, known, ref, field, form)
    elif form == "json":
        print_json(_whole(lineage_of(run), known).to_json())
    elif form == "dot":
        from registry.dot import dot_of
        from registry.field_trace import whole_trace

        fields = whole_trace(known).lineage()
        steps = replace(lineage_of(run), unknown=fields.unknown, notes=fields.notes)
        say(dot_of(fields if fields.edges else steps))
    elif form == "svg":
        from registry.field_trace import whole_trace
        from reports.field_drawing import field_drawing

        say(field_drawing(whole_trace(known), f"where {ref} comes from").rstrip())
    else:
        from registry.field_text import summary
        from registry.field_trace import whole_trace

        say("\n".join([*lineage_of(run).lines(), "", *summary(whole_trace(known), known.inputs())]).rstrip())


def _show_field(
    registry: "Registry", run: "JsonObject", known: "Map", ref: str, field: str, form: str
) -> None:
    from registry.field_text import lines
    from registry.field_trace import find_field, trace
    from registry.step_code import code_of

    found = trace(known, [find_field(known, field)])
    if form == "json":
        print_json(found.lineage().to_json())
    elif form == "dot":
        from registry.dot import dot_of

        say(dot_of(found.lineage()))
    elif form == "svg":
        from reports.field_drawing import field_drawing

        say(field_drawing(found, f"where {found.start[0].words} of {ref} comes from").rstrip())
    else:
        say("\n".join(lines(found, ref, code_of(run, found.steps(), registry.artifacts))))


def _whole(steps: "Lineage", known: "Map") -> "Lineage":
    """Join what is known of steps with what is known of columns."""
    from registry.field_trace import whole_trace
    from registry.lineage import Lineage
    from registry.places import DROPPED

    fields = whole_trace(known).lineage()
    told = {node.id for node in steps.nodes}
    dropped = {edge.start for edge in fields.edges if edge.use == DROPPED}
    edges = [edge for edge in steps.edges if edge.start not in dropped]
    nodes = (*steps.nodes, *(node for node in fields.nodes if node.id not in told))
    return Lineage(nodes, tuple(dict.fromkeys((*edges, *fields.edges))), fields.unknown, fields.notes)
