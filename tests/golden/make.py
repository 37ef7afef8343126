"""Write the ledger that later versions must still verify: run once for each format, from the repository's root.

    python -m tests.golden.make tests/golden/v1

Keys are thrown away: nobody can write on in this ledger. The database and the artifacts are kept as they were written,
with the checkpoint and the log's key beside them.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from registry.home import FOLDER
from tests.story import tell

__all__ = ["make"]


def make(folder: Path) -> None:
    """Tell the story in a temporary place and keep what verification needs."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        registry = tell(Path(place))
        home, head = Path(place) / FOLDER, registry.ledger.head()
        (folder / "checkpoint").write_bytes(head.checkpoint)
        (folder / "log.vkey").write_text(f"{registry.ledger.trust().log}\n")
        shutil.copyfile(home / "ledger.db", folder / "ledger.db")
        shutil.copytree(home / "artifacts", folder / "artifacts")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
