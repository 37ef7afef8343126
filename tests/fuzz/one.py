"""Runs one target under atheris: `python -m tests.fuzz.one TARGET CORPUS [OPTION...]`, started by `tests.fuzz`."""

import sys
from importlib import import_module
from typing import Any


def main() -> None:
    """Instrument what is imported from here on, and fuzz."""
    # Not in the lock, since it has no wheel for every interpreter that affidavit runs on.
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["audit", "registry"]):
        targets = import_module("tests.fuzz.targets").TARGETS
    target = targets[sys.argv.pop(1)]
    target.seeds()

    def feed(data: bytes) -> None:
        target.feed(data)

    atheris.Setup(sys.argv, feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
