"""What a pipeline tells of the columns of a step: `@pipeline.step(columns={...}, rows=[...], observe=True)`.

Rules:

- `columns` maps a column that the step returns to the input columns that it is made of: `"income"` in every input
  that has it, or `"applications.income"` in one. `"*"` on the left stands for every column not named, `"*"` on the
  right for the column of the same name; an empty list says that nothing recorded goes into it.
- `rows` lists the columns that decide which rows are returned, or in which order. Left out, that is unknown.
- A column that the step does not return, or does not receive, is a mistake, and ends the run: what is declared is
  signed.

>>> told = tell("step", "ratios", {"ratio": ["debt", "income"], "*": ["*"]}, rows=[])
>>> told.columns["ratio"]
('debt', 'income')
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from audit.errors import MalformedInput
from registry.flows import ALL_ROWS, IDENTITY, ROWS, TRANSFORMATION, Link
from registry.sentences import did_you_mean

__all__ = ["Inputs", "Told", "declared_links", "declared_rows", "refuse_unreturned", "tell"]

SAME = "*"

Inputs = Mapping[str, tuple[str, ...]]
"""The columns of every table that a step received, by the table's name."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the declaration of a step says of its columns; `rows` None says nothing of its rows."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[str, ...] | None = None
    observe: bool = False


def tell(
    what: str,
    name: str,
    columns: Mapping[str, Sequence[str]] | None = None,
    rows: Sequence[str] | None = None,
    observe: bool = False,
) -> Told:
    """Check a declaration when it is made, or raise `MalformedInput`."""
    if columns is not None and not isinstance(columns, Mapping):
        raise MalformedInput(f'the columns of the {what} {name} are a dict: columns={{"ratio": ["debt"]}}')
    if type(observe) is not bool:
        raise MalformedInput(f"observe is True or False, and the {what} {name} says {observe!r}")
    said = {column: _names(f"{what} {name}", column, given) for column, given in (columns or {}).items()}
    wanted = None if rows is None else _names(f"{what} {name}", "rows", rows)
    return Told(said, wanted, observe)


def declared_links(
    told: Told, step: str, part: str, columns: Sequence[str], inputs: Inputs
) -> tuple[list[Link], set[str]]:
    """Return the links that a declaration makes for the columns of a part, and the columns that it covers."""
    links: list[Link] = []
    covered: set[str] = set()
    for column in columns:
        key = next((key for key in _keys(step, part, column) if key in told.columns), None)
        if key is None:
            continue
        found = [link for source in told.columns[key] for link in _link(step, column, source, inputs)]
        if key == SAME and told.columns[key] and not found:
            continue  # a new column that nobody named stays unknown
        covered.add(column)
        links += found
    return links, covered


def declared_rows(told: Told, step: str, inputs: Inputs) -> list[Link]:
    """Return the links from the columns that decide on the rows, and from the rows of every input."""
    rows = [Link(None, part, ALL_ROWS, "declared", ROWS) for part in inputs]
    for source in told.rows or ():
        found = list(_sources(source, inputs))
        if not found:
            raise MalformedInput(_unreceived(step, source, inputs))
        rows += [Link(None, part, name, "declared", ROWS) for part, name in found]
    return rows


def refuse_unreturned(told: Told, step: str, returned: Inputs) -> None:
    """Raise `MalformedInput` where a declaration names a column that no part of what the step returned has."""
    known = {key for part, columns in returned.items() for name in columns for key in _keys(step, part, name)}
    for key in told.columns:
        if key != SAME and key not in known:
            names = {name for columns in returned.values() for name in columns}
            raise MalformedInput(
                f"the step {step} declares the column {key} and returned none of that name{did_you_mean(key, names)}"
            )


def _keys(step: str, part: str, column: str) -> tuple[str, ...]:
    """List the ways to name a column of a part, the most exact first."""
    short = part.removeprefix(f"{step}.")
    return f"{part}.{column}", f"{short}.{column}", column, SAME


def _link(step: str, column: str, source: str, inputs: Inputs) -> Iterator[Link]:
    if source == SAME:
        yield from (
            Link(column, part, column, "declared", IDENTITY)
            for part, names in inputs.items()
            if column in names
        )
        return
    found = list(_sources(source, inputs))
    if not found:
        raise MalformedInput(_unreceived(step, source, inputs))
    yield from (Link(column, part, name, "declared", TRANSFORMATION) for part, name in found)


def _sources(source: str, inputs: Inputs) -> Iterator[tuple[str, str]]:
    """Find the input columns that a text names: `table.column` exactly, else `column` wherever there is one."""
    for part, names in inputs.items():
        if source.startswith(f"{part}.") and source.removeprefix(f"{part}.") in names:
            yield part, source.removeprefix(f"{part}.")
            return
    yield from ((part, source) for part, names in inputs.items() if source in names)


def _unreceived(step: str, source: str, inputs: Inputs) -> str:
    names = {name for columns in inputs.values() for name in columns}
    if "." in source:
        names = {f"{part}.{name}" for part, columns in inputs.items() for name in columns}
    return (
        f"the step {step} declares that it uses the column {source}, which nothing that it received has"
        f"{did_you_mean(source, names)}"
    )


def _names(what: str, column: object, given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        raise MalformedInput(f'the {what} names columns in a list: write ["{given}"]')
    if not isinstance(column, str) or not isinstance(given, Sequence):
        raise MalformedInput(f"the {what} declares its columns by name, each with a list of names")
    names = tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise MalformedInput(
            f"the {what} declares its columns by name, and {list(names)!r} holds something that is none"
        )
    return names
