"""Trust: which key may say what, as the entries of the ledger itself say."""

from typing import Any

import pytest

from audit.doubt import Doubts
from audit.envelope import Envelope, Signature, sign
from audit.errors import MalformedInput, NotFound, NotPermitted, NotVerified
from audit.grants import Grant, Suspicion
from audit.keys import LocalSigner
from audit.note import VerifierKey
from audit.statement import Statement
from audit.trust import MAY_SAY, ROLES, Trust, grant_json
from tests.key_statements import (
    ADMIN,
    ANA,
    BOB,
    GRANTED,
    HOLDER,
    LOG,
    genesis,
    granting,
    permit,
    revoking,
    trust,
)
from tests.small_ledger import DIGEST, ORIGIN, claimed

# -- genesis -----------------------------------------------------------------------------------------------------------


def test_the_genesis_entry_names_the_first_key_and_the_logs() -> None:
    known = trust()
    assert [(g.name, g.roles, g.since) for g in known.grants.values()] == [("admin", ("admin",), 0)]
    assert known.log == VerifierKey(ORIGIN, LOG.public.raw)


def test_the_genesis_entry_is_signed_by_the_key_that_it_names() -> None:
    permit(Trust(), genesis(), ADMIN)


@pytest.mark.parametrize(
    "signers", [pytest.param((ANA,), id="another key"), pytest.param((ADMIN, ANA), id="another key besides")]
)
def test_a_genesis_entry_that_others_signed_is_not_permitted(signers: tuple[LocalSigner, ...]) -> None:
    with pytest.raises(NotPermitted, match="by the key that it names, and by no other"):
        permit(Trust(), genesis(), *signers)


def test_a_genesis_entry_with_a_bad_signature_is_not_verified() -> None:
    statement = genesis()
    forged = Envelope(statement.payload(), (Signature(ADMIN.public.keyid, bytes(64)),))
    with pytest.raises(NotVerified):
        Trust().permit(forged, statement, 0)


def test_there_is_only_one_genesis_entry() -> None:
    with pytest.raises(NotPermitted):
        permit(trust(), genesis(), ADMIN)
    with pytest.raises(MalformedInput, match="only one"):
        trust(genesis())


def test_the_genesis_entry_is_the_first() -> None:
    with pytest.raises(MalformedInput, match="the first"):
        Trust().after(1, genesis())


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        pytest.param(genesis(format="urn:affidavit:ledger:v2"), "format", id="another format"),
        pytest.param(genesis(log="x"), "verifier key", id="no log key"),
        pytest.param(genesis(log=1), "no text in `log`", id="a number for a log key"),
        pytest.param(genesis(origin="other.example"), "another ledger", id="another ledger's log key"),
        pytest.param(
            genesis(log=str(VerifierKey(ORIGIN, ADMIN.public.raw))),
            "two different keys",
            id="the person's key as log key",
        ),
        pytest.param(genesis(roles=("recorder",)), "role admin", id="no admin"),
        pytest.param(genesis(key=None), "exactly name", id="no key"),
    ],
)
def test_a_genesis_entry_that_makes_no_ledger_is_refused(statement: Statement, sentence: str) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        Trust().after(0, statement)


# -- grants ------------------------------------------------------------------------------------------------------------


def test_a_grant_gives_its_roles_from_the_next_entry_on() -> None:
    permit(GRANTED, claimed("run", role="recorder"), ANA)


def test_a_key_that_was_never_granted_may_say_nothing() -> None:
    with pytest.raises(NotPermitted, match="does not hold the role recorder"):
        permit(trust(), claimed("run", role="recorder"), ANA)


def test_a_role_that_is_not_held_cannot_be_spoken_in() -> None:
    with pytest.raises(NotPermitted, match="'ana' does not hold the role approver"):
        permit(GRANTED, claimed("approval", role="approver"), ANA)


def test_a_role_that_is_held_does_not_say_every_kind() -> None:
    with pytest.raises(NotPermitted, match="a key-grant entry may not be said in the role 'recorder'"):
        permit(GRANTED, claimed("key-grant", role="recorder"), ANA)


@pytest.mark.parametrize("role", ROLES)
def test_an_unknown_kind_may_be_said_in_no_role(role: str) -> None:
    with pytest.raises(NotPermitted, match="a gossip entry may not be said"):
        permit(trust(), claimed("gossip", role=role), ADMIN)


@pytest.mark.parametrize("role", ["", "Admin", "root", "admin "])
def test_an_unknown_role_says_nothing(role: str) -> None:
    with pytest.raises(NotPermitted):
        permit(trust(), claimed("stage", role=role), ADMIN)


