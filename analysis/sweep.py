"""Run a sweep: every search of a configuration, on any executor, through one store.

The driver asks the searches for their next batches, takes from the store what is there already, sends the rest
to the executor and writes results as they come. Large dimensions go first, because they take longest.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field

from analysis.config import SweepConfig
from analysis.search import ThresholdSearch
from analysis.store import Store
from analysis.trial import Batch, TrialRow, run_batch

__all__ = ["SweepEvent", "run_sweep"]


@dataclass(frozen=True)
class SweepEvent:
    """What a progress display is told: after every batch, and when a search ends.

    Attributes:
        search: the search that the news is about.
        batch: the batch that was finished, or None when the search has just ended.
    """

    search: ThresholdSearch
    batch: Batch | None


@dataclass
class _Round:
    """The batches of one round and the results that have come."""

    search: ThresholdSearch
    batches: list[Batch]
    results: dict[int, list[TrialRow]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.results) == len(self.batches)


def run_sweep(
    config: SweepConfig,
    store: Store,
    executor: Executor,
    workers: int,
    report: Callable[[SweepEvent], None] = lambda event: None,
) -> list[ThresholdSearch]:
    """Finish every search of a configuration; what the store holds is not run again.

    Args:
        config: what to measure.
        store: where trials are kept; must belong to ``config``.
        executor: where batches run. The result does not depend on it as long as its workers compute with one
            arithmetic thread (threads change the order of floating-point sums).
        workers: batches to keep in flight.
        report: called after every batch and every finished search.

    Returns:
        The finished searches, by learner and dimension in the configuration's order.
    """
    searches = [ThresholdSearch(config, learner, dim) for learner in config.learners for dim in config.dims]
    waiting: list[tuple[int, int, int, _Round]] = []
    running: dict[Future[list[TrialRow]], tuple[_Round, int]] = {}

    def advance(search: ThresholdSearch, order: int) -> None:
        """Replay what the store knows; queue the first round that it does not."""
        while batches := search.next_round():
            current = _Round(search, batches)
            for i, batch in enumerate(batches):
                rows = store.load(batch)
                if rows is not None:
                    current.results[i] = rows
                    report(SweepEvent(search, batch))
            if not current.complete:
                for i in range(len(batches)):
                    if i not in current.results:
                        heapq.heappush(waiting, (-search.dim, order, i, current))
                return
            search.record(batches, [current.results[i] for i in range(len(batches))])
        report(SweepEvent(search, None))

    for order, search in enumerate(searches):
        advance(search, order)
    try:
        while waiting or running:
            while waiting and len(running) <= workers:
                _, _, i, current = heapq.heappop(waiting)
                running[executor.submit(run_batch, current.batches[i])] = (current, i)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                current, i = running.pop(future)
                rows = future.result()
                store.save(current.batches[i], rows)
                current.results[i] = rows
                report(SweepEvent(current.search, current.batches[i]))
                if current.complete:
                    current.search.record(current.batches, [current.results[k] for k in range(len(current.batches))])
                    advance(current.search, searches.index(current.search))
    except BaseException:
        for future in running:
            future.cancel()
        raise
    return searches
