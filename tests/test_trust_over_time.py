"""Trust over time: keys that expire or take another's place, the log's among them, and how many must sign."""

from dataclasses import replace
from typing import Any, cast

import pytest

from audit.envelope import Envelope, sign
from audit.errors import MalformedInput, NotPermitted
from audit.note import VerifierKey
from audit.statement import Statement
from audit.trust import grant_json
from tests.key_statements import (
    ADMIN,
    ANA,
    BOB,
    GRANTED,
    HOLDER,
    LOG,
    granting,
    log_rotating,
    needing,
    permit,
    revoking,
    rotating,
    trust,
)
from tests.small_ledger import ORIGIN, claimed, signer

# -- expiry ------------------------------------------------------------------------------------------------------------

EXPIRING = trust(granting("ana", ANA.public, "recorder", changes={"expires": 5}))


def test_a_key_holds_its_roles_in_the_entry_before_the_one_at_which_it_expires() -> None:
    statement = claimed("run", role="recorder")
    EXPIRING.permit(sign(statement.payload(), [ANA]), statement, 4)


@pytest.mark.parametrize("seq", [5, 6, 2**40])
def test_a_key_holds_no_role_from_the_entry_on_at_which_it_expires(seq: int) -> None:
    statement = claimed("run", role="recorder")
    with pytest.raises(NotPermitted, match="it is expired at entry 5"):
        EXPIRING.permit(sign(statement.payload(), [ANA]), statement, seq)


def test_a_key_that_expired_is_told_so_before_it_signs() -> None:
    with pytest.raises(NotPermitted, match="it holds no role here, it is expired at entry 5"):
        EXPIRING.role_for(ANA.public.keyid, "run", 5)


def test_a_key_that_expired_can_be_granted_roles_again() -> None:
    known = EXPIRING.after(7, granting("ana", ANA.public, "recorder"))
    assert known.grants[ANA.public.keyid].holds("recorder", 8)


@pytest.mark.parametrize("expires", ["9", True, None, -1, 0, 1, 2, 9.0])
def test_a_key_expires_at_the_number_of_an_entry_to_come(expires: Any) -> None:
    statement = claimed(
        "key-grant", {"key": grant_json("ana", ANA.public, ("recorder",), HOLDER)}, role="admin"
    )
    grant = cast(dict[str, Any], statement.predicate["key"]) | {"expires": expires}
    with pytest.raises(MalformedInput, match="give 3 or more"):
        trust(replace(statement, predicate={**statement.predicate, "key": grant}))


def test_an_admin_that_expires_does_not_replace_one_that_never_does() -> None:
    with pytest.raises(MalformedInput, match="no key would hold the role admin for good"):
        trust(granting("admin", ADMIN.public, "admin", changes={"expires": 100}))


# -- rotation ----------------------------------------------------------------------------------------------------------

ROTATED = GRANTED.after(2, rotating(ANA.public, "ana", BOB.public, "recorder", "validator"))


def test_the_new_key_speaks_in_the_old_ones_roles_from_the_next_entry_on() -> None:
    permit(ROTATED, claimed("run", role="recorder"), BOB)


def test_the_old_key_may_say_nothing_from_the_next_entry_on() -> None:
    with pytest.raises(NotPermitted, match="it is replaced by another key in entry 2"):
        permit(ROTATED, claimed("run", role="recorder"), ANA)


def test_a_name_is_that_of_the_newest_key() -> None:
    assert ROTATED.named("ana").public == BOB.public


def test_the_old_key_is_still_found_by_its_id() -> None:
    assert ROTATED.named(ANA.public.keyid[:12]).rotated == 2


def test_keys_that_took_each_others_place_are_known_by_the_first() -> None:
    third = signer()
    known = ROTATED.after(3, rotating(BOB.public, "ana", third.public, "recorder", "validator"))
    assert {known.first_key(key.public.keyid) for key in (ANA, BOB, third)} == {ANA.public.keyid}
    assert known.first_key(ADMIN.public.keyid) == ADMIN.public.keyid


def test_a_grant_to_the_new_key_does_not_hide_whose_place_it_took() -> None:
    known = ROTATED.after(3, granting("ana", BOB.public, "auditor"))
    assert known.first_key(BOB.public.keyid) == ANA.public.keyid


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        pytest.param(
            rotating(LOG.public, "ana", BOB.public, "recorder"), "cannot be rotated", id="unknown key"
        ),
        pytest.param(
            rotating(ANA.public, "anna", BOB.public, "recorder", "validator"),
            "has its name",
            id="another name",
        ),
        pytest.param(rotating(ANA.public, "ana", BOB.public, "recorder"), "its roles", id="fewer roles"),
        pytest.param(
            rotating(ANA.public, "ana", BOB.public, "recorder", "validator", holder="ef" * 32),
            "its holder and its end",
            id="another holder",
        ),
        pytest.param(
            rotating(ANA.public, "ana", ADMIN.public, "recorder", "validator"),
            "is known",
            id="a key of another",
        ),
        pytest.param(
            rotating(ANA.public, "ana", ANA.public, "recorder", "validator"), "is known", id="the same key"
        ),
        pytest.param(
            rotating(ANA.public, "ana", LOG.public, "recorder", "validator"),
            "two different",
            id="the log's key",
        ),
    ],
)
def test_a_rotation_that_makes_no_sense_is_refused(statement: Statement, sentence: str) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        GRANTED.after(2, statement)


