"""Medians of times and ratios, measured in one run: candidates take turns, so that a busy moment hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["interleaved", "median_ratio"]


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
