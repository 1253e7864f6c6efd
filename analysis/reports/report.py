"""The end of a run: files in the run directory and a report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.experiments.estimate import CurveResults
from analysis.experiments.experiment import Experiment
from analysis.experiments.measure import UNFINISHED
from analysis.figures import paper_style, save_figure
from analysis.files import to_json, write_atomically
from analysis.measures import MEASURES
from analysis.reports.results_figure import provenance, results_figure
from analysis.reports.tables import csv_files, latex_table, markdown_table, terminal_table
from analysis.results.experiment_results import ExperimentResults

__all__ = ["curve_notes", "print_report", "summary", "write_results"]


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
    """As described, without the questions, which stand in ``config.json``."""
    described = experiment.described()
    del described["questions"]
    for curve in described["curves"]:
        for point in curve["points"]:
            del point["question"]
    return {**described, "measure": experiment.measure.name}


def _curve_summary(results: CurveResults) -> dict[str, Any]:
    return {
        "learner": results.curve.learner,
        "solver": results.curve.solver_label,
        **results.points[0].point.measure.summary(results),
        "outcomes": results.outcomes,
        "verdict": results.verdict.sentence,
        "verdict_status": results.verdict.status,
    }


def write_results(results: ExperimentResults, directory: Path) -> list[Path]:
    """Write tables, summary and figure to the run directory; returns the paths.

    Tables of an earlier command of the same run, with another measure, are not of these results: they go.
    """
    experiment = results.experiment
    texts = {
        **csv_files(results),
        "table.tex": latex_table(results),
        "table.md": markdown_table(results),
        "summary.json": to_json(summary(results)),
    }
    paths = []
    for name, text in texts.items():
        path = directory / name
        write_atomically(path, text)
        paths.append(path)
    known = {name for measure in MEASURES.values() for name in (measure.file, *measure.other_files)}
    for name in known - texts.keys():
        (directory / name).unlink(missing_ok=True)
    with paper_style():
        paths += save_figure(results_figure(results), directory / "figures", experiment.name, provenance(experiment))
    return paths


def print_report(results: ExperimentResults, written: Sequence[Path], console: Console) -> None:
    """Tables, growth, verdict, files."""
    experiment = results.experiment
    console.print(f"\n{experiment.title}", highlight=False)
    if success := experiment.measure.success:
        console.print(f"success: {success}", highlight=False)
    for curve in results.curves:
        console.print(terminal_table(curve, experiment.x), highlight=False)
        for line in curve_notes(curve):
            console.print(line, highlight=False)
    if experiment.common("construction_source") is not None and experiment.about:
        console.print(f"\n{experiment.about}", highlight=False)
    console.print("\nVerdict:", style="bold", end=" ")
    console.print(f"{results.verdict.sentence}\n", highlight=False)
    for path in written:
        console.print(f"  {path}", highlight=False, soft_wrap=True)


def curve_notes(results: CurveResults) -> list[str]:
    """What is said under a curve's table: the measure's notes, and trials that did not end by their own rule."""
    measure = results.points[0].point.measure
    notes = measure.notes(results)
    for outcome, trials in results.outcomes.items():
        if outcome in UNFINISHED:
            number = "1 trial" if trials == 1 else f"{trials} trials"
            notes.append(f"  {number} {outcome.replace('_', ' ')}, {measure.fate(outcome)}")
    return notes
