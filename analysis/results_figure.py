"""The figure of an experiment: what was measured at every point of the axis, beside what theory says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from analysis.experiment import LABELS, Experiment
from analysis.figures import Figure, Mark, Series, TheoryLine, thresholds_figure
from analysis.formula import Formula
from analysis.results import ExperimentResults
from analysis.verdict import PointResult
from proofs_check.identifiability import convex_relaxation, transitions_for_useful

__all__ = ["mark", "results_figure"]

_AXES = {
    "dim": "dimension $d$",
    "relabels": "goals a transition $K$",
    "steps_per_goal": "steps an episode $T$",
    "goal_dim": "dimension of goals $k$",
    "group": "hypothesis class",
    "alpha": r"weight of the gradient loss $\alpha$",
    "noise": r"noise $\sigma$",
}
"""How the axes are named in figures; others by the name of the field."""


def results_figure(results: ExperimentResults) -> Figure:
    """Draw thresholds, or errors where those were measured; call within :func:`analysis.figures.paper_style`."""
    experiment = results.experiment
    values = list(dict.fromkeys(point.x for point in experiment.points))
    places = {value: float(value) if not isinstance(value, str) else n for n, value in enumerate(values, start=1)}
    return thresholds_figure(
        _series(results, places),
        _theory_lines(experiment, places),
        x_label=_AXES.get(experiment.x, experiment.x.replace("_", " ")),
        y_label=_y_label(experiment),
        categories=[value for value in values if isinstance(value, str)],
        heading=_heading(experiment),
    )


def _series(results: ExperimentResults, places: Mapping[Any, float]) -> list[Series]:
    # Integers where every curve is about integers: one figure does not mix them with N₅₀.
    integers = all(curve.curve.expectation.kind == "equal" for curve in results.curves)
    return [
        Series(
            curve.curve.label,
            curve.curve.learner,
            tuple(mark(row, places[row.point.x], integers) for row in curve.points),
            joined=curve.curve.expectation.kind != "equal",
        )
        for curve in results.curves
    ]


def mark(row: PointResult, x: float, integers: bool) -> Mark:
    """N₅₀ with its interval, or the least N where that is wanted and settled."""
    if row.errors:
        last = row.errors[-1]
        n = last.num_transitions
        low, high = (None if end is None else n * end for end in (last.low, last.high))
        if last.mean is None:  # every trial failed
            return Mark(x, math.nan, None, None, "undetermined")
        return Mark(x, n * last.mean, low, high)
    threshold = row.threshold
    assert threshold is not None
    settled = threshold.smallest_n if threshold.settled else None
    if integers and (settled is not None or not threshold.censored):
        # The least N is N₅₀ rounded up; where trials do not settle it, so are the ends of its interval.
        low, high = (
            None if settled is not None or end is None else float(math.ceil(end - 1e-9))
            for end in (threshold.n50_low, threshold.n50_high)
        )
        return Mark(x, threshold.smallest_n or math.ceil(threshold.n50), low, high)
    return Mark(x, threshold.n50, threshold.n50_low, threshold.n50_high, threshold.censored, settled)


def _theory_lines(experiment: Experiment, places: Mapping[Any, float]) -> list[TheoryLine]:
    """The curves' predictions and, where the experiment asks for them, lightly the counts of weaker methods."""
    lines = []
    for curve in experiment.curves:
        label = "" if curve.prediction_label is None else f"${curve.prediction_label}$"
        if not label and isinstance(curve.formula, Formula):
            label = curve.formula.text.replace("-", "−").replace("*", "·")  # a user's own, nearly as it was written
        if experiment.x == "dim" and curve.formula is not None:
            dims = [point.setting.dim for point in curve.points]
            known = [(float(dim), curve.predict(dim)) for dim in range(min(dims), max(dims) + 1)]
        else:
            known = [(places[point.x], point.predicted) for point in curve.points]
        drawn = [(x, count) for x, count in known if count is not None]
        if drawn:
            lines.append(TheoryLine(label, [x for x, _ in drawn], [count for _, count in drawn], curve.label))
    return [*lines, *_weaker_methods(experiment)]


def _weaker_methods(experiment: Experiment) -> list[TheoryLine]:
    """What DDPG's equations would need without UᵀU = I, or with its convex relaxation."""
    construction = experiment.common("construction")
    if not experiment.weaker_methods:
        return []
    dims = range(experiment.dims[0], experiment.dims[-1] + 1)
    lines = []
    for label, useful in (("d^2", lambda dim: dim**2), (r"\frac{3d^2-d}{4}", convex_relaxation)):
        lengths = [transitions_for_useful(construction, useful(dim)) for dim in dims]
        known = [length for length in lengths if length is not None]
        if len(known) == len(dims):
            # About twice as many transitions in Proposition 2, where every second one is useful.
            double = "2\\," if construction == "no-reward-gradient" else ""
            lines.append(TheoryLine(f"${double}{label}$", dims, known))
    return lines


def _heading(experiment: Experiment) -> str:
    """What the curves' labels leave unsaid of learners and optimisers: once where it is common, else by curve."""
    curves = [curve for curve in experiment.curves if curve.unsaid]
    nameless = any(LABELS.get(curve.learner, curve.learner) in curve.unsaid for curve in curves)
    if nameless and len({curve.learner for curve in experiment.curves}) > 1:
        return "\n".join(curve.heading for curve in curves)
    return "; ".join(dict.fromkeys(part for curve in curves for part in curve.unsaid))


def _y_label(experiment: Experiment) -> str:
    if experiment.measure == "error":
        return r"$N\cdot\mathrm{E}\|\hat{U}-U\|_F^2$"
    unit = "episodes" if experiment.common("count") == "episodes" else "transitions"
    if all(curve.expectation.kind == "equal" for curve in experiment.curves):
        return f"least {unit}, success probability ≥ ½"
    return f"{unit} for success probability ½"
