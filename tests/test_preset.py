"""Presets: what ours predict is what the ledger's formulas say; a malformed file is one line."""

from __future__ import annotations

import copy
import csv
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.cli.main import main
from analysis.cli.scale import shard_of
from analysis.errors import ConfigError
from analysis.experiments.experiment import EXPECTATIONS, Point
from analysis.experiments.plan import Search
from analysis.measures import MEASURES, ErrorMeasure, ThresholdMeasure
from analysis.presets.loading import PRESETS, load_preset, make_experiment, preset_text
from analysis.results.experiment_results import ExperimentResults
from analysis.running.executors import SerialExecutor
from analysis.running.sweep import finish_questions
from analysis.storage.store import Store, identities
from analysis.tasks import make_task
from proofs_check.theory import (
    convex_relaxation,
    episodes_threshold,
    predicted_threshold,
    projected_threshold,
    relabelled_threshold,
    rotation_dimension,
    shared_goals_threshold,
)
from toyenvs.hypothesis_classes import hypothesis_class

Fields = SimpleNamespace


def plain(s: Fields) -> float | None:
    return predicted_threshold(s.construction, s.group, s.learner, s.dim)


def solvers(s: Fields) -> float | None:
    return {"relaxation": convex_relaxation(s.dim), "least-squares": s.dim**2}.get(s.method, plain(s))


def dependence(s: Fields) -> float | None:
    """Cauchy-Schwarz turns one scalar into d equations: the count of images."""
    dependent = s.goals == "hindsight" or s.actions == "on-policy"
    return predicted_threshold(s.construction, s.group, "reengage" if dependent else "ddpg", s.dim)


def classes(s: Fields) -> float | None:
    if s.construction == "translation":
        return {"ddpg": s.dim, "reengage": 1}[s.learner]  # d unknowns; one image shows them all
    counts = hypothesis_class(s.group)
    return {"ddpg": counts.scalar_count, "reengage": counts.gradient_count}[s.learner](s.dim)


def noise(s: Fields) -> float:
    """N·E‖Û − U‖² = tr of the inverse information of one transition, times tr of the metric: D² over the information.

    Skew Ω with ‖UΩ‖²_F = 2 per unit coordinate; a random unit action and goal have E(gᵀUΩa)² = 2/d² and
    E‖UΩa‖² = 2/d. A least-squares estimate weighted by w has the variance Σw²·var/(Σw·mean)².
    """
    degrees, d, sigma = rotation_dimension(s.dim), s.dim, s.noise
    value, image = 2 / d**2, 2 / d  # information of a scalar and of an image, per unit of 1/σ²
    if s.learner == "gradient-only":
        variance = 1 / image
    elif s.learner == "ddpg":
        variance = 1 / (s.relabels * value)
    else:
        # The loss (gᵀe)² + α‖e‖²/d has the curvature value + α·image/d and the noise g gᵀ + (α/d)·1 of its gradient,
        # whose square is (1 + 2α/d)·g gᵀ + (α/d)²·1.
        a = s.alpha / d
        variance = ((1 + 2 * a) * value + a**2 * image) / (value + a * image) ** 2
    return degrees * 2 * variance * sigma**2


def relabelling(s: Fields) -> float | None:
    if s.learner != "ddpg":
        return s.dim - 1
    if s.goals == "shared":
        return shared_goals_threshold(s.group, s.dim, s.relabels)
    return relabelled_threshold(s.group, s.dim, s.relabels)


