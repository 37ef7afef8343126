"""What a name or an expression in a step's code may hold, as far as the reading of it goes.

A name may also be a function, a module or a class that the step's own code defines or imports: that is no value of
these, and is used by its name alone.

>>> one_of([CODE, PLAN]), one_of([PLAN, EAGER])
('a plan', 'not known')
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "CODE",
    "EAGER",
    "FRESH",
    "OTHER",
    "PLAN",
    "PLANS",
    "SCHEMA",
    "TABLES",
    "Astray",
    "Inner",
    "Known",
    "one_of",
    "together",
]

CODE: Final = "made of constants"
PLAN: Final = "a plan"
PLANS: Final = "plans in a list, a tuple or a dict"
EAGER: Final = "a table"
TABLES: Final = "tables in a dict"
SCHEMA: Final = "the types of columns by name"
FRESH: Final = "a list or dict that was just made, of constants"
"""Only a name holds this: whatever else takes hold of it makes it a constant, which no plan is put into."""
OTHER: Final = "not known"


class Astray(Exception):
    """Something in the code that may do more than build a plan; the message is where."""


@dataclass(frozen=True, slots=True)
class Known:
    """A value that a name stands for: a module, a function, a class."""

    value: Any


@dataclass(frozen=True, slots=True)
class Inner:
    """A function that a step's function defines, and what its code is read by: it sees the names around it."""

    node: ast.FunctionDef
    around: Any


def together(kinds: Iterable[str]) -> str:
    """Say what a list, tuple or dict of these holds."""
    found = {*kinds}
    if found <= {CODE, FRESH}:
        return CODE
    return PLANS if found <= {CODE, FRESH, PLAN, PLANS} else OTHER


def one_of(kinds: Iterable[str]) -> str:
    """Say what a value is that may be one of several: what is allowed of a plan is allowed of a constant."""
    found = {*kinds}
    if found == {FRESH}:
        return FRESH
    found -= {CODE, FRESH}
    return found.pop() if len(found) == 1 else OTHER if found else CODE
