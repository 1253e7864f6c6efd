"""Errors at fixed N: every trial once, failed ones counted, means and intervals as numpy has them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from analysis.measures.fixed_sizes import FixedSizes
from analysis.storage.store import Store
from analysis.tasks.setting import Setting
from analysis.tasks.trial import Batch, TrialRow

SETTING = Setting(dim=3, trials=57, batch_size=25, method="minimiser", noise=0.1)


def row(trial: int, mean_regret: float | None) -> TrialRow:
    return TrialRow(trial, False, "stationary", 0.0, mean_regret, mean_regret, 0, 0, 1)


def draw(batch: Batch) -> list[TrialRow]:
    """Regrets that depend on (N, trial) only; every tenth trial fails."""
    rng = [np.random.default_rng((batch.num_transitions, trial)) for trial in batch.trials]
    return [row(t, None if t % 10 == 9 else float(r.exponential())) for t, r in zip(batch.trials, rng, strict=True)]


def finished(setting: Setting, sizes: tuple[int, ...]) -> FixedSizes:
    plan = FixedSizes(setting, sizes)
    batches = plan.next_round()
    plan.record(batches, [draw(batch) for batch in batches])
    return plan


@pytest.mark.parametrize(("trials", "batch_size"), [(57, 25), (50, 25), (7, 25), (1, 1), (10, 3)])
def test_every_trial_of_every_size_is_asked_for_once(trials: int, batch_size: int) -> None:
    plan = FixedSizes(Setting(dim=3, trials=trials, batch_size=batch_size), (4, 9))
    batches = plan.next_round()
    asked = Counter((batch.num_transitions, trial) for batch in batches for trial in batch.trials)
    assert asked == Counter({(n, trial): 1 for n in (4, 9) for trial in range(trials)})
    assert max(batch.count for batch in batches) <= batch_size
    assert plan.next_round() == batches  # the same path until results have come
    plan.record(batches, [draw(batch) for batch in batches])
    assert plan.next_round() == []
    assert plan.stopped == "complete"
    assert plan.spent == 2 * trials


def test_the_mean_and_its_interval_are_those_of_numpy() -> None:
    plan = finished(SETTING, (4, 9))
    for estimate, n in zip(plan.estimates(), (4, 9), strict=True):
        regrets = [np.random.default_rng((n, t)).exponential() for t in range(57) if t % 10 != 9]
        # ½‖U − Û‖²_F/d is the mean regret (P1.12): the squared error is 2d times as large.
        errors = 2 * 3 * np.array(regrets)
        half = 1.96 * errors.std(ddof=1) / np.sqrt(len(errors))
        assert (estimate.num_transitions, estimate.trials, estimate.failed) == (n, 52, 5)
        assert estimate.mean == pytest.approx(errors.mean(), rel=1e-12)
        assert (estimate.low, estimate.high) == pytest.approx((errors.mean() - half, errors.mean() + half), rel=1e-12)


def test_goals_of_fewer_dimensions_count_the_rows_that_they_see() -> None:
    projected = Setting(construction="projected-goal", goal_dim=2, dim=5, trials=1, batch_size=1)
    plan = FixedSizes(projected, (6,))
    plan.record(plan.next_round(), [[row(0, 0.25)]])
    assert plan.errors == {6: [2 * 2 * 0.25]}


def test_one_trial_has_no_interval_and_none_has_no_mean() -> None:
    one = FixedSizes(Setting(dim=3, trials=2, batch_size=2), (4,))
    one.record(one.next_round(), [[row(0, 1.0), row(1, None)]])
    (estimate,) = one.estimates()
    assert (estimate.mean, estimate.low, estimate.high) == (6.0, None, None)
    none = FixedSizes(Setting(dim=3, trials=2, batch_size=2), (4,))
    none.record(none.next_round(), [[row(0, None), row(1, None)]])
    (estimate,) = none.estimates()
    assert (estimate.mean, estimate.low, estimate.high) == (None, None, None)
    assert (estimate.trials, estimate.failed) == (0, 2)


def test_it_goes_on_from_a_store(tmp_path: Path) -> None:
    owner = {"settings": [SETTING.resolved()]}
    with Store(tmp_path / "s.sqlite", owner) as store:
        for batch in FixedSizes(SETTING, (4, 9)).next_round()[::2]:
            store.save(batch, draw(batch))
    again = FixedSizes(SETTING, (4, 9))
    batches = again.next_round()
    with Store(tmp_path / "s.sqlite", owner) as store:
        kept = [store.load(batch) for batch in batches]
    assert [rows is not None for rows in kept] == [True, False] * 3
    again.record(batches, [rows or draw(batch) for rows, batch in zip(kept, batches, strict=True)])
    assert again.estimates() == finished(SETTING, (4, 9)).estimates()
