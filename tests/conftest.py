import gc
import os

import pytest
from hypothesis import settings

from tests.kept_story import kept, template
from tests.postgres_ledger import databases, empty_database, own_server, shared_database, shared_ledger
from tests.published import PROPERTY
from tests.quick_place import quick_place
from tests.small_ledger import ledger, people
from tests.small_witness import witness

__all__ = [
    "databases", "empty_database", "kept", "ledger", "own_server", "people", "shared_database", "shared_ledger",
    "template", "witness",
]  # fmt: skip

# A machine that is busy is slow, and that is no failure.
settings.register_profile("affidavit", deadline=None)
settings.load_profile("affidavit")

# pandera has Arrow ignore zones from its import on, unless somebody decided: the tests' own tables must not depend on
# which test of this process came first. Theirs that are about it say so.
os.environ["PYARROW_IGNORE_TIMEZONE"] = ""

# The folders of the tests, unless somebody chose a place: every ledger in them is made durable, file by file.
if (place := quick_place()) is not None and "TMPDIR" not in os.environ:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", place)

LONG = [
    "test_demo.py",
    "test_docs.py",
    "test_reproduce.py",
    "test_evidence_agreement.py",
    "test_verify_ranges.py",
    "test_verify_tables.py",
    "test_portable_page.py",
    "test_faults.py",
    "test_pdf.py",
    "test_inbox.py",
    "test_readme.py",
    "test_model_state.py",
    "test_verify_file.py",
    "test_portable.py",
    "test_on_dask.py",
    "test_durability.py",
    "test_mortgage.py",
    "test_fairness.py",
    "test_bundle_about.py",
    "test_recording_together.py",
    "test_cells.py",
    "test_cli.py",
    "test_imports.py",
    "test_cli_errors.py",
    "test_dossier.py",
    "test_catalog.py",
    "test_polars_truth.py",
]
"""Files that take the longest, the longest first; some of them have few tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: one that came last would be waited for while the other processes are idle."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what was imported, which stays: a twelfth of all the time went there."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which published vectors were run, and how many of each."""
    sets = [
        str(value)
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", [])
        if name == PROPERTY
    ]
    if sets:
        terminalreporter.section(PROPERTY)
        for line in sorted(sets):
            terminalreporter.line(line)
