"""The portable verifier as tests use it: in this process, for speed, loaded from its file and not as a module."""

import importlib.util
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["PORTABLE", "answer", "load", "said_by"]

PORTABLE = Path(str(files("audit"))) / "portable"


def load() -> ModuleType:
    """Load the file anew."""
    spec = importlib.util.spec_from_file_location("portable_verifier", PORTABLE / "verify_affidavit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VERIFIER = load()


def said_by(*arguments: object) -> tuple[int, str, str]:
    """Call it with a command line; return the exit status and what it says on both streams."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = VERIFIER.main([str(argument) for argument in arguments])
    return status, out.getvalue(), err.getvalue()


def answer(*arguments: object) -> dict[str, Any]:
    """Return its JSON document."""
    status, out, err = said_by(*arguments, "--json")
    assert status in (0, 1), err
    document: dict[str, Any] = json.loads(out)
    assert document["verified"] == (status == 0)
    return document
