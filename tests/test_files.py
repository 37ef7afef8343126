"""Files that hold a table, and files that do not."""

import io
import os
import re
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from pyarrow import csv, feather, orc, parquet

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from registry import csv_file
from registry.arrow import Source
from registry.at_hand import AtHand
from registry.files import as_named, from_file, index_in, parts_in
from registry.fingerprint import Fingerprint, fingerprint, fingerprint_of

CELLS = ["", "0", "1", "7", "-2", "2.5", "1e3", "true", "False", "NA", "nan", "x", "é", "2024-01-01", "12:30",
         "2024-01-01 05:06:07", "2024-01-01T05:06:07.5", "2024-01-01T05:06:07Z", "2024-01-01 05:06:07.123+02:00",
         "a,b", 'say "x"', "two\nlines", "99999999999999999999", "18446744073709551615", "007"]  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(CELLS), st.sampled_from(CELLS)), max_size=12),
    st.lists(st.sampled_from(CELLS), min_size=1, max_size=3),
)
def test_a_csv_column_has_the_type_of_the_whole_file_wherever_blocks_end(
    tail: list[tuple[str, str]], head: list[str]
) -> None:
    quote = '"{}"'.format
    rows = [(cell, "1") for cell in head * 4] + tail
    lines = [
        ",".join(quote(c.replace('"', '""')) if set(c) & set(',"\n') else c for c in row) for row in rows
    ]
    data = "\n".join(["a,b", *lines, ""]).encode()
    options = csv.ParseOptions(newlines_in_values=True)
    columns = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    types = {name: pa_type for name, cells in columns.items() if (pa_type := long_whole_numbers(cells))}
    missing = csv.ConvertOptions(
        null_values=csv_file.CSV_MISSING, strings_can_be_null=True, column_types=types
    )
    whole = fingerprint(csv.read_csv(io.BytesIO(data), parse_options=options, convert_options=missing))
    for block in (100, 200, 1 << 20):
        assert read_blocks(data, block) == whole


def long_whole_numbers(cells: list[str]) -> pa.DataType | None:
    """Return the type of whole numbers that Arrow would round."""
    present = [cell for cell in cells if cell not in csv_file.CSV_MISSING]
    if not all(re.fullmatch("-?[0-9]+", cell) for cell in present):
        return None
    numbers = [int(cell) for cell in present]
    if max(numbers, default=0) < 2**63:
        return None
    return pa.uint64() if min(numbers) >= 0 and max(numbers) < 2**64 else pa.string()


@pytest.mark.parametrize(
    ("cells", "logical"),
    [
        (["18446744073709551615", "7"], "int"),
        (["18446744073709551616", "7"], "text"),
        (["18446744073709551615", "-7"], "text"),
        (["-9223372036854775809", "", "7"], "text"),
        (["18446744073709551615", "1.5"], "float"),
        (["18446744073709551616", "1.5"], "float"),
        (["1e19", "18446744073709551616"], "float"),
        (["inf", "7"], "float"),
    ],
)
def test_long_whole_numbers_keep_their_digits(cells: list[str], logical: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *(f"{cell},1" for cell in cells), ""]))
    old = AtHand.of(tmp_path / "t.csv")
    assert old.fingerprint.columns[0].type == logical
    assert [arrays["a"].to_pylist() for _, arrays in old.runs(["a"])]  # the second reading knows it too
    if logical != "float":
        (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("7,1", "8,1", 1))
        assert fingerprint(tmp_path / "t.csv") != old.fingerprint


@pytest.mark.parametrize("digits", ["18446744073709551615", "99999999999999999999"])
def test_the_last_digit_of_a_long_number_counts(digits: str, tmp_path: Path) -> None:
    for name, last in (("old", digits[-1]), ("new", "2")):
        (tmp_path / f"{name}.csv").write_text(f"id\n{digits[:-1]}{last}\n")
    assert fingerprint(tmp_path / "old.csv") != fingerprint(tmp_path / "new.csv")


