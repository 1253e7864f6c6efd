"""Hypothesis strategies for constructions and critics, each of which shrinks to something that can be read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from proofs_check.testing.problems import Problem, as_class, draw_problem
from toyenvs.constructions.base import Construction
from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.replay import Transitions, draw_behaviour

__all__ = ["actions_in_ball", "dims", "discounts", "goals", "observations", "problems", "rotations", "transitions"]

_seeds = st.integers(0, 2**16)
_coordinates = st.integers(-8, 8).map(lambda quarters: quarters / 4)


def dims(max_dim: int = 5) -> st.SearchStrategy[int]:
    """Dimensions d from 2 to ``max_dim``; shrinks to 2."""
    return st.integers(2, max_dim)


def discounts(max_discount: float = 0.95) -> st.SearchStrategy[float]:
    """Discount factors γ in hundredths, from 0 to ``max_discount``; shrinks to 0."""
    return st.integers(0, math.floor(100 * max_discount + 1e-9)).map(lambda hundredths: hundredths / 100)


def _simple_members(members: HypothesisClass, dim: int) -> Iterator[NDArray[np.float64]]:
    """Those of the identity, a quarter turn and a reflection of the first axis that the class contains."""
    identity, turn, reflection = (np.eye(dim) for _ in range(3))
    turn[:2, :2] = [[0, -1], [1, 0]]
    reflection[0, 0] = -1
    for matrix in (identity, turn, reflection):
        if np.linalg.norm(members.project(torch.from_numpy(matrix)).numpy() - matrix) < 1e-12:
            yield matrix


def rotations(group: str | HypothesisClass, dim: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Members (d, d) of a hypothesis class: simple ones, and draws from its own uniform distribution.

    Shrinks to the identity, then to a quarter turn in the first two coordinates, where they are members; where
    neither fails, to a small seed.
    """
    members = as_class(group)
    drawn = _seeds.map(lambda seed: members.sample(dim, np.random.default_rng(seed)))
    simple = [st.builds(np.copy, st.just(matrix)) for matrix in _simple_members(members, dim)]
    return st.one_of(*simple, drawn)


def goals(dim: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Goals g ≠ 0, (d,), in quarters; shrinks to one small coordinate."""
    return arrays(np.float64, dim, elements=_coordinates).filter(lambda g: bool(g.any()))


def actions_in_ball(dim: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Actions a with ‖a‖₂ ≤ 1, (d,), the boundary and 0 included; shrinks to 0."""
    return arrays(np.float64, dim, elements=_coordinates).map(lambda a: a / max(1.0, float(np.linalg.norm(a))))


def _visited(construction: Construction, group: str | HypothesisClass, seed: int, steps: int) -> NDArray[np.float64]:
    streams = draw_behaviour(np.random.SeedSequence(seed), construction.dim, steps)
    param = as_class(group).sample(construction.dim, np.random.default_rng(seed))
    observation = construction.initial_observation(streams.initial_direction)
    for action in streams.action:
        observation = construction.dynamics(param, observation, action)
    return np.asarray(observation)


def observations(
    construction: Construction, group: str | HypothesisClass = "so", max_steps: int = 3
) -> st.SearchStrategy[NDArray[np.float64]]:
    """Observations (observation_dim,) that the environment visits: its start, or a few random steps later.

    Arbitrary vectors would not do: a formula may fail on states that no behaviour reaches (null sets), and a
    construction's special states (s¹ = 0 in Prop. 2) would never be hit. Shrinks to a starting state.
    """
    return st.builds(partial(_visited, construction, group), seed=_seeds, steps=st.integers(0, max_steps))


def transitions(
    construction: Construction,
    group: str | HypothesisClass = "so",
    *,
    max_batch_size: int = 3,
    max_num_transitions: int = 6,
) -> st.SearchStrategy[Transitions]:
    """Replay buffers of a construction, as a learner sees them: no parameter comes with them.

    Shrinks to one trial of one transition and to a small seed.

    Args:
        construction: whose environment is stepped, with a U of its own in every trial.
        group: the class of U.
        max_batch_size: largest B.
        max_num_transitions: largest N.
    """
    return st.builds(
        draw_problem,
        construction=st.just(construction),
        group=st.just(group),
        seed=_seeds,
        batch_size=st.integers(1, max_batch_size),
        num_transitions=st.integers(1, max_num_transitions),
    ).map(lambda problem: problem.transitions)


def problems(
    construction_class: type[Construction],
    group: str | HypothesisClass = "so",
    *,
    max_dim: int = 5,
    max_discount: float = 0.95,
    max_batch_size: int = 3,
    max_num_transitions: int = 6,
) -> st.SearchStrategy[Problem]:
    """Problems of a construction with any dimension and discount.

    Shrinks to d = 2, γ = 0, one trial of one transition and a small seed.

    Args:
        construction_class: called as ``construction_class(dim=..., discount=...)``.
        group: a hypothesis class, or the name of a registered one.
        max_dim: largest d.
        max_discount: largest γ.
        max_batch_size: largest B.
        max_num_transitions: largest N.
    """
    return st.builds(
        draw_problem,
        construction=st.builds(
            construction_class, dim=dims(max_dim).filter(as_class(group).allows), discount=discounts(max_discount)
        ),
        group=st.just(group),
        seed=_seeds,
        batch_size=st.integers(1, max_batch_size),
        num_transitions=st.integers(1, max_num_transitions),
    )
