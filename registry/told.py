"""What a pipeline tells of the columns of a step: `@pipeline.step(columns={...}, rows=[...], observe=True)`.

Rules:

- `columns` maps a column that the step returns to the input columns that it is made of: `"income"` in every input
  that has it, or `"applications.income"` in one. `"*"` on the left stands for every column not named, `"*"` on the
  right for the column of the same name; an empty list says that nothing recorded goes into it.
- `rows` lists the columns that decide which rows are returned, or in which order. Left out, that is unknown.
- What a step reads by itself is named by the parameter that names the file: `"source.income"`; `"source.*"` is the
  column of the same name, and of `rows` the rows of the file. A name alone means a column of a file as well.
- Of a step that reads a file, or receives no table, an empty list says nothing: what it returns is made of something.
- `target` lists the columns that the target of a model is made of. Left out, or empty, that is unknown.
- A column that the step does not return, or does not receive, is a mistake, and ends the run: what is declared is
  signed.

>>> told = tell("step", "ratios", {"ratio": ["debt", "income"], "*": ["*"]}, rows=[])
>>> told.columns["ratio"]
('debt', 'income')
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from audit.errors import MalformedInput
from registry.flows import ALL_ROWS, IDENTITY, ROWS, TARGET, THE_TARGET, TRANSFORMATION, Link
from registry.sentences import did_you_mean

__all__ = [
    "Inputs",
    "Source",
    "Told",
    "declared_links",
    "declared_rows",
    "declared_target",
    "lacking",
    "refuse_unreturned",
    "tell",
    "tells_rows",
]

SAME = "*"

Inputs = Mapping[str, tuple[str, ...]]
"""The columns of every table that a step received, by the table's name."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or another source, that a step reads: the parameter that names it, and how links name it.

    `columns` None means that they are not known, and may have any name.
    """

    parameter: str
    part: str
    columns: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the declaration of a step says of its columns; `rows` None says nothing of its rows."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[str, ...] | None = None
    observe: bool = False
    target: tuple[str, ...] | None = None
    """What a model's target is made of; None says nothing of it."""

    @property
    def is_declared(self) -> bool:
        """Whether anything is declared."""
        return bool(self.columns) or self.rows is not None or self.target is not None


def tell(
    what: str,
    name: str,
    columns: Mapping[str, Sequence[str]] | None = None,
    rows: Sequence[str] | None = None,
    observe: bool = False,
    target: Sequence[str] | None = None,
) -> Told:
    """Check a declaration when it is made, or raise `MalformedInput`."""
    if columns is not None and not isinstance(columns, Mapping):
        raise MalformedInput(f'the columns of the {what} {name} are a dict: columns={{"ratio": ["debt"]}}')
    if type(observe) is not bool:
        raise MalformedInput(f"observe is True or False, and the {what} {name} says {observe!r}")
    said = {column: _names(f"{what} {name}", column, given) for column, given in (columns or {}).items()}
    wanted = None if rows is None else _names(f"{what} {name}", "rows", rows)
    learned = None if target is None else _names(f"{what} {name}", "target", target)
    return Told(said, wanted, observe, learned)


def declared_links(
    told: Told,
    step: str,
    part: str,
    columns: Sequence[str],
    inputs: Inputs,
    sources: Sequence[Source] = (),
) -> tuple[list[Link], set[str]]:
    """Return the links that a declaration makes for the columns of a part, and the columns that it covers."""
    links: list[Link] = []
    covered: set[str] = set()
    for column in columns:
        key = next((key for key in _keys(step, part, column) if key in told.columns), None)
        if key is None:
            continue
        said = told.columns[key]
        found = [link for source in said for link in _link(step, column, source, inputs, sources)]
        if not found and (said or _is_open(inputs, sources)):
            continue  # a new column that nobody named stays unknown, and so does what came from elsewhere
        covered.add(column)
        links += found
    return links, covered


def declared_rows(told: Told, step: str, inputs: Inputs, sources: Sequence[Source] = ()) -> list[Link]:
    """Return the links from the columns that decide on the rows, and from the rows of every input."""
    rows = [Link(None, part, ALL_ROWS, "declared", ROWS) for part in inputs]
    for source in told.rows or ():
        found = list(_sources(source, ALL_ROWS, inputs, sources))
        if not found and source not in lacking([source], inputs, sources):
            raise MalformedInput(_unreceived(step, source, inputs, sources))
        rows += [Link(None, part, name, "declared", ROWS) for part, name in found]
    return rows


def declared_target(
    told: Told, step: str, inputs: Inputs, sources: Sequence[Source] = ()
) -> tuple[Link, ...]:
    """Return the links from the columns that a model's target is made of."""
    found: list[Link] = []
    for text in told.target or ():
        columns = list(_sources(text, THE_TARGET, inputs, sources))
        if not columns and text not in lacking([text], inputs, sources):
            raise MalformedInput(_unreceived(step, text, inputs, sources))
        found += [Link(THE_TARGET, part, name, "declared", TARGET) for part, name in columns]
    return tuple(found)


def tells_rows(told: Told, inputs: Inputs) -> bool:
    """Say whether a declaration tells all that decides on the rows."""
    return told.rows is not None and bool(inputs or told.rows)


def lacking(texts: Iterable[str], inputs: Inputs, sources: Sequence[Source]) -> list[str]:
    """List the texts that name a column of a source which that, as far as its columns are known, does not have."""
    known = {each.parameter: each.columns for each in sources if each.parameter not in inputs}
    found = []
    for text in texts:
        parameter, dot, column = text.partition(".")
        names = known.get(parameter)
        if dot and names is not None and column not in (*names, SAME):
            found.append(text)
    return found


def _is_open(inputs: Inputs, sources: Sequence[Source]) -> bool:
    """Say whether something that is no table that the step received may have gone into what it returned."""
    return not inputs or bool(sources)


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


def _link(step: str, column: str, source: str, inputs: Inputs, sources: Sequence[Source]) -> Iterator[Link]:
    is_same = source == SAME or source.endswith(f".{SAME}")
    found = list(_sources(source, column, inputs, sources))
    if not found and not is_same and source not in lacking([source], inputs, sources):
        raise MalformedInput(_unreceived(step, source, inputs, sources))
    use = IDENTITY if is_same else TRANSFORMATION
    yield from (Link(column, part, name, "declared", use) for part, name in found)


def _sources(text: str, same: str, inputs: Inputs, sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    """Find the input columns that a text names: `table.column` exactly, else `column` wherever there is one.

    `same` is what a star stands for.
    """
    named: list[tuple[str, str, tuple[str, ...] | None]]
    named = [(part, part, names) for part, names in inputs.items()]
    named += [(each.parameter, each.part, each.columns) for each in sources if each.parameter not in inputs]
    for name, part, names in named:
        column = text.removeprefix(f"{name}.")
        column = same if column == SAME else column
        if text.startswith(f"{name}.") and (names is None or column in (*names, ALL_ROWS)):
            yield part, column
            return
    column = same if text == SAME else text
    yield from ((part, column) for _, part, names in named if names is not None and column in names)


def _unreceived(step: str, source: str, inputs: Inputs, sources: Sequence[Source]) -> str:
    known = {**{each.parameter: each.columns or () for each in sources}, **inputs}
    names = {name for columns in known.values() for name in columns}
    if "." in source:
        names = {f"{part}.{name}" for part, columns in known.items() for name in columns}
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
