"""The end of a run: files in the run directory and a report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.experiments.experiment import Experiment
from analysis.figures import paper_style, save_figure
from analysis.reports.results_figure import provenance, results_figure
from analysis.reports.tables import (
    errors_csv,
    latex_table,
    law_record,
    markdown_table,
    scaling_csv,
    terminal_table,
    threshold_record,
    thresholds_csv,
)
from analysis.results.experiment_results import CurveResults, ExperimentResults
from analysis.results.verdict import PointResult
from analysis.storage.run_directory import RunDirectory, to_json, write_atomically

__all__ = ["growth_lines", "print_report", "summary", "write_results"]


def summary(results: ExperimentResults) -> dict[str, Any]:
    """The results as plain JSON types, as in ``summary.json``."""
    verdict = results.verdict
    return {
        "experiment": _experiment_summary(results.experiment),
        "configuration": results.experiment.hash(),
        "curves": {curve.curve.label: _curve_summary(curve) for curve in results.curves},
        "verdict": verdict.sentence,
        "verdict_status": verdict.status,
    }


def _experiment_summary(experiment: Experiment) -> dict[str, Any]:
    """As described, without the numbers of settings, which count those of ``config.json``."""
    described = experiment.described()
    for curve in described["curves"]:
        for point in curve["points"]:
            del point["setting"]
    return described


def _curve_summary(results: CurveResults) -> dict[str, Any]:
    curve, scaling = results.curve, results.scaling
    power = None if scaling is None else scaling.exponent
    outcomes: dict[str, int] = {}
    for tally in results.outcomes:
        outcomes[tally.outcome] = outcomes.get(tally.outcome, 0) + tally.trials
    wrong = results.wrong_component
    verdict, limit = results.verdict, results.ratio_limit
    return {
        "learner": curve.learner,
        "optimiser": curve.optimiser,
        "thresholds": [threshold_record(curve, row) for row in results.points if row.threshold is not None],
        "errors": [_errors_summary(row) for row in results.points if row.errors],
        "exponent": None if power is None else {"value": power.value, "low": power.low, "high": power.high},
        "ratio_limit": None if limit is None else {**asdict(limit), "dims": list(limit.dims)},
        "laws": [] if scaling is None else [law_record(curve, fit) for fit in scaling.laws],
        "best_law": None if scaling is None else scaling.best,
        "exact_laws": list(results.exact_laws),
        "order_weights": {}
        if scaling is None
        else {str(order): weight for order, weight in scaling.order_weights.items()},
        "no_fit_because": "" if scaling is None else scaling.reason,
        "outcomes": outcomes,
        "wrong_component": None if wrong is None else {"wrong": wrong[0], "successes": wrong[1]},
        "verdict": verdict.sentence,
        "verdict_status": verdict.status,
    }


def _errors_summary(row: PointResult) -> dict[str, Any]:
    return {
        "x": row.point.x,
        "predicted": row.point.predicted,
        "by_num_transitions": {
            str(error.num_transitions): {"mean": error.mean, "low": error.low, "high": error.high}
            for error in row.errors
        },
    }


def write_results(results: ExperimentResults, directory: RunDirectory) -> list[Path]:
    """Write tables, summary and figure to the run directory; returns the paths."""
    experiment = results.experiment
    errors = experiment.measure == "error"
    texts = {
        **({"errors.csv": errors_csv(results)} if errors else {"thresholds.csv": thresholds_csv(results)}),
        **({"scaling.csv": scaling_csv(results)} if experiment.x == "dim" and not errors else {}),
        "table.tex": latex_table(results),
        "table.md": markdown_table(results),
        "summary.json": to_json(summary(results)),
    }
    paths = []
    for name, text in texts.items():
        path = directory.path / name
        write_atomically(path, text)
        paths.append(path)
    with paper_style():
        paths += save_figure(results_figure(results), directory.figures, experiment.name, provenance(experiment))
    return paths


def print_report(results: ExperimentResults, written: Sequence[Path], console: Console) -> None:
    """Tables, exponents, verdict, files."""
    experiment = results.experiment
    epsilon = experiment.common("epsilon")
    console.print(f"\n{experiment.title}", highlight=False)
    if experiment.measure == "threshold" and epsilon is not None:
        console.print(f"success: regret ≤ {epsilon:g} at every goal", highlight=False)
    for curve in results.curves:
        console.print(terminal_table(curve, experiment.x), highlight=False)
        for line in growth_lines(curve):
            console.print(line, highlight=False)
        _print_lack_of_fit(curve, console)
        wrong = curve.wrong_component
        if wrong is not None and wrong[1]:
            console.print(
                f"  of {wrong[1]} successful trials, {wrong[0]} ({wrong[0] / wrong[1]:.0%}) had their first start in"
                " the component that U is not in: with a single start they would have failed",
                highlight=False,
            )
        _print_unfinished(curve, console)
    if experiment.common("construction_source") is not None and experiment.about:
        console.print(f"\n{experiment.about}", highlight=False)
    console.print("\nVerdict:", style="bold", end=" ")
    console.print(f"{results.verdict.sentence}\n", highlight=False)
    for path in written:
        console.print(f"  {path}", highlight=False, soft_wrap=True)


def growth_lines(results: CurveResults) -> list[str]:
    """What is fitted to a curve's growth, in sentences; none off the axis of dimensions."""
    label, scaling = results.curve.label, results.scaling
    if scaling is None:
        return []
    if scaling.exponent is None:
        # Where an order is expected the verdict says why.
        return [] if results.curve.expectation.kind == "order" else [f"{label}: no law fitted: {scaling.reason}"]
    power = scaling.exponent
    low, high = ("…" if end is None else f"{end:.2f}" for end in (power.low, power.high))
    weights = ", ".join(
        f"{fit.law.name} {fit.weight:.3f}" if fit.weight >= 0.001 else f"{fit.law.name} <0.001" for fit in scaling.laws
    )
    best = scaling.best_fit
    own = "" if best is None else f" (the law {best.law.name} itself has slope {best.local_exponent:.2f} on these d)"
    lines = [f"{label}: exponent {power.value:.2f} [{low}, {high}]{own}; AIC weights: {weights}"]
    if len(results.resolved) > 1:
        exact = (
            f"exactly {', '.join(results.exact_laws)}" if results.exact_laws else "none of these laws, with constant 1"
        )
        lines.append(f"  resolved smallest N (d = {', '.join(map(str, results.resolved))}): {exact}")
    limit = results.ratio_limit
    if limit is not None:
        high = "…" if limit.limit_high is None else f"{limit.limit_high:.2f}"
        lines.append(
            f"  N50 over the prediction ≈ {limit.limit:.2f} + {limit.coefficient:.2f}·d^-{limit.power:.2f}:"
            f" limit in [{limit.limit_low:.2f}, {high}], p = {limit.limit_one:.2f} for 1,"
            f" from d = {', '.join(map(str, limit.dims))}"
            + (" (the power is at the end of its range)" if limit.power_bounded else "")
        )
    return lines


