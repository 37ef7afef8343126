"""A fingerprint as text: what is filed is read back, and nothing else."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical
from audit.errors import MalformedInput
from registry.diff import RUN
from registry.fingerprint import ColumnFingerprint, Fingerprint, fingerprint
from registry.fingerprint_key import FingerprintKey
from registry.fingerprint_text import filed, from_text, is_filed, to_text

FOUND = fingerprint(
    pa.table({"id": np.arange(RUN + 1), "born": np.arange(RUN + 1), "größe": [None] * (RUN + 1)}),
    keyed=["born"],
    key=FingerprintKey(bytes(32)),
)


def test_a_filed_fingerprint_begins_with_its_name_and_can_be_read_by_people() -> None:
    lines = to_text(fingerprint(pa.table({"größe": [1, 2]}))).splitlines()
    assert lines[0].startswith("affidavit-table-v1:sha256:")
    assert lines[1:4] == ["rows 2", 'column "größe"', "type int"]
    assert [line.split()[0] for line in lines[4:]] == ["root", "leaf"]


def test_what_is_filed_is_read_back() -> None:
    assert from_text(to_text(FOUND)) == FOUND


@given(
    st.lists(
        st.tuples(st.text(max_size=8), st.sampled_from(["int", 'struct<"a b":text>']), st.booleans()),
        max_size=4,
        unique_by=lambda column: column[0],
    ),
    st.integers(0, 3),
)
def test_any_fingerprint_is_read_back(columns: list[tuple[str, str, bool]], runs: int) -> None:
    leaves = tuple(f"{run:064x}" for run in range(runs))
    found = Fingerprint.of(
        runs * RUN,
        tuple(
            ColumnFingerprint.of(name, kind, leaves, "a" * 32 if keyed else None)
            for name, kind, keyed in columns
        ),
    )
    assert from_text(to_text(found)) == found


LINES = to_text(FOUND).split("\n")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        LINES[:-1],
        [*LINES, ""],
        ["\ufeff" + LINES[0], *LINES[1:]],
        [LINES[0].replace("keyed-v1", "v1"), *LINES[1:]],
        [LINES[0][:-1] + ("0" if LINES[0][-1] != "0" else "1"), *LINES[1:]],
        [LINES[0], "rows 065537", *LINES[2:]],
        [LINES[0], "rows 65538", *LINES[2:]],
        [LINES[0], *LINES[2:]],
        [*LINES[:2], 'column "di"', *LINES[3:]],
        [*LINES[:2], "column id", *LINES[3:]],
        [*LINES[:2], LINES[2] + " ", *LINES[3:]],
        [*LINES[:3], "type float", *LINES[4:]],
        [*LINES[:5], *LINES[6:]],
        [*LINES[:5], LINES[6], LINES[5], *LINES[7:]],
        [*LINES[:6], "comment", *LINES[6:]],
        [line + "\r" for line in LINES],
    ],
    ids=range(17),
)
def test_what_would_not_be_written_so_is_refused(lines: list[str]) -> None:
    with pytest.raises(MalformedInput):
        from_text("\n".join(lines))


def test_the_text_the_artifact_and_the_document_of_the_command_are_all_read(tmp_path: Path) -> None:
    shown = {"fingerprint": str(FOUND), "rows": FOUND.rows, "columns": FOUND.to_json()["columns"]}
    for name, data in {
        "text": to_text(FOUND).encode(),
        "artifact": canonical.encode(FOUND.to_json()),
        "command": json.dumps(shown, indent=2).encode(),
    }.items():
        (tmp_path / name).write_bytes(data)
        assert is_filed(tmp_path / name)
        assert filed(tmp_path / name) == FOUND


@pytest.mark.parametrize("data", [b"{", b"{}", b"[]", b"\xff", b"affidavit-table-v1:sha256:\xff", b""])
def test_a_file_that_is_no_fingerprint_is_refused_by_name(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(MalformedInput, match="/a"):
        filed(tmp_path / "a")
