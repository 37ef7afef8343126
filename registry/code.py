"""The code a run used: the commit, what differs from it, and the source of every step.

Rules:

- git is asked by subprocess (`status --porcelain=v2`), with an index of its own: nothing of the user's repository
  changes. Where there is no git, no repository or no commit, the fields are null and a note says why.
- The patch holds every change of tracked files and every untracked `*.py` file: applied to the commit it gives the
  code that ran. Files that usually hold secrets (`.env`, private keys) and ledgers stay out; a patch above
  5 MB is not kept. Other untracked files are counted.
- `dirty` is true where a tracked file differs or an untracked `*.py` file lies about.
- A remote is recorded without user, password, query and fragment; a remote that is a folder by its name alone.

>>> clean_remote("https://alice:secret@example.org/team/models.git?token=1")
'https://example.org/team/models.git'
>>> clean_remote("git@example.org:team/models.git")
'example.org:team/models.git'
"""

import inspect
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from audit.canonical import JsonObject
from registry.artifacts import ArtifactStore

__all__ = ["clean_remote", "describe_code", "keep_source"]

MOST_PATCH = 5_000_000
_SECRETS = (".env", ".env.*", "*.pem", "*.key", "id_rsa", "id_ed25519")
_LOCAL = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    }
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


def describe_code(
    folder: Path, artifacts: ArtifactStore, *, target: str | None = None, file: Path | None = None
) -> JsonObject:
    """Return the run predicate's `code` for the repository that holds `folder`.

    `target` is what was asked to run and `file` the file that declares it, which is kept as an artifact.
    """
    described: JsonObject = {
        "commit": None,
        "branch": None,
        "remote": None,
        "dirty": None,
        "patch": None,
        "untracked": None,
        "target": target,
        "source": artifacts.put_file(file) if file is not None and file.is_file() else None,
    }
    top, why = _top(folder)
    described["target"] = _relative(target, top or folder)
    if top is None:
        return described | {"note": why}
    status = _status(top)
    if status is None:
        return described | {"note": "git could not read the state of the repository"}
    python = [path for path in status.untracked if path.endswith(".py")]
    described["commit"], described["branch"] = status.commit, status.branch
    described["remote"] = _remote(top, status)
    described["untracked"] = len(status.untracked)
    described["dirty"] = bool(status.changed or python)
    notes = [] if status.commit else ["the repository has no commit yet"]
    if status.submodules:
        notes.append("changes inside submodules are not in the patch")
    if described["dirty"]:
        described["patch"], note = _keep_patch(top, python, status, artifacts)
        notes += note
    return described | ({"note": "; ".join(notes)} if notes else {})


def keep_source(function: Callable[..., object], artifacts: ArtifactStore) -> str | None:
    """Keep the dedented source of a function and return its digest, or None where there is no source."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    return artifacts.put(source.encode("utf-8", "backslashreplace"))


def clean_remote(url: str) -> str | None:
    """Return a remote without anything that may be a credential; None where it cannot be told apart."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*::", url):
        return None  # a remote helper's address may hold a command line
    if "://" in url:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
        if parts.scheme == "file":
            return f"file:{PurePosixPath(parts.path).name}"
        # An @ that is left over can be the rest of a password with a slash in it.
        if not host or "@" in parts.path:
            return None
        return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"
    scp = re.fullmatch(r"(?:[^/]*@)?([^/:@]+:[^@]*)", url)
    if scp and not re.match(r"[a-zA-Z]:\\", url):
        return re.split(r"[?#]", scp[1])[0]
    return None if "@" in url else f"file:{PurePosixPath(url).name}"


