"""Results: the verdict follows the data and not the wish, and the files say what was measured."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from analysis.results.verdict import PointResult
from analysis.tasks.setting import Setting

from analysis.experiments.experiment import Experiment, compare_learners
from analysis.experiments.formula import Formula
from analysis.measures.threshold_search import ThresholdSearch
from analysis.reports.report import growth_lines, summary
from analysis.reports.results_figure import mark as mark_of
from analysis.reports.tables import latex_table, markdown_table, scaling_csv, thresholds_csv
from analysis.results.experiment_results import ExperimentResults
from analysis.running.sweep import Plan
from analysis.statistics.counts import Counts
from analysis.statistics.threshold import fit_threshold

DIMS = (3, 4, 6, 8, 12, 16, 24, 32)


@lru_cache
def found(dims: tuple[int, ...] = DIMS) -> ExperimentResults:
    """The results of theory's own jumps."""
    return results(quadratic, linear, dims=dims)


def plans(experiment: Experiment, jumps: dict[str, Callable[[int], int]]) -> dict[Setting, Plan]:
    """Finished searches whose success jumps from 0 of 25 to 25 of 25 at a given N."""
    found: dict[Setting, Plan] = {}
    for setting in experiment.settings:
        n = jumps[setting.learner](setting.dim)
        cells = {n - 1: (0, 25), n: (25, 25), 2 * n: (25, 25)} if n > 1 else {1: (25, 25)}
        search = ThresholdSearch(setting, cells, stopped="resolved")
        search.threshold = fit_threshold(Counts.from_cells(cells))
        found[setting] = search
    return found


def results(
    ddpg: Callable[[int], int],
    reengage: Callable[[int], int],
    outcomes: list[tuple[str, str, int, int, int]] | None = None,
    predicted: dict[str, str] | None = None,
    **values: Any,
) -> ExperimentResults:
    """Results of simulated searches; outcomes name the learner, whose first setting they are counted for."""
    experiment = compare_learners(**{"dims": DIMS, "learners": ("ddpg", "reengage"), **values})
    if predicted is not None:
        curves = []
        for curve in experiment.curves:
            formula = Formula(predicted[curve.learner])
            points = tuple(replace(point, predicted=formula(point.setting)) for point in curve.points)
            curves.append(replace(curve, formula=formula, points=points))
        experiment = replace(experiment, curves=tuple(curves))
    hashes = {setting.learner: setting.hash() for setting in experiment.settings}
    counted = [(hashes[learner], *rest) for learner, *rest in outcomes or []]
    starts = {setting.hash(): (1.0, 1) for setting in experiment.settings}
    return ExperimentResults.from_plans(
        experiment, plans(experiment, {"ddpg": ddpg, "reengage": reengage}), counted, starts
    )


def quadratic(dim: int) -> int:
    return dim * (dim - 1) // 2 + 1


def linear(dim: int) -> int:
    return dim - 1


def test_the_predicted_orders_agree() -> None:
    verdict = found().verdict
    assert verdict.status == "agrees"
    assert "DDPG's threshold grows quadratically with d" in verdict.sentence
    assert "ReenGAGE's threshold grows linearly with d" in verdict.sentence
    assert "(d-1) fits best" in verdict.sentence
    assert "equals the predicted one at 8 of 8 points" in verdict.sentence


@pytest.mark.parametrize(("ddpg", "reengage"), [(linear, linear), (quadratic, quadratic), (linear, quadratic)])
def test_other_orders_disagree(ddpg: Callable[[int], int], reengage: Callable[[int], int]) -> None:
    verdict = results(ddpg, reengage).verdict
    assert verdict.status == "disagrees"
    assert "This disagrees with theory" in verdict.sentence


