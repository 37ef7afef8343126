"""Measure affidavit beside the limits of this machine and beside peers, in one run, as ratios with their goals.

``make bench`` prints these tables; each part says in its own file what is measured, and no figure is asserted anywhere.
"""

import os
import sys

from tests.bench import append, fingerprint, peers, proofs, shared, verify

__all__ = ["main"]


def main() -> None:
    """Measure and print."""
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    for part in (append, shared, peers, verify, proofs, fingerprint):
        part.main()


if __name__ == "__main__":
    main()
