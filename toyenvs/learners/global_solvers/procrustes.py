"""Gradient matching on O(d) and SO(d): Procrustes' problem, solved by one singular value decomposition.

Over orthogonal V, Σ‖Vx − y‖² is least where tr(VᵀM) is greatest, M = Σ y xᵀ = L·diag(s)·Rᵀ with s₁ ≥ … ≥ s_d ≥ 0:

* on O(d) at V = LRᵀ, and nowhere else if and only if s_d > 0 (rank d);
* on SO(d) at V = L·diag(1, …, 1, det LRᵀ)·Rᵀ, and nowhere else if and only if s_{d−1} > 0 (rank d − 1 or more) where
  det LRᵀ = 1 or s_d = 0, and s_{d−1} > s_d where det LRᵀ = −1. In one formula: s_{d−1} + det(LRᵀ)·s_d > 0.

Equations that have a solution U make M = U Σxxᵀ: the rank is that of the inputs, and M has U's determinant or none.

Sources: Kabsch, Acta Cryst. A32 (1976); Umeyama, IEEE TPAMI 13(4) (1991), the lemma of section III, which gives rank
d − 1 as the condition on SO(d). The case det = −1 follows from its proof: two equal smallest singular values with
opposite signs can be rotated into each other.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from toyenvs.learners.global_solvers.equations import RANK_TOLERANCE

__all__ = ["procrustes"]


def procrustes(moment: Float[Tensor, "b d d"], *, rotations: bool) -> tuple[Float[Tensor, "b d d"], Bool[Tensor, " b"]]:
    """The matrix V nearest to each M in its class, and whether no other is as near.

    Args:
        moment: M = Σ y xᵀ.
        rotations: whether V has determinant 1 (SO(d)); else it may have either sign (O(d)).

    Returns:
        V, and whether it is unique; a sum of singular values below ``RANK_TOLERANCE`` times the largest counts as 0.
    """
    left, values, right = torch.linalg.svd(moment)
    floor = RANK_TOLERANCE * values[..., 0]
    if not rotations:
        return left @ right, values[..., -1] > floor
    sign = torch.linalg.det(left @ right).sign()
    last = left[..., -1:] * sign[..., None, None]
    return torch.cat([left[..., :-1], last], -1) @ right, values[..., -2] + sign * values[..., -1] > floor
