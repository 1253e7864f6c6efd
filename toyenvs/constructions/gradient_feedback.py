"""Proposition 1, "gradient reward feedback": the reward's goal gradient shows where the action went.

State, action and goal are vectors in R^d, ‖a‖₂ ≤ 1; s' = s + Ua with U an unknown rotation; R(s', g) = gᵀs'.

Source: Levine & Feizi, AAAI 2023, Proposition 1 and equations (23), (24).
"""

from __future__ import annotations

from typing import Any

from toyenvs.algebra import apply, apply_transpose, inner, norm, scale
from toyenvs.constructions.base import Construction, ReducedResiduals

__all__ = ["GradientFeedback"]


class GradientFeedback(Construction):
    """s' = s + Ua, R = gᵀs' (Proposition 1)."""

    name = "gradient-feedback"
    needs_orthogonal = True
    counted_by_class = True

    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        """s' = s + Ua."""
        return observation + apply(param, action)

    def goal_reward(self, achieved_goal: Any, goal: Any) -> Any:
        """R = gᵀs'."""
        return inner(goal, achieved_goal)

    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        """Equation (23): gᵀ(s + Ua)/(1−γ) + γ‖g‖/(1−γ)²."""
        gamma = self.discount
        next_observation = self.dynamics(param, observation, action)
        return inner(goal, next_observation) / (1 - gamma) + gamma * norm(goal) / (1 - gamma) ** 2

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """Equation (24): Uᵀg/‖g‖."""
        return scale(apply_transpose(param, goal), 1 / norm(goal))

    def reduced_residuals(self, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals:
        """E = (Ũa − (s' − s))/(1−γ): d equations a transition; the Bellman residual gᵀe is one."""
        return ReducedResiduals(weight=1 / (1 - self.discount), inputs=action, outputs=next_observation - observation)
