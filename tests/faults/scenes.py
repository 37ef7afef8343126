"""What is done while a fault strikes, and what must hold after it: the calls by which the floors keep something.

`tests.faults.typed` has the commands that a person types, `tests.faults.outcome` what a scene is.
"""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit import tables
from audit.anchor_file import ANCHOR_FILE, AnchorFile
from audit.anchor_settings import AnchorSettings
from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.errors import MalformedInput
from audit.keystore import KeyStore
from audit.ledger import Ledger
from audit.merkle import consistency_proof, leaf_hash, root
from audit.note import Note, VerifierKey
from audit.proof import hash_lines
from audit.witness_service import Witness
from registry.artifacts import ArtifactStore
from registry.references import KeptArtifacts
from tests.faults import typed
from tests.faults.outcome import Said, Scene, outcome
from tests.small_ledger import ORIGIN, People, Titles, new_ledger, report
from tests.vectors.people import signer as test_key

__all__ = ["SCENES"]


@dataclass(frozen=True, slots=True)
class Append:
    """A batch of entries is appended to a ledger that has a follower, artifacts and an anchor."""

    batch: int

    def prepare(self, folder: Path) -> None:
        keys = KeyStore(folder / "keys")
        people = People(keys.create("admin", b""), keys.create("log", b""))
        ledger = new_ledger(folder, people, followers=[Titles()])
        digest = ArtifactStore(folder / "artifacts").put(b"evidence")
        ledger.append_many([report(f"title {number}", sha256=digest) for number in range(2)])
        AnchorFile(folder / ANCHOR_FILE).create(ledger.head().checkpoint)

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        ledger = self._ledger(folder)
        said = [report(f"title {n}" * 500, sha256=_EVIDENCE) for n in range(self.batch)]
        say("acknowledged", *(entry.seq for entry in ledger.append_many(said)))
        # Closing the last connection writes what is in the WAL into the database, and removes it.
        ledger.close()

    def judge(self, folder: Path, said: Said) -> str:
        there = self._check(folder)
        assert there in (3, 3 + self.batch), f"{there} entries: a part of the batch"
        assert self._ledger(folder).append(report("the next", sha256=_EVIDENCE)).seq == there
        assert self._check(folder) == there + 1
        return outcome(said, there > 3, list(range(3, 3 + self.batch)))

    def _check(self, folder: Path) -> int:
        ledger = self._ledger(folder)
        seqs = [entry.seq for entry in ledger.entries()]
        assert seqs == list(range(len(seqs)))
        answer = ledger.verify(checkpoint=(folder / ANCHOR_FILE).read_bytes())
        assert [step.status for step in answer.steps] == ["passed"] * 8, answer
        return len(seqs)

    def _ledger(self, folder: Path) -> Ledger:
        keys = KeyStore(folder / "keys")
        admin, log = (keys.open(name, lambda _: b"") for name in ("admin", "log"))
        anchor = AnchorFile(folder / ANCHOR_FILE)
        return Ledger(
            tables.open_database(folder / "ledger.db"),
            followers=[Titles()],
            artifacts=KeptArtifacts(ArtifactStore(folder / "artifacts")),
            signer=lambda _: admin,
            log_signer=lambda: log,
            anchor=lambda: anchor,
        )


_EVIDENCE = hashlib.sha256(b"evidence").hexdigest()


class PutFile:
    """A file of two chunks is put into the artifact store, in a folder that is not there yet."""

    def prepare(self, folder: Path) -> None:
        (folder / "model.bin").write_bytes(bytes(range(256)) * 4 * 1500)
        ArtifactStore(folder / "artifacts").put(b"evidence")

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        say("acknowledged", ArtifactStore(folder / "artifacts").put_file(folder / "model.bin"))

    def judge(self, folder: Path, said: Said) -> str:
        store = ArtifactStore(folder / "artifacts")
        digest = hashlib.sha256((folder / "model.bin").read_bytes()).hexdigest()
        written = set(store.digests()) - {_EVIDENCE}
        assert written <= {digest}
        for kept in store.digests():
            store.get(kept)
        assert list(store.strays()) == []
        assert store.put_file(folder / "model.bin") == digest
        assert store.get(digest) == (folder / "model.bin").read_bytes()
        # Under its own digest a whole file may stay where only the folder could not be synchronised: none names it.
        return outcome(said, bool(written), [digest], keeps_what_it_refused=True)


