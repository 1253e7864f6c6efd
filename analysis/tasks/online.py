"""Descent while the agent explores with its own noisy policy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from analysis.errors import ConfigError, require_integer, require_number, require_one_of
from analysis.tasks.problem import Problem
from analysis.tasks.solver import Solver, refuse_finite
from analysis.tasks.task import Row
from analysis.tasks.trials import Trials, finite
from toyenvs.learners import Learner
from toyenvs.learners.online import OnlineSettings, run_online
from toyenvs.learners.optimizers import OPTIMIZERS
from toyenvs.replay.protocol import Protocol

__all__ = ["Online"]

_STAYS = 0.5
"""An online policy is judged by the worst of its regrets over this share of further transitions."""


@dataclass(frozen=True, kw_only=True)
class Online(Solver):
    """An agent that collects its own data; it is judged after N transitions and after each of the next N/2.

    Attributes:
        optimizer: key of ``OPTIMIZERS``.
        exploration: size of the exploration noise, relative to a unit action.
        updates: descent steps after each transition.
    """

    name = "online"
    about = "descent while the agent explores with its own noisy policy"
    only_about: ClassVar[dict[str, str]] = {
        "arithmetic": "it is about descent; {method} computes in double",
        "minibatch": "an online agent uses its whole buffer",
    }

    optimizer: str = OnlineSettings().optimizer
    exploration: float = OnlineSettings().exploration
    updates: int = OnlineSettings().updates_per_transition

    def __post_init__(self) -> None:
        require_one_of("optimizer", self.optimizer, OPTIMIZERS)
        require_integer("updates", self.updates, 1)
        exploration = require_number("exploration", self.exploration, lambda x: x >= 0, "exploration >= 0")
        object.__setattr__(self, "exploration", exploration)

    @override
    def check(self, problem: Problem, data: Protocol, learner: Learner, sample_unit: str) -> None:
        refuse_finite(self.name, problem)
        if sample_unit != "transitions":
            raise ConfigError("count", sample_unit, "an online agent's transitions are counted one by one")
        if data != Protocol(steps_per_goal=data.steps_per_goal):
            raise ConfigError("method", self.name, "an online agent collects its own data, one goal a transition")
        if learner.value_weight == 0:
            raise ConfigError("learner", learner.name, "online agents learn by ddpg or reengage")

    @override
    def numbers_a_trial(self, trials: Trials) -> int:
        # The parameter after each transition is kept.
        return math.ceil((1 + _STAYS) * trials.num_transitions) * trials.problem.dim**2

    @override
    def run(self, trials: Trials) -> list[Row]:
        size = trials.num_transitions
        result = run_online(
            trials.construction,
            trials.group,
            trials.true_param,
            trials.starting_points(0),
            trials.buffer_seeds(),
            alpha=trials.learner.gradient_weight,
            settings=OnlineSettings(
                exploration=self.exploration,
                updates_per_transition=self.updates,
                steps_per_goal=trials.data.steps_per_goal,
                optimizer=self.optimizer,
            ),
            num_transitions=size,
            patience=math.ceil(_STAYS * size),
        )
        asked = result.uniform_regret[:, size - 1 :]
        worst, lost = asked.amax(1).tolist(), asked.isnan().any(1).tolist()  # the largest of NaN and others is NaN
        guessed, by_luck = result.ambiguous[:, size - 1].tolist(), result.ambiguous[:, size - 1 :].any(1).tolist()
        return [
            Row(
                trial,
                {
                    "outcome": "diverged" if lost[i] else "ambiguous" if guessed[i] else "online",
                    "accepted": not by_luck[i],
                    "loss": None,
                    "uniform_regret": finite(worst[i]),
                    "mean_regret": None,
                    "steps": self.updates * result.uniform_regret.shape[1],
                    "start": 0,
                    "num_starts": 1,
                },
            )
            for i, trial in enumerate(trials.indices)
        ]
