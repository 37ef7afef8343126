"""Bundles, verified with no ledger: what holds is said to hold, and whatever was changed is noticed."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.bundle import Manifest
from audit.bundle_check import verify_bundle
from audit.bundler import Wanted, write_bundle
from audit.canonical import decode, encode
from audit.errors import MalformedInput
from audit.evidence import Brought
from audit.ledger import Ledger
from audit.note import VerifierKey
from tests.small_evidence import a_bundle, failed, key_of, members_of, put_together, verified
from tests.small_ledger import ORIGIN, People, new_ledger, report, signer

Members = dict[str, bytes]

SIGNED_BY_NOBODY = ("README.txt",)
"""Prose: what is in it is no evidence, and the answer says so."""


@pytest.fixture(scope="module")
def people() -> People:
    return People()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, people: People) -> Path:
    made = tmp_path_factory.mktemp("bundles")
    a_bundle(made, people)
    return made


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    return folder / "bundle.zip"


@pytest.fixture
def members(bundle: Path) -> Members:
    return members_of(bundle)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    return tmp_path / "changed.zip"


def test_a_bundle_verifies_and_names_what_it_did_not_do(bundle: Path) -> None:
    answer = verify_bundle(bundle, Brought())
    assert answer
    assert [step.status for step in answer.report.steps] == [
        "passed", "passed", "skipped", "passed", "passed", "skipped", "skipped", "passed",
    ]  # fmt: skip


def test_a_key_that_came_with_the_bundle_confirms_nothing_and_is_printed(
    bundle: Path, people: People
) -> None:
    answer = verify_bundle(bundle, Brought())
    assert not answer.confirmed
    assert f"{key_of(people)}, which came with the evidence" in answer.report.steps[1].detail
    assert any("whose ledger this is" in sentence for sentence in answer.not_shown)


def test_the_logs_key_from_elsewhere_confirms_it(bundle: Path, people: People) -> None:
    answer = verify_bundle(bundle, Brought(log_key=key_of(people)))
    assert (bool(answer), answer.confirmed) == (True, True)


def test_another_logs_key_does_not_verify(bundle: Path) -> None:
    answer = verify_bundle(bundle, Brought(log_key=VerifierKey(ORIGIN, signer().public.raw)))
    assert failed(answer) == ["tree"]


def test_the_document_has_the_members_of_the_interface(bundle: Path) -> None:
    document = verify_bundle(bundle, Brought()).to_json()
    assert document.keys() >= {
        "verified",
        "size",
        "root",
        "steps",
        "anchor",
        "confirmed",
        "log_key",
        "not_shown",
    }
    assert (document["size"], document["entries"]) == (5, [0, 3])


def test_it_says_openly_that_an_entry_may_have_been_left_out(bundle: Path) -> None:
    answer = verify_bundle(bundle, Brought())
    assert any("nothing was left out" in sentence for sentence in answer.not_shown)
    assert "left out" in answer.report.steps[3].detail


def test_where_every_entry_is_in_it_nothing_can_have_been_left_out(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path / "ledger")
    ledger.append(report())
    answer = write_bundle(ledger, Wanted("entry 1", (1,)), tmp_path / "all.zip")
    assert not any("left out" in sentence for sentence in answer.not_shown)
    assert "left out" not in answer.report.steps[3].detail


def test_it_verifies_where_the_ledger_is_gone_and_imports_no_database_and_no_ml_library(
    bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "evidence.zip").write_bytes(bundle.read_bytes())
    look = (
        "import json, sys, affidavit\n"
        "sys.argv = ['affidavit', 'verify', 'evidence.zip', '--json']\n"
        "try:\n    affidavit.main()\n"
        "except SystemExit as ended:\n    status = ended.code\n"
        "print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", look],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    status, modules = json.loads(done.stderr)
    assert status == 0
    assert json.loads(done.stdout)["verified"] is True
    heavy = {
        "sqlalchemy",
        "sqlite3",
        "pandas",
        "numpy",
        "sklearn",
        "pyarrow",
        "skops",
        "weasyprint",
        "pydantic",
    }
    assert heavy & set(modules) == set()


# -- whatever was changed ----------------------------------------------------------------------------------------------


def test_every_changed_byte_of_every_member_is_noticed(tmp_path: Path) -> None:
    """But for README.txt, which is signed by nobody, and but for the number of one entry in it made that of another.

    Of a record every fifth byte is tried, for speed: one hash is over all of them.
    """
    ledger = new_ledger(tmp_path / "small")
    ledger.append(report())
    write_bundle(ledger, Wanted("entry 1", (1,)), tmp_path / "small.zip")
    members = members_of(tmp_path / "small.zip")
    place = tmp_path / "changed.zip"
    number = members["manifest.json"].index(b"entry 1") + len(b"entry ")
    unnoticed = []
    for name in members.keys() - set(SIGNED_BY_NOBODY):
        for at in range(0, len(members[name]), 5 if name.endswith(".json") and "/" in name else 1):
            data = bytearray(members[name])
            data[at] ^= 1 << at % 8
            if verified(place, {**members, name: bytes(data)}):
                unnoticed.append((name, at))
    assert set(unnoticed) <= {("manifest.json", number)}


@pytest.mark.parametrize(
    "about", ["entry 1, approved and fair for all", "entry 9", "entry 01", "Entry 1", "loans@1", ""]
)
def test_what_nobody_signed_is_not_what_a_bundle_is_about(
    members: Members, changed: Path, about: str
) -> None:
    said = decode(members["manifest.json"])
    assert isinstance(said, dict)
    answer = verified(changed, {**members, "manifest.json": encode({**said, "about": about})})
    assert (failed(answer), answer.about) == (["records"], "")
    assert "what manifest.json says that the bundle is about is not" in answer.report.steps[0].detail


@pytest.mark.parametrize("name", ["README.txt", "vkey.txt", "entries/0.json"])
def test_a_missing_member_is_named(members: Members, changed: Path, name: str) -> None:
    del members[name]
    answer = verified(changed, members)
    assert failed(answer) == ["records"]
    assert f"{name} is missing" in answer.report.steps[0].detail


@pytest.mark.parametrize(
    "name",
    [
        "extra.txt", "../README.txt", "/etc/passwd", "entries/03.json", "entries/9.json", "anchors/0.tsr",
        "keys/abc.pem", "entries/../x", "consistency/0", "Entries/0.json",
    ],
)  # fmt: skip
def test_a_member_that_has_no_business_there_is_refused(members: Members, changed: Path, name: str) -> None:
    assert not verified(changed, {**members, name: b"{}"})


def test_no_step_is_passed_when_the_bundle_has_not_the_form_of_one(members: Members, changed: Path) -> None:
    answer = verified(changed, {**members, "notes.txt": b"x"})
    assert [step.status for step in answer.report.steps] == ["failed", *["skipped"] * 7]


def test_what_no_bundle_can_be_read_from_is_wrong_input(changed: Path) -> None:
    changed.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(MalformedInput, match=f"no bundle can be read from {changed}: it is cut short"):
        verify_bundle(changed, Brought())


@pytest.mark.parametrize("name", ["checkpoint", "manifest.json"])
def test_a_zip_file_without_a_checkpoint_or_a_manifest_is_no_bundle(
    members: Members, changed: Path, name: str
) -> None:
    del members[name]
    with pytest.raises(MalformedInput, match="it has no manifest"):
        verified(changed, members)


def without(members: Members, *seqs: int) -> Members:
    """Leave entries out, with all that belongs to them, and mend the table of contents."""
    manifest = Manifest.parse(members["manifest.json"])
    kept = tuple(seq for seq in manifest.entries if seq not in seqs)
    gone = {f"entries/{seq}.{end}" for seq in seqs for end in ("json", "tlog-proof")}
    left = {name: data for name, data in members.items() if name not in gone}
    return {**left, "manifest.json": dataclasses.replace(manifest, entries=kept).to_bytes()}


def test_an_entry_that_was_left_out_of_the_middle_is_missed_by_the_table_of_contents(
    members: Members, changed: Path
) -> None:
    left = without(members, 3)
    answer = verified(changed, {**left, "manifest.json": members["manifest.json"]})
    assert failed(answer)[0] == "records"


def test_a_bundle_without_its_genesis_proves_nothing(members: Members, changed: Path) -> None:
    answer = verified(changed, without(members, 0))
    assert not answer
    assert "entries/0.json is missing" in answer.report.steps[0].detail


def test_a_grant_that_was_left_out_leaves_its_key_without_a_role(tmp_path: Path) -> None:
    recorder = signer()
    ledger = new_ledger(tmp_path / "ledger")
    ledger.grant("recorder", recorder.public, ("recorder",), "Ana Ruiz")
    ledger.append(report(), signer=recorder)
    write_bundle(ledger, Wanted("entry 2", (2,)), tmp_path / "bundle.zip")
    answer = verified(tmp_path / "changed.zip", without(members_of(tmp_path / "bundle.zip"), 1))
    assert "signatures" in failed(answer)
    assert answer.report.steps[3].entries == (2,)


def test_what_a_revoked_key_said_before_holds_and_what_was_said_since_the_suspicion_is_in_doubt(
    tmp_path: Path,
) -> None:
    recorder = signer()
    ledger = new_ledger(tmp_path / "ledger")
    ledger.grant("recorder", recorder.public, ("recorder",), "Ana Ruiz")
    ledger.append(report("one"), signer=recorder)
    ledger.append(report("two"), signer=recorder)
    ledger.revoke(recorder.public.keyid, "stolen", 3)
    answer = write_bundle(ledger, Wanted("entry 2", (2, 3)), tmp_path / "bundle.zip")
    assert answer
    assert answer.in_doubt == (3,)
    assert "in doubt, by a key that was suspect: entries 3" in answer.report.steps[3].detail


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, people: People) -> Members:
    """A bundle of another history, of the same shape, by the same people under the same name."""
    made = tmp_path_factory.mktemp("other")
    a_bundle(made, people)
    return members_of(made / "bundle.zip")


def test_members_swapped_between_bundles_of_two_histories_do_not_verify(
    members: Members, other: Members, changed: Path, people: People
) -> None:
    known = Brought(log_key=key_of(people))
    assert verified(changed, other, known)
    for name in members.keys() & other.keys():
        if members[name] != other[name] and name not in SIGNED_BY_NOBODY:
            assert not verified(changed, {**members, name: other[name]}, known), name


def test_an_entry_with_its_proof_from_another_history_does_not_verify(
    members: Members, other: Members, changed: Path
) -> None:
    swapped = {name: other[name] for name in ("entries/3.json", "entries/3.tlog-proof")}
    assert "tree" in failed(verified(changed, {**members, **swapped}))


def test_a_proof_under_an_older_checkpoint_does_not_verify(
    folder: Path, members: Members, changed: Path
) -> None:
    ledger = a_bundle(folder / "older", reports=4)
    before = members_of(folder / "older" / "bundle.zip")
    ledger.append(report("later"))
    write_bundle(ledger, Wanted("entry 3", (3,)), folder / "older" / "later.zip")
    later = members_of(folder / "older" / "later.zip")
    answer = verified(changed, {**later, "entries/3.tlog-proof": before["entries/3.tlog-proof"]})
    assert failed(answer) == ["tree"]
    assert "another checkpoint" in answer.report.steps[1].detail


def test_a_head_that_a_signer_saw_must_be_proven(members: Members, changed: Path) -> None:
    del members["consistency/3"]
    answer = verified(changed, members)
    assert failed(answer) == ["observed"]
    assert answer.report.steps[4].entries == (3,)


def test_a_proof_about_no_head_is_refused(members: Members, changed: Path) -> None:
    answer = verified(changed, {**members, "consistency/2": members["consistency/3"]})
    assert failed(answer) == ["observed"]


def test_a_key_that_signed_and_is_not_there_is_missed(members: Members, changed: Path) -> None:
    [name] = [name for name in members if name.startswith("keys/")]
    del members[name]
    assert failed(verified(changed, members)) == ["signatures"]


def test_a_key_that_signed_nothing_is_refused(members: Members, changed: Path) -> None:
    stranger = signer().public
    answer = verified(changed, {**members, f"keys/{stranger.keyid}.pem": stranger.pem()})
    assert failed(answer) == ["signatures"]


def test_a_record_in_another_spelling_does_not_verify(members: Members, changed: Path) -> None:
    record = json.dumps(decode(members["entries/3.json"])).encode()
    assert {"records", "tree"} <= set(failed(verified(changed, {**members, "entries/3.json": record})))


def test_a_table_of_contents_that_says_otherwise_does_not_verify(members: Members, changed: Path) -> None:
    for member, value in (
        ("size", 6),
        ("origin", "other.example"),
        ("entries", [0]),
        ("type", "bundle"),
        ("x", 1),
    ):
        said = {**json.loads(members["manifest.json"]), member: value}
        assert failed(verified(changed, {**members, "manifest.json": encode(said)})) == ["records"], member


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_for_any_member_are_an_answer_and_no_exception(
    members: Members, changed: Path, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(members)))
    changed_to = data.draw(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
    verified(changed, {**members, name: changed_to})


# -- what the reader brings --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ledger(folder: Path, people: People) -> Ledger:
    return a_bundle(folder / "kept", people)


def test_a_checkpoint_of_the_same_size_is_an_anchor(ledger: Ledger, folder: Path) -> None:
    answer = verify_bundle(folder / "kept" / "bundle.zip", Brought(ledger.head().checkpoint))
    assert (bool(answer), answer.confirmed) == (True, True)
    assert answer.report.anchor is not None
    assert answer.report.anchor.size == 5


def test_a_checkpoint_that_the_bundle_has_no_proof_for_is_neither_refuted_nor_verified(
    ledger: Ledger, folder: Path
) -> None:
    answer = verify_bundle(folder / "kept" / "bundle.zip", Brought(ledger.head_at(2).checkpoint))
    assert (bool(answer), answer.confirmed, failed(answer)) == (False, False, [])
    assert answer.report.steps[2].status == "skipped"
    assert "nothing in the bundle proves that its 2 entries" in answer.report.steps[2].detail


def test_a_bundle_made_for_a_checkpoint_proves_that_it_is_of_its_history(
    ledger: Ledger, tmp_path: Path
) -> None:
    kept = ledger.head_at(2).checkpoint
    write_bundle(ledger, Wanted("entry 3", (3,), checkpoints=[kept]), tmp_path / "for-me.zip")
    assert verify_bundle(tmp_path / "for-me.zip", Brought(kept)).confirmed


def test_a_checkpoint_of_another_history_does_not_verify(bundle: Path, ledger: Ledger) -> None:
    answer = verify_bundle(bundle, Brought(ledger.head().checkpoint))
    assert failed(answer) == ["anchors"]


def test_a_newer_checkpoint_than_the_bundles_is_neither_refuted_nor_verified(tmp_path: Path) -> None:
    people = People()
    ledger = a_bundle(tmp_path, people)
    ledger.append(report())
    brought = Brought(ledger.head().checkpoint, key_of(people))
    answer = verify_bundle(tmp_path / "bundle.zip", brought)
    assert (bool(answer), answer.confirmed, failed(answer)) == (False, False, [])
    assert "it is of 6 entries and this copy of 5: either it is newer" in answer.unanswered
    assert answer.to_json()["verified"] is False
    assert not any("whose ledger" in sentence for sentence in answer.not_shown)


def test_a_key_that_does_not_fit_is_not_asked_for_once_more(bundle: Path) -> None:
    answer = verify_bundle(bundle, Brought(log_key=VerifierKey(ORIGIN, signer().public.raw)))
    [sentence] = [sentence for sentence in answer.not_shown if "whose ledger" in sentence]
    assert "--key" not in sentence


def test_only_keys_whose_signatures_were_checked_are_counted(members: Members, changed: Path) -> None:
    forged = resign_nothing(members["entries/3.json"])
    answer = verified(changed, {**members, "entries/3.json": forged})
    assert answer.report.steps[3].figures["signatures"] == 1
    assert answer.report.steps[3].figures["keys"] == 1


def resign_nothing(record: bytes) -> bytes:
    """Let a record name another key as its signer."""
    document = json.loads(record)
    document["entry"]["signatures"][0]["keyid"] = "ab" * 32
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_what_is_no_checkpoint_does_not_pass(bundle: Path) -> None:
    assert failed(verify_bundle(bundle, Brought(b"no checkpoint"))) == ["anchors"]


# -- files that entries name -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_files(tmp_path_factory: pytest.TempPathFactory) -> Members:
    """A bundle with a report and an artifact that its predicate names."""
    import hashlib

    made = tmp_path_factory.mktemp("files")
    ledger = new_ledger(made / "ledger")
    data = hashlib.sha256(b"data").hexdigest()
    said = report("with files", artifact=f"affidavit-table-v1:sha256:{data}")
    pdf = hashlib.sha256(b"%PDF").hexdigest()
    ledger.append(dataclasses.replace(said, subjects=(dataclasses.replace(said.subjects[0], sha256=pdf),)))
    wanted = Wanted("entry 1", (1,), artifacts={data: b"data"}, report=b"%PDF")
    write_bundle(ledger, wanted, made / "bundle.zip")
    return members_of(made / "bundle.zip")


def test_files_are_read_again(with_files: Members, changed: Path) -> None:
    answer = verified(changed, with_files)
    assert answer
    assert answer.report.steps[6].detail.startswith(
        "2 files have the digests that the entries name; report.pdf"
    )


def test_a_changed_file_is_named(with_files: Members, changed: Path) -> None:
    for name in with_files:
        if name.startswith("artifacts/") or name == "report.pdf":
            answer = verified(changed, {**with_files, name: b"other"})
            assert failed(answer) == ["artifacts"]
            assert name in answer.report.steps[6].detail


def test_a_file_that_no_entry_names_is_refused(with_files: Members, changed: Path) -> None:
    import hashlib

    stranger = hashlib.sha256(b"stranger").hexdigest()
    answer = verified(changed, {**with_files, f"artifacts/{stranger}": b"stranger"})
    assert failed(answer) == ["artifacts"]


def test_a_named_file_that_is_no_report_cannot_pass_for_one(with_files: Members, changed: Path) -> None:
    assert failed(verified(changed, {**with_files, "report.pdf": b"data"})) == ["artifacts"]


def test_a_bundle_zipped_again_by_another_tool_verifies(members: Members, changed: Path) -> None:
    import zipfile

    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    assert verify_bundle(changed, Brought())
    assert put_together(changed, members).read_bytes() != b""
