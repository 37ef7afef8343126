"""git, asked by subprocess: the one way in which it is run here.

Rules:

- A repository's hooks and monitors are other people's programs: asking a question never runs them.
- git answers in English, without a prompt, and about the folder that is named, also inside of a hook of another
  repository.

>>> git(Path(), "--version").stdout.startswith(b"git version")
True
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["git", "git_environment"]

_LOCAL: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    }
)
_SETTINGS: Final = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.quotePath=false")


def git(
    folder: Path, *arguments: str, given: bytes = b"", variables: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run git in a folder on what is `given` to it, whatever becomes of it; `OSError` where it cannot be run."""
    command = ["git", "-C", str(folder), *(part for value in _SETTINGS for part in ("-c", value)), *arguments]
    environment = git_environment() | dict(variables or {})
    return subprocess.run(command, input=given, capture_output=True, check=False, env=environment)


def git_environment() -> dict[str, str]:
    """Return the variables for asking git: in English, without a prompt, about the folder that is named."""
    # Inside a git hook these name the hook's repository, not the one that holds the folder.
    environment = {name: value for name, value in os.environ.items() if name not in _LOCAL}
    return environment | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
