"""Block-diagonal rotations: d/b independent rotations of b coordinates each, SO(b)^(d/b)."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.linalg import block_diag
from scipy.stats import special_ortho_group
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes.matrix_group import MatrixGroup, nearest_rotation, skew_units

__all__ = ["BlockRotations"]


class BlockRotations(MatrixGroup):
    """Rotations in SO(b) on the diagonal, 0 elsewhere; connected; dimension d(b-1)/2; samples are uniform (Haar).

    Tangent vectors are skew blocks on the diagonal.

    Args:
        block: b ≥ 2; d must be a multiple of it.
    """

    def __init__(self, block: int) -> None:
        if block < 2:
            raise ValueError(f"block: {block!r} is not an integer >= 2")
        self.block = block
        self.name = f"so{block}-blocks"
        self.label = rf"\mathrm{{SO}}({block})^{{d/{block}}}"
        self.requirement = f"a multiple of {block}"

    @override
    def allows(self, dim: int) -> bool:
        return dim >= self.block and dim % self.block == 0

    @override
    def dimension(self, dim: int) -> int:
        return dim * (self.block - 1) // 2

    @override
    def gradient_count(self, dim: int) -> int:
        return self.block - 1

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        self.require(dim)
        turns = special_ortho_group.rvs(self.block, size=dim // self.block, random_state=rng)
        return np.asarray(block_diag(*turns.reshape(-1, self.block, self.block)), dtype=np.float64)

    @override
    def algebra_basis(self, dim: int) -> NDArray[np.float64]:
        units, num_blocks = skew_units(self.block), dim // self.block
        # Axes: block, unit, block, row, block, column.
        placed = np.einsum("kl,km,uij->kulimj", np.eye(num_blocks), np.eye(num_blocks), units)
        return np.ascontiguousarray(placed.reshape(-1, dim, dim))

    @override
    def algebra_part(self, skew: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        which = torch.arange(skew.shape[-1], device=skew.device) // self.block
        return torch.where(which[:, None] == which, skew, 0.0)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        dim = ambient.shape[-1]
        shape = (dim // self.block, self.block)
        on_diagonal = torch.arange(shape[0], device=ambient.device)
        split = ambient.reshape(*ambient.shape[:-2], *shape, *shape).movedim(-2, -3)
        projected = torch.zeros_like(split)
        projected[..., on_diagonal, on_diagonal, :, :] = nearest_rotation(split[..., on_diagonal, on_diagonal, :, :])
        return projected.movedim(-2, -3).reshape(ambient.shape)
