"""Seconds and peak memory of one threshold against d, and the exponent with which the seconds grow.

Each d is a command of its own, ``reengage scale`` with one worker, of which the operating system says how much memory
it and its worker took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Growth", "exponent", "measure"]


@dataclass(frozen=True)
class Growth:
    """The cost of DDPG's threshold at one d.

    Attributes:
        dim: d.
        seconds: of the whole command.
        gibibytes: largest resident memory of one of its processes.
    """

    dim: int
    seconds: float
    gibibytes: float


def measure(dim: int, trials: int) -> Growth:
    """Run the command.

    Args:
        dim: d.
        trials: most trials at any one N.
    """
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "analysis", "scale", "--learners", "ddpg", "--dims", str(dim), "--quiet"]
        command += ["--workers", "1", "--trials", str(trials), "--batch-size", str(min(25, trials))]
        begin = time.perf_counter()
        with subprocess.Popen([*command, "--out", directory], stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return Growth(dim, time.perf_counter() - begin, usage.ru_maxrss / 2**20)


def exponent(rows: Sequence[Growth], start_up: float) -> float:
    """The log-log slope of the seconds over d, without what a command takes to start.

    Args:
        rows: two or more.
        start_up: seconds of a command that measures next to nothing.
    """
    seconds = [max(row.seconds - start_up, 1e-3) for row in rows]
    return float(np.polyfit(np.log([row.dim for row in rows]), np.log(seconds), 1)[0])
