"""What was found: the estimate of a point, a curve's points with their growth and verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from analysis.experiments.plan import Rows
from analysis.statistics.counts import Counts
from analysis.statistics.ratio_limit import RatioLimit
from analysis.statistics.scaling_law import Scaling
from analysis.statistics.threshold import Threshold

if TYPE_CHECKING:
    from analysis.experiments.experiment import Curve, Point

__all__ = ["CurveResults", "Estimate", "Growth", "PointResult", "SizeEstimate", "Status", "Verdict", "combine"]

Status = Literal["agrees", "disagrees", "undecided", "not judged"]


@dataclass(frozen=True)
class SizeEstimate:
    """A mean at one size.

    Attributes:
        size: N.
        mean: the estimate; None without trials.
        low: lower end of its 95 % interval; None where it is open or unknown.
        high: upper end, likewise.
        trials: how many are in the mean.
        failed: how many are not, because they ended without a result.
    """

    size: int
    mean: float | None
    low: float | None
    high: float | None
    trials: int
    failed: int = 0


@dataclass(frozen=True)
class Estimate:
    """What a measure found at a point; everything downstream reads this.

    Attributes:
        value: the estimate, or the bound where it is censored; None where nothing is known.
        low: lower end of its 95 % interval; None if open.
        high: upper end; None if open.
        trials: how many it rests on.
        censored: "" for an estimate; "left" or "right" where it is an upper or a lower bound; "undetermined".
        counts: successes and trials by size, where trials succeed or fail.
        fit: the success curve fitted to them.
        by_size: means by size, where they were measured.
    """

    value: float | None
    low: float | None
    high: float | None
    trials: int
    censored: str = ""
    counts: Counts | None = None
    fit: Threshold | None = None
    by_size: tuple[SizeEstimate, ...] = ()

    @property
    def integer(self) -> int | None:
        """The smallest N with success probability at least 1/2, where exact tests resolve it."""
        return self.fit.n_min if self.fit is not None and self.fit.resolved else None

    @property
    def compared(self) -> float | None:
        """What is put over a prediction: an integer over an integer where there is one, else the value."""
        return self.value if self.fit is None else self.fit.n_min


@dataclass(frozen=True)
class PointResult:
    """What was found at one point.

    Attributes:
        point: where, with the prediction.
        estimate: what was found.
        stopped: the rule that ended the plan.
        rows: what the estimate was made of.
    """

    point: Point
    estimate: Estimate
    stopped: str
    rows: Rows = field(default=(), repr=False, compare=False)

    @property
    def ratio(self) -> float | None:
        """Measured over predicted."""
        compared, predicted = self.estimate.compared, self.point.predicted
        return None if compared is None or predicted is None else compared / predicted

    @property
    def ratio_interval(self) -> tuple[float | None, float | None]:
        """Interval of the estimate over the prediction; None where open."""
        predicted = self.point.predicted
        if predicted is None:
            return None, None
        low, high = (None if end is None else end / predicted for end in (self.estimate.low, self.estimate.high))
        return low, high

    def mean(self, name: str) -> float | None:
        """Mean of a value over the rows; None if none has it."""
        values = [float(v) for _, row in self.rows if isinstance(v := row.values.get(name), int | float)]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class Verdict:
    """Whether a prediction holds.

    Attributes:
        status: "agrees", "disagrees", "undecided", or "not judged" where nothing was expected.
        sentence: the verdict in words.
    """

    status: Status
    sentence: str


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict of several: the worst, and all sentences."""
    statuses = {verdict.status for verdict in verdicts}
    if "disagrees" in statuses:
        status: Status = "disagrees"
    elif "undecided" in statuses:
        status = "undecided"
    elif statuses <= {"not judged"}:
        status = "not judged"
    else:
        status = "agrees"
    conclusion = {
        "agrees": "This agrees with theory.",
        "disagrees": "This disagrees with theory.",
        "undecided": "The data do not decide.",
        "not judged": "Nothing was expected, so nothing is judged.",
    }[status]
    return Verdict(status, " ".join([verdict.sentence for verdict in verdicts] + [conclusion]))


@dataclass(frozen=True)
class Growth:
    """How a curve's estimates grow with d.

    Attributes:
        scaling: the fitted laws.
        integers: d -> the smallest N, where exact tests resolve it.
        exact_laws: laws that *are* those integers, no constant; "the prediction" first, if it is. Where success jumps
            from never to always, N₅₀ is known to lie between N − 1 and N only, and for small d a constant times a
            steeper law passes there as well: weights do not tell them apart, the integers do.
        ratio_limit: where the ratio to the prediction goes; None where that is not asked or cannot be said.
    """

    scaling: Scaling
    integers: Mapping[int, int] = field(default_factory=dict)
    exact_laws: tuple[str, ...] = ()
    ratio_limit: RatioLimit | None = None


@dataclass(frozen=True)
class CurveResults:
    """Everything about one curve.

    Attributes:
        curve: what was measured, and what was expected.
        points: what was found, in the order of the axis.
        growth: laws over the dimensions; None on other axes, and for measures that have none.
        verdict: whether the prediction holds.
    """

    curve: Curve
    points: tuple[PointResult, ...]
    growth: Growth | None
    verdict: Verdict

    @property
    def outcomes(self) -> dict[str, int]:
        """How many trials ended how."""
        found: dict[str, int] = {}
        for point in self.points:
            for _, row in point.rows:
                outcome = str(row.values.get("outcome", "finished"))
                found[outcome] = found.get(outcome, 0) + 1
        return dict(sorted(found.items()))
