"""What a finished experiment found: thresholds beside predictions, scaling laws, and verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.experiments.experiment import Curve, Experiment
from analysis.experiments.formula import Formula
from analysis.measures.fixed_sizes import FixedSizes
from analysis.measures.threshold_search import ThresholdSearch
from analysis.results.verdict import PointResult, Verdict, combine, judge
from analysis.running.sweep import Plan
from analysis.statistics.counts import Counts
from analysis.statistics.joint_model import JointModel, fit_joint_model
from analysis.statistics.ratio_limit import Approach, fit_approach
from analysis.statistics.scaling_law import CANDIDATE_LAWS, Law, Scaling, fit_scaling
from analysis.statistics.threshold import Threshold, fit_threshold
from analysis.tasks.setting import Setting
from toyenvs.constructions import CONSTRUCTIONS, EXTENSIONS, Construction

__all__ = ["CurveResults", "ExperimentResults", "OutcomeCount"]

_NORMAL_95 = 1.959964
_FROM_DIM = 8


@dataclass(frozen=True)
class OutcomeCount:
    """How many trials of a setting ended how, kept which start, and succeeded or not."""

    setting: str
    outcome: str
    start: int
    success: bool
    trials: int


@dataclass(frozen=True)
class CurveResults:
    """Everything about one curve.

    Attributes:
        curve: what was measured, and what was expected.
        points: what was found, in the order of the axis.
        scaling: laws fitted to the thresholds one by one (two stages); None off the axis of dimensions.
        joint: one model of all counts, logit P = β(log N − a − b·log d); None as well, or without enough dimensions.
        outcomes: how its trials ended.
    """

    curve: Curve
    points: tuple[PointResult, ...]
    scaling: Scaling | None
    joint: JointModel | None
    outcomes: tuple[OutcomeCount, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether the prediction holds."""
        return judge(self.curve, self.points, self.scaling)

    @property
    def settled(self) -> dict[int, int]:
        """The smallest N by d, where exact tests settle it; empty off the axis of dimensions."""
        return {
            row.point.setting.dim: threshold.smallest_n
            for row in self.points
            if self.scaling is not None
            and (threshold := row.threshold) is not None
            and threshold.settled
            and threshold.smallest_n is not None
        }

    @property
    def exact_laws(self) -> tuple[str, ...]:
        """The laws that *are* the smallest N wherever it is settled, no constant; "the prediction" first, if it is.

        Where success jumps from never to always, N₅₀ is known to lie between N − 1 and N only, and for small d a
        constant times a steeper law passes there as well: weights do not tell them apart, the integers do.
        """
        settled = self.settled
        dims = list(settled)
        if self.scaling is None or not dims:
            return ()
        predicted = {row.point.setting.dim: row.point.predicted for row in self.points}
        told = ["the prediction"] if all(predicted[d] == n for d, n in settled.items()) else []
        laws = [
            fit.law.name
            for fit in self.scaling.laws
            if np.array_equal(np.round(np.exp(fit.law.log(dims)), 6), list(settled.values()))
        ]
        return (*told, *laws)

    @property
    def approach(self) -> Approach | None:
        """Where the ratio of a descent's N₅₀ to the prediction goes as d grows; None where no order is predicted.

        From d = 8 on: below, luck and integers decide, and the ratio rises before it falls. None as well where a
        threshold among them has no upper bound: an extrapolation may not leave out what did not succeed.
        """
        if self.scaling is None or self.curve.method != "descent" or self.curve.expectation.kind != "order":
            return None
        asked = [row for row in self.points if row.point.setting.dim >= _FROM_DIM]
        if any(row.threshold is not None and row.threshold.censored in ("right", "undetermined") for row in asked):
            return None
        known = [
            (row.point.setting.dim, threshold.n50 / row.point.predicted, threshold.half_width / _NORMAL_95)
            for row in asked
            if (threshold := row.threshold) is not None
            and not threshold.censored
            and not threshold.settled
            and math.isfinite(threshold.half_width)
            and row.point.predicted is not None
        ]
        if not known:
            return None
        dims, ratios, errors = zip(*known, strict=True)
        return fit_approach(dims, ratios, errors)

    @property
    def wrong_component(self) -> tuple[int, int] | None:
        """(kept second starts, all successes): how often a single start would have failed.

        None where the class has one component only, or restarts are the method's own. Counted over successful trials,
        whose component is known to be right.
        """
        setting = self.curve.points[0].setting
        if setting.group != "o" or setting.method != "descent":
            return None
        successes = [tally for tally in self.outcomes if tally.success]
        return sum(t.trials for t in successes if t.start > 0), sum(t.trials for t in successes)


