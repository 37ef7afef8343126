"""Where the tests keep files that need not survive anything: in memory, where an fsync waits for nothing."""

import os
import shutil

__all__ = ["quick_place"]

_MEMORY = "/dev/shm"


def quick_place() -> str | None:
    """Return a folder in memory where there is room for the files of all tests, and programs may lie; else None."""
    if not os.access(_MEMORY, os.W_OK) or os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free > 4 << 30 else None
