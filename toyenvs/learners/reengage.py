"""ReenGAGE: DDPG's loss plus the match of goal gradients, d equations a transition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from toyenvs.learners.learner import Learner

__all__ = ["ReenGAGE"]


@dataclass(frozen=True)
class ReenGAGE(Learner):
    """Equation (8) of Levine & Feizi (AAAI 2023).

    Attributes:
        alpha: weight of the goal-gradient term, > 0. It multiplies a mean over goal coordinates; the paper's
            own α is this number divided by d.
    """

    name = "reengage"
    label = "ReenGAGE"
    equations = "gradient"
    style: ClassVar[Mapping[str, str]] = {"color": "#0072B2", "marker": "s", "markerfacecolor": "white"}
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.alpha < float("inf")):
            raise ValueError(f"alpha: {self.alpha!r} is not a positive number (0 would be DDPG)")

    @property
    @override
    def gradient_weight(self) -> float:
        return self.alpha
