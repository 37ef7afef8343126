"""The state of a git repository: its commit, and a patch of all that differs from it.

Rules:

- git is asked by subprocess (`status --porcelain=v2`), with an index of its own: nothing of the user's repository
  changes. Where git cannot tell, a note says so.
- The patch holds every change of tracked files, every untracked `*.py` file, and the file that declares the
  pipeline even if git ignores it: applied to the commit it gives the code that ran. Files that usually hold secrets
  (`.env`, private keys), untracked ones that seem to hold one (`registry.untracked`) and ledgers stay out; a patch
  above 5 MB is not kept. Other untracked files are counted.
- `dirty` is true where the patch would hold something. Files that git was told to take as unchanged
  (`assume-unchanged`, `skip-worktree`) are looked at all the same.
- A remote is recorded without credentials (`registry.clean_urls`).

>>> top_of(Path("/"))
(None, 'the code is not in a git repository that can be read')
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from audit.canonical import JsonObject, storable
from audit.errors import EnvironmentFailed
from registry.artifacts import ArtifactStore
from registry.clean_urls import clean_remote
from registry.git import git
from registry.untracked import Untracked, sorted_out

__all__ = ["describe_tree", "top_of"]

MOST_PATCH = 5_000_000
_SECRETS = (
    *(".env", ".env.*", ".netrc", ".pgpass", ".pypirc", "credentials.json", "secrets.*"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "id_rsa", "id_ecdsa", "id_ed25519"),
)
_LEFT_OUT = [f":(exclude,glob,top)**/{name}" for name in (".affidavit/**", *_SECRETS)]


@dataclass(frozen=True, slots=True)
class _Status:
    """What `git status` says: untracked paths are relative to the top folder."""

    commit: str | None
    branch: str | None
    upstream: str | None
    changed: int
    submodules: int
    untracked: tuple[str, ...]


def top_of(folder: Path) -> tuple[Path | None, str]:
    """Return the top folder of the repository that holds a folder, or None and why there is none."""
    if shutil.which("git") is None:
        return None, "git is not installed"
    found = _git(folder, "rev-parse", "--show-toplevel")
    if found is None:
        return None, "the code is not in a git repository that can be read"
    return Path(os.fsdecode(found.removesuffix(b"\n"))), ""


def describe_tree(top: Path, file: Path | None, artifacts: ArtifactStore) -> JsonObject:
    """Compare the working tree with the commit and keep the patch; return what a run's `code` says of it.

    `file` is the one that declares the run. Raises `EnvironmentFailed` where the tree or a temporary folder fails.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="affidavit-") as work:
            return _described(top, file, Path(work), artifacts)
    except OSError as error:
        raise EnvironmentFailed(f"the state of the code cannot be read: {error.strerror or error}") from error


def _described(top: Path, file: Path | None, work: Path, artifacts: ArtifactStore) -> JsonObject:
    """Describe the tree; `work` is an empty folder for git's own files."""
    variables = _apart(top, work)
    status = _status(top, variables)
    if status is None:
        return {"note": "git could not read the state of the repository"}
    python = [path for path in status.untracked if path.endswith(".py")]
    if (ignored := _ignored(top, file, status, variables)) is not None:
        python.append(ignored)
    notes = [] if status.commit else ["the repository has no commit yet"]
    if ignored is not None:
        notes.append("git ignores the file that declares the run")
    untracked = sorted_out(top, python, _declaring(top, file), _is_secret)
    if status.submodules:
        notes.append("changes inside submodules are not in the patch")
    patch = None
    if dirty := bool(status.changed or python):
        patch, more = _keep_patch(top, untracked, status, work, variables, artifacts)
        notes += more
    described: JsonObject = {
        "commit": status.commit,
        "branch": status.branch,
        "remote": _remote(top, status),
        "dirty": dirty,
        "patch": patch,
        "untracked": len(status.untracked),
        "changed": status.changed,
        "untracked_python": untracked.to_json(),
    }
    return described | ({"note": "; ".join(notes)} if notes else {})


