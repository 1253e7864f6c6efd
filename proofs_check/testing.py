"""Property tests that any construction can be put through, the built-in ones and a reader's own.

Strategies for Hypothesis draw problems; assertions check the three claims that a construction makes:

* :func:`assert_value_is_return`: ``q_value`` is the discounted return of following ``policy``, measured by
  stepping ``dynamics`` and adding up ``reward``; the value's formula is not used.
* :func:`assert_bellman_optimal`: ``q_value`` solves the Bellman optimality equation, its maximum over the action
  ball is at ``policy``, and the truth has no temporal-difference error whatever the target parameter is.
* :func:`assert_reduced_residuals`: the reduced residuals are the Bellman error and its goal gradient. This is the
  paper's gradient-matching equivalence, in values, losses and parameter gradients.

A test of a construction is then three lines:

    @given(problems(MyConstruction, "so"))
    def test_reduction(problem):
        assert_reduced_residuals(
            problem.construction, problem.transitions, problem.online_param, problem.target_param
        )

A failing example shrinks to a small dimension, a short buffer, a simple discount and a small seed, and Hypothesis
prints it as the call of :func:`draw_problem` that makes it again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from toyenvs import algebra
from toyenvs.constructions.base import Construction, points_in_ball
from toyenvs.hypothesis_classes import HypothesisClass, hypothesis_class
from toyenvs.learners import losses
from toyenvs.learners.objective import DifferentiatedObjective, ReducedObjective, make_objective
from toyenvs.replay import Transitions, collect, draw_behaviour

__all__ = [
    "Problem",
    "actions_in_ball",
    "assert_bellman_optimal",
    "assert_reduced_residuals",
    "assert_value_is_return",
    "dims",
    "discounts",
    "draw_problem",
    "goals",
    "observations",
    "problems",
    "rotations",
]


# --- problems ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """B independent learning problems of one construction, float64.

    Attributes:
        construction: dimension and discount included.
        hypothesis_class: where the three parameters were drawn.
        true_param: U, (B, d, d), which made the transitions.
        online_param: Ũ, (B, d, d).
        target_param: Ū, (B, d, d). The three are independent, so almost surely different.
        transitions: buffers of N transitions; every goal has a direction and a norm of its own.
    """

    construction: Construction
    hypothesis_class: HypothesisClass
    true_param: Float[Tensor, "b d d"]
    online_param: Float[Tensor, "b d d"]
    target_param: Float[Tensor, "b d d"]
    transitions: Transitions


def _as_class(group: str | HypothesisClass) -> HypothesisClass:
    return hypothesis_class(group) if isinstance(group, str) else group


def draw_problem(
    construction: Construction,
    group: str | HypothesisClass,
    seed: int = 0,
    batch_size: int = 2,
    num_transitions: int = 4,
    goal_spread: float = 1.5,
) -> Problem:
    """Draw a problem; the same arguments give the same one.

    Args:
        construction: whose environment is stepped.
        group: a hypothesis class, or the name of a registered one.
        seed: ≥ 0.
        batch_size: B ≥ 1.
        num_transitions: N ≥ 1.
        goal_spread: the logarithms of the goals' norms are uniform in ± this. Unit goals (0, the paper's) would
            hide an error in any formula that contains ‖g‖.
    """
    members = _as_class(group)
    dim = construction.dim
    rng = np.random.default_rng(seed)
    true_param, online_param, target_param = (
        torch.from_numpy(np.stack([members.sample(dim, rng) for _ in range(batch_size)])) for _ in range(3)
    )
    streams = [
        draw_behaviour(np.random.SeedSequence(seed, spawn_key=(trial,)), dim, num_transitions)
        for trial in range(batch_size)
    ]
    direction, action, unit_goal = (
        torch.from_numpy(np.stack([getattr(stream, name) for stream in streams]))
        for name in ("initial_direction", "action", "desired_goal")
    )
    goal_norm = torch.from_numpy(np.exp(goal_spread * rng.uniform(-1, 1, (batch_size, num_transitions))))
    transitions = collect(
        construction,
        true_param,
        construction.initial_observation(direction),
        action,
        algebra.scale(unit_goal, goal_norm),
    )
    return Problem(construction, members, true_param, online_param, target_param, transitions)


# --- strategies -------------------------------------------------------------------------------------------

_seeds = st.integers(0, 2**16)
_coordinates = st.integers(-8, 8).map(lambda quarters: quarters / 4)


def dims(max_dim: int = 5) -> st.SearchStrategy[int]:
    """Dimensions d from 2 to ``max_dim``; shrinks to 2."""
    return st.integers(2, max_dim)


def discounts(max_discount: float = 0.95) -> st.SearchStrategy[float]:
    """Discount factors γ in hundredths, from 0 to ``max_discount``; shrinks to 0."""
    return st.integers(0, math.floor(100 * max_discount + 1e-9)).map(lambda hundredths: hundredths / 100)


def rotations(group: str | HypothesisClass, dim: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Members (d, d) of a hypothesis class, from its own uniform distribution; shrinks to small seeds."""
    members = _as_class(group)
    return _seeds.map(lambda seed: members.sample(dim, np.random.default_rng(seed)))


