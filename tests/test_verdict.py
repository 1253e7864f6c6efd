"""Verdicts: data that follow a prediction agree with it and with no wrong one; too few data agree with nothing."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from analysis.measures.fixed_sizes import ErrorEstimate, FixedSizes
from analysis.results.verdict import PointResult, Verdict, combine, judge
from analysis.tasks.setting import Setting

from analysis.experiments.experiment import Curve, Expectation, Experiment, Point
from analysis.measures.threshold_search import ThresholdSearch
from analysis.presets.loading import PRESETS, make_experiment, preset_text
from analysis.results import experiment_results as results_module
from analysis.results.experiment_results import ExperimentResults
from analysis.running.sweep import Plan
from analysis.statistics import threshold as threshold_module
from analysis.statistics.counts import Counts
from analysis.statistics.threshold import fit_threshold

Cells = dict[int, tuple[int, int]]


def jump(at: int, trials: int = 25) -> Cells:
    """Success jumps from none to all at an integer."""
    return {n: (0 if n < at else trials, trials) for n in (at - 1, at, 2 * at) if n}


def rise(n50: float, slope: float, trials: int = 400) -> Cells:
    """Success rises along a logistic curve in log N; the counts are the expected ones."""
    sizes = sorted({max(1, round(n50 * math.exp(z / slope))) for z in (-4, -2, -1, -0.5, 0, 0.5, 1, 2, 4)})
    return {n: (round(trials / (1 + (n50 / n) ** slope)), trials) for n in sizes}


def search(setting: Setting, cells: Cells) -> ThresholdSearch:
    found = ThresholdSearch(setting, cells, stopped="resolved")
    found.threshold = fit_threshold(Counts.from_cells(cells))
    return found


def errors(setting: Setting, sizes: tuple[int, ...], constant: float) -> FixedSizes:
    """Squared errors of mean constant/N exactly that scatter by a fifth."""
    values = {n: [constant / n * part for part in (0.8, 1.2)] * (setting.trials // 2) for n in sizes}
    return FixedSizes(setting, sizes, values, dict.fromkeys(sizes, 0), "complete")


def follow(experiment: Experiment) -> dict[Setting, Plan]:
    """Finished plans whose data are what the experiment predicts."""
    plans: dict[Setting, Plan] = {}
    for curve in experiment.curves:
        for point in curve.points:
            if point.setting in plans and curve.expectation.kind == "none":
                continue
            assert point.predicted is not None
            if point.sizes:
                plans[point.setting] = errors(point.setting, point.sizes, point.predicted)
            elif curve.expectation.kind == "equal":
                plans[point.setting] = search(point.setting, jump(int(point.predicted)))
            elif curve.expectation.kind == "within":
                plans[point.setting] = search(point.setting, rise(point.predicted, 25))
            else:  # descent needs a constant factor more than what determines U
                plans[point.setting] = search(point.setting, rise(1.3 * point.predicted, 8))
    return plans


@pytest.fixture(autouse=True)
def _only_what_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verdict reads a test of fit or the laws of integers; they cost most of the time."""
    growth = results_module._growth

    def judged_growth(experiment: Experiment, curve: Curve, plans: Mapping[Setting, Plan]) -> Any:
        return growth(experiment, curve, plans) if curve.expectation.kind == "order" else None

    monkeypatch.setattr(results_module, "_growth", judged_growth)
    monkeypatch.setattr(threshold_module, "lack_of_fit", lambda *arguments: None)


def results(experiment: Experiment, plans: dict[Setting, Plan]) -> ExperimentResults:
    starts = {setting.hash(): (1.0, 1) for setting in experiment.settings}
    return ExperimentResults.from_plans(experiment, plans, [], starts)


def table(name: str) -> dict[str, Any]:
    return tomllib.loads(preset_text(name))


