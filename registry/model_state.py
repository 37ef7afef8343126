"""Fingerprints of what a model learned: the same for the same state, another for any change (`affidavit-model-v1`).

A stored model file differs from save to save (skops writes object ids and times), so its digest says nothing about
two trainings being alike. This digest does. It walks the state that pickling would store, without pickling it.

The scheme: every value is SHA-256(tag | length-prefixed parts), where the parts of a container are the digests of
what it holds.

- Numbers, text, bytes, None: by type and value. A NumPy scalar is the Python number it equals; every NaN is alike.
- Arrays: type, shape, and bytes in C order, little endian. A structured array goes field by field, because the
  padding between fields holds whatever was in memory.
- Sequences in order; sets and mappings in no order, since hash order differs between processes.
- Estimators: class path and attributes (parameters among them), but not the version of scikit-learn, which stands
  with the environment.
- Other objects: the class and state that `__reduce_ex__` gives, which covers Cython's trees and losses. Functions and
  classes by their qualified name.
- Not learned, so left out: measured durations (`refit_time_`, `mean_fit_time`, ...), how many threads the machine
  gave, counters of queries in k-d and ball trees, and layout checksums of Cython.
- Sharing is not state: two equal arrays and one array held twice are alike. A circle is a reference to how far up
  it closes.

What has no such state (a lock, an open file, a lambda) raises `MalformedInput` that names the type.

>>> fingerprint_value({"a": 1, "b": [2.0]}) == fingerprint_value({"b": [2.0], "a": 1})
True
"""

import hashlib
import re
import struct
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, cast

from audit.errors import MalformedInput
from registry.fingerprint import fingerprint

__all__ = ["MODEL_SCHEME", "VALUE_SCHEME", "class_path", "fingerprint_model", "fingerprint_value"]

MODEL_SCHEME = "affidavit-model-v1"
VALUE_SCHEME = "affidavit-value-v1"

_DURATIONS = re.compile(r"(?:mean|std)_(?:fit|score)_time")
"""Keys of a search's `cv_results_` that hold measured durations."""

_NOT_LEARNED = {
    "_sklearn_version": "",
    "refit_time_": "",
    "_n_threads": "sklearn.cluster.",
    "n_threads": "sklearn.ensemble._hist_gradient_boosting.binning.",
}
"""Attributes of estimators that are left out, and the start of the class path where they are."""

_QUERY_COUNTERS = slice(7, 11)
"""Places of n_trims, n_leaves, n_splits, n_calls in the state of sklearn.neighbors' binary trees."""

NOWHERE = 1 << 30
"""Deeper than any stack: the value closes no circle."""


def fingerprint_model(model: object) -> str:
    """Return `affidavit-model-v1:sha256:<hex>` of a fitted model, or raise `MalformedInput` if it has none."""
    return f"{MODEL_SCHEME}:sha256:{_digest(model)}"


def fingerprint_value(value: object) -> str:
    """Return `affidavit-value-v1:sha256:<hex>` of any value with a state, or raise `MalformedInput`."""
    return f"{VALUE_SCHEME}:sha256:{_digest(value)}"


def class_path(value: object) -> str:
    """Return module and qualified name of an object's class."""
    return f"{_module(_home(type(value)))}.{type(value).__qualname__}"


def _home(kind: type) -> str:
    """Name the module of a type; what older releases of Cython call a function's type has a descriptor there."""
    module: object = kind.__module__
    return module if isinstance(module, str) else "cython"


def _module(name: str) -> str:
    """Name the file that was run as a script as `import` would, so that both ways to run it say the same."""
    if name == "__main__":
        return Path(getattr(sys.modules[name], "__file__", None) or name).stem
    return name.removeprefix("affidavit_target_")


def _digest(value: object) -> str:
    try:
        return _Walk().visit(value).hex()
    except RecursionError:
        raise MalformedInput(
            f"an object of the type {class_path(value)} cannot be fingerprinted: it is nested too deeply"
        ) from None


