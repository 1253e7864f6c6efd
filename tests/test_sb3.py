"""Stable-Baselines3 accepts the environments and trains on them, with hindsight relabelling."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import toyenvs

stable_baselines3 = pytest.importorskip("stable_baselines3")

IDS = list(toyenvs.ENV_IDS)


@pytest.mark.parametrize("env_id", IDS)
def test_check_env(env_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    from stable_baselines3.common.env_checker import check_env

    check_env(gymnasium.make(env_id, dim=4, render_mode="rgb_array").unwrapped, skip_render_check=False)
    assert "GoalEnv" in capsys.readouterr().out  # what it says when it runs the checks of goal environments


@pytest.mark.parametrize("env_id", IDS)
def test_ddpg_with_hindsight_trains(env_id: str) -> None:
    from stable_baselines3 import DDPG, HerReplayBuffer

    env = gymnasium.make(env_id, dim=3, max_episode_steps=20)
    model = DDPG(
        "MultiInputPolicy",
        env,
        replay_buffer_class=HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        policy_kwargs={"net_arch": [16]},
        learning_starts=60,
        batch_size=32,
        buffer_size=1000,
        seed=0,
        device="cpu",
    )
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(300)
    assert model.num_timesteps >= 300
    assert any(bool((p != q).any()) for p, q in zip(model.policy.parameters(), before, strict=True))

    # The relabelled rewards in the buffer are inner products with the goals that took the old ones' place.
    batch: Any = model.replay_buffer.sample(64)
    expected = (batch.next_observations["achieved_goal"] * batch.observations["desired_goal"]).sum(dim=1)
    np.testing.assert_allclose(batch.rewards[:, 0].numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
