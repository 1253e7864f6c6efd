"""Losses against loops and finite differences; learners against what they must, can and cannot find."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from proofs_check.testing import Problem, draw_problem
from toyenvs.constructions import CONSTRUCTIONS, Construction, GradientFeedback, NoRewardGradient
from toyenvs.hypothesis_classes import SpecialOrthogonal
from toyenvs.learners import (
    DDPG,
    LEARNERS,
    DescentSettings,
    GradientOnly,
    Learner,
    Outcome,
    ReenGAGE,
    TrainingResult,
    losses,
)
from toyenvs.learners import descent as descent_module
from toyenvs.learners import pieces as pieces_module
from toyenvs.learners.objective import DifferentiatedObjective, ReducedObjective, make_objective
from toyenvs.learners.optimizers import OPTIMIZERS, Optimizer
from toyenvs.replay import Transitions, collect

by_construction = pytest.mark.parametrize("construction_type", CONSTRUCTIONS.values(), ids=CONSTRUCTIONS.keys())
by_learner = pytest.mark.parametrize("learner", [DDPG(), ReenGAGE(alpha=1.5)], ids=["ddpg", "reengage"])


def fit(learner: Learner, problem: Problem, seed: int | None = None, **settings: Any) -> TrainingResult:
    learner = dataclasses.replace(learner, settings=DescentSettings(**settings))
    minibatch_seed = None if seed is None else np.random.SeedSequence(seed)
    return learner.fit(
        problem.construction, problem.hypothesis_class, problem.transitions, problem.online_param, minibatch_seed
    )


def buffer_length(construction_type: type[Construction], count: int) -> int:
    """The length of a buffer that holds ``count`` transitions that say something about U."""
    return construction_type.transitions_for_informative(count)


def errors(result: TrainingResult, problem: Problem) -> Tensor:
    return torch.linalg.matrix_norm(result.param - problem.true_param)


def single(problem: Problem, trial: int) -> Problem:
    keep = torch.arange(problem.transitions.batch_size) == trial
    return dataclasses.replace(
        problem,
        true_param=problem.true_param[keep],
        online_param=problem.online_param[keep],
        target_param=problem.target_param[keep],
        transitions=problem.transitions.trials(keep),
    )


# --- losses -----------------------------------------------------------------------------------------------


def temporal_difference(problem: Problem, trial: int, row: int, goal: np.ndarray) -> float:
    """One Bellman residual, on numpy vectors without a batch."""
    construction, transitions = problem.construction, problem.transitions
    online, target = problem.online_param[trial].numpy(), problem.target_param[trial].numpy()
    s, a, following = (
        x[trial, row].numpy() for x in (transitions.observation, transitions.action, transitions.next_observation)
    )
    best = construction.q_value(target, following, construction.policy(target, following, goal), goal)
    backup = construction.reward(following, goal) + construction.discount * best
    return float(construction.q_value(online, s, a, goal) - backup)


@by_construction
@pytest.mark.parametrize("alpha", [0.0, 2.5])
def test_losses_are_what_loops_over_transitions_and_goal_coordinates_add_up_to(
    construction_type: type[Construction], alpha: float
) -> None:
    batch_size, num_transitions, dim, step = 2, 4, 3, 1e-5
    problem = draw_problem(construction_type(dim, 0.7), "o", 1, batch_size, num_transitions)
    expected_residual = np.zeros((batch_size, num_transitions))
    expected_gradient = np.zeros((batch_size, num_transitions, dim))
    for trial in range(batch_size):
        for row in range(num_transitions):
            goal = problem.transitions.desired_goal[trial, row].numpy()
            expected_residual[trial, row] = temporal_difference(problem, trial, row, goal)
            for i, unit in enumerate(np.eye(dim)):
                ahead = temporal_difference(problem, trial, row, goal + step * unit)
                behind = temporal_difference(problem, trial, row, goal - step * unit)
                expected_gradient[trial, row, i] = (ahead - behind) / (2 * step)
    expected_td = np.array([sum(e**2 for e in row) / num_transitions for row in expected_residual])
    expected_extra = np.array([(rows**2).sum() / (num_transitions * dim) for rows in expected_gradient])

    arguments = (problem.construction, problem.online_param, problem.target_param, problem.transitions)
    residual, gradient = losses.bellman_residual(*arguments), losses.goal_gradient_residual(*arguments)
    np.testing.assert_allclose(residual, expected_residual, rtol=1e-11, atol=1e-11)
    # Central differences: truncation below 1e-9 (γ = 0.7: factor 8), rounding 1e-15/step = 1e-10 times |Q| ~ 10.
    np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-7)
    np.testing.assert_allclose(losses.td_loss(residual), expected_td, rtol=1e-11)
    np.testing.assert_allclose(losses.goal_gradient_loss(gradient), expected_extra, rtol=1e-6)
    np.testing.assert_allclose(losses.reengage_loss(*arguments, alpha), expected_td + alpha * expected_extra, rtol=1e-6)


@by_construction
@pytest.mark.parametrize("alpha", [0.0, 2.5])
@pytest.mark.parametrize("reduced", [True, False])
def test_the_loss_gradient_is_the_slope_along_the_manifold(
    construction_type: type[Construction], alpha: float, reduced: bool
) -> None:
    problem = draw_problem(construction_type(4, 0.8), "so", 2, 3, 5)
    objective = make_objective(problem.construction, problem.transitions, alpha, minibatch=False, reduced=reduced)
    assert isinstance(objective, ReducedObjective if reduced else DifferentiatedObjective)
    ambient = torch.from_numpy(np.random.default_rng(3).standard_normal((3, 4, 4)))
    direction = (ambient - ambient.mT) / 4
    step = 1e-6

    def at(length: float) -> Tensor:
        moved = problem.hypothesis_class.retract(problem.online_param, length * direction)
        return losses.reengage_loss(problem.construction, moved, problem.target_param, problem.transitions, alpha)

    _, euclidean = objective.loss_and_gradient(problem.online_param, problem.target_param)
    riemannian = problem.hypothesis_class.tangent(problem.online_param, euclidean)
    slope = (riemannian * direction).sum((-2, -1))
    # Truncation ~ step² × a third derivative of the loss's own order, rounding ~ 1e-16/step, relative to the loss.
    torch.testing.assert_close(slope, (at(step) - at(-step)) / (2 * step), rtol=1e-7, atol=1e-7 * float(at(0).max()))


@by_construction
@pytest.mark.parametrize("alpha", [0.0, 2.5])
def test_minibatches_of_both_objectives_are_the_loss_of_those_rows(
    construction_type: type[Construction], alpha: float
) -> None:
    problem = draw_problem(construction_type(3, 0.8), "so", 4, 2, 6)
    rows = torch.tensor([4, 1, 3])
    picked = DifferentiatedObjective(problem.construction, problem.transitions.rows(rows), alpha)
    expected = picked.loss_and_gradient(problem.online_param, problem.target_param)
    for reduced in (True, False):
        objective = make_objective(problem.construction, problem.transitions, alpha, minibatch=True, reduced=reduced)
        assert objective.num_transitions == 6
        found = objective.loss_and_gradient(problem.online_param, problem.target_param, rows)
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("cached", [1, 7, 30, 10**9])
def test_a_batch_in_pieces_has_the_losses_of_the_whole(cached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), "so", 3, 4, 7)
    whole = make_objective(problem.construction, problem.transitions, 1.5, minibatch=False)
    slow = DifferentiatedObjective(problem.construction, problem.transitions, 1.5)
    monkeypatch.setattr(pieces_module, "CACHED", cached)
    pieces_module.pieces.cache_clear()
    parts = pieces_module.pieces(4, 7, 3, torch.device("cpu"))
    seen = torch.zeros(4, 7)
    for trials, rows in parts:
        seen[trials, rows] += 1
    assert bool((seen == 1).all())
    assert len(parts) == {1: 28, 7: 16, 30: 4, 10**9: 1}[cached]
    for got, expected in zip(
        whole.loss_and_gradient(problem.online_param, problem.target_param),
        slow.loss_and_gradient(problem.online_param, problem.target_param),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)
    pieces_module.pieces.cache_clear()


def test_uninformative_transitions_are_left_out_of_the_work_but_not_of_the_mean() -> None:
    problem = draw_problem(NoRewardGradient(3, 0.8), "so", 5, 2, 6)
    full = make_objective(problem.construction, problem.transitions, 1.0, minibatch=True)
    informative = make_objective(problem.construction, problem.transitions, 1.0, minibatch=False)
    assert isinstance(full, ReducedObjective)
    assert isinstance(informative, ReducedObjective)
    assert (full.inputs.shape[1], informative.inputs.shape[1]) == (6, 3)
    torch.testing.assert_close(
        informative.loss_and_gradient(problem.online_param, problem.target_param),
        full.loss_and_gradient(problem.online_param, problem.target_param),
        rtol=1e-13,
        atol=1e-13,
    )


# --- the training path ------------------------------------------------------------------------------------


@by_construction
@by_learner
@pytest.mark.parametrize("optimizer", ["nesterov", "heavy-ball", "gradient"])
def test_the_reduced_path_trains_like_the_differentiated_one_whatever_the_target(
    construction_type: type[Construction], learner: Learner, optimizer: str
) -> None:
    problem = draw_problem(construction_type(4, 0.9), "so", 6, 3, 12)
    results = [
        fit(learner, problem, optimizer=optimizer, max_steps=25, loss_tolerance=0.0, reduced=reduced, tau=tau)
        for reduced, tau in ((True, 0.05), (False, 0.05), (False, 0.001), (False, 1.0))
    ]
    moved = torch.linalg.matrix_norm(results[0].param - problem.online_param)
    assert float(moved.min()) > 0.1  # training has done something that could differ
    for result in results[1:]:
        torch.testing.assert_close(result.param, results[0].param, rtol=0, atol=1e-8)
        torch.testing.assert_close(result.loss, results[0].loss, rtol=1e-8, atol=1e-12)


@by_construction
@by_learner
@pytest.mark.parametrize("group", ["so", "o"])
def test_a_trials_result_does_not_depend_on_its_company(
    construction_type: type[Construction], learner: Learner, group: str
) -> None:
    problem = draw_problem(construction_type(3, 0.9), group, 7, 6, buffer_length(construction_type, 6))
    together = fit(learner, problem)
    # Trials stop at different times, so finished ones have left while others went on.
    assert len(set(together.steps.tolist())) > 1
    for trial in range(6):
        alone = fit(learner, single(problem, trial))
        torch.testing.assert_close(alone.param[0], together.param[trial], rtol=0, atol=1e-8)
        for name in ("outcome", "start", "steps"):
            assert int(getattr(alone, name)[0]) == int(getattr(together, name)[trial]), name


def test_finished_trials_leave_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), "so", 7, 6, 6)
    sizes: list[int] = []
    evaluate = ReducedObjective.loss_and_gradient

    def counting(self: ReducedObjective, *arguments: Any) -> Any:
        sizes.append(len(self.inputs))
        return evaluate(self, *arguments)

    monkeypatch.setattr(ReducedObjective, "loss_and_gradient", counting)
    result = fit(DDPG(), problem)
    assert sizes[0] == 6
    assert sizes[-1] < 6
    assert sizes == sorted(sizes, reverse=True)
    # At the last step only the slowest trials are still there.
    assert sizes[-1] == int((result.steps == result.steps.max()).sum())


def test_learned_parameters_stay_in_the_class_and_the_loss_is_theirs() -> None:
    problem = draw_problem(NoRewardGradient(4, 0.9), "so", 8, 5, 20)
    result = fit(ReenGAGE(), problem)
    identity = torch.eye(4, dtype=torch.float64).expand(5, -1, -1)
    torch.testing.assert_close(result.param.mT @ result.param, identity, rtol=0, atol=1e-13)
    assert bool((torch.linalg.det(result.param) > 0).all())
    stopped = fit(ReenGAGE(), problem, max_steps=7)
    # In the middle of long steps the retraction alone would be off by more.
    torch.testing.assert_close(stopped.param.mT @ stopped.param, identity, rtol=0, atol=1e-13)
    expected = losses.reengage_loss(
        problem.construction, stopped.param, problem.target_param, problem.transitions, alpha=1.0
    )
    # Measured before the last projection, which moves the parameter by the defect of the steps (up to 0.0034).
    torch.testing.assert_close(stopped.loss, expected, rtol=1e-2, atol=0)


class Reflections(SpecialOrthogonal):
    """Draws from the other component, for problems whose U a learner of rotations cannot reach."""

    @override
    def sample(self, dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
        param = super().sample(dim, rng)
        param[:, 0] *= -1
        return param


def unreachable(construction: Construction) -> Problem:
    """Transitions made by reflections, for learners that start and look among rotations."""
    mirrored = draw_problem(construction, Reflections(), 9, 3, 8)
    rotations = draw_problem(construction, "so", 9, 3, 8)
    return dataclasses.replace(rotations, true_param=mirrored.true_param, transitions=mirrored.transitions)


@by_learner
def test_each_learner_minimises_its_own_loss(learner: Learner) -> None:
    # Where U is not reachable (a reflection, sought among rotations) the two losses have different minima, so a
    # learner with the wrong weight would stop at a point where its gradient does not vanish.
    problem = unreachable(GradientFeedback(3, 0.5))
    result = fit(learner, problem)
    alpha = {"ddpg": 0.0, "reengage": 1.5}[learner.name]
    for weight in (alpha, alpha + 0.1):
        objective = DifferentiatedObjective(problem.construction, problem.transitions, weight)
        loss, euclidean = objective.loss_and_gradient(result.param, problem.target_param)
        gradient = torch.linalg.matrix_norm(problem.hypothesis_class.tangent(result.param, euclidean))
        assert bool((gradient < 2e-5 * loss).all()) == (weight == alpha)


# --- outcomes ---------------------------------------------------------------------------------------------


def test_a_solved_trial_is_converged() -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), "so", 10, 4, 9)
    result = fit(ReenGAGE(), problem)
    initial = losses.reengage_loss(
        problem.construction, problem.online_param, problem.target_param, problem.transitions, alpha=1.0
    )
    assert result.outcome.tolist() == [Outcome.CONVERGED] * 4
    assert bool((result.loss <= 1e-12 * initial).all())
    assert bool((result.steps % 10 == 0).all())
    assert float(errors(result, problem).max()) < 1e-4


def test_a_trial_that_cannot_go_on_is_stationary() -> None:
    problem = unreachable(GradientFeedback(3, 0.9))
    result = fit(ReenGAGE(), problem)
    assert result.outcome.tolist() == [Outcome.STATIONARY] * 3
    # ‖Ũ − U‖_F ≥ 2 between a rotation and a reflection.
    assert float(errors(result, problem).min()) >= 2 - 1e-9
    assert float(result.loss.min()) > 1e-3


def test_a_trial_without_budget_is_not_converged() -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), "so", 10, 4, 9)
    for budget in (1, 3):
        result = fit(ReenGAGE(), problem, max_steps=budget)
        assert result.outcome.tolist() == [Outcome.NOT_CONVERGED] * 4
        assert result.steps.tolist() == [budget] * 4
        assert bool(result.loss.isfinite().all())


# --- mixed precision --------------------------------------------------------------------------------------


@by_learner
@pytest.mark.parametrize(("dim", "count"), [(3, 5), (6, 40), (12, 100)])
def test_mixed_precision_ends_where_double_precision_does(learner: Learner, dim: int, count: int) -> None:
    problem = draw_problem(GradientFeedback(dim, 0.9), "so", 11, 6, count)
    double, mixed = (fit(learner, problem, mixed=choice) for choice in (False, True))
    assert mixed.outcome.tolist() == double.outcome.tolist()
    torch.testing.assert_close(mixed.param, double.param, rtol=0, atol=1e-4)
    assert mixed.param.dtype == mixed.loss.dtype == torch.float64
    gram = mixed.param.mT @ mixed.param
    torch.testing.assert_close(gram, torch.eye(dim, dtype=torch.float64).expand_as(gram), rtol=0, atol=1e-13)


def test_mixed_precision_calls_nothing_converged_that_double_precision_does_not() -> None:
    problem = draw_problem(GradientFeedback(4, 0.9), "so", 10, 4, 9)
    initial = losses.reengage_loss(
        problem.construction, problem.online_param, problem.target_param, problem.transitions, alpha=1.0
    )
    # Far below what single precision resolves (its residuals stop at 1e-7, their squares at 1e-14).
    result = fit(ReenGAGE(), problem, mixed=True, loss_tolerance=1e-24)
    assert result.outcome.tolist() == [Outcome.CONVERGED] * 4
    assert bool((result.loss <= 1e-24 * initial).all())
    local = unreachable(GradientFeedback(3, 0.9))
    assert fit(ReenGAGE(), local, mixed=True).outcome.tolist() == [Outcome.STATIONARY] * 3


@pytest.mark.usefixtures("unchecked_types")  # thousands of steps
def test_single_precision_gives_up_where_it_gets_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    # One scalar equation less than unknowns: a valley of zeros, along which single precision sees no gradient.
    problem = draw_problem(GradientFeedback(6, 0.9), "so", 5, 8, 14)
    monkeypatch.setattr(descent_module, "_SINGLE_LOSS", 1e-30)
    given = fit(DDPG(), problem, mixed=True, max_steps=5000)
    monkeypatch.setattr(descent_module, "_STALL_AFTER", 10**9)
    never = fit(DDPG(), problem, mixed=True, max_steps=5000)
    assert int(given.steps.sum()) < int(never.steps.sum())
    double = fit(DDPG(), problem, max_steps=5000)
    done = double.outcome != int(Outcome.NOT_CONVERGED)
    assert int(done.sum()) >= 6
    assert given.outcome[done].tolist() == double.outcome[done].tolist()


@pytest.mark.parametrize("reduced", [True, False])
def test_what_single_precision_cannot_hold_is_learned_in_double_precision(reduced: bool) -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), "so", 10, 3, 9)
    # Goals of length 1e25: losses of 1e50, beyond the 3e38 of single precision.
    large = dataclasses.replace(
        problem.transitions,
        desired_goal=1e25 * problem.transitions.desired_goal,
        reward=1e25 * problem.transitions.reward,
    )
    result = fit(DDPG(), dataclasses.replace(problem, transitions=large), mixed=True, reduced=reduced)
    plain = fit(DDPG(), problem, reduced=reduced)
    assert result.outcome.tolist() == plain.outcome.tolist()
    torch.testing.assert_close(result.param, plain.param, rtol=0, atol=1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("group", ["so", "o"])
@pytest.mark.parametrize("reduced", [True, False])
def test_a_trial_that_is_no_number_is_diverged_and_spoils_no_other(bad: float, group: str, reduced: bool) -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), group, 10, 3, 9)
    alone = fit(ReenGAGE(), problem, reduced=reduced)
    spoilt = problem.transitions.map(torch.clone)
    spoilt.next_observation[1, 4] = bad
    spoilt.reward[1, 4] = bad
    result = fit(ReenGAGE(), dataclasses.replace(problem, transitions=spoilt), reduced=reduced)
    assert result.outcome.tolist() == [Outcome.CONVERGED, Outcome.DIVERGED, Outcome.CONVERGED]
    assert not bool(result.loss[1].isfinite())
    torch.testing.assert_close(result.param[[0, 2]], alone.param[[0, 2]], rtol=0, atol=1e-8)


def test_outcomes_have_the_names_of_the_result_files() -> None:
    labels = ["converged", "stationary", "not_converged", "diverged", "ambiguous"]
    assert [outcome.label for outcome in Outcome] == labels


# --- optimisers -------------------------------------------------------------------------------------------


# In Proposition 2 half of the rows are uninformative, so minibatches differ most: there momentum 0.9 must not circle.
@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("construction_type", "optimizer"),
    [(c, optimizer) for c in (GradientFeedback, NoRewardGradient) for optimizer in ("heavy-ball", "gradient")],
)
def test_minibatch_descent_solves_an_easy_problem(construction_type: type[Construction], optimizer: str) -> None:
    problem = draw_problem(construction_type(3, 0.5), "so", 11, 4, 16, goal_spread=0.0)
    settings: dict[str, Any] = {"optimizer": optimizer, "minibatch": 8, "max_steps": 5_000}
    result = fit(ReenGAGE(), problem, 1, **settings)
    assert result.outcome.tolist() == [Outcome.CONVERGED] * 4
    assert float(errors(result, problem).max()) < 1e-4
    # The order of rows comes from the seed and from nothing else.
    again, other = fit(ReenGAGE(), problem, 1, **settings), fit(ReenGAGE(), problem, 2, **settings)
    assert torch.equal(again.param, result.param)
    assert not torch.equal(other.param, result.param)


def descend_a_quadratic(optimizer: Optimizer, curvature: Tensor, steps: int) -> list[float]:
    """Losses ½ Σ λ x² along a run in a flat space, from x = 1 everywhere."""
    x = torch.ones_like(curvature)
    history = []
    for _ in range(steps):
        loss = 0.5 * (curvature * x.square()).sum((-2, -1))
        history.append(float(loss[0]))
        x = x + optimizer.step(loss, curvature * x)
    return history


def test_momentum_accelerates_as_the_square_root_of_the_condition_number() -> None:
    # Condition number κ = 2500, step 1/(1.3 λ_max). Gradient descent leaves of the slowest direction
    # (1 − 1/(1.3κ))^k, so after 500 steps its loss is at least λ_min/2·exp(−2·500/(1.3κ − 1)) = 0.37/2500. Nesterov's
    # bound is 2·1.3 λ_max‖x‖²/(k + 1)² = 10.4/501² = 4.15e-5.
    curvature = torch.tensor([[[1.0, 1 / 2500], [0.1, 0.01]]], dtype=torch.float64)
    largest = torch.ones(1, dtype=torch.float64)
    gradient = descend_a_quadratic(OPTIMIZERS["gradient"](largest, 10.0), curvature, 501)
    nesterov = descend_a_quadratic(OPTIMIZERS["nesterov"](largest, 10.0), curvature, 501)
    heavy_ball = descend_a_quadratic(OPTIMIZERS["heavy-ball"](largest, 10.0), curvature, 501)
    assert gradient[-1] > 0.37 / 2500
    assert nesterov[-1] < 4.2e-5
    # Constant momentum 0.9 multiplies the effective step by 1/(1 − 0.9) in slow directions.
    assert heavy_ball[-1] == pytest.approx(0.5 / 2500 * np.exp(-2 * 500 * 10 / (1.3 * 2500)), rel=0.1)


def test_steps_are_cut_and_too_long_ones_are_halved() -> None:
    curvature = torch.ones(1, 2, 2, dtype=torch.float64)
    # A curvature estimate 100 times too small: without a cut the first step would be about 77 long.
    for name in OPTIMIZERS:
        optimizer = OPTIMIZERS[name](torch.full((1,), 0.01, dtype=torch.float64), 0.5)
        step = optimizer.step(torch.ones(1, dtype=torch.float64), curvature)
        assert float(torch.linalg.matrix_norm(step)) == pytest.approx(0.5, rel=1e-12), name
    # Nesterov halves its steps until they suit, whatever the estimate was.
    nesterov = OPTIMIZERS["nesterov"](torch.full((1,), 0.01, dtype=torch.float64), 100.0)
    assert descend_a_quadratic(nesterov, curvature, 100)[-1] < 1e-10
    assert 0 < float(nesterov.step_size) < 2


def test_a_minibatch_longer_than_the_buffer_is_the_buffer() -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), "so", 12, 2, 5)
    settings: dict[str, Any] = {"optimizer": "gradient", "max_steps": 30, "loss_tolerance": 0.0}
    full = fit(ReenGAGE(), problem, **settings)
    result = fit(ReenGAGE(), problem, 1, minibatch=100, **settings)
    # Rows are summed in another order, no more.
    torch.testing.assert_close(result.param, full.param, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimizer", "adam"),
        ("tau", 0.0),
        ("tau", 1.5),
        ("minibatch", 0),
        ("max_steps", 0),
        ("loss_tolerance", float("nan")),
        ("stationarity_tolerance", -1.0),
    ],
)
def test_bad_settings_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: {value!r} is not "):
        DescentSettings(**{name: value})


def test_misuse_is_refused_by_name() -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), "so", 12, 2, 5)
    with pytest.raises(ValueError, match=r"^optimizer: 'nesterov' .* full batch"):
        fit(ReenGAGE(), problem, 1, optimizer="nesterov", minibatch=2)
    with pytest.raises(ValueError, match=r"^minibatch_seed: None"):
        fit(ReenGAGE(), problem, optimizer="heavy-ball", minibatch=2)
    empty = dataclasses.replace(problem, transitions=problem.transitions.first(0))
    for learner in (DDPG(), ReenGAGE()):
        with pytest.raises(ValueError, match=r"^transitions: 0 in a buffer"):
            fit(learner, empty)
    for alpha in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=r"^alpha: "):
            ReenGAGE(alpha=alpha)


def test_learners_are_registered_under_their_names() -> None:
    assert all(learner.name == name for name, learner in LEARNERS.items())
    assert {name: learner.label for name, learner in LEARNERS.items()} == {
        "ddpg": "DDPG",
        "reengage": "ReenGAGE",
        "gradient-only": "gradient matching",
    }
    assert [learner().matches_gradients for learner in LEARNERS.values()] == [False, True, True]
    assert (DDPG().value_weight, DDPG().gradient_weight) == (1, 0)
    assert (ReenGAGE(alpha=0.3).value_weight, ReenGAGE(alpha=0.3).gradient_weight) == (1, 0.3)
    assert (GradientOnly().value_weight, GradientOnly().gradient_weight) == (0, 1)


# --- what they find ---------------------------------------------------------------------------------------

TRIALS, ENOUGH = 30, 27
"""A learner that succeeds with probability at most 1/2 (below its threshold) reaches 27 of 30 with probability
Σ_{k≥27} C(30,k)/2^30 = 4.2e-6, so reaching it says that the threshold is passed. One that succeeds with
probability 0.99 (the temporal-difference term gives ReenGAGE's loss a spurious minimum now and then) misses it
with probability 2.2e-4; the seeds are fixed."""


RECOVERED = 1e-2
"""‖Ũ − U‖_F below which U counts as found. Where data leave a family of parameters of dimension k ≥ 4, a learner
meets this by luck with a probability of the order of 1e-8."""

long_runs = pytest.mark.usefixtures("unchecked_types")


def paper_problem(construction: Construction, group: str, seed: int, num_transitions: int) -> Problem:
    """Thirty trials with unit goals, as in the propositions; longer goals would weight the losses' two terms anew."""
    return draw_problem(construction, group, seed, TRIALS, num_transitions, goal_spread=0.0)


@long_runs
@by_construction
def test_ddpg_finds_it_from_many_transitions(construction_type: type[Construction]) -> None:
    # So the test above is not about a learner that never works. With five times the d² equations of the linear
    # problem the loss is near its expectation, ‖Ũ − U‖² up to a factor, which has saddles only.
    problem = paper_problem(construction_type(4, 0.9), "so", 4, buffer_length(construction_type, 80))
    assert int((errors(fit(DDPG(), problem), problem) < RECOVERED).sum()) >= ENOUGH


@long_runs
@by_construction
@pytest.mark.parametrize("dim", [3, 4, 6])
def test_reengage_finds_an_orthogonal_matrix_from_d_informative_transitions(
    construction_type: type[Construction], dim: int
) -> None:
    problem = paper_problem(construction_type(dim, 0.9), "o", dim, buffer_length(construction_type, dim))
    result = fit(ReenGAGE(), problem)
    assert int((errors(result, problem) < RECOVERED).sum()) >= ENOUGH
    # `start` says in which component: the given one, or the other.
    crossed = torch.linalg.det(problem.online_param) * torch.linalg.det(result.param) < 0
    assert torch.equal(result.start, crossed.long())
    assert set(result.start.tolist()) == {0, 1}


@long_runs
def test_with_d_minus_1_transitions_a_reflection_stays_possible() -> None:
    # On O(d) both components hold a zero of the loss; which one has the lower rounding error is a coin's toss, and the
    # outcome says that the data do not decide.
    problem = paper_problem(GradientFeedback(4, 0.9), "o", 4, 3)
    result = fit(ReenGAGE(), problem)
    found = int((errors(result, problem) < RECOVERED).sum())
    # A fair coin's 30 tosses lie outside 4..26 with probability 8.4e-6.
    assert 4 <= found <= 26
    assert int((result.outcome == Outcome.AMBIGUOUS).sum()) >= ENOUGH


# --- what they cannot see ---------------------------------------------------------------------------------


@by_construction
@by_learner
@pytest.mark.parametrize("reduced", [True, False])
def test_a_different_truth_behind_the_same_transitions_changes_no_bit_of_the_result(
    construction_type: type[Construction], learner: Learner, reduced: bool
) -> None:
    # Actions in the plane of the first two coordinates; U and U' = U·diag(1, 1, R) agree there, exactly, because
    # what differs is multiplied by 0.
    dim, batch_size, num_transitions = 4, 3, 7
    problem = draw_problem(construction_type(dim, 0.9), "so", 13, batch_size, num_transitions)
    construction, truth = problem.construction, problem.true_param
    rotation = torch.eye(dim, dtype=torch.float64)
    rotation[2:, 2:] = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    other_truth = truth @ rotation
    other_truth[..., :2] = truth[..., :2]
    assert float(torch.linalg.matrix_norm(other_truth - truth).min()) > 0.5

    action = problem.transitions.action.clone()
    action[..., 2:] = 0
    start = problem.transitions.observation[:, 0]
    buffers = [
        collect(construction, param, start, action, problem.transitions.desired_goal) for param in (truth, other_truth)
    ]
    names = [field.name for field in dataclasses.fields(Transitions)]
    assert names == ["observation", "action", "reward", "next_observation", "desired_goal"]
    for name in names:
        assert torch.equal(getattr(buffers[0], name), getattr(buffers[1], name)), name
    first, second = (
        fit(learner, dataclasses.replace(problem, true_param=param, transitions=buffer), reduced=reduced)
        for param, buffer in zip((truth, other_truth), buffers, strict=True)
    )
    for field in dataclasses.fields(TrainingResult):
        assert torch.equal(getattr(first, field.name), getattr(second, field.name)), field.name


def test_fitting_changes_neither_the_transitions_nor_the_start() -> None:
    problem = draw_problem(GradientFeedback(3, 0.9), "o", 14, 2, 5)
    before = problem.transitions.map(torch.clone), problem.online_param.clone()
    fit(ReenGAGE(), problem)
    for field in dataclasses.fields(Transitions):
        assert torch.equal(getattr(problem.transitions, field.name), getattr(before[0], field.name)), field.name
    assert torch.equal(problem.online_param, before[1])