def test_a_wrong_prediction_disagrees() -> None:
    for learner, right, wrong in (("ddpg", "D + 1", "d"), ("reengage", "d - 1", "d**2")):
        for formula, status in ((right, "agrees"), (wrong, "disagrees")):
            made = results(quadratic, linear, predicted={learner: formula}, learners=(learner,))
            assert made.verdict.status == status


def test_few_dimensions_are_undecided() -> None:
    found = results(quadratic, linear, dims=(3, 4))
    assert found.verdict.status == "undecided"
    assert "a law needs three dimensions with success on both sides of 1/2, found at d = 3, 4" in found.verdict.sentence
    assert found.complaints() == ["theory: undecided"]


def unpredicted(row: PointResult) -> PointResult:
    return replace(row, point=replace(row.point, predicted=None))


def test_resolved_integers_say_which_law_they_are() -> None:
    """Weights leave open which law N₅₀ follows here, the integers do not."""
    ddpg, reengage = found((3, 4, 6)).curves
    assert ddpg.resolved == {3: 4, 4: 7, 6: 16}
    assert (ddpg.exact_laws, reengage.exact_laws) == (("the prediction", "D+1"), ("the prediction", "d-1"))
    assert "  resolved smallest N (d = 3, 4, 6): exactly the prediction, D+1" in growth_lines(ddpg)
    (other,) = results(lambda d: d**2, linear, dims=(3, 4, 6), learners=("ddpg",)).curves
    assert other.exact_laws == ("d^2",)
    # A multiple of a standing law has no law of its own, and is the prediction all the same.
    alone: dict[str, Any] = {"dims": (3, 4, 6), "learners": ("reengage",)}
    doubled = results(quadratic, lambda d: 2 * d, predicted={"reengage": "2*d"}, **alone)
    assert doubled.curves[0].exact_laws == ("the prediction",)
    (wrong,) = (replace(curve, points=tuple(unpredicted(row) for row in curve.points)) for curve in doubled.curves)
    assert wrong.exact_laws == ()
    assert "none of these laws, with constant 1" in " ".join(growth_lines(wrong))
    assert summary(doubled)["curves"]["ReenGAGE"]["exact_laws"] == ["the prediction"]


@pytest.mark.parametrize("dims", [(2, 3, 4, 6), (3, 4, 6, 8), (16, 20, 24, 28, 32)])
def test_no_order_is_named_where_several_fit(dims: tuple[int, ...]) -> None:
    found = results(quadratic, linear, dims=dims)
    assert found.verdict.status == "undecided"
    assert "too few or too close" in found.verdict.sentence


@pytest.mark.parametrize("power", [0.5, 1.5, pytest.param(2.5, marks=pytest.mark.slow), 3.0])
@pytest.mark.parametrize("learner", [0, 1])
def test_a_law_that_is_not_listed_is_not_taken_for_one_that_is(power: float, learner: int) -> None:
    laws: list[Callable[[int], int]] = [quadratic, linear]
    laws[learner] = lambda d: max(2, round(2 * d**power))
    verdict = results(*laws, learners=(("ddpg", "reengage")[learner],)).verdict
    if laws[learner](DIMS[-1]) < (quadratic, linear)[learner](DIMS[-1]) - 1:
        # Fewer than identify U, at the largest d: that is not a question of laws.
        assert verdict.status == "disagrees"
        assert "fewer transitions than the prediction says are needed" in verdict.sentence
        return
    assert verdict.status == "undecided"
    assert f"follows none of the laws (a power {power:.1f}" in verdict.sentence.replace("0.49", "0.5").replace(
        "0.51", "0.5"
    )


def test_a_bare_exponent_would_mislead() -> None:
    """The line d − 1 has a log-log slope above 1; the verdict is linear all the same."""
    reengage = found().curves[1]
    assert reengage.scaling is not None
    exponent = reengage.scaling.exponent
    assert exponent is not None
    assert exponent.low is not None
    assert exponent.low > 1
    assert reengage.scaling.best == "d-1"
    assert reengage.scaling.order_weights[1] > 0.99


