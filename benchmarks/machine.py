"""Descent as a sweep runs it, on every core of the machine, against a loop over trials that has the whole machine.

Ours: one process a core, one thread each, the arithmetic that the engine chooses at that d. The loop: geoopt's
``RiemannianAdam``, one trial after the other, with as many torch threads as is best for it, one or one a core.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

import torch

from benchmarks.kernels import descent, geoopt_loop, problem
from benchmarks.timing import seconds_a_step

__all__ = ["MachineRow", "measure"]

_together: Barrier


@dataclass(frozen=True)
class MachineRow:
    """Microseconds a trial and step at one d.

    Attributes:
        dim: d.
        cores: of the machine.
        dtype: of most of our steps.
        ours: of the whole machine: the time on one core, while all are busy, divided by their number.
        loop: of the loop over trials.
    """

    dim: int
    cores: int
    dtype: str
    ours: float
    loop: float

    @property
    def times(self) -> float:
        """How many times as fast."""
        return self.loop / self.ours


def _per_step(run: Callable[[int], object], trials: int, rounds: int) -> float:
    return statistics.median(seconds_a_step({"run": (run, trials)}, rounds)["run"])


def _start(barrier: Barrier) -> None:
    global _together
    _together = barrier
    torch.set_num_threads(1)


def _one_core(dim: int, batch_size: int, rounds: int) -> float:
    run = descent(problem(dim, batch_size))
    run(1)
    _together.wait()
    return _per_step(run, batch_size, rounds)


def measure(dim: int, batch_size: int, rounds: int) -> MachineRow:
    """Time both at one d.

    Args:
        dim: d.
        batch_size: trials that run together in each of our processes.
        rounds: how often each is timed.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, context, _start, (context.Barrier(cores),)) as pool:
        ours = list(pool.map(_one_core, [dim] * cores, [batch_size] * cores, [rounds] * cores))
    loop = geoopt_loop(problem(dim, 2), 2)
    threads = torch.get_num_threads()
    loops = []
    for number in {1, cores}:
        torch.set_num_threads(number)
        loops.append(_per_step(loop, 2, rounds))
    torch.set_num_threads(threads)
    own = problem(dim, 1)
    return MachineRow(
        dim=dim,
        cores=cores,
        dtype="single" if own.mixed else "double",
        ours=1e6 * statistics.mean(ours) / cores,
        loop=1e6 * min(loops),
    )