def test_every_key_that_signed_must_hold_the_role() -> None:
    with pytest.raises(NotPermitted, match="'admin' does not hold the role recorder"):
        permit(GRANTED, claimed("run", role="recorder"), ANA, ADMIN)


def test_two_keys_that_hold_the_role_may_sign_together() -> None:
    both = trust(granting("ana", ANA.public, "recorder"), granting("bob", BOB.public, "recorder"))
    permit(both, claimed("run", role="recorder"), ANA, BOB)


def test_a_signature_that_does_not_verify_is_not_permitted_by_its_role() -> None:
    statement = claimed("run", role="recorder")
    with pytest.raises(NotVerified):
        GRANTED.permit(Envelope(statement.payload(), (Signature(ANA.public.keyid, bytes(64)),)), statement, 2)


def test_a_key_under_another_keys_id_is_not_verified() -> None:
    statement = claimed("run", role="recorder")
    signature = Signature(ANA.public.keyid, sign(statement.payload(), [BOB]).signatures[0].sig)
    with pytest.raises(NotVerified):
        GRANTED.permit(Envelope(statement.payload(), (signature,)), statement, 2)


def test_a_statement_that_nobody_signed_is_not_permitted() -> None:
    statement = claimed("run", role="recorder")
    with pytest.raises(NotVerified):
        GRANTED.permit(Envelope(statement.payload(), ()), statement, 2)


def test_a_later_grant_replaces_the_roles() -> None:
    known = trust(granting("ana", ANA.public, "recorder"), granting("ana", ANA.public, "validator"))
    assert known.grants[ANA.public.keyid].roles == ("validator",)


def test_a_key_may_be_granted_under_another_name_and_counts_once() -> None:
    known = trust(granting("ana", ANA.public, "recorder"), granting("anna", ANA.public, "recorder"))
    assert sorted(g.name for g in known.grants.values()) == ["admin", "anna"]


def test_a_name_that_another_key_has_is_taken() -> None:
    with pytest.raises(MalformedInput, match="the key name 'ana' is taken"):
        GRANTED.after(2, granting("ana", BOB.public, "recorder"))


def test_a_name_stays_taken_after_its_key_was_revoked() -> None:
    with pytest.raises(MalformedInput, match="is taken"):
        GRANTED.after(2, revoking(ANA.public)).after(3, granting("ana", BOB.public, "recorder"))


def test_the_logs_key_is_nobodys() -> None:
    with pytest.raises(MalformedInput, match="two different keys"):
        trust(granting("log", LOG.public, "recorder"))


