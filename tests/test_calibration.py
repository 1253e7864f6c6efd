"""The calibration benchmark at a reduced size: intervals hold the truth as often as they say."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binom

from benchmarks.calibration import SCENARIOS, Scenario, fixed_interval, search_interval


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_half_of_the_trials_succeed_at_the_truth(scenario: Scenario) -> None:
    assert float(scenario.probability(20, 20.0)) == pytest.approx(0.5)
    assert float(scenario.probability(10**9, 20.0)) == pytest.approx(1 - scenario.lapse)


def test_intervals_cover() -> None:
    intervals = [fixed_interval(scenario, dataset) for scenario in SCENARIOS for dataset in range(12)]
    # With coverage 95 % in each scenario fewer have probability 1e-4; more than 95 % is no failure here.
    assert sum(interval.covers for interval in intervals) >= binom.ppf(1e-4, len(intervals), 0.95)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_intervals_of_searches_cover_in_each_scenario(scenario: Scenario) -> None:
    """Alone of the estimates, a search looks at its data before it decides how many there will be."""
    covered = sum(search_interval(scenario, dataset).covers for dataset in range(200))
    # With coverage 93 %, the least that is claimed, fewer have probability 1e-4; with 85 % more than a half.
    least = binom.ppf(1e-4, 200, 0.93)
    assert binom.cdf(least - 1, 200, 0.85) > 0.5
    assert covered >= least


def test_the_search_is_simulated_reproducibly() -> None:
    first, again = (search_interval(SCENARIOS[0], 5) for _ in range(2))
    assert first == again
    assert 0.0 < first.width < math.inf
