"""An experiment: curves of thresholds over one axis, and what theory predicts of each.

The axis is any field of a :class:`Setting`: the dimension d most often, but also the number of relabelled goals K or
the hypothesis class. A curve is one learner with one optimiser along that axis. Presets, a user's own TOML file and
the plain command all make experiments; everything downstream knows only these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import NoneType
from typing import Any

from analysis.experiments.formula import Formula, Theory, order_of_growth
from analysis.experiments.user_construction import check_own, name_own, predict_own
from analysis.tasks.setting import ENGINE, ConfigError, Setting, content_hash
from proofs_check.theory import prediction_label
from toyenvs.constructions.user_defined import UserConstruction
from toyenvs.learners import LEARNERS

__all__ = [
    "EXPECTATIONS",
    "MEASURES",
    "Curve",
    "Expectation",
    "Experiment",
    "Point",
    "class_name",
    "compare_learners",
    "require_distinct",
]

MEASURES = {
    "threshold": "the number of transitions at which half of the trials succeed",
    "error": "the mean squared error at given numbers of transitions",
}

EXPECTATIONS = {
    "equal": "the smallest N with success ≥ 1/2 is the predicted integer at every point, settled by exact tests",
    "order": "the threshold grows with the power of d that the prediction grows with",
    "within": "the threshold (or error) over its prediction is 1 up to the tolerance",
    "at most": "the threshold is nowhere above the prediction",
    "none": "the prediction is drawn, and nothing is concluded from it",
}

_NO_LUCK_FROM = 3
"""The smallest d at which a coin toss between the solutions of too few equations is mostly wrong."""


@dataclass(frozen=True)
class Expectation:
    """How a prediction is judged.

    Attributes:
        kind: key of ``EXPECTATIONS``.
        tolerance: relative, for "within".
        not_below_from: for "order": the value of the axis from which no threshold may lie below the prediction, which
            is what identifies U; None where that is not asked. (Below, luck can succeed: at d = 2 one scalar equation
            has two solutions, and a coin is right half of the time.)
        not_above: for "order": the multiple of the prediction that no threshold may exceed; None where not asked.
            Theory says nothing of how far above the identifiable count a descent may lie: whoever asks says how far.
    """

    kind: str = "none"
    tolerance: float = 0.05
    not_below_from: int | None = None
    not_above: float | None = None


@dataclass(frozen=True)
class Point:
    """One threshold (or error) to measure.

    Attributes:
        x: the value of the axis.
        setting: of what.
        predicted: N, or N × mean squared error; None where theory is silent.
        sizes: the N to measure an error at; empty for thresholds, which are searched.
    """

    x: int | float | str
    setting: Setting
    predicted: float | None
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Curve:
    """A learner with its optimiser along the axis.

    Attributes:
        label: its name in tables and figures.
        points: in the order of the axis.
        formula: the prediction as a formula; None where theory is silent or each point has its own.
        prediction_label: the same for people, in mathtext without dollar signs; None: the formula itself.
        expectation: how the prediction is judged.
    """

    label: str
    points: tuple[Point, ...]
    formula: Formula | Theory | None = None
    prediction_label: str | None = None
    expectation: Expectation = Expectation()

    @property
    def learner(self) -> str:
        """Key of ``LEARNERS``."""
        return self.points[0].setting.learner

    @property
    def learner_name(self) -> str:
        """The learner as it is written; "" where it varies along the axis."""
        found = {point.setting.learner for point in self.points}
        return LEARNERS[self.learner].label if len(found) == 1 else ""

    @property
    def method(self) -> str:
        """Key of ``METHODS``."""
        return self.points[0].setting.method

    @property
    def optimiser(self) -> str:
        """The optimiser as it is named everywhere; its kind alone where it varies along the axis."""
        found = {point.setting.optimiser for point in self.points}
        return found.pop() if len(found) == 1 else self.method

    @property
    def unsaid(self) -> tuple[str, ...]:
        """Learner and optimiser as far as the label does not name them."""
        learner = [] if self.learner_name in self.label else [self.learner_name]
        rules = {point.setting.optimizer for point in self.points} if self.method == "descent" else set()
        label = self.label.lower().replace("-", " ")
        said = all(word.replace("-", " ") in label for word in (self.method, *rules))
        return (*learner, *([] if said or self.optimiser in self.label else [self.optimiser]))

    @property
    def heading(self) -> str:
        """The label, and what it leaves unsaid."""
        return f"{self.label}: {', '.join(self.unsaid)}" if self.unsaid else self.label

    def predict(self, dim: int) -> float | None:
        """The prediction at another dimension; None where theory is silent or the class does not exist."""
        if self.formula is None:
            return None
        try:
            return self.formula(replace(self.points[0].setting, dim=dim))
        except ConfigError:
            return None

    @property
    def predicted_order(self) -> float | None:
        """The power of d that the prediction grows with: its slope between two large d, to a whole number if near."""
        return order_of_growth(self.predict)


@dataclass(frozen=True)
class Experiment:
    """What one command measures and shows.

    Attributes:
        name: of the run directory and the figure.
        title: one line.
        x: field of :class:`Setting` along the axis.
        curves: at least one.
        measure: key of ``MEASURES``.
        about: what the figure shows, for its caption.
        weaker_methods: whether the figure also shows, lightly, what weaker methods than the best would need.
    """

    name: str
    title: str
    x: str
    curves: tuple[Curve, ...]
    measure: str = "threshold"
    about: str = ""
    weaker_methods: bool = False

    @property
    def points(self) -> list[Point]:
        """All points, curve by curve; equal settings on two curves are measured once."""
        return [point for curve in self.curves for point in curve.points]

    @property
    def settings(self) -> list[Setting]:
        """Every setting once."""
        return list(dict.fromkeys(point.setting for point in self.points))

    @property
    def dims(self) -> list[int]:
        """Every dimension once, increasing."""
        return sorted({setting.dim for setting in self.settings})

    def resolved(self) -> dict[str, Any]:
        """Everything that decides results, as plain JSON types; labels and predictions do not."""
        unique = {point.setting: point for point in self.points}
        return {
            "measure": self.measure,
            "settings": [{**setting.resolved(), "sizes": list(point.sizes)} for setting, point in unique.items()],
        }

    def described(self) -> dict[str, Any]:
        """Names, predictions and expectations, as plain JSON types; ``setting`` counts those of :meth:`resolved`."""
        numbers = {setting: number for number, setting in enumerate(self.settings)}
        return {
            "name": self.name,
            "title": self.title,
            "x": self.x,
            "measure": self.measure,
            "about": self.about,
            "weaker_methods": self.weaker_methods,
            "curves": [
                {
                    "label": curve.label,
                    "optimiser": curve.optimiser,
                    "predicted": None if curve.formula is None else curve.formula.text,
                    "prediction_label": curve.prediction_label,
                    "expect": asdict(curve.expectation),
                    "points": [
                        {"x": point.x, "predicted": point.predicted, "setting": numbers[point.setting]}
                        for point in curve.points
                    ],
                }
                for curve in self.curves
            ],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Experiment:
        """The experiment whose :meth:`described` and :meth:`resolved` these are, as in a run's ``config.json``.

        Raises:
            ConfigError: if a setting cannot be used, or was measured by another version of the engine.
            KeyError, TypeError, ValueError, IndexError: if it is no such description.
        """
        settings, sizes = [], []
        for resolved in config["settings"]:
            values = dict(resolved)
            sizes.append(tuple(values.pop("sizes")))
            engine = values.pop("engine")
            if engine != ENGINE:
                raise ConfigError(
                    "engine", engine, f"measured by another version of this package; this one's is {ENGINE}"
                )
            settings.append(Setting(**values))
        for curve in config["curves"]:
            if (formula := _formula(_typed(curve["predicted"], str, NoneType))) is not None:
                formula(settings[curve["points"][0]["setting"]])  # whoever damaged it hears so, and not of no theory
        curves = [
            Curve(
                label=_typed(curve["label"], str),
                points=tuple(
                    Point(
                        _typed(point["x"], int, float, str),
                        settings[point["setting"]],
                        _typed(point["predicted"], int, float, NoneType),
                        sizes[point["setting"]],
                    )
                    for point in curve["points"]
                ),
                formula=_formula(_typed(curve["predicted"], str, NoneType)),
                prediction_label=_typed(curve["prediction_label"], str, NoneType),
                expectation=_expectation(**curve["expect"]),
            )
            for curve in config["curves"]
        ]
        names = ("name", "title", "x", "measure", "about")
        texts = {name: _typed(config[name], str) for name in names}
        if texts["measure"] not in MEASURES:
            raise ValueError(f"measure = {texts['measure']!r}")
        return cls(curves=tuple(curves), weaker_methods=_typed(config["weaker_methods"], bool), **texts)

    def hash(self) -> str:
        """Content hash of what decides results."""
        return content_hash(self.resolved())

    def default_name(self) -> str:
        """A readable directory name that differs where the settings differ."""
        seeds = sorted({setting.seed for setting in self.settings})
        return f"{self.name}-seed{seeds[0]}-{self.hash()[:8]}"

    def common(self, field: str) -> Any:
        """The value that a field has in every setting, or None where it varies."""
        values = {getattr(setting, field) for setting in self.settings}
        return values.pop() if len(values) == 1 else None


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


def _formula(text: str | None) -> Formula | Theory | None:
    if text is None:
        return None
    return Theory() if text == Theory().text else Formula(text)


def compare_learners(dims: Sequence[int], learners: Sequence[str], **common: Any) -> Experiment:
    """The plain experiment: one curve a learner over the dimensions, against what theory says of it.

    Args:
        dims: dimensions, without repetition.
        learners: keys of ``LEARNERS``, without repetition.
        common: the other fields of :class:`Setting`. The construction may be one of your own: its class,
            "path/to/file.py:Class" or the name of an entry point (:mod:`toyenvs.constructions.user_defined`). Its
            formulas are checked, and thresholds that it does not predict itself are counted by exact ranks.

    Raises:
        ConfigError: if a value cannot be used.
    """
    require_distinct("dims", dims)
    require_distinct("learners", learners)
    common, own = name_own(common)
    theory = Theory()
    curves: list[Curve] = []
    remarks: dict[str, list[str]] = {}
    weaker = own is None and "ddpg" in learners
    for learner in learners:
        points = []
        for dim in dims:
            try:
                setting = Setting(dim=dim, learner=learner, **common)
            except ConfigError as error:
                raise error.renamed({"dim": "dims", "learner": "learners"}) from None
            points.append(Point(dim, setting, theory(setting)))
        first = points[0].setting
        if own is not None:
            if not curves:
                check_own(own, first)
            curve, remark = _own_curve(own, learner, points)
            curves.append(curve)
            remarks.setdefault(remark, []).append(curve.label)
            continue
        # Names and the counts of weaker methods are those of one fresh goal a transition.
        plain = first.relabels == first.steps_per_goal == 1
        known = all(point.predicted is not None for point in points)
        weaker = weaker and plain and first.group in ("so", "o") and (known or learner != "ddpg")
        name = prediction_label(first.construction, first.group, learner)
        curves.append(
            Curve(
                label=LEARNERS[learner].label,
                points=tuple(sorted(points, key=lambda point: point.setting.dim)),
                formula=theory if known else None,
                prediction_label=name if known and plain else None,
                expectation=Expectation("order", not_below_from=_NO_LUCK_FROM) if known else Expectation(),
            )
        )
    return Experiment(
        name="complexity",
        title=f"{first.construction}, {class_name(first.group)}, {first.optimiser}",
        x="dim",
        curves=tuple(curves),
        about=" ".join(f"{remark.format(' and '.join(labels))}." for remark, labels in remarks.items() if remark),
        weaker_methods=weaker,
    )


def class_name(group: str) -> str:
    """A hypothesis class as it is written."""
    return f"{group.upper()}(d)" if group in ("so", "o") else f"class {group}"


def _own_curve(own: UserConstruction, learner: str, points: Sequence[Point]) -> tuple[Curve, str]:
    """The curve of a construction of one's own, and where its prediction comes from; "" where its author states it.

    The remark has a place, {}, for the curves that it is about.
    """
    prediction = predict_own(own, learner, points[0].setting)
    placed = [replace(point, predicted=prediction(point.setting)) for point in points]
    known = prediction.formula is not None and all(point.predicted is not None for point in placed)
    # Counts of equations are no lower bounds; what the author states is taken for one.
    order = Expectation("order", not_below_from=None if prediction.counts else _NO_LUCK_FROM)
    curve = Curve(
        label=LEARNERS[learner].label,
        points=tuple(sorted(placed, key=lambda point: point.setting.dim)),
        formula=prediction.formula,
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


def require_distinct(argument: str, values: Sequence[object]) -> None:
    """Refuse no values, and the same twice.

    Raises:
        ConfigError: as described.
    """
    if not values:
        raise ConfigError(argument, list(values), "expected at least one")
    if len(set(values)) < len(values):
        raise ConfigError(argument, list(values), "expected each value once")
