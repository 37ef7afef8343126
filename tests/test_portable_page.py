"""The page, in a real browser that reads it from a file: it answers what the portable verifier answers."""

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.browser import Browser, a_browser, field, give, shown, verdict
from tests.evidence import zipped
from tests.portable_key_samples import key_samples, keys_over_time
from tests.portable_samples import Kept, Sample, a_story, samples
from tests.portable_verifier import PORTABLE, answer, said_by
from tests.test_portable_parts import SMALL_ORDER
from tests.zip_mutations import ODD_ZIPS

PAGE = PORTABLE / "verify_affidavit.html"


@pytest.fixture(scope="module")  # not longer: it is a large process
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Browser:
    browser.open(PAGE)
    return browser


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return a_story(tmp_path_factory.mktemp("page-story"))


@pytest.fixture(scope="session")
def evidence(story: Kept) -> Iterator[list[Sample]]:
    # Chromium lets nothing be dropped that lies below /dev, as the tests' other folders may.
    with TemporaryDirectory(prefix="affidavit-page-", dir="/tmp") as place:
        folder = Path(place)
        yield [*samples(folder, story), *key_samples(folder, keys_over_time(folder / "ledger"))]


def document(browser: Browser) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(browser.evaluate("$('json').textContent"))
    return found


def comparable(said: dict[str, Any]) -> dict[str, Any]:
    """Leave out where the two speak of their own options."""
    steps = [(s["step"], s["name"], s["status"], s["entries"]) for s in said["steps"]]
    found = [s["detail"] for s in said["steps"] if s["status"] == "passed"]
    return {k: v for k, v in said.items() if k not in ("steps", "key_from")} | {
        "steps": steps,
        "found": found,
    }


# -- what it says ------------------------------------------------------------------------------------------------------


def test_it_answers_every_sample_as_the_portable_verifier_does(
    page: Browser, evidence: list[Sample], tmp_path: Path
) -> None:
    different = {}
    for sample in evidence:
        give(page, sample.path, sample.key, sample.kept, sample.witness)
        theirs = answer(sample.path, *sample.options(tmp_path))
        if comparable(document(page)) != comparable(theirs):
            different[sample.name] = (document(page), theirs)
    assert different == {}


def test_the_verdict_is_a_word_a_sign_and_a_colour(page: Browser, evidence: list[Sample]) -> None:
    names = {sample.name: sample for sample in evidence}
    for name, state, word, mark in (
        ("an honest bundle, its key known", "good", "Verified", "✓"),
        ("an honest bundle", "open", "Consistent in itself", "\u2013"),
        ("a run backdated", "bad", "Not verified", "✗"),
    ):
        sample = names[name]
        assert give(page, sample.path, sample.key) == state
        assert (shown(page, "word"), shown(page, "mark")) == (word, mark)
    assert shown(page, "sentence") == "Failed in step 6 (observed), 11 (times)."


def test_what_cannot_be_told_is_not_verified_and_not_called_wrong(
    page: Browser, evidence: list[Sample], story: Kept
) -> None:
    [sample] = [sample for sample in evidence if sample.name == "a head of a longer history"]
    assert give(page, sample.path, story.vkey(), sample.kept) == "open"
    assert (shown(page, "word"), shown(page, "mark")) == ("Not verified", "\u2013")
    assert "Whose ledger this is" not in shown(page, "not-shown")


def test_every_step_stands_in_the_table_in_words(page: Browser, evidence: list[Sample]) -> None:
    give(page, evidence[0].path)
    rows = page.evaluate(
        "[...document.querySelectorAll('#steps tr')].map((row) => row.innerText.split(/\\s+/))"
    )
    assert [row[0] for row in rows] == [str(n) for n in range(1, 12)]
    assert {word for row in rows for word in row if word in ("passed", "failed", "skipped")} == {
        "passed",
        "skipped",
    }


