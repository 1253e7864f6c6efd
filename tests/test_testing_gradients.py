"""The assertion for users on goal gradients: neural critics, paths that are cut, differences that know their error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from proofs_check.testing import (
    assert_gradient_matching,
    draw_problem,
)
from proofs_check.testing.finite_differences import _noise, autodiff_gradient, central_differences
from toyenvs.algebra import norm, scale
from toyenvs.constructions import CONSTRUCTIONS, Construction, GradientFeedback
from toyenvs.learners.losses import bootstrapped_target


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
    class WrongByLittle(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            return gradients[0] * (1 + 1e-7)

    critic = Critic(3)
    with pytest.raises(AssertionError, match=r"^goal gradient of q_value, coordinate \d: automatic"):
        assert_gradient_matching(
            lambda goal: critic(S, A, WrongByLittle.apply(goal)), neural_target(critic), G, residual=None
        )


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


def test_a_closed_form_is_a_third_check() -> None:
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
