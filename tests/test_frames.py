"""Rendered frames, and the plane that they show."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import toyenvs
from toyenvs.constructions import GradientFeedback, NoRewardGradient
from toyenvs.envs.goal_env import GoalEnv
from toyenvs.envs.rendering import FRAME_SIZE, draw_frame, goal_action_plane, position

IDS = list(toyenvs.ENV_IDS)
Array = NDArray[np.float64]


@pytest.mark.parametrize("env_id", IDS)
def test_frames(env_id: str) -> None:
    env = gymnasium.make(env_id, dim=5, render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    goal = observation["desired_goal"]
    frames = [env.render()]
    parallel = np.concatenate([goal, np.zeros(5 - len(goal))])
    for action in (np.ones(5), -parallel, np.zeros(5)):  # across, parallel and no action at all
        env.step(action)
        frames.append(env.render())
    for frame in frames:
        assert isinstance(frame, np.ndarray)
        assert frame.shape == (FRAME_SIZE, FRAME_SIZE, 3)
        assert frame.dtype == np.uint8
        assert len(np.unique(frame.reshape(-1, 3), axis=0)) > 50  # something is drawn
    for one, other in itertools.pairwise(frames):
        assert not np.array_equal(one, other)
    np.testing.assert_array_equal(env.render(), frames[-1])
    env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), frames[0])  # the old path is gone


def test_state_that_the_reward_cannot_see_is_a_ring() -> None:
    env = GoalEnv("no-reward-gradient", dim=3, render_mode="rgb_array")
    start, _ = env.reset(seed=0)
    path = [start["observation"][:3]]
    for t, half in enumerate([slice(3, 6), slice(0, 3)]):  # the point is in s² after the first step, then in s¹
        observation, _, _, _, info = env.step(np.full(3, 0.2))
        path.append(observation["observation"][half])
        ring, disc = (
            draw_frame(np.array(path), start["desired_goal"], info["action"], hidden=hidden) for hidden in (True, False)
        )
        assert not np.array_equal(ring, disc)
        np.testing.assert_array_equal(env.render(), ring if t == 0 else disc)


def test_render_without_a_mode_or_a_start() -> None:
    env = GoalEnv("gradient-feedback", dim=3)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="without a render mode"):
        assert env.render() is None
    with pytest.raises(ResetNeeded, match="before reset"):
        GoalEnv("gradient-feedback", dim=3, render_mode="rgb_array").render()


@given(
    arrays(np.float64, 4, elements=st.floats(-1, 1)).filter(lambda g: np.linalg.norm(g) > 1e-3),
    st.one_of(st.none(), arrays(np.float64, 4, elements=st.floats(-1, 1)), st.just("parallel")),
)
def test_plane_is_orthonormal_and_holds_goal_and_action(goal: Array, action: Any) -> None:
    action = 0.5 * goal if isinstance(action, str) else action
    plane = goal_action_plane(goal, action)
    np.testing.assert_allclose(plane @ plane.T, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(plane @ goal, [np.linalg.norm(goal), 0.0], atol=1e-6)
    if action is not None:
        np.testing.assert_allclose(plane.T @ (plane @ action), action, atol=1e-6)


def test_position_is_the_half_that_is_not_zero() -> None:
    states = np.array([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 4.0]])
    np.testing.assert_array_equal(position(NoRewardGradient(2), states), [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(position(GradientFeedback(4), states), states)
