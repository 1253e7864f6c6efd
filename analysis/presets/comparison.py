"""The plain experiment: learners compared over dimensions, against what theory says of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from analysis.errors import ConfigError, require_distinct
from analysis.experiments.experiment import Curve, Expectation, Experiment, Point
from analysis.experiments.formatting import class_name
from analysis.experiments.formula import Theory
from analysis.experiments.plan import Search
from analysis.measures import ThresholdMeasure
from analysis.presets.user_construction import check_user_construction, predict_user_construction, resolve_construction
from analysis.tasks import FIELDS, ParametricTask, make_task
from proofs_check.theory import prediction_label
from toyenvs.constructions.user_defined import UserConstruction
from toyenvs.learners import LEARNERS

__all__ = ["ALL_FIELDS", "DIMS", "compare_learners", "make_search", "split_fields"]

DIMS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Dimensions unless others are asked for."""

_NO_LUCK_FROM = 3
"""The smallest d at which a coin toss between the solutions of too few equations is mostly wrong."""

_SEARCH = {f.name: f.default for f in fields(Search)}

ALL_FIELDS: dict[str, Any] = {**FIELDS, "epsilon": ThresholdMeasure.epsilon, **_SEARCH}
"""Every field of a task, of its measure and of the search, as they are written flat, with their defaults."""


def make_search(flat: Mapping[str, Any]) -> Search:
    """How hard to look, from flat fields; the others are left out.

    Raises:
        ConfigError: if a value cannot be used.
    """
    return Search(**{name: flat[name] for name in _SEARCH if name in flat})


def split_fields(flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Flat fields, as those of a task and those of a measure.

    Raises:
        ConfigError: for a field of neither.
    """
    for name in flat:
        if name not in ALL_FIELDS:
            raise ConfigError(name, flat[name], f"expected one of: {', '.join(sorted(ALL_FIELDS))}")
    task = {name: value for name, value in flat.items() if name in FIELDS}
    return task, {name: value for name, value in flat.items() if name not in FIELDS}


def compare_learners(
    dims: Sequence[int] = DIMS, learners: Sequence[str] = ("ddpg", "reengage"), **common: Any
) -> Experiment:
    """One curve a learner over the dimensions.

    Args:
        dims: dimensions, without repetition.
        learners: keys of ``LEARNERS``, without repetition.
        common: the other fields, of ``ALL_FIELDS``. The construction may be user-defined: its class,
            "path/to/file.py:Class" or the name of an entry point (:mod:`toyenvs.constructions.user_defined`). Its
            formulas are checked, and thresholds that it does not predict itself are counted by exact ranks.

    Raises:
        ConfigError: if a value cannot be used.
    """
    require_distinct("dims", dims)
    require_distinct("learners", learners)
    named, user = resolve_construction(common)
    fields_of_task, fields_of_measure = split_fields(named)
    epsilon = fields_of_measure.pop("epsilon", ThresholdMeasure.epsilon)
    measure = ThresholdMeasure(epsilon=epsilon, search=make_search(fields_of_measure))
    theory = Theory()
    curves: list[Curve] = []
    remarks: dict[str, list[str]] = {}
    baselines = user is None and "ddpg" in learners
    for learner in learners:
        tasks = [_task({**fields_of_task, "dim": dim, "learner": learner}) for dim in dims]
        points = [Point(task.dim, task, measure, theory(task)) for task in tasks]
        first = tasks[0]
        if user is not None:
            if not curves:
                check_user_construction(user, first)
            curve, remark = _user_curve(user, learner, first, points)
            curves.append(curve)
            remarks.setdefault(remark, []).append(curve.label)
            continue
        # Names and the counts of baselines are those of one fresh goal a transition.
        plain = first.data.relabels == first.data.steps_per_goal == 1
        known = all(point.predicted is not None for point in points)
        baselines = baselines and plain and first.problem.group in ("so", "o") and (known or learner != "ddpg")
        name = prediction_label(first.problem.construction, first.problem.group, learner)
        curves.append(
            Curve(
                label=LEARNERS[learner].label,
                points=tuple(sorted(points, key=lambda point: point.task.dim)),
                prediction=theory if known else None,
                prediction_label=name if known and plain else None,
                expectation=Expectation("order", not_below_from=_NO_LUCK_FROM) if known else Expectation(),
            )
        )
    task = curves[0].points[0].task
    construction, group = (str(task.described[name]) for name in ("construction", "group"))
    return Experiment(
        name="complexity",
        title=f"{construction}, {class_name(group)}, {task.solver_label}",
        x="dim",
        curves=tuple(curves),
        about=" ".join(f"{remark.format(' and '.join(labels))}." for remark, labels in remarks.items() if remark),
        baselines=baselines,
    )


def _task(flat: Mapping[str, Any]) -> ParametricTask:
    try:
        return make_task(flat)
    except ConfigError as error:
        raise error.renamed({"dim": "dims", "learner": "learners"}) from None


def _user_curve(
    user: UserConstruction, learner: str, task: ParametricTask, points: Sequence[Point]
) -> tuple[Curve, str]:
    """The curve of a user-defined construction, and where its prediction comes from; "" where its author states it.

    The remark has a place, {}, for the curves that it is about.
    """
    prediction = predict_user_construction(user, learner, task)
    placed = [replace(point, predicted=prediction(point.task)) for point in points]
    known = prediction.formula is not None and all(point.predicted is not None for point in placed)
    # Counts of equations are no lower bounds; what the author states is taken for one.
    order = Expectation("order", not_below_from=None if prediction.counts else _NO_LUCK_FROM)
    curve = Curve(
        label=LEARNERS[learner].label,
        points=tuple(sorted(placed, key=lambda point: point.task.dim)),
        prediction=prediction.formula,
        prediction_label=prediction.label,
        expectation=order if known else Expectation(),
    )
    if prediction.silent_because:
        because = prediction.silent_because.replace("{", "{{").replace("}", "}}")
        return curve, f"Nothing is predicted of {{}}: {because}"
    if prediction.counts:
        where = "" if prediction.formula else f" at d = {', '.join(map(str, prediction.counts))}"
        return curve, f"Predictions for {{}} are counted{where}: equations near U, by exact ranks"
    return curve, ""
