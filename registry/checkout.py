"""Put the recorded code of a run, and the files it read, into a folder of their own.

The commit comes from a repository at hand (a clone that shares its objects, so it costs no copy); a dirty tree's
recorded patch is applied on top; a run outside any repository brings the one source file that was kept. Every file
that the run read is found by name and taken only with the digest that was recorded.

Rules:

- What a run recorded is somebody else's input. No name leads out of the folder, by dots or by a symbolic link, and
  git runs no hooks. (The code itself then runs as whoever reproduces it; nothing here confines it.)
- Paths were relative to the working directory of the run, which stands again at its place in the repository.
- A file whose path led elsewhere (absolute, or upwards) is brought to a place of its own, and the parameter that
  named it names that place.
"""

import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from audit.canonical import Json, JsonObject
from audit.errors import AffidavitError, MalformedInput
from registry.artifacts import ArtifactStore, digest_of_file
from registry.fingerprint_key import FingerprintKey
from registry.git import git
from registry.recorded import code_of, parameters_of, sources_of, steps_of
from registry.recorded_sources import is_keyed_source, is_of_source
from registry.recorded_values import from_json
from registry.untracked import only_left_out

__all__ = ["CheckedOut", "Impossible", "check_out"]

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Impossible(Exception):
    """Something that the run needs is not to be had; the message says what."""


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """The recorded code and files: the working directory for it, the pipeline's target, and the paths that moved."""

    folder: Path
    target: str
    moved: Mapping[str, Json]
    """Parameters (`step.NAME`) that name a file whose place is another one now, as recorded parameters say it."""
    gone: Mapping[str, str]
    """Why the sources of a step are not to be had, for steps that can do without."""


def check_out(
    run: Mapping[str, Json],
    artifacts: ArtifactStore,
    folder: Path,
    places: Sequence[Path],
    spared: Collection[str] = (),
    key: FingerprintKey | None = None,
) -> CheckedOut:
    """Fill `folder` with what a run needs, or raise `Impossible`.

    `places` are the folders in which repositories and files are looked for, in this order; `spared` are the steps that
    can do without their sources; `key` is the fingerprint key at hand, under which a source may be recorded.
    """
    code = code_of(run)
    target = code.get("target")
    if run.get("how") != "pipeline" or not isinstance(target, str):
        raise Impossible("it was recorded with record() and names no pipeline that could be run again")
    commit = code.get("commit")
    if isinstance(commit, str):
        dirty = code.get("dirty") is True and not only_left_out(run)
        _clone(commit, code.get("patch"), dirty, artifacts, folder, places)
    else:
        _write_source(target, code.get("source"), artifacts, folder)
    file = _check_source(target, code.get("source"), folder)
    here = _inside(folder, f"{code.get('folder') or '.'}/.affidavit").parent
    here.mkdir(parents=True, exist_ok=True)  # git keeps no empty folder
    moved, gone = _bring_all(run, here, folder.parent / "files", places, spared, key)
    # Its place, not its name: the name is from the top of the repository, and the run was perhaps below.
    whole = target if file is None else f"{file}{target[len(str(_file_of(target))) :]}"
    return CheckedOut(here, whole, moved, gone)


def _clone(
    commit: str, patch: Json, dirty: bool, artifacts: ArtifactStore, folder: Path, places: Sequence[Path]
) -> None:
    if _COMMIT.fullmatch(commit) is None:
        raise Impossible(f"the recorded commit {commit[:40]!r} is none")
    origin = next((place for place in places if _has_commit(place, commit)), None)
    if origin is None:
        raise Impossible(
            f"the commit {commit[:12]} is in no repository here: run this inside a clone that has it (git fetch)"
        )
    top = _git(origin, "rev-parse", "--show-toplevel").strip()
    _git(origin, "clone", "--quiet", "--shared", "--no-checkout", "--", top, str(folder))
    _git(folder, "checkout", "--quiet", "--detach", commit)
    if dirty:
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


def _check_source(target: str, source: Json, folder: Path) -> Path | None:
    """Return the place of the target's file, which is the one that ran; None for a module's name."""
    name = _file_of(target)
    if name is None:
        return None
    place = _inside(folder, name)
    if not place.is_file():
        raise Impossible(f"the recorded code has no file {name}")
    if isinstance(source, str) and digest_of_file(place)[0] != source:
        raise Impossible(f"the file {name} of the recorded commit is not the one that ran")
    return place