def test_unsigned_numbers_are_what_pandas_reads(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id\n18446744073709551615\n7\n")
    assert fingerprint(tmp_path / "t.csv") == fingerprint(pd.read_csv(tmp_path / "t.csv"))


def read_blocks(data: bytes, block: int) -> Fingerprint:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "table.csv"
        path.write_bytes(data)
        patch.setattr(csv_file, "CSV_BLOCK", block)
        return fingerprint(path)


def test_a_csv_file_has_the_fingerprint_of_the_table_written_to_it(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": np.arange(70_000),
            "score": pa.array(np.arange(70_000) / 8, mask=np.arange(70_000) % 7 == 0),
            "approved": np.arange(70_000) % 3 == 0,
            "day": pa.array(np.arange(70_000).astype("M8[D]")),
            "seen": pa.array([datetime(2024, 1, 1, 12, 30), None] * 35_000),
        }
    )
    csv.write_csv(table, tmp_path / "table.csv")
    assert fingerprint(tmp_path / "table.csv") == fingerprint(table)


@pytest.mark.parametrize("cell", ["", '""', "NA", "None", "null"])
def test_a_csv_file_and_what_pandas_reads_from_it_have_one_fingerprint(cell: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"town,income\nLynn,1.5\n{cell},2.5\nSalem,{cell}\n")
    assert fingerprint(tmp_path / "a.csv") == fingerprint(pd.read_csv(tmp_path / "a.csv"))


@pytest.mark.parametrize("header", ["a,b\n", "a,b", '\ufeffa,"b"', "a,b\r"])
def test_a_csv_with_only_a_header_has_no_rows(header: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(header.encode())
    found = fingerprint(tmp_path / "a.csv")
    assert found == fingerprint(pa.table({"a": pa.nulls(0), "b": pa.nulls(0)}))


def cut(path: Path) -> bytes:
    parquet.write_table(pa.table({"id": np.arange(70_000)}), path)
    data = path.read_bytes()
    path.unlink()
    return data[: len(data) // 2]


def damaged(path: Path) -> bytes:
    parquet.write_table(pa.table({"id": np.arange(70_000)}), path, compression="snappy")
    data = bytearray(path.read_bytes())
    path.unlink()
    data[4:2000] = b"\xff" * 1996
    return bytes(data)


BROKEN: dict[str, tuple[str, Callable[[Path], bytes], str]] = {
    "an image": (
        "a.csv",
        lambda _: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "is not a CSV file: it holds binary data",
    ),
    "ragged rows": (
        "a.csv",
        lambda _: b"a,b\n1,2\n3\n",
        "cannot be read as csv (line 3: expected 2 columns, got 1)",
    ),
    "nothing at all": ("a.csv", lambda _: b"", "cannot be read as csv (Empty CSV file)"),
    "a byte order mark alone": ("a.csv", lambda _: b"\xef\xbb\xbf", "cannot be read as csv (Empty CSV file)"),
    "another encoding": ("a.csv", lambda _: "a\nMünchen\n".encode("latin-1"), "is not a CSV file in UTF-8"),
    "another encoding further down": (
        "a.csv",
        lambda _: b"a\n" + b"abc\n" * 2_000_000 + "Zoë\n".encode("latin-1"),
        "is not a CSV file in UTF-8",
    ),
    "another encoding in the header": (
        "a.csv",
        lambda _: "ä\n1\n".encode("latin-1"),
        "is not a CSV file in UTF-8",
    ),
    "16-bit text": ("a.csv", lambda _: "a,b\n1,2\n".encode("utf-16"), "is not a CSV file"),
    "two columns of one name": ("a.csv", lambda _: b"a,a\n1,2\n", "two columns are named 'a'"),
    "a Parquet file cut short": ("a.parquet", cut, "cannot be read as parquet"),
    "a Parquet file with damaged pages": ("a.parquet", damaged, "cannot be read as parquet"),
    "text": ("a.parquet", lambda _: b"a,b\n1,2\n", "cannot be read as parquet"),
    "an empty file": ("a.parquet", lambda _: b"", "cannot be read as parquet"),
    "text as Arrow": ("a.arrow", lambda _: b"a,b\n1,2\n" * 9, "cannot be read as arrow"),
    "another suffix": ("a.xlsx", lambda _: b"", "is not a table by its name: give a .csv, .parquet"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_not_a_table_is_refused_in_one_sentence(what: str, tmp_path: Path) -> None:
    name, make, sentence = BROKEN[what]
    data = make(tmp_path / name)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MalformedInput) as refusal:
        fingerprint(tmp_path / name)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_row_longer_than_a_block_is_refused_rather_than_held() -> None:
    with pytest.raises(MalformedInput, match="has a row longer than 100 bytes: a quote may be left open"):
        read_blocks(b'a,b\n1,"2\n' + b"3,4\n" * 200 + b'"\n1,2\n', 100)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow", "feather", "xlsx", ""])
def test_a_missing_file_is_not_found(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=rf"there is no file .*a\.{suffix}"):
        fingerprint(tmp_path / f"a.{suffix}")


FOLDERS: dict[str, tuple[list[tuple[str, pa.Table]], str]] = {
    "nothing": ([], "is a folder that is no table"),
    "CSV parts": ([("a.csv", pa.table({"a": [1]}))], "is a folder that is no table"),
    "parts of two kinds": (
        [("a.parquet", pa.table({"a": [1]})), ("b.csv", pa.table({"a": [1]}))],
        "is a folder that is no table",
    ),
    "parts with other columns": (
        [("1.parquet", pa.table({"a": [1]})), ("2.parquet", pa.table({"b": [1]}))],
        "2.parquet has other columns than 1.parquet",
    ),
    "parts with other types": (
        [("1.parquet", pa.table({"a": [1]})), ("2.parquet", pa.table({"a": [1.5]}))],
        "column 'a' is double in 2.parquet and int64 before it",
    ),
}


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_that_is_no_table_is_refused(what: str, tmp_path: Path) -> None:
    parts, sentence = FOLDERS[what]
    for name, table in parts:
        (csv.write_csv if name.endswith(".csv") else parquet.write_table)(table, tmp_path / name)
    with pytest.raises(MalformedInput) as refusal:
        fingerprint(tmp_path)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([1], pa.timestamp("us", "UTC")), pa.array([2], pa.timestamp("ms", "Europe/Lisbon"))),
        (pa.array([2**63], pa.uint64()), pa.array([1], pa.int8())),
        (pa.array([2**64 - 1, None], pa.uint64()), pa.array([None], pa.int64())),
        (pa.array([["a"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))), pa.array([["b"], None])),
        (pa.array([{"x": 1}]), pa.array([{"x": 2}], pa.struct({"x": pa.int8()}))),
    ],
    ids=["zones", "signs", "signs and nothing", "dictionaries in lists", "widths in structs"],
)
def test_parts_that_hold_one_type_otherwise_are_one_table(
    one: pa.Array, other: pa.Array, tmp_path: Path
) -> None:
    for number, part in enumerate([one, other]):
        parquet.write_table(pa.table({"a": part}), tmp_path / f"{number}.parquet")
    whole = pa.array([*one.to_pylist(), *other.to_pylist()], one.type)
    assert fingerprint(tmp_path) == fingerprint(pa.table({"a": whole}))


