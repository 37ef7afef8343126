"""Evidence of a story, honest and dishonest: what all verifiers answer alike, ours, the portable one and the page."""

import base64
import hashlib
import json
import stat
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from audit.cosignature import WitnessKey, cosign
from audit.keys import Signer
from audit.keystore import KeyStore
from audit.note import VerifierKey
from registry.home import FOLDER
from tests import dishonest
from tests.evidence import a_bundle, a_tiles_tree, bundle_members, entries_about, root_of, zipped
from tests.small_ledger import ENTRY_ID, People, new_ledger, report, signer
from tests.story import tell

__all__ = ["TRICKS", "Kept", "Sample", "a_story", "rechained", "samples", "signed_head"]

LAST = 19
"""The last entry of the story."""


@dataclass(frozen=True)
class Kept:
    """Records with what is needed to make evidence of them."""

    records: list[bytes]
    log: list[Signer]
    """The log's keys, the oldest first."""
    folder: Path | None = None
    """Where the ledger is, when it is the story's."""
    people: Mapping[str, Signer] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return str(json.loads(self.records[0])["log"])

    @property
    def vkeys(self) -> bytes:
        return "".join(f"{self.vkey(log)}\n" for log in self.log).encode()

    def vkey(self, log: Signer | None = None) -> str:
        return str(VerifierKey(self.origin, (log or self.log[-1]).public.raw))

    def with_records(self, records: Sequence[bytes]) -> "Kept":
        return Kept(list(records), self.log, self.folder, self.people)

    def head(self, size: int | None = None, *by: Signer) -> bytes:
        """Sign a head of the first `size` records."""
        records = self.records[: len(self.records) if size is None else size]
        return signed_head(self.origin, records, *(by or self.log[-1:]))

    def artifact(self, digest: str) -> bytes | None:
        path = (self.folder or Path()) / "artifacts" / "sha256" / digest[:2] / digest[2:]
        return path.read_bytes() if path.is_file() else None

    def tree(self, folder: Path, checkpoint: bytes | None = None) -> Path:
        return a_tiles_tree(folder, self.records, checkpoint or self.head(), self.vkeys)

    def bundle(self, path: Path, **more: Any) -> Path:
        return zipped(path, self.members(**more))

    def members(self, checkpoint: bytes | None = None, **more: Any) -> dict[str, bytes]:
        numbers = entries_about(self.records, "credit", 2)
        made = (self.records, numbers, checkpoint or self.head(), self.vkeys)
        return bundle_members(*made, artifacts=self.artifact, **more)


def signed_head(origin: str, records: Sequence[bytes], *by: Signer) -> bytes:
    """Sign a checkpoint over records: C2SP signed-note, by hand."""
    root = root_of([hashlib.sha256(b"\x00" + record).digest() for record in records])
    text = f"{origin}\n{len(records)}\n{base64.b64encode(root).decode()}\n".encode()
    lines = []
    for log in by:
        hash_ = hashlib.sha256(origin.encode() + b"\n\x01" + log.public.raw).digest()[:4]
        lines.append(f"— {origin} {base64.b64encode(hash_ + log.sign(text)).decode()}\n".encode())
    return text + b"\n" + b"".join(lines)


def a_story(folder: Path) -> Kept:
    """Tell the story of every kind of entry."""
    tell(folder)
    home = folder / FOLDER
    store = KeyStore(home / "keys")
    people = {name: store.open(name, lambda _: b"") for name in store.names()}
    return Kept(dishonest.records_of(home), [people["log"]], home, people)


# -- what an operator does ---------------------------------------------------------------------------------------------


