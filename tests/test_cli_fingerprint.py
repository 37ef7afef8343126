"""The command `affidavit fingerprint`, as it is typed."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from registry.recorded import parts_of_run
from tests.command_line import Folder, a_lender, empty_folder


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """Give a lender's folder."""
    return a_lender(tmp_path / "lender")


@pytest.fixture
def tables(tmp_path: Path) -> Folder:
    """Give a folder of two files without a ledger."""
    here = empty_folder(tmp_path / "tables")
    (here.path / "old.csv").write_text("id,born\n1,1980-02-03\n2,1990-01-01\n")
    (here.path / "new.csv").write_text("id,born\n1,1980-02-03\n2,1990-01-02\n")
    return here


def test_several_files_are_a_line_each(tables: Folder) -> None:
    lines = tables.text("fingerprint", "old.csv", "new.csv").splitlines()
    assert [line.split("  ")[1] for line in lines] == ["old.csv", "new.csv"]
    assert lines[0].split()[0] == tables.json("fingerprint", "old.csv")["fingerprint"]


def test_a_file_that_cannot_be_read_stops_none_of_the_others(tables: Folder) -> None:
    result = tables("fingerprint", "old.csv", "no.csv", "new.csv")
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "Error: there is no file no.csv: check its name\n"


def test_several_files_are_one_document(tables: Folder) -> None:
    files = tables.json("fingerprint", "old.csv", "no.csv", status=2)["files"]
    assert files[0].keys() == {"path", "fingerprint", "rows", "columns"}
    assert files[1].keys() == {"path", "error"}


def test_a_filed_fingerprint_is_compared_without_the_data(tables: Folder) -> None:
    tables.text("fingerprint", "old.csv", "-o", "old.fingerprint")
    (tables.path / "old.csv").unlink()
    document = tables.json("fingerprint", "new.csv", "--against", "old.fingerprint", status=1)
    assert document["differences"] == [{"column": "born", "rows": [0, 2]}]


def test_the_document_of_the_command_is_compared_with_too(tables: Folder) -> None:
    (tables.path / "old.json").write_text(tables("fingerprint", "old.csv", "--json").stdout)
    assert tables.json("fingerprint", "old.csv", "--against", "old.json")["equal"] is True


@pytest.mark.parametrize("output", ["old.csv", "new.csv"])
def test_a_fingerprint_is_filed_in_the_place_of_none_but_an_older_one(output: str, tables: Folder) -> None:
    before = (tables.path / "old.csv").read_bytes()
    result = tables("fingerprint", "old.csv", "-o", output)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: there is something else than a fingerprint at {output}: write it under another name\n"
    )
    assert (tables.path / "old.csv").read_bytes() == before
    for name in ("old.csv", "new.csv"):
        tables.text("fingerprint", name, "-o", "filed")
    assert tables.json("fingerprint", "new.csv", "--against", "filed")["equal"] is True


def test_an_altered_filed_fingerprint_is_refused(tables: Folder) -> None:
    tables.text("fingerprint", "old.csv", "-o", "old.fingerprint")
    text = (tables.path / "old.fingerprint").read_text()
    (tables.path / "old.fingerprint").write_text(text.replace('column "id"', 'column "no"'))
    result = tables("fingerprint", "old.csv", "--against", "old.fingerprint")
    assert result.exit_code == 2
    assert "old.fingerprint: the fingerprint's digest is not that of its columns" in result.stderr


def test_a_filed_fingerprint_of_another_scheme_is_refused_by_its_name(tables: Folder) -> None:
    (tables.path / "old.fingerprint").write_text("affidavit-table-v9:sha256:00\nrows 1\n")
    result = tables("fingerprint", "old.csv", "--against", "old.fingerprint")
    assert (result.exit_code, "scheme is 'affidavit-table-v9', not" in result.stderr) == (2, True)


@pytest.mark.parametrize("option", [("--against", "old.csv"), ("-o", "a")])
def test_comparing_and_filing_take_one_table(option: tuple[str, str], tables: Folder) -> None:
    result = tables("fingerprint", "old.csv", "new.csv", *option)
    assert result.exit_code == 2
    assert "--against and -o take one table" in result.stderr


