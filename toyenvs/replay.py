"""Replay buffers: batches of transitions, and how they are collected.

A buffer is collected by stepping a construction's dynamics under a behaviour policy that knows nothing of U:
actions uniform in the unit ball, goals uniform on the unit sphere, a fresh goal every ``steps_per_goal``
steps, the state running on. Time is a loop (each state depends on the one before); trials are a tensor
dimension.

Buffers are *nested*: everything random in a buffer comes from streams of which the first N rows do not depend
on N, so the N-transition buffer of a trial is the beginning of its longer ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from toyenvs.constructions.base import Construction, points_in_ball, unit_vectors

__all__ = ["BehaviourStreams", "Transitions", "collect", "draw_behaviour"]


@dataclass(frozen=True)
class Transitions:
    """A batch of replay buffers: B trials of N transitions each, as a learner sees them.

    Attributes:
        observation: s, (B, N, observation_dim).
        action: a, (B, N, d), in the unit ball.
        reward: R(s', g), (B, N).
        next_observation: s', (B, N, observation_dim).
        desired_goal: g, (B, N, d).
    """

    observation: Float[Tensor, "*batch N observation_dim"]
    action: Float[Tensor, "*batch N d"]
    reward: Float[Tensor, "*batch N"]
    next_observation: Float[Tensor, "*batch N observation_dim"]
    desired_goal: Float[Tensor, "*batch N d"]

    @property
    def num_transitions(self) -> int:
        """N."""
        return self.action.shape[-2]

    @property
    def batch_size(self) -> int:
        """B, the number of trials."""
        return self.action.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> Transitions:
        """Apply a function to every field."""
        return Transitions(**{f.name: function(getattr(self, f.name)) for f in fields(self)})

    def first(self, num_transitions: int) -> Transitions:
        """The buffer of the first ``num_transitions`` transitions."""
        return self.map(lambda x: x[:, :num_transitions])

    def rows(self, index: Tensor) -> Transitions:
        """The given transitions of every trial: index (n,) of integers."""
        return self.map(lambda x: x[:, index])

    def trials(self, keep: Tensor) -> Transitions:
        """The trials where ``keep`` (B,) is true."""
        return self.map(lambda x: x[keep])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Transitions:
        """Move to a device and floating-point type."""
        return self.map(lambda x: x.to(device=device, dtype=dtype))


@dataclass(frozen=True)
class BehaviourStreams:
    """Everything random in one trial's buffer, drawn before it is stepped.

    Attributes:
        initial_direction: (d,), unit; becomes a state through ``Construction.initial_observation``.
        action: (N, d), uniform in the unit ball.
        desired_goal: (N, d), unit; constant over blocks of ``steps_per_goal`` rows.
    """

    initial_direction: NDArray[np.float64]
    action: NDArray[np.float64]
    desired_goal: NDArray[np.float64]


def draw_behaviour(
    seed: np.random.SeedSequence, dim: int, num_transitions: int, steps_per_goal: int = 1
) -> BehaviourStreams:
    """Draw the start, the actions and the goals of one trial's buffer.

    Args:
        seed: the trial's own; actions and goals take child streams of it, so both are nested in N.
        dim: d.
        num_transitions: N ≥ 0.
        steps_per_goal: transitions between two fresh goals, ≥ 1.
    """
    # spawn_key addressing instead of seed.spawn(): spawning would change the caller's object.
    start, actions, goals = (
        np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, k))) for k in range(3)
    )
    num_goals = -(-num_transitions // steps_per_goal)
    goal = np.repeat(unit_vectors(goals, num_goals, dim), steps_per_goal, axis=0)[:num_transitions]
    return BehaviourStreams(
        initial_direction=unit_vectors(start, 1, dim)[0],
        action=points_in_ball(actions, num_transitions, dim),
        desired_goal=goal,
    )


def collect(
    construction: Construction,
    true_param: Float[Tensor, "b d d"],
    initial_observation: Float[Tensor, "b observation_dim"],
    action: Float[Tensor, "b N d"],
    desired_goal: Float[Tensor, "b N d"],
) -> Transitions:
    """Step B environments through N given actions and record what happened.

    Args:
        construction: whose dynamics and reward are stepped.
        true_param: the unknown U of each trial. It goes no further: the result does not hold it.
        initial_observation: s of the first transition.
        action: in the unit ball.
        desired_goal: the goal that each transition is rewarded for.
    """
    observations = [initial_observation]
    for t in range(action.shape[-2]):
        observations.append(construction.dynamics(true_param, observations[-1], action[:, t]))
    states = torch.stack(observations, dim=1)
    next_observation = states[:, 1:]
    return Transitions(
        observation=states[:, :-1],
        action=action,
        reward=construction.reward(next_observation, desired_goal),
        next_observation=next_observation,
        desired_goal=desired_goal,
    )
