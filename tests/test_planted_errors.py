"""Errors planted one at a time: each must be caught by an assertion of proofs_check.testing.

An assertion that never fails proves nothing. Here the real formulas and losses are replaced by broken ones, and
the assertion that should notice does, with a message that names the quantity. Every assertion, quantity and suspect
has an error here; those that are a change in one place of the sources are many more, see tests/mutants.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from typing_extensions import override

from proofs_check.testing import (
    Problem,
    assert_bellman_optimal,
    assert_reduced_residuals,
    assert_value_is_return,
    draw_problem,
)
from toyenvs.algebra import apply, apply_transpose, inner, norm, scale
from toyenvs.constructions import CONSTRUCTIONS, Construction, GradientFeedback, NoRewardGradient, ReducedResiduals
from toyenvs.hypothesis_classes import hypothesis_class
from toyenvs.learners import losses

by_construction = pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values(), ids=CONSTRUCTIONS.keys())


def problem_of(construction_type: type[Construction], group: str = "so", **drawn: Any) -> Problem:
    return draw_problem(
        construction_type(3, 0.7), group, **{"seed": 20, "batch_size": 2, "num_transitions": 5, **drawn}
    )


@by_construction
@pytest.mark.parametrize("check", [assert_reduced_residuals, assert_bellman_optimal, assert_value_is_return])
def test_without_a_planted_error_every_assertion_passes(
    construction_type: type[Construction], check: Callable[[Problem], None]
) -> None:
    # The reference for all that follows: same dimension, discount and seed.
    check(problem_of(construction_type))


# --- errors in a construction's formulas ------------------------------------------------------------------


class TransposedInPolicy(GradientFeedback):
    """(24) with U in place of Uᵀ."""

    @override
    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        return scale(apply(param, goal), 1 / norm(goal))


class TransposedInDynamics(GradientFeedback):
    """An environment that moves by Uᵀa, under the value and policy of one that moves by Ua."""

    @override
    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        return observation + apply_transpose(param, action)

    @override
    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        return GradientFeedback(self.dim, self.discount).q_value(param, observation, action, goal)


class MissingFactor(GradientFeedback):
    """(23) with γ‖g‖/(1−γ) in place of γ‖g‖/(1−γ)²."""

    @override
    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        gamma = self.discount
        return inner(goal, self.dynamics(param, observation, action)) / (1 - gamma) + gamma * norm(goal) / (1 - gamma)


class NotUnit(GradientFeedback):
    """(24) without the division by ‖g‖."""

    @override
    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        return apply_transpose(param, goal)


class Timid(GradientFeedback):
    """A policy a thousandth shorter than the best one, and a value that knows it.

    The value then *is* the policy's return and solves the Bellman equation of this policy. That it is not the
    optimal one, only the comparison with other actions can tell.
    """

    @override
    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        return scale(super().policy(param, observation, goal), 0.999)

    @override
    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        shortfall = 0.001 * self.discount * norm(goal) / (1 - self.discount) ** 2
        return super().q_value(param, observation, action, goal) - shortfall


class WrongDisplacement(GradientFeedback):
    """The displacement taken as s' instead of s' − s."""

    @override
    def reduced_residuals(self, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals:
        reduced = super().reduced_residuals(observation, action, next_observation)
        return ReducedResiduals(reduced.weight, reduced.inputs, next_observation)


class UninformativeWeighted(NoRewardGradient):
    """Weight on the transitions that ignore the action, too."""

    @override
    def reduced_residuals(self, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals:
        reduced = super().reduced_residuals(observation, action, next_observation)
        weight = torch.full_like(reduced.weight, self.discount / (1 - self.discount**2))
        return ReducedResiduals(weight, reduced.inputs, reduced.outputs)


IN_FORMULAS: list[tuple[type[Construction], Callable[[Problem], None], str]] = [
    (TransposedInPolicy, assert_reduced_residuals, "Bellman residual of TransposedInPolicy"),
    (TransposedInPolicy, assert_value_is_return, "value and .*return"),
    (TransposedInPolicy, assert_bellman_optimal, "optimality of the policy"),
    (TransposedInDynamics, assert_value_is_return, "value and .*return"),
    (TransposedInDynamics, assert_bellman_optimal, "Bellman optimality equation"),
    (MissingFactor, assert_reduced_residuals, "Bellman residual of MissingFactor"),
    (MissingFactor, assert_value_is_return, "value and .*return"),
    (MissingFactor, assert_bellman_optimal, "Bellman optimality equation"),
    (NotUnit, assert_bellman_optimal, "length of the policy's action"),
    (NotUnit, assert_reduced_residuals, "Bellman residual of NotUnit"),
    (Timid, assert_bellman_optimal, "optimality of the policy of Timid"),
    (WrongDisplacement, assert_reduced_residuals, "Bellman residual of WrongDisplacement"),
    (UninformativeWeighted, assert_reduced_residuals, "Bellman residual of UninformativeWeighted"),
]


SUSPECTS: dict[type[Construction], str] = {
    TransposedInPolicy: "policy",
    TransposedInDynamics: "dynamics or reward",
    MissingFactor: "q_value",
    NotUnit: "policy",
    Timid: "policy",
    WrongDisplacement: "reduced_residuals",
    UninformativeWeighted: "reduced_residuals",
}
"""The formula in which the error really is: what every message should point at."""


@pytest.mark.parametrize(
    ("broken", "check", "message"), IN_FORMULAS, ids=[f"{b.__name__}-{c.__name__}" for b, c, _ in IN_FORMULAS]
)
@pytest.mark.parametrize("group", ["so", "o"])
def test_an_error_in_a_formula_is_caught(
    broken: type[Construction], check: Callable[[Problem], None], message: str, group: str
) -> None:
    problem = problem_of(broken, group)
    with pytest.raises(AssertionError, match=rf"^{message}") as caught:
        check(problem)
    # One transition is enough for every one of these errors, and the message says which.
    assert re.search(r"^smallest failing example:$", str(caught.value), re.MULTILINE)
    assert re.search(rf"^  draw_problem\({broken.__name__}\(.*\)\.only\(\d, \d\)$", str(caught.value), re.MULTILINE)
    assert f"\nsuspect: {SUSPECTS[broken]}:" in str(caught.value).replace(
        SUSPECTS[broken] + ",", SUSPECTS[broken] + ":"
    )


def test_a_value_of_a_policy_that_is_not_optimal_passes_for_its_return() -> None:
    # Timid's value is right for its policy: two of the checks must not be what catches it.
    assert_value_is_return(problem_of(Timid))


# --- errors in the losses ---------------------------------------------------------------------------------


def next_value(
    construction: Construction, critic_param: Tensor, actor_param: Tensor, next_observation: Tensor, goal: Tensor
) -> Tensor:
    action = construction.policy(actor_param, next_observation, goal)
    return construction.q_value(critic_param, next_observation, action, goal)


def error_with(critic: str, actor: str) -> Callable[..., Tensor]:
    """A temporal-difference error whose target critic and target actor hold the named parameters."""

    def error(
        construction: Construction,
        param: Tensor,
        target_param: Tensor,
        observation: Tensor,
        action: Tensor,
        next_observation: Tensor,
        goal: Tensor,
    ) -> Tensor:
        # The target is held fixed, as learners do: only its value is wrong.
        named = {"online": param.detach(), "target": target_param}
        value = next_value(construction, named[critic], named[actor], next_observation, goal)
        target = construction.reward(next_observation, goal) + construction.discount * value
        return construction.q_value(param, observation, action, goal) - target

    return error


def without_discount(
    construction: Construction, target_param: Tensor, next_observation: Tensor, goal: Tensor
) -> Tensor:
    value = next_value(construction, target_param, target_param, next_observation, goal)
    return construction.reward(next_observation, goal) + value


def target_detached(construction: Construction, target_param: Tensor, next_observation: Tensor, goal: Tensor) -> Tensor:
    """The right target without any goal gradient."""
    value = next_value(construction, target_param, target_param, next_observation, goal)
    return (construction.reward(next_observation, goal) + construction.discount * value).detach()


def policy_detached(construction: Construction, target_param: Tensor, next_observation: Tensor, goal: Tensor) -> Tensor:
    """The right target, but no gradient flows through the policy."""
    action = construction.policy(target_param, next_observation, goal).detach()
    value = construction.q_value(target_param, next_observation, action, goal)
    return construction.reward(next_observation, goal) + construction.discount * value


def summed(residual: Tensor) -> Tensor:
    """A sum where (8) has a mean over goal coordinates."""
    return residual.square().sum(-1).mean(-1)


GRADIENT_ONLY = "goal gradient of the Bellman residual"
VALUES = "Bellman residual"

IN_LOSSES: list[tuple[str, str, Callable[..., Tensor], str]] = [
    ("γ left out", "bootstrapped_target", without_discount, VALUES),
    ("Ū in the actor only", "temporal_difference_error", error_with(critic="online", actor="target"), VALUES),
    ("Ū in the critic only", "temporal_difference_error", error_with(critic="target", actor="online"), VALUES),
    ("no gradient of the target", "bootstrapped_target", target_detached, GRADIENT_ONLY),
    ("a sum for a mean", "goal_gradient_loss", summed, "loss"),
]
"""What is wrong, the function of ``losses`` that is replaced, by what, and how the message begins."""


@by_construction
@pytest.mark.parametrize(
    ("name", "replacement", "message"), [case[1:] for case in IN_LOSSES], ids=[case[0] for case in IN_LOSSES]
)
def test_an_error_in_a_loss_is_caught(
    construction_type: type[Construction],
    name: str,
    replacement: Callable[..., Tensor],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = problem_of(construction_type)
    monkeypatch.setattr(losses, name, replacement)
    with pytest.raises(AssertionError, match=rf"^{message}.* of {construction_type.__name__}\(dim"):
        assert_reduced_residuals(problem)


@by_construction
@pytest.mark.parametrize(
    ("name", "replacement"), [case[1:3] for case in IN_LOSSES[:-1]], ids=[case[0] for case in IN_LOSSES[:-1]]
)
def test_an_error_in_a_target_shows_at_the_truth_too(
    construction_type: type[Construction],
    name: str,
    replacement: Callable[..., Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # For constructions that state no reduction: the residual at Ũ = U is 0 only if the target is right.
    problem = problem_of(construction_type)
    monkeypatch.setattr(losses, name, replacement)
    with pytest.raises(AssertionError, match=r"of the Bellman residual at the truth|^Bellman residual at the truth"):
        assert_bellman_optimal(problem)


@by_construction
@pytest.mark.parametrize("group", ["so", "o"])
def test_stopping_the_gradient_at_the_policy_is_an_equivalent_mutant(
    construction_type: type[Construction], group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Envelope theorem: at the maximum over actions the value does not change with the action to first order along
    # the sphere, on which the policy moves as the goal turns. So the total and the partial derivative agree.
    problem = problem_of(construction_type, group)
    arguments = (problem.construction, problem.online_param, problem.target_param, problem.transitions)
    total = losses.goal_gradient_residual(*arguments)
    monkeypatch.setattr(losses, "bootstrapped_target", policy_detached)
    torch.testing.assert_close(losses.goal_gradient_residual(*arguments), total, rtol=0, atol=1e-12)
    assert_reduced_residuals(problem)
    assert_bellman_optimal(problem)


def test_the_equivalence_is_not_for_want_of_a_gradient_through_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    # With a policy that is not optimal for its critic the same mutant changes the goal gradient.
    problem = problem_of(TransposedInPolicy)
    arguments = (problem.construction, problem.online_param, problem.target_param, problem.transitions)
    total = losses.goal_gradient_residual(*arguments)
    monkeypatch.setattr(losses, "bootstrapped_target", policy_detached)
    assert float((losses.goal_gradient_residual(*arguments) - total).abs().max()) > 0.1


# --- the assertions' own messages and refusals ------------------------------------------------------------


def test_the_message_holds_both_values_and_the_call_that_makes_the_example_again() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_reduced_residuals(problem_of(WrongDisplacement))
    lines = str(caught.value).splitlines()
    (call,) = (line.strip() for line in lines if "draw_problem" in line)
    problem = eval(call, {"draw_problem": draw_problem, "WrongDisplacement": WrongDisplacement})
    assert problem.transitions.reward.shape == (1, 1)
    assert problem.origin == call
    reduced = problem.construction.reduced_residuals(
        problem.transitions.observation, problem.transitions.action, problem.transitions.next_observation
    )
    mine = reduced.bellman_residual(problem.online_param[:, None], problem.transitions.desired_goal)
    theirs = losses.bellman_residual(
        problem.construction, problem.online_param, problem.target_param, problem.transitions
    )
    assert lines[0].startswith(
        "Bellman residual of WrongDisplacement(dim=3, discount=0.7): "
        f"reduced {float(mine):.6g}, differentiated {float(theirs):.6g}; allowed difference "
    )


def shown_in(message: str) -> dict[str, Any]:
    """The vectors and matrices of a message, by symbol, as float64 tensors."""
    found = re.findall(r"^  (s'|\w) +=(.*(?:\n {8}.*)*)", message, re.MULTILINE)
    return {symbol: torch.tensor(eval(text), dtype=torch.float64) for symbol, text in found}


def test_both_values_can_be_computed_from_what_is_printed() -> None:
    # To the three or four digits that are printed, without the call that draws the problem.
    with pytest.raises(AssertionError) as caught:
        assert_reduced_residuals(problem_of(WrongDisplacement))
    x, construction = shown_in(str(caught.value)), WrongDisplacement(3, 0.7)
    assert set(x) == {"s", "a", "g", "s'", "Ũ", "Ū"}
    mine = construction.reduced_residuals(x["s"], x["a"], x["s'"]).bellman_residual(x["Ũ"], x["g"])
    theirs = losses.temporal_difference_error(construction, x["Ũ"], x["Ū"], x["s"], x["a"], x["s'"], x["g"])
    printed = re.search(r"reduced (\S+), differentiated (\S+);", str(caught.value))
    assert printed is not None
    assert [float(mine), float(theirs)] == pytest.approx([float(text) for text in printed.groups()], rel=1e-2)

    for check, symbols in ((assert_value_is_return, "U"), (assert_bellman_optimal, "U")):
        with pytest.raises(AssertionError) as caught:
            check(problem_of(MissingFactor))
        x = shown_in(str(caught.value))
        assert set(x) == {"s", "a", "g", "s'", *symbols}
        value = MissingFactor(3, 0.7).q_value(x["U"], x["s"], x["a"], x["g"])
        printed = re.search(r"Q\*\(s, a, g\) is (\S+),", str(caught.value))
        assert printed is not None
        assert float(value) == pytest.approx(float(printed[1]), rel=1e-2)


def test_the_target_parameter_is_printed_where_it_enters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "bootstrapped_target", without_discount)
    problem = problem_of(GradientFeedback)
    for any_target, expected in ((True, {"U", "Ū"}), (False, {"U"})):
        with pytest.raises(AssertionError, match=r"^Bellman residual at the truth") as caught:
            assert_bellman_optimal(problem, any_target=any_target)
        assert set(shown_in(str(caught.value))) == {"s", "a", "g", "s'"} | expected


def test_a_large_matrix_is_named_and_not_printed() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_value_is_return(draw_problem(MissingFactor(9, 0.7)))
    assert "\n  U  = true_param[0] of the problem\n" in str(caught.value)


def test_a_value_that_is_no_number_is_caught() -> None:
    problem = problem_of(GradientFeedback)
    problem.transitions.reward[1, 2] = float("nan")
    problem.transitions.next_observation[1, 2] = float("nan")
    for check in (assert_reduced_residuals, assert_bellman_optimal):
        with pytest.raises(AssertionError, match=r"nan(.|\n)*s' = \[nan, nan, nan\](.|\n)*\.only\(1, 2\)"):
            check(problem)


class Translation(Construction):
    """A construction that nobody has seen before: one step, R = gᵀ(Ua) whatever the state, no reduction."""

    name = "translation"

    @property
    @override
    def observation_dim(self) -> int:
        return self.dim

    @override
    def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
        return apply(param, action)

    @override
    def achieved_goal(self, observation: Any) -> Any:
        return observation

    @override
    def goal_reward(self, achieved_goal: Any, goal: Any) -> Any:
        return inner(goal, achieved_goal)

    @override
    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        return inner(goal, apply(param, action)) + self.discount * norm(goal) / (1 - self.discount)

    @override
    def policy(self, param: Any, observation: Any, goal: Any) -> Any:
        return scale(apply_transpose(param, goal), 1 / norm(goal))

    @override
    def initial_observation(self, direction: Any) -> Any:
        return direction


def test_a_construction_of_ones_own_needs_the_interface_only() -> None:
    for group in ("so", "o"):
        assert_bellman_optimal(Translation(4, 0.8), group=group)
        assert_value_is_return(Translation(4, 0.8), group=hypothesis_class(group))
    assert_bellman_optimal(Translation)
    assert_value_is_return(Translation)


def test_without_a_reduction_there_is_nothing_to_compare_and_that_is_said() -> None:
    with pytest.raises(ValueError, match=r"construction: Translation\(dim=3, discount=0.7\) states no reduction"):
        assert_reduced_residuals(problem_of(Translation))
