"""The convex relaxation of UᵀU = I: the least spectral norm among all matrices that solve the equations.

The unit ball of the spectral norm is the convex hull of O(d), so U is found if and only if it is the only solution in
the ball. That is: if the least norm t* is 1, not less, and the solution of that norm is an extreme point of the ball,
with all singular values 1. Generic scalars need about (3d² − d)/4 equations for it.

A barrier method follows the minimisers of t/μ − log det [tI X; Xᵀ tI] over t and the solutions X as μ falls; at the
end t exceeds t* by at most (k + d)μ, and X is the analytic centre of the solutions of least norm. Whether U is unique
is therefore decided to a known accuracy, near the threshold as well as away from it, where splitting methods
(Douglas–Rachford, ADMM) become arbitrarily slow.

Sources: Chandrasekaran, Recht, Parrilo & Willsky, Found. Comput. Math. 12 (2012), the threshold; Boyd & Vandenberghe,
*Convex Optimization* (2004), sections 11.3 and 11.6, the method.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from toyenvs.learners.descent import Outcome, TrainingResult
from toyenvs.learners.global_solvers.equations import RANK_TOLERANCE, Equations, answer

__all__ = ["NORM_TOLERANCE", "LeastNorm", "least_norm", "relax"]

NORM_TOLERANCE = 1e-6
"""A least norm below 1 by more than this leaves room for other solutions than U."""

_GAP = 1e-8
"""Accuracy of the least norm, a hundredth of what it is compared with."""

_SINGULAR_TOLERANCE = 1e-2
"""An extreme point has all singular values 1; the centre of a larger set of solutions has some well below."""

_REDUCTION = 0.1
_CENTRED = 0.1
"""μ falls by ``_REDUCTION`` once half the squared Newton decrement is below ``_CENTRED``."""

_ARMIJO = 0.1
_HALVINGS = 40


@dataclass(frozen=True)
class LeastNorm:
    """Where the barrier method stopped.

    Attributes:
        matrix: X, (B, k, d), a solution.
        bound: t, an upper bound of its norm, (B,).
        gap: t − t* at most, (B,), once centred; infinite where that was never so.
        steps: Newton steps, (B,).
    """

    matrix: Float[Tensor, "b k d"]
    bound: Float[Tensor, " b"]
    gap: Float[Tensor, " b"]
    steps: Int[Tensor, " b"]


def relax(
    equations: Equations,
    reference: Float[Tensor, "b d d"],
    typical: Float[Tensor, " b"],
    loss_tolerance: float,
    max_steps: int,
) -> TrainingResult:
    """Solve the relaxation, and tell whether it has one solution in the unit ball.

    Args:
        equations: of B trials.
        reference: any parameters; their shape and type are the answer's. Rows that
            goals do not see are 0.
        typical: the loss that ``loss_tolerance`` is relative to.
        loss_tolerance: a loss below this fraction counts as 0.
        max_steps: Newton steps of a trial.

    Returns:
        ``converged`` with the one solution in the unit ball; ``ambiguous`` if there are others; ``stationary`` if there
        is none (noise); ``not_converged`` if the budget ended before that was known.
    """
    left, values, right = torch.linalg.svd(equations.matrix, full_matrices=True)
    count = values.shape[-1]
    floor = RANK_TOLERANCE * values.amax(-1, keepdim=True) if count else values
    independent = values > floor
    inverse = torch.where(independent, 1 / values, 0.0)
    scaled = inverse * (left[..., :count].mT @ equations.right_side[..., None])[..., 0]
    shape = (equations.goal_dim, reference.shape[-1])
    solution = (right[:, :count].mT @ scaled[..., None])[..., 0].unflatten(-1, shape)
    free = torch.cat([~independent, independent.new_ones(len(values), right.shape[-1] - count)], -1)
    # Ranks may differ between trials: directions that are free in some are kept for all, as zeros where they are not.
    anywhere = free.any(0)
    directions = (right * free[..., None])[:, anywhere].unflatten(-1, shape)
    found = least_norm(solution, directions, free[:, anywhere], 1 - NORM_TOLERANCE, max_steps)

    param = torch.zeros_like(reference)
    param[:, : equations.goal_dim] = found.matrix
    loss = equations.loss(param)
    singular = torch.linalg.svdvals(found.matrix)
    roomy = singular[:, 0] < 1 - NORM_TOLERANCE
    outside = found.bound - found.gap > 1 + NORM_TOLERANCE
    result = answer(
        param,
        loss,
        (loss <= loss_tolerance * typical) & ~outside,
        outside | ~free.any(-1) | (~roomy & (singular[:, -1] > 1 - _SINGULAR_TOLERANCE)),
    )
    undecided = (found.gap > 10 * _GAP) & ~roomy & ~outside & free.any(-1)
    result.outcome[undecided] = int(Outcome.NOT_CONVERGED)
    result.steps.copy_(found.steps)
    return result


def least_norm(
    solution: Float[Tensor, "b k d"],
    directions: Float[Tensor, "b q k d"],
    free: Bool[Tensor, "b q"],
    low_enough: float,
    max_steps: int,
) -> LeastNorm:
    """Minimise the spectral norm of X₀ + Σ z_j N_j over z.

    Args:
        solution: X₀.
        directions: N_j, orthonormal, or 0 where not ``free``.
        free: which directions a trial has.
        low_enough: a trial ends once it has a matrix of norm below this.
        max_steps: Newton steps of a trial.
    """
    batch, device = len(solution), solution.device
    final = LeastNorm(
        matrix=solution.clone(),
        bound=torch.linalg.matrix_norm(solution, 2),
        gap=torch.where(free.any(-1), torch.inf, 0.0).to(solution.dtype),
        steps=torch.zeros(batch, dtype=torch.int64, device=device),
    )
    active = free.any(-1).nonzero()[:, 0]
    matrix, directions, free = solution[active], directions[active], free[active]
    bound = 1.1 * final.bound[active] + 0.1
    order = sum(solution.shape[-2:])
    mu = bound / order
    gap = final.gap[active]
    stuck = torch.zeros_like(active, dtype=torch.bool)
    for step in range(max_steps + 1):
        roomy = torch.linalg.matrix_norm(matrix, 2) < low_enough
        done = roomy | stuck | (gap <= _GAP) | (step == max_steps)
        if bool(done.any()):
            where = active[done]
            final.matrix[where], final.bound[where], final.gap[where] = matrix[done], bound[done], gap[done]
            final.steps[where] = step
            active, matrix, directions, free, bound, mu, gap = (
                x[~done] for x in (active, matrix, directions, free, bound, mu, gap)
            )
            if len(active) == 0:
                break
        move, rise, decrement, sound = _newton(matrix, bound, directions, free, mu)
        taken = _line_search(matrix, bound, move, rise, decrement, mu)
        taken = torch.where(sound, taken, 0.0)
        # Rounding ends a trial where no step is possible any more; what is known then stays known.
        stuck = taken == 0
        matrix = matrix + taken[:, None, None] * move
        bound = bound + taken * rise
        centred = sound & (decrement / 2 <= _CENTRED)
        gap = torch.where(centred, torch.minimum(gap, order * mu), gap)
        mu = torch.where(centred, _REDUCTION * mu, mu)
    return final


def _slack(matrix: Float[Tensor, "b k d"], bound: Float[Tensor, " b"]) -> Float[Tensor, "b k k"]:
    """The matrix tI − XXᵀ/t, positive definite where ‖X‖ < t."""
    unit = torch.eye(matrix.shape[-2], dtype=matrix.dtype, device=matrix.device)
    return bound[:, None, None] * unit - matrix @ matrix.mT / bound[:, None, None]


def _newton(
    matrix: Float[Tensor, "b k d"],
    bound: Float[Tensor, " b"],
    directions: Float[Tensor, "b q k d"],
    free: Bool[Tensor, "b q"],
    mu: Float[Tensor, " b"],
) -> tuple[Float[Tensor, "b k d"], Float[Tensor, " b"], Float[Tensor, " b"], Bool[Tensor, " b"]]:
    """Newton's step in X and in t, the squared decrement, and whether it could be computed."""
    batch, count = directions.shape[:2]
    # W, the inverse of [tI X; Xᵀ tI], in blocks.
    upper = torch.linalg.inv_ex(_slack(matrix, bound)).inverse
    lower = torch.linalg.inv_ex(_slack(matrix.mT, bound)).inverse
    cross = -upper @ matrix / bound[:, None, None]
    # d²/dz_i dz_j = 2⟨N_i, W₁₁N_jW₂₂ + W₁₂N_jᵀW₁₂⟩, and likewise for t, whose direction is the identity.
    turned = upper[:, None] @ directions @ lower[:, None] + cross[:, None] @ directions.mT @ cross[:, None]
    rows = directions.flatten(2)
    hessian = matrix.new_zeros(batch, count + 1, count + 1)
    hessian[:, :count, :count] = 2 * rows @ turned.flatten(2).mT
    mixed = 2 * (rows @ (upper @ cross + cross @ lower).flatten(1)[..., None])[..., 0]
    hessian[:, :count, count] = mixed
    hessian[:, count, :count] = mixed
    hessian[:, count, count] = (
        upper.square().sum((-2, -1)) + lower.square().sum((-2, -1)) + 2 * cross.square().sum((-2, -1))
    )
    gradient = matrix.new_zeros(batch, count + 1)
    gradient[:, :count] = -2 * (rows @ cross.flatten(1)[..., None])[..., 0]
    trace = upper.diagonal(dim1=-2, dim2=-1).sum(-1) + lower.diagonal(dim1=-2, dim2=-1).sum(-1)
    gradient[:, count] = 1 / mu - trace
    # Directions that a trial does not have are rows of zeros; any pivot keeps them where they are.
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    diagonal[:, :count] = torch.where(free, diagonal[:, :count], 1.0)
    scale = diagonal.clamp_min(torch.finfo(matrix.dtype).tiny).rsqrt()
    factor, failed = torch.linalg.cholesky_ex(scale[:, :, None] * hessian * scale[:, None, :])
    step = -scale * torch.cholesky_solve((scale * gradient)[..., None], factor)[..., 0]
    sound = (failed == 0) & step.isfinite().all(-1)
    step = torch.where(sound[:, None], step, 0.0)
    move = (step[:, None, :count] @ rows)[:, 0].unflatten(-1, matrix.shape[1:])
    return move, step[:, count], -(step * gradient).sum(-1), sound