WRONG: dict[str, tuple[str, ...]] = {
    "equal": ("({}) + 1", "2*({})"),
    "order": ("d - 1", "2*({}) + 8", "({})/3", "d**1.5", "d**3"),
    "within": ("2*({})", "({})/2", "d*({})", "1.5*({})"),
}
"""Wrong predictions in the place of the right one, by what is expected."""


def judged(name: str) -> Iterator[tuple[str, int, str]]:
    for index, entry in enumerate(table(name)["curves"]):
        for wrong in WRONG.get(entry.get("expect", "none"), ()):
            yield name, index, wrong


def spoiled(entry: dict[str, Any], wrong: str) -> dict[str, Any]:
    """The table of a curve with wrong predictions."""
    changed = dict(entry)
    if "predicted" in entry:
        changed["predicted"] = wrong.format(entry["predicted"])
    if "points" in entry:
        changed["points"] = [{**p, "predicted": wrong.format(p["predicted"])} for p in entry["points"]]
    assert changed != entry
    return changed


ALTERED = [case for name in PRESETS for case in judged(name)]


def test_every_preset_judges_something() -> None:
    assert {name for name, _, _ in ALTERED} == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_data_that_follow_a_preset_agree_with_it(name: str) -> None:
    experiment = make_experiment(name, table(name))
    found = results(experiment, follow(experiment))
    statuses = {curve.curve.label: curve.verdict.status for curve in found.curves}
    expected = {c.label: "not judged" if c.expectation.kind == "none" else "agrees" for c in experiment.curves}
    assert statuses == expected
    assert found.verdict.status == ("agrees" if "agrees" in expected.values() else "undecided")
    assert found.complaints() == [] or "censored" in " ".join(found.complaints())


@pytest.mark.parametrize(("name", "index", "wrong"), ALTERED)
def test_a_wrong_prediction_disagrees(name: str, index: int, wrong: str) -> None:
    right = table(name)
    entry = right["curves"][index]
    plans = follow(make_experiment(name, {**right, "curves": [entry]}))
    experiment = make_experiment(name, {**right, "curves": [spoiled(entry, wrong)]})
    found = results(experiment, plans)
    assert [curve.verdict.status for curve in found.curves] == ["disagrees"] * len(found.curves)
    assert found.verdict.status == "disagrees"
    assert found.verdict.sentence.endswith("This disagrees with theory.")
    assert "theory: disagrees" in found.complaints()


# --- one curve by hand --------------------------------------------------------------------------------------


def curve_of(kind: str, predicted: list[float | None], tolerance: float = 0.05) -> Curve:
    points = tuple(Point(dim, Setting(dim=dim), value) for dim, value in enumerate(predicted, start=3))
    return Curve("DDPG", points, expectation=Expectation(kind, tolerance))


def measured(curve: Curve, cells: list[Cells]) -> list[PointResult]:
    return [
        PointResult(point, fit_threshold(Counts.from_cells(c)), (), "budget", 1.0, 1)
        for point, c in zip(curve.points, cells, strict=True)
    ]


def verdict(kind: str, predicted: list[float | None], cells: list[Cells], tolerance: float = 0.05) -> Verdict:
    curve = curve_of(kind, predicted, tolerance)
    return judge(curve, measured(curve, cells), None)


UNRESOLVED: Cells = {3: (0, 5), 4: (5, 5)}
"""0 of 5 and 5 of 5 have p = 1/32 each, far above the level at which an integer is resolved."""

NEVER: Cells = {1: (0, 50), 8: (0, 50), 64: (0, 50)}
ALWAYS: Cells = {1: (50, 50), 2: (50, 50)}
FLAT: Cells = {4: (25, 50), 8: (24, 50), 16: (25, 50)}