def _git(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> bytes | None:
    """Run git and return its output, or None where it fails."""
    # The repository's hooks and monitors are other people's programs: asking a question must not run them.
    settings = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.quotePath=false")
    command = ["git", "-C", str(folder), *(part for value in settings for part in ("-c", value)), *arguments]
    # Inside a git hook these name the hook's repository, not the one that holds `folder`.
    environment = {name: value for name, value in os.environ.items() if name not in _LOCAL}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, env=environment | dict(variables or {})
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _top(folder: Path) -> tuple[Path | None, str]:
    if shutil.which("git") is None:
        return None, "git is not installed"
    found = _git(folder, "rev-parse", "--show-toplevel")
    if found is None:
        return None, "the code is not in a git repository that can be read"
    return Path(os.fsdecode(found.removesuffix(b"\n"))), ""


def _status(top: Path) -> _Status | None:
    output = _git(
        top,
        *("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=none"),
        *("--", ".", ":(exclude,glob,top)**/.affidavit/**"),
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
        branch=None if branch in (None, "(detached)") else _printable(branch),
        upstream=headers.get("upstream"),
        changed=changed,
        submodules=submodules,
        untracked=tuple(untracked),
    )


def _remote(top: Path, status: _Status) -> str | None:
    names = (_git(top, "remote") or b"").decode("utf-8", "replace").split()
    if not names:
        return None
    upstream = [name for name in names if (status.upstream or "").startswith(f"{name}/")]
    name = (upstream or [name for name in names if name == "origin"] or names)[0]
    # `git remote get-url` would apply insteadOf rules, which people use to put a token in.
    url = _git(top, "config", "--get", f"remote.{name}.url")
    return clean_remote(_printable(url.decode("utf-8", "replace").strip())) if url else None


def _keep_patch(
    top: Path, python: list[str], status: _Status, artifacts: ArtifactStore
) -> tuple[str | None, list[str]]:
    """Keep the patch from the commit (or from nothing) to the working tree, and say what it leaves out."""
    python = [path for path in python if not _is_secret(path)]
    with tempfile.TemporaryDirectory(prefix="affidavit-") as folder:
        variables = _apart(top, Path(folder))
        if python:
            # Intent-to-add shows whole new files in a diff without storing them.
            names = Path(folder) / "untracked"
            names.write_bytes(b"\0".join(os.fsencode(f":(top,literal){path}") for path in python))
            add = ("add", "--intent-to-add", f"--pathspec-from-file={names}", "--pathspec-file-nul")
            if _git(top, *add, variables=variables) is None:
                return None, ["git could not make the patch"]
        base = status.commit or _empty_tree(top)
        patch = _limited_diff(top, base, Path(folder), variables)
    if patch is None:
        return None, ["git could not make the patch"]
    if len(patch) > MOST_PATCH:
        return None, [
            f"the uncommitted changes are larger than {MOST_PATCH // 1_000_000} MB and were not kept"
        ]
    left_out = _git(
        top, "diff", "--name-only", "-z", base, "--", *(f":(glob,top)**/{name}" for name in _SECRETS)
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
    """Give git a copy of the index and a place of its own for new objects: the user's stay as they are."""
    copy, objects = folder / "index", folder / "objects"
    objects.mkdir()
    index = _inside(top, "index")
    if index.is_file():
        shutil.copy2(index, copy)
    quoted = str(_inside(top, "objects")).replace("\\", "\\\\").replace('"', '\\"')
    return {
        "GIT_INDEX_FILE": str(copy),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
    }


def _inside(top: Path, name: str) -> Path:
    """Find a place inside git's own folder, wherever that is (a worktree's is elsewhere)."""
    found = _git(top, "rev-parse", "--git-path", name)
    return (top / os.fsdecode((found or b".git").removesuffix(b"\n"))).resolve()


def _empty_tree(top: Path) -> str:
    found = _git(top, "hash-object", "-t", "tree", os.devnull)
    return found.decode().strip() if found else "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def _is_secret(path: str) -> bool:
    return any(PurePosixPath(path).match(pattern) for pattern in _SECRETS)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _relative(target: str | None, folder: Path) -> str | None:
    """Name a target's file from the top of the repository; one elsewhere by its name alone."""
    if target is None:
        return None
    path, colon, name = target, "", ""
    if not target.endswith(".py"):
        path, colon, name = target.rpartition(":")
    if not path.endswith(".py"):
        return _printable(target)
    whole = Path(path).resolve()
    top = folder.resolve()
    short = whole.relative_to(top).as_posix() if whole.is_relative_to(top) else whole.name
    return _printable(f"{short}{colon}{name}")
