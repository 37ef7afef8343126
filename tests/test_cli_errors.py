"""Tests of what the command line says when something is wrong: one line, the right status, and nothing half-written."""

import json
from pathlib import Path

import pytest

from tests.command_line import ENTRIES, Folder, a_lender, complaint, empty_folder, untouched

BROKEN = """from affidavit import Pipeline
import pandas as pd

circle = Pipeline("circle")

@circle.step
def chicken(egg): ...

@circle.step
def egg(chicken): ...

missing = Pipeline("missing")

@missing.step
def model(splits): ...

@missing.step
def split(): ...

falls = Pipeline("falls")

@falls.step
def load(source: str = "loans.csv") -> pd.DataFrame:
    raise ValueError("the column income\\nis not there")

one_class = Pipeline("one_class")

@one_class.evaluate(sensitive=["race"])
def evaluation():
    return {"y_true": [1] * 100, "y_pred": [0, 1] * 50, "sensitive": pd.DataFrame({"race": ["a", "b"] * 50})}

unprotected = Pipeline("unprotected")

@unprotected.evaluate(sensitive=["religion"])
def evaluation():
    return {"y_true": [0, 1] * 50, "y_pred": [0, 1] * 50, "sensitive": pd.DataFrame({"race": ["a", "b"] * 50})}
"""


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """Give a lender's folder: loans@1 in production, loans@2 recorded, 11 entries."""
    folder = a_lender(tmp_path / "lender")
    (folder.path / "broken.py").write_text(BROKEN)
    return folder


APPROVE = ("approve", "loans@2", "--stage", "production", "--role", "validator")

