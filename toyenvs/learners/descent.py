"""Temporal-difference learning of one parameter by Riemannian descent: B trials as one batch.

What DDPG and ReenGAGE share: critic and actor are the construction's ``q_value`` and ``policy`` at one online
parameter Ũ on the hypothesis class's manifold; the targets are those formulas at one target parameter Ū, a
Polyak average of Ũ that is projected back on the manifold. Both losses determine Ũ through the critic alone;
the actor follows, because it shares the parameter (the paper's inductive bias).

The learner sees transitions, never U. It stops when it can see no reason to go on:

* ``converged``      the loss fell below ``loss_tolerance`` times its starting value: all equations solved;
* ``stationary``     the gradient vanishes while the loss does not: a local minimum (or the noise floor);
* ``not_converged``  the budget of steps was spent;
* ``diverged``       the loss is not a finite number;
* ``ambiguous``      starts in different components all solved their equations: the data do not tell the solutions
  apart, and the lower of two losses that are zero up to rounding would be a coin toss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from toyenvs.constructions.base import Construction
from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners.objective import Objective, make_objective
from toyenvs.learners.optimizers import OPTIMIZERS, Optimizer, estimate_smoothness, tangent_norm
from toyenvs.replay import Transitions

__all__ = ["DescentSettings", "Outcome", "TrainingResult", "train"]

_CHECK_EVERY = 10
"""Steps between two looks at the stopping rules; finished trials leave the batch at a look."""

_SINGLE_LOSS = 1e-11
_SINGLE_STATIONARITY = 1e-4
"""Where single precision stops: residuals of 3·10⁻⁶ of their first size still have a digit or two to lose."""

_STALL_AFTER, _STALL = 1000, 0.01
"""And where it gets no further: the gradient of a loss that is nearly 0 in a whole valley drowns in its rounding."""

_SMOOTHNESS_MINIBATCHES = 4


class Outcome(IntEnum):
    """Why a trial stopped."""

    CONVERGED = 0
    STATIONARY = 1
    NOT_CONVERGED = 2
    DIVERGED = 3
    AMBIGUOUS = 4

    @property
    def label(self) -> str:
        """The name in result files."""
        return self.name.lower()


@dataclass(frozen=True)
class DescentSettings:
    """How a learner optimises; the same for DDPG and ReenGAGE.

    Attributes:
        optimizer: a key of ``OPTIMIZERS``.
        tau: Polyak rate, the weight of the online parameter in each update of the target, in (0, 1].
        minibatch: transitions a step, drawn without replacement epoch by epoch; None for the full buffer.
        max_steps: budget of optimiser steps.
        loss_tolerance: a loss below this fraction of its starting value counts as 0.
        stationarity_tolerance: stationary where ‖∇loss‖ falls below this multiple of the loss: going one unit
            of length downhill would, to first order, change the loss by less than that fraction.
        reduced: use the construction's reduced residuals where it has them.
        mixed: descend in single precision as far as it goes, and finish in double precision, in which alone a trial is
            ever called converged or stationary. ``max_steps`` holds for each of the two.
    """

    optimizer: str = "nesterov"
    tau: float = 0.05
    minibatch: int | None = None
    max_steps: int = 20_000
    loss_tolerance: float = 1e-12
    stationarity_tolerance: float = 1e-5
    reduced: bool = True
    mixed: bool = False

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: {self.optimizer!r} is not one of {', '.join(OPTIMIZERS)}")
        if not 0 < self.tau <= 1:
            raise ValueError(f"tau: {self.tau!r} is not in (0, 1]")
        if self.minibatch is not None and self.minibatch < 1:
            raise ValueError(f"minibatch: {self.minibatch!r} is not an integer >= 1 or None")
        if self.max_steps < 1:
            raise ValueError(f"max_steps: {self.max_steps!r} is not an integer >= 1")
        for name in ("loss_tolerance", "stationarity_tolerance"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not in [0, 1)")


@dataclass(frozen=True)
class TrainingResult:
    """What B trials learned.

    Attributes:
        param: Ũ, (B, d, d), on the manifold.
        loss: the full-buffer loss where each trial stopped, (B,).
        outcome: an :class:`Outcome` value for each trial, (B,).
        steps: optimiser steps taken, (B,).
        start: which of the hypothesis class's starting points was kept, (B,).
        num_starts: how many starting points were used, (B,).
    """

    param: Float[Tensor, "b d d"]
    loss: Float[Tensor, " b"]
    outcome: Int[Tensor, " b"]
    steps: Int[Tensor, " b"]
    start: Int[Tensor, " b"]
    num_starts: Int[Tensor, " b"]


def train(
    construction: Construction,
    hypothesis_class: HypothesisClass,
    transitions: Transitions,
    initial_param: Float[Tensor, "b d d"],
    alpha: float,
    settings: DescentSettings,
    minibatch_seed: np.random.SeedSequence | None = None,
    value_weight: float = 1.0,
) -> TrainingResult:
    """Learn from B replay buffers; from each connected component once, keeping the lower loss.

    Args:
        construction: gives critic, actor and reward.
        hypothesis_class: where the parameter lives.
        transitions: B buffers of N ≥ 1 transitions.
        initial_param: Ũ and Ū at the start.
        alpha: weight of the goal-gradient term in (8); 0 is DDPG.
        settings: optimiser, budget and stopping rules.
        minibatch_seed: needed with minibatches. The order of rows is shared by the trials of a batch, whose
            rows are independent, so a trial's result does not depend on its company.
        value_weight: weight of the temporal-difference term; 0 leaves gradient matching alone.

    Raises:
        ValueError: if a buffer is empty, the minibatch does not suit the optimiser, or its seed is missing.
    """
    if transitions.num_transitions < 1:
        raise ValueError("transitions: 0 in a buffer; a learner needs at least 1")
    if settings.minibatch is not None:
        if OPTIMIZERS[settings.optimizer].needs_full_batch:
            raise ValueError(f"optimizer: {settings.optimizer!r} compares losses and needs the full batch")
        if minibatch_seed is None:
            raise ValueError("minibatch_seed: None, but minibatches are drawn at random")
    objective = make_objective(
        construction,
        transitions,
        alpha,
        minibatch=settings.minibatch is not None,
        reduced=settings.reduced,
        value_weight=value_weight,
    )
    best: TrainingResult | None = None
    for number, start in enumerate(hypothesis_class.starts(initial_param)):
        descend = _descend_mixed if settings.mixed else _descend
        result = descend(hypothesis_class, objective, start, number, settings, minibatch_seed)
        best = result if best is None else _lower_loss(best, result)
    assert best is not None  # every class has a component
    return best


def _lower_loss(first: TrainingResult, second: TrainingResult) -> TrainingResult:
    """Per trial, the result with the lower loss; a loss that is no number never wins over one that is."""
    take = second.loss.nan_to_num(nan=torch.inf) < first.loss.nan_to_num(nan=torch.inf)
    solved = (int(Outcome.CONVERGED), int(Outcome.AMBIGUOUS))
    both = torch.isin(first.outcome, torch.tensor(solved, device=take.device)) & (
        second.outcome == int(Outcome.CONVERGED)
    )
    outcome = torch.where(take, second.outcome, first.outcome)
    return TrainingResult(
        param=torch.where(take[:, None, None], second.param, first.param),
        loss=torch.where(take, second.loss, first.loss),
        outcome=torch.where(both, int(Outcome.AMBIGUOUS), outcome),
        steps=first.steps + second.steps,
        start=torch.where(take, second.start, first.start),
        num_starts=first.num_starts + second.num_starts,
    )


def _minibatches(
    num_transitions: int, minibatch: int, seed: np.random.SeedSequence, device: torch.device
) -> Iterator[Tensor]:
    """Endless epochs of row indices, each epoch a fresh permutation, incomplete last batches left out."""
    rng = np.random.default_rng(seed)
    size = min(minibatch, num_transitions)
    while True:
        order = torch.from_numpy(rng.permutation(num_transitions)).to(device)
        yield from order[: num_transitions - num_transitions % size].split(size)


def _descend_mixed(
    hypothesis_class: HypothesisClass,
    objective: Objective,
    start: Float[Tensor, "b d d"],
    start_number: int,
    settings: DescentSettings,
    minibatch_seed: np.random.SeedSequence | None,
) -> TrainingResult:
    """As :func:`_descend`, most of the way in single precision."""
    coarse = replace(
        settings,
        loss_tolerance=max(settings.loss_tolerance, _SINGLE_LOSS),
        stationarity_tolerance=max(settings.stationarity_tolerance, _SINGLE_STATIONARITY),
    )
    single = _descend(
        hypothesis_class,
        objective.to(torch.float32),
        start.float(),
        start_number,
        coarse,
        minibatch_seed,
        stall_after=_STALL_AFTER,
    )
    # What single precision could not compute, double precision does from the start.
    lost = (single.outcome == int(Outcome.DIVERGED))[:, None, None]
    reached = torch.where(lost, start, single.param.to(start.dtype))
    initial_loss, _ = objective.loss_and_gradient(start, start)
    finished = _descend(
        hypothesis_class,
        objective,
        hypothesis_class.project(reached),
        start_number,
        settings,
        minibatch_seed,
        initial_loss=initial_loss,
    )
    return replace(finished, steps=single.steps + finished.steps)


def _descend(
    hypothesis_class: HypothesisClass,
    objective: Objective,
    start: Float[Tensor, "b d d"],
    start_number: int,
    settings: DescentSettings,
    minibatch_seed: np.random.SeedSequence | None,
    *,
    initial_loss: Float[Tensor, " b"] | None = None,
    stall_after: int | None = None,
) -> TrainingResult:
    """One descent run for each trial, from one starting point each.

    ``initial_loss`` is what ``loss_tolerance`` is relative to; by default the loss at the starting point. With
    ``stall_after`` a trial also ends, not converged, where that many steps have not lowered its loss by 1 %.
    """
    batch_size = start.shape[0]
    device = start.device
    final_param = start.clone()
    final_loss = torch.full((batch_size,), torch.nan, dtype=start.dtype, device=device)
    final_outcome = torch.full((batch_size,), int(Outcome.NOT_CONVERGED), device=device)
    final_steps = torch.full((batch_size,), settings.max_steps, device=device)

    active = torch.arange(batch_size, device=device)
    param, target_param = start, start
    batches: Iterator[Tensor] | None = None
    if settings.minibatch is not None:
        assert minibatch_seed is not None
        batches = _minibatches(objective.num_transitions, settings.minibatch, minibatch_seed, device)
    optimizer = _make_optimizer(hypothesis_class, objective, param, settings, minibatch_seed)
    if initial_loss is None:
        initial_loss, _ = objective.loss_and_gradient(param, target_param)
    marked_loss = torch.full_like(initial_loss, torch.inf)

    def record(which: Tensor, outcome: Outcome, loss: Tensor, step: int) -> None:
        trials = active[which]
        final_param[trials] = param[which]
        final_loss[trials] = loss[which]
        final_outcome[trials] = int(outcome)
        final_steps[trials] = step

    def evaluate(rows: Tensor | None) -> tuple[Tensor, Tensor]:
        loss, euclidean = objective.loss_and_gradient(param, target_param, rows)
        return loss, hypothesis_class.tangent(param, euclidean)

    for step in range(settings.max_steps + 1):
        looking = step % _CHECK_EVERY == 0 or step == settings.max_steps
        if looking or batches is None:
            loss, gradient = evaluate(None)
        if looking:
            finite = loss.isfinite() & tangent_norm(gradient).isfinite()
            converged = finite & (loss <= settings.loss_tolerance * initial_loss)
            flat = tangent_norm(gradient) <= settings.stationarity_tolerance * loss
            stationary = finite & ~converged & flat
            stalled = torch.zeros_like(finite)
            if stall_after is not None and step % stall_after == 0:
                stalled = finite & ~converged & ~stationary & (loss > (1 - _STALL) * marked_loss)
                marked_loss = loss
            going = finite & ~converged & ~stationary & ~stalled
            last = step == settings.max_steps
            # The one question in ten steps that another device has to answer to the processor.
            if last or not bool(going.all()):
                record(converged, Outcome.CONVERGED, loss, step)
                record(stationary, Outcome.STATIONARY, loss, step)
                record(~finite, Outcome.DIVERGED, loss, step)
                record(stalled | going if last else stalled, Outcome.NOT_CONVERGED, loss, step)
                active, param, target_param = active[going], param[going], target_param[going]
                loss, gradient, initial_loss = loss[going], gradient[going], initial_loss[going]
                marked_loss = marked_loss[going]
                if last or len(active) == 0:
                    break
                objective = objective.trials(going)
                optimizer.trials(going)
        if batches is not None:
            loss, gradient = evaluate(next(batches))
        param = hypothesis_class.retract(param, optimizer.step(loss, gradient))
        if objective.depends_on_target:
            target_param = hypothesis_class.project((1 - settings.tau) * target_param + settings.tau * param)

    sound = final_param.isfinite().all(-1).all(-1)
    final_param[sound] = hypothesis_class.project(final_param[sound])
    return TrainingResult(
        param=final_param,
        loss=final_loss,
        outcome=final_outcome,
        steps=final_steps,
        start=torch.full((batch_size,), start_number, device=device),
        num_starts=torch.ones(batch_size, dtype=torch.int64, device=device),
    )


def _make_optimizer(
    hypothesis_class: HypothesisClass,
    objective: Objective,
    param: Float[Tensor, "b d d"],
    settings: DescentSettings,
    minibatch_seed: np.random.SeedSequence | None,
) -> Optimizer:
    """An optimiser whose steps suit the curvature of the losses, whatever the scale of the rewards."""

    def smoothness(rows: Tensor | None) -> Tensor:
        return estimate_smoothness(
            hypothesis_class,
            param,
            lambda at: hypothesis_class.tangent(at, objective.loss_and_gradient(at, param, rows)[1]),
        )

    curvature = smoothness(None)
    if settings.minibatch is not None:
        assert minibatch_seed is not None
        # A minibatch's loss is more curved than the buffer's; a step must suit the worst of them.
        batches = _minibatches(objective.num_transitions, settings.minibatch, minibatch_seed, param.device)
        for _ in range(_SMOOTHNESS_MINIBATCHES):
            curvature = torch.maximum(curvature, smoothness(next(batches)))
        # Momentum adds up the noise of 1/(1 - momentum) minibatches.
        curvature = curvature / (1 - OPTIMIZERS[settings.optimizer].momentum)
    return OPTIMIZERS[settings.optimizer](curvature, hypothesis_class.max_tangent_norm)
