"""Seconds a trial and step of DDPG's descent: ours against other ways to do the same.

At each d one buffer of N = 1.15 (D + 1) transitions a trial, B trials:

* ``ours``       :func:`toyenvs.learners.descent.train` on the whole batch, in double and in single precision;
* ``geoopt``     (a) a loop over trials, geoopt's ``RiemannianAdam`` on its Stiefel manifold and the same loss [1];
* ``autograd``   (b) ours with the loss differentiated automatically instead of reduced;
* ``sb3``        (c) one update of Stable-Baselines3's DDPG on the registered environment, on a minibatch of N [2];
* ``products``   (d) the two matrix products that a step cannot do without, in the same precision: the limit.

One arithmetic thread each: trials are what runs in parallel.

References:
    [1] M. Kochurov, R. Karimov, S. Kozlukov, Geoopt: Riemannian optimization in PyTorch, arXiv:2005.02819.
    [2] A. Raffin et al., Stable-Baselines3, JMLR 22(268), 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import geoopt
import gymnasium
import numpy as np
import torch
from jaxtyping import Float
from stable_baselines3 import DDPG, HerReplayBuffer
from torch import Tensor

import toyenvs
from analysis.tasks import ParametricTask, make_task
from analysis.tasks.solvers import Descent
from benchmarks.timing import median_ratio, seconds_a_step
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES
from toyenvs.learners.descent import DescentSettings, train
from toyenvs.replay import Transitions
from toyenvs.replay.protocol import collect_buffers

__all__ = ["KernelRow", "Problem", "descent", "geoopt_loop", "measure", "problem"]

gymnasium.register_envs(toyenvs)


@dataclass(frozen=True)
class KernelRow:
    """Times at one d.

    Attributes:
        dim: d.
        batch_size: B.
        microseconds: a trial and step, by way.
        times_geoopt: how many times as fast as (a).
        times_autograd: as (b).
        times_sb3: as (c).
        share_of_limit: of the speed of the bare products (d), in double and in single precision.
    """

    dim: int
    batch_size: int
    microseconds: dict[str, float]
    times_geoopt: float
    times_autograd: float
    times_sb3: float
    share_of_limit: tuple[float, float]


@dataclass(frozen=True)
class Problem:
    """Trials of DDPG on SO(d), 15 % more transitions than identify U.

    Attributes:
        setting: what a sweep would be told.
        transitions: the buffers.
        start: Ũ at the start.
    """

    task: ParametricTask
    transitions: Transitions
    start: Float[Tensor, "b d d"]

    @property
    def mixed(self) -> bool:
        """Whether the engine descends in single precision at this d."""
        solver = self.task.solver
        return isinstance(solver, Descent) and solver.settings.mixed


def problem(dim: int, batch_size: int) -> Problem:
    """Draw the trials; the same for every way that is timed."""
    task = make_task({"learner": "ddpg", "dim": dim})
    group = task.problem.make_group()
    count = int(1.15 * (dim * (dim - 1) // 2 + 1))
    seeds = [np.random.SeedSequence((dim, trial)) for trial in range(batch_size)]
    truth, start = (
        torch.from_numpy(
            np.stack([group.sample(dim, np.random.default_rng((dim, k, trial))) for trial in range(batch_size)])
        )
        for k in (1, 2)
    )
    return Problem(task, collect_buffers(task.problem.make_construction(), truth, seeds, count), start)


def _ours(problem: Problem, dtype: torch.dtype, *, reduced: bool) -> Callable[[int], object]:
    """Descent by a given number of steps that no stopping rule ends."""
    transitions, start = problem.transitions.to("cpu", dtype), problem.start.to(dtype)
    construction, group = problem.task.problem.make_construction(), HYPOTHESIS_CLASSES["so"]

    def run(steps: int) -> object:
        settings = DescentSettings(max_steps=steps, loss_tolerance=0.0, stationarity_tolerance=0.0, reduced=reduced)
        return train(construction, group, transitions, start, 0.0, settings)

    return run


def descent(problem: Problem) -> Callable[[int], object]:
    """Most of the steps that the engine would take: in the arithmetic that it chooses at this d."""
    return _ours(problem, torch.float32 if problem.mixed else torch.float64, reduced=True)


def geoopt_loop(problem: Problem, trials: int) -> Callable[[int], object]:
    """The same loss for the first trials, one after the other."""
    inputs = problem.transitions.action
    moved = problem.transitions.next_observation - problem.transitions.observation
    goals = problem.transitions.desired_goal
    responses = (goals * moved).sum(-1)

    def run(steps: int) -> object:
        for trial in range(trials):
            param = geoopt.ManifoldParameter(problem.start[trial].clone(), manifold=geoopt.Stiefel())
            optimizer = geoopt.optim.RiemannianAdam([param], lr=1e-2)
            for _ in range(steps):
                optimizer.zero_grad()
                predicted = (goals[trial] * (inputs[trial] @ param.mT)).sum(-1)
                loss = (predicted - responses[trial]).square().mean()
                loss.backward()
                optimizer.step()
        return None

    return run


def _sb3(dim: int, minibatch: int) -> Callable[[int], object]:
    env = gymnasium.make("toyenvs/GradientFeedback-v0", dim=dim)
    model = DDPG(
        "MultiInputPolicy", env, replay_buffer_class=HerReplayBuffer, learning_starts=200, seed=0, train_freq=1000
    )
    model.learn(max(400, 2 * env.spec.max_episode_steps if env.spec and env.spec.max_episode_steps else 400))

    def run(steps: int) -> object:
        model.train(gradient_steps=steps, batch_size=minibatch)
        return None

    return run


def _products(problem: Problem, dtype: torch.dtype) -> Callable[[int], object]:
    inputs, goals = problem.transitions.action.to(dtype), problem.transitions.desired_goal.to(dtype)
    param = problem.start.to(dtype)

    def run(steps: int) -> object:
        for _ in range(steps):
            predictions = torch.bmm(inputs, param.mT)
            gradient = torch.bmm(goals.mT, inputs)
        return predictions, gradient

    return run


def measure(dim: int, batch_size: int, rounds: int) -> KernelRow:
    """Time all ways at one d.

    Args:
        dim: d.
        batch_size: B, trials that run together.
        rounds: how often each way is timed.
    """
    drawn = problem(dim, batch_size)
    few = min(batch_size, 2)
    runs = {
        "ours": (_ours(drawn, torch.float64, reduced=True), batch_size),
        "ours, single": (_ours(drawn, torch.float32, reduced=True), batch_size),
        "autograd": (_ours(drawn, torch.float64, reduced=False), batch_size),
        "geoopt": (geoopt_loop(drawn, few), few),
        "sb3": (_sb3(dim, drawn.transitions.num_transitions), 1),
        "products": (_products(drawn, torch.float64), batch_size),
        "products, single": (_products(drawn, torch.float32), batch_size),
    }
    step = seconds_a_step(runs, rounds)
    return KernelRow(
        dim=dim,
        batch_size=batch_size,
        microseconds={name: 1e6 * float(np.median(times)) for name, times in step.items()},
        times_geoopt=median_ratio(step["geoopt"], step["ours"]),
        times_autograd=median_ratio(step["autograd"], step["ours"]),
        times_sb3=median_ratio(step["sb3"], step["ours"]),
        share_of_limit=(
            median_ratio(step["products"], step["ours"]),
            median_ratio(step["products, single"], step["ours, single"]),
        ),
    )