ORACLES: dict[str, Callable[[Fields], float | None]] = {
    "propositions": plain,
    "groups": plain,
    "relabelling": relabelling,
    "episodes": lambda s: (
        episodes_threshold(s.group, s.dim, s.steps_per_goal)
        if s.learner == "ddpg"
        else next(e for e in range(1, s.dim) if e * s.steps_per_goal >= s.dim - 1)
    ),
    "goal-dimension": lambda s: projected_threshold(s.learner, s.dim, s.goal_dim or 0),
    "noise": noise,
    "classes": classes,
    "solvers": solvers,
    "dependence": dependence,
    "online": plain,
}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", PRESETS)
def test_predictions_are_those_of_the_ledger(name: str, full: bool) -> None:
    experiment = load_preset(name, full=full)
    for curve in experiment.curves:
        for point in curve.points:
            expected = ORACLES[name](Fields(**point.task.described))
            assert expected is not None
            assert point.predicted == pytest.approx(expected, rel=1e-12), (curve.label, point.x)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_says_what_it_shows(name: str) -> None:
    quick, full = load_preset(name), load_preset(name, full=True)
    assert quick.name == full.name == name
    assert quick.title
    assert len(quick.about) > 20
    assert "\n" not in quick.about
    assert set(quick.questions) != set(full.questions)
    assert quick.curves[0].label == full.curves[0].label
    for one in (quick, full):
        assert len({curve.label for curve in one.curves}) == len(one.curves)
        for curve in one.curves:
            xs = [point.x for point in curve.points]
            assert len(set(xs)) == len(xs) >= 2
            if one.x != "group":
                assert [point.task.described[one.x] for point in curve.points] == xs
            if name == "noise":
                assert isinstance(one.measure, ErrorMeasure)
                assert len(one.measure.sizes) == 3
    assert min(point.measure.search.trials for point in full.points) == 400
    assert max(point.measure.search.trials for point in quick.points) <= 200


def test_every_file_of_the_package_is_a_preset() -> None:
    import analysis

    files = {path.stem for path in (Path(analysis.__file__).parent / "presets").glob("*.toml")}
    assert files == set(PRESETS) == set(ORACLES)


def test_overrides_go_before_everything() -> None:
    experiment = load_preset("groups", full=True, overrides={"seed": 5, "trials": 7})
    assert {(q.task.described["seed"], q.measure.search.trials) for q in experiment.questions} == {(5, 7)}
    assert [curve.prediction for curve in experiment.curves] == [c.prediction for c in load_preset("groups").curves]


# --- a user's tables -----------------------------------------------------------------------------------------

TABLE: dict[str, Any] = {
    "title": "Mine",
    "x": "dim",
    "common": {"trials": 12},
    "curves": [
        {"label": "A", "learner": "reengage", "dim": [2, 3], "predicted": "d - 1", "expect": "equal"},
        {"label": "B", "learner": "ddpg", "dim": [2, 3]},
    ],
    "full": {"trials": 99},
}


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """TABLE with one entry replaced or, for None, removed."""
    table: Any = copy.deepcopy(TABLE)
    inner = table
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return dict(table)


def test_a_table_is_an_experiment() -> None:
    experiment = make_experiment("mine", TABLE)
    assert (experiment.name, experiment.title, experiment.x) == ("mine", "Mine", "dim")
    first, measure = experiment.curves[0], ThresholdMeasure(search=Search(trials=12))
    assert first.points == tuple(Point(d, make_task({"dim": d, "learner": "reengage"}), measure, d - 1) for d in (2, 3))
    assert (first.expectation.kind, experiment.curves[1].expectation.kind) == ("equal", "none")
    assert [point.predicted for point in experiment.curves[1].points] == [None, None]
    assert {p.measure.search.trials for p in make_experiment("mine", TABLE, full=True).points} == {99}


def test_lists_make_a_curve_for_each_combination() -> None:
    entry = {"label": "{learner}, T = {steps_per_goal}", "learner": ["ddpg", "reengage"], "steps_per_goal": [1, 2]}
    table = {"x": "dim", "curves": [{**entry, "dim": [2, 3, 4]}]}
    curves = make_experiment("lists", table).curves
    assert [curve.label for curve in curves] == ["ddpg, T = 1", "ddpg, T = 2", "reengage, T = 1", "reengage, T = 2"]
    assert all([point.x for point in curve.points] == [2, 3, 4] for curve in curves)
    fields = [curve.points[0].task.described for curve in curves]
    found = [(task["learner"], task["steps_per_goal"]) for task in fields]
    assert found == [("ddpg", 1), ("ddpg", 2), ("reengage", 1), ("reengage", 2)]


