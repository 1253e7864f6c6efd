"""Experiments: points on curves, what theory says of them, and what identifies the whole."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from analysis.errors import ConfigError
from analysis.experiments.experiment import Curve, Expectation, Experiment, Point
from analysis.experiments.formula import Formula, Theory
from analysis.experiments.measure import Measure
from analysis.experiments.plan import Search
from analysis.measures import ErrorMeasure, ThresholdMeasure
from analysis.presets.comparison import compare_learners
from analysis.presets.config import experiment_from_config
from analysis.presets.loading import PRESETS, load_preset
from analysis.tasks import make_task
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES

THRESHOLD = ThresholdMeasure()


def test_the_plain_experiment_has_a_curve_a_learner() -> None:
    experiment = compare_learners((2, 3, 5), ("ddpg", "reengage", "gradient-only"), seed=4)
    assert [curve.label for curve in experiment.curves] == ["DDPG", "ReenGAGE", "gradient matching"]
    assert experiment.x == "dim"
    assert [[point.x for point in curve.points] for curve in experiment.curves] == [[2, 3, 5]] * 3
    predicted = [[point.predicted for point in curve.points] for curve in experiment.curves]
    assert predicted == [[2, 4, 11], [1, 2, 4], [1, 2, 4]]  # D + 1, d - 1, d - 1
    assert {task.described["seed"] for task in experiment.tasks} == {4}
    assert {curve.expectation.kind for curve in experiment.curves} == {"order"}
    assert [curve.predicted_order for curve in experiment.curves] == [2, 1, 1]


@pytest.mark.parametrize(
    ("label", "values", "heading"),
    [
        ("DDPG", [{}], "DDPG: descent (nesterov)"),
        ("one", [{}], "one: DDPG, descent (nesterov)"),
        ("DDPG, descent with Nesterov", [{}], "DDPG, descent with Nesterov"),
        ("DDPG, descent", [{}], "DDPG, descent: descent (nesterov)"),
        ("global-solver, hindsight", [{"method": "global-solver"}], "global-solver, hindsight: DDPG"),
        # What the axis says, the label need not.
        ("DDPG", [{"optimizer": "nesterov"}, {"optimizer": "gradient"}], "DDPG: descent"),
        ("descent", [{"learner": "ddpg"}, {"learner": "reengage"}], "descent: descent (nesterov)"),
    ],
)
def test_a_heading_says_what_the_label_does_not(label: str, values: list[dict[str, Any]], heading: str) -> None:
    points = tuple(Point(number, make_task(value), THRESHOLD) for number, value in enumerate(values))
    assert Curve(label, points).heading == heading


@pytest.mark.parametrize(
    ("values", "labels", "baselines"),
    [
        ({}, ("D+1", "d-1"), True),
        ({"group": "o"}, ("D+1", "d"), True),
        # Predicted as well, but not by these formulas; and what baselines need is another number.
        ({"relabels": 4}, (None, None), False),
        ({"steps_per_goal": 3}, (None, None), False),
        ({"group": "symmetric", "discount": 0.0}, (None, None), False),
        ({"learners": ("reengage",)}, ("d-1",), False),
    ],
)
def test_a_line_is_named_by_the_formula_that_it_is(
    values: dict[str, Any], labels: tuple[str | None, ...], baselines: bool
) -> None:
    experiment = compare_learners(**{"dims": (4, 6), "learners": ("ddpg", "reengage"), **values})
    assert tuple(curve.prediction_label for curve in experiment.curves) == labels
    assert experiment.baselines == baselines


def test_where_theory_is_silent_nothing_is_expected() -> None:
    (curve,) = compare_learners((2, 3), ("ddpg",), goals="hindsight").curves
    assert [point.predicted for point in curve.points] == [None, None]
    assert (curve.expectation.kind, curve.prediction, curve.predicted_order) == ("none", None, None)


@pytest.mark.parametrize(
    ("formula", "order"),
    [
        ("D + 1", 2),
        ("d - 1", 1),
        ("2*d - 3", 1),
        ("(3*d**2 - d)/4", 2),
        ("d**3", 3),
        ("d**1.5", 1.5),
        # An order of 0 is one.
        ("7", 0),
        ("min(d, 100)", 0),
        # Beyond what a prediction may be at d = 240, it is asked nearer by: 15 bits more from 15 to 30.
        ("2**d", 15),
    ],
)
def test_the_order_of_a_formula(formula: str, order: float) -> None:
    found = Curve("c", (point_of(3),), Formula(formula)).predicted_order
    assert found is not None
    assert found == order


def test_a_curve_without_a_prediction_has_no_order() -> None:
    assert Curve("c", (point_of(3),)).predicted_order is None
    assert Curve("c", (point_of(3),), Formula("9 - d")).predicted_order is None  # no positive number far out


ORDERS = {
    "so": (2, 1),
    "o": (2, 1),
    "all": (2, 1),
    "symmetric": (2, 1),
    "so2-blocks": (1, 0),
    "so3-blocks": (1, 0),
    "unitary": (2, 1),
    "householder": (1, 0),
    "diagonal": (1, 0),
    "circulant": (1, 0),
    "rank-1": (1, 1),
    "rank-2": (1, 1),
    "permutation": (0, 0),
}
"""Powers of d: of a class's number of parameters, which scalars tell one at a time, and of that over d, where images
tell d at a time; those of low rank need d images, which have to span what U is applied to. A finite class needs one."""


@pytest.mark.parametrize("group", HYPOTHESIS_CLASSES)
def test_every_class_has_its_order(group: str) -> None:
    """Also those that do not exist at every d, such as 256: the order of growth is a formula's."""
    dim = next(d for d in range(2, 20) if HYPOTHESIS_CLASSES[group].allows(d))
    common = {"group": group, "dim": dim, "discount": 0.0, "method": "global-solver"}
    curves = [
        Curve("c", (Point(dim, make_task({**common, "learner": learner}), THRESHOLD),), prediction)
        for learner in ("ddpg", "reengage")
        for prediction in (Theory(), Formula("d + 1"))
    ]
    scalar, image = ORDERS[group]
    found = [curve.predicted_order for curve in curves]
    assert None not in found
    assert found == [scalar, 1, image, 1]


