"""The portable verifier: alone in a folder it says what we say, of honest and of dishonest evidence."""

import ast
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import a_lender, empty_folder
from tests.evidence import a_tiles_tree, zipped
from tests.portable_key_samples import key_samples, keys_over_time
from tests.portable_samples import TRICKS, Kept, Sample, a_story, rechained, samples
from tests.portable_verifier import PORTABLE, VERIFIER, answer, said_by
from tests.small_ledger import People, new_ledger, report
from tests.zip_mutations import ODD_ZIPS

SCRIPT = PORTABLE / "verify_affidavit.py"
STEPS = (
    "files", "records", "tree", "log key", "signatures", "observed", "checkpoint", "witnesses", "timestamps",
    "artifacts", "times",
)  # fmt: skip


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return a_story(tmp_path_factory.mktemp("portable-story"))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keys_over_time(tmp_path_factory.mktemp("portable-keys"))


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory, story: Kept, keys: Kept) -> list[Sample]:
    folder = tmp_path_factory.mktemp("evidence")
    return [*samples(folder, story), *key_samples(folder, keys)]


@pytest.fixture
def bundle(story: Kept, tmp_path: Path) -> Path:
    return story.bundle(tmp_path / "evidence.zip")


@pytest.fixture
def tree(story: Kept, tmp_path: Path) -> Path:
    return story.tree(tmp_path / "tiles")


def failing(said: dict[str, Any]) -> set[str]:
    return {step["name"] for step in said["steps"] if step["status"] == "failed"}


def details(said: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["detail"] for step in said["steps"]}


# -- alone -------------------------------------------------------------------------------------------------------------


