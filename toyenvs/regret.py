"""How good a learned parameter is: the regret of its policy, at the worst goal and on average.

In both propositions the policy Ũᵀg/‖g‖ loses, in one step and at a unit goal g, 1 − gᵀUŨᵀg = ½‖(U − Ũ)ᵀg‖²
(claim P1.12). Its maximum over goals is ½‖U − Ũ‖², in operator norm, its mean ½‖U − Ũ‖²_F/k. Written that way, and
relative to the size of U, they measure parameters of every class: for one that is not orthogonal, half the square of
the largest relative error of gᵀŨa over unit goals and actions.

Goals of dimension k < d see the first k rows of the parameter only; callers pass those rows.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["mean_regret", "uniform_regret"]


def uniform_regret(true_param: Float[Tensor, "*b k d"], param: Float[Tensor, "*b k d"]) -> Float[Tensor, " *b"]:
    """½‖U − Ũ‖²/‖U‖² in operator norm: for orthogonal ones λ_max(I − sym(UŨᵀ)), in [0, 2]."""
    return _largest_square(true_param - param) / (2 * _largest_square(true_param))


def mean_regret(true_param: Float[Tensor, "*b k d"], param: Float[Tensor, "*b k d"]) -> Float[Tensor, " *b"]:
    """½‖U − Ũ‖²_F/‖U‖²_F: for orthogonal ones 1 − tr(UŨᵀ)/d, the mean of the regret over the unit sphere of goals."""
    return (true_param - param).square().sum((-2, -1)) / (2 * true_param.square().sum((-2, -1)))


def _largest_square(matrix: Float[Tensor, "*b k d"]) -> Float[Tensor, " *b"]:
    """The square of the operator norm."""
    return torch.linalg.eigvalsh(matrix @ matrix.mT)[..., -1]
