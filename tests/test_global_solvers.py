"""Minimisers against independent solvers, exact counts and brute force."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.optimize
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from proofs_check import theory as counts
from toyenvs.constructions import Construction, GradientFeedback, NoRewardGradient, ProjectedGoal
from toyenvs.hypothesis_classes import HypothesisClass, SpecialOrthogonal, hypothesis_class
from toyenvs.learners import DDPG, Outcome, TrainingResult, losses
from toyenvs.learners.descent import DescentSettings
from toyenvs.learners.global_solvers import GLOBAL_SOLVERS, GlobalSolverSettings, solve_globally
from toyenvs.learners.global_solvers.equations import Equations
from toyenvs.learners.global_solvers.procrustes import procrustes
from toyenvs.learners.global_solvers.relaxation import least_norm
from toyenvs.learners.objective import make_objective
from toyenvs.regret import uniform_regret
from toyenvs.replay import Transitions
from toyenvs.replay.protocol import Protocol, collect_buffers

VALUES, GRADIENTS = (1.0, 0.0), (0.0, 1.0)
"""Weights of the temporal-difference term and of the gradient term."""


@dataclass(frozen=True)
class World:
    """B turned worlds, their buffers, and starting points."""

    construction: Construction
    group: HypothesisClass
    true_param: Tensor
    transitions: Transitions
    seed: int

    def starting_points(self, number: int) -> Tensor:
        """The starts of one number."""
        rng = np.random.default_rng((self.seed, number, 1))
        return samples(self.group, self.construction.dim, len(self.true_param), rng)

    def errors(self, result: TrainingResult) -> Tensor:
        """Uniform regrets."""
        goal_dim = self.transitions.desired_goal.shape[-1]
        return uniform_regret(self.true_param[:, :goal_dim], result.param[:, :goal_dim])


def samples(group: HypothesisClass, dim: int, count: int, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(np.stack([group.sample(dim, rng) for _ in range(count)]))


def draw_world(
    construction: Construction,
    group: str,
    num_transitions: int,
    trials: int = 6,
    seed: int = 0,
    noise: float = 0.0,
    on_policy: bool = False,
) -> World:
    chosen = hypothesis_class(group)
    true_param = samples(chosen, construction.dim, trials, np.random.default_rng((seed, num_transitions)))
    seeds = np.random.SeedSequence((seed, num_transitions)).spawn(trials)
    protocol = Protocol(noise=noise, actions="on-policy" if on_policy else "ball")
    transitions = collect_buffers(construction, true_param, seeds, num_transitions, protocol)
    return World(construction, chosen, true_param, transitions, seed)


def solve(
    world: World,
    weights: tuple[float, float],
    method: str = "global-solver",
    settings: GlobalSolverSettings | None = None,
) -> TrainingResult:
    return solve_globally(
        method,
        world.construction,
        world.group,
        world.transitions,
        world.starting_points,
        value_weight=weights[0],
        gradient_weight=weights[1],
        settings=settings or GlobalSolverSettings(),
    )


def assert_identified(world: World, result: TrainingResult) -> None:
    assert result.outcome.tolist() == [Outcome.CONVERGED] * len(result.outcome)
    assert float(world.errors(result).max()) < 1e-6


def assert_ambiguous(result: TrainingResult, misses: int = 0) -> None:
    assert int((result.outcome != int(Outcome.AMBIGUOUS)).sum()) <= misses


# --- the loss -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "construction",
    [GradientFeedback(3, 0.8), NoRewardGradient(3, 0.8), ProjectedGoal(3, 0.8, goal_dim=2)],
    ids=lambda construction: construction.name,
)
@pytest.mark.parametrize("weights", [VALUES, GRADIENTS, (0.7, 1.9)])
@pytest.mark.parametrize("num_transitions", [4, 25])  # more than d² = 9 are compressed, in every construction
def test_equations_and_objectives_are_the_loss_from_the_four_formulas(
    construction: Construction, weights: tuple[float, float], num_transitions: int
) -> None:
    world = draw_world(construction, "so", num_transitions)
    value_weight, alpha = weights
    param = world.starting_points(3)
    equations = Equations.from_transitions(world.construction, world.transitions, value_weight, alpha)
    assert equations.matrix.shape[1] <= 9
    arguments = (world.construction, param, param, world.transitions)
    expected = losses.reengage_loss(*arguments, alpha, value_weight)
    by_parts = losses.td_loss(losses.bellman_residual(*arguments)) * value_weight
    by_parts += losses.goal_gradient_loss(losses.goal_gradient_residual(*arguments)) * alpha
    torch.testing.assert_close(expected, by_parts)
    torch.testing.assert_close(equations.loss(param), expected, rtol=1e-10, atol=1e-10)
    fast, slow = (
        make_objective(
            world.construction, world.transitions, alpha, minibatch=False, reduced=r, value_weight=value_weight
        ).trials(torch.tensor([True, False, True, True, False, True]))
        for r in (True, False)
    )
    some = param[[0, 2, 3, 5]]
    torch.testing.assert_close(
        fast.loss_and_gradient(some, some), slow.loss_and_gradient(some, some), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(fast.loss_and_gradient(some, some)[0], expected[[0, 2, 3, 5]])


# --- Procrustes ---------------------------------------------------------------------------------------------


def test_rotations_in_three_dimensions_are_scipys() -> None:
    world = draw_world(GradientFeedback(3), "so", 5, trials=20, noise=0.5)
    result = solve(world, GRADIENTS)
    moved = (world.transitions.next_observation - world.transitions.observation).numpy()
    for trial, param in enumerate(result.param.numpy()):
        rotation, _ = Rotation.align_vectors(moved[trial], world.transitions.action[trial].numpy())
        np.testing.assert_allclose(param, rotation.as_matrix(), atol=1e-8)
    assert result.outcome.tolist() == [Outcome.STATIONARY] * 20


@pytest.mark.parametrize("rotations", [True, False])
def test_procrustes_in_the_plane_is_the_best_of_all_angles(rotations: bool) -> None:
    rng = np.random.default_rng(0)
    moments = torch.from_numpy(rng.standard_normal((30, 2, 2)))
    found, unique = procrustes(moments, rotations=rotations)
    assert bool(unique.all())
    angles = np.linspace(0, 2 * np.pi, 20_001)
    turn = np.stack([np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)], -1).reshape(-1, 2, 2)
    every = turn if rotations else np.concatenate([turn, turn @ np.diag([1.0, -1.0])])
    best = np.einsum("nij,bij->bn", every, moments).max(1)
    # The best of a grid of step h is lower than the maximum by at most h²/8 of the spread.
    np.testing.assert_allclose((found * moments).sum((-2, -1)), best, atol=1e-6)
    np.testing.assert_allclose(found.mT @ found, torch.eye(2, dtype=torch.float64).expand(30, 2, 2), atol=1e-12)


@pytest.mark.parametrize(
    ("values", "on_so", "on_o"),
    [
        ((3.0, 2.0, 1.0), True, True),
        ((3.0, 2.0, -1.0), True, True),
        ((3.0, 2.0, 0.0), True, False),
        ((3.0, 1.0, -1.0), False, True),
        ((3.0, 1.0, 1.0), True, True),
        ((3.0, 0.0, 0.0), False, False),
    ],
)
def test_procrustes_is_unique_as_the_singular_values_say(values: tuple[float, ...], on_so: bool, on_o: bool) -> None:
    rng = np.random.default_rng(1)
    left, right = samples(hypothesis_class("so"), 3, 5, rng), samples(hypothesis_class("so"), 3, 5, rng)
    moments = left @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ right
    assert procrustes(moments, rotations=True)[1].tolist() == [on_so] * 5
    assert procrustes(moments, rotations=False)[1].tolist() == [on_o] * 5


@pytest.mark.parametrize("dim", [2, 3, 5])
@pytest.mark.parametrize("group", ["so", "o"])
@pytest.mark.parametrize("weights", [GRADIENTS, (1.0, 1.0)])
def test_gradient_matching_needs_as_many_transitions_as_predicted(
    dim: int, group: str, weights: tuple[float, float]
) -> None:
    needed = counts.informative_transitions_needed("reengage", group, dim)
    assert needed is not None
    for num_transitions in range(1, dim + 1):
        world = draw_world(GradientFeedback(dim), group, num_transitions)
        result = solve(world, weights)
        if num_transitions >= needed:
            assert_identified(world, result)
        else:
            assert_ambiguous(result)


# --- scalars on smooth classes ------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(("dim", "misses"), [(2, 0), (3, 2), (4, 2)])
def test_scalars_determine_a_rotation_from_one_beyond_the_dimension(dim: int, misses: int) -> None:
    needed = counts.informative_transitions_needed("ddpg", "so", dim)
    assert needed is not None
    world = draw_world(GradientFeedback(dim), "so", needed, trials=25)
    assert_identified(world, solve(world, VALUES))
    world = draw_world(GradientFeedback(dim), "so", needed - 1, trials=25)
    # Another zero exists always; that ten starts in succession miss it is possible, and rare.
    assert_ambiguous(solve(world, VALUES), misses)


AFFINE = ["all", "symmetric", "diagonal", "circulant"]


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("group", ["o", "so2-blocks", "unitary", "householder", "rank-1", *AFFINE])
@pytest.mark.parametrize("weights", [VALUES, GRADIENTS])
def test_other_classes_need_what_the_table_says(group: str, weights: tuple[float, float]) -> None:
    row = hypothesis_class(group)
    needed = row.scalar_count(4) if weights == VALUES else row.gradient_count(4)
    assert needed is not None
    # Q* needs orthogonal members at every discount but 0.
    world = draw_world(GradientFeedback(4, 0.0), group, needed)
    assert_identified(world, solve(world, weights))
    if needed > 1:
        below = solve(draw_world(GradientFeedback(4, 0.0), group, needed - 1), weights)
        assert_ambiguous(below, misses=0 if group in AFFINE else 1)  # of an affine class rank decides


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("weights", [VALUES, (1.0, 2.0)])
def test_with_noise_the_lowest_loss_is_scipys(weights: tuple[float, float]) -> None:
    world = draw_world(GradientFeedback(3), "so", 12, trials=5, noise=0.3)
    result = solve(world, weights)
    assert result.outcome.tolist() == [Outcome.STATIONARY] * 5
    moved = (world.transitions.next_observation - world.transitions.observation).numpy()
    for trial in range(5):
        x, g = world.transitions.action[trial].numpy(), world.transitions.desired_goal[trial].numpy()
        y = moved[trial]

        def residuals(angles: NDArray[np.float64], x: NDArray, g: NDArray, y: NDArray) -> NDArray[np.float64]:
            error = 10 * (x @ Rotation.from_rotvec(angles).as_matrix().T - y)  # 1/(1 − γ) = 10
            values = (g * error).sum(-1) * (weights[0] / 12) ** 0.5
            return np.concatenate([values, error.ravel() * (weights[1] / 36) ** 0.5])

        starts = np.random.default_rng(trial).uniform(-2, 2, (20, 3))
        runs = [scipy.optimize.least_squares(residuals, s, args=(x, g, y), xtol=1e-14, ftol=1e-14) for s in starts]
        best = min(runs, key=lambda run: run.cost)
        assert float(result.loss[trial]) == pytest.approx(2 * best.cost, rel=1e-6)
        np.testing.assert_allclose(result.param[trial], Rotation.from_rotvec(best.x).as_matrix(), atol=1e-3)


@pytest.mark.usefixtures("unchecked_types")
def test_actions_of_the_optimal_policy_identify_by_fewer_scalars() -> None:
    # gᵀŨUᵀg ≤ ‖g‖², with equality only if Ũ and U agree on Uᵀg: d − 1 scalars, where generic ones must be 7.
    world = draw_world(GradientFeedback(4), "so", 3, on_policy=True)
    result = solve(world, VALUES)
    assert result.outcome.tolist() == [Outcome.CONVERGED] * 6
    # The loss is quartic at U: it is 1e-16 of the typical one where the distance is still 1e-4 and more.
    assert float(world.errors(result).max()) < 1e-4
    assert_ambiguous(solve(draw_world(GradientFeedback(4), "so", 2, on_policy=True), VALUES))


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("goal_dim", [1, 2, 3])
@pytest.mark.parametrize(("learner", "weights"), [("ddpg", VALUES), ("reengage", GRADIENTS)])
def test_low_goal_dimensions_show_the_first_rows_only(
    goal_dim: int, learner: str, weights: tuple[float, float]
) -> None:
    construction = ProjectedGoal(4, goal_dim=goal_dim)
    dimension = 4 * goal_dim - goal_dim * (goal_dim + 1) // 2
    needed = dimension + 1 if learner == "ddpg" else 4
    world = draw_world(construction, "so", needed)
    assert_identified(world, solve(world, weights))
    assert_ambiguous(solve(draw_world(construction, "so", needed - 1), weights), misses=1)


@pytest.mark.usefixtures("unchecked_types")
def test_uninformative_transitions_count_for_nothing() -> None:
    # Proposition 2: every second transition is uninformative, so 2·4 − 1 = 7 hold the four that SO(3) needs.
    world = draw_world(NoRewardGradient(3), "so", 7, trials=10)
    assert_identified(world, solve(world, VALUES))
    assert_ambiguous(solve(draw_world(NoRewardGradient(3), "so", 6, trials=10), VALUES), misses=1)


@pytest.mark.usefixtures("unchecked_types")
def test_a_trial_does_not_depend_on_its_company() -> None:
    world = draw_world(GradientFeedback(3), "so", 4)
    together = solve(world, VALUES)
    for trial in (0, 3):
        keep = torch.arange(6) == trial

        def start(number: int, keep: Tensor = keep) -> Tensor:
            return world.starting_points(number)[keep]

        alone = solve_globally(
            "global-solver",
            world.construction,
            world.group,
            world.transitions.trials(keep),
            start,
            value_weight=1.0,
            gradient_weight=0.0,
            settings=GlobalSolverSettings(),
        )
        torch.testing.assert_close(alone.param, together.param[keep], rtol=0, atol=1e-6)
        for name in ("outcome", "start", "num_starts"):
            assert getattr(alone, name).tolist() == getattr(together, name)[keep].tolist(), name


def test_starts_are_counted_and_the_budget_is_kept() -> None:
    world = draw_world(GradientFeedback(4), "so", 7)
    result = solve(world, VALUES, settings=GlobalSolverSettings(restarts=3))
    assert result.num_starts.tolist() == [3] * 6
    assert bool((result.start < 3).all())
    for group, starts in (("so", 1), ("o", 2)):
        world = draw_world(GradientFeedback(3), group, 4)
        learner = DDPG(settings=DescentSettings(max_steps=5))
        fitted = learner.fit(world.construction, world.group, world.transitions, world.starting_points(0))
        assert fitted.num_starts.tolist() == [starts] * 6


# --- linear problems ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("weights", "needed"), [(VALUES, 9), (GRADIENTS, 3)])
def test_without_the_constraint_every_entry_is_an_unknown(weights: tuple[float, float], needed: int) -> None:
    world = draw_world(GradientFeedback(3), "so", needed)
    assert_identified(world, solve(world, weights, "least-squares"))
    assert_ambiguous(solve(draw_world(GradientFeedback(3), "so", needed - 1), weights, "least-squares"))


def test_noisy_least_squares_is_numpys() -> None:
    world = draw_world(GradientFeedback(3), "so", 20, noise=0.3)
    result = solve(world, VALUES, "least-squares")
    assert result.outcome.tolist() == [Outcome.STATIONARY] * 6
    moved = world.transitions.next_observation - world.transitions.observation
    for trial in range(6):
        goals, actions = world.transitions.desired_goal[trial].numpy(), world.transitions.action[trial].numpy()
        rows = np.stack([np.kron(g, a) for g, a in zip(goals, actions, strict=True)])
        expected = np.linalg.lstsq(rows, (goals * moved[trial].numpy()).sum(-1), rcond=None)[0]
        np.testing.assert_allclose(result.param[trial].flatten(), expected, atol=1e-9)


# --- permutations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [VALUES, GRADIENTS])
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_permutations_are_the_best_of_all(weights: tuple[float, float], noise: float) -> None:
    world = draw_world(GradientFeedback(4), "permutation", 3, noise=noise)
    result = solve(world, weights)
    if noise == 0:
        assert_identified(world, result)
    every = [np.eye(4)[list(order)] for order in itertools.permutations(range(4))]
    moved = (world.transitions.next_observation - world.transitions.observation).numpy()
    for trial in range(6):
        x, g = world.transitions.action[trial].numpy(), world.transitions.desired_goal[trial].numpy()
        costs = []
        for member in every:
            error = x @ member.T - moved[trial]
            costs.append(((g * error).sum(-1) ** 2).sum() if weights == VALUES else (error**2).sum())
        np.testing.assert_array_equal(result.param[trial], every[int(np.argmin(costs))])


@pytest.mark.parametrize("dim", [4, 10])  # by enumeration, and as an assignment problem
def test_equal_coordinates_leave_a_permutation_open(dim: int) -> None:
    world = draw_world(GradientFeedback(dim), "permutation", 2)
    assert_identified(world, solve(world, GRADIENTS))
    action = world.transitions.action.clone()
    action[:3, :, 1] = action[:3, :, 2]
    moved = action @ world.true_param.mT
    transitions = dataclasses.replace(
        world.transitions, action=action, next_observation=world.transitions.observation + moved
    )
    result = solve(dataclasses.replace(world, transitions=transitions), GRADIENTS)
    assert result.outcome.tolist() == [Outcome.AMBIGUOUS] * 3 + [Outcome.CONVERGED] * 3


def test_noisy_assignments_say_what_they_minimised() -> None:
    world = draw_world(GradientFeedback(9), "permutation", 3, noise=0.5)
    assert solve(world, GRADIENTS).outcome.tolist() == [Outcome.STATIONARY] * 6
    assert solve(world, (1.0, 1.0)).outcome.tolist() == [Outcome.NOT_CONVERGED] * 6
    with pytest.raises(ValueError, match="dim: 9 > 8"):
        solve(world, VALUES)


# --- the relaxation -----------------------------------------------------------------------------------------


def test_the_least_norm_lies_between_bounds_from_schatten_norms() -> None:
    # ‖X‖ ≤ ‖X‖_p ≤ k^(1/p) ‖X‖: the least p-norm, found by scipy, bounds the least spectral norm from both sides.
    rng, power = np.random.default_rng(2), 40
    base = torch.from_numpy(rng.standard_normal((5, 2, 3)))
    directions = torch.from_numpy(np.linalg.qr(rng.standard_normal((5, 6, 3)))[0].swapaxes(1, 2).reshape(5, 3, 2, 3))
    found = least_norm(base, directions, torch.ones(5, 3, dtype=torch.bool), 0.0, 200)
    assert float(found.gap.max()) <= 1e-7
    for trial in range(5):
        X, N = base[trial].numpy(), directions[trial].numpy()

        def schatten(z: NDArray[np.float64], X: NDArray = X, N: NDArray = N) -> float:
            values = np.linalg.svd(X + np.tensordot(z, N, 1), compute_uv=False)
            return float(values[0] * ((values / values[0]) ** power).sum() ** (1 / power))

        best = scipy.optimize.minimize(schatten, np.zeros(3), method="Nelder-Mead", options={"maxfev": 4000})
        upper = np.linalg.norm(X + np.tensordot(best.x, N, 1), 2)
        assert best.fun * 2 ** (-1 / power) - 1e-3 <= float(found.bound[trial]) <= upper + 1e-7
        assert float(torch.linalg.matrix_norm(found.matrix[trial], 2)) == pytest.approx(float(found.bound[trial]))
        residue = (found.matrix[trial] - base[trial]).flatten()
        spanned = directions[trial].flatten(1)
        torch.testing.assert_close(spanned.T @ (spanned @ residue), residue)


@pytest.mark.usefixtures("unchecked_types")
def test_the_relaxation_has_its_threshold_where_theory_says() -> None:
    # 3d²/4 − d/4 = 46 at d = 8; the transition is a few equations wide.
    settings = GlobalSolverSettings()
    below, above = (draw_world(GradientFeedback(8), "o", n, trials=40) for n in (34, 58))
    low, high = (solve(world, VALUES, "relaxation", settings) for world in (below, above))
    assert int((low.outcome == int(Outcome.AMBIGUOUS)).sum()) >= 36
    assert int((high.outcome == int(Outcome.CONVERGED)).sum()) >= 36
    for world, result in ((below, low), (above, high)):
        unique = result.outcome == int(Outcome.CONVERGED)
        assert bool((world.errors(result)[unique] < 1e-4).all())
        assert bool((world.errors(result)[result.outcome == int(Outcome.AMBIGUOUS)] > 1e-6).all())
        assert float(result.loss.max()) < 1e-20


@pytest.mark.usefixtures("unchecked_types")
def test_the_relaxations_answer_has_a_dual_certificate_or_a_rival() -> None:
    """U is alone in the ball if and only if UᵀΣλᵢgᵢaᵢᵀ is positive definite for some λ (Chandrasekaran et al. 2012)."""
    world = draw_world(GradientFeedback(3), "o", 6, trials=20)
    result = solve(world, VALUES, "relaxation")
    verdicts = set()
    for trial in range(20):
        g, a = world.transitions.desired_goal[trial].numpy(), world.transitions.action[trial].numpy()
        rows = np.einsum("ij,ni,nk->njk", world.true_param[trial].numpy(), g, a).reshape(6, 9)
        # λ for which the matrix is symmetric; among these the largest least eigenvalue, with trace 3.
        skew = np.stack([m - m.T for m in rows.reshape(6, 3, 3)]).reshape(6, 9)
        free = np.linalg.svd(skew.T)[2][np.linalg.matrix_rank(skew) :]
        symmetric = np.tensordot(free, rows.reshape(6, 3, 3), 1)

        def least(t: NDArray[np.float64], symmetric: NDArray = symmetric) -> float:
            matrix = np.tensordot(t / np.linalg.norm(t), symmetric, 1)
            return -float(np.linalg.eigvalsh(matrix)[0])

        starts = np.random.default_rng(trial).standard_normal((8, len(free)))
        best = max(-scipy.optimize.minimize(least, s, method="Nelder-Mead").fun for s in starts)
        assert (result.outcome[trial] == int(Outcome.CONVERGED)) == (best > 0), f"trial {trial}: {best}"
        verdicts.add(best > 0)
    assert verdicts == {True, False}


def test_gradients_in_the_relaxation_need_full_rank() -> None:
    assert_identified(world := draw_world(GradientFeedback(3), "o", 3), solve(world, GRADIENTS, "relaxation"))
    # Two images leave U's third column anywhere between two signs; the least norm is 1 all the same.
    assert_ambiguous(solve(draw_world(GradientFeedback(3), "o", 2), GRADIENTS, "relaxation"))


@pytest.mark.usefixtures("unchecked_types")
def test_noise_leaves_the_ball_empty() -> None:
    world = draw_world(GradientFeedback(4), "o", 15, noise=0.5, trials=10)
    outcomes = solve(world, VALUES, "relaxation").outcome
    assert outcomes.tolist() == [Outcome.STATIONARY] * 10
    crowded = draw_world(GradientFeedback(4), "o", 30, noise=0.5)
    assert solve(crowded, VALUES, "relaxation").outcome.tolist() == [Outcome.STATIONARY] * 6


def test_the_budget_of_the_relaxation_is_kept() -> None:
    world = draw_world(GradientFeedback(4), "o", 15)
    result = solve(world, VALUES, "relaxation", GlobalSolverSettings(max_steps=3))
    assert set(result.outcome.tolist()) <= {int(Outcome.NOT_CONVERGED), int(Outcome.AMBIGUOUS)}
    assert int(result.steps.max()) <= 3


# --- misuse -------------------------------------------------------------------------------------------------


def test_misuse_is_answered_in_one_line() -> None:
    world = draw_world(GradientFeedback(3), "so", 2)
    with pytest.raises(ValueError, match=r"^method: 'newton' is not one of global-solver, least-squares, relaxation$"):
        solve(world, VALUES, "newton")
    assert list(GLOBAL_SOLVERS) == ["global-solver", "least-squares", "relaxation"]
    for weights in ((0.0, 0.0), (-1.0, 2.0), (1.0, float("inf")), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match=r"^value_weight, gradient_weight: "):
            solve(world, weights)
    with pytest.raises(ValueError, match=r"^transitions: 0 in a buffer"):
        solve(dataclasses.replace(world, transitions=world.transitions.first(0)), VALUES)
    symmetric = draw_world(GradientFeedback(3, 0.0), "symmetric", 2)
    with pytest.raises(ValueError, match=r"^group: 'symmetric' has members that are not orthogonal"):
        solve(symmetric, VALUES, "relaxation")

    class Opaque(GradientFeedback):
        name = "opaque"

        def reduced_residuals(self, observation: Tensor, action: Tensor, next_observation: Tensor) -> None:
            return None

    with pytest.raises(ValueError, match=r"^construction: 'opaque' has no reduced residuals"):
        solve(dataclasses.replace(world, construction=Opaque(3)), VALUES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("restarts", 0),
        ("zeros", 0),
        ("max_steps", 0),
        ("loss_tolerance", 0.0),
        ("loss_tolerance", 1.0),
        ("separation", -1.0),
        ("separation", 1.0),
    ],
)
def test_settings_say_what_is_allowed(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        GlobalSolverSettings(**{name: value})


def test_a_long_buffer_compressed_in_blocks_is_the_same_loss() -> None:
    """Four blocks and a part of 9 columns each: the loss is the mean of the squares, spelled out, at any parameter."""
    construction = GradientFeedback(3)
    rng = np.random.default_rng(11)
    true_param, param = (torch.from_numpy(SpecialOrthogonal().sample(3, rng))[None] for _ in range(2))
    protocol = Protocol(noise=0.3, relabels=2)
    transitions = collect_buffers(construction, true_param, [np.random.SeedSequence(5)], 85, protocol)
    equations = Equations.from_transitions(construction, transitions, 1.0, 0.0)
    assert equations.matrix.shape == (1, 9, 9)
    moved = transitions.next_observation - transitions.observation
    errors = (transitions.desired_goal * (transitions.action @ param.mT - moved)).sum(-1) / (1 - construction.discount)
    torch.testing.assert_close(equations.loss(param), errors.square().mean(-1), rtol=1e-12, atol=0)
