"""Two profiles side by side: differences that are about few people are not told as numbers."""

from pathlib import Path

import pandas as pd
import pytest

from audit.canonical import encode
from registry.artifacts import ArtifactStore
from registry.compare import Row
from registry.compare_profiles import profile_rows
from registry.profile import profile


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def differences(before: pd.DataFrame, after: pd.DataFrame, store: ArtifactStore) -> dict[str, Row]:
    """Compare two runs that have one table each."""
    runs = [
        {
            "steps": [
                {
                    "name": "load",
                    "outputs": [
                        {
                            "name": "people",
                            "kind": "table",
                            "fingerprint": str(number),
                            "profile": store.put(encode(profile(table).to_json())),
                        }
                    ],
                }
            ]
        }
        for number, table in enumerate((before, after))
    ]
    rows = profile_rows(runs[0], runs[1], store)  # type: ignore[arg-type]
    return {row.name: row for row in rows if row.first != row.second}


def ill(yes: int, no: int, missing: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"ill": pd.array([True] * yes + [False] * no + [None] * missing, dtype="boolean")})


def test_who_left_is_not_seen_where_two_versions_are_compared(store: ArtifactStore) -> None:
    found = differences(ill(40, 60), ill(39, 60), store)
    assert [(row.first, row.second) for row in found.values()] == [("40", "fewer than 10 away")]


def test_a_count_that_moved_by_ten_is_told(store: ArtifactStore) -> None:
    found = differences(ill(40, 60), ill(30, 60), store)
    assert found["people.ill rows with true"] == Row("profile", "people.ill rows with true", "40", "30")


def test_few_more_missing_values_are_told_neither_as_count_nor_as_share(store: ArtifactStore) -> None:
    found = differences(ill(40, 60), ill(40, 60, missing=3), store)
    assert [(row.name, row.first, row.second) for row in found.values()] == [
        ("people.ill missing", "0", "fewer than 10 away")
    ]
