"""Exporting a version, and what its reader does with the file: on the command line, and by hand."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from audit import key_events
from audit.bundle import Manifest
from audit.bundler import Wanted, portable_verifiers, write_bundle
from audit.errors import EnvironmentFailed, MalformedInput, NotVerified
from audit.keys import LocalSigner, new_private_key
from tests.command_line import Folder, a_lender, empty_folder
from tests.small_evidence import by_hand, members_of
from tests.small_ledger import People, new_ledger, report, signer

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A lender with a report about loans@1, and evidence about it; no test changes this ledger."""
    folder = a_lender(tmp_path_factory.mktemp("export") / "lender")
    folder.text("report", "loans@1", "-o", "card.pdf", "--as", "validator")
    folder.text("export", "loans@1", "-o", "evidence.zip")
    folder.text("checkpoint", "-o", "kept.txt")
    (folder.path / "log.vkey").write_text(folder.json("checkpoint")["verifier_key"] + "\n")
    return folder


@pytest.fixture(scope="module")
def members(here: Folder) -> Members:
    return members_of(here.path / "evidence.zip")


@pytest.fixture
def elsewhere(here: Folder, tmp_path: Path) -> Folder:
    """Another machine: no ledger, only what was handed on."""
    for name in ("evidence.zip", "kept.txt", "log.vkey", "card.pdf"):
        shutil.copy(here.path / name, tmp_path / name)
    return empty_folder(tmp_path)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kinds(here: Folder, members: Members) -> list[str]:
    named = {row["seq"]: row["kind"] for row in here.json("log")["entries"]}
    return [named[seq] for seq in Manifest.parse(members["manifest.json"]).entries]


def test_everything_said_about_a_version_and_every_key_entry_is_in_it(here: Folder, members: Members) -> None:
    found = kinds(here, members)
    assert found.count("genesis") == 1
    assert found.count("key-grant") == 3
    assert {"run", "approval", "decision", "report", "stage"} <= set(found)
    assert found.count("run") == 1


def test_the_policies_and_the_report_are_in_it(here: Folder, members: Members) -> None:
    assert members["report.pdf"] == (here.path / "card.pdf").read_bytes()
    assert any(
        data.startswith(b"name: easy") for name, data in members.items() if name.startswith("artifacts/")
    )


def test_the_same_ledger_gives_the_same_bytes(here: Folder) -> None:
    here.text("export", "loans@1", "-o", "again.zip")
    assert (here.path / "again.zip").read_bytes() == (here.path / "evidence.zip").read_bytes()


def test_with_artifacts_the_model_is_in_it(here: Folder) -> None:
    here.text("export", "loans@1", "-o", "all.zip", "--with-artifacts")
    digest = here.json("show", "loans@1")["run"]["model_file"]["sha256"]
    assert f"artifacts/{digest}" in members_of(here.path / "all.zip")
    assert here.json("verify", "all.zip")["verified"]


def test_one_entry_can_be_exported(here: Folder) -> None:
    document = here.json("export", "7", "-o", "seven.zip")
    assert (document["about"], document["confirmed"]) == ("entry 7", False)
    assert document["entries"] == [0, 3, 4, 5, 7]


def test_the_file_is_named_after_what_it_is_about(here: Folder) -> None:
    here.text("export", "loans@production")
    assert (here.path / "loans-production-evidence.zip").is_file()


def test_with_a_verifier_both_are_in_it_or_it_is_said_that_there_is_none(here: Folder) -> None:
    try:
        there = portable_verifiers()
    except EnvironmentFailed:
        assert here("export", "loans@1", "-o", "v.zip", "--with-verifier").exit_code == 3
        return
    here.text("export", "loans@1", "-o", "v.zip", "--with-verifier")
    assert members_of(here.path / "v.zip").items() >= there.items()
    told = b"python3 verify_affidavit.py THIS-FILE.zip"
    assert told in members_of(here.path / "v.zip")["README.txt"].replace(b"\n", b" ")
    assert told not in members_of(here.path / "evidence.zip")["README.txt"].replace(b"\n", b" ")


