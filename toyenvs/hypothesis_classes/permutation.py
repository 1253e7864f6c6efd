"""Permutation matrices: d! members, no tangent vectors."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes.base import HypothesisClass

__all__ = ["LARGEST_LISTED", "Permutation"]

LARGEST_LISTED = 8
"""8! = 40,320 matrices are 20 MB; 9! are 235 MB, and each further dimension multiplies time and memory by itself."""

_NO_DESCENT = "permutation: a finite set, which no descent can search; use a global solver"


class Permutation(HypothesisClass):
    """Permutation matrices; finite, dimension 0; samples are uniform over the d! members.

    Whatever speaks of tangent vectors raises a ``ValueError``.
    """

    name = "permutation"
    label = r"S_d"
    orthogonal = True
    finite = True
    max_tangent_norm = 0.0

    @override
    def dimension(self, dim: int) -> int:
        return 0

    @override
    def gradient_count(self, dim: int) -> int:
        return 1

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        self.require(dim)
        return np.eye(dim)[rng.permutation(dim)]

    @override
    def tangent(self, param: Float[Tensor, "*b d d"], ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        raise ValueError(_NO_DESCENT)

    @override
    def retract(self, param: Float[Tensor, "*b d d"], tangent: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        raise ValueError(_NO_DESCENT)

    @override
    def starts(self, param: Float[Tensor, "b d d"]) -> tuple[Float[Tensor, "b d d"], ...]:
        raise ValueError(_NO_DESCENT)

    @override
    def tangent_basis(self, param: Float[Tensor, "b d d"]) -> Float[Tensor, "b M d d"]:
        raise ValueError(_NO_DESCENT)

    @override
    def move(
        self,
        param: Float[Tensor, "b d d"],
        basis: Float[Tensor, "b M d d"],
        coordinates: Float[Tensor, "b M"],
    ) -> Float[Tensor, "b d d"]:
        raise ValueError(_NO_DESCENT)

    @override
    def project(self, ambient: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b d d"]:
        """Nearest permutation: ‖A − P‖² = ‖A‖² + d − 2⟨A, P⟩ is least at the best linear assignment.

        Raises:
            ValueError: if an entry is not a finite number.
        """
        if not bool(ambient.isfinite().all()):
            raise ValueError("ambient: an entry is not a finite number")
        nearest = torch.zeros_like(ambient)
        dim = ambient.shape[-1]
        matrices = ambient.detach().reshape(-1, dim, dim).cpu().numpy()
        for target, matrix in zip(nearest.view(-1, dim, dim), matrices, strict=True):
            rows, columns = linear_sum_assignment(matrix, maximize=True)
            target[torch.from_numpy(rows), torch.from_numpy(columns)] = 1.0
        return nearest

    @override
    def members(self, dim: int) -> Float[Tensor, "K d d"]:
        """All d! permutation matrices, in the lexicographic order of their columns of ones; the identity first.

        Raises:
            ValueError: if d is above 8: too many to list.
        """
        self.require(dim)
        if dim > LARGEST_LISTED:
            raise ValueError(f"dim: {dim} is above {LARGEST_LISTED}; the {dim}! permutations are too many to list")
        orders = torch.tensor(list(itertools.permutations(range(dim))))
        return torch.eye(dim, dtype=torch.float64)[orders]
