"""How often the 95 % intervals hold the truth: ``python -m benchmarks.calibration --datasets 1000 --jobs 2``.

Each data set of N50 is one run of the *actual* adaptive search
(:class:`analysis.measures.threshold_search.ThresholdSearch`) on trials that succeed with the probability of a known
curve, or counts at a fixed design. N50 is drawn log-uniformly from an octave, because coverage depends on where it lies
between the integers. With a lapse the truth is where the success probability itself is 1/2.

Each data set of the exponent b has six dimensions with N50 = 3 d^1.5 and the same curve about it. Its design is fixed:
a search's doubling, then cells about N50. The columns "b" hold the fit without and with a log-normal scatter
between dimensions (τ = 0.1). That fit is slow and gets fewer data sets.

An interval open on a side counts as holding what lies on that side. Nothing here reads the theory.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from analysis.experiments.plan import Search
from analysis.measures.threshold_search import ThresholdSearch
from analysis.statistics.counts import Counts
from analysis.statistics.psychometric import Rates, success_probability
from analysis.statistics.scaling_law import CANDIDATE_LAWS, fit_scaling
from analysis.statistics.threshold import fit_threshold
from analysis.tasks import Row, make_task

__all__ = [
    "SCENARIOS",
    "Interval",
    "Scenario",
    "exponent_interval",
    "fixed_interval",
    "main",
    "search_interval",
]

DIMS = (3, 4, 6, 8, 12, 16)
EXPONENT = 1.5
BETWEEN_DIMENSION_SD = 0.1


@dataclass(frozen=True)
class Scenario:
    """A success curve about N50 and the trials allowed.

    Attributes:
        name: as printed.
        slope: β.
        lapse: λ.
        guess: γ.
        trials: at each N.
    """

    name: str
    slope: float
    lapse: float = 0.0
    guess: float = 0.0
    trials: int = 100

    def probability(self, num_transitions: int | np.ndarray, n50: float) -> np.ndarray:
        """P(success | N)."""
        return success_probability(
            np.asarray(num_transitions, dtype=np.float64), n50, self.slope, Rates(self.guess, self.lapse)
        )


SCENARIOS = (
    Scenario("steep", 25.0),
    Scenario("shallow", 2.5),
    Scenario("with lapse", 8.0, lapse=0.15),
    Scenario("nearly separated", 100.0),
    Scenario("few trials", 6.0, trials=12),
    # Shares between those that the estimate lists.
    Scenario("lapse 0.24", 8.0, lapse=0.24),
    Scenario("lapse 0.08", 4.0, lapse=0.08),
)


@dataclass(frozen=True)
class Interval:
    """One simulated interval: whether it holds the truth, its width (infinite if open), and what ended as a bound."""

    covers: bool
    width: float
    censored: str


def _interval(low: float | None, high: float | None, truth: float, censored: str = "") -> Interval:
    width = math.inf if low is None or high is None else math.log(high / low)
    covers = (low is None or low <= truth) and (high is None or truth <= high)
    return Interval(covers, width, censored)


def _truth(rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(20.0), math.log(40.0)))


def search_interval(scenario: Scenario, dataset: int) -> Interval:
    """The interval at the end of one adaptive search."""
    rng = np.random.default_rng((1, SCENARIOS.index(scenario), dataset))
    n50 = _truth(rng)
    search = ThresholdSearch(
        make_task({"dim": 16}), Search(trials=scenario.trials), lambda row: bool(row.values["success"])
    )
    while batches := search.next_round():
        rows = []
        for batch in batches:
            outcomes = rng.random(batch.count) < float(scenario.probability(batch.size, n50))
            rows.append([Row(0, {"success": bool(success)}) for success in outcomes])
        search.record(batches, rows)
    fit = search.threshold
    assert fit is not None, "every stopping rule sets the threshold"
    return _interval(fit.n50_low, fit.n50_high, n50, fit.censored)


def _design(scenario: Scenario, n50: float, rng: np.random.Generator) -> Counts:
    """Counts such as a search ends with: twelve trials at the doubling, many about N50."""
    tested = {2**k: min(12, scenario.trials) for k in range(1 + math.ceil(math.log2(2.0 * n50)))}
    for u in (-1.7, -0.8, -0.3, 0.3, 0.8, 1.7):
        tested[max(1, round(n50 * math.exp(u / min(scenario.slope, 12.0))))] = scenario.trials
    sizes = sorted(tested)
    trials = tuple(tested[n] for n in sizes)
    successes = rng.binomial(trials, scenario.probability(np.array(sizes), n50))
    return Counts(tuple(sizes), tuple(int(s) for s in successes), trials)


def fixed_interval(scenario: Scenario, dataset: int) -> Interval:
    """The interval from a design that does not look at the outcomes."""
    rng = np.random.default_rng((2, SCENARIOS.index(scenario), dataset))
    n50 = _truth(rng)
    fit = fit_threshold(_design(scenario, n50, rng), test_fit=False)
    return _interval(fit.n50_low, fit.n50_high, n50, fit.censored)


def _dimensions(scenario: Scenario, sd: float, dataset: int) -> dict[int, Counts]:
    rng = np.random.default_rng((3, SCENARIOS.index(scenario), round(1000 * sd), dataset))
    constant = 3.0 * math.exp(rng.uniform(0.0, math.log(2.0)))
    return {d: _design(scenario, constant * d**EXPONENT * math.exp(sd * rng.standard_normal()), rng) for d in DIMS}


def exponent_interval(scenario: Scenario, sd: float, dataset: int) -> Interval:
    """The interval of b."""
    fit = fit_scaling(_dimensions(scenario, sd, dataset), laws=CANDIDATE_LAWS[:1]).exponent
    if fit is None:
        return Interval(True, math.inf, "undetermined")
    left, right = -math.inf if fit.low is None else fit.low, math.inf if fit.high is None else fit.high
    return Interval(left <= EXPONENT <= right, right - left, "")


def _coverage(intervals: Sequence[Interval]) -> str:
    if not intervals:
        return "–"
    share = float(np.mean([interval.covers for interval in intervals]))
    error = math.sqrt(share * (1.0 - share) / len(intervals))
    return f"{100.0 * share:.1f} ± {100.0 * error:.1f} %"


def _width(intervals: Sequence[Interval]) -> str:
    widths = [interval.width for interval in intervals if math.isfinite(interval.width)]
    return f"{np.mean(widths):.3f}" if widths else "–"


def _open(intervals: Sequence[Interval]) -> str:
    censored = np.mean([interval.censored != "" for interval in intervals])
    infinite = np.mean([math.isinf(interval.width) for interval in intervals])
    return f"{100.0 * censored:.1f} / {100.0 * infinite:.1f} %"


HEADER = (
    "scenario",
    "N50, search",
    "width",
    "censored / open",
    "N50, fixed design",
    "width",
    "b",
    "b, τ = 0.1",
)


def row(scenario: Scenario, datasets: int, exponents: int, pool: ProcessPoolExecutor) -> list[str]:
    """The cells of one scenario."""

    def collect(simulate: partial[Interval], count: int) -> list[Interval]:
        return list(pool.map(simulate, range(count), chunksize=10))

    searched = collect(partial(search_interval, scenario), datasets)
    fixed = collect(partial(fixed_interval, scenario), datasets)
    cells = [scenario.name, _coverage(searched), _width(searched), _open(searched)]
    cells += [_coverage(fixed), _width(fixed)]
    for sd in (0.0, BETWEEN_DIMENSION_SD):
        cells.append(_coverage(collect(partial(exponent_interval, scenario, sd), exponents)))
    return cells


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table as Markdown, row by row."""
    parser = argparse.ArgumentParser(description="Coverage of the 95 % intervals on simulated data.")
    parser.add_argument("--datasets", type=int, default=1000, help="data sets a scenario")
    parser.add_argument("--exponents", type=int, default=200, help="data sets of the exponent (0: none)")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    print(_line(HEADER))
    print(_line(["---"] * len(HEADER)), flush=True)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for scenario in SCENARIOS:
            print(_line(row(scenario, arguments.datasets, arguments.exponents, pool)), flush=True)


if __name__ == "__main__":
    main()
