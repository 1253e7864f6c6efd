"""The success curve in the number of transitions N, and the log likelihood of counts under it.

With slope β > 0, guess rate γ and lapse rate λ in [0, 1/2),

    P(success | N) = γ + (1 − γ − λ) expit(β (log N − x50) + s),    s = log((1/2 − γ)/(1/2 − λ)).

The shift s makes P = 1/2 at N50 whatever the rates: N50 is where *success itself* crosses 1/2, not where the curve is
half-way between its asymptotes γ and 1 − λ. Guesses are successes by luck far below the threshold (one transition short
of what identifies U, ReenGAGE's solutions form a circle, of which a share of 2·arccos(1 − ε)/2π, 4.5 % at ε = 0.01, is
good enough); lapses are failures far above it (a descent run may end in a local minimum at any N).
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.special import expit

from analysis.statistics.counts import Counts, FloatArray

__all__ = [
    "NO_RATES",
    "RATES",
    "Rates",
    "curve_log_likelihood",
    "jump",
    "linear_predictor",
    "probability",
    "success_probability",
]


class Rates(NamedTuple):
    """Guess rate γ and lapse rate λ of a success curve, each in [0, 1/2)."""

    guess: float
    lapse: float


NO_RATES = Rates(0.0, 0.0)

RATES: tuple[Rates, ...] = tuple(
    Rates(*pair) for pair in product((0.0, 0.05), (0.0, 0.03, 0.06, 0.1, 0.14, 0.18, 0.22, 0.26, 0.3, 0.35))
)
"""Pairs (γ, λ) over which profiles are maximised.

A grid, fine enough in λ for the hundreds of trials that a search may spend on a plateau: with {0, 0.05, 0.15, 0.3}
alone the intervals of N50 covered 85 % where the lapse was 0.22, halfway between two of them.
"""

_DECIDED = 300.0
"""|η + s| beyond which a likelihood takes a curve to be at its asymptotes: exp(2·300) is still a number."""


def _shift(guess: FloatArray, lapse: FloatArray) -> FloatArray:
    """s, which puts P = 1/2 at η = 0."""
    return np.asarray(np.log((0.5 - guess) / (0.5 - lapse)))


def probability(eta: Float[FloatArray, "*b"], guess: ArrayLike, lapse: ArrayLike) -> FloatArray:
    """P at η = β (log N − x50), for broadcastable γ and λ in [0, 1/2)."""
    guess, lapse = np.asarray(guess), np.asarray(lapse)
    return np.asarray(guess + (1.0 - guess - lapse) * expit(eta + _shift(guess, lapse)))


def linear_predictor(p: ArrayLike, guess: ArrayLike, lapse: ArrayLike) -> FloatArray:
    """The inverse of :func:`probability`: η at which the curve is p, γ < p < 1 − λ."""
    p, guess, lapse = np.asarray(p), np.asarray(guess), np.asarray(lapse)
    return np.asarray(np.log((p - guess) / (1.0 - lapse - p)) - _shift(guess, lapse))


def success_probability(num_transitions: FloatArray, n50: float, slope: float, rates: Rates = NO_RATES) -> FloatArray:
    """P(success | N), elementwise for N > 0: the model of this module, 1/2 at N50.

    Args:
        num_transitions: N > 0.
        n50: N50.
        slope: β ≥ 0; infinity for a jump.
        rates: (γ, λ).
    """
    offset = np.log(num_transitions) - math.log(n50)
    return probability(slope * offset, *rates) if math.isfinite(slope) else jump(offset, *rates)


def jump(offset: Float[FloatArray, "*b"], guess: ArrayLike, lapse: ArrayLike) -> FloatArray:
    """P of a jump, the limit of steep curves, at offset = log N − x50: γ below, a fair coin at N50, 1 − λ above."""
    return np.where(offset < 0.0, guess, np.where(offset > 0.0, 1.0 - np.asarray(lapse), 0.5))


def curve_log_likelihood(
    counts: Counts, eta: Float[FloatArray, "*b K"], rates: Float[FloatArray, "*c 2"], penalised: bool = False
) -> Float[FloatArray, " *b"]:
    """Log likelihood of the curve of this module at η = β (log N − x50), for broadcastable pairs (γ, λ).

    Args:
        counts: successes and trials by N.
        eta: η at each tested N.
        rates: pairs (γ, λ).
        penalised: add ½ log det I(β0, β), where I = Σ w (1, x)(1, x)ᵀ, w = n (dP/dη)²/(P (1 − P)).
    """
    successes = np.array(counts.successes, dtype=np.float64)
    trials = np.array(counts.trials, dtype=np.float64)
    guess, lapse = rates[..., 0, None], rates[..., 1, None]
    # With e = exp(−η − s): P = (1 − λ + γe)/(1 + e) and 1 − P = (λ + (1 − γ)e)/(1 + e). One exponential for both, and
    # neither loses digits. Most of the time of an analysis is spent here.
    tail = np.exp(-np.clip(eta + _shift(guess, lapse), -_DECIDED, _DECIDED))
    success, failure, either = 1.0 - lapse + guess * tail, lapse + (1.0 - guess) * tail, 1.0 + tail
    value = np.log(success) @ successes + np.log(failure) @ (trials - successes) - np.log(either) @ trials
    if not penalised:
        return np.asarray(value)
    log_n = counts.log_num_transitions
    rise = (1.0 - guess - lapse) * tail / either  # dP/dη
    weight = np.maximum(trials * rise * rise / (success * failure), 1e-200)
    total = np.sum(weight, axis=-1)
    mean = np.sum(weight * log_n, axis=-1) / total
    scatter = np.sum(weight * (log_n - mean[..., None]) ** 2, axis=-1)
    return np.asarray(value + 0.5 * (np.log(total) + np.log(np.maximum(scatter, 1e-200))))