def test_equal_agrees_only_where_every_integer_is_resolved() -> None:
    assert verdict("equal", [4, 7], [jump(4), jump(7)]).status == "agrees"
    assert verdict("equal", [4, 7], [jump(4), jump(8)]).status == "disagrees"
    undecided = verdict("equal", [4, 4], [jump(4), UNRESOLVED])
    assert undecided.status == "undecided"
    assert "1 of 2 points" in undecided.sentence
    assert "not resolved at 4" in undecided.sentence
    # One wrong point outweighs an unresolved one.
    assert verdict("equal", [4, 5], [UNRESOLVED, jump(6)]).status == "disagrees"
    assert verdict("equal", [4, None], [jump(4), jump(4)]).status == "undecided"


def test_equal_disagrees_with_what_the_interval_excludes_even_if_no_integer_is_resolved() -> None:
    slow = rise(20, 6, trials=60)
    assert not fit_threshold(Counts.from_cells(slow)).resolved
    assert verdict("equal", [40], [slow]).status == "disagrees"
    assert verdict("equal", [10], [slow]).status == "disagrees"
    assert verdict("equal", [20], [slow]).status == "undecided"


@pytest.mark.parametrize("kind", ["equal", "within", "at most", "order"])
@pytest.mark.parametrize("cells", [UNRESOLVED, FLAT, {4: (1, 1)}, {4: (1, 2)}], ids=str)
def test_lack_of_data_never_agrees(kind: str, cells: Cells) -> None:
    assert verdict(kind, [4], [cells]).status == "undecided"


@pytest.mark.parametrize("kind", ["equal", "within", "at most", "order"])
def test_a_censored_threshold_never_agrees_with_a_number_in_reach(kind: str) -> None:
    assert verdict(kind, [4], [NEVER]).status in ("undecided", "disagrees")
    assert verdict(kind, [100], [NEVER]).status == "undecided"


def test_a_threshold_that_is_never_reached_disagrees_with_one_that_is_predicted() -> None:
    for kind in ("equal", "within", "at most"):
        assert verdict(kind, [4], [NEVER]).status == "disagrees", kind
    assert verdict("within", [4], [ALWAYS]).status == "disagrees"
    assert verdict("equal", [4], [ALWAYS]).status == "disagrees"
    assert verdict("at most", [4], [ALWAYS]).status == "agrees"


def test_within_needs_the_whole_interval() -> None:
    sharp = rise(100, 30)
    fit = fit_threshold(Counts.from_cells(sharp))
    assert fit.n50_low is not None
    assert fit.n50_high is not None
    assert 98 < fit.n50_low < 100 < fit.n50_high < 102
    assert verdict("within", [100], [sharp], 0.05).status == "agrees"
    assert verdict("within", [104], [sharp], 0.10).status == "agrees"
    assert verdict("within", [120], [sharp], 0.10).status == "disagrees"
    assert verdict("within", [80], [sharp], 0.10).status == "disagrees"
    assert verdict("within", [100], [sharp], 0.002).status == "undecided"  # the interval is wider than that
    assert verdict("within", [100], [rise(100, 4, trials=20)], 0.05).status == "undecided"


def test_at_most_is_one_sided() -> None:
    sharp = rise(100, 30)
    assert verdict("at most", [150], [sharp]).status == "agrees"
    assert verdict("at most", [103], [sharp]).status == "agrees"
    assert verdict("at most", [100], [sharp]).status == "undecided"
    assert verdict("at most", [90], [sharp]).status == "disagrees"
    assert verdict("at most", [150, 90], [sharp, sharp]).status == "disagrees"
    assert verdict("at most", [150, 100], [sharp, sharp]).status == "undecided"


