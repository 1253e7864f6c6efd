"""Errors at fixed N: every trial once, failed ones counted, means and intervals as numpy has them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from analysis.errors import ConfigError
from analysis.experiments.estimate import Estimate, SizeEstimate
from analysis.experiments.plan import FixedSizes, Search
from analysis.measures import ErrorMeasure
from analysis.running.sweep import replay
from analysis.tasks import Batch, Row, Task, make_task

TASK = make_task({"dim": 3, "method": "global-solver", "noise": 0.1})
MEASURE = ErrorMeasure(sizes=("D + 1", "9"), search=Search(trials=57))
"""At d = 3: N = 4 and 9."""


def row(trial: int, mean_regret: float | None) -> Row:
    return Row(trial, {"outcome": "stationary", "mean_regret": mean_regret})


def draw(batch: Batch) -> list[Row]:
    """Regrets that depend on (N, trial) only; every tenth trial fails."""
    rng = [np.random.default_rng((batch.size, trial)) for trial in batch.trials]
    return [row(t, None if t % 10 == 9 else float(r.exponential())) for t, r in zip(batch.trials, rng, strict=True)]


def estimate(*rows: Row, task: Task = TASK, size: int = 4) -> Estimate:
    return MEASURE.estimate(task, [(size, one) for one in rows])


@pytest.mark.parametrize(("trials", "batch_size"), [(57, 25), (50, 25), (7, 25), (1, 1), (10, 3)])
def test_every_trial_of_every_size_is_asked_for_once(trials: int, batch_size: int) -> None:
    plan = FixedSizes(TASK, (4, 9), Search(trials=trials, batch_size=batch_size))
    batches = plan.next_round()
    asked = Counter((batch.size, trial) for batch in batches for trial in batch.trials)
    assert asked == Counter({(n, trial): 1 for n in (4, 9) for trial in range(trials)})
    assert max(batch.count for batch in batches) <= batch_size
    assert plan.next_round() == batches  # the same path until results have come
    plan.record(batches, [draw(batch) for batch in batches])
    assert plan.next_round() == []
    assert plan.stopped == "complete"
    assert plan.spent == plan.budget == 2 * trials


def test_the_mean_and_its_interval_are_those_of_numpy() -> None:
    found = MEASURE.estimate(TASK, replay(MEASURE.plan(TASK), draw).rows)
    for one, n in zip(found.by_size, (4, 9), strict=True):
        regrets = [np.random.default_rng((n, t)).exponential() for t in range(57) if t % 10 != 9]
        # ½‖U − Û‖²_F/d is the mean regret (P1.12): the squared error is 2d times as large.
        errors = 2 * 3 * np.array(regrets)
        half = 1.96 * errors.std(ddof=1) / np.sqrt(len(errors))
        assert (one.size, one.trials, one.failed) == (n, 52, 5)
        assert one.mean == pytest.approx(errors.mean(), rel=1e-12)
        assert (one.low, one.high) == pytest.approx((errors.mean() - half, errors.mean() + half), rel=1e-12)
    # What is compared with a prediction: N times the error at the largest N.
    assert one.mean is not None
    assert one.low is not None
    assert one.high is not None
    assert (found.value, found.low, found.high) == (9 * one.mean, 9 * one.low, 9 * one.high)
    assert (found.trials, found.censored) == (104, "")


def test_goals_of_fewer_dimensions_count_the_rows_that_they_see() -> None:
    projected = make_task({"construction": "projected-goal", "goal_dim": 2, "dim": 5})
    assert estimate(row(0, 0.25), task=projected, size=6).by_size == (SizeEstimate(6, 2 * 2 * 0.25, None, None, 1),)


def test_one_trial_has_no_interval_and_none_has_no_mean() -> None:
    one = estimate(row(0, 1.0), row(1, None))
    assert one.by_size == (SizeEstimate(4, 6.0, None, None, 1, failed=1),)
    assert (one.value, one.low, one.high, one.censored) == (24.0, None, None, "")
    none = estimate(row(0, None), row(1, None))
    assert none.by_size == (SizeEstimate(4, None, None, None, 0, failed=2),)
    assert (none.value, none.low, none.high, none.censored) == (None, None, None, "undetermined")


@pytest.mark.parametrize("sizes", [(), ("0",), ("1e7",), ("8*",), ("q",)], ids=str)
def test_sizes_that_are_none_are_refused(sizes: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigError, match=r"^sizes: "):
        ErrorMeasure(sizes=sizes).plan(TASK)
