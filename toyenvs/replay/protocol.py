"""Data protocols: how replay buffers are collected.

The theory counts transitions whose goals and actions are *generic and independent of U*. A :class:`Protocol` says how
a buffer departs from that: several goals a transition, one goal for many transitions, noise, or goals and actions that
depend on U (``hindsight``, ``on-policy``), for which the paper's lower bound does not hold.

:func:`collect_buffers` steps all trials together; time is the only loop. Everything random comes from child streams of
the trial's own seed (0 start, 1 actions, 2 goals, 3 noise), row by row, so buffers are nested: the first N transitions
do not depend on how many follow. The default protocol gives the buffers of :func:`toyenvs.replay.draw_behaviour`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from toyenvs.algebra import embed, norm, scale
from toyenvs.constructions.base import Construction, points_in_ball, unit_vectors
from toyenvs.replay import Transitions, child_stream

__all__ = ["ACTIONS", "GOALS", "Protocol", "collect_buffers"]

GOALS = ("independent", "shared", "orthonormal", "hindsight")
"""How the goals of transitions may be chosen."""

ACTIONS = ("ball", "sphere", "on-policy")
"""How actions may be chosen."""


@dataclass(frozen=True)
class Protocol:
    """How a buffer is collected; the default is the theory's: one fresh goal and one random action a transition.

    Attributes:
        steps_per_goal: T ≥ 1, transitions between two draws of goals: episodes of T steps. The state runs on. With
            ``relabels`` = K, all K goals are kept for the T steps.
        relabels: K ≥ 1, goals a transition. A transition counts once; it is K rows of the buffer.
        goals: ``"independent"``: uniform on the unit sphere. ``"shared"``: likewise, but the K goals are the same for
            all transitions of a trial. ``"orthonormal"``: the K goals of a transition are a uniformly random
            orthonormal frame. ``"hindsight"``: the direction in which the achieved goal has moved, which depends on U.
        actions: ``"ball"``: uniform in the unit ball. ``"sphere"``: uniform of length 1. ``"on-policy"``: the best
            action for the (first) drawn goal, of length 1, which depends on U.
        noise: σ ≥ 0. Independent normal noise of this standard deviation is added to each of the coordinates of the
            next state that goals see (the first k), and stays in the state.

    Raises:
        ValueError: if a value is not allowed, or not together with another one.
    """

    steps_per_goal: int = 1
    relabels: int = 1
    goals: str = "independent"
    actions: str = "ball"
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("steps_per_goal", "relabels"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"{name}: {value!r} is not an integer >= 1")
        for name, allowed in (("goals", GOALS), ("actions", ACTIONS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(allowed)}")
        noise: object = self.noise  # callers without a type checker pass other things
        if isinstance(noise, bool) or not isinstance(noise, int | float | np.number) or not 0 <= noise < np.inf:
            raise ValueError(f"noise: {noise!r} is not a finite number >= 0")
        if self.goals == "hindsight" and self.relabels != 1:
            raise ValueError(f"relabels: {self.relabels!r} is not 1, the number of hindsight goals of a transition")
        if self.goals == "shared" and self.steps_per_goal != 1:
            raise ValueError(f"steps_per_goal: {self.steps_per_goal!r} is not 1, but shared goals never change")

    def check(self, construction: Construction) -> None:
        """Whether the protocol suits a construction.

        Raises:
            ValueError: if there are more orthonormal goals than dimensions, or if the state is more than one point
                (``observation_dim`` is not ``dim``), to which neither noise nor hindsight goals are defined here.
        """
        if self.goals == "orthonormal" and self.relabels > construction.goal_dim:
            raise ValueError(
                f"relabels: {self.relabels!r} is not in 1..{construction.goal_dim}, "
                "the number of orthonormal goals that there are"
            )
        if construction.observation_dim != construction.dim:
            reason = f"{construction.name}, whose observation_dim {construction.observation_dim} is not its dim"
            if self.noise:
                raise ValueError(f"noise: {self.noise!r} is not 0, as it must be for {reason}")
            if self.goals == "hindsight":
                raise ValueError(f"goals: 'hindsight' is not allowed for {reason}")


def collect_buffers(
    construction: Construction,
    true_param: Float[Tensor, "b d d"],
    seeds: Sequence[np.random.SeedSequence],
    num_transitions: int,
    protocol: Protocol | None = None,
) -> Transitions:
    """Collect B buffers of N transitions.

    Args:
        construction: whose dynamics and reward are stepped.
        true_param: the unknown U of each trial. It goes no further: the result does not hold it.
        seeds: B, one a trial.
        num_transitions: N ≥ 0.
        protocol: how; None is the default one.

    Returns:
        Buffers of N·K rows in order of time, the K rows of a transition next to each other.

    Raises:
        ValueError: if N is negative, the seeds are not B, or the protocol does not suit the construction.
    """
    protocol = Protocol() if protocol is None else protocol
    protocol.check(construction)
    if num_transitions < 0:
        raise ValueError(f"num_transitions: {num_transitions!r} is not an integer >= 0")
    if len(seeds) != len(true_param):
        raise ValueError(f"seeds: {len(seeds)} of them, not {len(true_param)}, one for each trial")
    dim, goal_dim, relabels = construction.dim, construction.goal_dim, protocol.relabels

    def stack(stream: int, draw: Callable[[np.random.Generator], NDArray[np.float64]]) -> Tensor:
        return torch.from_numpy(np.stack([draw(child_stream(seed, stream)) for seed in seeds])).to(true_param)

    goal = stack(2, lambda rng: _draw_goals(rng, num_transitions, goal_dim, protocol))
    action = None
    if protocol.actions != "on-policy":
        draw_action = points_in_ball if protocol.actions == "ball" else unit_vectors
        action = stack(1, lambda rng: draw_action(rng, num_transitions, dim))
    noise = None
    if protocol.noise:
        noise = protocol.noise * stack(3, lambda rng: rng.standard_normal((num_transitions, goal_dim)))

    observations = [construction.initial_observation(stack(0, lambda rng: unit_vectors(rng, 1, dim)[0]))]
    actions: list[Tensor] = []
    for t in range(num_transitions):
        if action is None:
            taken = construction.policy(true_param, observations[-1], goal[:, t, 0])
            taken = scale(taken, 1 / norm(taken))
        else:
            taken = action[:, t]
        following = construction.dynamics(true_param, observations[-1], taken)
        if noise is not None:
            following = following + embed(noise[:, t], dim)
        actions.append(taken)
        observations.append(following)
    states = torch.stack(observations, dim=1)
    observation, next_observation = states[:, :-1], states[:, 1:]
    if action is None:
        action = torch.stack(actions, dim=1) if actions else states.new_zeros((len(seeds), 0, dim))

    if protocol.goals == "hindsight":
        moved = construction.achieved_goal(next_observation) - construction.achieved_goal(observation)
        goal = scale(moved, 1 / norm(moved))[:, :, None]
    if relabels > 1:
        observation, action, next_observation = (
            x.repeat_interleave(relabels, dim=1) for x in (observation, action, next_observation)
        )
    goal = goal.flatten(1, 2)
    return Transitions(
        observation=observation,
        action=action,
        reward=construction.reward(next_observation, goal),
        next_observation=next_observation,
        desired_goal=goal,
        rows_per_transition=relabels,
    )


def _draw_goals(
    rng: np.random.Generator, num_transitions: int, goal_dim: int, protocol: Protocol
) -> NDArray[np.float64]:
    """One trial's goals, (N, K, k), before any hindsight."""
    relabels = protocol.relabels
    num_draws = 1 if protocol.goals == "shared" else -(-num_transitions // protocol.steps_per_goal)
    if protocol.goals == "orthonormal":
        # Gram-Schmidt of Gaussian vectors is Haar; QR is that up to signs, which the diagonal of R shows.
        frame, triangle = np.linalg.qr(np.swapaxes(rng.standard_normal((num_draws, relabels, goal_dim)), 1, 2))
        signs = np.sign(np.diagonal(triangle, axis1=1, axis2=2))
        drawn = np.swapaxes(frame * signs[:, None, :], 1, 2)
    else:
        drawn = unit_vectors(rng, num_draws * relabels, goal_dim).reshape(num_draws, relabels, goal_dim)
    if protocol.goals == "shared":
        return np.repeat(drawn, num_transitions, axis=0)
    return np.repeat(drawn, protocol.steps_per_goal, axis=0)[:num_transitions]