def alone(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the file where nothing else is, cut off from the environment's variables and the user's packages."""
    shutil.copy(SCRIPT, folder)
    command = [sys.executable, "-I", SCRIPT.name, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_it_runs_alone_in_a_folder(story: Kept, tmp_path: Path) -> None:
    story.bundle(tmp_path / "evidence.zip")
    done = alone(tmp_path, "evidence.zip", "--key", story.vkey())
    assert (done.returncode, done.stderr) == (0, "")
    assert "VERIFIED, against what you brought from elsewhere." in done.stdout


def test_it_exits_with_1_where_a_step_fails(story: Kept, tmp_path: Path) -> None:
    zipped(tmp_path / "evidence.zip", {**story.members(), "report.pdf": b"another"})
    done = alone(tmp_path, "evidence.zip")
    assert (done.returncode, done.stderr) == (1, "")
    assert "NOT VERIFIED: failed in step 10 (artifacts)." in done.stdout


def test_a_reader_who_goes_away_is_no_fault_and_no_yes(bundle: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-I", str(SCRIPT), str(bundle)]
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_it_imports_nothing_of_ours() -> None:
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or "?"] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"__import__", "exec", "eval", "compile"}


def test_running_it_loads_nothing_of_ours(bundle: Path) -> None:
    look = (
        "import runpy, sys; sys.argv = sys.argv[1:]\ntry: runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    look += "finally: print(*sorted(m.split('.')[0] for m in sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", look, str(SCRIPT), str(bundle)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert not {"audit", "registry", "reports", "affidavit"} & set(done.stderr.split())


def test_where_cryptography_is_missing_it_says_so_in_a_line(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), str(bundle)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "verify_affidavit: cryptography is missing here: pip install cryptography\n"


def test_the_file_says_which_of_the_pages_headings_it_follows() -> None:
    page = (Path(__file__).parent.parent / "docs" / "ledger-format.md").read_text()
    cited = set(re.findall(r"[Pp]age, ([A-Z][\w ,]+?)(?:[:.;)]| and |\n)", SCRIPT.read_text()))
    headings = set(re.findall(r"^## (.+)$", page, re.MULTILINE))
    assert {name for name in cited if not any(h.startswith(name) for h in headings)} == set()


# -- what it says ------------------------------------------------------------------------------------------------------


def test_it_answers_in_numbered_steps(bundle: Path, story: Kept) -> None:
    said = answer(bundle, "--key", story.vkey())
    assert [(step["step"], step["name"]) for step in said["steps"]] == list(enumerate(STEPS, start=1))
    skipped = {"checkpoint", "witnesses", "timestamps"}
    assert {s["name"]: s["status"] for s in said["steps"]} == {
        name: "skipped" if name in skipped else "passed" for name in STEPS
    }


def test_it_answers_every_sample_as_it_should(evidence: list[Sample], tmp_path: Path) -> None:
    wrong = {}
    for sample in evidence:
        said = answer(sample.path, *sample.options(tmp_path))
        found = failing(said)
        as_it_should = sample.failing <= found and bool(found) == bool(sample.failing)
        as_it_should &= (said["verified"], bool(said["unanswered"])) == (sample.verified, sample.unanswered)
        if not as_it_should or said["in_doubt"] != list(sample.in_doubt):
            wrong[sample.name] = {name: details(said)[name] for name in found} or said
    assert wrong == {}


def test_the_package_says_the_same_of_every_sample(evidence: list[Sample], tmp_path: Path) -> None:
    here, different = empty_folder(tmp_path / "elsewhere"), {}
    (tmp_path / "log.vkey").touch()
    for sample in evidence:
        if not sample.witness:  # the package reads witnesses from a file of their own
            (tmp_path / "log.vkey").write_text(f"{sample.key}\n")
            options = [option for option in sample.options(tmp_path) if option.startswith("--checkpoint")]
            options += ["--key", str(tmp_path / "log.vkey")] if sample.key else []
            ours = here("verify", str(sample.path), *options, "--json")
            doubted = json.loads(ours.stdout)["in_doubt"] if ours.exit_code == 0 else list(sample.in_doubt)
            if ours.exit_code != (not sample.verified) or doubted != list(sample.in_doubt):
                different[sample.name] = ours.stdout + ours.stderr
    assert different == {}


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a version and all tiles, as a user does."""
    here = a_lender(tmp_path_factory.mktemp("exported") / "lender")
    here.text("checkpoint", "-o", "early.txt")
    here.text(
        "export",
        "loans@1",
        "-o",
        "evidence.zip",
        "--with-verifier",
        "--with-artifacts",
        "--checkpoint",
        "early.txt",
    )
    here.text("ledger", "tiles", "tiles")
    (here.path / "log.vkey").write_text(here.json("checkpoint")["verifier_key"] + "\n")
    return here.path


@pytest.mark.parametrize("name", ["evidence.zip", "tiles"])
@pytest.mark.parametrize("option", ["--key=log.vkey", "--checkpoint=early.txt"])
def test_what_the_package_writes_is_verified(exported: Path, name: str, option: str) -> None:
    option, _, value = option.partition("=")
    said = answer(exported / name, option, exported / value)
    assert (said["confirmed"], failing(said)) == (True, set())


def test_a_bundle_brings_this_very_verifier_and_it_runs_there(exported: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(exported / "evidence.zip") as file:
        assert file.read(SCRIPT.name) == SCRIPT.read_bytes()
        assert file.read("verify_affidavit.html") == SCRIPT.with_suffix(".html").read_bytes()
    shutil.copy(exported / "evidence.zip", tmp_path)
    assert alone(tmp_path, "evidence.zip").returncode == 0


def test_without_a_key_from_elsewhere_it_does_not_say_verified(bundle: Path) -> None:
    said = answer(bundle)
    assert (said["verified"], said["confirmed"]) == (True, False)
    assert said["verdict"].startswith("CONSISTENT IN ITSELF")
    assert said["key_from"] == "the bundle itself"
    assert any("Whose ledger this is" in line for line in said["not_shown"])


def test_a_whole_ledger_that_somebody_made_up_is_not_said_to_be_verified(tmp_path: Path) -> None:
    people = People()
    new_ledger(tmp_path / "made-up", people, origin="bank.example/models")
    from tests.dishonest import records_of

    kept = Kept(records_of(tmp_path / "made-up"), [people.log])
    assert answer(kept.tree(tmp_path / "tiles"))["confirmed"] is False


def test_it_says_what_a_bundle_cannot_show(bundle: Path, story: Kept) -> None:
    assert any("nothing was left out" in line for line in answer(bundle, "--key", story.vkey())["not_shown"])


def test_it_names_the_entry_that_is_wrong(story: Kept, tmp_path: Path) -> None:
    records = rechained(TRICKS["an excuse, its key not at hand"][0](story))
    said = answer(story.with_records(records).tree(tmp_path / "tiles"))
    [step] = [step for step in said["steps"] if step["name"] == "signatures"]
    assert step["entries"] == [10]
    assert "entry 10: the signature by 'approver' does not verify" in step["detail"]


def test_control_characters_and_turned_writing_do_not_reach_the_terminal(story: Kept, tmp_path: Path) -> None:
    _, out, _ = said_by(story.bundle(tmp_path / "\x1b[31mcredit\u202e@2.zip"))
    assert "\\u001b[31mcredit\\u202e@2.zip: a bundle about credit@2" in out
    assert "\x1b" not in out


# -- wrong input -------------------------------------------------------------------------------------------------------


def test_what_is_no_evidence_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked" / "manifest.json").touch()
    (tmp_path / "text").write_text("no zip file")
    zipped(tmp_path / "other.zip", {"a": b"b"})
    for name, sentence in {
        "missing": "is neither a file nor a folder",
        "empty": "is a folder, but no tiles tree: it has no checkpoint, or no folder tile",
        "unpacked": "is a folder into which a bundle was unpacked: give the zip file itself",
        "text": "is not a zip file that can be read, or was cut short",
        "other.zip": "is a zip file, but no bundle: it has no manifest.json and checkpoint",
    }.items():
        assert said_by(tmp_path / name) == (2, "", f"verify_affidavit: {tmp_path / name} {sentence}\n")


def test_a_key_that_is_none_is_one_sentence(bundle: Path, story: Kept) -> None:
    _, _, err = said_by(bundle, "--key", "no key")
    assert (
        err == "verify_affidavit: no key is neither a verifier key (name+hash+base64) nor a file with one\n"
    )
    status, _, err = said_by(bundle, "--key", story.vkey()[:-4] + "AAAA")
    assert (status, err.count("\n")) == (2, 1)


def test_a_key_and_a_witness_may_stand_in_files(bundle: Path, story: Kept, tmp_path: Path) -> None:
    (tmp_path / "vkey.txt").write_text(story.vkey() + "\n")
    assert answer(bundle, "--key", tmp_path / "vkey.txt")["key_from"] == "elsewhere, as given with --key"


@pytest.mark.parametrize("data", [b"", b"\xff", b"origin\n1\n", b"a\n1\n\n\n\xe2\x80\x94 a AAAAAAA=\n"])
def test_a_checkpoint_that_is_none_is_one_sentence(bundle: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "kept").write_bytes(data)
    status, out, err = said_by(bundle, "--checkpoint", tmp_path / "kept")
    assert (status, out, err.count("\n")) == (2, "", 1)


# -- bundles -----------------------------------------------------------------------------------------------------------

UNSIGNED = ("README.txt", "verify_affidavit.py", "verify_affidavit.html")


def test_a_byte_changed_in_any_member_is_seen(story: Kept, tmp_path: Path) -> None:
    members, draw = story.members(anchors={"anchors/0.note": story.head(5)}), random.Random(7)
    overlooked = []
    for name, data in members.items():
        if name not in UNSIGNED:
            place = draw.randrange(len(data))
            flipped = data[:place] + bytes([data[place] ^ draw.randrange(1, 128)]) + data[place + 1 :]
            status, _, _ = said_by(zipped(tmp_path / "changed.zip", {**members, name: flipped}))
            overlooked += [(name, place)] if status == 0 else []
    assert overlooked == []


def test_a_member_that_is_missing_is_seen(story: Kept, tmp_path: Path) -> None:
    members = story.members()
    overlooked = []
    for name in members:
        fewer = {n: d for n, d in members.items() if n != name}
        if said_by(zipped(tmp_path / "fewer.zip", fewer))[0] == 0:
            overlooked.append(name)
    # What an entry names need not all be there: its digest stands in the entry.
    assert [name for name in overlooked if not name.startswith(("artifacts/", "report.pdf"))] == []


@pytest.mark.parametrize(
    "name",
    ["entries/20.json", "entries/01.json", "entries/0.txt", "notes.txt", "../evil", "keys/ab.pem", "consistency/7",
     "anchors/0.tsr", "anchors/0.pem", f"artifacts/{'ab' * 32}", f"keys/{'ab' * 32}.pem", "entries/", "checkpoint "],
)  # fmt: skip
def test_a_member_that_does_not_belong_is_seen(story: Kept, tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "more.zip", {**story.members(), name: b"x"})
    assert failing(answer(path)) & {"files", "artifacts"}


@pytest.mark.parametrize(
    "change",
    [{"entries": [0]}, {"size": 19}, {"origin": "other"}, {"type": "x"}, {"more": 1}, {"entries": [True]},
     {"about": "credit@2, approved and fair for all"}, {"about": "credit@1"}, {"about": "entry 99"}],
    ids=str,
)  # fmt: skip
def test_a_manifest_that_says_otherwise_is_seen(story: Kept, tmp_path: Path, change: dict[str, Any]) -> None:
    members = story.members()
    said = json.loads(members["manifest.json"]) | change
    members["manifest.json"] = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    assert failing(answer(zipped(tmp_path / "lies.zip", members))) == {"files"}


@pytest.mark.parametrize("spoil", ODD_ZIPS, ids=lambda f: f.__name__)
def test_a_zip_file_that_tools_might_read_differently_is_refused(
    bundle: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(bundle)
    status, out, err = said_by(bundle)
    assert status in (1, 2)
    assert "Traceback" not in out + err


# -- tiles trees -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    people, folder = People(), tmp_path_factory.mktemp("long")
    ledger = new_ledger(folder, people)
    ledger.append_many([report(str(n)) for n in range(599)])
    from tests.dishonest import records_of

    return Kept(records_of(folder), [people.log])


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 512, 600])
def test_trees_of_any_size_are_verified(long: Kept, tmp_path: Path, size: int) -> None:
    kept = long.with_records(long.records[:size])
    said = answer(kept.tree(tmp_path / "tiles"), "--key", kept.vkey())
    assert (said["confirmed"], said["entries"]) == (True, size)


def test_a_byte_changed_in_any_file_of_a_tree_is_seen(long: Kept, tmp_path: Path) -> None:
    folder, draw = long.with_records(long.records[:260]).tree(tmp_path / "tiles"), random.Random(7)
    overlooked = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        place = draw.randrange(len(data))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        overlooked += [path.name] if said_by(folder)[0] == 0 else []
        path.write_bytes(data)
    assert overlooked == []
    assert said_by(folder)[0] == 0


def test_a_file_that_is_missing_from_a_tree_is_seen(tree: Path) -> None:
    for name in ("vkey.txt", "tile/0/000.p/20", "tile/entries/000.p/20"):
        path = tree / name
        path.rename(tree / "away")
        assert f"{name} is missing" in str(details(answer(tree)))
        (tree / "away").rename(path)


def test_a_partial_tile_may_have_become_full_since(long: Kept, tmp_path: Path) -> None:
    older, folder = long.with_records(long.records[:300]), tmp_path / "tiles"
    older.tree(folder)
    for level in ("0", "entries"):
        shutil.rmtree(folder / "tile" / level / "001.p")
        a_tiles_tree(tmp_path / level, long.records, older.head(), older.vkeys)
        (tmp_path / level / "tile" / level / "001").rename(folder / "tile" / level / "001")
    assert said_by(folder)[0] == 0


def test_a_tree_whose_tail_was_cut_off_cleanly_needs_a_checkpoint_kept_elsewhere(
    story: Kept, tmp_path: Path
) -> None:
    folder = story.with_records(story.records[:15]).tree(tmp_path / "tiles")
    blind = answer(folder, "--key", story.vkey())
    assert blind["verified"]
    assert any("no tail was cut off" in line for line in blind["not_shown"])
    (tmp_path / "kept").write_bytes(story.head())
    said = answer(folder, "--checkpoint", tmp_path / "kept")
    assert (said["verified"], failing(said)) == (False, set())
    assert "of 20 entries and this copy of 15" in said["unanswered"]


def test_tiles_are_named_as_the_standard_has_it() -> None:
    assert VERIFIER.tile_path(1234067) == "x001/x234/067"
    assert [VERIFIER.tile_path(n) for n in (0, 999, 1000)] == ["000", "999", "x001/000"]


def test_where_no_entry_can_be_read_no_step_about_entries_passes_and_the_right_key_is_not_accused(
    tree: Path, story: Kept
) -> None:
    shutil.rmtree(tree / "tile" / "entries")
    said = answer(tree, "--key", story.vkey())
    statuses = {step["name"]: step["status"] for step in said["steps"]}
    assert failing(said) == {"records", "tree"}
    assert {name for name, status in statuses.items() if status == "passed"} == {"files"}
    assert details(said)["log key"] == "no entry could be read that names the log's key"


def test_only_signatures_that_were_checked_are_counted(story: Kept, tmp_path: Path) -> None:
    sound = details(answer(story.tree(tmp_path / "sound")))["signatures"]
    signers = len({s["keyid"] for r in story.records for s in json.loads(r)["entry"]["signatures"]})
    assert sound == f"20 signatures by {signers} keys that held their roles then"


def test_what_is_no_part_of_a_tree_is_named(tree: Path) -> None:
    (tree / "index.html").write_text("mine")
    assert details(answer(tree))["files"].endswith("; no part of the evidence: index.html")


def test_who_knows_the_old_log_key_comes_to_the_new_one_by_the_heads_in_the_tree(
    keys: Kept, tmp_path: Path
) -> None:
    old, new = keys.log
    tree = keys.tree(tmp_path / "tiles")
    assert "bring the head of 10" in details(answer(tree, "--key", keys.vkey(old)))["log key"]
    (tree / "handovers").mkdir()
    (tree / "handovers" / "10").write_bytes(keys.head(10, old, new))
    said = answer(tree, "--key", keys.vkey(old))
    assert (said["confirmed"], details(said)["log key"]) == (
        True,
        "the key that was given signs this log, by 1 rotation",
    )


# -- what it does not check itself -------------------------------------------------------------------------------------


def test_timestamps_are_skipped_and_the_command_that_is_shown_checks_them(
    story: Kept, tmp_path: Path
) -> None:
    note = story.head(5)
    token, authority = a_timestamp(tmp_path, note.partition(b"\n\n")[0] + b"\n")
    anchors = {"anchors/0.note": note, "anchors/0.tsr": token, "anchors/0.pem": authority}
    said = answer(story.bundle(tmp_path / "evidence.zip", anchors=anchors))
    [step] = [step for step in said["steps"] if step["name"] == "timestamps"]
    assert (step["status"], said["verified"]) == ("skipped", True)
    [command] = said["to_run"]
    with zipfile.ZipFile(tmp_path / "evidence.zip") as file:
        file.extractall(tmp_path)
    (tmp_path / "AUTHORITY.pem").write_bytes(authority)
    done = subprocess.run(
        command.split(), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
    )
    assert "Verification: OK" in done.stdout + done.stderr
    other = command.replace(hashlib.sha256(note.partition(b"\n\n")[0] + b"\n").hexdigest(), "ab" * 32)
    done = subprocess.run(
        other.split(), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode != 0


def a_timestamp(folder: Path, data: bytes) -> tuple[bytes, bytes]:
    """Let openssl be a time stamp authority for once."""
    if shutil.which("openssl") is None:
        pytest.skip("THE COMMAND FOR TIMESTAMPS WAS NOT TESTED: openssl is not installed")
    (folder / "data").write_bytes(data)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\nextendedKeyUsage=critical,timeStamping\n"
        "[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_cert=tsa.pem\nsigner_key=tsa.key\nsigner_digest=sha256\n"
        "default_policy=1.2.3.4\ndigests=sha256\n"
    )
    curve = "ec -pkeyopt ec_paramgen_curve:P-256"
    for command in (
        f"openssl req -x509 -newkey {curve} -nodes -keyout tsa.key -out tsa.pem -subj /CN=tsa -days 30 -config tsa.cnf",
        "openssl ts -query -data data -sha256 -out query",
        "openssl ts -reply -config tsa.cnf -queryfile query -out reply",
    ):
        subprocess.run(command.split(), cwd=folder, capture_output=True, check=True, timeout=30)
    return (folder / "reply").read_bytes(), (folder / "tsa.pem").read_bytes()