def rechained(records: Sequence[bytes]) -> list[bytes]:
    """Make numbers and chain fit."""
    made: list[bytes] = []
    prev = "0" * 64
    for seq, record in enumerate(records):
        document = json.loads(record) | {"seq": seq, "prev": prev}
        made.append(json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
        prev = hashlib.sha256(b"\x00" + made[-1]).hexdigest()
    return made


def changed(kept: Kept, seq: int, thief: str | None = None, **change: Any) -> list[bytes]:
    records = list(kept.records)
    stolen = kept.people[thief] if thief else None
    records[seq] = dishonest.forge(records[seq], lambda p: p.update(change), stolen)
    return records


def regranted(kept: Kept, **change: Any) -> list[bytes]:
    records = list(kept.records)
    records[4] = dishonest.forge(records[4], lambda p: p["key"].update(change))
    return records


def swapped(kept: Kept) -> list[bytes]:
    records = list(kept.records)
    records[11], records[12] = records[12], records[11]
    return records


def left_out(kept: Kept, seq: int) -> list[bytes]:
    return kept.records[:seq] + kept.records[seq + 1 :]


def inserted(kept: Kept) -> list[bytes]:
    new = dishonest.forge(
        kept.records[7], lambda p: p.update(entry_id=ENTRY_ID, model="x"), kept.people["scientist"]
    )
    return [*kept.records[:8], new, *kept.records[8:]]


def backdated(kept: Kept) -> list[bytes]:
    records = list(kept.records)
    records[7] = dishonest.backdate(records[7], "2020-01-01T00:00:00.000000Z")
    return records


def by_a_revoked_key(kept: Kept) -> list[bytes]:
    new = dishonest.forge(kept.records[7], lambda p: p.update(entry_id=ENTRY_ID), kept.people["leaver"])
    return [*kept.records, dishonest.backdate(new, json.loads(kept.records[-1])["time"])]


def with_own_log_key(kept: Kept) -> list[bytes]:
    return changed(kept, 0, log=kept.vkey(kept.people["leaver"]))


Trick = Callable[[Kept], list[bytes]]

_late = partial(partial, changed, seq=LAST, thief="scientist")

TRICKS: dict[str, tuple[Trick, set[str]]] = {
    "an excuse, its key not at hand": (partial(changed, seq=10, reason="x"), {"signatures", "observed"}),
    "an excuse, its key stolen": (partial(changed, seq=10, thief="approver", reason="x"), {"observed"}),
    "a statement of another ledger": (_late(ledger="other.example"), {"signatures"}),
    "a statement in a role that may not say it": (_late(role="auditor"), {"signatures"}),
    "a role that the key has not": (
        partial(changed, seq=16, thief="auditor", role="approver"),
        {"signatures"},
    ),
    "an entry id that is no UUIDv7": (_late(entry_id="x"), {"records"}),
    "a head that was not there yet": (_late(observed={"size": 20, "root": "ab" * 32}), {"observed"}),
    "a day that there is not": (_late(signed_at="2026-02-30T00:00:00.000000Z"), {"records"}),
    "references that are no list": (_late(refers_to="nonsense"), {"records"}),
    "a reference without a commitment": (_late(refers_to=[{"subject": "ab" * 16}]), {"records"}),
    "a subject referred to twice": (
        _late(refers_to=[{"subject": "ab" * 16, "commitment": "cd" * 32}] * 2),
        {"records"},
    ),
    "entries swapped": (swapped, {"observed"}),
    "the genesis entry left out": (partial(left_out, seq=0), {"signatures"}),
    "a grant left out": (partial(left_out, seq=4), {"signatures", "observed"}),
    "a run left out": (partial(left_out, seq=7), {"observed"}),
    "the last but one left out": (partial(left_out, seq=18), {"observed"}),
    "a run inserted": (inserted, {"observed"}),
    "a run backdated": (backdated, {"times"}),
    "a run entered twice": (lambda kept: dishonest.replay(kept.records, 7), {"signatures"}),
    "a run by a revoked key": (by_a_revoked_key, {"signatures"}),
    "a grant of another role": (partial(regranted, roles=["admin"]), {"signatures"}),
    "a grant to another name": (partial(regranted, name="someone"), {"signatures"}),
    "another log key": (with_own_log_key, {"signatures"}),
}
"""What was done to the story's records, and in which steps that has to be seen."""


# -- all of it ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """One piece of evidence, what it is held against, and the steps that have to fail."""

    name: str
    path: Path
    key: str = ""
    kept: bytes = b""
    witness: str = ""
    failing: frozenset[str] = frozenset()
    in_doubt: tuple[int, ...] = ()
    unanswered: bool = False
    """Whether what was asked cannot be answered: nothing fails then, and it is not verified either."""

    @property
    def verified(self) -> bool:
        return not self.failing and not self.unanswered

    def bad(self, *steps: str) -> "Sample":
        """Return the sample as one in which these steps have to fail."""
        return replace(self, failing=frozenset(steps))

    def options(self, folder: Path) -> list[str]:
        """Return the command line's options; a checkpoint is written into this folder."""
        options = [
            f"--{name}={value}" for name, value in (("key", self.key), ("witness", self.witness)) if value
        ]
        if self.kept:
            (folder / "kept.checkpoint").write_bytes(self.kept)
            options.append(f"--checkpoint={folder / 'kept.checkpoint'}")
        return options


def samples(folder: Path, story: Kept) -> list[Sample]:
    """Make evidence of the story in a folder."""
    found = [*_honest(folder, story), *_around(folder, story), *_with_files(folder)]
    for number, (name, (trick, failing)) in enumerate(TRICKS.items()):
        kept = story.with_records(rechained(trick(story)))
        found.append(Sample(name, kept.tree(folder / f"trick{number}"), failing=frozenset(failing)))
    return found


def _honest(folder: Path, story: Kept) -> list[Sample]:
    bundle, tree = story.bundle(folder / "good.zip"), story.tree(folder / "good")
    leaver, witness, name = story.people["leaver"], signer(), "witness.example/w1"
    line = cosign(story.head().decode().partition("\n\n")[0] + "\n", name, witness, 1_800_000_000)
    cosigned = story.bundle(folder / "cosigned.zip", checkpoint=story.head() + f"{line}\n".encode())
    renamed = f"{line}\n".replace(name, "other.example").encode()
    by_another = story.bundle(folder / "another.zip", checkpoint=story.head() + renamed)
    by_leaver = story.tree(folder / "signed", story.head(None, leaver))
    vkey = str(WitnessKey(name, witness.public.raw))
    shorter = story.with_records(story.records[:15]).tree(folder / "shorter")
    noted = story.bundle(folder / "noted.zip", anchors={"anchors/0.note": story.head(5)})
    return [
        Sample("an honest bundle", bundle),
        Sample("an honest bundle, its key known", bundle, story.vkey()),
        Sample("an honest bundle, its head known", bundle, kept=story.head()),
        Sample("an honest tree", tree),
        Sample("an honest tree, its key and an old head known", tree, story.vkey(), story.head(5)),
        Sample("a bundle with an older head", noted, kept=story.head(5)),
        Sample("a cosigned bundle", cosigned),
        Sample("a cosigned bundle, its witness known", cosigned, witness=vkey),
        Sample("a bundle that a known witness did not cosign", bundle, witness=vkey).bad("witnesses"),
        Sample("a bundle that another witness cosigned", by_another, witness=vkey).bad("witnesses"),
        Sample("another log's key", tree, story.vkey(leaver)).bad("log key"),
        Sample("a head of a longer history", shorter, kept=story.head(), unanswered=True),
        Sample("a longer head of another log", shorter, kept=_of_another_log(story)).bad("checkpoint"),
        Sample(
            "a longer head signed by nobody known", shorter, kept=story.head(None, leaver), unanswered=True
        ),
        Sample("a longer head whose signature is wrong", shorter, kept=_forged(story)).bad("checkpoint"),
        Sample("a head of nothing", tree, kept=story.head(0)).bad("checkpoint"),
        Sample("a head that nothing proves", bundle, kept=story.head(2), unanswered=True),
        Sample("a head signed by somebody", tree, kept=story.head(5, leaver)).bad("checkpoint"),
        Sample("a checkpoint signed by somebody", by_leaver, story.vkey()).bad("tree", "log key"),
    ]


def _forged(story: Kept) -> bytes:
    head = story.head()
    return head[:-10] + (b"A" if head[-10:-9] != b"A" else b"B") + head[-9:]


def _of_another_log(story: Kept) -> bytes:
    return signed_head("other.example", story.records, story.log[-1])


def _around(folder: Path, story: Kept) -> list[Sample]:
    """Sound entries, and something wrong in what lies around them."""
    members = story.members()
    proof_of_nothing = zipped(folder / "nothing.zip", {**members, "consistency/0": b"x"})
    padded = zipped(folder / "padded.zip", {**members, "consistency/05": members["consistency/5"]})
    linked = {system: _linked(folder / f"linked{system}.zip", members, system) for system in (3, 19)}
    damaged = folder / "damaged.zip"
    with zipfile.ZipFile(damaged, "w", zipfile.ZIP_STORED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    damaged.write_bytes(damaged.read_bytes().replace(members["README.txt"], members["README.txt"].upper()))
    unseen = "— w\x7f AAAAAAA=\n".encode()
    return [
        Sample("a proof that nothing is of this history", proof_of_nothing).bad("files"),
        Sample("a proof whose size begins with a nought", padded).bad("files"),
        Sample("a member that is a link in Unix", linked[3]).bad("files"),
        Sample("a member that is a link in macOS", linked[19]).bad("files"),
        Sample("a check sum that is wrong where nobody reads", damaged).bad("files"),
        Sample("a tile of hashes with more in it", _longer(story, folder / "hashes", "0")).bad("tree"),
        Sample("a tile of entries with more in it", _longer(story, folder / "more", "entries")).bad(
            "records"
        ),
        Sample(
            "a signature by a name that is not seen", story.tree(folder / "unseen", story.head() + unseen)
        ).bad("tree"),
        Sample("a checkpoint of four lines", story.tree(folder / "four", _extended(story))).bad("tree"),
        Sample(
            "a bundle under a checkpoint of four lines",
            story.bundle(folder / "four.zip", checkpoint=_extended(story)),
        ).bad("tree"),
    ]


def _linked(path: Path, members: Mapping[str, bytes], system: int) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.create_system = system
            kind = stat.S_IFLNK if name == "README.txt" else stat.S_IFREG
            info.external_attr = (kind | 0o644) << 16
            file.writestr(info, data)
    return path


def _longer(story: Kept, folder: Path, level: str) -> Path:
    story.tree(folder)
    [tile] = (folder / "tile" / level / "000.p").iterdir()
    tile.write_bytes(tile.read_bytes() + bytes(32))
    return folder


def _extended(story: Kept) -> bytes:
    """Sign a checkpoint with a line of extension."""
    text = story.head().partition(b"\n\n")[0] + b"\nextension\n"
    log = story.log[-1]
    hash_ = hashlib.sha256(story.origin.encode() + b"\n\x01" + log.public.raw).digest()[:4]
    return text + f"\n— {story.origin} {base64.b64encode(hash_ + log.sign(text)).decode()}\n".encode()


def _with_files(folder: Path) -> list[Sample]:
    """A ledger whose one report names a file by a fingerprint, and another by the name of a member."""
    people, home = People(), folder / "with-files"
    ledger = new_ledger(home, people)
    one, two = hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()
    ledger.append(report("files", rows=f"affidavit-table-v1:sha256:{one}", named={two: "x"}))
    kept = Kept(dishonest.records_of(home), [people.log])
    numbers = range(len(kept.records))

    def bundle(name: str, **files: bytes) -> Path:
        more = {f"artifacts/{hashlib.sha256(data).hexdigest()}": data for data in files.values()}
        made = (kept.records, numbers, kept.head(), kept.vkeys)
        return a_bundle(folder / f"{name}.zip", *made, anchors=more, about="entry 1")

    return [
        Sample("a file that a fingerprint names", bundle("fingerprint", one=b"one"), kept.vkey()),
        Sample("a file that a member's name names", bundle("member", two=b"two")).bad("artifacts"),
    ]
