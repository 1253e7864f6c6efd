"""The critic losses on networks, as pure functions: DDPG's, ReenGAGE's (8) and Multi-ReenGAGE's (15).

Value and target are functions of the goals (B, d), or of the gates (B, n) of goal sets, of a batch of B transitions;
the first four functions below make them from networks. A loss compares the two, in value and in derivative, and is a
scalar (). Its gradient with respect to the critic's weights is the same whether the target is detached or in the
graph; what it costs is not (claims K.2, K.3).

The losses of residuals are those of :mod:`toyenvs.learners.losses`.

Source: Levine & Feizi (AAAI 2023), equations (8), (15), (37)–(40).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from toyenvs.learners.goal_set import pooled
from toyenvs.learners.losses import goal_gradient, goal_gradient_loss, td_loss
from toyenvs.networks.deep_sets import DeepSets
from toyenvs.networks.perceptrons import Actor, Critic

__all__ = [
    "GoalFunction",
    "ddpg_loss",
    "goal_set_target",
    "goal_set_value",
    "multi_reengage_loss",
    "network_target",
    "network_value",
    "reengage_loss",
    "reengage_loss_in_graph",
]

GoalFunction = Callable[[Tensor], Tensor]
"""Goals (B, d), or gates (B, n), -> values (B,), each of which depends on its own goal or gates only."""


def network_value(critic: Critic, observation: Float[Tensor, "b o"], action: Float[Tensor, "b k"]) -> GoalFunction:
    """Q(s, a, ·), a function of goals (B, d)."""
    return lambda goal: torch.as_tensor(critic(observation, action, goal))


def network_target(
    critic: Critic,
    actor: Actor,
    reward: Callable[[Tensor, Tensor], Tensor],
    next_observation: Float[Tensor, "b o"],
    discount: float,
) -> GoalFunction:
    """R(s', ·) + γ Q'(s', π'(s', ·), ·), a function of goals (B, d), as (8) differentiates it.

    Args:
        critic: Q', with the target weights.
        actor: π', likewise.
        reward: R, states (B, o) and goals (B, d) -> (B,).
        next_observation: s'.
        discount: γ in [0, 1).
    """

    def target(goal: Tensor) -> Tensor:
        action = actor(next_observation, goal)
        return reward(next_observation, goal) + discount * torch.as_tensor(critic(next_observation, action, goal))

    return target


def goal_set_value(
    networks: DeepSets,
    observation: Float[Tensor, "b o"],
    action: Float[Tensor, "b k"],
    goals: Float[Tensor, "b n d"],
    pool: Callable[[Any, Any], Any] = pooled,
) -> GoalFunction:
    """Q(s, a, {g_i}, ·), a function of gates (B, n): (37).

    Args:
        networks: the critic's head and its encoder are used.
        observation: s.
        action: a.
        goals: g_i.
        pool: gates (B, n) and embeddings (B, n, e) -> summary (B, e); another one only to differentiate by it.
    """

    def value(gates: Tensor) -> Tensor:
        return torch.as_tensor(networks.q_value(observation, action, pool(gates, networks.encode(observation, goals))))

    return value


def goal_set_target(
    networks: DeepSets,
    item_rewards: Float[Tensor, "b n"],
    next_observation: Float[Tensor, "b o"],
    goals: Float[Tensor, "b n d"],
    discount: float,
    pool: Callable[[Any, Any], Any] = pooled,
) -> GoalFunction:
    """Σ_i b_i² R_item(s', g_i) + γ Q'(s', π'(s', {g_i}, b), {g_i}, b), a function of gates (B, n): (38)–(40).

    Args:
        networks: Q' and π', with the target weights.
        item_rewards: R_item(s', g_i), the reward of each goal alone.
        next_observation: s'.
        goals: g_i.
        discount: γ in [0, 1).
        pool: as in :func:`goal_set_value`; the rewards are added up by it, too.
    """

    def target(gates: Tensor) -> Tensor:
        summary = pool(gates, networks.encode(next_observation, goals))
        action = networks.policy(next_observation, summary)
        reward = torch.as_tensor(pool(gates, item_rewards[..., None]))[..., 0]
        return reward + discount * torch.as_tensor(networks.q_value(next_observation, action, summary))

    return target


def ddpg_loss(value: GoalFunction, target: GoalFunction, goal: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """DDPG's critic loss: the mean of (Q − (R + γQ'))², with a target that is a constant."""
    with torch.no_grad():
        fixed = target(goal)
    return td_loss(value(goal) - fixed)


def reengage_loss(
    value: GoalFunction, target: GoalFunction, goal: Float[Tensor, "b d"], alpha: float
) -> Float[Tensor, ""]:
    """Equation (8): DDPG's loss and α times the mean of ‖∇_g Q − ∇_g (R + γQ')‖²/d; the target is a constant.

    Args:
        value: Q(s, a, ·).
        target: R + γQ'.
        goal: g.
        alpha: α ≥ 0, the weight of a mean over goal coordinates.
    """
    residual, gradient = _detached_residuals(value, target, goal)
    return td_loss(residual) + alpha * goal_gradient_loss(gradient)


def reengage_loss_in_graph(
    value: GoalFunction, target: GoalFunction, goal: Float[Tensor, "b d"], alpha: float
) -> Float[Tensor, ""]:
    """Equation (8), of one residual with the target in the graph, so that ``backward()`` reaches its weights, too.

    Args:
        value: Q(s, a, ·).
        target: R + γQ'.
        goal: g.
        alpha: α ≥ 0, as in :func:`reengage_loss`.
    """
    residual, gradient = _with_goal_gradient(lambda goal: value(goal) - target(goal), goal, create_graph=True)
    return td_loss(residual) + alpha * goal_gradient_loss(gradient)


def multi_reengage_loss(
    value: GoalFunction, target: GoalFunction, gates: Float[Tensor, "b n"], alpha: float
) -> Float[Tensor, ""]:
    """Equation (15): DDPG's loss and α times the mean of Σ_i (∂Q/∂b_i − ∂(R + γQ')/∂b_i)²; the target is a constant.

    A sum over gates, not a mean: slots of padding do not dilute it.

    Args:
        value: Q(s, a, {g_i}, ·).
        target: R + γQ'.
        gates: b in {0, 1}.
        alpha: α ≥ 0.
    """
    residual, gradient = _detached_residuals(value, target, gates)
    return td_loss(residual) + alpha * gradient.square().sum(-1).mean(-1)


def _detached_residuals(value: GoalFunction, target: GoalFunction, goal: Tensor) -> tuple[Tensor, Tensor]:
    """Q − (R + γQ') and its goal gradient, (B,) and (B, d), in which the target is a constant."""
    fixed, fixed_gradient = _with_goal_gradient(target, goal, create_graph=False)
    found, gradient = _with_goal_gradient(value, goal, create_graph=True)
    return found - fixed.detach(), gradient - fixed_gradient


def _with_goal_gradient(function: GoalFunction, goal: Tensor, *, create_graph: bool) -> tuple[Tensor, Tensor]:
    """A function and its goal gradient, from one evaluation: (B,) and (B, d)."""
    values: list[Tensor] = []

    def remembered(goal: Tensor) -> Tensor:
        values.append(function(goal))
        return values[-1]

    gradient = goal_gradient(remembered, goal, create_graph=create_graph)
    return values[0], gradient
