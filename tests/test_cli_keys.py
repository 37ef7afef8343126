"""Key commands, as people type them: what they print, what stands afterwards, and what they leave alone."""

import errno
import json
import os
from pathlib import Path

import pytest

from audit.keys import LocalSigner, new_private_key
from tests.command_line import Folder, a_lender


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return a_lender(tmp_path / "lender")


@pytest.fixture
def two(here: Folder) -> Folder:
    """Give a lender in which two administrators sign."""
    here.text("key", "create", "second")
    here.text("key", "grant", "second", "--role", "admin", "--holder", "Bob Osei")
    here.text("key", "threshold", "2")
    return here


def keys_of(here: Folder, name: str) -> list[dict[str, object]]:
    return [row for row in here.json("key", "list")["keys"] if row["name"] == name]


def files(here: Folder) -> list[str]:
    return sorted(path.name for path in (here.path / ".affidavit" / "keys").iterdir())


def size(here: Folder) -> int:
    return len(here.json("log", "-n", "1000")["entries"])


def approve(here: Folder, ref: str, key: str) -> tuple[str, ...]:
    return (
        *("approve", ref, "--stage", "production", "--as", key, "--role", "validator"),
        *("--meaning", "Reviewed"),
    )


def public_file(here: Folder) -> str:
    (here.path / "new.pem").write_bytes(LocalSigner(new_private_key()).public.pem())
    return "new.pem"


# -- grants ------------------------------------------------------------------------------------------------------------


def test_a_grant_that_expires_says_up_to_which_entry(here: Folder) -> None:
    here.text("key", "create", "guest")
    said = here.text("key", "grant", "guest", "--role", "auditor", "--holder", "Kim Seo", "--expires", "14")
    assert said == "Entry 11: the key guest holds auditor from now on up to entry 13.\n"
    [row] = keys_of(here, "guest")
    assert (row["standing"], row["expires"]) == ("auditor", 14)


def test_a_grant_says_which_roles_the_key_holds_no_more(here: Folder) -> None:
    here.text("key", "create", "second")
    said = here.text(
        "key", "grant", "second", "--role", "auditor", "--role", "recorder", "--holder", "Bob Osei"
    )
    assert "no more" not in said
    said = here.text("key", "grant", "second", "--role", "validator")
    assert "holds validator from now on, and no more auditor, recorder." in said


def test_a_key_that_expired_is_listed_as_such_and_signs_no_more(here: Folder) -> None:
    here.text("key", "create", "guest")
    here.text("key", "grant", "guest", "--role", "validator", "--holder", "Kim Seo", "--expires", "13")
    here.text("policy", "adopt", "strict.yaml", "--stage", "staging")
    assert keys_of(here, "guest")[0]["standing"] == "expired at entry 13"
    assert "it is expired at entry 13" in here(*approve(here, "loans@2", "guest")).stderr


def test_a_grant_that_never_holds_is_refused(here: Folder) -> None:
    refused = here("key", "grant", "nobody", "--role", "auditor", "--holder", "Kim", "--expires", "12")
    assert refused.exit_code == 2
    assert "give 13 or more" in refused.stderr


# -- rotation ----------------------------------------------------------------------------------------------------------


def test_what_finds_a_key_by_its_name_finds_the_new_one(here: Folder) -> None:
    [before] = keys_of(here, "validator")
    here.text("key", "rotate", "validator", "--reason", "yearly")
    entry = here.json(*approve(here, "loans@2", "validator"))["entry"]
    signed = next(e for e in here.json("log")["entries"] if e["seq"] == entry)["key"]
    old, new = keys_of(here, "validator")
    assert (signed, old["keyid"]) == (new["keyid"], before["keyid"])
    assert (new["replaces"], old["standing"]) == (old["keyid"], "replaced by another key in entry 11")
    assert here.json("verify")["verified"]


def test_a_rotation_deletes_no_private_key(here: Folder) -> None:
    before = {name: (here.path / ".affidavit" / "keys" / name).read_bytes() for name in files(here)}
    here.text("key", "rotate", "validator", "--reason", "yearly")
    after = [(here.path / ".affidavit" / "keys" / name).read_bytes() for name in files(here)]
    assert [name for name, data in before.items() if data not in after] == []


