"""The number of transitions at which half of the trials succeed, found by an adaptive search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from analysis.errors import require_number
from analysis.experiments.estimate import CurveResults, Estimate, Growth, PointResult, Verdict
from analysis.experiments.formatting import axis_letter, count_text, interval_text, or_dash, rounded
from analysis.experiments.measure import Measure, bounds_text, judge_at_most, judge_within
from analysis.experiments.plan import Rows
from analysis.measures.growth import LAW_COLUMNS, growth_lines, growth_of, growth_records, law_records
from analysis.measures.threshold_search import ThresholdSearch
from analysis.measures.threshold_verdict import fit_of, judge_equal, judge_order, unjudged
from analysis.statistics.counts import Counts
from analysis.statistics.threshold import RESOLVE_LEVEL, Threshold, fit_threshold
from analysis.tasks import Row, Task

if TYPE_CHECKING:
    from analysis.experiments.experiment import Curve, Experiment

__all__ = ["ThresholdMeasure"]

_ENDED = "ended by"

_POOR = 0.01
"""p-value of the test of fit below which a point is named; one in a hundred is named by chance."""


@dataclass(frozen=True, kw_only=True)
class ThresholdMeasure(Measure):
    """N₅₀ of success: a trial succeeds where its policy is uniformly ε-optimal and its learner ended as it should.

    Attributes:
        epsilon: ε, the largest uniform regret of a policy that succeeds, in (0, 2). It is a reading of the stored
            regret: another one needs no new trials, as far as both searches ask for the same.
    """

    name = "threshold"
    about = "the number of transitions at which half of the trials succeed"
    file = "thresholds.csv"
    other_files = ("scaling.csv",)
    expectations = ("equal", "order", "within", "at most", "none")
    columns = (
        "n50",
        "n50_low",
        "n50_high",
        "n90",
        "n_min",
        "resolved",
        "predicted",
        "ratio",
        "censored",
        "lack_of_fit",
        "stopped",
        "trials",
        "mean_starts",
    )

    epsilon: float = 0.01

    def __post_init__(self) -> None:
        epsilon = require_number("epsilon", self.epsilon, lambda x: 0 < x < 2, "0 < epsilon < 2")
        object.__setattr__(self, "epsilon", epsilon)

    def succeeds(self, row: Row) -> bool:
        """Whether a trial did."""
        regret = row.values["uniform_regret"]
        return bool(row.values["accepted"]) and regret is not None and float(regret) <= self.epsilon

    # --- what it finds -----------------------------------------------------------------------------------------

    @override
    def plan(self, task: Task) -> ThresholdSearch:
        return ThresholdSearch(task, self.search, self.succeeds)

    @override
    def estimate(self, task: Task, rows: Rows) -> Estimate:
        cells: dict[int, tuple[int, int]] = {}
        for size, row in rows:
            successes, trials = cells.get(size, (0, 0))
            cells[size] = (successes + self.succeeds(row), trials + 1)
        counts = Counts.from_cells(cells)
        fit = fit_threshold(counts)
        return Estimate(fit.n50, fit.n50_low, fit.n50_high, fit.trials, fit.censored, counts, fit)

    @override
    def growth(self, curve: Curve, points: Sequence[PointResult]) -> Growth:
        return growth_of(curve, points)

    @override
    def judge(self, curve: Curve, points: Sequence[PointResult], growth: Growth | None) -> Verdict:
        kind = curve.expectation.kind
        if kind == "equal":
            return judge_equal(curve, points)
        if kind == "within":
            return judge_within(curve, points, self.noun)
        if kind == "at most":
            return judge_at_most(curve, points, "N50")
        if kind == "order":
            return judge_order(curve, points, None if growth is None else growth.scaling)
        return unjudged(curve, points)

    # --- how it is told ----------------------------------------------------------------------------------------

    @property
    @override
    def success(self) -> str:
        return f"a policy whose regret is at most {self.epsilon:g} at every unit goal"

    @override
    def y_label(self, experiment: Experiment) -> str:
        unit = self.unit(experiment)
        return (
            f"least {unit}, success probability ≥ ½" if _integers(experiment) else f"{unit} for success probability ½"
        )

    @override
    def caption(self, experiment: Experiment, estimates: Sequence[Estimate]) -> str:
        unit, tests = self.unit(experiment), f"exact tests at level {RESOLVE_LEVEL:g}"
        if _integers(experiment):
            return (
                f"Marks: the smallest number N of {unit} with success probability at least 1/2, resolved by {tests} at"
                f" N - 1 and N, or with a 95 % interval{bounds_text(estimates, ' on N50')}."
            )
        return (
            f"Marks: N50, the number of {unit} at which the fitted success probability is 1/2, with 95 %"
            f" profile-likelihood intervals; short bars: the smallest N with probability at least 1/2, where {tests}"
            f" resolve it{bounds_text(estimates)}."
        )

    @override
    def records(self, curve: Curve, result: PointResult) -> list[dict[str, Any]]:
        fit, mean_starts = fit_of(result), result.mean("num_starts")
        return [
            {
                **self.place(curve, result.point),
                "n50": rounded(fit.n50),
                "n50_low": rounded(fit.n50_low),
                "n50_high": rounded(fit.n50_high),
                "n90": rounded(fit.n90),
                "n_min": fit.n_min,
                "resolved": fit.resolved,
                "predicted": rounded(result.point.predicted),
                "ratio": rounded(result.ratio),
                "censored": fit.censored,
                "lack_of_fit": rounded(fit.lack_of_fit),
                "stopped": result.stopped,
                "trials": fit.trials,
                "mean_starts": rounded(mean_starts),
            }
        ]

    @override
    def summary(self, curve: CurveResults) -> dict[str, Any]:
        wrong, growth = self._wrong_component(curve), curve.growth
        limit = None if growth is None else growth.ratio_limit
        scaling = None if growth is None else growth.scaling
        power = None if scaling is None else scaling.exponent
        return {
            "thresholds": [record for row in curve.points for record in self.records(curve.curve, row)],
            "exponent": None if power is None else {"value": power.value, "low": power.low, "high": power.high},
            "ratio_limit": None if limit is None else {**asdict(limit), "dims": list(limit.dims)},
            "laws": law_records(curve),
            "best_law": None if scaling is None else scaling.best,
            "exact_laws": [] if growth is None else list(growth.exact_laws),
            "order_weights": {} if scaling is None else {str(o): w for o, w in scaling.order_weights.items()},
            "no_fit_because": "" if scaling is None else scaling.reason,
            "wrong_component": None if wrong is None else {"wrong": wrong[0], "successes": wrong[1]},
        }

    @override
    def files(self, curves: Sequence[CurveResults]) -> dict[str, tuple[Sequence[str], Sequence[Mapping[str, Any]]]]:
        if all(curve.growth is None for curve in curves):
            return {}
        return {"scaling.csv": (LAW_COLUMNS, [record for curve in curves for record in growth_records(curve)])}

    @override
    def table(self, curve: CurveResults, x: str) -> tuple[list[str], list[list[str]]]:
        restarted = any("restarts" in row.point.task.described for row in curve.points)
        starts = ["starts"] if restarted else []
        head = [axis_letter(x), "N50  [95 %]", "N90", "N_min", "theory", "ratio", "trials", *starts, _ENDED]
        return head, [_cells(row, restarted) for row in curve.points]

    @override
    def latex_head(self) -> list[str]:
        return ["$N_{50}$", "95\\,\\%", "$N_{\\min}$", "theory"]

    @override
    def latex_cells(self, row: PointResult) -> list[str]:
        fit = fit_of(row)
        theory = "--" if row.point.predicted is None else f"{row.point.predicted:.4g}"
        sign = {"left": "\\le ", "right": "\\ge "}.get(fit.censored, "")
        low, high = ("" if end is None else count_text(end) for end in (fit.n50_low, fit.n50_high))
        about = "" if fit.resolved else r"{\sim}"  # N₅₀ rounded up, not resolved by trials
        value = f"${sign}{count_text(fit.n50)}$" if sign else _latex_n50(fit)
        return [
            "--" if fit.censored == "undetermined" else value,
            f"[{low or '--'}, {high or '--'}]" if low or high else "--",
            "--" if fit.n_min is None else f"${about}{fit.n_min}$",
            theory,
        ]

    @override
    def mark(self, estimate: Estimate, experiment: Experiment) -> tuple[Estimate, int | None]:
        resolved, fit = estimate.integer, estimate.fit
        if fit is None or not _integers(experiment) or (resolved is None and fit.censored):
            return estimate, resolved
        # The smallest N is N₅₀ rounded up; where trials do not resolve it, so are the ends of its interval.
        low, high = (
            None if resolved is not None or end is None else float(math.ceil(end - 1e-9))
            for end in (fit.n50_low, fit.n50_high)
        )
        return Estimate(math.ceil(fit.n50) if fit.n_min is None else fit.n_min, low, high, fit.trials), None

    @override
    def joined(self, curve: Curve) -> bool:
        return curve.expectation.kind != "equal"

    @override
    def notes(self, curve: CurveResults) -> list[str]:
        lines = growth_lines(curve)
        poor = [
            f"{row.point.x} (p = {fit.lack_of_fit:.3f})"
            for row in curve.points
            if (fit := fit_of(row)).lack_of_fit is not None and fit.lack_of_fit < _POOR
        ]
        if poor:
            lines.append(f"  the fitted success curve does not fit the counts at {', '.join(poor)}")
        wrong = self._wrong_component(curve)
        if wrong is not None and wrong[1]:
            lines.append(
                f"  of {wrong[1]} successful trials, {wrong[0]} ({wrong[0] / wrong[1]:.0%}) had their first start in"
                " the component that U is not in: with a single start they would have failed"
            )
        return lines

    def _wrong_component(self, curve: CurveResults) -> tuple[int, int] | None:
        """(kept second starts, all successes): how often a single start would have failed.

        None where the class has one component only, or restarts are the method's own. Counted over successful trials,
        whose component is known to be right.
        """
        known = curve.points[0].point.task.described
        if (known.get("group"), known.get("method")) != ("o", "descent"):
            return None
        starts = [row.values["start"] for point in curve.points for _, row in point.rows if self.succeeds(row)]
        return sum(isinstance(start, int) and start > 0 for start in starts), len(starts)


def _integers(experiment: Experiment) -> bool:
    """Whether every curve is about integers: one figure does not mix them with N₅₀."""
    return all(curve.expectation.kind == "equal" for curve in experiment.curves)


def smallest_text(fit: Threshold) -> str:
    """The smallest N, marked where it is the rounded-up N₅₀ and not resolved by trials."""
    least = fit.n_min
    return or_dash(least) if least is None or fit.resolved else f"~{least}"


def threshold_text(fit: Threshold) -> str:
    """N₅₀, or the bound that it is, with its interval; … for an open end."""
    return interval_text(fit.n50, fit.n50_low, fit.n50_high, fit.censored)


def _cells(row: PointResult, restarted: bool) -> list[str]:
    fit = fit_of(row)
    return [
        str(row.point.x),
        threshold_text(fit),
        or_dash(fit.n90, count_text),
        smallest_text(fit),
        or_dash(row.point.predicted, "{:g}".format),
        or_dash(row.ratio, "{:.2f}".format),
        str(fit.trials),
        *([f"{row.mean('num_starts'):.0f}"] if restarted else []),
        row.stopped,
    ]


def _latex_n50(fit: Threshold) -> str:
    r"""``\num{36.2(15)}``, as siunitx reads it; without the parentheses where a side of the interval is open."""
    shown = count_text(fit.n50)
    if fit.n50_low is None or fit.n50_high is None:
        return f"\\num{{{shown}}}"
    digits = len(shown.partition(".")[2])
    longer = max(fit.n50 - fit.n50_low, fit.n50_high - fit.n50)
    return f"\\num{{{shown}({max(1, math.ceil(longer * 10**digits - 1e-6))})}}"
