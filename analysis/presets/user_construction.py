"""User-defined constructions in an experiment: loaded, checked before hours of trials, and given predictions.

What is checked is what results mean: that the value is the return of following the policy, that no action is better,
that the truth has no temporal-difference error, that a stated reduction is one, and that a user-defined class is one.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from analysis.errors import ConfigError, expected_one_of
from analysis.experiments.formula import Formula
from analysis.tasks import ParametricTask, Task
from proofs_check.exact.rank_prediction import CountsByRank, count_by_rank, polynomial_in_d
from proofs_check.testing import (
    assert_bellman_optimal,
    assert_hypothesis_class,
    assert_reduced_residuals,
    assert_value_is_return,
    draw_problem,
)
from toyenvs.constructions import CONSTRUCTIONS, EXTENSIONS, Construction
from toyenvs.constructions.user_defined import UserConstruction, group_name, load_construction, told_error
from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners import LEARNERS

__all__ = ["UserPrediction", "check_user_construction", "predict_user_construction", "resolve_construction"]

_COUNTED_DIMS = range(2, 11)
"""Dimensions in which equations are counted; a fraction of a second for all of them."""

_CHECKED_DIMS = 2
"""How many of the smallest dimensions formulas are checked in."""


@dataclass(frozen=True)
class UserPrediction:
    """What is predicted of one learner.

    Attributes:
        formula: for every d, as stated, or the polynomial through all counts; None where there is none.
        label: the same in mathtext; None: the formula itself.
        counts: N by d, counted by exact ranks; empty where the formula was stated.
        silent_because: why nothing is predicted; "" where something is.
    """

    formula: Formula | None
    label: str | None
    counts: Mapping[int, int]
    silent_because: str = ""

    def __call__(self, task: Task) -> float | None:
        """The prediction of a task."""
        counted = self.counts.get(task.dim)
        return counted if counted is not None or self.formula is None else self.formula(task)


def resolve_construction(common: Mapping[str, Any]) -> tuple[dict[str, Any], UserConstruction | None]:
    """Fields of a task with a user-defined construction loaded, and its class the default group.

    Args:
        common: as given; ``construction`` may be a class, "path/to/file.py:Class" or an entry point's name.

    Returns:
        The fields, and the construction if it is not one of this package's.

    Raises:
        ConfigError: if it cannot be loaded.
    """
    given: Any = common.get("construction")
    known = CONSTRUCTIONS | EXTENSIONS
    if given is None or (isinstance(given, str) and given in known):
        return dict(common), None
    for name, construction in known.items():
        if given is construction:
            return {**common, "construction": name}, None
    try:
        user = load_construction(given)
    except ValueError as error:
        reason = str(error)
        if isinstance(given, str) and ":" not in given and not given.endswith(".py"):
            reason = f"{expected_one_of(given, known)}, an entry point, or path/to/file.py:Class"
        raise ConfigError("construction", given, reason) from None
    named = {"group": group_name(user.construction), **common}
    return {**named, "construction": user.name, "construction_source": user.source}, user


def check_user_construction(user: UserConstruction, task: ParametricTask) -> None:
    """Put the formulas through the property tests, in small dimensions and at the task's discount.

    Raises:
        ConfigError: naming the formula, what it gives and what was expected.
    """
    for learner in user.construction.predicted:
        if learner not in LEARNERS:
            raise ConfigError(
                "construction", user.name, f"its predicted[{learner!r}]: {expected_one_of(learner, LEARNERS)}"
            )
    group = task.problem.make_group()
    dims = [dim for dim in range(2, 13) if group.allows(dim)][:_CHECKED_DIMS]
    try:
        if type(group).__module__.partition(".")[0] != "toyenvs":
            for dim in dims:
                assert_hypothesis_class(group, dim)
        for dim in dims:
            construction = user.construction(dim, task.problem.discount)
            if construction.goal_dim != dim:
                raise ConfigError("construction", user.name, f"goal_dim is {construction.goal_dim}; expected d = {dim}")
            assert_value_is_return(construction, group=group)
            assert_bellman_optimal(construction, group=group, any_target=False)
            if not group.finite and not _is_learnable(construction, group):
                raise ConfigError(
                    "construction",
                    user.name,
                    "q_value has derivative 0 by the unknown matrix wherever it was tried: descent cannot learn it"
                    " (a rounding, a comparison or a detach?)",
                )
            if user.construction.reduced_residuals is not Construction.reduced_residuals:
                assert_reduced_residuals(construction, group=group)
    except AssertionError as error:
        lines = str(error).splitlines()
        # The first line has the numbers.
        suspects = [line.partition(" (Q*")[0] for line in lines if line.startswith("suspect")]
        raise ConfigError("construction", user.name, "; ".join([lines[0], *suspects])) from error
    except ConfigError:
        raise
    except Exception as error:  # whatever the formulas may raise
        file = user.reference.rpartition(":")[0] if user.reference else inspect.getsourcefile(user.construction)
        told = told_error(error, Path(file or ""))
        reason = " ".join(str(error).split()) if isinstance(error, ValueError) else f"its formulas raise {told}"
        raise ConfigError("construction", user.name, reason) from error


def _is_learnable(construction: Construction, group: HypothesisClass) -> bool:
    """Whether the value changes with the parameter, as automatic differentiation sees it, at random points."""
    problem = draw_problem(construction, group, batch_size=4)
    param = problem.online_param.unsqueeze(1).detach().requires_grad_()
    data = problem.transitions
    value = construction.q_value(param, data.observation, data.action, data.desired_goal)
    if not value.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(value.sum(), param, allow_unused=True)
    return gradient is not None and bool((gradient != 0).any())


@lru_cache(maxsize=256)
def _counts(construction: type[Construction], group: HypothesisClass, dim: int, discount: float) -> CountsByRank:
    """Both learners' counts, which are counted together."""
    return count_by_rank(construction, group, dim, discount)


