"""An unknown linear map in the place of the unknown rotation: bootstrapping is real.

s' = s + Ua with any d×d matrix U, reward gᵀs', ‖a‖ ≤ 1. The best action is Uᵀg/‖Uᵀg‖, and what it gains in a step is
‖Uᵀg‖, so that

    Q*(s, a, g) = gᵀ(s + Ua)/(1−γ) + γ‖Uᵀg‖/(1−γ)².

For a rotation ‖Uᵀg‖ = ‖g‖, and the paper's loss does not depend on the target parameter Ū. Here the Bellman residual is

    gᵀ(Ũa − Ua)/(1−γ) + γ(‖Ũᵀg‖ − ‖Ūᵀg‖)/(1−γ)²,

whose second term a learner has to bring to 0 by bootstrapping. What the data determine is counted with Ũ = Ū: d²
transitions for DDPG, d for ReenGAGE. What a descent with a target network needs is another question, and the answer
depends on γ (see ``examples/README.md``).

    reengage scale --construction examples/linear_drift.py:LinearDrift --discount 0.1 --dims 2,3,4,5
"""

from __future__ import annotations

from typing import Any

from toyenvs.algebra import apply, apply_transpose, inner, norm, scale
from toyenvs.constructions import Construction


class LinearDrift(Construction):
    """s' = s + Ua, R = gᵀs', U any matrix."""

    name = "linear-drift"
    group = "all"

    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        """S' = s + Ua."""
        return observation + apply(param, action)

    def goal_reward(self, achieved_goal: Any, goal: Any) -> Any:
        """R = gᵀs'."""
        return inner(goal, achieved_goal)

    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        """gᵀ(s + Ua)/(1−γ) + γ‖Uᵀg‖/(1−γ)²."""
        gamma = self.discount
        gain = norm(apply_transpose(param, goal))
        value = inner(goal, self.dynamics(param, observation, action)) / (1 - gamma)
        return value + gamma * gain / (1 - gamma) ** 2

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """Uᵀg/‖Uᵀg‖."""
        direction = apply_transpose(param, goal)
        return scale(direction, 1 / norm(direction))
