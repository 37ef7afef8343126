"""The drill: every attack is caught and named, the ledger itself is left alone, and a blind verifier is found out."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from audit import attacks, drill, tables
from audit.drill_attacks import Attack, Skipped, attacks_on_copy
from audit.drill_histories import attacks_on_made
from audit.drill_ledgers import Victim, copied, made
from audit.errors import MalformedInput
from audit.ledger import Ledger
from audit.report import Report, Step
from audit.verify import verify_ledger
from registry.registry import open_registry
from tests.command_line import Folder, a_lender
from tests.small_ledger import new_ledger, report

LEDGER = ".affidavit"
OF_THE_DESIGN = {
    "edit any column": {"edit-records", "edit-tree", "edit-tables"},
    "delete": {"delete-records", "delete-tree", "delete-tables", "delete-resigned"},
    "reorder": {"swap-entries", "reorder-resigned"},
    "truncate": {"cut-tail", "cut-tail-resigned"},
    "insert": {"insert-records", "insert-tree", "insert-tables", "insert-resigned"},
    "fork": {"fork"},
    "back-date": {"backdate-entry", "backdate-resigned", "backdate-little"},
    "swap a key": {"swap-key", "swap-log-key", "swap-holders", "revoked-key"},
    "roll back": {"roll-back", "restore-backup"},
    "replay": {"replay", "replay-elsewhere"},
    "tamper with tables": {"drop-trigger", "drop-table", "drop-column", "add-table"},
    "tamper with artifacts": {"edit-artifact", "lose-artifact", "stray-file"},
    "forge a statement": {"edit-statement", "edit-resigned", "edit-signed", "edit-newest"},
    "write everything again": {"rewrite-own-log-key", "rewrite-everything"},
}
NEED_AN_ANCHOR = {
    "roll-back",
    "restore-backup",
    "edit-newest",
    "cut-tail-resigned",
    "fork",
    "rewrite-everything",
}


def digests(folder: Path) -> dict[str, str]:
    """Digest every file but SQLite's shared memory, which every reader marks."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Give a lender's folder without any private key: a drill must not need one."""
    here = a_lender(tmp_path_factory.mktemp("drill") / "lender")
    shutil.rmtree(here.path / LEDGER / "keys")
    return here


@pytest.fixture(scope="module")
def typed(lender: Folder) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    before = digests(lender.path)
    document = lender.json("drill")
    return document, before, digests(lender.path)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "ledger").mkdir()
    return new_ledger(tmp_path / "ledger")


def blind(*arguments: Any, **options: Any) -> Report:
    """Verify as a tool does that finds nothing."""
    return Report(1, "", (Step(1, "records", "passed", "all well"),))


# -- a whole drill -----------------------------------------------------------------------------------------------------


def test_every_attack_is_caught(typed: Any) -> None:
    document, _, _ = typed
    assert [row["attack"] for row in document["attacks"] if not row["ok"]] == []
    assert document["ok"] is True


def test_the_ledger_itself_is_not_touched(typed: Any) -> None:
    _, before, after = typed
    assert before == after


def test_every_attack_of_the_design_is_tried(typed: Any) -> None:
    tried = {row["attack"] for row in typed[0]["attacks"]}
    assert set().union(*OF_THE_DESIGN.values()) == tried


def test_each_attack_is_caught_by_the_step_that_is_meant_to(typed: Any) -> None:
    for row in typed[0]["attacks"]:
        assert row["caught_by"]["name"] == row["expected"], row["attack"]


def test_what_only_an_anchor_can_catch_is_said_and_nothing_else_is(typed: Any) -> None:
    assert {row["attack"] for row in typed[0]["attacks"] if row["needs_anchor"]} == NEED_AN_ANCHOR


def test_attacks_with_stolen_keys_are_on_the_ledger_made_for_the_drill_and_no_others(typed: Any) -> None:
    stolen = {row["attack"] for row in typed[0]["attacks"] if row["stolen"] != "no key"}
    made_for_it = {row["attack"] for row in typed[0]["attacks"] if row["on"] == "made"}
    assert made_for_it - stolen == {"swap-log-key", "restore-backup"}
    assert stolen <= made_for_it


def test_every_column_of_every_table_is_edited(typed: Any) -> None:
    rows = {row["attack"]: row["tried"] for row in typed[0]["attacks"]}
    assert rows["edit-records"] + rows["edit-tree"] + rows["edit-tables"] == 7 + 12 + 25
    assert typed[0]["skipped"] == [{"attack": "rows of subjects", "why": "the table has none"}]


def test_the_matrix_says_on_which_ledger_what_was_tried(
    lender: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "attacks_on_copy", lambda victim: attacks_on_copy(victim)[-3:])
    monkeypatch.setattr(drill, "attacks_on_made", lambda victim: attacks_on_made(victim)[-1:])
    said = lender.text("drill")
    assert "On a copy of this ledger (its 11 entries), with no key stolen" in said
    assert "On a ledger made for the drill (14 entries, keys of its own), with keys stolen" in said
    assert "4 of 4 attacks were caught, 1 of them only with an anchor" in said


def test_the_matrix_is_kept_in_a_file_with_the_ledger_its_state_and_the_time(
    lender: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(drill, "attacks_on_copy", lambda victim: attacks_on_copy(victim)[-1:])
    monkeypatch.setattr(drill, "attacks_on_made", lambda victim: attacks_on_made(victim)[-1:])
    printed = lender.json("drill", "-o", str(tmp_path / "drill.json"))
    kept = json.loads((tmp_path / "drill.json").read_text())
    assert kept == printed
    head = lender.json("checkpoint")
    assert (kept["origin"], kept["entries"], kept["root"]) == (head["origin"], head["size"], head["root"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT.*Z", kept["time"])


def test_right_after_an_erasure_a_tail_that_is_cut_off_is_classed_by_the_step_that_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = a_lender(tmp_path / "lender")
    here.text("erase", "validator", "--reason", "left the bank", "--as", "admin", "--yes")
    monkeypatch.setattr(
        drill,
        "attacks_on_copy",
        lambda victim: [a for a in attacks_on_copy(victim) if is_named(a, "roll-back")],
    )
    monkeypatch.setattr(drill, "attacks_on_made", lambda victim: attacks_on_made(victim)[-1:])
    cut, restored = here.json("drill")["attacks"]
    assert (cut["attack"], cut["expected"], cut["needs_anchor"], cut["ok"]) == (
        "roll-back",
        "tables",
        False,
        True,
    )
    # With the deleted row from a backup it leaves no trace, and that is tried too.
    assert (restored["attack"], restored["needs_anchor"], restored["ok"]) == ("restore-backup", True, True)


def is_named(attack: Attack | Skipped, name: str) -> bool:
    return isinstance(attack, Attack) and attack.name == name


# -- a drill that finds something --------------------------------------------------------------------------------------


def test_a_verifier_that_sees_nothing_fails_the_drill(
    lender: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill, "verify_ledger", blind)
    document = lender.json("drill", status=1)
    assert document["ok"] is False
    assert {(row["ok"], row["caught_by"]) for row in document["attacks"]} == {(False, None)}


def test_an_attack_that_another_step_sees_than_the_one_meant_is_missed(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append_many([report(), report()])
    [wrong] = [
        Attack(a.name, a.what, a.on, a.stolen, "times", a.trials)
        for a in attacks_on_copy(copied(ledger, empty(tmp_path / "look")))
        if isinstance(a, Attack) and a.name == "add-table"
    ]
    monkeypatch.setattr(drill, "attacks_on_copy", lambda victim: [wrong])
    monkeypatch.setattr(drill, "attacks_on_made", lambda victim: [])
    answer = drill.drill(ledger)
    assert not answer
    assert answer.results[0].missed == ("keep a table of one's own",)


def test_a_drill_in_which_nothing_was_tried_is_not_a_yes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append_many([report(), report()])
    monkeypatch.setattr(drill, "attacks_on_copy", lambda victim: [])
    monkeypatch.setattr(drill, "attacks_on_made", lambda victim: [])
    assert not drill.drill(ledger)


def test_a_ledger_that_does_not_verify_is_not_drilled(tmp_path: Path) -> None:
    here = a_lender(tmp_path / "lender")
    attacks.edit(here.path / LEDGER, "holders", "name", 1, "Nobody")
    result = here("drill")
    assert (result.exit_code, "does not verify as it is" in result.stderr) == (1, True)


def test_a_very_short_ledger_is_refused_with_a_hint(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match="has 1 entries, too few to attack: record something first"):
        copied(ledger, empty(tmp_path / "copy"))


# -- the ledgers that are attacked -------------------------------------------------------------------------------------


def empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def verified(victim: Victim) -> bool:
    engine = tables.open_database(victim.folder / "ledger.db")
    return bool(verify_ledger(engine, followers=victim.followers, checkpoint=victim.anchor))


def test_a_copy_verifies_with_its_anchor(lender: Folder, tmp_path: Path) -> None:
    victim = copied(open_registry(str(lender.path)).ledger, tmp_path)
    assert (verified(victim), victim.size) == (True, 11)


def test_of_a_long_ledger_the_beginning_is_copied_up_to_a_signed_head(ledger: Ledger, tmp_path: Path) -> None:
    for _ in range(4):
        ledger.append_many([report() for _ in range(20)])
    victim = copied(ledger, empty(tmp_path / "copy"), most=50)
    assert (victim.size, verified(victim)) == (41, True)


def test_a_ledger_whose_first_head_is_of_many_entries_is_copied_up_to_that(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.append_many([report() for _ in range(30)])
    ledger.append(report())
    victim = copied(ledger, empty(tmp_path / "copy"), most=10)
    assert (victim.size, verified(victim)) == (31, True)


def test_the_ledger_made_for_the_drill_verifies_and_has_keys_of_its_own(tmp_path: Path) -> None:
    one, two = made(empty(tmp_path / "one")), made(empty(tmp_path / "two"))
    assert verified(one)
    assert not {k.public for k in one.keys.values()} & {k.public for k in two.keys.values()}


def test_a_ledger_without_artifacts_says_that_none_was_attacked(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append_many([report(), report()])
    planned = attacks_on_copy(copied(ledger, empty(tmp_path / "copy")))
    assert ("artifacts", "no artifact of these entries is at hand") in {
        (one.attack, one.why) for one in planned if not isinstance(one, Attack)
    }


def test_of_a_shared_ledger_it_is_said_that_its_server_was_not_attacked(
    shared_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title in ("one", "two"):
        shared_ledger.append(report(title))
    monkeypatch.setattr(drill, "attacks_on_copy", lambda victim: [])
    monkeypatch.setattr(drill, "attacks_on_made", lambda victim: attacks_on_made(victim)[-1:])
    skipped = drill.drill(shared_ledger).skipped
    assert [(s.attack, s.why) for s in skipped] == [
        ("the server, its roles and its triggers", "the copy is an SQLite file")
    ]


def test_the_names_of_attacks_are_told_apart(tmp_path: Path) -> None:
    names = [attack.name for attack in attacks_on_made(made(tmp_path))]
    assert len(names) == len(set(names))
