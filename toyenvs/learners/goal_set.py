"""Goal sets, Multi-ReenGAGE: any number of goals, switched on and off by gates that the learner differentiates.

A goal set {g_1, …, g_n} with gates b_i ∈ {0, 1} enters a network through Σ_i b_i² e(s, g_i) only, e being the encoder.
Goals are then compared through the derivatives with respect to the *gates*, not to the goals. Squaring the gates
changes no value, since b² = b on {0, 1}; the derivative with respect to b_i becomes twice that with respect to the
weight w_i = b_i² where b_i = 1, and 0 where b_i = 0, so slots that are only padding ask for nothing.

The formulas are written in the operations of :mod:`toyenvs.algebra`, so the proofs (``proofs_check.claims.goal_sets``)
run them too.

Source: Levine & Feizi (AAAI 2023), equations (15), (37)–(40).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor

from toyenvs.algebra import apply_transpose, hadamard, inner
from toyenvs.learners.losses import goal_gradient

__all__ = ["gate_gradient", "goal_set_reward", "pooled"]


def pooled(gates: Any, embeddings: Any) -> Any:
    """Σ_i b_i² e_i, what a network sees of a goal set (37), (38).

    The paper's networks divide by the number of slots besides: a constant, which the next layer absorbs.

    Args:
        gates: b, vector (..., n).
        embeddings: e_i, as the rows of a matrix (..., n, k).

    Returns:
        Vector (..., k).
    """
    return apply_transpose(embeddings, hadamard(gates, gates))


def goal_set_reward(gates: Any, item_rewards: Any) -> Any:
    """Σ_i b_i² R_item(s', g_i), the reward of a goal set (39).

    Args:
        gates: b, vector (..., n).
        item_rewards: R_item(s', g_i), the reward of each goal alone: vector (..., n).

    Returns:
        Scalar (...).
    """
    return inner(hadamard(gates, gates), item_rewards)


def gate_gradient(
    residual: Callable[[Tensor], Tensor], gates: Float[Tensor, "*b n"], *, create_graph: bool = False
) -> Float[Tensor, "*b n"]:
    """∇_b of a temporal-difference residual, through reward, critic, target critic and target actor (15), (40).

    Args:
        residual: gates (..., n) -> Q(s, a, {g_i}, b) − (R + γ Q'(s', π'(s', {g_i}, b), {g_i}, b)), (...).
        gates: b, at which it is taken.
        create_graph: whether the result can be differentiated again, as the loss (15) must be.

    Returns:
        (..., n): 2 × the derivative with respect to the weight of a goal where b_i = 1, and 0 where b_i = 0.
    """
    return goal_gradient(residual, gates, create_graph=create_graph)
