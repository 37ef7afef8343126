"""A sample of `make faults`: at some points of every scene, each fault loses nothing that was acknowledged.

Where strace may not trace, or no file system can be mounted, the tests say that they were skipped; in CI they fail.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import full_disk, postgresql, strace
from tests.faults.followers import follower_rows
from tests.faults.power import Loss, judged, losses, power_rows, recorded
from tests.faults.scenes import SCENES
from tests.faults.strace import FAULTS, ROOT, Actor, Fault, Point, actor, points, strike

KILL, EIO, _, _, ENOSPC_ONWARDS = FAULTS


def must_run(reason: str | None) -> None:
    """Skip a test for a reason of this machine's, but never in CI."""
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"FAULTS NOT INJECTED: {reason}")
    if reason:
        pytest.skip(f"FAULTS NOT INJECTED: {reason}")


@pytest.fixture(scope="module")
def acting() -> Iterator[Actor]:
    must_run(strace.why_not())
    with actor() as started:
        yield started


@pytest.fixture
def template(tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir()
    return folder


def some(found: list[Point]) -> list[Point]:
    """Take the last point of each system call on each file, but for SQLite's shared memory, which is made anew."""
    return list({(p.call, p.file): p for p in found if not p.file.endswith("-shm")}.values())


@pytest.mark.parametrize(
    ("scene", "faults", "reached"),
    [
        ("append", (KILL, ENOSPC_ONWARDS), {"ledger.db", "ledger.db-wal", "anchor.checkpoint"}),
        ("artifact", (KILL, EIO), {"artifacts/sha256"}),
        ("key", (KILL, EIO), {"keys"}),
        ("witness", (KILL, EIO), {"state"}),
        ("anchors", (KILL, EIO), set()),
    ],
)
def test_whatever_strikes_nothing_acknowledged_is_lost_and_nothing_is_half_written(
    template: Path, acting: Actor, scene: str, faults: tuple[Fault, ...], reached: set[str]
) -> None:
    SCENES[scene].prepare(template)
    chosen = some(points(acting, scene, template))
    assert reached <= {point.file for point in chosen}
    rows = [strike(acting, scene, template, point, fault) for point in chosen for fault in faults]
    assert [row for row in rows if not row.survived] == []


@pytest.mark.parametrize(
    ("scene", "call", "file"),
    [
        ("init", "link", "kept"),
        ("init", "rename", ""),
        ("erase", "pwrite64", "ledger.db-wal"),
        ("export", "rename", "new-"),
        ("new-tiles", "mkdir", "tile/entries"),
    ],
)
def test_a_command_that_was_killed_did_all_or_nothing_and_does_it_when_typed_again(
    template: Path, acting: Actor, scene: str, call: str, file: str
) -> None:
    SCENES[scene].prepare(template)
    point = [p for p in points(acting, scene, template) if p.call == call and file in p.file][-1]
    row = strike(acting, scene, template, point, KILL)
    assert (row.survived, row.outcome) in [(True, "killed, nothing written"), (True, "killed, written")]


def not_synchronised(found: list[Loss]) -> list[Loss]:
    """Take some states of each kind, and the first after something was acknowledged."""
    acknowledged = [loss for loss in found if loss.said]
    return [*found[:: 1 + len(found) // 6], *acknowledged[:2]]


@pytest.mark.parametrize("scene", ["append", "key", "artifact", "anchors"])
def test_a_loss_of_power_takes_nothing_acknowledged_and_leaves_nothing_half_written(
    template: Path, acting: Actor, scene: str
) -> None:
    SCENES[scene].prepare(template)
    rows = list(power_rows(acting, scene, template, not_synchronised))
    assert [row for row in rows if not row.survived] == []
    assert any(row.outcome.startswith("acknowledged") for row in rows)


def test_an_anchor_that_a_loss_of_power_left_without_its_ledger_keeps_nobody_from_making_it(
    template: Path, acting: Actor
) -> None:
    def anchor_made(found: list[Loss]) -> list[Loss]:
        return [loss for loss in found if loss.point.call == "link" and loss.point.file.startswith("kept/")]

    SCENES["init"].prepare(template)
    rows = list(power_rows(acting, "init", template, anchor_made))
    assert rows
    assert [row for row in rows if not row.survived] == []


@pytest.mark.parametrize("scene", ["append", "key"])
def test_without_its_synchronising_a_loss_of_power_would_take_what_was_acknowledged(
    template: Path, acting: Actor, scene: str
) -> None:
    SCENES[scene].prepare(template)
    disk, lines = recorded(acting, scene, template)
    careless = [line for line in lines if "sync(" not in line]
    assert len(careless) < len(lines)
    loss = next(found for found in losses(disk, careless) if found.said)
    assert loss.kept == "what was synchronised"
    assert not judged(scene, template.with_name("struck"), loss).survived


def test_a_disk_that_is_full_stops_a_command_with_status_3_and_one_sentence(
    template: Path, acting: Actor
) -> None:
    SCENES["command"].prepare(template)
    found = points(acting, "command", template)
    point = next(p for p in found if p.call == "pwrite64" and p.file.endswith("-wal"))
    row = strike(acting, "command", template, point, ENOSPC_ONWARDS)
    assert (row.survived, row.outcome) == (True, "EnvironmentFailed, nothing written")


def test_a_fault_that_strikes_nowhere_is_not_counted_as_survived(template: Path, acting: Actor) -> None:
    row = strike(acting, "key", template, Point("pwrite64", 9, ""), EIO)
    assert (row.survived, row.outcome) == (False, "the point was not reached")


def test_a_follower_that_raises_leaves_nothing_written(tmp_path: Path) -> None:
    rows = list(follower_rows(tmp_path))
    assert len(rows) == 9
    assert {outcome.partition(", ")[2] for _, _, outcome in rows} == {"nothing written"}


def test_on_a_disk_that_is_really_full_an_append_is_refused_and_later_goes_on(tmp_path: Path) -> None:
    must_run(full_disk.why_not())
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(full_disk.command(disk, 14), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused, written = (done.stdout.count(word) for word in ("nothing written", "acknowledged, written"))
    assert refused > 0
    assert written >= full_disk.ENOUGH


def test_a_postgresql_server_that_is_struck_at_its_writes_loses_nothing_acknowledged(tmp_path: Path) -> None:
    must_run(strace.why_not() or postgresql.why_not())
    rows = list(postgresql.postgresql_rows(tmp_path, (KILL,), lambda found: [found[0], found[-1]]))
    assert {row.point.call for row in rows} == {"pwrite64", "fdatasync"}
    assert [row for row in rows if not row.survived] == []