def _hash(tag: str, *parts: bytes) -> bytes:
    found = hashlib.sha256()
    for part in (tag.encode(), *parts):
        found.update(struct.pack("<Q", len(part)))
        found.update(part)
    return found.digest()


class _Walk:
    """One walk over one object. Temporaries are kept until its end, so that an id never means two objects."""

    def __init__(self) -> None:
        self._path: dict[int, int] = {}
        self._done: dict[int, bytes] = {}
        self._kept: list[object] = []
        self._lowest = NOWHERE

    def visit(self, value: object) -> bytes:
        """Return the digest of a value."""
        plain = _plain(value)
        if plain is not None:
            return plain
        identity = id(value)
        if identity in self._done:
            return self._done[identity]
        depth = len(self._path)
        if identity in self._path:
            self._lowest = min(self._lowest, self._path[identity])
            return _hash("circle", str(depth - self._path[identity]).encode())
        outer, self._lowest = self._lowest, NOWHERE
        self._path[identity] = depth
        self._kept.append(value)
        found = self._compound(value)
        del self._path[identity]
        # What refers to something above it reads differently from elsewhere, so only the rest is remembered.
        if self._lowest >= depth:
            self._done[identity] = found
            self._lowest = NOWHERE
        self._lowest = min(outer, self._lowest)
        return found

    def _compound(self, value: object) -> bytes:
        kind = type(value)
        if kind is list or kind is tuple:
            return _hash(kind.__name__, *map(self.visit, cast(Sequence[object], value)))
        if kind is set or kind is frozenset:
            return _hash(kind.__name__, *sorted(map(self.visit, cast(AbstractSet[object], value))))
        if kind is dict:
            return self._mapping("dict", cast(Mapping[object, object], value))
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            return _hash("name", _qualified(value))
        library = _home(kind).partition(".")[0]
        if library == "numpy":
            found = self._numpy(value)
            if found is not None:
                return found
        if library == "pandas" and kind.__name__ in ("DataFrame", "Series"):
            return self._pandas(value)
        if library == "pandas" and hasattr(value, "to_numpy"):
            return _hash("index", class_path(value).encode(), self.visit(cast(Any, value).to_numpy()))
        return self._object(value)

    def _mapping(self, tag: str, value: Mapping[object, object]) -> bytes:
        return _hash(tag, *sorted(self.visit(key) + self.visit(item) for key, item in value.items()))

    def _numpy(self, value: object) -> bytes | None:
        import numpy

        if isinstance(value, numpy.ma.MaskedArray):
            mask = numpy.ma.getmaskarray(value)
            return _hash("masked", self._array(value.filled()), self._array(mask))
        if isinstance(value, numpy.ndarray):
            return self._array(value)
        if isinstance(value, numpy.generic):
            return self._array(numpy.asarray(value))
        if isinstance(value, numpy.dtype):
            return _hash("dtype", repr(value.newbyteorder("<")).encode())
        if isinstance(value, numpy.ufunc):
            return _hash("ufunc", value.__name__.encode())
        if isinstance(value, numpy.random.RandomState):
            return _hash("random", self.visit(value.get_state(legacy=False)))
        if isinstance(value, numpy.random.Generator):
            return _hash("random", self.visit(value.bit_generator.state))
        return None

    def _array(self, array: Any) -> bytes:
        import numpy

        plain = numpy.asarray(array)
        shape = ",".join(map(str, plain.shape)).encode()
        if plain.dtype.names is not None:
            fields = [self.visit(name) + self._array(plain[name]) for name in plain.dtype.names]
            return _hash("record", shape, *fields)
        if plain.dtype.kind in "OT":
            return _hash("objects", shape, *map(self.visit, plain.ravel().tolist()))
        if plain.dtype.kind == "V":
            raise MalformedInput("an array of raw memory cannot be fingerprinted")
        little = numpy.ascontiguousarray(plain, dtype=plain.dtype.newbyteorder("<"))
        if little.dtype.kind == "f" and numpy.isnan(little).any():
            little = numpy.where(numpy.isnan(little), little.dtype.type("nan"), little).astype(little.dtype)
        return _hash("array", little.dtype.str.encode(), shape, little.tobytes())

    def _pandas(self, value: Any) -> bytes:
        index = self.visit(value.index.to_numpy())
        return _hash("table", class_path(value).encode(), str(fingerprint(value)).encode(), index)

    def _object(self, value: object) -> bytes:
        name = class_path(value).encode()
        if _is_estimator(value) and isinstance(held := cast(Any, value).__getstate__(), dict):
            state: dict[object, object] = {
                key: item
                for key, item in held.items()
                if key not in _NOT_LEARNED or not class_path(value).startswith(_NOT_LEARNED[key])
            }
            if isinstance(results := state.get("cv_results_"), dict):
                state["cv_results_"] = {key: results[key] for key in results if not _DURATIONS.fullmatch(key)}
            return _hash("estimator", name, self._mapping("dict", state))
        try:
            reduced = value.__reduce_ex__(4)
        except RecursionError:
            raise
        except Exception as error:  # a class says in its own way that it cannot be pickled
            raise MalformedInput(
                f"an object of the type {name.decode()} cannot be fingerprinted: it has no state that can be read"
            ) from error
        if isinstance(reduced, str):
            return _hash("global", name, reduced.encode())
        self._kept.append(reduced)
        return _hash("object", name, *self._reduced(value, reduced))

    def _reduced(self, value: object, reduced: tuple[Any, ...]) -> Iterable[bytes]:
        padded: tuple[Any, ...] = (*reduced, None, None, None, None)
        maker, arguments, state, items, pairs = padded[:5]
        if getattr(maker, "__name__", "").startswith("__pyx_unpickle"):
            # The second argument is a checksum of the C layout, which is the build's and not the model's.
            arguments = (arguments[0], *arguments[2:])
        if type(value).__module__ in ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree"):
            state = (*state[: _QUERY_COUNTERS.start], *state[_QUERY_COUNTERS.stop :])
        yield self.visit(maker)
        yield self.visit(arguments)
        # An empty state and none at all mean the same, and savers differ in which of them they write.
        yield self.visit(state or None) if isinstance(state, dict | tuple) else self.visit(state)
        yield _hash("items", *map(self.visit, items or ()))
        yield self._mapping("dict", dict(pairs or ()))


