"""Scaling laws: known laws are found again, and the integrals agree with a general-purpose quadrature."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import binom, norm

from analysis.statistics.counts import Counts
from analysis.statistics.dimension_likelihood import DimensionLikelihood
from analysis.statistics.profile import profile_log_likelihood
from analysis.statistics.psychometric import RATES, success_probability
from analysis.statistics.scaling_law import (
    CANDIDATE_LAWS,
    Law,
    Scaling,
    fit_scaling,
    local_exponent,
)

DIMS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
LAWS = {law.name: law for law in CANDIDATE_LAWS}


def jump(threshold: Callable[[int], int], trials: int = 16) -> dict[int, Counts]:
    """Counts of a learner that never succeeds below an integer threshold and always from it on."""
    data = {}
    for d in DIMS:
        least = threshold(d)
        tested = {max(least // 2, 1), max(least - 1, 1), least, least + 1, 2 * least}
        data[d] = Counts.from_cells({n: (trials if n >= least else 0, trials) for n in tested})
    return data


def logistic(
    n50: Callable[[int], float], slope: float, trials: int, sd: float, rng: np.random.Generator
) -> dict[int, Counts]:
    """Simulated counts of logistic success curves about N50(d) times a log-normal scatter."""
    data = {}
    for d in DIMS:
        centre = n50(d) * math.exp(sd * rng.standard_normal())
        tested = sorted({max(1, round(centre * math.exp(u))) for u in np.linspace(-0.4, 0.4, 8)})
        p = success_probability(np.array(tested), centre, slope)
        data[d] = Counts(tuple(tested), tuple(rng.binomial(trials, p)), (trials,) * len(tested))
    return data


def weight(scaling: Scaling, name: str) -> float:
    return next(fit.weight for fit in scaling.laws if fit.law.name == name)


# The integrals


@lru_cache
def greatest(counts: Counts) -> float:
    """The largest profile log likelihood, on a fine grid."""
    inside = np.linspace(counts.log_num_transitions[0] - 0.1, counts.log_num_transitions[-1] + 0.1, 12001)
    fine = np.concatenate([inside, np.linspace(-12.0, 16.0, 1001)])
    return float(np.max(profile_log_likelihood(counts, fine, RATES)))


@pytest.mark.parametrize(
    "cells",
    [
        {6: (0, 16), 7: (16, 16)},
        {5: (1, 16), 6: (5, 16), 8: (12, 16), 10: (16, 16)},
        {80: (100, 1000), 90: (420, 1000), 100: (800, 1000)},
        {1: (16, 16), 2: (16, 16)},
        {40: (0, 16), 80: (1, 16)},
    ],
)
@pytest.mark.parametrize(
    ("tau", "shift"),
    [
        (0.02, 0.1),
        (0.3, -0.4),
        (2.0, -0.4),
        *(pytest.param(tau, shift, marks=pytest.mark.slow) for tau, shift in ((0.02, -0.4), (0.3, 0.1), (2.0, 0.1))),
    ],
)
def test_marginal_likelihood_is_the_integral(cells: dict[int, tuple[int, int]], tau: float, shift: float) -> None:
    counts = Counts.from_cells(cells)
    mean = math.log(np.median(list(cells))) + shift
    likelihood = DimensionLikelihood(counts)
    top = greatest(counts)

    def integral(low: float, high: float) -> float:
        x = np.linspace(low + 1e-12, high - 1e-12, 301)  # just inside: the profile jumps at tested N
        density = norm.pdf(x, mean, tau)
        return float(trapezoid(np.exp(profile_log_likelihood(counts, x, RATES) - top) * density, x))

    # No jump between these points, and the Gaussian is negligible outside of them.
    knots = np.concatenate([np.log(list(cells)), mean + tau * np.array([-9, -5, -3, -1, 0, 1, 3, 5, 9])])
    lo, hi = mean - 9 * tau, mean + 9 * tau
    knots = np.unique(np.clip(knots, lo, hi))
    expected = sum(integral(a, b) for a, b in pairwise(knots))
    value = float(likelihood.log_marginal(np.array([mean]), np.array([tau]))[0])
    if expected < 1e-12:
        # No law that predicts this can compete, and nothing is promised but that it stays so.
        assert value < -20.0
    else:
        # Straight lines over cells in which log L changes by 0.15: relative error at most 0.15²/8 = 3e-3 each, and as
        # much again where two pairs of rates take turns; where L is below exp(-10) the cells are wider.
        assert value == pytest.approx(math.log(expected), abs=6e-3 if expected > 1e-5 else 0.1)


def test_no_scatter_is_the_limit_of_little_scatter() -> None:
    counts = Counts.from_cells({5: (1, 16), 6: (5, 16), 8: (12, 16), 10: (16, 16)})
    likelihood = DimensionLikelihood(counts)
    x = np.log(np.array([5.5, 6.5, 7.0, 7.7]))
    top = np.max(profile_log_likelihood(counts, np.linspace(1.5, 2.5, 4001), RATES))
    direct = profile_log_likelihood(counts, x, RATES) - top
    assert likelihood.log_likelihood(x) == pytest.approx(direct, abs=6e-3)
    assert likelihood.log_marginal(x, np.full(4, 1e-4)) == pytest.approx(direct, abs=9e-3)


def test_censored_dimensions_are_half_lines() -> None:
    left = DimensionLikelihood(Counts.from_cells({8: (16, 16)}))
    right = DimensionLikelihood(Counts.from_cells({8: (0, 16)}))
    tau = np.array([0.5])
    for z in (-1.0, 0.0, 1.0):
        mean = np.array([math.log(8) + z * 0.5])
        # Beyond log 8 the best curve is flat at 1/2 and worth 2^-16.
        assert left.log_marginal(mean, tau)[0] == pytest.approx(math.log(norm.cdf(-z) + 2**-16 * norm.cdf(z)), abs=1e-6)
        assert right.log_marginal(mean, tau)[0] == pytest.approx(
            math.log(norm.cdf(z) + 2**-16 * norm.cdf(-z)), abs=1e-6
        )
    # Ten thousand times farther than anything tested, and still flat.
    far = np.array([math.log(8) - 20.0])
    assert left.log_marginal(far, tau)[0] == pytest.approx(0.0, abs=1e-9)
    assert left.log_likelihood(far)[0] == 0.0


# Attribution


def test_a_jump_at_d_minus_1_is_linear_though_its_exponent_is_not_1() -> None:
    scaling = fit_scaling(jump(lambda d: d - 1))
    assert scaling.best == "d-1"
    assert weight(scaling, "d-1") > 0.9
    assert scaling.order_weights[1] > 0.999
    fit = scaling.best_fit
    assert fit is not None
    assert fit.between_dimension_sd == 0.0
    assert fit.log_likelihood == pytest.approx(0.0, abs=1e-9)
    # The exact solutions: N50 in (d-2, d-1) for all d up to 32.
    assert 30 / 31 < fit.constant < 1.0
    assert fit.constant == pytest.approx((30 / 31 + 1) / 2, abs=1e-3)
    assert fit.constant_high == pytest.approx(1.0, abs=1e-3)
    # The bare exponent misleads.
    exponent = scaling.exponent
    assert exponent is not None
    assert exponent.low is not None
    assert exponent.high is not None
    assert 1.0 < exponent.low < exponent.value < exponent.high < 2.0
    assert exponent.low < fit.local_exponent < exponent.high
    assert exponent.aic > fit.aic + 10


def test_a_jump_at_d_is_linear_and_named_d() -> None:
    # Thresholds at the integers d lie in (d-1, d]: 1.02(d-1) and 0.98d are equally good, the names must not be.
    scaling = fit_scaling(jump(lambda d: d))
    assert weight(scaling, "d") == pytest.approx(0.5, abs=1e-6)
    assert weight(scaling, "d-1") == pytest.approx(0.5, abs=1e-6)
    assert scaling.best == "d"
    assert scaling.exponent is not None
    assert scaling.exponent.low is not None
    assert scaling.exponent.high is not None
    assert scaling.exponent.low <= 1.0 <= scaling.exponent.high


def test_a_jump_at_the_number_of_unknowns_is_quadratic() -> None:
    scaling = fit_scaling(jump(lambda d: d * (d - 1) // 2 + 1))
    assert scaling.best == "D+1"
    assert weight(scaling, "D+1") > 0.9
    fit = scaling.best_fit
    assert fit is not None
    # N50 in (D, D+1) for d = 32, D = 496, and so for all smaller d.
    assert 496 / 497 < fit.constant < 1.0
    assert fit.between_dimension_sd == 0.0


@pytest.mark.parametrize(("name", "constant"), list(zip(LAWS, (0.9, 1.4, 0.9, 1.4), strict=True)))
def test_exact_laws_are_found_again(name: str, constant: float) -> None:
    law = LAWS[name]
    # At d = 2 the curve needs room below it.
    data = logistic(
        lambda d: 10 * constant * float(np.exp(law.log([d])[0])), 12.0, 60, 0.0, np.random.default_rng(len(name))
    )
    scaling = fit_scaling(data)
    assert scaling.best == name
    assert weight(scaling, name) > 0.9
    fit = scaling.best_fit
    assert fit is not None
    # About 4 of the 8 tested N carry information: each dimension is known to 0.02 or better, nine to 0.01; 6 sigma.
    assert fit.constant == pytest.approx(10 * constant, rel=0.06)
    assert fit.between_dimension_sd < 0.05
    assert fit.constant_low is not None
    assert fit.constant_high is not None
    assert fit.constant_low < fit.constant < fit.constant_high


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_shallow_curves_with_scatter_choose_the_quadratic_family(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scaling = fit_scaling(logistic(lambda d: 1.2 * (d * (d - 1) / 2) + 0.5, 6.0, 48, 0.1, rng))
    assert scaling.order_weights[2] > 0.999
    assert sum(scaling.order_weights.values()) == pytest.approx(1.0)
    assert scaling.exponent is not None
    assert scaling.exponent.low is not None
    assert scaling.exponent.low > 1.5
    best = scaling.best_fit
    assert best is not None
    assert 0.01 < best.between_dimension_sd < 0.3


@pytest.mark.slow
def test_intervals_of_the_exponent_cover() -> None:
    covered = 0
    repetitions = 12
    for seed in range(repetitions):
        data = logistic(lambda d: 6 * d**1.5, 8.0, 24, 0.15, np.random.default_rng(100 + seed))
        exponent = fit_scaling(data, laws=CANDIDATE_LAWS[:1]).exponent
        assert exponent is not None
        assert exponent.low is not None
        assert exponent.high is not None
        covered += exponent.low <= 1.5 <= exponent.high
    # An exact 95 % interval holds the truth fewer than 8 of 12 times with probability 2e-4.
    assert covered >= binom.ppf(1e-4, repetitions, 0.95)


def test_censored_dimensions_take_part() -> None:
    data = jump(lambda d: d - 1)
    whole = fit_scaling(data)
    # The largest dimension was only tried up to N = 25 and never succeeded: compatible with c just below 1.
    data[32] = Counts.from_cells({20: (0, 16), 25: (0, 16)})
    scaling = fit_scaling(data)
    assert scaling.best == "d-1"
    assert scaling.informative_dims == whole.informative_dims[:-1]
    fit = scaling.best_fit
    assert fit is not None
    assert 22 / 23 < fit.constant < 1.0
    # Never a success up to N = 50 contradicts c < 1 at the other dimensions, and costs likelihood.
    data[32] = Counts.from_cells({40: (0, 16), 50: (0, 16)})
    assert fit_scaling(data).laws[0].log_likelihood < -1.0


# What there is besides


def test_aic_and_weights_by_hand() -> None:
    scaling = pickle.loads(pickle.dumps(fit_scaling(jump(lambda d: d - 1))))
    for fit in scaling.laws:
        assert fit.aic == pytest.approx(4 - 2 * fit.log_likelihood)
    likelihoods = [math.exp(fit.log_likelihood) for fit in scaling.laws]
    assert [fit.weight for fit in scaling.laws] == pytest.approx([x / sum(likelihoods) for x in likelihoods])
    assert scaling.exponent is not None
    assert scaling.exponent.aic == pytest.approx(6 - 2 * scaling.exponent.log_likelihood)


def test_the_search_misses_nothing_a_dense_grid_finds() -> None:
    data = logistic(lambda d: 1.2 * (d * (d - 1) / 2) + 0.5, 6.0, 48, 0.1, np.random.default_rng(7))
    scaling = fit_scaling(data)
    likelihoods = {d: DimensionLikelihood(counts) for d, counts in data.items()}
    for fit in scaling.laws[1:3]:
        offsets = math.log(fit.constant) + np.linspace(-1.5, 1.5, 151)
        best = -math.inf
        for tau in np.geomspace(1e-3, 3.0, 50):
            total = sum(
                likelihoods[d].log_marginal(offsets + fit.law.log([d])[0], np.full_like(offsets, tau)) for d in DIMS
            )
            best = max(best, float(np.max(total)))
        # Curvature at most 2 per dimension in log τ (half a step: 0.08), offsets within 0.01 of τ: below 0.2 together.
        assert best - 1e-6 <= fit.log_likelihood <= best + 0.2


def test_local_exponents() -> None:
    # numpy's own least squares
    for law in CANDIDATE_LAWS:
        assert local_exponent(law, DIMS) == pytest.approx(np.polyfit(np.log(DIMS), law.log(DIMS), 1)[0])
    assert local_exponent(LAWS["d"], DIMS) == pytest.approx(1.0)
    assert local_exponent(LAWS["d^2"], DIMS) == pytest.approx(2.0)
    assert local_exponent(LAWS["d-1"], DIMS) == pytest.approx(1.2065, abs=1e-4)
    with pytest.raises(ValueError, match="dims"):
        local_exponent(LAWS["d"], (4, 4))


def test_laws_at_small_dimensions() -> None:
    values = {law.name: list(np.round(np.exp(law.log([2, 3, 10])), 9)) for law in CANDIDATE_LAWS}
    assert values == {"d-1": [1, 2, 9], "d": [2, 3, 10], "D+1": [2, 4, 46], "d^2": [4, 9, 100]}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {2: Counts.from_cells({1: (16, 16)})},
        {d: Counts.from_cells({4: (16, 16), 5: (16, 16)}) for d in DIMS},
        {d: Counts.from_cells({4: (0, 16), 5: (1, 16)}) for d in DIMS},
        {4: Counts.from_cells({2: (0, 16), 3: (16, 16)}), 8: Counts.from_cells({6: (0, 16), 7: (16, 16)})},
    ],
)
def test_too_little_data_is_a_reason_not_an_exception(data: dict[int, Counts]) -> None:
    scaling = fit_scaling(data)
    assert scaling.exponent is None
    assert scaling.best is None
    assert scaling.best_fit is None
    assert scaling.laws == ()
    assert "a law needs three dimensions with success on both sides of 1/2" in scaling.reason


def test_unordered_data_are_fitted_without_complaint() -> None:
    scaling = fit_scaling({d: Counts.from_cells({4: (12, 16), 5: (3, 16)}) for d in DIMS})
    assert scaling.exponent is not None
    assert all(math.isfinite(fit.aic) for fit in scaling.laws)


def test_misuse_is_refused() -> None:
    data = jump(lambda d: d)
    with pytest.raises(ValueError, match="dimension 1"):
        fit_scaling({1: data[2]})
    with pytest.raises(ValueError, match="level is 2"):
        fit_scaling(data, level=2)
    with pytest.raises(ValueError, match="distinct names"):
        fit_scaling(data, laws=())
    with pytest.raises(ValueError, match="distinct names"):
        fit_scaling(data, laws=(LAWS["d"], Law("d", 1, lambda d: d)))
