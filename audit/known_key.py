"""Whether a log's key is the one that is known from elsewhere, by way of every rotation since.

Rules:

- A key that came with the evidence is a claim: the answer says so, and prints the key to compare.
- A reader who knows an older key of the log follows it through the heads that the old and the new key both signed.
  The entry that names the new key is not enough: whoever makes up a ledger makes up its entries.
"""

from collections.abc import Collection

from audit.log_keys import LogKeys
from audit.note import VerifierKey
from audit.report import counted

__all__ = ["told", "unfollowed"]


def unfollowed(known: VerifierKey | None, logs: LogKeys, both_signed: Collection[int]) -> str | None:
    """Say in a sentence why the log's key does not follow from the one that is known, or None where it does.

    `both_signed` are the sizes of the heads at hand that were verified as signed by the keys that must have.
    """
    if known is None or not logs.keys:
        return None  # without a key of the log there is no answer, and other steps say why
    if known not in logs.keys:
        return (
            "the key that was given with --key is none that this log has had up to here: it is another log's, or newer "
            "than this copy"
        )
    after = logs.handovers[logs.keys.index(known) :]
    missing = [size for size in after if size not in both_signed]
    if missing:
        return (
            f"the log's key changed with entry {missing[0] - 1}, after the key that was given with --key, and the head "
            f"of {missing[0]} entries that both keys signed is not here: give it with --checkpoint, or the newer key, "
            "or have the evidence written anew"
        )
    return None


def told(known: VerifierKey | None, logs: LogKeys) -> str:
    """Say where the log's key comes from, as the end of a sentence."""
    if known is None:
        return f"{logs.newest}, which came with the evidence: compare it with one from elsewhere (--key)"
    turns = len(logs.keys) - 1 - logs.keys.index(known) if known in logs.keys else 0
    by_way = f", by way of {counted(turns, 'rotation')}" if turns else ""
    return f"which is the one that was given{by_way}"
