"""Likelihoods of a threshold: of log N50 = x, maximised over the slope of the success curve.

The model is logit P(success | N) = β (log N − x50). Two profiles of it serve two purposes. The *penalised* one, with
Jeffreys' prior |I(β0, β)|^½ [1], has a finite maximum for separated data too; estimates and their intervals come from
it. The *plain* one, optionally with a few stray outcomes, says what the data say and no more: for a jump between two N
it is flat in the gap and a wall outside; laws are compared on it.

References:
    [1] D. Firth, Bias reduction of maximum likelihood estimates, Biometrika 80:27-38, 1993.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import expit, xlog1py, xlogy

from analysis.counts import Counts, FloatArray

__all__ = [
    "STRAYS",
    "constant_log_likelihood",
    "penalised_log_likelihood",
    "penalised_profile",
    "profile_log_likelihood",
    "success_probability",
]

_LOG_2 = math.log(2.0)

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def success_probability(num_transitions: FloatArray, n50: float, slope: float) -> FloatArray:
    """P(success | N) = 1/(1 + (N50/N)^β), elementwise for N > 0: the model of this module."""
    return np.asarray(expit(slope * (np.log(num_transitions) - math.log(n50))))


def penalised_profile(
    counts: Counts, x: Float[FloatArray, " P"]
) -> tuple[Float[FloatArray, " P"], Float[FloatArray, " P"]]:
    """Penalised log likelihood ℓ + ½ log det I(β0, β) of x50 = x, maximised over β ≥ 0 (Firth 1993).

    The maximum is found on a logarithmic grid of β and refined by golden section, for all x at once.

    Args:
        counts: at least two tested N (with one the information is singular).
        x: values of log N50, (P,).

    Returns:
        The maximised values (P,) and the maximising slopes β (P,).

    Raises:
        ValueError: if only one N was tested.
    """
    if len(counts.num_transitions) < 2:
        raise ValueError("counts hold one tested N; a slope needs at least two")
    x = np.asarray(x, dtype=np.float64)
    log_n = counts.log_num_transitions
    reach = np.max(np.abs(log_n[None, :] - x[:, None]), axis=1)
    # At the maximum |η| at the nearest tested N is at most about log(trials): 60 is out of reach for any sample.
    lowest = np.log(1e-3 / reach)
    highest = math.log(60.0 / float(np.min(np.diff(log_n))))
    grid = lowest[:, None] + (highest - lowest)[:, None] * np.linspace(0.0, 1.0, 72)[None, :]
    best = np.argmax(penalised_log_likelihood(counts, x, np.exp(grid)), axis=1)
    rows = np.arange(len(x))
    low, high = grid[rows, np.maximum(best - 1, 0)], grid[rows, np.minimum(best + 1, grid.shape[1] - 1)]
    for _ in range(28):
        probes = np.stack([high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)], axis=1)
        values = penalised_log_likelihood(counts, x, np.exp(probes))
        left = values[:, 0] >= values[:, 1]
        low, high = np.where(left, low, probes[:, 0]), np.where(left, probes[:, 1], high)
    slope = np.exp(0.5 * (low + high))
    return penalised_log_likelihood(counts, x, slope[:, None])[:, 0], slope


STRAYS: tuple[tuple[float, float], ...] = (
    (0.0, 0.0),
    (0.03, 0.0),
    (0.0, 0.03),
    (0.03, 0.03),
    (0.1, 0.0),
    (0.0, 0.1),
    (0.1, 0.1),
)
"""Shares (γ, λ) of stray outcomes: successes by luck far below the threshold, failures far above it.

