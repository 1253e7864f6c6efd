"""Experiments: points on curves, what theory says of them, and what identifies the whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from analysis.experiments.experiment import Curve, Expectation, Experiment, Point, compare_learners
from analysis.experiments.formula import Formula
from analysis.presets.loading import PRESETS, load_preset
from analysis.tasks.setting import ConfigError, Setting

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"dims": ()}, "dims", "[]"),
    ({"dims": (0,)}, "dims", "0"),
    ({"dims": (1, 4)}, "dims", "1"),
    ({"dims": (4, 4)}, "dims", "[4, 4]"),
    ({"dims": (True,)}, "dims", "True"),
    ({"dims": (99_999_999_999,)}, "dims", "99999999999"),
    ({"learners": ()}, "learners", "[]"),
    ({"learners": ("foo",)}, "learners", "'foo'"),
    ({"learners": ("ddpg", "ddpg")}, "learners", "['ddpg', 'ddpg']"),
    ({"trials": 0}, "trials", "0"),
]


@pytest.mark.parametrize(("values", "argument", "shown"), BAD, ids=str)
def test_a_bad_value_is_refused_by_name(values: dict[str, Any], argument: str, shown: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compare_learners(**{"dims": (2, 3), "learners": ("ddpg",), **values})
    assert caught.value.argument == argument
    assert str(caught.value).startswith(f"{argument}: {shown} is not allowed; ")
    assert "\n" not in str(caught.value)


def test_the_plain_experiment_has_a_curve_a_learner() -> None:
    experiment = compare_learners((2, 3, 5), ("ddpg", "reengage", "gradient-only"), seed=4)
    assert [curve.label for curve in experiment.curves] == ["DDPG", "ReenGAGE", "gradient matching"]
    assert experiment.x == "dim"
    assert [[point.x for point in curve.points] for curve in experiment.curves] == [[2, 3, 5]] * 3
    predicted = [[point.predicted for point in curve.points] for curve in experiment.curves]
    assert predicted == [[2, 4, 11], [1, 2, 4], [1, 2, 4]]  # D + 1, d - 1, d - 1
    assert {setting.seed for setting in experiment.settings} == {4}
    assert {curve.expectation.kind for curve in experiment.curves} == {"order"}
    assert [curve.predicted_order for curve in experiment.curves] == [2, 1, 1]


@pytest.mark.parametrize(
    ("label", "values", "heading"),
    [
        ("DDPG", [{}], "DDPG: descent (nesterov)"),
        ("one", [{}], "one: DDPG, descent (nesterov)"),
        ("DDPG, descent with Nesterov", [{}], "DDPG, descent with Nesterov"),
        ("DDPG, descent", [{}], "DDPG, descent: descent (nesterov)"),
        ("minimiser, hindsight", [{"method": "minimiser"}], "minimiser, hindsight: DDPG"),
        # What the axis says, the label need not.
        ("DDPG", [{"optimizer": "nesterov"}, {"optimizer": "gradient"}], "DDPG: descent"),
        ("descent", [{"learner": "ddpg"}, {"learner": "reengage"}], "descent: descent (nesterov)"),
    ],
)
def test_a_heading_says_what_the_label_does_not(label: str, values: list[dict[str, Any]], heading: str) -> None:
    points = tuple(Point(number, Setting(**value), None) for number, value in enumerate(values))
    assert Curve(label, points).heading == heading


@pytest.mark.parametrize(
    ("values", "labels", "weaker"),
    [
        ({}, ("D+1", "d-1"), True),
        ({"group": "o"}, ("D+1", "d"), True),
        # Predicted as well, but not by these formulas; and what weaker methods need is another number.
        ({"relabels": 4}, (None, None), False),
        ({"steps_per_goal": 3}, (None, None), False),
        ({"group": "symmetric", "discount": 0.0}, (None, None), False),
        ({"learners": ("reengage",)}, ("d-1",), False),
    ],
)
def test_a_line_is_named_by_the_formula_that_it_is(
    values: dict[str, Any], labels: tuple[str | None, ...], weaker: bool
) -> None:
    experiment = compare_learners(**{"dims": (4, 6), "learners": ("ddpg", "reengage"), **values})
    assert tuple(curve.prediction_label for curve in experiment.curves) == labels
    assert experiment.weaker_methods == weaker


def test_where_theory_is_silent_nothing_is_expected() -> None:
    (curve,) = compare_learners((2, 3), ("ddpg",), goals="hindsight").curves
    assert [point.predicted for point in curve.points] == [None, None]
    assert (curve.expectation.kind, curve.formula, curve.predicted_order) == ("none", None, None)


@pytest.mark.parametrize(
    ("formula", "order"),
    [("D + 1", 2), ("d - 1", 1), ("2*d - 3", 1), ("(3*d**2 - d)/4", 2), ("d**3", 3), ("7", 0), ("d**1.5", 1.5)],
)
def test_the_order_of_a_formula(formula: str, order: float) -> None:
    curve = Curve("c", (Point(3, Setting(dim=3), 1),), Formula(formula))
    assert curve.predicted_order == order


def test_a_curve_predicts_no_dimension_that_its_class_does_not_have() -> None:
    curve = Curve("c", (Point(4, Setting(dim=4, group="unitary"), 5),), Formula("d**2//4 + 1"))
    assert (curve.predict(6), curve.predict(5), curve.predict(1)) == (10, None, None)


def experiment_of(*settings: Setting, measure: str = "threshold") -> Experiment:
    return Experiment("e", "E", "dim", (Curve("c", tuple(Point(s.dim, s, 1.0) for s in settings)),), measure)


def test_the_hash_is_of_what_decides_results() -> None:
    base = experiment_of(Setting(dim=2), Setting(dim=3))
    curve = base.curves[0]
    same = [
        replace(base, name="f", title="F", about="a"),
        replace(base, curves=(replace(curve, label="x", formula=Formula("d"), expectation=Expectation("order")),)),
        replace(base, curves=(replace(curve, points=tuple(replace(p, predicted=None) for p in curve.points)),)),
    ]
    assert {one.hash() for one in same} == {base.hash()}
    other = [
        experiment_of(Setting(dim=2)),
        experiment_of(Setting(dim=2), Setting(dim=3, seed=1)),
        experiment_of(Setting(dim=2), Setting(dim=3), measure="error"),
        replace(base, curves=(replace(curve, points=tuple(replace(p, sizes=(5,)) for p in curve.points)),)),
    ]
    assert len({one.hash() for one in (base, *other)}) == 5
    assert len({one.default_name() for one in (base, *other)}) == 5
    assert base.default_name() == f"e-seed0-{base.hash()[:8]}"


def test_what_is_described_is_json() -> None:
    experiment = compare_learners((2, 3), ("ddpg", "reengage"))
    for told in (experiment.described(), experiment.resolved()):
        assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_an_experiment_is_what_its_configuration_says() -> None:
    presets = [load_preset(name, full=full) for name in PRESETS for full in (False, True)]
    for experiment in (compare_learners((2, 3), ("ddpg", "reengage"), group="o"), *presets):
        config = json.loads(json.dumps({**experiment.described(), **experiment.resolved()}))
        assert Experiment.from_config(config) == experiment
    with pytest.raises(ConfigError, match="engine: 1 is not allowed; measured by another version"):
        Experiment.from_config({**config, "settings": [{**config["settings"][0], "engine": 1}]})


def test_what_settings_have_in_common() -> None:
    experiment = compare_learners((3, 2), ("ddpg", "reengage"), seed=4)
    assert experiment.common("seed") == 4
    assert experiment.common("learner") is None
    assert experiment.dims == [2, 3]
    twice = replace(experiment, curves=(*experiment.curves, replace(experiment.curves[0], label="again")))
    assert len(twice.points) == 6
    assert twice.settings == experiment.settings
    assert twice.hash() == experiment.hash()
