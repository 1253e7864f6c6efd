"""What is checked of a construction on one problem; :mod:`proofs_check.testing.assertions` reports what fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from proofs_check.testing.comparison import (
    MismatchError,
    assert_close,
    describe,
    first_excess,
    largest,
    pair,
    vector,
)
from proofs_check.testing.finite_differences import autodiff_gradient
from proofs_check.testing.problems import Problem
from proofs_check.testing.shapes import check_reduction_shapes
from toyenvs import algebra
from toyenvs.constructions.base import Construction, points_in_ball
from toyenvs.learners import losses
from toyenvs.learners.objective import DifferentiatedObjective, ReducedObjective, make_objective

__all__ = [
    "BETTER_ACTION",
    "TRUTH",
    "check_bellman",
    "check_better_actions",
    "check_length",
    "check_reduction",
    "check_return",
    "other_actions",
    "rollout_return",
]

BETTER_ACTION = "optimality of the policy"
TRUTH = "Bellman residual at the truth"


def check_reduction(problem: Problem, alphas: Sequence[float], rtol: float) -> None:
    """Compare ``reduced_residuals`` with automatic differentiation of the temporal-difference error.

    Raises:
        MismatchError: if they differ.
        ValueError: if the construction states no reduction, or one of the wrong shape.
    """
    construction, transitions = problem.construction, problem.transitions
    online_param, target_param = problem.online_param, problem.target_param
    observation, action, next_observation = transitions.observation, transitions.action, transitions.next_observation
    reduced = construction.reduced_residuals(observation, action, next_observation)
    if reduced is None:
        raise ValueError(
            f"construction: {describe(construction)} states no reduction (reduced_residuals returned None), "
            "so there is nothing to compare; its learners differentiate the formulas"
        )
    check_reduction_shapes(construction, reduced, transitions)
    shared = online_param[:, None]
    target = losses.bootstrapped_target(construction, target_param[:, None], next_observation, transitions.desired_goal)
    value = construction.q_value(shared, observation, action, transitions.desired_goal)
    value_gradient = autodiff_gradient(
        lambda goal: construction.q_value(shared, observation, action, goal), transitions.desired_goal
    )
    value_scale, gradient_scale = largest(value, target), largest(value_gradient)

    assert_close(
        "Bellman residual",
        (),
        ("reduced", reduced.bellman_residual(shared, transitions.desired_goal)),
        ("differentiated", losses.bellman_residual(construction, online_param, target_param, transitions)),
        rtol * value_scale,
    )
    _require_paths(problem, target_param, param=True)
    assert_close(
        "goal gradient of the Bellman residual",
        ("goal coordinate",),
        ("reduced", reduced.goal_gradient_residual(shared)),
        ("differentiated", losses.goal_gradient_residual(construction, online_param, target_param, transitions)),
        rtol * gradient_scale,
    )
    assert_close(
        "parameter gradient of the squared Bellman residual",
        ("row", "column"),
        (
            "reduced",
            _parameter_gradient(lambda p: reduced.bellman_residual(p[:, None], transitions.desired_goal), online_param),
        ),
        (
            "differentiated",
            _parameter_gradient(
                lambda p: losses.bellman_residual(construction, p, target_param, transitions), online_param
            ),
        ),
        rtol * transitions.num_transitions * value_scale**2,
    )
    for alpha in alphas:
        # As learners build them: with the uninformative transitions left out of the reduced one.
        fast = make_objective(construction, transitions, alpha, minibatch=False)
        if not isinstance(fast, ReducedObjective):
            raise AssertionError(f"learners of {describe(construction)} do not use its reduction")
        slow = DifferentiatedObjective(construction, transitions, alpha)
        fast_loss, fast_gradient = fast.loss_and_gradient(online_param, target_param)
        slow_loss, slow_gradient = slow.loss_and_gradient(online_param, target_param)
        allowed = rtol * (value_scale**2 + alpha * gradient_scale**2)
        loss = f"loss (alpha = {alpha})"
        assert_close(loss, (), ("reduced", fast_loss), ("differentiated", slow_loss), allowed)
        assert_close(
            f"parameter gradient of the {loss}",
            ("row", "column"),
            ("reduced", fast_gradient),
            ("differentiated", slow_gradient),
            allowed,
        )


def _leaf(values: Tensor) -> Tensor:
    return values.detach().clone().requires_grad_(True)


def _require_paths(problem: Problem, target_param: Tensor, *, param: bool) -> None:
    """There is something to differentiate: the temporal-difference error is a function of the goal, and of Ũ."""
    goal, online_param = problem.transitions.desired_goal, problem.online_param
    paths = [("goal", "q_value, reward and policy", online_param, _leaf(goal))]
    if param:
        paths.append(("parameter", "q_value", _leaf(online_param), goal))
    for name, formulas, at_param, at_goal in paths:
        residual = losses.bellman_residual(problem.construction, at_param, target_param, problem.transitions, at_goal)
        if not residual.requires_grad:
            raise ValueError(
                f"{formulas} of {describe(problem.construction)}: no derivative with respect to the {name}; "
                f"the {name} is not used, or a detach or no_grad hides it"
            )


def _parameter_gradient(
    residual: Callable[[Tensor], Tensor], online_param: Float[Tensor, "b d d"]
) -> Float[Tensor, "b d d"]:
    """Gradient of the sum of squares, by automatic differentiation; 0 where nothing depends on the parameter."""
    leaf = _leaf(online_param)
    total = residual(leaf).square().sum()
    if not total.requires_grad:
        return torch.zeros_like(online_param)
    (gradient,) = torch.autograd.grad(total, leaf)
    return gradient


def check_bellman(problem: Problem, any_target: bool, num_actions: int, seed: int, rtol: float) -> None:
    """Policy in the ball, no better action, the Bellman equation, and no error at the truth.

    Raises:
        MismatchError: naming the first of these that fails.
    """
    construction, transitions, true_param = problem.construction, problem.transitions, problem.true_param
    shared = true_param[:, None]
    goal, state = transitions.desired_goal, transitions.next_observation
    best = construction.q_value(shared, state, construction.policy(shared, state, goal), goal)
    value = construction.q_value(shared, transitions.observation, transitions.action, goal)
    scale = largest(value, best, transitions.reward)

    check_length(problem)
    check_better_actions(problem, num_actions, seed, rtol * scale)
    assert_close(
        "Bellman optimality equation",
        (),
        ("Q*(s, a, g) is", value),
        ("R(s', g) + γ Q*(s', π*(s', g), g) is", construction.reward(state, goal) + construction.discount * best),
        rtol * scale,
    )
    target_param = problem.target_param if any_target else true_param
    residual = losses.bellman_residual(construction, true_param, target_param, transitions)
    assert_close(
        TRUTH,
        (),
        ("it is", residual),
        ("it should be", torch.zeros_like(residual)),
        rtol * scale,
    )
    _require_paths(problem, target_param, param=False)
    value_gradient = autodiff_gradient(
        lambda leaf: construction.q_value(shared, transitions.observation, transitions.action, leaf), goal
    )
    gradient = losses.goal_gradient_residual(construction, true_param, target_param, transitions)
    assert_close(
        f"goal gradient of the {TRUTH}",
        ("goal coordinate",),
        ("it is", gradient),
        ("it should be", torch.zeros_like(gradient)),
        rtol * largest(value_gradient),
    )


def check_length(problem: Problem) -> None:
    """The policy's actions at the next states are in the unit ball."""
    state, goal = problem.transitions.next_observation, problem.transitions.desired_goal
    length = algebra.norm(problem.construction.policy(problem.true_param[:, None], state, goal))
    assert_close(
        "length of the policy's action",
        (),
        ("it is", length),
        ("in the unit ball it is at most", length.clamp(max=1)),
        torch.full_like(length[:, 0], 1e-12),
    )


