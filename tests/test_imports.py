"""Tests of what is imported when: heavy libraries load inside the commands that need them, and nowhere else."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.command_line import a_lender, clean_environment

HEAVY = ("pandas", "sklearn", "fairlearn", "weasyprint", "skops")

LOOK = """
import json, sys
import affidavit
found = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["affidavit", *arguments]
    try:
        affidavit.main()
        status = 0
    except SystemExit as ended:
        status = ended.code or 0
    found.append([status, sorted(sys.modules)])
json.dump(found, open("modules.json", "w"))
"""

READING = [
    ("log",), ("verify",), ("show", "loans@1"), ("gate", "loans@1", "--stage", "production"), ("key", "list"),
    ("checkpoint",), ("lineage", "loans@1"), ("policy", "list"), ("compare", "loans@1", "loans@1"),
    ("export", "loans@1", "-o", "evidence.zip"), ("verify", "evidence.zip"), ("drill",), ("anchor", "list"),
]  # fmt: skip


def modules_after(folder: Path, *commands: tuple[str, ...]) -> list[set[str]]:
    """Run commands one after the other in a process of their own; return what was imported by the end of each."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOOK, json.dumps(commands)],
        cwd=folder, env=clean_environment(), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    found = json.loads((folder / "modules.json").read_text())
    assert [status for status, _ in found] == [0] * len(commands), done.stderr
    return [set(modules) for _, modules in found]


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("key", "--help"), ("--version",)])
def test_help_imports_no_library_but_click(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    heavy = {*HEAVY, "sqlalchemy", "pyarrow", "numpy", "pydantic", "yaml", "cryptography", "jinja2", "rich"}
    [modules] = modules_after(tmp_path, arguments)
    assert modules & heavy == set()


def test_no_command_that_reads_a_ledger_or_evidence_imports_what_holds_tables_or_models(
    tmp_path: Path,
) -> None:
    here = a_lender(tmp_path / "lender")
    after = modules_after(here.path, *READING)
    heavy = {*HEAVY, "numpy", "pyarrow"}
    assert {
        command: found for command, one in zip(READING, after, strict=True) if (found := one & heavy)
    } == {}


@pytest.mark.parametrize(
    ("module", "not_imported"),
    [
        ("affidavit", (*HEAVY, "sqlalchemy", "click", "numpy")),
        ("audit.verify", (*HEAVY, "numpy", "pydantic", "registry", "reports")),
        ("registry.registry", (*HEAVY, "numpy", "pyarrow", "sqlalchemy.dialects.postgresql")),
        ("registry.rerun", (*HEAVY, "sqlalchemy")),
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
        "load_model",
        "main",
        "open_ledger",
        "record",
        "sql_source",
    ]
    assert dir(affidavit) == sorted(affidavit.__all__)
    assert all(getattr(affidavit, name) is not None for name in affidavit.__all__)


def test_a_name_that_the_face_does_not_offer_is_an_attribute_error() -> None:
    import affidavit

    name = "Pipelines"
    with pytest.raises(AttributeError, match="no attribute 'Pipelines'"):
        getattr(affidavit, name)


@pytest.mark.parametrize("package", ["affidavit", "audit", "registry", "reports"])
def test_type_checkers_read_the_types_of_what_is_installed(package: str) -> None:
    found = find_spec(package)
    assert found is not None
    # PEP 561: only a package can carry the mark, a single module cannot.
    assert (Path(str(found.origin)).parent / "py.typed").is_file()
