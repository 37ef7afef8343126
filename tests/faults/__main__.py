"""Print the table of faults: `python -m tests.faults [SCENE...]`.

Every fault at every point of every scene, then a loss of power in each, a follower that raises, a disk that is really
full, and a PostgreSQL server that is struck. `power=append` is the loss of power in one scene. Exit status 1 where a
fault was not survived, 3 where some cannot be injected on this machine.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.faults import full_disk, postgresql, strace
from tests.faults.followers import follower_rows
from tests.faults.power import power_rows
from tests.faults.scenes import SCENES
from tests.faults.strace import FAULTS, Row, actor, points, strike

POWER = {f"power={name}": name for name in SCENES}
OTHERS = (*POWER, "follower", "full-disk", "postgres")


def main(wanted: Sequence[str]) -> int:
    """Print the table of the scenes that are wanted, else of all."""
    unknown = set(wanted) - {*SCENES, *OTHERS}
    if unknown:
        print(
            f"faults: no scene {', '.join(sorted(unknown))}: the scenes are {', '.join([*SCENES, *OTHERS])}"
        )
        return 2
    chosen = list(wanted) or [*SCENES, *OTHERS]
    reason = strace.why_not()
    if reason and set(chosen) & {*SCENES, *POWER}:
        print(f"faults: NOT RUN: {reason}")
        return 3
    began = time.monotonic()
    status = 0
    with tempfile.TemporaryDirectory() as place:
        rows = _shown(_struck(Path(place), [name for name in chosen if name in SCENES]))
        rows += _shown(_without_power(Path(place), [POWER[name] for name in chosen if name in POWER]))
        if "follower" in chosen:
            for point, fault, outcome in follower_rows(Path(place) / "follower"):
                print(f"follower  {point:<46} {fault:<20} {outcome}")
        if "full-disk" in chosen:
            status = _full_disk(Path(place) / "disk")
        if "postgres" in chosen:
            reason = reason or postgresql.why_not()
            rows += _shown(postgresql.postgresql_rows(Path(place)) if not reason else [])
            if reason:
                print(f"postgres: NOT RUN: {reason}")
                status = 3
    lost = _summary(rows)
    print(
        f"{len(rows)} faults by strace and losses of power, {lost} not survived, {time.monotonic() - began:.0f} s"
    )
    return 1 if lost else status


def _struck(place: Path, scenes: Sequence[str]) -> Iterator[Row]:
    with actor() as acting:
        for scene in scenes:
            template = _prepared(place, scene)
            for point in points(acting, scene, template):
                yield from (strike(acting, scene, template, point, fault) for fault in FAULTS)


def _without_power(place: Path, scenes: Sequence[str]) -> Iterator[Row]:
    with actor() as acting:
        for scene in scenes:
            yield from power_rows(acting, scene, _prepared(place / "power", scene))


def _prepared(place: Path, scene: str) -> Path:
    template = place / scene / "template"
    template.mkdir(parents=True)
    SCENES[scene].prepare(template)
    return template


def _shown(rows: Iterable[Row]) -> list[Row]:
    """Print each row as it comes."""
    kept = []
    for row in rows:
        said = row.outcome if row.survived else f"NOT SURVIVED: {row.outcome}"
        print(f"{row.scene:<9} {row.point!s:<46} {row.fault.name:<20} {said}", flush=True)
        kept.append(row)
    return kept


def _full_disk(disk: Path) -> int:
    reason = full_disk.why_not()
    if reason:
        print(f"full disk: NOT RUN: {reason}")
        return 3
    disk.mkdir()
    return 1 if subprocess.run(full_disk.command(disk), check=False).returncode else 0


def _summary(rows: Sequence[Row]) -> int:
    """Print how often each outcome came; return how many faults were not survived."""
    print()
    for (scene, outcome), count in sorted(Counter((r.scene, r.outcome) for r in rows if r.survived).items()):
        print(f"{count:>5} {scene}: {outcome}")
    return sum(not row.survived for row in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
