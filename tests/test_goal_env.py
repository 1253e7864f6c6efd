"""The Gymnasium environments against matrices written out, the replay buffer and the values."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import toyenvs
from toyenvs.constructions import CONSTRUCTIONS, GradientFeedback
from toyenvs.envs.goal_env import GoalEnv, VectorGoalEnv
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES

IDS = list(toyenvs.ENV_IDS)
NAMES = list(CONSTRUCTIONS)
Array = NDArray[np.float64]


def times(matrix: Array, vector: Array) -> Array:
    """Matrix times vector, written out: no numpy product and none of the package's operations."""
    return np.array([math.fsum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix])


def step_by_hand(name: str, U: Array, state: Array, action: Array, goal: Array) -> tuple[Array, float]:
    """Propositions 1 and 2 as the paper prints them: next state and reward."""
    d = len(goal)
    if name == "gradient-feedback":
        after = state + times(U, action)
    elif state[:d].any():
        after = np.concatenate([np.zeros(d), state[:d] + times(U, action)])
    else:
        after = np.concatenate([state[d:], np.zeros(d)])
    return after, math.fsum(g * s for g, s in zip(goal, after[:d], strict=True))


def run_python(code: str) -> str:
    """Run code in a fresh interpreter, warnings as errors; what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- registration -----------------------------------------------------------------------------------------


def test_every_construction_is_registered_once() -> None:
    assert toyenvs.ENV_IDS == {
        "toyenvs/GradientFeedback-v0": "gradient-feedback",
        "toyenvs/NoRewardGradient-v0": "no-reward-gradient",
        "toyenvs/ProjectedGoal-v0": "projected-goal",
    }
    assert [i for i in gymnasium.registry if i.startswith("toyenvs/")] == IDS


def test_import_is_light_and_can_be_repeated() -> None:
    code = """
