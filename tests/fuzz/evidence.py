"""Targets that are evidence in files: bundles, and folders of tiles. Verifying gives an answer, and never raises."""

import atexit
import base64
import io
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from audit.archive import Archive, write_archive
from audit.bundle import Manifest, parse_vkeys, write_vkeys
from audit.bundle_check import verify_bundle
from audit.evidence import Brought
from audit.offline import kind_of
from audit.tiles_check import verify_tiles
from tests.fuzz.target import Target, again
from tests.vectors.make import FOLDER
from tests.vectors.people import VKEY

__all__ = ["TARGETS"]


@cache
def _place() -> Path:
    """Give a folder for evidence that is verified where it lies."""
    folder = Path(tempfile.mkdtemp(prefix="affidavit-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _cases(file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{file}.json").read_text())["cases"]
    return found


def _bundle_seeds() -> list[bytes]:
    return [base64.b64decode(case["zip"]) for case in _cases("bundles")]


@cache
def _members() -> dict[str, bytes]:
    with Archive.open(io.BytesIO(_bundle_seeds()[0])) as archive:
        return {name: archive.read(name, most=1 << 20) for name in archive.sizes}


def _member_seeds() -> list[bytes]:
    return [bytes([number]) + data for number, data in enumerate(_members().values())]


def _bundle(data: bytes) -> None:
    path = _place() / "bundle.zip"
    path.write_bytes(data)
    kind_of(path)
    verify_bundle(path, Brought(log_key=VKEY))


def _bundle_member(data: bytes) -> None:
    """Put other bytes in the place of one member, which the first byte chooses."""
    names = list(_members())
    file = io.BytesIO()
    write_archive(file, {**_members(), names[data[0] % len(names) if data else 0]: data[1:]})
    _bundle(file.getvalue())


@cache
def _files() -> dict[str, bytes]:
    return {name: base64.b64decode(data) for name, data in sorted(_cases("tiles-trees")[0]["files"].items())}


def _file_seeds() -> list[bytes]:
    return [bytes([number]) + data for number, data in enumerate(_files().values())]


def _tiles_tree(data: bytes) -> None:
    """Put other bytes in the place of one file of a tiles tree, which the first byte chooses."""
    names, folder = list(_files()), _place() / "tree"
    changed = {**_files(), names[data[0] % len(names) if data else 0]: data[1:]}
    for name, content in changed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    verify_tiles(folder, Brought(log_key=VKEY))


TARGETS: dict[str, Target] = {
    "bundle": Target(_bundle, _bundle_seeds),
    "bundle-member": Target(_bundle_member, _member_seeds),
    "manifest": Target(again(Manifest.parse, Manifest.to_bytes), lambda: [_members()["manifest.json"]]),
    "vkeys": Target(again(parse_vkeys, write_vkeys), lambda: [_members()["vkey.txt"]]),
    "tiles-tree": Target(_tiles_tree, _file_seeds),
}
