"""Injects faults into runs at random moments and counts what is lost, doubled or wrong afterwards.

    make test-faults                                    about 250 faults, every kind; some minutes
    PYTHONPATH=tests python -m faults --kinds SIGINT --times 50 --seed 7

Exit code 1 if anything was lost, doubled or wrong. Needs Linux.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from faults import disks
from faults.injecting import KINDS, Bench

TIMES = {
    "SIGKILL of the driver": 40,
    "SIGKILL of a worker": 16,
    "SIGINT": 25,
    "SIGTERM": 25,
    "disk full": 25,
    "read-only run directory": 10,
    "truncated store": 16,
    "flipped bytes": 24,
    "SIGKILL of a repair": 12,
    "two drivers": 15,
    "lock of a dead driver": 15,
    "clock that jumps": 15,
    "NaN or inf in a learner": 15,
}
"""How often each, by default."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; 1 if anything was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(description="Faults at random moments, and what they cost: nothing.")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the damage (default: 0)")
    parser.add_argument("--times", type=int, help=f"faults of each kind (default: {sum(TIMES.values())} in all)")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), metavar="KIND", help="only these")
    arguments = parser.parse_args(argv)
    mounts = disks.can_mount()
    if not mounts:
        print("no file systems can be mounted here: no read-only directory, and limits on files for a full disk")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), random.Random(arguments.seed), mounts)
        for kind in arguments.kinds or KINDS:
            begun = time.monotonic()
            bench.inject(kind, arguments.times or TIMES[kind])
            print(f"{bench.faults[kind]:5d}  {kind:<28}{time.monotonic() - begun:6.0f} s", flush=True)
    print(f"{sum(bench.faults.values()):5d}  in all{' ' * 22}{time.monotonic() - started:6.0f} s")
    print(f"lost {bench.lost}, doubled {bench.doubled}, wrong {bench.wrong}")
    for note in bench.notes:
        print(note)
    return 1 if bench.lost or bench.doubled or bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
