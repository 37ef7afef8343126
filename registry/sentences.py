"""Pieces of sentences that several messages share: a list of names, near ones, and what a library says first.

>>> listed(["a", "b", "c", "d", "e", "f", "g", "h"])
'a, b, c, d, e, f and 2 more'
>>> first_line(ValueError("not a number")), first_line(ValueError())
('not a number', 'ValueError')
>>> did_you_mean("incme", ["income", "debt"])
': did you mean income?'
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["did_you_mean", "first_line", "listed", "nearest"]

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


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return the known names that are nearest to one, the nearest first; none where none is near.

    Names without a letter or a digit (operators) are all alike, and none is nearer than another.
    """
    if not any(map(str.isalnum, name)):
        return []
    folded = {other.casefold(): other for other in sorted(set(names))}
    return [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that names the nearest known names, or all of them if there are few."""
    known = sorted(set(names))
    if near := nearest(name, known):
        return f": did you mean {' or '.join(near)}?"
    if not known:
        return ""
    there = "there is" if len(known) == 1 else "there are"
    return f": {there} {', '.join(known[:12])}{' and more' if len(known) > 12 else ''}"
