"""The threshold of a learner in one dimension: the number of transitions N at which success crosses 1/2.

The data are counts: at each tested N, how many of the independent trials succeeded. The model is the curve of
:mod:`analysis.statistics.psychometric`: logistic in log N with slope β > 0, from a guess rate γ to a lapse
rate λ below 1, through 1/2 at N50 = exp(x50). With a lapse N50 is where success itself is 1/2: where trials fail as
often as not.

*Interval*: the profile-likelihood interval, all x50 at which the maximum over (β, γ, λ) lies within χ²₁(level)/2 of the
overall maximum (the hull, should the set be disconnected). The likelihood is taken without a penalty. Thresholds are
sharp, so the counts are often *separated* (no success at N = 6, only successes at N = 7): the likeliest curve is a
jump, the profile is flat between its two N, and the interval is that whole gap, which is all that trials at integers
can say. A penalty would draw the interval to the middle of the gap.

*Estimate*: the Firth fit [1], the maximum of the likelihood times Jeffreys' prior |I(β0, β)|^½, finite for separated
data too [2], at the rates (γ, λ) that the likelihood prefers by AIC: (0, 0) unless others pay for themselves.

Two statements need no curve. *Censoring*: success fractions that stay on one side of 1/2 bound N50 on one side
only. *The smallest N*, the least integer with success probability at least 1/2, is resolved when exact binomial tests
put N−1 and N on different sides; until then it is N50 rounded up.

References:
    [1] D. Firth, Bias reduction of maximum likelihood estimates, Biometrika 80:27-38, 1993.
    [2] G. Heinze and M. Schemper, A solution to the problem of separation in logistic regression,
        Statistics in Medicine 21:2409-2419, 2002.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import chdtri
from scipy.stats import binomtest

from analysis.statistics.counts import Counts, FloatArray
from analysis.statistics.goodness_of_fit import lack_of_fit
from analysis.statistics.profile import RefinedProfile, extra_refinements, plausible_rates, rates_profile
from analysis.statistics.psychometric import Rates, curve_log_likelihood, linear_predictor

__all__ = ["BRACKET_FACTOR", "RESOLVE_LEVEL", "Censoring", "Threshold", "decided_bracket", "fit_threshold"]

Censoring = Literal["", "left", "right", "undetermined"]
"""Why a threshold is not a point: see :class:`Threshold`."""

RESOLVE_LEVEL = 1e-3
"""Level of the one-sided tests behind ``resolved``: small, because a search looks at it after every round of trials."""

BRACKET_FACTOR = 100.0
"""Interval ends are sought within this factor of the tested numbers of transitions; beyond it a side is open."""

_FARTHEST = 600.0
"""Logarithm of a quantile over N₅₀ beyond which there is none: curves of slope 0 have theirs at infinity."""

_HALF_CHI_SQUARE = 0.5 * float(chdtri(1, 0.05))
"""The fall of the log likelihood at the ends of the usual interval."""


@dataclass(frozen=True)
class Threshold:
    """Where success crosses 1/2, for one learner in one dimension.

    Attributes:
        n50: estimate of N50. If ``censored`` is "left" or "right" it is the bound, the closed end of the interval. If
            "undetermined" it is only where to look next: the geometric middle of the two tested N between which the
            isotonic regression crosses 1/2 (or the one that there is), with an open interval.
        n50_low: lower end of the interval; None if open.
        n50_high: upper end of the interval; None if open.
        n90: N at which the fitted success probability is 9/10; None without a fit, or beyond the largest tested N.
        slope: β, the slope of logit P in log N; None without a fit that the decided N allow.
        n_min: least integer N with success probability at least 1/2; None if no tested N reaches 1/2, if
            undetermined, or if censored "left" and not resolved: it is then anything up to ``n50``.
        censored: "" for a fitted threshold; "left" if the curve crosses 1/2 at no tested N, above it at all of them,
            and trials bound N50 from above; "right" for the mirror image; "undetermined" if they bound it on neither
            side: a bare majority everywhere is no bound, nor are fractions that do not rise with N.
        resolved: whether ``n_min`` is certain: exact tests put N−1 below 1/2 and N above it (N−1 = 0 is below by
            definition: with no transitions nothing is learned).
        trials: total number of trials.
        rates: guess rate γ and lapse rate λ of the fitted curve; None without a fit.
        lack_of_fit: p-value of the test that the curve's form holds, see :mod:`analysis.statistics.goodness_of_fit`;
            None without a fit, with too few tested N to test it, or where the test was not asked for.
    """

    n50: float
    n50_low: float | None
    n50_high: float | None
    n90: float | None
    slope: float | None
    n_min: int | None
    censored: Censoring
    resolved: bool
    trials: int
    rates: Rates | None = None
    lack_of_fit: float | None = None

    @property
    def half_width(self) -> float:
        """Half the width of the interval in log N; infinite if a side is open."""
        if self.n50_low is None or self.n50_high is None:
            return math.inf
        return 0.5 * math.log(self.n50_high / self.n50_low)

    def quantile(self, probability: float) -> float | None:
        """N at which the fitted success probability is ``probability``; None without a fit or beyond its asymptotes.

        Raises:
            ValueError: if the probability is not strictly between 0 and 1.
        """
        if not 0.0 < probability < 1.0:
            raise ValueError(f"probability is {probability}; must be strictly between 0 and 1")
        if self.slope is None or self.rates is None:
            return None
        if not self.rates.guess < probability < 1.0 - self.rates.lapse:
            return None
        exponent = float(linear_predictor(probability, *self.rates)) / self.slope
        return self.n50 * math.exp(exponent) if exponent < _FARTHEST else None


def fit_threshold(counts: Counts, level: float = 0.95, *, test_fit: bool = True) -> Threshold:
    """Estimate the threshold from counts.

    Where the smallest N is resolved the interval stays between N − 1 and N. The closed end of a censored threshold's
    interval is distribution-free: it assumes only that success does not fall with N (see :func:`_bound_from_above`).

    Args:
        counts: successes and trials by N.
        level: confidence level of the interval, in (0, 1).
        test_fit: whether to test the form of the curve, by bootstrap; a search that is not over need not.

    Returns:
        The estimate. Data that never cross 1/2, or that do not rise, are named outcomes, not errors.

    Raises:
        ValueError: if the level is not strictly between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; must be strictly between 0 and 1")
    smallest, largest = counts.num_transitions[0], counts.num_transitions[-1]
    if counts.above:
        bound = _bound_from_above(counts.num_transitions, counts.successes, counts.trials, level)
        return _one_sided(counts, "left", smallest, bound)
    if counts.below:
        failures = tuple(n - s for s, n in zip(counts.successes, counts.trials, strict=True))
        bound = _bound_from_above(counts.num_transitions[::-1], failures[::-1], counts.trials[::-1], level)
        return _one_sided(counts, "right", largest, bound)
    profile = _Profile(counts)
    fit = _fit(counts, profile)
    if fit is None:
        below, above = _isotonic_crossing(counts)
        ends = [n for n in (below, above) if n]
        centre = math.sqrt(ends[0] * ends[-1])
        return _without_fit(counts, "undetermined", centre)
    low, high = profile.interval(level)
    # The interval is the likelihood's, and the penalty may not move the estimate out of it.
    least, most = 0.0 if low is None else low, math.inf if high is None else high
    n50 = min(max(math.exp(fit.x50), least), most)
    if n50 < smallest:  # the curve crosses where nothing was tried: a bound, as if no tested N were below 1/2
        return _one_sided(counts, "left", smallest, None if high is None else max(high, smallest))
    if n50 > largest:
        return _one_sided(counts, "right", largest, None if low is None else min(low, largest))
    n_min = _n_min(counts, n50)
    resolved = _resolved(counts, n_min)
    if resolved:
        # Success passes 1/2 between these two integers: exact tests say so, of the level of which little is left.
        first, last = max(least, n_min - 1.0), min(most, float(n_min))
        if first >= last:
            first, last = n_min - 1.0, float(n_min)
        low, high = first if first > 0.0 else None, last
        n50 = min(max(n50, first), last)
    threshold = Threshold(
        n50=n50,
        n50_low=low,
        n50_high=high,
        n90=None,
        slope=fit.slope,
        n_min=n_min,
        censored="",
        resolved=resolved,
        trials=sum(counts.trials),
        rates=fit.rates,
        lack_of_fit=lack_of_fit(counts, profile.best, profile.width) if test_fit else None,
    )
    n90 = threshold.quantile(0.9)
    return replace(threshold, n90=n90 if n90 is not None and n90 <= largest else None)  # not extrapolated


