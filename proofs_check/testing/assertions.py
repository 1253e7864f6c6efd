"""The three claims of a construction as assertions, with the smallest failing example and a suspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from proofs_check.testing.checks import TRUTH, check_bellman, check_reduction, check_return
from proofs_check.testing.comparison import MismatchError, describe, matrix, vector
from proofs_check.testing.diagnosis import suspect_of_formulas, suspect_of_reduction
from proofs_check.testing.problems import Problem, Subject, problems_of
from proofs_check.testing.shapes import check_formula_shapes
from toyenvs.hypothesis_classes import HypothesisClass

__all__ = ["assert_bellman_optimal", "assert_reduced_residuals", "assert_value_is_return"]

_Check = Callable[[Problem], None]


def assert_reduced_residuals(
    subject: Subject,
    *,
    group: str | HypothesisClass = "so",
    alphas: Sequence[float] = (0.0, 0.7),
    rtol: float = 1e-10,
) -> None:
    """The reduced residuals are the temporal-difference error and its goal gradient.

    This is the paper's gradient-matching equivalence. Compares the construction's ``reduced_residuals`` with the four
    formulas and automatic differentiation: the Bellman residual, its goal gradient, and for each α the loss and the
    loss's gradient in Ũ. The reduction does not know Ū, so agreement for a random Ū also says that the target
    parameter does not matter.

    Args:
        subject: a problem, which is checked as it is; a construction, for which problems are drawn; or a class of
            constructions, which is called with several ``dim`` and ``discount``.
        group: the hypothesis class that problems are drawn from; a problem that is given has its own.
        alphas: weights of the goal-gradient term; 0 is DDPG.
        rtol: allowed difference, relative to the largest number that enters the quantity in its trial.

    Raises:
        AssertionError: naming the quantity, both values, the smallest failing example and a suspect.
        ValueError: if the construction states no reduction, a formula has the wrong shape or is missing, or the
            subject is none of the three.
    """
    _go_through(
        subject,
        group,
        lambda problem: check_reduction(problem, alphas, rtol),
        lambda problem, found: suspect_of_reduction(problem),
        lambda found: ("Ũ", "Ū"),
    )


def assert_bellman_optimal(
    subject: Subject,
    *,
    group: str | HypothesisClass = "so",
    any_target: bool = True,
    num_actions: int = 16,
    seed: int = 0,
    rtol: float = 1e-10,
) -> None:
    """Check that ``q_value`` and ``policy`` are optimal in the environment that made the transitions.

    1. The policy stays in the unit ball, and at every next state no other action has a larger value: not random
       actions of the ball, not small displacements of the policy's own.
    2. Q*(s, a, g) = R(s', g) + γ Q*(s', π*(s', g), g) on every transition; by 1. this is the Bellman *optimality*
       equation.
    3. With the truth as online parameter, the learners' Bellman residual and its goal gradient vanish, whatever the
       target parameter is.

    ``reduced_residuals`` is not used.

    Args:
        subject: a problem, which is checked as it is; a construction, for which problems are drawn; or a class of
            constructions, which is called with several ``dim`` and ``discount``.
        group: the hypothesis class that problems are drawn from; a problem that is given has its own.
        any_target: False takes the truth as the target parameter, too, for constructions that do not claim that the
            target parameter never matters.
        num_actions: how many random and how many displaced actions are tried a state.
        seed: of those actions.
        rtol: allowed difference, relative to the largest number that enters the quantity in its trial.

    Raises:
        AssertionError: naming the quantity, both values, the smallest failing example and a suspect.
        ValueError: if a formula has the wrong shape or is missing, or the subject is none of the three.
    """
    _go_through(
        subject,
        group,
        lambda problem: check_bellman(problem, any_target, num_actions, seed, rtol),
        suspect_of_formulas,
        lambda found: ("U", "Ū") if any_target and found.quantity.endswith(TRUTH) else ("U",),
    )


def assert_value_is_return(
    subject: Subject,
    *,
    group: str | HypothesisClass = "so",
    rtol: float = 1e-8,
) -> None:
    """``q_value`` is the discounted return of taking the action and following ``policy`` ever after.

    The return is measured by stepping ``dynamics`` and adding up ``reward`` from every (s, a, g) of the
    transitions until the discount has fallen below 1e-14, so the value's formula is compared with something that
    does not contain it. The number of steps is 32/(1−γ) or so: choose γ ≤ 0.99.

    Args:
        subject: a problem, which is checked as it is; a construction, for which problems are drawn; or a class of
            constructions, which is called with several ``dim`` and ``discount``.
        group: the hypothesis class that problems are drawn from; a problem that is given has its own.
        rtol: allowed difference, relative to the largest value in its trial. It must leave room for the rewards
            after the last step, which are not added.

    Raises:
        AssertionError: naming the quantity, both values, the smallest failing example and a suspect.
        ValueError: if a formula has the wrong shape or is missing, or the subject is none of the three.
    """
    _go_through(subject, group, lambda problem: check_return(problem, rtol), suspect_of_formulas, lambda found: ("U",))


def _go_through(
    subject: Subject,
    group: str | HypothesisClass,
    check: _Check,
    suspect: Callable[[Problem, MismatchError], str],
    params: Callable[[MismatchError], tuple[str, ...]],
) -> None:
    for problem in problems_of(subject, group):
        try:
            check_formula_shapes(problem.construction, problem.online_param, problem.transitions)
            check(problem)
        except MismatchError as found:
            smaller, found_there = _smallest(check, problem, found)
            # The suspect is looked for on the whole problem: more transitions tell more.
            message = _report(smaller, found_there, params(found_there), suspect(problem, found))
        except Exception as error:
            error.add_note(f"while checking {problem.origin or describe(problem.construction)}")
            raise
        else:
            continue
        raise AssertionError(message)


def _smaller_problems(problem: Problem, found: MismatchError) -> Iterator[Problem]:
    """Single transitions, the one that failed first; then single trials."""
    trials, rows = range(problem.transitions.batch_size), range(problem.transitions.num_transitions)
    places = [(trial, row) for row in rows for trial in trials]
    for trial, row in sorted(places, key=lambda place: place[: len(found.index)] != found.index):
        yield problem.only(trial, row)
    for trial in sorted(trials, key=lambda trial: (trial,) != found.index[:1]):
        yield problem.only(trial)


def _smallest(check: _Check, problem: Problem, found: MismatchError) -> tuple[Problem, MismatchError]:
    if problem.transitions.reward.numel() > 1:
        for smaller in _smaller_problems(problem, found):
            try:
                check(smaller)
            except MismatchError as found_there:
                return smaller, found_there
    return problem, found


_LARGEST_MATRIX = 8
"""Matrices of more rows than this are named in the message, not written out."""


def _report(problem: Problem, found: MismatchError, params: tuple[str, ...], suspect: str) -> str:
    transitions = problem.transitions
    trial, row = (*found.index, 0, 0)[:2]
    shape = tuple(transitions.reward.shape)
    where = "" if shape == (1, 1) else f", trial {trial}, transition {row} of {shape[0]} x {shape[1]}"
    lines = [
        f"{found.quantity} of {describe(problem.construction)}: {found.values}",
        f"smallest failing example{where}:",
    ]
    for symbol, values in (
        ("s", transitions.observation),
        ("a", transitions.action),
        ("g", transitions.desired_goal),
        ("s'", transitions.next_observation),
    ):
        lines.append(f"  {symbol:2} = {vector(values[trial, row])}")
    held = {"U": problem.true_param, "Ũ": problem.online_param, "Ū": problem.target_param}
    names = {"U": "true_param", "Ũ": "online_param", "Ū": "target_param"}
    for symbol in params:
        small = problem.construction.dim <= _LARGEST_MATRIX
        written = matrix(held[symbol][trial], 7) if small else f"{names[symbol]}[{trial}] of the problem"
        lines.append(f"  {symbol:2} = {written}")
    lines.append(f"  {problem.origin or 'of a problem that was put together by hand'}")
    return "\n".join([*lines, f"suspect: {suspect}"])