# What is typed, and the words that the one line must have.
WRONG: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "an unknown model": (("show", "cars@1"), ("no version of a model 'cars'", "its models are loans")),
    "an unknown version": (("show", "loans@9"), ("loans has no version 9", "1 to 2")),
    "an unknown stage": (("show", "loans@staging"), ("no stage staging", "production (version 1)")),
    "a stage without policies": (("gate", "loans@1", "--stage", "moon"), ("no stage 'moon'", "production")),
    "an entry beyond the end": (("show", "99"), ("no entry 99", "affidavit log")),
    "a number of entries beyond all": (("log", "-n", "9" * 30), ("-n",)),
    "a head of more entries than a database counts": (("checkpoint", "--size", "9" * 30), ("signed no head",)),
    "a bundle without a name": (("export", "loans@1", "-o", ""), ("name another place",)),
    "a hash of no entry": (("show", "abcdef012345"), ("no entries start with the hash abcdef012345",)),
    "a hash that is too short": (("show", "abc"), ("8 to 64 hexadecimal digits",)),
    "a wildcard for a hash": (("show", "%%%%%%%%"), ("%%%%%%%%",)),
    "an unknown fingerprint": (("show", "affidavit-table-v1:sha256:00"), ("no version in this ledger",)),
    "a version without a name": (("show", "@1"), ("NAME@VERSION",)),
    "a version without a number": (("show", "loans@"), ("loans@latest",)),
    "a model where a version is needed": (("lineage", "loans"), ("loans@latest",)),
    "versions that cannot be compared": (("compare", "loans@1", "loans@7"), ("no version 7",)),
    "an unknown model in the log": (("log", "--model", "cars"), ("no entry of this ledger is about",)),
    "an unknown kind in the log": (("log", "--kind", "runs"), ("no kind 'runs'", "run, approval")),
    "a file that is not there": (("fingerprint", "nothing.csv"), ("nothing.csv",)),
    "a folder for a file": (("fingerprint", "."), (".",)),
    "a kind of file that is not read": (("fingerprint", "loans.py"), ("loans.py",)),
    "a CSV that is not one": (("fingerprint", "broken.csv"), ("broken.csv",)),
    "an unknown table of a version": (
        ("fingerprint", "loans.csv", "--against", "loans@1:rows"),
        ("loans@1 has no table 'rows'", "applications"),
    ),
    "a pipeline that is not there": (("run", "load.py"), ("no file load.py", "did you mean loans.py")),
    "a target that is no pipeline": (("run", "loans.csv"), ("not a Python file",)),
    "a name that is not in the file": (("run", "loans.py:loan"), ("has no loan", "did you mean loans")),
    "a name that is no pipeline": (("run", "broken.py:pd"), ("pd", "no Pipeline")),
    "several pipelines in a file": (("run", "broken.py"), ("5 pipelines", "choose")),
    "a circle of steps": (("run", "broken.py:circle"), ("chicken", "egg")),
    "a step that nobody declares": (("run", "broken.py:missing"), ("splits", "did you mean split")),
    "a parameter of the wrong type": (
        ("run", "loans.py", "-p", "C=much"),
        ("parameter C of the step model takes a number", "'much'"),
    ),
    "an unknown parameter": (("run", "loans.py", "-p", "D=1"), ("no parameter D",)),
    "a parameter of an unknown step": (("run", "loans.py", "-p", "modle.C=1"), ("modle.C",)),
    "a parameter without a value": (("run", "loans.py", "-p", "C"), ("NAME=VALUE",)),
    "a parameter without a name": (("run", "loans.py", "-p", "=1"), ("NAME=VALUE",)),
    "an approval without a meaning": ((*APPROVE, "--as", "validator", "--meaning", " "), ("--meaning",)),
    "an approval by whom recorded the run": (
        (*APPROVE, "--as", "scientist", "--meaning", "mine"),
        ("'scientist' recorded loans@2", "another person must"),
    ),
    "an approval in a role that the key does not hold": (
        ("approve", "loans@2", "--stage", "production", "--role", "approver", "--as", "validator", "--meaning", "x"),
        ("'validator' does not hold the role approver",),
    ),
    "an approval in a role that does not exist": (
        ("approve", "loans@2", "--stage", "production", "--role", "boss", "--as", "validator", "--meaning", "x"),
        ("validator or approver", "'boss'"),
    ),
    "a promotion by a key without the role": (
        ("promote", "loans@1", "production", "--as", "scientist"),
        ("'scientist'", "role"),
    ),
    "a run by a key without the role": (("run", "loans.py", "--as", "approver"), ("'approver'", "recorder")),
    "a key without any role": (("run", "loans.py", "--as", "nobody"), ("role",)),
    "a key that does not exist": (("run", "loans.py", "--as", "ghost"), ("no key named 'ghost'", "validator")),
    "the logs own key": (("run", "loans.py", "--as", "log"), ("role",)),
    "a key name that is a path": (("run", "loans.py", "--as", "../x"), ("'../x' is not usable",)),
    "a key that exists": (("key", "create", "validator"), ("exists", "another name")),
    "a role that does not exist": (
        ("key", "grant", "nobody", "--role", "king", "--holder", "X"),
        ("king", "recorder"),
    ),
    "a grant to nobody": (("key", "grant", "nobody", "--role", "validator"), ("--holder",)),
    "a grant of a key that does not exist": (
        ("key", "grant", "ghost", "--role", "validator", "--holder", "X"),
        ("no key named 'ghost'",),
    ),
    "the revocation of the last admin": (
        ("key", "revoke", "admin", "--reason", "x"),
        ("no key would hold the role admin",),
    ),
    "the revocation of a key that is not granted": (("key", "revoke", "ghost", "--reason", "x"), ("ghost",)),
    "a suspicion about the future": (
        ("key", "revoke", "validator", "--reason", "x", "--suspect-since", "-4"),
        ("from an entry that stands already (0 to ", "-4 is none"),
    ),
    "a policy that does not exist": (("policy", "show", "landing"), ("'landing'", "did you mean lending")),
    "a policy file that does not exist": (("policy", "check", "no.yaml"), ("no.yaml",)),
    "a policy with a typo": (
        ("policy", "check", "typo.yaml"),
        ("typo.yaml:5:6:", "unknown field 'clause'", "did you mean clauses"),
    ),
    "a stage guarded by a policy with a typo": (
        ("policy", "adopt", "typo.yaml", "--stage", "production"),
        ("typo.yaml:5:6:",),
    ),
    "a stage with a name that is none": (("policy", "adopt", "easy.yaml", "--stage", "Top Floor"), ("'Top Floor'",)),
    "a report template that does not exist": (
        ("report", "loans@1", "--template", "poster", "-o", "x.pdf"),
        ("poster", "model-card"),
    ),
    "a report into a folder that does not exist": (("report", "loans@1", "-o", "no/where/x.pdf"), ("no/where",)),
    "a rollback where there is nothing before": (
        ("rollback", "loans", "production", "--reason", "x", "--as", "approver"),
        ("no other version",),
    ),
    "a rollback without a reason": (
        ("rollback", "loans", "production", "--reason", "  ", "--as", "approver"),
        ("--reason",),
    ),
    "a checkpoint that is none": (
        ("verify", "--checkpoint", "nothing.txt"),
        ("there is no file nothing.txt: check its name",),
    ),
    "a verifier key that is none": (("verify", "--key", "loans.csv"), ("loans.csv holds no verifier key",)),
    "a verifier key that is not even text": (("verify", "--key", "binary"), ("binary holds no verifier key",)),
    "evidence that is not there": (
        ("verify", "nothing.zip"),
        ("Error: there is no file nothing.zip: check its name",),
    ),
    "a report to standard output": (("report", "loans@1", "-o", "-"), ("'-' is no file: name the one to write",)),
    "a bundle to standard output": (("export", "loans@1", "-o", "-"), ("'-' is no file: name the one to write",)),
    "a checkpoint to standard output": (("checkpoint", "-o", "-"), ("'-' is no file: name the one to write",)),
    "a checkpoint into a folder that does not exist": (("checkpoint", "-o", "no/where/x"), ("no/where/x",)),
    "a ledger that exists": (("init", "--origin", "x.example/y"), ("exists", "never overwritten")),
    "an origin with a space": (("init", "new", "--origin", "two words"), ("'two words'",)),
    "a first key with the logs name": (("init", "new", "--origin", "a.example/b", "--key", "log"), ("'log'",)),
    "a first key without a role that exists": (
        ("init", "new", "--origin", "a.example/b", "--role", "king"),
        ("king",),
    ),
    "an unknown command": (("verfy",), ("No such command 'verfy'", "affidavit --help")),
    "an unknown option": (("log", "--modle", "x"), ("--modle", "affidavit log --help")),
    "an option that is missing": (("init", "new"), ("--origin", "affidavit init --help")),
    "an argument that is missing": (("run",), ("TARGET", "affidavit run --help")),
    "a number that is none": (("log", "-n", "many"), ("'many'",)),
    "a demonstration in a folder that is not empty": (("demo", "."), ("not empty",)),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_one_line_and_changes_nothing(here: Folder, case: str) -> None:
    typed, expected = WRONG[case]
    (here.path / "broken.csv").write_bytes(b'a,b\n1,2,3\n"\x00\xff')
    (here.path / "binary").write_bytes(bytes(range(256)))
    (here.path / "typo.yaml").write_text(
        'name: typo\nversion: 1\ntitle: "T"\nrules:\n  - {clause: [], id: a, says: "S", kind: fact, fact: seeded}\n'
    )
    said = complaint(here(*typed))
    assert all(words in said for words in expected), said
    untouched(here)
    assert not (here.path / "new").exists()


