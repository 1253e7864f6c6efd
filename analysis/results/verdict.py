"""Whether what was measured is what theory predicts: "agrees", "disagrees" or "undecided", with the reason.

Never "agrees" for lack of data: what the data leave open is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.experiments.experiment import Curve, Point
from analysis.measures.fixed_sizes import ErrorEstimate
from analysis.statistics.counts import Counts
from analysis.statistics.scaling_law import Scaling
from analysis.statistics.threshold import Threshold

__all__ = ["PointResult", "Status", "Verdict", "combine", "judge"]

Status = Literal["agrees", "disagrees", "undecided", "not judged"]

FEWEST_DIMS, SMALLEST_SPAN = 5, 8.0
"""Dimensions with a threshold, and largest over smallest of them, below which no order of growth is named.

Over d = 2, 3, 4, 6 a constant times D + 1 passes between the same integers as d - 1.
"""

FITTING = 6.0
"""AIC by which a free power law may beat the best candidate before the verdict says that no candidate fits."""

_STRETCH = 3.29 / 1.96
"""Half-width of a normal 99.9 % interval over that of a 95 % interval."""

_NEGLIGIBLE = 0.01
"""Share of trials without a parameter up to which a mean over the others is still judged."""

DECISIVE = 0.95
"""AIC weight that the laws of one order must share before the verdict speaks of that order."""


@dataclass(frozen=True)
class PointResult:
    """What was found at one point.

    Attributes:
        point: where, with the prediction.
        threshold: the estimate; None where errors were measured.
        errors: the mean squared error by N, where those were measured.
        stopped: the rule that ended the search.
        mean_starts: starting points that a trial used, on average.
        most_starts: the most that one trial used.
        counts: successes and trials by N; None where errors were measured.
    """

    point: Point
    threshold: Threshold | None
    errors: tuple[ErrorEstimate, ...]
    stopped: str
    mean_starts: float
    most_starts: int
    counts: Counts | None = None

    @property
    def ratio(self) -> float | None:
        """Measured over predicted: smallest N with success ≥ 1/2, two integers; or N × error at the largest N."""
        predicted = self.point.predicted
        if predicted is None:
            return None
        if self.errors:
            return _scaled(self.errors[-1].mean, self.errors[-1], predicted)
        assert self.threshold is not None
        return None if self.threshold.n_min is None else self.threshold.n_min / predicted

    @property
    def ratio_interval(self) -> tuple[float | None, float | None]:
        """Interval of N₅₀, or of N × error at the largest N, over the prediction; None where open."""
        predicted = self.point.predicted
        if predicted is None:
            return None, None
        if self.errors:
            last = self.errors[-1]
            return _scaled(last.low, last, predicted), _scaled(last.high, last, predicted)
        assert self.threshold is not None
        ends = (self.threshold.n50_low, self.threshold.n50_high)
        low, high = (None if end is None else end / predicted for end in ends)
        return low, high


def _scaled(value: float | None, error: ErrorEstimate, predicted: float) -> float | None:
    """N × value over the prediction."""
    return None if value is None else error.num_transitions * value / predicted


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


def judge(curve: Curve, points: Sequence[PointResult], scaling: Scaling | None) -> Verdict:
    """Judge one curve by its expectation.

    Args:
        curve: with its expectation.
        points: what was found, in the order of the axis.
        scaling: the laws that were fitted, for an expected order; None off the axis of dimensions.
    """
    kind = curve.expectation.kind
    if kind == "equal":
        return _judge_equal(curve, points)
    if kind == "within":
        return _judge_within(curve, points)
    if kind == "at most":
        return _judge_at_most(curve, points)
    if kind == "order":
        return _judge_order(curve, points, scaling)
    return Verdict("not judged", f"{curve.label} (not judged): {against_theory(points)}.")


def against_theory(points: Sequence[PointResult]) -> str:
    """How the smallest N with success ≥ 1/2 compares with the predicted integer along the axis, in words."""
    ratios = [(result.ratio, result.point.x) for result in points if result.ratio is not None]
    if not ratios:
        return "theory states no number here"
    if all(ratio == 1 for ratio, _ in ratios):
        return f"the smallest N equals the predicted one at {len(ratios)} of {len(points)} points"
    (low, low_x), (high, high_x) = min(ratios, key=_first), max(ratios, key=_first)
    if low == high:
        return f"the smallest N is {low:.2f} times the predicted one"
    return f"the smallest N is {low:.2f} (at {low_x}) to {high:.2f} (at {high_x}) times the predicted one"


def _first(pair: tuple[float, object]) -> float:
    return pair[0]


def _judge_equal(curve: Curve, points: Sequence[PointResult]) -> Verdict:
    wrong, unresolved = [], []
    for result in points:
        threshold, predicted = result.threshold, result.point.predicted
        assert threshold is not None, "an integer is expected of thresholds only"
        if predicted is None or not threshold.resolved:
            unresolved.append(result)
            if predicted is not None and _excludes(threshold, predicted):
                wrong.append(result)
        elif threshold.n_min != predicted:
            wrong.append(result)
    right = len(points) - len({id(result) for result in (*wrong, *unresolved)})
    if wrong:
        cases = ", ".join(
            f"{_found(result)} at {result.point.x} where {result.point.predicted:g} is predicted" for result in wrong
        )
        return Verdict("disagrees", f"{curve.label}: the smallest N is {cases}.")
    if unresolved:
        open_points = ", ".join(str(result.point.x) for result in unresolved)
        return Verdict(
            "undecided",
            f"{curve.label}: the smallest N equals the predicted integer at {right} of {len(points)} points and is"
            f" not resolved at {open_points}.",
        )
    return Verdict("agrees", f"{curve.label}: the smallest N equals the predicted integer at all {right} points.")


def _found(result: PointResult) -> str:
    assert result.threshold is not None
    if result.threshold.n_min is None:
        return f"{'at most' if result.threshold.censored == 'left' else 'above'} {result.threshold.n50:g}"
    return f"{'' if result.threshold.resolved else '~'}{result.threshold.n_min}"


def _excludes(threshold: Threshold, predicted: float) -> bool:
    """Whether N₅₀ is clearly outside of (N − 1, N] with N the predicted integer.

    A curve has many points, so the interval is stretched from 95 % to 99.9 % first (as for a normal estimate).
    """
    low, high = threshold.n50_low, threshold.n50_high
    above = low is not None and threshold.n50 * (low / threshold.n50) ** _STRETCH > predicted
    below = high is not None and threshold.n50 * (high / threshold.n50) ** _STRETCH < predicted - 1
    return above or below


def _judge_within(curve: Curve, points: Sequence[PointResult]) -> Verdict:
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
    what = "error" if points[0].errors else "threshold"
    text = f"{curve.label}: the {what} over the prediction is {', '.join(_ratio_text(result) for result in points)}"
    bar = f"(to be within {tolerance:.0%} of 1)"
    left_out = [(result, share) for result in points if (share := _share_without_parameter(result))]
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


def _share_without_parameter(result: PointResult) -> float:
    """Share of the trials at the largest N that no mean contains."""
    if not result.errors:
        return 0.0
    last = result.errors[-1]
    return last.failed / max(1, last.failed + last.trials)


def _ratio_text(result: PointResult) -> str:
    low, high = ("…" if end is None else f"{end:.2f}" for end in result.ratio_interval)
    return f"[{low}, {high}] at {result.point.x}"


def _judge_at_most(curve: Curve, points: Sequence[PointResult]) -> Verdict:
    above, open_points = [], []
    for result in points:
        low, high = result.ratio_interval
        if low is not None and low > 1:
            above.append(result)
        elif high is None or high > 1:
            open_points.append(result)
    names = ", ".join(str(result.point.x) for result in above or open_points)
    if above:
        return Verdict("disagrees", f"{curve.label}: N50 is above the prediction at {names}.")
    if open_points:
        return Verdict("undecided", f"{curve.label}: the intervals reach above the prediction at {names}.")
    return Verdict("agrees", f"{curve.label}: N50 is at most the prediction at all {len(points)} points.")


def _judge_order(curve: Curve, points: Sequence[PointResult], scaling: Scaling | None) -> Verdict:
    measured = against_theory(points)
    expected = curve.predicted_order
    best = None if scaling is None else scaling.best_fit
    below = _below_prediction(curve, points)
    if below:
        return Verdict(
            "disagrees",
            f"{curve.label}: fewer transitions than the prediction says are needed at {', '.join(below)}; {measured}.",
        )
    above = _above_multiple(curve, points)
    if above:
        return Verdict(
            "disagrees",
            f"{curve.label}: more than {curve.expectation.not_above:g} times the prediction at {', '.join(above)};"
            f" {measured}.",
        )
    if scaling is None or best is None or expected is None:
        reason = "no prediction" if scaling is None else scaling.reason or "no prediction"
        return Verdict("undecided", f"{curve.label}: {reason}; {measured}.")
    known = scaling.informative_dims
    if len(known) < FEWEST_DIMS or known[-1] < SMALLEST_SPAN * known[0]:
        return Verdict(
            "undecided",
            f"{curve.label}: d = {', '.join(map(str, known))} are too few or too close to tell orders of growth apart"
            f" (needed: {FEWEST_DIMS}, the largest {SMALLEST_SPAN:g} times the smallest); {measured}.",
        )
    weight = scaling.order_weights.get(expected, 0.0)
    power = scaling.exponent
    if power is not None and power.aic + FITTING < best.aic:
        status: Status = "undecided"
        words = f"follows none of the laws (a power {power.value:.2f} of d fits better)"
    elif weight >= DECISIVE:
        status, words = "agrees", f"grows {_growth(expected)} with d"
    elif max(scaling.order_weights.values()) >= DECISIVE:
        order = max(scaling.order_weights, key=lambda k: scaling.order_weights[k])
        status, words = "disagrees", f"grows {_growth(order)} with d, not {_growth(expected)}"
    else:
        status, words = "undecided", "grows at an order that the data leave open"
    ties = [fit.law.name for fit in scaling.laws if fit is not best and fit.weight > 0.99 * best.weight]
    tie = f", as well as {', '.join(ties)}" if ties else ""
    return Verdict(
        status,
        f"{curve.label}'s threshold {words}: N50 ≈ {best.constant:.2f} × ({best.law.name}) fits best{tie}, "
        f"its order has AIC weight {scaling.order_weights[best.law.order]:.3f}; {measured}"
        " (what is judged is the power of d, not the constant).",
    )


def _growth(order: float) -> str:
    return {0.0: "not at all", 1.0: "linearly", 2.0: "quadratically"}.get(order, f"like d^{order:.2g}")


def _below_prediction(curve: Curve, points: Sequence[PointResult]) -> list[str]:
    """Where the smallest N is resolved below the prediction, or the whole interval of N₅₀ lies below it less one."""
    start = curve.expectation.not_below_from
    if start is None:
        return []
    found = []
    for result in points:
        x, predicted, threshold = result.point.x, result.point.predicted, result.threshold
        if isinstance(x, str) or x < start or predicted is None or threshold is None:
            continue
        if threshold.resolved and threshold.n_min is not None:
            below = threshold.n_min < predicted
        else:
            below = threshold.n50_high is not None and threshold.n50_high < predicted - 1
        if below:
            found.append(f"{x}")
    return found


def _above_multiple(curve: Curve, points: Sequence[PointResult]) -> list[str]:
    """Where the whole interval of N₅₀ lies above the multiple of the prediction that is allowed, if one is."""
    multiple = curve.expectation.not_above
    lows = [(result.point.x, result.ratio_interval[0]) for result in points]
    return [] if multiple is None else [f"{x}" for x, low in lows if low is not None and low > multiple]