def test_a_part_in_which_a_column_is_missing_throughout_has_the_type_of_the_others(tmp_path: Path) -> None:
    whole = pa.table({"a": pa.array([None, None, "x"]), "b": [1, 2, 3]})
    parquet.write_table(pa.table({"a": pa.nulls(2), "b": [1, 2]}), tmp_path / "1.parquet")
    parquet.write_table(whole.slice(2), tmp_path / "2.parquet")
    assert fingerprint(tmp_path) == fingerprint(whole)


def test_a_partitioned_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "year=2024").mkdir()
    with pytest.raises(
        MalformedInput, match="is a folder that is no table: the names of its folders hold a column"
    ):
        fingerprint(tmp_path)


@pytest.mark.parametrize(("log", "name"), [("_delta_log", "Delta"), (".hoodie", "Hudi")])
def test_a_folder_whose_log_says_which_files_count_is_refused(log: str, name: str, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "of-an-older-version.parquet")
    assert fingerprint(tmp_path).rows == 1
    (tmp_path / log).mkdir()
    with pytest.raises(MalformedInput, match=f"its {name} log says which of its files count"):
        fingerprint(tmp_path)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "zst"])
def test_a_compressed_csv_file_has_the_fingerprint_of_what_is_in_it(suffix: str, tmp_path: Path) -> None:
    table = pa.table({"id": np.arange(1000), "name": ["Zoë", None] * 500})
    with pa.output_stream(str(tmp_path / f"a.csv.{suffix}"), compression="detect") as file:
        csv.write_csv(table, file)
    assert fingerprint(tmp_path / f"a.csv.{suffix}") == fingerprint(table)


