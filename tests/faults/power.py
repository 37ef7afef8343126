"""Loss of power: what a scene wrote is recorded by strace, and it is judged on every state that a disk may be left in.

A kill leaves what the kernel holds; a loss of power does not. `tests.faults.disk` says which states are possible. Each
is put in the place of the scene's folder and judged like what a kill leaves: everything that was acknowledged up to
then is there, nothing is there by half, and the scene goes on.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.disk import Disk, State
from tests.faults.outcome import Said
from tests.faults.scenes import SCENES
from tests.faults.strace import ROOT, Actor, Fault, Point, Row, copied

__all__ = ["Loss", "judged", "losses", "power_rows", "put", "recorded"]

_CALLS = (
    *("openat", "lseek", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "rename", "link", "linkat"),
    *("unlink", "unlinkat", "mkdir", "rmdir", "chdir", "sendto"),
)
_UNKNOWN = (
    "writev",
    "pwritev",
    "pwritev2",
    "copy_file_range",
    "sendfile",
    "truncate",
    "renameat",
    "renameat2",
)
"""Calls that change a disk too and are not followed: a scene that makes one is not judged at all."""

_SHOWN = ("-xx", "-s", "10000000", "-e", f"trace={','.join((*_CALLS, *_UNKNOWN, 'mkdirat'))}")
_LINE = re.compile(r"\d+ +(?P<call>\w+)\((?P<arguments>.*)\) += (?P<answer>-?\d+)")
_ARGUMENT = re.compile(
    r'"(?P<text>(?:\\x[0-9a-f]{2})*)"|(?P<number>AT_FDCWD|-?\d+)(?:<(?P<file>[^>]*)>)?|[A-Z_|0-9x]+'
)


@dataclass(frozen=True, slots=True)
class Loss:
    """A state that a disk may be left in after so many calls, and what was said before the power went."""

    point: Point
    kept: str
    state: State
    said: Said


def power_rows(
    acting: Actor, scene: str, template: Path, chosen: Callable[[list[Loss]], Sequence[Loss]] = list
) -> Iterator[Row]:
    """Judge a scene on every state, or on those that are chosen of them."""
    for loss in chosen(losses(*recorded(acting, scene, template))):
        yield judged(scene, template.with_name("struck"), loss)


def recorded(acting: Actor, scene: str, template: Path) -> tuple[Disk, list[str]]:
    """Record what a scene does; return the disk as it was before, and the calls."""
    with copied(template) as folder:
        disk = Disk(folder)
        _, _, lines = acting.run(scene, folder, None, _SHOWN)
    return disk, lines


def losses(disk: Disk, lines: Sequence[str]) -> list[Loss]:
    """List the states after each call that are not the same as one before."""
    replay, found, seen = _Replay(disk), list[Loss](), set[tuple[bytes, int]]()
    for line in lines:
        point = replay.follow(line)
        if point is None:
            continue
        for kept, state in disk.states():
            key = (_digest(state), len(replay.said))
            if key not in seen:
                seen.add(key)
                found.append(Loss(point, kept, state, tuple(replay.said)))
    assert replay.said, "nothing was acknowledged"
    return found


def judged(scene: str, folder: Path, loss: Loss) -> Row:
    """Put a state in the place of the scene's folder, and judge it."""
    put(folder, loss.state)
    fault = Fault(f"power: {loss.kept}", "")
    try:
        return Row(scene, loss.point, fault, SCENES[scene].judge(folder, loss.said), survived=True)
    except Exception as error:
        return Row(scene, loss.point, fault, f"{type(error).__name__}: {error}", survived=False)
    finally:
        shutil.rmtree(folder)


