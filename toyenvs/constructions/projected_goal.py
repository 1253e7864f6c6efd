"""Proposition 1 with goals of fewer dimensions than actions: only the first k rows of U can be seen.

State and action are vectors in R^d, ‖a‖₂ ≤ 1, goals vectors in R^k, k ≤ d; s' = s + Ua; R(s', g) = gᵀPs', P the first
k coordinates. No reward depends on the other d − k rows of U, so only PU is identifiable; k = d is Proposition 1.

Source: Levine & Feizi, AAAI 2023, Proposition 1 and equations (23), (24), with gᵀP in the place of gᵀ; the value is
gᵀP(s + Ua)/(1−γ) + γ‖g‖/(1−γ)², because the best action moves gᵀPs by max over ‖a‖ ≤ 1 of (UᵀPᵀg)ᵀa = ‖Pᵀg‖ = ‖g‖.
"""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
from typing_extensions import override

from toyenvs.algebra import apply, apply_transpose, embed, inner, norm, project, scale
from toyenvs.constructions.base import Construction, ReducedResiduals

__all__ = ["ProjectedGoal"]


class ProjectedGoal(Construction):
    """s' = s + Ua, R = gᵀPs' with goals in R^k.

    Args:
        dim: d ≥ 2.
        discount: γ in [0, 1).
        goal_dim: k in 1..d; None is d − 1.

    Raises:
        ValueError: if an argument is outside what is allowed.
    """

    name = "projected-goal"
    needs_orthogonal = True

    def __init__(self, dim: SupportsIndex, discount: Any = 0.9, goal_dim: SupportsIndex | None = None) -> None:
        super().__init__(dim, discount)
        if goal_dim is None:
            goal_dim = self.dim - 1
        is_integer = isinstance(goal_dim, int | np.integer) and not isinstance(goal_dim, bool)
        if not is_integer or not 1 <= int(goal_dim) <= self.dim:
            raise ValueError(f"goal_dim: {goal_dim!r} is not an integer in 1..{self.dim}, the dimension of the state")
        self._goal_dim = int(goal_dim)

    @property
    @override
    def goal_dim(self) -> int:
        return self._goal_dim

    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        """s' = s + Ua."""
        return observation + apply(param, action)

    def achieved_goal(self, observation: Any) -> Any:
        """Ps, the first k coordinates."""
        return project(observation, self.goal_dim)

    def goal_reward(self, achieved_goal: Any, goal: Any) -> Any:
        """R = gᵀPs'."""
        return inner(goal, achieved_goal)

    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        """gᵀP(s + Ua)/(1−γ) + γ‖g‖/(1−γ)²."""
        gamma = self.discount
        achieved = self.achieved_goal(self.dynamics(param, observation, action))
        return inner(goal, achieved) / (1 - gamma) + gamma * norm(goal) / (1 - gamma) ** 2

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """UᵀPᵀg/‖g‖."""
        return scale(apply_transpose(param, embed(goal, self.dim)), 1 / norm(goal))

    def reduced_residuals(self, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals:
        """E = (PŨa − P(s' − s))/(1−γ): k equations a transition; the Bellman residual gᵀe is one."""
        return ReducedResiduals(
            weight=1 / (1 - self.discount),
            inputs=action,
            outputs=self.achieved_goal(next_observation) - self.achieved_goal(observation),
            goal_dim=self.goal_dim,
        )
