"""Verdicts: data that follow a prediction agree with it and with no wrong one; too few data agree with nothing."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from analysis.experiments.estimate import Estimate, Growth, PointResult, SizeEstimate, Verdict, combine
from analysis.experiments.experiment import Curve, Expectation, Experiment, Point, Question
from analysis.experiments.formula import Formula
from analysis.measures import ErrorMeasure, ThresholdMeasure
from analysis.presets.loading import PRESETS, make_experiment, preset_text
from analysis.results.experiment_results import ExperimentResults
from analysis.running.sweep import Finished
from analysis.statistics import scaling_law
from analysis.statistics.counts import Counts
from analysis.statistics.threshold import fit_threshold
from analysis.tasks import Row, make_task

THRESHOLD, ERROR = ThresholdMeasure(), ErrorMeasure(sizes=("D",))

Cells = dict[int, tuple[int, int]]


def jump(at: int, trials: int = 25) -> Cells:
    """Success jumps from none to all at an integer."""
    return {n: (0 if n < at else trials, trials) for n in (at - 1, at, 2 * at) if n}


def rise(n50: float, slope: float, trials: int = 400) -> Cells:
    """Success rises along a logistic curve in log N; the counts are the expected ones."""
    sizes = sorted({max(1, round(n50 * math.exp(z / slope))) for z in (-4, -2, -1, -0.5, 0, 0.5, 1, 2, 4)})
    return {n: (round(trials / (1 + (n50 / n) ** slope)), trials) for n in sizes}


def rows(cells: Cells, stopped: str = "resolved") -> Finished:
    """Trials that succeed as often as the cells say."""
    kept = {
        ok: Row(0, {"outcome": "converged", "accepted": True, "uniform_regret": 0.0 if ok else 2.0, "start": 0})
        for ok in (False, True)
    }
    return Finished(stopped, [(n, kept[i < ok]) for n, (ok, trials) in cells.items() for i in range(trials)])


def errors(question: Question, constant: float) -> Finished:
    """Squared errors of mean constant/N exactly that scatter by a fifth."""
    plan = question.measure.plan(question.task)
    k = question.task.letters()["k"]  # the mean regret over goals of k coordinates is the squared error over 2k
    found = [
        (batch.size, Row(trial, {"outcome": "converged", "mean_regret": constant / batch.size * part / (2 * k)}))
        for batch in plan.next_round()
        for trial in batch.trials
        for part in [(0.8, 1.2)[trial % 2]]
    ]
    return Finished("complete", found)


Answers = dict[Question, Finished]


def follow(experiment: Experiment) -> Answers:
    """Finished plans whose data are what the experiment predicts."""
    answers: Answers = {}
    for curve in experiment.curves:
        for point in curve.points:
            kind = curve.expectation.kind
            if point.question in answers and kind == "none":
                continue
            assert point.predicted is not None
            if isinstance(point.measure, ErrorMeasure):
                answers[point.question] = errors(point.question, point.predicted)
            elif kind == "equal":
                answers[point.question] = rows(jump(int(point.predicted)))
            elif kind == "within":
                answers[point.question] = rows(rise(point.predicted, 25))
            else:  # descent needs a constant factor more than what determines U
                answers[point.question] = rows(rise(1.3 * point.predicted, 8))
    return answers


def once(fit: Callable[..., Any]) -> Callable[..., Any]:
    """A fit of laws that is made once for the same data: most cases here share theirs."""
    known: dict[Any, Any] = {}

    def fitted(problem: Any, *how: Any) -> Any:
        law = how[0] if isinstance(how[0], scaling_law.Law) else None
        shape = None if law is None else (law.name, law.order, *law.log(problem.dims))
        key = (problem.dims, tuple(problem.likelihoods), shape)
        if key not in known:
            known[key] = fit(problem, *how)
        return known[key]

    return fitted


REMEMBERED = {
    "analysis.measures.threshold.fit_threshold": cache(fit_threshold),
    "analysis.statistics.scaling_law.DimensionLikelihood": cache(scaling_law.DimensionLikelihood),
    "analysis.statistics.scaling_law._fit_law": once(scaling_law._fit_law),
    "analysis.statistics.scaling_law._fit_exponent": once(scaling_law._fit_exponent),
}


@pytest.fixture(autouse=True)
def _only_what_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No verdict reads tests of fit, intervals of constants or the laws of integers; they cost most of the time."""
    growth = ThresholdMeasure.growth

    def judged_growth(self: ThresholdMeasure, curve: Curve, points: Sequence[PointResult]) -> Growth | None:
        return growth(self, curve, points) if curve.expectation.kind == "order" else None

    monkeypatch.setattr(ThresholdMeasure, "growth", judged_growth)
    monkeypatch.setattr("analysis.statistics.threshold.lack_of_fit", lambda *arguments: None)
    monkeypatch.setattr(scaling_law, "_interval_end", lambda *arguments: None)
    for place, remembered in REMEMBERED.items():
        monkeypatch.setattr(place, remembered)


