"""Trials: how success is judged, where randomness comes from, and that nothing beats identifiability."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from analysis.tasks import trial
from analysis.tasks.setting import Setting
from analysis.tasks.trial import Batch, TrialRow, parts_of, run_batch
from toyenvs.hypothesis_classes import SpecialOrthogonal
from toyenvs.learners.online import OnlineResult
from toyenvs.replay import Transitions
from toyenvs.replay.protocol import collect_buffers


def batch(learner: str, dim: int, num_transitions: int, size: int = 25, first_trial: int = 0, **values: Any) -> Batch:
    return Batch(Setting(learner=learner, dim=dim, **values), num_transitions, first_trial, size)


def successes(rows: Sequence[TrialRow]) -> int:
    return sum(row.success for row in rows)


@pytest.mark.parametrize(
    "values", [{}, {"steps_per_goal": 3}, {"relabels": 2}, {"actions": "on-policy", "noise": 0.1}], ids=str
)
def test_buffers_of_a_setting_are_nested_in_the_number_of_transitions(values: dict[str, Any]) -> None:
    setting = Setting(dim=4, **values)
    truth = torch.from_numpy(SpecialOrthogonal().sample(4, np.random.default_rng(0)))[None]
    seeds = [np.random.SeedSequence(5, spawn_key=(4, 1))]

    def collect(num_transitions: int) -> Transitions:
        return collect_buffers(setting.make_construction(), truth, seeds, num_transitions, setting.make_protocol())

    long = collect(11)
    assert long.action.shape[1] == 11 * setting.relabels
    for num_transitions in (1, 4, 10):
        short, rows = collect(num_transitions), num_transitions * setting.relabels
        for name in ("observation", "action", "reward", "next_observation", "desired_goal"):
            assert torch.equal(getattr(short, name), getattr(long, name)[:, :rows]), name
    goals = long.desired_goal[0, :: setting.relabels]
    changes = [bool((a != b).any()) for a, b in pairwise(goals)]
    assert changes == [(i + 1) % setting.steps_per_goal == 0 for i in range(10)]


def test_a_batch_repeats_to_the_bit() -> None:
    assert run_batch(batch("ddpg", 4, 9)) == run_batch(batch("ddpg", 4, 9))


def test_trials_differ_from_each_other_and_with_the_seed() -> None:
    rows = run_batch(batch("ddpg", 4, 9))
    assert len({row.uniform_regret for row in rows}) == len(rows)
    other = run_batch(batch("ddpg", 4, 9, seed=1))
    assert not {row.uniform_regret for row in rows} & {row.uniform_regret for row in other}


@pytest.mark.parametrize(("learner", "num_transitions"), [("ddpg", 24), ("reengage", 5), ("reengage", 4)])
def test_a_trial_does_not_depend_on_its_batch(learner: str, num_transitions: int) -> None:
    whole = run_batch(batch(learner, 6, num_transitions, size=12))
    parts = [
        *run_batch(batch(learner, 6, num_transitions, size=5)),
        *run_batch(batch(learner, 6, num_transitions, size=7, first_trial=5)),
    ]
    assert [row.trial for row in whole] == [row.trial for row in parts]
    # Products of other sizes round differently, and chaos may carry a single trial elsewhere; not more than one.
    same = [a.success == b.success and a.outcome == b.outcome for a, b in zip(whole, parts, strict=True)]
    assert sum(same) >= 11


@pytest.mark.parametrize(
    ("method", "rows", "limit", "sizes"),
    [
        ("descent", 9, 9 * 4 * 4, [4, 4, 1]),
        ("descent", 9, 9 * 4 - 1, [1] * 9),
        ("descent", 9, 9 * 4 * 9, [9]),
        ("minimiser", 9, 9 * 16 * 5, [5, 4]),  # its equations: 9 rows of 16 numbers
    ],
)
def test_batches_that_are_too_large_run_in_parts(
    method: str, rows: int, limit: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "LARGEST_ARRAY", limit)
    whole = batch("ddpg", 4, rows, size=9, first_trial=7, method=method)
    parts = parts_of(whole)
    assert [part.count for part in parts] == sizes
    assert [i for part in parts for i in part.trials] == list(whole.trials)
    in_parts = run_batch(whole)
    assert in_parts == [row for part in parts for row in run_batch(part)]
    monkeypatch.undo()
    assert [(row.trial, row.success) for row in run_batch(whole)] == [(row.trial, row.success) for row in in_parts]


class _Largest(TorchDispatchMode):
    """Remembers the largest array that was made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else [out]:
            if isinstance(one, torch.Tensor):
                self.numbers = max(self.numbers, one.untyped_storage().nbytes() // 8)
        return out


@pytest.mark.parametrize(
    ("num_transitions", "values"),
    [
        (40, {"learner": "ddpg"}),
        (20, {"learner": "reengage"}),
        (10, {"learner": "ddpg", "relabels": 4}),
        (36, {"learner": "ddpg", "method": "least-squares"}),
        (300, {"learner": "ddpg", "method": "least-squares"}),
        (4, {"learner": "reengage", "method": "minimiser"}),
        (20, {"learner": "reengage", "method": "minimiser"}),
        (5, {"learner": "ddpg", "method": "online"}),
    ],
    ids=str,
)
def test_the_largest_array_is_the_one_that_was_counted(
    num_transitions: int, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Batch(Setting(dim=6, **values), num_transitions, 0, 4)
    with _Largest() as largest:
        run_batch(whole)
    # Half as much again, for a column of right sides or a vector with each row; not twice, which would be a miscount.
    monkeypatch.setattr(trial, "LARGEST_ARRAY", math.ceil(largest.numbers / 1.5))
    assert len(parts_of(whole)) <= 2
    monkeypatch.setattr(trial, "LARGEST_ARRAY", largest.numbers // 2)
    assert len(parts_of(whole)) >= 2


def test_every_row_of_a_buffer_counts_for_the_size_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LARGEST_ARRAY", 5 * 4 * 6)
    assert [part.count for part in parts_of(batch("ddpg", 4, 5, size=12))] == [6, 6]
    assert [part.count for part in parts_of(batch("ddpg", 4, 5, size=12, relabels=2))] == [3] * 4
    episodes = batch("ddpg", 4, 5, size=12, steps_per_goal=3, count="episodes")
    assert [part.count for part in parts_of(episodes)] == [2] * 6


def test_no_learner_beats_identifiability() -> None:
    """At N ≤ D − d at least d degrees of freedom are open: success needs luck in d dimensions."""
    dim, count = 6, 200
    for learner, num_transitions in (("ddpg", 15 - dim), ("ddpg", 3), ("reengage", 1)):
        lucky = successes(run_batch(batch(learner, dim, num_transitions, size=count)))
        # With a success probability of 0.1 % more than 4 of 200 happen once in 1e5 runs; 2 % is 4 of 200.
        assert binom.sf(4, count, 1e-3) < 1e-5
        assert lucky <= 4


@pytest.mark.parametrize("dim", [3, 4, 6])
def test_reengage_needs_one_transition_less_than_d(dim: int) -> None:
    """On SO(d) the fibre at N = d − 2 is a circle, of which ε-optimal angles are 9 %; at d − 1 it is a point."""
    below = sum(row.success for row in run_batch(batch("reengage", dim, dim - 2, size=50)))
    enough = sum(row.success for row in run_batch(batch("reengage", dim, dim - 1, size=50)))
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
    rows = run_batch(batch("reengage", 3, 4, size=3))
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
            num_starts=1,
        )
        for i in range(3)
    ]


def test_a_spent_budget_is_no_success() -> None:
    easy = batch("reengage", 3, 30, size=4)
    assert all(row.success for row in run_batch(easy))
    hurried = dataclasses.replace(easy, setting=dataclasses.replace(easy.setting, max_steps=1))
    rows = run_batch(hurried)
    assert {row.outcome for row in rows} == {"not_converged"}
    assert not any(row.success for row in rows)


def test_keys_name_the_trial_and_everything_that_its_result_depends_on() -> None:
    base = batch("ddpg", 4, 9, size=2)
    variants = [
        base,
        dataclasses.replace(base, setting=dataclasses.replace(base.setting, learner="reengage")),
        dataclasses.replace(base, num_transitions=10),
        dataclasses.replace(base, first_trial=2),
        dataclasses.replace(base, count=3),
        dataclasses.replace(base, setting=dataclasses.replace(base.setting, seed=1)),
        dataclasses.replace(base, setting=dataclasses.replace(base.setting, method="minimiser")),
        dataclasses.replace(base, setting=dataclasses.replace(base.setting, relabels=2)),
        dataclasses.replace(base, setting=dataclasses.replace(base.setting, dim=3)),
    ]
    keys = [key for variant in variants for key in variant.trial_keys()]
    assert len(set(keys)) == len(keys)


def test_a_good_policy_of_a_learner_that_did_not_finish_is_no_success() -> None:
    """The rule is about the learner, not about luck: it has to know that it is done."""
    easy = batch("reengage", 3, 30, size=8)
    hurried = dataclasses.replace(easy, setting=dataclasses.replace(easy.setting, max_steps=20))
    rows = run_batch(hurried)
    unfinished = [row for row in rows if row.outcome == "not_converged"]
    assert any(row.uniform_regret is not None and row.uniform_regret <= 0.01 for row in unfinished)
    assert not any(row.success for row in unfinished)


@pytest.mark.parametrize("optimizer", ["heavy-ball", "gradient"])
def test_minibatches_learn_too(optimizer: str) -> None:
    rows = run_batch(batch("reengage", 3, 12, size=6, optimizer=optimizer, minibatch=4, max_steps=4000))
    assert sum(row.success for row in rows) >= 4


def test_learners_meet_the_same_unknowns_and_the_beginning_of_the_same_buffer() -> None:
    """Common random numbers: what a minimiser of exact gradients finds is U itself, whatever the protocol."""
    variants = [
        batch("reengage", 4, 8, size=5, method="minimiser"),
        batch("gradient-only", 4, 5, size=5, method="minimiser", actions="sphere"),
        batch("ddpg", 4, 16, size=5, method="least-squares", relabels=2),
    ]
    for one in variants:
        assert successes(run_batch(one)) == 5
    # The starting points are the same, too: in a first step that is too short to matter they are all that differs.
    short = {"optimizer": "gradient", "max_steps": 1}
    first = run_batch(batch("ddpg", 4, 1, size=5, **short))
    again = run_batch(batch("ddpg", 4, 1, size=5, construction="projected-goal", goal_dim=4, **short))
    assert [row.uniform_regret for row in first] == pytest.approx([row.uniform_regret for row in again])


# At d = 3: D + 1 = 4 scalars determine a rotation (C.8), and 3 leave an even number of them, of which the minimiser
# sees one at least besides U; d - 1 = 2 images determine it and one leaves a circle.
@pytest.mark.parametrize(("learner", "enough"), [("ddpg", 4), ("reengage", 2), ("gradient-only", 2)])
def test_the_minimiser_succeeds_exactly_where_the_data_determine_u(learner: str, enough: int) -> None:
    rows = run_batch(batch(learner, 3, enough, size=10, method="minimiser"))
    assert successes(rows) == 10
    assert {row.outcome for row in rows} == {"converged"}
    assert all(row.uniform_regret is not None and row.uniform_regret < 1e-9 for row in rows)
    below = run_batch(batch(learner, 3, enough - 1, size=10, method="minimiser"))
    assert successes(below) == 0
    assert {row.outcome for row in below} == {"ambiguous"}


def test_a_minimiser_counts_its_starts() -> None:
    for row in run_batch(batch("ddpg", 3, 4, size=6, method="minimiser")):
        assert 10 <= row.num_starts <= Setting().restarts  # one zero has to be found ten times
    hurried = run_batch(batch("ddpg", 3, 3, size=6, method="minimiser", restarts=1))
    assert {row.num_starts for row in hurried} == {1}
    assert all(row.num_starts == 1 for row in run_batch(batch("ddpg", 3, 8, size=2)))


def test_least_squares_needs_an_equation_for_every_entry() -> None:
    """d² = 9 generic scalars determine a matrix without UᵀU = I; 8 leave a line, whose shortest point is not U."""
    assert successes(run_batch(batch("ddpg", 3, 9, size=10, method="least-squares"))) == 10
    assert successes(run_batch(batch("ddpg", 3, 8, size=10, method="least-squares"))) == 0


def test_the_relaxation_lies_between_the_minimiser_and_least_squares() -> None:
    """(3d² − d)/4 = 11 at d = 4: sharp as d grows; 16 equations are enough for sure, and 7, D + 1, are too few."""
    for num_transitions, least, most in ((7, 0, 1), (16, 10, 10)):
        rows = run_batch(batch("ddpg", 4, num_transitions, size=10, method="relaxation"))
        assert least <= successes(rows) <= most
    assert successes(run_batch(batch("ddpg", 4, 14, size=10, method="relaxation"))) >= 7
    assert successes(run_batch(batch("ddpg", 4, 14, size=10, method="least-squares"))) == 0


def test_an_online_agent_learns_and_stays() -> None:
    rows = run_batch(batch("reengage", 2, 6, size=6, method="online", updates=50))
    assert successes(rows) >= 5
    assert {row.outcome for row in rows} == {"online"}
    # 50 updates after each of N = 6 transitions and of the N/2 more, during which the policy has to stay optimal.
    assert {row.steps for row in rows} == {50 * 9}
    assert all(row.loss is None and row.mean_regret is None for row in rows)
    assert all(row.uniform_regret is not None and row.uniform_regret <= 0.01 for row in rows if row.success)
    # One image determines a rotation of the plane, but an agent that learned before it saw anything would be lucky.
    barely = run_batch(batch("reengage", 4, 1, size=10, method="online", updates=50))
    assert successes(barely) == 0


def test_relabelled_goals_stand_for_transitions() -> None:
    """max(d − 1, ⌊D/K⌋ + 1) at d = 4, D = 6: 7 transitions with one goal each, 4 with two, 3 with three (C.10)."""
    for relabels, enough in ((2, 4), (3, 3)):
        assert successes(run_batch(batch("ddpg", 4, enough, size=8, method="minimiser", relabels=relabels))) == 8
        assert successes(run_batch(batch("ddpg", 4, enough - 1, size=8, method="minimiser", relabels=relabels))) == 0
    assert successes(run_batch(batch("ddpg", 4, 4, size=8, method="minimiser"))) == 0


def test_episodes_are_counted_whole() -> None:
    """max(d − 1, ⌊D/T⌋ + 1) episodes of T steps (C.12): at d = 4 and T = 3 three of them, nine transitions."""
    episodes = {"method": "minimiser", "steps_per_goal": 3, "count": "episodes"}
    assert successes(run_batch(batch("ddpg", 4, 3, size=8, **episodes))) == 8
    assert successes(run_batch(batch("ddpg", 4, 2, size=8, **episodes))) == 0
    # The same nine transitions, counted as transitions: the same trials to the bit.
    nine = run_batch(batch("ddpg", 4, 9, size=8, **{**episodes, "count": "transitions"}))
    assert nine == run_batch(batch("ddpg", 4, 3, size=8, **episodes))


def test_noise_leaves_an_error_that_falls_like_one_over_n() -> None:
    """Gradient matching at d = 3: N·E‖Û − U‖²_F = D·d·σ² where actions have length 1, D = 3."""
    sigma, count = 0.05, 100
    scaled = []
    for num_transitions in (60, 240):
        values = {"method": "minimiser", "noise": sigma, "actions": "sphere"}
        rows = run_batch(batch("gradient-only", 3, num_transitions, size=count, **values))
        assert {row.outcome for row in rows} == {"stationary"}
        errors = [2 * 3 * row.mean_regret for row in rows if row.mean_regret is not None]
        assert len(errors) == count
        # ‖Û − U‖² is about a χ² of D = 3 degrees, of relative deviation √(2/3): five standard errors are 0.41.
        assert num_transitions * np.mean(errors) == pytest.approx(9 * sigma**2, rel=5 * math.sqrt(2 / 3 / count))
        scaled.append(np.mean(errors))
    assert scaled[0] > 2 * scaled[1]


def test_goals_that_see_few_rows_are_judged_by_these() -> None:
    """At d = 4, k = 2 dk − k(k+1)/2 + 1 = 6 scalars are enough (C.15), though they leave SO(2) of U open."""
    values = {"construction": "projected-goal", "goal_dim": 2, "method": "minimiser"}
    rows = run_batch(batch("ddpg", 4, 6, size=8, **values))
    assert successes(rows) == 8
    assert successes(run_batch(batch("ddpg", 4, 5, size=8, **values))) == 0
    assert successes(run_batch(batch("reengage", 4, 4, size=8, **values))) == 8
    assert successes(run_batch(batch("reengage", 4, 3, size=8, **values))) == 0


@pytest.mark.parametrize(
    ("regret", "tossed", "outcome", "success"),
    [
        ([1.0, 0.001, 0.0, 0.0], [True, False, False, False], "online", True),
        ([1.0, 0.5, 0.0, 0.0], [False] * 4, "online", False),
        ([1.0, 0.001, 0.0, 0.0], [False, True, False, False], "ambiguous", False),
        ([1.0, 0.001, math.nan, 0.0], [False] * 4, "diverged", False),
    ],
)
def test_how_an_online_trial_ended_is_said(
    regret: list[float], tossed: list[bool], outcome: str, success: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N = 2, asked for at the second transition and for one more."""
    real = trial.run_online

    def spoiled(*args: Any, **kwargs: Any) -> OnlineResult:
        steps = kwargs["num_transitions"] + kwargs["patience"]
        found, ambiguous = torch.tensor([regret[:steps]]), torch.tensor([tossed[:steps]])
        good = ((found <= kwargs["epsilon"]) & ~ambiguous)[:, kwargs["num_transitions"] - 1 :].all(1)
        return dataclasses.replace(real(*args, **kwargs), uniform_regret=found, ambiguous=ambiguous, success=good)

    monkeypatch.setattr(trial, "run_online", spoiled)
    (row,) = run_batch(batch("ddpg", 3, 2, size=1, method="online"))
    assert (row.outcome, row.success) == (outcome, success)
