"""What may have happened to evidence on its way, and the exit status that every verifier has to answer with.

0 where it holds, 1 where it does not, 2 where there is nothing that could be read as evidence. The package, the
portable verifier and the page share no code: that they answer alike is what this table is for.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audit.keys import Signer
from tests.evidence import zipped
from tests.portable_samples import Kept
from tests.zip_mutations import ODD_ZIPS

__all__ = ["Mutated", "mutated"]

Members = dict[str, bytes]


@dataclass(frozen=True)
class Mutated:
    """Evidence to which something happened, what it is held against, and the exit status that is right."""

    name: str
    path: Path
    status: int
    key: str = ""
    kept: bytes = b""


def mutated(folder: Path, story: Kept, keys: Kept) -> list[Mutated]:
    """Make the evidence of the table in a folder."""
    return [*_zips(folder, story), *_bundles(folder, story), *_folders(folder, story), *_trees(folder, keys)]


def _zips(folder: Path, story: Kept) -> list[Mutated]:
    whole = story.bundle(folder / "whole.zip").read_bytes()
    files = {
        "a bundle cut in half": (whole[: len(whole) // 2], 2),
        "a bundle without its last byte": (whole[:-1], 2),
        "a bundle with a byte more": (whole + b"x", 2),
        "a text": (b"no zip file", 2),
        "an empty file": (b"", 2),
    }
    found = []
    for name, (data, status) in files.items():
        path = folder / f"{name}.zip"
        path.write_bytes(data)
        found.append(Mutated(name, path, status))
    for spoil, status in ODD_ZIPS.items():
        path = story.bundle(folder / f"{spoil.__name__}.zip")
        spoil(path)
        found.append(Mutated(f"a bundle that is {spoil.__name__}", path, status))
    return [*found, Mutated("a zip file of something else", zipped(folder / "other.zip", {"a": b"b"}), 2)]


DER = b"\x30\x03\x02\x01\x00"
PEM = b"-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n"


def _bundles(folder: Path, story: Kept) -> list[Mutated]:
    note = {"anchors/0.note": story.head(5)}
    members = story.members(anchors=note)
    [key] = [name for name in members if name.startswith("keys/")][:1]
    changes: dict[str, tuple[dict[str, bytes | None], int]] = {
        "nothing": ({}, 0),
        "no checkpoint": ({"checkpoint": None}, 2),
        "no manifest": ({"manifest.json": None}, 2),
        "no README": ({"README.txt": None}, 1),
        "no verifier key": ({"vkey.txt": None}, 1),
        "no genesis": ({"entries/0.json": None, "entries/0.tlog-proof": None}, 1),
        "no inclusion proof": ({"entries/1.tlog-proof": None}, 1),
        "no consistency proof": ({"consistency/5": None}, 1),
        "no public key": ({key: None}, 1),
        "a record that is none": ({"entries/1.json": b"{}"}, 1),
        "a member more": ({"notes.txt": b"x"}, 1),
        "a folder more": ({"entries/": b""}, 1),
        "a key more": ({f"keys/{'ab' * 32}.pem": b"x"}, 1),
        "a file that no entry names": ({f"artifacts/{'ab' * 32}": b"x"}, 1),
        "a checkpoint of 16 digits": ({"checkpoint": _renumbered(members["checkpoint"])}, 1),
        "a token in form": ({"anchors/0.tsr": DER}, 0),
        "a token that is none": ({"anchors/0.tsr": b"junk"}, 1),
        "a token of nothing": ({"anchors/0.tsr": b""}, 1),
        "a token with more after it": ({"anchors/0.tsr": DER + b"\0"}, 1),
        "a token of no definite length": ({"anchors/0.tsr": b"\x30\x80\x00\x00"}, 1),
        "a token of a length in more bytes than it takes": ({"anchors/0.tsr": b"\x30\x81" + DER[1:]}, 1),
        "a certificate that is none": ({"anchors/0.tsr": DER, "anchors/0.pem": b"junk"}, 1),
        "a certificate with more beside it": ({"anchors/0.tsr": DER, "anchors/0.pem": PEM + b"junk"}, 1),
        "a certificate without a token": ({"anchors/0.pem": PEM}, 1),
        "a token without a note": ({"anchors/1.tsr": DER}, 1),
        "words about it that nobody signed": (_about(members, "credit@2, approved and fair for all"), 1),
        "another version named": (_about(members, "credit@1"), 1),
        "one of its entries named as what it is about": (_about(members, "entry 0"), 0),
        "an entry named that is not in it": (_about(members, "entry 99"), 1),
        "a note of another log": ({"anchors/0.note": members["checkpoint"].replace(b"test", b"rest")}, 1),
    }
    found = []
    for number, (name, (change, status)) in enumerate(changes.items()):
        made = {n: data for n, data in {**members, **change}.items() if data is not None}
        found.append(Mutated(f"a bundle with {name}", zipped(folder / f"b{number}.zip", made), status))
    return found


def _about(members: Members, about: str) -> dict[str, bytes | None]:
    said = json.loads(members["manifest.json"]) | {"about": about}
    return {"manifest.json": json.dumps(said, separators=(",", ":")).encode()}


def _folders(folder: Path, story: Kept) -> list[Mutated]:
    unpacked, alone = folder / "unpacked", folder / "alone"
    for name, data in story.members().items():
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).write_bytes(data)
    alone.mkdir()
    (alone / "checkpoint").write_bytes(story.head())
    (folder / "else").mkdir()
    (folder / "else" / "file").write_text("x")
    return [
        Mutated("a bundle that was unpacked", unpacked, 2),
        Mutated("a folder with a checkpoint alone", alone, 2),
        Mutated("a folder of something else", folder / "else", 2),
    ]


def _trees(folder: Path, keys: Kept) -> list[Mutated]:
    old, new = keys.log
    turn, known = keys.head(10, old, new), keys.vkey(old)
    found: list[Mutated] = []

    def tree(
        name: str, status: int, change: Callable[[Path], object], key: str = "", kept: bytes = b""
    ) -> None:
        path = keys.tree(folder / f"t{len(found)}")
        change(path)
        found.append(Mutated(f"a tree with {name}", path, status, key, kept))

    tree("nothing", 0, lambda path: None)
    tree("a file more", 0, lambda path: (path / "index.html").write_text("x"))
    tree("a file more among the tiles", 0, lambda path: (path / "tile" / "0" / "x").write_text("x"))
    tree("an older partial tile", 0, lambda path: (path / "tile/0/000.p/2").write_bytes(b"x"))
    tree("no verifier key", 1, lambda path: (path / "vkey.txt").unlink())
    tree("no entries", 1, lambda path: shutil.rmtree(path / "tile" / "entries"))
    tree("no entries, its key known", 1, lambda path: shutil.rmtree(path / "tile" / "entries"), keys.vkey())
    tree("no hashes", 1, lambda path: shutil.rmtree(path / "tile" / "0"))
    tree("entries that are none", 1, _emptied)
    tree("a checkpoint that is none", 1, lambda path: (path / "checkpoint").write_bytes(b"x"))
    tree(
        "a checkpoint of 16 digits",
        1,
        lambda path: (path / "checkpoint").write_bytes(_renumbered(keys.head())),
    )
    tree("no handover, the old key known", 1, lambda path: None, known)
    tree("its handover, the old key known", 0, _with_handover(10, turn), known)
    tree("a handover signed by the new key alone", 1, _with_handover(10, keys.head(10, new)))
    tree("a handover signed in the other order", 1, _with_handover(10, keys.head(10, new, old)), known)
    tree("a handover of another size", 1, _with_handover(10, keys.head(9, old)))
    tree("a handover that is none", 1, _with_handover(10, b"x"))
    tree("a handover where no key changed", 0, _with_handover(7, b"x"))
    tree("a newer head", 1, lambda path: None, kept=_longer(keys, new))
    more = keys.head().replace(b"=\n\n", b"=\nand more\n\n", 1)
    tree("a head of four lines to be held against it", 2, lambda path: None, kept=more)
    tree(
        "a newer head by a key that came later", 1, lambda path: None, kept=_longer(keys, keys.people["bob"])
    )
    tree("a newer head by a key that was given up", 1, lambda path: None, kept=_longer(keys, old))
    tree("a key that it has not had", 1, lambda path: None, keys.vkey(keys.people["bob"]))
    return found


def _with_handover(size: int, note: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        (path / "handovers").mkdir()
        (path / "handovers" / str(size)).write_bytes(note)

    return change


def _longer(keys: Kept, by: Signer) -> bytes:
    return keys.with_records([*keys.records, keys.records[-1]]).head(None, by)


def _emptied(path: Path) -> None:
    """Let every record of a tile be an empty object."""
    [tile] = (path / "tile" / "entries" / "000.p").iterdir()
    tile.write_bytes(b"\x00\x02{}" * int(tile.name))


def _renumbered(head: bytes) -> bytes:
    origin, _, rest = head.split(b"\n", 2)
    return b"\n".join([origin, b"1000000000000000", rest])