def test_errors_are_judged_at_the_largest_n() -> None:
    def with_errors(last: ErrorEstimate, tolerance: float) -> Verdict:
        curve = curve_of("within", [2.0], tolerance)
        first = ErrorEstimate(10, 9.0, 8.0, 10.0, 100, 0)  # higher orders in σ; says nothing about the constant
        return judge(curve, [PointResult(curve.points[0], None, (first, last), "complete", 1.0, 1)], None)

    assert with_errors(ErrorEstimate(100, 0.0201, 0.0195, 0.0207, 100, 0), 0.05).status == "agrees"
    assert with_errors(ErrorEstimate(100, 0.0240, 0.0230, 0.0250, 100, 0), 0.05).status == "disagrees"
    assert with_errors(ErrorEstimate(100, 0.0200, 0.0100, 0.0300, 4, 0), 0.05).status == "undecided"
    assert with_errors(ErrorEstimate(100, math.nan, math.nan, math.nan, 0, 9), 0.05).status == "undecided"
    assert with_errors(ErrorEstimate(100, 0.0200, -math.inf, math.inf, 1, 0), 0.05).status == "undecided"


@pytest.mark.parametrize(("failed", "status"), [(0, "agrees"), (1, "agrees"), (2, "undecided"), (75, "undecided")])
def test_a_mean_over_survivors_decides_nothing(failed: int, status: str) -> None:
    """Trials without a parameter are in no mean: up to 1 % are named, more leave it open, whatever the rest say."""
    curve = curve_of("within", [2.0], 0.05)

    def judged(mean: float) -> Verdict:
        last = ErrorEstimate(100, mean, mean - 0.0006, mean + 0.0006, 100 - failed, failed)
        return judge(curve, [PointResult(curve.points[0], None, (last,), "complete", 1.0, 1)], None)

    assert judged(0.0201).status == status
    assert ("without a parameter" in judged(0.0201).sentence) == bool(failed)
    assert judged(0.04).status == ("disagrees" if status == "agrees" else "undecided")


def test_nothing_is_concluded_where_nothing_is_expected() -> None:
    said = verdict("none", [4], [jump(4)])
    assert said.status == "not judged"
    assert "equals the predicted one at 1 of 1 points" in said.sentence
    assert "theory states no number" in verdict("none", [None], [jump(4)]).sentence


def test_the_worst_verdict_is_the_verdict() -> None:
    agrees, disagrees = Verdict("agrees", "A."), Verdict("disagrees", "B.")
    undecided, silent = Verdict("undecided", "C."), Verdict("not judged", "D.")
    assert combine([agrees, agrees]).status == "agrees"
    assert combine([agrees, silent]).status == "agrees"
    assert combine([silent]).status == "not judged"
    assert combine([]).status == "not judged"
    assert combine([agrees, undecided]).status == "undecided"
    assert combine([undecided, disagrees, agrees]).status == "disagrees"
    assert combine([agrees, disagrees]).sentence == "A. B. This disagrees with theory."


def test_too_few_transitions_disagree_with_what_is_needed() -> None:
    """No learner may need less than what determines U, from the dimension on where luck is out of the question."""
    experiment = make_experiment(
        "propositions", {**table("propositions"), "curves": table("propositions")["curves"][:1]}
    )
    plans: dict[Setting, Plan] = {
        point.setting: search(point.setting, rise(0.6 * (point.predicted or 0), 8)) for point in experiment.points
    }
    found = results(experiment, plans).verdict
    assert found.status == "disagrees"
    assert "fewer transitions than the prediction says are needed" in found.sentence
    lenient = replace(experiment.curves[0], expectation=Expectation("order"))
    assert results(replace(experiment, curves=(lenient,)), plans).verdict.status == "agrees"


def test_an_integer_resolved_below_what_is_needed_disagrees() -> None:
    curve = replace(curve_of("order", [7, 16, 29]), expectation=Expectation("order", not_below_from=0))

    def judged(first: int) -> Verdict:
        found = [fit_threshold(Counts.from_cells(jump(n))) for n in (first, 16, 29)]
        points = [
            PointResult(point, threshold, (), "resolved", 1.0, 1)
            for point, threshold in zip(curve.points, found, strict=True)
        ]
        return judge(curve, points, None)

    assert judged(7).status == "undecided"
    assert judged(6).status == "disagrees"