import importlib, sys
import gymnasium, toyenvs
gymnasium.register_envs(toyenvs)
importlib.reload(toyenvs)
print(sorted({"sympy", "matplotlib", "torch", "scipy"} & set(sys.modules)))
print(sorted(i for i in gymnasium.registry if "toyenvs" in i))
"""
    light, ids = run_python(code).splitlines()
    assert light == "[]"
    assert ids == str(sorted(IDS))


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_check_env_has_nothing_to_warn_of(env_id: str) -> None:
    env = gymnasium.make(env_id, dim=4, render_mode="rgb_array").unwrapped
    check_env(env)  # warnings are errors here
    assert isinstance(env, GoalEnv)
    assert env.construction.name == toyenvs.ENV_IDS[env_id]
    assert env.spec is not None


@pytest.mark.parametrize("env_id", IDS)
def test_make_vec_is_native_by_default(env_id: str) -> None:
    envs = gymnasium.make_vec(env_id, num_envs=3, dim=4, max_episode_steps=5)
    assert isinstance(envs, VectorGoalEnv)
    assert (envs.num_envs, envs.max_episode_steps) == (3, 5)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    observation, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observation)
    assert gymnasium.make_vec(env_id, num_envs=2, dim=4).unwrapped.max_episode_steps == 50


# --- the process ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("group", ["so", "o"])
def test_steps_are_those_of_the_paper(name: str, group: str) -> None:
    env = GoalEnv(name, dim=5, group=group, rotation_seed=4)
    observation, info = env.reset(seed=0)
    assert info == {}
    rng = np.random.default_rng(1)
    for _ in range(6):
        action = rng.uniform(-0.4, 0.4, 5)
        expected, expected_reward = step_by_hand(
            name, env.true_param, observation["observation"], action, observation["desired_goal"]
        )
        following, reward, terminated, truncated, info = env.step(action)
        np.testing.assert_allclose(following["observation"], expected, rtol=0, atol=1e-14)
        np.testing.assert_array_equal(following["achieved_goal"], following["observation"][:5])
        np.testing.assert_array_equal(following["desired_goal"], observation["desired_goal"])
        assert reward == pytest.approx(expected_reward, abs=1e-14)
        assert (terminated, truncated) == (False, False)
        observation = following


@pytest.mark.parametrize("goal_dim", [1, 2, 5])
def test_goals_may_have_fewer_dimensions(goal_dim: int) -> None:
    env = GoalEnv("projected-goal", dim=5, goal_dim=goal_dim, rotation_seed=4)
    observation, _ = env.reset(seed=0)
    assert {key: value.shape for key, value in observation.items()} == {
        "observation": (5,),
        "achieved_goal": (goal_dim,),
        "desired_goal": (goal_dim,),
    }
    assert np.linalg.norm(observation["desired_goal"]) == pytest.approx(1)
    for _ in range(4):
        goal = observation["desired_goal"]
        action = np.array([0.3, -0.5, 0.1, 0.2, -0.4])
        expected = observation["observation"] + times(env.true_param, action)
        observation, reward, *_ = env.step(action)
        np.testing.assert_allclose(observation["observation"], expected, rtol=0, atol=1e-14)
        np.testing.assert_array_equal(observation["achieved_goal"], observation["observation"][:goal_dim])
        assert reward == pytest.approx(math.fsum(g * x for g, x in zip(goal, expected[:goal_dim], strict=True)))
        assert env.compute_reward(observation["achieved_goal"], goal, {}) == reward
    with pytest.raises(ValueError, match=rf"^achieved_goal: shape \(6,\) does not end with {goal_dim}, "):
        env.compute_reward(np.zeros(6), goal, {})


def test_a_user_defined_construction() -> None:
    class HalfStep(GradientFeedback):
        name = "half-step"

        def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
            return super().dynamics(param, observation, action / 2)

    env = GoalEnv(HalfStep, dim=3, true_param=np.eye(3))
    before, _ = env.reset(seed=0)
    after, *_ = env.step(np.array([1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(after["observation"], before["observation"] + [0.5, 0.0, 0.0])


def test_episode_is_truncated_by_the_time_limit_only() -> None:
    env = gymnasium.make(IDS[0], dim=3)
    env.reset(seed=0)
    ends = [env.step(np.zeros(3))[2:4] for _ in range(50)]
    assert ends == [(False, False)] * 49 + [(False, True)]


@pytest.mark.parametrize("name", NAMES)
def test_start_and_goal_are_on_the_sphere(name: str) -> None:
    envs = VectorGoalEnv(4000, name, dim=3)
    observation, _ = envs.reset(seed=0)
    for key in ("desired_goal", "achieved_goal"):
        points = observation[key]
        np.testing.assert_allclose(np.sqrt((points**2).sum(axis=1)), 1.0, atol=1e-12)
        # Uniform on the sphere: mean 0 and covariance I/3; the tolerances are five standard errors.
        np.testing.assert_allclose(points.mean(axis=0), 0.0, atol=5 * math.sqrt(1 / 3 / 4000))
        np.testing.assert_allclose(points.T @ points / 4000, np.eye(3) / 3, atol=5 * math.sqrt(4 / 45 / 4000))
    inner = (observation["desired_goal"] * observation["achieved_goal"]).sum(axis=1)
    assert abs(inner.mean()) < 5 * math.sqrt(1 / 3 / 4000)
    assert not observation["observation"][:, 3:].any()


# --- randomness -------------------------------------------------------------------------------------------


def test_rotation_belongs_to_the_environment_and_not_to_the_episode() -> None:
    env = GoalEnv("gradient-feedback", dim=5, rotation_seed=1)
    param = env.true_param.copy()
    for seed in (0, 1, None):
        env.reset(seed=seed)
        env.step(np.zeros(5))
        np.testing.assert_array_equal(env.true_param, param)
    np.testing.assert_array_equal(GoalEnv("no-reward-gradient", dim=5, rotation_seed=1).true_param, param)
    assert np.abs(GoalEnv("gradient-feedback", dim=5, rotation_seed=2).true_param - param).max() > 0.1
    with pytest.raises(ValueError, match="read-only"):
        env.true_param[0, 0] = 0.0


def test_rotation_is_independent_of_the_episode_seed() -> None:
    """The stream behind U is not the one that reset(seed=rotation_seed) draws goals from."""
    env = GoalEnv("gradient-feedback", dim=4, rotation_seed=0)
    env.reset(seed=0)
    same_stream = HYPOTHESIS_CLASSES["so"].sample(4, np.random.default_rng(0))
    assert np.abs(env.true_param - same_stream).max() > 0.1


# --- compute_reward ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dim", [2, 9, 40])
def test_compute_reward_is_the_step_reward_to_the_last_bit(name: str, dim: int) -> None:
    env = GoalEnv(name, dim=dim)
    observation, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    achieved, desired, rewards, infos = [], [], [], []
    for _ in range(10):
        observation, reward, _, _, info = env.step(rng.standard_normal(dim))
        assert type(reward) is float
        assert env.compute_reward(observation["achieved_goal"], observation["desired_goal"], info) == reward
        achieved.append(observation["achieved_goal"])
        desired.append(observation["desired_goal"])
        rewards.append(reward)
        infos.append(info)
    assert any(rewards)
    batch = np.array(achieved), np.array(desired)
    np.testing.assert_array_equal(env.compute_reward(*batch, np.array(infos)), rewards)
    # The memory layout of the batch must not change a bit either.
    fortran = tuple(np.asfortranarray(x) for x in batch)
    np.testing.assert_array_equal(env.compute_reward(*fortran, infos), rewards)
    # One goal for all, and a grid of goals.
    np.testing.assert_array_equal(env.compute_reward(batch[0], desired[0], {}), rewards)
    grid = env.compute_reward(batch[0][:, None], batch[1][None], {})
    assert isinstance(grid, np.ndarray)
    assert grid.shape == (10, 10)
    np.testing.assert_array_equal(np.diag(grid), rewards)


def test_compute_reward_by_hand() -> None:
    envs = VectorGoalEnv(2, "no-reward-gradient", dim=2)
    # (1, 2)·(3, 4) = 11, (1, 0)·(0, 1) = 0, and the zero goal is worth nothing.
    rewards = envs.compute_reward([[1, 2], [1, 0], [5, 5]], [[3, 4], [0, 1], [0, 0]], [{}, {}, {}])
    np.testing.assert_array_equal(rewards, [11.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"^desired_goal: shape \(3,\) does not end with 2"):
        envs.compute_reward([1.0, 2.0], [1.0, 2.0, 3.0], {})
    with pytest.raises(ValueError, match=r"^achieved_goal: shape \(1,\) does not end with 2"):
        envs.compute_reward([1.0], [1.0, 2.0], {})


# --- actions ----------------------------------------------------------------------------------------------


@given(arrays(np.float64, 3, elements=st.floats(-1e3, 1e3)))
def test_actions_are_projected_on_the_unit_ball(action: Array) -> None:
    env = GoalEnv("gradient-feedback", dim=3, rotation_seed=6)
    before, _ = env.reset(seed=0)
    after, _, _, _, info = env.step(action)
    length = math.hypot(*action)
    if length <= 1 - 1e-15:
        np.testing.assert_array_equal(info["action"], action)
    else:
        np.testing.assert_allclose(info["action"], action / length, rtol=0, atol=1e-15)
    moved = before["observation"] + times(env.true_param, info["action"])
    np.testing.assert_allclose(after["observation"], moved, rtol=0, atol=1e-14)


def test_huge_actions_keep_their_direction() -> None:
    env = GoalEnv("gradient-feedback", dim=2)
    env.reset(seed=0)
    *_, info = env.step(np.array([3e307, -4e307]))
    np.testing.assert_allclose(info["action"], [0.6, -0.8], rtol=1e-14)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ([np.nan, 0.0, 0.0], r"^action\[0\]: nan is not a finite number"),
        ([0.0, np.inf, 0.0], r"^action\[1\]: inf is not a finite number"),
        ([0.0, 0.0], r"^action: shape \(2,\) is not \(3,\)"),
        ([[0.0, 0.0, 0.0]], r"^action: shape \(1, 3\) is not \(3,\)"),
        (["a", "b", "c"], r"^action: .* is not an array of real numbers"),
        ([1j, 0.0, 0.0], r"^action: .* is not an array of real numbers"),
        ([[1.0], [1.0, 2.0], []], r"^action: .* is not a rectangular array"),
    ],
)
def test_bad_actions_are_refused_and_change_nothing(action: Any, message: str) -> None:
    env = GoalEnv("gradient-feedback", dim=3)
    before, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    after, *_ = env.step(np.zeros(3))
    np.testing.assert_array_equal(after["observation"], before["observation"])


def test_bad_vector_actions_are_refused() -> None:
    envs = VectorGoalEnv(2, "gradient-feedback", dim=3)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"^actions\[1, 1\]: nan is not a finite number"):
        envs.step(np.array([[0.0, 0.0, 0.0], [0.0, np.nan, 0.0]]))
    with pytest.raises(ValueError, match=r"^actions: shape \(3,\) is not \(2, 3\)"):
        envs.step(np.zeros(3))


def test_step_needs_reset() -> None:
    with pytest.raises(ResetNeeded, match="before reset"):
        GoalEnv("gradient-feedback", dim=3).step(np.zeros(3))
    with pytest.raises(ResetNeeded, match="before reset"):
        VectorGoalEnv(2, "gradient-feedback", dim=3).step(np.zeros((2, 3)))


def test_observations_are_the_callers_own() -> None:
    env = GoalEnv("no-reward-gradient", dim=3)
    twin = GoalEnv("no-reward-gradient", dim=3)
    observation, _ = env.reset(seed=0)
    twin.reset(seed=0)
    for array in observation.values():
        array[:] = 99.0
    observation, reward, *_ = env.step(np.ones(3))
    expected, expected_reward, *_ = twin.step(np.ones(3))
    assert reward == expected_reward
    for key in expected:
        np.testing.assert_array_equal(observation[key], expected[key])


# --- arguments and options --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 1}, r"^dim: 1 is not"),
        ({"goal_dim": 2}, r"^goal_dim: 2 is not None, but GradientFeedback has no goal dimension"),
        ({"construction": "projected-goal", "goal_dim": 4}, r"^goal_dim: 4 is not an integer in 1\.\.3, the dimension"),
        ({"group": "su"}, r"^group: 'su' is not one of so, o"),
        ({"construction": "none"}, r"^construction: 'none' is not one of"),
        ({"rotation_seed": -1}, r"^rotation_seed: -1 is not an integer >= 0"),
        ({"discount": 1.0}, r"^discount: 1.0 is not in"),
        ({"render_mode": "human"}, r"^render_mode: 'human' is not None or one of \['rgb_array'\]"),
        ({"true_param": np.eye(2)}, r"^true_param: shape \(2, 2\) is not \(3, 3\)"),
        ({"true_param": 1.001 * np.eye(3)}, r"^true_param: .* SpecialOrthogonal .* 0.00173, allowed is 1e-08"),
        ({"true_param": np.diag([1.0, 1.0, -1.0])}, r"^true_param: .* SpecialOrthogonal .* is 2, allowed"),
        ({"true_param": np.full((3, 3), np.nan)}, r"^true_param\[0, 0\]: nan is not a finite number"),
        ({"true_param": 2 * np.eye(3), "group": "o"}, r"^true_param: .* class Orthogonal .* is 1.73, allowed"),
    ],
)
@pytest.mark.parametrize("vector", [False, True])
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str, vector: bool) -> None:
    arguments = {"construction": "gradient-feedback", "dim": 3} | arguments
    with pytest.raises(ValueError, match=message):
        VectorGoalEnv(2, **arguments) if vector else GoalEnv(**arguments)


@pytest.mark.parametrize("name", ["num_envs", "max_episode_steps"])
def test_bad_counts_are_refused(name: str) -> None:
    arguments: dict[str, Any] = {"num_envs": 2, "construction": "gradient-feedback", name: 0}
    with pytest.raises(ValueError, match=rf"^{name}: 0 is not an integer >= 1"):
        VectorGoalEnv(**arguments)


def test_given_parameter_is_used() -> None:
    quarter_turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    env = GoalEnv("gradient-feedback", dim=2, true_param=quarter_turn)
    env.reset(options={"observation": [2.0, 3.0], "desired_goal": [1.0, 10.0]})
    observation, reward, *_ = env.step([1.0, 0.0])
    np.testing.assert_array_equal(observation["observation"], [2.0, 4.0])
    assert reward == 42.0
    quarter_turn[0, 0] = 7.0
    assert env.true_param[0, 0] == 0.0
    reflection = GoalEnv("gradient-feedback", dim=2, group="o", true_param=[[1, 0], [0, -1]])
    np.testing.assert_array_equal(reflection.true_param, [[1.0, 0.0], [0.0, -1.0]])


def test_reset_options_replace_what_was_drawn_and_nothing_else() -> None:
    env = GoalEnv("no-reward-gradient", dim=2)
    plain, _ = env.reset(seed=3)
    fixed, _ = env.reset(seed=3, options={"desired_goal": np.array([0.0, 2.0])})
    np.testing.assert_array_equal(fixed["observation"], plain["observation"])
    np.testing.assert_array_equal(fixed["desired_goal"], [0.0, 2.0])
    placed, _ = env.reset(seed=3, options={"observation": [0.0, 0.0, 1.0, 5.0]})
    np.testing.assert_array_equal(placed["desired_goal"], plain["desired_goal"])
    np.testing.assert_array_equal(placed["achieved_goal"], [0.0, 0.0])
    following, *_ = env.step(np.ones(2))
    np.testing.assert_array_equal(following["observation"], [1.0, 5.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"goal": [1.0, 0.0]}, r"^options: 'goal' is not one of desired_goal, observation"),
        ({"desired_goal": [1.0, 0.0, 0.0]}, r"^options\['desired_goal'\]: shape \(3,\) is not \(2,\)"),
        ({"observation": [1.0, 0.0]}, r"^options\['observation'\]: shape \(2,\) is not \(4,\)"),
        ({"desired_goal": [0.0, 0.0]}, r"^options\['desired_goal'\]: the zero vector is not allowed"),
        ({"desired_goal": [np.nan, 0.0]}, r"^options\['desired_goal'\]\[0\]: nan is not a finite number"),
        (
            {"observation": [1e6, 0.0, 0.0, 0.0]},
            r"^options\['observation'\]: a coordinate of absolute value 1e\+06 is not in \[0, 500000\]",
        ),
    ],
)
@pytest.mark.parametrize("vector", [False, True])
def test_bad_options_are_refused_and_change_nothing(options: dict[str, Any], message: str, vector: bool) -> None:
    def make() -> Any:
        return VectorGoalEnv(3, "no-reward-gradient", 2) if vector else GoalEnv("no-reward-gradient", 2)

    env, twin = make(), make()
    env.reset(seed=1)
    twin.reset(seed=1)
    with pytest.raises(ValueError, match=message):
        env.reset(seed=5, options=options)
    np.testing.assert_array_equal(env.reset()[0]["desired_goal"], twin.reset()[0]["desired_goal"])
