"""Who may approve a version: a key in a role that it holds, in the hand of another person than those before.

Rules:

- Four eyes: who recorded the run cannot approve it, and nobody approves twice, with whichever keys.
- One key, and keys that took each other's place, are one person's; else the names of the holders tell, however they are
  spelt. Where a name was erased it cannot be told, and unknown is never a pass: an erasure must not turn a refusal into
  an approval.
- Everybody who holds the role may reject.

This keeps people from signing what would not count. What counts is the gate's to say (`registry.gate`), from the ledger
alone: names are not in it.
"""

from audit.erasure import holder_shown
from audit.errors import MalformedInput, NotPermitted
from audit.ledger import Ledger
from audit.trust import MAY_SAY
from registry.evidence import Gathered

__all__ = ["check_approver", "check_role"]


def check_role(ledger: Ledger, name: str, keyid: str, role: str) -> None:
    """Raise `MalformedInput` where no approval is given in a role, `NotPermitted` where the key does not hold it."""
    if role not in MAY_SAY["approval"]:
        raise MalformedInput(
            f"an approval is given in the role {' or '.join(MAY_SAY['approval'])}, not {role!r}"
        )
    grant = ledger.trust().grants.get(keyid)
    if grant is None or not grant.holds(role, ledger.head().size):
        raise NotPermitted(
            f"the key {name!r} does not hold the role {role}: `affidavit key list` shows its roles"
        )


def check_approver(ledger: Ledger, name: str, keyid: str, gathered: Gathered) -> None:
    """Raise `NotPermitted` where the holder of a key, which is called `name`, has a hand in this version already."""
    found = gathered.found
    _refuse_same_person(
        ledger,
        found.recorder,
        keyid,
        f"the holder of the key {name!r} recorded {found.model}@{found.version}",
        " and so cannot approve it: another person must",
    )
    first = ledger.trust().first_key(keyid)
    for given in gathered.evidence.approvals:
        if given.verdict == "approve" and given.key != first:
            _refuse_same_person(
                ledger,
                given.key,
                keyid,
                f"the holder of the key {name!r} has approved this already, with another key (entry {given.seq})",
                ": another person must",
            )


def _refuse_same_person(ledger: Ledger, one: str, other: str, what: str, therefore: str) -> None:
    """Raise `NotPermitted` where two keys are held by one person, or may be; `what` would then be so."""
    match _same_person(ledger, one, other):
        case True:
            raise NotPermitted(f"{what}{therefore}")
        case None:
            raise NotPermitted(f"nobody can tell whether {what}: {_untold(ledger, one, other)}")


def _same_person(ledger: Ledger, one: str, other: str) -> bool | None:
    """Say whether two keys are held by one person; None where that takes a name that was erased."""
    trust = ledger.trust()
    if trust.first_key(one) == trust.first_key(other):
        return True
    first, second = ledger.holder(one), ledger.holder(other)
    return None if first is None or second is None else _spelt(first) == _spelt(second)


def _untold(ledger: Ledger, *keyids: str) -> str:
    """Say which holder is not known, and what to do."""
    keyid = next(keyid for keyid in keyids if ledger.holder(keyid) is None)
    grant = ledger.trust().grants.get(keyid)
    return (
        f"who holds the key {grant.name if grant else keyid[:16]!r} is {holder_shown(ledger, keyid)} "
        "(record the run again with another key, or grant that key anew with its holder)"
    )


def _spelt(name: str) -> str:
    """Return a name as two spellings of it compare: case and spacing aside."""
    return " ".join(name.casefold().split())
