"""The files of a rotated key: whatever is interrupted, both keys are there and the right one is used next."""

from pathlib import Path

import pytest

from audit import key_events
from audit.keys import LocalSigner
from audit.keystore import KeyStore
from audit.ledger import Ledger
from audit.rotation import next_name, settle
from tests.small_ledger import new_ledger


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


@pytest.fixture
def ledger(tmp_path: Path, store: KeyStore) -> Ledger:
    ledger = new_ledger(tmp_path)
    ledger.grant("ana", store.create("ana", b"").public, ("recorder",), "Ana Ruiz")
    return ledger


def rotated(ledger: Ledger, store: KeyStore) -> tuple[LocalSigner, LocalSigner]:
    """Say a rotation, and leave the files as they were when it was said."""
    old, new = store.open("ana", lambda _: b""), store.create(next_name("ana"), b"")
    ledger.say(key_events.rotate(ledger.trust().named("ana"), new.public, "yearly"))
    assert isinstance(old, LocalSigner)
    return old, new


def names(store: KeyStore) -> dict[str, str]:
    return {name: store.open(name, lambda _: b"").public.keyid for name in store.names()}


def test_a_next_key_waits_until_its_entry_stands(ledger: Ledger, store: KeyStore) -> None:
    store.create(next_name("ana"), b"")
    before = names(store)
    settle(store, ledger.trust())
    assert names(store) == before


def test_once_the_entry_stands_the_new_key_has_the_name_and_the_old_one_is_kept(
    ledger: Ledger, store: KeyStore
) -> None:
    old, new = rotated(ledger, store)
    settle(store, ledger.trust())
    assert names(store) == {
        "ana": new.public.keyid,
        f"ana.old-{old.public.keyid[:8]}": old.public.keyid,
    }


@pytest.mark.parametrize("done", range(5))
def test_a_renaming_that_was_cut_off_is_continued(ledger: Ledger, store: KeyStore, done: int) -> None:
    old, new = rotated(ledger, store)
    kept = f"ana.old-{old.public.keyid[:8]}"
    steps = [
        ("ana.pem", f"{kept}.pem"),
        ("ana.pub", f"{kept}.pub"),
        ("ana.next.pem", "ana.pem"),
        ("ana.next.pub", "ana.pub"),
    ]
    for here, there in steps[:done]:
        (store.folder / here).rename(store.folder / there)
    settle(store, ledger.trust())
    assert names(store) == {"ana": new.public.keyid, kept: old.public.keyid}


def test_settling_twice_changes_nothing_more(ledger: Ledger, store: KeyStore) -> None:
    rotated(ledger, store)
    settle(store, ledger.trust())
    once = sorted(path.name for path in store.folder.iterdir())
    settle(store, ledger.trust())
    assert sorted(path.name for path in store.folder.iterdir()) == once


def test_a_key_that_took_the_name_meanwhile_is_left_alone(ledger: Ledger, store: KeyStore) -> None:
    rotated(ledger, store)
    for suffix in ("pem", "pub"):
        (store.folder / f"ana.{suffix}").unlink()
    other = store.create("ana", b"")
    settle(store, ledger.trust())
    assert names(store)["ana"] == other.public.keyid
    assert next_name("ana") in store.names()


def test_a_key_may_move_from_a_file_to_a_token(ledger: Ledger, store: KeyStore, tmp_path: Path) -> None:
    old, new = store.public("ana"), KeyStore(tmp_path / "token").create("ana", b"").public
    uri = "pkcs11:token=bank;object=ana?module-path=/usr/lib/x.so"
    store.register(next_name("ana"), uri, new)
    ledger.say(key_events.rotate(ledger.trust().named("ana"), new, "to a token"))
    settle(store, ledger.trust())
    kept = f"ana.old-{old.keyid[:8]}"
    assert sorted(path.name for path in store.folder.iterdir()) == sorted(
        ["ana.uri", "ana.pub", f"{kept}.pem", f"{kept}.pub"]
    )
