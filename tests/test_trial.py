"""Trials: how success is judged, where randomness comes from, and that nothing beats identifiability."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import binom

from analysis.config import SweepConfig
from analysis.trial import Batch, TrialRow, mean_regret, run_batch, uniform_regret
from toyenvs.hypothesis_classes import SpecialOrthogonal
from toyenvs.replay import draw_behaviour


def batch(
    learner: str, dim: int, num_transitions: int, count: int = 25, first_trial: int = 0, **values: object
) -> Batch:
    config = SweepConfig(dims=(dim,), **values)
    return Batch(config, learner, dim, num_transitions, first_trial, count)


def rotations(count: int, dim: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.stack([SpecialOrthogonal().sample(dim, rng) for _ in range(count)]))


@pytest.mark.parametrize("dim", [2, 3, 7])
def test_uniform_regret_is_the_worst_over_goals(dim: int) -> None:
    true_param, param = rotations(6, dim, 0), rotations(6, dim, 1)
    worst = uniform_regret(true_param, param)
    goals = torch.randn(4000, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    goals = goals / goals.norm(dim=-1, keepdim=True)
    # The regret of goal g, spelled out: what Uᵀg would gain less what Ũᵀg gains, both through U.
    best = torch.einsum("kij,gi,kjl,gl->kg", true_param, goals, true_param.mT, goals)
    gained = torch.einsum("kij,gi,kjl,gl->kg", true_param, goals, param.mT, goals)
    regrets = best - gained
    assert bool((regrets <= worst[:, None] + 1e-12).all())
    # 4000 goals come close to the worst one in 2 and 3 dimensions; in 7 they need not.
    if dim <= 3:
        torch.testing.assert_close(regrets.max(1).values, worst, atol=0.02, rtol=0)
    product = true_param @ param.mT
    _, vectors = torch.linalg.eigh((product + product.mT) / 2)
    attained = 1 - torch.einsum("ki,kij,kj->k", vectors[:, :, 0], product, vectors[:, :, 0])
    torch.testing.assert_close(attained, worst)


def test_mean_regret_is_the_mean_over_goals() -> None:
    dim, count = 5, 200_000
    true_param, param = rotations(1, dim, 2), rotations(1, dim, 3)
    goals = torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    goals = goals / goals.norm(dim=-1, keepdim=True)
    regrets = 1 - torch.einsum("gi,ij,gj->g", goals, true_param[0] @ param[0].mT, goals)
    # Six standard errors: a false alarm has probability 2e-9.
    tolerance = 6 * float(regrets.std()) / count**0.5
    assert abs(float(regrets.mean() - mean_regret(true_param, param)[0])) < tolerance
    frobenius = (true_param - param).square().sum((-2, -1)) / (2 * dim)
    torch.testing.assert_close(mean_regret(true_param, param), frobenius)


@pytest.mark.parametrize("steps_per_goal", [1, 3])
def test_buffers_are_nested_in_the_number_of_transitions(steps_per_goal: int) -> None:
    seed = np.random.SeedSequence(5, spawn_key=(4, 1))
    long = draw_behaviour(seed, 4, 11, steps_per_goal)
    for num_transitions in (0, 1, 4, 10):
        short = draw_behaviour(seed, 4, num_transitions, steps_per_goal)
        np.testing.assert_array_equal(short.action, long.action[:num_transitions])
        np.testing.assert_array_equal(short.desired_goal, long.desired_goal[:num_transitions])
        np.testing.assert_array_equal(short.initial_direction, long.initial_direction)
    changes = [bool((a != b).any()) for a, b in zip(long.desired_goal[:-1], long.desired_goal[1:], strict=True)]
    assert changes == [(i + 1) % steps_per_goal == 0 for i in range(10)]


def test_a_batch_repeats_to_the_bit() -> None:
    assert run_batch(batch("ddpg", 4, 9)) == run_batch(batch("ddpg", 4, 9))


def test_trials_differ_from_each_other_and_with_the_seed() -> None:
    rows = run_batch(batch("ddpg", 4, 9))
    assert len({row.uniform_regret for row in rows}) == len(rows)
    other = run_batch(batch("ddpg", 4, 9, seed=1))
    assert not {row.uniform_regret for row in rows} & {row.uniform_regret for row in other}


@pytest.mark.parametrize(("learner", "num_transitions"), [("ddpg", 24), ("reengage", 5), ("reengage", 4)])
def test_a_trial_does_not_depend_on_its_batch(learner: str, num_transitions: int) -> None:
    whole = run_batch(batch(learner, 6, num_transitions, count=12))
    parts = [
        *run_batch(batch(learner, 6, num_transitions, count=5)),
        *run_batch(batch(learner, 6, num_transitions, count=7, first_trial=5)),
    ]
    assert [row.trial for row in whole] == [row.trial for row in parts]
    # Products of other sizes round differently, and chaos may carry a single trial elsewhere; not more than one.
    same = [a.success == b.success and a.outcome == b.outcome for a, b in zip(whole, parts, strict=True)]
    assert sum(same) >= 11


def test_no_learner_beats_identifiability() -> None:
    """At N ≤ D − d at least d degrees of freedom are open: success needs luck in d dimensions."""
    dim, count = 6, 200
    for learner, num_transitions in (("ddpg", 15 - dim), ("ddpg", 3), ("reengage", 1)):
        successes = sum(row.success for row in run_batch(batch(learner, dim, num_transitions, count=count)))
        # With a success probability of 0.1 % more than 4 of 200 happen once in 1e5 runs; 2 % is 4 of 200.
        assert binom.sf(4, count, 1e-3) < 1e-5
        assert successes <= 4


@pytest.mark.parametrize("dim", [3, 4, 6])
def test_reengage_needs_one_transition_less_than_d(dim: int) -> None:
    """On SO(d) the fibre at N = d − 2 is a circle, of which ε-optimal angles are 9 %; at d − 1 it is a point."""
    below = sum(row.success for row in run_batch(batch("reengage", dim, dim - 2, count=50)))
    enough = sum(row.success for row in run_batch(batch("reengage", dim, dim - 1, count=50)))
    # |angle| ≤ arccos(1 − ε): a share 2·0.1415/2π = 4.5 % of the circle. 50 trials: more than 12 has probability 1e-6.
    assert binom.sf(12, 50, 2 * np.arccos(0.99) / (2 * np.pi)) < 1e-6
    assert below <= 12
    assert enough >= 45


def test_diverged_trials_are_named_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    from toyenvs.constructions import GradientFeedback

    honest = GradientFeedback.dynamics
    monkeypatch.setattr(
        GradientFeedback,
        "dynamics",
        lambda self, param, observation, action: honest(self, param, observation, action) * float("nan"),
    )
    rows = run_batch(batch("reengage", 3, 4, count=3))
    assert rows == [
        TrialRow(
            trial=i,
            success=False,
            outcome="diverged",
            loss=None,
            uniform_regret=rows[i].uniform_regret,
            mean_regret=rows[i].mean_regret,
            steps=0,
            start=0,
        )
        for i in range(3)
    ]


def test_a_spent_budget_is_no_success() -> None:
    easy = batch("reengage", 3, 30, count=4)
    assert all(row.success for row in run_batch(easy))
    hurried = dataclasses.replace(easy, config=dataclasses.replace(easy.config, max_steps=1))
    rows = run_batch(hurried)
    assert {row.outcome for row in rows} == {"not_converged"}
    assert not any(row.success for row in rows)


def test_keys_name_the_trial_and_everything_that_its_result_depends_on() -> None:
    base = batch("ddpg", 4, 9, count=2)
    variants = [
        base,
        dataclasses.replace(base, learner="reengage"),
        dataclasses.replace(base, num_transitions=10),
        dataclasses.replace(base, first_trial=2),
        dataclasses.replace(base, count=3),
        dataclasses.replace(base, config=dataclasses.replace(base.config, seed=1)),
        dataclasses.replace(base, dim=3),
    ]
    keys = [key for variant in variants for key in variant.trial_keys()]
    assert len(set(keys)) == len(keys)


def test_a_good_policy_of_a_learner_that_did_not_finish_is_no_success() -> None:
    """The rule is about the learner, not about luck: it has to know that it is done."""
    easy = batch("reengage", 3, 30, count=8)
    hurried = dataclasses.replace(easy, config=dataclasses.replace(easy.config, max_steps=20))
    rows = run_batch(hurried)
    unfinished = [row for row in rows if row.outcome == "not_converged"]
    assert any(row.uniform_regret is not None and row.uniform_regret <= 0.01 for row in unfinished)
    assert not any(row.success for row in unfinished)


@pytest.mark.parametrize("optimizer", ["heavy-ball", "gradient"])
def test_minibatches_learn_too(optimizer: str) -> None:
    rows = run_batch(batch("reengage", 3, 12, count=6, optimizer=optimizer, minibatch=4, max_steps=4000))
    assert sum(row.success for row in rows) >= 4
