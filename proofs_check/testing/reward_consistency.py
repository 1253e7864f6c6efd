"""The rewards of a goal environment against its ``compute_reward``, on which hindsight relabelling relies.

The convention is that of Gymnasium-Robotics, which Stable-Baselines3's ``HerReplayBuffer`` expects: observations are
dictionaries with ``observation``, ``achieved_goal`` and ``desired_goal``, and ``compute_reward(achieved_goal,
desired_goal, info)`` takes one pair of goals with its ``info``, a dictionary, or a batch of pairs with a *sequence* of
dictionaries, one for each pair. ``HerReplayBuffer`` passes empty ones unless it is made with ``copy_info_dict=True``.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from proofs_check.testing.comparison import pair, vector

__all__ = ["assert_reward_consistent"]

_KEYS = ("observation", "achieved_goal", "desired_goal")


@dataclass(frozen=True)
class _Step:
    """What one step of one environment returned."""

    where: str
    achieved_goal: NDArray[Any]
    desired_goal: NDArray[Any]
    reward: float
    info: dict[str, Any]


def assert_reward_consistent(
    env: gymnasium.Env[Any, Any] | VectorEnv[Any, Any, Any],
    *,
    steps: int = 30,
    episodes: int = 3,
    seed: int = 0,
    rtol: float = 1e-6,
) -> None:
    """The reward of every step is ``compute_reward`` of the goals that were observed, and so is any relabelled one.

    ``compute_reward(achieved_goal, desired_goal, info)`` must accept

    * one pair: goals as they were observed, ``info`` the dictionary that ``step`` returned; the result is one number;
    * a batch of n pairs: goals of shape (n, ...), ``info`` a *sequence* of n such dictionaries; the result is of shape
      (n,). ``info["key"]`` does not work there; ``[one["key"] for one in info]`` does. (Stable-Baselines3 passes empty
      dictionaries unless its ``HerReplayBuffer`` is made with ``copy_info_dict=True``; here they are the real ones.)

    The environment is stepped with random actions, and then:

    1. every observation is in the observation space, and every reward is a finite number. "In" is what the space's own
       ``contains`` says: in a ``Box`` of float64, arrays of float32 are, as the cast is safe; in one of float32,
       arrays of float64 are not, which is an error;
    2. the reward of a step is ``compute_reward(achieved_goal, desired_goal, info)``, asked for right after the step,
       and still is when all the episodes are over: it must not depend on the state that the environment is in;
    3. a batch gives what its pairs give one by one, for the goals of the steps and for relabelled ones: the achieved
       goals of other steps in place of the desired ones, as hindsight has them.

    Args:
        env: a Gymnasium environment, wrapped or not, or a vector environment. It is reset and stepped, not closed.
        steps: how many in all (each of all the copies, in a vector environment), ≥ 1.
        episodes: over how many the steps are spread, ≥ 1; more where episodes end before.
        seed: of the first reset and of the actions; following resets go on from there.
        rtol: allowed difference, relative to the largest reward; wide enough for goals of float32.

    Raises:
        AssertionError: naming the quantity, both values, the step and the goals.
        ValueError: if ``env`` is no environment, or no goal environment.
    """
    for name, value in (("steps", steps), ("episodes", episodes)):
        if value < 1:
            raise ValueError(f"{name}: {value!r} is not an integer >= 1")
    if not isinstance(env, gymnasium.Env | VectorEnv):
        raise ValueError(
            f"env: {env!r} is neither a gymnasium.Env nor a VectorEnv; gymnasium.make makes one from its name"
        )
    _check_space(env.single_observation_space if isinstance(env, VectorEnv) else env.observation_space)
    compute_reward = _compute_reward_of(env)
    rolled = (
        _vector_steps(env, steps, episodes, seed)
        if isinstance(env, VectorEnv)
        else _single_steps(env, steps, episodes, seed)
    )
    taken: list[_Step] = []
    for step in rolled:
        if not np.isfinite(step.reward):
            raise AssertionError(f"reward of {step.where}: {step.reward} is not a finite number")
        taken.append(step)
        single = _single(compute_reward, step.achieved_goal, step.desired_goal, step)
        _compare("reward", step, step.desired_goal, ("step", step.reward), ("compute_reward", single), rtol, taken)
    _check_batches(compute_reward, taken, seed, rtol)


def _check_space(space: spaces.Space[Any]) -> None:
    if not isinstance(space, spaces.Dict) or not set(_KEYS) <= set(space.spaces):
        raise ValueError(
            f"env: its observation space, {type(space).__name__}, is not a Dict with {', '.join(_KEYS)}, "
            "so it is no goal environment"
        )


def _compute_reward_of(env: Any) -> Callable[..., Any]:
    """The method of the outermost wrapper that has one; for a vector environment of copies, of the first copy."""
    candidates = [env, env.unwrapped, *getattr(env.unwrapped, "envs", [])[:1]]
    for candidate in candidates:
        found = getattr(candidate, "compute_reward", None)
        if found is None and isinstance(candidate, gymnasium.Wrapper):
            found = getattr(candidate.unwrapped, "compute_reward", None)
        if callable(found):
            return found
    raise ValueError(
        f"env: {type(env.unwrapped).__name__} has no method compute_reward(achieved_goal, desired_goal, info)"
    )


def _check_observation(space: spaces.Space[Any], observation: Any, where: str) -> None:
    if space.contains(observation):
        return
    assert isinstance(space, spaces.Dict)
    if not isinstance(observation, dict) or set(observation) != set(space.spaces):
        raise AssertionError(f"observation of {where}: not a dictionary with the keys {', '.join(space.spaces)}")
    for key, part in space.spaces.items():
        value = observation[key]
        if part.contains(value):
            continue
        dtype = getattr(value, "dtype", None)
        kind = f"{type(value).__name__} {'' if dtype is None else dtype} of shape {np.shape(value)}"
        unsafe = dtype is not None and part.dtype is not None and not np.can_cast(dtype, part.dtype)
        note = f": {dtype} does not cast to {part.dtype} safely" if unsafe else ""
        raise AssertionError(f"{key} of {where}: {kind} with the value {value} is not in its space, {part}{note}")


def _single_steps(env: gymnasium.Env[Any, Any], steps: int, episodes: int, seed: int) -> Iterator[_Step]:
    actions = copy.deepcopy(env.action_space)  # the environment's own generator stays as it is
    actions.seed(seed)
    length = -(-steps // episodes)
    episode, elapsed, begun = 0, 0, False
    for _ in range(steps):
        if not begun:
            observation, _info = env.reset(seed=None if episode else seed)
            _check_observation(env.observation_space, observation, f"the reset of episode {episode}")
            elapsed, begun = 0, True
        observation, reward, terminated, truncated, info = env.step(actions.sample())
        where = f"step {elapsed} of episode {episode}"
        _check_observation(env.observation_space, observation, where)
        yield _Step(
            where,
            np.array(observation["achieved_goal"]),
            np.array(observation["desired_goal"]),
            float(reward),
            info,
        )
        elapsed += 1
        if terminated or truncated or elapsed >= length:
            episode, begun = episode + 1, False


def _vector_steps(env: VectorEnv[Any, Any, Any], steps: int, episodes: int, seed: int) -> Iterator[_Step]:
    actions = copy.deepcopy(env.action_space)
    actions.seed(seed)
    mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
    length = -(-steps // episodes)
    ended = np.zeros(env.num_envs, dtype=np.bool_)
    for t in range(steps):
        if t % length == 0:
            observation, _info = env.reset(seed=None if t else seed)
            _check_observation(env.observation_space, observation, "a reset")
            ended[:] = False
        elif mode == AutoresetMode.DISABLED and ended.any():
            env.reset(options={"reset_mask": ended.copy()})
            ended[:] = False
        observation, rewards, terminations, truncations, infos = env.step(actions.sample())
        _check_observation(env.observation_space, observation, f"step {t}")
        now = np.logical_or(terminations, truncations)
        # In these rows the observation is that of a new episode, or the step was a reset.
        skipped = now if mode == AutoresetMode.SAME_STEP else ended & (mode == AutoresetMode.NEXT_STEP)
        for row in np.flatnonzero(~skipped):
            yield _Step(
                f"step {t} of copy {row}",
                np.array(observation["achieved_goal"][row]),
                np.array(observation["desired_goal"][row]),
                float(rewards[row]),
                {key: values[row] for key, values in infos.items() if np.shape(values)[:1] == (env.num_envs,)},
            )
        ended = now


def _single(compute_reward: Callable[..., Any], achieved: Any, desired: Any, step: _Step) -> float:
    """``compute_reward`` of one pair, which must be one number and leave its arguments as they are."""
    given = achieved.copy(), desired.copy()
    reward = np.asarray(compute_reward(*given, step.info))
    if reward.size != 1:
        raise AssertionError(f"compute_reward at {step.where}: shape {reward.shape} for one pair of goals, not ()")
    for name, before, after in zip(_KEYS[1:], (achieved, desired), given, strict=True):
        if not np.array_equal(before, after):
            raise AssertionError(f"compute_reward at {step.where} changed its {name}: {before}, then {after}")
    return float(reward.reshape(()))


def _compare(
    quantity: str,
    step: _Step,
    desired: NDArray[Any],
    first: tuple[str, float],
    second: tuple[str, float],
    rtol: float,
    taken: list[_Step],
    note: str = "",
) -> None:
    scale = max(abs(second[1]), *(abs(other.reward) for other in taken))
    if abs(first[1] - second[1]) <= rtol * scale:
        return
    texts = pair(first[1], second[1])
    raise AssertionError(
        f"{quantity} at {step.where}: {first[0]} {texts[0]}, {second[0]} {texts[1]}\n"
        f"smallest failing example{note}:\n"
        f"  achieved_goal = {vector(step.achieved_goal)}\n"
        f"  desired_goal  = {vector(desired)}"
    )


def _check_batches(compute_reward: Callable[..., Any], taken: list[_Step], seed: int, rtol: float) -> None:
    count = len(taken)
    for step in taken:
        again = _single(compute_reward, step.achieved_goal, step.desired_goal, step)
        names = ("step", step.reward), ("compute_reward when the episodes were over", again)
        _compare("reward", step, step.desired_goal, *names, rtol, taken)
    order = np.random.default_rng(seed).permutation(count)
    relabellings = {
        "reward": [step.desired_goal for step in taken],
        "relabelled reward (a later goal)": [taken[min(i + 1, count - 1)].achieved_goal for i in range(count)],
        "relabelled reward (any achieved goal)": [taken[i].achieved_goal for i in order],
    }
    for quantity, desired in relabellings.items():
        singles = [_single(compute_reward, s.achieved_goal, g, s) for s, g in zip(taken, desired, strict=True)]
        given = list(zip(taken, desired, singles, strict=True))
        # One pair first, then all, then two of which one fails: the batch that is reported is as short as can be.
        _check_batch(compute_reward, quantity, given[:1], rtol, taken)
        try:
            _check_batch(compute_reward, quantity, given, rtol, taken)
        except AssertionError:
            for first, second in itertools.pairwise(given):
                _check_batch(compute_reward, quantity, [first, second], rtol, taken)
            for other in given[1:]:
                _check_batch(compute_reward, quantity, [given[0], other], rtol, taken)
            raise


_Pair = tuple[_Step, NDArray[Any], float]
"""A step, the goal that it is rewarded for, and the reward that was computed alone."""


def _check_batch(
    compute_reward: Callable[..., Any], quantity: str, given: list[_Pair], rtol: float, taken: list[_Step]
) -> None:
    batch = _batch(compute_reward, [step for step, _, _ in given], [goal for _, goal, _ in given], quantity)
    for row, (step, goal, single) in enumerate(given):
        note = f", row {row} of a batch of {len(given)}"
        _compare(quantity, step, goal, ("in a batch", float(batch[row])), ("alone", single), rtol, taken, note)


def _batch(
    compute_reward: Callable[..., Any], taken: list[_Step], desired: list[NDArray[Any]], quantity: str
) -> NDArray[Any]:
    size = len(taken)
    achieved, infos = np.stack([step.achieved_goal for step in taken]), np.empty(size, dtype=object)
    infos[:] = [step.info for step in taken]
    try:
        rewards = np.asarray(compute_reward(achieved, np.stack(desired), infos))
    except Exception as error:
        raise AssertionError(
            f"{quantity}: compute_reward of a batch of {size}, goals of shape {achieved.shape}, raised "
            f"{type(error).__name__}: {error}\n"
            "for a batch, info is a sequence of dictionaries, one for each pair (Gymnasium-Robotics, "
            "Stable-Baselines3): [one[key] for one in info] instead of info[key]"
        ) from error
    if rewards.shape != (size,):
        raise AssertionError(
            f"{quantity}: compute_reward of a batch of {size}, goals of shape {achieved.shape}, has shape "
            f"{rewards.shape}, not ({size},)"
        )
    return rewards