def test_why_a_range_is_named_is_said(tables: Folder) -> None:
    tables.text("fingerprint", "old.csv", "-o", "old.fingerprint")
    said = tables.text("fingerprint", "new.csv", "--against", "old.fingerprint", status=1)
    assert "(a fingerprint has one digest for 65,536 rows of a column" in said


def test_the_cells_of_two_files_are_listed(tables: Folder) -> None:
    document = tables.json("fingerprint", "new.csv", "--against", "old.csv", status=1)
    assert document["cells"]["count"] == 1
    assert document["cells"]["listed"] == [
        {"column": "born", "row": 1, "row_before": 1, "before": "1990-01-01", "after": "1990-01-02"}
    ]


def test_cells_are_listed_without_what_is_in_them(tables: Folder) -> None:
    said = tables.text("fingerprint", "new.csv", "--against", "old.csv", "--no-values", status=1)
    assert "column 'born', row 1: another value" in said
    assert "1990" not in said


def test_no_cells_are_listed_where_none_are_asked_for(tables: Folder) -> None:
    given = ("fingerprint", "new.csv", "--against", "old.csv", "--cells", "0")
    assert tables.json(*given, status=1)["cells"] is None


def test_a_row_that_was_put_in_is_told_from_changes_everywhere(tables: Folder) -> None:
    lines = (tables.path / "old.csv").read_text().splitlines()
    (tables.path / "more.csv").write_text("\n".join([lines[0], "0,1970-01-01", *lines[1:], ""]))
    said = tables.text("fingerprint", "more.csv", "--against", "old.csv", status=1)
    assert said.splitlines()[-2:] == ["  row 0 of the new table was put in", "  rows 0 to 1 moved by +1"]


def test_a_comparison_files_the_new_fingerprint_too(tables: Folder) -> None:
    tables.text("fingerprint", "new.csv", "--against", "old.csv", "-o", "new.fingerprint", status=1)
    assert tables.json("fingerprint", "new.csv", "--against", "new.fingerprint")["equal"] is True


# --- recorded -----------------------------------------------------------------------------------------------


def test_a_table_of_an_entry_is_compared_with(here: Folder) -> None:
    runs = [entry["seq"] for entry in here.json("log", "--kind", "run")["entries"]]
    assert here.json("fingerprint", "loans.csv", "--against", f"{runs[-1]}:applications")["equal"] is True


def test_a_recorded_fingerprint_is_found_by_itself(here: Folder) -> None:
    mark = here.json("fingerprint", "loans.csv")["fingerprint"]
    assert here.json("fingerprint", "loans.csv", "--against", mark)["equal"] is True


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("0:applications", "entry 0 is no run: only runs have tables"),
        ("99:applications", "no entry 99"),
        ("loans@1:nothing", "loans@1 has no table 'nothing'"),
        ("affidavit-table-v1:sha256:00", "no version in this ledger has a table with the fingerprint"),
    ],
)
def test_a_table_that_is_not_recorded_is_not_found(ref: str, sentence: str, here: Folder) -> None:
    result = here("fingerprint", "loans.csv", "--against", ref)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_run_that_names_the_document_of_another_fingerprint_is_not_compared_with(
    here: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "registry.named_table.parts_of_run",
        lambda run: [
            (step, {**part, "fingerprint": "affidavit-table-v1:sha256:00"})
            for step, part in parts_of_run(run)
        ],
    )
    result = here("fingerprint", "loans.csv", "--against", "loans@1:applications")
    assert result.exit_code == 1
    assert "names the document of another" in result.stderr


def test_a_recorded_table_answers_by_its_name_and_says_that_no_data_was_read(here: Folder) -> None:
    mark = here.json("fingerprint", "loans.csv")["fingerprint"]
    (here.path / "loans.csv").unlink()
    document = here.json("fingerprint", "loans@1:applications")
    assert (document["fingerprint"], document["recorded"]) == (mark, True)
    lines = here.text("fingerprint", "loans@1:applications").splitlines()
    assert lines[0] == mark
    assert lines[1].endswith("columns (as recorded: no data was read)")


