"""A batch of critic losses as functions of the parameter, with their Euclidean gradients.

:class:`DifferentiatedObjective` works for every construction. :class:`ReducedObjective` is the fast path where
a construction states its reduced residuals; it makes one matrix product forward and one backward, without a
graph. That the two agree, in value and in gradient, is the paper's reduction; the tests hold it to 1e-10.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor
from typing_extensions import override

from toyenvs import algebra
from toyenvs.constructions.base import Construction
from toyenvs.learners.losses import reengage_loss
from toyenvs.learners.pieces import pieces
from toyenvs.replay import Transitions

__all__ = ["DifferentiatedObjective", "Objective", "ReducedObjective", "make_objective"]


class Objective(ABC):
    """B loss functions of one parameter each, on B replay buffers."""

    depends_on_target: bool
    """Whether the loss can change with the target parameter; if not, no target needs to be kept."""

    num_transitions: int
    """Number of rows of each buffer: its transitions, or (transition, goal) pairs where goals are relabelled."""

    @abstractmethod
    def loss_and_gradient(
        self,
        param: Float[Tensor, "b d d"],
        target_param: Float[Tensor, "b d d"],
        rows: Int[Tensor, " n"] | None = None,
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, "b d d"]]:
        """Loss and Euclidean gradient (target held fixed) of each trial.

        Args:
            param: Ũ.
            target_param: Ū.
            rows: the minibatch, as indices of transitions; None for the full buffer.
        """

    @abstractmethod
    def trials(self, keep: Tensor) -> Objective:
        """The objective of the trials where ``keep`` (B,) is true."""

    @abstractmethod
    def to(self, dtype: torch.dtype) -> Objective:
        """The same losses in another floating-point type."""


class DifferentiatedObjective(Objective):
    """The loss from the construction's formulas, its gradient by automatic differentiation."""

    depends_on_target = True

    def __init__(
        self, construction: Construction, transitions: Transitions, alpha: float, value_weight: float = 1.0
    ) -> None:
        self.construction = construction
        self.transitions = transitions
        self.alpha = alpha
        self.value_weight = value_weight
        self.num_transitions = transitions.num_rows

    @override
    def loss_and_gradient(
        self,
        param: Float[Tensor, "b d d"],
        target_param: Float[Tensor, "b d d"],
        rows: Int[Tensor, " n"] | None = None,
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, "b d d"]]:
        transitions = self.transitions if rows is None else self.transitions.rows(rows)
        leaf = param.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            loss = reengage_loss(
                self.construction, leaf, target_param.detach(), transitions, self.alpha, self.value_weight
            )
            (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        return loss.detach(), gradient

    @override
    def trials(self, keep: Tensor) -> DifferentiatedObjective:
        return DifferentiatedObjective(self.construction, self.transitions.trials(keep), self.alpha, self.value_weight)

    @override
    def to(self, dtype: torch.dtype) -> DifferentiatedObjective:
        transitions = self.transitions.to(self.transitions.action.device, dtype)
        return DifferentiatedObjective(self.construction, transitions, self.alpha, self.value_weight)


class ReducedObjective(Objective):
    """The loss of affine residuals e = Ũx − y (weights absorbed): v·mean (gᵀe)² + α·mean ‖e‖²/d.

    v, ``value_weight``, is 1 but for gradient matching alone. The gradient is (2/N) Σ [ v(gᵀe) g + (α/d) e ] xᵀ.
    Where goals have k < d coordinates, e and g have k as well: Ũ stands for its first k rows and d in these formulas
    for k; the gradient in the other rows is 0.
    """

    depends_on_target = False

    def __init__(
        self,
        inputs: Float[Tensor, "b n d"],
        outputs: Float[Tensor, "b n k"],
        goals: Float[Tensor, "b n k"],
        alpha: float,
        num_transitions: int,
        value_weight: float = 1.0,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.goals = goals
        self.alpha = alpha
        self.num_transitions = num_transitions
        self.value_weight = value_weight
        # DDPG meets the outputs through gᵀy only.
        self.responses = (goals * outputs).sum(-1)

    @classmethod
    def from_transitions(
        cls, construction: Construction, transitions: Transitions, alpha: float, value_weight: float = 1.0
    ) -> ReducedObjective | None:
        """Build the reduced objective, or None where the construction states no reduction."""
        reduced = construction.reduced_residuals(
            transitions.observation, transitions.action, transitions.next_observation
        )
        if reduced is None:
            return None
        return cls(
            algebra.scale(reduced.inputs, reduced.weight),
            algebra.scale(reduced.outputs, reduced.weight),
            transitions.desired_goal,
            alpha,
            transitions.num_rows,
            value_weight,
        )

    def without_uninformative_transitions(self) -> ReducedObjective:
        """Leave out the transitions of weight 0 (in every trial); the means still divide by all N."""
        informative = ((self.inputs != 0).any(-1) | (self.outputs != 0).any(-1)).any(0)
        if bool(informative.all()):
            return self
        return ReducedObjective(
            self.inputs[:, informative],
            self.outputs[:, informative],
            self.goals[:, informative],
            self.alpha,
            self.num_transitions,
            self.value_weight,
        )

    @override
    def loss_and_gradient(
        self,
        param: Float[Tensor, "b d d"],
        target_param: Float[Tensor, "b d d"],
        rows: Int[Tensor, " n"] | None = None,
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, "b d d"]]:
        inputs, goals, responses, outputs = self.inputs, self.goals, self.responses, self.outputs
        count = self.num_transitions
        if rows is not None:
            inputs, goals, responses, outputs = (x[:, rows] for x in (inputs, goals, responses, outputs))
            count = len(rows)
        goal_dim, dim = goals.shape[-1], param.shape[-1]
        visible = param[:, :goal_dim].mT
        loss = param.new_zeros(len(param))
        gradient = param.new_zeros((len(param), goal_dim, dim))
        workspace: Tensor | None = None
        for trials, some in pieces(*goals.shape, goals.device):
            if workspace is None:
                # The largest piece comes first; all of them use its memory, which stays in the cache.
                workspace = torch.empty_like(goals[trials, some])
            self._add_rows(
                workspace,
                loss[trials],
                gradient[trials],
                visible[trials],
                inputs[trials, some],
                goals[trials, some],
                responses[trials, some],
                outputs[trials, some] if self.alpha else None,
            )
        if goal_dim < dim:
            gradient = algebra.embed(gradient.mT, dim).mT
        return loss / count, gradient * (2 / count)

    def _add_rows(
        self,
        workspace: Float[Tensor, "c m k"],
        loss: Float[Tensor, " b"],
        gradient: Float[Tensor, "b k d"],
        visible: Float[Tensor, "b d k"],
        inputs: Float[Tensor, "b n d"],
        goals: Float[Tensor, "b n k"],
        responses: Float[Tensor, "b n"],
        outputs: Float[Tensor, "b n k"] | None,
    ) -> None:
        """Add the sums over some rows of some trials to ``loss`` and to half of ``gradient``, with few arrays."""
        predictions = torch.bmm(inputs, visible, out=workspace[: goals.shape[0], : goals.shape[1]])
        products = goals * predictions if outputs is not None else predictions.mul_(goals)
        scalar = products.sum(-1).sub_(responses)
        loss.add_(torch.linalg.vecdot(scalar, scalar), alpha=self.value_weight)
        scalar *= self.value_weight
        coefficients = torch.mul(scalar[..., None], goals, out=products)
        if outputs is not None:
            share = self.alpha / goals.shape[-1]
            residual = predictions.sub_(outputs)
            flat = residual.flatten(-2)
            loss.add_(torch.linalg.vecdot(flat, flat), alpha=share)
            coefficients.add_(residual, alpha=share)
        gradient.baddbmm_(coefficients.mT, inputs)

    @override
    def trials(self, keep: Tensor) -> ReducedObjective:
        return ReducedObjective(
            self.inputs[keep],
            self.outputs[keep],
            self.goals[keep],
            self.alpha,
            self.num_transitions,
            self.value_weight,
        )

    @override
    def to(self, dtype: torch.dtype) -> ReducedObjective:
        return ReducedObjective(
            self.inputs.to(dtype),
            self.outputs.to(dtype),
            self.goals.to(dtype),
            self.alpha,
            self.num_transitions,
            self.value_weight,
        )


def make_objective(
    construction: Construction,
    transitions: Transitions,
    alpha: float,
    *,
    minibatch: bool,
    reduced: bool = True,
    value_weight: float = 1.0,
) -> Objective:
    """The fastest objective that a construction allows.

    Args:
        construction: whose formulas make the loss.
        transitions: the replay buffers.
        alpha: weight of the goal-gradient term; 0 is DDPG.
        minibatch: whether rows will be sampled; then transitions that say nothing keep their places.
        reduced: False insists on automatic differentiation.
        value_weight: weight of the temporal-difference term; 0 leaves gradient matching alone.
    """
    objective = ReducedObjective.from_transitions(construction, transitions, alpha, value_weight) if reduced else None
    if objective is None:
        return DifferentiatedObjective(construction, transitions, alpha, value_weight)
    return objective if minibatch else objective.without_uninformative_transitions()