def decided_bracket(counts: Counts, level: float = RESOLVE_LEVEL) -> tuple[int, int | None]:
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


class _Profile(RefinedProfile):
    """The profile of x50 = log N50 for each pair (γ, λ) that can matter, thick at its maxima and interval's ends."""

    def __init__(self, counts: Counts) -> None:
        self.rates = plausible_rates(counts)
        """S pairs (γ, λ)."""
        log_n = counts.log_num_transitions
        tail = np.concatenate([[self.BESIDE], np.geomspace(1e-2, math.log(BRACKET_FACTOR), 7)])
        points = max(3, min(7, 42 // len(log_n)))
        inner = [np.linspace(a + self.BESIDE, b - self.BESIDE, points) for a, b in pairwise(log_n)]
        super().__init__(
            lambda x: np.stack(rates_profile(counts, x, self.rates), axis=2),
            np.concatenate([log_n[0] - tail, *inner, log_n[-1] + tail]),
        )
        for _ in range(3 + extra_refinements(counts)):
            self._refine()

    @property
    def by_rates(self) -> FloatArray:
        """The profile for each pair of rates, (P, S)."""
        return self.values[..., 0]

    @property
    def profile(self) -> FloatArray:
        """The maximum over the rates, (P,)."""
        return np.asarray(np.max(self.by_rates, axis=1))

    @property
    def best(self) -> tuple[float, float, Rates]:
        """The likeliest curve: x50 (the middle, where it is flat), slope and rates."""
        profile = self.profile
        flat = np.flatnonzero(profile >= np.max(profile) - 1e-9)
        middle = int(flat[len(flat) // 2])
        pair = int(np.argmax(self.by_rates[middle]))
        return float(self.x[middle]), float(self.values[middle, pair, 1]), self.rates[pair]

    @property
    def width(self) -> float:
        """Width of the 95 % interval as far as it was looked at."""
        first, last = self._accepted(_HALF_CHI_SQUARE)
        return float(self.x[last] - self.x[first])

    def interval(self, level: float) -> tuple[float | None, float | None]:
        """Ends of the profile-likelihood interval of N50; None where it is open within the bracket."""
        drop = 0.5 * float(chdtri(1, 1.0 - level))
        if abs(drop - _HALF_CHI_SQUARE) > 1e-9:
            for _ in range(3):
                self._refine(drop)
        first, last = self._accepted(drop)
        fall = self.profile - (float(np.max(self.profile)) - drop)

        def end(inside: int, outside: int) -> float:
            part = fall[inside] / (fall[inside] - fall[outside])
            return math.exp(float(self.x[inside] + (self.x[outside] - self.x[inside]) * part))

        return (
            None if first == 0 else end(first, first - 1),
            None if last == len(self.x) - 1 else end(last, last + 1),
        )

    def _accepted(self, drop: float) -> tuple[int, int]:
        profile = self.profile
        accepted = np.flatnonzero(profile >= np.max(profile) - drop)
        return int(accepted[0]), int(accepted[-1])

    def _refine(self, drop: float = _HALF_CHI_SQUARE) -> None:
        """New points about the maxima, for rates that may prove the best, and about the two ends of the interval."""
        tops = np.max(self.by_rates, axis=0)
        rivals = (tops >= np.max(tops) - 6.0) | np.all(np.array(self.rates) == 0.0, axis=1)
        best = {int(k) for k in np.argmax(self.by_rates[:, rivals], axis=0)}
        first, last = self._accepted(drop)
        cells = ({k - 1 for k in best} | best | {first - 1, last}) & set(range(len(self.x) - 1))
        cells = {k for k in cells if self.x[k + 1] - self.x[k] > 1e-7}
        if cells:
            self.add(np.concatenate([np.linspace(self.x[k], self.x[k + 1], 6)[1:-1] for k in sorted(cells)]))


@dataclass(frozen=True)
class _Fit:
    """The Firth fit: x50 = log N50, the slope β > 0, and the rates (γ, λ) at which it was made."""

    x50: float
    slope: float
    rates: Rates


def _fit(counts: Counts, profile: _Profile) -> _Fit | None:
    """The Firth fit; None if nothing rises within the bracket (or only one N was tested)."""
    if len(counts.num_transitions) < 2:
        return None
    parameters = np.count_nonzero(np.array(profile.rates), axis=1)
    rates = profile.rates[int(np.argmax(np.max(profile.by_rates, axis=0) - parameters))]  # least AIC
    values, slopes = (array[:, 0] for array in rates_profile(counts, profile.x, [rates], penalised=True))
    best = int(np.argmax(values))
    if best in (0, len(values) - 1):
        return None  # the best curve is flat: nothing rises between the ends of the bracket
    pair = np.array(rates)
    scale = max(float(profile.x[best + 1] - profile.x[best - 1]), 1e-3)

    def negative(point: FloatArray) -> float:
        eta = math.exp(point[1]) * (counts.log_num_transitions - profile.x[best] - scale * point[0])
        return -float(curve_log_likelihood(counts, eta, pair, penalised=True))

    start = np.array([0.0, math.log(slopes[best])])
    found = minimize(negative, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 400})
    x50, slope = float(profile.x[best] + scale * found.x[0]), math.exp(float(found.x[1]))
    if abs(x50 - profile.x[best]) > math.log(BRACKET_FACTOR):
        return None
    return _Fit(x50, slope, rates)


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


def _n_min(counts: Counts, n50: float) -> int:
    """The least integer N with success at least 1/2.

    Where the data resolve it, the integer at which the isotonic regression crosses; elsewhere the curve decides, which
    pools the trials of all N: a cell's own fraction, of few trials, would be a coin toss.
    """
    _, above = _isotonic_crossing(counts)
    if above is not None and _resolved(counts, above):
        return above
    return math.ceil(n50 - 1e-9)


def _resolved(counts: Counts, n_min: int) -> bool:
    """Whether exact one-sided binomial tests put success at N−1 below and at N above 1/2, N = ``n_min``."""
    cells = dict(zip(counts.num_transitions, zip(counts.successes, counts.trials, strict=True), strict=True))
    for n, alternative in ((n_min - 1, "less"), (n_min, "greater")):
        if n == 0:
            continue
        if n not in cells or binomtest(*cells[n], 0.5, alternative=alternative).pvalue > RESOLVE_LEVEL:
            return False
    return True


def _one_sided(counts: Counts, side: Literal["left", "right"], end: int, bound: float | None) -> Threshold:
    """A threshold that trials bound on one side; undetermined, near the end of the tested N, if they do not."""
    if bound is None:
        return _without_fit(counts, "undetermined", float(end))
    return _without_fit(counts, side, bound, end if side == "left" and _resolved(counts, end) else None)


def _without_fit(counts: Counts, censored: Censoring, n50: float, n_min: int | None = None) -> Threshold:
    """A threshold that is a bound or an outcome, not an estimate; ``n_min`` where it is resolved."""
    return Threshold(
        n50=n50,
        n50_low=n50 if censored == "right" else None,
        n50_high=n50 if censored == "left" else None,
        n90=None,
        slope=None,
        n_min=n_min,
        censored=censored,
        resolved=n_min is not None,
        trials=sum(counts.trials),
    )
