"""Medians of times and ratios, measured in one run: candidates take turns, so that a busy moment hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["interleaved", "median_ratio", "seconds_a_step"]

_STEPS = 40
"""Steps that are timed together."""


def interleaved(
    candidates: Mapping[str, Callable[[], object]], rounds: int, seconds: float = 0.05
) -> dict[str, list[float]]:
    """Time functions in turns.

    Args:
        candidates: what to time, by name. Each is called once beforehand, to warm up.
        rounds: how often each is timed.
        seconds: a function that is done sooner is called as often as fits in this time, and the mean counts.

    Returns:
        Seconds a call, ``rounds`` of them for each name.
    """
    repeats = {}
    for name, call in candidates.items():
        call()
        begin = time.perf_counter()
        call()
        repeats[name] = max(1, int(seconds / max(time.perf_counter() - begin, 1e-9)))
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            found[name].append((time.perf_counter() - begin) / repeats[name])
    return found


def median_ratio(over: list[float], under: list[float]) -> float:
    """The median of the ratios of times that were taken in the same round."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def seconds_a_step(runs: Mapping[str, tuple[Callable[[int], object], int]], rounds: int) -> dict[str, list[float]]:
    """Seconds a trial and step of iterations that share nothing but their problem.

    What a run costs once, such as the curvature at its start, is in a run of one step too, and leaves with it.

    Args:
        runs: by name, a function that takes a number of steps, and the trials that it steps together.
        rounds: how often each is timed.

    Returns:
        Seconds, ``rounds`` of them for each name.
    """
    short = {name: (lambda run=run: run(1)) for name, (run, _) in runs.items()}
    long = {name: (lambda run=run: run(1 + _STEPS)) for name, (run, _) in runs.items()}
    begin, end = interleaved(short, rounds), interleaved(long, rounds)
    return {
        name: [(b - a) / (_STEPS * trials) for a, b in zip(begin[name], end[name], strict=True)]
        for name, (_, trials) in runs.items()
    }
