"""Vectors that others published: where they lie, and a tally that lets no case be passed over in silence.

Rules:

- They lie in the folder that AFFIDAVIT_VECTORS names, by default ../shared/vectors beside this project. None of them
  is copied into it. Where the folder is not there the tests of its sets are skipped and say so; where the variable
  names a folder that lacks a set, they fail.
- One test runs one whole set. It says how many cases the set has, and fails when it ran another number.
- The run ends with a line for each set and its number of cases (`conftest.py`).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import cryptography_vectors
import pytest

__all__ = ["PROPERTY", "Tally", "packaged", "published"]

PROPERTY = "vectors"
BESIDE = Path(__file__).parent.parent.parent / "shared" / "vectors"


def published(part: str) -> Path:
    """Return the path of a set, or skip the test that needs it."""
    named = os.environ.get("AFFIDAVIT_VECTORS")
    path = (Path(named) if named else BESIDE) / part
    if not path.exists():
        if named:
            pytest.fail(f"AFFIDAVIT_VECTORS is {named}, and that holds no {part}")
        pytest.skip(f"PUBLISHED VECTORS NOT RUN: {part} (set AFFIDAVIT_VECTORS to the folder that holds it)")
    return path


def packaged(part: str) -> Path:
    """Return the path of a set that the package `cryptography-vectors` carries: every clone has it."""
    path = Path(cryptography_vectors.__file__).parent / part
    assert path.exists(), f"cryptography-vectors carries no {part} any more"
    return path


@dataclass
class Tally:
    """Counts the cases of one set, and keeps those that came out otherwise than the set says."""

    name: str
    ran: int = 0
    otherwise: list[str] = field(default_factory=list)

    def case(self, label: object, found: object, expected: object) -> None:
        """Count one case."""
        self.ran += 1
        if found != expected:
            self.otherwise.append(f"{label}: {found!r}, the set says {expected!r}")

    def close(self, cases: int, request: pytest.FixtureRequest) -> None:
        """Fail unless so many cases ran and all came out as the set says."""
        assert self.otherwise == []
        assert self.ran == cases, f"{self.name}: {self.ran} cases ran, the set has {cases}"
        request.node.user_properties.append((PROPERTY, f"{self.name}: {cases}"))
