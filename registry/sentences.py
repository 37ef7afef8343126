"""Pieces of sentences that several messages share: a list of names, and what a library says first.

>>> listed(["a", "b", "c", "d", "e", "f", "g", "h"])
'a, b, c, d, e, f and 2 more'
>>> first_line(ValueError("not a number")), first_line(ValueError())
('not a number', 'ValueError')
"""

from collections.abc import Sequence
from typing import Final

__all__ = ["first_line", "listed"]

_MOST_SHOWN: Final = 6


def listed(names: Sequence[str], joint: str = ", ") -> str:
    """Join names for a sentence; a long list is cut, and says how many more there are."""
    shown = joint.join(names[:_MOST_SHOWN])
    more = len(names) - _MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown or "none"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class where it has none."""
    try:
        return str(error).strip().partition("\n")[0] or type(error).__name__
    except Exception:  # the class may be anybody's, and its code raise anything
        return type(error).__name__