def _bring_all(
    run: Mapping[str, Json],
    here: Path,
    elsewhere: Path,
    places: Sequence[Path],
    spared: Collection[str],
    key: FingerprintKey | None,
) -> tuple[dict[str, Json], dict[str, str]]:
    """Bring every file that the run read; return the parameters whose path is another one now, and what is gone."""
    recorded = {
        (step["name"], name): value for step in steps_of(run) for name, value in parameters_of(step).items()
    }
    moved: dict[str, Json] = {}
    gone: dict[str, str] = {}
    for number, source in enumerate(sources_of(run)):
        uri, parameter = str(source["uri"]), (source["step"], str(source.get("parameter")))
        place, given = _inside(here, uri), _path_in(recorded.get(parameter))
        if given is not None and PurePosixPath(given) != PurePosixPath(uri):
            # A folder for each: files from two folders may have one name.
            place = elsewhere / str(number) / place.name
            value = str(place)
            moved[".".join(map(str, parameter))] = (
                {"path": value} if isinstance(recorded[parameter], dict) else value
            )
        try:
            _bring(source, place, given, places, key)
        except Impossible as error:
            if source["step"] not in spared:
                raise
            gone.setdefault(str(source["step"]), str(error))
    return moved, gone


def _bring(
    source: JsonObject, place: Path, given: str | None, places: Sequence[Path], key: FingerprintKey | None
) -> None:
    """Put a file that the run read at its place; it is looked for there, then by its path and name in `places`."""
    uri = str(source["uri"])
    if is_keyed_source(source) and (key is None or key.id != source["key"]):
        raise Impossible(
            f"the file {uri} is recorded under the fingerprint key {source['key']}, which is not here: without it "
            "nobody knows whether a file is the one that was read"
        )
    candidates = (place, *(directory / name for directory in places for name in (given or uri, uri)))
    found: list[str] = []
    for candidate in filter(Path.is_file, candidates):
        found.append(digest_of_file(candidate)[0])
        if is_of_source(source, found[-1], key):
            _copy(candidate, place)
            return
    if is_keyed_source(source):
        # The verdict is recorded: it holds no digest of a file that may be about people.
        why = "has changed since it was read" if found else "is not here: run this where it is"
        raise Impossible(f"the file {uri} (recorded under the fingerprint key) {why}")
    wanted = str(source["sha256"])
    if found:
        raise Impossible(
            f"the file {uri} has changed: SHA-256 {wanted[:16]}… was recorded, here it is {found[0][:16]}…"
        )
    raise Impossible(f"the file {uri} (SHA-256 {wanted[:16]}…) is not here: run this where it is")


def _copy(candidate: Path, place: Path) -> None:
    if candidate != place:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # it may be a link, which a copy would follow
        shutil.copyfile(candidate, place)


def _file_of(target: str) -> str | None:
    path = target if target.endswith(".py") else target.rpartition(":")[0]
    return path if path.endswith(".py") else None


def _path_in(recorded: Json) -> str | None:
    """Return the path that a recorded parameter names, or None where it names none."""
    try:
        value = from_json(recorded)
    except MalformedInput:
        return None
    return str(value) if isinstance(value, str | Path) else None


def _inside(folder: Path, name: str) -> Path:
    """Return a place in the folder; a recorded name may not lead out of it, nor a link in the recorded code."""
    parts = PurePosixPath(name)
    place = folder / parts
    outside = parts.is_absolute() or ".." in parts.parts or "\0" in name
    if outside or not place.parent.resolve().is_relative_to(folder.resolve()):
        raise Impossible(f"the recorded file name {name!r} leads out of its folder")
    return place


def _has_commit(place: Path, commit: str) -> bool:
    try:
        _git(place, "cat-file", "-e", f"{commit}^{{commit}}")
    except Impossible:
        return False
    return True


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    try:
        done = git(folder, *arguments, given=stdin)
    except FileNotFoundError:
        raise Impossible("git is not installed here, and the recorded code is in a git repository") from None
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise Impossible(f"git {arguments[0]} failed: {why}")
    return done.stdout.decode("utf-8", "replace")
