"""A small registry for tests: real keys, real ledger, and runs that cost nothing to make."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from audit.canonical import JsonObject, decimal
from registry.founding import Founding, create_home
from registry.home import FOLDER, Home
from registry.registry import Registry
from registry.run_recorder import RunResult

PEOPLE = {"scientist": "recorder", "validator": "validator", "approver": "approver"}


def new_registry(folder: Path) -> Registry:
    """Copy a ledger with an admin, a scientist, a validator and an approver: it is made once for a process."""
    shutil.copytree(_template() / FOLDER, folder / FOLDER)
    return Registry(Home(folder / FOLDER))


def made_registry(folder: Path) -> Registry:
    """Make such a ledger anew."""
    home = create_home(folder, Founding("test.example/models", "admin", "Ilse", ("admin",)), lambda _: b"")
    registry = Registry(home)
    for name, role in PEOPLE.items():
        public = registry.keys.create(name, b"").public
        registry.ledger.grant(name, public, (role,), f"{name} person", by=registry.signer("admin"))
    return registry


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="affidavit-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made_registry(folder).ledger.close()
    return folder


def run_result(
    registry: Registry, model: str = "credit", *, status: str = "succeeded", auc: float = 0.8
) -> RunResult:
    """Say a run that meets the baseline policy; `auc` makes one differ from another."""
    stored = registry.artifacts.put(f"model {auc}".encode())
    packages = registry.artifacts.put(b"numpy==2\n")
    table = f"affidavit-table-v1:sha256:{'1' * 64}"
    part: JsonObject = {
        "name": "load",
        "kind": "table",
        "fingerprint": table,
        "rows": 300,
        "columns": 2,
        "document": None,
    }
    predicate: JsonObject = {
        "model": model,
        "status": status,
        "failure": None if status == "succeeded" else {"step": "load", "error": "ValueError"},
        "started": "2026-01-01T00:00:00.000000Z",
        "duration_s": "0.1",
        "how": "pipeline",
        "code": {
            "commit": "a" * 40,
            "branch": "main",
            "remote": None,
            "dirty": False,
            "patch": None,
            "untracked": 0,
            "target": "credit.py:credit",
            "source": None,
        },
        "environment": {
            "python": "3.11.7",
            "implementation": "CPython",
            "platform": "Linux",
            "machine": "x86_64",
            "cpu_count": 2,
            "variables": {},
            "packages": {"count": 1, "artifact": packages},
        },
        "steps": [
            {
                "name": "load",
                "kind": "step",
                "source": None,
                "status": status,
                "parameters": {"seed": 7},
                "seed": 7,
                "duration_s": "0.1",
                "after": [],
                "inputs": [],
                "outputs": [part],
            }
        ],
        "sources": [],
        "evaluation": _evaluation(auc),
        "model_file": {
            "format": "skops",
            "sha256": stored,
            "bytes": 9,
            "fingerprint": f"affidavit-model-v1:sha256:{stored}",
            "class": "sklearn.linear_model.LogisticRegression",
            "features": ["income"],
        },
    }
    return RunResult(predicate, ((f"{model}.skops", stored),), None)


def _evaluation(auc: float) -> JsonObject:
    def figure(name: str, value: float) -> JsonObject:
        low, high = decimal(round(value - 0.05, 6)), decimal(round(value + 0.05, 6))
        return {"name": name, "value": decimal(value), "low": low, "high": high, "n": 300, "note": None}

    return {
        "n": 300,
        "task": "binary classification",
        "positive": "1",
        "labels": ["0", "1"],
        "confidence": "0.95",
        "replicates": 2000,
        "seed": 0,
        "method": "Wilson score",
        "metrics": [figure("accuracy", 0.9), figure("roc_auc", auc)],
        "bias": [],
        "artifact": None,
    }
