"""What a threshold costs: our search against a fixed grid of N, both to the same precision.

The grid is what one does without a search: N in steps of 10 % over the range in which any law under discussion lies,
1 to 2d², and as many trials at each (in steps of five) as make the interval of log N₅₀ as short as asked for. What
keeps the search's intervals honest keeps the grid's: half as many trials again after the moment at which the interval
was first short enough. The trials until that moment are given as well.
"""

from __future__ import annotations

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
    """Both ways to one threshold.

    Attributes:
        dim: d.
        trials: of the search and of the grid.
        seconds: likewise, on one core.
        half_width: of log N₅₀, likewise.
        first: trials at which the interval was first short enough, likewise.
    """

    dim: int
    trials: tuple[int, int]
    seconds: tuple[float, float]
    half_width: tuple[float, float]
    first: tuple[int, int]


def measure(dim: int, precision: float = 0.05) -> SearchCost:
    """DDPG's threshold at one d, by search and by grid.

    Args:
        dim: d.
        precision: half-width of the interval of log N₅₀ at which both stop.
    """
    setting = Setting(learner="ddpg", dim=dim, precision=precision, trials=400)
    begin = time.perf_counter()
    first_of_search = 0
    search = ThresholdSearch(setting)
    while batches := search.next_round():
        search.record(batches, [run_batch(batch) for batch in batches])
        if search.enough is None:
            first_of_search = search.spent
    searched = time.perf_counter() - begin
    assert search.threshold is not None

    sizes, n = [], 1.0
    while n <= 2 * dim**2:
        sizes.append(round(n))
        n = max(n * _RATIO, round(n) + 1.0)
    begin = time.perf_counter()
    cells = dict.fromkeys(sizes, (0, 0))
    first = spent = first_of_grid = 0
    while True:
        for size in sizes:
            rows = run_batch(Batch(setting=setting, num_transitions=size, first_trial=first, count=_STEP))
            successes, trials = cells[size]
            cells[size] = successes + sum(row.success for row in rows), trials + _STEP
            first += _STEP
        spent = sum(trials for _, trials in cells.values())
        if first_of_grid and spent < CONFIRMATION * first_of_grid:
            continue
        fit = fit_threshold(Counts.from_cells(cells), test_fit=False)
        if fit.half_width <= precision:
            if first_of_grid:
                break
            first_of_grid = spent
    gridded = time.perf_counter() - begin
    return SearchCost(
        dim,
        (search.spent, spent),
        (searched, gridded),
        (search.threshold.half_width, fit.half_width),
        (first_of_search, first_of_grid),
    )
