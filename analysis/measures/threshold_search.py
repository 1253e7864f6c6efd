"""The adaptive search for one threshold: which N to try next, decided in rounds.

The search knows nothing of theory. It doubles N from 1 until learners succeed, closes in by geometric
trisection (down to neighbouring integers where success jumps), and then spends trials where they tell most
about N₅₀, until one of its stopping rules holds:

* ``precision``  the 95 % interval of log N₅₀ has a half-width of at most the precision asked for, and some N lies
  surely below 1/2 and some surely above. When that first holds, half as many trials again as lie within a factor of two
  of N₅₀ are planned and spent there, and only then it is looked at again (and, where it does not hold, after a fifth
  more): the moment at which an interval becomes short is one at which it is likely to be too short, and intervals of
  95 % would cover 91 % (``python -m benchmarks.calibration``);
* ``resolved``   two neighbouring integers lie, statistically, on either side of 1/2 (where trials have decided N − 1 or
  N − 2 below and N above, the integers between them are tried before anything else);
* ``budget``     the trials are spent, in all or at every N that would still tell something;
* ``censored``   success is above 1/2 at N = 1 already, or no N up to the largest allowed reaches 1/2.

Decisions depend on complete rounds only, never on which batch finished first, so a search takes the same path
on any number of workers, and after any interruption. Every batch draws fresh trial indices: the outcomes of
one search are independent, as the likelihoods of :mod:`analysis.statistics.profile` assume.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from scipy.stats import binomtest
from typing_extensions import override

from analysis.experiments.plan import Plan, Search
from analysis.statistics.counts import Counts
from analysis.statistics.threshold import Threshold, decided_bracket, fit_threshold
from analysis.tasks import Batch, Row, Task

__all__ = ["CONFIRMATION", "ThresholdSearch"]

_BRACKET_RATIO = 1.3
"""The bracket is narrow enough for fitting when its ends differ by less than this factor."""

_PILOTS = 8
"""Trials at each N while the search doubles: the fewest of which all, or none, are evidence at the level below."""

_DECIDED = 0.05
"""p-value of an exact test against 1/2 below which a bracket's end counts as decided."""

_EVIDENCE = 0.005
"""Level of the exact tests that must put some N below 1/2 and some N above before a fit's precision is believed."""

CONFIRMATION = 0.5
"""Trials still to spend when the interval is first short enough, as a share of those near N₅₀."""

_AGAIN = 0.2
"""The same where the interval turns out to be too long at the planned end."""

_NEAR = 2.0
"""Trials within this factor of N₅₀ are near it; further out they tell next to nothing about it."""

_WORTH_A_FIT = 1.1
"""Trials in all, over those of the last fit, at which the curve is fitted again: fits take time, and change little."""

_SMALLEST_SLOPE = 0.5
"""Flatter curves are searched as if they had this slope: their quantiles are out of reach."""

_SIDES = (0.3, 0.7)
"""Success probabilities at which refinement spends its trials: close to 1/2, yet on both sides of it."""

_WORTHWHILE = (0.1, 0.9)
"""Fitted success probabilities between which refinement spends trials; further out they tell little about N₅₀."""