def test_a_key_that_holds_no_role_has_none_to_pass_on() -> None:
    revoked = GRANTED.after(2, revoking(ANA.public, 1))
    with pytest.raises(MalformedInput, match="no role to pass on, it is revoked by entry 2"):
        revoked.after(3, rotating(ANA.public, "ana", BOB.public, "recorder", "validator"))


def test_a_key_that_expired_has_no_role_to_pass_on() -> None:
    with pytest.raises(MalformedInput, match="no role to pass on, it is expired at entry 5"):
        EXPIRING.after(5, rotating(ANA.public, "ana", BOB.public, "recorder"))


def test_the_last_admin_can_be_rotated() -> None:
    known = trust(rotating(ADMIN.public, "admin", BOB.public, "admin"))
    permit(known, claimed("stage", role="admin"), BOB)


def test_a_key_that_was_rotated_can_turn_out_to_be_stolen() -> None:
    known = ROTATED.after(3, revoking(ANA.public, 1))
    assert known.grants[ANA.public.keyid].suspect_since == 1
    assert known.named("ana").public == BOB.public


def test_a_key_that_was_rotated_comes_back_under_another_name_only() -> None:
    with pytest.raises(MalformedInput, match="the key name 'ana' is taken"):
        ROTATED.after(3, granting("ana", ANA.public, "recorder"))
    known = ROTATED.after(3, granting("ana-old", ANA.public, "recorder"))
    assert known.named("ana-old").holds("recorder", 4)


# -- the log's key -----------------------------------------------------------------------------------------------------


def test_the_log_signs_with_the_new_key_from_the_next_entry_on() -> None:
    known = GRANTED.after(2, log_rotating(BOB.public))
    old, new = VerifierKey(ORIGIN, LOG.public.raw), VerifierKey(ORIGIN, BOB.public.raw)
    assert [known.log_at(size) for size in (0, 1, 2, 3, 4)] == [None, old, old, new, new]
    assert [known.logs.signing(size) for size in (0, 2, 3, 4)] == [(), (old,), (old, new), (new,)]
    assert known.log == new


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        pytest.param(log_rotating(LOG.public), "had this key before", id="the same key"),
        pytest.param(log_rotating(ANA.public), "two different keys", id="a person's key"),
        pytest.param(log_rotating(BOB.public, "other.example"), "is named", id="another ledger's key"),
        pytest.param(claimed("log-rotate", {"log": "x"}, role="admin"), "verifier key", id="no key"),
    ],
)
def test_a_change_of_the_logs_key_that_makes_no_sense_is_refused(statement: Statement, sentence: str) -> None:
    with pytest.raises(MalformedInput, match=sentence):
        GRANTED.after(2, statement)


def test_a_key_that_the_log_had_is_nobodys() -> None:
    with pytest.raises(MalformedInput, match="two different keys"):
        GRANTED.after(2, log_rotating(BOB.public)).after(3, granting("log", LOG.public, "recorder"))


# -- the threshold -----------------------------------------------------------------------------------------------------

TWO = trust(granting("bob", BOB.public, "admin"), granting("ana", ANA.public, "recorder"), needing(2))


def test_what_an_admin_says_needs_as_many_keys_as_the_threshold_says() -> None:
    permit(TWO, claimed("stage", role="admin"), ADMIN, BOB)
    with pytest.raises(NotPermitted, match="needs signatures by 2 keys in this ledger and has 1"):
        permit(TWO, claimed("stage", role="admin"), ADMIN)


def test_one_key_that_signed_twice_counts_once() -> None:
    statement = claimed("stage", role="admin")
    twice = sign(statement.payload(), [ADMIN]).signatures * 2
    with pytest.raises(NotPermitted, match="and has 1"):
        TWO.permit(Envelope(statement.payload(), twice), statement, 4)


def test_other_roles_need_one_key_whatever_the_threshold() -> None:
    permit(TWO, claimed("run", role="recorder"), ANA)


def test_the_threshold_itself_is_changed_by_as_many_keys() -> None:
    with pytest.raises(NotPermitted, match="needs signatures by 2 keys"):
        permit(TWO, needing(1), ADMIN)
    permit(TWO.after(4, needing(1)), claimed("stage", role="admin"), ADMIN)


@pytest.mark.parametrize("needed", [0, 17, -1, True, "2", None])
def test_a_threshold_is_a_number_of_keys(needed: Any) -> None:
    with pytest.raises(MalformedInput, match="needs 1 to 16 keys"):
        GRANTED.after(2, needing(needed))


def test_a_threshold_that_the_admins_could_not_meet_is_refused() -> None:
    with pytest.raises(MalformedInput, match="only 1 would hold the role admin for good"):
        GRANTED.after(2, needing(2))


def test_an_admin_that_expires_does_not_count_for_the_threshold() -> None:
    known = trust(granting("bob", BOB.public, "admin", changes={"expires": 100}))
    with pytest.raises(MalformedInput, match="only 1 would hold"):
        known.after(2, needing(2))


@pytest.mark.parametrize(
    "statement",
    [revoking(BOB.public), granting("bob", BOB.public, "recorder")],
    ids=["revoked", "other roles"],
)
def test_an_admin_that_the_threshold_needs_stays(statement: Statement) -> None:
    with pytest.raises(MalformedInput, match="2 keys must sign what an admin says, and only 1"):
        TWO.after(4, statement)
