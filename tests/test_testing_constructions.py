"""The assertions for users on constructions that nobody has seen before: the right formula is named.

An assertion that never fails proves nothing: every assertion, quantity and suspect has a planted error here. Errors in
one place of the package's own sources are made mechanically, see tests/mutants.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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
from proofs_check.testing.comparison import pair
from proofs_check.testing.problems import problems_of
from toyenvs.algebra import apply, apply_transpose, inner, join, norm, scale
from toyenvs.constructions import (
    CONSTRUCTIONS,
    Construction,
    GradientFeedback,
    NoRewardGradient,
    ReducedResiduals,
    Translation,
)
from toyenvs.hypothesis_classes import hypothesis_class
from toyenvs.learners import losses
from toyenvs.learners.objective import make_objective

README = (Path(__file__).parent.parent / "README.md").read_text()


# --- subjects ---------------------------------------------------------------------------------------------


class HalfValue(GradientFeedback):
    """A value with γ‖g‖/(1−γ) for γ‖g‖/(1−γ)²: right at γ = 0 only."""

    @override
    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        gamma = self.discount
        return inner(goal, self.dynamics(param, observation, action)) / (1 - gamma) + gamma * norm(goal) / (1 - gamma)


class Detached(GradientFeedback):
    """A value whose ‖g‖ automatic differentiation does not see."""

    @override
    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        length = norm(goal)
        hidden = length.detach() if isinstance(length, Tensor) else length
        return super().q_value(param, observation, action, goal) + self.discount * (hidden - length) / (
            1 - self.discount
        )


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


def problem_of(construction_type: type[Construction]) -> Problem:
    return draw_problem(construction_type(3, 0.7), "so", seed=20, batch_size=2, num_transitions=5)


@pytest.mark.parametrize(
    ("broken", "check", "message", "suspect"),
    [
        (NotUnit, assert_reduced_residuals, "Bellman residual of NotUnit", "policy"),
        (HalfValue, assert_reduced_residuals, "Bellman residual of HalfValue", "q_value"),
        (WrongDisplacement, assert_reduced_residuals, "Bellman residual of WrongDisplacement", "reduced_residuals"),
        (TransposedInPolicy, assert_value_is_return, "value and .*return", "policy"),
        (TransposedInDynamics, assert_value_is_return, "value and .*return", "dynamics or reward"),
        (TransposedInDynamics, assert_bellman_optimal, "Bellman optimality equation", "dynamics or reward"),
        (HalfValue, assert_bellman_optimal, "Bellman optimality equation", "q_value"),
        (NotUnit, assert_bellman_optimal, "length of the policy's action", "policy"),
        (Timid, assert_bellman_optimal, "optimality of the policy of Timid", "policy"),
    ],
)
def test_an_error_in_a_formula_is_caught_and_the_formula_named(
    broken: type[Construction], check: Callable[[Problem], None], message: str, suspect: str
) -> None:
    with pytest.raises(AssertionError, match=rf"^{message}") as caught:
        check(problem_of(broken))
    # One transition is enough for every one of these errors, and the message says which.
    shown = str(caught.value)
    assert re.search(r"^smallest failing example:$", shown, re.MULTILINE)
    assert re.search(rf"^  draw_problem\({broken.__name__}\(.*\)\.only\(\d, \d\)$", shown, re.MULTILINE)
    assert re.search(rf"^suspect: {suspect}[:,]", shown, re.MULTILINE)


def test_a_value_of_a_policy_that_is_not_optimal_passes_for_its_return() -> None:
    # Timid's value is right for its policy: two of the checks must not be what catches it.
    assert_value_is_return(problem_of(Timid))


def without_discount(
    construction: Construction, target_param: Tensor, next_observation: Tensor, goal: Tensor
) -> Tensor:
    action = construction.policy(target_param, next_observation, goal)
    value = construction.q_value(target_param, next_observation, action, goal)
    return construction.reward(next_observation, goal) + value


def target_detached(*arguments: Any, target: Callable[..., Tensor] = losses.bootstrapped_target) -> Tensor:
    return target(*arguments).detach()


@pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values())
@pytest.mark.parametrize(
    ("name", "replacement", "message"),
    [
        ("bootstrapped_target", without_discount, "Bellman residual"),
        ("bootstrapped_target", target_detached, "goal gradient of the Bellman residual"),
        # A sum where (8) has a mean over goal coordinates.
        ("goal_gradient_loss", lambda residual: residual.square().sum(-1).mean(-1), "loss"),
    ],
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
    if name == "bootstrapped_target":
        # For constructions that state no reduction: the residual at Ũ = U is 0 only if the target is right.
        with pytest.raises(AssertionError, match=rf"^{message} at the truth"):
            assert_bellman_optimal(problem)


def test_without_the_best_policy_the_gradient_through_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    # The envelope identity (P1.8, P2.9) needs a policy that is optimal for its critic: stopping the gradient at it
    # changes nothing then, and does change the goal gradient here.
    problem = problem_of(TransposedInPolicy)
    arguments = (problem.construction, problem.online_param, problem.target_param, problem.transitions)
    total = losses.goal_gradient_residual(*arguments)
    policy = TransposedInPolicy.policy
    monkeypatch.setattr(TransposedInPolicy, "policy", lambda *given: policy(*given).detach())
    assert float((losses.goal_gradient_residual(*arguments) - total).abs().max()) > 0.1


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

    for check in (assert_value_is_return, assert_bellman_optimal):
        with pytest.raises(AssertionError) as caught:
            check(problem_of(HalfValue))
        x = shown_in(str(caught.value))
        assert set(x) == {"s", "a", "g", "s'", "U"}
        value = HalfValue(3, 0.7).q_value(x["U"], x["s"], x["a"], x["g"])
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
        assert_value_is_return(draw_problem(HalfValue(9, 0.7)))
    assert "\n  U  = true_param[0] of the problem\n" in str(caught.value)


def test_a_value_that_is_no_number_is_caught() -> None:
    problem = problem_of(GradientFeedback)
    problem.transitions.reward[1, 2] = float("nan")
    problem.transitions.next_observation[1, 2] = float("nan")
    for check in (assert_reduced_residuals, assert_bellman_optimal):
        with pytest.raises(AssertionError, match=r"nan(.|\n)*s' = \[nan, nan, nan\](.|\n)*\.only\(1, 2\)"):
            check(problem)


def test_without_a_reduction_there_is_nothing_to_compare_and_that_is_said() -> None:
    with pytest.raises(ValueError, match=r"construction: Translation\(dim=3, discount=0.7\) states no reduction"):
        assert_reduced_residuals(problem_of(Translation))


def test_a_class_is_checked_from_small_to_large() -> None:
    drawn = list(problems_of(GradientFeedback, "so"))
    sizes = [p.transitions.reward.numel() for p in drawn]
    assert sizes == sorted(sizes)
    assert {p.construction.dim for p in drawn} == {2, 3, 5}
    assert {p.construction.discount for p in drawn} == {0.0, 0.5, 0.9}
    assert len({p.origin for p in drawn}) == len(drawn)
    # The first of all problems at which a factor 1/(1−γ) shows.
    with pytest.raises(
        AssertionError, match=r"(?s)HalfValue\(dim=2, discount=0.5\).*\n  draw_problem\(.*suspect: q_value"
    ):
        assert_value_is_return(HalfValue)


@pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values())
def test_instances_and_classes_pass(construction_type: type[Construction]) -> None:
    for assertion in (assert_value_is_return, assert_bellman_optimal, assert_reduced_residuals):
        assertion(construction_type(3, 0.8), group=hypothesis_class("o"))
        assertion(construction_type)


def test_a_problem_can_be_cut_down() -> None:
    problem = draw_problem(NoRewardGradient(3, 0.5), "o", seed=3, batch_size=2, num_transitions=4)
    one = problem.only(1, 2)
    assert one.origin == (
        'draw_problem(NoRewardGradient(dim=3, discount=0.5), "o", seed=3, batch_size=2, num_transitions=4).only(1, 2)'
    )
    assert torch.equal(one.transitions.action[0, 0], problem.transitions.action[1, 2])
    assert torch.equal(one.true_param[0], problem.true_param[1])
    assert torch.equal(problem.only(1).transitions.reward[0], problem.transitions.reward[1])
    assert problem.only(1).only(0).origin == problem.only(1).origin


@pytest.mark.usefixtures("unchecked_types")
def test_another_subject_is_refused() -> None:
    wrong: list[Any] = [None, 3, "gradient-feedback", GradientFeedback.q_value, dict]
    for subject in wrong:
        with pytest.raises(ValueError, match=r"^subject: .* is not a Problem, a Construction or a subclass"):
            assert_bellman_optimal(subject)


def test_a_class_that_cannot_be_called_is_refused() -> None:
    class Stubborn(GradientFeedback):
        def __init__(self, size: int) -> None:
            super().__init__(size, 0.5)

    with pytest.raises(ValueError, match=r"^subject: Stubborn\(dim=2, discount=0.0\) cannot be made .*an instance"):
        assert_bellman_optimal(Stubborn)
    assert_bellman_optimal(Stubborn(3))


def test_a_class_that_lacks_formulas_hears_which() -> None:
    class Half(Construction):
        @override
        def dynamics(self, param: Any, observation: Any, action: Any) -> Any:
            return observation

        @override
        def policy(self, param: Any, observation: Any, goal: Any) -> Any:
            return goal

    missing = "goal_reward, q_value"
    for assertion in (assert_bellman_optimal, assert_value_is_return, assert_reduced_residuals):
        with pytest.raises(ValueError, match=rf"^subject: Half does not define {missing}; toyenvs\.constructions"):
            assertion(Half)
    with pytest.raises(ValueError, match=r"^subject: Construction does not define dynamics, goal_reward, q_value"):
        assert_bellman_optimal(Construction)


def stated(weight: Any = 1.0, **parts: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A ``reduced_residuals`` of Proposition 1 at γ = 0; parts are functions of a and s' − s."""

    def reduced_residuals(self: Any, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals:
        moved = next_observation - observation
        given = {"inputs": action, "outputs": moved} | {k: part(action, moved) for k, part in parts.items()}
        return ReducedResiduals(weight(action, moved) if callable(weight) else weight, **given)

    return reduced_residuals


NUMBER, STATE = r"one number for each trial", r"one state for each trial"
VECTOR = r"one vector of length d for each trial and transition"

MISSHAPEN: list[tuple[str, Any, str]] = [
    ("q_value", lambda self, U, s, a, g: g * s, rf"shape \(1, 1, 2\), expected shape \(1, 1\): {NUMBER}"),
    ("q_value", lambda self, U, s, a, g: inner(g, s)[..., None], r"shape \(1, 1, 1\), expected shape \(1, 1\)"),
    ("q_value", lambda self, U, s, a, g: 0.0, r"float, no tensor, expected shape \(1, 1\)"),
    ("policy", lambda self, U, s, g: norm(g), rf"shape \(1, 1\), expected shape \(1, 1, 2\): {VECTOR}"),
    ("reward", lambda self, s, g: s * g, rf"shape \(1, 2\), expected shape \(1,\): {NUMBER}"),
    ("achieved_goal", lambda self, s: join(s, s), rf"shape \(1, 1, 4\), expected shape \(1, 1, 2\): {VECTOR}"),
    ("dynamics", lambda self, U, s, a: inner(s, a), rf"shape \(1,\), expected shape \(1, 2\): {STATE}"),
    ("initial_observation", lambda self, x: join(x, x), rf"shape \(1, 4\), expected shape \(1, 2\): {STATE}"),
    ("observation_dim", 2.0, r"2\.0, expected an integer >= 1"),
    ("reduced_residuals", lambda self, s, a, s2: (1.0, a, s2 - s), r"tuple, expected ReducedResiduals\(weight, "),
]
"""A formula, something in place of it, and what is said of its shape at d = 2."""


@pytest.mark.parametrize(("formula", "replacement", "message"), MISSHAPEN, ids=[case[0] for case in MISSHAPEN])
def test_a_formula_of_the_wrong_shape_is_named(formula: str, replacement: Any, message: str) -> None:
    given = {formula: replacement}
    if formula == "achieved_goal":
        given["reward"] = lambda self, s, g: inner(s, g)  # looked at first
    broken = type("Broken", (GradientFeedback,), given)
    assertions = [assert_reduced_residuals, assert_bellman_optimal, assert_value_is_return]
    for assertion in assertions[:1] if formula == "reduced_residuals" else assertions:
        with pytest.raises(ValueError, match=rf"^{formula} of Broken\(dim=2, discount=0.0\): {message}") as caught:
            assertion(broken)
        assert "\n" not in str(caught.value)


def test_observation_dim_is_compared_with_the_states() -> None:
    # No formula reads it, so nothing else would notice.
    wrong = type("Wrong", (GradientFeedback,), {"observation_dim": 3})
    for call in (assert_bellman_optimal, assert_value_is_return, assert_reduced_residuals, draw_problem):
        with pytest.raises(
            ValueError,
            match=r"^initial_observation of Wrong\(dim=2, discount=0.5\): shape \(\d, 2\), expected shape \(\d, 3\): "
            r".* observation_dim = 3$",
        ):
            call(wrong(2, 0.5))


PARTS = {
    "inputs": stated(inputs=lambda a, moved: inner(a, moved)),
    "outputs": stated(outputs=lambda a, moved: moved[..., :1]),
    "weight": stated(lambda a, moved: a),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_reduction_of_the_wrong_shape_is_named(part: str) -> None:
    broken = type("Broken", (GradientFeedback,), {"reduced_residuals": PARTS[part]})
    with pytest.raises(
        ValueError, match=rf"^{part} of reduced_residuals of Broken\(.*\): shape .*, expected shape \(1, 1"
    ):
        assert_reduced_residuals(broken)


def test_formulas_that_ignore_the_goal_or_the_parameter_are_named() -> None:
    class Nothing(GradientFeedback):
        """R = 0 = Q."""

        @override
        def reward(self, next_observation: Any, goal: Any) -> Any:
            return 0 * inner(next_observation, next_observation)

        @override
        def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
            return 0 * inner(observation, observation)

        reduced_residuals = stated(0.0)

    class Still(Nothing):
        """R = 0 = Q, with a path to the goal."""

        @override
        def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
            return 0 * inner(action, goal)

    assert_value_is_return(Nothing)
    for assertion in (assert_bellman_optimal, assert_reduced_residuals):
        with pytest.raises(
            ValueError, match=r"^q_value, reward and policy of Nothing\(.*: no derivative .* the goal; "
        ):
            assertion(Nothing)
    assert_bellman_optimal(Still)
    with pytest.raises(ValueError, match=r"^q_value of Still\(.*: no derivative with respect to the parameter; "):
        assert_reduced_residuals(Still)


def test_a_plain_number_is_a_weight() -> None:
    class Plain(GradientFeedback):
        @override
        def reduced_residuals(self, observation: Any, action: Any, next_observation: Any) -> ReducedResiduals:
            return ReducedResiduals(1 / (1 - self.discount), action, next_observation - observation)

    assert_reduced_residuals(Plain)
    weights: list[Any] = [1, np.float64(1), torch.tensor(1.0, dtype=torch.float64)]
    for weight in weights:
        assert_reduced_residuals(type("One", (GradientFeedback,), {"reduced_residuals": stated(weight)})(3, 0.0))

    # The same for learners, minibatches included.
    problem = draw_problem(Plain(3, 0.5), "so")
    fast, usual = (
        make_objective(construction, problem.transitions, 0.7, minibatch=True)
        for construction in (Plain(3, 0.5), GradientFeedback(3, 0.5))
    )
    rows = torch.tensor([2, 0])
    for one, other in zip(
        fast.loss_and_gradient(problem.online_param, problem.target_param, rows),
        usual.loss_and_gradient(problem.online_param, problem.target_param, rows),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_an_error_of_the_formulas_says_on_which_problem() -> None:
    class Faulty(GradientFeedback):
        @override
        def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        assert_value_is_return(Faulty(2, 0.5))
    assert caught.value.__notes__ == [
        'while checking draw_problem(Faulty(dim=2, discount=0.5), "so", seed=0, batch_size=1, num_transitions=1)'
    ]


def test_a_detached_formula_is_named() -> None:
    # Its values are wrong by nothing, its derivative by γĝ/(1−γ).
    with pytest.raises(AssertionError) as caught:
        assert_bellman_optimal(Detached(3, 0.5))
    assert "goal gradient of the Bellman residual at the truth" in str(caught.value)
    assert "suspect: q_value: part of the goal's path is hidden" in str(caught.value)
    with pytest.raises(AssertionError, match=r"suspect: q_value: part of the goal's path is hidden"):
        assert_reduced_residuals(Detached(3, 0.5))


class Scaled(GradientFeedback):
    """Proposition 1 with all rewards times ``factor``, and a value that takes 1 + U₀₀² for it."""

    factor = 1.0

    @override
    def q_value(self, param: Any, observation: Any, action: Any, goal: Any) -> Any:
        return super().q_value(param, observation, action, goal) * (1 + param[..., 0, 0] ** 2)

    @override
    def reward(self, next_observation: Any, goal: Any) -> Any:
        return super().reward(next_observation, goal) * self.factor


def test_a_target_that_matters_is_told_from_a_wrong_formula() -> None:
    # With the factor 1 + U₀₀² the value is right at the truth, and the one of another target is another.
    problem = draw_problem(GradientFeedback(3, 0.5), "so", batch_size=1)
    construction = Scaled(3, 0.5)
    construction.factor = 1 + float(problem.true_param[0, 0, 0]) ** 2
    problem = Problem(
        construction,
        problem.hypothesis_class,
        problem.true_param,
        problem.online_param,
        problem.target_param,
        problem.transitions,
    )
    assert_bellman_optimal(problem, any_target=False)
    with pytest.raises(AssertionError) as caught:
        assert_bellman_optimal(problem)
    assert "suspect: the claim that the target parameter does not matter (any_target=False" in str(caught.value)
    assert "of a problem that was put together by hand" in str(caught.value)


def test_two_numbers_are_shown_as_different() -> None:
    assert pair(1.0, 2.0) == ("1", "2")
    assert pair(0.1 + 0.2, 0.3) == ("0.30000000000000004", "0.29999999999999999")
    first, second = pair(1.0, 1.0 + 1e-9)
    assert float(first) != float(second)
    assert len(second) < 16
    assert pair(float("nan"), 1.0)[0] == "nan"


# --- the README -------------------------------------------------------------------------------------------


def test_the_worked_example_prints_the_message_that_is_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ((code, shown),) = re.findall(r"```python\n([^`]*class [^`]*)```.*?```text\n(.*?)```", README, re.DOTALL)
    script = tmp_path / "own.py"
    script.write_text(code)
    names = runpy.run_path(str(script))
    assert capsys.readouterr().out == shown

    ((definition,),) = [re.findall(r"^class .*?(?=^\S)", code.split("\n\n\n", 1)[1] + "\n", re.DOTALL | re.MULTILINE)]
    assert len(definition.strip().splitlines()) <= 30

    # With the mistake corrected, nothing is left to find.
    (own,) = (v for v in names.values() if isinstance(v, type) and v.__module__ == "<run_path>")
    corrected = code.replace(
        "next_observation - observation)  #", "next_observation - scale(observation, self.drag))  #"
    )
    assert corrected != code
    script.write_text(corrected)
    runpy.run_path(str(script))
    assert capsys.readouterr().out == ""
    assert own.name not in CONSTRUCTIONS
