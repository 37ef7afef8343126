"""The code of steps as a run kept it: the source of functions, the text of queries.

>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     store = ArtifactStore(Path(folder))
...     run = {"steps": [{"name": "cleaned", "source": store.put(b"def cleaned(applications): ...")}]}
...     code_of(run, ["cleaned"], store)
{'cleaned': 'def cleaned(applications): ...'}
"""

from collections.abc import Collection, Mapping

from audit.canonical import Json, JsonObject
from audit.errors import NotFound
from registry.artifacts import ArtifactStore
from registry.recorded import steps_of

__all__ = ["code_of"]


def code_of(run: Mapping[str, Json], steps: Collection[str], artifacts: ArtifactStore) -> dict[str, str]:
    """Read the kept code of steps by name; one whose code was not kept, or is lost, is left out.

    Raises `NotVerified` where what is kept is not what was recorded.
    """
    found: dict[str, str] = {}
    for step in steps_of(run):
        name, digest = str(step["name"]), _digest(step)
        if name in steps and digest is not None:
            try:
                found[name] = artifacts.get(digest).decode("utf-8", "replace")
            except NotFound:
                continue
    return found


def _digest(step: JsonObject) -> str | None:
    """Name what tells most of a step: its query, else the source of its function."""
    query = step.get("query")
    digest = query.get("artifact") if isinstance(query, dict) else step.get("source")
    return digest if isinstance(digest, str) else None
