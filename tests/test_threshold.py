"""Thresholds from counts: against brute-force maximisation, hand calculation and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import binom, chi2

from analysis.statistics.counts import Counts
from analysis.statistics.profile import profile_log_likelihood
from analysis.statistics.psychometric import NO_RATES, RATES, Rates, linear_predictor, probability, success_probability
from analysis.statistics.threshold import decided_bracket, fit_threshold

SEPARATED = {6: (0, 16), 7: (16, 16)}
OVERLAPPING = {5: (1, 16), 6: (5, 16), 8: (12, 16), 10: (16, 16)}
UNEQUAL = {20: (0, 7), 30: (3, 40), 36: (20, 31), 50: (11, 11), 90: (5, 5)}
WIDE = {1: (2, 12), 4: (5, 12), 16: (7, 12), 64: (11, 12)}
EXAMPLES = [SEPARATED, OVERLAPPING, UNEQUAL, WIDE]

Cells = dict[int, tuple[int, int]]


def penalised(cells: Cells, intercept: float, slope: float) -> float:
    """Firth's penalised log likelihood, one design-matrix row per trial: nothing shared with the implementation."""
    x = np.concatenate([np.full(trials, math.log(n)) for n, (_, trials) in cells.items()])
    y = np.concatenate([np.arange(trials) < successes for successes, trials in cells.values()])
    design = np.stack([np.ones_like(x), x], axis=1)
    eta = design @ np.array([intercept, slope])
    p = 1.0 / (1.0 + np.exp(-np.clip(eta, -500, 500)))
    log_likelihood = -np.sum(np.logaddexp(0.0, np.where(y, -eta, eta)))
    sign, log_det = np.linalg.slogdet(design.T @ (design * (p * (1 - p))[:, None]))
    return float(log_likelihood + 0.5 * log_det) if sign > 0 else -1e9


def brute_force(cells: Cells) -> tuple[float, float, float]:
    """(x50, slope, value) of the best of a dense grid, polished by Nelder–Mead."""
    xs = np.linspace(math.log(min(cells)), math.log(max(cells)), 41)
    slopes = np.geomspace(0.1, 300.0, 61)
    _, x50, slope = max((penalised(cells, -b * x, b), x, b) for x in xs for b in slopes)
    found = minimize(
        lambda point: -penalised(cells, -math.exp(point[1]) * point[0], math.exp(point[1])),
        np.array([x50, math.log(slope)]),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 2000},
    )
    return float(found.x[0]), math.exp(float(found.x[1])), -float(found.fun)


@pytest.mark.parametrize("cells", EXAMPLES)
def test_fit_is_the_maximum_of_the_penalised_likelihood(cells: Cells) -> None:
    x50, slope, _ = brute_force(cells)
    fit = fit_threshold(Counts.from_cells(cells))
    assert fit.rates == NO_RATES
    # Simplexes of 1e-7 in both, and a likelihood that is quadratic to 1e-10.
    assert fit.n50 == pytest.approx(math.exp(x50), rel=1e-5)
    assert fit.slope == pytest.approx(slope, rel=1e-4)
    assert fit.censored == ""


def curve_log_likelihood(cells: Cells, x: float, slope: NDArray[np.float64], rates: Rates) -> float:
    """The best over several slopes, from the curve as it is written in the module's docstring."""
    low, high = rates
    total = np.zeros_like(slope)
    for n, (successes, trials) in cells.items():
        shift = math.log((0.5 - low) / (0.5 - high))
        p = low + (1 - low - high) / (1 + np.exp(-np.clip(slope * (math.log(n) - x) + shift, -600, 600)))
        p = np.clip(p, 1e-200, 1 - 1e-16)
        total += successes * np.log(p) + (trials - successes) * np.log1p(-p)
    return float(np.max(total))


