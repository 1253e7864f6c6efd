"""An unknown drift in the place of the unknown rotation: the class whose members one vector tells apart.

State, action and goal are vectors in R^d, ‖a‖₂ ≤ 1; s' = s + a + t with t unknown; R(s', g) = gᵀs'. The parameter is
a matrix U, like everywhere, and t = U·1 with 1 the vector of ones: for the class of diagonal matrices, U = diag(t).

The best action is g/‖g‖ whatever t is, so there is nothing to gain from knowing t: the construction is for counting
equations, not for acting. After the first step, which leads to s₁ = s + a + t, each further one adds
‖g‖ + gᵀt to the reward, and Σ γⁿ (gᵀs₁ + n(‖g‖ + gᵀt)) = gᵀs₁/(1−γ) + γ(‖g‖ + gᵀt)/(1−γ)².

With a target parameter t̄ and an online one t̃ the Bellman residual is
gᵀ(s + a + t̃ − s')/(1−γ) + γ gᵀ(t̃ − t̄)/(1−γ)²: unlike in the propositions it depends on the target parameter, which
drops out at γ = 0 only. The class table of thresholds uses γ = 0.
"""

from __future__ import annotations

from typing import Any

from toyenvs.algebra import apply, inner, norm, ones, scale
from toyenvs.constructions.base import Construction, ReducedResiduals

__all__ = ["Translation"]


class Translation(Construction):
    """s' = s + a + t, R = gᵀs', t = U·1."""

    name = "translation"
    needs_orthogonal = True

    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        """s' = s + a + t."""
        return observation + action + apply(param, ones(action))

    def goal_reward(self, achieved_goal: Any, goal: Any) -> Any:
        """R = gᵀs'."""
        return inner(goal, achieved_goal)

    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        """gᵀ(s + a + t)/(1−γ) + γ(‖g‖ + gᵀt)/(1−γ)²."""
        gamma = self.discount
        drift = inner(goal, apply(param, ones(goal)))
        value = inner(goal, self.dynamics(param, observation, action)) / (1 - gamma)
        return value + gamma * (norm(goal) + drift) / (1 - gamma) ** 2

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """g/‖g‖, whatever the parameter is."""
        return scale(goal, 1 / norm(goal))

    def reduced_residuals(self, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals | None:
        """E = Ũ·1 − (s' − s − a) at γ = 0; None at γ > 0, where the target parameter matters."""
        if self.discount != 0:
            return None
        return ReducedResiduals(weight=1, inputs=ones(action), outputs=next_observation - observation - action)
