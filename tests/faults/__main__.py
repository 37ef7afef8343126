"""Print the table of faults: `python -m tests.faults [SCENE...]`. Exit status 1 where one was not survived."""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.scenes import SCENES
from tests.faults.strace import FAULTS, Row, actor, points, strike, why_not


def main(scenes: list[str]) -> int:
    """Strike every point of every scene with every fault."""
    reason = why_not()
    if reason:
        print(f"faults: NOT RUN: {reason}")
        return 3
    rows: list[Row] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place, actor() as acting:
        for scene in scenes or list(SCENES):
            template = Path(place) / scene / "template"
            template.mkdir(parents=True)
            SCENES[scene].prepare(template)
            for point in points(acting, scene, template):
                for fault in FAULTS:
                    row = strike(acting, scene, template, point, fault)
                    rows.append(row)
                    said = row.outcome if row.survived else f"NOT SURVIVED: {row.outcome}"
                    print(f"{row.scene:<9} {row.point!s:<46} {row.fault.name:<20} {said}", flush=True)
    lost = sum(not row.survived for row in rows)
    print()
    for (scene, outcome), count in sorted(Counter((r.scene, r.outcome) for r in rows if r.survived).items()):
        print(f"{count:>5} {scene}: {outcome}")
    print(f"{len(rows)} faults, {lost} not survived, {time.monotonic() - began:.0f} s")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