def test_approvals_of_before_a_rotation_still_count(here: Folder) -> None:
    here.text("key", "rotate", "validator", "--reason", "yearly")
    assert here.json("gate", "loans@1", "--stage", "production")["decision"] == "would_promote"


def test_one_person_with_an_old_and_a_new_key_counts_once(here: Folder) -> None:
    (here.path / "pairs.yaml").write_text(
        'name: pairs\nversion: 1\ntitle: "Two validators"\nrules:\n'
        '  - {id: two, says: "Two validators approve.", clauses: [], kind: approval, role: validator, count: 2}\n'
    )
    here.text("policy", "adopt", "pairs.yaml", "--stage", "production")
    here.text(*approve(here, "loans@2", "validator"))
    here.text("key", "rotate", "validator", "--reason", "yearly")
    here.text(*approve(here, "loans@2", "validator"))
    gate = here.json("gate", "loans@2", "--stage", "production", status=1)
    assert gate["decision"] == "would_refuse"
    assert "and has 1" in gate["rules"][0]["message"]


def test_who_recorded_cannot_approve_with_a_new_key(here: Folder) -> None:
    here.text("key", "rotate", "scientist", "--reason", "yearly")
    refused = here(*approve(here, "loans@2", "scientist"))
    assert "recorded loans@2 and so cannot approve it" in refused.stderr


def test_a_key_that_was_revoked_as_suspect_is_not_rotated(here: Folder) -> None:
    here.text("key", "revoke", "validator", "--reason", "stolen", "--suspect-since", "9")
    refused = here("key", "rotate", "validator", "--reason", "stolen")
    assert refused.exit_code == 2
    assert "holds no role to pass on, it is revoked by entry 11" in refused.stderr
    assert "validator.next.pem" not in files(here)


def test_a_key_found_stolen_after_its_rotation_takes_its_approvals_with_it(here: Folder) -> None:
    [before] = keys_of(here, "validator")
    here.text("key", "rotate", "validator", "--reason", "yearly")
    here.text("key", "revoke", str(before["keyid"])[:16], "--reason", "stolen", "--suspect-since", "9")
    assert here.json("gate", "loans@1", "--stage", "production", status=1)["decision"] == "would_refuse"
    assert keys_of(here, "validator")[1]["roles"] == ["validator"]


def test_a_key_whose_private_part_is_elsewhere_is_rotated_to_the_public_part_that_its_holder_sends(
    here: Folder,
) -> None:
    for suffix in ("pem", "pub"):
        (here.path / ".affidavit" / "keys" / f"validator.{suffix}").unlink()
    refused = here("key", "rotate", "validator", "--reason", "new laptop")
    assert "is not in" in refused.stderr
    here.text("key", "rotate", "validator", "--reason", "new laptop", "--public", public_file(here))
    assert keys_of(here, "validator")[1]["here"] is False


def test_a_rotation_keeps_the_kind_of_key(here: Folder) -> None:
    here.text("key", "create", "bob", "--algorithm", "ecdsa-p256")
    here.text("key", "grant", "bob", "--role", "auditor", "--holder", "Bob Osei")
    here.text("key", "rotate", "bob", "--reason", "yearly")
    from audit.keystore import KeyStore

    assert KeyStore(here.path / ".affidavit" / "keys").public("bob").algorithm == "ecdsa-p256"


def test_a_rotation_on_trial_makes_nothing(here: Folder) -> None:
    before = files(here), size(here)
    said = here.text("key", "rotate", "validator", "--reason", "yearly", "--dry-run")
    assert said.startswith("Would be said: the key validator is another one from now on")
    assert (files(here), size(here)) == before


def test_the_log_goes_on_with_its_new_key(here: Folder) -> None:
    said = here.json("key", "rotate", "log", "--reason", "yearly")
    here.text("policy", "adopt", "strict.yaml", "--stage", "staging")
    assert here.json("verify")["verified"]
    logs = here.json("key", "list")["log"]
    assert [log["since"] for log in logs] == [0, said["entry"]] == [0, 11]
    assert here.json("checkpoint", "--size", "12")["note"].count("\n— lender.example/models ") == 2
    assert here.json("checkpoint")["verifier_key"] == logs[1]["verifier_key"] == said["verifier_key"]