class _Replay:
    """Does to a disk what strace saw a process do, and keeps what the process told."""

    def __init__(self, disk: Disk) -> None:
        self.disk, self.said, self.count = disk, list[Sequence[object]](), 0
        self._folder, self._places, self._heard = str(ROOT), dict[str, int](), b""

    def follow(self, line: str) -> Point | None:
        """Follow one line; return where the disk or what was said has changed, or None."""
        matched = _LINE.match(line)
        assert matched is not None or "resumed" not in line, f"two threads at once: {line[:200]}"
        if matched is None or matched["answer"].startswith("-"):
            return None
        call, answer = matched["call"], int(matched["answer"])
        files, texts, numbers = _arguments(matched["arguments"])
        if call == "sendto":
            return self._hear(texts[0])
        if call == "chdir":
            self._folder = self._path(texts[0])
            return None
        path = self._path(files[0] if files and call not in _NAMED else texts[0])
        if call == "unlinkat" and files:
            # Named in a folder that is open: as `shutil.rmtree` goes through it, whatever is renamed meanwhile.
            path = self._path(files[0] + b"/" + texts[0])
        if not self.disk.inside(path):
            return None
        assert call in _CALLS, f"{call} on {path} is not followed"
        if not self._do(call, path, texts, numbers, answer, matched["arguments"]):
            return None
        self.count += 1
        return Point(call, self.count, path.rpartition("/struck/")[2])

    def _do(
        self,
        call: str,
        path: str,
        texts: Sequence[bytes],
        numbers: Sequence[str],
        answer: int,
        all_of_it: str,
    ) -> bool:
        """Do one call; say whether the disk may be another now."""
        disk, known = self.disk, self.disk.exists
        match call:
            case "openat":
                self._places[str(answer)] = disk.length(path) if "O_APPEND" in all_of_it else 0
                if "O_CREAT" in all_of_it and not known(path):
                    disk.make(path)
                elif "O_TRUNC" in all_of_it:
                    disk.cut(path, 0)
                else:
                    return False
            case "lseek":
                self._places[numbers[0]] = answer
                return False
            case "write":
                place = self._places[numbers[0]]
                disk.write(path, place, texts[0][:answer])
                self._places[numbers[0]] = place + answer
            case "pwrite64":
                disk.write(path, int(numbers[-1]), texts[0][:answer])
            case "ftruncate":
                disk.cut(path, int(numbers[-1]))
            case "fsync" | "fdatasync":
                disk.sync(path)
            case "rename":
                disk.rename(path, self._path(texts[1]))
            case "link" | "linkat":
                disk.link(path, self._path(texts[1]))
            case "mkdir":
                disk.make(path, folder=True)
            case _:
                disk.unlink(path)
        return True

    def _hear(self, data: bytes) -> Point | None:
        """Take up what the process told; only whole lines were said."""
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in filter(None, lines):
            self.said.append(json.loads(line))
        return Point("said", len(self.said), "")

    def _path(self, named: bytes) -> str:
        return str(Path(self._folder, named.decode()))


_NAMED = ("openat", "rename", "link", "linkat", "unlink", "mkdir", "rmdir")


def _arguments(text: str) -> tuple[list[bytes], list[bytes], list[str]]:
    """Return the files of descriptors, the texts, and the numbers among the arguments of a call."""
    found = list(_ARGUMENT.finditer(text))
    files = [_bytes(one["file"]) for one in found if one["file"] is not None and one["number"] != "AT_FDCWD"]
    texts = [_bytes(one["text"]) for one in found if one["text"] is not None]
    return files, texts, [one["number"] for one in found if one["number"] is not None]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _digest(state: State) -> bytes:
    found = hashlib.sha256()
    for path in sorted(state):
        data = state[path]
        found.update(repr((path, data if data is None else hashlib.sha256(data).digest())).encode())
    return found.digest()


def put(folder: Path, state: State) -> None:
    """Write a state into a folder that is not there."""
    folder.mkdir()
    for path, data in state.items():
        place = folder / path
        if data is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            # Key files are read only where others cannot.
            place.touch(0o600)
            place.write_bytes(data)