def _line_search(
    matrix: Float[Tensor, "b k d"],
    bound: Float[Tensor, " b"],
    move: Float[Tensor, "b k d"],
    rise: Float[Tensor, " b"],
    decrement: Float[Tensor, " b"],
    mu: Float[Tensor, " b"],
) -> Float[Tensor, " b"]:
    """The longest of 1, 1/2, 1/4, … at which the barrier function falls enough; 0 if none of them."""
    extra = matrix.shape[-1] - matrix.shape[-2]

    def height(length: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        at, top = matrix + length[:, None, None] * move, bound + length * rise
        positive = top > 0
        top = torch.where(positive, top, 1.0)
        factor, failed = torch.linalg.cholesky_ex(_slack(at, top))
        diagonal = factor.diagonal(dim1=-2, dim2=-1)
        inside = (failed == 0) & (diagonal > 0).all(-1) & positive
        logs = torch.where(inside[:, None], diagonal, 1.0).log().sum(-1)
        # log det [tI X; Xᵀ tI] = log det(tI_k − XXᵀ/t) + d·log t; t/μ is counted from the current t.
        volume = 2 * logs + (matrix.shape[-2] + extra) * top.log()
        return torch.where(inside, length * rise / mu - volume, torch.inf)

    length = torch.ones_like(bound)
    here = height(torch.zeros_like(bound))
    # Close to the centre differences of heights are rounding, and Newton's step needs no search.
    slack = 1e-12 * here.abs() + 1e-9
    for _ in range(_HALVINGS):
        enough = height(length) <= here - _ARMIJO * length * decrement + slack
        if bool(enough.all()):
            return length
        length = torch.where(enough, length, length / 2)
    return torch.where(enough, length, 0.0)
