"""The smallest task and measure, as a contributor adds them; ``test_seams.py`` takes them through a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from analysis.experiments.estimate import Estimate
from analysis.experiments.measure import Measure
from analysis.experiments.plan import FixedSizes, Rows
from analysis.tasks import Row, Task


@dataclass(frozen=True)
class Coin(Task):
    """A coin that shows heads with probability N/(N + d)."""

    kind = "coin"
    dim: int

    @override
    def run(self, size: int, trials: range) -> list[Row]:
        chance = size / (size + self.dim)
        heads = [np.random.default_rng((self.dim, size, trial)).random() < chance for trial in trials]
        return [Row(trial, {"heads": bool(head)}) for trial, head in zip(trials, heads, strict=True)]


@dataclass(frozen=True, kw_only=True)
class HeadsShare(Measure):
    """The share of heads at N = d, where it is 1/2."""

    name = "heads-share"
    about = "the share of heads at N = d"
    file = "shares.csv"

    @override
    def plan(self, task: Task) -> FixedSizes:
        return FixedSizes(task, (task.dim,), self.search)

    @override
    def estimate(self, task: Task, rows: Rows) -> Estimate:
        share = float(np.mean([bool(row.values["heads"]) for _, row in rows]))
        half = 1.96 * math.sqrt(share * (1 - share) / len(rows))
        return Estimate(share, share - half, share + half, len(rows))
