"""Linear spaces of matrices: all, symmetric, diagonal, circulant.

Their members are not orthogonal, so they are for discount 0 only. Samples are Gaussian and isotropic: independent
N(0, scale²) coordinates in an orthonormal basis, with a scale that makes the operator norm of order 1 in every
dimension (up to √log d). Tangent vectors are ambient matrices of the space; retraction is addition, which is exact
for every length.
"""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes.base import HypothesisClass
from toyenvs.hypothesis_classes.exact import ExactPoint, integer_multiples, random_integers

__all__ = ["AllMatrices", "Circulant", "Diagonal", "LinearSpace", "Symmetric"]


class LinearSpace(HypothesisClass):
    """A linear space of d×d matrices, its own tangent space everywhere."""

    affine = True
    max_tangent_norm = math.inf

    @abstractmethod
    def space_basis(self, dim: int) -> NDArray[np.float64]:
        """An orthonormal basis (M, d, d) of the space."""

    @abstractmethod
    def scale(self, dim: int) -> float:
        """Standard deviation of a sample's coordinates in an orthonormal basis."""

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        self.require(dim)
        coordinates = self.scale(dim) * rng.standard_normal(self.dimension(dim))
        return np.tensordot(coordinates, self.space_basis(dim), axes=1)

    @override
    def exact_point(self, dim: int, rng: np.random.Generator) -> ExactPoint | None:
        basis = integer_multiples(self.space_basis(dim))
        if basis is None:
            return None
        return ExactPoint(basis, np.tensordot(random_integers(rng, len(basis)), basis, axes=1))

    @override
    def tangent(self, param: Float[Tensor, "*b d d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        return self.project(ambient)

    @override
    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        return param + self.project(tangent)

    @override
    def tangent_basis(self, param: Float[Tensor, "b d d"]) -> Float[Tensor, "b M d d"]:
        basis = torch.from_numpy(self.space_basis(param.shape[-1])).to(param)
        return basis.expand(param.shape[0], -1, -1, -1)


class AllMatrices(LinearSpace):
    """All d×d matrices, dimension d². Entries of a sample are N(0, 1/d): operator norm near 2."""

    name = "all"
    label = r"\mathbb{R}^{d \times d}"

    @override
    def dimension(self, dim: int) -> int:
        return dim**2

    @override
    def gradient_count(self, dim: int) -> int:
        return dim

    @override
    def scale(self, dim: int) -> float:
        return 1 / math.sqrt(dim)

    @override
    def space_basis(self, dim: int) -> NDArray[np.float64]:
        return np.eye(dim**2).reshape(-1, dim, dim)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        return ambient


class Symmetric(LinearSpace):
    """Symmetric matrices, dimension d(d+1)/2.

    Samples are of the Gaussian orthogonal ensemble: off-diagonal entries N(0, 1/d), diagonal ones N(0, 2/d);
    operator norm near 2.
    """

    name = "symmetric"
    label = r"\mathrm{Sym}(d)"

    @override
    def dimension(self, dim: int) -> int:
        return dim * (dim + 1) // 2

    @override
    def gradient_count(self, dim: int) -> int:
        return dim

    @override
    def scale(self, dim: int) -> float:
        return math.sqrt(2 / dim)

    @override
    def space_basis(self, dim: int) -> NDArray[np.float64]:
        rows, columns = np.triu_indices(dim)
        number = np.arange(len(rows))
        basis = np.zeros((len(rows), dim, dim))
        basis[number, rows, columns] = basis[number, columns, rows] = np.where(rows == columns, 1.0, np.sqrt(0.5))
        return basis

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        return (ambient + ambient.mT) / 2


class Diagonal(LinearSpace):
    """Diagonal matrices, dimension d. Entries of a sample are N(0, 1): operator norm near √(2 log d)."""

    name = "diagonal"
    label = r"\mathrm{diagonal}"

    @override
    def dimension(self, dim: int) -> int:
        return dim

    @override
    def gradient_count(self, dim: int) -> int:
        return 1

    @override
    def scale(self, dim: int) -> float:
        return 1.0

    @override
    def space_basis(self, dim: int) -> NDArray[np.float64]:
        unit = np.eye(dim)
        return unit[:, :, None] * unit[:, None, :]

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        return torch.diag_embed(ambient.diagonal(dim1=-2, dim2=-1))


class Circulant(LinearSpace):
    """Circulant matrices, U_ij = c_(i−j mod d): convolutions with a periodic kernel c; dimension d.

    Entries of a sample's kernel are N(0, 1/d): the eigenvalues, its Fourier coefficients, have variance 1.
    """

    name = "circulant"
    label = r"\mathrm{circulant}"

    @override
    def dimension(self, dim: int) -> int:
        return dim

    @override
    def gradient_count(self, dim: int) -> int:
        return 1

    @override
    def scale(self, dim: int) -> float:
        return 1.0

    @override
    def space_basis(self, dim: int) -> NDArray[np.float64]:
        shifts = [np.roll(np.eye(dim), shift, axis=0) for shift in range(dim)]
        return np.stack(shifts) / math.sqrt(dim)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        dim = ambient.shape[-1]
        index = torch.arange(dim, device=ambient.device)
        kernel = ambient[..., (index[:, None] + index) % dim, index].mean(-1)
        return kernel[..., (index[:, None] - index) % dim]
