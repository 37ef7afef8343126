"""`Private`: a value of a person that a run works with and that its record only refers to.

Rules:

- As a parameter of a step or of `record()` it is recorded as a reference (`audit.subjects`), never as the value.
- Deeper in a list or a mapping it is recorded as withheld, and so is one in a run that nobody records.
- Its `repr` shows neither.

>>> applicant = Private("applicant 4711", "1980-02-03")
>>> applicant.value, applicant
('1980-02-03', Private(...))
>>> Private.read("applicant 4711=1980-02-03") == applicant
True
"""

from dataclasses import dataclass

__all__ = ["Private"]


@dataclass(frozen=True, slots=True)
class Private:
    """A value (text, a number or a date) of the person whom `subject` names in the ledger's erasable table."""

    subject: str
    value: object

    def __repr__(self) -> str:
        return "Private(...)"

    @classmethod
    def read(cls, text: str) -> "Private":
        """Read SUBJECT=VALUE, as a command line gives it; `ValueError` where it is not that."""
        subject, equals, value = text.partition("=")
        if not equals or not subject.strip():
            raise ValueError("write SUBJECT=VALUE")
        return cls(subject.strip(), value)
