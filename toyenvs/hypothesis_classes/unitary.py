"""Unitary matrices U(n), n = d/2, as rotations of R^d = C^n.

The complex matrix X + iY acts on (Re z, Im z) as [[X, −Y], [Y, X]]: real parts first, then imaginary parts.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes.matrix_group import MatrixGroup, skew_units

__all__ = ["Unitary"]


class Unitary(MatrixGroup):
    """U(d/2) in R^d; connected; dimension d²/4; samples are uniform (Haar).

    Tangent vectors are [[X, −Y], [Y, X]] of skew-Hermitian X + iY: X skew, Y symmetric.
    """

    name = "unitary"
    label = r"\mathrm{U}(d/2)"
    requirement = "even and at least 2"

    @override
    def allows(self, dim: int) -> bool:
        return dim >= 2 and dim % 2 == 0

    @override
    def dimension(self, dim: int) -> int:
        return dim**2 // 4

    @override
    def gradient_count(self, dim: int) -> int:
        return dim // 2

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        self.require(dim)
        gaussian = rng.standard_normal((2, dim // 2, dim // 2))
        # The diagonal of R positive makes the factorisation unique, hence Q uniform (Mezzadri, Notices AMS 2007).
        unitary, upper = np.linalg.qr(gaussian[0] + 1j * gaussian[1])
        unitary = unitary * (np.diagonal(upper) / np.abs(np.diagonal(upper)))
        return _realified(unitary.real, unitary.imag)

    @override
    def algebra_basis(self, dim: int) -> NDArray[np.float64]:
        half = dim // 2
        rows, columns = np.triu_indices(half)
        symmetric = np.zeros((len(rows), half, half))
        symmetric[np.arange(len(rows)), rows, columns] = np.where(rows == columns, 1.0, np.sqrt(0.5))
        symmetric = np.maximum(symmetric, symmetric.transpose(0, 2, 1))
        skew = skew_units(half)
        # Every block occurs twice, hence √½.
        units = [_realified(unit, np.zeros_like(unit)) for unit in skew]
        units += [_realified(np.zeros_like(unit), unit) for unit in symmetric]
        return np.sqrt(0.5) * np.stack(units)

    @override
    def algebra_part(self, skew: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        return _embedded(_complex_part(skew))

    @override
    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        # Rounding leaves the complex matrices, and nothing else would bring it back.
        return _embedded(_complex_part(super().retract(param, tangent)))

    @override
    def move(
        self,
        param: Float[Tensor, "b d d"],
        basis: Float[Tensor, "b M d d"],
        coordinates: Float[Tensor, "b M"],
    ) -> Float[Tensor, "b d d"]:
        return _embedded(_complex_part(super().move(param, basis, coordinates)))

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        # The complex matrices are a linear space, so the nearest unitary matrix is the nearest one to the nearest
        # complex matrix: its polar factor.
        left, _, right = torch.linalg.svd(_complex_part(ambient))
        return _embedded(left @ right)


def _realified(real: NDArray[np.float64], imaginary: NDArray[np.float64]) -> NDArray[np.float64]:
    """[[X, −Y], [Y, X]], (2n, 2n), of X and Y, (n, n)."""
    return np.asarray(np.block([[real, -imaginary], [imaginary, real]]))


def _complex_part(ambient: Float[Tensor, "*b d d"]) -> Complex[Tensor, "*b n n"]:
    """The complex matrix whose embedding is nearest to a real matrix of twice the size."""
    half = ambient.shape[-1] // 2
    upper, lower = ambient[..., :half, :], ambient[..., half:, :]
    real = (upper[..., :half] + lower[..., half:]) / 2
    return torch.complex(real, (lower[..., :half] - upper[..., half:]) / 2)


def _embedded(matrix: Complex[Tensor, "*b n n"]) -> Float[Tensor, "*b d d"]:
    real, imaginary = matrix.real, matrix.imag
    upper = torch.cat((real, -imaginary), dim=-1)
    return torch.cat((upper, torch.cat((imaginary, real), dim=-1)), dim=-2)
