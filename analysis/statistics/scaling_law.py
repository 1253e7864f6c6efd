"""The law that a learner's threshold follows as the dimension d grows.

Given the counts of one learner at several d, each candidate law says

    log N50(d) = log c + log law(d) + η_d,    η_d ~ Normal(0, τ²),

with one constant c and a standard deviation τ between dimensions (τ = 0: the law is exact). What the counts of one
dimension say about x = log N50 is the profile likelihood ℓ_d of
:func:`analysis.statistics.profile.profile_log_likelihood`, with a guess and a lapse rate allowed, normalised so that
its maximum is 0. A dimension then contributes the marginal likelihood

    M_d(μ, τ) = ∫ exp(ℓ_d(x)) Normal(x; μ, τ²) dx,    M_d(μ, 0) = exp(ℓ_d(μ)),    μ = log c + log law(d),

and (c, τ) maximise Σ_d log M_d. Nothing is assumed about the shape of ℓ_d: a threshold known only to lie between two
integers is a box, a censored one a half-line, and both count for exactly what they say. The candidates have the same
two parameters, so their AIC weights [1] are likelihood ratios.

A power law c·d^b with free exponent b (three parameters) stands beside them. Its exponent alone misleads: over a
finite range an exact law with an offset has a log–log slope of its own (d−1 over d = 2, 3, 4, 6, 8, 12,
16, 24, 32: 1.21), which
:func:`local_exponent` computes for comparison.

Caveats. τ = 0 is on the boundary of its range and dimensions are few, so neither the count of two parameters nor the
χ² quantile of the intervals is exact: weights rank the candidates, they are no error probabilities. The second-order
correction AICc supposes Gaussian data and is not used. Weights compare the candidates with each other only; whether
the best of them is any good is what τ and the power law's AIC show.

References:
    [1] K. P. Burnham and D. R. Anderson, Model Selection and Multimodel Inference, 2nd ed., Springer 2002, §2.9.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import chdtri, ndtr, stdtrit

from analysis.statistics.counts import Counts, FloatArray
from analysis.statistics.dimension_likelihood import FLOOR, DimensionLikelihood, normal_cells

__all__ = [
    "CANDIDATE_LAWS",
    "Exponent",
    "Law",
    "LawFit",
    "Polynomial",
    "Scaling",
    "fit_scaling",
    "local_exponent",
]

_SPREADS = np.array([0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0])
"""τ at which the marginal likelihoods are tabulated for the coarse search."""

_SPREAD_RANGE = (1e-4, 10.0)
"""Smallest positive and largest τ of the fine search."""

_BRACKET = math.log(1e3)
"""An interval for log c or for b is open on a side where it goes farther than this."""


@dataclass(frozen=True)
class Law:
    """A candidate: N50 is proportional to ``function(d)``.

    Attributes:
        name: plain text.
        order: the power of d that it grows with.
        function: positive and elementwise for d ≥ 2; results can be pickled if it can.
    """

    name: str
    order: float
    function: Callable[[FloatArray], FloatArray] = field(repr=False)

    def log(self, dims: Sequence[int]) -> FloatArray:
        """Its logarithm at each dimension, (m,)."""
        return np.log(self.function(np.array(dims, dtype=np.float64)))


@dataclass(frozen=True)
class Polynomial:
    """A polynomial in d, a function that can be pickled.

    Attributes:
        coefficients: from the highest power down.
    """

    coefficients: tuple[float, ...]

    def __call__(self, d: FloatArray) -> FloatArray:
        """Its values, elementwise."""
        return np.asarray(np.polyval(self.coefficients, d), dtype=np.float64)


CANDIDATE_LAWS: tuple[Law, ...] = (
    Law("d-1", 1, Polynomial((1.0, -1.0))),
    Law("d", 1, Polynomial((1.0, 0.0))),
    Law("D+1", 2, Polynomial((0.5, -0.5, 1.0))),
    Law("d^2", 2, Polynomial((1.0, 0.0, 0.0))),
)
"""The laws under discussion: ReenGAGE on SO(d) and on O(d), DDPG, and DDPG without orthogonality. D = d(d−1)/2."""


@dataclass(frozen=True)
class LawFit:
    """A candidate law fitted to one learner.

    Attributes:
        law: the candidate.
        constant: c; the middle, where the likelihood is flat.
        constant_low: lower end of its profile-likelihood interval; None if open.
        constant_high: upper end; None if open.
        between_dimension_sd: τ, in log N.
        log_likelihood: Σ_d log M_d at the maximum, at most 0.
        aic: 4 − 2·log_likelihood, of the two parameters c and τ.
        weight: AIC weight among the candidates, in [0, 1].
        local_exponent: log–log slope of the law itself over the same dimensions.
    """

    law: Law
    constant: float
    constant_low: float | None
    constant_high: float | None
    between_dimension_sd: float
    log_likelihood: float
    aic: float
    weight: float
    local_exponent: float


@dataclass(frozen=True)
class Exponent:
    """The power law c·d^b fitted to one learner.

    Attributes:
        value: b.
        low: lower end of its profile-likelihood interval; None if open.
        high: upper end; None if open.
        constant: c.
        between_dimension_sd: τ, in log N.
        log_likelihood: Σ_d log M_d at the maximum.
        aic: 6 − 2·log_likelihood, of three parameters; comparable with the candidates', but not among their weights.
    """

    value: float
    low: float | None
    high: float | None
    constant: float
    between_dimension_sd: float
    log_likelihood: float
    aic: float


@dataclass(frozen=True)
class Scaling:
    """How a learner's threshold grows with d.

    Attributes:
        dims: the dimensions with counts, increasing.
        informative_dims: those whose success fractions lie on both sides of 1/2.
        exponent: the power law; None where nothing could be fitted.
        laws: the fitted candidates, in the order given; empty where nothing could be fitted.
        best: name of the candidate with the greatest weight; None where nothing could be fitted. Sharp thresholds at
            the integers d fit c·d with c just below 1 and c·(d−1) with c just above 1 equally well; on such a tie the
            law with c ≤ 1 is named, of which the least sufficient integer is law(d) itself.
        order_weights: weight of the best candidate of each order (1 linear, 2 quadratic) among the best ones: how many
            of an order are listed makes no difference.
        reason: why nothing could be fitted; "" otherwise.
    """

    dims: tuple[int, ...]
    informative_dims: tuple[int, ...]
    exponent: Exponent | None = None
    laws: tuple[LawFit, ...] = ()
    best: str | None = None
    order_weights: Mapping[float, float] = field(default_factory=dict)
    reason: str = ""

    @property
    def best_fit(self) -> LawFit | None:
        """The fit of the best candidate."""
        return next((fit for fit in self.laws if fit.law.name == self.best), None)


def fit_scaling(counts: Mapping[int, Counts], laws: Sequence[Law] = CANDIDATE_LAWS, level: float = 0.95) -> Scaling:
    """Fit every law, and the power law, to the counts of one learner.

    Args:
        counts: dimension -> counts. Dimensions whose data stay on one side of 1/2 count for what they say.
        laws: the candidates, with distinct names.
        level: confidence level of the intervals, in (0, 1).

    Returns:
        The fits; without any, and with a reason, if fewer than three dimensions have success fractions on both sides
        of 1/2.

    Raises:
        ValueError: if a dimension is below 2, the level is not in (0, 1), or the candidates are none or share a name.
    """
    dims = tuple(sorted(counts))
    if dims and dims[0] < 2:
        raise ValueError(f"counts hold dimension {dims[0]}; every dimension must be at least 2")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; must be strictly between 0 and 1")
    if not laws or len({law.name for law in laws}) < len(laws):
        raise ValueError(f"laws are {[law.name for law in laws]}; at least one is needed, with distinct names")
    informative = tuple(d for d in dims if counts[d].crosses)
    if len(informative) < 3:
        known = f"d = {', '.join(map(str, informative))}" if informative else "none"
        reason = f"a law needs three dimensions with success on both sides of 1/2, found at {known}"
        return Scaling(dims, informative, reason=reason)
    problem = _Problem(dims, [DimensionLikelihood(counts[d]) for d in dims])
    drop = 0.5 * float(chdtri(1, 1.0 - level))
    fits = [_fit_law(problem, law, drop) for law in laws]
    lowest = min(fit.aic for fit in fits)
    total = sum(math.exp(0.5 * (lowest - fit.aic)) for fit in fits)
    weighted = tuple(replace(fit, weight=math.exp(0.5 * (lowest - fit.aic)) / total) for fit in fits)
    return Scaling(
        dims=dims,
        informative_dims=informative,
        exponent=_fit_exponent(problem, level, len(informative)),
        laws=weighted,
        best=max(weighted, key=lambda fit: (round(fit.weight, 6), fit.constant <= 1.0)).law.name,
        order_weights=_order_weights(weighted),
    )


def _order_weights(fits: Sequence[LawFit]) -> dict[float, float]:
    best = {
        order: max(fit.weight for fit in fits if fit.law.order == order) for order in {fit.law.order for fit in fits}
    }
    return {order: best[order] / sum(best.values()) for order in sorted(best)}


def local_exponent(law: Law, dims: Sequence[int]) -> float:
    """The least-squares log–log slope of an exact law over the given dimensions: what a bare exponent would read.

    Raises:
        ValueError: if there are fewer than two distinct dimensions or one is below 2.
    """
    if len(set(dims)) < 2 or min(dims) < 2:
        raise ValueError(f"dims are {tuple(dims)}; at least two distinct ones, each at least 2, are needed")
    x = np.log(np.array(dims, dtype=np.float64))
    x = x - np.mean(x)
    return float(np.sum(x * law.log(dims)) / np.sum(x * x))


class _Problem:
    """The likelihoods of all dimensions, and the search for the parameters that maximise their sum.

    A law enters as its ``shape``, the logarithms of law(d), (m,); its offset is log c.
    """

    def __init__(self, dims: tuple[int, ...], likelihoods: list[DimensionLikelihood]) -> None:
        self.dims = dims
        self.likelihoods = likelihoods
        self._edges = np.concatenate([x.edges for x in likelihoods])
        sizes = np.array([len(x.edges) for x in likelihoods])
        self._owner = np.repeat(np.arange(len(likelihoods)), sizes)
        self._last = np.cumsum(sizes) - 1
        self._first = self._last - sizes + 1
        self._tails = np.exp(np.array([x.log_tails for x in likelihoods])).T
        self._height, self._middle, self._slope = (
            np.concatenate([np.append(cells, 0.0) for cells in each])[:-1]
            for each in zip(*(x.cells for x in likelihoods), strict=True)
        )
        self._grids = [np.linspace(x.breakpoints[0] - 3.0, x.breakpoints[-1] + 3.0, 160) for x in likelihoods]
        self._tables = [
            [x.log_marginal(grid, np.full_like(grid, tau)) for tau in _SPREADS]
            for x, grid in zip(likelihoods, self._grids, strict=True)
        ]

    def value(self, mean: Float[FloatArray, " m"], tau: float) -> float:
        """Σ_d log M_d at the means (m,) and one τ > 0.

        The same sum as :meth:`values` over all dimensions' cells in one go: the cell between one dimension's last
        edge and the next one's first has height and slope 0.
        """
        edge_mean = mean[self._owner]
        z = (self._edges - edge_mean) / tau
        mass, density = normal_cells(z)
        terms = mass * self._height + ((edge_mean[:-1] - self._middle) * mass - tau * np.diff(density)) * self._slope
        total = np.add.reduceat(terms, self._first)
        total += self._tails[0] * ndtr(z[self._first]) + self._tails[1] * ndtr(-z[self._last])
        return float(np.sum(np.log(np.clip(total, FLOOR, 1.0))))

    def values(self, mean: Float[FloatArray, " m"], tau: Float[FloatArray, " P"]) -> Float[FloatArray, " P"]:
        """Σ_d log M_d at the means (m,) for several τ ≥ 0, (P,)."""
        total = np.zeros_like(tau)
        spread = tau > 0.0
        for likelihood, mu in zip(self.likelihoods, mean, strict=True):
            if np.any(spread):
                total[spread] += likelihood.log_marginal(np.full(int(np.sum(spread)), mu), tau[spread])
            if not np.all(spread):
                total[~spread] += float(likelihood.log_likelihood(np.array([mu]))[0])
        return total

    def exact(self, shape: FloatArray, offsets: FloatArray) -> FloatArray:
        """Σ_d ℓ_d(offset + shape_d) for τ = 0: in the shape of ``offsets``."""
        total = np.zeros_like(offsets)
        for likelihood, s in zip(self.likelihoods, shape, strict=True):
            total += likelihood.log_likelihood(offsets + s)
        return total

    def offsets(self, shape: FloatArray) -> FloatArray:
        """Offsets worth trying for an exact law, increasing.

        The likelihood is smooth between the offsets at which some dimension passes one of its tested N. Those
        intervals may be narrow, and they are all tried: a few points in each, and their middle.
        """
        cuts = np.unique(np.concatenate([x.breakpoints - s for x, s in zip(self.likelihoods, shape, strict=True)]))
        cuts = np.concatenate([[cuts[0] - 1.0], cuts, [cuts[-1] + 1.0]])
        cuts = cuts[np.concatenate([[True], np.diff(cuts) > 1e-12])]
        parts = np.array([0.02, 0.15, 0.3, 0.5, 0.7, 0.85, 0.98])
        return np.ravel(cuts[:-1, None] + np.diff(cuts)[:, None] * parts)

    def best_exact(self, shape: FloatArray, refine: bool = True) -> tuple[float, float]:
        """The maximum over the offset for τ = 0: (offset, value). A flat maximum is answered by its middle."""
        offsets = self.offsets(shape)
        values = self.exact(shape, offsets)
        top = float(np.max(values))
        plateau = np.flatnonzero(values >= top - 1e-9)
        first = int(plateau[0])
        if len(plateau) > 1 and plateau[-1] - first == len(plateau) - 1:
            return 0.5 * float(offsets[first] + offsets[plateau[-1]]), top
        if not refine:
            return float(offsets[first]), top
        low, high = offsets[max(first - 1, 0)], offsets[min(first + 1, len(offsets) - 1)]
        found = minimize_scalar(
            lambda a: -float(self.exact(shape, np.array([a]))[0]), bounds=(low, high), method="bounded"
        )
        if -found.fun > top:
            return float(found.x), -float(found.fun)
        return float(offsets[first]), top

    def coarse(self, shape: FloatArray, count: int = 2) -> list[tuple[float, float, float]]:
        """The best (value, offset, τ) among the tabulated τ > 0, for ``count`` different τ."""
        low = min(float(x.breakpoints[0] - s) for x, s in zip(self.likelihoods, shape, strict=True))
        high = max(float(x.breakpoints[-1] - s) for x, s in zip(self.likelihoods, shape, strict=True))
        offsets = np.linspace(low - 0.5, high + 0.5, 120)
        found = []
        for k, tau in enumerate(_SPREADS):
            total = np.zeros_like(offsets)
            for grid, table, s in zip(self._grids, self._tables, shape, strict=True):
                total += np.interp(offsets + s, grid, table[k])
            best = int(np.argmax(total))
            found.append((float(total[best]), float(offsets[best]), float(tau)))
        return sorted(found, reverse=True)[:count]

    def best_tau(self, mean: FloatArray) -> float:
        """The maximum over τ ≥ 0 at given means (m,)."""
        taus = np.concatenate([[0.0], np.geomspace(1e-3, 4.0, 14)])
        values = self.values(mean, taus)
        best = int(np.argmax(values))
        low, high = max(taus[max(best - 1, 0)], _SPREAD_RANGE[0]), taus[min(best + 1, len(taus) - 1)]
        finer = self.values(mean, np.geomspace(low, max(high, 2 * low), 11)[1:-1])
        return max(float(values[best]), float(np.max(finer)))

    def maximise(
        self, basis: FloatArray, fixed: FloatArray, starts: Sequence[tuple[Sequence[float], float]], loose: bool = False
    ) -> tuple[float, FloatArray, float]:
        """Refine (parameters, τ > 0) by Nelder–Mead from several starts.

        Args:
            basis: the means are fixed + basis @ parameters, (m, p).
            fixed: (m,).
            starts: (parameters, τ) each.
            loose: stop at an accuracy of 1e-3 in the log likelihood instead of 1e-6.

        Returns:
            The best (value, parameters (p,), τ).
        """

        def negative(point: FloatArray) -> float:
            tau = math.exp(min(max(point[-1], math.log(_SPREAD_RANGE[0])), math.log(_SPREAD_RANGE[1])))
            return -self.value(fixed + basis @ point[:-1], tau)

        best: tuple[float, FloatArray, float] | None = None
        tolerance = 1e-3 if loose else 1e-6
        for parameters, tau in starts:
            start = np.array([*parameters, math.log(tau)])
            step = np.diag([0.5 * tau] * (len(start) - 1) + [0.4])
            simplex = np.concatenate([start[None, :], start + step])
            found = minimize(
                negative,
                start,
                method="Nelder-Mead",
                options={"initial_simplex": simplex, "xatol": 10 * tolerance, "fatol": tolerance, "maxiter": 400},
            )
            if best is None or -found.fun > best[0]:
                best = (-float(found.fun), np.array(found.x[:-1]), math.exp(float(found.x[-1])))
        assert best is not None, "at least one start is needed"
        return best


def _fit_law(problem: _Problem, law: Law, drop: float) -> LawFit:
    """Maximise over (log c, τ); ``drop`` is the fall of the log likelihood at the ends of the interval."""
    shape = law.log(problem.dims)
    offset, value = problem.best_exact(shape)
    tau = 0.0
    starts = [((a,), t) for _, a, t in problem.coarse(shape)] + [((offset,), 0.02)]
    found, parameters, spread = problem.maximise(np.ones((len(shape), 1)), shape, starts)
    if found > value + 1e-6:
        value, offset, tau = found, float(parameters[0]), spread
    ends = [
        _interval_end(lambda a: problem.best_tau(shape + a) - (value - drop), offset, side, 1e-3)
        for side in (-1.0, 1.0)
    ]
    return LawFit(
        law=law,
        constant=math.exp(offset),
        constant_low=None if ends[0] is None else math.exp(ends[0]),
        constant_high=None if ends[1] is None else math.exp(ends[1]),
        between_dimension_sd=tau,
        log_likelihood=value,
        aic=4.0 - 2.0 * value,
        weight=math.nan,
        local_exponent=local_exponent(law, problem.dims),
    )


def _exponent_drop(level: float, num_informative: int, scattered: bool) -> float:
    """The fall of the log likelihood at the ends of the exponent's interval.

    With τ = 0, what is known of each log N50 is known from its own counts, and the χ² quantile holds. Else
    τ is estimated from m dimensions to which two parameters were fitted, and the likelihood-ratio statistic of a
    Gaussian regression is m log(1 + T²/(m − 2)), T of Student's distribution with m − 2 degrees of freedom.
    """
    if not scattered:
        return 0.5 * float(chdtri(1, 1.0 - level))
    freedom = num_informative - 2
    quantile = float(stdtrit(freedom, 0.5 + 0.5 * level))
    return 0.5 * num_informative * math.log1p(quantile * quantile / freedom)


def _fit_exponent(problem: _Problem, level: float, num_informative: int) -> Exponent:
    """Maximise over (b, log c, τ). The offset is taken at the mean log d: b and it are then nearly uncorrelated."""
    x = np.log(np.array(problem.dims, dtype=np.float64))
    centre = float(np.mean(x))
    x = x - centre
    zero = np.zeros_like(x)
    basis = np.stack([x, np.ones_like(x)], axis=1)
    slopes = np.linspace(-1.0, 5.0, 241)

    rough_exact = [problem.best_exact(b * x, refine=False)[1] for b in slopes]
    b = float(slopes[int(np.argmax(rough_exact))])
    finer = np.linspace(b - 0.025, b + 0.025, 41)
    finer_exact = [problem.best_exact(b * x)[1] for b in finer]
    tried, exact = np.concatenate([slopes, finer]), np.concatenate([rough_exact, finer_exact])
    flat = tried[exact >= np.max(exact) - 1e-9]  # separated data leave a range of exact power laws: take its middle
    best = 0.5 * float(np.min(flat) + np.max(flat))
    offset, value = problem.best_exact(best * x)
    tau = 0.0

    rough = sorted(((*problem.coarse(s * x, 1)[0], float(s)) for s in slopes[::3]), reverse=True)[:2]
    starts = [((s, a), t) for _, a, t, s in rough] + [((best, offset), 0.02)]
    found, parameters, spread = problem.maximise(basis, zero, starts)
    if found > value + 1e-6:
        value, best, offset, tau = found, float(parameters[0]), float(parameters[1]), spread

    drop = _exponent_drop(level, num_informative, tau > 0.0)

    def profile(b: float) -> float:
        a, exact_value = problem.best_exact(b * x)
        near = [((offset,), max(tau, 0.02)), ((a,), 0.01)] + [((s,), t) for _, s, t in problem.coarse(b * x, 1)]
        spread_value = problem.maximise(np.ones((len(x), 1)), b * x, near, loose=True)[0]
        return max(exact_value, spread_value) - (value - drop)

    return Exponent(
        value=best,
        low=_interval_end(profile, best, -1.0, 0.01),
        high=_interval_end(profile, best, 1.0, 0.01),
        constant=math.exp(offset - best * centre),
        between_dimension_sd=tau,
        log_likelihood=value,
        aic=6.0 - 2.0 * value,
    )


def _interval_end(function: Callable[[float], float], start: float, side: float, step: float) -> float | None:
    """Where the function, positive at the start, first turns negative on one side; None if beyond the bracket.

    The function may jump; the answer is then the place of the jump.
    """
    if function(start) <= 0.0:
        return start
    inner, width = start, step
    while True:
        outer = start + side * width
        if function(outer) < 0.0:
            return float(brentq(function, inner, outer, xtol=1e-5))
        if width > _BRACKET:
            return None
        inner, width = outer, 2.0 * width
