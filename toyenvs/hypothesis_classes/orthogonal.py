"""Rotations and orthogonal matrices.

Prop. 1 and 2 speak of "orthogonal (rotation)" matrices, which mixes two classes with different thresholds:
the rotations SO(d) and the orthogonal matrices O(d) (two components: rotations and reflections). Both are
here.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.stats import ortho_group, special_ortho_group
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes.matrix_group import MatrixGroup, nearest_rotation, skew_units

__all__ = ["Orthogonal", "SpecialOrthogonal"]


class _OrthogonalGroup(MatrixGroup):
    """What SO(d) and O(d) share: all skew matrices are tangent vectors, D = d(d-1)/2 dimensions of them."""

    scalar_label = "D+1"

    @override
    def dimension(self, dim: int) -> int:
        return dim * (dim - 1) // 2

    @override
    def algebra_basis(self, dim: int) -> NDArray[np.float64]:
        return skew_units(dim)


class SpecialOrthogonal(_OrthogonalGroup):
    """Rotations SO(d): orthogonal with determinant +1; connected; dimension d(d-1)/2; samples are uniform (Haar)."""

    name = "so"
    label = r"\mathrm{SO}(d)"
    gradient_label = "d-1"

    @override
    def gradient_count(self, dim: int) -> int:
        return dim - 1

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        self.require(dim)
        return np.asarray(special_ortho_group.rvs(dim, random_state=rng), dtype=np.float64)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        return nearest_rotation(ambient)


class Orthogonal(_OrthogonalGroup):
    """Orthogonal matrices O(d): rotations and reflections, two components of dimension d(d-1)/2; samples are Haar."""

    name = "o"
    label = r"\mathrm{O}(d)"
    gradient_label = "d"

    @override
    def gradient_count(self, dim: int) -> int:
        return dim  # d − 1 images leave a reflection open

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        self.require(dim)
        return np.asarray(ortho_group.rvs(dim, random_state=rng), dtype=np.float64)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        left, _, right = torch.linalg.svd(ambient)
        return left @ right

    @override
    def starts(self, param: Float[Tensor, "b d d"]) -> tuple[Float[Tensor, "b d d"], ...]:
        reflected = param.clone()
        reflected[..., :, 0] *= -1
        return (param, reflected)