Both happen. One transition short of what identifies U, ReenGAGE's solutions form a circle, of which a share of
2·arccos(1 − ε)/2π (4.5 % at ε = 0.01) is good enough; and a descent run may end in a local minimum at any N.
"""

_STRAY_SLOPES = np.geomspace(0.05, 2000.0, 56)


def profile_log_likelihood(
    counts: Counts, x: Float[FloatArray, " P"], strays: Sequence[tuple[float, float]] = ((0.0, 0.0),)
) -> Float[FloatArray, " P"]:
    """Log likelihood of log N50 = x, maximised over β in [0, ∞] *without* a penalty.

    With ``strays`` also over these pairs (γ, λ): the curve then runs from γ (not 0) through 1/2 at N50 to 1 − λ
    (not 1), so that one lucky success below a jump does not make the jump look gradual.

    The supremum over β counts even where it is reached only as β → ∞. For separated data the profile is therefore 0
    strictly inside the gap and falls off a cliff at its ends; for data on one side of 1/2 it is flat to infinity. At
    x = log N of a tested N that N is a fair coin for every β. The binomial coefficients are left out. For finite x
    the values are finite; for x = ±∞ they are the limits.

    Args:
        counts: successes and trials by N.
        x: values of log N50, any shape.
        strays: pairs (γ, λ), each in [0, 1/2).

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
    for low, high in strays:
        if low or high:
            values[~infinite] = np.maximum(values[~infinite], _profile_with_strays(counts, flat[~infinite], low, high))
    return values.reshape(shape)


def _profile_with_strays(counts: Counts, x: Float[FloatArray, " P"], low: float, high: float) -> FloatArray:
    """The profile for fixed shares γ = ``low`` and λ = ``high``: over a grid of slopes and the limit of a jump."""
    successes = np.array(counts.successes, dtype=np.float64)
    failures = np.array(counts.trials, dtype=np.float64) - successes
    offset = counts.log_num_transitions - x[:, None]
    # The logistic curve, and the jump that it tends to, less 1/2; then each half drawn in by its strays.
    curve = np.concatenate([expit(_STRAY_SLOPES[:, None, None] * offset), np.heaviside(offset, 0.5)[None]]) - 0.5
    probability = 0.5 + curve * np.where(offset > 0.0, 1.0 - 2.0 * high, 1.0 - 2.0 * low)
    terms = xlogy(successes, probability) + xlog1py(failures, -probability)
    return np.max(np.sum(terms, axis=2), axis=0)


def constant_log_likelihood(counts: Counts, above: bool) -> float:
    """Log likelihood of one success probability for every N, maximised over [½, 1] (above) or [0, ½].

    It is the limit of the profile as log N50 → −∞ (above) or → +∞.
    """
    successes, trials = sum(counts.successes), sum(counts.trials)
    fraction = successes / trials
    fraction = max(fraction, 0.5) if above else min(fraction, 0.5)
    return float(xlogy(successes, fraction) + xlog1py(trials - successes, -fraction))


def penalised_log_likelihood(
    counts: Counts, x: Float[FloatArray, " P"], slope: Float[FloatArray, "P B"]
) -> Float[FloatArray, "P B"]:
    """ℓ + ½ log det I(β0, β), where I = Σ w_i (1, x_i)(1, x_i)ᵀ, w_i = n_i p_i (1 − p_i), at x50 = x and β = slope.

    det I = (Σ w)·(Σ w (x_i − x̄)²), with x̄ the w-weighted mean: no cancellation, and the largest w is taken out
    before the sums so that steep curves do not underflow.
    """
    log_n = counts.log_num_transitions
    successes = np.array(counts.successes, dtype=np.float64)
    trials = np.array(counts.trials, dtype=np.float64)
    eta = slope[:, :, None] * (log_n - x[:, None])[:, None, :]
    size = np.abs(eta)
    softplus = np.log1p(np.exp(-size))
    log_likelihood = successes * np.minimum(eta, 0.0) - (trials - successes) * np.maximum(eta, 0.0) - trials * softplus
    log_weight = np.log(trials) - size - 2.0 * softplus
    largest = np.max(log_weight, axis=2, keepdims=True)
    weight = np.exp(log_weight - largest)
    total = np.sum(weight, axis=2)
    mean = np.sum(weight * log_n, axis=2) / total
    scatter = np.sum(weight * (log_n - mean[:, :, None]) ** 2, axis=2)
    with np.errstate(divide="ignore"):
        log_det = 2.0 * largest[:, :, 0] + np.log(total) + np.log(scatter)
    return np.sum(log_likelihood, axis=2) + 0.5 * log_det


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
