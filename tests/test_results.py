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

from analysis.experiments.experiment import Expectation
from analysis.experiments.formula import Formula
from analysis.measures import ThresholdMeasure
from analysis.measures.growth import LAW_COLUMNS, growth_lines
from analysis.presets.comparison import compare_learners
from analysis.reports.report import summary
from analysis.reports.tables import csv_files, latex_table, markdown_table
from analysis.results.experiment_results import ExperimentResults
from analysis.tasks import Row
from test_verdict import jump, rows

DIMS = (3, 4, 6, 8, 12, 16, 24, 32)

THRESHOLD = ThresholdMeasure()


@lru_cache
def found(dims: tuple[int, ...] = DIMS) -> ExperimentResults:
    """The results of theory's own jumps."""
    return results(quadratic, linear, dims=dims)


def results(
    ddpg: Callable[[int], int], reengage: Callable[[int], int], predicted: dict[str, str] | None = None, **values: Any
) -> ExperimentResults:
    """Results of simulated searches whose success jumps at a given N; perhaps with other predictions."""
    experiment = compare_learners(**{"dims": DIMS, "learners": ("ddpg", "reengage"), **values})
    if predicted is not None:
        curves = []
        for curve in experiment.curves:
            formula = Formula(predicted[curve.learner])
            points = tuple(replace(point, predicted=formula(point.task)) for point in curve.points)
            curves.append(replace(curve, prediction=formula, points=points))
        experiment = replace(experiment, curves=tuple(curves))
    at = {"ddpg": ddpg, "reengage": reengage}
    answers = {q: rows(jump(at[q.task.learner](q.task.dim))) for q in experiment.questions}
    return ExperimentResults.from_answers(experiment, answers)


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


def test_few_dimensions_are_undecided() -> None:
    found = results(quadratic, linear, dims=(3, 4))
    assert found.verdict.status == "undecided"
    assert "a law needs three dimensions with success on both sides of 1/2, found at d = 3, 4" in found.verdict.sentence
    assert found.complaints() == ["theory: undecided"]


def exact_laws(results: ExperimentResults) -> list[tuple[str, ...]]:
    return [() if curve.growth is None else curve.growth.exact_laws for curve in results.curves]


def test_resolved_integers_say_which_law_they_are() -> None:
    """Weights leave open which law N₅₀ follows here, the integers do not."""
    ddpg, _ = found((3, 4, 6)).curves
    assert ddpg.growth is not None
    assert ddpg.growth.integers == {3: 4, 4: 7, 6: 16}
    assert exact_laws(found((3, 4, 6))) == [("the prediction", "D+1"), ("the prediction", "d-1")]
    assert "  resolved N_min (d = 3, 4, 6): exactly the prediction, D+1" in growth_lines(ddpg)
    other = results(lambda d: d**2, linear, dims=(3, 4, 6), learners=("ddpg",))
    assert exact_laws(other) == [("d^2",)]
    # A multiple of a standing law has no law of its own, and is the prediction all the same.
    alone: dict[str, Any] = {"dims": (3, 4, 6), "learners": ("reengage",)}
    doubled = results(quadratic, lambda d: 2 * d, predicted={"reengage": "2*d"}, **alone)
    assert exact_laws(doubled) == [("the prediction",)]
    assert summary(doubled)["curves"]["ReenGAGE"]["exact_laws"] == ["the prediction"]
    (curve,) = doubled.curves
    assert curve.growth is not None
    none = replace(curve, growth=replace(curve.growth, exact_laws=()))
    assert "none of these laws, with constant 1" in " ".join(growth_lines(none))
    assert exact_laws(results(quadratic, lambda d: 2 * d, **alone)) == [()]  # d - 1 is predicted


@pytest.mark.parametrize("dims", [(2, 3, 4, 6), (16, 20, 24, 28, 32)])
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


def read(results: ExperimentResults, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(csv_files(results)[name].splitlines()))