def test_an_orc_file_has_the_fingerprint_of_the_table_in_it(tmp_path: Path) -> None:
    table = pa.table({"id": np.arange(70_000), "name": pa.array(["Zoë", None] * 35_000)})
    orc.write_table(table, tmp_path / "a.orc", stripe_size=1 << 16)
    assert fingerprint(tmp_path / "a.orc") == fingerprint(table)


LEAKING: dict[str, tuple[str, bytes]] = {
    "ragged rows": ("a.csv", b"name,born\nAda,1815\nsecret,1900,5\n"),
    "another encoding": ("a.csv", b"name,born\nAda,1815\nsecret\xff,1900\n"),
    "an open quote": ("a.csv", b'name,born\nAda,1815\n"secret,1900\n'),
    "no Parquet file": ("a.parquet", b"secret secret secret"),
}


@pytest.mark.parametrize("what", LEAKING)
def test_what_is_said_of_a_broken_file_quotes_nothing_from_it(what: str, tmp_path: Path) -> None:
    name, data = LEAKING[what]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MalformedInput) as refusal:
        fingerprint(tmp_path / name)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_ragged_row_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n1,caf\xe9,3\n")
    with pytest.raises(
        MalformedInput, match=r"\(line 3: expected 2 columns, got 3\): give every row as many cells"
    ):
        fingerprint(tmp_path / "a.csv")


def test_the_line_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a\n" + b"abc\n" * 50 + "Zoë\n".encode("latin-1"))
    with pytest.raises(MalformedInput, match="line 52 is in another encoding: save it again as UTF-8"):
        fingerprint(tmp_path / "a.csv")


def wide(rows: int) -> pa.Table:
    numbers = pa.array(np.arange(rows))
    return pa.table([numbers] * 10_000, [f"c{index}" for index in range(10_000)])


@pytest.mark.parametrize("name", ["wide.parquet", "wide.csv"])
def test_ten_thousand_columns_are_read_as_any_other_number(name: str, tmp_path: Path) -> None:
    table = wide(3)
    (csv.write_csv if name.endswith(".csv") else parquet.write_table)(table, tmp_path / name)
    found = fingerprint(tmp_path / name)
    assert found == fingerprint(table)
    assert len(found.columns) == 10_000


def test_columns_whose_names_hold_dots_are_told_from_fields_of_structs(tmp_path: Path) -> None:
    table = pa.table({"a": [{"b": 1}], "a.b": [2.5], **{f"c{index}": [index] for index in range(100)}})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert fingerprint(tmp_path / "a.parquet") == fingerprint(table)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.orc"])
def test_a_file_without_rows_or_columns_has_a_fingerprint_of_its_own(name: str, tmp_path: Path) -> None:
    writers: dict[str, Callable[[pa.Table], object]] = {
        "a.parquet": lambda table: parquet.write_table(table, tmp_path / name),
        "a.arrow": lambda table: feather.write_feather(table, str(tmp_path / name)),
        "a.orc": lambda table: orc.write_table(table, tmp_path / name),
    }
    table = pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})
    writers[name](table)
    assert fingerprint(tmp_path / name) == fingerprint(table)


def test_a_parquet_file_without_columns_has_no_rows(tmp_path: Path) -> None:
    parquet.write_table(pa.table({}), tmp_path / "a.parquet")
    assert fingerprint(tmp_path / "a.parquet") == fingerprint(pa.table({}))


def test_a_file_that_may_not_be_read_is_a_failure_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.csv").touch()
    monkeypatch.setattr(csv_file, "_bytes_of", refuse)
    with pytest.raises(EnvironmentFailed, match="cannot be read: Permission denied"):
        fingerprint(tmp_path / "a.csv")


