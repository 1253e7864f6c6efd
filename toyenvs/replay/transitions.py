"""Replay buffers: batches of transitions, and how they are collected by default.

A buffer is collected by stepping a construction's dynamics under a behaviour policy that knows nothing of U:
actions uniform in the unit ball, goals uniform on the unit sphere, a fresh goal every ``steps_per_goal``
steps, the state running on. Time is a loop (each state depends on the one before); trials are a tensor
dimension. Other ways of collecting are in :mod:`toyenvs.replay.protocol`.

Buffers are *nested*: everything random in a buffer comes from streams of which the first N rows do not depend
on N, so the N-transition buffer of a trial is the beginning of its longer ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from toyenvs.constructions.base import Construction, points_in_ball, unit_vectors

__all__ = ["BehaviourStreams", "Transitions", "child_stream", "collect", "draw_behaviour"]


@dataclass(frozen=True)
class Transitions:
    """A batch of replay buffers: B trials of N transitions each, as a learner sees them.

    A transition that is relabelled with K goals is K adjacent rows, which share s, a and s'.

    Attributes:
        observation: s, (B, N·K, observation_dim).
        action: a, (B, N·K, d), in the unit ball.
        reward: R(s', g), (B, N·K).
        next_observation: s', (B, N·K, observation_dim).
        desired_goal: g, (B, N·K, k), k = d in most constructions.
        rows_per_transition: K ≥ 1.
    """

    observation: Float[Tensor, "*batch rows observation_dim"]
    action: Float[Tensor, "*batch rows d"]
    reward: Float[Tensor, "*batch rows"]
    next_observation: Float[Tensor, "*batch rows observation_dim"]
    desired_goal: Float[Tensor, "*batch rows k"]
    if TYPE_CHECKING:  # mypy does not know that an InitVar with a default can be read
        rows_per_transition: int = 1
    else:
        # Not a field: what goes through the fields relies on tensors.
        rows_per_transition: InitVar[int] = 1

    def __post_init__(self, *given: int) -> None:
        object.__setattr__(self, "rows_per_transition", *given)
        rows, share = self.num_rows, self.rows_per_transition
        if share < 1 or rows % share:
            raise ValueError(f"rows_per_transition: {share!r} is not an integer >= 1 that divides {rows}, the rows")

    @property
    def num_rows(self) -> int:
        """N·K, the number of (transition, goal) pairs."""
        return self.action.shape[-2]

    @property
    def num_transitions(self) -> int:
        """N."""
        return self.num_rows // self.rows_per_transition

    @property
    def batch_size(self) -> int:
        """B, the number of trials."""
        return self.action.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> Transitions:
        """Apply a function to every tensor; it must leave the rows of a transition together."""
        return Transitions(
            observation=function(self.observation),
            action=function(self.action),
            reward=function(self.reward),
            next_observation=function(self.next_observation),
            desired_goal=function(self.desired_goal),
            rows_per_transition=self.rows_per_transition,
        )

    def first(self, num_transitions: int) -> Transitions:
        """The buffer of the first ``num_transitions`` transitions, with all rows of each."""
        return self.map(lambda x: x[:, : num_transitions * self.rows_per_transition])

    def rows(self, index: Tensor) -> Transitions:
        """The given rows of every trial, each of them as a transition of its own: index (n,) of integers."""
        return replace(self, rows_per_transition=1).map(lambda x: x[:, index])

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


def child_stream(seed: np.random.SeedSequence, number: int) -> np.random.Generator:
    """One of the independent generators that belong to a trial's seed, whichever others are asked for.

    Args:
        seed: the trial's own; it is not changed.
        number: 0 start, 1 actions, 2 goals, 3 what the environment adds at random, 4 exploration.
    """
    # spawn_key addressing instead of seed.spawn(): spawning would change the caller's object.
    return np.random.default_rng(np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, number)))


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
    start, actions, goals = (child_stream(seed, number) for number in range(3))
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
    desired_goal: Float[Tensor, "b N k"],
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
