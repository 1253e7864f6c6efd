"""The shapes of a construction's formulas, looked at before any number is.

A formula of the wrong shape may well broadcast, and then disagrees with another one (or agrees) for no reason that its
author could guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from proofs_check.testing.comparison import describe
from toyenvs.constructions.base import Construction, ReducedResiduals
from toyenvs.replay import Transitions

__all__ = ["check_environment_shapes", "check_formula_shapes", "check_reduction_shapes"]

_NUMBER = "one number for each trial and transition"
_VECTOR = "one vector of length d for each trial and transition"
_STATE = "one state of length observation_dim for each trial and transition"


def _require(construction: Construction, formula: str, value: Any, expected: torch.Size, meaning: str) -> None:
    if isinstance(value, Tensor) and value.shape == expected:
        return
    found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{type(value).__name__}, no tensor"
    raise ValueError(f"{formula} of {describe(construction)}: {found}, expected shape {tuple(expected)}: {meaning}")


def check_environment_shapes(
    construction: Construction, true_param: Tensor, direction: Tensor, action: Tensor, goal: Tensor
) -> None:
    """Call once each what makes transitions: ``observation_dim``, ``initial_observation``, ``dynamics``, ``reward``.

    Args:
        construction: whose formulas.
        true_param: (B, d, d).
        direction: (B, d), from which the states start.
        action: (B, d), of the first step.
        goal: (B, d), of the first step.

    Raises:
        ValueError: naming the formula, the shape that it has and the shape that it should have.
    """
    length: Any = construction.observation_dim
    if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 1:
        raise ValueError(f"observation_dim of {describe(construction)}: {length!r}, expected an integer >= 1")
    trials = direction.shape[:1]
    states = torch.Size((*trials, int(length)))
    start = construction.initial_observation(direction)
    meaning = f"one state for each trial, of length observation_dim = {length}"
    _require(construction, "initial_observation", start, states, meaning)
    following = construction.dynamics(true_param, start, action)
    _require(construction, "dynamics", following, states, meaning)
    _require(construction, "reward", construction.reward(following, goal), trials, "one number for each trial")


def check_formula_shapes(construction: Construction, param: Tensor, transitions: Transitions) -> None:
    """Call once each, on all transitions, the formulas that learners and assertions use.

    Args:
        construction: whose formulas.
        param: (B, d, d).
        transitions: B buffers of N transitions.

    Raises:
        ValueError: naming the formula, the shape that it has and the shape that it should have.
    """
    observation, action, goal = transitions.observation, transitions.action, transitions.desired_goal
    following, shared = transitions.next_observation, param[:, None]
    rows, vectors = goal.shape[:-1], goal.shape
    states = torch.Size((*rows, int(construction.observation_dim)))
    _require(construction, "observation in the transitions", observation, states, _STATE)
    _require(construction, "dynamics", construction.dynamics(shared, observation, action), states, _STATE)
    _require(construction, "achieved_goal", construction.achieved_goal(following), vectors, _VECTOR)
    _require(construction, "reward", construction.reward(following, goal), rows, _NUMBER)
    _require(construction, "policy", construction.policy(shared, following, goal), vectors, _VECTOR)
    _require(construction, "q_value", construction.q_value(shared, observation, action, goal), rows, _NUMBER)


def check_reduction_shapes(construction: Construction, reduced: Any, transitions: Transitions) -> None:
    """Look at what ``reduced_residuals`` returned for the transitions.

    Raises:
        ValueError: naming the part, the shape that it has and the shape that it should have.
    """
    if not isinstance(reduced, ReducedResiduals):
        raise ValueError(
            f"reduced_residuals of {describe(construction)}: {type(reduced).__name__}, "
            "expected ReducedResiduals(weight, inputs, outputs) or None"
        )
    rows, vectors = transitions.desired_goal.shape[:-1], transitions.desired_goal.shape
    for part in ("inputs", "outputs"):
        _require(construction, f"{part} of reduced_residuals", getattr(reduced, part), vectors, _VECTOR)
    weight = reduced.weight
    plain = isinstance(weight, int | float | np.number) or (isinstance(weight, Tensor) and weight.ndim == 0)
    if not plain:
        _require(construction, "weight of reduced_residuals", weight, rows, f"{_NUMBER}, or a plain number")
