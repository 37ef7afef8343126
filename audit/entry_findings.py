"""What is checked of one entry, and the words in which it is said: of a ledger's, and of one in evidence.

Rules:

- A record that does not read fails steps 1, 4 and 8: nobody can tell who signed it, nor when.
- An entry belongs to the one ledger, and names the entry before it by its leaf hash.
- Its statement is signed by keys that may say it, for this ledger, and stands there once.
- What an entry that failed says about keys is not believed.

>>> found = Findings(8, "times")
>>> check_time(found, 5, "2026-11-26T09:30:00.000000Z", "2026-11-26T10:00:00.000000Z")
>>> found.step("").detail
'the time of entry 5 is before that of the entry before it'
"""

from audit.errors import AffidavitError
from audit.record import Entry
from audit.report import Findings
from audit.trust import Trust

__all__ = ["check_chain", "check_origin", "check_statement", "check_time", "is_there_twice", "is_unread"]


def is_unread(records: Findings, signatures: Findings, times: Findings, seq: int, problem: str) -> None:
    """Note in steps 1, 4 and 8 that the record of an entry does not read, and why."""
    records.add(f"the record of entry {seq} is not one: {problem}", seq)
    signatures.add(f"entry {seq} does not read, so its signature could not be checked", seq)
    times.add(f"entry {seq} does not read, so it has no time", seq)


def check_origin(records: Findings, seq: int, entry: Entry, origin: str) -> None:
    """Check that an entry belongs to the ledger of that origin: step 1."""
    if entry.log != origin:
        records.add(f"the record of entry {seq} belongs to the ledger {entry.log!r}", seq)


def check_chain(records: Findings, seq: int, entry: Entry, before: str) -> None:
    """Check that an entry names the leaf hash (hexadecimal) of the one before it: step 1."""
    if entry.prev != before:
        records.add(f"the record of entry {seq} does not follow from the record before it", seq)


def check_statement(signatures: Findings, seq: int, entry: Entry, trust: Trust) -> Trust:
    """Check that an entry's statement may stand there, as step 4 does; return the trust once it does."""
    after = trust
    try:
        trust.permit(entry.envelope, entry.statement, seq)
        after = trust.after(seq, entry.statement, entry.envelope.keyids)
    except AffidavitError as error:
        signatures.add(f"entry {seq}: {error}", seq)
    if entry.statement.text("ledger") != entry.log:
        signatures.add(f"the statement of entry {seq} was signed for another ledger", seq)
    return after


def is_there_twice(signatures: Findings, seq: int) -> None:
    """Note in step 4 that the statement of an entry stands at an earlier one, too."""
    signatures.add(f"the statement of entry {seq} stands in the ledger twice", seq)


def check_time(times: Findings, seq: int, time: str, before: str) -> None:
    """Check that the time of an entry is not before that of the one before it: step 8."""
    if time < before:
        times.add(f"the time of entry {seq} is before that of the entry before it", seq)
