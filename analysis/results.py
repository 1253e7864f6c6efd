"""What a finished sweep found: thresholds beside predictions, scaling laws, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.config import SweepConfig
from analysis.counts import Counts
from analysis.scaling_law import CANDIDATE_LAWS, Law, Scaling, fit_scaling
from analysis.search import ThresholdSearch
from analysis.threshold import Threshold
from proofs_check.identifiability import predicted_threshold, prediction_label

__all__ = ["DECISIVE", "LABELS", "LearnerResults", "OutcomeCount", "SweepResults", "ThresholdRow", "Verdict"]

FEWEST_DIMS, SMALLEST_SPAN = 5, 8.0
"""Dimensions with a threshold, and largest over smallest of them, below which no order of growth is named.

Over d = 2, 3, 4, 6 a constant times D + 1 passes between the same integers as d - 1.
"""

FITTING = 6.0
"""AIC by which a free power law may beat the best candidate before the verdict says that no candidate fits."""

DECISIVE = 0.95
"""AIC weight that the laws of one order must share before the verdict speaks of that order."""

EXPECTED_ORDER = {"ddpg": 2, "reengage": 1}
"""The paper's claim: the power of d that the threshold grows with."""

LABELS = {"ddpg": "DDPG", "reengage": "ReenGAGE"}
"""How the learners' names are written."""


@dataclass(frozen=True)
class ThresholdRow:
    """A learner's threshold at one dimension.

    Attributes:
        learner: key of ``LEARNERS``.
        dim: d.
        threshold: the estimate.
        predicted: the smallest N that determines U according to theory; None where theory is silent.
        stopped: the search's stopping rule.
    """

    learner: str
    dim: int
    threshold: Threshold
    predicted: int | None
    stopped: str

    @property
    def ratio(self) -> float | None:
        """Smallest N with success ≥ 1/2 over the predicted one, both integers of the same meaning."""
        if self.predicted is None or self.threshold.smallest_n is None:
            return None
        return self.threshold.smallest_n / self.predicted


@dataclass(frozen=True)
class OutcomeCount:
    """How many of a learner's trials ended how, kept which start, and succeeded or not."""

    learner: str
    outcome: str
    start: int
    success: bool
    trials: int


@dataclass(frozen=True)
class Verdict:
    """Whether the measured order of growth is the predicted one.

    Attributes:
        status: "agrees", "disagrees" or "undecided"; never "agrees" for lack of data.
        sentence: the verdict in words.
    """

    status: str
    sentence: str


@dataclass(frozen=True)
class LearnerResults:
    """Everything about one learner."""

    learner: str
    thresholds: tuple[ThresholdRow, ...]
    scaling: Scaling

    @property
    def against_theory(self) -> str:
        """How the smallest N with success ≥ 1/2 compares with the predicted integer over the dimensions, in words."""
        ratios = [(row.ratio, row.dim) for row in self.thresholds if row.ratio is not None]
        if not ratios:
            return "theory states no number here"
        if all(ratio == 1 for ratio, _ in ratios):
            return f"the smallest N equals the predicted one at {len(ratios)} of {len(self.thresholds)} dimensions"
        (low, low_dim), (high, high_dim) = min(ratios), max(ratios)
        return f"the smallest N is {low:.2f} (d = {low_dim}) to {high:.2f} (d = {high_dim}) times the predicted one"

    @property
    def label(self) -> str:
        """The learner's name as it is written."""
        return LABELS.get(self.learner, self.learner)


@dataclass(frozen=True)
class SweepResults:
    """The results of a sweep, ready to be shown or written."""

    config: SweepConfig
    learners: tuple[LearnerResults, ...]
    outcomes: tuple[OutcomeCount, ...]

    @classmethod
    def from_sweep(
        cls,
        config: SweepConfig,
        searches: Sequence[ThresholdSearch],
        outcomes: Sequence[tuple[str, str, int, int, int]],
    ) -> SweepResults:
        """Fit everything that the searches' counts allow.

        Args:
            config: the sweep.
            searches: finished ones.
            outcomes: (learner, outcome, start, success, trials) as the store counts them.
        """
        learners = []
        for learner in config.learners:
            own = [search for search in searches if search.learner == learner]
            rows = tuple(_row(search) for search in sorted(own, key=lambda search: search.dim))
            counts = {search.dim: Counts.from_cells(search.cells) for search in own}
            learners.append(LearnerResults(learner, rows, fit_scaling(counts, _laws(config, learner))))
        tallies = tuple(OutcomeCount(a, b, c, bool(d), e) for a, b, c, d, e in outcomes)
        return cls(config, tuple(learners), tallies)

    @property
    def verdict(self) -> Verdict:
        """One sentence a learner, and whether all of them grow as the paper says."""
        parts = [_learner_verdict(results) for results in self.learners]
        statuses = {part.status for part in parts}
        if "disagrees" in statuses:
            status = "disagrees"
        elif "undecided" in statuses:
            status = "undecided"
        else:
            status = "agrees"
        conclusion = {
            "agrees": "This agrees with the paper's orders of growth.",
            "disagrees": "This disagrees with the paper's orders of growth.",
            "undecided": "The data do not decide about the paper's orders of growth.",
        }[status]
        return Verdict(status, " ".join([part.sentence for part in parts] + [conclusion]))

    def complaints(self) -> list[str]:
        """What ``--strict`` does not accept, in words."""
        found = [
            f"{row.learner} d={row.dim}: threshold censored ({row.threshold.censored})"
            for results in self.learners
            for row in results.thresholds
            if row.threshold.censored
        ]
        found += [
            f"{tally.learner}: {tally.trials} trials {tally.outcome}"
            for tally in self.outcomes
            if tally.outcome in ("diverged", "not_converged")
        ]
        if self.verdict.status != "agrees":
            found.append(f"theory: {self.verdict.status}")
        return found

    def wrong_component(self, learner: str) -> tuple[int, int] | None:
        """(kept second starts, all successes): how often a single start would have failed.

        None where the class has one component only. Counted over successful trials, whose component is known to be
        right.
        """
        if self.config.group != "o":
            return None
        successes = [t for t in self.outcomes if t.learner == learner and t.success]
        return sum(t.trials for t in successes if t.start > 0), sum(t.trials for t in successes)


