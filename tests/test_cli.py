"""The command line as it is used when all is well: the documents that other programs read, and the statuses."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.command_line import Folder, a_lender, empty_folder


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """Give a lender's folder: loans@1 in production, loans@2 recorded."""
    return a_lender(tmp_path / "lender")


def test_verify_prints_the_document_of_the_interface(here: Folder) -> None:
    document = here.json("verify")
    assert document["verified"] is True
    assert document["size"] == 11
    assert re.fullmatch(r"[0-9a-f]{64}", document["root"])
    assert document["anchor"] is None
    assert [step["step"] for step in document["steps"]] == list(range(1, 9))
    assert {step["status"] for step in document["steps"]} == {"passed", "skipped"}
    keys = {"step", "name", "status", "detail", "entries", "figures"}
    assert all(step.keys() == keys for step in document["steps"])


def test_a_checkpoint_kept_elsewhere_is_an_anchor(here: Folder) -> None:
    here.text("checkpoint", "-o", "kept.txt")
    here.text("key", "grant", "nobody", "--role", "validator", "--holder", "Nobody")
    document = here.json("verify", "--checkpoint", "kept.txt")
    assert {"kind", "size", "age_seconds"} <= document["anchor"].keys()
    assert document["anchor"]["size"] == 11
    assert document["steps"][2]["status"] == "passed"


def test_the_logs_key_is_checked_against_the_one_that_was_given(here: Folder) -> None:
    (here.path / "log.vkey").write_text(here.json("checkpoint")["verifier_key"] + "\n")
    assert here.json("verify", "--key", "log.vkey")["verified"] is True


def test_the_key_of_a_ledger_whose_name_is_not_ascii_verifies_it_too(tmp_path: Path) -> None:
    bank = empty_folder(tmp_path / "bank")
    bank.text("init", "--origin", "sparkasse.example/kreditprüfung")
    bank.text("ledger", "tiles", "tiles")
    assert bank.json("verify", "tiles", "--key", "tiles/vkey.txt")["verified"] is True
    assert bank.json("verify", "--key", "tiles/vkey.txt")["verified"] is True


def test_another_logs_key_does_not_verify(here: Folder, tmp_path: Path) -> None:
    other = empty_folder(tmp_path / "other")
    other.text("init", "--origin", "other.example/models")
    (here.path / "log.vkey").write_text(other.json("checkpoint")["verifier_key"])
    assert here.json("verify", "--key", "log.vkey", status=1)["verified"] is False


def test_a_file_that_is_in_no_entry_does_not_verify(here: Folder) -> None:
    document = here.json("verify", "loans.csv", "easy.yaml", "strict.yaml", status=1)
    assert document["files"] == [
        {"file": "loans.csv", "entries": [7, 8], "in_doubt": []},
        {"file": "easy.yaml", "entries": [6], "in_doubt": []},
        {"file": "strict.yaml", "entries": [], "in_doubt": []},
    ]
    assert document["verified"] is False


def test_of_a_file_that_an_entry_in_doubt_is_about_the_doubt_is_said(here: Folder) -> None:
    [run] = here.json("show", "9")["subjects"]
    with closing(sqlite3.connect(here.path / ".affidavit" / "ledger.db")) as connection:
        query = "SELECT record FROM records WHERE hex(leaf_hash) = ?"
        [about] = connection.execute(query, (run["sha256"].upper(),)).fetchone()
    # A run's leaf hash, which an approval is about, is the digest of this file.
    (here.path / "run").write_bytes(b"\0" + about)
    assert here.text("verify", "run").endswith("run is what entries 9 to 10 are about\n")
    here.text("key", "revoke", "validator", "--reason", "stolen", "--suspect-since", "9")
    assert here.json("verify", "run")["files"] == [{"file": "run", "entries": [9, 10], "in_doubt": [9]}]
    assert here.text("verify", "run").endswith(
        "run is what entries 9 to 10 (in doubt, see step 4: 9) are about\n"
    )


def test_the_ledger_can_be_named_by_its_own_folder(here: Folder, tmp_path: Path) -> None:
    elsewhere = empty_folder(tmp_path / "elsewhere")
    assert elsewhere.json("--ledger", str(here.path / ".affidavit"), "verify")["verified"] is True


