"""Errors at given numbers of transitions: a plan without a search.

Where s' is noisy there is no number of transitions at which U is known; the question is how fast the error falls. All
trials of all sizes are asked for in one round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.tasks.setting import Setting
from analysis.tasks.trial import Batch, TrialRow

__all__ = ["ErrorEstimate", "FixedSizes"]


@dataclass(frozen=True)
class ErrorEstimate:
    """The mean squared error at one N.

    Attributes:
        num_transitions: N.
        mean: estimate of E‖Û − U‖²_F / ‖U‖²_F · k, that is of E‖Û − U‖²_F for orthogonal U seen through goals of
            dimension k; None without trials.
        low: lower end of the 95 % interval, from the scatter of the trials; None with fewer than two.
        high: upper end, likewise.
        trials: how many gave a parameter.
        failed: how many did not (a loss that is no number); they are in no mean.
    """

    num_transitions: int
    mean: float | None
    low: float | None
    high: float | None
    trials: int
    failed: int


@dataclass
class FixedSizes:
    """The state of one plan.

    Attributes:
        setting: what is measured.
        sizes: the N.
        errors: N -> squared errors of its trials.
        failed: N -> trials without a parameter.
        stopped: "complete" in the end; "" before.
    """

    setting: Setting
    sizes: tuple[int, ...]
    errors: dict[int, list[float]] = field(default_factory=dict)
    failed: dict[int, int] = field(default_factory=dict)
    stopped: str = ""

    @property
    def spent(self) -> int:
        """Trials so far."""
        return sum(map(len, self.errors.values())) + sum(self.failed.values())

    def describe(self) -> str:
        """Where it is, in a few words."""
        return f"{self.spent} trials"

    def next_round(self) -> list[Batch]:
        """All batches at once; none when they are done."""
        if self.stopped:
            return []
        step = min(self.setting.batch_size, self.setting.trials)
        return [
            Batch(self.setting, size, first, min(step, self.setting.trials - first))
            for size in self.sizes
            for first in range(0, self.setting.trials, step)
        ]

    def record(self, batches: Sequence[Batch], rows: Sequence[Sequence[TrialRow]]) -> None:
        """Take in the results of the round."""
        goal_dim = self.setting.make_construction().goal_dim
        for batch, results in zip(batches, rows, strict=True):
            known = [2 * goal_dim * row.mean_regret for row in results if row.mean_regret is not None]
            self.errors.setdefault(batch.num_transitions, []).extend(known)
            self.failed[batch.num_transitions] = self.failed.get(batch.num_transitions, 0) + len(results) - len(known)
        self.stopped = "complete"

    def estimates(self) -> tuple[ErrorEstimate, ...]:
        """The mean squared error at each N, with normal intervals: hundreds of trials, no heavy tails."""
        found = []
        for size in self.sizes:
            errors = np.array(self.errors[size])
            mean = float(np.mean(errors)) if len(errors) else None
            low = high = None
            if mean is not None and len(errors) > 1:
                half = 1.96 * float(np.std(errors, ddof=1)) / math.sqrt(len(errors))
                low, high = mean - half, mean + half
            found.append(ErrorEstimate(size, mean, low, high, len(errors), self.failed[size]))
        return tuple(found)
