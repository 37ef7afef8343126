"""Digests of a run's data that are no column's, put under the ledger's key where the run keys columns.

A bare digest of a file lets whoever knows all of it but one cell try that cell out, also where the columns that were
read from it are keyed. So does a bare digest of a value.

Rules:

- In a run that keys columns everything else is keyed that is digested of its data, since nobody can tell what of it is
  about people: source files, the etags of objects (many stores' is the MD5 of the bytes), and values that are no
  tables. A model is what the run is for, and stands by its bare digest.
- What is keyed may be known only at the end of a run (`record()` is told by `evaluate`), so that it is settled there. A
  run that failed may not have come to say it: with a key at hand it is taken to be one that keys columns.
- A keyed digest is HMAC-SHA256 over the bare one, under a key of its own for files, etags and each value's name
  (`registry.fingerprint_key`). It never stands where a bare one would: `sha256` and `etag` are null.
- The size goes with the digest: `male` and `female` differ by two bytes.
- A parameter that has the very name of a keyed column is withheld, unless it names a file or another origin, and so is
  what a parameter holds under such a name, at any depth.

A source then says `"sha256": null, "bytes": null, "hmac_sha256", "key"`, an object's version `"etag": null, "bytes":
null, "etag_hmac_sha256", "key"`, a value `"fingerprint": "affidavit-value-keyed-v1:hmac-sha256:..."` and `"key"`.

>>> key = FingerprintKey(bytes(32))
>>> source = keyed_source({"uri": "people.csv", "sha256": "ab" * 32, "bytes": 9}, key)
>>> source["sha256"], source["key"] == key.id
(None, True)
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from audit.canonical import Json, JsonObject
from registry.fingerprint_key import FingerprintKey
from registry.keying import Keying
from registry.model_state import VALUE_SCHEME
from registry.protected_names import is_same_name
from registry.recorded import parts_of_step
from registry.recorded_sources import hmac_of
from registry.recorded_values import shown

__all__ = ["KEYED_VALUE_SCHEME", "is_bare_value", "key_digests", "keyed_source"]

KEYED_VALUE_SCHEME: Final = "affidavit-value-keyed-v1"


def key_digests(
    keying: Keying, steps: Sequence[JsonObject], sources: Sequence[JsonObject], origins: Sequence[JsonObject]
) -> None:
    """Put the digests of a run under its key, in place; nothing where it has none."""
    key = keying.key
    if key is None:
        return
    for source in sources:
        source |= keyed_source(source, key)
    for origin in origins:
        if isinstance(version := origin.get("version"), dict):
            origin["version"] = _keyed_version(version, key)
    places = {(row["step"], row["parameter"]) for row in (*sources, *origins)}
    for step in steps:
        for part in (*parts_of_step(step, "inputs"), *parts_of_step(step)):
            if is_bare_value(part):
                part |= _keyed_value(part, key)
        _withhold(keying.names, step, {name for place, name in places if place == step["name"]})


def keyed_source(source: JsonObject, key: FingerprintKey) -> JsonObject:
    """Return what a run says of a file in place of its digest and size."""
    keyed = hmac_of(key.of_sources(), str(source["sha256"]))
    return source | {"sha256": None, "bytes": None, "hmac_sha256": keyed, "key": key.id}


def is_bare_value(part: Mapping[str, object]) -> bool:
    """Say whether a part is a value by its bare digest."""
    return str(part.get("fingerprint")).startswith(f"{VALUE_SCHEME}:")


def _keyed_value(part: JsonObject, key: FingerprintKey) -> JsonObject:
    keyed = hmac_of(key.of_value(str(part["name"])), str(part["fingerprint"]))
    return {"fingerprint": f"{KEYED_VALUE_SCHEME}:hmac-sha256:{keyed}", "key": key.id}


def _keyed_version(version: JsonObject, key: FingerprintKey) -> JsonObject:
    etag = version.get("etag")
    keyed = (
        {"etag_hmac_sha256": hmac_of(key.of_etags(), str(etag)), "key": key.id} if etag is not None else {}
    )
    return version | {"etag": None, "bytes": None, **keyed}


def _withhold(names: Iterable[str], step: JsonObject, places: Iterable[Json]) -> None:
    """Withhold what the parameters of a step say under the name of a keyed column."""
    parameters = cast(JsonObject, step["parameters"])
    columns, files = tuple(names), set(places)
    for name, value in parameters.items():
        parameters[name] = _within(value, columns) if name in files else _under(name, value, columns)


def _under(name: Json, value: Json, columns: Sequence[str]) -> Json:
    """Return what a run says of a value that has a name: that it was withheld, where a keyed column is called so."""
    is_said = value is None or (isinstance(value, dict) and bool({"hmac", "withheld"} & value.keys()))
    if not is_said and any(is_same_name(shown(name), column) for column in columns):
        return {"withheld": True}
    return _within(value, columns)


def _within(value: Json, columns: Sequence[str]) -> Json:
    """Return a recorded value without what its mappings hold under the name of a keyed column, however deep."""
    match value:
        case list():
            return [_within(item, columns) for item in value]
        case {"tuple": list(several)}:
            return {"tuple": [_within(item, columns) for item in several]}
        case {"mapping": dict(named)}:
            return {"mapping": {name: _under(name, item, columns) for name, item in named.items()}}
        case {"pairs": list(pairs)}:
            held = [cast(list[Json], pair) for pair in pairs]
            return {"pairs": [[name, _under(name, item, columns)] for name, item in held]}
    return value
