"""The end of a run: files in the run directory and a report on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from analysis.experiment import LABELS, Experiment
from analysis.figures import Mark, Series, TheoryLine, paper_style, save_figure, thresholds_figure
from analysis.formula import Formula
from analysis.results import CurveResults, ExperimentResults
from analysis.run_directory import RunDirectory, to_json, write_atomically
from analysis.tables import (
    errors_csv,
    latex_table,
    law_record,
    scaling_csv,
    terminal_table,
    threshold_record,
    thresholds_csv,
)
from analysis.verdict import PointResult
from proofs_check.identifiability import convex_relaxation, transitions_for_useful

__all__ = ["print_report", "summary", "write_results"]

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
    curve, scaling, joint = results.curve, results.scaling, results.joint
    power = None if scaling is None else scaling.exponent
    outcomes: dict[str, int] = {}
    for tally in results.outcomes:
        outcomes[tally.outcome] = outcomes.get(tally.outcome, 0) + tally.trials
    wrong = results.wrong_component
    verdict, approach = results.verdict, results.approach
    return {
        "learner": curve.learner,
        "optimiser": curve.optimiser,
        "thresholds": [threshold_record(curve, row) for row in results.points if row.threshold is not None],
        "errors": [_errors_summary(row) for row in results.points if row.errors],
        "exponent": None if power is None else {"value": power.value, "low": power.low, "high": power.high},
        "joint_model": None
        if joint is None
        else {
            "exponent": joint.exponent,
            "low": joint.exponent_low,
            "high": joint.exponent_high,
            "lack_of_fit": joint.lack_of_fit,
        },
        "approach": None if approach is None else {**asdict(approach), "dims": list(approach.dims)},
        "laws": [] if scaling is None else [law_record(curve, fit) for fit in scaling.laws],
        "best_law": None if scaling is None else scaling.best,
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


_REJECTED = 0.01
"""p-value of a test of fit below which the model is not to be quoted."""


def _series(results: ExperimentResults, places: Mapping[Any, float]) -> list[Series]:
    # Integers where every curve is about integers: one figure does not mix them with N₅₀.
    integers = all(curve.curve.expectation.kind == "equal" for curve in results.curves)
    return [
        Series(
            curve.curve.label,
            curve.curve.learner,
            tuple(_mark(row, places[row.point.x], integers) for row in curve.points),
            joined=curve.curve.expectation.kind != "equal",
        )
        for curve in results.curves
    ]


def _mark(row: PointResult, x: float, integers: bool) -> Mark:
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


def write_results(results: ExperimentResults, directory: RunDirectory) -> list[Path]:
    """Write tables, summary and figure to the run directory; returns the paths."""
    experiment = results.experiment
    errors = experiment.measure == "error"
    texts = {
        **({"errors.csv": errors_csv(results)} if errors else {"thresholds.csv": thresholds_csv(results)}),
        **({"scaling.csv": scaling_csv(results)} if experiment.x == "dim" and not errors else {}),
        "table.tex": latex_table(results),
        "summary.json": to_json(summary(results)),
    }
    paths = []
    for name, text in texts.items():
        path = directory.path / name
        write_atomically(path, text)
        paths.append(path)
    values = list(dict.fromkeys(point.x for point in experiment.points))
    named = [str(value) for value in values if isinstance(value, str)]
    places = {value: float(value) if not isinstance(value, str) else n for n, value in enumerate(values, start=1)}
    about = {
        "configuration": experiment.hash(),
        "seed": str(experiment.common("seed")),
        "optimisers": ", ".join(dict.fromkeys(curve.optimiser for curve in experiment.curves)),
    }
    with paper_style():
        figure = thresholds_figure(
            _series(results, places),
            _theory_lines(experiment, places),
            x_label=_AXES.get(experiment.x, experiment.x.replace("_", " ")),
            y_label=_y_label(experiment),
            categories=named,
            heading=_heading(experiment),
        )
        paths += save_figure(figure, directory.figures, experiment.name, about)
    return paths


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


def print_report(results: ExperimentResults, written: Sequence[Path], console: Console) -> None:
    """Tables, exponents, verdict, files."""
    experiment = results.experiment
    epsilon = experiment.common("epsilon")
    console.print(f"\n{experiment.title}", highlight=False)
    if experiment.measure == "threshold" and epsilon is not None:
        console.print(f"success: regret ≤ {epsilon:g} at every goal", highlight=False)
    for curve in results.curves:
        console.print(terminal_table(curve, experiment.x), highlight=False)
        for line in _growth_lines(curve):
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
    console.print("\nVerdict:", style="bold", end=" ")
    console.print(f"{results.verdict.sentence}\n", highlight=False)
    for path in written:
        console.print(f"  {path}", highlight=False, soft_wrap=True)


def _growth_lines(results: CurveResults) -> list[str]:
    label, scaling, joint = results.curve.label, results.scaling, results.joint
    if scaling is None:
        return []
    if scaling.exponent is None:
        return [f"{label}: no law fitted: {scaling.reason}"]
    power = scaling.exponent
    low, high = ("…" if end is None else f"{end:.2f}" for end in (power.low, power.high))
    weights = ", ".join(
        f"{fit.law.name} {fit.weight:.3f}" if fit.weight >= 0.001 else f"{fit.law.name} <0.001" for fit in scaling.laws
    )
    best = scaling.best_fit
    own = "" if best is None else f" (the law {best.law.name} itself has slope {best.local_exponent:.2f} on these d)"
    lines = [f"{label}: exponent {power.value:.2f} [{low}, {high}]{own}; AIC weights: {weights}"]
    if joint is not None:
        low, high = ("…" if end is None else f"{end:.2f}" for end in (joint.exponent_low, joint.exponent_high))
        fit = "" if joint.lack_of_fit is None else f"; lack of fit: p = {joint.lack_of_fit:.3f}"
        if joint.lack_of_fit is not None and joint.lack_of_fit < _REJECTED:
            fit += ", so that the counts reject this model and its interval means little"
        lines.append(f"  one model of all counts: exponent {joint.exponent:.2f} [{low}, {high}]{fit}")
    approach = results.approach
    if approach is not None:
        high = "…" if approach.limit_high is None else f"{approach.limit_high:.2f}"
        lines.append(
            f"  N50 over the prediction ≈ {approach.limit:.2f} + {approach.coefficient:.2f}·d^-{approach.power:.2f}:"
            f" limit in [{approach.limit_low:.2f}, {high}], p = {approach.limit_one:.2f} for 1,"
            f" from d = {', '.join(map(str, approach.dims))}"
            + (" (the power is at the end of its range)" if approach.power_bounded else "")
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
