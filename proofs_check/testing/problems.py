"""Problems that a construction is checked on: how they are drawn, cut down and named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from proofs_check.testing.comparison import describe
from proofs_check.testing.shapes import check_environment_shapes
from toyenvs import algebra
from toyenvs.constructions.base import Construction
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, HypothesisClass, hypothesis_class
from toyenvs.replay import Transitions, collect, draw_behaviour

__all__ = ["Problem", "Subject", "draw_problem"]


@dataclass(frozen=True)
class Problem:
    """B independent learning problems of one construction, float64.

    Attributes:
        construction: dimension and discount included.
        hypothesis_class: where the three parameters were drawn.
        true_param: U, (B, d, d), which made the transitions.
        online_param: Ũ, (B, d, d).
        target_param: Ū, (B, d, d). The three are independent, so almost surely different.
        transitions: buffers of N transitions; every goal has a direction and a norm of its own.
        origin: the call that makes this problem again; empty for one that was put together by hand.
    """

    construction: Construction
    hypothesis_class: HypothesisClass
    true_param: Float[Tensor, "b d d"]
    online_param: Float[Tensor, "b d d"]
    target_param: Float[Tensor, "b d d"]
    transitions: Transitions
    # Not an argument, so dataclasses.replace leaves it out: the result is no longer what the call draws.
    origin: str = field(default="", init=False)

    def only(self, trial: int, transition: int | None = None) -> Problem:
        """The problem of one trial, B = 1, with all of its transitions or with one.

        Args:
            trial: which, from 0.
            transition: which, from 0; None keeps all N.
        """
        rows = slice(None) if transition is None else slice(transition, transition + 1)
        trials = slice(trial, trial + 1)
        smaller = Problem(
            self.construction,
            self.hypothesis_class,
            self.true_param[trials],
            self.online_param[trials],
            self.target_param[trials],
            self.transitions.map(lambda x: x[trials, rows]),
        )
        already = self.transitions.batch_size == 1 and transition is None
        which = f"{trial}" if transition is None else f"{trial}, {transition}"
        return _named(smaller, self.origin if already or not self.origin else f"{self.origin}.only({which})")


Subject = Problem | Construction | type[Construction]
"""What can be checked: a problem as it is; problems drawn for a construction; and that for many dims and discounts."""


def _named(problem: Problem, origin: str) -> Problem:
    object.__setattr__(problem, "origin", origin)
    return problem


def as_class(group: str | HypothesisClass) -> HypothesisClass:
    """A hypothesis class from itself or from its registered name."""
    return hypothesis_class(group) if isinstance(group, str) else group


def draw_problem(
    construction: Construction,
    group: str | HypothesisClass = "so",
    seed: int = 0,
    batch_size: int = 2,
    num_transitions: int = 4,
    goal_spread: float = 1.5,
) -> Problem:
    """Draw a problem; the same arguments give the same one.

    Args:
        construction: whose environment is stepped.
        group: a hypothesis class, or the name of a registered one.
        seed: ≥ 0.
        batch_size: B ≥ 1.
        num_transitions: N ≥ 1.
        goal_spread: the logarithms of the goals' norms are uniform in ± this. Unit goals (0, the paper's) would
            hide an error in any formula that contains ‖g‖.

    Raises:
        ValueError: if ``observation_dim``, ``initial_observation``, ``dynamics`` and ``reward`` do not fit together.
    """
    members = as_class(group)
    dim = construction.dim
    rng = np.random.default_rng(seed)
    true_param, online_param, target_param = (
        torch.from_numpy(np.stack([members.sample(dim, rng) for _ in range(batch_size)])) for _ in range(3)
    )
    streams = [
        draw_behaviour(np.random.SeedSequence(seed, spawn_key=(trial,)), dim, num_transitions)
        for trial in range(batch_size)
    ]
    direction, action, unit_goal = (
        torch.from_numpy(np.stack([getattr(stream, name) for stream in streams]))
        for name in ("initial_direction", "action", "desired_goal")
    )
    goal_norm = torch.from_numpy(np.exp(goal_spread * rng.uniform(-1, 1, (batch_size, num_transitions))))
    check_environment_shapes(construction, true_param, direction, action[:, 0], unit_goal[:, 0])
    transitions = collect(
        construction,
        true_param,
        construction.initial_observation(direction),
        action,
        algebra.scale(unit_goal, goal_norm),
    )
    registered = HYPOTHESIS_CLASSES.get(getattr(members, "name", "")) is members
    written = f'"{members.name}"' if registered else f"{type(members).__name__}()"
    arguments = (
        f"{describe(construction)}, {written}, seed={seed}, batch_size={batch_size}, num_transitions={num_transitions}"
    )
    arguments += "" if goal_spread == 1.5 else f", goal_spread={goal_spread}"
    problem = Problem(construction, members, true_param, online_param, target_param, transitions)
    return _named(problem, f"draw_problem({arguments})")


_DIMS = (2, 3, 5)
_DISCOUNTS = (0.0, 0.5, 0.9)
_SIZES = ((1, 1), (1, 2), (2, 5))  # B and N; the second transition starts from a state that the first one made
_SEEDS = (0, 1)


def _called(construction_class: type[Construction], dim: int, discount: float) -> Construction:
    missing = [name for name in vars(Construction) if name in construction_class.__abstractmethods__]
    missing += sorted(construction_class.__abstractmethods__.difference(missing))
    if missing:
        raise ValueError(
            f"subject: {construction_class.__name__} does not define {', '.join(missing)}; "
            "toyenvs.constructions.Construction says what each of them is"
        )
    try:
        return construction_class(dim=dim, discount=discount)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"subject: {construction_class.__name__}(dim={dim}, discount={discount}) cannot be made ({error}); "
            "check an instance instead of the class"
        ) from error


def problems_of(subject: Subject, group: str | HypothesisClass) -> Iterator[Problem]:
    """The problems that an assertion goes through, small ones first, so that what fails first is small.

    Args:
        subject: see :data:`Subject`.
        group: of the problems that are drawn; a problem that is given has its own.

    Raises:
        ValueError: if the subject is of another kind, or a class that lacks a formula or cannot be called with a
            dim and a discount.
    """
    given: Any = subject  # callers without a type checker pass other things
    if isinstance(given, Problem):
        yield given
        return
    if isinstance(given, Construction):
        constructions = [given]
    elif isinstance(given, type) and issubclass(given, Construction):
        constructions = [_called(given, dim, discount) for dim in _DIMS for discount in _DISCOUNTS]
    else:
        raise ValueError(f"subject: {subject!r} is not a Problem, a Construction or a subclass of Construction")
    for batch_size, num_transitions in _SIZES:
        for construction in constructions:
            for seed in _SEEDS:
                yield draw_problem(construction, group, seed, batch_size, num_transitions)
