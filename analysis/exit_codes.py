"""Exit codes of the command ``reengage``."""

from __future__ import annotations

__all__ = ["EXIT_DONE", "EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_NOT_AS_ASKED", "EXIT_USAGE"]

EXIT_DONE = 0
EXIT_NOT_AS_ASKED = 1
"""It ended, but a claim is not as expected, or not as ``--strict`` demands."""
EXIT_USAGE = 2
"""Bad usage or input."""
EXIT_FAILED = 3
"""A trial raised an error, a worker kept being killed, or the disk is full; everything finished is kept."""
EXIT_INTERRUPTED = 130
"""Interrupted, with everything finished kept."""
