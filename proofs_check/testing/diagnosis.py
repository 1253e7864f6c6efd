"""Which of a construction's formulas a failed check points at.

The formulas are played off against one another on the problem that failed. Stepping ``dynamics`` and adding up
``reward`` under ``policy`` says what actions are really worth; ``q_value`` says what they should be worth. Where the
two agree and where not decides whom to suspect. It is a suspicion: two wrong formulas can agree with one another.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from proofs_check.testing.checks import (
    TRUTH,
    check_bellman,
    check_better_actions,
    check_length,
    check_return,
    rollout_return,
)
from proofs_check.testing.comparison import MismatchError, largest
from proofs_check.testing.finite_differences import autodiff_gradient, central_differences
from proofs_check.testing.problems import Problem

__all__ = ["suspect_of_formulas", "suspect_of_reduction"]

_NUM_ACTIONS = 16
_RTOL = 1e-8


def _failure(check: Callable[[], None]) -> MismatchError | None:
    try:
        check()
    except MismatchError as found:
        return found
    return None


def _better_by_rollout(problem: Problem) -> MismatchError | None:
    transitions, shared = problem.transitions, problem.true_param[:, None]
    state, goal = transitions.next_observation, transitions.desired_goal
    action = problem.construction.policy(shared, state, goal)
    scale = largest(rollout_return(problem.construction, shared, state, action, goal))
    return _failure(lambda: check_better_actions(problem, _NUM_ACTIONS, 0, _RTOL * scale, rollout=True))


def _better_by_value(problem: Problem) -> MismatchError | None:
    transitions, shared = problem.transitions, problem.true_param[:, None]
    state, goal = transitions.next_observation, transitions.desired_goal
    value = problem.construction.q_value(shared, state, problem.construction.policy(shared, state, goal), goal)
    return _failure(lambda: check_better_actions(problem, _NUM_ACTIONS, 0, _RTOL * largest(value)))


def _cut_off_from_the_goal(problem: Problem, param: Tensor) -> list[str]:
    """The formulas whose derivative in the goal is not what automatic differentiation makes of it."""
    construction, transitions, shared = problem.construction, problem.transitions, param[:, None]
    state, action, following = transitions.observation, transitions.action, transitions.next_observation
    formulas: dict[str, Callable[[Tensor], Tensor]] = {
        "q_value": lambda goal: construction.q_value(shared, state, action, goal),
        "reward": lambda goal: construction.reward(following, goal),
        "policy": lambda goal: construction.policy(shared, following, goal).sum(-1),
    }
    return [
        name
        for name, formula in formulas.items()
        if bool(
            central_differences(formula, transitions.desired_goal)
            .excludes(autodiff_gradient(formula, transitions.desired_goal))
            .any()
        )
    ]


def suspect_of_formulas(problem: Problem, found: MismatchError) -> str:
    """What to suspect where the value is not the return, or value and policy are not Bellman-optimal."""
    if _failure(lambda: check_length(problem)):
        return "policy: its actions must not be longer than 1"
    wrong_value = _failure(lambda: check_return(problem, _RTOL))
    better = _better_by_rollout(problem)
    if found.quantity.endswith(TRUTH) and not wrong_value and not better:
        if cut := _cut_off_from_the_goal(problem, problem.true_param):
            return f"{' and '.join(cut)}: part of the goal's path is hidden from automatic differentiation (a detach?)"
        same_target = torch.equal(problem.target_param, problem.true_param)
        return (
            "the temporal-difference error: the four formulas agree with one another here"
            if same_target
            else "the claim that the target parameter does not matter (any_target=False does not make it): "
            "q_value is the return of policy and no action does better"
        )
    if not wrong_value and better:
        return f"policy: q_value is its return, but another action earns more ({better.values})"
    if wrong_value and not better:
        return (
            "q_value: in dynamics and reward no action that was tried earns more than policy's, but q_value is not "
            f"the return ({wrong_value.values})"
        )
    if wrong_value and better:
        if _better_by_value(problem):
            return f"policy: another action is better, by q_value and when it is followed ({better.values})"
        return (
            "dynamics or reward, unless q_value and policy are both wrong: those two agree with one another, but in "
            f"dynamics and reward another action earns more ({better.values})"
        )
    return (
        "q_value, at states or actions beyond those that were rolled out: there it is the return of an optimal policy"
    )


def suspect_of_reduction(problem: Problem) -> str:
    """What to suspect where the reduced residuals are not the differentiated ones."""
    checks: list[tuple[str, Callable[[], None]]] = [
        ("assert_bellman_optimal", lambda: check_bellman(problem, True, _NUM_ACTIONS, 0, _RTOL)),
        ("assert_value_is_return", lambda: check_return(problem, _RTOL)),
    ]
    for name, check in checks:
        if (found := _failure(check)) is not None:
            return f"{suspect_of_formulas(problem, found)}\n  {name} fails here, too: {found}"
    if cut := _cut_off_from_the_goal(problem, problem.online_param):
        return f"{' and '.join(cut)}: part of the goal's path is hidden from automatic differentiation (a detach?)"
    return "reduced_residuals: q_value, policy, reward and dynamics agree with one another here"
