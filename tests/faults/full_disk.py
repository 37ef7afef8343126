"""A disk that is really full: a small file system in memory, filled up to fewer and fewer free blocks.

python -m tests.faults.full_disk FOLDER [STEP]

Runs in a mount namespace of its own (`unshare`), so that the file system goes away with the process, whatever ends it.
Prints a line for each number of free blocks: what came of an append, after which the disk has room again, the ledger
verifies and the next append works.
"""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

from audit.errors import AffidavitError
from tests.faults.scenes import SCENES

__all__ = ["command", "main", "why_not"]

SIZE = 1 << 20
ENOUGH = 3
"""So many appends that succeed one after the other end the table: there is room."""


def command(folder: Path, step: int = 1) -> list[str]:
    """Give the command that runs this file in a namespace of its own."""
    return [
        *("unshare", "--map-root-user", "--mount", "--", sys.executable, "-m", "tests.faults.full_disk"),
        *(str(folder), str(step)),
    ]


def why_not() -> str | None:
    """Say why no file system can be mounted here, or None where it can."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    tried = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "--", "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"no file system can be mounted here: {tried.stderr.strip()}" if tried.returncode else None


def main(place: Path, step: int) -> None:
    """Append with 0, `step`, 2 * `step`, ... free blocks, until there is room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)], check=True)
    scene, folder, ballast = SCENES["append"], place / "ledger", place / "ballast"
    template = Path(f"{place}-template")
    template.mkdir()
    scene.prepare(template)
    free, succeeded = 0, 0
    while succeeded < ENOUGH:
        shutil.copytree(template, folder)
        _fill(ballast, free)
        said = _act(folder)
        ballast.unlink()
        outcome = scene.judge(folder, said)
        print(f"full disk {f'{free} blocks free':<46} {'ENOSPC':<20} {outcome}", flush=True)
        succeeded = succeeded + 1 if outcome.startswith("acknowledged") else 0
        shutil.rmtree(folder)
        free += step


def _act(folder: Path) -> list[list[object]]:
    said: list[list[object]] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            SCENES["append"].act(folder, lambda *word: said.append(list(word)))
        return said + [["warned", str(warning.message)] for warning in caught]
    except AffidavitError as error:
        return [*said, ["refused", type(error).__name__, str(error)]]


def _fill(ballast: Path, free: int) -> None:
    with ballast.open("wb") as file:
        disk = os.fstatvfs(file.fileno())
        file.write(bytes((disk.f_bfree - free) * disk.f_bsize))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
