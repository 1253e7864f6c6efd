"""An experiment from a run's ``config.json``, as ``Experiment.described`` wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Any

from analysis.errors import require_one_of
from analysis.experiments.experiment import EXPECTATIONS, Curve, Expectation, Experiment, Point, Question
from analysis.experiments.formula import Formula, Prediction, Theory
from analysis.experiments.measure import Measure
from analysis.experiments.plan import Search
from analysis.measures import MEASURES
from analysis.tasks import TASKS

__all__ = ["experiment_from_config"]


def experiment_from_config(config: Mapping[str, Any]) -> Experiment:
    """The experiment that a configuration describes.

    Raises:
        ConfigError: if a value cannot be used, or was measured by another version of the engine.
        KeyError, TypeError, ValueError, IndexError, AttributeError: if it is no such description.
    """
    questions = [_question(asked) for asked in config["questions"]]
    curves = [_curve(curve, questions) for curve in config["curves"]]
    if not all(curve.points for curve in curves) or not curves:
        raise ValueError("a curve has no points")
    texts = {name: _typed(config[name], str) for name in ("name", "title", "x", "about")}
    return Experiment(curves=tuple(curves), baselines=_typed(config["baselines"], bool), **texts)


def _question(asked: Mapping[str, Any]) -> Question:
    kind = asked["task"]["task"]
    require_one_of("task", kind, TASKS)
    return Question(TASKS[kind].from_identity(asked["task"]), _measure(asked["measure"]))


def _measure(identity: Mapping[str, Any]) -> Measure:
    given = dict(identity)
    name = given.pop("measure")
    require_one_of("measure", name, MEASURES)
    kind = MEASURES[name]
    search = Search(**{f.name: given.pop(f.name) for f in fields(Search)})
    own = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return kind(search=search, **own)


def _curve(curve: Mapping[str, Any], questions: list[Question]) -> Curve:
    prediction = _prediction(_typed(curve["predicted"], str, NoneType))
    points = []
    for point in curve["points"]:
        question = questions[_typed(point["question"], int)]
        predicted = _typed(point["predicted"], int, float, NoneType)
        points.append(Point(_typed(point["x"], int, float, str), question.task, question.measure, predicted))
    if prediction is not None:
        prediction(points[0].task)  # whoever damaged it hears so, and not of no theory
    return Curve(
        label=_typed(curve["label"], str),
        points=tuple(points),
        prediction=prediction,
        prediction_label=_typed(curve["prediction_label"], str, NoneType),
        expectation=_expectation(**curve["expect"]),
    )


def _typed(value: Any, *kinds: type) -> Any:
    """The value, if it is of one of these very types: a truth value is no number."""
    if type(value) not in kinds:
        raise TypeError(f"{value!r} is no {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def _expectation(kind: Any, tolerance: Any, not_below_from: Any, not_above: Any) -> Expectation:
    if kind not in EXPECTATIONS:
        raise ValueError(f"kind = {kind!r}")
    return Expectation(
        kind,
        _typed(tolerance, int, float),
        _typed(not_below_from, int, NoneType),
        _typed(not_above, int, float, NoneType),
    )


def _prediction(text: str | None) -> Prediction | None:
    if text is None:
        return None
    return Theory() if text == Theory().text else Formula(text)