def test_a_suspicion_from_before_a_rotation_names_the_key_that_is_not_meant_by_it(here: Folder) -> None:
    before = {one["name"]: one["keyid"] for one in here.json("key", "list")["keys"]}["validator"]
    here.text("key", "rotate", "validator", "--reason", "yearly")
    said = here.text("key", "revoke", "validator", "--reason", "stolen", "--suspect-since", "9")
    assert (
        f"what the key before it signed, {before[:16]}…, is not: where that is meant, revoke that too" in said
    )
    assert here.json("key", "list")["keys"][-1]["suspect"] == [{"since": 9, "until": 12}]


def test_who_rotates_the_logs_key_is_told_who_must_know_the_new_one(here: Folder) -> None:
    said = here.text("key", "rotate", "log", "--reason", "yearly")
    assert "the operators of its witnesses" in said
    assert said.rstrip().endswith(here.json("checkpoint")["verifier_key"])


def test_a_key_of_the_log_is_ed25519(here: Folder) -> None:
    refused = here("key", "rotate", "log", "--reason", "yearly", "--algorithm", "ecdsa-p256")
    assert refused.exit_code == 2
    assert "an Ed25519 key is needed here" in refused.stderr
    assert size(here) == 11


def test_a_rotation_that_was_not_finished_is_finished_with_the_key_that_it_made(here: Folder) -> None:
    here.text("key", "create", "validator.next")
    refused = here("key", "rotate", "validator", "--reason", "yearly", "--algorithm", "ecdsa-p256")
    assert "a next key of validator is in" in refused.stderr
    waiting = (here.path / ".affidavit" / "keys" / "validator.next.pem").read_bytes()
    here.text("key", "rotate", "validator", "--reason", "yearly")
    assert (here.path / ".affidavit" / "keys" / "validator.pem").read_bytes() == waiting


def test_nobody_has_the_name_of_the_logs_key(here: Folder, tmp_path: Path) -> None:
    refused = here("key", "create", "log", variables={"AFFIDAVIT_KEYS": str(tmp_path / "elsewhere")})
    assert "is the log's own key: choose another" in refused.stderr


# -- several sign ------------------------------------------------------------------------------------------------------


def test_one_administrator_alone_makes_no_entry_and_no_key(two: Folder) -> None:
    before = files(two), size(two)
    for command in (
        ("key", "rotate", "validator", "--reason", "yearly"),
        ("key", "revoke", "validator", "--reason", "left"),
        ("key", "threshold", "1"),
        ("policy", "adopt", "strict.yaml", "--stage", "staging"),
    ):
        refused = two(*command, "--as", "admin")
        assert refused.exit_code == 2, command
        assert "needs signatures by 2 keys in this ledger and has 1" in refused.stderr
    assert (files(two), size(two)) == before


@pytest.mark.parametrize(
    "command",
    [
        ("key", "rotate", "validator", "--reason", "yearly"),
        ("key", "rotate", "log", "--reason", "yearly"),
        ("key", "revoke", "validator", "--reason", "left"),
        ("key", "threshold", "1"),
        ("policy", "adopt", "strict.yaml", "--stage", "staging"),
    ],
    ids=" ".join,
)
def test_two_administrators_sign_at_once_or_one_after_the_other(
    two: Folder, tmp_path: Path, command: tuple[str, ...]
) -> None:
    drafted = two.json(*command, "--as", "admin", "--draft", "it.draft")
    assert (drafted["missing"], size(two)) == (1, 13)
    assert two.json("key", "sign", "it.draft", "--as", "second")["missing"] == 0
    assert two.json("key", "submit", "it.draft")["entry"] == 13
    assert two.json("verify")["verified"]


def test_who_signs_a_draft_about_a_stage_is_told_what_guards_it_no_more(two: Folder) -> None:
    two.json(
        "policy", "adopt", "strict.yaml", "--stage", "production", "--as", "admin", "--draft", "it.draft"
    )
    shown = two.json("key", "sign", "it.draft", "--as", "second", "--dry-run")
    assert (shown["no_longer"], shown["new_stage"]) == (["easy"], False)
    assert shown["says"].endswith(", and no longer by easy")
    assert ", and no longer by easy" in two.text("key", "sign", "it.draft", "--as", "second")
    assert ", and no longer by easy" in two.text("key", "submit", "it.draft")


