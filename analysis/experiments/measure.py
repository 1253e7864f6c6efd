"""The seam between what is run and what is said of it: a measure plans trials, estimates, judges, and is shown.

A measure is one file. It must say how trials are planned and what they amount to; how that is judged, and how it looks
in CSV, table, figure and page, has a default here that reads nothing but the estimate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from analysis.experiments.estimate import CurveResults, Estimate, Growth, PointResult, Verdict
from analysis.experiments.formatting import axis_letter, interval_text, or_dash, rounded
from analysis.experiments.plan import Plan, Rows, Search
from analysis.tasks import Plain, Task

if TYPE_CHECKING:
    from analysis.experiments.experiment import Curve, Experiment, Point

__all__ = ["COLUMNS", "UNFINISHED", "Measure", "bounds_text", "judge_at_most", "judge_within"]

COLUMNS = (
    "construction",
    "group",
    "learner",
    "solver",
    "dim",
    "goal_dim",
    "relabels",
    "steps_per_goal",
    "goals",
    "actions",
    "noise",
    "count",
)
"""Fields of tasks in result files."""

UNFINISHED = ("diverged", "not_converged", "ambiguous")
"""Outcomes that a report names."""


@dataclass(frozen=True, kw_only=True)
class Measure(ABC):
    """What is measured of a task. Subclasses are frozen dataclasses; their fields are written flat, like a task's.

    Attributes:
        search: how hard to look.
    """

    name: ClassVar[str]
    """Key of ``MEASURES``, and ``measure = "…"`` in a TOML file."""

    about: ClassVar[str]
    """One line."""

    file: ClassVar[str]
    """Name of its CSV file in a run directory."""

    other_files: ClassVar[tuple[str, ...]] = ()
    """Names of the CSV files that :meth:`files` may write."""

    expectations: ClassVar[tuple[str, ...]] = ("within", "at most", "none")
    """How its estimates can be judged: keys of ``EXPECTATIONS``."""

    columns: ClassVar[tuple[str, ...]] = ("value", "low", "high", "predicted", "ratio", "censored", "stopped", "trials")
    """Of its CSV file, after those that say what was measured."""

    search: Search = field(default_factory=Search)

    # --- what it finds -----------------------------------------------------------------------------------------

    @abstractmethod
    def plan(self, task: Task) -> Plan:
        """A new plan of rounds."""

    @abstractmethod
    def estimate(self, task: Task, rows: Rows) -> Estimate:
        """What all rows of a finished plan amount to."""

    def growth(self, curve: Curve, points: Sequence[PointResult]) -> Growth | None:
        """Laws over d, for a curve along the dimensions; None if the measure fits none."""
        return None

    def judge(self, curve: Curve, points: Sequence[PointResult], growth: Growth | None) -> Verdict:
        """Judge a curve by its expectation."""
        if curve.expectation.kind == "within":
            return judge_within(curve, points, self.noun)
        if curve.expectation.kind == "at most":
            return judge_at_most(curve, points, self.noun)
        return Verdict("not judged", f"{curve.label} is not judged.")

    # --- who it is ---------------------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """Its name and settings as plain JSON types."""
        own = asdict(self)
        return {"measure": self.name, **own.pop("search"), **own}

    @property
    def described(self) -> Mapping[str, Plain]:
        """Its fields by their flat names."""
        return self.identity()

    # --- how it is told ----------------------------------------------------------------------------------------

    @property
    def noun(self) -> str:
        """What an estimate is, in sentences."""
        return self.name

    @property
    def success(self) -> str:
        """When a trial succeeds, as the beginning of a sentence; "" where none does or fails."""
        return ""

    def unit(self, experiment: Experiment) -> str:
        """What a size counts; "transitions" where that varies."""
        units = {task.sample_unit for task in experiment.tasks}
        return units.pop() if len(units) == 1 else "transitions"

    def y_label(self, experiment: Experiment) -> str:
        """Of the figure's vertical axis."""
        return self.noun

    def caption(self, experiment: Experiment, estimates: Sequence[Estimate]) -> str:
        """What the marks of the figure are, in sentences."""
        has_intervals = any(estimate.low is not None or estimate.high is not None for estimate in estimates)
        return f"Marks: {self.noun}{', with 95 % intervals' if has_intervals else ''}{bounds_text(estimates)}."

    def place(self, curve: Curve, point: Point) -> dict[str, Any]:
        """The first columns of a line of the CSV file: what was measured."""
        known = {**point.task.described, "solver": point.task.solver_label}
        return {"curve": curve.label, "x": point.x, **{name: known.get(name) for name in COLUMNS}}

    def records(self, curve: Curve, result: PointResult) -> list[dict[str, Any]]:
        """The lines of a point in the CSV file; None where a value is open or unknown."""
        estimate = result.estimate
        return [
            {
                **self.place(curve, result.point),
                "value": rounded(estimate.value),
                "low": rounded(estimate.low),
                "high": rounded(estimate.high),
                "predicted": rounded(result.point.predicted),
                "ratio": rounded(result.ratio),
                "censored": estimate.censored,
                "stopped": result.stopped,
                "trials": estimate.trials,
            }
        ]

    def summary(self, curve: CurveResults) -> dict[str, Any]:
        """A curve in ``summary.json``."""
        return {"estimates": [record for row in curve.points for record in self.records(curve.curve, row)]}

    def files(self, curves: Sequence[CurveResults]) -> dict[str, tuple[Sequence[str], Sequence[Mapping[str, Any]]]]:
        """Further CSV files by name: columns and lines."""
        return {}

    def table(self, curve: CurveResults, x: str) -> tuple[list[str], list[list[str]]]:
        """Columns and rows of a curve's table, as text."""
        head = [axis_letter(x), f"{self.noun}  [95 %]", "theory", "ratio", "trials", "ended by"]
        return head, [
            [
                str(row.point.x),
                interval_text(row.estimate.value, row.estimate.low, row.estimate.high, row.estimate.censored),
                or_dash(row.point.predicted, "{:g}".format),
                or_dash(row.ratio, "{:.2f}".format),
                str(row.estimate.trials),
                row.stopped,
            ]
            for row in curve.points
        ]

    def latex_head(self) -> list[str]:
        """The four columns of a curve in the LaTeX table."""
        return [self.noun, "95\\,\\%", "trials", "theory"]

    def latex_cells(self, row: PointResult) -> list[str]:
        """A point in these columns."""
        estimate = row.estimate
        low, high = ("--" if end is None else f"{end:.4g}" for end in (estimate.low, estimate.high))
        value = "--" if estimate.value is None else f"{estimate.value:.4g}"
        theory = "--" if row.point.predicted is None else f"{row.point.predicted:.4g}"
        return [value, f"[{low}, {high}]", str(estimate.trials), theory]

    def mark(self, estimate: Estimate, experiment: Experiment) -> tuple[Estimate, int | None]:
        """What the figure shows of an estimate, and the integer that it marks beside it, if there is one."""
        return estimate, None

    def joined(self, curve: Curve) -> bool:
        """Whether the figure joins the curve's marks by a line."""
        return True

    def notes(self, curve: CurveResults) -> list[str]:
        """What is said under a curve's table, a line each."""
        return []

    def fate(self, outcome: str) -> str:
        """What became of trials with an outcome of ``UNFINISHED``, in words."""
        return "counted as failures"


