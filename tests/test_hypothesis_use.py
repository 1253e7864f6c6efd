"""Hypothesis classes in use: descent recovers U in every smooth class; environments take orthogonal ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from proofs_check.testing import assert_bellman_optimal, assert_value_is_return, draw_problem
from toyenvs.constructions import GradientFeedback
from toyenvs.envs.goal_env import GoalEnv, VectorGoalEnv
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, hypothesis_class
from toyenvs.learners import DescentSettings, Outcome
from toyenvs.learners.descent import train

SMOOTH = [name for name, members in HYPOTHESIS_CLASSES.items() if not members.finite]
ORTHOGONAL = [name for name, members in HYPOTHESIS_CLASSES.items() if members.orthogonal]


# --- descent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("optimizer", ["nesterov", "heavy-ball"])
@pytest.mark.usefixtures("unchecked_types")
def test_descent_recovers_the_parameter_from_plenty_of_data(name: str, optimizer: str) -> None:
    dim = 6
    # Far more than the threshold of every class, which is d = 6 at most; goals of norm 1 keep the loss well
    # conditioned.
    problem = draw_problem(GradientFeedback(dim, 0.0), name, 0, 6, 60, goal_spread=0.0)
    settings = DescentSettings(optimizer=optimizer, max_steps=5000)
    members = problem.hypothesis_class
    result = train(problem.construction, members, problem.transitions, problem.online_param, 1.0, settings)
    assert result.outcome.tolist() == [Outcome.CONVERGED] * 6
    # A loss of 1e-12 of the start is an error of 1e-6 of it, times the data's condition.
    torch.testing.assert_close(result.param, problem.true_param, rtol=0, atol=2e-5)
    torch.testing.assert_close(members.project(result.param), result.param, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["low-rank data", "householder data"])
def test_a_trial_that_is_no_number_is_diverged(name: str) -> None:
    # These classes factorise matrices, and torch's factorisations stop at a NaN.
    problem = draw_problem(GradientFeedback(4, 0.0), "rank-1" if "low" in name else "householder", 0, 3, 12)
    spoilt = problem.transitions.map(torch.clone)
    spoilt.next_observation[1, 4] = torch.nan
    spoilt.reward[1, 4] = torch.nan
    problem = dataclasses.replace(problem, transitions=spoilt)
    result = train(
        problem.construction,
        problem.hypothesis_class,
        problem.transitions,
        problem.online_param,
        1.0,
        DescentSettings(max_steps=20),
    )
    assert (result.outcome == int(Outcome.DIVERGED)).tolist() == [False, True, False]


# --- environments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_environments_take_every_orthogonal_class(name: str) -> None:
    env = GoalEnv("gradient-feedback", 6, group=name)
    assert env.unwrapped.hypothesis_class is hypothesis_class(name)
    np.testing.assert_allclose(env.true_param.T @ env.true_param, np.eye(6), rtol=0, atol=1e-13)
    given = hypothesis_class(name).sample(6, np.random.default_rng(1))
    np.testing.assert_array_equal(GoalEnv("gradient-feedback", 6, group=name, true_param=given).true_param, given)
    with pytest.raises(ValueError, match=rf"^true_param: .*group='{name}'.* Frobenius distance"):
        GoalEnv("gradient-feedback", 6, group=name, true_param=2 * given)


@pytest.mark.parametrize("name", sorted(set(HYPOTHESIS_CLASSES) - set(ORTHOGONAL)))
def test_environments_refuse_other_classes(name: str) -> None:
    words = f"^group: '{name}' is not a class of orthogonal matrices; those are {', '.join(ORTHOGONAL)}$"
    with pytest.raises(ValueError, match=words):
        GoalEnv("gradient-feedback", 6, group=name)
    with pytest.raises(ValueError, match=words):
        VectorGoalEnv(2, "gradient-feedback", 6, group=name)


def test_environments_refuse_dimensions_without_members() -> None:
    with pytest.raises(ValueError, match=r"^dim: 4 is not a multiple of 3, as group 'so3-blocks' needs$"):
        GoalEnv("gradient-feedback", 4, group="so3-blocks")
    with pytest.raises(ValueError, match=r"^dim: 5 is not even and at least 2, as group 'unitary' needs$"):
        VectorGoalEnv(2, "gradient-feedback", 5, group="unitary")
    # Also where U is given: a block matrix of another size is not in the class.
    with pytest.raises(ValueError, match=r"^dim: 3 is not a multiple of 2"):
        GoalEnv("gradient-feedback", 3, group="so2-blocks", true_param=np.eye(3))


@pytest.mark.parametrize("name", ORTHOGONAL)
def test_the_optimal_value_holds_in_every_orthogonal_class(name: str) -> None:
    # UᵀU = I is all that equation (23) asks for.
    problem = draw_problem(GradientFeedback(6, 0.8), name, 3)
    assert_bellman_optimal(problem)
    assert_value_is_return(problem)


@pytest.mark.parametrize("name", sorted(set(HYPOTHESIS_CLASSES) - set(ORTHOGONAL)))
def test_the_optimal_value_needs_orthogonal_matrices_at_a_discount(name: str) -> None:
    with pytest.raises(AssertionError):
        assert_value_is_return(draw_problem(GradientFeedback(6, 0.8), name, 3))
    assert_value_is_return(draw_problem(GradientFeedback(6, 0.0), name, 3))