def test_two_recorded_tables_are_compared_without_data(here: Folder) -> None:
    given = ("fingerprint", "loans@1:applications", "--against", "loans@2:applications")
    document = here.json(*given)
    assert (document["equal"], document["cells"]) == (True, None)


def test_a_recorded_table_is_compared_with_a_file(here: Folder) -> None:
    lines = (here.path / "loans.csv").read_text().splitlines(keepends=True)
    (here.path / "cut.csv").write_text("".join(lines[:-1]))
    document = here.json("fingerprint", "loans@1:applications", "--against", "cut.csv", status=1)
    assert document["rows"] == [239, 240]
    assert document["cells"] is None


@pytest.mark.parametrize("command", ["fingerprint", "profile"])
def test_a_version_alone_names_no_table_and_its_tables_are_listed(command: str, here: Folder) -> None:
    result = here(command, "loans@1")
    assert result.exit_code == 2
    assert "a table of loans@1 has a name: write loans@1:TABLE, with one of applications" in result.stderr


def test_columns_of_a_recorded_table_cannot_be_keyed_any_more(here: Folder) -> None:
    here.text("key", "fingerprint", "--new")
    result = here("fingerprint", "loans@1:applications", "--keyed", "race")
    assert result.exit_code == 2
    assert "loans@1:applications was recorded with its columns keyed or not" in result.stderr


def test_a_filed_fingerprint_is_shown_and_compared_like_a_table(tables: Folder) -> None:
    for name in ("old", "new"):
        tables.text("fingerprint", f"{name}.csv", "-o", name)
        (tables.path / f"{name}.csv").unlink()
    assert tables.json("fingerprint", "new")["recorded"] is True
    document = tables.json("fingerprint", "new", "--against", "old", status=1)
    assert document["differences"] == [{"column": "born", "rows": [0, 2]}]


def test_of_several_files_the_one_that_is_wrong_is_named(tables: Folder) -> None:
    (tables.path / "twice.csv").write_text("a,a\n1,2\n")
    result = tables("fingerprint", "old.csv", "twice.csv")
    assert result.stderr == "Error: twice.csv: two columns are named 'a': rename one\n"


def test_of_two_files_that_are_compared_the_one_that_is_wrong_is_named(tables: Folder) -> None:
    (tables.path / "twice.csv").write_text("a,a\n1,2\n")
    result = tables("fingerprint", "old.csv", "--against", "twice.csv")
    assert result.stderr == "Error: twice.csv: two columns are named 'a': rename one\n"


def test_a_url_among_several_files_is_named_as_it_was_given(tables: Folder) -> None:
    files = tables.json("fingerprint", "old.csv", "s3://bank/a.csv", status=2)["files"]
    assert files[1]["path"] == "s3://bank/a.csv"


