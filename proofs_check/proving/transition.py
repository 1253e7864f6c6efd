"""One transition of a construction, on symbols: what the proofs of both propositions start from."""

from __future__ import annotations

from typing import Any

import sympy

from proofs_check.proving.derivation import Derivation
from toyenvs.constructions import Construction
from toyenvs.learners.losses import bootstrapped_target, temporal_difference_error

__all__ = ["GAMMA", "SymbolicTransition"]

GAMMA = sympy.Symbol("γ", positive=True)
"""The discount. The identities are rational in it: proved for γ > 0, they hold at 0 too."""


class SymbolicTransition:
    """A transition (s, a, g, s'), with the formulas that environments and learners run.

    Args:
        step: gives the space.
        construction_type: called with a dimension that its formulas do not read.
        observation: s; by default a vector about which nothing is known.
    """

    def __init__(self, step: Derivation, construction_type: type[Construction], observation: Any = None) -> None:
        self.space = step.space
        self.construction = construction_type(2, GAMMA)
        self.g, self.a = self.space.vector("g", nonzero=True), self.space.vector("a")
        self.s = self.space.vector("s") if observation is None else observation

    def following(self, truth: Any) -> Any:
        """s' where the unknown parameter is ``truth``."""
        return self.construction.dynamics(truth, self.s, self.a)

    def value(self, param: Any, action: Any = None) -> Any:
        """Q(s, a, g), or of another action."""
        return self.construction.q_value(param, self.s, self.a if action is None else action, self.g)

    def target(self, truth: Any, target_param: Any) -> Any:
        """R + γQ', as learners have it."""
        return bootstrapped_target(self.construction, target_param, self.following(truth), self.g)

    def error(self, truth: Any, online: Any, target_param: Any) -> Any:
        """Temporal-difference error, as learners have it."""
        return temporal_difference_error(
            self.construction, online, target_param, self.s, self.a, self.following(truth), self.g
        )

    def reduced(self, truth: Any) -> Any:
        """Reduced residuals, as learners have them."""
        return self.construction.reduced_residuals(self.s, self.a, self.following(truth))

    def backup(self, next_observation: Any, critic: Any, next_action: Any) -> Any:
        """R(s', g) + γQ(s', b, g) with any next action b, which may come from another parameter than the critic's."""
        value = self.construction.q_value(critic, next_observation, next_action, self.g)
        return self.construction.reward(next_observation, self.g) + GAMMA * value

    def lagging_error(self, truth: Any, online: Any, critic: Any, actor: Any) -> Any:
        """Temporal-difference error whose target actor holds another parameter than its target critic."""
        following = self.following(truth)
        next_action = self.construction.policy(actor, following, self.g)
        return self.value(online) - self.backup(following, critic, next_action)
