"""Keyed fingerprints, and the key."""

import hashlib
import hmac
import os
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import canonical
from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from registry.diff import RUN
from registry.fingerprint import Fingerprint, fingerprint
from registry.fingerprint_key import FingerprintKey, create_key, read_key

KEY, OTHER = FingerprintKey(bytes(32)), FingerprintKey(bytes(31) + b"\x01")
PEOPLE = pa.table(
    {"id": [1, 2], "born": pa.array([-1, 3000], pa.date32()), "died": pa.array([-1, 3000], pa.date32())}
)
KEYED = fingerprint(PEOPLE, keyed=["born", "died"], key=KEY)


def test_a_keyed_leaf_is_the_hmac_that_the_scheme_spells_out() -> None:
    of_column = hmac.digest(bytes(32), b"affidavit-table-keyed-v1\0column\0born", "sha256")
    run = (
        b"\x00"
        + (4).to_bytes(4, "little")
        + b"date"
        + (2).to_bytes(8, "little")
        + b"\0\x02\0"
        + b"\xff\xff\xb8\x0b"
    )
    assert KEYED.columns[1].leaves == (hmac.digest(of_column, run, "sha256").hex(),)


def test_a_keyed_table_has_a_scheme_of_its_own_and_names_the_key() -> None:
    assert str(KEYED).startswith("affidavit-table-keyed-v1:sha256:")
    assert [column.key for column in KEYED.columns] == [None, KEY.id, KEY.id]


def test_the_digest_of_a_keyed_table_is_the_one_that_the_scheme_spells_out() -> None:
    schema = canonical.encode(
        {
            "scheme": "affidavit-table-keyed-v1",
            "rows": 2,
            "columns": [
                {"name": "id", "type": "int"},
                {"name": "born", "type": "date", "key": KEY.id},
                {"name": "died", "type": "date", "key": KEY.id},
            ],
        }
    )
    roots = b"".join(bytes.fromhex(column.root) for column in KEYED.columns)
    assert KEYED.digest == hashlib.sha256(b"\x02" + schema + roots).hexdigest()


def test_columns_that_are_not_keyed_are_as_ever() -> None:
    assert KEYED.columns[0] == fingerprint(PEOPLE).columns[0]


def test_a_table_with_no_keyed_column_is_of_the_first_scheme_though_a_key_is_given() -> None:
    assert fingerprint(PEOPLE, key=KEY) == fingerprint(PEOPLE)


def test_two_columns_with_equal_values_have_different_leaves() -> None:
    assert KEYED.columns[1].leaves != KEYED.columns[2].leaves


def test_another_key_gives_other_leaves_and_another_id() -> None:
    other = fingerprint(PEOPLE, keyed=["born", "died"], key=OTHER)
    assert other.columns[1].leaves != KEYED.columns[1].leaves
    assert other.columns[1].key != KEYED.columns[1].key


def test_whole_runs_and_the_last_one_are_keyed() -> None:
    table = pa.table({"a": np.arange(2 * RUN + 1)})
    bare, keyed = fingerprint(table), fingerprint(table, keyed=["a"], key=KEY)
    assert len(set(bare.columns[0].leaves) | set(keyed.columns[0].leaves)) == 6


def test_a_changed_cell_of_a_keyed_column_is_located() -> None:
    rows = np.arange(RUN + 9)
    before = fingerprint(pa.table({"a": rows}), keyed=["a"], key=KEY)
    rows[RUN] = -1
    after = fingerprint(pa.table({"a": rows}), keyed=["a"], key=KEY)
    assert [each.rows for each in before.diff(after).differences] == [(RUN, RUN + 9)]


def test_a_keyed_and_a_bare_fingerprint_say_nothing_about_each_other_in_that_column() -> None:
    difference = fingerprint(PEOPLE).diff(KEYED)
    assert (difference.equal, difference.unknown, difference.differences) == (False, ("born", "died"), ())


