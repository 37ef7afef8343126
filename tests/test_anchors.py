"""Anchors opened for verification: what holds, what is a finding, what is skipped, and what step 3 says of it."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from audit.anchor_settings import AnchorSettings, Authority, Reset, WitnessAt, is_outside
from audit.anchors import Anchored, Kept, Opened, StoredAnchor, open_anchors
from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.cosignature import WitnessKey, cosign
from audit.errors import MalformedInput
from audit.grants import Grant, Suspicion
from audit.keys import LocalSigner
from audit.log_keys import LogKeys
from audit.merkle import leaf_hash, root
from audit.note import VerifierKey
from audit.timestamp import pin
from audit.verify_anchors import anchors_step, suspect_words
from tests.authority import LocalAuthority, certified
from tests.small_ledger import People, new_ledger, reopened, report, signer
from tests.vouched import WITNESS as VOUCHING
from tests.vouched import vouch

ORIGIN, NAME, URL = "bank.example/credit", "compliance.bank.example", "https://tsa.example/tsr"
SIZE = 58
LEAVES = [leaf_hash(bytes([n])) for n in range(SIZE)]
FORKED = [*LEAVES[:3], leaf_hash(b"another"), *LEAVES[4:]]
LOG, WITNESS = signer(), signer()
LOGS = LogKeys().then(0, VerifierKey(ORIGIN, LOG.public.raw))
AT = WitnessAt("https://witness.example/", WitnessKey(NAME, WITNESS.public.raw))
NOW = 2_000_000_000.0
DAY = 86_400


def head(size: int, leaves: list[bytes] = LEAVES) -> Checkpoint:
    return Checkpoint(ORIGIN, size, root(leaves[:size]))


def cosigned(
    number: int = 1, size: int = 41, *, leaves: list[bytes] = LEAVES, key: LocalSigner = WITNESS,
    name: str = NAME, at: float = NOW - 3 * DAY,
) -> StoredAnchor:  # fmt: skip
    line = cosign(head(size, leaves).text(), name, key, int(at))
    return StoredAnchor(number, "cosignature", size, name, str(line).encode())


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority.make(tmp_path_factory.mktemp("authority") / "one")


@pytest.fixture(scope="session")
def authority(local: LocalAuthority) -> Authority:
    return pin(URL, local.chain)


@pytest.fixture(scope="session")
def stamped(local: LocalAuthority) -> StoredAnchor:
    return stamp(local, 41)


def stamp(local: LocalAuthority, size: int, leaves: list[bytes] = LEAVES) -> StoredAnchor:
    request = TimestampRequestBuilder(
        data=head(size, leaves).text().encode(), hash_algorithm=HashAlgorithm.SHA256
    ).build()
    return StoredAnchor(1, "timestamp", size, URL, local.answer(request.as_bytes()))


def opened(
    *rows: StoredAnchor, kept: tuple[Kept, ...] = (), pinned: AnchorSettings | None = None,
    size: int = SIZE, leaves: list[bytes] = LEAVES, now: float = NOW,
) -> Opened:  # fmt: skip
    def root_at(at: int) -> bytes | None:
        return root(leaves[:at]) if at <= size else None

    return open_anchors(rows, kept, pinned or AnchorSettings(witnesses=(AT,)), LOGS, size, root_at, now)


def given(size: int = 41, *, leaves: list[bytes] = LEAVES, log: LocalSigner = LOG) -> Kept:
    return Kept("checkpoint file", "the checkpoint", sign_checkpoint(head(size, leaves), log), outside=True)


def problems(found: Opened) -> str:
    assert not found.held
    return "; ".join(problem.sentence for problem in found.problems)


def told(found: Opened, size: int = SIZE, resets: tuple[Reset, ...] = ()) -> tuple[str, str, Any]:
    anchor, step = anchors_step(found, size, NOW, lambda seq: NOW - (SIZE - seq) * DAY, resets)
    return step.status, step.detail, anchor.to_json() if anchor else None


# -- what holds --------------------------------------------------------------------------------------------------------


def test_a_cosignature_over_this_history_holds_with_its_time() -> None:
    [held] = opened(cosigned()).held
    assert (held.kind, held.source, held.size, held.time) == ("cosignature", NAME, 41, NOW - 3 * DAY)
    assert held.root == root(LEAVES[:41])
    assert held.believe == f"the witness {NAME}"


def test_a_timestamp_over_this_history_holds_with_its_time(
    authority: Authority, stamped: StoredAnchor
) -> None:
    [held] = opened(stamped, pinned=AnchorSettings(timestamps=(authority,))).held
    assert (held.kind, held.source, held.size) == ("timestamp", URL, 41)
    assert held.time is not None
    assert abs(held.time - time.time()) < 3600


def test_a_checkpoint_that_was_given_holds_and_attests_no_time() -> None:
    [held] = opened(kept=(given(),)).held
    assert (held.kind, held.size, held.time) == ("checkpoint file", 41, None)


def test_a_timestamp_by_a_certificate_that_was_followed_by_another_holds(
    local: LocalAuthority, authority: Authority, stamped: StoredAnchor
) -> None:
    newer = pin(URL, certified(local.root).pem + local.root.pem)
    both = AnchorSettings().with_authority(authority).with_authority(newer)
    assert opened(stamped, pinned=both).count("timestamp") == 1


# -- what is a finding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "words"),
    [
        pytest.param(cosigned(leaves=FORKED), "the witness saw another history", id="another history"),
        pytest.param(cosigned(key=LOG), "by another key than the pinned one", id="another key"),
        pytest.param(cosigned(at=NOW + DAY), "of a time in the future", id="a time in the future"),
        pytest.param(replace(cosigned(), size=40), "does not verify over these first 40", id="another size"),
        pytest.param(replace(cosigned(), size=59), "the ledger has 58: its tail was cut off", id="beyond the end"),
        pytest.param(replace(cosigned(), size=0), "not a number of entries", id="no size"),
        pytest.param(replace(cosigned(), size="41"), "not a number of entries", id="a size that is text"),
        pytest.param(replace(cosigned(), source="other"), f"is by {NAME}", id="another name"),
        pytest.param(replace(cosigned(), kind="seal"), "its kind 'seal' is none", id="no kind"),
        pytest.param(replace(cosigned(), kind="timestamp"), "not a TimeStampResp", id="another kind"),
        pytest.param(replace(cosigned(), body=b""), "signature line", id="no body"),
        pytest.param(replace(cosigned(), body="text"), "signature line", id="a body that is text"),
        pytest.param(replace(cosigned(), body=cosigned().body[:-8] + b"AAAAAAAA"), "it was changed", id="changed"),
        pytest.param(replace(cosigned(), number=2), "stands where anchor 1 should", id="a gap"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_row_is_said(row: StoredAnchor, words: str) -> None:
    found = opened(row)
    said = [*(problem.sentence for problem in found.problems), *found.skipped]
    assert words in "; ".join(said)


def test_a_forged_timestamp_is_a_finding(authority: Authority, stamped: StoredAnchor) -> None:
    forged = replace(stamped, body=stamped.body[:-1] + bytes([stamped.body[-1] ^ 1]))
    assert "does not verify" in problems(opened(forged, pinned=AnchorSettings(timestamps=(authority,))))


def test_a_timestamp_by_another_authority_under_the_same_root_is_a_finding(
    tmp_path: Path, local: LocalAuthority, authority: Authority
) -> None:
    sibling = LocalAuthority.make(
        tmp_path / "sibling", local.root, certified(local.root, "Another authority")
    )
    found = opened(stamp(sibling, 41), pinned=AnchorSettings(timestamps=(authority,)))
    assert "by another certificate than the pinned one" in problems(found)


def test_a_timestamp_over_another_history_is_a_finding(local: LocalAuthority, authority: Authority) -> None:
    found = opened(stamp(local, 41, FORKED), pinned=AnchorSettings(timestamps=(authority,)))
    assert "over another text" in problems(found)


def test_a_timestamp_under_another_ones_address_is_a_finding(
    authority: Authority, stamped: StoredAnchor
) -> None:
    moved = replace(stamped, source="https://other.example/")
    found = opened(moved, pinned=AnchorSettings(timestamps=(authority,)))
    assert f"the timestamp is by {URL}" in problems(found)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (given(leaves=FORKED), "the first 41 entries are not those of the checkpoint that was given"),
        (given(SIZE + 1, leaves=[*LEAVES, b"x" * 32]), "the ledger has 58 entries, the checkpoint that was given 59"),
        (given(log=signer()), "signed by none of the keys"),
        (replace(given(), note=b"torn"), "a signed note is"),
        (replace(given(), kind="file", source="kept.checkpoint", note=b""), "the anchor file kept.checkpoint"),
    ],
)  # fmt: skip
def test_a_kept_head_that_is_not_of_this_history_is_a_finding(kept: Kept, words: str) -> None:
    assert words in problems(opened(kept=(kept,)))


def test_rows_that_trade_places_are_named() -> None:
    found = opened(cosigned(2), cosigned(1))
    assert [p.sentence.split(" of ")[0] for p in found.problems] == ["anchor 2", "anchor 1"]


# -- what is skipped ---------------------------------------------------------------------------------------------------


def test_an_anchor_of_somebody_who_is_not_known_is_skipped_and_never_passed(stamped: StoredAnchor) -> None:
    found = opened(cosigned(), replace(stamped, number=2), pinned=AnchorSettings())
    assert (found.held, found.problems, len(found.skipped)) == ((), (), 2)
    status, detail, anchor = told(found)
    assert (status, anchor) == ("skipped", None)
    assert f"anchor 1 (a cosignature by {NAME}, whose key is not at hand)" in detail
    assert f"anchor 2 (a timestamp by {URL}, whose certificate is not at hand)" in detail


def test_a_file_in_the_ledgers_own_folder_is_no_anchor_outside() -> None:
    inside = replace(given(SIZE), kind="file", source="anchor.checkpoint", outside=False)
    status, detail, anchor = told(opened(kept=(inside,)))
    assert (status, anchor) == ("skipped", None)
    assert "lies in the ledger's own folder" in detail


def test_a_file_that_is_not_at_hand_is_skipped() -> None:
    status, detail, _ = told(opened(kept=(Kept("file", "elsewhere", None, outside=True),)))
    assert status == "skipped"
    assert "the anchor file elsewhere (it is not at hand here)" in detail


# -- what step 3 says --------------------------------------------------------------------------------------------------


def test_the_newest_anchor_its_age_and_what_it_leaves_open_are_said() -> None:
    status, detail, anchor = told(opened(cosigned(1, 20, at=NOW - 9 * DAY), cosigned(2, 41)))
    assert status == "passed"
    assert detail == (
        f"2 cosignatures are of this history; the newest, the cosignature by {NAME}, is over 41 entries and 3 days old "
        f"(to be believed: the witness {NAME}); entries 41 to 57 are covered by no anchor outside: whoever holds the "
        "log's key and the signers' keys could have changed or cut them"
    )
    assert anchor == {"kind": "cosignature", "size": 41, "age_seconds": 3 * DAY}


def test_the_age_of_a_plain_file_is_that_of_its_newest_entry_and_it_is_said() -> None:
    _, detail, anchor = told(opened(kept=(given(SIZE - 1),)))
    assert "2 days old by the log's own time of its newest entry" in detail
    assert "entry 57 is covered by no anchor outside" in detail
    assert anchor == {"kind": "checkpoint file", "size": 57, "age_seconds": 2 * DAY}


def test_an_anchor_over_every_entry_still_says_what_it_cannot_show() -> None:
    _, detail, _ = told(opened(cosigned(size=SIZE)))
    assert "it covers every entry; later ones that were cut off would not be seen" in detail


def test_of_two_anchors_over_as_many_entries_the_one_with_a_time_is_named() -> None:
    _, _, anchor = told(opened(cosigned(), kept=(given(),)))
    assert anchor["kind"] == "cosignature"


def test_a_file_that_the_ledger_writes_itself_does_not_hide_how_old_the_others_are() -> None:
    written = replace(given(SIZE), kind="file", source="elsewhere/head.checkpoint")
    _, detail, anchor = told(opened(cosigned(), kept=(written,)))
    assert (anchor["kind"], anchor["size"]) == ("cosignature", 41)
    assert detail.startswith("1 cosignature, 1 anchor file are of this history")
    _, alone, anchor = told(opened(kept=(written,)))
    assert (anchor["kind"], anchor["size"]) == ("file", SIZE)
    assert "to be believed: whoever can write elsewhere/head.checkpoint" in alone


def test_a_finding_fails_the_step_whatever_else_holds() -> None:
    status, detail, _ = told(opened(cosigned(1), cosigned(2, leaves=FORKED)))
    assert status == "failed"
    assert detail.startswith(f"anchor 2, by {NAME}: ")


def test_a_reset_is_said() -> None:
    reset = Reset("2026-11-26T09:30:00.000000Z", "the disk was lost", "a note")
    _, detail, _ = told(opened(cosigned()), resets=(reset,))
    assert "the anchor file was set anew on 2026-11-26T09:30:00.000000Z (the disk was lost)" in detail


# -- suspect entries ---------------------------------------------------------------------------------------------------


SUSPECT = f"what the key 'validator' ({LOG.public.keyid[:16]}…) signed in the entries 30 to 50 is suspect"


def suspect(*suspicions: Suspicion) -> Grant:
    return Grant("validator", LOG.public, (), "", 1, suspicions=suspicions)


def words_of(found: Opened, *suspicions: Suspicion, signed: tuple[int, ...] = (31, 32, 39, 45)) -> str:
    return suspect_words(
        [suspect(), suspect(*(suspicions or (Suspicion(30, 50),)))],
        {LOG.public.keyid: signed},
        found,
        lambda seq: NOW - (SIZE - seq) * DAY,
    )


def test_a_suspect_entry_is_covered_by_an_anchor_from_before_the_revocation() -> None:
    found = opened(cosigned(size=40, at=NOW - 12 * DAY))
    assert words_of(found) == (
        f"; {SUSPECT}: 31 to 32, 39 stood there before the revocation (the cosignature "
        f"by {NAME} over 40 entries), 45 is covered by no older anchor"
    )


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(opened(), id="no anchor"),
        pytest.param(opened(cosigned(size=51, at=NOW - 12 * DAY)), id="over the revocation itself"),
        pytest.param(opened(cosigned(size=40, at=NOW - DAY)), id="of a time after it"),
        pytest.param(opened(cosigned(size=31, at=NOW - 30 * DAY)), id="over fewer entries"),
        pytest.param(
            opened(kept=(replace(given(SIZE), kind="file", outside=False),)), id="in the ledger's own folder"
        ),
    ],
)  # fmt: skip
def test_a_suspect_entry_is_not_covered_by_anything_newer_or_less(found: Opened) -> None:
    assert words_of(found) == f"; {SUSPECT}: 31 to 32, 39, 45 are covered by no older anchor"


def test_a_suspect_key_that_signed_nothing_since_is_said_to_have() -> None:
    assert words_of(opened(), signed=(3,)) == f"; {SUSPECT}: it signed none"


def test_what_two_revocations_put_in_doubt_is_told_once() -> None:
    said = words_of(opened(), Suspicion(30, 50), Suspicion(28, 55), signed=(29, 31))
    assert said.endswith(": 31 is covered by no older anchor; " + said.split("; ")[2])
    assert said.split("; ")[2].endswith(
        "in the entries 28 to 55 is suspect: 29 is covered by no older anchor"
    )


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_read_back_as_they_were_written(authority: Authority) -> None:
    settings = AnchorSettings("a", (authority,), (AT,), (Reset("2026", "why", "note"),))
    assert AnchorSettings.parse(settings.to_bytes()) == settings


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"type"', '"kind"'),
        ("urn:affidavit:anchors:v1", "urn:affidavit:anchors:v2"),
        ('"file": null', '"file": ""'),
        ('"file": null', '"file": null, "file": null'),
        ('"file": null', '"file": 7'),
        ('"file": null', '"file": null, "more": 1'),
        ('"resets": []', '"resets": {}'),
        ("https://witness", "file://witness"),
        ("+B", "+A"),
        ("{", "["),
    ],
)
def test_settings_are_read_strictly(old: str, new: str) -> None:
    written = AnchorSettings(witnesses=(AT,)).to_bytes().decode()
    assert old in written
    with pytest.raises(MalformedInput):
        AnchorSettings.parse(written.replace(old, new, 1).encode())


def test_a_witness_is_there_once(authority: Authority) -> None:
    settings = AnchorSettings(witnesses=(AT,), timestamps=(authority,))
    with pytest.raises(MalformedInput, match="is an anchor already"):
        settings.with_witness(replace(AT, url="https://elsewhere.example/"))
    with pytest.raises(MalformedInput, match="is an anchor already"):
        settings.with_authority(authority)


def test_an_anchor_is_taken_away_by_its_name(authority: Authority) -> None:
    settings = AnchorSettings("a", (authority,), (AT,))
    assert settings.without(NAME) == replace(settings, witnesses=())
    assert settings.without(URL) == replace(settings, timestamps=())
    assert settings.without("a") == replace(settings, file=None)
    with pytest.raises(MalformedInput, match="no anchor is named"):
        settings.without("b")


def test_of_nothing_nothing_is_newest() -> None:
    assert Opened().newest is None
    assert Anchored("file", "f", 1, b"", None, "", outside=False) not in Opened().held


def test_verification_says_which_suspect_entries_an_anchor_covers(tmp_path: Path) -> None:
    people, second = People(), signer()
    ledger = new_ledger(tmp_path, people)
    ledger.grant("second", second.public, ("recorder",), "Leif Aas", by=people.admin)
    for title in ("before", "in doubt"):
        ledger.append(report(title), signer=second)
    vouch(tmp_path, ledger, ledger.head().size)
    ledger.append(report("nobody saw this one"), signer=second)
    ledger.revoke(second.public.keyid, "the laptop was stolen", 3, by=people.admin)
    answer = reopened(tmp_path, people).verify(pinned=AnchorSettings.read(tmp_path))
    assert answer
    assert answer.steps[3].detail.endswith(
        f"what the key 'second' ({second.public.keyid[:16]}…) signed in the entries 3 to 5 is suspect: 3 stood there "
        f"before the revocation (the cosignature by {VOUCHING} over 4 entries), 4 is covered by no older anchor"
    )
    assert "entries 4 to 5 are covered by no anchor outside" in answer.steps[2].detail
    anchor: Any = answer.to_json()["anchor"]
    assert (anchor["size"], anchor["entries_since"]) == (4, 2)
    ledger.close()


def test_an_anchor_made_after_the_revocation_covers_no_suspect_entry_also_when_its_key_is_granted_again(
    tmp_path: Path,
) -> None:
    people, second = People(), signer()
    ledger = new_ledger(tmp_path, people)
    ledger.grant("second", second.public, ("recorder",), "Leif Aas")
    ledger.append(report("in doubt"), signer=second)
    ledger.revoke(second.public.keyid, "the laptop was stolen", 2)
    vouch(tmp_path, ledger, ledger.head().size)
    ledger.grant("second", second.public, ("recorder",), "Leif Aas")
    ledger.append(report("in no doubt"), signer=second)
    answer = reopened(tmp_path, people).verify(pinned=AnchorSettings.read(tmp_path))
    assert answer
    assert answer.steps[3].detail.endswith(
        f"; what the key 'second' ({second.public.keyid[:16]}…) signed in the entries 2 to 3 is suspect: 2 is covered "
        "by no older anchor"
    )
    ledger.close()


def test_a_link_that_leads_to_itself_is_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "anchor.checkpoint").symlink_to("anchor.checkpoint")
    assert not is_outside(tmp_path / "anchor.checkpoint", tmp_path)