def test_the_logs_key_is_shown_in_full_and_compared_with_the_one_that_is_pasted(
    page: Browser, evidence: list[Sample], story: Kept
) -> None:
    give(page, evidence[0].path)
    assert shown(page, "shown-key") == story.vkey()
    assert shown(page, "key-from") == "It comes from the bundle itself."
    for key, word in ((story.vkey(), "Verified"), (story.vkey(story.people["leaver"]), "Not verified")):
        field(page, "key", key)
        page.evaluate("document.body.dataset.state = 'busy'; $('key').dispatchEvent(new Event('change'))")
        verdict(page)
        assert shown(page, "word") == word


def test_what_was_given_last_is_what_is_shown(page: Browser, evidence: list[Sample]) -> None:
    names = {sample.name: sample for sample in evidence}
    give(page, names["an honest bundle"].path)
    give(page, names["a run backdated"].path)
    assert shown(page, "word") == "Not verified"


# -- how it is given ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["an honest bundle", "an honest tree", "a run backdated"])
def test_a_bundle_or_a_folder_can_be_dropped_on_it(page: Browser, evidence: list[Sample], name: str) -> None:
    [sample] = [sample for sample in evidence if sample.name == name]
    page.drop(sample.path)
    page.until("document.body.dataset.state")
    verdict(page)
    assert document(page)["verified"] is (not sample.failing)


def test_everything_can_be_reached_by_the_keyboard(page: Browser) -> None:
    reached = []
    for _ in range(5):
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["bundle", "folder", "key", "kept", "witness"]


def test_every_field_has_a_name_that_is_read_out(page: Browser) -> None:
    names = page.evaluate(
        "[...document.querySelectorAll('input, textarea')].map((field) => field.labels[0].innerText)"
    )
    assert all(names)
    assert len(names) == 5


# -- what it refuses ---------------------------------------------------------------------------------------------------


def test_what_is_no_evidence_is_one_sentence_and_no_verdict(page: Browser, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    (tmp_path / "text.zip").write_text("no zip file at all, but long enough to look for an end record in it")
    zipped(tmp_path / "other.zip", {"a": b"b"})
    for name, sentence in {
        "text.zip": "text.zip is not a zip file that can be read, or was cut short.",
        "other.zip": "other.zip is a zip file, but no bundle: it has no manifest.json and checkpoint.",
        "folder": "folder is a folder, but no tiles tree: it has no checkpoint, or no folder tile.",
    }.items():
        assert give(page, tmp_path / name) == "open"
        assert (shown(page, "word"), shown(page, "sentence")) == ("Nothing was verified", sentence)
        assert page.evaluate("$('report').hidden") is True


def test_zip_files_that_tools_might_read_differently_are_refused(
    page: Browser, story: Kept, tmp_path: Path
) -> None:
    for spoil in ODD_ZIPS:
        path = story.bundle(tmp_path / f"{spoil.__name__}.zip")
        spoil(path)
        give(page, path)
        assert shown(page, "word") in ("Nothing was verified", "Not verified"), spoil.__name__
        status, _, _ = said_by(path)
        assert (shown(page, "word") == "Not verified") == (status == 1), spoil.__name__


def test_a_key_that_is_none_is_one_sentence(page: Browser, evidence: list[Sample]) -> None:
    assert give(page, evidence[0].path, key="no key") == "open"
    assert shown(page, "sentence").startswith(
        "the log's verifier key that you gave: a verifier key is written"
    )


def test_a_browser_without_ed25519_verifies_nothing(browser: Browser, evidence: list[Sample]) -> None:
    browser.open(
        PAGE, before="SubtleCrypto.prototype.importKey = () => Promise.reject(new Error('unsupported'))"
    )
    assert give(browser, evidence[0].path) == "open"
    assert shown(browser, "word") == "Nothing was verified"
    assert "this browser has no Ed25519" in shown(browser, "sentence")


def test_a_browser_that_takes_any_signature_verifies_nothing(
    browser: Browser, evidence: list[Sample]
) -> None:
    browser.open(PAGE, before="SubtleCrypto.prototype.verify = async () => true")
    give(browser, evidence[0].path)
    assert (shown(browser, "word"), "gets Ed25519 wrong" in shown(browser, "sentence")) == (
        "Nothing was verified",
        True,
    )


def test_text_from_the_evidence_is_text_and_nothing_else(page: Browser, story: Kept, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>\u202e"
    give(page, zipped(tmp_path / "evidence.zip", {**story.members(), name: b"x"}))
    assert "<img src=x onerror=alert(1)>\\u202e is no member" in shown(page, "steps")
    assert page.evaluate("document.querySelectorAll('img').length") == 0


def test_words_about_it_that_nobody_signed_are_not_shown(page: Browser, story: Kept, tmp_path: Path) -> None:
    give(page, story.bundle(tmp_path / "evidence.zip", about="credit@2, approved and fair for all"))
    assert shown(page, "word") == "Not verified"
    assert "fair for all" not in str(page.evaluate("document.body.innerText"))


# -- its parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":1}', '{"b":1,"a":1}', "1.0", "1e2", "-0", "01", " 1", "9007199254740992", "9007199254740993",
     '"\\u0041"', '"\\/"', "\ufeff1", '"\\ud800"', '{"é":1}', "NaN", "[1,]", "", "'a'", '"\x7f\x1f"', '"\\u001F"',
     "[" * 66 + "]" * 66, '{"__proto__":1,"__proto__":1}', '{"a":1}\n'],
    ids=ascii,
)  # fmt: skip
def test_json_that_can_be_written_otherwise_is_refused(page: Browser, text: str) -> None:
    read = f"parseJson(utf8({json.dumps(text)}), 'it')"
    tried = f"(() => {{ try {{ {read}; return 'read'; }} catch (e) {{ return e.message; }} }})()"
    assert page.evaluate(tried).startswith("it")