def test_text_by_small_dictionaries_and_by_large_ones_is_the_same_text(tmp_path: Path) -> None:
    few, many = pa.array(["Ada", None, "Bjørn"] * 10_000), pa.array([f"{row:>9}" for row in range(30_000)])
    tables = [
        pa.table({"a": few, "b": few, "a.c": few}),
        pa.table({"a": few, "b": many, "a.c": few}),
    ]
    with parquet.ParquetWriter(tmp_path / "a.parquet", tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    assert fingerprint(tmp_path / "a.parquet") == fingerprint(pa.concat_tables(tables))


def test_a_field_that_has_the_path_of_a_column_of_text_is_not_taken_for_it(tmp_path: Path) -> None:
    table = pa.table({"a.c": ["x", "y"], "a": [{"c": "x", "d": None}, {"c": "z", "d": 1}]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert fingerprint(tmp_path / "a.parquet") == fingerprint(table)


def test_memory_for_a_parquet_file_does_not_grow_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    numbers = pa.table({str(index): np.arange(20_000) + index for index in range(10)})
    with parquet.ParquetWriter(path, numbers.schema) as writer:
        for _ in range(100):
            writer.write_table(numbers)
    before = pa.total_allocated_bytes()
    most = 0

    def watch(done: int, total: int | None) -> None:
        nonlocal most
        most = max(most, pa.total_allocated_bytes() - before)

    assert fingerprint(path, progress=watch).rows == 2_000_000
    assert most < 40_000_000  # the whole table is 160 MB


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.parquet", "folder"])
def test_a_pipe_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for pipe in ("pipe.csv", "pipe.parquet", "folder/part.parquet"):
        os.mkfifo(tmp_path / pipe)
    with pytest.raises(
        MalformedInput, match="is a pipe or a device: write what comes from it to a file first"
    ):
        fingerprint(tmp_path / name)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_a_file_whose_name_is_no_text_is_refused(suffix: str, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).with_suffix(suffix)
    path.write_bytes(b"a\n1\n")
    with pytest.raises(MalformedInput, match=r"the file's name '.*udcff.*' is not text in UTF-8: rename it"):
        fingerprint(path)


def test_parts_with_equal_numbers_have_one_order(tmp_path: Path) -> None:
    for name, value in (("part.1", 2), ("part.01", 1), ("part.001", 0)):
        parquet.write_table(pa.table({"a": [value]}), tmp_path / f"{name}.parquet")
    assert [path.name for path in parts_in(tmp_path)] == [
        "part.001.parquet",
        "part.01.parquet",
        "part.1.parquet",
    ]


def test_a_csv_file_that_gets_other_columns_while_it_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    source = from_file(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n")
    with pytest.raises(MalformedInput, match="changed while it was read"):
        list(source.pieces)


def test_a_damaged_arrow_file_is_refused_or_read_but_never_followed_out_of_memory(tmp_path: Path) -> None:
    table = pa.table({"a": ["x", None, "zz"]})
    path = tmp_path / "t.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    offsets = np.array([0, 1, 1, 3], "<i4").tobytes()
    assert offsets in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(offsets, np.array([0, 1 << 30, 1, 3], "<i4").tobytes()))
    with pytest.raises(MalformedInput, match="cannot be read as arrow"):
        fingerprint(path)


def test_a_file_that_is_not_there_brings_the_table_that_is_called_nearly_so_to_mind(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("a\n1\n")
    (tmp_path / "custmers.txt").write_text("a\n1\n")
    with pytest.raises(NotFound, match=r"there is no file .*custmers\.csv: did you mean customers\.csv\?"):
        fingerprint(tmp_path / "custmers.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "folder"])
def test_a_file_that_is_written_to_while_it_is_read_is_refused(name: str, tmp_path: Path) -> None:
    path = file = tmp_path / name
    if name == "folder":
        path.mkdir()
        file = path / "0.parquet"
    table = pa.table({"a": [1, 2]})

    def write_again(*done: object) -> None:
        if name == "a.csv":
            csv.write_csv(table.slice(1), file)
        else:
            parquet.write_table(table.slice(1), tmp_path / "other")
            (tmp_path / "other").rename(file)

    write_again()
    os.utime(file, ns=(0, 0))
    with pytest.raises(
        MalformedInput, match=rf"{file.name} changed while it was read: read it again once nobody"
    ):
        fingerprint(path, progress=write_again)


def test_a_link_to_nothing_and_one_to_itself_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "gone.csv").symlink_to("no.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    with pytest.raises(NotFound, match=r"gone.csv is a link to a file that is not there"):
        fingerprint(tmp_path / "gone.csv")
    with pytest.raises(
        EnvironmentFailed, match=r"loop.csv cannot be read: Too many levels of symbolic links$"
    ):
        fingerprint(tmp_path / "loop.csv")


@pytest.mark.parametrize("url", ["s3://bucket/loans.parquet", "https://bank.example/loans.csv"])
def test_a_url_is_said_not_to_be_read(url: str) -> None:
    with pytest.raises(
        NotFound, match=f"no file {url}: a URL is not read, save what it names to a file first"
    ):
        fingerprint(url)


def test_a_url_is_named_with_its_slashes_and_without_credentials() -> None:
    assert as_named(Path("https://ana:secret@bank.example/a.csv?key=1")) == "https://bank.example/a.csv"
    assert as_named(Path("file:///data/a.csv")) == "file:///data/a.csv"
    assert as_named(Path("data/a.csv")) == "data/a.csv"


def test_what_comes_in_is_said_not_to_be_read() -> None:
    with pytest.raises(NotFound, match="what comes in is not read, write it to a file first"):
        fingerprint("-")


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(MalformedInput, match="is no name of a file: rename it"):
        fingerprint("a\0.csv")


# --- the index of pandas ------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["to_parquet", "to_feather"])
def test_the_columns_that_hold_an_index_of_pandas_are_named(write: str, tmp_path: Path) -> None:
    filtered = pd.DataFrame({"a": [1, 2, 3, 4]}).query("a != 2")
    path = tmp_path / f"a.{write.removeprefix('to_')}"
    if write == "to_parquet":
        filtered.to_parquet(path)
    else:
        feather.write_feather(pa.Table.from_pandas(filtered), str(path))
    assert index_in(path) == ("__index_level_0__",)
    columns = {column.name: column.root for column in fingerprint(path).columns}
    assert columns["a"] == fingerprint(filtered).columns[0].root


def test_an_index_that_is_a_range_is_no_column_of_the_file(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2, 3]}).iloc[1:]
    table.to_parquet(tmp_path / "a.parquet")
    assert index_in(tmp_path / "a.parquet") == ()
    assert fingerprint(tmp_path / "a.parquet") == fingerprint(table)


def test_a_named_index_of_two_levels_is_named_by_its_columns(tmp_path: Path) -> None:
    table = pd.DataFrame({"bank": [1, 2], "loan": [3, 4], "a": [5, 6]}).set_index(["bank", "loan"])
    table.to_parquet(tmp_path / "0.parquet")
    assert index_in(tmp_path) == ("bank", "loan")


@pytest.mark.parametrize("said", [b"no JSON", b'{"index_columns": 7}', b"[]", b'{"index_columns": ["gone"]}'])
def test_what_a_file_says_of_its_index_may_be_anything(said: bytes, tmp_path: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({b"pandas": said})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert index_in(tmp_path / "a.parquet") == ()


# --- wide files ---------------------------------------------------------------------------------------------


def test_memory_for_a_parquet_file_does_not_grow_with_its_columns(tmp_path: Path) -> None:
    numbers = np.arange(5_000, dtype=np.float64)
    parquet.write_table(
        pa.table({str(index): numbers + index for index in range(1_600)}), tmp_path / "a.parquet"
    )
    before = pa.total_allocated_bytes()
    most = 0

    def watch(done: int, total: int | None) -> None:
        nonlocal most
        most = max(most, pa.total_allocated_bytes() - before)

    fingerprint(tmp_path / "a.parquet", progress=watch)
    assert most < 32_000_000  # the whole table is 64 MB


def test_more_rows_than_a_table_says_are_refused() -> None:
    pieces = iter([(0, pa.array([1, 2])), (0, pa.array([3]))])
    with pytest.raises(MalformedInput, match="has more rows than the 2 that it says"):
        fingerprint_of(Source(("a",), 2, pieces))
