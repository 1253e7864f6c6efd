"""The entry point of the command ``reengage``: it answers Ctrl-C from the first moment on.

The command proper imports torch and scipy, which takes seconds; it is imported in here.
"""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> int:
    """Run the command; returns the exit code."""
    # The process is the command's own: one arithmetic thread here and, inherited, in every worker. Set before the
    # libraries load, which read it once.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    try:
        from analysis.cli import main as run

        return run()
    except BrokenPipeError:
        # Whoever read the output has had enough (`| head`). Nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell reports of a command ended by SIGPIPE
    except KeyboardInterrupt:
        print("interrupted before anything was run", file=sys.stderr)
        return 130
