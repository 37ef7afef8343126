"""Write the ledger that later versions must still verify: run once for each format, from the repository's root.

    python -m tests.golden.make tests/golden/v2

Keys are thrown away: nobody can write on in this ledger. The database and the artifacts are kept as they were written,
with a checkpoint and the log's first key beside them, and with a bundle about a version as evidence that travels.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from registry.home import FOLDER
from tests.story import tell

__all__ = ["make"]

_BOTH = ("--as", "admin", "--as", "second")
CHANGES = (
    ("key", "rotate", "validator", "--reason", "yearly rotation", "--as", "admin"),
    ("key", "rotate", "log", "--reason", "a new machine", "--as", "admin"),
    ("key", "create", "second"),
    ("key", "grant", "second", "--role", "admin", "--holder", "Ana Ruiz", "--as", "admin"),
    ("key", "threshold", "2", "--as", "admin"),
    ("key", "create", "guest"),
    ("key", "grant", "guest", "--role", "auditor", "--holder", "Guest", "--expires", "40", *_BOTH),
    ("erase", "auditor", "--reason", "asked for it", "--yes", *_BOTH),
)
"""What happens over time to keys and people, as commands: every kind of entry that the story does not have."""


def make(folder: Path) -> None:
    """Tell the story in a temporary place, let time pass, and keep what verification needs."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        registry = tell(Path(place))
        (folder / "log.vkey").write_text(f"{registry.ledger.trust().log}\n")
        for words in CHANGES:
            _affidavit(place, *words)
        _affidavit(place, "checkpoint", "-o", str(folder / "checkpoint"))
        _affidavit(place, "export", "credit@2", "-o", str(folder / "evidence.zip"))
        home = Path(place) / FOLDER
        shutil.copyfile(home / "ledger.db", folder / "ledger.db")
        shutil.copytree(home / "artifacts", folder / "artifacts")


def _affidavit(place: str, *words: str) -> None:
    """Run a command on the ledger, as a person would."""
    command = [sys.executable, "-m", "affidavit", "--ledger", place, *words]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
