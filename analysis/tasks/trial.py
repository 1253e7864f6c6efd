"""Trials: independent replicates of (U, buffer, initialisation), run as batches of tensors.

A trial is named by its setting, N and a trial index. Its randomness comes from the setting's seed, the dimension and
the trial index only, so every learner, optimiser and protocol meets the same U, the same starting points and the
beginning of the same buffer at the same trial index (common random numbers), in every construction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from analysis.tasks.setting import Setting, content_hash
from toyenvs.constructions.user_defined import load_construction
from toyenvs.learners import Outcome, TrainingResult
from toyenvs.learners.global_solvers import GlobalSolverSettings, solve_globally
from toyenvs.learners.global_solvers.equations import numbers_a_trial
from toyenvs.learners.online import OnlineSettings, run_online
from toyenvs.regret import mean_regret
from toyenvs.replay.protocol import collect_buffers

__all__ = ["LARGEST_ARRAY", "Batch", "TrialRow", "parts_of", "run_batch", "run_own_batch"]

_PARAMETER, _BUFFER, _START, _MINIBATCH = range(4)
"""Streams of randomness."""

LARGEST_ARRAY = 2**26
"""Numbers in the largest array of the trials that run together, half a gigabyte of them: learning takes some five such
arrays, on a processor or on another device. Larger batches run in parts. It is a constant, not what happens to be
free, because results may depend on the machine in nothing."""

_STAYS = 0.5
"""An online policy has to stay ε-optimal for this share of the N transitions that it took."""


@dataclass(frozen=True)
class Batch:
    """Consecutive trials of one cell that run together.

    The results of a batch depend on its specification alone; on its size, too, in the last digits, because the
    size decides how matrix products are blocked. Hence the batch is the unit that is stored.

    Attributes:
        setting: of what.
        num_transitions: N, counted as the setting counts.
        first_trial: the first trial index.
        count: how many trials.
    """

    setting: Setting
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
            "setting": self.setting.hash(),
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
        outcome: label of :class:`toyenvs.learners.Outcome`; "online" for an agent that did not diverge and did not
            have to choose between parameters of two components that solve all equations.
        loss: full-buffer loss at the end; None if it is no finite number.
        uniform_regret: of the policy, at the worst unit goal, see :mod:`toyenvs.regret`; None as for the loss.
        mean_regret: its mean over unit goals.
        steps: optimiser steps, over all starts.
        start: which starting point was kept.
        num_starts: how many were tried.
    """

    trial: int
    success: bool
    outcome: str
    loss: float | None
    uniform_regret: float | None
    mean_regret: float | None
    steps: int
    start: int
    num_starts: int