results = ExperimentResults.from_answers


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
    answers = follow(make_experiment(name, {**right, "curves": [entry]}))
    experiment = make_experiment(name, {**right, "curves": [spoiled(entry, wrong)]})
    found = results(experiment, answers)
    assert [curve.verdict.status for curve in found.curves] == ["disagrees"] * len(found.curves)
    assert found.verdict.status == "disagrees"
    assert found.verdict.sentence.endswith("This disagrees with theory.")
    assert "theory: disagrees" in found.complaints()


# --- one curve by hand --------------------------------------------------------------------------------------


def curve_of(kind: str, predicted: Sequence[float | None], tolerance: float = 0.05) -> Curve:
    points = tuple(
        Point(dim, make_task({"dim": dim}), THRESHOLD, value) for dim, value in enumerate(predicted, start=3)
    )
    return Curve("DDPG", points, expectation=Expectation(kind, tolerance))


def measured(curve: Curve, cells: Sequence[Cells]) -> list[PointResult]:
    return [
        PointResult(point, point.measure.estimate(point.task, rows(c).rows), "budget")
        for point, c in zip(curve.points, cells, strict=True)
    ]


def judge(curve: Curve, points: Sequence[PointResult]) -> Verdict:
    return curve.points[0].measure.judge(curve, points, None)


def verdict(kind: str, predicted: Sequence[float | None], cells: Sequence[Cells], tolerance: float = 0.05) -> Verdict:
    curve = curve_of(kind, predicted, tolerance)
    return judge(curve, measured(curve, cells))


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


def judged_errors(*by_size: SizeEstimate, tolerance: float = 0.05) -> Verdict:
    last = by_size[-1]
    value, low, high = (None if x is None else last.size * x for x in (last.mean, last.low, last.high))
    point = Point(3, make_task({"dim": 3}), ERROR, 2.0)
    curve = Curve("DDPG", (point,), expectation=Expectation("within", tolerance))
    censored = "undetermined" if value is None else ""
    estimate = Estimate(value, low, high, last.trials, censored, by_size=by_size)
    return judge(curve, [PointResult(point, estimate, "complete")])


def test_errors_are_judged_at_the_largest_n() -> None:
    first = SizeEstimate(10, 9.0, 8.0, 10.0, 100)  # higher orders in σ; says nothing about the constant

    def status(*last: Any) -> str:
        return judged_errors(first, SizeEstimate(100, *last)).status

    assert status(0.0201, 0.0195, 0.0207, 100) == "agrees"
    assert status(0.0240, 0.0230, 0.0250, 100) == "disagrees"
    assert status(0.0200, 0.0100, 0.0300, 4) == "undecided"
    assert status(None, None, None, 0, 9) == "undecided"
    assert status(0.0200, None, None, 1) == "undecided"


@pytest.mark.parametrize(("failed", "status"), [(0, "agrees"), (1, "agrees"), (2, "undecided"), (75, "undecided")])
def test_a_mean_over_survivors_decides_nothing(failed: int, status: str) -> None:
    """Trials without a parameter are in no mean: up to 1 % are named, more leave it open, whatever the rest say."""

    def judged(mean: float) -> Verdict:
        return judged_errors(SizeEstimate(100, mean, mean - 0.0006, mean + 0.0006, 100 - failed, failed))

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
    answers = {point.question: rows(rise(0.6 * (point.predicted or 0), 8)) for point in experiment.points}
    found = results(experiment, answers).verdict
    assert found.status == "disagrees"
    assert "fewer transitions than the prediction says are needed" in found.sentence
    lenient = replace(experiment.curves[0], expectation=Expectation("order"))
    assert results(replace(experiment, curves=(lenient,)), answers).verdict.status == "agrees"


def test_an_integer_resolved_below_what_is_needed_disagrees() -> None:
    curve = replace(curve_of("order", [7, 16, 29]), expectation=Expectation("order", not_below_from=0))

    def judged(first: int) -> Verdict:
        return judge(curve, measured(curve, [jump(n) for n in (first, 16, 29)]))

    assert judged(7).status == "undecided"
    assert judged(6).status == "disagrees"


@pytest.mark.parametrize("predicted", ["100", "min(d, 100)"])
def test_an_order_of_0_is_an_order(predicted: str) -> None:
    """A threshold that stops to grow is predicted like another one, and data agree or disagree with it."""
    curve = {"label": "A", "dim": [16, 32, 64, 128, 256, 512], "predicted": predicted, "expect": "order"}
    experiment = make_experiment("flat", {"curves": [curve]})
    assert experiment.curves[0].predicted_order == 0
    for data, status in ((predicted, "agrees"), ("d", "disagrees"), ("d**2", "disagrees")):
        answers = {p.question: rows(jump(int(Formula(data)(p.task)))) for p in experiment.points}
        assert results(experiment, answers).verdict.status == status, data
