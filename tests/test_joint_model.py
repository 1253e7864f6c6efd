"""The joint model: against statsmodels, hand calculation, and data on which maximum likelihood fails."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from firthmodels import FirthLogisticRegression
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import chi2

from analysis.statistics.counts import Counts
from analysis.statistics.joint_model import fit_joint_model
from analysis.statistics.psychometric import success_probability

DIMS = (3, 4, 6, 8, 12)


def jump(threshold: Callable[[int], int]) -> dict[int, Counts]:
    data = {}
    for d in DIMS:
        least = threshold(d)
        data[d] = Counts.from_cells({n: (16 if n >= least else 0, 16) for n in {least - 1, least, 2 * least}})
    return data


def logistic(exponent: float, seed: int, lapse: float = 0.0, trials: int = 30) -> dict[int, Counts]:
    rng = np.random.default_rng(seed)
    data = {}
    for d in DIMS:
        centre = 6 * d**exponent
        tested = np.unique(np.round(centre * np.exp(np.linspace(-0.6, 0.6, 8))).astype(int))
        p = success_probability(tested.astype(float), centre, 8.0, (0.0, lapse))
        data[d] = Counts(tuple(tested), tuple(rng.binomial(trials, p)), (trials,) * len(tested))
    return data


def rows(data: dict[int, Counts]) -> tuple[np.ndarray, np.ndarray]:
    """One row (1, log N, log d) and one outcome a trial."""
    design, outcome = [], []
    for d, counts in data.items():
        for n, s, t in zip(counts.num_transitions, counts.successes, counts.trials, strict=True):
            design += [[1.0, math.log(n), math.log(d)]] * t
            outcome += [1] * s + [0] * (t - s)
    return np.array(design), np.array(outcome)


def test_estimate_is_firths() -> None:
    data = logistic(1.5, 1)
    fit = fit_joint_model(data)
    assert fit is not None
    assert fit.lapse == 0.0
    design, outcome = rows(data)
    model = FirthLogisticRegression(backend="numpy", max_iter=200).fit(design[:, 1:], outcome)
    # Both stop at relative steps of 1e-4 or less in the coefficients.
    assert fit.slope == pytest.approx(model.coef_[0], rel=1e-3)
    assert fit.exponent == pytest.approx(-model.coef_[1] / model.coef_[0], rel=1e-3)
    assert fit.log_constant == pytest.approx(-model.intercept_ / model.coef_[0], rel=1e-3)
    assert fit.n50(4) == pytest.approx(math.exp(fit.log_constant) * 4**fit.exponent)


@pytest.mark.parametrize("lapse", [0.0, 0.2])
def test_interval_ends_satisfy_the_chi_square_equation(lapse: float) -> None:
    data = logistic(1.5, 3, lapse=lapse)
    fit = fit_joint_model(data)
    assert fit is not None
    assert fit.exponent_low is not None
    assert fit.exponent_high is not None
    design, outcome = rows(data)

    def negative(point: np.ndarray, b: float) -> float:
        a, slope, share = point[0], math.exp(point[1]), min(abs(point[2]), 0.45)
        eta = slope * (design[:, 1] - a - b * design[:, 2]) - math.log(1 - 2 * share)
        p = np.clip((1 - share) / (1 + np.exp(-np.clip(eta, -500, 500))), 1e-12, 1 - 1e-12)
        return -float(np.sum(np.log(np.where(outcome == 1, p, 1 - p))))

    def held(b: float) -> float:
        a = fit.log_constant + (fit.exponent - b) * math.log(6)
        found = [
            minimize(negative, [a, math.log(fit.slope), s], args=(b,), method="Nelder-Mead", options={"maxiter": 2000})
            for s in (0.0, 0.05, 0.2)
        ]
        return -min(result.fun for result in found)

    top = max(held(b) for b in np.linspace(fit.exponent_low, fit.exponent_high, 41))
    for end in (fit.exponent_low, fit.exponent_high):
        # The oracle's top is on a grid of a fortieth of the interval.
        assert 2 * (top - held(end)) == pytest.approx(chi2.ppf(0.95, 1), abs=0.02)
    assert fit.exponent_low < fit.exponent < fit.exponent_high
    assert fit.log_likelihood == pytest.approx(top, abs=0.01)


@pytest.mark.parametrize("exponent", [1, 2])
def test_jumps_are_survived_and_leave_what_integers_leave(exponent: int) -> None:
    fit = fit_joint_model(jump(lambda d: d**exponent))
    assert fit is not None
    assert fit.exponent_low is not None
    assert fit.exponent_high is not None
    assert fit.exponent_low <= fit.exponent <= fit.exponent_high
    # N50 = 0.99 d^b lies in every gap (d^b − 1, d^b), so b explains the data perfectly.
    assert fit.exponent_low <= exponent <= fit.exponent_high
    assert fit.log_likelihood > -1e-3
    assert math.isfinite(fit.slope)


def test_a_common_lapse_is_found() -> None:
    fit = fit_joint_model(logistic(1.5, 4, lapse=0.2, trials=200))
    assert fit is not None
    # 5 dimensions, some 3 cells each far above N50: 3000 trials, and the slope's share of the uncertainty; 5 sigma.
    assert fit.lapse == pytest.approx(0.2, abs=0.08)
    assert fit.exponent == pytest.approx(1.5, abs=0.1)


def test_a_slope_that_changes_with_d_is_a_lack_of_fit() -> None:
    rng = np.random.default_rng(2)
    data = {}
    for d, slope in zip(DIMS, (1.5, 3.0, 6.0, 12.0, 24.0), strict=True):
        tested = np.unique(np.round(6 * d**1.5 * np.exp(np.linspace(-0.6, 0.6, 8))).astype(int))
        p = success_probability(tested.astype(float), 6 * d**1.5, slope)
        data[d] = Counts(tuple(tested), tuple(rng.binomial(100, p)), (100,) * len(tested))
    wrong, right = fit_joint_model(data), fit_joint_model(logistic(1.5, 1, trials=100))
    assert wrong is not None
    assert wrong.lack_of_fit is not None
    assert wrong.lack_of_fit < 0.01
    assert right is not None
    assert right.lack_of_fit is not None
    assert right.lack_of_fit > 0.01


def test_too_few_informative_dimensions() -> None:
    data = logistic(1.5, 1)
    assert fit_joint_model({}) is None
    assert fit_joint_model({d: data[d] for d in (3, 4)}) is None
    censored = Counts.from_cells({8: (0, 16)})
    assert fit_joint_model({3: data[3], 4: data[4], 24: censored}) is None
    with_censored = fit_joint_model({**data, 24: censored})
    assert with_censored is not None
    assert with_censored.informative_dims == DIMS
    assert with_censored.dims == (*DIMS, 24)
    with pytest.raises(ValueError, match="level is 95"):
        fit_joint_model(data, level=95)
    with pytest.raises(ValueError, match="dimension 0"):
        fit_joint_model({0: censored})


@settings(max_examples=8)
@given(st.integers(2, 9), st.integers(0, 99))
def test_scaling_all_n_moves_the_constant_only(factor: int, seed: int) -> None:
    data = logistic(1.5, seed)
    scaled = {d: Counts(tuple(factor * n for n in c.num_transitions), c.successes, c.trials) for d, c in data.items()}
    fit, image = fit_joint_model(data), fit_joint_model(scaled)
    assert fit is not None
    assert image is not None
    assert image.exponent == pytest.approx(fit.exponent, abs=1e-4)
    assert image.exponent_low == pytest.approx(fit.exponent_low, abs=1e-3)
    assert image.exponent_high == pytest.approx(fit.exponent_high, abs=1e-3)
    assert image.log_constant == pytest.approx(fit.log_constant + math.log(factor), abs=1e-3)