@dataclass(frozen=True)
class ExperimentResults:
    """The results of an experiment, ready to be shown or written."""

    experiment: Experiment
    curves: tuple[CurveResults, ...]

    @classmethod
    def from_plans(
        cls,
        experiment: Experiment,
        plans: Mapping[Setting, Plan],
        outcomes: Sequence[tuple[str, str, int, int, int]],
        starts: Mapping[str, tuple[float, int]],
    ) -> ExperimentResults:
        """Fit everything that the counts allow.

        Args:
            experiment: what was measured.
            plans: finished ones.
            outcomes: (hash of the setting, outcome, start, success, trials) as the store counts them.
            starts: hash of the setting -> (mean, largest) number of starting points, likewise.
        """
        tallies = [OutcomeCount(a, b, c, bool(d), e) for a, b, c, d, e in outcomes]
        curves = []
        for curve in experiment.curves:
            points = []
            for point in curve.points:
                plan = plans[point.setting]
                assert plan.stopped, "the plan has not ended"
                mean, most = starts[point.setting.hash()]
                points.append(
                    PointResult(
                        point=point,
                        threshold=_threshold(plan),
                        errors=plan.estimates() if isinstance(plan, FixedSizes) else (),
                        stopped=plan.stopped,
                        mean_starts=mean,
                        most_starts=most,
                        counts=Counts.from_cells(plan.cells) if isinstance(plan, ThresholdSearch) else None,
                    )
                )
            own = {point.setting.hash() for point in curve.points}
            scaling, joint = _growth(experiment, curve, plans)
            curves.append(
                CurveResults(curve, tuple(points), scaling, joint, tuple(t for t in tallies if t.setting in own))
            )
        return cls(experiment, tuple(curves))

    @property
    def verdict(self) -> Verdict:
        """The worst of the curves' verdicts, with a sentence for each."""
        return combine([results.verdict for results in self.curves])

    def complaints(self) -> list[str]:
        """What ``--strict`` does not accept, in words."""
        found = [
            f"{results.curve.label} {self.experiment.x}={row.point.x}: threshold censored ({row.threshold.censored})"
            for results in self.curves
            for row in results.points
            if row.threshold is not None and row.threshold.censored
        ]
        found += [
            f"{results.curve.label}: {tally.trials} trials {tally.outcome}"
            for results in self.curves
            for tally in results.outcomes
            if tally.outcome in ("diverged", "not_converged")
        ]
        if self.verdict.status != "agrees":
            found.append(f"theory: {self.verdict.status}")
        return found


def _threshold(plan: Plan) -> Threshold | None:
    """The estimate with its test of fit, which a search that goes on does without."""
    return fit_threshold(Counts.from_cells(plan.cells)) if isinstance(plan, ThresholdSearch) else None


def _growth(
    experiment: Experiment, curve: Curve, plans: Mapping[Setting, Plan]
) -> tuple[Scaling | None, JointModel | None]:
    """The laws and the joint model of a curve over dimensions, where thresholds were searched."""
    if experiment.x != "dim":
        return None, None
    counts = {}
    for point in curve.points:
        plan = plans[point.setting]
        if not isinstance(plan, ThresholdSearch):
            return None, None
        counts[point.setting.dim] = Counts.from_cells(plan.cells)
    return fit_scaling(counts, _laws(curve)), fit_joint_model(counts)


def _length_laws(construction: str) -> tuple[Law, ...]:
    """What a construction whose transitions are not all informative makes of D + 1, d − 1 and d."""
    create = (CONSTRUCTIONS | EXTENSIONS).get(construction, Construction)
    counts = [law for law in CANDIDATE_LAWS if law.name in ("D+1", "d-1", "d")]
    counts.sort(key=lambda law: law.order, reverse=True)  # as tables list them

    def lengths(law: Law) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        return lambda d: create.transitions_for_informative(law.function(d))

    laws = [Law(create.length_label(law.name), law.order, lengths(law)) for law in counts]
    return tuple(law for law in laws if law.name not in {known.name for known in CANDIDATE_LAWS})


def _laws(curve: Curve) -> tuple[Law, ...]:
    """The standing candidates, and the prediction itself where it is none of them up to a constant."""
    standing = CANDIDATE_LAWS + _length_laws(curve.points[0].setting.construction)
    dims = [point.setting.dim for point in curve.points]
    predicted = [curve.predict(dim) for dim in dims]
    order = curve.predicted_order
    known = [value for value in predicted if value is not None]
    if order is None or len(known) < len(dims):
        return standing
    if any(np.ptp(law.log(dims) - np.log(known)) < 1e-12 for law in standing):
        return standing

    def function(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([curve.predict(int(d)) for d in at], dtype=np.float64)

    # Plain text where there is any: a label may be full of LaTeX.
    name = curve.formula.name if isinstance(curve.formula, Formula) else "theory"
    if name in {law.name for law in standing}:
        name += " (predicted)"  # a label that is a standing law's, on another formula
    return (*standing, Law(name, order, function))
