"""The end of a run: files in the run directory and a report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.figures import MeasuredThreshold, TheoryLine, complexity_figure, paper_style, save_figure
from analysis.results import LearnerResults, SweepResults, predicted_counts
from analysis.run_directory import RunDirectory, to_json, write_atomically
from analysis.tables import latex_table, law_record, scaling_csv, terminal_table, threshold_record, thresholds_csv
from proofs_check.identifiability import convex_relaxation, prediction_label, transitions_for_useful

__all__ = ["print_report", "summary", "write_results"]


def summary(results: SweepResults) -> dict[str, Any]:
    """The results as plain JSON types, as in ``summary.json``."""
    verdict = results.verdict
    return {
        "configuration": results.config.resolved(),
        "learners": {learner.learner: _learner_summary(results, learner) for learner in results.learners},
        "verdict": verdict.sentence,
        "verdict_status": verdict.status,
    }


def _learner_summary(results: SweepResults, learner: LearnerResults) -> dict[str, Any]:
    scaling = learner.scaling
    power = scaling.exponent
    tallies = [tally for tally in results.outcomes if tally.learner == learner.learner]
    outcomes: dict[str, int] = {}
    for tally in tallies:
        outcomes[tally.outcome] = outcomes.get(tally.outcome, 0) + tally.trials
    wrong = results.wrong_component(learner.learner)
    return {
        "thresholds": [
            {**threshold_record(results, row), "settled": row.threshold.settled, "stopped": row.stopped}
            for row in learner.thresholds
        ],
        "exponent": None if power is None else {"value": power.value, "low": power.low, "high": power.high},
        "laws": [law_record(learner.learner, fit) for fit in scaling.laws],
        "best_law": scaling.best,
        "order_weights": {str(order): weight for order, weight in scaling.order_weights.items()},
        "no_fit_because": scaling.reason,
        "outcomes": outcomes,
        "wrong_component": None if wrong is None else {"wrong": wrong[0], "successes": wrong[1]},
    }


def _theory_lines(results: SweepResults) -> list[TheoryLine]:
    """The learners' predictions, and lightly the counts of weaker methods than DDPG's best possible."""
    config = results.config
    dims = range(min(config.dims), max(config.dims) + 1)
    lines = []
    for learner in config.learners:
        counts = predicted_counts(config, learner, dims)
        label = prediction_label(config.construction, config.group, learner)
        if counts is not None and label is not None:
            lines.append(TheoryLine(f"${label}$", dims, counts, learner))
    if "ddpg" in config.learners:
        for label, useful in (("d^2", lambda dim: dim**2), (r"\frac{3d^2-d}{4}", convex_relaxation)):
            lengths = [transitions_for_useful(config.construction, useful(dim)) for dim in dims]
            known = [length for length in lengths if length is not None]
            if len(known) == len(dims):
                # About twice as many transitions in Proposition 2, where every second one is useful.
                double = "2\\," if config.construction == "no-reward-gradient" else ""
                lines.append(TheoryLine(f"${double}{label}$", dims, known))
    return lines


def write_results(results: SweepResults, directory: RunDirectory) -> list[Path]:
    """Write tables, summary and figure to the run directory; returns the paths."""
    texts = {
        "thresholds.csv": thresholds_csv(results),
        "scaling.csv": scaling_csv(results),
        "table.tex": latex_table(results),
        "summary.json": to_json(summary(results)),
    }
    paths = []
    for name, text in texts.items():
        path = directory.path / name
        write_atomically(path, text)
        paths.append(path)
    marks = [
        MeasuredThreshold(
            row.learner,
            row.dim,
            row.threshold.n50,
            row.threshold.n50_low,
            row.threshold.n50_high,
            row.threshold.censored,
            row.threshold.smallest_n if row.threshold.settled else None,
        )
        for learner in results.learners
        for row in learner.thresholds
    ]
    about = {
        "configuration": results.config.hash(),
        "seed": str(results.config.seed),
        "optimizer": results.config.optimizer,
    }
    with paper_style():
        figure = complexity_figure(marks, _theory_lines(results))
        paths += save_figure(figure, directory.figures, "complexity", about)
    return paths


def print_report(results: SweepResults, written: Sequence[Path], console: Console) -> None:
    """Table, exponents, verdict, files."""
    config = results.config
    console.print(
        f"\n{config.construction}, {config.group.upper()}(d), descent by {config.optimizer}, one start"
        f"{' in each component' if config.group == 'o' else ''}; "
        f"success: regret ≤ {config.epsilon:g} at every goal",
        highlight=False,
    )
    for learner in results.learners:
        console.print(terminal_table(learner), highlight=False)
        console.print(_growth_line(learner), highlight=False)
        wrong = results.wrong_component(learner.learner)
        if wrong is not None and wrong[1]:
            console.print(
                f"  of {wrong[1]} successful trials, {wrong[0]} ({wrong[0] / wrong[1]:.0%}) had their first start in"
                " the component that U is not in: with a single start they would have failed",
                highlight=False,
            )
    _print_unfinished(results, console)
    console.print(f"\n[bold]Verdict:[/bold] {results.verdict.sentence}\n", highlight=False)
    for path in written:
        console.print(f"  {path}", highlight=False, soft_wrap=True)


def _growth_line(learner: LearnerResults) -> str:
    scaling = learner.scaling
    if scaling.exponent is None:
        return f"{learner.label}: no law fitted: {scaling.reason}"
    power = scaling.exponent
    low, high = ("…" if end is None else f"{end:.2f}" for end in (power.low, power.high))
    weights = ", ".join(
        f"{fit.law.name} {fit.weight:.3f}" if fit.weight >= 0.001 else f"{fit.law.name} <0.001" for fit in scaling.laws
    )
    best = scaling.best_fit
    own = "" if best is None else f" (the law {best.law.name} itself has slope {best.local_exponent:.2f} on these d)"
    return f"{learner.label}: exponent {power.value:.2f} [{low}, {high}]{own}; AIC weights: {weights}"


def _print_unfinished(results: SweepResults, console: Console) -> None:
    """Trials that did not stop by their own rule, or could not choose, count as failures; say how many there were."""
    counts: dict[tuple[str, str], int] = {}
    for tally in results.outcomes:
        if tally.outcome in ("diverged", "not_converged", "ambiguous"):
            key = (tally.learner, tally.outcome)
            counts[key] = counts.get(key, 0) + tally.trials
    for (learner, outcome), trials in counts.items():
        console.print(
            f"  {learner}: {trials} {'trial' if trials == 1 else 'trials'} {outcome.replace('_', ' ')},"
            " counted as failures",
            highlight=False,
        )