@pytest.mark.parametrize("case", ["an unknown model", "a policy with a typo", "an unknown option"])
def test_with_json_an_error_is_still_one_line_on_standard_error(here: Folder, case: str) -> None:
    (here.path / "typo.yaml").write_text("name: 1\n")
    complaint(here(*WRONG[case][0], "--json"))


@pytest.mark.parametrize(
    "typed",
    [
        ("log",), ("verify",), ("show", "a@1"), ("run", "x.py"), ("gate", "a@1", "--stage", "s"), ("checkpoint",),
        ("key", "list"), ("report", "a@1"), ("reproduce", "a@1"), ("ledger", "rebuild"), ("lineage", "a@1"),
        ("promote", "a@1", "s"), ("policy", "adopt", "baseline", "--stage", "s"), ("key", "create", "x"),
    ],
)  # fmt: skip
def test_where_there_is_no_ledger_every_command_says_how_to_make_one(
    tmp_path: Path, typed: tuple[str, ...]
) -> None:
    nowhere = empty_folder(tmp_path / "nowhere")
    assert "affidavit init" in complaint(nowhere(*typed))
    assert list(nowhere.path.iterdir()) == []


def test_a_ledger_that_is_named_and_not_there_is_said_by_its_name(tmp_path: Path) -> None:
    assert "there is no ledger at nowhere" in complaint(empty_folder(tmp_path)("--ledger", "nowhere", "log"))