def test_lines_of_json_are_said_to_be_no_table(tables: Folder) -> None:
    (tables.path / "a.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    assert "a.jsonl is neither a table by its name" in tables("fingerprint", "a.jsonl").stderr


@pytest.mark.parametrize("command", ["fingerprint", "profile"])
def test_a_name_that_is_too_long_names_no_file(command: str, tables: Folder) -> None:
    result = tables(command, "a" * 300 + ".csv")
    assert result.exit_code == 2
    assert result.stderr.endswith("aaa.csv: its name is longer than one of a file can be\n")


# --- what is said beside a fingerprint ----------------------------------------------------------------------


@pytest.fixture
def filtered(tables: Folder) -> Folder:
    """Give a table of pandas that was filtered, with its index in the file and without."""
    table = pd.DataFrame({"a": [1, 2, 3, 4]}).query("a != 2")
    table.to_parquet(tables.path / "with.parquet")
    table.to_parquet(tables.path / "without.parquet", index=False)
    return tables


def test_an_index_of_pandas_in_a_file_is_said_to_be_one(filtered: Folder) -> None:
    sentence = "the column '__index_level_0__' of with.parquet is the index of a table of pandas"
    assert sentence in filtered.text("fingerprint", "with.parquet")
    assert [note.startswith(sentence) for note in filtered.json("fingerprint", "with.parquet")["notes"]] == [
        True
    ]
    assert "notes" not in filtered.json("fingerprint", "without.parquet")


@pytest.mark.parametrize("files", [("with.parquet", "without.parquet"), ("without.parquet", "with.parquet")])
def test_an_index_that_one_of_two_files_has_is_said_to_be_one(
    files: tuple[str, str], filtered: Folder
) -> None:
    document = filtered.json("fingerprint", files[0], "--against", files[1], status=1)
    assert len(document["notes"]) == 1
    assert "index of a table of pandas" in filtered("fingerprint", files[0], "--against", files[1]).stdout


def test_an_index_that_both_files_have_is_no_difference(filtered: Folder) -> None:
    document = filtered.json("fingerprint", "with.parquet", "--against", "with.parquet")
    assert document["equal"] is True
    assert "notes" not in document


@pytest.mark.parametrize(("header", "said"), [("a;b", "';'"), ("a\tb", "a tab"), ("a|b", "'|'")])
def test_a_csv_file_that_is_separated_otherwise_is_noticed(header: str, said: str, tables: Folder) -> None:
    (tables.path / "other.csv").write_text(f"{header}\n{header.replace('a', '1').replace('b', '2')}\n")
    assert f"read as one column, since {said} and no comma" in tables.text("fingerprint", "other.csv")
    result = tables("fingerprint", "old.csv", "other.csv")
    assert result.exit_code == 0
    assert result.stderr.startswith("Note: other.csv was read as one column")


# --- keyed --------------------------------------------------------------------------------------------------


def test_a_column_is_keyed_with_the_ledger_s_key(here: Folder) -> None:
    key = here.json("key", "fingerprint", "--new")["key"]
    document = here.json("fingerprint", "loans.csv", "--keyed", "race")
    assert document["fingerprint"].startswith("affidavit-table-keyed-v1:sha256:")
    assert [column.get("key") for column in document["columns"]] == [None, None, key, None]
    assert here.json("key", "fingerprint")["key"] == key


def test_both_files_are_keyed_alike(tables: Folder) -> None:
    tables.text("key", "fingerprint", "--new", "--key-file", "key")
    given = ("fingerprint", "new.csv", "--against", "old.csv", "--keyed", "born", "--key-file", "key")
    assert tables.json(*given, status=1)["differences"] == [{"column": "born", "rows": [0, 2]}]


def test_a_keyed_table_is_not_known_to_equal_a_bare_one(tables: Folder) -> None:
    tables.text("key", "fingerprint", "--new", "--key-file", "key")
    tables.text("fingerprint", "old.csv", "-o", "bare")
    given = ("fingerprint", "old.csv", "--against", "bare", "--keyed", "born", "--key-file", "key")
    assert tables.json(*given, status=1)["unknown"] == ["born"]


def test_where_there_is_no_ledger_the_key_may_be_in_a_file(tables: Folder) -> None:
    result = tables("fingerprint", "old.csv", "--keyed", "born")
    assert result.exit_code == 2
    assert "there is no ledger here" in result.stderr
    assert "or name the key's file with --key-file" in result.stderr


def test_a_keyed_column_needs_the_key(here: Folder) -> None:
    result = here("fingerprint", "loans.csv", "--keyed", "race")
    assert result.exit_code == 2
    assert "make one with `affidavit key fingerprint --new`" in result.stderr


def test_the_key_is_named_by_a_variable_where_there_is_no_ledger(tables: Folder) -> None:
    variables = {"AFFIDAVIT_FINGERPRINT_KEY": "key"}
    assert tables("key", "fingerprint", "--new", variables=variables).exit_code == 0
    result = tables("fingerprint", "old.csv", "--keyed", "born", variables=variables)
    assert result.stdout.startswith("affidavit-table-keyed-v1:sha256:")


def test_a_run_keys_its_protected_columns_and_is_reproduced_with_the_key(here: Folder) -> None:
    here.text("key", "fingerprint", "--new")
    data = here.json("run", "loans.py", "--as", "scientist")["data"]
    assert {str(table["fingerprint"]).partition(":")[0] for table in data} >= {"affidavit-table-keyed-v1"}
    assert here.json("reproduce", "loans@3", "--as", "scientist")["verdict"] == "identical"


def test_how_a_file_is_compared_with_a_keyed_table_is_said_in_one_line(here: Folder) -> None:
    here.text("key", "fingerprint", "--new")
    here.text("run", "loans.py", "--as", "scientist")
    given = ("fingerprint", "loans.csv", "--against", "loans@3:applications")
    said = here.text(*given, status=1).splitlines()
    assert said[-1] == (
        "To compare them too, add --keyed race: the ledger's fingerprint key is taken by itself."
    )
    assert here.json(*given, "--keyed", "race")["equal"] is True


def test_a_table_that_was_recorded_under_another_key_is_said_to_be(here: Folder) -> None:
    key = here.json("key", "fingerprint", "--new")["key"]
    here.text("run", "loans.py", "--as", "scientist")
    other = here.json("key", "fingerprint", "--new", "--key-file", "other.key")["key"]
    given = ("fingerprint", "loans.csv", "--against", "loans@3:applications", "--keyed", "race")
    said = here.text(*given, "--key-file", "other.key", status=1).splitlines()
    assert said[-1].startswith(f"They were recorded under the key {key}, and the one here is {other}")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("loans@1:applications",), "was recorded with its columns keyed or not: --keyed is for data"),
        (("loans@1:applications", "--against", "loans@2:applications"), "--keyed is for data"),
        (("no.csv",), "there is no file no.csv"),
        (("loans.csv",), "there is no column 'raze' to key: the columns are income, debt, race, approve"),
    ],
)
def test_what_is_wrong_is_said_before_the_key_is_asked_for(
    given: tuple[str, ...], sentence: str, here: Folder
) -> None:
    result = here("fingerprint", *given, "--keyed", "raze")
    assert (result.exit_code, sentence in result.stderr) == (2, True)


