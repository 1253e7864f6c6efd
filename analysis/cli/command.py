"""The entry point of the command ``reengage``: it answers Ctrl-C, and SIGTERM alike, from the first moment on.

The command proper imports torch and scipy, which takes seconds; it is imported in here.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

__all__ = ["main"]

_INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _interrupt(signal_number: int, frame: FrameType | None) -> NoReturn:
    """End in good order; a second signal on the way does not disturb that."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Run the command; returns the exit code."""
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background jobs ignore Ctrl-C
            signal.signal(number, _interrupt)
    code = _run()
    if code == _INTERRUPTED:
        # At once: Python would wait for threads whose results nobody will store.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)
    return code


def _run() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    # The process is the command's own: one arithmetic thread here and, inherited, in every worker. Set before the
    # libraries load, which read it once.
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    try:
        from analysis.cli.main import main as run

        return run()
    except BrokenPipeError:
        # Whoever read the output has had enough (`| head`). Nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell reports of a command ended by SIGPIPE
    except KeyboardInterrupt:
        print("interrupted before anything was run", file=sys.stderr)
        return _INTERRUPTED