def test_a_checkpoint_that_an_auditor_kept_is_proven(here: Folder, tmp_path: Path) -> None:
    here.text("checkpoint", "--size", "8", "-o", str(tmp_path / "eight.txt"))
    assert not here.json("verify", "evidence.zip", "--checkpoint", str(tmp_path / "eight.txt"), status=1)[
        "verified"
    ]
    said = here("verify", "evidence.zip", "--checkpoint", str(tmp_path / "eight.txt"))
    assert "uncertain: not verified, as it cannot be held against the checkpoint given" in said.stdout
    here.text("export", "loans@1", "-o", "for-me.zip", "--checkpoint", str(tmp_path / "eight.txt"))
    document = here.json("verify", "for-me.zip", "--checkpoint", str(tmp_path / "eight.txt"))
    assert (document["verified"], document["anchor"]["size"]) == (True, 8)


def test_a_changed_artifact_is_not_exported_and_nothing_is_left_behind(tmp_path: Path) -> None:
    here = a_lender(tmp_path / "lender")
    files = filter(Path.is_file, (here.path / ".affidavit" / "artifacts").rglob("*"))
    [policy] = [path for path in files if path.read_bytes().startswith(b"name: easy")]
    policy.chmod(0o644)
    policy.write_bytes(b"name: easier")
    before = names_in(here.path)
    assert here("export", "loans@1", "-o", "e.zip").exit_code == 1
    assert names_in(here.path) == before


def test_a_ledger_that_does_not_hold_gives_no_bundle(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    ledger.append_many([report(), report()])
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tiles SET hashes = zeroblob(96)")
    with pytest.raises(NotVerified, match="the bundle would not verify"):
        write_bundle(ledger, Wanted("entry 1", (1,)), tmp_path / "e.zip")
    assert names_in(tmp_path) == ["ledger"]


def test_an_entry_that_is_not_there_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput, match="checkpoint of 1 entries"):
        write_bundle(new_ledger(tmp_path / "ledger"), Wanted("entry 1", (1,)), tmp_path / "e.zip")


@pytest.mark.parametrize("ref", ["loans@9", "nobody@1", "99", "ffffffffff", "loans"])
def test_what_is_not_there_is_said(here: Folder, ref: str) -> None:
    assert here("export", ref, "-o", "none.zip").exit_code == 2
    assert not (here.path / "none.zip").exists()


# -- its reader --------------------------------------------------------------------------------------------------------


def test_the_evidence_verifies_elsewhere_and_the_document_is_that_of_the_interface(elsewhere: Folder) -> None:
    document = elsewhere.json("verify", "evidence.zip", "--key", "log.vkey", "--checkpoint", "kept.txt")
    assert document["verified"]
    assert document["confirmed"]
    assert [step["name"] for step in document["steps"]][:2] == ["records", "tree"]
    assert document["anchor"]["kind"] == "checkpoint file"


def test_people_are_told_what_was_not_shown_and_whose_key_it_was(elsewhere: Folder) -> None:
    said = elsewhere.text("verify", "evidence.zip")
    assert "What this does not show:" in said
    assert "consistent in itself, and nothing from outside says whose ledger it is" in said
    assert "Log key: lender.example/models+" in said


