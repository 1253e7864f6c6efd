"""Permutations: exact global solvers on finite classes.

Up to ``LARGEST_LISTED`` dimensions every member is tried, so every zero is seen. Beyond, gradient matching is an
assignment problem: coordinate j of the outputs equals coordinate i of the inputs. Its zeros are the matchings of equal
coordinates, and there is exactly one if and only if every output coordinate that goals see equals one input
coordinate only: of two equal input coordinates either can take a place, and the other the place that this one leaves.

Source: Burkard, Dell'Amico & Martello, *Assignment Problems* (SIAM 2009).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from toyenvs.learners.descent import Outcome, TrainingResult
from toyenvs.learners.global_solvers.equations import RANK_TOLERANCE, Equations, answer

__all__ = ["assign", "enumerate_members"]

_CHUNK = 8_000_000
"""Numbers of working memory at a time."""


def enumerate_members(
    members: Float[Tensor, "n d d"], equations: Equations, typical: Float[Tensor, " b"], loss_tolerance: float
) -> TrainingResult:
    """The member of least loss, and whether another one is a zero too or, where none is, as low.

    Args:
        members: every parameter of the class.
        equations: of B trials.
        typical: the loss that ``loss_tolerance`` is relative to.
        loss_tolerance: a loss below this fraction counts as 0, and so does a difference of losses.
    """
    seen = equations.seen(members).flatten(1)
    chunk = max(1, _CHUNK // max(1, equations.right_side.numel()))
    losses = torch.cat(
        [(equations.matrix @ rows.mT - equations.right_side[..., None]).square().sum(1) for rows in seen.split(chunk)],
        1,
    )
    losses = losses + equations.constant[:, None]
    best = losses.argmin(1)
    loss = losses.gather(1, best[:, None])[:, 0]
    # Two members that differ in rows only which goals do not see are one answer.
    products = seen[best] @ seen.mT
    lengths = seen.square().sum(1)
    distinct = lengths[best][:, None] + lengths - 2 * products > RANK_TOLERANCE * lengths.max()
    as_low = losses <= (loss + loss_tolerance * typical)[:, None]
    return answer(members[best], loss, loss <= loss_tolerance * typical, ~(distinct & as_low).any(1))


def assign(
    equations: Equations,
    reference: Float[Tensor, "b d d"],
    typical: Float[Tensor, " b"],
    loss_tolerance: float,
    *,
    value_weight: float,
) -> TrainingResult:
    """Gradient matching over permutations of any dimension, as an assignment problem.

    Args:
        equations: of B trials, of gradients, and of values too if these have a weight.
        reference: any parameters; their shape and type are the answer's.
        typical: the loss that ``loss_tolerance`` is relative to.
        loss_tolerance: a loss below this fraction counts as 0.
        value_weight: of the values in the loss. Every zero of the sum is one of the gradients' alone; where there is
            none, the sum is not minimised, and the outcome says so: ``not_converged``.
    """
    goal_dim, dim = equations.goal_dim, reference.shape[-1]
    # ‖Vx − y‖² = ‖x‖² + ‖y‖² − 2 tr(VᵀM): the rows that goals do not see cost nothing.
    benefit = np.zeros(reference.shape)
    benefit[:, :goal_dim] = equations.moment.cpu().numpy()
    param = torch.zeros_like(reference)
    for trial in range(len(reference)):  # scipy has no batch of assignment problems
        rows, columns = linear_sum_assignment(benefit[trial], maximize=True)
        param[trial, torch.from_numpy(rows), torch.from_numpy(columns)] = 1.0
    loss = equations.loss(param)
    zero = loss <= loss_tolerance * typical
    # Exchanging two places i, j of a zero costs what the coordinates differ.
    gram = equations.input_gram
    norms = gram.diagonal(dim1=-2, dim2=-1)
    differences = norms[:, :, None] + norms[:, None, :] - 2 * gram
    apart = differences > RANK_TOLERANCE * norms.amax(-1)[:, None, None]
    apart = apart | torch.eye(dim, dtype=torch.bool, device=apart.device)
    used = param[:, :goal_dim].sum(1) > 0
    unique = (apart.all(-1) | ~used).all(-1)
    result = answer(param, loss, zero, unique | ~zero)
    if value_weight:
        result.outcome[~zero] = int(Outcome.NOT_CONVERGED)
    return result
