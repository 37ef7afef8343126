"""What a drill tries with stolen keys: other histories in place of the one that was, on a ledger made for the drill.

Each is made to fit, and every head signed anew with the log's stolen key. What each signer had seen before signing is
what gives most of them away (step 5); what nobody saw afterwards, only an anchor does.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from audit import forgery
from audit.drill_attacks import LONG_AGO, Attack, Trial, doing, excuse
from audit.drill_ledgers import LEAVER, OLDER, RECORDER, Victim
from audit.keys import LocalSigner, new_private_key
from audit.note import VerifierKey
from audit.record import parse_record

__all__ = ["attacks_on_made"]

_LOG, _SIGNER, _ALL = "log key", "log key, signer's key", "all keys"
_ENTRY_ID = "019bbb5c-5a3e-7cc9-8d1e-2f3a4b5c6d7e"


def attacks_on_made(victim: Victim) -> list[Attack]:
    """List what can be done with stolen keys, on a ledger whose keys are the drill's own."""
    scene = _Scene.of(victim)
    made = [*_edited(scene), *_moved(scene), *_said_again(scene), *_other_keys(scene), *_unseen(scene)]
    return [*made, _restored(victim.folder / OLDER)]


@dataclass(frozen=True, slots=True)
class _Scene:
    """The history that was; `early` is an entry of the recorder that others came after, `last` the newest entry."""

    records: list[bytes]
    sizes: list[int]
    log: LocalSigner
    recorder: LocalSigner
    leaver: LocalSigner
    signers: dict[str, LocalSigner]
    early: int

    @classmethod
    def of(cls, victim: Victim) -> "_Scene":
        assert victim.log is not None
        records, recorder = forgery.records_of(victim.folder), victim.keys[RECORDER]
        early = next(n for n, r in enumerate(records) if parse_record(r).key == recorder.public.keyid)
        signers = {key.public.keyid: key for key in victim.keys.values()}
        sizes = forgery.sizes_of(victim.folder)
        return cls(records, sizes, victim.log, recorder, victim.keys[LEAVER], signers, early)

    @property
    def last(self) -> int:
        return len(self.records) - 1

    def changed(self, seq: int, record: bytes) -> list[bytes]:
        return [*self.records[:seq], record, *self.records[seq + 1 :]]

    def forged(self, seq: int, why: str, signer: LocalSigner) -> bytes:
        """Say anew what an entry says, as a statement of its own."""
        return forgery.forge(self.records[seq], lambda p: p.update(entry_id=_ENTRY_ID, drill=why), signer)

    def attack(
        self,
        name: str,
        what: str,
        stolen: str,
        expected: str,
        records: Sequence[bytes],
        log: LocalSigner | None = None,
    ) -> Attack:
        """Put these records in place of those that were, with a head for each batch."""
        sizes = [size for size in self.sizes if size < len(records)] + [len(records)]
        refitting = doing(forgery.refit, list(records), sizes, log or self.log)
        return Attack(name, what, "made", stolen, expected, (Trial(what, refitting),))


def _edited(scene: _Scene) -> Iterator[Attack]:
    early, records = scene.early, scene.records
    forged = scene.changed(early, forgery.forge(records[early], excuse))
    yield scene.attack("edit-resigned", "edit an entry", _LOG, "signatures", forged)
    forged = scene.changed(early, forgery.forge(records[early], excuse, scene.recorder))
    yield scene.attack("edit-signed", "edit an entry, and sign it anew", _SIGNER, "observed", forged)
    gone = records[:early] + records[early + 1 :]
    yield scene.attack("delete-resigned", "delete an entry", _LOG, "observed", gone)


def _moved(scene: _Scene) -> Iterator[Attack]:
    early, records = scene.early, scene.records
    swapped = [*records[:early], records[early + 1], records[early], *records[early + 2 :]]
    yield scene.attack("reorder-resigned", "let two entries trade places", _LOG, "observed", swapped)
    inserted = scene.forged(early, "inserted", scene.recorder)
    between = [*records[: early + 1], inserted, *records[early + 1 :]]
    yield scene.attack("insert-resigned", "put an entry between others", _SIGNER, "observed", between)
    long_ago = scene.changed(early, forgery.backdate(records[early], LONG_AGO))
    yield scene.attack("backdate-resigned", "date an entry back by years", _LOG, "times", long_ago)
    before = parse_record(records[early - 1]).time
    little = scene.changed(early, forgery.backdate(records[early], before))
    yield scene.attack("backdate-little", "date an entry back to the one before it", _LOG, "observed", little)


def _said_again(scene: _Scene) -> Iterator[Attack]:
    records, last = scene.records, scene.last
    again = forgery.replay(records, scene.early)
    yield scene.attack("replay", "enter a statement a second time", _LOG, "signatures", again)
    elsewhere = forgery.forge(
        records[last], lambda p: p.update(ledger="other.example/ledger"), scene.recorder
    )
    moved = scene.changed(last, elsewhere)
    yield scene.attack(
        "replay-elsewhere", "enter a statement signed for another ledger", _SIGNER, "signatures", moved
    )


def _other_keys(scene: _Scene) -> Iterator[Attack]:
    records, own = scene.records, LocalSigner(new_private_key())
    late = forgery.backdate(scene.forged(scene.early, "late", scene.leaver), parse_record(records[-1]).time)
    yield scene.attack("revoked-key", "let a revoked key speak", _SIGNER, "signatures", [*records, late])
    grant = next(n for n, r in enumerate(records) if parse_record(r).kind == "key-grant")
    granted = scene.changed(grant, forgery.forge(records[grant], partial(_grants, own)))
    yield scene.attack("swap-key", "put a key of one's own into a grant", _LOG, "signatures", granted)
    log = str(VerifierKey(parse_record(records[0]).log, own.public.raw))
    genesis = scene.changed(0, forgery.forge(records[0], lambda p: p.update(log=log)))
    what = "put a log key of one's own into the genesis entry"
    yield scene.attack("swap-log-key", what, "no key", "signatures", genesis, own)


def _grants(own: LocalSigner, predicate: dict[str, Any]) -> None:
    predicate["key"].update(public=own.public.base64(), keyid=own.public.keyid)


def _unseen(scene: _Scene) -> Iterator[Attack]:
    """Yield what leaves no trace in the ledger alone."""
    records, last = scene.records, scene.last
    better = scene.changed(last, forgery.forge(records[last], excuse, scene.recorder))
    yield scene.attack(
        "edit-newest", "edit the newest entry, which nobody has seen", _SIGNER, "anchors", better
    )
    yield scene.attack("cut-tail-resigned", "cut the tail off cleanly", _LOG, "anchors", records[: last - 1])
    instead = [*records[:last], scene.forged(last, "instead", scene.recorder)]
    yield scene.attack("fork", "cut the newest entry off, and go on otherwise", _SIGNER, "anchors", instead)
    again = forgery.rewrite(records, last // 2, excuse, scene.signers)
    what = "edit an entry, and sign all that came after anew"
    yield scene.attack("rewrite-everything", what, _ALL, "anchors", again)


def _restored(older: Path) -> Attack:
    """Put a backup in place of the file: all of it fits, and whom an entry since then erased is there again."""
    what = "restore a backup from before somebody was erased"

    def restore(folder: Path) -> None:
        shutil.copyfile(older, folder / "ledger.db")

    return Attack("restore-backup", what, "made", "no key", "anchors", (Trial(what, restore),))
