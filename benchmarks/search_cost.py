"""What a threshold costs: our search against a fixed grid of N, both to the same precision.

The grid is what one does without a search: N in steps of 10 % over the range in which any law under discussion lies,
1 to 2d², and as many trials at each (in steps of five) as make the interval of log N₅₀ as short as asked for. What
keeps the search's intervals honest keeps the grid's: half as many trials again near N₅₀ (in a grid: everywhere) after
the moment at which the interval was first short enough. The trials until that moment are given as well.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from analysis.counts import Counts
from analysis.search import CONFIRMATION, ThresholdSearch
from analysis.setting import Setting
from analysis.threshold import fit_threshold
from analysis.trial import Batch, run_batch

__all__ = ["SearchCost", "measure"]

_RATIO = 1.1
_STEP = 5


@dataclass(frozen=True)
class SearchCost:
    """Both ways to one threshold; means over seeds, because where one run happens to stop varies by a quarter.

    Attributes:
        dim: d.
        trials: of the search and of the grid.
        seconds: likewise, on one core.
        half_width: of log N₅₀, likewise.
        first: trials at which the interval was first short enough, likewise.
    """

    dim: int
    trials: tuple[float, float]
    seconds: tuple[float, float]
    half_width: tuple[float, float]
    first: tuple[float, float]


@dataclass(frozen=True)
class _Spent:
    trials: int
    seconds: float
    half_width: float
    first: int


def measure(dim: int, precision: float = 0.05, seeds: int = 3) -> SearchCost:
    """DDPG's threshold at one d, by search and by grid.

    Args:
        dim: d.
        precision: half-width of the interval of log N₅₀ at which both stop.
        seeds: how many thresholds are measured, each both ways.
    """
    settings = [Setting(learner="ddpg", dim=dim, precision=precision, trials=400, seed=seed) for seed in range(seeds)]
    ways = [[_search(setting) for setting in settings], [_grid(setting) for setting in settings]]

    def means(name: str) -> tuple[float, float]:
        searched, gridded = (statistics.mean(getattr(spent, name) for spent in way) for way in ways)
        return searched, gridded

    return SearchCost(dim, means("trials"), means("seconds"), means("half_width"), means("first"))


def _search(setting: Setting) -> _Spent:
    begin, first = time.perf_counter(), 0
    search = ThresholdSearch(setting)
    while batches := search.next_round():
        search.record(batches, [run_batch(batch) for batch in batches])
        if search.enough is None:
            first = search.spent
    assert search.threshold is not None
    return _Spent(search.spent, time.perf_counter() - begin, search.threshold.half_width, first)


def _grid(setting: Setting) -> _Spent:
    sizes, n = [], 1.0
    while n <= 2 * setting.dim**2:
        sizes.append(round(n))
        n = max(n * _RATIO, round(n) + 1.0)
    begin = time.perf_counter()
    cells = dict.fromkeys(sizes, (0, 0))
    next_trial = spent = first = 0
    while True:
        for size in sizes:
            rows = run_batch(Batch(setting=setting, num_transitions=size, first_trial=next_trial, count=_STEP))
            successes, trials = cells[size]
            cells[size] = successes + sum(row.success for row in rows), trials + _STEP
            next_trial += _STEP
        spent = sum(trials for _, trials in cells.values())
        if first and spent < (1 + CONFIRMATION) * first:
            continue
        fit = fit_threshold(Counts.from_cells(cells), test_fit=False)
        if fit.half_width <= setting.precision:
            if first:
                return _Spent(spent, time.perf_counter() - begin, fit.half_width, first)
            first = spent
