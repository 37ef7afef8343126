"""Tests of what is imported when: heavy libraries load inside the commands that need them, and nowhere else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import a_lender, clean_environment

HEAVY = ("pandas", "sklearn", "fairlearn", "weasyprint", "skops")

LOOK = """
import json, sys
sys.argv = ["affidavit", *sys.argv[1:]]
import affidavit
try:
    affidavit.main()
except SystemExit as ended:
    status = ended.code
sys.stdout = sys.stderr
json.dump({"status": status or 0, "modules": sorted(sys.modules)}, open("modules.json", "w"))
"""


def modules_after(folder: Path, *arguments: str) -> set[str]:
    """Run a command in a process of its own and return what it imported."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOOK, *arguments],
        cwd=folder, env=clean_environment(), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found = json.loads((folder / "modules.json").read_text())
    assert found["status"] == 0, done.stderr
    return set(found["modules"])


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("key", "--help"), ("--version",)])
def test_help_imports_no_library_but_click(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    heavy = {*HEAVY, "sqlalchemy", "pyarrow", "numpy", "pydantic", "yaml", "cryptography", "jinja2", "rich"}
    assert modules_after(tmp_path, *arguments) & heavy == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ("log",), ("verify",), ("show", "loans@1"), ("gate", "loans@1", "--stage", "production"), ("key", "list"),
        ("checkpoint",), ("lineage", "loans@1"), ("policy", "list"), ("compare", "loans@1", "loans@1"),
        ("export", "loans@1", "-o", "evidence.zip"), ("drill",), ("anchor", "list"),
    ],
)  # fmt: skip
def test_reading_a_ledger_imports_no_machine_learning(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    here = a_lender(tmp_path / "lender")
    assert modules_after(here.path, *arguments) & set(HEAVY) == set()


def test_verifying_evidence_imports_no_machine_learning(tmp_path: Path) -> None:
    here = a_lender(tmp_path / "lender")
    here.text("export", "loans@1", "-o", "evidence.zip")
    assert modules_after(here.path, "verify", "evidence.zip") & set(HEAVY) == set()


@pytest.mark.parametrize(
    ("module", "not_imported"),
    [
        ("affidavit", (*HEAVY, "sqlalchemy", "click", "numpy")),
        ("audit.verify", (*HEAVY, "numpy", "pydantic", "registry", "reports")),
        ("registry.registry", HEAVY),
        ("reports.cli", (*HEAVY, "sqlalchemy")),
    ],
)
def test_importing_a_module_does_not_import_what_it_may_not_need(
    module: str, not_imported: tuple[str, ...]
) -> None:
    look = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", look], capture_output=True, text=True, check=True, timeout=120
    )
    assert set(done.stdout.split()) & set(not_imported) == set()


def test_the_face_offers_its_names_and_no_others() -> None:
    import affidavit

    assert affidavit.__all__ == [
        "Pipeline",
        "Private",
        "__version__",
        "fingerprint",
        "fingerprint_dask",
        "fingerprint_spark",
        "main",
        "open_ledger",
        "record",
        "sql_source",
    ]
    assert dir(affidavit) == sorted(affidavit.__all__)
    assert all(getattr(affidavit, name) is not None for name in affidavit.__all__)


def test_a_name_that_the_face_does_not_offer_is_an_attribute_error() -> None:
    import affidavit

    with pytest.raises(AttributeError, match="no attribute 'Pipelines'"):
        _ = affidavit.Pipelines
