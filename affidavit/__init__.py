"""affidavit: signed evidence for every model.

The names a user imports, and the command line (`python -m affidavit`)::

    from affidavit import Pipeline, record, load_model, fingerprint, open_ledger

Importing this module is quick: what a name needs is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.fingerprint import fingerprint
    from registry.loading import load_model
    from registry.on_dask import fingerprint_dask
    from registry.on_spark import fingerprint_spark
    from registry.origins import sql_source
    from registry.pipeline import Pipeline
    from registry.private import Private
    from registry.recording import record
    from registry.registry import open_ledger

__version__ = "0.1.0"
__all__ = [
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

_HOME_OF = {
    "Pipeline": "registry.pipeline",
    "Private": "registry.private",
    "fingerprint": "registry.fingerprint",
    "fingerprint_dask": "registry.on_dask",
    "fingerprint_spark": "registry.on_spark",
    "load_model": "registry.loading",
    "open_ledger": "registry.registry",
    "record": "registry.recording",
    "sql_source": "registry.origins",
}


if not TYPE_CHECKING:  # a name that is not there is for a type checker to see

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def main() -> None:
    """Run the command line."""
    from reports.cli import main as command_line

    command_line()