def _row(search: ThresholdSearch) -> ThresholdRow:
    assert search.stopped, "the search has not ended"
    assert search.threshold is not None  # set by every stopping rule
    config = search.config
    predicted = predicted_threshold(
        config.construction, config.group, search.learner, search.dim, config.steps_per_goal
    )
    return ThresholdRow(search.learner, search.dim, search.threshold, predicted, search.stopped)


def predicted_counts(config: SweepConfig, learner: str, dims: Sequence[int]) -> list[int] | None:
    """The prediction at each dimension, or None if theory is silent at one of them."""
    counts = [
        predicted_threshold(config.construction, config.group, learner, dim, config.steps_per_goal) for dim in dims
    ]
    known = [count for count in counts if count is not None]
    return known if len(known) == len(counts) else None


def _laws(config: SweepConfig, learner: str) -> tuple[Law, ...]:
    """The standing candidates, and the prediction itself where it is none of them up to a constant."""
    dims = sorted(config.dims)
    predicted = predicted_counts(config, learner, dims)
    if predicted is None or any(np.ptp(law.log(dims) - np.log(predicted)) < 1e-12 for law in CANDIDATE_LAWS):
        return CANDIDATE_LAWS

    def function(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array(predicted_counts(config, learner, [int(d) for d in at]), dtype=np.float64)

    name = prediction_label(config.construction, config.group, learner) or "predicted"
    return (*CANDIDATE_LAWS, Law(name, f"${name}$", EXPECTED_ORDER[learner], function))


def _learner_verdict(results: LearnerResults) -> Verdict:
    scaling = results.scaling
    expected = EXPECTED_ORDER.get(results.learner)
    best = scaling.best_fit
    if best is None or expected is None:
        reason = scaling.reason or "no prediction"
        return Verdict("undecided", f"{results.label}: {reason}; {results.against_theory}.")
    known = scaling.informative_dims
    if len(known) < FEWEST_DIMS or known[-1] < SMALLEST_SPAN * known[0]:
        return Verdict(
            "undecided",
            f"{results.label}: d = {', '.join(map(str, known))} are too few or too close to tell orders of growth apart"
            f" (needed: {FEWEST_DIMS}, the largest {SMALLEST_SPAN:g} times the smallest); {results.against_theory}.",
        )
    weight = scaling.order_weights.get(expected, 0.0)
    growth = {1: "linearly", 2: "quadratically"}
    power = scaling.exponent
    if power is not None and power.aic + FITTING < best.aic:
        status, words = "undecided", f"follows none of the laws (a power {power.value:.2f} of d fits better)"
    elif weight >= DECISIVE:
        status, words = "agrees", f"grows {growth[expected]} with d"
    elif max(scaling.order_weights.values()) >= DECISIVE:
        order = max(scaling.order_weights, key=lambda k: scaling.order_weights[k])
        status, words = "disagrees", f"grows {growth[order]} with d, not {growth[expected]}"
    else:
        status, words = "undecided", "grows at an order that the data leave open"
    ties = [fit.law.name for fit in scaling.laws if fit is not best and fit.weight > 0.99 * best.weight]
    tie = f", as well as {', '.join(ties)}" if ties else ""
    return Verdict(
        status,
        f"{results.label}'s threshold {words}: N50 ≈ {best.constant:.2f} × ({best.law.name}) fits best{tie}, "
        f"laws of that order have AIC weight {scaling.order_weights[best.law.order]:.3f}; {results.against_theory}.",
    )
