"""Parts: what a statement says of a value that passed between steps.

A part is `{"name", "kind", "fingerprint", "rows", "columns", "document"}`, with `"type"` for everything but tables,
`"key"`, the id of the fingerprint key, where it is digested under that, and `"note"` where there is something to say.

Rules:

- A dict with text keys that a step returned becomes one part per key (`split.train`), and a tuple or list that
  holds tables, models, or what stands for a table (`registry.unread`) one part per place (`split.0`). Anything else is
  one part named after its step.
- A table has a fingerprint whose whole document (every run of every column) is an artifact; a model and a plain
  value have one digest of their state.
- Of a path only its name is recorded, and that is said: what lies there is a source where a parameter names it.
- What cannot be fingerprinted is `opaque` with the reason as its note. A run does not break because of an exotic
  value, and unknown is never shown as known.

>>> from pathlib import Path
>>> part = describe("limit", 3, ArtifactStore(Path("artifacts")))
>>> part["kind"], part["type"], part["fingerprint"].partition(":")[0]
('value', 'builtins.int', 'affidavit-value-v1')
"""

import sys
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from audit.canonical import JsonObject, encode, storable
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput
from registry.artifacts import ArtifactStore
from registry.fingerprint import is_table
from registry.keying import UNKEYED, Keying
from registry.model_state import class_path, fingerprint_model, fingerprint_value
from registry.unread import why_unread

__all__ = ["describe", "is_fitted_model", "is_model", "parts_of"]

MOST_PARTS = 256
MOST_NOTE = 400
PATH = "only the path is recorded, and not what is in the file: return the table that was read from it"


def parts_of(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Yield the name and value of every part of what the step `name` returned."""
    if type(value) is dict and 0 < len(value) <= MOST_PARTS and all(type(key) is str for key in value):
        for key, item in value.items():
            yield f"{name}.{key}", item
    elif isinstance(value, list | tuple) and len(value) <= MOST_PARTS and any(map(_is_notable, value)):
        fields = getattr(value, "_fields", range(len(value)))
        for field, item in zip(fields, value, strict=True):
            yield f"{name}.{field}", item
    else:
        yield name, value


def describe(name: str, value: object, artifacts: ArtifactStore, keying: Keying = UNKEYED) -> JsonObject:
    """Return the part of a value; tables leave their whole fingerprint in the artifact store.

    Raises `EnvironmentFailed` if the store cannot be written, and nothing else.
    """
    name = storable(name)
    part: JsonObject = {
        "name": name,
        "kind": "opaque",
        "fingerprint": None,
        "rows": None,
        "columns": None,
        "document": None,
        "type": class_path(value),
    }
    try:
        if is_table(value) and _is_flat(value):
            return part | _table(name, value, artifacts, keying)
        if is_model(value):
            part["kind"] = "model"
            return part | {"fingerprint": fingerprint_model(value)}
        if (unread := why_unread(value)) is not None:
            raise MalformedInput(unread)
        part |= {"kind": "value", "fingerprint": fingerprint_value(value)}
        return part | ({"note": PATH} if isinstance(value, PurePath) else {})
    except EnvironmentFailed:
        raise
    except AffidavitError as error:
        return part | {"note": _short(f"not fingerprinted: {error}")}
    except Exception as error:  # a value may be anything, and its own code runs when it is read
        return part | {"note": _short(f"not fingerprinted: {type(error).__name__} while it was read")}


def is_model(value: object) -> bool:
    """Say whether a value has `fit` and `predict` as scikit-learn's estimators do (fitted or not)."""
    if isinstance(value, type):
        return False
    kind = type(value)
    return callable(getattr(kind, "fit", None)) and (
        callable(getattr(kind, "predict", None)) or callable(_quiet(value, "predict"))
    )


def is_fitted_model(value: object) -> bool:
    """Say whether a value is a model that has learned something."""
    if not is_model(value):
        return False
    # Who holds a scikit-learn estimator has loaded scikit-learn; nobody else needs it.
    base = sys.modules.get("sklearn.base")
    validation = sys.modules.get("sklearn.utils.validation")
    if base is not None and validation is not None and isinstance(value, base.BaseEstimator):
        try:
            validation.check_is_fitted(value)
        except Exception:  # NotFittedError, or whatever the estimator's own check raises
            return False
    return True


def _table(name: str, value: object, artifacts: ArtifactStore, keying: Keying) -> JsonObject:
    found = keying.fingerprint(value, name)
    key = next((column.key for column in found.columns if column.key is not None), None)
    said: JsonObject = {
        "kind": "table",
        "fingerprint": str(found),
        "rows": found.rows,
        "columns": len(found.columns),
        "document": artifacts.put(encode(found.to_json())),
    }
    return said | ({"key": key} if key is not None else {})


def _is_notable(value: object) -> bool:
    try:
        return is_table(value) or is_model(value) or why_unread(value) is not None
    except Exception:  # a value's own code runs when it is looked at
        return False


def _is_flat(value: object) -> bool:
    """Arrays of other than one or two dimensions are values: a table has rows and columns."""
    dimensions: Any = getattr(value, "ndim", 2)
    return dimensions in (1, 2)


def _quiet(value: object, name: str) -> object:
    try:
        return getattr(value, name, None)
    except Exception:  # a property may raise anything
        return None


def _short(text: str) -> str:
    clean = " ".join(storable(text).split())
    return clean if len(clean) <= MOST_NOTE else clean[: MOST_NOTE - 3] + "..."
