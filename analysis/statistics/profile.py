"""The profile of log N50: its log likelihood x ↦ ℓ(x), maximised over everything else that shapes the success curve.

Two profiles serve two purposes. The *plain* one says what the data say and no more: for a jump between two N it is flat
in the gap and a wall outside. Intervals and laws rest on it, with β, γ and λ profiled out. The *penalised* one, with
Jeffreys' prior |I(β0, β)|^½ [1], has a finite maximum for separated data too; point estimates come from it.

References:
    [1] D. Firth, Bias reduction of maximum likelihood estimates, Biometrika 80:27-38, 1993.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.special import expit, xlog1py, xlogy

from analysis.statistics.counts import Counts, FloatArray
from analysis.statistics.psychometric import (
    NO_RATES,
    RATES,
    Rates,
    curve_log_likelihood,
    jump,
    linear_predictor,
)

__all__ = [
    "RefinedProfile",
    "constant_log_likelihood",
    "extra_refinements",
    "plausible_rates",
    "profile_log_likelihood",
    "rates_profile",
]

_LOG_2 = math.log(2.0)

_HOPELESS = 8.0
"""Rates whose likelihood stays so far below the best at every N50 cannot reach its interval, which lies within 2."""


def profile_log_likelihood(
    counts: Counts, x: Float[FloatArray, " P"], rates: Sequence[Rates] = (NO_RATES,)
) -> Float[FloatArray, " P"]:
    """Log likelihood of log N50 = x, maximised over β in [0, ∞] *without* a penalty.

    With ``rates`` also over these pairs (γ, λ), so that one lucky success below a jump does not make the jump look
    gradual, and a lapse above it does not make N50 move.

    The supremum over β counts even where it is reached only as β → ∞. For separated data the profile is therefore 0
    strictly inside the gap and falls off a cliff at its ends; for data on one side of 1/2 it is flat to infinity. At
    x = log N of a tested N that N is a fair coin for every β. The binomial coefficients are left out. For finite x
    the values are finite; for x = ±∞ they are the limits.

    Args:
        counts: successes and trials by N.
        x: values of log N50, any shape.
        rates: pairs (γ, λ).

    Returns:
        The profile log likelihood, ≤ 0, in the shape of ``x``.
    """
    shape = np.shape(x)
    flat = np.ravel(np.asarray(x, dtype=np.float64))
    values = np.empty_like(flat)
    infinite = np.isinf(flat)
    for side in (-1, 1):
        values[flat == side * math.inf] = constant_log_likelihood(counts, above=side < 0)
    values[~infinite] = _profile_at_finite(counts, flat[~infinite])
    others = [pair for pair in rates if pair != NO_RATES]
    if others and not np.all(infinite):
        best = np.max(rates_profile(counts, flat[~infinite], others)[0], axis=1)
        values[~infinite] = np.maximum(values[~infinite], best)
    return values.reshape(shape)


def plausible_rates(counts: Counts) -> tuple[Rates, ...]:
    """The pairs of ``RATES`` that can matter for these counts: (0, 0) and all that a coarse look does not rule out."""
    log_n = counts.log_num_transitions
    # One place in each gap between tested N, one beyond them on either side, and many where success passes 1/2: what
    # all pairs have in common is narrow there, and missing it would leave the choice among them to chance.
    above = counts.fractions >= 0.5
    first, last = (
        (int(np.argmax(above)), len(above) - int(np.argmin(above[::-1]))) if 0 < sum(above) < len(above) else (0, 0)
    )
    parts = np.arange(1, 10 * 4 ** extra_refinements(counts)) / (10 * 4 ** extra_refinements(counts))
    dense = [a + (b - a) * parts for a, b in pairwise(log_n[max(0, first - 2) : last + 1])]
    x = np.concatenate([[log_n[0] - 1.0], 0.5 * (log_n[1:] + log_n[:-1]), *dense, [log_n[-1] + 1.0]])
    tops = np.max(rates_profile(counts, x, RATES)[0], axis=0)
    return tuple(
        pair for pair, top in zip(RATES, tops, strict=True) if pair == NO_RATES or top >= np.max(tops) - _HOPELESS
    )


def rates_profile(
    counts: Counts, x: Float[FloatArray, " P"], rates: Sequence[Rates], penalised: bool = False
) -> tuple[Float[FloatArray, "P S"], Float[FloatArray, "P S"]]:
    """For each pair (γ, λ) the log likelihood of log N50 = x, maximised over β in (0, ∞], and that β (∞ for a jump).

    A logarithmic grid of β, refined about its best point, and a parabola through the last three.

    Args:
        counts: successes and trials by N.
        x: finite values of log N50, (P,).
        rates: S pairs (γ, λ).
        penalised: add ½ log det I(β0, β) at these rates. The slope is then finite.

    Returns:
        Values and slopes, (P, S) each.
    """
    log_n = counts.log_num_transitions
    successes = np.array(counts.successes, dtype=np.float64)
    failures = np.array(counts.trials, dtype=np.float64) - successes
    offset = log_n - x[:, None]
    low = np.log(1e-2 / np.maximum(np.max(np.abs(offset), axis=1), 1e-6))
    gap = float(np.min(np.diff(log_n))) if len(log_n) > 1 else 1.0
    high = np.maximum(math.log(60.0 / gap), low + 1.0)
    grid = np.repeat((low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, 20))[:, None, :], len(rates), 1)
    pairs = np.array(rates, dtype=np.float64)

    def value(log_slope: FloatArray) -> FloatArray:
        eta = np.exp(log_slope)[..., None] * offset[:, None, None, :]
        return curve_log_likelihood(counts, eta, pairs[None, :, None, :], penalised)

    values = value(grid)
    # Likelihoods narrow like 1/√trials: a factor of 4 for 16 times as many.
    for _ in range(2 + extra_refinements(counts)):
        best = np.argmax(values, axis=2)[..., None]
        step = grid[:, :, 1:2] - grid[:, :, :1]
        grid = np.take_along_axis(grid, best, 2) + step * np.linspace(-1.0, 1.0, 9)
        values = value(grid)
    best = np.clip(np.argmax(values, axis=2), 1, grid.shape[2] - 2)[..., None]
    before, centre, after = (np.take_along_axis(values, best + k, 2)[..., 0] for k in (-1, 0, 1))
    bend = np.minimum(before - 2.0 * centre + after, -1e-12)
    rise = np.where(centre >= np.maximum(before, after), (before - after) ** 2 / (-8.0 * bend), 0.0)
    top, slope = np.max(values, axis=2) + rise, np.exp(np.take_along_axis(grid, best, 2)[..., 0])
    if penalised:
        return top, slope
    limit = _jump_log_likelihood(offset, pairs, successes, failures, np.exp(high))
    # The parabola may round to above 0, which no log likelihood is.
    return np.minimum(np.maximum(top, limit), 0.0), np.where(limit >= top, math.inf, slope)


def _jump_log_likelihood(
    offset: Float[FloatArray, "P K"],
    rates: Float[FloatArray, "S 2"],
    successes: FloatArray,
    failures: FloatArray,
    steepest: Float[FloatArray, " P"],
) -> Float[FloatArray, "P S"]:
    """The limit of steep curves: γ below N50, 1 − λ above it, a fair coin at it.

    Very close to a tested N, steep curves still pass through any probability there between 1/2 and the asymptote of
    its side, while every other cell is decided; these count where their slope is beyond the ``steepest`` of the grid.
    """
    guess, lapse = rates.T
    curve = jump(offset[:, None, :], guess[:, None], lapse[:, None])
    terms = xlogy(successes, curve) + xlog1py(failures, -curve)
    decided = np.sum(terms, axis=2)
    rows, nearest = np.arange(len(offset)), np.argmin(np.abs(offset), axis=1)
    distance = offset[rows, nearest][:, None]
    wins, losses = successes[nearest][:, None], failures[nearest][:, None]
    free = wins / (wins + losses)
    free = np.where(distance > 0.0, np.clip(free, 0.5, 1.0 - lapse), np.clip(free, guess, 0.5))
    inner = (free > guess) & (free < 1.0 - lapse) & (distance != 0.0)
    slope = linear_predictor(np.where(inner, free, 0.5), guess, lapse) / np.where(inner, distance, 1.0)
    terms[rows, :, nearest] = xlogy(wins, free) + xlog1py(losses, -free)
    through = np.sum(terms, axis=2)
    return np.where(inner & (slope >= steepest[:, None]), np.maximum(decided, through), decided)


class RefinedProfile:
    """A profile on points that thicken where its user asks for it.

    Profiles jump at every tested N; the points should have one on either side of it, ``BESIDE`` away.

    Args:
        function: points (P,) -> the profile there, (P, ...): its value, or one for each pair (γ, λ) with its slope.
        points: the first ones, in any order.
    """

    BESIDE = 1e-9

    def __init__(self, function: Callable[[FloatArray], FloatArray], points: Float[FloatArray, " P"]) -> None:
        self._function = function
        order = np.argsort(points)
        self.x: FloatArray = points[order]
        """log N50, increasing, (P,)."""
        self.values: FloatArray = function(points)[order]
        """The profile there, (P, ...)."""

    def add(self, points: FloatArray) -> None:
        """Evaluate at further points, in any order."""
        x, values = np.concatenate([self.x, points]), np.concatenate([self.values, self._function(points)])
        order = np.argsort(x)
        self.x, self.values = x[order], values[order]


def extra_refinements(counts: Counts) -> int:
    """How many more refinements, by a factor of 4 each, than the usual two thousand trials need."""
    return max(0, math.ceil(math.log(sum(counts.trials) / 2000.0, 16.0)))


def constant_log_likelihood(counts: Counts, above: bool) -> float:
    """Log likelihood of one success probability for every N, maximised over [½, 1] (above) or [0, ½].

    It is the limit of the profile as log N50 → −∞ (above) or → +∞.
    """
    successes, trials = sum(counts.successes), sum(counts.trials)
    fraction = successes / trials
    fraction = max(fraction, 0.5) if above else min(fraction, 0.5)
    return float(xlogy(successes, fraction) + xlog1py(trials - successes, -fraction))


def _profile_at_finite(counts: Counts, x: Float[FloatArray, " P"]) -> Float[FloatArray, " P"]:
    """The unpenalised profile at finite x. For fixed x the log likelihood is concave in β."""
    successes = np.array(counts.successes, dtype=np.float64)
    failures = np.array(counts.trials, dtype=np.float64) - successes
    offset = counts.log_num_transitions - x[:, None]
    # Trials that speak against a steep curve: successes below N50, failures above it.
    against = np.where(offset < 0.0, successes, np.where(offset > 0.0, failures, 0.0))
    values = np.empty_like(x)

    steep = np.all(against == 0.0, axis=1)
    values[steep] = -_LOG_2 * np.sum(np.where(offset[steep] == 0.0, successes + failures, 0.0), axis=1)

    offset, against = offset[~steep], against[~steep]
    if len(offset) == 0:
        return values
    # One trial against costs at least β|offset|, and β = 0 costs log 2 a trial: that bounds the best β.
    nearest = np.min(np.where(against > 0.0, np.abs(offset), math.inf), axis=1)
    high = np.log(float(np.sum(successes + failures)) * _LOG_2 / nearest)
    low = np.log(1e-7 / np.max(np.abs(offset), axis=1))
    for _ in range(36):
        middle = 0.5 * (low + high)
        residual = successes - (successes + failures) * expit(np.exp(middle)[:, None] * offset)
        rising = np.sum(residual * offset, axis=1) > 0.0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    eta = np.exp(0.5 * (low + high))[:, None] * offset
    softplus = np.log1p(np.exp(-np.abs(eta)))
    terms = successes * np.minimum(eta, 0.0) - failures * np.maximum(eta, 0.0) - (successes + failures) * softplus
    values[~steep] = np.maximum(np.sum(terms, axis=1), -_LOG_2 * float(np.sum(successes + failures)))  # β = 0, too
    return values
