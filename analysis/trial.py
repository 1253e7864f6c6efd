"""Trials: independent replicates of (U, buffer, initialisation), run as batches of tensors.

A trial is named by (construction, group, dim, learner, N, trial index). Its randomness comes from the sweep's
seed, the dimension and the trial index only, so every learner meets the same U, the same starting point and
the beginning of the same buffer at the same trial index (common random numbers), in every construction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from analysis.config import SweepConfig, content_hash
from toyenvs.learners import Outcome
from toyenvs.replay import collect, draw_behaviour

__all__ = ["Batch", "TrialRow", "mean_regret", "run_batch", "uniform_regret"]

_ROTATION, _BUFFER, _START, _MINIBATCH = range(4)
"""Streams of randomness."""


@dataclass(frozen=True)
class Batch:
    """Consecutive trials of one cell that run together.

    The results of a batch depend on its specification alone; on its size, too, in the last digits, because the
    size decides how matrix products are blocked. Hence the batch is the unit that is stored.
    """

    config: SweepConfig
    learner: str
    dim: int
    num_transitions: int
    first_trial: int
    count: int

    @property
    def trials(self) -> range:
        """The trial indices."""
        return range(self.first_trial, self.first_trial + self.count)

    def trial_keys(self) -> list[str]:
        """Content hash of each trial's specification."""
        specification = {
            "config": self.config.hash(),
            "learner": self.learner,
            "dim": self.dim,
            "num_transitions": self.num_transitions,
            "batch": [self.first_trial, self.count],
        }
        return [content_hash({**specification, "trial": trial}) for trial in self.trials]


@dataclass(frozen=True)
class TrialRow:
    """What is kept of a trial.

    Attributes:
        trial: its index.
        success: the policy is uniformly ε-optimal, and the learner stopped by its own rule.
        outcome: label of :class:`toyenvs.learners.Outcome`.
        loss: full-buffer loss at the end; None if it is no finite number.
        uniform_regret: λ_max(I − sym(UŨᵀ)), the regret at the worst unit goal, in [0, 2]; None as for the loss.
        mean_regret: its mean over unit goals.
        steps: optimiser steps, over all starts.
        start: which starting point was kept (0, or 1 for the other component of O(d)).
    """

    trial: int
    success: bool
    outcome: str
    loss: float | None
    uniform_regret: float | None
    mean_regret: float | None
    steps: int
    start: int


def uniform_regret(true_param: Float[Tensor, "*b d d"], param: Float[Tensor, "*b d d"]) -> Float[Tensor, " *b"]:
    """One-step regret of the policy Ũᵀg at the worst unit goal: λ_max(I − sym(UŨᵀ)), in [0, 2]."""
    product = true_param @ param.mT
    return 1 - torch.linalg.eigvalsh((product + product.mT) / 2)[..., 0]


def mean_regret(true_param: Float[Tensor, "*b d d"], param: Float[Tensor, "*b d d"]) -> Float[Tensor, " *b"]:
    """Mean of the one-step regret over the unit sphere of goals: 1 − tr(UŨᵀ)/d = ‖Ũ − U‖²_F/(2d)."""
    return 1 - (true_param * param).sum((-2, -1)) / param.shape[-1]


def run_batch(batch: Batch) -> list[TrialRow]:
    """Draw, collect, learn and judge every trial of a batch."""
    config, dim = batch.config, batch.dim
    construction, group = config.make_construction(dim), config.make_group()

    def seed(trial: int, stream: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(config.seed, spawn_key=(dim, trial, stream))

    def stack(draw: Callable[[int], np.ndarray]) -> Tensor:
        rows = np.stack([draw(trial) for trial in batch.trials])
        return torch.from_numpy(rows).to(config.device)

    true_param = stack(lambda t: group.sample(dim, np.random.default_rng(seed(t, _ROTATION))))
    initial_param = stack(lambda t: group.sample(dim, np.random.default_rng(seed(t, _START))))
    streams = {
        t: draw_behaviour(seed(t, _BUFFER), dim, batch.num_transitions, config.steps_per_goal) for t in batch.trials
    }
    transitions = collect(
        construction,
        true_param,
        construction.initial_observation(stack(lambda t: streams[t].initial_direction)),
        stack(lambda t: streams[t].action),
        stack(lambda t: streams[t].desired_goal),
    )
    result = config.make_learner(batch.learner).fit(
        construction,
        group,
        transitions,
        initial_param,
        minibatch_seed=np.random.SeedSequence(
            config.seed, spawn_key=(dim, batch.num_transitions, batch.first_trial, _MINIBATCH)
        ),
    )

    sound = result.param.isfinite().all(-1).all(-1)
    # A matrix of NaN has no eigenvalues to compute; its regret is unknown, not large.
    judged = torch.where(sound[:, None, None], result.param, true_param)
    worst, mean = uniform_regret(true_param, judged), mean_regret(true_param, judged)
    rows = []
    for i, trial in enumerate(batch.trials):
        outcome = Outcome(int(result.outcome[i]))
        loss = float(result.loss[i])
        known = bool(sound[i])
        stopped = outcome in (Outcome.CONVERGED, Outcome.STATIONARY)
        rows.append(
            TrialRow(
                trial=trial,
                success=stopped and known and float(worst[i]) <= config.epsilon,
                outcome=outcome.label,
                loss=loss if math.isfinite(loss) else None,
                uniform_regret=float(worst[i]) if known else None,
                mean_regret=float(mean[i]) if known else None,
                steps=int(result.steps[i]),
                start=int(result.start[i]),
            )
        )
    return rows
