"""What the connected matrix groups of orthogonal matrices share: a Lie algebra of skew matrices and two retractions.

Lengths are Frobenius norms of Ω: a rotation by θ radians in one plane has length √2·θ.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes.base import HypothesisClass, linear_combination
from toyenvs.hypothesis_classes.exact import ExactPoint, integer_multiples, random_integers

__all__ = ["MatrixGroup"]

_LONGEST_TURN = 1e3
"""Frobenius norm of Ω beyond which the Cayley transform, which ends at half turns, only loses digits."""


class MatrixGroup(HypothesisClass):
    """A group of orthogonal matrices whose tangent vectors Ω are those of a Lie algebra, left-trivialised."""

    orthogonal = True

    @abstractmethod
    def algebra_basis(self, dim: int) -> NDArray[np.float64]:
        """An orthonormal basis (M, d, d) of the Lie algebra."""

    def algebra_part(self, skew: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        """Orthogonal projection of a skew matrix on the Lie algebra."""
        return skew

    @override
    def exact_point(self, dim: int, rng: np.random.Generator) -> ExactPoint | None:
        generators = integer_multiples(self.algebra_basis(dim))
        if generators is None:
            return None
        skew = np.tensordot(random_integers(rng, len(generators)), generators, axes=1)
        return ExactPoint(generators, skew, group=True)

    @override
    def tangent(self, param: Float[Tensor, "*b d d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        product = param.mT @ ambient
        return self.algebra_part((product - product.mT).div_(2))

    @override
    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        # I + Ω + Ω²/2 is exp(Ω) to second order and misses orthogonality by Ω⁴/4 only; one Newton-Schulz step
        # squares what is missing, including the rounding that `param` brought along. Matrix products only: no
        # factorisation, which batches badly.
        step = (tangent @ tangent).mul_(0.5).add_(tangent)
        return _newton_schulz((param @ step).add_(param))

    @override
    def tangent_basis(self, param: Float[Tensor, "b d d"]) -> Float[Tensor, "b M d d"]:
        # V·E_m for all m as one product of large matrices: several times as fast as a batch of small ones.
        algebra = torch.from_numpy(self.algebra_basis(param.shape[-1])).to(param)
        return torch.einsum("bik,mkj->bmij", param, algebra)

    @override
    def move(
        self,
        param: Float[Tensor, "b d d"],
        basis: Float[Tensor, "b M d d"],
        coordinates: Float[Tensor, "b M"],
    ) -> Float[Tensor, "b d d"]:
        # V(I − Ω/2)⁻¹(I + Ω/2), Cayley's transform: orthogonal however long Ω is (a plane turns by 2·atan(θ/2), so
        # a long step ends near a half turn and does not wind round), and exp(Ω) to second order.
        omega = self.tangent(param, linear_combination(basis, coordinates))
        length = torch.linalg.vector_norm(omega, dim=(-2, -1), keepdim=True)
        half = omega * (0.5 * (_LONGEST_TURN / length).clamp(max=1))
        identity = torch.eye(param.shape[-1], dtype=param.dtype, device=param.device)
        # I − Ω/2 is never singular; solve_ex only because solve would stop the whole batch at a NaN.
        turn, _ = torch.linalg.solve_ex(identity - half, identity + half)
        return _newton_schulz(param @ turn)


def _newton_schulz(nearly: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
    """X(3I − XᵀX)/2: a matrix that misses orthogonality by ε becomes one that misses it by 3ε²/4 or so."""
    gram = nearly.mT @ nearly
    return (1.5 * nearly).add_(nearly @ gram, alpha=-0.5)


def skew_units(dim: int) -> NDArray[np.float64]:
    """The orthonormal basis (e_i e_jᵀ − e_j e_iᵀ)/√2, i < j, of the skew matrices: (d(d−1)/2, d, d)."""
    rows, columns = np.triu_indices(dim, 1)
    number = np.arange(len(rows))
    units = np.zeros((len(rows), dim, dim))
    units[number, rows, columns] = np.sqrt(0.5)
    units[number, columns, rows] = -np.sqrt(0.5)
    return units


def nearest_rotation(ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
    """Nearest matrix of SO(d) in Frobenius norm (Kabsch)."""
    # The polar factor, with the direction of the smallest singular value turned round where the determinant would
    # be -1.
    left, _, right = torch.linalg.svd(ambient)
    left = left.clone()
    left[..., :, -1] *= torch.linalg.det(left @ right).sign()[..., None]
    return left @ right
