"""YAML read with its places: every mistake has a line and a column, and nothing is read in two ways.

Rules:

- Anchors, aliases, tags, repeated keys, empty values, deep nesting and numbers in any but plain digits are
  refused, so that no two readers of the same bytes see different values. Numbers stay decimal.
- Problems are collected and told together, as "where:line:column: what is wrong", both counted from 1.

>>> problems: list[Problem] = []
>>> values(compose(b"limit: 0.80", "a.yaml"), problems), problems
({'limit': Decimal('0.80')}, [])
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import yaml

from audit.errors import MalformedInput

__all__ = ["MOST_BYTES", "Problem", "compose", "find", "problem_at", "refuse", "shown", "values"]

MOST_BYTES: Final = 64 * 1024
"""A policy is read by people; a longer file is refused before it is parsed."""

_MOST_DEPTH: Final = 16
_MOST_PROBLEMS_SHOWN: Final = 20
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,20})?")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake and its place, both counted from 1 as editors do."""

    line: int
    column: int
    message: str


def compose(text: bytes, where: str) -> yaml.Node:
    """Turn bytes into YAML nodes, which know their places; refuse what only a clever file would hold."""
    if len(text) > MOST_BYTES:
        raise MalformedInput(f"{where}: a policy is at most {MOST_BYTES} bytes")
    source = _decoded(text, where)
    try:
        refuse(_unwanted(yaml.parse(source, Loader=yaml.SafeLoader)), where)
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"not YAML: {error.problem or error.context or 'the file ends too early'}"
        if "chomping" in problem:
            problem += ' (put operators in quotes, such as ">=")'
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _malformed([Problem(*place, problem)], where) from None
    except yaml.reader.ReaderError as error:
        line, column = _place(source[: error.position])
        raise _malformed([Problem(line, column, "a character that YAML does not allow")], where) from None
    except (ValueError, OverflowError):
        # PyYAML lets chr() speak for itself on an escape beyond U+10FFFF.
        raise _malformed([Problem(1, 1, "an escape that is no Unicode character")], where) from None
    if node is None:
        raise _malformed([Problem(1, 1, "the file is empty")], where)
    return node


def _decoded(text: bytes, where: str) -> str:
    try:
        source = text.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(text[: error.start].decode("utf-8"))
        raise _malformed([Problem(line, column, "not UTF-8 text")], where) from None
    if source.startswith("\ufeff"):
        raise _malformed([Problem(1, 1, "starts with a byte order mark: save as plain UTF-8")], where)
    return source


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _unwanted(events: Iterable[yaml.Event]) -> list[Problem]:
    """List anchors, aliases, tags and deep nesting; composing recurses, so this comes before it."""
    problems: list[Problem] = []
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problems.append(problem_at(event, "anchors and aliases are not allowed: write the value again"))
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            problems.append(problem_at(event, f"the tag {shown(event.tag)} is not allowed"))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH:
            return [problem_at(event, "nested too deeply for a policy")]
    return problems


def values(node: yaml.Node, problems: list[Problem]) -> object:
    """Turn nodes into dicts, lists, text, bool, int and Decimal; note what two readers could read apart."""
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, object] = {}
        for key, value in node.value:
            # A key is its text: YAML 1.1 would read the key `on` as true.
            if not isinstance(key, yaml.ScalarNode):
                problems.append(problem_at(key, "a field's name must be plain text"))
            elif key.value in fields:
                problems.append(problem_at(key, f"the field {shown(key.value)} is given twice"))
            else:
                fields[key.value] = values(value, problems)
        return fields
    if isinstance(node, yaml.SequenceNode):
        return [values(item, problems) for item in node.value]
    return _scalar(node, problems)


def _scalar(node: yaml.Node, problems: list[Problem]) -> object:
    text: str = node.value
    match node.tag.rpartition(":")[2]:
        case "int" | "float" if number := _NUMBER.fullmatch(text):
            return Decimal(text) if number[2] else int(text)
        case "int" | "float":
            problems.append(problem_at(node, f"{shown(text)} is not plain digits: write it like 0.80"))
        case "null":
            problems.append(problem_at(node, "no value: give one, or leave the field out"))
        case "bool":
            return text.lower() in ("yes", "true", "on")
        case "timestamp":
            problems.append(problem_at(node, f"{shown(text)} would be read as a date: put it in quotes"))
    return text


def find(root: yaml.Node, path: Sequence[str | int], *, key: bool) -> yaml.Node:
    """Follow a path as far as it goes: the value's node, or with `key` the name's; else what should hold it."""
    node = root
    for depth, part in enumerate(path):
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is None:
                break
            node = pair[0] if key and depth == len(path) - 1 else pair[1]
        else:
            break
    return node


def problem_at(place: yaml.Node | yaml.Event, message: str) -> Problem:
    """Put a problem where a node or an event starts."""
    mark = place.start_mark
    assert mark is not None  # only nodes built by hand have none
    return Problem(mark.line + 1, mark.column + 1, message)


def refuse(problems: Sequence[Problem], where: str) -> None:
    """Raise `MalformedInput` with every problem in the order of the file; do nothing where there is none."""
    if problems:
        raise _malformed(problems, where)


def _malformed(problems: Sequence[Problem], where: str) -> MalformedInput:
    shown = [f"{where}:{p.line}:{p.column}: {p.message}" for p in sorted(problems)[:_MOST_PROBLEMS_SHOWN]]
    if (more := len(problems) - len(shown)) > 0:
        shown.append(f"and {more} more")
    return MalformedInput("; ".join(shown))


def shown(value: object) -> str:
    """Quote what was given, short and harmless."""
    # ascii() keeps lone surrogates and terminal escapes out of the message.
    text = (
        value if isinstance(value, str) else str(value) if isinstance(value, int | Decimal) else "this value"
    )
    return ascii(text) if len(text) <= 60 else ascii(text[:57] + "...")