def point_of(dim: int, measure: Measure | None = None, **values: Any) -> Point:
    return Point(dim, make_task({"dim": dim, **values}), measure or THRESHOLD, 1.0)


def experiment_of(*points: Point) -> Experiment:
    return Experiment("e", "E", "dim", (Curve("c", points),))


def test_the_hash_is_of_what_decides_results() -> None:
    base = experiment_of(point_of(2), point_of(3))
    curve = base.curves[0]
    same = [
        replace(base, name="f", title="F", about="a"),
        replace(base, curves=(replace(curve, label="x", prediction=Formula("d"), expectation=Expectation("order")),)),
        replace(base, curves=(replace(curve, points=tuple(replace(p, predicted=None) for p in curve.points)),)),
    ]
    assert {one.hash() for one in same} == {base.hash()}
    other_tasks = [experiment_of(point_of(2)), experiment_of(point_of(2), point_of(3, seed=1))]
    other_measures = [
        experiment_of(*(point_of(dim, measure) for dim in (2, 3)))
        for measure in (
            ThresholdMeasure(epsilon=0.02),
            ThresholdMeasure(search=Search(trials=200)),
            ErrorMeasure(sizes=("D",)),
            ErrorMeasure(sizes=("5",)),
        )
    ]
    assert len({one.hash() for one in (base, *other_tasks, *other_measures)}) == 7
    # Another measure of the same tasks continues in the same directory.
    assert {one.default_name() for one in other_measures} == {base.default_name()}
    assert len({one.default_name() for one in (base, *other_tasks)}) == 3
    assert re.fullmatch(r"e-seed0-[0-9a-f]{8}", base.default_name())


def test_what_is_described_is_json() -> None:
    experiment = compare_learners((2, 3), ("ddpg", "reengage"))
    for told in (experiment.described(), experiment.resolved()):
        assert json.loads(json.dumps(told, allow_nan=False)) == told


@pytest.mark.parametrize("name", ["", *PRESETS])
def test_an_experiment_is_what_its_configuration_says(name: str) -> None:
    made = [load_preset(name, full=full) for full in (False, True)] if name else [compare_learners((2, 3), group="o")]
    for experiment in made:
        config = json.loads(json.dumps(experiment.described()))
        again = experiment_from_config(config)
        assert again == experiment
        assert (again.hash(), again.described()) == (experiment.hash(), experiment.described())


def test_another_versions_configuration_is_refused() -> None:
    config = compare_learners((2,), ("ddpg",)).described()
    (asked,) = config["questions"]
    old = {**config, "questions": [{**asked, "task": {**asked["task"], "engine": 1}}]}
    with pytest.raises(ConfigError, match="engine: 1 is not allowed; measured by another version"):
        experiment_from_config(old)


def test_what_tasks_have_in_common() -> None:
    experiment = compare_learners((3, 2), ("ddpg", "reengage"), seed=4, epsilon=0.02)
    assert (experiment.common("seed"), experiment.common("epsilon")) == (4, 0.02)
    assert experiment.common("learner") is None
    assert experiment.dims == [2, 3]
    twice = replace(experiment, curves=(*experiment.curves, replace(experiment.curves[0], label="again")))
    assert len(twice.points) == 6
    assert (twice.tasks, twice.questions) == (experiment.tasks, experiment.questions)
    assert twice.hash() == experiment.hash()
