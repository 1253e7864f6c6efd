"""The critic losses of DDPG and ReenGAGE, each a pure function, built from a construction's formulas.

Shapes: parameters (B, d, d) — B trials, one parameter each —, transitions (B, N, ·), residuals (B, N) and
(B, N, d), losses (B,).

Two routes lead to the same numbers. The *differentiated* route below computes temporal-difference errors from
``q_value``, ``policy`` and ``reward``, and goal gradients by automatic differentiation: it needs nothing but
the four formulas. The *reduced* route (:mod:`toyenvs.learners.objective`) uses the construction's reduced
residuals.

Sources: Levine & Feizi (AAAI 2023), equation (8) and the proofs of Propositions 1 and 2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from toyenvs.constructions.base import Construction
from toyenvs.replay import Transitions

__all__ = [
    "bellman_residual",
    "goal_gradient_loss",
    "goal_gradient_residual",
    "reengage_loss",
    "td_loss",
    "td_target",
]


def td_target(
    construction: Construction,
    target_param: Float[Tensor, "b d d"],
    transitions: Transitions,
    goal: Float[Tensor, "b N d"],
) -> Float[Tensor, "b N"]:
    """R(s', g) + γ Q_Ū(s', π_Ū(s', g), g), with one target parameter Ū in critic and actor.

    The goal is an argument of its own because ReenGAGE differentiates with respect to it, through the reward,
    the target critic and the target policy.
    """
    shared = target_param[:, None]
    observation = transitions.next_observation
    action = construction.policy(shared, observation, goal)
    value = construction.q_value(shared, observation, action, goal)
    return construction.reward(observation, goal) + construction.discount * value


def bellman_residual(
    construction: Construction,
    param: Float[Tensor, "b d d"],
    target_param: Float[Tensor, "b d d"],
    transitions: Transitions,
    goal: Float[Tensor, "b N d"] | None = None,
) -> Float[Tensor, "b N"]:
    """Q_Ũ(s, a, g) − (R(s', g) + γ Q_Ū(s', π_Ū(s', g), g)), per transition.

    The paper prints Q − R + γQ' (both propositions); this is the corrected sign.
    """
    goal = transitions.desired_goal if goal is None else goal
    value = construction.q_value(param[:, None], transitions.observation, transitions.action, goal)
    return value - td_target(construction, target_param, transitions, goal)


def goal_gradient_residual(
    construction: Construction,
    param: Float[Tensor, "b d d"],
    target_param: Float[Tensor, "b d d"],
    transitions: Transitions,
) -> Float[Tensor, "b N d"]:
    """∇_g Q_Ũ(s, a, g) − ∇_g [R(s', g) + γ Q_Ū(s', π_Ū(s', g), g)], total derivatives, per transition.

    Differentiable with respect to ``param`` where that requires a gradient.
    """
    goal = transitions.desired_goal.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        # The residual of a transition depends on that transition's goal only, so the gradient of the sum is
        # the gradient of each.
        total = bellman_residual(construction, param, target_param, transitions, goal).sum()
        (gradient,) = torch.autograd.grad(total, goal, create_graph=param.requires_grad)
    return gradient


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
) -> Float[Tensor, " b"]:
    """Equation (8): DDPG's loss plus ``alpha`` times the goal-gradient loss; ``alpha`` = 0 is DDPG."""
    loss = td_loss(bellman_residual(construction, param, target_param, transitions))
    if alpha:
        loss = loss + alpha * goal_gradient_loss(goal_gradient_residual(construction, param, target_param, transitions))
    return loss