def test_the_ledger_can_be_named_by_the_folder_around_it(here: Folder, tmp_path: Path) -> None:
    elsewhere = empty_folder(tmp_path / "elsewhere")
    assert elsewhere.json("--ledger", str(here.path), "verify")["verified"] is True


def test_the_ledger_can_be_named_by_a_variable(here: Folder, tmp_path: Path) -> None:
    elsewhere = empty_folder(tmp_path / "elsewhere")
    assert elsewhere("log", variables={"AFFIDAVIT_LEDGER": str(here.path)}).exit_code == 0


def test_the_ledger_is_found_above_the_working_directory(here: Folder) -> None:
    assert empty_folder(here.path / "deep" / "down").json("verify")["verified"] is True


def test_run_prints_the_document_of_the_interface_and_nothing_of_the_users(here: Folder) -> None:
    result = here("run", "loans.py", "-p", "split.seed=8", "--as", "scientist", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert result.stderr == "fitting\n"
    assert (document["model"], document["version"], document["entry"]) == ("loans", 3, 11)
    assert document["status"] == "succeeded"
    assert isinstance(document["metrics"]["accuracy"], float)
    assert {"name", "fingerprint", "rows"} == document["data"][0].keys()
    assert document["model_fingerprint"].startswith("affidavit-model-v1:sha256:")
    assert re.fullmatch(r"[0-9a-f]{64}", document["model_digest"])


def test_the_same_run_twice_gives_the_same_fingerprints_and_metrics(here: Folder) -> None:
    first, second = (here.json("run", "loans.py", "--as", "scientist") for _ in range(2))
    same = ("metrics", "metric_intervals", "data", "model_fingerprint")
    assert {name: first[name] for name in same} == {name: second[name] for name in same}


def test_a_dry_run_shows_the_plan_and_records_nothing(here: Folder) -> None:
    document = here.json("run", "loans.py", "-p", "C=2", "--dry-run")
    assert [step["name"] for step in document["steps"]] == ["applications", "split", "model", "evaluation"]
    assert document["steps"][2] == {
        "name": "model", "after": ["split"], "parameters": {"C": {"decimal": "2.0"}},
    }  # fmt: skip
    assert here.size == 11


def test_a_dry_run_keeps_a_secret(here: Folder) -> None:
    (here.path / "secret.py").write_text(
        "from affidavit import Pipeline\np = Pipeline('p')\n@p.step\ndef load(password: str = ''): return 1\n"
    )
    said = here.text("run", "secret.py", "-p", "password=hunter2", "--dry-run")
    assert "hunter2" not in said
    assert "withheld" in said


def test_log_prints_the_document_of_the_interface_newest_first(here: Folder) -> None:
    entries = here.json("log")["entries"]
    assert [entry["seq"] for entry in entries] == list(range(10, -1, -1))
    assert {"seq", "kind", "time", "key", "leaf_hash", "summary"} <= entries[0].keys()


def test_log_can_be_narrowed(here: Folder) -> None:
    assert [e["seq"] for e in here.json("log", "--kind", "run", "-n", "1")["entries"]] == [8]
    assert [e["seq"] for e in here.json("log", "--model", "loans", "-n", "2")["entries"]] == [10, 9]


def test_show_prints_a_version_with_everything_said_about_it(here: Folder) -> None:
    document = here.json("show", "loans@1")
    expected = {"model", "version", "run", "metrics", "bias", "approvals", "decisions", "stages"}
    assert expected <= document.keys()
    assert document["stages"] == ["production"]
    assert [approval["entry"] for approval in document["approvals"]] == [9]
    assert [decision["decision"] for decision in document["decisions"]] == ["promoted"]


@pytest.mark.parametrize(("ref", "version"), [("loans@production", 1), ("loans@latest", 2), ("loans@2", 2)])
def test_a_version_is_named_by_number_stage_or_latest(here: Folder, ref: str, version: int) -> None:
    assert here.json("show", ref)["version"] == version


def test_an_entry_is_named_by_number_or_by_the_start_of_its_hash(here: Folder) -> None:
    by_number = here.json("show", "9")
    assert by_number["kind"] == "approval"
    assert here.json("show", by_number["leaf_hash"][:12]) == by_number


def test_a_fingerprint_shows_where_it_occurs(here: Folder) -> None:
    mark = here.json("fingerprint", "loans.csv")["fingerprint"]
    found = here.json("show", mark)["found"]
    assert {"version": "loans@1", "name": "applications", "rows": 240} in found


def test_compare_says_what_differs_and_answers_no(here: Folder) -> None:
    document = here.json("compare", "loans@1", "loans@2", status=1)
    assert document["equal"] is False
    assert {"what": "parameter", "name": "model.C", "first": "1.0", "second": "0.5"} in document[
        "differences"
    ]


def test_a_version_does_not_differ_from_itself(here: Folder) -> None:
    assert here.json("compare", "loans@1", "loans@1") == {"equal": True, "differences": []}


def test_lineage_draws_a_graph_for_graphviz(here: Folder) -> None:
    assert here.text("lineage", "loans@1", "--format", "dot").startswith("digraph lineage {")


def test_fingerprint_prints_the_document_of_the_interface(here: Folder) -> None:
    document = here.json("fingerprint", "loans.csv")
    assert document["fingerprint"].startswith("affidavit-table-v1:sha256:")
    assert document["rows"] == 240
    assert [column["name"] for column in document["columns"]] == ["income", "debt", "race", "approve"]
    assert {"name", "type", "root"} <= document["columns"][0].keys()


def test_a_file_equals_the_table_that_a_version_read(here: Folder) -> None:
    document = here.json("fingerprint", "loans.csv", "--against", "loans@1:applications")
    assert document["equal"] is True


def test_a_changed_cell_is_found_by_column_and_rows(here: Folder) -> None:
    changed = (here.path / "loans.csv").read_text().replace(",white,", ",black,", 1)
    (here.path / "new.csv").write_text(changed)
    document = here.json("fingerprint", "new.csv", "--against", "loans.csv", status=1)
    assert document["equal"] is False
    assert [difference["column"] for difference in document["differences"]] == ["race"]
    assert len(document["differences"][0]["rows"]) == 2
    assert (document["added"], document["removed"]) == ([], [])


def test_gate_judges_and_changes_nothing(here: Folder) -> None:
    document = here.json("gate", "loans@2", "--stage", "production", status=1)
    assert document["decision"] == "would_refuse"
    assert document["stage"] == "production"
    assert {rule["id"]: rule["outcome"] for rule in document["rules"]} == {
        "better-than-a-coin": "passed",
        "validated": "missing",
    }
    assert {"id", "outcome", "message", "clauses"} <= document["rules"][0].keys()
    assert here.size == 11


def test_gate_answers_yes_where_every_rule_passes(here: Folder) -> None:
    assert here.json("gate", "loans@1", "--stage", "production")["decision"] == "would_promote"


def test_a_refused_promotion_is_an_entry(here: Folder) -> None:
    document = here.json("promote", "loans@2", "production", "--as", "approver", status=1)
    assert (document["decision"], document["entry"]) == ("refused", 11)
    assert here.json("show", "loans@production")["version"] == 1


def test_an_approval_lets_the_next_version_in_and_a_rollback_takes_it_back(here: Folder) -> None:
    approval = here.json(
        "approve", "loans@2", "--stage", "production", "--as", "validator", "--role", "validator",
        "--meaning", "Reviewed",
    )  # fmt: skip
    assert approval["verdict"] == "approve"
    assert here.json("promote", "loans@2", "production", "--as", "approver")["decision"] == "promoted"
    assert here.json("show", "loans@production")["version"] == 2
    back = here.json("rollback", "loans", "production", "--as", "approver", "--reason", "drift in incomes")
    assert back["decision"] == "promoted"
    assert here.json("show", "loans@production")["version"] == 1


def test_a_rejection_stands_against_an_approval(here: Folder) -> None:
    rejected = here.json(
        "reject", "loans@1", "--stage", "production", "--as", "approver", "--role", "approver",
        "--meaning", "Not for this",
    )  # fmt: skip
    assert rejected["verdict"] == "reject"
    assert here.json("show", "loans@1")["approvals"][-1]["verdict"] == "reject"


def test_another_policy_refuses_what_the_first_one_let_pass(here: Folder) -> None:
    adopted = here.json("policy", "adopt", "strict.yaml", "--stage", "production", "--as", "admin")
    assert adopted["policies"][0]["name"] == "strict"
    assert here.json("gate", "loans@1", "--stage", "production", status=1)["decision"] == "would_refuse"


def test_adopting_says_what_guards_the_stage_no_more_and_that_a_stage_is_new(here: Folder) -> None:
    said = here.text("policy", "adopt", "strict.yaml", "--stage", "production", "--as", "admin", "--dry-run")
    assert "production is guarded by strict from now on, and no longer by easy." in said
    easy = here.path / "easy.yaml"
    easy.write_text(easy.read_text().replace("title: ", "title: Not so "))
    said = here.text("policy", "adopt", "easy.yaml", "--stage", "production", "--as", "admin", "--dry-run")
    assert "and no longer by easy as it was before." in said
    pilot = here.json("policy", "adopt", "baseline", "--stage", "pilt", "--as", "admin", "--dry-run")
    assert (pilot["new_stage"], pilot["no_longer"]) == (True, [])


APPROVE_2 = ("approve", "loans@2", "--stage", "production", "--as", "validator", "--role", "validator")
REJECT_1 = ("reject", "loans@1", "--stage", "production", "--as", "validator", "--role", "validator")


def test_an_approval_that_its_key_gave_already_is_said_to_count_once(here: Folder) -> None:
    assert "said so already" not in here.text(*APPROVE_2, "--meaning", "Reviewed")
    assert "This key said so already, in entry 11: that counts once." in here.text(
        *APPROVE_2, "--meaning", "Reviewed"
    )
    assert here.json(*APPROVE_2, "--meaning", "Reviewed")["said_before"] == 12


def test_an_approval_after_a_rejection_by_the_same_key_says_something_new(here: Folder) -> None:
    here.text(*APPROVE_2, "--meaning", "Reviewed")
    here.text("reject", *APPROVE_2[1:], "--meaning", "Not so")
    assert here.json(*APPROVE_2, "--meaning", "After all")["said_before"] is None


def test_who_rejects_what_is_in_a_stage_learns_that_it_stays_there(here: Folder) -> None:
    said = here.text(*REJECT_1, "--reason", "It drifts")
    assert (
        "loans@1 holds production and keeps it: `affidavit rollback loans production` moves it back." in said
    )
    assert here.json("show", "loans@production")["version"] == 1
    document = here.json("gate", "loans@1", "--stage", "production", status=1)
    assert document["rules"][1]["message"].endswith("“It drifts”")


def test_who_rejects_what_is_in_no_stage_is_told_of_none(here: Folder) -> None:
    said = here.text(*REJECT_1[:1], "loans@2", *REJECT_1[2:], "--meaning", "It drifts")
    assert "holds" not in said


def test_a_promotion_says_what_held_the_stage_until_then(here: Folder) -> None:
    here.text(*APPROVE_2, "--meaning", "Reviewed")
    assert here.text("promote", "loans@2", "production", "--as", "approver").endswith(
        "promoted for production (entry 12)\nloans@1 held it until now.\n"
    )
    assert here.json("promote", "loans@2", "production", "--as", "approver")["held"] == 2
    assert here.text("promote", "loans@2", "production", "--as", "approver").endswith(
        "loans@2 held it already: nothing moved.\n"
    )


def test_a_refusal_says_which_version_keeps_the_stage(here: Folder) -> None:
    said = here.text("promote", "loans@2", "production", "--as", "approver", status=1)
    assert said.endswith("refused for production (entry 11)\nloans@1 holds it and keeps it.\n")


def test_an_approval_under_other_policies_is_said_to_count_no_more(here: Folder) -> None:
    more = here.path / "easy.yaml"
    more.write_text(more.read_text().replace("Two pairs", "Three pairs"))
    here.text("policy", "adopt", "easy.yaml", "--stage", "production", "--as", "admin")
    said = here.text("gate", "loans@1", "--stage", "production", status=1)
    assert "Approved on other evidence, or under other policies, which counts no more: entry 9." in said
    document = here.json("promote", "loans@1", "production", "--as", "approver", status=1)
    assert (document["bound_elsewhere"], document["held"]) == ([9], 1)


def test_the_gate_names_people_and_its_document_keys(here: Folder) -> None:
    said = here.text("gate", "loans@1", "--stage", "production")
    assert "approved by validator Dana Whitfield (validator) (entry 9): “Data and method reviewed”" in said
    assert said.endswith("loans@1 holds production now.\n")
    assert "counts no more" not in said
    [rule] = here.json("gate", "loans@1", "--stage", "production")["rules"][1:]
    assert re.search(r"approved by validator [0-9a-f]{12} \(entry 9\)", rule["message"])


def test_a_decision_says_which_key_signed_it_where_none_was_named(here: Folder) -> None:
    assert "promoted for production (entry 11, signed by approver)" in here.text(
        "promote", "loans@1", "production"
    )
    assert "promoted for production (entry 12)" in here.text(
        "promote", "loans@1", "production", "--as", "approver"
    )


def test_policies_are_listed_shown_and_checked(here: Folder) -> None:
    listed = here.json("policy", "list")
    assert {policy["name"] for policy in listed["policies"]} >= {"baseline", "lending"}
    assert listed["stages"]["production"] == ["easy"]
    assert here.json("policy", "show", "lending")["rules"][0]["says"]
    assert here.json("policy", "check", "easy.yaml")["rules"] == 2


def test_policies_are_listed_where_there_is_no_ledger(tmp_path: Path) -> None:
    assert empty_folder(tmp_path).json("policy", "list")["stages"] == {}


def test_keys_are_listed_with_their_roles_and_holders(here: Folder) -> None:
    keys = {key["name"]: key for key in here.json("key", "list")["keys"]}
    assert keys["validator"]["roles"] == ["validator"]
    assert keys["validator"]["holder"] == "Dana Whitfield"
    assert "nobody" not in keys


def test_a_revoked_key_keeps_what_it_said(here: Folder) -> None:
    here.json("key", "revoke", "validator", "--reason", "left the bank", "--as", "admin")
    keys = {key["name"]: key for key in here.json("key", "list")["keys"]}
    assert keys["validator"]["roles"] == []
    assert here.json("verify")["verified"] is True


def test_a_public_key_from_elsewhere_can_be_granted_a_role(here: Folder, tmp_path: Path) -> None:
    auditor = empty_folder(tmp_path / "auditor")
    auditor.text("init", "--origin", "auditor.example/x", "--key", "auditor")
    public = str(auditor.path / ".affidavit" / "keys" / "auditor.pub")
    granted = here.json(
        "key", "grant", "auditor", "--role", "auditor", "--holder", "Maud Lindqvist", "--public", public
    )
    keys = {key["name"]: key for key in here.json("key", "list")["keys"]}
    assert keys["auditor"]["keyid"] == granted["keyid"]
    assert keys["auditor"]["here"] is False


def test_reproduce_prints_the_document_of_the_interface(here: Folder) -> None:
    document = here.json("reproduce", "loans@1", "--as", "validator")
    assert (document["verdict"], document["first_difference"], document["entry"]) == ("identical", None, 11)


def test_reproduce_names_the_step_that_differs(here: Folder) -> None:
    (here.path / "loans.csv").write_text((here.path / "loans.csv").read_text().replace("white", "black", 1))
    document = here.json("reproduce", "loans@1", "--as", "validator", status=1)
    assert document["verdict"] == "impossible"
    assert "loans.csv has changed" in document["reason"]


def test_report_templates_are_listed_without_a_ledger(tmp_path: Path) -> None:
    assert "model-card" in empty_folder(tmp_path).json("report", "templates")["templates"]


def test_checkpoint_prints_a_signed_note(here: Folder) -> None:
    origin, size, root, empty, signature, *_ = here.text("checkpoint").split("\n")
    assert (origin, size, empty) == ("lender.example/models", "11", "")
    assert signature.startswith("— lender.example/models ")
    assert len(root) == 44


def test_rebuild_learns_an_equal_catalogue(here: Folder) -> None:
    before = here.json("show", "loans@1")
    assert here.json("ledger", "rebuild") == {"entries": 11}
    assert here.json("show", "loans@1") == before
    assert here.json("verify")["verified"] is True


@pytest.mark.parametrize(
    "arguments",
    [
        ("log",), ("show", "loans@1"), ("show", "9"), ("lineage", "loans@1"), ("verify",), ("key", "list"),
        ("policy", "list"), ("policy", "show", "lending"), ("fingerprint", "loans.csv"), ("checkpoint",),
        ("run", "loans.py", "--dry-run"),
    ],
)  # fmt: skip
def test_what_is_printed_for_people_has_no_colour_and_no_padding_in_a_pipe(
    here: Folder, arguments: tuple[str, ...]
) -> None:
    said = here.text(*arguments)
    assert "\x1b" not in said
    assert said.strip("\n")
    assert all(line == line.rstrip() for line in said.split("\n"))
