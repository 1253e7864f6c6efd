"""The figure of an experiment: what was measured at every point of the axis, beside what theory says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from analysis.experiments.experiment import Experiment, class_name
from analysis.experiments.formula import Formula
from analysis.figures import Figure, Mark, Series, TheoryLine, alone, draw_thresholds
from analysis.reports.tables import csv_text
from analysis.results.experiment_results import ExperimentResults
from analysis.results.verdict import PointResult
from analysis.statistics.threshold import SETTLE_LEVEL
from proofs_check.theory import convex_relaxation
from toyenvs.constructions import construction_class

__all__ = [
    "axis_label",
    "caption",
    "closing_sentences",
    "mark",
    "marks_csv",
    "places_of",
    "provenance",
    "results_figure",
    "theory_lines",
    "unit_of",
]

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
    places = places_of(experiment)
    return alone(
        draw_thresholds,
        _series(results, places),
        theory_lines(experiment, places),
        x_label=axis_label(experiment),
        y_label=_y_label(experiment),
        categories=[value for value in places if isinstance(value, str)],
        heading=_heading(experiment),
    )


def marks_csv(results: ExperimentResults) -> str:
    """The numbers behind every mark and line of :func:`results_figure`; an empty field is an open end."""
    places = places_of(results.experiment)
    records: list[dict[str, Any]] = []
    for series in _series(results, places):
        for one in series.marks:
            kind = {"": "estimate", "left": "upper bound", "right": "lower bound"}.get(one.censored, one.censored)
            record = {"curve": series.label, "x": one.x}
            value = None if math.isnan(one.value) else one.value
            records.append({**record, "kind": kind, "value": value, "low": one.low, "high": one.high})
            if one.smallest_n is not None:
                records.append({**record, "kind": "settled smallest N", "value": one.smallest_n})
    for line in theory_lines(results.experiment, places):
        name = {"curve": line.series or line.label.strip("$"), "kind": "theory" if line.series else "weaker method"}
        records += [{**name, "x": x, "value": count} for x, count in zip(line.x, line.counts, strict=True)]
    return csv_text(("curve", "kind", "x", "value", "low", "high"), records)


def caption(results: ExperimentResults) -> str:
    """What the figure shows, in sentences for the paper: what is measured, how marks are to be read, the seed."""
    experiment = results.experiment
    told = [" ".join(experiment.about.split())] if experiment.about else []
    own = experiment.common("construction_source") is not None  # whose remarks are about its predictions
    sentences = [] if own else told
    found = {row.threshold.censored for curve in results.curves for row in curve.points if row.threshold is not None}
    bounds = "; triangles: bounds" if found & {"left", "right"} else ""
    unknown = "; crosses: not determined" if "undetermined" in found else ""
    unit, tests = unit_of(experiment), f"exact tests at level {SETTLE_LEVEL:g}"
    if experiment.measure == "error":
        sentences.append("Marks: N times the mean squared error at the largest N, with 95 % intervals.")
    elif _about_integers(experiment):
        sentences.append(
            f"Marks: the smallest number N of {unit} with success probability at least 1/2, settled by {tests} at N - 1"
            f" and N, or with a 95 % interval{bounds and bounds + ' on N50'}{unknown}."
        )
    else:
        sentences.append(
            f"Marks: N50, the number of {unit} at which the fitted success probability is 1/2, with 95 %"
            f" profile-likelihood intervals; short bars: the smallest N with probability at least 1/2, where {tests}"
            f" settle it{bounds}{unknown}."
        )
    lines = theory_lines(experiment, places_of(experiment))
    if any(line.series for line in lines):
        shape = "Dashes" if any(isinstance(point.x, str) for point in experiment.points) else "Dashed lines"
        sentences.append(f"{shape}: theory.")
    if not all(line.series for line in lines):
        sentences.append("Dotted: weaker methods.")
    sentences += told if own else []
    return f"{' '.join(sentences)} {closing_sentences(experiment)}"


def closing_sentences(experiment: Experiment) -> str:
    """What every caption ends with: success, optimiser and seed."""
    epsilon, seed = experiment.common("epsilon"), experiment.common("seed")
    construction, group = experiment.common("construction"), experiment.common("group")
    sentences = []
    if construction is not None:
        sentences.append(f"Environment: {construction}{'' if group is None else f', {class_name(group)}'}.")
    if experiment.measure == "threshold" and epsilon is not None:
        sentences.append(f"Success: a policy whose regret is at most {epsilon:g} at every unit goal.")
    sentences.append(f"Optimiser: {_optimisers(experiment)}." + ("" if seed is None else f" Seed {seed}."))
    return " ".join(sentences) + "\n"


def axis_label(experiment: Experiment) -> str:
    """How the axis is named in figures."""
    return _AXES.get(experiment.x, experiment.x.replace("_", " "))


def provenance(experiment: Experiment) -> dict[str, str]:
    """Where a figure's numbers come from, for its file's metadata."""
    return {
        "configuration": experiment.hash(),
        "seed": str(experiment.common("seed")),
        "optimisers": _optimisers(experiment),
    }


def _optimisers(experiment: Experiment) -> str:
    return ", ".join(dict.fromkeys(curve.optimiser for curve in experiment.curves))


def unit_of(experiment: Experiment) -> str:
    """What N counts."""
    return "episodes" if experiment.common("count") == "episodes" else "transitions"


def _about_integers(experiment: Experiment) -> bool:
    """Whether every curve is about integers: one figure does not mix them with N₅₀."""
    return all(curve.expectation.kind == "equal" for curve in experiment.curves)


def places_of(experiment: Experiment) -> dict[Any, float]:
    """Value of the axis -> where it is drawn: itself, or its number where it is a name."""
    values = dict.fromkeys(point.x for point in experiment.points)
    return {value: float(value) if not isinstance(value, str) else n for n, value in enumerate(values, start=1)}


def _series(results: ExperimentResults, places: Mapping[Any, float]) -> list[Series]:
    integers = _about_integers(results.experiment)
    return [
        Series(
            curve.curve.label,
            curve.curve.learner,
            tuple(mark(row, places[row.point.x], integers) for row in curve.points),
            joined=curve.curve.expectation.kind != "equal",
            gid=f"marks-{number}",
        )
        for number, curve in enumerate(results.curves)
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


def theory_lines(experiment: Experiment, places: Mapping[Any, float]) -> list[TheoryLine]:
    """The curves' predictions and, where the experiment asks for them, lightly the counts of weaker methods."""
    lines = []
    for curve in experiment.curves:
        label = "" if curve.prediction_label is None else f"${curve.prediction_label}$"
        if not label and isinstance(curve.formula, Formula):
            label = curve.formula.name.replace("-", "−").replace("*", "·")  # a user's own, nearly as it was written
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
    if not experiment.weaker_methods:
        return []
    create = construction_class(str(experiment.common("construction")))
    if not create.counted_by_class:
        return []
    dims = range(experiment.dims[0], experiment.dims[-1] + 1)
    lines = []
    for label, informative in (("d^2", lambda dim: dim**2), (r"\frac{3d^2-d}{4}", convex_relaxation)):
        lengths = [create.transitions_for_informative(float(informative(dim))) for dim in dims]
        lines.append(TheoryLine(f"${create.length_label(label)}$", dims, lengths))
    return lines


def _heading(experiment: Experiment) -> str:
    """What the curves' labels leave unsaid of learners and optimisers: once where it is common, else by curve."""
    curves = [curve for curve in experiment.curves if curve.unsaid]
    nameless = any(curve.learner_name in curve.unsaid for curve in curves)
    if nameless and len({curve.learner for curve in experiment.curves}) > 1:
        return "\n".join(curve.heading for curve in curves)
    return "; ".join(dict.fromkeys(part for curve in curves for part in curve.unsaid))


def _y_label(experiment: Experiment) -> str:
    if experiment.measure == "error":
        return r"$N\cdot\mathrm{E}\|\hat{U}-U\|_F^2$"
    if _about_integers(experiment):
        return f"least {unit_of(experiment)}, success probability ≥ ½"
    return f"{unit_of(experiment)} for success probability ½"