@pytest.mark.usefixtures("unchecked_types")
def test_an_axis_of_epsilon_shares_one_task_and_its_trials(tmp_path: Path) -> None:
    entry = {"label": "A", "learner": "reengage", "epsilon": [0.001, 0.01, 1.999]}
    experiment = make_experiment("e", {"x": "epsilon", "common": {"dim": 3, "trials": 20}, "curves": [entry]})
    assert [(p.x, p.measure.described["epsilon"]) for p in experiment.points] == [(x, x) for x in entry["epsilon"]]
    assert (len(experiment.tasks), len(experiment.questions)) == (1, 3)
    assert [len(shard_of(experiment, (number, 2))) for number in (1, 2)] == [3, 0]
    with Store(tmp_path / "sweep.sqlite", identities(experiment.tasks)) as store:
        answers = finish_questions(experiment, store, SerialExecutor(), workers=2)
        values = {(size, row.trial): row.values for answer in answers.values() for size, row in answer.rows}
        taken = [(values[size, row.trial], row.values) for answer in answers.values() for size, row in answer.rows]
        assert all(kept == given for kept, given in taken)
        assert len(store) == len(values) < len(taken)
    estimates = [row.estimate for row in ExperimentResults.from_answers(experiment, answers).curves[0].points]
    assert [estimate.integer for estimate in estimates] == [2, 2, 1]  # d - 1, and where nearly nothing is asked


@pytest.mark.parametrize("kind", [*EXPECTATIONS, "truth"])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_says_how_it_can_be_judged(measure: str, kind: str) -> None:
    table = {**changed(("curves", 0, "expect"), kind), "measure": measure}
    if measure == "error":
        table["sizes"] = ["D"]
    if kind in MEASURES[measure].expectations:
        assert make_experiment("mine", table).curves[0].expectation.kind == kind
        return
    with pytest.raises(ConfigError) as caught:
        make_experiment("mine", table)
    assert caught.value.argument == "expect"
    assert caught.value.allowed == f'with measure = "{measure}" use: {", ".join(MEASURES[measure].expectations)}'


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({}, "curves"),
    (changed(("curves",), [1]), "curves"),
    (changed(("colour",), "red"), "preset"),
    (changed(("curves", 0, "colour"), "red"), "curves"),
    (changed(("common", "colour"), "red"), "common"),
    (changed(("full", "colour"), "red"), "full"),
    (changed(("common",), [1]), "common"),
    (changed(("curves", 0, "full"), {"colour": "red"}), "full"),
    (changed(("title",), 3), "title"),
    (changed(("x",), "colour"), "x"),
    (changed(("x",), "goal_dim"), "goal_dim"),
    (changed(("measure",), "speed"), "measure"),
    (changed(("measure",), "error"), "sizes"),
    (changed(("sizes",), ["D"]), "sizes"),
    (changed(("sizes",), [3]), "sizes"),
    ({**TABLE, "measure": "error", "sizes": ["N"]}, "sizes"),
    ({**TABLE, "measure": "error", "sizes": ["D/100"]}, "sizes"),
    (changed(("curves", 0, "label"), None), "label"),
    (changed(("curves", 0, "label"), ""), "label"),
    (changed(("curves", 0, "label"), "B"), "label"),
    (changed(("curves", 0, "label"), "A, {colour}"), "label"),
    (changed(("curves", 0, "label"), "A, {"), "label"),
    (changed(("curves", 0, "label"), "A, {learner.__class__}"), "label"),
    (changed(("curves", 0, "label"), "A, {learner!z}"), "label"),
    (changed(("curves", 0, "label"), "A, {trials:999999999}"), "label"),
    (changed(("curves", 0, "label"), "A\nB"), "label"),
    (changed(("curves", 0, "expect"), 1), "expect"),
    (changed(("curves", 1, "expect"), "equal"), "expect"),
    ({**TABLE, "measure": "error", "sizes": []}, "sizes"),
    (changed(("curves", 0, "tolerance"), 0), "tolerance"),
    (changed(("curves", 0, "not_below_from"), "three"), "not_below_from"),
    (changed(("curves", 0, "not_above"), 0), "not_above"),
    (changed(("curves", 0, "predicted"), 3), "predicted"),
    (changed(("curves", 0, "predicted"), "N"), "predicted"),
    (changed(("curves", 0, "prediction_label"), 3), "prediction_label"),
    (changed(("curves", 0, "dim"), None), "dim"),
    (changed(("curves", 0, "dim"), []), "dim"),
    (changed(("curves", 0, "dim"), [3, 3]), "dim"),
    (changed(("curves", 0, "dim"), [1, 3]), "dim"),
    (changed(("curves", 0, "learner"), "foo"), "learner"),
    (changed(("curves", 0, "learner"), ["ddpg", "ddpg"]), "learner"),
    (changed(("curves", 0, "points"), []), "points"),
    (changed(("curves", 0, "points"), [3]), "points"),
    (changed(("curves", 0, "points"), [{"x": 3, "colour": "red"}]), "points"),
    (changed(("curves", 0, "points"), [{"dim": 3}]), "x"),
    (changed(("curves", 0, "points"), [{"x": 3}, {"x": 3}]), "x"),
    (changed(("curves", 0, "points"), [{"x": 3, "predicted": 4}]), "predicted"),
]