@pytest.mark.parametrize("cells", [cells for cells in EXAMPLES if cells is not SEPARATED])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_interval_ends_satisfy_the_chi_square_equation(cells: Cells, level: float) -> None:
    """β, γ and λ are profiled out, without a penalty."""
    slopes = np.geomspace(0.05, 1e7, 3000)

    def profile(x: float) -> float:
        return max(curve_log_likelihood(cells, x, slopes, pair) for pair in RATES)

    top = max(profile(x) for x in np.linspace(math.log(min(cells)), math.log(max(cells)), 201))
    fit = fit_threshold(Counts.from_cells(cells), level=level)
    assert fit.n50_low is not None
    assert fit.n50_high is not None
    for end in (fit.n50_low, fit.n50_high):
        # The oracle's grids: a hundredth of the span in x (its maximum is missed by 0.01), 0.7 % in β.
        fall = 2 * (top - profile(math.log(end)))
        jump = abs(2 * (top - profile(math.log(end) + 1e-6)) - 2 * (top - profile(math.log(end) - 1e-6))) > 0.1
        assert jump or fall == pytest.approx(chi2.ppf(level, 1), abs=0.05)
    assert fit.n50_low < fit.n50 < fit.n50_high


def test_separated_data_have_a_threshold_in_the_gap() -> None:
    fit = fit_threshold(Counts.from_cells(SEPARATED))
    # The data are symmetric about the middle of log 6 and log 7, and so is Jeffreys' prior.
    assert fit.n50 == pytest.approx(math.sqrt(42), rel=1e-6)
    assert fit.n50_low is not None
    assert fit.n50_high is not None
    # Any N50 in the gap explains the data perfectly, none outside does.
    assert (fit.n50_low, fit.n50_high) == (pytest.approx(6), pytest.approx(7))
    assert fit.half_width == pytest.approx(0.5 * math.log(fit.n50_high / fit.n50_low))
    assert fit.n_min == 7
    assert fit.resolved


def test_unequal_cells_on_which_newton_from_zero_fails() -> None:
    cells = {20: (0, 16), 30: (1080, 20000), 36: (19900, 20000), 50: (4, 4), 90: (5, 5)}
    fit = fit_threshold(Counts.from_cells(cells))
    # With 20000 trials a cell the curve runs through the two large cells.
    low, high = (math.log(p / (1 - p)) for p in (1080 / 20000, 19900 / 20000))
    slope = (high - low) / math.log(36 / 30)
    assert fit.slope == pytest.approx(slope, rel=0.01)
    assert fit.n50 == pytest.approx(30 * math.exp(-low / slope), rel=0.001)


def test_quantiles_lie_on_the_fitted_curve() -> None:
    fit = fit_threshold(Counts.from_cells(OVERLAPPING))
    assert fit.slope is not None
    assert fit.n90 is not None
    assert fit.quantile(0.9) == pytest.approx(fit.n90)
    assert fit.quantile(0.5) == fit.n50
    assert success_probability(np.array([fit.n90, fit.n50]), fit.n50, fit.slope) == pytest.approx([0.9, 0.5])
    with pytest.raises(ValueError, match="probability is 1"):
        fit.quantile(1.0)


@st.composite
def cells_of_any_kind(draw: st.DrawFn) -> Cells:
    tested = draw(st.lists(st.integers(1, 60), min_size=1, max_size=6, unique=True))
    trials = [draw(st.integers(1, 40)) for _ in tested]
    return {n: (draw(st.integers(0, t)), t) for n, t in zip(tested, trials, strict=True)}


@given(cells_of_any_kind(), st.integers(2, 50))
def test_scaling_all_n_scales_the_threshold(cells: Cells, factor: int) -> None:
    fit = fit_threshold(Counts.from_cells(cells))
    scaled = fit_threshold(Counts.from_cells({factor * n: cell for n, cell in cells.items()}))
    assert scaled.censored == fit.censored
    for name in ("n50", "n50_low", "n50_high", "n90"):
        value, image = getattr(fit, name), getattr(scaled, name)
        assert (image is None) == (value is None)
        if value is not None and (fit.censored != "undetermined"):
            # 1e-6 of the 9 decades that an end may be away in a nearly flat profile
            assert math.log(image) == pytest.approx(math.log(factor * value), abs=1e-4)