def test_canonical_json_is_read(page: Browser) -> None:
    text = '{"__proto__":[],"a":[null,true,-1,9007199254740991],"b":"\\b\\u001f\\"\\\\/é\u2028😀","c":{}}'
    assert page.evaluate(f"canonical(parseJson(utf8({json.dumps(text)}), 'it'))") == text


def test_keys_of_small_order_are_none(page: Browser) -> None:
    assert page.evaluate(f"{json.dumps(SMALL_ORDER)}.map((key) => isPrimeOrder(unhex(key)))") == [
        False
    ] * len(SMALL_ORDER)


# -- what it may do ----------------------------------------------------------------------------------------------------


def test_the_page_names_the_digests_of_its_own_script_and_style() -> None:
    text = PAGE.read_text()
    [policy] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    digests = {}
    for tag in ("script", "style"):
        [inside] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests[tag] = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests['script']}'; style-src 'sha256-{digests['style']}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert len(re.findall(r"<script|<style", text)) == 2


def test_the_page_names_no_other_file_or_address() -> None:
    text = PAGE.read_text().replace("https://in-toto.io/Statement/v1", "")  # the name of a type
    loads = r"https?://|\bsrc=|\bhref=|\bimport\b[ (]|@import|url\(|fetch\(|XMLHttp|WebSocket|eval\("
    assert not re.search(loads, text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)


def test_the_page_can_open_no_connection(page: Browser) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        called = threading.Event()

        def serve() -> None:
            try:
                server.accept()
            except TimeoutError:
                return
            called.set()

        thread = threading.Thread(target=serve)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        fetched = f"fetch({address!r}).then(() => 'sent', () => 'refused')"
        events = "image.onload = () => done('sent'); image.onerror = () => done('refused');"
        drawn = f"new Promise((done) => {{ const image = new Image(); {events} image.src = {address!r}; }})"
        assert [page.evaluate(attempt) for attempt in (fetched, drawn)] == ["refused", "refused"]
        thread.join()
        assert not called.is_set()
