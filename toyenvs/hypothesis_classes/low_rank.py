"""Matrices of rank p < d: the manifold of fixed rank.

Members are not orthogonal, so the class is for discount 0 only. Tangent vectors are ambient matrices: those that
vanish between the orthogonal complements of row and column space. Retraction is the nearest matrix of rank p, which
agrees with the geodesic to second order and accepts any length.

Source: Vandereycken, SIAM J. Optim. 2013, doi 10.1137/110845768, §2 and §3.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes.base import HypothesisClass
from toyenvs.hypothesis_classes.exact import ExactPoint, random_integers

__all__ = ["LowRank"]


class LowRank(HypothesisClass):
    """Matrices of rank p; connected; dimension p(2d − p).

    Samples are LR/d with independent standard Gaussian factors L (d, p) and R (p, d): operator norm of order 1.

    Args:
        rank: p ≥ 1; d must be larger.
    """

    def __init__(self, rank: int) -> None:
        if rank < 1:
            raise ValueError(f"rank: {rank!r} is not an integer >= 1")
        self.rank = rank
        self.name = f"rank-{rank}"
        self.label = rf"\mathrm{{rank}}\ {rank}"
        self.requirement = f"at least {rank + 1}"

    @override
    def allows(self, dim: int) -> bool:
        return dim > self.rank

    @override
    def dimension(self, dim: int) -> int:
        return self.rank * (2 * dim - self.rank)

    @override
    def gradient_count(self, dim: int) -> int:
        return dim

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        self.require(dim)
        left, right = rng.standard_normal((2, dim, self.rank))
        return np.asarray(left @ right.T) / dim

    @override
    def exact_point(self, dim: int, rng: np.random.Generator) -> ExactPoint:
        # At LR the tangent vectors are ER + LF; these span them, with p² redundant ones.
        left, right = random_integers(rng, dim, self.rank), random_integers(rng, self.rank, dim)
        units = np.eye(dim * self.rank, dtype=np.int64)
        tangents = [*(units.reshape(-1, dim, self.rank) @ right), *(left @ units.reshape(-1, self.rank, dim))]
        return ExactPoint(np.array(tangents), left @ right)

    @override
    def tangent(self, param: Float[Tensor, "*b d d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        left, _, right = _svd(param)
        columns, rows = left[..., :, : self.rank], right[..., : self.rank, :]
        from_columns = columns @ (columns.mT @ ambient)
        return from_columns + ((ambient - from_columns) @ rows.mT) @ rows

    @override
    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        return self.project(param + self.tangent(param, tangent))

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        # Eckart & Young 1936.
        left, values, right = _svd(ambient)
        return left[..., :, : self.rank] @ (values[..., : self.rank, None] * right[..., : self.rank, :])

    @override
    def tangent_basis(self, param: Float[Tensor, "b d d"]) -> Float[Tensor, "b M d d"]:
        left, _, right = _svd(param)
        index = torch.arange(param.shape[-1], device=param.device)
        k, m = torch.nonzero((index[:, None] < self.rank) | (index < self.rank), as_tuple=True)
        return left.mT[:, k, :, None] * right[:, m, None, :]


def _svd(
    matrix: Float[Tensor, "*b d d"],
) -> tuple[Float[Tensor, "*b d d"], Float[Tensor, "*b d"], Float[Tensor, "*b d d"]]:
    """The singular value decomposition, not a number where a matrix is not finite.

    torch would stop the whole batch there, and a trial that diverges must not spoil the others.
    """
    sound = matrix.isfinite().all(-1).all(-1)[..., None, None]
    left, values, right = torch.linalg.svd(torch.where(sound, matrix, 0.0))
    return torch.where(sound, left, torch.nan), values, right