def _print_lack_of_fit(results: CurveResults, console: Console) -> None:
    """Name the points whose success curve is not the one that was fitted; one in a hundred is named by chance."""
    poor = [
        f"{row.point.x} (p = {row.threshold.lack_of_fit:.3f})"
        for row in results.points
        if row.threshold is not None and row.threshold.lack_of_fit is not None and row.threshold.lack_of_fit < 0.01
    ]
    if poor:
        console.print(f"  the fitted success curve does not fit the counts at {', '.join(poor)}", highlight=False)


def _print_unfinished(results: CurveResults, console: Console) -> None:
    """Say how many trials did not stop by their own rule, or could not choose, and what became of them."""
    errors = any(row.errors for row in results.points)
    fates = {"diverged": "left out of the mean"} if errors else {}
    fate = "in the mean with the parameter that they reached" if errors else "counted as failures"
    counts: dict[str, int] = {}
    for tally in results.outcomes:
        if tally.outcome in ("diverged", "not_converged", "ambiguous"):
            counts[tally.outcome] = counts.get(tally.outcome, 0) + tally.trials
    for outcome, trials in counts.items():
        number = "1 trial" if trials == 1 else f"{trials} trials"
        console.print(f"  {number} {outcome.replace('_', ' ')}, {fates.get(outcome, fate)}", highlight=False)