def test_a_grant_names_each_role_once_however_often_it_was_asked_for() -> None:
    assert grant_json("ana", ANA.public, ("validator", "recorder", "validator"), HOLDER)["roles"] == [
        "recorder",
        "validator",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"roles": []}, "no role is given"),
        ({"roles": ["root"]}, "there is no role root: the roles are admin"),
        ({"roles": "recorder"}, "its roles a list"),
        ({"roles": ["recorder", "recorder"]}, "each role once"),
        ({"roles": ["validator", "recorder"]}, "alphabetical order"),
        ({"roles": [["recorder"]]}, "there is no role .*: the roles are"),
        ({"name": ""}, "key name '' is not usable"),
        ({"name": "an\na"}, "is not usable"),
        ({"name": "a\u0308na"}, "NFC"),
        ({"name": "a" * 101}, "is not usable"),
        ({"name": None}, "name and holder are text"),
        ({"holder": None}, "name and holder are text"),
        ({"keyid": DIGEST}, "not the SHA-256 of its public key"),
        ({"public": "x"}, "base64"),
        ({"public": None}, "not a DER public key"),
        ({"public": BOB.public.base64()}, "not the SHA-256 of its public key"),
        ({"email": "ana@test.example"}, "exactly name"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        trust(granting("ana", ANA.public, "recorder", changes=changes))


# -- revocations -------------------------------------------------------------------------------------------------------


def test_a_revoked_key_may_say_nothing_from_the_next_entry_on() -> None:
    known = GRANTED.after(2, revoking(ANA.public))
    with pytest.raises(NotPermitted):
        permit(known, claimed("run", role="recorder"), ANA)


def suspect(grant: Grant) -> list[int]:
    """List the first entries that are in doubt where the key signed them."""
    doubts = Doubts.of({grant.keyid: grant})
    return [seq for seq in range(20) if doubts.reason(grant.keyid, seq) is not None]


def test_a_revocation_says_when_and_since_when_it_is_suspect() -> None:
    grant = GRANTED.after(9, revoking(ANA.public, 4)).grants[ANA.public.keyid]
    assert (grant.roles, grant.revoked, grant.suspect_since) == ((), 9, 4)


def test_what_a_key_signed_before_it_is_granted_roles_again_stays_suspect_and_nothing_after() -> None:
    known = GRANTED.after(9, revoking(ANA.public, 4)).after(10, granting("ana", ANA.public, "recorder"))
    grant = known.grants[ANA.public.keyid]
    assert (grant.roles, grant.revoked, grant.suspicions) == (("recorder",), None, (Suspicion(4, 9),))
    assert suspect(grant) == [4, 5, 6, 7, 8, 9]


def test_a_key_that_was_suspect_twice_is_so_in_the_entries_before_each_revocation() -> None:
    known = GRANTED.after(9, revoking(ANA.public, 7)).after(10, granting("ana", ANA.public, "recorder"))
    grant = known.after(15, revoking(ANA.public, 12)).grants[ANA.public.keyid]
    assert suspect(grant) == [7, 8, 9, 12, 13, 14, 15]


@pytest.mark.parametrize(("first", "second", "known"), [(4, 6, 4), (6, 4, 4), (4, None, 4), (None, 4, 4)])
def test_the_earliest_entry_from_which_a_key_is_suspect_counts(
    first: int | None, second: int | None, known: int
) -> None:
    twice = GRANTED.after(9, revoking(ANA.public, first)).after(10, revoking(ANA.public, second))
    assert twice.grants[ANA.public.keyid].suspect_since == known


def test_the_last_admin_cannot_be_revoked() -> None:
    with pytest.raises(MalformedInput, match="no key would hold the role admin"):
        GRANTED.after(2, revoking(ADMIN.public))


def test_the_last_admin_cannot_be_granted_other_roles() -> None:
    with pytest.raises(MalformedInput, match="no key would hold the role admin"):
        GRANTED.after(2, granting("admin", ADMIN.public, "recorder"))


def test_an_admin_can_be_revoked_where_there_is_another() -> None:
    known = GRANTED.after(2, granting("bob", BOB.public, "admin")).after(3, revoking(ADMIN.public))
    permit(known, claimed("stage", role="admin"), BOB)


def test_a_key_that_was_never_granted_cannot_be_revoked() -> None:
    with pytest.raises(MalformedInput, match="cannot be revoked"):
        trust(revoking(BOB.public))


@pytest.mark.parametrize("suspect", ["4", True, -1, 10])
def test_what_is_no_entry_that_stands_is_no_start_of_suspicion(suspect: Any) -> None:
    with pytest.raises(
        MalformedInput, match=r"from an entry that stands already \(0 to 9\), or not at all: "
    ):
        GRANTED.after(9, revoking(ANA.public, suspect))


# -- questions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "role"), [("run", "recorder"), ("approval", "validator"), ("report", "recorder")]
)
def test_a_key_speaks_in_the_usual_role_that_it_holds(kind: str, role: str) -> None:
    assert GRANTED.role_for(ANA.public.keyid, kind, 2) == role


@pytest.mark.parametrize(
    ("key", "kind", "sentence"),
    [
        (
            ANA,
            "decision",
            "'ana' may not sign a decision entry: that takes the role approver, it holds recorder",
        ),
        (BOB, "run", "that takes the role recorder, it holds no role here"),
        (ADMIN, "gossip", "that takes the role of none"),
    ],
)
def test_a_key_without_the_role_is_told_what_it_takes(key: LocalSigner, kind: str, sentence: str) -> None:
    with pytest.raises(NotPermitted, match=sentence):
        GRANTED.role_for(key.public.keyid, kind, 2)


def test_a_key_is_found_by_its_name_and_by_the_start_of_its_id() -> None:
    found = [GRANTED.named("ana"), GRANTED.named(ANA.public.keyid[:8]), GRANTED.named(ANA.public.keyid)]
    assert [grant.public for grant in found] == [ANA.public] * 3


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_start_of_a_key_id_that_is_too_short_names_no_key(length: int) -> None:
    with pytest.raises(NotFound, match="its keys are admin, ana"):
        GRANTED.named(ANA.public.keyid[:length])


def test_a_key_that_is_not_known_is_said_with_those_that_are() -> None:
    with pytest.raises(NotFound, match="no key named 'bob': its keys are admin, ana"):
        GRANTED.named("bob")


def test_other_kinds_change_no_trust() -> None:
    assert GRANTED.after(2, claimed("run")) is GRANTED


def test_every_role_that_may_say_something_is_a_role() -> None:
    assert {role for roles in MAY_SAY.values() for role in roles} <= set(ROLES)
