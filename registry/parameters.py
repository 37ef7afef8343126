"""Parameters: what they are called, which type they take, how they are given and how they are recorded.

Rules:

- An address is `NAME` (every step that declares it) or `step.NAME` (that step alone, which wins).
- The type is the annotation's, else that of the default. A whole number may stand for a float; a bool never for
  an int. A value of another type is refused with one sentence.
- Recorded values are JSON without floats. What plain JSON cannot say is an object with one key that says it:
  `{"decimal": "1.0"}`, `{"nonfinite": "inf"}`, `{"integer": "9007199254740993"}`, `{"path": "a.csv"}`,
  `{"time": "2026-01-31"}`, `{"tuple": [...]}`, `{"mapping": {...}}`, `{"pairs": [[key, value], ...]}`.
- A value of any other type is `{"opaque": "module.Class"}`: its `repr` may hold anything, so it is never recorded.
- A parameter that is named like a secret, or text that carries one (a URL with a password, `pwd=...`, a token that
  can be told by its form), is `{"withheld": true}`. What neither name nor form gives away cannot be seen.
- A `Private` value is recorded as a reference, by who records the run; here it is `{"withheld": true}`.
- A path below the home folder is written from there, `{"path": "~/a.csv"}`, and text that is one as
  `{"home": "~/a.csv"}`: the name of the person who ran it is nobody's evidence.

>>> to_json("C", 1.0), to_json("api_key", "abc")
({'decimal': '1.0'}, {'withheld': True})
>>> from_json({"decimal": "1.0"})
1.0
"""

import datetime
import difflib
import enum
import inspect
import json
import math
import os
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from audit.canonical import MOST_INTEGER, Json, JsonObject, encode
from audit.errors import MalformedInput
from registry.private import Private

__all__ = [
    "Parameter",
    "assign",
    "did_you_mean",
    "from_json",
    "read_assignments",
    "read_text",
    "recorded_parameters",
    "to_json",
]

MISSING = inspect.Parameter.empty
_SECRET = re.compile(
    r"(?:^|_)(?:pass(?:words?|wd|phrases?)|pwd|(?:user|db|sql|smtp|ftp|ssh)_?(?:pass|pw)|secrets?|token|"
    r"(?:api|access|auth|refresh)_?tokens|credentials?|authorization|bearer|jwt|"
    r"(?:api|access|private|secret|auth|account|ssh)_?keys?)(?:_|$)"
)
_SECRET_IN_TEXT = re.compile(
    r"(?i)\b\w*(?:pass(?:word|wd)|pwd|secret|token|(?:api|access|account)_?key|signature)\s*=|\bsig\s*=|[?&]key="
    r"|\bbearer\s+[\w.~+/-]*\d|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:gh[oprsu]_|github_pat_|glpat-|hf_|xox[abprs]-)[\w-]{10}|(?-i:\b(?:AKIA|ASIA)[A-Z0-9]{12}|\beyJ[\w-]{8,}\.)"
    r"|^(?!mailto:)[^\s/:@]+:[^\s/@]+@[^\s@]+$"
)
"""Assignments and queries, bearer tokens, private keys, the tokens of some big houses, JWT, and user:password@host."""
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of one step: `expected` is its annotation, or `MISSING`; `default` likewise."""

    step: str
    name: str
    expected: object
    default: object

    @property
    def address(self) -> str:
        """The name that means this parameter of this step alone."""
        return f"{self.step}.{self.name}"

    @property
    def type(self) -> object:
        """What a value must be: the annotation, else the default's class, else anything."""
        if self.expected is not MISSING:
            return self.expected
        if self.default is MISSING or self.default is None:
            return typing.Any
        return type(_plain(self.default))


def assign(declared: Sequence[Parameter], given: Mapping[str, object]) -> dict[str, object]:
    """Check given values and spread them over the steps: the result is keyed by `step.NAME`.

    Raises `MalformedInput` for a name that nobody declares (with near ones) and for a value of a wrong type.
    """
    assigned: dict[str, object] = {}
    exact = {parameter.address: parameter for parameter in declared}
    for name, value in given.items():
        if name in exact:
            continue
        matching = [parameter for parameter in declared if parameter.name == name]
        if not matching:
            raise MalformedInput(_unknown(name, declared))
        for parameter in matching:
            assigned[parameter.address] = _checked(parameter, value)
    for name, value in given.items():
        if name in exact:
            assigned[name] = _checked(exact[name], value)
    return assigned


def read_assignments(declared: Sequence[Parameter], texts: Iterable[str]) -> dict[str, object]:
    """Read `NAME=VALUE` texts into typed values, by what the steps declare.

    Where steps that share a name declare different types, each reads the text in its own way.
    """
    values: dict[str, object] = {}
    exact: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise MalformedInput(f"{text!r} is not a parameter: write NAME=VALUE, for example seed=7")
        matching = [parameter for parameter in declared if name in (parameter.name, parameter.address)]
        if not matching:
            raise MalformedInput(_unknown(name, declared))
        for parameter in matching:
            (exact if name == parameter.address else values)[parameter.address] = read_text(parameter, value)
    return values | exact


def read_text(parameter: Parameter, text: str) -> object:
    """Read one value from text as the parameter's type says, or raise `MalformedInput`."""
    for kind in _alternatives(parameter.type):
        try:
            return _read(kind, text)
        except (ValueError, KeyError, RecursionError):
            continue
    raise MalformedInput(f"{_sentence(parameter)}, and {_shown(parameter.name, text)} is not one")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that names the nearest known names, or all of them if there are few."""
    known = sorted(set(names))
    folded = {other.casefold(): other for other in known}
    near = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return f": did you mean {' or '.join(near)}?"
    if not known:
        return ""
    there = "there is" if len(known) == 1 else "there are"
    return f": {there} {', '.join(known[:12])}{' and more' if len(known) > 12 else ''}"


def to_json(name: str, value: object) -> Json:
    """Return what a statement says of a parameter's value; the name decides whether it is a secret."""
    try:
        said = _to_json(name, value)
        encode([[[[[[[[said]]]]]]]])  # as deep as it will stand in a statement
    except Exception:  # nested too deeply, in a circle, too long a number, or an object whose members raise
        return {"opaque": f"{type(value).__module__}.{type(value).__qualname__}"}
    return said


