"""What was changed in place after a step had returned it, by the fingerprints that a run records. Pure.

A table is fingerprinted when a step returns it and again whenever another receives it; the model when its step returns
it, and once more when it is stored, after the evaluation.

Rules:

- Where the two differ, the lineage that was taken down is that of something else: what is in it now is not known.
- A table or a model that has no fingerprint may have been changed by any step that ran in between.
- What a block of `record()` was given is fingerprinted when it is recorded, and again whenever something is declared
  that is made of it; the block itself always runs in between.
- Steps share objects without being told of each other: any step in between may have made the change.

>>> run = {"steps": [{"name": "load", "outputs": [{"name": "load", "kind": "table", "fingerprint": "a"}]},
...     {"name": "meddle", "outputs": []}, {"name": "fit", "outputs": [],
...     "inputs": [{"name": "load", "kind": "table", "fingerprint": "b"}]}]}
>>> changed_tables(run)["fit", "load"].says
'load was changed in place after step load returned it and before step fit received it: what it then held is not known'
"""

from collections.abc import Mapping
from dataclasses import dataclass

from audit.canonical import Json
from registry.recorded import parts_of_run, parts_of_step, steps_of

__all__ = ["Change", "changed_model", "changed_tables", "model_part", "said_of_changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """A table that a step may have received otherwise than another step had returned it."""

    part: str
    reader: str
    steps: tuple[str, ...]
    """The step that returned it, and every one up to the reader: who may have changed it."""
    seen: bool
    """Whether the fingerprints differ; else the table has none."""

    @property
    def says(self) -> str:
        """Say what happened, and what is not known."""
        what = (
            "was changed in place" if self.seen else "has no fingerprint, and may have been changed in place"
        )
        return (
            f"{self.part} {what} after step {self.steps[0]} returned it and before step {self.reader} received it: "
            "what it then held is not known"
        )


def changed_tables(run: Mapping[str, Json]) -> dict[tuple[str, str], Change]:
    """List the tables that were changed, or may have been, by the step that received them and their name."""
    found: dict[tuple[str, str], Change] = {}
    returned: dict[str, tuple[int, Json]] = {}
    steps = steps_of(run)
    names = [str(step["name"]) for step in steps]
    for number, step in enumerate(steps):
        for part in parts_of_step(step, "inputs"):
            name, mark = str(part["name"]), part["fingerprint"]
            if name not in returned or part.get("kind") not in ("table", "opaque"):
                continue
            maker, before = returned[name]
            unseen = mark is None or before is None
            between = number - maker > 1 or run.get("how") == "record"
            if (unseen and between) or (not unseen and mark != before):
                change = Change(name, names[number], tuple(names[maker:number]), seen=not unseen)
                found[names[number], name] = change
        returned |= {
            str(part.get("name", step["name"])): (number, part["fingerprint"]) for part in parts_of_step(step)
        }
    return found


def changed_model(run: Mapping[str, Json]) -> str | None:
    """Say that the registered model is not what its step returned, or may not be; None where it is.

    A block of `record()` stores the model when it is recorded, so that nothing lies between.
    """
    model_file = run.get("model_file")
    if not isinstance(model_file, dict):
        return None
    if model_file.get("fingerprint") is None:
        return _perhaps_changed(run)
    if _part_with(run, model_file["fingerprint"]) is not None:
        return None
    maker = _returned_last(run)
    if maker is None:
        return "no step returned the model as it was stored: what it learned from is not known"
    return (
        f"the model was changed after step {maker[1]} returned it, by a later step or the evaluation: what it "
        "learned from is not known"
    )


def model_part(run: Mapping[str, Json]) -> tuple[str | None, str | None]:
    """Name the part that is the registered model, and its step: by its fingerprint, else what was returned last."""
    model_file = run.get("model_file")
    if not isinstance(model_file, dict):
        return None, None
    return _part_with(run, model_file.get("fingerprint")) or _returned_last(run) or (None, None)


def said_of_changes(run: Mapping[str, Json]) -> list[str]:
    """List what is to be said of a run: each change that was seen, and the model's."""
    tables = [change.says for change in changed_tables(run).values() if change.seen]
    model = changed_model(run)
    return tables if model is None else [*tables, model]


def _perhaps_changed(run: Mapping[str, Json]) -> str | None:
    steps = steps_of(run)
    maker = _returned_last(run)
    if run.get("how") == "record" or maker is None or maker[1] == steps[-1]["name"]:
        return None
    return (
        f"the model has no fingerprint, and may have been changed after step {maker[1]} returned it: what it learned "
        "from is not known"
    )


def _part_with(run: Mapping[str, Json], mark: Json) -> tuple[str, str] | None:
    for step, part in parts_of_run(run):
        if mark is not None and part["fingerprint"] == mark:
            return str(part.get("name", step["name"])), str(step["name"])
    return None


def _returned_last(run: Mapping[str, Json]) -> tuple[str, str] | None:
    """Find the model of the step called model, else the last one that a step returned (as `registry.run` does)."""
    found: tuple[str, str] | None = None
    for step in steps_of(run):
        for part in parts_of_step(step):
            if part.get("kind") == "model" or "affidavit-model-" in str(part["fingerprint"]):
                found = str(part.get("name", step["name"])), str(step["name"])
                break
        if found is not None and found[1] == "model":
            break
    return found