class _Trials:
    """A batch's trials while they run: their randomness, and the U that no learner sees."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.setting = batch.setting
        self.group = self.setting.make_group()
        self.true_param = self._sample(_PARAMETER)

    def seed(self, trial: int, *stream: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.setting.seed, spawn_key=(self.setting.dim, trial, *stream))

    def buffer_seeds(self) -> list[np.random.SeedSequence]:
        return [self.seed(trial, _BUFFER) for trial in self.batch.trials]

    def minibatch_seed(self) -> np.random.SeedSequence:
        # Trials' own streams begin with (dim, trial); no trial has this index.
        key = (self.setting.dim, 2**32 - 1, self.batch.num_transitions, self.batch.first_trial, _MINIBATCH)
        return np.random.SeedSequence(self.setting.seed, spawn_key=key)

    def starting_points(self, number: int) -> Float[Tensor, "b d d"]:
        """The given starting point of every trial: 0 is the one that descent starts from."""
        return self._sample(_START) if number == 0 else self._sample(_START, number)

    def _sample(self, *stream: int) -> Float[Tensor, "b d d"]:
        dim = self.setting.dim
        rows = [self.group.sample(dim, np.random.default_rng(self.seed(t, *stream))) for t in self.batch.trials]
        return torch.from_numpy(np.stack(rows)).to(self.setting.device)


def run_batch(batch: Batch) -> list[TrialRow]:
    """Draw, collect, learn and judge every trial of a batch, in parts if it is too large for one."""
    run = _run_online if batch.setting.method == "online" else _run_offline
    return [row for part in parts_of(batch) for row in run(_Trials(part))]


def run_own_batch(reference: str | None, batch: Batch) -> list[TrialRow]:
    """The same for a construction from outside this package, which a worker loads first.

    Args:
        reference: what loads it.
        batch: of its trials.

    Raises:
        RuntimeError: if it cannot be loaded here, or is not the one that the batch was made for.
    """
    setting = batch.setting
    if setting.own is None:
        if reference is None:
            raise RuntimeError(f"{setting.construction} was defined in another process; use the serial executor")
        try:
            load_construction(reference)
        except ValueError as error:
            raise RuntimeError(f"{reference} cannot be loaded by a worker: {error}") from error
        if setting.own is None:
            raise RuntimeError(f"{reference} has changed since the run began")
    return run_batch(batch)


def parts_of(batch: Batch) -> list[Batch]:
    """The batch as batches whose arrays have at most ``LARGEST_ARRAY`` numbers, or one trial if that has more."""
    setting = batch.setting
    dim, rows = setting.dim, batch.num_transitions * setting.unit * setting.relabels
    numbers = rows * dim
    if setting.method == "online":
        # The parameter after each transition is kept.
        numbers = math.ceil((1 + _STAYS) * rows) * dim**2
    elif setting.method != "descent":
        # The others write their equations down. (Restarts are counted where they are made.)
        learner, goal_dim = setting.make_learner(), setting.make_construction().goal_dim
        equations = numbers_a_trial(
            dim,
            goal_dim,
            rows,
            has_values=learner.value_weight > 0,
            has_gradients=learner.gradient_weight > 0,
        )
        numbers = max(numbers, equations)
    size = max(1, LARGEST_ARRAY // numbers)
    end = batch.first_trial + batch.count
    return [
        replace(batch, first_trial=first, count=min(size, end - first)) for first in range(batch.first_trial, end, size)
    ]


def _run_offline(trials: _Trials) -> list[TrialRow]:
    setting, construction = trials.setting, trials.setting.make_construction()
    transitions = collect_buffers(
        construction,
        trials.true_param,
        trials.buffer_seeds(),
        trials.batch.num_transitions * setting.unit,
        setting.make_protocol(),
    )
    learner = setting.make_learner()
    if setting.method == "descent":
        result = learner.fit(
            construction,
            trials.group,
            transitions,
            trials.starting_points(0),
            minibatch_seed=trials.minibatch_seed(),
        )
    else:
        result = solve_globally(
            setting.method,
            construction,
            trials.group,
            transitions,
            trials.starting_points,
            value_weight=learner.value_weight,
            gradient_weight=learner.gradient_weight,
            settings=GlobalSolverSettings(restarts=setting.restarts),
        )
    return _judge(trials, result)


def _judge(trials: _Trials, result: TrainingResult) -> list[TrialRow]:
    """Compare what was learned with U, in the rows that goals can see."""
    construction = trials.setting.make_construction()
    true_param, param = trials.true_param, result.param
    sound = param.isfinite().all(-1).all(-1)
    # A matrix of NaN has no eigenvalues to compute; its regret is unknown, not large.
    judged = torch.where(sound[:, None, None], param, true_param)
    visible = construction.goal_dim
    worst = construction.uniform_regret(true_param, judged).tolist()
    mean = mean_regret(true_param[:, :visible], judged[:, :visible]).tolist()
    # From the device at once, not trial by trial.
    outcomes, losses, steps = result.outcome.tolist(), result.loss.tolist(), result.steps.tolist()
    starts, num_starts, judgeable = result.start.tolist(), result.num_starts.tolist(), sound.tolist()
    rows = []
    # A minimiser that found no zero of a loss that has one found nothing; with noise a loss has none.
    stops = (Outcome.CONVERGED, Outcome.STATIONARY)
    allowed = stops[:1] if trials.setting.method != "descent" and not trials.setting.noise else stops
    for i, trial in enumerate(trials.batch.trials):
        outcome, known = Outcome(outcomes[i]), judgeable[i]
        rows.append(
            TrialRow(
                trial=trial,
                success=outcome in allowed and known and worst[i] <= trials.setting.epsilon,
                outcome=outcome.label,
                loss=_finite(losses[i]),
                uniform_regret=worst[i] if known else None,
                mean_regret=mean[i] if known else None,
                steps=steps[i],
                start=starts[i],
                num_starts=num_starts[i],
            )
        )
    return rows


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _run_online(trials: _Trials) -> list[TrialRow]:
    """Success: the policy is ε-optimal after N transitions and after each of the next N/2."""
    setting, num_transitions = trials.setting, trials.batch.num_transitions
    learner = setting.make_learner()
    result = run_online(
        setting.make_construction(),
        trials.group,
        trials.true_param,
        trials.starting_points(0),
        trials.buffer_seeds(),
        alpha=learner.gradient_weight,
        settings=OnlineSettings(
            exploration=setting.exploration,
            updates_per_transition=setting.updates,
            steps_per_goal=setting.steps_per_goal,
            optimizer=setting.optimizer,
        ),
        epsilon=setting.epsilon,
        num_transitions=num_transitions,
        patience=math.ceil(_STAYS * num_transitions),
    )
    asked = result.uniform_regret[:, num_transitions - 1 :]
    regret, success = asked[:, 0].tolist(), result.success.tolist()
    lost = asked.isnan().any(1).tolist()
    ambiguous = result.ambiguous[:, num_transitions - 1].tolist()
    return [
        TrialRow(
            trial=trial,
            success=success[i],
            outcome="diverged" if lost[i] else "ambiguous" if ambiguous[i] else "online",
            loss=None,
            uniform_regret=_finite(regret[i]),
            mean_regret=None,
            steps=setting.updates * result.uniform_regret.shape[1],
            start=0,
            num_starts=1,
        )
        for i, trial in enumerate(trials.batch.trials)
    ]