def test_a_column_is_keyed_for_a_field_of_its_structs_as_in_a_pipeline(tables: Folder) -> None:
    tables.text("key", "fingerprint", "--new", "--key-file", "key")
    for name, born in (("one", "1980-02-03"), ("two", "1990-01-02")):
        people = pa.array([{"name": "Ana", "born": born}])
        parquet.write_table(pa.table({"id": [1], "person": people}), tables.path / f"{name}.parquet")
    given = ("fingerprint", "one.parquet", "--keyed", "born", "--key-file", "key")
    assert ["key" in column for column in tables.json(*given)["columns"]] == [False, True]
    different = tables.json(*given, "--against", "two.parquet", status=1)
    assert different["differences"] == [{"column": "person", "rows": [0, 1]}]


DATED = """
import pandas as pd
from affidavit import Pipeline

dated = Pipeline("dated")


@dated.step
def table(source: str = "dated.csv"):
    return pd.read_csv(source)


@dated.step
def model(table):
    from sklearn.dummy import DummyClassifier

    return DummyClassifier().fit(table[["id"]], table["id"])
"""


def test_a_file_that_was_read_otherwise_is_said_to_be_the_recorded_source(here: Folder) -> None:
    (here.path / "dated.csv").write_text("id,born\n1,1980-02-03\n2,1990-01-02\n")
    (here.path / "dated.py").write_text(DATED)
    assert here("run", "dated.py", "--as", "scientist").exit_code == 0
    found = here("fingerprint", "dated.csv", "--against", "dated@1:table")
    assert found.exit_code == 1
    assert "column 'born' was text and is date" in found.stdout
    same = "the file is byte for byte dated.csv, the recorded source of the step table: what differs is how it was read"
    assert same in found.stdout
    source = here.json("fingerprint", "dated.csv", "--against", "dated@1:table", status=1)["recorded_source"]
    assert (source["uri"], source["step"]) == ("dated.csv", "table")
    (here.path / "dated.csv").write_text("id,born\n1,1980-02-03\n3,1990-01-02\n")
    assert "byte for byte" not in here("fingerprint", "dated.csv", "--against", "dated@1:table").stdout
    nameless = here("fingerprint", "dated.csv", "--against", "dated@1")
    assert (nameless.exit_code, "write dated@1:TABLE, with one of table" in nameless.stderr) == (2, True)
