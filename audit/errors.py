"""The errors of affidavit, grouped by what the reader can do about them.

::

    AffidavitError
     +-- MalformedInput      correct the input and call again        exit status 2
     +-- NotFound            name something that exists              exit status 2
     +-- NotPermitted        use a key that may say this             exit status 2
     +-- Conflict            the ledger moved on: try again          exit status 3
     +-- NotVerified         the evidence does not hold              exit status 1
     +-- EnvironmentFailed   mend the disk, database or key, retry   exit status 3

Rules:

- The message is one sentence for a person: what is wrong, and what to do.
- A refusal by a gate, a failed verification of a whole ledger and a run that is not reproduced are
  results, not errors.

>>> MalformedInput.exit_status, NotVerified.exit_status, EnvironmentFailed.exit_status
(2, 1, 3)
"""

from typing import ClassVar

__all__ = [
    "AffidavitError",
    "Conflict",
    "EnvironmentFailed",
    "MalformedInput",
    "NotFound",
    "NotPermitted",
    "NotVerified",
]


class AffidavitError(Exception):
    """The root of every error that affidavit raises on purpose."""

    exit_status: ClassVar[int] = 2


class MalformedInput(AffidavitError):
    """Input is not what it should be: a file, an option, a statement, a parameter."""


class NotFound(AffidavitError):
    """Something that was named does not exist."""


class NotPermitted(AffidavitError):
    """A key may not say what it was asked to say."""


class Conflict(AffidavitError):
    """The ledger changed between reading and writing; nothing was written."""

    exit_status: ClassVar[int] = 3


class NotVerified(AffidavitError):
    """Bytes, a signature or a proof are not what the evidence says."""

    exit_status: ClassVar[int] = 1


class EnvironmentFailed(AffidavitError):
    """Disk, database, key store or a system library failed; nothing was half-written."""

    exit_status: ClassVar[int] = 3