@given(cells_of_any_kind())
def test_every_kind_of_data_has_an_answer_in_order(cells: Cells) -> None:
    fit = fit_threshold(Counts.from_cells(cells))
    assert (fit.n50_low or 0.0) <= fit.n50 <= (fit.n50_high or math.inf)
    assert fit.trials == sum(trials for _, trials in cells.values())
    assert fit.slope is None or fit.censored == ""
    assert fit.slope is None or fit.slope > 0
    if fit.n_min is not None:
        assert fit.n_min == math.ceil(fit.n50 - 1e-9) or fit.resolved or fit.censored == "left"
    if fit.resolved:
        assert fit.n_min in cells


def test_weak_data_leave_the_interval_open() -> None:
    fit = fit_threshold(Counts.from_cells({5: (1, 3), 6: (2, 3)}))
    assert fit.censored == ""
    assert (fit.n50_low, fit.n50_high) == (None, None)
    assert fit.half_width == math.inf


@pytest.mark.parametrize(
    ("cells", "censored", "n50", "low", "high"),
    [
        ({3: (10, 10)}, "left", 3, None, 3),  # 2^-10 < 0.025
        # Together 11 of 12: (1 + 12)/2^12 < 0.025, so N50 <= 5; up to N = 4, 7 of 8: 9/2^8 > 0.025: stop.
        ({3: (3, 4), 4: (4, 4), 5: (4, 4)}, "left", 5, None, 5),
        # The mirror image: together 11 of 12 fail, from N = 4 on 7 of 8.
        ({3: (0, 4), 4: (0, 4), 5: (1, 4)}, "right", 3, 3, None),
        # A bare majority bounds nothing.
        ({3: (4, 4)}, "undetermined", 3, None, None),  # 2^-4 > 0.025
        ({1: (51, 100), 2: (11, 20)}, "undetermined", 1, None, None),
        ({3: (0, 4)}, "undetermined", 3, None, None),
        ({5: (48, 100), 6: (49, 100)}, "undetermined", 6, None, None),
        # Data that do not rise.
        ({5: (12, 16), 6: (3, 16)}, "undetermined", 6, None, None),  # pooled: 15/32 everywhere, never reaches 1/2
        ({8: (8, 16)}, "undetermined", 8, None, None),  # one N, exactly a half
        ({5: (12, 16), 6: (4, 16)}, "undetermined", 5, None, None),  # pooled: exactly a half everywhere
        (
            {4: (3, 16), 9: (3, 16), 16: (8, 16), 17: (0, 64), 40: (40, 64), 41: (0, 900)},
            "undetermined",
            41,
            None,
            None,
        ),
    ],
)
def test_censored_thresholds(cells: Cells, censored: str, n50: float, low: float | None, high: float | None) -> None:
    fit = fit_threshold(Counts.from_cells(cells))
    assert (fit.censored, fit.n50, fit.n50_low, fit.n50_high) == (censored, n50, low, high)
    assert (fit.n_min, fit.n90, fit.slope, fit.quantile(0.9)) == (None,) * 4  # n_min: anything up to n50, if at all
    assert fit.half_width == math.inf
    assert not fit.resolved


@pytest.mark.parametrize(
    ("cells", "n_min"),
    [
        ({4: (0, 16), 8: (16, 16)}, 6),  # N50 = √32 = 5.66 by symmetry
        ({1: (16, 16), 2: (16, 16)}, 1),
    ],
)
def test_n_min(cells: Cells, n_min: int) -> None:
    assert fit_threshold(Counts.from_cells(cells)).n_min == n_min


@pytest.mark.parametrize(
    "cells",
    [
        {4: (0, 16), 5: (10, 16), 6: (6, 16), 7: (16, 16)},
        {4: (0, 16), 5: (1, 16), 9: (9, 16), 12: (10, 16)},
        {5: (7, 16), 6: (16, 16)},
    ],
)
def test_where_no_integer_is_resolved_the_curve_decides(cells: Cells) -> None:
    fit = fit_threshold(Counts.from_cells(cells))
    assert not fit.resolved
    assert fit.n_min == math.ceil(fit.n50 - 1e-9)


