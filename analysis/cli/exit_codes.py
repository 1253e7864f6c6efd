"""Exit codes of the command ``reengage``, and the line that goes with those that are errors."""

from __future__ import annotations

import sys

__all__ = ["EXIT_DONE", "EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_NOT_AS_ASKED", "EXIT_USAGE", "complain", "one_line"]

EXIT_DONE = 0
EXIT_NOT_AS_ASKED = 1
"""It ended, but a claim is not as expected, or not as ``--strict`` demands."""
EXIT_USAGE = 2
"""Bad usage or input."""
EXIT_FAILED = 3
"""A trial raised an error, a worker kept being killed, or the disk is full; everything finished is kept."""
EXIT_INTERRUPTED = 130
"""Interrupted, with everything finished kept."""


def one_line(text: str) -> str:
    """The text without line breaks of any kind, which names of files may have."""
    return " ".join(text.splitlines())


def complain(command: str, text: str) -> None:
    """One line about an error, to the standard error stream."""
    print(f"reengage {command}: error: {one_line(text)}", file=sys.stderr)
