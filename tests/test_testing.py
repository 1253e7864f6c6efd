"""The assertions and strategies for users: on constructions, critics and environments that nobody has seen before."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import sympy
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import find, given
from hypothesis import strategies as st
from torch import Tensor, nn
from typing_extensions import override

import toyenvs
from proofs_check import abstract, symbols
from proofs_check.testing import (
    Problem,
    actions_in_ball,
    assert_bellman_optimal,
    assert_gradient_matching,
    assert_reduced_residuals,
    assert_reward_consistent,
    assert_value_is_return,
    dims,
    discounts,
    draw_problem,
    goals,
    observations,
    problems,
    rotations,
    transitions,
)
from proofs_check.testing.comparison import pair
from proofs_check.testing.finite_differences import _noise, autodiff_gradient, central_differences
from proofs_check.testing.problems import problems_of
from toyenvs.algebra import inner, join, norm, scale
from toyenvs.constructions import CONSTRUCTIONS, Construction, GradientFeedback, NoRewardGradient, ReducedResiduals
from toyenvs.goal_env import GoalEnv
from toyenvs.learners.losses import bootstrapped_target
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
        assertion(construction_type(3, 0.8), group="o")
    assert_reduced_residuals(construction_type)


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

    # The same for learners, minibatches included, for numbers in exact arithmetic and for the proofs.
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
    exact = [np.array([[sympy.Rational(k, 3), sympy.Rational(1, k + 2)] for k in range(3)], dtype=object)] * 2
    turn = np.array([[0, -1], [1, 0]], dtype=object)
    s, a, g = sympy.Matrix([1, 2]), sympy.Matrix(sympy.symbols("a1 a2")), sympy.Matrix(sympy.symbols("g1 g2"))
    letters = [abstract.vector(name) for name in "sag"]
    for param, observation, action, goal in (
        (turn, exact[0], exact[1], exact[0]),
        (symbols.planar_rotation(sympy.Symbol("t")), s, a, g),
        (abstract.operator("U"), *letters),
    ):
        both = [
            construction(2, sympy.Rational(1, 2)).reduced_residuals(observation, action, observation + action)
            for construction in (Plain, GradientFeedback)
        ]
        values = [reduced.bellman_residual(param, goal) for reduced in both]
        difference = np.atleast_1d(np.asarray(values[0] - values[1], dtype=object))
        assert all(sympy.simplify(x) == 0 for x in difference)


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


# --- goal gradients ---------------------------------------------------------------------------------------


class Critic(nn.Module):
    """Q(s, a, g) as people build it: a perceptron of everything put together."""

    def __init__(self, dim: int, activation: type[nn.Module] = nn.Tanh, seed: int = 0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * dim, 32), activation(), nn.Linear(32, 32), activation(), nn.Linear(32, 1)
        )
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) / max(weight.shape[-1], 1) ** 0.5)
        self.double()

    @override
    def forward(self, observation: Tensor, action: Tensor, goal: Tensor) -> Tensor:
        return self.layers(torch.cat([observation, action, goal], -1)).squeeze(-1)


def batch(count: int, dim: int, seed: int = 1) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


S, A, S2, G = (batch(20, 3, seed) for seed in range(4))


def neural_target(critic: Critic, *, cut: str = "") -> Callable[[Tensor], Tensor]:
    """R(s', g) + γ Q(s', π(s', g), g) with a policy that is no maximiser; one path can be cut."""

    def target(goal: Tensor) -> Tensor:
        action = torch.tanh(S2 + 0.3 * goal.flip(-1))
        if cut == "policy":
            action = action.detach()
        reward = -(S2 - goal).square().sum(-1)
        if cut == "reward":
            reward = reward.detach()
        value = critic(S2, action, goal)
        total = reward + 0.9 * value
        return total.detach() if cut == "everything" else total

    return target


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_a_neural_critic_passes(activation: type[nn.Module]) -> None:
    critic, target = Critic(3, activation), neural_target(Critic(3, activation, seed=1))
    assert_gradient_matching(lambda goal: critic(S, A, goal), target, G, residual=None)
    assert_gradient_matching(target, target, G)
    assert_gradient_matching(
        lambda goal: target(goal) + (goal * A).sum(-1), target, G, residual=A, rtol=1e-6
    )  # a gradient that is off by the constant A
    assert_gradient_matching(lambda goal: (goal * A[0]).sum(-1), lambda goal: goal @ A[0], G[0], closed_form=A[0])


@pytest.mark.parametrize("cut", ["policy", "reward", "everything"])
@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_a_path_that_is_cut_is_found(activation: type[nn.Module], cut: str) -> None:
    critic = Critic(3, activation)
    target = neural_target(critic, cut=cut)
    with pytest.raises(
        AssertionError, match=r"^goal gradient of target, coordinate \d: automatic .*detached\?"
    ) as caught:
        assert_gradient_matching(lambda goal: critic(S, A, goal), target, G, residual=None)
    assert ("no derivative reaches the goal" in str(caught.value)) == (cut == "everything")
    # The smallest example is a unit vector: every goal fails. It is none of the batch.
    assert re.search(
        r"^smallest failing example, in place of goal \d+ of the batch:\n  g = \[1, 0, 0\]$",
        str(caught.value),
        re.MULTILINE,
    )


def test_a_critic_that_does_not_match_is_found() -> None:
    critic = Critic(3)
    with pytest.raises(AssertionError, match=r"^goal gradients of q_value and target, coordinate \d: of q_value "):
        assert_gradient_matching(lambda goal: critic(S, A, goal), neural_target(critic), G)
    # One part in a million is enough.
    target = neural_target(critic)
    with pytest.raises(AssertionError, match=r"^goal gradients of q_value and target"):
        assert_gradient_matching(lambda goal: (1 + 1e-6) * target(goal), target, G)


def test_the_message_says_whose_goal_it_shows() -> None:
    # Given as tensors, residuals belong to the goals of the batch: nothing is simplified.
    with pytest.raises(AssertionError, match=r"\nsmallest failing example, goal \d+ of the batch:\n"):
        assert_gradient_matching(neural_target(Critic(3)), neural_target(Critic(3)), G, residual=A)
    # Two leading axes, and none.
    with pytest.raises(
        AssertionError, match=r"\nsmallest failing example, in place of goal \(\d, \d\) of the batch:\n"
    ):
        assert_gradient_matching(lambda at: at.sum(-1), lambda at: 2 * at.sum(-1), G.reshape(4, 5, 3))
    with pytest.raises(AssertionError, match=r"\nsmallest failing example:\n  g = \[1, 0, 0\]\n"):
        assert_gradient_matching(lambda at: at.sum(-1), lambda at: 2 * at.sum(-1), G[0])


def test_a_gradient_that_is_wrong_by_little_is_found() -> None:
    class Slip(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            return gradients[0] * (1 + 1e-7)

    critic = Critic(3)
    with pytest.raises(AssertionError, match=r"^goal gradient of q_value, coordinate \d: automatic"):
        assert_gradient_matching(lambda goal: critic(S, A, Slip.apply(goal)), neural_target(critic), G, residual=None)


def test_the_differences_know_their_own_error() -> None:
    # Functions of every kind, with gradients that a formula gives.
    cases: list[tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = [
        (lambda g: norm(g), lambda g: g / norm(g)[..., None]),
        (lambda g: (7 * g).sin().sum(-1), lambda g: 7 * (7 * g).cos()),
        (lambda g: 1e6 + g.pow(5).sum(-1), lambda g: 5 * g.pow(4)),
        (lambda g: (g.square().sum(-1) + 1e4) - 1e4, lambda g: 2 * g),
        (lambda g: 0 * g.sum(-1), torch.zeros_like),
    ]
    goal = batch(200, 3) * torch.logspace(-3, 2, 200, dtype=torch.float64)[:, None]
    goal = goal.clamp(-20, 20)
    for function, exact in cases:
        assert not bool(central_differences(function, goal).excludes(exact(goal)).any())


def test_the_differences_are_good() -> None:
    # sin 7g, six periods a unit: the fifth derivative is 7⁵ = 2e4, R at h = 2⁻¹⁰ is off by h⁴/480 of it, 1e-11, and
    # the noise of a value, 4e-16, by 24·1024 times as much, 1e-11 again. The bound may be ten times the sum.
    goal = batch(100, 3)
    goal = goal / norm(goal)[:, None]
    _, bound = central_differences(lambda g: (7 * g).sin().sum(-1), goal).best()
    assert float(bound.median()) < 2e-10


def test_noise_is_measured() -> None:
    # Rounded to multiples of q, evenly distributed errors: standard deviation q/√12.
    goal, q = batch(200, 3), 1e-8
    length = norm(goal)[:, None]
    measured = _noise(lambda g: (g.sin().sum(-1) / q).round() * q, goal, length)
    assert 0.7 * q / 12**0.5 < float(measured.median()) < 2 * q / 12**0.5
    assert float(_noise(lambda g: g.sin().sum(-1), goal, length).max()) < 5e-16


def test_a_kink_is_no_error() -> None:
    # Kinks at every distance from the goal, far below the smallest step to beyond the largest, on both sides; and
    # on the goal itself, where any slope between the two is a subgradient.
    distance = torch.cat([torch.zeros(1), torch.logspace(-8, -1, 3000), torch.linspace(0, 3e-3, 3000)]).double()
    distance = torch.cat([distance, -distance])
    goal = torch.stack([torch.ones_like(distance), torch.full_like(distance, 0.5)], -1)
    for function in (
        lambda g: (g[:, 0] - 1 - distance).clamp_min(0),
        lambda g: (g[:, 0] - 1 - distance).abs() + g.square().sum(-1),
        lambda g: torch.maximum(3 * (g[:, 0] - 1 - distance), g[:, 1].sin()),
    ):
        differences = central_differences(function, goal)
        assert not bool(differences.excludes(autodiff_gradient(function, goal)).any())
        _, bound = differences.best()
        assert float((bound < 1e-6).double().mean()) > 0.6
        assert_gradient_matching(function, function, goal)


def test_kinks_everywhere_are_undecided_and_not_an_error() -> None:
    def sawtooth(goal: Tensor) -> Tensor:
        return (2e4 * goal - (2e4 * goal).round()).abs().sum(-1)

    with pytest.raises(AssertionError, match=r"^goal gradient of q_value: could not be decided; .* rtol = 1e-07"):
        assert_gradient_matching(sawtooth, sawtooth, G)


@pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values())
def test_formulas_match_at_the_truth_and_leave_the_reduction_elsewhere(construction_type: type[Construction]) -> None:
    problem = draw_problem(construction_type(3, 0.8), "o", batch_size=2, num_transitions=4)
    construction, buffer = problem.construction, problem.transitions

    def value(param: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda goal: construction.q_value(param[:, None], buffer.observation, buffer.action, goal)

    def target(goal: Tensor) -> Tensor:
        return bootstrapped_target(construction, problem.target_param[:, None], buffer.next_observation, goal)

    reduced = construction.reduced_residuals(buffer.observation, buffer.action, buffer.next_observation)
    assert reduced is not None
    stated = reduced.goal_gradient_residual(problem.online_param[:, None])
    assert_gradient_matching(value(problem.true_param), target, buffer.desired_goal)
    assert_gradient_matching(value(problem.online_param), target, buffer.desired_goal, residual=stated)
    assert_gradient_matching(value(problem.online_param), target, buffer.desired_goal, residual=lambda goal: stated)
    with pytest.raises(AssertionError, match=r"^goal gradient of q_value - target, coordinate \d: automatic .* stated"):
        assert_gradient_matching(value(problem.online_param), target, buffer.desired_goal, residual=-stated)


def test_a_closed_form_is_a_third_opinion() -> None:
    # ∇[gᵀs' + γ(gᵀ(s' + ĝ)/(1−γ) + γ‖g‖/(1−γ)²)] = s'/(1−γ) + γĝ/(1−γ)²: worked by hand, Ū dropped out.
    problem = draw_problem(GradientFeedback(3, 0.8), "so")
    state = problem.transitions.next_observation

    def target(goal: Tensor) -> Tensor:
        return bootstrapped_target(problem.construction, problem.target_param[:, None], state, goal)

    def by_hand(goal: Tensor, sign: float = 1.0) -> Tensor:
        return state / 0.2 + sign * 0.8 / 0.04 * scale(goal, 1 / norm(goal))

    goal = problem.transitions.desired_goal
    assert_gradient_matching(target, target, goal, closed_form=by_hand)
    assert_gradient_matching(target, target, goal, closed_form=by_hand(goal))
    for wrong in (lambda g: by_hand(g, -1.0), by_hand(goal, -1.0)):
        with pytest.raises(AssertionError, match=r"^goal gradient of target, coordinate \d: automatic .*closed form"):
            assert_gradient_matching(target, target, goal, closed_form=wrong)


def test_bad_arguments_are_refused_with_a_remedy() -> None:
    critic = Critic(3)
    norms = nn.BatchNorm1d(3).double()
    dropout = nn.Dropout(0.5)
    single = Critic(3).float()

    def good(goal: Tensor) -> Tensor:
        return critic(S, A, goal)

    cases: list[tuple[Callable[[Tensor], Tensor], str]] = [
        (lambda g: single(S, A, g), r"q_value: cannot be evaluated at goals of float64 .*module.double\(\)"),
        (lambda g: single(S.float(), A.float(), g.float()), r"q_value: values of torch.float32.*module.double\(\)"),
        (lambda g: single(S.float(), A.float(), g.float()).double(), r"q_value: .* but computed in float32"),
        (lambda g: critic(S, A, g)[:, None], r"q_value: values of shape \(20, 1\) for goals of shape \(20, 3\)"),
        (lambda g: critic(S, A, g).sum(), r"q_value: values of shape \(\)"),
        (lambda g: critic(S, A, dropout(g)), r"q_value: two calls .* differ; .*module.eval\(\)"),
        (lambda g: critic(S, A, norms(g)), r"q_value: a value changes when other goals do; .*module.eval\(\)"),
    ]
    for function, message in cases:
        with pytest.raises(ValueError, match=rf"^{message}"):
            assert_gradient_matching(function, good, G)
    for goal, message in (
        (G.float(), r"goal: dtype torch.float32 is not torch.float64"),
        (G[:0], r"goal: shape \(0, 3\)"),
        (G / 0, r"goal: not every coordinate is a finite number"),
    ):
        with pytest.raises(ValueError, match=rf"^{message}"):
            assert_gradient_matching(good, good, goal)
    with pytest.raises(ValueError, match=r"^closed_form: shape \(3,\) is not \(20, 3\)"):
        assert_gradient_matching(good, good, G, closed_form=lambda goal: goal[0])


@given(st.data())
def test_strategies_serve_critics_as_well(data: st.DataObject) -> None:
    dim = data.draw(dims(4))
    goal = torch.from_numpy(data.draw(goals(dim)))
    turn = torch.from_numpy(data.draw(rotations("o", dim)))
    action = torch.from_numpy(data.draw(actions_in_ball(dim)))
    assert_gradient_matching(lambda g: g @ (turn @ action), lambda g: (turn.mT @ g) @ action, goal)


# --- rewards of environments ------------------------------------------------------------------------------


class Reach(gymnasium.Env[Any, Any]):
    """Walk to a point; paid minus the distance. Nothing of this package, and one slip at the caller's choice."""

    def __init__(self, slip: str = "", dtype: Any = np.float64) -> None:
        box = spaces.Box(-10, 10, (2,), dtype)
        self.observation_space = spaces.Dict(dict.fromkeys(("observation", "achieved_goal", "desired_goal"), box))
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
        self.slip, self.dtype = slip, dtype

    def _observe(self) -> dict[str, Any]:
        state = np.asarray(self.state, self.dtype)
        return {"observation": state, "achieved_goal": state.copy(), "desired_goal": np.asarray(self.goal, self.dtype)}

    @override
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.goal, self.state, self.count = self.np_random.uniform(-5, 5, 2), np.zeros(2), 0
        observation = self._observe()
        if self.slip == "reset observation":
            observation["desired_goal"] = observation["desired_goal"] + 100
        return observation, {}

    @override
    def step(self, action: Any) -> Any:
        self.state = self.state + action
        self.count += 1
        observation = self._observe()
        if self.slip == "type":
            observation["achieved_goal"] = observation["achieved_goal"].astype(np.complex128)
        if self.slip == "precision":
            observation["achieved_goal"] = observation["achieved_goal"].astype(np.float64)
        if self.slip == "coarse":
            observation["achieved_goal"] = observation["achieved_goal"].astype(np.float32)
        if self.slip == "keys":
            del observation["observation"]
        reward = -float(np.linalg.norm(self.state - self.goal))
        if self.slip == "squared":
            reward = -(reward**2)
        if self.slip == "nan":
            reward = float("nan")
        return observation, reward, False, self.count == 7, {"count": self.count}

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """Minus the distance, single or batched."""
        if self.slip == "own goal":
            desired_goal = self.goal
        if self.slip == "own state":
            achieved_goal = self.state + 0 * achieved_goal
        difference = achieved_goal - desired_goal
        if self.slip == "norm of all":
            return -np.linalg.norm(difference)
        if self.slip == "keeps the axis":
            return -np.linalg.norm(difference, axis=-1, keepdims=True)
        if self.slip == "first of the batch" and np.ndim(desired_goal) == 2:
            difference = achieved_goal - desired_goal[0]
        if self.slip == "float":
            return -float(np.linalg.norm(difference, axis=-1))
        if self.slip == "info of one":
            return -np.linalg.norm(difference, axis=-1) - 0 * info["count"]
        if self.slip == "info of each":
            counts = info["count"] if isinstance(info, dict) else np.array([one["count"] for one in info])
            return -np.linalg.norm(difference, axis=-1) - 0 * counts
        if self.slip == "in place":
            achieved_goal -= desired_goal
        if self.slip == "relabelled" and np.ndim(desired_goal) == 2 and not np.allclose(desired_goal[0], self.goal):
            return np.zeros(len(desired_goal))
        return -np.linalg.norm(difference, axis=-1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_foreign_environment_passes(dtype: Any) -> None:
    assert_reward_consistent(Reach(dtype=dtype))
    assert_reward_consistent(gymnasium.wrappers.TimeLimit(Reach(dtype=dtype), 5), steps=1, episodes=1)


@pytest.mark.parametrize("env_id", toyenvs.ENV_IDS)
def test_our_environments_pass(env_id: str) -> None:
    assert_reward_consistent(gymnasium.make(env_id, dim=3, max_episode_steps=6))
    assert_reward_consistent(gymnasium.make_vec(env_id, num_envs=3, dim=3, max_episode_steps=4))
    for mode in AutoresetMode:
        copies = [lambda: gymnasium.make(env_id, dim=3, max_episode_steps=4)] * 2
        assert_reward_consistent(SyncVectorEnv(copies, autoreset_mode=mode), steps=12, episodes=2)


SLIPS = {
    "squared": r"reward at step 0 of episode 0: step .*, compute_reward ",
    "own goal": r"reward at step \d of episode 0: step .*, compute_reward when the episodes were over ",
    "own state": r"reward at step \d of episode 0: step .*, compute_reward when the episodes were over ",
    "norm of all": r"reward: compute_reward of a batch of 1, goals of shape \(1, 2\), has shape \(\), not \(1,\)",
    "keeps the axis": r"reward: compute_reward of a batch of 1, .* has shape \(1, 1\), not \(1,\)",
    "first of the batch": r"reward at step 0 of episode 1: in a batch .*, alone ",
    "float": r"reward: compute_reward of a batch of \d, goals of shape \(\d, 2\), raised TypeError: ",
    "info of one": r"reward: compute_reward of a batch of 1, .* raised IndexError: .*\nfor a batch, info is a sequence",
    "precision": r"achieved_goal of step 0 of episode 0: ndarray float64 .*: float64 does not cast to float32 safely",
    "in place": r"compute_reward at step 0 of episode 0 changed its achieved_goal: ",
    "relabelled": r"re\w+.* at step \d of episode \d: in a batch 0, alone ",
    "reset observation": r"desired_goal of the reset of episode 0: ndarray float64 of shape .* is not in its space",
    "type": r"achieved_goal of step 0 of episode 0: ndarray complex128 of shape \(2,\) .* is not in its space",
    "keys": r"observation of step 0 of episode 0: not a dictionary with the keys",
    "nan": r"reward of step 0 of episode 0: nan is not a finite number",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_an_environment_is_found(slip: str) -> None:
    with pytest.raises(AssertionError, match=rf"^{SLIPS[slip]}"):
        assert_reward_consistent(Reach(slip, np.float32 if slip == "precision" else np.float64))


def test_what_a_space_contains_is_no_slip() -> None:
    # float32 casts to float64 safely, and the space says that it contains it.
    assert_reward_consistent(Reach("coarse"))


def test_the_info_of_a_batch_is_a_sequence() -> None:
    assert_reward_consistent(Reach("info of each"))


def test_the_message_about_a_reward_holds_the_goals() -> None:
    with pytest.raises(AssertionError, match=r"row 1 of a batch of 2:\n  achieved_goal = \[.*\]\n  desired_goal  = \["):
        assert_reward_consistent(Reach("first of the batch"))


def test_a_wrapper_that_changes_rewards_is_found() -> None:
    changed = gymnasium.wrappers.TransformReward(Reach(), lambda reward: 0.5 * reward)
    with pytest.raises(AssertionError, match=r"^reward at step 0 of episode 0: step .*, compute_reward "):
        assert_reward_consistent(changed)


class Flipped(GoalEnv):
    """Relabels with the wrong sign."""

    @override
    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        return -super().compute_reward(achieved_goal, desired_goal, info)


def test_a_vector_environment_of_copies_with_a_slip_is_found() -> None:
    with pytest.raises(AssertionError, match=r"^reward at step 0 of copy 0: step .*, compute_reward "):
        assert_reward_consistent(SyncVectorEnv([lambda: Flipped(GradientFeedback, 3)] * 2))


class NotAGoalEnv(Reach):
    """The dictionary without the method."""

    compute_reward: ClassVar[Any] = None


@pytest.mark.usefixtures("unchecked_types")
def test_what_is_no_environment_is_refused() -> None:
    wrong: list[Any] = ["FetchReach-v2", None, Reach]
    for env in wrong:
        with pytest.raises(ValueError, match=r"^env: .* is neither a gymnasium.Env nor a VectorEnv; ") as caught:
            assert_reward_consistent(env)
        assert "\n" not in str(caught.value)


def test_other_environments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^env: its observation space, Box, is not a Dict with observation, achieved"):
        assert_reward_consistent(gymnasium.make("CartPole-v1"))
    with pytest.raises(ValueError, match=r"^env: its observation space, Box, is not"):
        assert_reward_consistent(gymnasium.wrappers.FlattenObservation(Reach()))
    with pytest.raises(ValueError, match=r"^env: NotAGoalEnv has no method compute_reward"):
        assert_reward_consistent(NotAGoalEnv())
    for name in ("steps", "episodes"):
        with pytest.raises(ValueError, match=rf"^{name}: 0 is not an integer >= 1"):
            assert_reward_consistent(Reach(), **{name: 0})


# --- shrinking --------------------------------------------------------------------------------------------


def fails(assertion: Callable[[Problem], None]) -> Callable[[Problem], bool]:
    def failed(problem: Problem) -> bool:
        try:
            assertion(problem)
        except AssertionError:
            return True
        return False

    return failed


@pytest.mark.usefixtures("unchecked_types")  # hundreds of examples
def test_a_planted_error_shrinks_to_the_smallest_problem() -> None:
    problem = find(problems(HalfValue, max_discount=0.5), fails(assert_value_is_return))
    assert problem.origin == (
        'draw_problem(HalfValue(dim=2, discount=0.01), "so", seed=0, batch_size=1, num_transitions=1)'
    )


@pytest.mark.usefixtures("unchecked_types")
def test_every_strategy_shrinks_to_something_simple() -> None:
    construction = NoRewardGradient(3, 0.5)
    assert find(dims(), lambda d: True) == 2
    assert find(discounts(), lambda x: x > 0.1) == 0.11
    np.testing.assert_array_equal(find(rotations("so", 3), lambda U: True), np.eye(3))
    turn = find(rotations("so", 3), lambda U: bool((np.eye(3) != U).any()))
    np.testing.assert_array_equal(turn, [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    reflection = find(rotations("o", 2), lambda U: bool(np.linalg.det(U) < 0))
    np.testing.assert_array_equal(reflection, [[-1, 0], [0, 1]])
    assert np.count_nonzero(find(goals(4), lambda g: True)) == 1
    assert not find(actions_in_ball(3), lambda a: True).any()
    assert not find(observations(construction), lambda s: True)[3:].any()  # a start: s² = 0
    buffer = find(transitions(construction), lambda t: True)
    assert buffer.reward.shape == (1, 1)
    two = find(transitions(construction), lambda t: bool((t.reward != 0).any()))
    assert two.reward.shape == (1, 2)  # the second transition is the first with a reward


@given(st.sampled_from(["so", "o"]).flatmap(lambda group: rotations(group, 3)))
def test_rotations_are_orthogonal(U: Any) -> None:
    np.testing.assert_allclose(U.T @ U, np.eye(3), atol=1e-14)


@given(transitions(GradientFeedback(3, 0.5)))
def test_transitions_are_what_a_learner_sees(buffer: Any) -> None:
    torch.testing.assert_close(buffer.reward, (buffer.next_observation * buffer.desired_goal).sum(-1))
    moved = (buffer.next_observation - buffer.observation).norm(dim=-1)
    torch.testing.assert_close(moved, buffer.action.norm(dim=-1))
