"""The search, against learners whose success probability is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.experiments.plan import Search
from analysis.measures.threshold_search import ThresholdSearch
from analysis.tasks import Batch, Row, Task, make_task


def draw(seed: int, size: int, trial: int) -> float:
    return float(np.random.default_rng((seed, size, trial)).random())


def succeeds(row: Row) -> bool:
    return bool(row.values["success"])


def run(
    probability: Callable[[int], float], dim: int = 8, seed: int = 0, task: Task | None = None, **how: Any
) -> tuple[ThresholdSearch, list[Batch]]:
    """Run a search against simulated trials; the outcome of a trial depends on (N, trial) only."""
    search = ThresholdSearch(task or make_task({"dim": dim}), Search(**how), succeeds)
    asked: list[Batch] = []
    while batches := search.next_round():
        asked += batches
        results = []
        for batch in batches:
            chance = probability(batch.size)
            results.append([Row(i, {"success": draw(seed, batch.size, i) < chance}) for i in batch.trials])
        search.record(batches, results)
    return search, asked


def logistic(n50: float, slope: float) -> Callable[[int], float]:
    return lambda n: 1 / (1 + (n50 / n) ** slope)


@pytest.mark.parametrize("jump", [1, 2, 3, 7, 31, 100, 257, 496])
@pytest.mark.parametrize("chance", [0.0, 0.09])
def test_a_jump_is_found_to_the_integer(jump: int, chance: float) -> None:
    search, _ = run(lambda n: 1.0 if n >= jump else chance, dim=32)
    assert search.stopped in ("resolved", "precision")
    assert search.threshold is not None
    assert search.threshold.n_min == jump
    assert {jump, jump - 1} - {0} <= search.cells.keys()


SMOOTH = [(20.0, 6.0), (100.0, 12.0), (500.0, 25.0), pytest.param(9.3, 3.0, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("n50", "slope"), SMOOTH)
def test_a_smooth_threshold_is_found_to_the_precision(n50: float, slope: float) -> None:
    misses = 0
    for seed in range(8):
        search, _ = run(logistic(n50, slope), dim=32, seed=seed)
        fit = search.threshold
        assert fit is not None
        assert search.stopped in ("precision", "resolved", "budget")
        if search.stopped == "precision":
            assert fit.half_width <= 0.05
        assert fit.n50_low is not None
        assert fit.n50_high is not None
        misses += not fit.n50_low <= n50 <= fit.n50_high
    # 95 % intervals, 8 independent searches: more than 3 misses have probability 4e-4 (were the level exact).
    assert misses <= 3


@pytest.mark.parametrize(("n50", "slope"), [(4.0, 1.0), (20.0, 0.15)])
def test_the_search_ends_by_budget_where_success_is_flat(n50: float, slope: float) -> None:
    search, asked = run(logistic(n50, slope), dim=3, trials=50)
    assert search.stopped == "budget"
    assert search.spent <= search.budget
    assert search.spent == sum(batch.count for batch in asked)
    assert max(batch.size for batch in asked) <= search.largest


def test_success_that_never_comes_is_censored() -> None:
    search, asked = run(lambda n: 0.0, dim=4)
    assert search.stopped == "censored"
    assert search.threshold is not None
    assert search.threshold.censored == "right"
    assert max(batch.size for batch in asked) <= search.largest


def test_success_from_the_start_is_resolved_at_one() -> None:
    search, _ = run(lambda n: 1.0, dim=4)
    assert search.threshold is not None
    assert search.threshold.n_min == 1
    assert search.stopped == "resolved"


@pytest.mark.parametrize(("slope", "most"), [(1.0, 75), (4.0, 1), (4.0, 30), (40.0, 75)])
def test_trial_indices_are_never_used_twice_and_cells_keep_their_cap(slope: float, most: int) -> None:
    search, asked = run(logistic(12.0, slope), trials=most)
    used = [trial for batch in asked for trial in batch.trials]
    assert len(set(used)) == len(used)
    assert max(trials for _, trials in search.cells.values()) <= most
    assert search.spent <= 12 * most


def test_the_path_does_not_depend_on_the_prediction() -> None:
    """The search is told nothing of theory: another learner, method or protocol, the same path."""
    others: list[dict[str, Any]] = [{}, {"learner": "reengage"}, {"method": "global-solver"}, {"relabels": 4}]
    paths = [run(logistic(40.0, 8.0), task=make_task(fields))[1] for fields in others]
    sizes = [[(batch.size, batch.first_trial) for batch in path] for path in paths]
    assert all(other == sizes[0] for other in sizes)


def test_trials_are_not_wasted() -> None:
    """At slope β an interval of ±p needs at least (2 z/(β p))² trials, all at N50 and with the slope known.

    The slope is not known, nor are the guess and lapse rates: together they cost up to twice as much again. Confirming
    the precision adds a half to that.
    """
    slope, precision = 4.0, 0.05
    least = (2 * 1.96 / (slope * precision)) ** 2
    searches = [run(logistic(60.0, slope), dim=16, seed=seed, trials=400)[0] for seed in range(4)]
    assert {search.stopped for search in searches} == {"precision"}
    doubling = 12 * 8
    assert max(search.spent for search in searches) <= 1.5 * (3 * least + doubling) + 2 * 25


@pytest.mark.parametrize("plateau", [0.42, 0.46])
def test_a_plateau_below_a_half_is_never_a_precise_threshold(plateau: float) -> None:
    for seed in range(6):
        search, asked = run(lambda n: plateau if n >= 8 else 0.0, dim=4, seed=seed)
        assert search.stopped in ("budget", "censored")
        assert max(batch.size for batch in asked) <= search.largest


@pytest.mark.parametrize("plateau", [0.5, 0.55])
def test_a_plateau_at_a_half_ends_within_bounds(plateau: float) -> None:
    for seed in range(4):
        search, asked = run(lambda n: plateau if n >= 8 else 0.0, dim=4, seed=seed)
        assert search.spent <= search.budget
        assert max(batch.size for batch in asked) <= search.largest
        if search.stopped in ("precision", "resolved"):
            assert search.threshold is not None
            # Success jumps from 0 to the plateau at N = 8; a plateau this close to 1/2 can be mistaken for it later.
            assert search.threshold.n50 >= 7
