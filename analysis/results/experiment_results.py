"""What a finished experiment found: the estimates of its points beside their predictions, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.experiments.estimate import CurveResults, PointResult, Verdict, combine
from analysis.experiments.experiment import Curve, Experiment, Question
from analysis.experiments.measure import UNFINISHED
from analysis.running.sweep import Finished

__all__ = ["ExperimentResults"]


@dataclass(frozen=True)
class ExperimentResults:
    """The results of an experiment, ready to be shown or written.

    Attributes:
        experiment: what was asked.
        curves: what was found, curve by curve.
    """

    experiment: Experiment
    curves: tuple[CurveResults, ...]

    @classmethod
    def from_answers(cls, experiment: Experiment, answers: Mapping[Question, Finished]) -> ExperimentResults:
        """Estimate and judge everything.

        Args:
            experiment: what was asked.
            answers: of all its questions.
        """
        estimates = {q: q.measure.estimate(q.task, answers[q].rows) for q in experiment.questions}

        def results(curve: Curve) -> CurveResults:
            points = tuple(
                PointResult(p, estimates[p.question], answers[p.question].stopped, answers[p.question].rows)
                for p in curve.points
            )
            measure = points[0].point.measure
            growth = measure.growth(curve, points) if experiment.x == "dim" else None
            return CurveResults(curve, points, growth, measure.judge(curve, points, growth))

        return cls(experiment, tuple(map(results, experiment.curves)))

    @property
    def verdict(self) -> Verdict:
        """The worst of the curves' verdicts, with a sentence for each."""
        return combine([results.verdict for results in self.curves])

    def complaints(self) -> list[str]:
        """What ``--strict`` does not accept, in words."""
        found = [
            f"{results.curve.label} {self.experiment.x}={row.point.x}: {row.point.measure.name} censored"
            f" ({row.estimate.censored})"
            for results in self.curves
            for row in results.points
            if row.estimate.censored
        ]
        found += [
            f"{results.curve.label}: {trials} trials {outcome}"
            for results in self.curves
            for outcome, trials in results.outcomes.items()
            if outcome in UNFINISHED and outcome != "ambiguous"
        ]
        if self.verdict.status != "agrees":
            found.append(f"theory: {self.verdict.status}")
        return found
