"""The code a run used: the state of its repository, the file that declares it, and the source of every step.

Rules:

- Where there is no git, no repository or no commit, the fields are null and a note says why. What there is, and what
  differs from the commit, is the subject of `registry.working_tree`.
- The file that declares the run, and the source of each step, are kept as artifacts whatever git says.
- The working directory is recorded from the top of the repository (`folder`); one outside it is null.

Example::

    describe_code(Path.cwd(), artifacts, target="mortgage.py:mortgage", file=Path("mortgage.py"))["commit"]
"""

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path

from audit.canonical import JsonObject, storable
from registry.artifacts import ArtifactStore
from registry.working_tree import describe_tree, top_of

__all__ = ["describe_code", "keep_source"]


def describe_code(
    folder: Path, artifacts: ArtifactStore, *, target: str | None = None, file: Path | None = None
) -> JsonObject:
    """Return the run predicate's `code` for the repository that holds `folder`.

    `target` is what was asked to run and `file` the file that declares it, which is kept as an artifact.
    """
    described: JsonObject = {
        "commit": None,
        "branch": None,
        "remote": None,
        "dirty": None,
        "patch": None,
        "untracked": None,
        "target": target,
        "folder": None,
        "source": artifacts.put_file(file) if file is not None and file.is_file() else None,
    }
    top, why = top_of(folder)
    described["target"] = _relative(target, top or folder)
    described["folder"] = _working_folder(top or folder)
    return described | ({"note": why} if top is None else describe_tree(top, file, artifacts))


def keep_source(function: Callable[..., object], artifacts: ArtifactStore) -> str | None:
    """Keep the dedented source of a function and return its digest, or None where there is no source."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    return artifacts.put(storable(source).encode())


def _working_folder(top: Path) -> str | None:
    """Name the working directory from the top of the repository, so that relative paths can be followed again."""
    here, whole = Path.cwd(), top.resolve()
    return storable(here.relative_to(whole).as_posix()) if here.is_relative_to(whole) else None


def _relative(target: str | None, folder: Path) -> str | None:
    """Name a target's file from the top of the repository; one elsewhere by its name alone."""
    if target is None:
        return None
    path, colon, name = target, "", ""
    if not target.endswith(".py"):
        path, colon, name = target.rpartition(":")
    if not path.endswith(".py"):
        return storable(target)
    whole = Path(path).resolve()
    top = folder.resolve()
    short = whole.relative_to(top).as_posix() if whole.is_relative_to(top) else whole.name
    return storable(f"{short}{colon}{name}")
