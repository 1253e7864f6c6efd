"""The online agent: what it sees, how it explores, what its regret and its success say."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from test_protocols import step_by_hand
from toyenvs.constructions import Construction, GradientFeedback, NoRewardGradient, ProjectedGoal, Translation
from toyenvs.hypothesis_classes import hypothesis_class
from toyenvs.learners.online import OnlineResult, OnlineSettings, run_online
from toyenvs.replay import child_stream

TRIALS = 6


def members(dim: int, base: int, group: str = "so", count: int = TRIALS) -> torch.Tensor:
    rng = np.random.default_rng((base, dim))
    return torch.from_numpy(np.stack([hypothesis_class(group).sample(dim, rng) for _ in range(count)]))


def seeds(count: int = TRIALS, base: int = 3) -> list[np.random.SeedSequence]:
    return [np.random.SeedSequence(base, spawn_key=(trial,)) for trial in range(count)]


def run(construction: Construction, alpha: float = 0.0, group: str = "so", **values: Any) -> OnlineResult:
    given: dict[str, Any] = {"num_transitions": 6, "patience": 3, "settings": OnlineSettings(updates_per_transition=15)}
    given |= values
    dim = construction.dim
    U = given.pop("true_param", members(dim, 1, group))
    start = given.pop("initial_param", members(dim, 2, group))
    return run_online(construction, hypothesis_class(group), U, start, seeds(len(U)), alpha=alpha, **given)


# --- interaction ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("construction", [GradientFeedback(3), NoRewardGradient(3), ProjectedGoal(4, 0.5, 2)])
@pytest.mark.parametrize("steps_per_goal", [1, 4])
def test_transitions_are_those_of_the_environment_and_actions_those_of_the_noisy_policy(
    construction: Construction, steps_per_goal: int
) -> None:
    d, k, exploration = construction.dim, construction.goal_dim, 0.7
    settings = OnlineSettings(exploration, updates_per_transition=1, steps_per_goal=steps_per_goal)
    result = run(construction, settings=settings)
    U, start = members(d, 1).numpy(), members(d, 2).numpy()
    seen = result.transitions
    assert seen.num_transitions == 9
    for trial, seed in enumerate(seeds()):
        xi = child_stream(seed, 4).standard_normal((9, d))
        state = None
        for t in range(9):
            s, a, after, g = (
                getattr(seen, name)[trial, t].numpy()
                for name in ("observation", "action", "next_observation", "desired_goal")
            )
            assert state is None or np.array_equal(s, state)
            state = after
            np.testing.assert_allclose(after, step_by_hand(construction.name, U[trial], s, a), atol=1e-12)
            assert float(seen.reward[trial, t]) == pytest.approx(float(g @ after[:k]), abs=1e-12)
            assert np.linalg.norm(g) == pytest.approx(1)
            assert t % steps_per_goal == 0 or np.array_equal(g, seen.desired_goal[trial, t - 1].numpy())
            if t == 0:  # later the parameter is the agent's own affair
                wanted = start[trial].T @ np.concatenate([g, np.zeros(d - k)]) + exploration / math.sqrt(d) * xi[0]
                np.testing.assert_allclose(a, wanted / max(1, np.linalg.norm(wanted)), atol=1e-12)
    assert float(seen.action.norm(dim=-1).max()) <= 1 + 1e-12


def test_without_exploration_every_action_is_the_policys_own() -> None:
    # At the truth nothing is left to learn, so the parameter stays: actions are Uᵀg, regret is 0.
    U = members(4, 1)
    result = run(GradientFeedback(4), settings=OnlineSettings(0.0), initial_param=U)
    expected = (U.mT[:, None] @ result.transitions.desired_goal[..., None])[..., 0]
    torch.testing.assert_close(result.transitions.action, expected, rtol=0, atol=1e-8)
    assert float(result.uniform_regret.abs().max()) < 1e-12
    assert bool(result.success.all())
    assert result.optimal_from().tolist() == [1] * TRIALS


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_longer_run_begins_with_the_shorter_one(alpha: float) -> None:
    short = run(GradientFeedback(3), alpha, num_transitions=3, patience=2)
    long = run(GradientFeedback(3), alpha, num_transitions=6, patience=2)
    torch.testing.assert_close(long.uniform_regret[:, :5], short.uniform_regret, rtol=0, atol=1e-12)
    assert torch.equal(long.transitions.first(5).desired_goal, short.transitions.desired_goal)


def test_a_trial_does_not_depend_on_its_company() -> None:
    both, U, start = run(GradientFeedback(3)), members(3, 1), members(3, 2)
    alone = run(GradientFeedback(3), true_param=U[:2], initial_param=start[:2])
    torch.testing.assert_close(both.uniform_regret[:2], alone.uniform_regret, rtol=0, atol=1e-9)


def test_the_agent_learns_from_transitions_only() -> None:
    # Two truths that agree on everything that happens are the same to the agent: with the first two rows of U the same
    # and goals that see those only, the rest of U may be anything.
    U = members(4, 1)
    turn = torch.eye(4, dtype=torch.float64)
    turn[2:, 2:] = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    construction = ProjectedGoal(4, 0.5, 2)
    one, other = run(construction, 1.0), run(construction, 1.0, true_param=turn @ U)
    torch.testing.assert_close(one.param, other.param, rtol=0, atol=1e-8)
    torch.testing.assert_close(one.uniform_regret, other.uniform_regret, rtol=0, atol=1e-8)


# --- judgement --------------------------------------------------------------------------------------------


def test_success_is_being_and_staying_optimal() -> None:
    result = run(GradientFeedback(3), 1.0, num_transitions=2, patience=2)
    epsilon = 0.01
    regret = result.uniform_regret.numpy()
    assert regret.shape == (TRIALS, 4)
    by_hand = [all(regret[trial, n - 1] <= epsilon for n in (2, 3, 4)) for trial in range(TRIALS)]
    assert result.success.tolist() == by_hand
    # The last column judges the parameter that is handed out: ½‖U − Ũ‖² in operator norm.
    gap = members(3, 1).numpy() - result.param.numpy()
    np.testing.assert_allclose(regret[:, -1], [np.linalg.norm(x, 2) ** 2 / 2 for x in gap], atol=1e-10)


@pytest.mark.parametrize(
    ("regret", "first"),
    [
        ([0.5, 0.005, 0.5, 0.005, 0.004], 4),
        ([0.5, 0.5, 0.5, 0.5, 0.5], 6),
        ([0.0, 0.0, 0.0, 0.0, 0.01], 1),
        ([0.0, 0.0, 0.0, 0.0, 0.011], 6),
        ([0.5, 0.0, 0.0, math.nan, 0.0], 5),
    ],
)
def test_the_first_time_from_which_a_policy_stays_optimal(regret: list[float], first: int) -> None:
    result = run(
        GradientFeedback(3),
        num_transitions=1,
        patience=0,
        true_param=members(3, 1, count=1),
        initial_param=members(3, 2, count=1),
    )
    changed = dataclasses.replace(
        result,
        uniform_regret=torch.tensor([regret], dtype=torch.float64),
        ambiguous=torch.zeros(1, 5, dtype=torch.bool),
    )
    assert changed.optimal_from().tolist() == [first]


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_identifiable_from_d_minus_one_and_from_about_all_degrees_of_freedom(alpha: float) -> None:
    # N = d − 2 goal-gradient equations leave a circle of solutions (THEORY.md): an agent on it is 0.01-optimal by luck
    # with probability 2·arccos(0.99)/2π = 4.5 %, and three of six are with probability 0.2 %. From N = d − 1 on the
    # landscape has strict saddles only. Scalars, fewer than D = 6: a continuum of solutions as well.
    d = 4
    result = run(
        GradientFeedback(d), alpha, num_transitions=20, patience=4, settings=OnlineSettings(updates_per_transition=100)
    )
    first = result.optimal_from()
    assert int((first < (d - 1 if alpha else 6)).sum()) <= 2
    assert int(first.max()) <= (d if alpha else 20)
    assert bool(result.success.all())


@pytest.mark.usefixtures("unchecked_types")
def test_both_components_are_tried_and_the_better_acts() -> None:
    # Whatever component the truth is in, an agent of O(d) that starts in the other one finds it.
    U, start = members(3, 1, "o"), members(3, 2, "o")
    assert bool((torch.linalg.det(U) * torch.linalg.det(start) < 0).any())
    result = run(GradientFeedback(3), 1.0, "o", num_transitions=6, patience=2, settings=OnlineSettings())
    # Two transitions are reproduced by a rotation and by a reflection; a third tells them apart.
    assert result.ambiguous[:, 1].all()
    assert not result.ambiguous[:, 2:].any()
    assert bool(result.success.all())


@pytest.mark.usefixtures("unchecked_types")
def test_a_target_parameter_is_kept_where_it_matters() -> None:
    # Translation at γ > 0: the loss bootstraps, and drops to the truth only as the target parameter follows.
    result = run(
        Translation(2, 0.5), 1.0, num_transitions=20, settings=OnlineSettings(updates_per_transition=60, tau=0.2)
    )
    reached = result.param.sum(-1)
    torch.testing.assert_close(reached, members(2, 1).sum(-1), rtol=0, atol=1e-3)


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exploration": -1.0}, r"^exploration: -1\.0 is not a finite number >= 0$"),
        ({"updates_per_transition": 0}, r"^updates_per_transition: 0 is not an integer >= 1$"),
        ({"steps_per_goal": True}, r"^steps_per_goal: True is not an integer >= 1$"),
        ({"smoothness_iterations": 0}, r"^smoothness_iterations: 0 is not an integer >= 1$"),
        ({"optimizer": "adam"}, r"^optimizer: 'adam' is not one of nesterov, "),
        ({"tau": 0}, r"^tau: 0 is not in \(0, 1\]$"),
    ],
)
def test_bad_settings_are_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OnlineSettings(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_transitions": 0}, r"^num_transitions: 0 is not an integer >= 1$"),
        ({"patience": -1}, r"^patience: -1 is not an integer >= 0$"),
        ({"alpha": -0.5}, r"^alpha: -0\.5 is not a finite number >= 0$"),
        ({"value_weight": math.nan}, r"^value_weight: nan is not a finite number >= 0$"),
        ({"value_weight": 0.0}, r"^alpha, value_weight: both are 0, so that there is no loss; one must be > 0$"),
        ({"epsilon": 0.0}, r"^epsilon: 0\.0 is not a number > 0$"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(GradientFeedback(3), **arguments)
