"""Riemannian first-order optimisers for batches of independent problems.

State and steps are left-trivialised tangent vectors (see :mod:`toyenvs.hypothesis_classes`), so velocities are
carried from point to point without transport. Each optimiser is a small state machine: given losses and
Riemannian gradients at the current points it returns the tangent vectors to move along. It never sees data.

The optimiser is part of every measured threshold: different ones fall into different local minima.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from toyenvs.hypothesis_classes import HypothesisClass

__all__ = ["OPTIMIZERS", "HeavyBall", "Nesterov", "Optimizer", "estimate_smoothness"]

_MARGIN = 1.3
"""The first step length is 1/(margin × estimated smoothness): the estimate is from below."""


def _per_trial(values: Float[Tensor, " b"]) -> Float[Tensor, "b 1 1"]:
    return values[:, None, None]


def tangent_norm(tangent: Float[Tensor, "b d d"]) -> Float[Tensor, " b"]:
    """Frobenius norm of each trial's tangent vector."""
    return torch.linalg.vector_norm(tangent, dim=(-2, -1))


class Optimizer(ABC):
    """A batch of optimiser states.

    Args:
        smoothness: (B,), an estimate of the largest curvature of each loss.
        max_tangent_norm: longest step that the retraction accepts; longer ones are cut to it.
    """

    needs_full_batch: bool
    """Whether the rule compares successive losses, which minibatch noise would spoil."""

    momentum: float = 0.0
    """Weight of the last step in the next one, where it is constant."""

    def __init__(self, smoothness: Float[Tensor, " b"], max_tangent_norm: float) -> None:
        self.step_size = 1 / (_MARGIN * smoothness)
        self.max_tangent_norm = max_tangent_norm

    @abstractmethod
    def step(self, loss: Float[Tensor, " b"], gradient: Float[Tensor, "b d d"]) -> Float[Tensor, "b d d"]:
        """Take in loss and gradient at the current points; return the tangent vectors to move along."""

    def trials(self, keep: Bool[Tensor, " b"]) -> None:
        """Forget the trials where ``keep`` is false."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value[keep])

    def _cut(self, tangent: Float[Tensor, "b d d"]) -> Float[Tensor, "b d d"]:
        """Shorten, in place."""
        factor = (self.max_tangent_norm / tangent_norm(tangent)).clamp(max=1)
        return tangent.mul_(_per_trial(factor))


class HeavyBall(Optimizer):
    """Gradient descent with constant momentum (Polyak 1964); momentum 0 is gradient descent."""

    needs_full_batch = False
    momentum = 0.9

    def __init__(self, smoothness: Float[Tensor, " b"], max_tangent_norm: float) -> None:
        super().__init__(smoothness, max_tangent_norm)
        self.velocity: Tensor | float = 0.0

    @override
    def step(self, loss: Float[Tensor, " b"], gradient: Float[Tensor, "b d d"]) -> Float[Tensor, "b d d"]:
        self.velocity = self._cut(self.momentum * self.velocity - _per_trial(self.step_size) * gradient)
        return self.velocity


class GradientDescent(HeavyBall):
    """Plain Riemannian gradient descent with constant step 1/smoothness."""

    momentum = 0.0


class Nesterov(Optimizer):
    """Nesterov's accelerated gradient with adaptive restart, per trial.

    Momentum grows as k/(k+3) since the last restart; the velocity is dropped when it points uphill (O'Donoghue
    & Candès, Found. Comput. Math. 2015, the gradient scheme). A step without momentum that raises the loss
    shows that the step length was too long for the curvature: it is halved.
    """

    needs_full_batch = True

    def __init__(self, smoothness: Float[Tensor, " b"], max_tangent_norm: float) -> None:
        super().__init__(smoothness, max_tangent_norm)
        self.since_restart = torch.zeros_like(smoothness)
        self.previous_loss = torch.full_like(smoothness, torch.inf)
        self.velocity: Tensor | None = None

    @override
    def step(self, loss: Float[Tensor, " b"], gradient: Float[Tensor, "b d d"]) -> Float[Tensor, "b d d"]:
        velocity = torch.zeros_like(gradient) if self.velocity is None else self.velocity
        # By more than rounding: single precision would halve the step at every shallow place.
        rounding = 8 * torch.finfo(loss.dtype).eps
        overshot = (self.since_restart == 0) & (loss > (1 + rounding) * self.previous_loss)
        self.step_size = torch.where(overshot, self.step_size / 2, self.step_size)
        self.previous_loss = loss
        uphill = ((velocity * gradient).sum((-2, -1)) > 0) | overshot
        self.since_restart = torch.where(uphill, 0.0, self.since_restart + 1)
        momentum = torch.where(uphill, 0.0, self.since_restart / (self.since_restart + 3))
        descent = _per_trial(self.step_size) * gradient
        velocity = self._cut((_per_trial(momentum) * velocity).sub_(descent))
        self.velocity = velocity
        return self._cut((_per_trial(momentum) * velocity).sub_(descent))


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "nesterov": Nesterov,
    "heavy-ball": HeavyBall,
    "gradient": GradientDescent,
}
"""The optimisers by their name on the command line."""


def estimate_smoothness(
    hypothesis_class: HypothesisClass,
    param: Float[Tensor, "b d d"],
    gradient: Callable[[Float[Tensor, "b d d"]], Float[Tensor, "b d d"]],
    iterations: int = 12,
) -> Float[Tensor, " b"]:
    """Largest absolute curvature of each loss at ``param``, by power iteration on difference quotients.

    Args:
        hypothesis_class: whose retraction moves the parameter.
        param: where to measure.
        gradient: the Riemannian gradient as a function of the parameter.
        iterations: power iterations; each costs one gradient.

    Returns:
        An estimate from below, positive.
    """
    span = 1e-4
    tiny = torch.finfo(param.dtype).tiny
    here = gradient(param)
    direction = here
    curvature = torch.zeros_like(here[:, 0, 0])
    for _ in range(iterations):
        direction = direction / _per_trial(tangent_norm(direction).clamp_min(tiny))
        there = gradient(hypothesis_class.retract(param, span * direction))
        direction = (there - here) / span
        curvature = torch.maximum(curvature, tangent_norm(direction))
    return curvature.clamp_min(tiny)
