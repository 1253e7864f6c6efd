"""The mean squared error at given numbers of transitions.

Where s' is noisy there is no number of transitions at which U is known; the question is how fast the error falls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import override

from analysis.errors import ConfigError
from analysis.experiments.estimate import CurveResults, Estimate, PointResult, SizeEstimate
from analysis.experiments.formatting import axis_letter, or_dash, rounded
from analysis.experiments.formula import Formula
from analysis.experiments.measure import Measure
from analysis.experiments.plan import FixedSizes, Rows
from analysis.tasks import Plain, Task

if TYPE_CHECKING:
    from analysis.experiments.experiment import Curve, Experiment

__all__ = ["LARGEST_SIZE", "ErrorMeasure"]

LARGEST_SIZE = 1_000_000
"""Transitions at which an error may be measured; more are mistakes in typing."""


@dataclass(frozen=True, kw_only=True)
class ErrorMeasure(Measure):
    """E‖Û − U‖²_F at some sizes, times N at the largest of them.

    Attributes:
        sizes: formulas of N in the letters of the task.
    """

    name = "error"
    about = "the mean squared error at given numbers of transitions"
    file = "errors.csv"
    expectations = ("within", "none")
    columns = ("num_transitions", "mean_squared_error", "low", "high", "predicted", "ratio", "trials", "failed")

    sizes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ConfigError("sizes", list(self.sizes), 'measure = "error" needs formulas of N')

    @override
    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "sizes": list(self.sizes)}

    @property
    @override
    def described(self) -> Mapping[str, Plain]:
        return {name: value for name, value in self.identity().items() if name != "sizes"}

    @override
    def plan(self, task: Task) -> FixedSizes:
        return FixedSizes(task, tuple(sorted({_size(text, task) for text in self.sizes})), self.search)

    @override
    def estimate(self, task: Task, rows: Rows) -> Estimate:
        # The mean regret over unit goals of dimension k is half of the squared error over k.
        scale = 2.0 * task.letters()["k"]
        by_size = tuple(
            _mean(size, [row.values["mean_regret"] for n, row in rows if n == size], scale)
            for size in sorted({size for size, _ in rows})
        )
        last = by_size[-1]
        value, low, high = (None if x is None else last.size * x for x in (last.mean, last.low, last.high))
        censored = "undetermined" if value is None else ""
        return Estimate(value, low, high, sum(one.trials for one in by_size), censored, by_size=by_size)

    @override
    def y_label(self, experiment: Experiment) -> str:
        return r"$N\cdot\mathrm{E}\|\hat{U}-U\|_F^2$"

    @override
    def caption(self, experiment: Experiment, estimates: Sequence[Estimate]) -> str:
        return "Marks: N times the mean squared error at the largest N, with 95 % intervals."

    @override
    def records(self, curve: Curve, result: PointResult) -> list[dict[str, Any]]:
        predicted = result.point.predicted
        return [
            {
                **self.place(curve, result.point),
                "num_transitions": one.size,
                "mean_squared_error": rounded(one.mean),
                "low": rounded(one.low),
                "high": rounded(one.high),
                "predicted": rounded(predicted),
                "ratio": rounded(_ratio(one, predicted)),
                "trials": one.trials,
                "failed": one.failed,
            }
            for one in result.estimate.by_size
        ]

    @override
    def summary(self, curve: CurveResults) -> dict[str, Any]:
        return {
            "errors": [
                {
                    "x": row.point.x,
                    "predicted": row.point.predicted,
                    "by_num_transitions": {
                        str(one.size): {"mean": one.mean, "low": one.low, "high": one.high}
                        for one in row.estimate.by_size
                    },
                }
                for row in curve.points
            ]
        }

    @override
    def table(self, curve: CurveResults, x: str) -> tuple[list[str], list[list[str]]]:
        columns = [axis_letter(x), "N", "N·E‖Û−U‖²  [95 %]", "theory", "ratio", "trials"]
        return columns, [
            [
                str(row.point.x),
                str(one.size),
                "{}  [{}, {}]".format(*_scaled_texts(one)),
                or_dash(row.point.predicted, "{:.4g}".format),
                or_dash(_ratio(one, row.point.predicted), "{:.2f}".format),
                str(one.trials) + (f" ({one.failed} failed)" if one.failed else ""),
            ]
            for row in curve.points
            for one in row.estimate.by_size
        ]

    @override
    def latex_head(self) -> list[str]:
        return ["$N$", "$N\\,\\mathrm{MSE}$", "95\\,\\%", "theory"]

    @override
    def latex_cells(self, row: PointResult) -> list[str]:
        last = row.estimate.by_size[-1]
        mean, low, high = _scaled_texts(last)
        theory = "--" if row.point.predicted is None else f"{row.point.predicted:.4g}"
        return [str(last.size), mean, f"[{low}, {high}]", theory]

    @override
    def fate(self, outcome: str) -> str:
        return "left out of the mean" if outcome == "diverged" else "in the mean with the parameter that they reached"


def _size(text: str, task: Task) -> int:
    value = Formula(text, "sizes")(task)
    if not 1 <= value <= LARGEST_SIZE:
        raise ConfigError("sizes", text, f"expected a number of transitions from 1 to {LARGEST_SIZE}")
    return round(value)


def _mean(size: int, regrets: Sequence[Plain], scale: float) -> SizeEstimate:
    """The mean squared error with a normal interval: hundreds of trials, no heavy tails."""
    errors = np.array([scale * regret for regret in regrets if isinstance(regret, float)])
    mean = float(np.mean(errors)) if len(errors) else None
    low = high = None
    if mean is not None and len(errors) > 1:
        half = 1.96 * float(np.std(errors, ddof=1)) / math.sqrt(len(errors))
        low, high = mean - half, mean + half
    return SizeEstimate(size, mean, low, high, len(errors), len(regrets) - len(errors))


def _ratio(one: SizeEstimate, predicted: float | None) -> float | None:
    """N × error over its prediction."""
    return None if one.mean is None or predicted is None else one.size * one.mean / predicted


def _scaled_texts(one: SizeEstimate) -> tuple[str, str, str]:
    """N × the mean squared error and the ends of its interval, as text."""
    mean, low, high = ("…" if x is None else f"{one.size * x:.4g}" for x in (one.mean, one.low, one.high))
    return mean, low, high