def _git(
    folder: Path, *arguments: str, variables: Mapping[str, str] | None = None, given: bytes = b""
) -> bytes | None:
    """Run git on what is `given` to it and return its output, or None where it fails."""
    try:
        done = git(
            folder, *arguments, given=given, variables={"GIT_OPTIONAL_LOCKS": "0"} | dict(variables or {})
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _status(top: Path, variables: Mapping[str, str]) -> _Status | None:
    output = _git(
        top,
        *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=none"),
        *("--", ".", ":(exclude,glob,top)**/.affidavit/**"),
        variables=variables,
    )
    return None if output is None else _parse_status(output)


def _parse_status(output: bytes) -> _Status:
    headers: dict[str, str] = {}
    changed = submodules = 0
    untracked: list[str] = []
    fields = iter(output.split(b"\0"))
    for field in fields:
        line = os.fsdecode(field)
        if line.startswith("# branch."):
            name, _, value = line.removeprefix("# branch.").partition(" ")
            headers[name] = value
        elif line.startswith("? "):
            untracked.append(line[2:])
        elif line[:2] in ("1 ", "2 ", "u "):
            changed += 1
            submodules += line.split(" ", 3)[2].startswith("S")
            if line.startswith("2 "):
                next(fields, None)  # a rename is followed by the name it had
    commit, branch = headers.get("oid"), headers.get("head")
    return _Status(
        commit=None if commit == "(initial)" else commit,
        branch=None if branch in (None, "(detached)") else storable(branch),
        upstream=headers.get("upstream"),
        changed=changed,
        submodules=submodules,
        untracked=tuple(untracked),
    )


def _ignored(top: Path, file: Path | None, status: _Status, variables: Mapping[str, str]) -> str | None:
    """Name the file that declares the run, if it is neither tracked nor counted among the untracked."""
    if file is None or not file.is_relative_to(top):
        return None
    path = file.relative_to(top).as_posix()
    known = _git(top, "ls-files", "-z", "--", f":(top,literal){path}", variables=variables)
    return None if known or path in status.untracked else path


def _declaring(top: Path, file: Path | None) -> str | None:
    """Name the file that declares the run from the top of the repository, if it is in it."""
    return file.relative_to(top).as_posix() if file is not None and file.is_relative_to(top) else None


def _remote(top: Path, status: _Status) -> str | None:
    names = (_git(top, "remote") or b"").decode("utf-8", "replace").split()
    if not names:
        return None
    upstream = [name for name in names if (status.upstream or "").startswith(f"{name}/")]
    name = (upstream or [name for name in names if name == "origin"] or names)[0]
    # `git remote get-url` would apply insteadOf rules, which people use to put a token in.
    url = _git(top, "config", "--get", f"remote.{name}.url")
    return clean_remote(storable(url.decode("utf-8", "replace").strip())) if url else None


def _keep_patch(
    top: Path,
    untracked: Untracked,
    status: _Status,
    work: Path,
    variables: Mapping[str, str],
    artifacts: ArtifactStore,
) -> tuple[str | None, list[str]]:
    """Keep the patch from the commit (or from nothing) to the working tree, and say what it leaves out."""
    if untracked.kept:
        # Intent-to-add shows whole new files in a diff without storing them; ignored ones have to be forced.
        add = ("add", "--intent-to-add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul")
        names = b"\0".join(os.fsencode(f":(top,literal){path}") for path in untracked.kept)
        if _git(top, *add, variables=variables, given=names) is None:
            return None, ["git could not make the patch"]
    base = status.commit or _empty_tree(top)
    patch = _limited_diff(top, base, work, variables)
    if patch is None:
        return None, ["git could not make the patch"]
    if len(patch) > MOST_PATCH:
        return None, [
            f"the uncommitted changes are larger than {MOST_PATCH // 1_000_000} MB and were not kept"
        ]
    secret = [f":(glob,top)**/{name}" for name in _SECRETS]
    left_out = untracked.left_out or _git(
        top, "diff", "--name-only", "-z", base, "--", *secret, variables=variables
    )
    notes = ["changes to files that usually hold secrets are not in the patch"] if left_out else []
    return (artifacts.put(patch) if patch else None), notes


def _limited_diff(top: Path, base: str, folder: Path, variables: Mapping[str, str]) -> bytes | None:
    """Write the diff to a file and read back one byte more than is kept at most."""
    output = folder / "patch"
    options = ("--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
    prefixes = ("--src-prefix=a/", "--dst-prefix=b/", f"--output={output}")
    if _git(top, "diff", *options, *prefixes, base, "--", ".", *_LEFT_OUT, variables=variables) is None:
        return None
    with output.open("rb") as stream:
        return stream.read(MOST_PATCH + 1)


def _apart(top: Path, folder: Path) -> dict[str, str]:
    """Give git a copy of the index and a place of its own for new objects: the user's stay as they are.

    In the copy no file is marked as one to be taken as unchanged.
    """
    copy, objects = folder / "index", folder / "objects"
    objects.mkdir()
    index = _inside(top, "index")
    if index.is_file():
        shutil.copy2(index, copy)
    quoted = str(_inside(top, "objects")).replace("\\", "\\\\").replace('"', '\\"')
    variables = {
        "GIT_INDEX_FILE": str(copy),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
    }
    if hidden := _hidden(top):
        for mark in ("--no-assume-unchanged", "--no-skip-worktree"):
            _git(top, "update-index", mark, "-z", "--stdin", variables=variables, given=b"\0".join(hidden))
    return variables


def _hidden(top: Path) -> list[bytes]:
    """List the files that git was told to take as unchanged, but for those a sparse checkout leaves out."""
    fields = [field.partition(b" ") for field in (_git(top, "ls-files", "-v", "-z") or b"").split(b"\0")]
    # A small letter is assume-unchanged, an S skip-worktree.
    return [
        path
        for mark, _, path in fields
        if mark.islower() or (mark == b"S" and os.path.lexists(top / os.fsdecode(path)))
    ]


def _inside(top: Path, name: str) -> Path:
    """Find a place inside git's own folder, wherever that is (a worktree's is elsewhere)."""
    found = _git(top, "rev-parse", "--git-path", name)
    return (top / os.fsdecode((found or b".git").removesuffix(b"\n"))).resolve()


def _empty_tree(top: Path) -> str:
    found = _git(top, "hash-object", "-t", "tree", os.devnull)
    return found.decode().strip() if found else "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def _is_secret(path: str) -> bool:
    return any(PurePosixPath(path).match(pattern) for pattern in _SECRETS)
