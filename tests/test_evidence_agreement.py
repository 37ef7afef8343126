"""The package and the portable verifier, which share no code, answer alike: on evidence that the package writes, and on
evidence, honest and dishonest, that was made by hand from the format page."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import key_events, tables
from audit.anchor_settings import AnchorSettings, WitnessAt
from audit.bundle_check import verify_bundle
from audit.bundler import Wanted, portable_verifiers, write_bundle
from audit.cosignature import WitnessKey
from audit.envelope import sign
from audit.evidence import Brought, Evidence
from audit.keys import LocalSigner
from audit.ledger import Ledger
from audit.note import VerifierKey
from audit.offline import kind_of, verify_evidence
from audit.tiles_check import verify_tiles
from audit.tiles_tree import write_tiles_tree
from audit.verify import verify_ledger
from tests.browser import a_browser, give, shown
from tests.command_line import empty_folder
from tests.evidence_mutations import Mutated, mutated
from tests.portable_key_samples import BROUGHT_IN, brought_in, keys_over_time
from tests.portable_samples import Kept, Sample, a_story, samples
from tests.portable_verifier import PORTABLE, said_by
from tests.small_evidence import failed, key_of, members_of, verified
from tests.small_ledger import ORIGIN, People, new_ledger, report, signer

OURS = {"log key": "tree", "checkpoint": "anchors", "files": "records"}
"""The portable verifier's steps that are parts of one of ours."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return a_story(tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory, story: Kept) -> list[Sample]:
    return samples(tmp_path_factory.mktemp("samples"), story)


def brought(sample: Sample) -> Brought:
    pinned = AnchorSettings()
    if sample.witness:
        pinned = AnchorSettings(
            witnesses=(WitnessAt("https://w.example/", WitnessKey.parse(sample.witness)),)
        )
    return Brought(sample.kept or None, VerifierKey.parse(sample.key) if sample.key else None, pinned)


def package_says(sample: Sample) -> Evidence:
    kind = kind_of(sample.path)
    assert kind is not None
    return verify_evidence(sample.path, kind, brought(sample))


def test_every_sample_is_answered_as_it_should(evidence: list[Sample]) -> None:
    wrong = {}
    for sample in evidence:
        # That a witness whose word would be taken has said nothing is no finding here: nobody vouches, and it is said.
        should = {OURS.get(step, step) for step in sample.failing - {"witnesses"}}
        if sample.name == "a run entered twice":
            should = {
                "signatures"
            }  # as in a ledger's verification: step 4 says that a statement stands there once
        answer = package_says(sample)
        found = set(failed(answer))
        as_it_should = should <= found and bool(found) == bool(should)
        if not as_it_should or bool(answer.unanswered) != sample.unanswered:
            wrong[sample.name] = (should, found)
    assert wrong == {}


# -- what may have happened on the way ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, story: Kept) -> list[Mutated]:
    keys = keys_over_time(tmp_path_factory.mktemp("keys") / "ledger")
    return mutated(tmp_path_factory.mktemp("mutated"), story, keys)


def by_the_package(one: Mutated, folder: Path) -> int:
    options = ["--key", str(written_to(folder / "key", one.key.encode()))] if one.key else []
    options += ["--checkpoint", str(written_to(folder / "kept", one.kept))] if one.kept else []
    return empty_folder(folder / "elsewhere")("verify", str(one.path), *options).exit_code


def by_the_portable_verifier(one: Mutated, folder: Path) -> int:
    options = [f"--key={one.key}"] if one.key else []
    options += [f"--checkpoint={written_to(folder / 'kept', one.kept)}"] if one.kept else []
    return said_by(one.path, *options)[0]


