"""The limit of a ratio: against another optimiser, and on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.stats import binom

from analysis.statistics.ratio_limit import fit_ratio_limit

DIMS = (4, 6, 8, 12, 16, 24, 32, 48, 64)


def simulate(seed: int, limit: float, coefficient: float, power: float, error: float) -> list[float]:
    rng = np.random.default_rng(seed)
    return [(limit + coefficient * d**-power) * np.exp(error * rng.standard_normal()) for d in DIMS]


@pytest.mark.parametrize(("limit", "coefficient", "power"), [(1.0, 1.2, 0.7), (1.1, 2.0, 1.0), (1.5, 1.0, 0.5)])
def test_an_exact_limit_is_found(limit: float, coefficient: float, power: float) -> None:
    fit = fit_ratio_limit(DIMS, [limit + coefficient * d**-power for d in DIMS], [0.01] * len(DIMS))
    assert fit is not None
    assert fit.limit == pytest.approx(limit, abs=1e-3)
    assert fit.ratio(32) == pytest.approx(limit + coefficient * 32**-power, rel=1e-3)
    assert fit.limit_low <= limit <= fit.limit_high
    assert fit.p_value > 0.99


@pytest.mark.parametrize("seed", range(5))
def test_another_optimiser_finds_no_better_fit(seed: int) -> None:
    ratios = np.array(simulate(seed, 1.0, 1.5, 0.8, 0.02))
    dims, error = np.array(DIMS, dtype=float), 0.02
    fit = fit_ratio_limit(DIMS, list(ratios), [error] * len(DIMS))
    assert fit is not None

    def residual(theta: np.ndarray) -> np.ndarray:
        return (np.log(ratios) - np.log(theta[0] + theta[1] * dims ** -theta[2])) / error

    ours = float(np.sum(residual(np.array([fit.limit, fit.coefficient, fit.power])) ** 2))
    bounds = ([1.0, 1e-12, 0.25], [2.5, np.inf, 3.0])
    best = min(2 * least_squares(residual, (c, 1.0, p), bounds=bounds).cost for c in (1.01, 1.3) for p in (0.4, 1.2))
    assert ours <= best + 1e-6


def test_the_interval_holds_the_limit() -> None:
    held, count = 0, 40
    for seed in range(count):
        fit = fit_ratio_limit(DIMS, simulate(100 + seed, 1.0, 1.2, 0.7, 0.015), [0.015] * len(DIMS))
        assert fit is not None
        held += fit.limit_low <= 1.0 <= fit.limit_high
    # Of 40 intervals of 95 % coverage, fewer than 31 hold the truth once in 1e4 times.
    assert binom.cdf(30, count, 0.95) < 1e-4
    assert held >= 31


def test_a_ratio_that_stays_above_one_excludes_it() -> None:
    fit = fit_ratio_limit(DIMS, simulate(3, 1.5, 0.5, 1.0, 0.005), [0.005] * len(DIMS))
    assert fit is not None
    assert fit.limit_one < 1e-3
    assert fit.limit_low > 1.2


def test_few_dimensions_give_no_fit_and_bad_numbers_an_error() -> None:
    assert fit_ratio_limit((4, 8, 16, 32), (1.4, 1.3, 1.2, 1.1), (0.01,) * 4) is None
    with pytest.raises(ValueError, match="positive"):
        fit_ratio_limit(DIMS, [0.0] * len(DIMS), [0.1] * len(DIMS))
    with pytest.raises(ValueError, match="lengths 9, 8 and 9"):
        fit_ratio_limit(DIMS, [1.0] * 8, [0.1] * 9)


def test_a_limit_far_above_one_is_inside_its_own_interval() -> None:
    fit = fit_ratio_limit((4, 6, 8, 12, 16), (5.0, 5.1, 5.0, 5.1, 5.0), (0.02,) * 5)
    assert fit is not None
    assert fit.limit_high is None or fit.limit_low <= fit.limit <= fit.limit_high
    assert fit.limit == pytest.approx(5.04, abs=0.15)
    assert fit.limit_one < 1e-3


def test_a_descent_slower_than_any_that_is_tried_says_so() -> None:
    ratios = [1 + d**-0.15 for d in DIMS]
    fit = fit_ratio_limit(DIMS, ratios, [0.005] * len(DIMS))
    assert fit is not None
    assert fit.power_bounded
    other = fit_ratio_limit(DIMS, [1 + 2.0 / d for d in DIMS], [0.02] * len(DIMS))
    assert other is not None
    assert not other.power_bounded


@pytest.mark.slow
def test_a_limit_of_one_is_rejected_as_often_as_the_level_says() -> None:
    rejected, count = 0, 40
    for seed in range(count):
        fit = fit_ratio_limit(DIMS, simulate(500 + seed, 1.0, 1.2, 0.7, 0.015), [0.015] * len(DIMS))
        assert fit is not None
        rejected += fit.limit_one < 0.05
    # Of 40 tests at level 5 %, more than 9 reject once in 1e4 times.
    assert binom.sf(9, count, 0.05) < 1e-4
    assert rejected <= 9


def test_ratios_that_rise_have_no_limit_in_this_model() -> None:
    assert fit_ratio_limit((4, 6, 8, 12, 16), (3.0, 4.0, 5.0, 6.0, 8.0), (0.02,) * 5) is None
