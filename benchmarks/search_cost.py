"""What a threshold costs: our search against fixed grids of N, all to the same precision.

The grid is what one does without a search: N in steps of 10 %, and as many trials at each (in steps of five) as make
the interval of log N₅₀ as short as asked for. How wasteful it is depends on its range. One grid covers what the search
is ready to cover, 1 to 8d² (:attr:`analysis.measures.threshold_search.ThresholdSearch.largest`); one is told that N₅₀
lies below 2d², which the search is not.

What keeps the search's intervals honest keeps the grids': half as many trials again near N₅₀ (in a grid: everywhere)
after the moment at which the interval was first short enough.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from analysis.experiments.plan import Search
from analysis.measures import ThresholdMeasure
from analysis.measures.threshold_search import CONFIRMATION
from analysis.statistics.counts import Counts
from analysis.statistics.threshold import fit_threshold
from analysis.tasks import Batch, Task, make_task, run_batch

__all__ = ["Cost", "SearchCost", "measure"]

_RATIO = 1.1
_STEP = 5


@dataclass(frozen=True)
class Cost:
    """Means over seeds: where one run happens to stop varies by a quarter, and a few take twice as long.

    Attributes:
        trials: at the end.
        error: standard error of their mean.
        seconds: on one core.
        half_width: of log N₅₀ at the end.
    """

    trials: float
    error: float
    seconds: float
    half_width: float


@dataclass(frozen=True)
class SearchCost:
    """Three ways to one threshold.

    Attributes:
        dim: d.
        search: ours.
        grid: over the search's range.
        informed_grid: over 1 to 2d².
    """

    dim: int
    search: Cost
    grid: Cost
    informed_grid: Cost


def measure(dim: int, precision: float = 0.05, searches: int = 20, grids: int = 6) -> SearchCost:
    """DDPG's threshold at one d, by search and by grids.

    Args:
        dim: d.
        precision: half-width of the interval of log N₅₀ at which all stop.
        searches: how many thresholds are measured by search, with seeds 0, 1, …
        grids: how many by each grid; their trials vary little.
    """
    threshold = ThresholdMeasure(search=Search(precision=precision, trials=400))

    def cost(way: Callable[[Task, ThresholdMeasure], _Spent], seeds: int) -> Cost:
        found = [way(make_task({"learner": "ddpg", "dim": dim, "seed": seed}), threshold) for seed in range(seeds)]
        trials = [spent.trials for spent in found]
        return Cost(
            statistics.mean(trials),
            statistics.stdev(trials) / len(trials) ** 0.5,
            statistics.mean(spent.seconds for spent in found),
            statistics.mean(spent.half_width for spent in found),
        )

    largest = threshold.plan(make_task({"learner": "ddpg", "dim": dim})).largest
    return SearchCost(
        dim,
        cost(_search, searches),
        cost(lambda task, measure: _grid(task, measure, largest), grids),
        cost(lambda task, measure: _grid(task, measure, 2 * dim**2), grids),
    )


@dataclass(frozen=True)
class _Spent:
    trials: int
    seconds: float
    half_width: float


def _search(task: Task, measure: ThresholdMeasure) -> _Spent:
    begin = time.perf_counter()
    search = measure.plan(task)
    while batches := search.next_round():
        search.record(batches, [run_batch(batch) for batch in batches])
    assert search.threshold is not None
    return _Spent(search.spent, time.perf_counter() - begin, search.threshold.half_width)


def _grid(task: Task, measure: ThresholdMeasure, largest: int) -> _Spent:
    sizes, n = [], 1.0
    while n <= largest:
        sizes.append(round(n))
        n = max(n * _RATIO, round(n) + 1.0)
    begin = time.perf_counter()
    cells = dict.fromkeys(sizes, (0, 0))
    next_trial = spent = first = 0
    while True:
        for size in sizes:
            rows = run_batch(Batch(task, size, first_trial=next_trial, count=_STEP))
            successes, trials = cells[size]
            cells[size] = successes + sum(map(measure.succeeds, rows)), trials + _STEP
            next_trial += _STEP
        spent = sum(trials for _, trials in cells.values())
        if first and spent < (1 + CONFIRMATION) * first:
            continue
        fit = fit_threshold(Counts.from_cells(cells), test_fit=False)
        if fit.half_width <= measure.search.precision:
            if first:
                return _Spent(spent, time.perf_counter() - begin, fit.half_width)
            first = spent