def other_actions(action: Float[Tensor, "b N d"], num_actions: int, seed: int) -> Float[Tensor, "k b N d"]:
    """Actions to try in place of the given ones: ``num_actions`` from all over the ball, as many from near by."""
    shape = action.shape
    rng = np.random.default_rng(seed)
    count = math.prod(shape[:-1])
    others: list[Tensor] = []
    for _ in range(num_actions):
        others.append(torch.from_numpy(points_in_ball(rng, count, shape[-1])).reshape(shape))
        radius = 10 ** rng.uniform(-3, -0.5)
        moved = action + radius * torch.from_numpy(points_in_ball(rng, count, shape[-1])).reshape(shape)
        # Not longer than 1, by a margin over rounding: an action outside the ball may well be better.
        others.append(algebra.scale(moved, 1 / (algebra.norm(moved) * (1 + 1e-15)).clamp_min(1)))
    return torch.stack(others)


def check_better_actions(
    problem: Problem, num_actions: int, seed: int, allowed: Float[Tensor, " b"], *, rollout: bool = False
) -> None:
    """At the next states no action that is tried is better than the policy's.

    Args:
        problem: whose transitions' next states.
        num_actions: how many random and how many displaced actions are tried a state.
        seed: of those actions.
        allowed: by how much one may be better, in each trial.
        rollout: whether actions are rated by following them with the policy, instead of by ``q_value``.

    Raises:
        MismatchError: with both actions and what each is worth.
    """
    construction, transitions = problem.construction, problem.transitions
    shared = problem.true_param[:, None]
    state, goal = transitions.next_observation, transitions.desired_goal
    best_action = construction.policy(shared, state, goal)
    others = other_actions(best_action, num_actions, seed)
    count = len(others)

    def rate(action: Tensor) -> Tensor:
        # Actions lie next to transitions: formulas know no other leading axes than trial and transition.
        copies = action.shape[1] // goal.shape[1]
        states, goals = state.repeat(1, copies, 1), goal.repeat(1, copies, 1)
        if rollout:
            return rollout_return(construction, shared, states, action, goals)
        return construction.q_value(shared, states, action, goals)

    best = rate(best_action)
    worth = rate(others.movedim(0, 1).flatten(1, 2)).unflatten(1, (count, -1))
    index = first_excess(worth - best[:, None] - allowed[:, None, None])
    if index is not None:
        trial, which, transition = index
        texts = pair(float(worth[index]), float(best[trial, transition]))
        by = "the return" if rollout else "Q*(s', a, g)"
        raise MismatchError(
            BETTER_ACTION,
            f"at s' its action {vector(best_action[trial, transition])} has {by} {texts[1]}, "
            f"action {vector(others[which, trial, transition])} has {texts[0]}",
            (trial, transition),
        )


