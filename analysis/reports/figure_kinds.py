"""The figures of a run by name: what each is made of, the numbers behind its marks, and its caption.

``complexity`` is the figure that the run itself makes (:mod:`analysis.reports.results_figure`). The
others look at every tested cell. A new figure is one file and one entry of ``FIGURES``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.stats import binomtest

from analysis.experiments.estimate import CurveResults, PointResult
from analysis.experiments.formatting import axis_label, axis_letter, csv_text
from analysis.figures import (
    Figure,
    Mark,
    PhaseColumn,
    Series,
    SuccessCurve,
    Trend,
    alone,
    draw_ratios,
    phase_figure,
    success_figure,
)
from analysis.reports.figure_kind import FigureKind
from analysis.reports.landscape import LANDSCAPE
from analysis.reports.results_figure import (
    caption,
    closing_sentences,
    drawn_as,
    marks_csv,
    places_of,
    results_figure,
    theory_lines,
)
from analysis.results.experiment_results import ExperimentResults
from analysis.statistics.counts import FloatArray
from analysis.statistics.psychometric import success_probability
from analysis.statistics.threshold import Threshold

__all__ = ["FIGURES"]


# --- success, as measured and collapsed --------------------------------------------------------------------

_FITTED = 200
"""Places at which a fitted curve is drawn."""


def _measured(results: ExperimentResults) -> str:
    counted = any(row.estimate.counts is not None for curve in results.curves for row in curve.points)
    return "" if counted else f"this run measured {results.experiment.measure.noun}s, not successes"


def _scaled_to(row: PointResult) -> float | None:
    """N₅₀, where there is a fitted one."""
    threshold = row.estimate.fit
    return None if threshold is None or threshold.censored or threshold.slope is None else threshold.n50


def _name(results: ExperimentResults, row: PointResult) -> str:
    x = row.point.x
    letter = axis_letter(results.experiment.x)
    return f"${letter} = {x}$" if len(letter) == 1 else str(x)


def _interval(successes: int, trials: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a success probability."""
    interval = binomtest(successes, trials).proportion_ci(method="exact")
    return interval.low, interval.high


def _fitted(threshold: Threshold, num_transitions: FloatArray) -> list[float]:
    """Fitted success probabilities at each N; none without a fit."""
    if threshold.slope is None or threshold.rates is None:
        return []
    fit = success_probability(num_transitions, threshold.n50, threshold.slope, threshold.rates)
    return [float(probability) for probability in fit]


def _success_curves(results: ExperimentResults, curve: CurveResults, collapsed: bool) -> list[SuccessCurve]:
    found = []
    for place, row in enumerate(curve.points):
        counts, threshold = row.estimate.counts, row.estimate.fit
        unit = _scaled_to(row) if collapsed else 1.0
        if counts is None or threshold is None or unit is None:
            continue
        ends = [_interval(s, t) for s, t in zip(counts.successes, counts.trials, strict=True)]
        fit_x = np.geomspace(counts.num_transitions[0], counts.num_transitions[-1], _FITTED)
        fit = _fitted(threshold, fit_x)
        found.append(
            SuccessCurve(
                _name(results, row),
                [n / unit for n in counts.num_transitions],
                list(counts.fractions),
                [low for low, _ in ends],
                [high for _, high in ends],
                (fit_x / unit).tolist() if fit else (),
                fit,
                gid=f"cells-{results.curves.index(curve)}-{place}",
            )
        )
    return found


def _draw_success(results: ExperimentResults, collapsed: bool) -> Figure:
    unit = results.experiment.measure.unit(results.experiment)
    label = f"{unit} over $N_{{50}}$" if collapsed else f"{unit} $N$"
    panels = [(curve.curve.heading, _success_curves(results, curve, collapsed)) for curve in results.curves]
    return success_figure(panels, x_label=label)


def _success_csv(results: ExperimentResults) -> str:
    """Every cell: successes, trials, and N over the N₅₀ of its curve where there is one."""
    return csv_text(
        ("curve", "x", "num_transitions", "successes", "trials", "low", "high", "over_n50"), list(_cells(results))
    )


def _cells(results: ExperimentResults) -> Iterable[dict[str, Any]]:
    for curve in results.curves:
        for row in curve.points:
            counts, n50 = row.estimate.counts, _scaled_to(row)
            if counts is None:
                continue
            for n, successes, trials in zip(counts.num_transitions, counts.successes, counts.trials, strict=True):
                low, high = _interval(successes, trials)
                yield {
                    "curve": curve.curve.label,
                    "x": row.point.x,
                    "num_transitions": n,
                    "successes": successes,
                    "trials": trials,
                    "low": low,
                    "high": high,
                    "over_n50": None if n50 is None else n / n50,
                }


def _success_caption(results: ExperimentResults) -> str:
    return (
        "Marks: the fraction of successful trials at each number N that was tested, with exact 95 % intervals; lines:"
        " the fitted logistic curves in log N. N50 is where a fitted probability is 1/2 (dotted). "
        + closing_sentences(results.experiment)
    )


def _collapse_caption(results: ExperimentResults) -> str:
    return (
        "Success against N over the N50 of its own curve: curves of one shape fall on one another. Marks: fractions of"
        " successful trials with exact 95 % intervals; lines: fitted logistic curves. Points without a fitted N50"
        " (bounds, jumps between neighbouring integers) are left out. " + closing_sentences(results.experiment)
    )


# --- phase diagram -----------------------------------------------------------------------------------------

_SHADES = 160
"""Shades in a column."""


def _numbers(results: ExperimentResults) -> str:
    reason = _measured(results)
    if not reason and any(isinstance(point.x, str) or point.x <= 0 for point in results.experiment.points):
        return f"it needs a numeric axis above 0, and this run's is {results.experiment.x}"
    return reason


