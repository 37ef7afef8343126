"""What a rule finds in the evidence: an outcome and its sentence; and how evidence of any shape is read.

Rules:

- Anything may be absent, so every step down into the evidence answers None rather than raising.
- Unknown is never a pass: what a rule needs and does not find is an `AbsentError`, whose message says what is
  missing and how to supply it.

>>> at({"code": {"dirty": False}}, "code", "dirty"), at({}, "code", "dirty")
(False, None)
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, Literal, NamedTuple

__all__ = ["AbsentError", "Finding", "Outcome", "at", "count", "decimal", "items", "only", "text"]

Outcome = Literal["passed", "failed", "uncertain", "missing", "waived"]

_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?(e[+-]?[0-9]{1,3})?")


class Finding(NamedTuple):
    """What became of a rule, and the sentence that says so."""

    outcome: Outcome
    message: str


class AbsentError(Exception):
    """What a rule needs is not in the evidence; the message says what, and how to supply it."""


def at(value: object, *path: str) -> object:
    """Follow names down into mappings; None as soon as one is absent."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def items(value: object) -> list[Mapping[str, object]]:
    """List the mappings of a list; anything else is as good as absent."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def count(value: object) -> int | None:
    """Read a count: a whole number from 0, and no bool."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def text(value: object) -> str | None:
    """Read text that is not empty."""
    return value if isinstance(value, str) and value else None


def decimal(value: object) -> Decimal | None:
    """Read a figure, which a statement holds as decimal text."""
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def only(items: Iterable[Mapping[str, object]], field: str, name: str) -> Mapping[str, object] | None:
    """Find the one item of that name; two of a name are as good as none, since either may be meant."""
    found = [item for item in items if item.get(field) == name]
    return found[0] if len(found) == 1 else None