def horizon(discount: float) -> int:
    """Steps until the discount has fallen below 1e-14."""
    return 1 if discount == 0 else math.ceil(math.log(1e-14) / math.log(discount))


def rollout_return(
    construction: Construction, param: Any, observation: Any, action: Any, goal: Float[Tensor, "b N d"]
) -> Float[Tensor, "b N"]:
    """Discounted return of taking an action and following ``policy``, by stepping; ``q_value`` is not used."""
    discount = float(construction.discount)
    total = torch.zeros(goal.shape[:-1], dtype=goal.dtype)
    for step in range(horizon(discount)):
        observation = construction.dynamics(param, observation, action)
        total = total + discount**step * construction.reward(observation, goal)
        action = construction.policy(param, observation, goal)
    return total


def check_return(problem: Problem, rtol: float) -> None:
    """``q_value`` is the return that rolling out gives.

    Raises:
        MismatchError: if it is not.
    """
    construction, transitions = problem.construction, problem.transitions
    shared = problem.true_param[:, None]
    start = (transitions.observation, transitions.action, transitions.desired_goal)
    value = construction.q_value(shared, *start)
    total = rollout_return(construction, shared, *start)
    assert_close(
        f"value and {horizon(float(construction.discount))}-step return",
        (),
        ("Q*(s, a, g) is", value),
        ("the return is", total),
        rtol * largest(value, total),
    )
