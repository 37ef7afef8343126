"""Lineage that fails does not fail the run: what could not be read is unknown, and why is said.

Rules:

- A mistake that the tool names itself (a wrong declaration, a package that is missing) goes through.
- Everything else that reading lineage may raise, in this code or in a library, becomes a reason: also a recursion
  without end and a panic of polars, which is no `Exception` to Python. Interrupts go through.

>>> attempted(lambda: 1 // 0, lambda why: why)
'its lineage could not be read (ZeroDivisionError)'
"""

from collections.abc import Callable
from typing import TypeVar

from audit.errors import AffidavitError
from registry.relations import NotUnderstood

__all__ = ["attempted"]

Found = TypeVar("Found")


def attempted(read: Callable[[], Found], otherwise: Callable[[str], Found]) -> Found:
    """Return what `read` finds, or what `otherwise` makes of the reason why it finds nothing."""
    try:
        return read()
    except NotUnderstood as why:
        return otherwise(str(why))
    except AffidavitError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        return otherwise(f"its lineage could not be read ({type(error).__name__})")
