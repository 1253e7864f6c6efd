"""Global solvers, by name: what the best possible optimiser of a loss would find.

A learner of :mod:`toyenvs.learners` descends from one start. A global solver looks for *all* zeros of the same loss,
and reports ``ambiguous`` when it has found two: hitting the true parameter while another zero exists is luck, not
identification. Like a learner it sees transitions, never the true parameter.

* ``global-solver``  over the hypothesis class: exactly where there is an exact method (Procrustes, rank, enumeration),
  else by restarts of a second-order method;
* ``least-squares``  over all matrices;
* ``relaxation``     over the convex hull of the orthogonal matrices.
"""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from toyenvs.constructions.base import Construction
from toyenvs.hypothesis_classes import HypothesisClass, Orthogonal, SpecialOrthogonal
from toyenvs.hypothesis_classes.permutation import LARGEST_LISTED
from toyenvs.learners.descent import TrainingResult
from toyenvs.learners.global_solvers.equations import Equations, answer, typical_loss
from toyenvs.learners.global_solvers.finite import assign, enumerate_members
from toyenvs.learners.global_solvers.linear import all_matrices, on_affine_class
from toyenvs.learners.global_solvers.procrustes import procrustes
from toyenvs.learners.global_solvers.relaxation import relax
from toyenvs.learners.global_solvers.restarts import solve_with_restarts
from toyenvs.learners.global_solvers.settings import GlobalSolverSettings
from toyenvs.replay import Transitions

__all__ = ["GLOBAL_SOLVERS", "GlobalSolverSettings", "StartingPoints", "solve_globally"]

StartingPoints = Callable[[int], Tensor]
"""The r-th random start of every trial, (B, d, d), r = 0, 1, …; the same whenever it is asked for."""


def solve_globally(
    method: str,
    construction: Construction,
    hypothesis_class: HypothesisClass,
    transitions: Transitions,
    starting_points: Callable[[int], Float[Tensor, "b d d"]],
    *,
    value_weight: float,
    gradient_weight: float,
    settings: GlobalSolverSettings,
) -> TrainingResult:
    """Find the parameters that minimise the loss of each of B replay buffers.

    Args:
        method: a key of ``GLOBAL_SOLVERS``.
        construction: one with reduced residuals.
        hypothesis_class: where the parameter lives.
        transitions: B buffers of N ≥ 1 transitions.
        starting_points: the r-th random start of every trial, a member of the class.
        value_weight: weight of the temporal-difference term.
        gradient_weight: weight α of the goal-gradient term in (8); 0 is DDPG.
        settings: budget and tolerances.

    Returns:
        For each trial ``converged`` (one zero, and no sign of another), ``ambiguous`` (several), ``stationary`` (no
        zero, the lowest point found) or ``not_converged``, with the first zero found, or the lowest point.

    Raises:
        ValueError: if the method, the construction or the weights do not suit, or a buffer is empty.
    """
    if method not in GLOBAL_SOLVERS:
        raise ValueError(f"method: {method!r} is not one of {', '.join(GLOBAL_SOLVERS)}")
    equations = Equations.from_transitions(construction, transitions, value_weight, gradient_weight)
    return GLOBAL_SOLVERS[method](hypothesis_class, equations, starting_points, value_weight, settings)


def _on_the_class(
    hypothesis_class: HypothesisClass,
    equations: Equations,
    starting_points: StartingPoints,
    value_weight: float,
    settings: GlobalSolverSettings,
) -> TrainingResult:
    reference, typical = starting_points(0), typical_loss(equations, starting_points)
    dim, tolerance = reference.shape[-1], settings.loss_tolerance
    if hypothesis_class.finite:
        if dim <= LARGEST_LISTED:
            members = hypothesis_class.members(dim).to(reference)
            return enumerate_members(members, equations, typical, tolerance)
        if not equations.has_gradients:
            raise ValueError(f"dim: {dim} > {LARGEST_LISTED}, too many {hypothesis_class.name!r} to try them all")
        return assign(equations, reference, typical, tolerance, value_weight=value_weight)
    if hypothesis_class.affine:
        return on_affine_class(hypothesis_class, equations, reference, typical, tolerance)
    whole_group = type(hypothesis_class) in (SpecialOrthogonal, Orthogonal)
    if whole_group and equations.has_gradients and equations.goal_dim == dim:
        return _with_procrustes(hypothesis_class, equations, starting_points, typical, value_weight, settings)
    return solve_with_restarts(hypothesis_class, equations, starting_points, typical, settings)


def _with_procrustes(
    hypothesis_class: HypothesisClass,
    equations: Equations,
    starting_points: StartingPoints,
    typical: Float[Tensor, " b"],
    value_weight: float,
    settings: GlobalSolverSettings,
) -> TrainingResult:
    """Every zero of the whole loss is one of the gradient term, and there the value term is 0 as well."""
    param, unique = procrustes(equations.moment, rotations=isinstance(hypothesis_class, SpecialOrthogonal))
    loss = equations.loss(param)
    zero = loss <= settings.loss_tolerance * typical
    result = answer(param, loss, zero, unique)
    noisy = ~zero
    if not value_weight or not bool(noisy.any()):
        return result
    # Without a zero the two terms have different minimisers, and Procrustes' is a good place to start from.
    rest = solve_with_restarts(
        hypothesis_class,
        equations.trials(noisy),
        lambda number: starting_points(number)[noisy],
        typical[noisy],
        settings,
        first=param[noisy],
    )
    for name, values in vars(rest).items():
        getattr(result, name)[noisy] = values
    return result


def _least_squares(
    hypothesis_class: HypothesisClass,
    equations: Equations,
    starting_points: StartingPoints,
    value_weight: float,
    settings: GlobalSolverSettings,
) -> TrainingResult:
    typical = typical_loss(equations, starting_points)
    return all_matrices(equations, starting_points(0), typical, settings.loss_tolerance)


def _relaxation(
    hypothesis_class: HypothesisClass,
    equations: Equations,
    starting_points: StartingPoints,
    value_weight: float,
    settings: GlobalSolverSettings,
) -> TrainingResult:
    if not hypothesis_class.orthogonal:
        raise ValueError(f"group: {hypothesis_class.name!r} has members that are not orthogonal; relaxed is UᵀU = I")
    typical = typical_loss(equations, starting_points)
    return relax(equations, starting_points(0), typical, settings.loss_tolerance, settings.max_steps)


_Method = Callable[[HypothesisClass, Equations, StartingPoints, float, GlobalSolverSettings], TrainingResult]

GLOBAL_SOLVERS: dict[str, _Method] = {
    "global-solver": _on_the_class,
    "least-squares": _least_squares,
    "relaxation": _relaxation,
}
"""The methods by their name on the command line."""