def test_the_thresholds_file() -> None:
    rows = read(found(), "thresholds.csv")
    assert [(row["learner"], int(row["dim"])) for row in rows] == [(x, d) for x in ("ddpg", "reengage") for d in DIMS]
    for row in rows:
        jump = {"ddpg": quadratic, "reengage": linear}[row["learner"]](int(row["dim"]))
        assert int(row["n_min"]) == int(row["predicted"]) == jump
        assert jump - 1 <= float(row["n50"]) <= jump
        assert (float(row["n50_low"]), float(row["n50_high"])) == (pytest.approx(jump - 1), pytest.approx(jump))
        assert (row["censored"], row["trials"]) == ("", "75")
        assert (row["construction"], row["group"]) == ("gradient-feedback", "so")
        assert (row["ratio"], row["resolved"], row["stopped"]) == ("1.0", "True", "resolved")
        assert (row["solver"], row["x"]) == ("descent (nesterov)", row["dim"])
        assert row["curve"] == {"ddpg": "DDPG", "reengage": "ReenGAGE"}[row["learner"]]


def test_a_censored_threshold_is_not_hidden() -> None:
    found = results(quadratic, linear, dims=(2, *DIMS), learners=("reengage",))
    rows = read(found, "thresholds.csv")
    row = next(row for row in rows if (row["learner"], row["dim"]) == ("reengage", "2"))
    assert (row["n50"], row["n50_low"], row["censored"], row["n_min"]) == ("1.0", "", "left", "1")
    assert "ReenGAGE dim=2: threshold censored (left)" in found.complaints()
    assert "$\\le 1.0$" in latex_table(found)


def test_an_extrapolation_does_not_leave_out_what_never_succeeded() -> None:
    experiment = compare_learners(dims=(8, 10, 12, 16, 24, 32), learners=("ddpg",))
    rising = {}
    for question in experiment.questions:
        n50 = 1.2 * quadratic(question.task.dim)
        cells = {round(n50 * part): (round(100 / (1 + part**-12)), 100) for part in (0.8, 0.9, 1.0, 1.1, 1.3)}
        rising[question] = rows(cells, "precision")
    growth = ExperimentResults.from_answers(experiment, rising).curves[0].growth
    assert growth is not None
    assert growth.ratio_limit is not None
    assert growth.ratio_limit.dims == (8, 10, 12, 16, 24, 32)
    never = {**rising, question: rows({500: (0, 100), 1000: (0, 100)}, "censored")}
    growth = ExperimentResults.from_answers(experiment, never).curves[0].growth
    assert growth is not None
    assert growth.ratio_limit is None


def test_the_scaling_file() -> None:
    rows = read(found(), "scaling.csv")
    weights = [float(row["weight"]) for row in rows if row["learner"] == "ddpg" and row["weight"]]
    assert sum(weights) == pytest.approx(1, abs=1e-5)
    power = next(row for row in rows if (row["learner"], row["law"]) == ("ddpg", "power"))
    assert float(power["exponent_low"]) < float(power["exponent"]) < float(power["exponent_high"])
    # Where nothing was fitted, the file still names its columns.
    assert csv_files(results(quadratic, linear, dims=(3, 4)))["scaling.csv"] == ",".join(LAW_COLUMNS) + "\n"


def test_the_prediction_is_a_candidate_where_it_is_no_standing_one() -> None:
    (second,) = results(
        quadratic, lambda d: 2 * linear(d) - 1, construction="no-reward-gradient", learners=("reengage",)
    ).curves
    assert second.growth is not None
    assert [fit.law.name for fit in second.growth.scaling.laws] == ["d-1", "d", "D+1", "d^2", "2D+1", "2d-3", "2d-1"]
    assert second.growth.scaling.best == "2d-3"
    assert all(row.ratio == 1 for row in second.points)


