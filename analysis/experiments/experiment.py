"""An experiment: curves of points over one axis, what is measured at each, and what theory predicts of it.

The axis is any field of a task or of its measure: the dimension d most often, but also the number of relabelled goals
K or the hypothesis class. A curve is one learner with one solver along that axis. Presets, a user's own TOML file and
the plain command all make experiments; everything downstream knows only these.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from analysis.errors import ConfigError
from analysis.experiments.formula import Prediction, order_of_growth
from analysis.experiments.measure import Measure
from analysis.files import content_hash
from analysis.tasks import Plain, Task

__all__ = ["EXPECTATIONS", "Curve", "Expectation", "Experiment", "Point", "Question"]

EXPECTATIONS = {
    "equal": "the smallest N with success ≥ 1/2 is the predicted integer at every point, resolved by exact tests",
    "order": "the threshold grows with the power of d that the prediction grows with",
    "within": "the estimate over its prediction is 1 up to the tolerance",
    "at most": "the estimate is nowhere above the prediction",
    "none": "the prediction is drawn, and nothing is concluded from it",
}


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
class Question:
    """What one search answers: one measure of one task. Points that ask the same share the answer."""

    task: Task
    measure: Measure


@dataclass(frozen=True)
class Point:
    """One place on the axis.

    Attributes:
        x: the value of the axis.
        task: whose trials are run.
        measure: what is measured of them.
        predicted: by theory; None where theory is silent.
    """

    x: int | float | str
    task: Task
    measure: Measure
    predicted: float | None = None

    @property
    def question(self) -> Question:
        """What is asked here."""
        return Question(self.task, self.measure)


@dataclass(frozen=True)
class Curve:
    """A learner with its solver along the axis.

    Attributes:
        label: its name in tables and figures.
        points: in the order of the axis.
        prediction: for every point; None where theory is silent or each point has its own.
        prediction_label: the same for people, in mathtext without dollar signs; None: the formula itself.
        expectation: how the prediction is judged.
    """

    label: str
    points: tuple[Point, ...]
    prediction: Prediction | None = None
    prediction_label: str | None = None
    expectation: Expectation = field(default_factory=Expectation)

    @property
    def learner(self) -> str:
        """The learner's name."""
        return self.points[0].task.learner

    @property
    def learner_label(self) -> str:
        """The learner as it is written; "" where it varies along the axis."""
        found = {point.task.learner_label for point in self.points}
        return found.pop() if len(found) == 1 else ""

    @property
    def solver_label(self) -> str:
        """The optimiser as it is named everywhere; its kind alone where it varies along the axis."""
        found = {point.task.solver_label for point in self.points}
        return found.pop() if len(found) == 1 else str(self.points[0].task.described.get("method", ""))

    @property
    def unsaid(self) -> tuple[str, ...]:
        """Learner and optimiser as far as the label does not name them."""
        learner = [] if self.learner_label in self.label else [self.learner_label]
        label = self.label.lower().replace("-", " ")
        named = " ".join(point.task.solver_label for point in self.points)
        words = set(named.replace("(", "").replace(")", "").split())
        said = all(word.replace("-", " ") in label for word in words)
        return (*learner, *([] if said or self.solver_label in self.label else [self.solver_label]))

    @property
    def heading(self) -> str:
        """The label, and what it leaves unsaid."""
        return f"{self.label}: {', '.join(self.unsaid)}" if self.unsaid else self.label

    def predict(self, dim: int) -> float | None:
        """The prediction at another dimension; None where theory is silent there."""
        if self.prediction is None:
            return None
        try:
            return self.prediction(self.points[0].task, dim)
        except ConfigError:  # too large a number, say
            return None

    @property
    def predicted_order(self) -> float | None:
        """The power of d that the prediction grows with; None where there is none."""
        return order_of_growth(self.predict)


@dataclass(frozen=True)
class Experiment:
    """What one command measures and shows.

    Attributes:
        name: of the run directory and the figure.
        title: one line.
        x: the field along the axis.
        curves: at least one; all points are of one kind of measure.
        about: what the figure shows, for its caption.
        baselines: whether the figure also shows, lightly, what methods that ignore or relax UᵀU = I would need.
    """

    name: str
    title: str
    x: str
    curves: tuple[Curve, ...]
    about: str = ""
    baselines: bool = False

    @property
    def points(self) -> list[Point]:
        """All points, curve by curve."""
        return [point for curve in self.curves for point in curve.points]

    @property
    def measure(self) -> Measure:
        """What is measured, with the settings of the first point."""
        return self.points[0].measure

    @property
    def questions(self) -> list[Question]:
        """Everything that is asked, each once."""
        return list(dict.fromkeys(point.question for point in self.points))

    @property
    def tasks(self) -> list[Task]:
        """Every task once."""
        return list(dict.fromkeys(point.task for point in self.points))

    @property
    def dims(self) -> list[int]:
        """Every dimension once, increasing."""
        return sorted({task.dim for task in self.tasks})

    def resolved(self) -> list[dict[str, Any]]:
        """Everything that decides results, as plain JSON types; labels and predictions do not."""
        return [
            {"task": question.task.identity(), "measure": question.measure.identity()} for question in self.questions
        ]

    def described(self) -> dict[str, Any]:
        """The whole experiment as plain JSON types, as in a run's ``config.json``."""
        numbers = {question: number for number, question in enumerate(self.questions)}
        return {
            "name": self.name,
            "title": self.title,
            "x": self.x,
            "about": self.about,
            "baselines": self.baselines,
            "curves": [
                {
                    "label": curve.label,
                    "solver": curve.solver_label,
                    "predicted": None if curve.prediction is None else curve.prediction.text,
                    "prediction_label": curve.prediction_label,
                    "expect": asdict(curve.expectation),
                    "points": [
                        {"x": point.x, "predicted": point.predicted, "question": numbers[point.question]}
                        for point in curve.points
                    ],
                }
                for curve in self.curves
            ],
            "questions": self.resolved(),
        }

    def hash(self) -> str:
        """Content hash of what decides results."""
        return content_hash(self.resolved())

    def default_name(self) -> str:
        """A readable directory name that differs where the tasks differ: the same command goes on where it stopped."""
        tasks = content_hash(sorted(task.hash() for task in self.tasks))[:8]
        seed = self.common("seed")
        return f"{self.name}{'' if seed is None else f'-seed{seed}'}-{tasks}"

    def common(self, name: str) -> Plain:
        """The value that a field has at every point, or None where it varies or there is none."""
        values = {point.task.described.get(name, point.measure.described.get(name)) for point in self.points}
        return values.pop() if len(values) == 1 else None
