"""Both constructions: their claims as properties, their formulas on symbols, their edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

from proofs_check import symbols
from proofs_check.testing import (
    Problem,
    actions_in_ball,
    assert_bellman_optimal,
    assert_reduced_residuals,
    assert_value_is_return,
    dims,
    discounts,
    draw_problem,
    goals,
    observations,
    problems,
    rotations,
)
from toyenvs import algebra
from toyenvs.constructions import (
    CONSTRUCTIONS,
    Construction,
    GradientFeedback,
    NoRewardGradient,
    construction_class,
)
from toyenvs.learners import losses

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


@pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values())
@pytest.mark.parametrize("group", ["so", "o"])
def test_the_claims_hold_without_a_discount(construction_type: type[Construction], group: str) -> None:
    problem = draw_problem(construction_type(3, 0.0), group, batch_size=3, num_transitions=6)
    assert_reduced_residuals(problem)
    assert_bellman_optimal(problem)
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


# --- goal gradients against finite differences ------------------------------------------------------------


@pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values())
def test_the_goal_gradient_of_the_value_is_its_central_difference(construction_type: type[Construction]) -> None:
    problem = draw_problem(construction_type(3, 0.8), "so", batch_size=2, num_transitions=4)
    construction, transitions = problem.construction, problem.transitions
    param = problem.online_param[:, None]

    def value(goal: torch.Tensor) -> torch.Tensor:
        return construction.q_value(param, transitions.observation, transitions.action, goal)

    goal = transitions.desired_goal.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(goal).sum(), goal)
    step = 1e-5
    for i, direction in enumerate(torch.eye(3, dtype=torch.float64)):
        ahead, behind = (value(transitions.desired_goal + sign * step * direction) for sign in (1, -1))
        # Truncation: step²/6 times the third derivative of γ‖g‖/(1−γ)², at most 20·1.2/‖g‖² with ‖g‖ ≥ e^-1.5,
        # so 1e-8. Rounding: 1e-16·|Q|/step, so 1e-9. 1e-7 leaves a factor of ten.
        torch.testing.assert_close(gradient[..., i], (ahead - behind) / (2 * step), rtol=0, atol=1e-7)


# --- the formulas on symbols (their proofs are claims of the ledger) ----------------------------------------


def symbolic_state(construction: Construction, waiting: bool) -> sympy.Matrix:
    second = symbols.vector("t", construction.dim)
    if isinstance(construction, GradientFeedback):
        return second
    first = sympy.zeros(construction.dim, 1) if waiting else symbols.vector("s", construction.dim)
    return algebra.join(first, second)


CASES = [(GradientFeedback, False), (NoRewardGradient, False), (NoRewardGradient, True)]


def test_in_the_plane_a_rotation_by_an_angle_gives_the_same_identity() -> None:
    # A second parametrisation of SO(2), which reaches the half turn that the Cayley transform leaves out.
    construction = GradientFeedback(2, GAMMA)
    U, target = symbols.planar_rotation("phi"), symbols.planar_rotation("psi")
    s, a, g = (symbols.vector(name, 2) for name in "sag")
    following = construction.dynamics(U, s, a)
    next_action = construction.policy(target, following, g)
    backup = construction.reward(following, g) + GAMMA * construction.q_value(target, following, next_action, g)
    assert sympy.simplify(construction.q_value(U, s, a, g) - backup) == 0
    assert symbols.planar_rotation(sympy.pi) == -sympy.eye(2)


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


# --- one formula, three kinds of vector -------------------------------------------------------------------


@given(st.data())
def test_numpy_and_torch_compute_the_same(data: st.DataObject) -> None:
    construction_type = data.draw(st.sampled_from(list(CONSTRUCTIONS.values())))
    construction = construction_type(data.draw(dims()), data.draw(discounts()))
    dim = construction.dim
    arrays = (
        data.draw(rotations("o", dim)),
        data.draw(observations(construction)),
        data.draw(actions_in_ball(dim)),
        data.draw(goals(dim)),
    )
    tensors = tuple(torch.from_numpy(x) for x in arrays)

    def evaluate(U: Any, s: Any, a: Any, g: Any) -> list[Any]:
        following = construction.dynamics(U, s, a)
        return [
            following,
            construction.achieved_goal(s),
            construction.reward(following, g),
            construction.q_value(U, s, a, g),
            construction.policy(U, s, g),
            construction.initial_observation(a),
        ]

    for from_numpy, from_torch in zip(evaluate(*arrays), evaluate(*tensors), strict=True):
        np.testing.assert_allclose(from_numpy, from_torch.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("construction_type", "waiting"), CASES)
def test_symbols_and_numpy_compute_the_same(construction_type: type[Construction], waiting: bool) -> None:
    rng = np.random.default_rng(7)
    symbolic, numeric = construction_type(2, GAMMA), construction_type(2, 0.6)
    s, a, g = symbolic_state(symbolic, waiting), symbols.vector("a", 2), symbols.vector("g", 2)
    U = symbols.planar_rotation("phi")
    names = sorted((s.free_symbols | a.free_symbols | g.free_symbols | U.free_symbols), key=str)
    values = {name: sympy.Float(x, 17) for name, x in zip(names, rng.uniform(-1, 1, len(names)), strict=True)}
    values[GAMMA] = sympy.Float(0.6, 17)

    def number(expression: Any) -> np.ndarray:
        return np.array(sympy.Matrix([expression]).subs(values).evalf(), dtype=np.float64).squeeze()

    U_, s_, a_, g_ = (number(x) for x in (U, s, a, g))
    for left, right in (
        (symbolic.dynamics(U, s, a), numeric.dynamics(U_, s_, a_)),
        (symbolic.q_value(U, s, a, g), numeric.q_value(U_, s_, a_, g_)),
        (symbolic.policy(U, s, g), numeric.policy(U_, s_, g_)),
        (symbolic.reward(s, g), numeric.reward(s_, g_)),
    ):
        np.testing.assert_allclose(number(left), np.squeeze(right), rtol=1e-12, atol=1e-12)


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


# --- arguments --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values())
@pytest.mark.parametrize("dim", [1, 0, -3, True, 2.5, "3", None])
def test_a_bad_dimension_is_refused_by_name(construction_type: type[Construction], dim: Any) -> None:
    with pytest.raises(ValueError, match=r"^dim: .* is not an integer >= 2$"):
        construction_type(dim, 0.9)


@pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values())
@pytest.mark.parametrize("discount", [1, 1.0, -0.1, float("nan"), float("inf"), np.float32(1.0), "0.5", None])
def test_a_bad_discount_is_refused_by_name(construction_type: type[Construction], discount: Any) -> None:
    with pytest.raises(ValueError, match=r"^discount: .* is not in \[0, 1\)$"):
        construction_type(3, discount)


def test_an_unknown_construction_is_refused_with_the_known_ones() -> None:
    assert construction_class("gradient-feedback") is GradientFeedback
    with pytest.raises(ValueError, match="construction: 'nope' is not one of gradient-feedback, no-reward-gradient"):
        construction_class("nope")
