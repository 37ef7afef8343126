"""Protected columns by their names: one notion for profiles, keys, kept tables and rules. Pure.

Rules:

- Names are one where they differ only in case, spaces and punctuation: `Race`, `RACE` and `race ` are `race`, since SQL
  folds them and people do not agree on them.
- Letters of one look are one letter: a Cyrillic or Greek one among Latin ones reads as the Latin one, as people read
  it.
- What begins with a protected name and a sign after it was made from it: `race_black`, `race=black`, `Race (coded)`. A
  number is such a sign (`diagnosis2`), unless the name itself ends in one: `v10` is not `v1`.
- scikit-learn writes the transformer before two underscores: `onehot__race_black` is `race_black`.
- A column without a name (an array's) is called what its part is: `{"race": frame.race.to_numpy()}`.
- A column that is alone in its part is called as that too: `{"race": frame["r"]}`.
- To protect one column too many withholds or refuses; one too few would tell or pass.

>>> is_protected("onehot__Race_black", ["race"]), is_protected("racetrack", ["race"])
(True, False)
>>> is_same_name("Race ", "race"), is_same_name("race_black", "race")
(True, False)
"""

import unicodedata
from collections.abc import Collection, Iterator
from typing import Final

__all__ = ["called", "folded", "is_nameless", "is_protected", "is_same_name", "names_of"]


ALIKE: Final = str.maketrans(
    "\u0430\u0432\u0441\u0501\u0435\u043d\u04bb\u0456\u0458\u043a\u04cf\u043c\u043e\u0440\u051b\u0455\u0442\u0443\u051d\u0445"
    "\u03b1\u03b2\u03b5\u03b6\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0131",
    "abcdehhijklmopqstywxabezhikmnoptyxi",
)
"""Small letters of Cyrillic and Greek, and the dotless i, that look like a Latin letter, or whose capitals do."""


def is_protected(name: str, protected: Collection[str]) -> bool:
    """Tell whether a column is one of these, or made from one by its name (`race_black`, `race=black`)."""
    return any(
        is_same_name(each, one) or _begins_with(each, one) for each in _behind(name) for one in protected
    )


def called(column: str, part: str) -> str:
    """Return the name of a column of a part (`split.race`): its own, or where that is a mere number the part's.

    >>> called("0", "split.race"), called("debt", "split.race"), called("0", "split.1")
    ('race', 'debt', '0')
    """
    return (
        part.rpartition(".")[2] if is_nameless(column) and not part.rpartition(".")[2].isdecimal() else column
    )


def names_of(column: str, part: str, *, alone: bool) -> tuple[str, ...]:
    """Return the names by which a column of a part is known: where it is `alone` in it, the part's as well.

    >>> names_of("r", "split.race", alone=True), names_of("r", "split.race", alone=False)
    (('r', 'race'), ('r',))
    """
    own, whole = called(column, part), part.rpartition(".")[2]
    return (own, whole) if alone and whole and own != whole and not is_nameless(whole) else (own,)


def is_nameless(column: str) -> bool:
    """Tell whether a column's name is a mere number, as an array's is."""
    return column.isdecimal()


def is_same_name(name: str, other: str) -> bool:
    """Tell whether two names are one, but for case, spaces and punctuation."""
    return folded(name) == folded(other)


def folded(name: str) -> str:
    """Write a name without what people write differently: case, spaces and punctuation."""
    plain = _plain(name)
    return "".join(letter for letter in plain if letter.isalnum()) or plain


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip().translate(ALIKE)


def _behind(name: str) -> Iterator[str]:
    """Yield a name, and what it is without the transformers that scikit-learn wrote before it."""
    yield name
    while "__" in name:
        _, _, name = name.partition("__")
        yield name


def _begins_with(name: str, other: str) -> bool:
    """Tell whether a name is another one and, after a sign, more; `zip-code_north` begins with `Zip code`."""
    wanted, seen = folded(other), ""
    letters = _plain(name)
    for number, letter in enumerate(letters):
        if letter.isalnum():
            if (
                seen
                and seen == wanted
                and (not letters[number - 1].isalnum() or _begins_a_number(letter, seen))
            ):
                return True
            seen += letter
    return False


def _begins_a_number(letter: str, before: str) -> bool:
    return letter.isdecimal() and not before[-1].isdecimal()