class CreateKey:
    """A key is made and kept in a folder that is not there yet."""

    def prepare(self, folder: Path) -> None:
        pass

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        say("acknowledged", KeyStore(folder / "keys").create("ana", b"").public.keyid)

    def judge(self, folder: Path, said: Said) -> str:
        keys, path = KeyStore(folder / "keys"), folder / "keys" / "ana.pem"
        keyid = keys.open("ana", lambda _: b"").public.keyid if path.exists() else ""
        made = keys.names() == ["ana"]
        if path.exists() and not made:
            # Whole but without its public part: in no list, and said in a sentence by whoever makes the name again.
            with pytest.raises(MalformedInput, match="was interrupted"):
                keys.create("ana", b"")
            path.unlink()
        if not made:
            # What was not made can be made: nothing half-written stands in its way.
            keys.create("ana", b"")
        return outcome(said, made, [keyid])


class Anchors:
    """Other anchors of a ledger are written in the place of those that it has."""

    def prepare(self, folder: Path) -> None:
        AnchorSettings(file="old.checkpoint").write(folder)

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        AnchorSettings(file="new.checkpoint").write(folder)
        say("acknowledged", "new.checkpoint")

    def judge(self, folder: Path, said: Said) -> str:
        there = AnchorSettings.read(folder).file
        assert there in ("old.checkpoint", "new.checkpoint")
        AnchorSettings(file="next.checkpoint").write(folder)
        assert AnchorSettings.read(folder).file == "next.checkpoint"
        # What was renamed is there, though nobody knows for how long where the folder could not be synchronised.
        return outcome(said, there == "new.checkpoint", ["new.checkpoint"], keeps_what_it_refused=True)


class Cosign:
    """A witness remembers a larger head of a log before it cosigns it."""

    def prepare(self, folder: Path) -> None:
        status, _ = self._ask(folder, 0, 1)
        assert status == 200

    def act(self, folder: Path, say: Callable[..., None]) -> None:
        status, body = self._ask(folder, 1, 3)
        if status == 200:
            say("acknowledged", "cosigned")
        else:
            assert status == 500, body
            say("refused", "EnvironmentFailed", body.removesuffix("\n"))

    def judge(self, folder: Path, said: Said) -> str:
        with closing(self._witness(folder)) as witness:
            note = witness.checkpoint(hashlib.sha256(ORIGIN.encode()).hexdigest())
        assert note is not None
        remembered = Checkpoint.parse(Note.parse(note).text).size
        assert remembered in (1, 3)
        status, body = self._ask(folder, remembered, 4)
        assert status == 200, body
        # A head that is remembered though nobody got the cosignature is a caution, and no harm.
        return outcome(said, remembered == 3, ["cosigned"], keeps_what_it_refused=True)

    def _ask(self, folder: Path, old: int, size: int) -> tuple[int, str]:
        leaves = [leaf_hash(b"%d" % number) for number in range(size)]
        head = Checkpoint(ORIGIN, size, root(leaves))
        proof = consistency_proof(lambda level, i: root(leaves[i << level : (i + 1) << level]), old, size)
        body = b"old %d\n" % old + hash_lines(proof) + b"\n" + sign_checkpoint(head, test_key("log"))
        with closing(self._witness(folder)) as witness:
            answer, _ = witness.add_checkpoint(body)
        return answer.status, answer.body.decode()

    def _witness(self, folder: Path) -> Witness:
        log = VerifierKey(ORIGIN, test_key("log").public.raw)
        return Witness(
            "witness.example/w", test_key("bob"), {ORIGIN: [log]}, folder / "state", lambda: 1_800_000_000.0
        )


SCENES: dict[str, Scene] = {
    "append": Append(batch=3),
    "artifact": PutFile(),
    "key": CreateKey(),
    "witness": Cosign(),
    "anchors": Anchors(),
    **typed.SCENES,
}