def test_the_thresholds_file() -> None:
    rows = list(csv.DictReader(thresholds_csv(found()).splitlines()))
    assert [(row["learner"], int(row["dim"])) for row in rows] == [(x, d) for x in ("ddpg", "reengage") for d in DIMS]
    for row in rows:
        jump = {"ddpg": quadratic, "reengage": linear}[row["learner"]](int(row["dim"]))
        assert int(row["n_min"]) == int(row["predicted"]) == jump
        assert jump - 1 <= float(row["n50"]) <= jump
        assert (float(row["n50_low"]), float(row["n50_high"])) == (pytest.approx(jump - 1), pytest.approx(jump))
        assert (row["censored"], row["trials"]) == ("", "75")
        assert (row["construction"], row["group"]) == ("gradient-feedback", "so")
        assert (row["ratio"], row["resolved"], row["stopped"]) == ("1.0", "True", "resolved")
        assert (row["optimiser"], row["x"]) == ("descent (nesterov)", row["dim"])
        assert row["curve"] == {"ddpg": "DDPG", "reengage": "ReenGAGE"}[row["learner"]]


def test_a_censored_threshold_is_not_hidden() -> None:
    found = results(quadratic, linear, dims=(2, *DIMS))
    rows = list(csv.DictReader(thresholds_csv(found).splitlines()))
    row = next(row for row in rows if (row["learner"], row["dim"]) == ("reengage", "2"))
    assert (row["n50"], row["n50_low"], row["censored"], row["n_min"]) == ("1.0", "", "left", "1")
    assert "ReenGAGE dim=2: threshold censored (left)" in found.complaints()
    assert "$\\le 1.0$" in latex_table(found)


def test_an_extrapolation_does_not_leave_out_what_never_succeeded() -> None:
    experiment = compare_learners(dims=(8, 10, 12, 16, 24, 32), learners=("ddpg",))
    rising: dict[Setting, Plan] = {}
    for setting in experiment.settings:
        n50 = 1.2 * quadratic(setting.dim)
        cells = {round(n50 * part): (round(100 / (1 + part**-12)), 100) for part in (0.8, 0.9, 1.0, 1.1, 1.3)}
        rising[setting] = ThresholdSearch(setting, cells, stopped="precision")
    starts = {setting.hash(): (1.0, 1) for setting in experiment.settings}
    ratio_limit = ExperimentResults.from_plans(experiment, rising, [], starts).curves[0].ratio_limit
    assert ratio_limit is not None
    assert ratio_limit.dims == (8, 10, 12, 16, 24, 32)
    last = experiment.settings[-1]
    never: dict[Setting, Plan] = {
        **rising,
        last: ThresholdSearch(last, {500: (0, 100), 1000: (0, 100)}, stopped="censored"),
    }
    assert ExperimentResults.from_plans(experiment, never, [], starts).curves[0].ratio_limit is None


def test_the_scaling_file() -> None:
    rows = list(csv.DictReader(scaling_csv(found()).splitlines()))
    weights = [float(row["weight"]) for row in rows if row["learner"] == "ddpg" and row["weight"]]
    assert sum(weights) == pytest.approx(1, abs=1e-5)
    power = next(row for row in rows if (row["learner"], row["law"]) == ("ddpg", "power"))
    assert float(power["exponent_low"]) < float(power["exponent"]) < float(power["exponent_high"])


def test_the_prediction_is_a_candidate_where_it_is_no_standing_one() -> None:
    second = results(
        lambda d: 2 * quadratic(d) - 1, lambda d: 2 * linear(d) - 1, construction="no-reward-gradient"
    ).curves[1]
    assert second.scaling is not None
    assert [fit.law.name for fit in second.scaling.laws] == ["d-1", "d", "D+1", "d^2", "2D+1", "2d-3", "2d-1"]
    assert second.scaling.best == "2d-3"
    assert all(row.ratio == 1 for row in second.points)


