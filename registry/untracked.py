"""The untracked Python files beside a run: which went into the ledger with its patch, and which were left out.

Rules:

- An untracked ``.py`` file goes into the patch, since the run may have used it; one that git ignores does not.
- One that is named like a secret or looks as if it holds one (`registry.secrets_in_code`) is left out, but for the file
  that declares the run: that is the code that ran, and it is kept as its source whatever is in it.
- Both are said: in the run's statement (`untracked_python`), when the run is recorded, and by a reproduction that does
  not come out.

>>> Untracked(kept=("more.py",)).to_json()["kept"]
1
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from audit.canonical import Json, JsonObject, storable
from registry.secrets_in_code import holds_a_secret

__all__ = ["Untracked", "lacking", "only_left_out", "sorted_out", "told"]

MOST_NAMED = 20
"""Names in a statement: a record has little room, and the patch holds them all."""
MOST_READ = 5_000_000
"""Bytes of a file that are looked at; a patch with a larger one is not kept."""


@dataclass(frozen=True, slots=True)
class Untracked:
    """Untracked Python files by their paths from the top of the repository; `open_secret` is the declaring file's."""

    kept: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    open_secret: str | None = None

    def to_json(self) -> JsonObject:
        """Write what a run's statement says of them."""
        return {
            "kept": len(self.kept),
            "names": _named(self.kept),
            "left_out": len(self.left_out),
            "left_out_names": _named(self.left_out),
            "open_secret": None if self.open_secret is None else storable(self.open_secret),
        }


def sorted_out(
    top: Path, paths: Sequence[str], declaring: str | None, is_named_like_one: Callable[[str], bool]
) -> Untracked:
    """Tell which untracked Python files may go into the patch; `declaring` is the file that declares the run."""
    secret = {path for path in paths if is_named_like_one(path) or _holds_a_secret(top / path)}
    left_out = tuple(path for path in paths if path in secret and path != declaring)
    kept = tuple(path for path in paths if path not in left_out)
    open_secret = declaring if declaring is not None and _holds_a_secret(top / declaring) else None
    return Untracked(kept, left_out, open_secret)


def told(run: Mapping[str, Json]) -> Iterator[str]:
    """Say in sentences what a recorded run kept of untracked files and what it left out."""
    said = _said(run)
    if count := cast(int, said.get("kept", 0)):
        files, go = ("file", "is") if count == 1 else ("files", "are")
        yield (
            f"{count} untracked .py {files} {go} in the ledger's artifacts now, in the run's patch: "
            f"{_listed(said['names'], count)} (what .gitignore names stays out)"
        )
    if count := cast(int, said.get("left_out", 0)):
        looks, it = ("looks", "it") if count == 1 else ("look", "them")
        yield (
            f"{_listed(said['left_out_names'], count)} {looks} as if with a secret, and the run's patch is without "
            f"{it}: a reproduction that needs {it} cannot run"
        )
    if said.get("open_secret"):
        yield (
            f"{said['open_secret']} looks as if it holds a secret, and is kept in the ledger's artifacts all the same, "
            "since it declares the run: read secrets from the environment, and change this one"
        )


def lacking(run: Mapping[str, Json]) -> str:
    """Say, for a reproduction that did not come out, what the patch is without; empty where that is nothing."""
    said = _said(run)
    count = cast(int, said.get("left_out", 0))
    if not count:
        return ""
    return f"the recorded patch is without {_listed(said['left_out_names'], count)}, left out as if with a secret"


def only_left_out(run: Mapping[str, Json]) -> bool:
    """Tell whether all that differed from the commit was files that were left out: then there is no patch."""
    code, said = run.get("code"), _said(run)
    nothing_else = isinstance(code, dict) and code.get("changed") == 0 and code.get("patch") is None
    return nothing_else and said.get("kept") == 0 and said.get("left_out") != 0


def _said(run: Mapping[str, Json]) -> JsonObject:
    code = run.get("code")
    said = code.get("untracked_python") if isinstance(code, dict) else None
    return said if isinstance(said, dict) else {}


def _named(paths: Sequence[str]) -> list[Json]:
    return [storable(path) for path in paths[:MOST_NAMED]]


def _listed(names: Json, count: int) -> str:
    shown = cast(list[str], names)
    return ", ".join(shown) + (f" and {count - len(shown)} more" if count > len(shown) else "")


def _holds_a_secret(path: Path) -> bool:
    """Look into a file; one that cannot be read cannot go into a patch either."""
    try:
        with path.open("rb") as file:
            return holds_a_secret(file.read(MOST_READ).decode("utf-8", "replace"))
    except OSError:
        return False