def _to_json(name: str, value: object) -> Json:
    if _looks_secret(name) or isinstance(value, Private):
        return {"withheld": True}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return _text_to_json(value)
    value = _plain(value)
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
        raise MalformedInput("the value was withheld because it looks like a secret: give it again")
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


def recorded_parameters(steps: Iterable[JsonObject]) -> tuple[dict[str, object], list[str]]:
    """Return the parameters of a recorded run as values keyed `step.NAME`, and the names that were not recorded.

    A default that was not recorded is not missed: it stands in the recorded code, and the caller did not set it.
    """
    values: dict[str, object] = {}
    missing: list[str] = []
    for step in steps:
        for name, value in cast(JsonObject, step["parameters"]).items():
            address = f"{step['name']}.{name}"
            try:
                values[address] = from_json(value)
            except MalformedInput:
                if name in cast(list[Json], step.get("given", [name])):
                    missing.append(address)
    return values, missing


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
    if _SECRET_IN_TEXT.search(text):
        return {"withheld": True}
    if "://" in text:
        try:
            password = urlsplit(text).password
        except ValueError:
            password = text
        if password is not None or re.match(r"https?://[^/?#]*@", text):
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


def _plain(value: object) -> object:
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


def _looks_secret(name: str) -> bool:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
    return _SECRET.search(words) is not None


def _alternatives(expected: object) -> list[object]:
    """Take a type apart into the plain ones it allows, the narrow before the wide."""
    if expected is typing.Any:
        return [object]
    if isinstance(expected, typing.NewType):
        return _alternatives(expected.__supertype__)
    origin = typing.get_origin(expected)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(expected)[0])
    if origin in (typing.Union, types.UnionType):
        kinds = [kind for part in typing.get_args(expected) for kind in _alternatives(part)]
        # Text accepts everything, so it is asked last.
        return sorted(kinds, key=lambda kind: kind is str or kind is Path)
    return [expected]


def _checked(parameter: Parameter, value: object) -> object:
    value = _plain(value)
    if value is None and parameter.default is None:
        return None
    kinds = _alternatives(parameter.type)
    if any(_fits(kind, value) for kind in kinds):
        return value
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if Path in kinds and isinstance(value, str):
        return Path(value)
    raise MalformedInput(f"{_sentence(parameter)}, and {_shown(parameter.name, value)} is not one")


def _fits(kind: object, value: object) -> bool:
    if kind is None or kind is type(None):
        return value is None
    if typing.get_origin(kind) is typing.Literal:
        return any(type(value) is type(choice) and value == choice for choice in typing.get_args(kind))
    actual = typing.get_origin(kind) or kind
    # An annotation that is no class (a forward reference that cannot be resolved) promises nothing to check.
    if not isinstance(actual, type):
        return True
    if isinstance(value, bool) and actual in (int, float):
        return False
    try:
        return isinstance(value, actual)
    except TypeError:  # a protocol that cannot be asked at run time
        return True


def _read(kind: object, text: str) -> object:
    """Read text as one plain type; `ValueError` or `KeyError` where it is not one."""
    if kind is None or kind is type(None):
        return {"none": None, "null": None}[text.lower()]
    if typing.get_origin(kind) is typing.Literal:
        return {str(choice): choice for choice in typing.get_args(kind)}[text]
    actual = typing.get_origin(kind) or kind
    if actual is bool:
        return _TRUTH[text.lower()]
    if actual in (int, float, str, Path):
        return cast(Callable[[str], object], actual)(text)
    if isinstance(actual, type) and issubclass(actual, enum.Enum):
        return actual[text]
    if actual is Private:
        return Private.read(text)
    if actual in (datetime.date, datetime.datetime):
        return cast(type[datetime.date], actual).fromisoformat(text)
    if isinstance(actual, type) and actual is not object:
        return _read_json(actual, text)
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read_json(actual: type, text: str) -> object:
    value = json.loads(text)
    if isinstance(value, list) and issubclass(actual, tuple):
        return tuple(value)
    if not isinstance(value, actual):
        raise ValueError(text)
    return value


def _sentence(parameter: Parameter) -> str:
    names = [_type_name(kind) for kind in _alternatives(parameter.type)]
    return f"the parameter {parameter.name} of the step {parameter.step} takes {' or '.join(names)}"


def _type_name(kind: object) -> str:
    if kind is None or kind is type(None):
        return "None"
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(repr(choice) for choice in typing.get_args(kind))
    plain = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        Path: "a path",
        Private: "SUBJECT=VALUE",
    }
    if isinstance(kind, type) and kind in plain:
        return plain[kind]
    return f"a value of the type {getattr(kind, '__name__', kind)}"


def _shown(name: str, value: object) -> str:
    if _looks_secret(name) or isinstance(value, Private):
        return "the given value"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, bool | int | float) or value is None:
        return repr(value)
    return f"an object of the type {type(value).__name__}"


def _unknown(name: str, declared: Sequence[Parameter]) -> str:
    names = {parameter.name for parameter in declared} | (
        {parameter.address for parameter in declared} if "." in name else set()
    )
    if not names:
        return f"there is no parameter {name}: the steps take none"
    return f"there is no parameter {name}{did_you_mean(name, names)}"
