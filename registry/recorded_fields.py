"""The lineage of fields in a block that `record()` records: where each table and the model may come from.

Nobody sees what the block does, so that what is known is what its author declares, what the file named as the source
shows, and what scikit-learn's names say.

Rules:

- Any table recorded before may have gone into the next one, unless the author says which (`after=`).
- What is not declared is unknown, and no rule about lineage passes on it.
- The columns of a table are noted when it is recorded: the block may change it afterwards.

>>> fields = RecordedFields()
>>> fields.keep("loans", {"no": "table"})
"""

from collections.abc import Iterable
from typing import Final

from registry.attempted import attempted
from registry.declared_flows import declared_flow, doubted, encoded_flow, model_flow
from registry.flows import Flow
from registry.held import column_labels
from registry.nested_fields import nested_fields
from registry.outside import NOTHING, Outside
from registry.parts import parts_of
from registry.told import Inputs, Told, refuse_unreturned
from registry.written_arguments import Written
from registry.written_settings import unwritten_in_model

__all__ = ["RecordedFields"]

NOWHERE: Final = Written("block's file")


class RecordedFields:
    """The columns of what was recorded so far, and the flows that lead into what is recorded next."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, tuple[str, ...]]] = {}

    def keep(self, name: str, value: object) -> None:
        """Note the columns of what was recorded under a name."""
        self._columns[name] = {
            part: columns
            for part, item in parts_of(name, value)
            if (columns := column_labels(item)) is not None
        }

    def taken(self, name: str, value: object) -> str | None:
        """Name a table in a value that would be called as one that is recorded; None where each name is its own."""
        known = {part for parts in self._columns.values() for part in parts}
        return next((part for part, _ in parts_of(name, value) if part in known), None)

    def of_table(
        self, name: str, value: object, told: Told, after: Iterable[str], outside: Outside = NOTHING
    ) -> list[Flow]:
        """Say where the columns of each table in a value come from; raise `MalformedInput` where that cannot be so.

        `outside` is what is named as the source.
        """
        inputs = self._inputs(after)
        flows = [
            _doubted(
                declared_flow(
                    Flow(part, name, "table", columns, fields=tuple(nested_fields(item).items())),
                    told,
                    inputs,
                    outside.sources,
                ),
                outside.doubts,
            )
            for part, item in parts_of(name, value)
            if (columns := column_labels(item)) is not None
        ]
        refuse_unreturned(told, name, {flow.part: flow.columns for flow in flows})
        return flows

    def of_model(
        self,
        model: object,
        features: tuple[str, ...],
        told: Told,
        after: Iterable[str],
        written: Written = NOWHERE,
    ) -> list[Flow]:
        """Say where the features of the model come from, and what is behind its transformers.

        `written` is what the block's code gives to calls: no other setting of a transformer is known to be of the code.
        """
        if not features:
            note = (
                "the model does not name its inputs: fit it on a table with column names, or pass features="
            )
            return [Flow("model", "model", "model", (), notes=(note,))]
        found = model_flow("model", "model", features, told, self._inputs(after))
        refuse_unreturned(told, "model", {found.part: found.columns})
        why = attempted(lambda: unwritten_in_model(model, written), lambda why: why)
        found = _doubted(found, () if why is None else [why])
        return [found, *encoded_flow("model", "model", model, features)]

    def _inputs(self, after: Iterable[str]) -> Inputs:
        return {part: columns for name in after for part, columns in self._columns.get(name, {}).items()}


def _doubted(flow: Flow, doubts: Iterable[str]) -> Flow:
    for why in doubts if flow.tells else ():
        flow = doubted(flow, why)
    return flow