def written_to(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("verifier", [by_the_package, by_the_portable_verifier], ids=lambda v: v.__name__)
def test_whatever_happened_on_the_way_the_exit_status_is_the_right_one(
    table: list[Mutated], verifier: Callable[[Mutated, Path], int], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    answers = {one.name: (verifier(one, tmp_path), one.status) for one in table}
    assert {name: answer for name, answer in answers.items() if answer[0] != answer[1]} == {}


def test_whatever_happened_on_the_way_the_page_says_the_same(table: list[Mutated]) -> None:
    wrong: dict[str, tuple[str, int]] = {}
    with a_browser() as browser:
        browser.open(PORTABLE / "verify_affidavit.html")
        for one in table:
            give(browser, one.path, one.key, one.kept)
            said = shown(browser, "word")
            status = {"Nothing was verified": 2, "Not verified": 1}.get(said, 0)
            wrong |= {one.name: (said, one.status)} if status != one.status else {}
    assert wrong == {}


# -- what the package writes -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("portable") / "verify_affidavit.py"
    place.write_bytes(portable_verifiers()["verify_affidavit.py"])
    return place


def portable_says(portable: Path, evidence: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-I", str(portable), str(evidence), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def rotated(folder: Path, people: People) -> tuple[Ledger, LocalSigner]:
    """A ledger whose log changed its key in the middle, with people whose keys came and went."""
    recorder, log = signer(), signer()
    ledger = new_ledger(folder, people)
    ledger.grant("recorder", recorder.public, ("recorder",), "Ana Ruiz")
    ledger.append(report("before"), signer=recorder)
    statement = key_events.log_rotate(ORIGIN, log.public, "yearly").statement
    claimed = ledger.claim(statement, people.admin.public.keyid)
    ledger.append_signed(sign(claimed.payload(), [people.admin]), log_signers=(log,))
    after = Ledger(ledger.engine, signer=lambda kind: people.admin, log_signer=lambda: log)
    after.append(report("after"), signer=recorder)
    after.revoke(recorder.public.keyid, "left", None)
    return after, log


@pytest.fixture(scope="module")
def people() -> People:
    return People()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, people: People) -> Path:
    """A folder with a bundle and a tiles tree of a ledger whose log's key changed."""
    folder = tmp_path_factory.mktemp("written")
    ledger, log = rotated(folder / "ledger", people)
    write_bundle(ledger, Wanted("entry 4", (4,), more=portable_verifiers()), folder / "bundle.zip")
    write_tiles_tree(ledger, folder / "tiles")
    (folder / "new.vkey").write_text(str(VerifierKey(ORIGIN, log.public.raw)))
    (folder / "old.vkey").write_text(str(key_of(people)))
    (folder / "handover").write_bytes(ledger.head_at(4).checkpoint)
    return folder


@pytest.mark.parametrize("name", ["bundle.zip", "tiles"])
def test_the_portable_verifier_verifies_what_the_package_writes(
    written: Path, portable: Path, name: str
) -> None:
    said = portable_says(portable, written / name, "--key", str(written / "new.vkey"))
    assert (said["verified"], said["confirmed"]) == (True, True), said


@pytest.mark.parametrize("key", ["old.vkey", "new.vkey"])
def test_who_knows_any_key_of_the_log_comes_to_the_one_that_signed_the_bundle(
    written: Path, portable: Path, key: str
) -> None:
    known = Brought(log_key=VerifierKey.parse((written / key).read_text()))
    assert verify_bundle(written / "bundle.zip", known).confirmed
    assert portable_says(portable, written / "bundle.zip", "--key", str(written / key))["confirmed"]


def test_by_way_of_how_many_rotations_is_said(written: Path, people: People) -> None:
    answer = verify_bundle(written / "bundle.zip", Brought(log_key=key_of(people)))
    assert "by way of 1 rotation" in answer.report.steps[1].detail


def test_without_the_head_that_both_keys_signed_the_old_key_leads_nowhere(
    written: Path, people: People, portable: Path, tmp_path: Path
) -> None:
    members = members_of(written / "bundle.zip")
    left = {name: data for name, data in members.items() if not name.startswith("anchors/")}
    answer = verified(tmp_path / "left.zip", left, Brought(log_key=key_of(people)))
    assert "tree" in failed(answer)
    said = portable_says(portable, tmp_path / "left.zip", "--key", str(written / "old.vkey"))
    assert not said["verified"]


@pytest.mark.parametrize("key", ["old.vkey", "new.vkey"])
def test_who_knows_any_key_of_the_log_comes_to_the_one_that_signed_the_tiles_tree(
    written: Path, portable: Path, key: str
) -> None:
    known = Brought(log_key=VerifierKey.parse((written / key).read_text()))
    assert verify_tiles(written / "tiles", known).confirmed
    assert portable_says(portable, written / "tiles", "--key", str(written / key))["confirmed"]


def test_without_that_head_a_tiles_tree_needs_it_from_who_knows_the_old_key(
    written: Path, people: People, tmp_path: Path
) -> None:
    known, tree = key_of(people), Path(shutil.copytree(written / "tiles", tmp_path / "tiles"))
    shutil.rmtree(tree / "handovers")
    assert failed(verify_tiles(tree, Brought(log_key=known))) == ["tree"]
    assert verify_tiles(tree, Brought((written / "handover").read_bytes(), known)).confirmed


def test_a_tiles_tree_that_grows_beyond_a_rotation_gets_the_head_with_which_the_key_changed(
    tmp_path: Path,
) -> None:
    people = People()
    write_tiles_tree(new_ledger(tmp_path / "ledger", people), tmp_path / "tiles")
    assert not (tmp_path / "tiles" / "handovers").exists()
    ledger, _ = rotated(tmp_path / "other", people)
    write_tiles_tree(ledger, tmp_path / "grown")
    (tmp_path / "grown" / "handovers" / "4").unlink()
    write_tiles_tree(ledger, tmp_path / "grown")  # a tree from before there were handovers
    assert (tmp_path / "grown" / "handovers" / "4").read_bytes() == ledger.head_at(4).checkpoint
    assert verify_tiles(tmp_path / "grown", Brought(log_key=key_of(people))).confirmed


def test_the_verifier_in_the_bundle_is_the_one_of_the_package(written: Path) -> None:
    assert members_of(written / "bundle.zip").items() >= portable_verifiers().items()


# -- keys that a thief brought in --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def thief(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiles tree of a ledger in which the grants by a suspect key are in doubt, and the ledger beside it."""
    folder = tmp_path_factory.mktemp("thief")
    kept = brought_in(folder / "ledger")
    kept.tree(folder / "tiles")
    named = {name: key.public.keyid for name, key in kept.people.items()}
    (folder / "named.json").write_text(json.dumps(named))
    return folder


def expected(thief: Path) -> list[dict[str, Any]]:
    named = json.loads((thief / "named.json").read_text())
    return [{"key": named[name], "grant": by, "entries": list(seqs)} for name, by, seqs in BROUGHT_IN]


def test_the_package_follows_doubt_from_grant_to_grant(thief: Path) -> None:
    answer = verify_tiles(thief / "tiles", Brought())
    assert answer
    assert answer.to_json()["doubted"] == expected(thief)
    assert "entries 8, 12 were signed by the key 'bob' (" in answer.report.steps[3].detail
    assert "whose grant (entry 7) is in doubt" in answer.report.steps[3].detail


def test_the_portable_verifier_follows_doubt_from_grant_to_grant(thief: Path, portable: Path) -> None:
    said = portable_says(portable, thief / "tiles")
    assert (said["verified"], said["doubted"]) == (True, expected(thief))
    assert "entry 6, signed by the key 'bob' (" in said["verdict"]
    assert "whose grant (entry 5) is in doubt" in said["verdict"]


def test_the_page_follows_doubt_from_grant_to_grant(thief: Path, portable: Path) -> None:
    with a_browser() as browser:
        browser.open(PORTABLE / "verify_affidavit.html")
        give(browser, thief / "tiles", "", b"")
        said = json.loads(shown(browser, "json"))
    ours = portable_says(portable, thief / "tiles")
    assert (said["verified"], said["doubted"], said["verdict"]) == (True, expected(thief), ours["verdict"])


def test_the_ledger_itself_says_the_same(thief: Path) -> None:
    step = verify_ledger(tables.open_database(thief / "ledger" / "ledger.db")).steps[3]
    assert step.status == "passed"
    assert step.figures["in doubt"] == sum(len(entries) for _, _, entries in BROUGHT_IN)
    assert "entry 16 was signed by the key 'ana' (" in step.detail
    assert "whose grant (entry 15) is in doubt" in step.detail