def _draw_phase(results: ExperimentResults) -> Figure:
    experiment = results.experiment
    places = places_of(experiment)
    lines = theory_lines(experiment, places)
    panels = []
    counted = [row.estimate.counts for curve in results.curves for row in curve.points]
    largest = max(counts.num_transitions[-1] for counts in counted if counts is not None)
    edges = np.geomspace(0.8, 1.2 * largest, _SHADES + 1)
    for curve in results.curves:
        columns = []
        for row in curve.points:
            counts, threshold = row.estimate.counts, row.estimate.fit
            if counts is None or threshold is None:
                continue
            fit = _fitted(threshold, np.sqrt(edges[1:] * edges[:-1]))
            shades = (edges.tolist(), fit) if fit else ()
            columns.append(PhaseColumn(places[row.point.x], counts.num_transitions, list(counts.fractions), *shades))
        own = [line for line in lines if line.series == curve.curve.label]
        panels.append((curve.curve.heading, columns, own))
    return phase_figure(panels, x_label=axis_label(experiment.x), y_label=f"{experiment.measure.unit(experiment)} $N$")


def _phase_caption(results: ExperimentResults) -> str:
    experiment = results.experiment
    dashed = any(line.series for line in theory_lines(experiment, places_of(experiment)))
    return (
        "Success probability by the number N of transitions. Shades: the fitted curve of each column; dots: fractions"
        " of successful trials at the N that were tested; columns without shades have no fit. "
        + ("Dashed: theory. " if dashed else "")
        + closing_sentences(experiment)
    )


# --- ratio to theory ---------------------------------------------------------------------------------------


def _predicted(results: ExperimentResults) -> str:
    reason = _numbers(results)
    if not reason and all(point.predicted is None for point in results.experiment.points):
        return "theory says nothing of this run"
    return reason


def _ratio_series(results: ExperimentResults) -> list[Series]:
    places = places_of(results.experiment)
    found = []
    for number, curve in enumerate(results.curves):
        marks = []
        for row in curve.points:
            threshold, predicted = row.estimate.fit, row.point.predicted
            if threshold is None or predicted is None or threshold.censored == "undetermined":
                continue
            low, high = (None if end is None else end / predicted for end in (threshold.n50_low, threshold.n50_high))
            marks.append(Mark(places[row.point.x], threshold.n50 / predicted, low, high, threshold.censored))
        if marks:
            found.append(
                Series(
                    curve.curve.label,
                    curve.curve.learner,
                    tuple(marks),
                    gid=f"ratios-{number}",
                    **drawn_as(curve.curve),
                )
            )
    return found


def _trends(results: ExperimentResults) -> list[Trend]:
    found = []
    for curve in results.curves:
        limit = None if curve.growth is None else curve.growth.ratio_limit
        if limit is not None:
            dims = np.geomspace(limit.dims[0], limit.dims[-1], 50).tolist()
            found.append(Trend(curve.curve.label, dims, [limit.ratio(dim) for dim in dims]))
    return found


def _draw_ratio(results: ExperimentResults) -> Figure:
    return alone(
        draw_ratios,
        _ratio_series(results),
        _trends(results),
        x_label=axis_label(results.experiment.x),
        y_label="$N_{50}$ over theory",
    )


def _ratio_csv(results: ExperimentResults) -> str:
    records: list[dict[str, Any]] = [
        {
            "curve": one.label,
            "kind": mark.censored or "ratio",
            "x": mark.x,
            "value": mark.value,
            "low": mark.low,
            "high": mark.high,
        }
        for one in _ratio_series(results)
        for mark in one.marks
    ]
    for trend in _trends(results):
        records += [
            {"curve": trend.series, "kind": "fit", "x": x, "value": ratio}
            for x, ratio in zip(trend.x, trend.ratios, strict=True)
        ]
    return csv_text(("curve", "kind", "x", "value", "low", "high"), records)


def _ratio_caption(results: ExperimentResults) -> str:
    text = (
        "N50, the number of transitions at which the fitted success probability is 1/2, over the number that theory"
        " predicts, with 95 % profile-likelihood intervals; triangles: bounds."
    )
    for curve in results.curves:
        limit = None if curve.growth is None else curve.growth.ratio_limit
        if limit is None:
            continue
        high = "∞" if limit.limit_high is None else f"{limit.limit_high:.2f}"
        text += (
            f" Dashed: {curve.curve.label}, fitted from d = {limit.dims[0]} on, {limit.limit:.2f} +"
            f" {limit.coefficient:.2f} d^-{limit.power:.2f} (limit {limit.limit_low:.2f} to {high})."
        )
    return f"{text} {closing_sentences(results.experiment)}"


# --- the list ----------------------------------------------------------------------------------------------


FIGURES: dict[str, FigureKind] = {
    "complexity": FigureKind(
        "thresholds over the axis beside theory", results_figure, marks_csv, caption, lambda _: ""
    ),
    "success-curves": FigureKind(
        "success against N, a curve for each d",
        lambda results: _draw_success(results, False),
        _success_csv,
        _success_caption,
        _measured,
    ),
    "phase-diagram": FigureKind("success probability over (d, N)", _draw_phase, _success_csv, _phase_caption, _numbers),
    "collapse": FigureKind(
        "all curves on the scale N/N50",
        lambda results: _draw_success(results, True),
        _success_csv,
        _collapse_caption,
        _measured,
    ),
    "ratio-to-theory": FigureKind("N50 over its prediction", _draw_ratio, _ratio_csv, _ratio_caption, _predicted),
    "landscape": LANDSCAPE,
}
"""By the name on the command line."""
