"""Where the ratio of a threshold to its prediction goes as d grows.

The ratio ρ(d) = N₅₀(d)/predicted(d) of a descent falls with d. Whether it tends to 1 is a question about infinity,
which no finite range answers without a model. The model here is

    ρ(d) = c + k·d^(−p),    c ≥ 1, k ≥ 0, 1/4 ≤ p ≤ 3,

fitted to log ρ with the thresholds' own errors; c is the limit. That c is at least 1 is not data: fewer transitions
than identify U succeed by luck only, and luck dies out as d grows. The interval of c is by profile likelihood, over k
and p, with the errors inflated by the fit's own lack of fit where that is larger (Birge). What it excludes above is
what is learned; whether 1 itself is excluded is a test at the end of the range of c, where the likelihood ratio is 0
half of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.special import chdtrc, chdtri
from scipy.stats import f as f_distribution

from analysis.statistics.counts import FloatArray

__all__ = ["RatioLimit", "fit_ratio_limit"]

FEWEST = 5
"""Dimensions below which three parameters are not fitted."""

_LOWEST_LIMIT = 1.0

_POWERS = np.linspace(0.25, 3.0, 56)

_HOPELESS = 1e-3
"""p-value of the fit below which no limit is read from it."""

_GRID = 501
"""Limits that are tried between 1 and a little more than the largest ratio: k ≥ 0, so no limit lies above them all."""


@dataclass(frozen=True)
class RatioLimit:
    """The fitted model.

    Attributes:
        limit: c.
        limit_low: lower end of its 95 % interval, at least 1.
        limit_high: upper end; None where nothing that was tried is excluded.
        coefficient: k.
        power: p.
        power_bounded: whether p ended at an end of its range, so that the data ask for another model.
        p_value: p-value of the model (χ² with as many degrees of freedom as dimensions less three).
        limit_one: p-value of c = 1 against c > 1 (half that of the likelihood ratio).
        dims: the dimensions that were used.
    """

    limit: float
    limit_low: float
    limit_high: float | None
    coefficient: float
    power: float
    power_bounded: bool
    p_value: float
    limit_one: float
    dims: tuple[int, ...]

    def ratio(self, dim: float) -> float:
        """The fitted ρ(d)."""
        return self.limit + self.coefficient * dim**-self.power


def fit_ratio_limit(
    dims: Sequence[int], ratios: Sequence[float], errors: Sequence[float], level: float = 0.95
) -> RatioLimit | None:
    """Fit the model.

    Args:
        dims: distinct d.
        ratios: ρ at each, positive.
        errors: standard error of log ρ at each, positive.
        level: of the interval, in (0, 1).

    Returns:
        The fit; None with fewer than five dimensions, or where the model fits so badly (p < 0.001) that its limit
        means nothing.

    Raises:
        ValueError: if the lengths differ or a ratio or an error is not positive.
    """
    if not len(dims) == len(ratios) == len(errors):
        raise ValueError(f"dims, ratios and errors have lengths {len(dims)}, {len(ratios)} and {len(errors)}")
    d, rho, sigma = (np.array(values, dtype=np.float64) for values in (dims, ratios, errors))
    if np.any(rho <= 0) or np.any(sigma <= 0):
        raise ValueError("ratios and errors must be positive")
    if len(d) < FEWEST:
        return None
    limits = np.linspace(_LOWEST_LIMIT, max(1.2 * float(np.max(rho)), 2 * _LOWEST_LIMIT), _GRID)
    squares, coefficients = _profile(limits, d, rho, sigma)
    best = np.unravel_index(int(np.argmin(squares)), squares.shape)

    def residual(theta: FloatArray) -> FloatArray:
        return np.asarray((np.log(rho) - np.log(theta[0] + theta[1] * d ** -theta[2])) / sigma)

    bounds = ([_LOWEST_LIMIT, 0.0, _POWERS[0]], [np.inf, np.inf, _POWERS[-1]])
    start = (limits[best[0]], coefficients[best], _POWERS[best[1]])
    polished = least_squares(residual, np.clip(start, *bounds), bounds=bounds)
    limit, coefficient, power = (float(value) for value in polished.x)
    least = 2 * float(polished.cost)
    freedom = len(d) - 3
    p_value = float(chdtrc(freedom, least))
    if p_value < _HOPELESS:
        return None
    scale = max(1.0, least / freedom)
    # Where the errors are scaled by the fit's own lack of fit, their size is an estimate: F instead of χ².
    cut = float(chdtri(1, 1 - level)) if scale == 1.0 else float(f_distribution.ppf(level, 1, freedom))
    by_limit = squares.min(axis=1)
    accepted = limits[(by_limit - least) / scale <= cut]
    low, high = (float(f(accepted, initial=limit)) for f in (np.min, np.max))
    against_one = max(0.0, float(by_limit[0]) - least) / scale
    tail = float(chdtrc(1, against_one)) if scale == 1.0 else float(f_distribution.sf(against_one, 1, freedom))
    return RatioLimit(
        limit=limit,
        limit_low=low,
        limit_high=None if high >= limits[-1] else high,
        coefficient=coefficient,
        power=power,
        power_bounded=bool(np.any(np.abs(_POWERS[[0, -1]] - power) < 1e-6)),
        p_value=p_value,
        limit_one=0.5 * tail if against_one > 0 else 1.0,
        dims=tuple(int(x) for x in dims),
    )


def _profile(
    limits: Float[FloatArray, " c"],
    d: Float[FloatArray, " m"],
    rho: Float[FloatArray, " m"],
    sigma: Float[FloatArray, " m"],
) -> tuple[Float[FloatArray, "c p"], Float[FloatArray, "c p"]]:
    """Least weighted squares of log ρ over k ≥ 0, for every limit and power, and the k that attain them.

    Gauss-Newton in log(k), from the k that fits ρ itself best; all pairs at once.
    """
    basis = d[None, :] ** -_POWERS[:, None]
    weight = 1 / (sigma * rho) ** 2
    gap = rho - limits[:, None, None]
    k = (gap * basis * weight).sum(-1) / (basis**2 * weight).sum(-1)
    k = np.clip(k, 1e-12, None)
    for _ in range(30):
        curve = limits[:, None, None] + k[..., None] * basis
        residual = (np.log(rho) - np.log(curve)) / sigma
        slope = k[..., None] * basis / curve / sigma
        step = (residual * slope).sum(-1) / np.maximum((slope**2).sum(-1), 1e-300)
        k = np.exp(np.clip(np.log(k) + np.clip(step, -1.0, 1.0), math.log(1e-12), math.log(1e6)))
    curve = limits[:, None, None] + k[..., None] * basis
    return (((np.log(rho) - np.log(curve)) / sigma) ** 2).sum(-1), k
