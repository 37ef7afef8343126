"""Statements about keys for tests of trust, and the keys that they are about."""

from typing import Any

from audit.canonical import JsonObject
from audit.envelope import sign
from audit.keys import LocalSigner, PublicKey
from audit.note import VerifierKey
from audit.statement import Statement
from audit.trust import FORMAT, Trust, grant_json
from tests.small_ledger import ORIGIN, claimed, signer

__all__ = [
    "ADMIN",
    "ANA",
    "BOB",
    "GRANTED",
    "HOLDER",
    "LOG",
    "genesis",
    "granting",
    "log_rotating",
    "needing",
    "permit",
    "revoking",
    "rotating",
    "trust",
]

ADMIN, ANA, BOB, LOG = signer(), signer(), signer(), signer()
HOLDER = "cd" * 32


def genesis(
    *,
    roles: tuple[str, ...] = ("admin",),
    role: str = "admin",
    origin: str = ORIGIN,
    **more: Any,
) -> Statement:
    predicate = {
        "format": FORMAT,
        "log": str(VerifierKey(origin, LOG.public.raw)),
        "key": grant_json("admin", ADMIN.public, roles, HOLDER),
        **more,
    }
    return claimed("genesis", predicate, role=role)


def granting(name: str, key: PublicKey, *roles: str, changes: JsonObject | None = None) -> Statement:
    grant = grant_json(name, key, roles, HOLDER) | (changes or {})
    return claimed("key-grant", {"key": grant}, role="admin")


def revoking(key: PublicKey, suspect_since: Any = None) -> Statement:
    return claimed(
        "key-revoke", {"keyid": key.keyid, "reason": "left", "suspect_since": suspect_since}, role="admin"
    )


def rotating(old: PublicKey, name: str, new: PublicKey, *roles: str, **changes: Any) -> Statement:
    grant = grant_json(name, new, roles, HOLDER) | changes
    return claimed("key-rotate", {"keyid": old.keyid, "key": grant, "reason": "yearly"}, role="admin")


def log_rotating(key: PublicKey, name: str = ORIGIN) -> Statement:
    return claimed("log-rotate", {"log": str(VerifierKey(name, key.raw)), "reason": "yearly"}, role="admin")


def needing(needed: Any) -> Statement:
    return claimed("threshold", {"needed": needed}, role="admin")


def trust(*statements: Statement) -> Trust:
    """Let the genesis entry stand, then these."""
    known = Trust().after(0, genesis())
    for seq, statement in enumerate(statements, start=1):
        known = known.after(seq, statement)
    return known


def permit(known: Trust, statement: Statement, *signers: LocalSigner) -> None:
    known.permit(sign(statement.payload(), signers), statement, 100)


GRANTED = trust(granting("ana", ANA.public, "recorder", "validator"))