@dataclass
class ThresholdSearch(Plan):
    """The state of one search, and the counts so far.

    Attributes:
        task: what the threshold is measured of.
        search: how many trials, how precisely, in what batches.
        succeeds: whether a trial did, by its row.
        cells: N -> (successes, trials).
        next_trial: the first trial index not used yet.
        stopped: the stopping rule that ended the search; "" while it runs.
        threshold: the last fit; where the search has stopped, that of all its trials.
        fitted: trials that it is the fit of.
        enough: trials at which the search ends, planned when the interval was first as short as asked for.
    """

    task: Task
    search: Search
    succeeds: Callable[[Row], bool]
    cells: dict[int, tuple[int, int]] = field(default_factory=dict)
    next_trial: int = 0
    stopped: str = ""
    threshold: Threshold | None = None
    fitted: int = 0
    enough: int | None = None

    @property
    @override
    def budget(self) -> int:
        return 12 * self.search.trials

    @property
    @override
    def spent(self) -> int:
        return sum(trials for _, trials in self.cells.values())

    @override
    def describe(self) -> str:
        text, fit = f"{self.spent} trials", self.threshold
        if fit is None:
            return text
        if fit.censored:
            return f"{text}, N50 {'below' if fit.censored == 'left' else 'above'} {fit.n50:.0f}"
        if math.isfinite(fit.half_width):
            return f"{text}, N50 = {fit.n50:.1f} ± {100 * math.expm1(fit.half_width):.0f} %"
        return f"{text}, N50 ≈ {fit.n50:.1f}"

    @property
    def largest(self) -> int:
        """The largest N that the search is willing to try: far above every law under discussion."""
        return max(64, 8 * self.task.dim**2)

    @override
    def next_round(self) -> list[Batch]:
        if self.stopped:
            return []
        doubling = not any(self._above_half(n) for n in self.cells)
        # Where an N may take few trials in all it gets them at once: what pilot trials would leave of them is too few
        # to be worth a second look (intervals of 95 % covered 92 % with 12 trials an N, taken as 8 and 4).
        pilots = _PILOTS if self.search.trials >= 2 * _PILOTS else self.search.trials
        count = min(pilots, self._batch_size) if doubling else self._batch_size
        return [self._batch(size, min(count, self._left(size))) for size in self._bracketing() or self._refining()]

    @override
    def record(self, batches: Sequence[Batch], rows: Sequence[Sequence[Row]]) -> None:
        for batch, results in zip(batches, rows, strict=True):
            successes, trials = self.cells.get(batch.size, (0, 0))
            self.cells[batch.size] = (
                successes + sum(map(self.succeeds, results)),
                trials + len(results),
            )

    def _batch(self, size: int, count: int) -> Batch:
        batch = Batch(self.task, size, self.next_trial, count)
        self.next_trial += batch.count
        return batch

    def _above_half(self, num_transitions: int) -> bool:
        successes, trials = self.cells[num_transitions]
        return 2 * successes >= trials

    def _jumps(self, low: int, high: int) -> bool:
        """Whether success is decided at both ends already: then the integers in between are worth finding."""
        return all(binomtest(*self.cells[n]).pvalue < _DECIDED for n in (low, high))

    def _bracketing(self) -> list[int]:
        """Two sizes that shrink the bracket around the crossing, or none once it is narrow."""
        tried = sorted(self.cells)
        above = [n for n in tried if self._above_half(n)]
        if not above:
            start = 2 * tried[-1] if tried else 1
            sizes = [n for n in (start, 2 * start) if n <= self.largest]
            if not sizes:
                return self._or_stop(sizes, "censored")
            return sizes
        high = above[0]
        below = [n for n in tried if n < high]
        low = below[-1] if below else 0
        if high - low <= 1 or (low > 0 and high / low <= _BRACKET_RATIO and not self._jumps(low, high)):
            return []
        inner = {round(low * (high / low) ** part) for part in (1 / 3, 2 / 3)} if low > 0 else {high // 2}
        return sorted(n for n in inner if low < n < high)

    def _refining(self) -> list[int]:
        """Up to two sizes that tell most about N₅₀, or none once a stopping rule holds."""
        if self.stopped:
            return []
        counts = Counts.from_cells(self.cells)
        at_end = self.spent + 2 * self._batch_size > self.budget
        if at_end or self.spent >= min(_WORTH_A_FIT * self.fitted, math.inf if self.enough is None else self.enough):
            self._fit()
        fit = self.threshold
        assert fit is not None, "the first round of refinement has fitted"
        below, above = decided_bracket(counts, _EVIDENCE)
        if fit.resolved:
            self.stopped = "resolved"
        elif at_end:
            self.stopped = "budget"
        elif fit.censored == "left" or counts.above:
            # Trials at N = 1 first; where they leave it open whether success is above 1/2, at the next N that has any.
            asked = sorted(self.cells) if fit.censored == "undetermined" else [1]
            return self._or_stop([n for n in asked if self._free(n)][:1], "censored")
        elif above is None:
            # Success has been seen, but nowhere surely more often than not: more trials, then more transitions.
            top = max(self.cells)
            return self._or_stop([n for n in (top, 2 * top) if self._free(n) and n <= self.largest][:1], "budget")
        elif open_integers := self._open_integers(counts):
            return open_integers
        if self.enough is None and self._precise(fit, below):
            self.enough = self._and_more(CONFIRMATION, fit)
        if not self.stopped and self.enough is not None and self.spent >= self.enough:
            if self._precise(fit, below):
                self.stopped = "precision"
            else:
                self.enough = self._and_more(_AGAIN, fit)
        return [] if self.stopped else self._or_stop(self._informative_sizes(fit), "budget")

    def _precise(self, fit: Threshold, below: int) -> bool:
        """Whether the interval is as short as was asked for, and evidence lies on both sides."""
        return bool(below) and not fit.censored and fit.half_width <= self.search.precision

    def _and_more(self, share: float, fit: Threshold) -> int:
        """The trials so far, and this share again of those near N₅₀."""
        return self.spent + math.ceil(share * self._spent_between(fit.n50 / _NEAR, fit.n50 * _NEAR))

    def _fit(self) -> None:
        self.threshold = fit_threshold(Counts.from_cells(self.cells), test_fit=False)
        self.fitted = self.spent

    def _or_stop(self, sizes: list[int], reason: str) -> list[int]:
        """The sizes; if there are none, the search is over."""
        if not sizes:
            self._fit()
            self.stopped = reason
        return sizes

    def _open_integers(self, counts: Counts) -> list[int]:
        """The integers, at most two, between a decided N below 1/2 and one above it, that may still take a batch."""
        below, above = decided_bracket(counts)
        if above is None or not 2 <= above - below <= 3:
            return []
        return [n for n in range(below + 1, above) if self._free(n)]

    @property
    def _batch_size(self) -> int:
        return self.search.batch

    def _left(self, num_transitions: int) -> int:
        """Trials that a size may still take."""
        _, trials = self.cells.get(num_transitions, (0, 0))
        return self.search.trials - trials

    def _free(self, num_transitions: int) -> bool:
        """Whether a size may take more trials."""
        return self._left(num_transitions) > 0

    def _informative_sizes(self, fit: Threshold) -> list[int]:
        """Integers near the fitted crossing that may still take a batch: one a side if possible, at most two."""
        slope = max(1.0 if fit.slope is None else fit.slope, _SMALLEST_SLOPE)
        centre = math.log(fit.n50)

        def place(probability: float) -> float:
            exponent = centre + math.log(probability / (1 - probability)) / slope
            return math.exp(min(exponent, math.log(self.largest)))

        lower, upper = place(_SIDES[0]), place(_SIDES[1])
        left = range(max(1, math.floor(lower)), max(1, math.floor(place(_WORTHWHILE[0]))) - 1, -1)
        right = range(math.ceil(upper), math.ceil(place(_WORTHWHILE[1])) + 1)
        between = sorted(range(math.ceil(lower), math.floor(upper) + 1), key=lambda n: abs(math.log(n) - centre))
        # Where plateaus are possible, trials on both sides alone leave the middle open, and trials in the middle alone
        # the slope: the two of the three regions that have had the fewest.
        regions = [(0.0, lower, left), (upper, math.inf, right), (lower, upper, between)]
        free = [(self._spent_between(low, high), n) for low, high, sizes in regions if (n := self._first_free(sizes))]
        chosen = [n for _, n in sorted(free, key=lambda pair: pair[0])[:2]]
        spare = [n for n in between if n not in chosen and self._free(n)]
        return sorted({*chosen, *spare[: 2 - len(chosen)]})

    def _spent_between(self, low: float, high: float) -> int:
        """Trials at sizes in a closed interval."""
        return sum(trials for n, (_, trials) in self.cells.items() if low <= n <= high)

    def _first_free(self, sizes: Iterable[int]) -> int | None:
        return next((n for n in sizes if self._free(n)), None)