def test_several_are_verified_and_one_that_fails_decides(elsewhere: Folder) -> None:
    data = bytearray((elsewhere.path / "evidence.zip").read_bytes())
    data[len(data) // 2] ^= 1
    (elsewhere.path / "changed.zip").write_bytes(data)
    document = elsewhere.json("verify", "evidence.zip", "changed.zip", status=1)
    assert (document["verified"], document["file"]) == (False, "changed.zip")
    assert [d["verified"] for d in document["files"]] == [True, False]


def test_of_several_one_that_was_cut_short_does_not_keep_back_what_is_found_of_the_others(
    elsewhere: Folder,
) -> None:
    data = bytearray((elsewhere.path / "evidence.zip").read_bytes())
    (elsewhere.path / "cut.zip").write_bytes(data[:3000])
    documents = elsewhere.json("verify", "cut.zip", "evidence.zip", status=2)["files"]
    assert [d["verified"] for d in documents] == [False, True]
    said = elsewhere("verify", "cut.zip", "evidence.zip")
    assert (said.exit_code, "cut.zip: failed:" in said.stdout, "8 times" in said.stdout) == (2, True, True)


def test_of_several_one_that_is_wrong_is_a_no_though_another_was_cut_short(elsewhere: Folder) -> None:
    data = bytearray((elsewhere.path / "evidence.zip").read_bytes())
    (elsewhere.path / "cut.zip").write_bytes(data[:3000])
    data[len(data) // 2] ^= 1
    (elsewhere.path / "changed.zip").write_bytes(data)
    assert not elsewhere.json("verify", "cut.zip", "changed.zip", status=1)["verified"]


def test_evidence_and_another_file_are_two_commands(here: Folder) -> None:
    result = here("verify", "evidence.zip", "card.pdf")
    assert (result.exit_code, "two commands" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evidence.zip", "--record", "card.pdf"), "--record is what a .tlog-proof is about"),
        (("card.pdf", "--record", "card.pdf"), "--record is what a .tlog-proof is about"),
        (("--record", "card.pdf"), "--record is what a .tlog-proof is about"),
        (("evidence.zip", "--jobs", "2"), "--jobs is about a ledger"),
        (("evidence.zip", "--structural"), "always verified whole"),
    ],
)
def test_what_is_given_and_would_not_be_used_is_refused(
    here: Folder, arguments: tuple[str, ...], said: str
) -> None:
    result = here("verify", *arguments)
    assert (result.exit_code, result.stdout, said in result.stderr) == (2, "", True)


def test_a_pdf_is_still_looked_up_in_the_ledger(here: Folder) -> None:
    assert here.json("verify", "card.pdf")["files"] == [{"file": "card.pdf", "entries": [11], "in_doubt": []}]


def test_a_tiles_tree_and_a_proof_verify_elsewhere(here: Folder, elsewhere: Folder) -> None:
    here.text("ledger", "tiles", str(elsewhere.path / "tiles"))
    assert elsewhere.json("verify", "tiles", "--key", "log.vkey")["confirmed"]
    elsewhere.text("import", "evidence.zip", "--into", "case")
    proof = ("verify", "case/entries/7.tlog-proof", "--record", "case/entries/7.json")
    assert elsewhere.json(*proof, "--key", "tiles/vkey.txt")["verified"]
    assert elsewhere(*proof).exit_code == 2


def test_a_folder_that_is_no_tiles_tree_is_said(elsewhere: Folder) -> None:
    (elsewhere.path / "folder").mkdir()
    result = elsewhere("verify", "folder")
    assert (result.exit_code, "no tiles tree" in result.stderr) == (2, True)


def test_an_unpacked_bundle_is_told_to_be_given_as_the_zip_file(elsewhere: Folder) -> None:
    elsewhere.text("import", "evidence.zip", "--into", "case")
    result = elsewhere("verify", "case")
    assert (result.exit_code, "give the zip file itself" in result.stderr) == (2, True)


def test_a_bundle_that_was_cut_short_is_wrong_input(elsewhere: Folder) -> None:
    data = (elsewhere.path / "evidence.zip").read_bytes()
    (elsewhere.path / "evidence.zip").write_bytes(data[: len(data) // 2])
    for command in ("verify", "import"):
        result = elsewhere(command, "evidence.zip")
        assert (result.exit_code, "cut short" in result.stderr, result.stdout) == (2, True, "")
    assert not (elsewhere.path / "evidence").exists()


def test_importing_verifies_and_unpacks(elsewhere: Folder, members: Members) -> None:
    document = elsewhere.json("import", "evidence.zip", "--key", "log.vkey")
    assert (document["verified"], document["folder"]) == (True, "evidence")
    folder = elsewhere.path / "evidence"
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == members


def test_what_does_not_verify_is_not_unpacked(elsewhere: Folder, members: Members) -> None:
    with zipfile.ZipFile(elsewhere.path / "forged.zip", "w") as file:
        for name, data in members.items():
            file.writestr(name, data.replace(b'"seq":7', b'"seq":8') if name.endswith("7.json") else data)
    before = names_in(elsewhere.path)
    assert elsewhere.json("import", "forged.zip", status=1)["folder"] is None
    assert names_in(elsewhere.path) == before


def test_importing_overwrites_nothing(elsewhere: Folder) -> None:
    (elsewhere.path / "evidence").mkdir()
    (elsewhere.path / "evidence" / "mine").write_text("mine")
    result = elsewhere("import", "evidence.zip")
    assert (result.exit_code, "--into" in result.stderr) == (2, True)
    assert names_in(elsewhere.path / "evidence") == ["mine"]


def test_only_a_bundle_is_imported(elsewhere: Folder) -> None:
    assert elsewhere("import", "card.pdf").exit_code == 2


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_an_entry_is_checked_with_nothing_but_sha256sum_base64_and_openssl(
    here: Folder, tmp_path: Path
) -> None:
    with zipfile.ZipFile(here.path / "evidence.zip") as file:
        file.extractall(tmp_path)
    said = by_hand(tmp_path)
    assert "entry 7 is in the tree" in said
    assert said.count("Signature Verified Successfully") == 2
    assert '"predicateType":"urn:affidavit:run:v1"' in said
    named = re.findall(r"^([0-9a-f]{64})  artifacts/([0-9a-f]{64})$", said, re.MULTILINE)
    assert named
    assert all(digest == name for digest, name in named)


def test_the_commands_notice_a_changed_record(here: Folder, tmp_path: Path) -> None:
    with zipfile.ZipFile(here.path / "evidence.zip") as file:
        file.extractall(tmp_path)
    record = tmp_path / "entries" / "7.json"
    record.write_bytes(record.read_bytes().replace(b'"time":"2', b'"time":"3'))
    assert "is in the tree" not in by_hand(tmp_path)


@pytest.mark.parametrize("reports", range(1, 6))
def test_the_commands_fit_every_place_in_a_tree(tmp_path: Path, reports: int) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    ledger.append_many([report(f"report {number}") for number in range(reports)])
    for about in (0, reports // 2, reports):
        write_bundle(ledger, Wanted(f"entry {about}", (about,)), tmp_path / "e.zip")
        with zipfile.ZipFile(tmp_path / "e.zip") as file:
            file.extractall(tmp_path / f"entry-{about}")
        assert f"entry {about} is in the tree" in by_hand(tmp_path / f"entry-{about}")


def test_the_commands_fit_a_p_256_key_too(tmp_path: Path) -> None:
    recorder = LocalSigner(new_private_key("ecdsa-p256"))
    ledger = new_ledger(tmp_path / "ledger")
    ledger.grant("recorder", recorder.public, ("recorder",), "Ana Ruiz")
    ledger.append(report(), signer=recorder)
    write_bundle(ledger, Wanted("entry 2", (2,)), tmp_path / "e.zip")
    with zipfile.ZipFile(tmp_path / "e.zip") as file:
        file.extractall(tmp_path / "case")
    assert "Verified OK" in by_hand(tmp_path / "case")


def test_the_commands_check_each_of_several_signatures(tmp_path: Path) -> None:
    people, second = People(), signer()
    ledger = new_ledger(tmp_path / "ledger", people)
    ledger.grant("second", second.public, ("admin",), "Mira Okafor")
    ledger.say(key_events.threshold(ledger.origin, 2), by=people.admin)
    ledger.say(key_events.threshold(ledger.origin, 1), by=[people.admin, second])
    write_bundle(ledger, Wanted("entry 3", (3,)), tmp_path / "e.zip")
    with zipfile.ZipFile(tmp_path / "e.zip") as file:
        file.extractall(tmp_path / "case")
    said = by_hand(tmp_path / "case")
    assert said.count("Signature Verified Successfully") == 3  # the log's, and two more
    assert "\n2\n" in said
    record = tmp_path / "case" / "entries" / "3.json"
    first = json.loads(record.read_bytes())["entry"]["signatures"][0]["sig"]
    record.write_text(record.read_text().replace(first, first[::-1].strip("=") + "=="))
    with pytest.raises(AssertionError):
        by_hand(tmp_path / "case")


def test_the_manifest_is_canonical_json(members: Members) -> None:
    said = json.loads(members["manifest.json"])
    assert said["type"] == "urn:affidavit:bundle:v1"
