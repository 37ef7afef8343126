"""Values of parameters as a run records them: JSON without floats, and back.

Rules:

- What plain JSON cannot say is an object with one key that says it: `{"decimal": "1.0"}`, `{"nonfinite": "inf"}`,
  `{"integer": "9007199254740993"}`, `{"path": "a.csv"}`, `{"time": "2026-01-31"}`, `{"tuple": [...]}`,
  `{"mapping": {...}}`, `{"pairs": [[key, value], ...]}`.
- A value of any other type is `{"opaque": "module.Class"}`: its `repr` may hold anything, so it is never recorded.
- What looks like a secret (`registry.secret_forms`), by the parameter's name or in a text, is `{"withheld": true}`.
- A `Private` value is recorded as a reference, by who records the run; here it is `{"withheld": true}`.
- A path below the home folder is written from there, `{"path": "~/a.csv"}`, and text that is one as
  `{"home": "~/a.csv"}`: the name of the person who ran it is nobody's evidence.

>>> to_json("C", 1.0), to_json("api_key", "abc")
({'decimal': '1.0'}, {'withheld': True})
>>> from_json({"decimal": "1.0"})
1.0
"""

import datetime
import enum
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from audit.canonical import MOST_INTEGER, Json, encode
from audit.errors import MalformedInput
from registry.private import Private
from registry.secret_forms import is_secret_name, is_secret_text

__all__ = ["WRITTEN_AS_TEXT", "from_json", "plain", "shown", "to_json"]


def to_json(name: str, value: object) -> Json:
    """Return what a statement says of a parameter's value; the name decides whether it is a secret."""
    try:
        said = _to_json(name, value)
        encode([[[[[[[[said]]]]]]]])  # as deep as it will stand in a statement
    except Exception:  # nested too deeply, in a circle, too long a number, or an object whose members raise
        return {"opaque": f"{type(value).__module__}.{type(value).__qualname__}"}
    return said


def _to_json(name: str, value: object) -> Json:
    if is_secret_name(name) or isinstance(value, Private):
        return {"withheld": True}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return _text_to_json(value)
    value = plain(value)
    if isinstance(value, bool | int | float) and not isinstance(value, enum.Enum):
        return _number_to_json(value)
    if isinstance(value, list | tuple | Mapping | Path | datetime.date | datetime.time):
        return _structure_to_json(value)
    return {"opaque": f"{type(value).__module__}.{type(value).__qualname__}"}


def from_json(value: Json) -> object:
    """Return the value that `to_json` recorded; `MalformedInput` where it was withheld or never recorded."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"subject", "hmac"}:
        raise MalformedInput("the value is only referred to, because it is a person's: give it again")
    if "withheld" in value:
        raise MalformedInput(
            "the value was withheld because it looks like a secret, or is called as a keyed column is: give it again"
        )
    if len(value) == 1:
        [(mark, content)] = value.items()
        if mark in _RESTORE:
            try:
                return _RESTORE[mark](content)
            except (ValueError, TypeError, AttributeError):
                raise MalformedInput(f"the recorded value marked {mark!r} cannot be read") from None
        if mark == "opaque":
            raise MalformedInput(f"the value is of the type {content}, which is not recorded: give it again")
    raise MalformedInput(f"a recorded value with the keys {', '.join(sorted(value))} is not known here")


WRITTEN_AS_TEXT = frozenset({"decimal", "nonfinite", "integer", "path", "home", "time"})
"""The kinds of values that JSON cannot say and that are recorded as the text that says them."""


def shown(value: Json) -> str:
    """Write a recorded value for people: what stands for a number, a path or a time as that, also in a list.

    >>> shown([1, {"decimal": "2.5"}, {"time": "2026-01-31"}]), shown({"withheld": True})
    ('[1, 2.5, 2026-01-31]', '(withheld)')
    """
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if not isinstance(value, dict) or len(value) != 1:
        return str(value)
    [(kind, content)] = value.items()
    match kind, content:
        case "tuple", list():
            return f"({', '.join(map(shown, content))})"
        case "mapping", dict():
            return f"{{{', '.join(f'{key}: {shown(item)}' for key, item in content.items())}}}"
        case "opaque", _:
            return f"({content})"
        case "withheld", _:
            return "(withheld)"
    return str(content) if kind in WRITTEN_AS_TEXT else str(value)


_RESTORE: dict[str, Callable[..., object]] = {
    "decimal": float,
    "nonfinite": float,
    "integer": int,
    "path": lambda text: Path(_away_from_home(text)),
    "home": lambda text: _away_from_home(text),
    "time": lambda text: _read_time(text),
    "tuple": lambda items: tuple(from_json(item) for item in items),
    "mapping": lambda items: {key: from_json(item) for key, item in items.items()},
    "pairs": lambda items: {from_json(key): from_json(item) for key, item in items},
}


def _text_to_json(text: str) -> Json:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return {"opaque": "str that is not Unicode text"}
    if is_secret_text(text):
        return {"withheld": True}
    short = _from_home(text)
    return {"home": short} if short is not None else str(text)


def _number_to_json(value: bool | int | float) -> Json:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= MOST_INTEGER else {"integer": str(int(value))}
    number = float(value)
    return {"decimal": repr(number)} if math.isfinite(number) else {"nonfinite": repr(number)}


def _structure_to_json(value: object) -> Json:
    if isinstance(value, list):
        return [_to_json("", item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_to_json("", item) for item in value]}
    if isinstance(value, Path):
        text = _text_to_json(str(value))
        if isinstance(text, dict) and "home" in text:
            return {"path": text["home"]}
        return {"path": text} if isinstance(text, str) else text
    if isinstance(value, Mapping):
        if all(type(key) is str and key.isascii() for key in value):
            return {"mapping": {key: _to_json(key, item) for key, item in value.items()}}
        return {"pairs": [[_to_json("", key), _to_json(str(key), item)] for key, item in value.items()]}
    return {"time": cast(datetime.date, value).isoformat()}


def plain(value: object) -> object:
    """Turn a NumPy scalar into Python's, without importing NumPy: its scalars alone have all three members."""
    if hasattr(value, "item") and hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        return cast(object, value.item())
    return value


def _from_home(text: str) -> str | None:
    """Write a path below the home folder from there, with a slash between its parts."""
    home = _home()
    if home == os.sep or not text.startswith(home + os.sep):
        return None
    return "~" + text.removeprefix(home).replace(os.sep, "/")


def _away_from_home(text: str) -> str:
    return f"{_home()}{text[1:]}" if text.startswith("~/") else text


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # a user without an account, as in some containers, has none
        return os.sep


def _read_time(text: str) -> object:
    kinds: tuple[Callable[[str], object], ...]
    if "T" in text:
        kinds = (datetime.datetime.fromisoformat,)
    else:
        kinds = (datetime.date.fromisoformat, datetime.time.fromisoformat)
    for kind in kinds:
        try:
            return kind(text)
        except ValueError:
            continue
    raise ValueError(text)
