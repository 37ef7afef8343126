"""Which entries are in doubt, since nobody knows who signed them, or who let their signer in.

Rules:

- What a key signed in the entries that a revocation calls suspect is in doubt (`Suspicion`).
- So is what a key signs by a grant that is in doubt itself: the entry (`genesis`, `key-grant`, `key-rotate`) that gave
  the key the roles it holds there. It is so from the next entry on, up to the next entry that gives the key roles:
  where that one is in no doubt, what the key signs from then on is not either. And so on, from grant to grant.
- One signature in doubt puts the entry in doubt, however many others signed it.
- Doubt only adds up: a revocation counts whoever said it, and none takes back what another put in doubt.
- It is no finding: the signatures verify. Who relies on an entry in doubt must hear of it, and no gate does.

>>> doubts = Doubts({"ab" * 32: (Doubt(since=13, until=20, grant=12),)})
>>> doubts.reason("ab" * 32, 17).words
'a key whose grant (entry 12) is in doubt'
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.canonical import Json, JsonObject
from audit.envelope import Envelope
from audit.grants import Grant
from audit.report import listed

__all__ = ["Doubt", "Doubted", "Doubts", "entries_of", "granted_words"]


@dataclass(frozen=True, slots=True)
class Doubt:
    """What one key signed in the entries `since` to `until` (None: to the end) is in doubt.

    `grant` is the entry in doubt that gave the key its roles; None where the key itself is suspect.
    """

    since: int
    until: int | None
    grant: int | None = None

    def covers(self, seq: int) -> bool:
        """Say whether an entry by the key is in doubt for this reason."""
        return self.since <= seq and (self.until is None or seq <= self.until)

    @property
    def words(self) -> str:
        """The key, as a sentence about an entry names it after "signed with"."""
        if self.grant is None:
            return f"a key that is suspect from entry {self.since} on"
        return f"a key whose grant (entry {self.grant}) is in doubt"


@dataclass(frozen=True, slots=True)
class Doubted:
    """The entries in doubt that one key signed for one reason; `grant` as in `Doubt`."""

    keyid: str
    grant: int | None
    entries: tuple[int, ...]

    def to_json(self) -> JsonObject:
        """Write it as `verify FILE --json` prints it."""
        return {"key": self.keyid, "grant": self.grant, "entries": list[Json](self.entries)}


@dataclass(frozen=True, slots=True)
class Doubts:
    """For each key by its id, why which of the entries that it signed are in doubt: its own suspicions first."""

    by_key: Mapping[str, tuple[Doubt, ...]]

    @classmethod
    def of(cls, grants: Mapping[str, Grant], before: int | None = None) -> "Doubts":
        """Follow doubt from the suspicions of keys to the keys that they brought in.

        With `before`, as it was known before that entry: by the revocations that stood by then.
        """
        found = {
            keyid: tuple(
                Doubt(s.since, s.until) for s in grant.suspicions if before is None or s.until < before
            )
            for keyid, grant in grants.items()
        }
        givings = sorted(
            (giving.entry, keyid, giving.by, following.entry if following else None)
            for keyid, grant in grants.items()
            for giving, following in zip(grant.givings, (*grant.givings[1:], None), strict=True)
        )
        # In the order of the entries: what a grant rests on stands before it.
        for entry, keyid, by, next_entry in givings:
            if any(doubt.covers(entry) for signer in by for doubt in found.get(signer, ())):
                found[keyid] = (*found[keyid], Doubt(entry + 1, next_entry, entry))
        return cls({keyid: doubts for keyid, doubts in found.items() if doubts})

    def holds_undoubted(self, keyid: str) -> bool:
        """Say whether what the key signs from now on is in no doubt."""
        return all(doubt.until is not None for doubt in self.by_key.get(keyid, ()))

    def reason(self, keyid: str, seq: int) -> Doubt | None:
        """Return why an entry that the key signed is in doubt; None where its signature is in none."""
        covering = [doubt for doubt in self.by_key.get(keyid, ()) if doubt.covers(seq)]
        return min(covering, key=lambda doubt: (doubt.grant is not None, doubt.since), default=None)

    def about(self, envelope: Envelope, seq: int) -> Doubt | None:
        """Return why the entry `seq` is in doubt; None where all its signatures are in none."""
        reasons = (self.reason(signature.keyid, seq) for signature in envelope.signatures)
        return next((doubt for doubt in reasons if doubt is not None), None)

    def doubted(self, signed: Mapping[str, Sequence[int]]) -> list[Doubted]:
        """Sort out which entries are in doubt, and why, of those that each key `signed`."""
        found: dict[tuple[str, int | None], list[int]] = {}
        for keyid in self.by_key:
            for seq in signed.get(keyid, ()):
                doubt = self.reason(keyid, seq)
                if doubt is not None:
                    found.setdefault((keyid, doubt.grant), []).append(seq)
        groups = [Doubted(keyid, grant, tuple(entries)) for (keyid, grant), entries in found.items()]
        return sorted(groups, key=lambda group: (group.entries[0], group.keyid, group.entries))


def entries_of(doubted: Iterable[Doubted]) -> tuple[int, ...]:
    """Return the numbers of all these entries, each once and rising."""
    return tuple(sorted({seq for group in doubted for seq in group.entries}))


def granted_words(doubted: Iterable[Doubted], grants: Mapping[str, Grant]) -> list[str]:
    """Say which entries were signed with keys whose grants are in doubt, a sentence for each grant."""
    return [
        f"{_entries(group.entries)} signed by the key {grants[group.keyid].name!r} ({group.keyid[:16]}…), whose grant "
        f"(entry {group.grant}) is in doubt"
        for group in doubted
        if group.grant is not None
    ]


def _entries(entries: Sequence[int]) -> str:
    return f"entry {entries[0]} was" if len(entries) == 1 else f"entries {listed(entries)} were"
