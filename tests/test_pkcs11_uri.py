"""PKCS#11 URIs: what they name, and what is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import MalformedInput
from audit.pkcs11_uri import Pkcs11Uri

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


def test_a_uri_names_the_module_the_token_and_the_key() -> None:
    named = Pkcs11Uri.parse(f"pkcs11:token=The%20bank;serial=00a1;object=ana;id=%01%ff?module-path={MODULE}")
    assert named == Pkcs11Uri(MODULE, "The bank", b"00a1", "ana", b"\x01\xff")


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("awskms:alias/x", "begins with pkcs11:"),
        ("pkcs11", "begins with pkcs11:"),
        ("pkcs11:token=bank;object=ana", "names its module by its whole path"),
        ("pkcs11:token=bank;object=ana?module-path=libsofthsm2.so", "names its module by its whole path"),
        (f"pkcs11:object=ana?module-path={MODULE}", "names the token"),
        (f"pkcs11:token=bank?module-path={MODULE}", "names the key"),
        (f"pkcs11:token=bank;object=ana;token=vault?module-path={MODULE}", "says token once"),
        (f"pkcs11:token=bank;object=ana;slot-id=1?module-path={MODULE}", "has no part 'slot-id=1'"),
        (f"pkcs11:token=bank;object=?module-path={MODULE}", "has no part 'object='"),
        (f"pkcs11:token=bank;;object=ana?module-path={MODULE}", "has no part ''"),
        (f"pkcs11:token=%ff;object=ana?module-path={MODULE}", "has a token in UTF-8"),
        (f"pkcs11:token=bank;object=ana?module-path={MODULE}&pin-value=1234", "a PIN is not kept"),
        (f"pkcs11:token=bank;object=ana?module-path={MODULE}&pin-source=/pin", "a PIN is not kept"),
    ],
)
def test_a_uri_that_is_not_understood_is_refused(uri: str, sentence: str) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        Pkcs11Uri.parse(uri)


@given(st.text() | st.text(alphabet="pkcs1:=;&?%/tokenbjdmulah-").map("pkcs11:".__add__))
def test_whatever_is_given_names_a_key_or_is_malformed(text: str) -> None:
    with suppress(MalformedInput):
        Pkcs11Uri.parse(text)
