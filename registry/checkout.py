"""Put the recorded code of a run, and the files it read, into a folder of their own.

The commit comes from a repository at hand (a clone that shares its objects, so it costs no copy); a dirty tree's
recorded patch is applied on top; a run outside any repository brings the one source file that was kept. Every file
that the run read is found by name and taken only with the digest that was recorded.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from audit.canonical import Json, JsonObject
from audit.errors import AffidavitError
from registry.artifacts import ArtifactStore, digest_of_file

__all__ = ["Impossible", "check_out"]


class Impossible(Exception):
    """Something that the run needs is not to be had; the message says what."""


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A folder with the recorded code and files, and the pipeline's target in it."""

    folder: Path
    target: str


def check_out(
    run: Mapping[str, Json], artifacts: ArtifactStore, folder: Path, places: Sequence[Path]
) -> CheckedOut:
    """Fill `folder` with what a run needs, or raise `Impossible`.

    `places` are the folders in which repositories and files are looked for, in this order.
    """
    code = cast(JsonObject, run["code"])
    target = code.get("target")
    if run.get("how") != "pipeline" or not isinstance(target, str):
        raise Impossible("it was recorded with record() and names no pipeline that could be run again")
    commit = code.get("commit")
    if isinstance(commit, str):
        _clone(commit, code.get("patch"), code.get("dirty"), artifacts, folder, places)
    else:
        _write_source(target, code.get("source"), artifacts, folder)
    _check_source(target, code.get("source"), folder)
    for source in cast(list[JsonObject], run["sources"]):
        _bring(source, folder, places)
    return CheckedOut(folder, target)


def _clone(
    commit: str, patch: Json, dirty: Json, artifacts: ArtifactStore, folder: Path, places: Sequence[Path]
) -> None:
    origin = next((place for place in places if _has_commit(place, commit)), None)
    if origin is None:
        raise Impossible(
            f"the commit {commit[:12]} is in no repository here: run this inside a clone that has it (git fetch)"
        )
    top = _git(origin, "rev-parse", "--show-toplevel").strip()
    _git(origin, "clone", "--quiet", "--shared", "--no-checkout", top, str(folder))
    _git(folder, "checkout", "--quiet", "--detach", commit)
    if dirty is True:
        if not isinstance(patch, str):
            raise Impossible("the working tree had changes, and no patch of them was kept")
        try:
            _git(folder, "apply", "--binary", "--whitespace=nowarn", stdin=artifacts.get(patch))
        except AffidavitError as error:
            raise Impossible(f"the recorded patch cannot be read: {error}") from None


def _write_source(target: str, source: Json, artifacts: ArtifactStore, folder: Path) -> None:
    name = _file_of(target)
    if name is None or not isinstance(source, str):
        raise Impossible("its code was in no git repository, and the source file was not kept")
    try:
        text = artifacts.get(source)
    except AffidavitError as error:
        raise Impossible(f"the recorded source file cannot be read: {error}") from None
    place = _inside(folder, name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text)


def _check_source(target: str, source: Json, folder: Path) -> None:
    name = _file_of(target)
    if name is None or not isinstance(source, str):
        return
    place = _inside(folder, name)
    if not place.is_file():
        raise Impossible(f"the recorded code has no file {name}")
    if digest_of_file(place)[0] != source:
        raise Impossible(f"the file {name} of the recorded commit is not the one that ran")


def _bring(source: JsonObject, folder: Path, places: Sequence[Path]) -> None:
    uri, wanted = str(source["uri"]), str(source["sha256"])
    place = _inside(folder, uri)
    found = []
    for candidate in (place, *(directory / uri for directory in places)):
        if candidate.is_file():
            digest = digest_of_file(candidate)[0]
            if digest == wanted:
                if candidate != place:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(candidate, place)
                return
            found.append(digest)
    if found:
        raise Impossible(
            f"the file {uri} has changed: SHA-256 {wanted[:16]}… was recorded, here it is {found[0][:16]}…"
        )
    raise Impossible(f"the file {uri} (SHA-256 {wanted[:16]}…) is not here: run this where it is")


def _file_of(target: str) -> str | None:
    path = target if target.endswith(".py") else target.rpartition(":")[0]
    return path if path.endswith(".py") else None


def _inside(folder: Path, name: str) -> Path:
    """Return a place in the folder; a recorded name may not lead out of it."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise Impossible(f"the recorded file name {name!r} leads out of its folder")
    return folder / parts


def _has_commit(place: Path, commit: str) -> bool:
    try:
        _git(place, "cat-file", "-e", f"{commit}^{{commit}}")
    except Impossible:
        return False
    return True


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], input=stdin, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise Impossible("git is not installed here, and the recorded code is in a git repository") from None
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise Impossible(f"git {arguments[0]} failed: {why}")
    return done.stdout.decode("utf-8", "replace")