def test_who_signs_a_draft_about_a_stage_that_nobody_knows_is_told_that_it_is_new(two: Folder) -> None:
    two.json("policy", "adopt", "strict.yaml", "--stage", "prodution", "--as", "admin", "--draft", "it.draft")
    assert two.json("key", "sign", "it.draft", "--as", "second", "--dry-run")["new_stage"] is True


def test_who_signs_a_draft_that_grants_roles_is_told_which_are_lost(two: Folder) -> None:
    grant = ("key", "grant", "scientist", "--role", "auditor", "--as", "admin", "--draft", "it.draft")
    two.json(*grant)
    shown = two.json("key", "sign", "it.draft", "--as", "second", "--dry-run")
    assert shown["says"].endswith("holds auditor, and no more recorder, validator")


def test_two_administrators_erase_together(two: Folder) -> None:
    erase = ("erase", "validator", "--reason", "left the bank", "--yes")
    assert "and has 1" in two(*erase, "--as", "admin").stderr
    assert two.json(*erase, "--as", "admin", "--as", "second")["entries"] == [13]
    assert two.json("verify")["verified"]


def test_a_rotation_by_draft_takes_place_when_it_is_submitted(two: Folder) -> None:
    two.text("key", "rotate", "validator", "--reason", "yearly", "--as", "admin", "--draft", "it.draft")
    assert "validator.next.pem" in files(two)
    two.text(*approve(two, "loans@2", "validator"))
    two.text("key", "sign", "it.draft", "--as", "second")
    two.text("key", "submit", "it.draft")
    assert "validator.next.pem" not in files(two)
    two.text(*approve(two, "loans@2", "validator"))
    assert two.json("verify")["verified"]


def test_what_is_signed_is_shown_before_it_is_signed(two: Folder) -> None:
    two.text("key", "revoke", "validator", "--reason", "left the bank", "--draft", "it.draft")
    before = (two.path / "it.draft").read_bytes()
    shown = two.text("key", "sign", "it.draft", "--as", "second", "--dry-run")
    assert "the key validator (" in shown
    assert "holds no role. Reason: left the bank" in shown
    assert (two.path / "it.draft").read_bytes() == before


def test_a_draft_is_never_overwritten(two: Folder) -> None:
    (two.path / "it.draft").write_text("mine")
    refused = two("key", "threshold", "1", "--draft", "it.draft")
    assert "a draft is never overwritten" in refused.stderr
    assert (two.path / "it.draft").read_text() == "mine"


def test_what_a_killed_process_left_of_a_draft_keeps_nobody_from_signing_it(two: Folder) -> None:
    two.text("key", "threshold", "1", "--draft", "it.draft")
    (two.path / "it.draft.new").write_bytes(b"half")
    (two.path / ".new-0123456789abcdef").write_bytes(b"half")
    assert two.json("key", "sign", "it.draft", "--as", "second")["missing"] == 0
    assert (two.path / "it.draft").stat().st_mode & 0o77 == 0


