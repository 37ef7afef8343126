"""Write the vectors: `python -m tests.vectors.make` makes the same bytes wherever it runs.

What each case answers is said by hand beside it, and not found out by running the code that it is for.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vectors import ed25519, evidence, formats, key_events, ledger, signed_texts, trees

__all__ = ["FOLDER", "MAKERS", "text_of"]

FOLDER = Path(__file__).parent
WARNING = "TEST VECTORS of affidavit. Their private keys are public: never trust a key that stands here."

MAKERS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    **formats.FILES,
    **signed_texts.FILES,
    **trees.FILES,
    **key_events.FILES,
    **ledger.FILES,
    **evidence.FILES,
    **ed25519.FILES,
}


def text_of(name: str) -> str:
    """Make the text of one file."""
    make = MAKERS[name]
    about = " ".join((make.__doc__ or "").split())
    cases = make()
    file = {"warning": WARNING, "about": about, "count": len(cases), "cases": cases}
    return json.dumps(file, indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    """Write every file."""
    for name in MAKERS:
        path = FOLDER / f"{name}.json"
        path.write_text(text_of(name))
        print(f"{path.name}: {json.loads(path.read_text())['count']} cases")


if __name__ == "__main__":
    main()