def test_the_summary_is_json_and_complete() -> None:
    outcomes = [("ddpg", "converged", 0, 1, 90), ("ddpg", "diverged", 0, 0, 2), ("reengage", "converged", 0, 1, 5)]
    found = results(quadratic, linear, outcomes)
    data = json.loads(json.dumps(summary(found), allow_nan=False))
    assert set(data["curves"]) == {"DDPG", "ReenGAGE"}
    ddpg = data["curves"]["DDPG"]
    columns = thresholds_csv(found).splitlines()[0].split(",")
    assert set(columns) <= set(ddpg["thresholds"][0])
    assert set(ddpg["exponent"]) == {"value", "low", "high"}
    assert ddpg["outcomes"] == {"converged": 90, "diverged": 2}
    assert data["verdict"] == found.verdict.sentence
    assert "DDPG: 2 trials diverged" in found.complaints()


def test_how_often_one_start_would_have_been_in_the_wrong_component() -> None:
    outcomes = [
        ("ddpg", "converged", 0, 1, 60),
        ("ddpg", "converged", 1, 1, 40),
        ("ddpg", "stationary", 1, 0, 1000),  # failures say nothing about the component
    ]
    few: dict[str, Any] = {"outcomes": outcomes, "dims": (3, 4)}  # too few for laws, which take time
    assert results(quadratic, lambda d: d, group="o", **few).curves[0].wrong_component == (40, 100)
    assert results(quadratic, linear, **few).curves[0].wrong_component is None
    # A minimiser starts again for reasons of its own.
    assert results(quadratic, linear, group="o", method="minimiser", **few).curves[0].wrong_component is None


def test_marks_of_integers_are_integers() -> None:
    """In a figure of least N a resolved 1 is 1, not a bound on N50; an unresolved N has an interval of integers."""
    resolved = fit_threshold(Counts.from_cells({1: (25, 25)}))
    open_one = fit_threshold(Counts.from_cells({4: (1, 12), 5: (5, 12), 6: (8, 12), 7: (11, 12)}))
    point = found().curves[0].points[0]
    mark = mark_of(replace(point, threshold=resolved), 3.0, integers=True)
    assert (mark.value, mark.low, mark.high, mark.censored) == (1, None, None, "")
    assert mark_of(replace(point, threshold=resolved), 3.0, integers=False).censored == "left"
    mark = mark_of(replace(point, threshold=open_one), 3.0, integers=True)
    assert (mark.value, mark.censored) == (open_one.n_min, "")
    assert mark.low is not None
    assert mark.high is not None
    assert mark.low == int(mark.low) <= mark.value <= int(mark.high) == mark.high


def test_tables_for_papers_carry_the_interval_in_their_notation() -> None:
    latex, markdown = latex_table(found()), markdown_table(found())
    thresholds = [row.threshold for dim in range(len(DIMS)) for curve in found().curves for row in [curve.points[dim]]]
    numbers = re.findall(r"\\num\{([\d.]+)\((\d+)\)\}", latex)
    assert len(numbers) == len(thresholds) == 2 * len(DIMS)
    for (shown, digits), threshold in zip(numbers, thresholds, strict=True):
        assert threshold is not None
        assert threshold.n50_low is not None
        assert threshold.n50_high is not None
        places = len(shown.partition(".")[2])
        assert float(shown) == pytest.approx(threshold.n50, abs=0.5 * 10**-places + 1e-9)
        longer = max(threshold.n50 - threshold.n50_low, threshold.n50_high - threshold.n50)
        assert -1e-5 <= int(digits) / 10**places - longer < 10**-places  # rounded up, never down
    tables = markdown.split("\n\n")
    assert tables[0] == "**DDPG: descent (nesterov)**"
    lines = tables[1].splitlines()
    assert len(lines) == 2 + len(DIMS)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| 3 | 3.")
