"""Gradient matching alone: the goal gradient of the critic is fitted to that of its target, its value is not.

The paper uses this variant for discrete actions. It is also what the Cramér–Rao bound of gradient matching is about:
with noisy transitions the temporal-difference term of the full loss (8) weighs one direction, that of the goal, too
much (``paper_notes.md``).
"""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import override

from toyenvs.learners.learner import Learner

__all__ = ["GradientOnly"]


@dataclass(frozen=True)
class GradientOnly(Learner):
    """Goal-gradient loss only: mean over transitions and goal coordinates of (∇Q − ∇(r + γQ'))²."""

    name = "gradient-only"
    label = "gradient matching"
    equations = "gradient"

    @property
    @override
    def value_weight(self) -> float:
        return 0.0

    @property
    @override
    def gradient_weight(self) -> float:
        return 1.0
