"""Look for wrong noes in the lineage of made-up queries: `python -m tests.sql_fuzz [--seconds N] [--seed N]`.

Each query is run with one input column changed at a time. Where an output moves and the lineage says that it does not
depend on that column, the query is printed, and belongs into tests/test_sql_truth.py before it is mended. Exit status
1 where one also escapes the database's plan, so that a run would record it.
"""

import argparse
import sys
import time
from collections import Counter

from tests.sql_fuzz.oracle import Databases
from tests.sql_fuzz.queries import made_up
from tests.sql_fuzz.trial import try_out

SHOWN = 8


def main() -> int:
    """Try queries until the time is up, and print what came of them."""
    options = argparse.ArgumentParser(prog="python -m tests.sql_fuzz", description="Look for wrong noes.")
    options.add_argument("--seconds", type=float, default=60, help="how long to look (default 60)")
    options.add_argument("--seed", type=int, default=0, help="the seed of the first query (default 0)")
    wanted = options.parse_args()
    outcomes: Counter[str] = Counter()
    whys: Counter[str] = Counter()
    links = idle = escaped = 0
    databases, seed, begun = Databases(), wanted.seed, time.monotonic()
    while time.monotonic() - begun < wanted.seconds:
        trial = try_out(made_up(seed), databases)
        outcomes[trial.outcome] += 1
        links, idle, escaped = links + trial.links, idle + trial.idle, escaped + trial.escaped
        if trial.outcome == "not understood":
            whys[trial.why[:60]] += 1
        if trial.outcome in ("wrong no", "refuted"):
            print(f"seed {seed}, {trial.outcome}: {' '.join(trial.wrong) or trial.why}")
            print(f"  {made_up(seed)}", flush=True)
        seed += 1
    databases.close()
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common()))
    for why, count in whys.most_common(SHOWN):
        print(f"{count:>6} {why}")
    print(
        f"of {links} links of columns {idle} moved nothing; {escaped} wrong noes escaped the database's plan"
    )
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
