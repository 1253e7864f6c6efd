"""Trials of a parametric task: how success is judged, where randomness comes from; nothing beats identifiability."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from analysis.measures import ThresholdMeasure
from analysis.tasks import FIELDS, Batch, ParametricTask, Row, make_task, online, parametric, run_batch
from toyenvs.constructions import Construction, GradientFeedback, NoRewardGradient
from toyenvs.learners.online import OnlineResult

pytestmark = pytest.mark.usefixtures("unchecked_module")  # hundreds of trainings

succeeds = ThresholdMeasure(epsilon=0.01).succeeds


def batch(learner: str, dim: int, size: int, trials: int = 25, first_trial: int = 0, **fields: Any) -> Batch:
    return Batch(make_task({"learner": learner, "dim": dim, **fields}), size, first_trial, trials)


def run(learner: str, dim: int, size: int, trials: int = 25, first_trial: int = 0, **fields: Any) -> list[Row]:
    return run_batch(batch(learner, dim, size, trials, first_trial, **fields))


def successes(rows: Sequence[Row]) -> int:
    return sum(map(succeeds, rows))


def column(name: str, rows: Sequence[Row]) -> list[Any]:
    return [row.values[name] for row in rows]


def parts_of(whole: Batch) -> list[range]:
    assert isinstance(whole.task, ParametricTask)
    return whole.task.parts(whole.size, whole.trials)


def test_a_batch_repeats_to_the_bit() -> None:
    assert run("ddpg", 4, 9) == run("ddpg", 4, 9)


def test_trials_differ_from_each_other_and_with_the_seed() -> None:
    regrets = column("uniform_regret", run("ddpg", 4, 9))
    assert len(set(regrets)) == len(regrets)
    assert not {*regrets} & {*column("uniform_regret", run("ddpg", 4, 9, seed=1))}


@pytest.mark.parametrize(("learner", "size"), [("ddpg", 24), ("reengage", 5), ("reengage", 4)])
def test_a_trial_is_independent_of_the_rest_of_its_batch(learner: str, size: int) -> None:
    whole = run(learner, 6, size, trials=12)
    parts = [*run(learner, 6, size, trials=5), *run(learner, 6, size, trials=7, first_trial=5)]
    assert [row.trial for row in whole] == [row.trial for row in parts] == list(range(12))
    # Products of other sizes round differently, and chaos may carry a single trial elsewhere; not more than one.
    found, again = ([(succeeds(row), row.values["outcome"]) for row in rows] for rows in (whole, parts))
    assert sum(a == b for a, b in zip(found, again, strict=True)) >= 11


@pytest.mark.parametrize(
    ("method", "rows", "limit", "sizes"),
    [
        ("descent", 9, 9 * 4 * 4, [4, 4, 1]),
        ("descent", 9, 9 * 4 - 1, [1] * 9),
        ("descent", 9, 9 * 4 * 9, [9]),
        ("global-solver", 9, 9 * 16 * 5, [5, 4]),  # its equations: 9 rows of 16 numbers
    ],
)
def test_batches_that_are_too_large_run_in_parts(
    method: str, rows: int, limit: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parametric, "LARGEST_ARRAY", limit)
    whole = batch("ddpg", 4, rows, trials=9, first_trial=7, method=method)
    parts = parts_of(whole)
    assert [len(part) for part in parts] == sizes
    assert [i for part in parts for i in part] == list(whole.trials)
    in_parts = run_batch(whole)
    assert in_parts == [row for part in parts for row in whole.task.run(rows, part)]
    monkeypatch.undo()
    assert [(row.trial, succeeds(row)) for row in run_batch(whole)] == [(row.trial, succeeds(row)) for row in in_parts]


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
    ("size", "fields"),
    [
        (40, {"learner": "ddpg"}),
        (20, {"learner": "reengage"}),
        (10, {"learner": "ddpg", "relabels": 4}),
        (36, {"learner": "ddpg", "method": "least-squares"}),
        (300, {"learner": "ddpg", "method": "least-squares"}),
        (4, {"learner": "reengage", "method": "global-solver"}),
        (20, {"learner": "reengage", "method": "global-solver"}),
        (5, {"learner": "ddpg", "method": "online"}),
    ],
    ids=str,
)
def test_the_largest_array_is_the_one_that_was_counted(
    size: int, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = batch(dim=6, size=size, trials=4, **fields)
    with _Largest() as largest:
        run_batch(whole)
    # Half as much again, for a column of right sides or a vector with each row; not twice, which would be a miscount.
    monkeypatch.setattr(parametric, "LARGEST_ARRAY", math.ceil(largest.numbers / 1.5))
    assert len(parts_of(whole)) <= 2
    monkeypatch.setattr(parametric, "LARGEST_ARRAY", largest.numbers // 2)
    assert len(parts_of(whole)) >= 2


def test_every_row_of_a_buffer_counts_for_the_size_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parametric, "LARGEST_ARRAY", 5 * 4 * 6)
    assert [len(part) for part in parts_of(batch("ddpg", 4, 5, trials=12))] == [6, 6]
    assert [len(part) for part in parts_of(batch("ddpg", 4, 5, trials=12, relabels=2))] == [3] * 4
    episodes = batch("ddpg", 4, 5, trials=12, steps_per_goal=3, count="episodes")
    assert [len(part) for part in parts_of(episodes)] == [2] * 6


def test_no_learner_beats_identifiability() -> None:
    """At N ≤ D − d at least d degrees of freedom are open: success needs luck in d dimensions."""
    dim, trials = 6, 200
    for learner, size in (("ddpg", 15 - dim), ("ddpg", 3), ("reengage", 1)):
        # With a success probability of 0.1 % more than 4 of 200 happen once in 1e5 runs; 2 % is 4 of 200.
        assert binom.sf(4, trials, 1e-3) < 1e-5
        rows = run(learner, dim, size, trials)
        assert successes(rows) <= 4
        # Not for want of optimisation: the equations are solved, by something else than U.
        assert column("outcome", rows).count("converged") >= 0.9 * trials


@pytest.mark.parametrize(
    ("construction_type", "dim"), [(GradientFeedback, 3), (GradientFeedback, 6), (NoRewardGradient, 4)]
)
def test_reengage_needs_one_informative_transition_less_than_d(construction_type: type[Construction], dim: int) -> None:
    """On SO(d) the fibre at N = d − 2 is a circle, of which ε-optimal angles are 9 %; at d − 1 it is a point."""
    enough, few = (construction_type.transitions_for_informative(count) for count in (dim - 1, dim - 2))
    # |angle| ≤ arccos(1 − ε): a share 2·0.1415/2π = 4.5 % of the circle. 50 trials: more than 12 has probability 1e-6.
    assert binom.sf(12, 50, 2 * np.arccos(0.99) / (2 * np.pi)) < 1e-6
    assert successes(run("reengage", dim, few, trials=50, construction=construction_type.name)) <= 12
    assert successes(run("reengage", dim, enough, trials=50, construction=construction_type.name)) >= 45


def test_diverged_trials_are_named_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = GradientFeedback.dynamics
    monkeypatch.setattr(
        GradientFeedback,
        "dynamics",
        lambda self, param, observation, action: honest(self, param, observation, action) * float("nan"),
    )
    rows = run("reengage", 3, 4, trials=3)
    expected: dict[str, Any] = {
        "outcome": "diverged",
        "accepted": False,
        "loss": None,
        "steps": 0,
        "start": 0,
        "num_starts": 1,
    }
    for trial, row in enumerate(rows):
        regrets = {name: row.values[name] for name in ("uniform_regret", "mean_regret")}
        assert row == Row(trial, {**expected, **regrets})


def test_a_spent_budget_is_no_success() -> None:
    assert successes(run("reengage", 3, 30, trials=4)) == 4
    rows = run("reengage", 3, 30, trials=4, max_steps=1)
    assert {*column("outcome", rows)} == {"not_converged"}
    assert successes(rows) == 0


def test_a_good_policy_of_a_learner_that_did_not_finish_is_no_success() -> None:
    """The rule is about the learner, not about luck: it has to know that it is done."""
    rows = run("reengage", 3, 30, trials=8, max_steps=20)
    unfinished = [row for row in rows if row.values["outcome"] == "not_converged"]
    assert any(regret is not None and regret <= 0.01 for regret in column("uniform_regret", unfinished))
    assert successes(unfinished) == 0


@pytest.mark.parametrize("optimizer", ["heavy-ball", "gradient"])
def test_minibatches_learn_too(optimizer: str) -> None:
    assert successes(run("reengage", 3, 12, trials=6, optimizer=optimizer, minibatch=4, max_steps=4000)) >= 4


def test_learners_meet_the_same_unknowns_and_the_beginning_of_the_same_buffer() -> None:
    """Common random numbers: what a global solver of exact gradients finds is U itself, whatever the protocol."""
    assert successes(run("reengage", 4, 8, trials=5, method="global-solver")) == 5
    assert successes(run("gradient-only", 4, 5, trials=5, method="global-solver", actions="sphere")) == 5
    assert successes(run("ddpg", 4, 16, trials=5, method="least-squares", relabels=2)) == 5
    # The starting points are the same, too: in a first step that is too short to matter they are all that differs.
    short: dict[str, Any] = {"optimizer": "gradient", "max_steps": 1}
    first = run("ddpg", 4, 1, trials=5, **short)
    again = run("ddpg", 4, 1, trials=5, construction="projected-goal", goal_dim=4, **short)
    assert column("uniform_regret", first) == pytest.approx(column("uniform_regret", again))


# At d = 3: D + 1 = 4 scalars determine a rotation (C.8), and 3 leave an even number of them, of which the global
# solver sees one at least besides U; d - 1 = 2 images determine it and one leaves a circle.
@pytest.mark.parametrize(("learner", "enough"), [("ddpg", 4), ("reengage", 2), ("gradient-only", 2)])
def test_the_global_solver_succeeds_exactly_where_the_data_determine_u(learner: str, enough: int) -> None:
    rows = run(learner, 3, enough, trials=10, method="global-solver")
    assert successes(rows) == 10
    assert {*column("outcome", rows)} == {"converged"}
    assert max(column("uniform_regret", rows)) < 1e-9
    below = run(learner, 3, enough - 1, trials=10, method="global-solver")
    assert successes(below) == 0
    assert {*column("outcome", below)} == {"ambiguous"}


def test_a_global_solver_counts_its_starts() -> None:
    for starts in column("num_starts", run("ddpg", 3, 4, trials=6, method="global-solver")):
        assert 10 <= starts <= FIELDS["restarts"]  # one zero has to be found ten times
    assert {*column("num_starts", run("ddpg", 3, 3, trials=6, method="global-solver", restarts=1))} == {1}
    assert {*column("num_starts", run("ddpg", 3, 8, trials=2))} == {1}


def test_the_relaxation_lies_between_the_global_solver_and_least_squares() -> None:
    """(3d² − d)/4 = 11 at d = 4: sharp as d grows; 16 equations are enough for sure, and 7, D + 1, are too few."""
    for size, least, most in ((7, 0, 1), (16, 10, 10)):
        assert least <= successes(run("ddpg", 4, size, trials=10, method="relaxation")) <= most
    assert successes(run("ddpg", 4, 14, trials=10, method="relaxation")) >= 7
    assert successes(run("ddpg", 4, 14, trials=10, method="least-squares")) == 0


def test_an_online_agent_learns_and_stays() -> None:
    rows = run("reengage", 2, 6, trials=6, method="online", updates=50)
    assert successes(rows) >= 5
    assert {*column("outcome", rows)} == {"online"}
    # 50 updates after each of N = 6 transitions and of the N/2 more, during which the policy has to stay optimal.
    assert {*column("steps", rows)} == {50 * 9}
    assert {*column("loss", rows), *column("mean_regret", rows)} == {None}
    # One image determines a rotation of the plane, but an agent that learned before it saw anything would be lucky.
    assert successes(run("reengage", 4, 1, trials=10, method="online", updates=50)) == 0


def test_relabelled_goals_stand_for_transitions() -> None:
    """max(d − 1, ⌊D/K⌋ + 1) at d = 4, D = 6: 7 transitions with one goal each, 4 with two, 3 with three (C.10)."""
    for relabels, enough in ((2, 4), (3, 3)):
        assert successes(run("ddpg", 4, enough, trials=8, method="global-solver", relabels=relabels)) == 8
        assert successes(run("ddpg", 4, enough - 1, trials=8, method="global-solver", relabels=relabels)) == 0
    assert successes(run("ddpg", 4, 4, trials=8, method="global-solver")) == 0


def test_episodes_are_counted_whole() -> None:
    """max(d − 1, ⌊D/T⌋ + 1) episodes of T steps (C.12): at d = 4 and T = 3 three of them, nine transitions."""
    episodes: dict[str, Any] = {"method": "global-solver", "steps_per_goal": 3, "count": "episodes"}
    three = run("ddpg", 4, 3, trials=8, **episodes)
    assert successes(three) == 8
    assert successes(run("ddpg", 4, 2, trials=8, **episodes)) == 0
    # The same nine transitions, counted as transitions: the same trials to the bit.
    assert run("ddpg", 4, 9, trials=8, **{**episodes, "count": "transitions"}) == three


def test_noise_leaves_an_error_that_falls_like_one_over_n() -> None:
    """Gradient matching at d = 3: N·E‖Û − U‖²_F = D·d·σ² where actions have length 1, D = 3."""
    sigma, trials = 0.05, 100
    means = []
    for size in (60, 240):
        rows = run("gradient-only", 3, size, trials, method="global-solver", noise=sigma, actions="sphere")
        assert {*column("outcome", rows)} == {"stationary"}
        means.append(np.mean([2 * 3 * regret for regret in column("mean_regret", rows)]))
        # ‖Û − U‖² is about a χ² of D = 3 degrees, of relative deviation √(2/3): five standard errors are 0.41.
        assert size * means[-1] == pytest.approx(9 * sigma**2, rel=5 * math.sqrt(2 / 3 / trials))
    assert means[0] > 2 * means[1]


def test_goals_that_see_few_rows_are_judged_by_these() -> None:
    """At d = 4, k = 2 dk − k(k+1)/2 + 1 = 6 scalars are enough (C.15), though they leave SO(2) of U open."""
    fields: dict[str, Any] = {"construction": "projected-goal", "goal_dim": 2, "method": "global-solver"}
    for learner, enough in (("ddpg", 6), ("reengage", 4)):
        assert successes(run(learner, 4, enough, trials=8, **fields)) == 8
        assert successes(run(learner, 4, enough - 1, trials=8, **fields)) == 0


@pytest.mark.parametrize(
    ("regret", "tossed", "outcome", "success"),
    [
        ([1.0, 0.001, 0.0, 0.0], [True, False, False, False], "online", True),
        ([1.0, 0.5, 0.0, 0.0], [False] * 4, "online", False),
        ([1.0, 0.0, 0.5, 0.0], [False] * 4, "online", False),
        ([1.0, 0.001, 0.0, 0.0], [False, True, False, False], "ambiguous", False),
        ([1.0, 0.001, math.nan, 0.0], [False] * 4, "diverged", False),
    ],
)
def test_how_an_online_trial_ended_is_said(
    regret: list[float], tossed: list[bool], outcome: str, success: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N = 2, asked for at the second transition and for one more; its regret is the worst of these."""
    real = online.run_online

    def spoiled(*args: Any, **kwargs: Any) -> OnlineResult:
        steps = kwargs["num_transitions"] + kwargs["patience"]
        found, ambiguous = torch.tensor([regret[:steps]]), torch.tensor([tossed[:steps]])
        return dataclasses.replace(real(*args, **kwargs), uniform_regret=found, ambiguous=ambiguous)

    monkeypatch.setattr(online, "run_online", spoiled)
    (row,) = run("ddpg", 3, 2, trials=1, method="online")
    assert (row.values["outcome"], succeeds(row)) == (outcome, success)
    worst = None if outcome == "diverged" else pytest.approx(max(regret[1:3]))
    assert row.values["uniform_regret"] == worst