def _plain(value: object) -> bytes | None:
    """Return the digest of a value that holds no other, or None for the rest."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "shape", None) == ():
        item = cast(Any, value).item()
        value = item if type(item) in (bool, int, float, complex, str, bytes) else value
    kind = type(value)
    if value is None or value is Ellipsis or value is NotImplemented or kind is bool:
        return _hash("constant", repr(value).encode())
    if kind is int:
        return _hash("int", str(value).encode())
    if kind is float:
        return _hash("float", struct.pack("<d", value if value == value else float("nan")))
    if kind is complex:
        number = cast(complex, value)
        return _hash("complex", struct.pack("<dd", number.real, number.imag))
    if kind is str:
        return _hash("text", cast(str, value).encode("utf-8", "surrogatepass"))
    if kind is bytes or kind is bytearray:
        return _hash(kind.__name__, bytes(cast(bytes, value)))
    return None


def _qualified(value: type | types.FunctionType | types.BuiltinFunctionType) -> bytes:
    name = value.__qualname__
    if "<lambda>" in name or "<locals>" in name:
        raise MalformedInput(
            f"the function {name} cannot be fingerprinted: define it at the top of a module, where its name finds it"
        )
    # A built-in method is named by its object; a function by its module.
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType | type):
        raise MalformedInput(f"the bound method {name} cannot be fingerprinted")
    return f"{_module(value.__module__)}.{name}".encode()


def _is_estimator(value: object) -> bool:
    return hasattr(type(value), "get_params") and hasattr(type(value), "_get_param_names")
