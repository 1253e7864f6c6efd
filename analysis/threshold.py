"""The threshold of a learner in one dimension: the number of transitions N at which success crosses 1/2.

The data are counts: at each tested N, how many of the independent trials succeeded. The model is logistic in log N,

    logit P(success | N) = β (x − x50),    x = log N,  x50 = log N50,  β > 0.

Thresholds are sharp, so the counts are often *separated* (no success at N = 6, only successes at N = 7) and the
maximum-likelihood slope is infinite. The fit is therefore the Firth fit [1]: the maximum of the likelihood times
Jeffreys' prior |I(β0, β)|^½, finite for separated data too. Its intervals are profile penalised-likelihood
intervals [2]: all x50 at which the maximum over β lies within χ²₁(level)/2 of the overall maximum. The information
matrix is that of the two-parameter model in (β0, β), β0 = −β·x50, whatever x50 is held at. Where success jumps, the
curve gives way to what the counts say (see :func:`fit_threshold`).

Two statements need no curve. *Censoring*: success fractions that stay on one side of 1/2 bound N50 on one side
only. *The smallest N*, the least integer with success probability at least 1/2, is settled when exact binomial tests
put N−1 and N on different sides; until then it is N50 rounded up.

References:
    [1] D. Firth, Bias reduction of maximum likelihood estimates, Biometrika 80:27-38, 1993.
    [2] G. Heinze and M. Schemper, A solution to the problem of separation in logistic regression,
        Statistics in Medicine 21:2409-2419, 2002.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from firthmodels import FirthLogisticRegression
from scipy.optimize import isotonic_regression
from scipy.special import chdtri
from scipy.stats import binomtest

from analysis.counts import Counts
from analysis.likelihood import STRAYS, penalised_log_likelihood, penalised_profile, profile_log_likelihood

__all__ = ["BRACKET_FACTOR", "SETTLE_LEVEL", "Censoring", "Threshold", "decided_bracket", "fit_threshold"]

Censoring = Literal["", "left", "right", "undetermined"]
"""Why a threshold is not a point: see :class:`Threshold`."""

SETTLE_LEVEL = 1e-3
"""Level of the one-sided tests behind ``settled``: small, because a search looks at it after every round of trials."""

BRACKET_FACTOR = 100.0
"""Interval ends are sought within this factor of the tested numbers of transitions; beyond it a side is open."""

_CONTRADICTION = 6.0
"""Log likelihood that the estimate may miss against the best curve with strays before it is given up."""


@dataclass(frozen=True)
class Threshold:
    """Where success crosses 1/2, for one learner in one dimension.

    Attributes:
        n50: estimate of N50. If ``censored`` is "left" or "right" it is the bound: the smallest, respectively largest,
            tested N. If "undetermined" it is only where to look next: the geometric middle of the two tested N
            between which the isotonic regression crosses 1/2 (or the one that there is), with an open interval.
        n50_low: lower end of the interval; None if open.
        n50_high: upper end of the interval; None if open.
        n90: N at which the fitted success probability is 9/10; None without a fit, or beyond the largest tested N.
        slope: β, the slope of logit P in log N; None without a fit that the decided N allow.
        smallest_n: least integer N with success probability at least 1/2; None if no tested N reaches 1/2 or if
            undetermined. If censored "left" it is an upper bound, like ``n50``, unless ``settled``.
        censored: "" for a fitted threshold; "left" if more than half of the trials succeed at every tested N (N50 is at
            most the smallest); "right" if fewer than half do at every tested N (N50 is at least the largest);
            "undetermined" if the fractions lie on both sides of 1/2 (or on it) without rising with N.
        settled: whether ``smallest_n`` is certain: exact tests put N−1 below 1/2 and N above it (N−1 = 0 is below by
            definition: with no transitions nothing is learned).
        trials: total number of trials.
    """

    n50: float
    n50_low: float | None
    n50_high: float | None
    n90: float | None
    slope: float | None
    smallest_n: int | None
    censored: Censoring
    settled: bool
    trials: int

    @property
    def half_width(self) -> float:
        """Half the width of the interval in log N; infinite if a side is open."""
        if self.n50_low is None or self.n50_high is None:
            return math.inf
        return 0.5 * math.log(self.n50_high / self.n50_low)

    def quantile(self, probability: float) -> float | None:
        """N at which the fitted success probability is ``probability``: log N = x50 + logit(p)/β; None without a fit.

        Raises:
            ValueError: if the probability is not strictly between 0 and 1.
        """
        if not 0.0 < probability < 1.0:
            raise ValueError(f"probability is {probability}; must be strictly between 0 and 1")
        if self.slope is None:
            return None
        return math.exp(_log_quantile(self.n50, self.slope, probability))


def fit_threshold(counts: Counts, level: float = 0.95, settle_level: float = SETTLE_LEVEL) -> Threshold:
    """Estimate the threshold from counts.

    The interval of an uncensored threshold is the profile penalised-likelihood interval for β ≥ 0 (the hull, should the
    set be disconnected), except in two cases, which take the profile-likelihood interval with a few strays allowed: a
    jump, of which that is the whole gap between its two N, and an estimate that it contradicts, which it replaces.
    Where the smallest N is settled the interval is from N − 1 to N, whatever the curve. The closed end of a censored
    threshold's interval is distribution-free: it assumes only that success does not fall with N (see
    :func:`_bound_from_above`).

    Args:
        counts: successes and trials by N.
        level: confidence level of the interval, in (0, 1).
        settle_level: level of each of the one-sided exact tests behind ``settled``, in (0, 1).

    Returns:
        The estimate. Data that never cross 1/2, or that do not rise, are named outcomes, not errors.

    Raises:
        ValueError: if a level is not strictly between 0 and 1.
    """
    for name, value in (("level", level), ("settle_level", settle_level)):
        if not 0.0 < value < 1.0:
            raise ValueError(f"{name} is {value}; must be strictly between 0 and 1")
    if counts.above:
        smallest = counts.num_transitions[0]
        bound = _bound_from_above(counts.num_transitions, counts.successes, counts.trials, level)
        return _without_fit(counts, "left", float(smallest), None, bound, smallest, settle_level)
    if counts.below:
        largest = counts.num_transitions[-1]
        failures = tuple(n - s for s, n in zip(counts.successes, counts.trials, strict=True))
        bound = _bound_from_above(counts.num_transitions[::-1], failures[::-1], counts.trials[::-1], level)
        return _without_fit(counts, "right", float(largest), bound, None, None, settle_level)
    fit = _fit(counts)
    if fit is None:
        below, above = _isotonic_crossing(counts)
        centre = math.sqrt((below or above or 1) * (above or below))
        return _without_fit(counts, "undetermined", centre, None, None, None, settle_level)
    n50 = math.exp(fit.x50)
    low, high = (None if end is None else math.exp(end) for end in _profile_interval(counts, fit, level))
    likely = _likely(counts, level, fit.x50)
    slope: float | None = fit.slope
    if likely.contradicts:
        # Strays far from a steep rise have flattened the curve until its crossing contradicts the counts.
        n50, low, high, slope = likely.best, likely.low, likely.high, None
    elif likely.jump:
        low, high = likely.low, likely.high
        if n50 < (low or 0.0) or n50 > (high or math.inf):
            n50, slope = likely.best, None
    smallest, largest = counts.num_transitions[0], counts.num_transitions[-1]
    if n50 < smallest:  # the curve crosses where nothing was tried: a bound, as if no tested N were below 1/2
        bound = None if high is None else max(high, float(smallest))
        return _without_fit(counts, "left", float(smallest), None, bound, smallest, settle_level)
    if n50 > largest:
        bound = None if low is None else min(low, float(largest))
        return _without_fit(counts, "right", float(largest), bound, None, None, settle_level)
    smallest_n = _smallest_n(counts, n50, settle_level)
    settled = _settled(counts, smallest_n, settle_level)
    if settled:  # success passes 1/2 between these two integers, and trials at integers say no more than that
        low, high = (float(smallest_n - 1) if smallest_n > 1 else None), float(smallest_n)
        if n50 > high or n50 < (low or 0.0):
            n50, slope = math.sqrt(high * (low or high)), None
    return Threshold(
        n50=n50,
        n50_low=low,
        n50_high=high,
        n90=_n90(n50, slope, largest),
        slope=slope,
        smallest_n=smallest_n,
        censored="",
        settled=settled,
        trials=sum(counts.trials),
    )


def _log_quantile(n50: float, slope: float, probability: float) -> float:
    """Logarithm of the N at which the curve reaches a success probability: log N50 + logit(p)/β."""
    return math.log(n50) + math.log(probability / (1.0 - probability)) / slope


def _n90(n50: float, slope: float | None, largest: int) -> float | None:
    """N90 of the curve; None without a curve or beyond the largest N that was tried."""
    if slope is None or (log_n90 := _log_quantile(n50, slope, 0.9)) > math.log(largest):
        return None
    return math.exp(log_n90)


@dataclass(frozen=True)
class _Likely:
    """N50 by the likelihood with strays.

    Attributes:
        low: lower end of the profile interval; None where open.
        best: the maximum; the middle of a flat one.
        high: upper end; None where open.
        jump: whether the maximum is flat, as it is where the likeliest curve is a jump.
        contradicts: whether it is more than exp(6) times as likely as the estimate that it was asked about.
    """

    low: float | None
    best: float
    high: float | None
    jump: bool
    contradicts: bool


def _likely(counts: Counts, level: float, x50: float) -> _Likely:
    """The profile-likelihood interval of N50 with a few strays allowed, and what it says of an estimate log N50 = x50.

    Where the likeliest curve is a jump its maximum is flat: the data identify nothing but the gap that it lies in. Then
    this, and not the penalised interval, which Jeffreys' prior draws to the middle of the gap, is the honest one.
    """
    log_n = counts.log_num_transitions
    tail = np.geomspace(1e-9, math.log(BRACKET_FACTOR), 14)
    inner = [np.linspace(a + 1e-9, b - 1e-9, 15) for a, b in pairwise(log_n)]
    x = np.sort(np.concatenate([log_n[0] - tail[::-1], *inner, log_n[-1] + tail, [x50]]))
    value = profile_log_likelihood(counts, x, STRAYS)
    fall = value - (float(np.max(value)) - 0.5 * float(chdtri(1, 1.0 - level)))
    accepted = np.flatnonzero(fall >= 0.0)
    first, last = int(accepted[0]), int(accepted[-1])

    def end(inside: int, outside: int) -> float:
        return math.exp(float(x[inside] + (x[outside] - x[inside]) * fall[inside] / (fall[inside] - fall[outside])))

    flat = x[value >= np.max(value) - 1e-9]
    return _Likely(
        low=None if first == 0 else end(first, first - 1),
        best=math.exp(0.5 * float(flat[0] + flat[-1])),
        high=None if last == len(x) - 1 else end(last, last + 1),
        jump=len(flat) > 2,
        contradicts=float(np.max(value) - value[np.searchsorted(x, x50)]) > _CONTRADICTION,
    )


def decided_bracket(counts: Counts, level: float = SETTLE_LEVEL) -> tuple[int, int | None]:
    """The largest tested N decided to be below 1/2 and the smallest decided to be above, each by an exact test.

    Args:
        counts: successes and trials by N.
        level: of each one-sided binomial test.

    Returns:
        (0, None) where no N is decided on that side, or where decided ones contradict each other.
    """
    cells = list(zip(counts.num_transitions, counts.successes, counts.trials, strict=True))
    below = [n for n, s, t in cells if binomtest(s, t, 0.5, alternative="less").pvalue <= level]
    above = [n for n, s, t in cells if binomtest(s, t, 0.5, alternative="greater").pvalue <= level]
    bracket = (below[-1] if below else 0, above[0] if above else None)
    return bracket if bracket[1] is None or bracket[0] < bracket[1] else (0, None)


@dataclass(frozen=True)
class _Fit:
    """The Firth fit: x50 = log N50, the slope β > 0, and the penalised log likelihood there."""

    x50: float
    slope: float
    log_likelihood: float


def _fit(counts: Counts) -> _Fit | None:
    """The Firth fit; None if the slope is not positive or N50 lies beyond the bracket (or only one N was tested).

    Newton's method, started from a flat curve, wanders off for very unequal cells. It is started from the maximum of
    the profile on a grid instead, by giving that curve as the offset; should it still not converge, the profile's
    own maximum is the answer.
    """
    if len(counts.num_transitions) < 2:
        return None
    log_n = counts.log_num_transitions
    margin = math.log(BRACKET_FACTOR)
    inside = [np.linspace(a, b, 9)[1:] for a, b in pairwise(log_n)]
    outside = np.geomspace(1e-2, margin, 24)
    grid = np.concatenate([log_n[0] - outside[::-1], log_n[:1], *inside, log_n[-1] + outside])
    for _ in range(3):
        values, slopes = penalised_profile(counts, grid)
        best = int(np.argmax(values))
        if best in (0, len(grid) - 1):
            return None  # the best curve is flat: nothing rises between the ends of the bracket
        x50, slope = float(grid[best]), float(slopes[best])
        grid = np.linspace(grid[best - 1], grid[best + 1], 33)
    newton = _newton(counts, x50, slope)
    if newton is not None:
        x50, slope = newton
    if not slope > 0.0 or not log_n[0] - margin <= x50 <= log_n[-1] + margin:
        return None
    value = penalised_log_likelihood(counts, np.array([x50]), np.array([[slope]]))[0, 0]
    return _Fit(x50, slope, max(float(value), float(np.max(values))))


def _newton(counts: Counts, x50: float, slope: float) -> tuple[float, float] | None:
    """The Firth estimate (x50, β) by Newton's method from the given start; None if it does not converge."""
    eta = slope * (counts.log_num_transitions - x50)
    successes = np.array(counts.successes, dtype=np.float64)
    failures = np.array(counts.trials, dtype=np.float64) - successes
    outcome = np.repeat([1, 0], len(eta))
    weight = np.concatenate([successes, failures])
    seen = weight > 0.0
    model = FirthLogisticRegression(backend="numpy", max_iter=50, max_step=1.0, max_halfstep=50, gtol=1e-4, xtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converging is an outcome here, read from converged_
        model.fit(np.tile(eta, 2)[seen, None], outcome[seen], sample_weight=weight[seen], offset=np.tile(eta, 2)[seen])
    factor = 1.0 + float(model.coef_[0])
    if not model.converged_ or not factor > 0.0:
        return None
    # η = factor·slope·(x − x50) + intercept
    return x50 - float(model.intercept_) / (factor * slope), factor * slope


def _profile_interval(counts: Counts, fit: _Fit, level: float) -> tuple[float | None, float | None]:
    """Ends of the profile penalised-likelihood interval of x50; None where it is open within the bracket."""
    cut = fit.log_likelihood - 0.5 * float(chdtri(1, 1.0 - level))
    log_n = counts.log_num_transitions
    ends: list[float | None] = []
    for side, last in ((-1.0, log_n[0]), (1.0, log_n[-1])):
        reach = max(side * (last - fit.x50), 0.0) + math.log(BRACKET_FACTOR)
        grid = fit.x50 + side * np.concatenate([[0.0], np.geomspace(1e-5, reach, 96)])
        above = penalised_profile(counts, grid)[0] >= cut
        above[0] = True
        if above[-1]:
            ends.append(None)
            continue
        for _ in range(5):
            outermost = int(np.flatnonzero(above)[-1])
            grid = np.linspace(grid[outermost], grid[outermost + 1], 17)
            above = penalised_profile(counts, grid)[0] >= cut
            above[0], above[-1] = True, False
        outermost = int(np.flatnonzero(above)[-1])
        ends.append(float(0.5 * (grid[outermost] + grid[outermost + 1])))
    return ends[0], ends[1]


def _bound_from_above(
    tested: tuple[int, ...], successes: tuple[int, ...], trials: tuple[int, ...], level: float
) -> float | None:
    """The most extreme tested N at which success is above 1/2, for data ordered from hard to easy.

    If N50 > N then every trial at a tested N' ≤ N succeeds with probability below 1/2, which the exact binomial test
    of those trials together rejects at level (1 − level)/2. The tests run from the easiest N down and stop at the
    first that does not reject (fixed-sequence testing), so looking at several N costs nothing. For right-censored
    data the same holds with failures for successes and the order reversed.
    """
    bound = None
    for k in range(len(tested), 0, -1):
        if binomtest(sum(successes[:k]), sum(trials[:k]), 0.5, alternative="greater").pvalue > (1.0 - level) / 2.0:
            break
        bound = float(tested[k - 1])
    return bound


def _isotonic_crossing(counts: Counts) -> tuple[int, int | None]:
    """The neighbouring tested N, last below and first at or above 1/2, of the weighted isotonic regression.

    The lower is 0 if no tested N is below (with no transitions nothing is learned), the upper None if none is above.
    """
    monotone = isotonic_regression(counts.fractions, weights=np.array(counts.trials, dtype=np.float64)).x
    below = int(np.searchsorted(monotone, 0.5 - 1e-12))
    return (
        counts.num_transitions[below - 1] if below > 0 else 0,
        counts.num_transitions[below] if below < len(monotone) else None,
    )


def _smallest_n(counts: Counts, n50: float, settle_level: float) -> int:
    """The least integer N with success at least 1/2.

    Where the data settle it, the integer at which the isotonic regression crosses; elsewhere the curve decides, which
    pools the trials of all N: a cell's own fraction, of few trials, would be a coin toss.
    """
    _, above = _isotonic_crossing(counts)
    if above is not None and _settled(counts, above, settle_level):
        return above
    return math.ceil(n50 - 1e-9)


def _settled(counts: Counts, smallest_n: int | None, settle_level: float) -> bool:
    """Whether exact one-sided binomial tests put success at N−1 below and at N above 1/2, N = ``smallest_n``."""
    if smallest_n is None:
        return False
    cells = dict(zip(counts.num_transitions, zip(counts.successes, counts.trials, strict=True), strict=True))
    for n, alternative in ((smallest_n - 1, "less"), (smallest_n, "greater")):
        if n == 0:
            continue
        if n not in cells or binomtest(*cells[n], 0.5, alternative=alternative).pvalue > settle_level:
            return False
    return True


def _without_fit(
    counts: Counts,
    censored: Censoring,
    n50: float,
    low: float | None,
    high: float | None,
    smallest_n: int | None,
    settle_level: float,
) -> Threshold:
    """A threshold that is a bound or an outcome, not an estimate."""
    return Threshold(
        n50=n50,
        n50_low=low,
        n50_high=high,
        n90=None,
        slope=None,
        smallest_n=smallest_n,
        censored=censored,
        settled=_settled(counts, smallest_n, settle_level),
        trials=sum(counts.trials),
    )
