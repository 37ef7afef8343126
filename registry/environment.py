"""The environment a run had: Python, platform, packages with versions, and a few variables by name.

Rules:

- Variables are recorded from a list of names that change results and hold no secret; all others stay out.
- Every installed package stands in one text artifact, `name==version` a line, sorted: what pip can read back.
- No host name, no user name, no path.

>>> describe_environment(store)["python"]                      # doctest: +SKIP
'3.11.7'
"""

import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib import metadata

from audit.canonical import Json, JsonObject, storable
from registry.artifacts import ArtifactStore

__all__ = ["VARIABLES", "describe_environment", "packages_text"]

VARIABLES = (
    "BLIS_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "LANG",
    "LC_ALL",
    "LC_NUMERIC",
    "LC_TIME",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONOPTIMIZE",
    "SOURCE_DATE_EPOCH",
    "TF_DETERMINISTIC_OPS",
    "TZ",
    "VECLIB_MAXIMUM_THREADS",
)
"""The variables that are recorded, if they are set."""

MOST_VALUE = 200


def describe_environment(artifacts: ArtifactStore, environ: Mapping[str, str] = os.environ) -> JsonObject:
    """Return the run predicate's `environment`; the list of packages goes to the artifact store."""
    text, count = packages_text(metadata.distributions())
    variables: dict[str, Json] = {
        name: storable(environ[name][:MOST_VALUE]) for name in VARIABLES if name in environ
    }
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "variables": variables,
        "packages": {"count": count, "artifact": artifacts.put(text.encode())},
    }


def packages_text(distributions: Iterable[metadata.Distribution]) -> tuple[str, int]:
    """Return one sorted line `name==version` per package (names as PEP 503 compares them), and their number."""
    found: dict[str, str] = {}
    for distribution in distributions:
        # Asked for once: the file is parsed anew for every question, also the one for the version.
        said = distribution.metadata
        # A folder that pip left behind half-removed has no name; Python imports the first of two equal names.
        name = said["Name"] if said else None
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), said["Version"])
    return "".join(sorted(f"{name}=={version}\n" for name, version in found.items())), len(found)
