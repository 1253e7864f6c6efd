"""The strategies for users: what fails shrinks to the smallest problem, and what is drawn is what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import find, given
from hypothesis import strategies as st

from proofs_check.testing import (
    Problem,
    actions_in_ball,
    assert_value_is_return,
    dims,
    discounts,
    goals,
    observations,
    problems,
    rotations,
    transitions,
)
from test_testing_constructions import HalfValue
from toyenvs.constructions import GradientFeedback, NoRewardGradient


def fails(assertion: Callable[[Problem], None]) -> Callable[[Problem], bool]:
    def failed(problem: Problem) -> bool:
        try:
            assertion(problem)
        except AssertionError:
            return True
        return False

    return failed


@pytest.mark.usefixtures("unchecked_types")  # hundreds of examples
def test_a_planted_error_shrinks_to_the_smallest_problem() -> None:
    problem = find(problems(HalfValue, max_discount=0.5), fails(assert_value_is_return))
    assert problem.origin == (
        'draw_problem(HalfValue(dim=2, discount=0.01), "so", seed=0, batch_size=1, num_transitions=1)'
    )


@pytest.mark.usefixtures("unchecked_types")
def test_every_strategy_shrinks_to_something_simple() -> None:
    construction = NoRewardGradient(3, 0.5)
    assert find(dims(), lambda d: True) == 2
    assert find(discounts(), lambda x: x > 0.1) == 0.11
    np.testing.assert_array_equal(find(rotations("so", 3), lambda U: True), np.eye(3))
    turn = find(rotations("so", 3), lambda U: bool((np.eye(3) != U).any()))
    np.testing.assert_array_equal(turn, [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    reflection = find(rotations("o", 2), lambda U: bool(np.linalg.det(U) < 0))
    np.testing.assert_array_equal(reflection, [[-1, 0], [0, 1]])
    assert np.count_nonzero(find(goals(4), lambda g: True)) == 1
    assert not find(actions_in_ball(3), lambda a: True).any()
    assert not find(observations(construction), lambda s: True)[3:].any()  # a start: s² = 0
    buffer = find(transitions(construction), lambda t: True)
    assert buffer.reward.shape == (1, 1)
    two = find(transitions(construction), lambda t: bool((t.reward != 0).any()))
    assert two.reward.shape == (1, 2)  # the second transition is the first with a reward


@given(st.sampled_from(["so", "o"]).flatmap(lambda group: rotations(group, 3)))
def test_rotations_are_orthogonal(U: Any) -> None:
    np.testing.assert_allclose(U.T @ U, np.eye(3), atol=1e-14)


@given(transitions(GradientFeedback(3, 0.5)))
def test_transitions_are_what_a_learner_sees(buffer: Any) -> None:
    torch.testing.assert_close(buffer.reward, (buffer.next_observation * buffer.desired_goal).sum(-1))
    moved = (buffer.next_observation - buffer.observation).norm(dim=-1)
    torch.testing.assert_close(moved, buffer.action.norm(dim=-1))