@pytest.mark.parametrize(("table", "argument"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_table_is_one_line(table: dict[str, Any], argument: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_experiment("mine", table, full="full" in argument)
    assert caught.value.argument == argument
    assert "\n" not in str(caught.value)


def refused(path: Path, *pieces: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_preset(path)
    assert caught.value.argument == "FILE.toml"
    assert "\n" not in str(caught.value)
    for piece in (str(path), *pieces):
        assert piece in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.toml", "No such file")
    refused(tmp_path, "directory")
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    refused(tmp_path / "binary.toml", "UTF-8")
    for number, text in enumerate(("title = ", "[[curves", "a = 1\na = 2", "= 3", "title = 'x\n'")):
        path = tmp_path / f"broken{number}.toml"
        path.write_text(text)
        refused(path, "not valid TOML")
    with pytest.raises(ConfigError, match="preset: 'nothing' is not allowed; expected one of: propositions"):
        load_preset("nothing")


# --- a user's file, through the command ---------------------------------------------------------------------

MINE = """
title = "Small rotations"
x = "dim"

[common]
dim = [2, 3]
trials = 12

[[curves]]
label = "gradients, T = {steps_per_goal}"
learner = "reengage"
steps_per_goal = [1, 2]
predicted = "d - 1"
prediction_label = "d-1"
expect = "equal"
"""


@pytest.mark.usefixtures("unchecked_types")
def test_a_users_file_is_measured_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    out = tmp_path / "run"
    arguments = ["scale", str(tmp_path / "mine.toml"), "--out", str(out), "--executor", "serial", "--seed", "3"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "Small rotations" in printed
    assert "gradients, T = 1: the smallest N" in printed
    rows = list(csv.DictReader((out / "thresholds.csv").read_text().splitlines()))
    assert [(row["curve"], row["dim"], row["predicted"]) for row in rows] == [
        (f"gradients, T = {t}", str(d), str(d - 1)) for t in (1, 2) for d in (2, 3)
    ]
    for row in rows:
        if row["dim"] == "2":
            assert (row["censored"], float(row["n50"]) <= 2, row["n_min"] in ("", "1")) == ("left", True, True)
    assert (out / "figures" / "mine.pdf").stat().st_size > 0
    assert '"seed": 3' in (out / "config.json").read_text()
    # Without --out the run has its own directory; in this one, other tasks are refused.
    assert main([*arguments[:-1], "4"]) == 2
    assert "seed = 3, not 4" in capsys.readouterr().err


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_that_is_shown_can_be_copied(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", "--show-preset", name]) == 0
    shown = capsys.readouterr().out
    assert shown == preset_text(name)
    assert tomllib.loads(shown)
    path = tmp_path / f"{name}.toml"
    path.write_text(shown, encoding="utf-8")
    for full in (False, True):
        assert load_preset(path, full=full) == load_preset(name, full=full)