def ended(found: ExperimentResults, counted: list[tuple[str, int, bool, int]]) -> ExperimentResults:
    """The results with other trials at the first point: outcome, the start that was kept, success, how many."""
    rows = [
        (1, Row(0, {"outcome": outcome, "accepted": ok, "uniform_regret": 0.0, "start": start}))
        for outcome, start, ok, count in counted
        for _ in range(count)
    ]
    first, *others = found.curves
    points = (replace(first.points[0], rows=rows), *(replace(point, rows=()) for point in first.points[1:]))
    return replace(found, curves=(replace(first, points=points), *others))


def test_the_summary_is_json_and_complete() -> None:
    told = ended(found(), [("converged", 0, True, 90), ("diverged", 0, False, 2)])
    data = json.loads(json.dumps(summary(told), allow_nan=False))
    assert set(data["curves"]) == {"DDPG", "ReenGAGE"}
    ddpg = data["curves"]["DDPG"]
    columns = csv_files(told)["thresholds.csv"].splitlines()[0].split(",")
    assert set(columns) <= set(ddpg["thresholds"][0])
    assert set(ddpg["exponent"]) == {"value", "low", "high"}
    assert ddpg["outcomes"] == {"converged": 90, "diverged": 2}
    assert data["curves"]["ReenGAGE"]["outcomes"] == {"converged": 25 * 3 * len(DIMS)}
    assert data["verdict"] == told.verdict.sentence
    assert "DDPG: 2 trials diverged" in told.complaints()


def test_how_often_one_start_would_have_been_in_the_wrong_component() -> None:
    counted = [
        ("converged", 0, True, 60),
        ("converged", 1, True, 40),
        ("stationary", 1, False, 1000),  # failures say nothing about the component
    ]

    def wrong(**values: Any) -> tuple[Any, str]:
        made = ended(results(quadratic, lambda d: d, dims=(3, 4), **values), counted)  # too few for laws
        curve = made.curves[0]
        return summary(made)["curves"]["DDPG"]["wrong_component"], " ".join(THRESHOLD.notes(curve))

    component, note = wrong(group="o")
    assert component == {"wrong": 40, "successes": 100}
    assert "of 100 successful trials, 40 (40%) had their first start in the component that U is not in" in note
    for one_component in ({"group": "so"}, {"group": "o", "method": "global-solver"}):
        # A global solver starts again for its own reasons.
        component, note = wrong(**one_component)
        assert component is None
        assert "component" not in note


def test_marks_of_integers_are_integers() -> None:
    """In a figure of least N a resolved 1 is 1, not a bound on N50; an unresolved N has an interval of integers."""
    experiment = found().experiment
    integers = replace(
        experiment,
        curves=tuple(replace(curve, expectation=Expectation("equal")) for curve in experiment.curves),
    )
    task = experiment.points[0].task
    resolved = THRESHOLD.estimate(task, rows({1: (25, 25)}).rows)
    mark, integer = THRESHOLD.mark(resolved, integers)
    assert (mark.value, mark.low, mark.high, mark.censored, integer) == (1, None, None, "", None)
    mark, integer = THRESHOLD.mark(resolved, experiment)
    assert (mark.censored, integer) == ("left", 1)
    open_one = THRESHOLD.estimate(task, rows({4: (1, 12), 5: (5, 12), 6: (8, 12), 7: (11, 12)}).rows)
    mark, integer = THRESHOLD.mark(open_one, integers)
    assert open_one.fit is not None
    assert (mark.value, mark.censored, integer) == (open_one.fit.n_min, "", None)
    assert mark.low is not None
    assert mark.high is not None
    assert mark.low == int(mark.low) <= mark.value <= int(mark.high) == mark.high


def test_tables_for_papers_carry_the_interval_in_their_notation() -> None:
    latex, markdown = latex_table(found()), markdown_table(found())
    thresholds = [curve.points[at].estimate.fit for at in range(len(DIMS)) for curve in found().curves]
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
