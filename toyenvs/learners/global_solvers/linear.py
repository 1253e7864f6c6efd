"""Linear least squares: over all matrices, and over affine hypothesis classes.

Neither has local minima, and whether the minimum is unique is a question of rank.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners.descent import TrainingResult
from toyenvs.learners.global_solvers.equations import RANK_TOLERANCE, Equations, answer, numerical_rank

__all__ = ["all_matrices", "on_affine_class"]


def all_matrices(
    equations: Equations, reference: Float[Tensor, "b d d"], typical: Float[Tensor, " b"], loss_tolerance: float
) -> TrainingResult:
    """The shortest matrix of least loss, without UᵀU = I; unique if and only if A has full column rank k·d.

    Args:
        equations: of B trials.
        reference: any parameters; their shape and type are the answer's. Rows that goals do not see are 0.
        typical: the loss that ``loss_tolerance`` is relative to.
        loss_tolerance: a loss below this fraction counts as 0.
    """
    solution, rank = _shortest_solution(equations.matrix, equations.right_side)
    param = torch.zeros_like(reference)
    param[:, : equations.goal_dim] = solution.unflatten(-1, (equations.goal_dim, -1))
    loss = equations.loss(param)
    return answer(param, loss, loss <= loss_tolerance * typical, rank == equations.matrix.shape[-1])


def on_affine_class(
    hypothesis_class: HypothesisClass,
    equations: Equations,
    base: Float[Tensor, "b d d"],
    typical: Float[Tensor, " b"],
    loss_tolerance: float,
) -> TrainingResult:
    """The point of least loss of an affine class; unique if its equations have the rank of what goals see of it.

    Args:
        hypothesis_class: an affine one.
        equations: of B trials.
        base: any member for each trial.
        typical: the loss that ``loss_tolerance`` is relative to.
        loss_tolerance: a loss below this fraction counts as 0.
    """
    basis = hypothesis_class.tangent_basis(base)
    coordinates, rank = _shortest_solution(equations.jacobian(basis), -equations.residual(base))
    param = hypothesis_class.move(base, basis, coordinates)
    seen = numerical_rank(torch.linalg.svdvals(equations.seen(basis).flatten(-2)))
    loss = equations.loss(param)
    return answer(param, loss, loss <= loss_tolerance * typical, rank == seen)


def _shortest_solution(
    matrix: Float[Tensor, "b m n"], right_side: Float[Tensor, "b m"]
) -> tuple[Float[Tensor, "b n"], Int[Tensor, " b"]]:
    """The shortest z of least ‖Az − b‖, and the rank of A."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    floor = RANK_TOLERANCE * values.amax(-1, keepdim=True) if values.shape[-1] else values
    inverse = torch.where(values > floor, 1 / values, 0.0)
    scaled = inverse * (left.mT @ right_side[..., None])[..., 0]
    return (right.mT @ scaled[..., None])[..., 0], numerical_rank(values)
