"""One model for all dimensions of a learner, for the exponent b of its threshold N50 = e^a d^b.

    logit P(success | N, d) = β (log N − a − b log d),

optionally with one lapse λ common to all dimensions, in the form of :mod:`analysis.statistics.psychometric`: P = 1/2 at
N50 whatever λ is. The interval of b is the profile-likelihood interval with a, β and λ profiled out; the estimates are
Firth's, with Jeffreys' prior |I(β0, β, −βb)|^½, finite for separated data too.

The model is wrong, and its interval then too narrow, where success does not rise equally steeply in log N at all d, and
where the law is no power: an exact law with an offset (d − 1, d(d−1)/2 + 1) has no exponent, and its log–log slope
depends on the dimensions that were measured. The lack-of-fit test tells. The two-stage fit
(:func:`analysis.statistics.scaling_law.fit_scaling`), which lets each dimension have its own slope and a misfit τ,
stands next to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize
from scipy.special import chdtri, expit

from analysis.statistics.counts import Counts, FloatArray
from analysis.statistics.goodness_of_fit import bootstrap_p_value

__all__ = ["JointModel", "fit_joint_model"]

_LARGEST_LAPSE = 0.4

_STEEPEST = 60.0
"""Largest β times the smallest gap in log N: every cell of a jump is then decided."""

_BRACKET = 8.0
"""An end of the interval farther than this from the estimate is open."""

_CURVES = 3000
"""Curves about the estimate among which the lack-of-fit test seeks the best."""


@dataclass(frozen=True)
class JointModel:
    """The fitted model.

    Attributes:
        exponent: b.
        exponent_low: lower end of its profile-likelihood interval; None if open.
        exponent_high: upper end; None if open.
        log_constant: a.
        slope: β.
        lapse: λ; 0 unless it pays for itself by AIC.
        log_likelihood: the unpenalised maximum, without binomial coefficients.
        lack_of_fit: p-value of the bootstrap deviance test; None with no more than four cells.
        dims: the dimensions with counts, increasing.
        informative_dims: those whose success fractions lie on both sides of 1/2.
    """

    exponent: float
    exponent_low: float | None
    exponent_high: float | None
    log_constant: float
    slope: float
    lapse: float
    log_likelihood: float
    lack_of_fit: float | None
    dims: tuple[int, ...]
    informative_dims: tuple[int, ...]

    def n50(self, dim: int) -> float:
        """N50 = e^a d^b."""
        return math.exp(self.log_constant + self.exponent * math.log(dim))


def fit_joint_model(counts: Mapping[int, Counts], level: float = 0.95) -> JointModel | None:
    """Fit the model to the counts of one learner.

    Args:
        counts: dimension -> counts. Dimensions whose data stay on one side of 1/2 count for what they say.
        level: confidence level of the interval, in (0, 1).

    Returns:
        The fit; None if fewer than three dimensions have success fractions on both sides of 1/2.

    Raises:
        ValueError: if a dimension is below 1, or the level is not in (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; must be strictly between 0 and 1")
    dims = tuple(sorted(counts))
    if dims and dims[0] < 1:
        raise ValueError(f"counts hold dimension {dims[0]}; every dimension must be at least 1")
    informative = tuple(d for d in dims if counts[d].crosses)
    if len(informative) < 3:
        return None
    cells = _Cells({d: counts[d] for d in dims})
    free = cells.maximise(None, cells.start(informative, counts))
    plain = cells.maximise(None, free, lapse=False)
    lapse = float(free[3]) if cells.value(free) > cells.value(plain) + 1.0 else 0.0
    point = cells.firth(plain if lapse == 0.0 else free, lapse)
    exponent = float(-point[2] / point[1])
    low, high = _interval(cells, free, 0.5 * float(chdtri(1, 1.0 - level)))
    # The interval is the likelihood's, and the penalty may not move the estimate out of it.
    exponent = min(max(exponent, -math.inf if low is None else low), math.inf if high is None else high)
    return JointModel(
        exponent=exponent,
        exponent_low=low,
        exponent_high=high,
        log_constant=float(-point[0] / point[1]) + cells.centre_n - exponent * cells.centre_d,
        slope=float(point[1]),
        lapse=lapse,
        log_likelihood=cells.value(free),
        lack_of_fit=cells.lack_of_fit(point),
        dims=dims,
        informative_dims=informative,
    )


class _Cells:
    """The cells of all dimensions in one list. A point is (β0, β, −βb, λ) about the mean log N and log d."""

    def __init__(self, counts: Mapping[int, Counts]) -> None:
        log_n = np.concatenate([c.log_num_transitions for c in counts.values()])
        log_d = np.concatenate([np.full(len(c.trials), math.log(d)) for d, c in counts.items()])
        self.successes: FloatArray = np.concatenate([np.array(c.successes, dtype=np.float64) for c in counts.values()])
        self.trials: FloatArray = np.concatenate([np.array(c.trials, dtype=np.float64) for c in counts.values()])
        self.centre_n, self.centre_d = float(np.mean(log_n)), float(np.mean(log_d))
        self.design: FloatArray = np.stack([np.ones_like(log_n), log_n - self.centre_n, log_d - self.centre_d], axis=1)
        gaps = [np.min(np.diff(c.log_num_transitions)) for c in counts.values() if len(c.trials) > 1]
        self.steepest = _STEEPEST / float(np.min(gaps))

    def start(self, informative: tuple[int, ...], counts: Mapping[int, Counts]) -> FloatArray:
        """A least-squares line through where the fractions first reach 1/2, and a moderate slope."""
        x = np.log(informative) - self.centre_d
        y = [counts[d].log_num_transitions[int(np.argmax(counts[d].fractions >= 0.5))] for d in informative]
        b, a = np.polyfit(x, np.array(y) - self.centre_n, 1)
        slope = min(8.0, 0.5 * self.steepest)
        return np.array([-slope * a, slope, -slope * b, 0.02])

    def probabilities(self, points: Float[FloatArray, "*b p"]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """P, 1 − P and dP/dη of each cell, (*b, K) each."""
        lapse = points[..., 3:]
        eta = points[..., :3] @ self.design.T - np.log1p(-2.0 * lapse)
        up, down = expit(eta), expit(-eta)
        keep = 1.0 - lapse
        return np.maximum(keep * up, 1e-300), np.maximum(lapse + keep * down, 1e-300), keep * up * down

    def value(self, point: Float[FloatArray, " p"]) -> float:
        """Log likelihood."""
        success, failure, _ = self.probabilities(point)
        return float(np.log(success) @ self.successes + np.log(failure) @ (self.trials - self.successes))

    def maximise(self, exponent: float | None, start: FloatArray, lapse: bool = True) -> FloatArray:
        """The likeliest point, with b free or held, from the given start and, with a lapse, from one without."""
        free = exponent is None
        # At a fixed b the last column of the design is the second's multiple.
        basis = np.eye(4) if exponent is None else np.array([[1, 0, 0], [0, 1, 0], [0, -exponent, 0], [0, 0, 1.0]])

        def negative(short: FloatArray) -> tuple[float, FloatArray]:
            point = basis @ short
            success, failure, rate = self.probabilities(point)
            failures = self.trials - self.successes
            score = self.successes / success - failures / failure
            gradient = np.empty(4)
            gradient[:3] = (score * rate) @ self.design
            # dP/dλ at fixed coefficients: −expit(η) and the shift's 2/(1 − 2λ).
            gradient[3] = score @ (-success / (1.0 - point[3]) + rate * 2.0 / (1.0 - 2.0 * point[3]))
            value = np.log(success) @ self.successes + np.log(failure) @ failures
            return -float(value), -(gradient @ basis)

        bounds: list[tuple[float | None, float | None]] = [(None, None), (1e-3, self.steepest)]
        bounds += [(None, None)] if free else []
        best: tuple[float, FloatArray] | None = None
        for share in (max(float(start[3]), 0.01), 0.0) if lapse else (0.0,):
            short = np.array([start[0], start[1], start[2], share] if free else [start[0], start[1], share])
            ranges = [*bounds, (0.0, _LARGEST_LAPSE if share else 0.0)]
            found = minimize(
                negative, short, jac=True, method="L-BFGS-B", bounds=ranges, options={"ftol": 1e-11, "gtol": 1e-6}
            )
            if best is None or found.fun < best[0]:
                best = (float(found.fun), basis @ found.x)
        assert best is not None, "there is at least one start"
        return best[1]

    def information(self, point: Float[FloatArray, " p"]) -> Float[FloatArray, "3 3"]:
        """Fisher information of the three coefficients."""
        success, failure, rate = self.probabilities(point)
        weight = self.trials * rate * rate / (success * failure)
        return np.asarray(self.design.T @ (self.design * weight[:, None]))

    def firth(self, start: FloatArray, lapse: float) -> FloatArray:
        """The maximum of the likelihood times Jeffreys' prior at a fixed lapse."""

        def point(short: FloatArray) -> FloatArray:
            slope = math.exp(min(max(short[1], -7.0), math.log(self.steepest)))
            return np.array([-slope * short[0], slope, -slope * short[2], lapse])

        def negative(short: FloatArray) -> float:
            sign, log_det = np.linalg.slogdet(self.information(point(short)))
            return -self.value(point(short)) - 0.5 * float(log_det) if sign > 0 else 1e12

        slope = min(float(start[1]), 0.1 * self.steepest)  # where data are separated, back from the cliff
        short = np.array([-start[0] / start[1], math.log(slope), -start[2] / start[1]])
        simplex = short + np.concatenate([np.zeros((1, 3)), np.diag([0.5 / slope, 0.3, 0.5 / slope])])
        options = {"initial_simplex": simplex, "xatol": 1e-7, "fatol": 1e-9, "maxiter": 1500}
        return point(minimize(negative, short, method="Nelder-Mead", options=options).x)

    def lack_of_fit(self, point: FloatArray) -> float | None:
        """The bootstrap deviance test, over curves spread about the estimate like its sampling distribution."""
        if len(self.trials) <= len(point):
            return None
        generator = np.random.default_rng(0)
        factor = np.linalg.cholesky(np.linalg.inv(self.information(point)))
        spread = generator.standard_normal((_CURVES, 3)) * np.array([0.5, 1.0, 2.0])[np.arange(_CURVES) % 3, None]
        coefficients = point[:3] + spread @ factor.T
        lapses = np.clip(point[3] + 0.05 * generator.standard_normal(_CURVES), 0.0, _LARGEST_LAPSE)
        lapses[::2] = point[3]
        points = np.concatenate([point[None, :], np.column_stack([coefficients, lapses])])
        return bootstrap_p_value(self.successes, self.trials, self.probabilities(points)[0])


def _interval(cells: _Cells, free: FloatArray, drop: float) -> tuple[float | None, float | None]:
    """Where the profile of b has fallen by ``drop``, on both sides of its maximum; None where it is open."""
    exponent = float(-free[2] / free[1])
    points = {exponent: free}
    top = cells.value(free)

    def fall(b: float) -> float:
        near = min(points, key=lambda tried: abs(tried - b))
        # Moved along with b, so that N50 stays where the data are.
        points[b] = cells.maximise(b, points[near])
        return cells.value(points[b]) - top + drop

    ends: list[float | None] = []
    for side in (-1.0, 1.0):
        inner, width = exponent, 0.01
        while fall(inner + side * width) > 0.0 and width < _BRACKET:
            inner, width = inner + side * width, 2.0 * width
        outer = inner + side * width
        ends.append(None if width >= _BRACKET else float(brentq(fall, inner, outer, xtol=1e-5)))
    return ends[0], ends[1]
