"""The equations of a replay buffer as one linear least-squares problem for each trial.

Both losses are quadratic in the parameter before the hypothesis class is taken into account: with v = vec(PŨ), the
rows of the part of Ũ that goals see, one after the other,

    value_weight · mean (gᵀe)² + gradient_weight · mean ‖e‖²/k = ‖Av − b‖² + c,    e = w(PŨx − y).

A value row is w(g ⊗ x)ᵀ, the gradient rows of a transition are w(I_k ⊗ xᵀ). More than k·d rows are compressed by
orthogonal transformations, which leave the loss what it is: A then has at most k·d rows, and c is what no parameter
can explain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from toyenvs import algebra
from toyenvs.constructions.base import Construction
from toyenvs.learners.descent import Outcome, TrainingResult
from toyenvs.replay import Transitions

__all__ = ["RANK_TOLERANCE", "Equations", "answer", "numbers_a_trial", "numerical_rank", "typical_loss"]

_BLOCK = 4
"""Rows that are compressed at a time, in multiples of the number of columns."""

RANK_TOLERANCE = 1e-10
"""Singular values below this fraction of the largest count as 0: far above rounding, far below generic data's."""


@dataclass(frozen=True)
class Equations:
    """B quadratic losses ‖A vec(PŨ) − b‖² + c.

    Attributes:
        matrix: A, (B, m, k·d) with m ≤ k·d.
        right_side: b, (B, m).
        constant: c ≥ 0, (B,).
        moment: Σ w² y xᵀ, (B, k, d): what Procrustes' problem is about.
        input_gram: Σ w² x xᵀ, (B, d, d).
        goal_dim: k, the number of rows of the parameter that goals see.
        has_gradients: whether the gradient term has a weight.
    """

    matrix: Float[Tensor, "b m kd"]
    right_side: Float[Tensor, "b m"]
    constant: Float[Tensor, " b"]
    moment: Float[Tensor, "b k d"]
    input_gram: Float[Tensor, "b d d"]
    goal_dim: int
    has_gradients: bool

    @classmethod
    def from_transitions(
        cls, construction: Construction, transitions: Transitions, value_weight: float, gradient_weight: float
    ) -> Equations:
        """Write the equations down.

        Args:
            construction: one with reduced residuals.
            transitions: B buffers of one or more rows.
            value_weight: of the temporal-difference term.
            gradient_weight: of the goal-gradient term; it multiplies a mean over goal coordinates.

        Raises:
            ValueError: if the construction has no reduced residuals, a buffer is empty, or the weights are not
                nonnegative with a positive sum.
        """
        if not (value_weight >= 0 and gradient_weight >= 0 and 0 < value_weight + gradient_weight < float("inf")):
            raise ValueError(
                f"value_weight, gradient_weight: {value_weight!r}, {gradient_weight!r} are not both >= 0 with a "
                "positive, finite sum"
            )
        count = transitions.action.shape[-2]
        if count < 1:
            raise ValueError("transitions: 0 in a buffer; a global solver needs at least 1")
        reduced = construction.reduced_residuals(
            transitions.observation, transitions.action, transitions.next_observation
        )
        if reduced is None:
            raise ValueError(f"construction: {construction.name!r} has no reduced residuals, which global solvers need")
        inputs = algebra.scale(reduced.inputs, reduced.weight)
        outputs = algebra.scale(reduced.outputs, reduced.weight)
        goals = transitions.desired_goal
        # Transitions of weight 0 would be rows of zeros.
        informative = ((inputs != 0).any(-1) | (outputs != 0).any(-1)).any(0)
        inputs, outputs, goals = inputs[:, informative], outputs[:, informative], goals[:, informative]
        goal_dim, dim = outputs.shape[-1], inputs.shape[-1]

        parts: list[tuple[Tensor, Tensor]] = []
        constant = torch.zeros_like(inputs[:, 0, 0]) if inputs.shape[1] else inputs.new_zeros(inputs.shape[0])
        if value_weight:
            scale = (value_weight / count) ** 0.5
            value_matrix, value_side, rest = _value_rows(scale * inputs, scale * outputs, goals)
            parts.append((value_matrix, value_side))
            constant = constant + rest
        if gradient_weight:
            scale = (gradient_weight / (count * goal_dim)) ** 0.5
            # ‖XŨᵀ − Y‖² with X = QR is ‖RŨᵀ − QᵀY‖² and what lies outside the columns of Q.
            triangle, images, rest = _compressed(scale * inputs, scale * outputs)
            unit = torch.eye(goal_dim, dtype=inputs.dtype, device=inputs.device)
            rows = unit[:, None, :, None] * triangle[:, None, :, None, :]
            parts.append((rows.flatten(-2).flatten(1, 2), images.mT.flatten(1)))
            constant = constant + rest
        matrix, right_side = (torch.cat([part[i] for part in parts], 1) for i in (0, 1))
        if matrix.shape[1] > goal_dim * dim:
            matrix, columns, rest = _compressed(matrix, right_side[..., None])
            right_side, constant = columns[..., 0], constant + rest
        return cls(matrix, right_side, constant, outputs.mT @ inputs, inputs.mT @ inputs, goal_dim, gradient_weight > 0)

    @property
    def batch_size(self) -> int:
        """B."""
        return self.matrix.shape[0]

    def trials(self, index: Tensor) -> Equations:
        """The equations of the given trials; a trial may come several times."""
        return Equations(
            self.matrix[index],
            self.right_side[index],
            self.constant[index],
            self.moment[index],
            self.input_gram[index],
            self.goal_dim,
            self.has_gradients,
        )

    def seen(self, param: Float[Tensor, "*b d d"]) -> Float[Tensor, "*b k d"]:
        """The rows of a parameter that goals see."""
        return param[..., : self.goal_dim, :]

    def residual(self, param: Float[Tensor, "b d d"]) -> Float[Tensor, "b m"]:
        """Av − b."""
        return (self.matrix @ self.seen(param).flatten(-2)[..., None])[..., 0] - self.right_side

    def loss(self, param: Float[Tensor, "b d d"]) -> Float[Tensor, " b"]:
        """‖Av − b‖² + c."""
        return self.residual(param).square().sum(-1) + self.constant

    def jacobian(self, basis: Float[Tensor, "b M d d"]) -> Float[Tensor, "b m M"]:
        """Derivatives of the residual along ambient matrices."""
        return self.matrix @ self.seen(basis).flatten(-2).mT