def goals(dim: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Goals g ≠ 0, (d,), in quarters; shrinks to one small coordinate."""
    return arrays(np.float64, dim, elements=_coordinates).filter(lambda g: bool(g.any()))


def actions_in_ball(dim: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Actions a with ‖a‖₂ ≤ 1, (d,), the boundary and 0 included; shrinks to 0."""
    return arrays(np.float64, dim, elements=_coordinates).map(lambda a: a / max(1.0, float(np.linalg.norm(a))))


def _visited(construction: Construction, group: str | HypothesisClass, seed: int, steps: int) -> NDArray[np.float64]:
    streams = draw_behaviour(np.random.SeedSequence(seed), construction.dim, steps)
    param = _as_class(group).sample(construction.dim, np.random.default_rng(seed))
    observation = construction.initial_observation(streams.initial_direction)
    for action in streams.action:
        observation = construction.dynamics(param, observation, action)
    return np.asarray(observation)


def observations(
    construction: Construction, group: str | HypothesisClass = "so", max_steps: int = 3
) -> st.SearchStrategy[NDArray[np.float64]]:
    """Observations (observation_dim,) that the environment visits: its start, or a few random steps later.

    Arbitrary vectors would not do: a formula may fail on states that no behaviour reaches (null sets), and a
    construction's special states (s¹ = 0 in Prop. 2) would never be hit. Shrinks to a starting state.
    """
    return st.builds(partial(_visited, construction, group), seed=_seeds, steps=st.integers(0, max_steps))


def problems(
    construction_class: type[Construction],
    group: str | HypothesisClass,
    *,
    max_dim: int = 5,
    max_discount: float = 0.95,
    max_batch_size: int = 3,
    max_num_transitions: int = 6,
) -> st.SearchStrategy[Problem]:
    """Problems of a construction with any dimension and discount.

    Args:
        construction_class: called as ``construction_class(dim=..., discount=...)``.
        group: a hypothesis class, or the name of a registered one.
        max_dim: largest d.
        max_discount: largest γ.
        max_batch_size: largest B.
        max_num_transitions: largest N.
    """
    return st.builds(
        draw_problem,
        construction=st.builds(construction_class, dim=dims(max_dim), discount=discounts(max_discount)),
        group=st.just(group),
        seed=_seeds,
        batch_size=st.integers(1, max_batch_size),
        num_transitions=st.integers(1, max_num_transitions),
    )


# --- assertions -------------------------------------------------------------------------------------------


def _describe(construction: Construction) -> str:
    return f"{type(construction).__name__}(dim={construction.dim}, discount={construction.discount})"


def _largest(*values: Tensor) -> Float[Tensor, " b"]:
    """Each trial's largest absolute value: the scale against which its rounding errors are small."""
    # What is not finite is left to the comparison, which then says where it is.
    return torch.stack([value.detach().nan_to_num(0, 0, 0).abs().flatten(1).amax(1) for value in values]).amax(0)


def _first_excess(excess: Tensor, axes: Sequence[str]) -> tuple[tuple[int, ...], str] | None:
    """Where ``excess`` is largest, if it is positive (or not a number) anywhere; with words for it."""
    wrong = ~(excess <= 0)
    if not bool(wrong.any()):
        return None
    worst = int(torch.where(wrong, excess.nan_to_num(nan=torch.inf, posinf=torch.inf), -torch.inf).argmax())
    index = tuple(int(i) for i in np.unravel_index(worst, tuple(excess.shape)))
    return index, ", ".join(f"{axis} {i}" for axis, i in zip(axes, index, strict=True))


def _assert_close(
    construction: Construction,
    quantity: str,
    axes: Sequence[str],
    named: tuple[str, Tensor],
    other: tuple[str, Tensor],
    allowed: Float[Tensor, " b"],
) -> None:
    (first_name, first), (second_name, second) = named, other
    if first.shape != second.shape:
        raise AssertionError(
            f"{quantity} of {_describe(construction)}: {first_name} has shape {tuple(first.shape)}, "
            f"{second_name} {tuple(second.shape)}"
        )
    limit = allowed.reshape(-1, *[1] * (first.ndim - 1))
    found = _first_excess((first - second).abs() - limit, axes)
    if found is not None:
        index, where = found
        raise AssertionError(
            f"{quantity} of {_describe(construction)} at {where}: {first_name} {float(first[index])!r}, "
            f"{second_name} {float(second[index])!r} (allowed difference {float(allowed[index[0]]):.1e})"
        )


def assert_reduced_residuals(
    construction: Construction,
    transitions: Transitions,
    online_param: Float[Tensor, "b d d"],
    target_param: Float[Tensor, "b d d"],
    *,
    alphas: Sequence[float] = (0.0, 0.7),
    rtol: float = 1e-10,
) -> None:
    """The reduced residuals are the temporal-difference error and its goal gradient.

    Compares the construction's ``reduced_residuals`` with the four formulas and automatic differentiation: the
    Bellman residual, its goal gradient, and for each α the loss and the loss's gradient in Ũ. The reduction does
    not know Ū, so agreement for a random Ū also says that the target parameter does not matter.

    Args:
        construction: with ``reduced_residuals``.
        transitions: of B trials, float64.
        online_param: Ũ.
        target_param: Ū, another member of the class.
        alphas: weights of the goal-gradient term; 0 is DDPG.
        rtol: allowed difference, relative to the largest number that enters the quantity in its trial.

    Raises:
        AssertionError: naming the quantity, both values and where.
        ValueError: if the construction states no reduction.
    """
    observation, action, next_observation = transitions.observation, transitions.action, transitions.next_observation
    reduced = construction.reduced_residuals(observation, action, next_observation)
    if reduced is None:
        raise ValueError(
            f"construction: {_describe(construction)} states no reduction (reduced_residuals returned None), "
            "so there is nothing to compare; its learners differentiate the formulas"
        )
    shared = online_param[:, None]

    target = losses.bootstrapped_target(construction, target_param[:, None], next_observation, transitions.desired_goal)
    value = construction.q_value(shared, observation, action, transitions.desired_goal)
    value_gradient = losses.goal_gradient(
        lambda goal: construction.q_value(shared, observation, action, goal), transitions.desired_goal
    )
    value_scale, gradient_scale = _largest(value, target), _largest(value_gradient)

    _assert_close(
        construction,
        "Bellman residual",
        ("trial", "transition"),
        ("reduced", reduced.bellman_residual(shared, transitions.desired_goal)),
        ("differentiated", losses.bellman_residual(construction, online_param, target_param, transitions)),
        rtol * value_scale,
    )
    _assert_close(
        construction,
        "goal gradient of the Bellman residual",
        ("trial", "transition", "goal coordinate"),
        ("reduced", reduced.goal_gradient_residual(shared)),
        ("differentiated", losses.goal_gradient_residual(construction, online_param, target_param, transitions)),
        rtol * gradient_scale,
    )
    for alpha in alphas:
        # As learners build them: with the silent transitions left out of the reduced one.
        fast = make_objective(construction, transitions, alpha, minibatch=False)
        if not isinstance(fast, ReducedObjective):
            raise AssertionError(f"learners of {_describe(construction)} do not use its reduction")
        slow = DifferentiatedObjective(construction, transitions, alpha)
        fast_loss, fast_gradient = fast.loss_and_gradient(online_param, target_param)
        slow_loss, slow_gradient = slow.loss_and_gradient(online_param, target_param)
        loss_scale = value_scale**2 + alpha * gradient_scale**2
        _assert_close(
            construction,
            f"loss (alpha = {alpha})",
            ("trial",),
            ("reduced", fast_loss),
            ("differentiated", slow_loss),
            rtol * loss_scale,
        )
        _assert_close(
            construction,
            f"parameter gradient of the loss (alpha = {alpha})",
            ("trial", "row", "column"),
            ("reduced", fast_gradient),
            ("differentiated", slow_gradient),
            rtol * loss_scale,
        )


def assert_bellman_optimal(
    construction: Construction,
    transitions: Transitions,
    true_param: Float[Tensor, "b d d"],
    target_param: Float[Tensor, "b d d"],
    *,
    num_actions: int = 16,
    seed: int = 0,
    rtol: float = 1e-10,
) -> None:
    """Check that ``q_value`` and ``policy`` are optimal in the environment that made the transitions.

    1. The policy stays in the unit ball, and at every next state no other action has a larger value: not random
       actions of the ball, not small displacements of the policy's own.
    2. Q*(s, a, g) = R(s', g) + γ Q*(s', π*(s', g), g) on every transition; by 1. this is the Bellman *optimality*
       equation.
    3. With the truth as online parameter, the learners' Bellman residual and its goal gradient vanish for the
       given target parameter. Pass ``true_param`` as the target too if your construction does not claim that the
       target parameter never matters.

    Args:
        construction: the four formulas; ``reduced_residuals`` is not used.
        transitions: of B trials, float64.
        true_param: U, with which the transitions were made.
        target_param: Ū, any member of the class.
        num_actions: how many random and how many displaced actions are tried a state.
        seed: of those actions.
        rtol: allowed difference, relative to the largest number that enters the quantity in its trial.

    Raises:
        AssertionError: naming the quantity, both values and where.
    """
    shared = true_param[:, None]
    goal, state = transitions.desired_goal, transitions.next_observation
    best_action = construction.policy(shared, state, goal)
    best = construction.q_value(shared, state, best_action, goal)
    value = construction.q_value(shared, transitions.observation, transitions.action, goal)
    scale = _largest(value, best, transitions.reward)

    _assert_no_action_beats_the_policy(
        construction, transitions, true_param, best_action, best, num_actions, seed, rtol * scale
    )
    _assert_close(
        construction,
        "Bellman optimality equation",
        ("trial", "transition"),
        ("Q*(s, a, g) is", value),
        ("R(s', g) + γ Q*(s', π*(s', g), g) is", construction.reward(state, goal) + construction.discount * best),
        rtol * scale,
    )
    residual = losses.bellman_residual(construction, true_param, target_param, transitions)
    _assert_close(
        construction,
        "Bellman residual at the truth",
        ("trial", "transition"),
        ("it is", residual),
        ("it should be", torch.zeros_like(residual)),
        rtol * scale,
    )
    value_gradient = losses.goal_gradient(
        lambda leaf: construction.q_value(shared, transitions.observation, transitions.action, leaf), goal
    )
    gradient = losses.goal_gradient_residual(construction, true_param, target_param, transitions)
    _assert_close(
        construction,
        "goal gradient of the Bellman residual at the truth",
        ("trial", "transition", "goal coordinate"),
        ("it is", gradient),
        ("it should be", torch.zeros_like(gradient)),
        rtol * _largest(value_gradient),
    )


def _assert_no_action_beats_the_policy(
    construction: Construction,
    transitions: Transitions,
    true_param: Float[Tensor, "b d d"],
    best_action: Float[Tensor, "b N d"],
    best: Float[Tensor, "b N"],
    num_actions: int,
    seed: int,
    allowed: Float[Tensor, " b"],
) -> None:
    shape = best_action.shape
    longest = algebra.norm(best_action)
    _assert_close(
        construction,
        "length of the policy's action",
        ("trial", "transition"),
        ("it is", longest),
        ("in the unit ball", longest.clamp(max=1)),
        torch.full_like(allowed, 1e-12),
    )
    rng = np.random.default_rng(seed)
    count = math.prod(shape[:-1])
    for _ in range(num_actions):
        random_action = torch.from_numpy(points_in_ball(rng, count, shape[-1])).reshape(shape)
        radius = 10 ** rng.uniform(-3, -0.5)
        moved = best_action + radius * torch.from_numpy(points_in_ball(rng, count, shape[-1])).reshape(shape)
        # Not longer than 1, by a margin over rounding: an action outside the ball may well be better.
        displaced = algebra.scale(moved, 1 / (algebra.norm(moved) * (1 + 1e-15)).clamp_min(1))
        for kind, action in (("a random", random_action), ("a displaced", displaced)):
            other = construction.q_value(
                true_param[:, None], transitions.next_observation, action, transitions.desired_goal
            )
            found = _first_excess(other - best - allowed[:, None], ("trial", "transition"))
            if found is not None:
                index, where = found
                raise AssertionError(
                    f"optimality of the policy of {_describe(construction)} at the next state of {where}: its action "
                    f"{best_action[index].tolist()} has the value {float(best[index])!r}, {kind} action "
                    f"{action[index].tolist()} has {float(other[index])!r}"
                )


def assert_value_is_return(
    construction: Construction,
    transitions: Transitions,
    true_param: Float[Tensor, "b d d"],
    *,
    rtol: float = 1e-8,
) -> None:
    """``q_value`` is the discounted return of taking the action and following ``policy`` ever after.

    The return is measured by stepping ``dynamics`` and adding up ``reward`` from every (s, a, g) of the
    transitions until the discount has fallen below 1e-14, so the value's formula is compared with something that
    does not contain it. The number of steps is 32/(1−γ) or so: choose γ ≤ 0.99.

    Args:
        construction: the four formulas; ``reduced_residuals`` is not used.
        transitions: of B trials, float64; where the rollouts start.
        true_param: U of the environments.
        rtol: allowed difference, relative to the largest value in its trial. It must leave room for the rewards
            after the last step, which are not added.

    Raises:
        AssertionError: naming the quantity, both values and where.
    """
    shared = true_param[:, None]
    goal = transitions.desired_goal
    discount = float(construction.discount)
    horizon = 1 if discount == 0 else math.ceil(math.log(1e-14) / math.log(discount))
    state, action = transitions.observation, transitions.action
    total = torch.zeros_like(transitions.reward)
    for step in range(horizon):
        state = construction.dynamics(shared, state, action)
        total = total + discount**step * construction.reward(state, goal)
        action = construction.policy(shared, state, goal)
    value = construction.q_value(shared, transitions.observation, transitions.action, goal)
    _assert_close(
        construction,
        f"value and {horizon}-step return",
        ("trial", "transition"),
        ("Q*(s, a, g) is", value),
        ("the return is", total),
        rtol * _largest(value, total),
    )
