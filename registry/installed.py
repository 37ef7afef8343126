"""Whether a file or a module came with Python or an installed package, and is not of one's own.

>>> import json
>>> is_installed_module(json), is_installed("loans.py")
(True, False)
"""

import sys
import sysconfig
from types import ModuleType
from typing import Final

__all__ = ["is_installed", "is_installed_module"]

INSTALLED: Final = tuple({sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()})


def is_installed(path: str) -> bool:
    """Say whether a file came with Python or an installed package."""
    return path.startswith(INSTALLED)


def is_installed_module(module: ModuleType) -> bool:
    """Say whether a module came with Python or an installed package; `__main__` may have no file, and did not."""
    path = getattr(module, "__file__", None)
    return module.__name__ != "__main__" if path is None else is_installed(path)