def _value_rows(
    inputs: Float[Tensor, "b n d"], outputs: Float[Tensor, "b n k"], goals: Float[Tensor, "b n k"]
) -> tuple[Float[Tensor, "b m kd"], Float[Tensor, "b m"], Float[Tensor, " b"]]:
    """The rows g ⊗ x with right sides gᵀy, and the constant that compressing them leaves.

    Long buffers are written down and compressed block by block: n rows of k·d numbers each would not fit in memory.
    """
    columns = goals.shape[-1] * inputs.shape[-1]
    matrix, side, constant = None, None, inputs.new_zeros(inputs.shape[0])
    for x, y, g in zip(*(part.split(_BLOCK * columns, 1) for part in (inputs, outputs, goals)), strict=True):
        rows, scalars = (g[..., :, None] * x[..., None, :]).flatten(-2), (g * y).sum(-1)
        if matrix is None or side is None:
            matrix, side = rows, scalars
        else:
            matrix, side = torch.cat([matrix, rows], 1), torch.cat([side, scalars], 1)
            matrix, compressed, rest = _compressed(matrix, side[..., None])
            side, constant = compressed[..., 0], constant + rest
    assert matrix is not None
    assert side is not None  # split gives at least one block
    return matrix, side, constant


def _compressed(
    matrix: Float[Tensor, "b m n"], right_side: Float[Tensor, "b m r"]
) -> tuple[Float[Tensor, "b q n"], Float[Tensor, "b q r"], Float[Tensor, " b"]]:
    """At most n rows with the same ‖Mz − R‖² but for a constant, and the constant."""
    rows, columns = matrix.shape[-2:]
    if rows <= columns:
        return matrix, right_side, matrix.new_zeros(matrix.shape[0])
    triangle = torch.linalg.qr(torch.cat([matrix, right_side], -1), mode="r").R
    rest = triangle[:, columns:, columns:].square().sum((-2, -1))
    return triangle[:, :columns, :columns], triangle[:, :columns, columns:], rest


def numbers_a_trial(dim: int, goal_dim: int, rows: int, *, has_values: bool, has_gradients: bool) -> int:
    """Numbers in the largest array that writing one trial's equations down takes, before they are compressed.

    Args:
        dim: d.
        goal_dim: k.
        rows: n ≥ 1 of its buffer.
        has_values: whether the temporal-difference term has a weight.
        has_gradients: whether the goal-gradient term has one.
    """
    columns = goal_dim * dim
    values = min(rows, (_BLOCK + 1) * columns) if has_values else 0
    gradients = goal_dim * min(rows, dim) if has_gradients else 0
    return max(values, min(values, columns) + gradients) * columns


def typical_loss(
    equations: Equations, starting_points: Callable[[int], Float[Tensor, "b d d"]], count: int = 4
) -> Float[Tensor, " b"]:
    """The mean loss at a trial's first starting points: what a loss is compared with before it is called zero."""
    return torch.stack([equations.loss(starting_points(r)) for r in range(count)]).mean(0)


def numerical_rank(singular_values: Float[Tensor, "b r"]) -> Int[Tensor, " b"]:
    """How many singular values exceed ``RANK_TOLERANCE`` times the largest."""
    if singular_values.shape[-1] == 0:
        return torch.zeros(singular_values.shape[0], dtype=torch.int64, device=singular_values.device)
    return (singular_values > RANK_TOLERANCE * singular_values.amax(-1, keepdim=True)).sum(-1)


def answer(
    param: Float[Tensor, "b d d"], loss: Float[Tensor, " b"], zero: Bool[Tensor, " b"], unique: Bool[Tensor, " b"]
) -> TrainingResult:
    """What a direct solver found, from no starting point in particular.

    Args:
        param: the lowest point.
        loss: there.
        zero: whether the equations are solved.
        unique: whether the data leave no other point as low.
    """
    outcome = torch.where(zero, int(Outcome.CONVERGED), int(Outcome.STATIONARY))
    ones = torch.ones_like(outcome)
    return TrainingResult(
        param=param,
        loss=loss,
        outcome=torch.where(unique, outcome, int(Outcome.AMBIGUOUS)),
        steps=ones,
        start=torch.zeros_like(outcome),
        num_starts=ones,
    )
