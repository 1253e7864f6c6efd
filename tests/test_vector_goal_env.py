"""The vectorised environments against SyncVectorEnv over single ones."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

import toyenvs
from toyenvs.envs.goal_env import VectorGoalEnv

IDS = list(toyenvs.ENV_IDS)


def assert_equal_data(x: Any, y: Any) -> None:
    """Equality of nested dictionaries of arrays: keys, shapes, types and every bit."""
    if isinstance(x, dict):
        assert x.keys() == y.keys()
        for key in x:
            assert_equal_data(x[key], y[key])
    else:
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def pair(env_id: str, num_envs: int, **arguments: Any) -> tuple[Any, Any]:
    """The native environment, and SyncVectorEnv over the single one."""
    native = gymnasium.make_vec(env_id, num_envs=num_envs, **arguments)
    return native, gymnasium.make_vec(env_id, num_envs=num_envs, vectorization_mode="sync", **arguments)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize(("dim", "seed"), [(2, 0), (5, [4, 9, 2]), (33, 11)])
def test_equals_sync_vector_env(env_id: str, dim: int, seed: Any) -> None:
    native, sync = pair(env_id, 3, dim=dim, max_episode_steps=4, rotation_seed=3, group="o")
    assert native.observation_space == sync.observation_space
    assert native.action_space == sync.action_space
    for x, y in zip(native.reset(seed=seed), sync.reset(seed=seed), strict=True):
        assert_equal_data(x, y)
    rng = np.random.default_rng(0)
    truncations = 0
    for _ in range(23):
        actions = rng.standard_normal((3, dim))
        steps = native.step(actions), sync.step(actions)
        for x, y in zip(*steps, strict=True):
            assert_equal_data(x, y)
        truncations += int(steps[0][3].sum())
    assert truncations == 12  # 3 copies, and 4 whole episodes of 4 + 1 steps among 23
    # A second, unseeded reset goes on with the same streams.
    for x, y in zip(native.reset(), sync.reset(), strict=True):
        assert_equal_data(x, y)


@pytest.mark.parametrize("env_id", IDS)
def test_equals_sync_vector_env_after_partial_resets(env_id: str) -> None:
    """Copies out of step with one another: some reset themselves while others act."""
    native, sync = pair(env_id, 3, dim=3, max_episode_steps=4)
    native.reset(seed=0)
    sync.reset(seed=0)
    rng = np.random.default_rng(0)
    for t in range(30):
        actions = rng.standard_normal((3, 3))
        if t in (2, 7, 11):
            options = {"reset_mask": np.array([t == 2, t == 7, t == 11])}
            seed = 5 if t == 7 else None
            native_reset = native.reset(seed=seed, options=options)
            assert "reset_mask" in options  # the caller's dictionary is left alone
            for x, y in zip(native_reset, sync.reset(seed=seed, options=options), strict=True):
                assert_equal_data(x, y)
        for x, y in zip(native.step(actions), sync.step(actions), strict=True):
            assert_equal_data(x, y)


def test_the_action_of_an_ended_copy_is_ignored() -> None:
    envs = VectorGoalEnv(2, "gradient-feedback", dim=3, max_episode_steps=1)
    envs.reset(seed=0)
    *_, truncated, info = envs.step(np.ones((2, 3)))
    np.testing.assert_array_equal(truncated, [True, True])
    np.testing.assert_array_equal(info["_action"], [True, True])
    observation, reward, _, truncated, info = envs.step(np.full((2, 3), np.nan))
    assert info == {}
    assert not reward.any()
    assert not truncated.any()
    np.testing.assert_allclose(np.linalg.norm(observation["observation"], axis=1), 1.0)


def test_vector_options() -> None:
    envs = VectorGoalEnv(2, "gradient-feedback", dim=2)
    goals = np.array([[1.0, 0.0], [0.0, 3.0]])
    observation, _ = envs.reset(seed=0, options={"desired_goal": goals, "observation": [4.0, 5.0]})
    np.testing.assert_array_equal(observation["desired_goal"], goals)
    np.testing.assert_array_equal(observation["observation"], [[4.0, 5.0], [4.0, 5.0]])
    mask = np.array([False, True])
    observation, _ = envs.reset(options={"desired_goal": -goals, "reset_mask": mask})
    np.testing.assert_array_equal(observation["desired_goal"], [[1.0, 0.0], [0.0, -3.0]])
    np.testing.assert_array_equal(observation["observation"][0], [4.0, 5.0])
    assert np.linalg.norm(observation["observation"][1]) == pytest.approx(1.0)


def test_vector_seeds() -> None:
    envs = VectorGoalEnv(2, "gradient-feedback", dim=2)
    with pytest.raises(ValueError, match=r"^seed: \[1, 2, 3\] has 3 entries, not 2"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(ValueError, match=r"^options\['reset_mask'\]: .* is not 2 booleans"):
        envs.reset(options={"reset_mask": np.array([True])})
    with pytest.raises(ResetNeeded, match="first reset"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    assert envs.np_random == ()
    envs.reset(seed=[1, None])
    states = [g.bit_generator.state for g in envs.np_random]
    envs.reset(seed=[1, None])
    again = [g.bit_generator.state for g in envs.np_random]
    assert states[0] == again[0]
    assert states[1] != again[1]
    with pytest.raises(AttributeError, match="reset"):
        envs.np_random = np.random.default_rng(0)


def test_vector_frames_are_those_of_the_single_environments() -> None:
    native, sync = pair(IDS[1], 2, dim=3, max_episode_steps=2, render_mode="rgb_array")
    native.reset(seed=0)
    sync.reset(seed=0)
    actions = np.random.default_rng(0).standard_normal((4, 2, 3))
    for t in range(4):
        native.step(actions[t])
        sync.step(actions[t])
        if t != 1:
            continue
        options = {"reset_mask": np.array([True, False])}
        native.reset(options=options)
        sync.reset(options=options)
        for x, y in zip(native.render(), sync.render(), strict=True):
            np.testing.assert_array_equal(x, y)
    for x, y in zip(native.render(), sync.render(), strict=True):
        np.testing.assert_array_equal(x, y)