@pytest.mark.parametrize(
    ("cells", "resolved"),
    [
        ({6: (0, 10), 7: (10, 10)}, True),  # 2^-10 = 0.00098 on both sides
        ({6: (0, 9), 7: (10, 10)}, False),  # 2^-9 = 0.00195
        ({6: (0, 10), 7: (9, 9)}, False),
        ({5: (0, 90), 7: (90, 90)}, False),  # not neighbours
        ({1: (10, 10), 2: (1, 1)}, True),  # N − 1 = 0 needs no test
        ({1: (9, 9), 2: (1, 1)}, False),
        ({2: (10, 10)}, False),  # N = 1 might do
        ({6: (1, 14), 7: (13, 14)}, True),  # 15/2^14 = 0.00092
        ({6: (1, 13), 7: (13, 14)}, False),  # 14/2^13 = 0.0017
    ],
)
def test_resolved(cells: Cells, resolved: bool) -> None:
    assert fit_threshold(Counts.from_cells(cells)).resolved is resolved


def log_likelihood(cells: Cells, x: float, slope: float) -> float:
    return -sum(
        successes * np.logaddexp(0.0, -slope * (math.log(n) - x))
        + (trials - successes) * np.logaddexp(0.0, slope * (math.log(n) - x))
        for n, (successes, trials) in cells.items()
    )


@given(cells_of_any_kind(), st.floats(-2.0, 7.0))
def test_profile_is_the_supremum_over_the_slope(cells: Cells, x: float) -> None:
    slopes: NDArray[np.float64] = np.concatenate([[0.0], np.geomspace(1e-4, 1e9, 2000)])
    brute = max(log_likelihood(cells, x, float(slope)) for slope in slopes)
    value = float(profile_log_likelihood(Counts.from_cells(cells), np.array([x]))[0])
    trials = sum(t for _, t in cells.values())
    # The grid of the oracle is 1.5 % wide; near its maximum the likelihood is quadratic in log β, and it stops at
    # 1e9 and 1e-4.
    assert brute - 1e-9 * trials <= value <= brute + 1e-3 * trials
    assert value <= 0.0


def test_profile_of_separated_data_is_a_box() -> None:
    counts = Counts.from_cells({5: (0, 16), 6: (0, 16), 7: (16, 16), 9: (16, 16)})
    x = np.log([6.0 + 1e-9, 6.5, 7.0 - 1e-9])
    assert np.array_equal(profile_log_likelihood(counts, x), np.zeros(3))
    # A tested N at x itself is a fair coin.
    assert profile_log_likelihood(counts, np.log([6.0, 7.0])) == pytest.approx(-16 * math.log(2))
    outside = profile_log_likelihood(counts, np.log([5.9, 7.1]))
    assert np.all(outside < -16 * math.log(2))


