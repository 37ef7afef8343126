"""Fuzz the parsers by coverage with atheris: `python -m tests.fuzz [--seconds N] [TARGET...]`.

Every target runs for a bounded time in a process of its own, from the vectors on. What makes a parser raise anything
but its refusals is kept in build/fuzz/<target>, and belongs into a test before it is mended. Exit status 1 where there
is such an input, 3 where atheris is not installed (`make fuzz` installs it into build/fuzz/atheris).
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS

FOLDER = Path("build/fuzz")
_DONE = re.compile(r"Done (\d+) runs")
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """How one target went: executions, edges of code covered, inputs kept, and the input that broke it, if any."""

    runs: int
    edges: int
    corpus: int
    broken: str


def fuzz(name: str, seconds: int) -> Fuzzed:
    """Run one target in a process of its own."""
    corpus = FOLDER / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(corpus)]
    command += [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]
    command.append(f"-artifact_prefix={FOLDER / name}/")
    # libFuzzer ends without Python's own clearing up: what a target leaves lies where `make clean` finds it.
    surroundings = {**os.environ, "TMPDIR": str((FOLDER / name).absolute())}
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, env=surroundings
    )
    (FOLDER / name / "log.txt").write_text(done.stdout + done.stderr)
    runs, coverage = _DONE.search(done.stderr), _COVERAGE.findall(done.stderr)
    edges, _, kept = coverage[-1] if coverage else (0, 0, 0)
    broken = "" if done.returncode == 0 else f"see {FOLDER / name / 'log.txt'}"
    return Fuzzed(int(runs[1]) if runs else 0, int(edges), int(kept), broken)


def main() -> int:
    """Fuzz the targets that are named, else all; print a row for each."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the parsers.")
    options.add_argument("--seconds", type=int, default=30, help="how long each target runs (default 30)")
    options.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of: {', '.join(TARGETS)}")
    wanted = options.parse_args()
    unknown = [name for name in wanted.targets if name not in TARGETS]
    if unknown:
        options.error(f"no target {', '.join(unknown)}")
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: NOT RUN: atheris is not installed (make fuzz does that, where there is a wheel of it)")
        return 3
    print(f"{'target':<16} {'executions':>10} {'edges':>6} {'corpus':>6}")
    broken = 0
    for name in wanted.targets or TARGETS:
        went = fuzz(name, wanted.seconds)
        broken += bool(went.broken)
        print(f"{name:<16} {went.runs:>10} {went.edges:>6} {went.corpus:>6}  {went.broken}", flush=True)
    print(f"{broken} targets raised what they should not" if broken else "every refusal was one of ours")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