def predict_user_construction(user: UserConstruction, learner: str, task: ParametricTask) -> UserPrediction:
    """What is predicted of a learner: what the construction states, or what exact ranks count.

    Ranks are counted for one fresh goal and one random action a transition.

    Args:
        user: the construction.
        learner: key of ``LEARNERS``.
        task: of a point; its dimension does not matter.

    Raises:
        ConfigError: if a stated formula is none.
    """
    stated = user.construction.predicted.get(learner)
    if stated is not None:
        formula = Formula(stated)
        try:
            formula(task)
        except ConfigError as error:
            raise ConfigError("construction", user.name, f"its predicted[{learner!r}]: {error}") from None
        other = _not_the_plain(task, stated)
        return UserPrediction(None, None, {}, other) if other else UserPrediction(formula, None, {})
    counted: dict[str, Callable[[CountsByRank], int | None]] = {
        "ddpg": lambda c: c.ddpg,
        "reengage": lambda c: c.reengage,
    }
    if learner not in counted or _not_the_plain(task):
        return UserPrediction(
            None, None, {}, "equations are counted for ddpg and reengage on the theory's own data only"
        )
    group, counts, never = task.problem.make_group(), {}, False
    smallest = next((dim for dim in _COUNTED_DIMS if group.allows(dim)), None)
    if smallest is None or group.exact_point(smallest, np.random.default_rng(0)) is None:
        return UserPrediction(None, None, {}, f"equations are not counted on the class {task.problem.group}")
    member = torch.from_numpy(group.sample(smallest, np.random.default_rng(0)))
    if learner == "reengage" and len(group.starts(member[None])) > 1:  # another component
        return UserPrediction(None, None, {}, "a count of equations near U does not see reflections")
    for dim in _COUNTED_DIMS:
        if not group.allows(dim):
            continue
        try:
            count = counted[learner](_counts(user.construction, group, dim, task.problem.discount))
        except ArithmeticError as error:
            return UserPrediction(None, None, {}, f"the equations cannot be counted ({error})")
        except Exception as error:  # a formula may be right for arrays and tensors, and not run on exact numbers
            told = " ".join(str(error).split())
            return UserPrediction(None, None, {}, f"the formulas do not run on exact numbers ({told})")
        if count is not None:
            counts[dim] = count
        never = never or count is None
    found = None if never else polynomial_in_d(list(counts.items()))
    if found is None:
        return UserPrediction(None, None, counts, "" if counts else "the equations near U do not determine it")
    return UserPrediction(Formula(found[0]), found[1], counts)


def _not_the_plain(task: Task, formula: str = "") -> str:
    """Which data a prediction is not about, unless its formula has a letter for them; "" for the theory's own.

    That is one fresh goal and one random action a transition, without noise, and the learner's loss minimised.
    """
    named = set(re.findall(r"[A-Za-z]+", formula))
    other = [
        name
        for name, letter, plain in (
            ("relabels", "K", (1,)),
            ("steps_per_goal", "T", (1,)),
            ("goals", "", ("independent",)),
            ("actions", "", ("ball",)),
            ("noise", "sigma", (0.0,)),
            ("method", "", ("descent", "global-solver")),
        )
        if letter not in named and task.described.get(name) not in plain
    ]
    told = ", ".join(f"{name} = {task.described.get(name)}" for name in other)
    return f"what is stated of it does not speak of {told}" if other else ""
