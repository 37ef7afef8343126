"""Measure affidavit beside the limits of this machine and beside peers, in one run, as ratios with their goals.

``make bench`` prints these tables; each part says in its own file what is measured, and no figure is asserted anywhere.
"""

import os
import sys
from pathlib import Path

from tests.bench import append, fingerprint, peers, proofs, shared, verify

__all__ = ["main"]

PEERS = Path("build/peers")
"""Where `make bench` puts peers that are no dependency, behind what is installed: no library of ours is another's."""

BUSY = 0.5
"""What runs for each processor, beyond which others take a part of what is measured."""


def main() -> None:
    """Measure and print."""
    sys.path.append(str(PEERS.resolve()))
    processors = os.cpu_count() or 1
    print(f"Python {sys.version.split()[0]}, {processors} processors")
    if (load := os.getloadavg()[0]) > BUSY * processors:
        print(
            f"Busy: a load of {load:.1f} before anything was measured, so that goals may be missed that are met alone"
        )
    for part in (append, shared, peers, verify, proofs, fingerprint):
        print(f"\n{str(part.__doc__).partition(chr(10))[0]}")
        part.main()


if __name__ == "__main__":
    main()
