"""A target is a file, a file and a name, or a module and a name; everything else is one clear sentence."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.errors import MalformedInput, NotFound
from registry.target import load_target
from tests.small_registry import new_registry

ONE = """
from dataclasses import dataclass
from registry.pipeline import Pipeline

mortgage = Pipeline("mortgage")
same = mortgage
number = 3

@dataclass
class Row:
    n: "int"

@mortgage.step
def load(n: int = 1) -> int:
    return n
"""


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_file_with_one_pipeline_needs_no_name() -> None:
    write("loans.py", ONE)
    target = load_target("loans.py")
    assert target.pipeline.name == "mortgage"
    assert target.text == "loans.py:mortgage"


def test_a_file_and_a_name() -> None:
    write("sub/loans.py", ONE)
    assert load_target("sub/loans.py:same").text == "sub/loans.py:same"


def test_a_module_and_a_name() -> None:
    write("lending/__init__.py", "")
    write("lending/loans.py", ONE)
    assert load_target("lending.loans:mortgage").pipeline.name == "mortgage"


def test_neighbours_of_the_file_can_be_imported() -> None:
    write("far/shared_steps.py", ONE)
    write("far/entry_point.py", "from shared_steps import mortgage\n")
    assert load_target("far/entry_point.py").text == "far/entry_point.py:mortgage"


def test_a_file_named_like_a_loaded_module_leaves_that_module_alone() -> None:
    import json

    write("json.py", ONE)
    assert load_target("json.py").pipeline.name == "mortgage"
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("loan.py", NotFound, "no file loan.py: did you mean loans.py"),
        ("loans.py:mortgag", NotFound, "has no mortgag: did you mean mortgage"),
        ("loans.py:number", MalformedInput, "no Pipeline but a int"),
        ("loans.py:", MalformedInput, "is no target"),
        ("no.such:thing", NotFound, "no file or module no.such"),
        ("nosuchmodule", NotFound, "no file or module nosuchmodule"),
        ("data.csv", MalformedInput, "not a Python file"),
        ("data.json", NotFound, "no file or module data.json"),
        ("two words:x", MalformedInput, "no module"),
        ("empty.py", MalformedInput, "declares no pipeline"),
        ("two.py", MalformedInput, "choose two.py:a or two.py:b"),
        ("broken.py", MalformedInput, "broken.py in line 2 is not Python: "),
        ("raises.py", MalformedInput, "cannot be imported: ZeroDivisionError in line 2: division by zero"),
        ("leaves.py", MalformedInput, "cannot be imported: SystemExit in line 2: 3"),
        ("declares.py", MalformedInput, "declares.py, line 4: the step load takes"),
        ("package.module", MalformedInput, "package.module cannot be imported: ModuleNotFoundError"),
        ("imports.py", MalformedInput, "ModuleNotFoundError in line 1: No module named 'nothing_like_it'"),
    ],
)
def test_a_target_that_is_none_is_one_clear_sentence(target: str, error: type[Exception], words: str) -> None:
    write("loans.py", ONE)
    write("data.csv", "a")
    write("empty.py", "x = 1\n")
    write("two.py", 'from registry.pipeline import Pipeline\na = Pipeline("a")\nb = Pipeline("b")\n')
    write("broken.py", "x = 1\ndef (:\n")
    write("raises.py", "x = 1\ny = x / 0\n")
    write("leaves.py", "import sys\nsys.exit(3)\n")
    write("package/__init__.py", "import nothing_like_it")
    declares = "from registry.pipeline import Pipeline\na = Pipeline('a')\n\n@a.step\ndef load(*x): ...\n"
    write("declares.py", declares)
    write("imports.py", "import nothing_like_it\n")
    with pytest.raises(error, match=words):
        load_target(target)


def test_a_file_that_failed_can_be_mended_and_loaded_again() -> None:
    write("mended.py", "raise ValueError\n")
    with pytest.raises(MalformedInput):
        load_target("mended.py")
    write("mended.py", ONE + "# longer\n")
    assert load_target("mended.py").pipeline.name == "mortgage"


def test_of_two_edits_in_one_second_the_newest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for name in ("first", "other"):
        write("loans.py", f"from registry.pipeline import Pipeline\nloans = Pipeline('{name}')\n")
        os.utime("loans.py", (1_700_000_000, 1_700_000_000))
        assert load_target("loans.py").pipeline.name == name


def test_an_error_that_cannot_say_its_message_is_named_by_its_class() -> None:
    write("mute.py", "class Mute(Exception):\n    def __str__(self): raise RuntimeError\n\nraise Mute\n")
    with pytest.raises(MalformedInput, match=r"^mute\.py cannot be imported: Mute in line 4$"):
        load_target("mute.py")


RECORDS = """
from affidavit import record

with record("loans") as run:
    raise SystemExit("it ran")
"""


@pytest.mark.parametrize(
    "text",
    [
        RECORDS,
        RECORDS.replace("from affidavit import record", "import affidavit").replace(
            "record(", "affidavit.record("
        ),
    ],
    ids=["by its name", "by its module"],
)
def test_a_script_that_records_itself_is_refused_before_it_runs(tmp_path: Path, text: str) -> None:
    (tmp_path / "old.py").write_text(text)
    with pytest.raises(MalformedInput, match=r"records itself with record\(\).* run it with `python old.py`"):
        load_target("old.py")


@pytest.mark.parametrize("around", ["def main():", 'if __name__ == "__main__":'])
def test_a_script_that_records_nothing_when_it_is_loaded_is_loaded(tmp_path: Path, around: str) -> None:
    inside = "\n".join(f"    {line}" for line in RECORDS.splitlines())
    (tmp_path / "old.py").write_text(f"{around}\n{inside}\n")
    with pytest.raises(MalformedInput, match="declares no pipeline: write"):
        load_target("old.py")


def test_where_a_module_has_recorded_itself_the_entry_is_named(tmp_path: Path) -> None:
    ledger = new_registry(tmp_path).ledger
    # Made and entered apart: not even a look at the file tells that it records itself.
    (tmp_path / "older.py").write_text(
        "from affidavit import record\nrun = record('loans')\nwith run:\n    run.data('loan', [1])\n"
    )
    size = ledger.head().size
    with pytest.raises(
        MalformedInput, match=f"has recorded entry {size} as it was loaded: run such a script with python"
    ):
        load_target("older.py")


def test_a_package_that_an_extra_brings_is_named_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandera", None)
    (tmp_path / "checked.py").write_text("import pandera\n")
    with pytest.raises(MalformedInput, match=r"pip install 'affidavit\[checks\]'"):
        load_target("checked.py")