def test_profile_far_away_tends_to_one_probability_for_all() -> None:
    counts = Counts.from_cells(OVERLAPPING)  # 34 of 64 succeed
    p = 34 / 64
    entropy = 34 * math.log(p) + 30 * math.log(1 - p)
    assert profile_log_likelihood(counts, np.array([-math.inf, math.inf])) == pytest.approx(
        [entropy, -64 * math.log(2)]
    )
    assert profile_log_likelihood(counts, np.array([-1e5, 1e5])) == pytest.approx(
        [entropy, -64 * math.log(2)], abs=1e-2
    )


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({}, "empty"),
        ({0: (1, 2)}, "num_transitions"),
        ({3: (3, 2)}, "3 successes of 2 trials at N = 3"),
        ({3: (-1, 2)}, "-1 successes"),
        ({3: (0, 0)}, "0 trials"),
    ],
)
def test_impossible_counts_are_refused(cells: Cells, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Counts.from_cells(cells)


def test_counts_need_equal_lengths_and_integers() -> None:
    with pytest.raises(ValueError, match="lengths 2, 1 and 1"):
        Counts((1, 2), (0,), (1,))
    with pytest.raises(ValueError, match="strictly increasing"):
        Counts((2, 2), (0, 0), (1, 1))
    half: Any = 0.5
    with pytest.raises(TypeError):
        Counts((2,), (half,), (1,))


def test_the_level_is_checked() -> None:
    counts = Counts.from_cells(SEPARATED)
    with pytest.raises(ValueError, match="level is 95"):
        fit_threshold(counts, level=95)


def test_a_lucky_success_does_not_make_a_jump_gradual() -> None:
    counts = Counts.from_cells({6: (1, 25), 7: (25, 25), 8: (24, 25)})
    x = np.log([6.5, 6.7, 6.95])
    inside = profile_log_likelihood(counts, x, RATES)
    # By hand: the likeliest listed rates, 5 % below, in 25 trials, and 3 % above, in 50, for every N50 in the gap.
    expected = math.log(0.05) + 24 * math.log(0.95) + math.log(0.03) + 49 * math.log(0.97)
    assert inside == pytest.approx(expected)
    plain = profile_log_likelihood(counts, x)
    assert plain[2] < inside[2] - 5
    outside = profile_log_likelihood(counts, np.log([5.9, 7.1]), RATES)
    assert max(outside) < expected - 10


def test_lucky_successes_do_not_flatten_the_curve() -> None:
    # Lucky successes below a jump at 257 flatten the logistic curve; its own crossing is near 210.
    cells = {64: (1, 12), 128: (2, 12), 216: (0, 25), 241: (4, 25), 255: (0, 25), 256: (1, 12), 257: (25, 25)}
    counts = Counts.from_cells(cells)
    assert decided_bracket(counts) == (255, 257)
    fit = fit_threshold(counts)
    assert 255 <= fit.n50 <= 257
    assert fit.n50_low is not None
    assert fit.n50_high is not None
    assert 255 <= fit.n50_low < fit.n50_high <= 257 + 1e-6
    assert not fit.resolved  # 1 of 12 at 256 has p = 0.003


def test_decided_integers_that_contradict_each_other_decide_nothing() -> None:
    assert decided_bracket(Counts.from_cells({5: (16, 16), 6: (0, 16)})) == (0, None)
    assert decided_bracket(Counts.from_cells({5: (3, 6), 6: (4, 6)})) == (0, None)


def test_a_crossing_where_nothing_was_tried_is_a_bound() -> None:
    # 50 %, 60 % and 62 % at N = 1, 2, 4: the curve crosses 1/2 below N = 1; and the mirror image.
    low = fit_threshold(Counts.from_cells({1: (50, 100), 2: (60, 100), 4: (62, 100)}))
    assert (low.censored, low.n50, low.n50_low, low.n90) == ("left", low.n50_high, None, None)
    high = fit_threshold(Counts.from_cells({10: (38, 100), 20: (40, 100), 40: (50, 100)}))
    assert (high.censored, high.n50, high.n50_high, high.n90) == ("right", high.n50_low, None, None)


def test_n90_is_not_extrapolated() -> None:
    fit = fit_threshold(Counts.from_cells({3: (30, 100), 4: (60, 100), 5: (70, 100)}))
    assert fit.censored == ""
    assert fit.n90 is None


def test_a_curve_flattened_by_luck_gives_way_to_the_counts() -> None:
    """10 % of lucky successes over five octaves below a rise from 28 % at 252 to 72 % at 258: no jump, yet steep."""
    lucky = {16: (3, 25), 32: (2, 25), 64: (3, 25), 128: (2, 25), 216: (2, 25), 241: (3, 25)}
    rise = {252: (7, 25), 258: (18, 25), 270: (25, 25)}
    fit = fit_threshold(Counts.from_cells(lucky | rise))
    assert fit.censored == ""
    assert 252 < fit.n50 < 258
    assert fit.n50_low is not None
    assert fit.n50_high is not None
    assert 241 < fit.n50_low < fit.n50 < fit.n50_high < 270
    # Without them the curve alone says the same: within the interval of the whole.
    alone = fit_threshold(Counts.from_cells(rise | {241: (0, 25)}))
    assert fit.n50_low < alone.n50 < fit.n50_high


def test_a_lapse_does_not_move_n50() -> None:
    """With a lapse N50 is where success is 1/2, not where the curve is half-way up to 1 − λ."""
    tested = np.array([10, 14, 17, 20, 24, 30, 40, 80, 160])
    p = success_probability(tested.astype(float), 20.0, 8.0, Rates(0.0, 0.2))
    # 4000 trials at expected counts: the fit must return the curve that made them, up to the grid of shares.
    fit = fit_threshold(Counts(tuple(tested), tuple(np.round(4000 * p).astype(int)), (4000,) * len(tested)))
    assert fit.rates is not None
    assert fit.rates.lapse > 0.0
    assert fit.n50 == pytest.approx(20.0, rel=0.02)
    assert float(success_probability(np.array([20.0]), 20.0, 8.0, Rates(0.0, 0.2))[0]) == pytest.approx(0.5)
    assert fit.quantile(0.9) is None  # beyond 1 − λ


def test_the_curve_by_hand_and_back() -> None:
    # A jump is 1/2 at N50 and elsewhere at its asymptotes.
    assert success_probability(np.array([1.0, 2.0, 4.0]), 2.0, math.inf, Rates(0.05, 0.1)) == pytest.approx(
        [0.05, 0.5, 0.9]
    )
    # γ = 0.1, λ = 0.2: s = log(4/3), and at η = log 3 P = 0.1 + 0.7·4/5.
    assert probability(np.log([3.0]), 0.1, 0.2) == pytest.approx([0.66])
    for guess, lapse in RATES:
        eta = np.linspace(-9.0, 9.0, 7)
        assert linear_predictor(probability(eta, guess, lapse), guess, lapse) == pytest.approx(eta, abs=1e-9)


def test_lack_of_fit_tells_a_dip_from_a_curve() -> None:
    good = fit_threshold(Counts.from_cells({8: (2, 40), 12: (9, 40), 16: (21, 40), 24: (34, 40), 32: (38, 40)}))
    dip = fit_threshold(Counts.from_cells({8: (2, 40), 12: (30, 40), 16: (8, 40), 24: (34, 40), 32: (38, 40)}))
    assert good.lack_of_fit is not None
    assert good.lack_of_fit > 0.1
    # The dip alone has deviance above 20: fewer than one of the 399 simulated ones.
    assert dip.lack_of_fit is not None
    assert dip.lack_of_fit <= 0.01
    assert fit_threshold(Counts.from_cells(SEPARATED)).lack_of_fit is None
    # A jump simulates itself exactly, and nothing deviates less.
    assert fit_threshold(Counts.from_cells({5: (0, 9), 6: (0, 9), 7: (9, 9)})).lack_of_fit == 1.0


def test_lack_of_fit_has_its_level() -> None:
    rng = np.random.default_rng(5)
    tested = np.array([14, 17, 20, 23, 27, 40])
    repetitions = 50
    rejected = 0
    for _ in range(repetitions):
        successes = rng.binomial(12, success_probability(tested.astype(float), 20.3, 8.0))
        p = fit_threshold(Counts(tuple(tested), tuple(successes), (12,) * len(tested))).lack_of_fit
        rejected += p is not None and p <= 0.1
    # At most this many with probability 1 − 1e-4, were the level exactly 10 %.
    assert rejected <= binom.ppf(1 - 1e-4, repetitions, 0.1)


def test_a_flat_curve_has_no_quantiles_but_its_middle() -> None:
    for cells in ({1: (1, 3), 2: (2, 3), 4: (2, 3), 8: (1, 3)}, {1: (1, 2), 2: (1, 2), 4: (1, 2)}):
        assert fit_threshold(Counts.from_cells(cells)).n90 is None
