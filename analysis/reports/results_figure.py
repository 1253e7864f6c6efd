"""The figure of an experiment: what was measured at every point of the axis, beside what theory says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from analysis.experiments.estimate import Estimate
from analysis.experiments.experiment import Curve, Experiment
from analysis.experiments.formatting import axis_label, class_name, csv_text
from analysis.experiments.formula import Formula
from analysis.figures import Figure, Mark, Series, TheoryLine, alone, draw_thresholds
from analysis.results.experiment_results import ExperimentResults
from proofs_check.theory import convex_relaxation

__all__ = [
    "caption",
    "closing_sentences",
    "drawn_as",
    "marks_csv",
    "places_of",
    "provenance",
    "results_figure",
    "theory_lines",
]


def results_figure(results: ExperimentResults) -> Figure:
    """Draw thresholds, or errors where those were measured; call within :func:`analysis.figures.paper_style`."""
    experiment = results.experiment
    places = places_of(experiment)
    return alone(
        draw_thresholds,
        _series(results, places),
        theory_lines(experiment, places),
        x_label=axis_label(experiment.x),
        y_label=experiment.measure.y_label(experiment),
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
            if one.n_min is not None:
                records.append({**record, "kind": "resolved smallest N", "value": one.n_min})
    for line in theory_lines(results.experiment, places):
        name = {"curve": line.series or line.label.strip("$"), "kind": "theory" if line.series else "baseline"}
        records += [{**name, "x": x, "value": count} for x, count in zip(line.x, line.counts, strict=True)]
    return csv_text(("curve", "kind", "x", "value", "low", "high"), records)


def caption(results: ExperimentResults) -> str:
    """What the figure shows, in sentences for the paper: what is measured, how marks are to be read, the seed."""
    experiment = results.experiment
    told = [" ".join(experiment.about.split())] if experiment.about else []
    user_defined = experiment.common("construction_source") is not None  # whose remarks are about its predictions
    sentences = [] if user_defined else told
    estimates = [row.estimate for curve in results.curves for row in curve.points]
    sentences.append(experiment.measure.caption(experiment, estimates))
    lines = theory_lines(experiment, places_of(experiment))
    if any(line.series for line in lines):
        shape = "Dashes" if any(isinstance(point.x, str) for point in experiment.points) else "Dashed lines"
        sentences.append(f"{shape}: theory.")
    if not all(line.series for line in lines):
        sentences.append("Dotted: baselines.")
    sentences += told if user_defined else []
    return f"{' '.join(sentences)} {closing_sentences(experiment)}"


def closing_sentences(experiment: Experiment) -> str:
    """What every caption ends with: success, optimiser and seed."""
    seed, construction, group = (experiment.common(name) for name in ("seed", "construction", "group"))
    sentences = []
    if construction is not None:
        sentences.append(f"Environment: {construction}{'' if group is None else f', {class_name(str(group))}'}.")
    told = {point.measure.success for point in experiment.points}
    if len(told) == 1 and (success := told.pop()):
        sentences.append(f"Success: {success}.")
    if solvers := _solvers(experiment):
        sentences.append(f"Solver: {solvers}.")
    if seed is not None:
        sentences.append(f"Seed {seed}.")
    return " ".join(sentences) + "\n"


def provenance(experiment: Experiment) -> dict[str, str]:
    """Where a figure's numbers come from, for its file's metadata."""
    return {
        "configuration": experiment.hash(),
        "seed": str(experiment.common("seed")),
        "solvers": _solvers(experiment),
    }


def _solvers(experiment: Experiment) -> str:
    return ", ".join(dict.fromkeys(curve.solver_label for curve in experiment.curves if curve.solver_label))


def places_of(experiment: Experiment) -> dict[Any, float]:
    """Value of the axis -> where it is drawn: itself, or its number where it is a name."""
    values = dict.fromkeys(point.x for point in experiment.points)
    return {value: float(value) if not isinstance(value, str) else n for n, value in enumerate(values, start=1)}


def _series(results: ExperimentResults, places: Mapping[Any, float]) -> list[Series]:
    experiment, measure = results.experiment, results.experiment.measure
    return [
        Series(
            curve.curve.label,
            curve.curve.learner,
            tuple(
                _mark(places[row.point.x], *row.point.measure.mark(row.estimate, experiment)) for row in curve.points
            ),
            joined=measure.joined(curve.curve),
            gid=f"marks-{number}",
            **drawn_as(curve.curve),
        )
        for number, curve in enumerate(results.curves)
    ]


def drawn_as(curve: Curve) -> dict[str, Any]:
    """How a curve's learner is drawn: fields of :class:`analysis.figures.Series`."""
    task = curve.points[0].task
    return {"style": task.style, "cool": task.matches_gradients}


def _mark(x: float, estimate: Estimate, integer: int | None) -> Mark:
    if estimate.value is None:  # every trial failed
        return Mark(x, math.nan, None, None, "undetermined")
    return Mark(x, estimate.value, estimate.low, estimate.high, estimate.censored, integer)


def theory_lines(experiment: Experiment, places: Mapping[Any, float]) -> list[TheoryLine]:
    """The curves' predictions and, where the experiment asks for them, lightly the counts of baselines."""
    lines = []
    for curve in experiment.curves:
        label = "" if curve.prediction_label is None else f"${curve.prediction_label}$"
        if not label and isinstance(curve.prediction, Formula):
            label = curve.prediction.name.replace("-", "−").replace("*", "·")  # a user's own, nearly as it was written
        if experiment.x == "dim" and curve.prediction is not None:
            dims = [point.task.dim for point in curve.points]
            exists = curve.points[0].task.exists
            known = [(float(dim), curve.predict(dim)) for dim in range(min(dims), max(dims) + 1) if exists(dim)]
        else:
            known = [(places[point.x], point.predicted) for point in curve.points]
        drawn = [(x, count) for x, count in known if count is not None]
        if drawn:
            lines.append(TheoryLine(label, [x for x, _ in drawn], [count for _, count in drawn], curve.label))
    return [*lines, *_baselines(experiment)]


def _baselines(experiment: Experiment) -> list[TheoryLine]:
    """What DDPG's equations would need without UᵀU = I, or with its convex relaxation."""
    if not experiment.baselines:
        return []
    task = experiment.points[0].task
    dims = range(experiment.dims[0], experiment.dims[-1] + 1)
    lines = []
    for label, informative in (("d^2", lambda dim: dim**2), (r"\frac{3d^2-d}{4}", convex_relaxation)):
        lengths = [task.transitions_for_informative(float(informative(dim))) for dim in dims]
        lines.append(TheoryLine(f"${task.length_label(label)}$", dims, lengths))
    return lines


def _heading(experiment: Experiment) -> str:
    """What the curves' labels leave unsaid of learners and optimisers: once where it is common, else by curve."""
    curves = [curve for curve in experiment.curves if curve.unsaid]
    nameless = any(curve.learner_label in curve.unsaid for curve in curves)
    if nameless and len({curve.learner for curve in experiment.curves}) > 1:
        return "\n".join(curve.heading for curve in curves)
    return "; ".join(dict.fromkeys(part for curve in curves for part in curve.unsaid))
