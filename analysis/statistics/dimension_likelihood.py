"""What the counts of one dimension say about x = log N50, in a form that laws of growth can be fitted to quickly."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from analysis.statistics.counts import Counts, FloatArray
from analysis.statistics.profile import (
    RefinedProfile,
    constant_log_likelihood,
    plausible_rates,
    profile_log_likelihood,
)

__all__ = ["FLOOR", "DimensionLikelihood", "normal_cells"]

FLOOR = 1e-300
"""Likelihoods are kept above this, so that a law that is impossible without scatter still has a finite logarithm."""


class DimensionLikelihood:
    """What the counts of one dimension say about x = log N50, ready to be integrated against a normal distribution.

    The normalised profile likelihood exp(ℓ_d) is kept as straight lines over cells. Cells end at every tested N, where
    ℓ_d may jump (both one-sided limits are kept), and are refined until ℓ_d changes little over each. Outside the
    cells, four decades beyond the tested N, it is constant.

    Args:
        counts: successes and trials by N.
    """

    def __init__(self, counts: Counts) -> None:
        log_n = counts.log_num_transitions
        rates = plausible_rates(counts)
        tail = np.concatenate([[0.0], np.geomspace(1e-3, math.log(1e4), 24)])
        pieces = [log_n[0] - tail[::-1]]
        pieces += [0.5 * (a + b - (b - a) * np.cos(np.linspace(0.0, math.pi, 17))) for a, b in pairwise(log_n)]
        pieces.append(log_n[-1] + tail)
        beside = RefinedProfile.BESIDE
        inner = [np.clip(piece, piece[0] + beside, piece[-1] - beside) for piece in pieces]
        profile = RefinedProfile(lambda x: profile_log_likelihood(counts, x, rates), np.concatenate(inner))
        for _ in range(6):
            ends = np.searchsorted(profile.x, log_n)
            top = float(np.max(profile.values))
            added = [
                _refinement(x, value - top)
                for x, value in zip(np.split(profile.x, ends), np.split(profile.values, ends), strict=True)
            ]
            if not any(len(x) for x in added):
                break
            profile.add(np.concatenate(added))
        left_tail, right_tail = (constant_log_likelihood(counts, above) for above in (True, False))
        top = max(left_tail, right_tail, float(np.max(profile.values)))
        # Between the points beside a tested N there is no cell, but a jump.
        cells = np.ones(len(profile.x) - 1, dtype=bool)
        cells[np.searchsorted(profile.x, log_n) - 1] = False
        self.breakpoints: FloatArray = log_n
        """log N of the tested N, where the likelihood may jump, (K,)."""
        self.edges: FloatArray = np.concatenate([profile.x[:1], profile.x[1:][cells]])
        """Ends of the cells, (C + 1,)."""
        self.log_left: FloatArray = profile.values[:-1][cells] - top
        """ℓ_d at the left end of each cell, (C,)."""
        self.log_right: FloatArray = profile.values[1:][cells] - top
        """ℓ_d at the right end of each cell, (C,)."""
        self.log_tails: tuple[float, float] = (left_tail - top, right_tail - top)
        """ℓ_d as x → −∞ and as x → +∞."""
        left, right = np.exp(self.log_left), np.exp(self.log_right)
        middle = 0.5 * (self.edges[:-1] + self.edges[1:])
        self.cells: tuple[FloatArray, FloatArray, FloatArray] = (
            0.5 * (left + right),
            middle,
            (right - left) / np.diff(self.edges),
        )
        """Of each cell: the likelihood exp(ℓ_d) at its middle, the middle, and the slope there; (C,) each."""

    def log_likelihood(self, x: Float[FloatArray, " P"]) -> Float[FloatArray, " P"]:
        """ℓ_d(x), at most 0 (and floored far below where any law could matter)."""
        x = np.asarray(x, dtype=np.float64)
        cell = np.clip(np.searchsorted(self.edges, x, side="right") - 1, 0, len(self.log_left) - 1)
        width = self.edges[cell + 1] - self.edges[cell]
        part = np.clip((x - self.edges[cell]) / width, 0.0, 1.0)
        inside = self.log_left[cell] + part * (self.log_right[cell] - self.log_left[cell])
        value = np.where(x < self.edges[0], self.log_tails[0], np.where(x > self.edges[-1], self.log_tails[1], inside))
        return np.maximum(value, math.log(FLOOR))

    def log_marginal(self, mean: Float[FloatArray, " P"], tau: Float[FloatArray, " P"]) -> Float[FloatArray, " P"]:
        """Logarithm of ∫ exp(ℓ_d(x)) Normal(x; mean, τ²) dx for τ > 0, exact for the piecewise linear likelihood.

        Args:
            mean: μ, (P,).
            tau: τ > 0, (P,).
        """
        z = (self.edges - mean[:, None]) / tau[:, None]
        mass, density = normal_cells(z)
        height, middle, slope = self.cells
        moment = (mean[:, None] - middle) * mass - tau[:, None] * np.diff(density, axis=1)
        total = mass @ height + moment @ slope
        total += math.exp(self.log_tails[0]) * ndtr(z[:, 0]) + math.exp(self.log_tails[1]) * ndtr(-z[:, -1])
        return np.log(np.clip(total, FLOOR, 1.0))


def normal_cells(z: Float[FloatArray, "*b E"]) -> tuple[Float[FloatArray, "*b C"], Float[FloatArray, "*b E"]]:
    """Standard normal mass between neighbouring z, and the density at each."""
    density = np.exp(-0.5 * z * z) * (1.0 / math.sqrt(2.0 * math.pi))
    # Differences of the distribution function, from the nearer tail: exact also far out.
    tail = ndtr(-np.abs(z))
    near, far = tail[..., :-1], tail[..., 1:]
    mass = np.where(z[..., :-1] >= 0.0, near - far, np.where(z[..., 1:] <= 0.0, far - near, 1.0 - near - far))
    return mass, density


def _refinement(x: FloatArray, value: FloatArray) -> FloatArray:
    """Points that halve the cells over which ℓ changes too much, and their neighbours; far below 0 less matters."""
    compressed = np.where(value > -14.0, value, -14.0 + 0.1 * (np.maximum(value, -60.0) + 14.0))
    steep = np.abs(np.diff(compressed)) > 0.15
    near = steep.copy()
    near[1:] |= steep[:-1]
    near[:-1] |= steep[1:]
    near &= np.diff(x) > 1e-6
    return 0.5 * (x[:-1] + x[1:])[near]
