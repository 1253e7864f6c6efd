"""Trials of one unknown matrix: independent replicates of (U, buffer, initialisation), as batches of tensors.

The randomness of a trial comes from the seed, the dimension and the trial's index only. So every learner, solver and
protocol meets the same U, the same starting points and the beginning of the same buffer at the same index (common
random numbers), in every construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from analysis.tasks.problem import Problem
from analysis.tasks.task import Row
from toyenvs.constructions import Construction
from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners import Learner, Outcome, TrainingResult
from toyenvs.regret import mean_regret
from toyenvs.replay import Transitions
from toyenvs.replay.protocol import Protocol, collect_buffers

__all__ = ["Trials", "finite", "judged_rows"]

_PARAMETER, _BUFFER, _START, _MINIBATCH = range(4)
"""Streams of randomness."""


@dataclass(frozen=True)
class Trials:
    """Some trials while they run: their randomness, and the U that no learner sees.

    Attributes:
        problem: what is unknown.
        data: how buffers are collected.
        learner: with its weights of the two terms of the loss (8).
        seed: of all randomness.
        device: torch device.
        size: N, as the task counts.
        num_transitions: how many transitions that is.
        indices: consecutive trial indices.
    """

    problem: Problem
    data: Protocol
    learner: Learner
    seed: int
    device: str
    size: int
    num_transitions: int
    indices: range

    @cached_property
    def construction(self) -> Construction:
        """The environments' formulas."""
        return self.problem.make_construction()

    @cached_property
    def group(self) -> HypothesisClass:
        """Where the unknown parameter lives."""
        return self.problem.make_group()

    @cached_property
    def true_param(self) -> Float[Tensor, "b d d"]:
        """U of every trial."""
        return self._sample(_PARAMETER)

    def buffer_seeds(self) -> list[np.random.SeedSequence]:
        """One a trial, for everything random in its buffer."""
        return [self._seed(trial, _BUFFER) for trial in self.indices]

    def minibatch_seed(self) -> np.random.SeedSequence:
        """For the order of minibatches, which all trials of a batch share."""
        # Trials' own streams begin with (dim, trial); no trial has this index.
        key = (self.problem.dim, 2**32 - 1, self.size, self.indices.start, _MINIBATCH)
        return np.random.SeedSequence(self.seed, spawn_key=key)

    def starting_points(self, number: int) -> Float[Tensor, "b d d"]:
        """The given starting point of every trial: 0 is the one that descent starts from."""
        return self._sample(_START) if number == 0 else self._sample(_START, number)

    def transitions(self) -> Transitions:
        """Every trial's replay buffer."""
        return collect_buffers(self.construction, self.true_param, self.buffer_seeds(), self.num_transitions, self.data)

    def _seed(self, trial: int, *stream: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=(self.problem.dim, trial, *stream))

    def _sample(self, *stream: int) -> Float[Tensor, "b d d"]:
        dim = self.problem.dim
        rows = [self.group.sample(dim, np.random.default_rng(self._seed(t, *stream))) for t in self.indices]
        return torch.from_numpy(np.stack(rows)).to(self.device)


def finite(value: float) -> float | None:
    """The value, or None for NaN and infinities, which JSON does not know."""
    return value if math.isfinite(value) else None


def judged_rows(trials: Trials, result: TrainingResult, accepted: tuple[Outcome, ...]) -> list[Row]:
    """Compare what was learned with U, in the rows of the matrix that goals can see.

    Args:
        trials: with U.
        result: what was learned.
        accepted: outcomes with which a trial may succeed.
    """
    construction, true_param, param = trials.construction, trials.true_param, result.param
    sound: Bool[Tensor, " b"] = param.isfinite().all(-1).all(-1)
    # A matrix of NaN has no eigenvalues to compute; its regret is unknown, not large.
    judged = torch.where(sound[:, None, None], param, true_param)
    visible = construction.goal_dim
    worst = construction.uniform_regret(true_param, judged).tolist()
    mean = mean_regret(true_param[:, :visible], judged[:, :visible]).tolist()
    # From the device at once, not trial by trial.
    outcomes, losses, steps = result.outcome.tolist(), result.loss.tolist(), result.steps.tolist()
    starts, num_starts, known = result.start.tolist(), result.num_starts.tolist(), sound.tolist()
    return [
        Row(
            trial,
            {
                "outcome": Outcome(outcomes[i]).label,
                "accepted": Outcome(outcomes[i]) in accepted and known[i],
                "loss": finite(losses[i]),
                "uniform_regret": worst[i] if known[i] else None,
                "mean_regret": mean[i] if known[i] else None,
                "steps": steps[i],
                "start": starts[i],
                "num_starts": num_starts[i],
            },
        )
        for i, trial in enumerate(trials.indices)
    ]