def test_a_signed_draft_is_on_the_disk_before_it_is_said_to_be(
    two: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.text("key", "threshold", "1", "--draft", "it.draft")
    before = (two.path / "it.draft").read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused = two("key", "sign", "it.draft", "--as", "second")
    assert (refused.exit_code, "it.draft: No space left on device" in refused.stderr) == (3, True)
    assert (two.path / "it.draft").read_bytes() == before


def test_a_draft_that_somebody_else_can_read_names_nobody(two: Folder) -> None:
    two.text("key", "threshold", "1", "--draft", "it.draft")
    assert (two.path / "it.draft").stat().st_mode & 0o77 == 0
    assert json.loads((two.path / "it.draft").read_text())["holder"] is None


def test_a_file_that_is_no_draft_is_said_by_its_name(two: Folder) -> None:
    (two.path / "notes.txt").write_text("notes")
    refused = two("key", "submit", "notes.txt")
    assert (refused.exit_code, "notes.txt: this is no draft" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    "command",
    [
        ("key", "grant", "nobody", "--role", "auditor", "--holder", "Kim Seo"),
        ("key", "revoke", "validator", "--reason", "left"),
        ("key", "threshold", "1"),
        ("policy", "adopt", "strict.yaml", "--stage", "staging"),
    ],
    ids=" ".join,
)
def test_a_dry_run_changes_nothing(here: Folder, command: tuple[str, ...]) -> None:
    assert here.json(*command, "--dry-run")["dry_run"] is True
    assert size(here) == 11


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("key", "threshold", "2"), "only 1 would hold the role admin for good"),
        (("key", "revoke", "admin", "--reason", "left"), "nobody could grant it again"),
        (("key", "revoke", "validator", "--reason", " "), "states its reason"),
        (("key", "rotate", "ghost", "--reason", "yearly"), "no key named 'ghost'"),
        (
            ("key", "rotate", "admin", "--reason", "r", "--public", "loans.csv"),
            "loans.csv: this is not a PEM",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_said_is_refused_with_its_reason(
    here: Folder, command: tuple[str, ...], sentence: str
) -> None:
    refused = here(*command)
    assert (refused.exit_code, sentence in refused.stderr) == (2, True), refused.stderr
    assert size(here) == 11


# -- key files ---------------------------------------------------------------------------------------------------------


def test_a_wrong_passphrase_is_said_and_nothing_is_written(here: Folder) -> None:
    right, wrong = {"AFFIDAVIT_PASSPHRASE": "right"}, {"AFFIDAVIT_PASSPHRASE": "wrong"}
    assert here("key", "rotate", "admin", "--reason", "yearly", variables=right).exit_code == 0
    for variables, sentence in (
        (wrong, "the passphrase is wrong"),
        ({}, "it is encrypted: give its passphrase"),
    ):
        refused = here("key", "grant", "nobody", "--role", "auditor", "--holder", "Kim", variables=variables)
        assert (refused.exit_code, sentence in refused.stderr) == (2, True)
    assert size(here) == 12


def test_a_key_file_that_others_can_read_is_said_and_nothing_is_written(here: Folder) -> None:
    path = here.path / ".affidavit" / "keys" / "admin.pem"
    path.chmod(0o644)
    refused = here("key", "grant", "nobody", "--role", "auditor", "--holder", "Kim")
    assert (refused.exit_code, "can be read by others: run `chmod 600" in refused.stderr) == (2, True)
    assert size(here) == 11


def brought_in(here: Folder) -> int:
    """Let a second administrator, whose key is stolen, grant a key; return the entry of that grant."""
    for name in ("second", "eve"):
        here.text("key", "create", name)
    here.text("key", "grant", "second", "--role", "admin", "--holder", "Mira Okafor")
    return int(
        here.json("key", "grant", "eve", "--role", "admin", "--holder", "Eve Adams", "--as", "second")[
            "entry"
        ]
    )


def test_a_revocation_says_what_the_keys_signed_that_a_thief_brought_in(here: Folder) -> None:
    granted = brought_in(here)
    here.text("key", "create", "more")
    by_eve = here.json("key", "grant", "more", "--role", "recorder", "--holder", "Tom", "--as", "eve")[
        "entry"
    ]
    say = ("key", "revoke", "second", "--reason", "stolen", "--suspect-since", str(granted))
    said = here.text(*say)
    assert f"is in doubt: {granted}; entry {by_eve} was signed by the key 'eve' (" in said
    assert f"whose grant (entry {granted}) is in doubt" in said
    keys = {key["name"]: key for key in here.json("key", "list")["keys"]}
    doubt = {"since": granted + 1, "until": None, "grant": granted}
    assert keys["eve"]["granted_in_doubt"] == [doubt]
    assert "a grant in doubt" in here.text("key", "list")
    assert f"whose grant (entry {granted}) is in doubt" in " ".join(here.text("verify").split())


def test_who_leaves_no_administrator_in_no_doubt_is_told_so(here: Folder) -> None:
    brought_in(here)
    say = (
        "key",
        "revoke",
        "admin",
        "--reason",
        "stolen",
        "--suspect-since",
        "0",
        "--as",
        "second",
        "--dry-run",
    )
    assert "no administrator is left whose own grant is in no doubt" in " ".join(here.text(*say).split())
