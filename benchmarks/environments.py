"""Environment steps a second: the native vector environment against Gymnasium's own around single ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gymnasium
import numpy as np
from gymnasium.vector import SyncVectorEnv

import toyenvs
from benchmarks.timing import interleaved, median_ratio

__all__ = ["StepRate", "measure"]

gymnasium.register_envs(toyenvs)

_ID = "toyenvs/GradientFeedback-v0"
_STEPS = 50


@dataclass(frozen=True)
class StepRate:
    """Both ways to step environments.

    Attributes:
        dim: d.
        num_envs: how many are stepped together.
        native: steps of single environments a second, by ``gymnasium.make_vec``.
        synchronous: the same by ``SyncVectorEnv``.
        times: how many times as fast the first is, the median over rounds.
    """

    dim: int
    num_envs: int
    native: float
    synchronous: float
    times: float


def measure(dim: int, num_envs: int, rounds: int) -> StepRate:
    """Step both with the same actions.

    Args:
        dim: d.
        num_envs: how many environments.
        rounds: how often each is timed.
    """
    native = gymnasium.make_vec(_ID, num_envs=num_envs, dim=dim)
    synchronous = SyncVectorEnv([lambda: gymnasium.make(_ID, dim=dim) for _ in range(num_envs)])
    native.action_space.seed(0)
    actions = [native.action_space.sample() for _ in range(_STEPS)]

    def stepper(envs: gymnasium.vector.VectorEnv) -> Callable[[], None]:
        envs.reset(seed=0)

        def run() -> None:
            for action in actions:
                envs.step(action)

        return run

    times = interleaved({"native": stepper(native), "synchronous": stepper(synchronous)}, rounds)
    count = _STEPS * num_envs
    native.close()
    synchronous.close()
    return StepRate(
        dim,
        num_envs,
        count / float(np.median(times["native"])),
        count / float(np.median(times["synchronous"])),
        median_ratio(times["synchronous"], times["native"]),
    )
