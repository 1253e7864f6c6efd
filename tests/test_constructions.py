"""The constructions: their claims as properties, their formulas on symbols, their edges."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.symbolic import components as symbols
from proofs_check.testing import (
    Problem,
    assert_bellman_optimal,
    assert_reduced_residuals,
    assert_value_is_return,
    dims,
    discounts,
    draw_problem,
    problems,
)
from proofs_check.testing.checks import check_bellman, check_return
from toyenvs import algebra
from toyenvs.constructions import (
    CONSTRUCTIONS,
    EXTENSIONS,
    Construction,
    GradientFeedback,
    NoRewardGradient,
    ProjectedGoal,
    Translation,
    construction_class,
    make_construction,
)
from toyenvs.hypothesis_classes import hypothesis_class
from toyenvs.learners import losses
from toyenvs.replay.protocol import collect_buffers

GAMMA = sympy.Symbol("gamma", nonnegative=True)

any_problem = st.one_of(
    [problems(construction, group) for construction in CONSTRUCTIONS.values() for group in ("so", "o")]
)


# --- the claims, as properties ----------------------------------------------------------------------------


@given(any_problem)
def test_the_reduced_residuals_are_the_bellman_error_and_its_goal_gradient(problem: Problem) -> None:
    assert_reduced_residuals(problem)


@given(any_problem)
def test_value_and_policy_are_bellman_optimal(problem: Problem) -> None:
    assert_bellman_optimal(problem)


@given(st.one_of([problems(c, g, max_discount=0.9) for c in CONSTRUCTIONS.values() for g in ("so", "o")]))
def test_the_value_is_the_return_of_the_policy(problem: Problem) -> None:
    assert_value_is_return(problem)


def test_without_a_discount_the_second_proposition_has_nothing_to_learn_from() -> None:
    problem = draw_problem(NoRewardGradient(3, 0.0), "so")
    residual = losses.bellman_residual(
        problem.construction, problem.online_param, problem.target_param, problem.transitions
    )
    assert float(residual.abs().max()) < 1e-14
    assert not problem.construction.informative
    assert NoRewardGradient(3, 0.01).informative
    assert GradientFeedback(3, 0.0).informative


# --- the formulas on symbols (their proofs are claims of the ledger) ----------------------------------------


@pytest.mark.usefixtures("unchecked_types")
def test_symbolic_parameters_are_orthogonal_and_misuse_is_refused() -> None:
    for dim in (2, 3):
        U = symbols.cayley(symbols.skew("u", dim))
        assert sympy.simplify(U.T * U) == sympy.eye(dim)
        assert sympy.simplify(U.det()) == 1
        assert symbols.reflection(dim).det() == -1
    with pytest.raises(ValueError, match="skew_matrix"):
        symbols.cayley(sympy.eye(2))
    bad_dims: list[Any] = [0, True, 2.0]
    for dim in bad_dims:
        with pytest.raises(ValueError, match=r"^dim: .* is not an integer >= 1$"):
            symbols.vector("g", dim)


# --- numbers worked by hand -------------------------------------------------------------------------------


def test_the_first_proposition_by_hand() -> None:
    # d = 2, γ = 1/2, U the quarter turn: from s = (1, 0), a = (1/2, 0) leads to (1, 1/2). For g = (0, 2) the
    # reward is 1; the best action for g is Uᵀ(0, 1) = (1, 0). Q = 1/(1/2) + (1/2)·2/(1/4) = 6.
    construction = GradientFeedback(2, 0.5)
    U, s, a, g = np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([1.0, 0.0]), np.array([0.5, 0.0]), np.array([0.0, 2.0])
    np.testing.assert_array_equal(construction.dynamics(U, s, a), [1, 0.5])
    np.testing.assert_array_equal(construction.policy(U, s, g), [1, 0])
    assert construction.reward(construction.dynamics(U, s, a), g) == 1
    assert construction.q_value(U, s, a, g) == 6


def test_the_second_proposition_by_hand() -> None:
    # d = 2, γ = 1/2, U the quarter turn, once = 1 − γ² = 3/4. From s = ((1, 0), ·) with a = (1/2, 0) to
    # (0, (1, 1/2)), reward 0, then to ((1, 1/2), 0), reward g·(1, 1/2) = 1 for g = (0, 2).
    construction = NoRewardGradient(2, 0.5)
    U, a, g = np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([0.5, 0.0]), np.array([0.0, 2.0])
    acting = np.array([1.0, 0.0, 0.0, 0.0])
    waiting = construction.dynamics(U, acting, a)
    np.testing.assert_array_equal(waiting, [0, 0, 1, 0.5])
    np.testing.assert_array_equal(construction.dynamics(U, waiting, a), [1, 0.5, 0, 0])
    assert construction.reward(waiting, g) == 0
    assert construction.reward(construction.dynamics(U, waiting, a), g) == 1
    # Waiting: 1/(3/4) + (1/4)·2/(9/16) = 4/3 + 8/9 = 20/9. Acting: γ times that = 10/9.
    assert construction.q_value(U, waiting, a, g) == pytest.approx(20 / 9, rel=1e-14)
    assert construction.q_value(U, acting, a, g) == pytest.approx(10 / 9, rel=1e-14)


def test_on_its_absorbing_null_set_the_second_formula_is_not_the_value() -> None:
    # THEORY: (25) says γ²‖g‖/(1−γ²)² at s = (0, 0), where the process stays for ever with reward 0.
    construction = NoRewardGradient(2, 0.5)
    U, zero, g = np.eye(2), np.zeros(4), np.array([0.0, 2.0])
    np.testing.assert_array_equal(construction.dynamics(U, zero, np.array([1.0, 0.0])), zero)
    assert construction.q_value(U, zero, np.zeros(2), g) == pytest.approx(8 / 9, rel=1e-14)


# --- goals of fewer dimensions ----------------------------------------------------------------------------


@st.composite
def short_goals(draw: st.DrawFn) -> ProjectedGoal:
    """``ProjectedGoal`` with any k ≤ d."""
    dim = draw(dims())
    return ProjectedGoal(dim, draw(discounts(0.9)), draw(st.integers(1, dim)))


def projected_problem(construction: ProjectedGoal, group: str, seed: int) -> Problem:
    """As ``draw_problem`` makes them, with goals of every length."""
    dim, members = construction.dim, hypothesis_class(group)
    rng = np.random.default_rng(seed)
    params = [torch.from_numpy(np.stack([members.sample(dim, rng) for _ in range(2)])) for _ in range(3)]
    seeds = [np.random.SeedSequence(seed, spawn_key=(trial,)) for trial in range(2)]
    buffers = collect_buffers(construction, params[0], seeds, 4)
    goal = algebra.scale(buffers.desired_goal, torch.from_numpy(np.exp(rng.uniform(-1.5, 1.5, (2, 4)))))
    reward = construction.reward(buffers.next_observation, goal)
    return Problem(construction, members, *params, dataclasses.replace(buffers, desired_goal=goal, reward=reward))


any_short_goals = given(short_goals(), st.sampled_from(["so", "o"]), st.integers(0, 2**16))


@any_short_goals
def test_with_short_goals_value_and_policy_are_optimal(construction: ProjectedGoal, group: str, seed: int) -> None:
    problem = projected_problem(construction, group, seed)
    # The checks behind the assertions, which themselves ask for actions and goals of the same shape.
    check_bellman(problem, any_target=True, num_actions=16, seed=0, rtol=1e-10)
    check_return(problem, rtol=1e-8)


def test_short_goals_by_hand() -> None:
    # d = 2, k = 1, γ = 1/2, U the quarter turn: from s = (1, 0), a = (1/2, 1/4) leads to (1 − 1/4, 1/2). For g = 2 the
    # reward is 2·3/4 = 3/2; the best action is Uᵀ(1, 0) = (0, −1). Q = (3/2)/(1/2) + (1/2)·2/(1/4) = 7.
    construction = ProjectedGoal(2, 0.5)
    U, s, a, g = np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([1.0, 0.0]), np.array([0.5, 0.25]), np.array([2.0])
    np.testing.assert_array_equal(construction.dynamics(U, s, a), [0.75, 0.5])
    np.testing.assert_array_equal(construction.policy(U, s, g), [0, -1])
    assert construction.reward(construction.dynamics(U, s, a), g) == 1.5
    assert construction.q_value(U, s, a, g) == 7


# --- an unknown drift -------------------------------------------------------------------------------------


@given(problems(Translation, "o", max_discount=0.9))
def test_with_a_drift_value_and_policy_are_optimal(problem: Problem) -> None:
    assert_value_is_return(problem)
    # The target parameter matters there, so it is the truth; at γ = 0 it need not be.
    assert_bellman_optimal(problem, any_target=bool(problem.construction.discount == 0))


def test_without_a_discount_the_drift_is_read_off_one_transition() -> None:
    construction = Translation(3, 0.0)
    assert_reduced_residuals(construction)
    problem = draw_problem(construction, "o", num_transitions=1)
    t = problem.transitions
    reduced = construction.reduced_residuals(t.observation, t.action, t.next_observation)
    assert reduced is not None
    torch.testing.assert_close(reduced.outputs[:, 0], problem.true_param.sum(-1))
    assert Translation(3, 0.1).reduced_residuals(t.observation, t.action, t.next_observation) is None


def test_the_drifts_bellman_residual_depends_on_the_target_as_the_docstring_says() -> None:
    construction = Translation(2, GAMMA)
    t, online, target = (symbols.vector(name, 2) for name in ("t", "u", "v"))
    s, a, g = (symbols.vector(name, 2) for name in "sag")
    U, V, W = (sympy.diag(*x) for x in (t, online, target))
    residual = losses.temporal_difference_error(construction, V, W, s, a, construction.dynamics(U, s, a), g)
    expected = algebra.inner(g, online - t) / (1 - GAMMA) + GAMMA * algebra.inner(g, online - target) / (1 - GAMMA) ** 2
    assert sympy.simplify(residual - expected) == 0


def test_the_drift_by_hand() -> None:
    # d = 2, γ = 1/2, t = (1, −1): from s = (1, 0), a = (0, 1/2) leads to (2, −1/2). For g = (0, 2) the reward is −1 and
    # each step of the best policy, (0, 1), adds 2 − 2 = 0: Q = −1/(1 − 1/2) = −2. With g = (0, −2) it adds 2 + 2 = 4 to
    # a first reward of 1: Q = 1/(1/2) + (1/2)·4/(1/4) = 10.
    construction, U = Translation(2, 0.5), np.diag([1.0, -1.0])
    s, a, g = np.array([1.0, 0.0]), np.array([0.0, 0.5]), np.array([0.0, 2.0])
    np.testing.assert_array_equal(construction.dynamics(U, s, a), [2, -0.5])
    np.testing.assert_array_equal(construction.policy(U, s, g), [0, 1])
    assert construction.q_value(U, s, a, g) == -2
    assert construction.q_value(U, s, a, -g) == 10


# --- the operations that only the extensions use ----------------------------------------------------------


def test_projecting_embedding_and_ones_on_three_kinds_of_vector() -> None:
    column = symbols.vector("x", 3)
    assert algebra.project(column, 2) == column[:2, :]
    assert algebra.embed(column, 5) == sympy.Matrix([*column, 0, 0])
    assert algebra.ones(column) == sympy.Matrix([1, 1, 1])
    array = np.arange(12.0).reshape(2, 2, 3)
    tensor = torch.from_numpy(array)
    np.testing.assert_array_equal(algebra.project(array, 2)[1], [[6, 7], [9, 10]])
    np.testing.assert_array_equal(algebra.embed(array, 5)[1], [[6, 7, 8, 0, 0], [9, 10, 11, 0, 0]])
    np.testing.assert_array_equal(algebra.ones(array), np.ones((2, 2, 3)))
    for operation in (lambda x: algebra.project(x, 2), lambda x: algebra.embed(x, 5), algebra.ones):
        np.testing.assert_array_equal(operation(tensor).numpy(), operation(array))
    # Transposes of each other: (Px)ᵀy = xᵀ(Pᵀy).
    x, y = tensor[0, 1], torch.tensor([2.0, -1.0], dtype=torch.float64)
    assert algebra.inner(algebra.project(x, 2), y) == algebra.inner(x, algebra.embed(y, 3))
    for name, arguments in (("project", (2,)), ("embed", (2,)), ("ones", ())):
        with pytest.raises(TypeError, match=f"^{name}: no vector operations are registered for str"):
            getattr(algebra, name)("a string", *arguments)


# --- arguments --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("construction_type", [*CONSTRUCTIONS.values(), *EXTENSIONS.values()])
@pytest.mark.parametrize("dim", [1, 0, -3, True, 2.5, "3", None])
def test_a_bad_dimension_is_refused_by_name(construction_type: type[Construction], dim: Any) -> None:
    with pytest.raises(ValueError, match=r"^dim: .* is not an integer >= 2$"):
        construction_type(dim, 0.9)


@pytest.mark.parametrize("construction_type", [*CONSTRUCTIONS.values(), *EXTENSIONS.values()])
@pytest.mark.parametrize("discount", [1, 1.0, -0.1, float("nan"), float("inf"), np.float32(1.0), "0.5", None])
def test_a_bad_discount_is_refused_by_name(construction_type: type[Construction], discount: Any) -> None:
    with pytest.raises(ValueError, match=r"^discount: .* is not in \[0, 1\)$"):
        construction_type(3, discount)


def test_an_unknown_construction_is_refused_with_the_known_ones() -> None:
    assert construction_class("gradient-feedback") is GradientFeedback
    with pytest.raises(ValueError, match="construction: 'nope' is not one of gradient-feedback, no-reward-gradient"):
        construction_class("nope")


def test_a_construction_is_made_from_its_name_or_class() -> None:
    assert list(CONSTRUCTIONS) == ["gradient-feedback", "no-reward-gradient"]
    assert list(EXTENSIONS) == ["projected-goal", "translation"]
    assert all(create.name == name for name, create in (CONSTRUCTIONS | EXTENSIONS).items())
    made = make_construction("projected-goal", 5, 0.3, 2)
    assert (type(made), made.dim, made.goal_dim, made.discount) == (ProjectedGoal, 5, 2, 0.3)
    assert make_construction(ProjectedGoal, 5).goal_dim == 4
    assert make_construction("no-reward-gradient", 5).goal_dim == 5
    with pytest.raises(ValueError, match=r"^goal_dim: 2 is not None, but Translation has no goal dimension to choose$"):
        make_construction("translation", 5, 0.0, 2)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("goal_dim", [0, 4, -1, True, 1.5, "2"])
def test_a_bad_goal_dimension_is_refused_by_name(goal_dim: Any) -> None:
    with pytest.raises(ValueError, match=r"^goal_dim: .* is not an integer in 1\.\.3, the dimension of the state$"):
        ProjectedGoal(3, 0.5, goal_dim)
