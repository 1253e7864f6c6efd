"""The assertion for users on rewards of goal environments, foreign ones and ours."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from typing_extensions import override

import toyenvs
from proofs_check.testing import (
    assert_reward_consistent,
)
from toyenvs.constructions import GradientFeedback
from toyenvs.envs.goal_env import GoalEnv


class Reach(gymnasium.Env[Any, Any]):
    """Walk to a point; paid minus the distance. Nothing of this package, and one error at the caller's choice."""

    def __init__(self, error: str = "", dtype: Any = np.float64) -> None:
        box = spaces.Box(-10, 10, (2,), dtype)
        self.observation_space = spaces.Dict(dict.fromkeys(("observation", "achieved_goal", "desired_goal"), box))
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
        self.error, self.dtype = error, dtype

    def _observe(self) -> dict[str, Any]:
        state = np.asarray(self.state, self.dtype)
        return {"observation": state, "achieved_goal": state.copy(), "desired_goal": np.asarray(self.goal, self.dtype)}

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.goal, self.state, self.count = self.np_random.uniform(-5, 5, 2), np.zeros(2), 0
        observation = self._observe()
        if self.error == "reset observation":
            observation["desired_goal"] = observation["desired_goal"] + 100
        return observation, {}

    @override
    def step(self, action: Any) -> Any:
        self.state = self.state + action
        self.count += 1
        observation = self._observe()
        if self.error == "type":
            observation["achieved_goal"] = observation["achieved_goal"].astype(np.complex128)
        if self.error == "precision":
            observation["achieved_goal"] = observation["achieved_goal"].astype(np.float64)
        if self.error == "coarse":
            observation["achieved_goal"] = observation["achieved_goal"].astype(np.float32)
        if self.error == "keys":
            del observation["observation"]
        reward = -float(np.linalg.norm(self.state - self.goal))
        if self.error == "squared":
            reward = -(reward**2)
        if self.error == "nan":
            reward = float("nan")
        return observation, reward, False, self.count == 7, {"count": self.count}

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """Minus the distance, single or batched."""
        if self.error == "own goal":
            desired_goal = self.goal
        if self.error == "own state":
            achieved_goal = self.state + 0 * achieved_goal
        difference = achieved_goal - desired_goal
        if self.error == "norm of all":
            return -np.linalg.norm(difference)
        if self.error == "keeps the axis":
            return -np.linalg.norm(difference, axis=-1, keepdims=True)
        if self.error == "first of the batch" and np.ndim(desired_goal) == 2:
            difference = achieved_goal - desired_goal[0]
        if self.error == "float":
            return -float(np.linalg.norm(difference, axis=-1))
        if self.error == "info of one":
            return -np.linalg.norm(difference, axis=-1) - 0 * info["count"]
        if self.error == "info of each":
            counts = info["count"] if isinstance(info, dict) else np.array([one["count"] for one in info])
            return -np.linalg.norm(difference, axis=-1) - 0 * counts
        if self.error == "in place":
            achieved_goal -= desired_goal
        if self.error == "relabelled" and np.ndim(desired_goal) == 2 and not np.allclose(desired_goal[0], self.goal):
            return np.zeros(len(desired_goal))
        return -np.linalg.norm(difference, axis=-1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_foreign_environment_passes(dtype: Any) -> None:
    assert_reward_consistent(Reach(dtype=dtype))
    assert_reward_consistent(gymnasium.wrappers.TimeLimit(Reach(dtype=dtype), 5), steps=1, episodes=1)


@pytest.mark.parametrize("env_id", toyenvs.ENV_IDS)
def test_our_environments_pass(env_id: str) -> None:
    assert_reward_consistent(gymnasium.make(env_id, dim=3, max_episode_steps=6))
    assert_reward_consistent(gymnasium.make_vec(env_id, num_envs=3, dim=3, max_episode_steps=4))
    for mode in AutoresetMode:
        copies = [lambda: gymnasium.make(env_id, dim=3, max_episode_steps=4)] * 2
        assert_reward_consistent(SyncVectorEnv(copies, autoreset_mode=mode), steps=12, episodes=2)


ERRORS = {
    "squared": r"reward at step 0 of episode 0: step .*, compute_reward ",
    "own goal": r"reward at step \d of episode 0: step .*, compute_reward when the episodes were over ",
    "own state": r"reward at step \d of episode 0: step .*, compute_reward when the episodes were over ",
    "norm of all": r"reward: compute_reward of a batch of 1, goals of shape \(1, 2\), has shape \(\), not \(1,\)",
    "keeps the axis": r"reward: compute_reward of a batch of 1, .* has shape \(1, 1\), not \(1,\)",
    "first of the batch": r"reward at step 0 of episode 1: in a batch .*, alone ",
    "float": r"reward: compute_reward of a batch of \d, goals of shape \(\d, 2\), raised TypeError: ",
    "info of one": r"reward: compute_reward of a batch of 1, .* raised IndexError: .*\nfor a batch, info is a sequence",
    "precision": r"achieved_goal of step 0 of episode 0: ndarray float64 .*: float64 does not cast to float32 safely",
    "in place": r"compute_reward at step 0 of episode 0 changed its achieved_goal: ",
    "relabelled": r"re\w+.* at step \d of episode \d: in a batch 0, alone ",
    "reset observation": r"desired_goal of the reset of episode 0: ndarray float64 of shape .* is not in its space",
    "type": r"achieved_goal of step 0 of episode 0: ndarray complex128 of shape \(2,\) .* is not in its space",
    "keys": r"observation of step 0 of episode 0: not a dictionary with the keys",
    "nan": r"reward of step 0 of episode 0: nan is not a finite number",
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_in_an_environment_is_found(error: str) -> None:
    with pytest.raises(AssertionError, match=rf"^{ERRORS[error]}"):
        assert_reward_consistent(Reach(error, np.float32 if error == "precision" else np.float64))


def test_what_a_space_contains_is_no_error() -> None:
    # float32 casts to float64 safely, and the space says that it contains it.
    assert_reward_consistent(Reach("coarse"))


def test_the_info_of_a_batch_is_a_sequence() -> None:
    assert_reward_consistent(Reach("info of each"))


def test_the_message_about_a_reward_holds_the_goals() -> None:
    with pytest.raises(AssertionError, match=r"row 1 of a batch of 2:\n  achieved_goal = \[.*\]\n  desired_goal  = \["):
        assert_reward_consistent(Reach("first of the batch"))


def test_a_wrapper_that_changes_rewards_is_found() -> None:
    changed = gymnasium.wrappers.TransformReward(Reach(), lambda reward: 0.5 * reward)
    with pytest.raises(AssertionError, match=r"^reward at step 0 of episode 0: step .*, compute_reward "):
        assert_reward_consistent(changed)


class Flipped(GoalEnv):
    """Relabels with the wrong sign."""

    @override
    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        return -super().compute_reward(achieved_goal, desired_goal, info)


def test_a_vector_environment_of_copies_with_an_error_is_found() -> None:
    with pytest.raises(AssertionError, match=r"^reward at step 0 of copy 0: step .*, compute_reward "):
        assert_reward_consistent(SyncVectorEnv([lambda: Flipped(GradientFeedback, 3)] * 2))


class NotAGoalEnv(Reach):
    """The dictionary without the method."""

    compute_reward: ClassVar[Any] = None


@pytest.mark.usefixtures("unchecked_types")
def test_what_is_no_environment_is_refused() -> None:
    wrong: list[Any] = ["FetchReach-v2", None, Reach]
    for env in wrong:
        with pytest.raises(ValueError, match=r"^env: .* is neither a gymnasium.Env nor a VectorEnv; ") as caught:
            assert_reward_consistent(env)
        assert "\n" not in str(caught.value)


def test_other_environments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^env: its observation space, Box, is not a Dict with observation, achieved"):
        assert_reward_consistent(gymnasium.make("CartPole-v1"))
    with pytest.raises(ValueError, match=r"^env: its observation space, Box, is not"):
        assert_reward_consistent(gymnasium.wrappers.FlattenObservation(Reach()))
    with pytest.raises(ValueError, match=r"^env: NotAGoalEnv has no method compute_reward"):
        assert_reward_consistent(NotAGoalEnv())
    for name in ("steps", "episodes"):
        with pytest.raises(ValueError, match=rf"^{name}: 0 is not an integer >= 1"):
            assert_reward_consistent(Reach(), **{name: 0})
