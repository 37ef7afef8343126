"""Measure affidavit beside the limits of this machine and beside peers, in one run, as ratios with their goals.

``make bench`` prints these tables; each part says in its own file what is measured, and no figure is asserted anywhere.
"""

import os
import sys

from tests.bench import append, fingerprint, proofs, verify

__all__ = ["main"]


def main() -> None:
    """Measure and print."""
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    append.main()
    verify.main()
    proofs.main()
    fingerprint.main()


if __name__ == "__main__":
    main()
