"""The critic losses of DDPG and ReenGAGE, each a pure function, built from a construction's formulas.

The temporal-difference error is written in the operations of :mod:`toyenvs.algebra` only, like the formulas that
it is made of, so the proofs run it too.

Shapes: parameters (B, d, d) — B trials, one parameter each —, transitions (B, N, ·), residuals (B, N) and
(B, N, d), losses (B,).

Two routes lead to the same numbers. The *differentiated* route below computes temporal-difference errors from
``q_value``, ``policy`` and ``reward``, and goal gradients by automatic differentiation: it needs nothing but
the four formulas. The *reduced* route (:mod:`toyenvs.learners.objective`) uses the construction's reduced
residuals.

Sources: Levine & Feizi (AAAI 2023), equation (8) and the proofs of Propositions 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from toyenvs.constructions.base import Construction
from toyenvs.replay import Transitions

__all__ = [
    "bellman_residual",
    "bootstrapped_target",
    "goal_gradient",
    "goal_gradient_loss",
    "goal_gradient_residual",
    "reengage_loss",
    "td_loss",
    "temporal_difference_error",
]


def bootstrapped_target(construction: Construction, target_param: Any, next_observation: Any, goal: Any) -> Any:
    """R(s', g) + γ Q_Ū(s', π_Ū(s', g), g), with one target parameter Ū in critic and actor: scalar (...).

    The goal is an argument of its own because ReenGAGE differentiates with respect to it, through the reward,
    the target critic and the target policy. The paper prints π(s, g) for π(s', g).
    """
    action = construction.policy(target_param, next_observation, goal)
    value = construction.q_value(target_param, next_observation, action, goal)
    return construction.reward(next_observation, goal) + construction.discount * value


def temporal_difference_error(
    construction: Construction,
    param: Any,
    target_param: Any,
    observation: Any,
    action: Any,
    next_observation: Any,
    goal: Any,
) -> Any:
    """Q_Ũ(s, a, g) − (R(s', g) + γ Q_Ū(s', π_Ū(s', g), g)): scalar (...), for every kind of vector.

    The paper prints Q − R + γQ' (both propositions); this is the corrected sign.
    """
    value = construction.q_value(param, observation, action, goal)
    return value - bootstrapped_target(construction, target_param, next_observation, goal)


def bellman_residual(
    construction: Construction,
    param: Float[Tensor, "b d d"],
    target_param: Float[Tensor, "b d d"],
    transitions: Transitions,
    goal: Float[Tensor, "b N k"] | None = None,
) -> Float[Tensor, "b N"]:
    """The temporal-difference error of every transition of every trial."""
    return temporal_difference_error(
        construction,
        param[:, None],
        target_param[:, None],
        transitions.observation,
        transitions.action,
        transitions.next_observation,
        transitions.desired_goal if goal is None else goal,
    )


def goal_gradient(
    function: Callable[[Tensor], Tensor], goal: Float[Tensor, "*b d"], *, create_graph: bool = False
) -> Float[Tensor, "*b d"]:
    """∇_g of a scalar per goal, by automatic differentiation: the total derivative along every path from g.

    Args:
        function: goals (..., d) -> values (...), each of which depends on its own goal only (so that the gradient
            of their sum is the gradient of each).
        goal: where; its own history is not differentiated.
        create_graph: whether the result can be differentiated again, as a loss of gradients must be.
    """
    leaf = goal.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(function(leaf).sum(), leaf, create_graph=create_graph)
    return gradient


def goal_gradient_residual(
    construction: Construction,
    param: Float[Tensor, "b d d"],
    target_param: Float[Tensor, "b d d"],
    transitions: Transitions,
) -> Float[Tensor, "b N k"]:
    """∇_g Q_Ũ(s, a, g) − ∇_g [R(s', g) + γ Q_Ū(s', π_Ū(s', g), g)], total derivatives, per transition.

    Differentiable with respect to ``param`` where that requires a gradient.
    """
    return goal_gradient(
        lambda goal: bellman_residual(construction, param, target_param, transitions, goal),
        transitions.desired_goal,
        create_graph=param.requires_grad,
    )


def td_loss(residual: Float[Tensor, "*b N"]) -> Float[Tensor, "*b"]:
    """DDPG's critic loss: the mean over transitions of the squared Bellman residual."""
    return residual.square().mean(-1)


def goal_gradient_loss(residual: Float[Tensor, "*b N d"]) -> Float[Tensor, "*b"]:
    """ReenGAGE's extra term: the mean over transitions *and goal coordinates* of the squared residual (8)."""
    return residual.square().mean((-1, -2))


def reengage_loss(
    construction: Construction,
    param: Float[Tensor, "b d d"],
    target_param: Float[Tensor, "b d d"],
    transitions: Transitions,
    alpha: float,
    value_weight: float = 1.0,
) -> Float[Tensor, " b"]:
    """Equation (8): DDPG's loss plus ``alpha`` times the goal-gradient loss; ``alpha`` = 0 is DDPG.

    ``value_weight`` multiplies DDPG's loss; 0 leaves gradient matching alone.
    """
    loss = value_weight * td_loss(bellman_residual(construction, param, target_param, transitions))
    if alpha:
        loss = loss + alpha * goal_gradient_loss(goal_gradient_residual(construction, param, target_param, transitions))
    return loss
