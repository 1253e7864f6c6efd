"""Whether a threshold is what theory predicts: "agrees", "disagrees" or "undecided", with the reason.

Never "agrees" for lack of data: what the data leave open is undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.experiments.estimate import PointResult, Status, Verdict
from analysis.statistics.scaling_law import Scaling
from analysis.statistics.threshold import Threshold

if TYPE_CHECKING:
    from analysis.experiments.experiment import Curve

__all__ = ["against_theory", "fit_of", "judge_equal", "judge_order", "unjudged"]

FEWEST_DIMS, SMALLEST_SPAN = 5, 8.0
"""Dimensions with a threshold, and largest over smallest of them, below which no order of growth is named.

Over d = 2, 3, 4, 6 a constant times D + 1 passes between the same integers as d - 1.
"""

FITTING = 6.0
"""AIC by which a free power law may beat the best candidate before the verdict says that no candidate fits."""

_STRETCH = 3.29 / 1.96
"""Half-width of a normal 99.9 % interval over that of a 95 % interval."""

DECISIVE = 0.95
"""AIC weight that the laws of one order must share before the verdict speaks of that order."""


def fit_of(result: PointResult) -> Threshold:
    """The success curve of a point whose measure fits one."""
    assert result.estimate.fit is not None, "thresholds have one"
    return result.estimate.fit


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


def judge_equal(curve: Curve, points: Sequence[PointResult]) -> Verdict:
    """Whether the smallest N is the predicted integer at every point, resolved by exact tests."""
    wrong, open_ones = [], []
    for result in points:
        threshold, predicted = fit_of(result), result.point.predicted
        if predicted is None or not threshold.resolved:
            open_ones.append(result)
            if predicted is not None and _excludes(threshold, predicted):
                wrong.append(result)
        elif threshold.n_min != predicted:
            wrong.append(result)
    right = len(points) - len({id(result) for result in (*wrong, *open_ones)})
    if wrong:
        cases = ", ".join(
            f"{_found(result)} at {result.point.x} where {result.point.predicted:g} is predicted" for result in wrong
        )
        return Verdict("disagrees", f"{curve.label}: the smallest N is {cases}.")
    if open_ones:
        open_points = ", ".join(str(result.point.x) for result in open_ones)
        return Verdict(
            "undecided",
            f"{curve.label}: the smallest N equals the predicted integer at {right} of {len(points)} points and is"
            f" not resolved at {open_points}.",
        )
    return Verdict("agrees", f"{curve.label}: the smallest N equals the predicted integer at all {right} points.")


def _found(result: PointResult) -> str:
    fit = fit_of(result)
    if fit.n_min is None:
        return f"{'at most' if fit.censored == 'left' else 'above'} {fit.n50:g}"
    return f"{'' if fit.resolved else '~'}{fit.n_min}"


def _excludes(threshold: Threshold, predicted: float) -> bool:
    """Whether N₅₀ is clearly outside of (N − 1, N] with N the predicted integer.

    A curve has many points, so the interval is stretched from 95 % to 99.9 % first (as for a normal estimate).
    """
    low, high = threshold.n50_low, threshold.n50_high
    above = low is not None and threshold.n50 * (low / threshold.n50) ** _STRETCH > predicted
    below = high is not None and threshold.n50 * (high / threshold.n50) ** _STRETCH < predicted - 1
    return above or below


def judge_order(curve: Curve, points: Sequence[PointResult], scaling: Scaling | None) -> Verdict:
    """Whether the threshold grows with the predicted power of d, and is nowhere below what identifies U."""
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
        x, predicted, threshold = result.point.x, result.point.predicted, fit_of(result)
        if isinstance(x, str) or x < start or predicted is None:
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


def unjudged(curve: Curve, points: Sequence[PointResult]) -> Verdict:
    """How a curve compares with theory, of which nothing was expected."""
    return Verdict("not judged", f"{curve.label} (not judged): {against_theory(points)}.")
