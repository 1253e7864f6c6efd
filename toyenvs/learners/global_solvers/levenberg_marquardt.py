"""Levenberg–Marquardt on a manifold: many (trial, start) pairs as one batch.

A step solves (JᵀJ + μI)δ = −Jᵀr in coordinates of the tangent space and follows the class's retraction; μ follows
Nielsen's rule. At a zero whose Jacobian is injective convergence is quadratic. Where the Jacobian is singular, as it
is along directions that goals do not see, μ picks the shortest step; where it vanishes (data that depend on U: the loss
is quartic at U) every step halves the distance.

Sources: Madsen, Nielsen & Tingleff, *Methods for Non-Linear Least Squares Problems* (2004), section 3.2; Absil, Mahony
& Sepulchre, *Optimization Algorithms on Matrix Manifolds* (2008), section 8.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners.global_solvers.equations import Equations

__all__ = ["Descended", "levenberg_marquardt"]

_FIRST_DAMPING = 1e-3
"""μ at the start, relative to the largest diagonal entry of JᵀJ."""

_SMALLEST_DAMPING = 1e-13
"""Relative to the same; keeps the Cholesky factorisation of a singular JᵀJ possible."""

_LARGEST_DAMPING = 1e12
"""Beyond it a step is too short to change anything: the point is as low as rounding lets it be."""


@dataclass(frozen=True)
class Descended:
    """Where P descents ended.

    Attributes:
        param: (P, d, d).
        loss: (P,).
        zero: whether the loss is below the level that counts as zero, (P,).
        stalled: whether the descent ended because the loss stopped falling, above that level, (P,).
        steps: (P,).
    """

    param: Float[Tensor, "p d d"]
    loss: Float[Tensor, " p"]
    zero: Bool[Tensor, " p"]
    stalled: Bool[Tensor, " p"]
    steps: Int[Tensor, " p"]


def levenberg_marquardt(
    hypothesis_class: HypothesisClass,
    equations: Equations,
    trial: Int[Tensor, " p"],
    start: Float[Tensor, "p d d"],
    zero_level: Float[Tensor, " b"],
    max_steps: int,
    stall: float,
) -> Descended:
    """Descend from P starting points.

    Args:
        hypothesis_class: gives tangent spaces and the retraction.
        equations: of B trials.
        trial: which trial each starting point belongs to.
        start: the starting points.
        zero_level: the loss below which a trial's equations count as solved.
        max_steps: budget of each descent.
        stall: a descent ends where two steps in succession lower the loss by less than this fraction.
    """
    count, device = len(trial), start.device
    final_param, final_loss = start.clone(), torch.full_like(start[:, 0, 0], torch.inf)
    zero = torch.zeros(count, dtype=torch.bool, device=device)
    stalled, steps = zero.clone(), torch.full((count,), max_steps, device=device)

    active = torch.arange(count, device=device)
    problem, param, level = equations.trials(trial), start, zero_level[trial]
    damping, growth = torch.full_like(level, _FIRST_DAMPING), torch.full_like(level, 2.0)
    idle = torch.zeros_like(active)
    residual = problem.residual(param)
    loss = residual.square().sum(-1)
    going = torch.ones_like(zero)
    for step in range(max_steps + 1):
        solved = loss + problem.constant <= level
        spent = (idle >= 2) | (damping > _LARGEST_DAMPING) | ~loss.isfinite()
        done = going & (solved | spent) if step < max_steps else going
        if bool(done.any()):
            where = active[done]
            final_param[where], final_loss[where] = param[done], (loss + problem.constant)[done]
            zero[where], stalled[where], steps[where] = solved[done], (spent & ~solved)[done], step
            going = going & ~done
            if not bool(going.any()):
                break
            # A gather costs about as much as a step: leave the batch when a quarter of it has finished.
            if int(going.sum()) <= 0.75 * len(going):
                active, param, level, damping, growth, idle, residual, loss = (
                    x[going] for x in (active, param, level, damping, growth, idle, residual, loss)
                )
                problem, going = problem.trials(going), going[going]
        basis = hypothesis_class.tangent_basis(param)
        jacobian = problem.jacobian(basis)
        slope = (jacobian.mT @ residual[..., None])[..., 0]
        normal = jacobian.mT @ jacobian
        size = normal.diagonal(dim1=-2, dim2=-1).amax(-1).clamp_min(torch.finfo(loss.dtype).tiny)
        mu = damping * size
        normal.diagonal(dim1=-2, dim2=-1).add_(mu[:, None])
        factor = torch.linalg.cholesky_ex(normal).L
        coordinates = -torch.cholesky_solve(slope[..., None], factor)[..., 0]
        moved = hypothesis_class.move(param, basis, coordinates)
        new_residual = problem.residual(moved)
        new_loss = new_residual.square().sum(-1)
        expected = (coordinates * (mu[:, None] * coordinates - slope)).sum(-1)
        gain = (loss - new_loss) / expected.clamp_min(torch.finfo(loss.dtype).tiny)
        better = new_loss < loss
        idle = torch.where(better & (loss - new_loss > stall * loss), 0, torch.where(better, idle + 1, idle))
        shrink = (1 - (2 * gain - 1) ** 3).clamp(min=0.1, max=2.0)
        damping = torch.where(better, (damping * shrink).clamp_min(_SMALLEST_DAMPING), damping * growth)
        growth = torch.where(better, 2.0, growth * 2)
        param = torch.where(better[:, None, None], moved, param)
        residual = torch.where(better[:, None], new_residual, residual)
        loss = torch.where(better, new_loss, loss)
    return Descended(final_param, final_loss, zero, stalled, steps)