def test_a_keyed_fingerprint_comes_back_from_its_document() -> None:
    assert Fingerprint.from_json(canonical.decode(canonical.encode(KEYED.to_json()))) == KEYED


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scheme": "affidavit-table-v1"}, "scheme is 'affidavit-table-v1', which does not fit its columns"),
        ({"key": OTHER.id}, "the fingerprint's digest is not that of its columns"),
        ({"key": None}, "the key of column 'born' is not the id of one"),
        ({"key": KEY.id.upper()}, "the key of column 'born' is not the id of one"),
    ],
)
def test_a_keyed_document_that_does_not_add_up_is_refused(change: dict[str, Any], sentence: str) -> None:
    document: Any = KEYED.to_json()
    (document if "scheme" in change else document["columns"][1]).update(change)
    with pytest.raises(MalformedInput, match=sentence):
        Fingerprint.from_json(document)


def test_a_column_that_is_not_there_cannot_be_keyed() -> None:
    with pytest.raises(
        MalformedInput, match="there is no column 'age' to key: the columns are id, born, died"
    ):
        fingerprint(PEOPLE, keyed=["age"], key=KEY)


def test_keyed_columns_need_a_key() -> None:
    with pytest.raises(MalformedInput, match="'born' is to be keyed: give the ledger's fingerprint key"):
        fingerprint(PEOPLE, keyed=["born"])


# --- the file -----------------------------------------------------------------------------------------------


def test_a_new_key_is_random_and_its_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    first, second = create_key(tmp_path / "keys" / "a"), create_key(tmp_path / "keys" / "b")
    assert first != second
    assert read_key(tmp_path / "keys" / "a") == first
    assert (tmp_path / "keys" / "a").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    key = create_key(tmp_path / "a")
    with pytest.raises(MalformedInput, match=r"there is a key at .* already"):
        create_key(tmp_path / "a")
    assert read_key(tmp_path / "a") == key


def test_a_key_shows_its_id_and_not_itself(tmp_path: Path) -> None:
    key = create_key(tmp_path / "a")
    assert key.secret.hex() not in repr(key)
    assert key.id not in (tmp_path / "a").read_text()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "a")
    (tmp_path / "a").chmod(0o640)
    with pytest.raises(EnvironmentFailed, match=r"others can read .*: make it yours alone with `chmod 600"):
        read_key(tmp_path / "a")


def test_a_missing_key_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="make one with `affidavit key fingerprint --new`"):
        read_key(tmp_path / "a")


@pytest.mark.parametrize(
    "text", ["", "affidavit-fingerprint-key-v1 00\n", "affidavit-fingerprint-key-v2 " + "0" * 64]
)
def test_a_file_that_is_no_key_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text)
    (tmp_path / "a").chmod(0o600)
    with pytest.raises(MalformedInput, match="is no fingerprint key"):
        read_key(tmp_path / "a")


def test_an_encrypted_key_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = create_key(path, b"correct horse")
    assert key.secret.hex().encode() not in path.read_bytes()
    assert read_key(path, {"fingerprint": b"correct horse"}.__getitem__) == key
    with pytest.raises(
        MalformedInput, match="does not open: the passphrase is wrong, or the file is damaged"
    ):
        read_key(path, lambda _: b"battery staple")
    with pytest.raises(
        MalformedInput, match="does not open: it is encrypted: give its passphrase at the prompt or"
    ):
        read_key(path)


def test_openssl_reads_an_encrypted_key(tmp_path: Path) -> None:
    key = create_key(tmp_path / "key", b"correct horse")
    command = "openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -md sha256 -a -pass env:SECRET -in key"
    read = subprocess.run(
        command.split(), cwd=tmp_path, env={**os.environ, "SECRET": "correct horse"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert read.stdout == f"affidavit-fingerprint-key-v1 {key.secret.hex()}\n"


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_a_damaged_encrypted_key_never_opens_as_another(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("keys") / "key"
    with patch("registry.fingerprint_key.ROUNDS", 10):
        create_key(path, b"correct horse")
    whole = path.read_bytes().replace(b"\n", b"")
    place = data.draw(st.integers(0, len(whole.rstrip(b"=")) - 2))
    other = data.draw(st.sampled_from("ABCDwxyz0189+/").filter(lambda letter: ord(letter) != whole[place]))
    path.write_bytes(whole[:place] + other.encode() + whole[place + 1 :] + b"\n")
    with patch("registry.fingerprint_key.ROUNDS", 10), pytest.raises(MalformedInput):
        read_key(path, lambda _: b"correct horse")