def test_a_database_out_of_reach_is_said_to_be_and_its_password_is_not(tmp_path: Path) -> None:
    result = empty_folder(tmp_path)("--ledger", "postgresql+psycopg://someone:secret@localhost:1/x", "log")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("Error: the ledger's database failed")
    assert "secret" not in result.stderr


def test_a_file_that_is_not_a_database_is_no_ledger(here: Folder) -> None:
    (here.path / ".affidavit" / "ledger.db").write_bytes(b"not a database at all, whatever it says" * 100)
    assert "does not read as one" in complaint(here("log"))


def test_a_circle_that_is_evaluated_without_a_ledger_is_said_by_the_dry_run(tmp_path: Path) -> None:
    nowhere = empty_folder(tmp_path)
    (nowhere.path / "broken.py").write_text(BROKEN)
    assert "chicken" in complaint(nowhere("run", "broken.py:circle", "--dry-run"))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("broken.py:falls", ("step load failed", "ValueError: the column income", "entry 11", "--traceback")),
        ("broken.py:one_class", ("step evaluation failed", "class", "entry 11")),
        ("broken.py:unprotected", ("step evaluation failed", "religion", "entry 11")),
    ],
)
def test_a_step_that_fails_is_one_line_and_one_entry(
    here: Folder, target: str, expected: tuple[str, ...]
) -> None:
    said = complaint(here("run", target, "--as", "scientist"))
    assert all(words in said for words in expected), said
    untouched(here, ENTRIES + 1)


def test_a_failed_run_prints_its_document_too(here: Folder) -> None:
    result = here("run", "broken.py:falls", "--as", "scientist", "--json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert (document["status"], document["version"], document["entry"]) == ("failed", None, 11)
    assert document["failure"] == {"step": "load", "error": "ValueError"}
    assert result.stderr.count("\n") == 1


def test_a_csv_that_a_step_cannot_read_is_one_line(here: Folder) -> None:
    (here.path / "loans.csv").write_bytes(b'"\xff\x00')
    said = complaint(here("run", "loans.py", "--as", "scientist"))
    assert "step applications failed" in said
    untouched(here, ENTRIES + 1)


def test_the_traceback_of_a_step_is_shown_when_asked_for(here: Folder) -> None:
    result = here("run", "broken.py:falls", "--as", "scientist", "--traceback")
    assert result.exit_code == 2
    assert "in load" in result.stderr
    assert "ValueError" in result.stderr


def test_an_approval_by_the_same_person_with_another_key_is_refused(here: Folder) -> None:
    here.text("key", "grant", "nobody", "--role", "validator", "--holder", "Ana Ruiz")
    said = complaint(here(*APPROVE, "--as", "nobody", "--meaning", "me again"))
    assert "recorded loans@2" in said
    untouched(here, ENTRIES + 1)


def test_a_revoked_key_may_say_nothing(here: Folder) -> None:
    here.text("key", "revoke", "validator", "--reason", "left")
    complaint(here(*APPROVE, "--as", "validator", "--meaning", "still here"))
    untouched(here, ENTRIES + 1)
