"""The files that the steps of a run read, as its sources: name, digest and size.

Rules:

- Every text or path among the parameters that names a file is a source, unless the parameter is withheld.
- A file is named from the working directory; one outside it by its name alone, which tells nothing of the machine.

A run says `"sources": [{"step", "parameter", "uri", "sha256", "bytes"}]`; in one that keys columns digest and size are
null, and a keyed digest stands beside them (`registry.keyed_digests`).
"""

from contextlib import suppress
from pathlib import Path

from audit.canonical import JsonObject, storable
from registry.artifacts import digest_of_file
from registry.recorded_values import to_json

__all__ = ["SourceFiles", "short_name"]


class SourceFiles:
    """Collects the source files of one run."""

    def __init__(self) -> None:
        self.found: list[JsonObject] = []
        self._paths: dict[tuple[str, str], Path] = {}

    def find(self, step: str, name: str, value: object) -> None:
        """Record the file that a parameter names, if it names one."""
        if not isinstance(value, str | Path) or to_json(name, value) == {"withheld": True}:
            return
        path = _file_named(value)
        if path is not None:
            self.add(step, name, path)

    def add(self, step: str, parameter: str, path: Path) -> None:
        """Record a file that a step reads."""
        digest, size = digest_of_file(path)
        uri = storable(short_name(path))
        self._paths[step, uri] = path
        self.found.append({"step": step, "parameter": parameter, "uri": uri, "sha256": digest, "bytes": size})

    def of_step(self, step: str) -> dict[str, Path]:
        """Return the paths of the files that a step reads, by their names."""
        return {uri: path for (name, uri), path in self._paths.items() if name == step}


def short_name(path: Path) -> str:
    """Name a file from the working directory; one outside it by its name alone, which tells nothing of the machine."""
    whole, here = path.resolve(), Path.cwd()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.name


def _file_named(value: str | Path) -> Path | None:
    with suppress(OSError, ValueError):  # too long a name, or a NUL in it, names no file
        path = Path(value)
        if str(value) and path.is_file():
            return path
    return None
