"""Proposition 2, "no reward gradient": the reward alone says nothing, only the next value does.

The state is a pair s = (s¹, s²) in R^{2d}; R(s', g) = gᵀs'¹.

* s¹ ≠ 0: s'¹ = 0, s'² = s¹ + Ua. The reward is 0 whatever the goal.
* s¹ = 0: s'¹ = s², s'² = 0. The action is ignored.

The two kinds of transition alternate, and those with s¹ = 0 teach nothing about U.

Source: Levine & Feizi, AAAI 2023, Proposition 2 and equations (25), (26).
"""

from __future__ import annotations

import re
from typing import Any

from typing_extensions import override

from toyenvs.algebra import apply, apply_transpose, inner, is_zero, join, norm, scale, select, split
from toyenvs.constructions.base import Construction, Count, ReducedResiduals

__all__ = ["NoRewardGradient"]


class NoRewardGradient(Construction):
    """The action's effect is seen by the reward one step later only (Proposition 2)."""

    name = "no-reward-gradient"
    needs_orthogonal = True
    counted_by_class = True

    @classmethod
    @override
    def transitions_for_informative(cls, count: Count) -> Count:
        """2k − 1: informative transitions and others alternate, and the first one is informative."""
        return 2 * count - 1

    @classmethod
    @override
    def length_label(cls, label: str) -> str:
        """Twice the label less 1: "D+1" becomes "2D+1", "d-1" "2d-3", "d" "2d-1"."""
        symbol, constant = re.fullmatch(r"(.*?)([+-]\d+)?", label).groups()  # type: ignore[union-attr]  # matches all
        return f"2{symbol}{2 * int(constant or 0) - 1:+d}"

    @property
    @override
    def observation_dim(self) -> int:
        return 2 * self.dim

    @property
    def informative(self) -> bool:
        """False at γ = 0: the effect of an action is paid one step later, so no value depends on U."""
        return bool(self.discount != 0)

    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        """(0, s¹ + Ua) where s¹ ≠ 0; (s², 0) where s¹ = 0."""
        first, second = split(observation)
        zero = scale(first, 0)
        return select(is_zero(first), join(second, zero), join(zero, first + apply(param, action)))

    def achieved_goal(self, observation: Any) -> Any:
        """s¹."""
        return split(observation)[0]

    def goal_reward(self, achieved_goal: Any, goal: Any) -> Any:
        """R = gᵀs'¹."""
        return inner(goal, achieved_goal)

    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        """Equation (25).

        γgᵀ(s¹ + Ua)/(1−γ²) + γ³‖g‖/(1−γ²)² where s¹ ≠ 0, gᵀs²/(1−γ²) + γ²‖g‖/(1−γ²)² where s¹ = 0. On the
        null set {s = (0, 0)} ∪ {s¹ + Ua = 0}, where the process is absorbed with value 0, it is not the value.
        """
        gamma = self.discount
        first, second = split(observation)
        once = 1 - gamma**2
        acting = gamma * inner(goal, first + apply(param, action)) / once + gamma**3 * norm(goal) / once**2
        waiting = inner(goal, second) / once + gamma**2 * norm(goal) / once**2
        return select(is_zero(first), waiting, acting)

    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        """Equation (26): Uᵀg/‖g‖ (where s¹ = 0 any action is optimal)."""
        return scale(apply_transpose(param, goal), 1 / norm(goal))

    def initial_observation(self, direction: Any) -> Any:
        """s¹ on the unit sphere, s² = 0: the first transition is one that teaches."""
        return join(direction, scale(direction, 0))

    def reduced_residuals(self, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals:
        """E = γ(Ũa − (s'² − s¹))/(1−γ²) where s¹ ≠ 0, and 0 where s¹ = 0."""
        gamma = self.discount
        first, _ = split(observation)
        _, next_second = split(next_observation)
        ones = inner(action, action) * 0 + 1
        weight = select(is_zero(first), ones * 0, ones * gamma / (1 - gamma**2))
        return ReducedResiduals(weight=weight, inputs=action, outputs=next_second - first)