def bounds_text(estimates: Sequence[Estimate], of: str = "") -> str:
    """The part of a caption that explains triangles, crosses and missing marks, where there are any."""
    found = {(estimate.censored, estimate.value is not None) for estimate in estimates}
    bounds = f"; triangles: bounds{of}" if found & {("left", True), ("right", True)} else ""
    bounds += "; crosses: not determined" if ("undetermined", True) in found else ""
    return bounds + ("; no mark: not determined" if ("undetermined", False) in found else "")


_NEGLIGIBLE = 0.01
"""Share of trials without a result up to which a mean over the others is still judged."""


def judge_within(curve: Curve, points: Sequence[PointResult], noun: str) -> Verdict:
    """Whether every interval over its prediction lies within the tolerance of 1."""
    tolerance = curve.expectation.tolerance
    inside, outside, open_points = [], [], []
    for result in points:
        low, high = result.ratio_interval
        if low is not None and high is not None and 1 - tolerance <= low and high <= 1 + tolerance:
            inside.append(result)
        elif (low is not None and low > 1 + tolerance) or (high is not None and high < 1 - tolerance):
            outside.append(result)
        else:
            open_points.append(result)
    text = f"{curve.label}: the {noun} over the prediction is {', '.join(map(_ratio_text, points))}"
    bar = f"(to be within {tolerance:.0%} of 1)"
    left_out = [(result, share) for result in points if (share := _share_failed(result))]
    if left_out:
        shares = ", ".join(f"{share:.1%} at {result.point.x}" for result, share in left_out)
        bar += f"; trials that ended without a parameter are in no mean: {shares}"
    if any(share > _NEGLIGIBLE for _, share in left_out):
        # Survivors are not a sample of all trials, so that neither agreement nor disagreement is known.
        return Verdict("undecided", f"{text} {bar}.")
    if outside:
        return Verdict("disagrees", f"{text} {bar}.")
    if open_points:
        names = ", ".join(str(result.point.x) for result in open_points)
        return Verdict("undecided", f"{text} {bar}; the interval does not decide at {names}.")
    return Verdict("agrees", f"{text} {bar}.")


def _share_failed(result: PointResult) -> float:
    """Share of the trials at the largest size that no mean contains."""
    if not result.estimate.by_size:
        return 0.0
    last = result.estimate.by_size[-1]
    return last.failed / max(1, last.failed + last.trials)


def _ratio_text(result: PointResult) -> str:
    low, high = ("…" if end is None else f"{end:.2f}" for end in result.ratio_interval)
    return f"[{low}, {high}] at {result.point.x}"


def judge_at_most(curve: Curve, points: Sequence[PointResult], noun: str) -> Verdict:
    """Whether every interval lies at or below its prediction."""
    above, open_points = [], []
    for result in points:
        low, high = result.ratio_interval
        if low is not None and low > 1:
            above.append(result)
        elif high is None or high > 1:
            open_points.append(result)
    names = ", ".join(str(result.point.x) for result in above or open_points)
    if above:
        return Verdict("disagrees", f"{curve.label}: {noun} is above the prediction at {names}.")
    if open_points:
        return Verdict("undecided", f"{curve.label}: the intervals reach above the prediction at {names}.")
    return Verdict("agrees", f"{curve.label}: {noun} is at most the prediction at all {len(points)} points.")
