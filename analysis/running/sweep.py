"""Run an experiment: every search (or fixed plan) of it, on any executor, through one store.

The driver asks the plans for their next batches, takes from the store what is there already, sends the rest
to the executor and writes results as they come. Large dimensions go first, because they take longest.

A worker that is killed takes nothing with it: what was under way runs again on fresh workers. Who was computing what
is not known then, so a batch that was under way twice when a worker was lost runs alone the third time, and only a
batch that loses its worker alone is blamed.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field

from analysis.experiments.experiment import Experiment
from analysis.measures.fixed_sizes import FixedSizes
from analysis.measures.threshold_search import ThresholdSearch
from analysis.running.executors import RenewableExecutor
from analysis.storage.store import Store
from analysis.tasks.setting import Setting
from analysis.tasks.trial import Batch, TrialRow, run_batch, run_own_batch

__all__ = ["Plan", "SweepEvent", "TrialError", "run_sweep"]

_MOST_LOSSES = 3
"""Times that a batch may be under way when a worker is lost; the last time it is alone."""

Plan = ThresholdSearch | FixedSizes
"""What asks for batches and takes in their results, round by round."""


class TrialError(RuntimeError):
    """A batch of trials could not be computed; ``__cause__`` is what its worker raised."""

    def __init__(self, batch: Batch, cause: Exception) -> None:
        setting = batch.setting
        reason = " ".join(str(cause).split())[:200]
        if isinstance(cause, BrokenExecutor) or type(cause).__name__ == "KilledWorker":  # the latter is Dask's
            # Most often the system ended a worker that asked for more memory than there is.
            reason = "a worker process was ended, perhaps for lack of memory: try fewer --workers"
        elif isinstance(cause, CancelledError):
            reason = "the executor dropped them; has its scheduler ended?"
        super().__init__(
            f"trials {batch.first_trial} to {batch.first_trial + batch.count - 1} of {setting.learner}, "
            f"{setting.method}, d = {setting.dim}, N = {batch.num_transitions} failed: {type(cause).__name__}: {reason}"
        )


@dataclass(frozen=True)
class SweepEvent:
    """What a progress display is told: after every batch, and when a plan ends.

    Attributes:
        plan: the one that the news is about.
        batch: the batch that was finished, or None when the plan has just ended.
    """

    plan: Plan
    batch: Batch | None


@dataclass
class _Round:
    """The batches of one round and the results that have come."""

    plan: Plan
    batches: list[Batch]
    results: dict[int, list[TrialRow]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.results) == len(self.batches)

    def record(self) -> None:
        """Tell the plan, in the order of the batches."""
        self.plan.record(self.batches, [self.results[i] for i in range(len(self.batches))])


def run_sweep(
    experiment: Experiment,
    store: Store,
    executor: Executor,
    workers: int,
    report: Callable[[SweepEvent], None] = lambda event: None,
    only: Collection[Setting] | None = None,
) -> dict[Setting, Plan]:
    """Finish every plan of an experiment; what the store holds is not run again.

    Args:
        experiment: what to measure.
        store: where trials are kept; must belong to ``experiment``.
        executor: where batches run; a :class:`RenewableExecutor` is renewed when it has lost a worker. The result
            does not depend on it as long as its workers compute with one arithmetic thread (threads change the order
            of floating-point sums).
        workers: batches to keep in flight.
        report: called after every batch and every finished plan.
        only: the settings to finish; None: all of them.

    Returns:
        The finished plan of each setting.

    Raises:
        TrialError: if a batch fails. What was finished before it is in the store.
    """
    plans: dict[Setting, Plan] = {}
    for point in experiment.points:
        if point.setting not in plans and (only is None or point.setting in only):
            error = experiment.measure == "error"
            plans[point.setting] = FixedSizes(point.setting, point.sizes) if error else ThresholdSearch(point.setting)
    _Sweep(plans, store, executor, workers, report).run()
    return plans


def _failed(future: Future[list[TrialRow]]) -> bool:
    return future.cancelled() or future.exception() is not None


class _Sweep:
    """What is waiting, what is under way, and what has to be looked at twice; see :func:`run_sweep`."""

    def __init__(
        self,
        plans: dict[Setting, Plan],
        store: Store,
        executor: Executor,
        workers: int,
        report: Callable[[SweepEvent], None],
    ) -> None:
        self._plans, self._store, self._executor, self._workers, self._report = plans, store, executor, workers, report
        self._order = {setting: number for number, setting in enumerate(plans)}
        self._waiting: list[tuple[int, int, int, _Round]] = []
        self._alone: list[tuple[_Round, int]] = []
        self._running: dict[Future[list[TrialRow]], tuple[_Round, int]] = {}
        self._losses: Counter[Batch] = Counter()

    def run(self) -> None:
        """Until every plan has ended."""
        for plan in self._plans.values():
            self._advance(plan)
        try:
            while self._waiting or self._alone or self._running:
                try:
                    self._submit()
                    done, _ = wait(self._running, return_when=FIRST_COMPLETED)
                    # Failed ones last: what the others found is kept.
                    for future in sorted(done, key=_failed):
                        self._take_in(future)
                except BrokenExecutor as error:
                    self._recover(error)
        except BaseException:
            for future in self._running:
                future.cancel()
            raise

    def _advance(self, plan: Plan) -> None:
        """Replay what the store knows; queue the first round that it does not."""
        while batches := plan.next_round():
            current = _Round(plan, batches)
            for i, batch in enumerate(batches):
                rows = self._store.load(batch)
                if rows is not None:
                    current.results[i] = rows
                    self._report(SweepEvent(plan, batch))
            if not current.complete:
                for i in range(len(batches)):
                    if i not in current.results:
                        self._queue(current, i)
                return
            current.record()
        self._report(SweepEvent(plan, None))

    def _queue(self, current: _Round, i: int) -> None:
        setting = current.plan.setting
        heapq.heappush(self._waiting, (-setting.dim, self._order[setting], i, current))

    def _submit(self) -> None:
        """Keep the workers busy; a suspect gets them to itself."""
        while self._alone:
            if self._running:
                return
            self._start(*self._alone[-1])
            self._alone.pop()
        while self._waiting and len(self._running) <= self._workers:
            _, _, i, current = self._waiting[0]
            self._start(current, i)
            heapq.heappop(self._waiting)

    def _start(self, current: _Round, i: int) -> None:
        batch = current.batches[i]
        own = batch.setting.own
        submitted = (
            self._executor.submit(run_batch, batch)
            if own is None
            else self._executor.submit(run_own_batch, own.reference, batch)
        )
        self._running[submitted] = (current, i)

    def _take_in(self, future: Future[list[TrialRow]]) -> None:
        """Store a batch's rows, and let its plan go on."""
        current, i = self._running[future]
        try:
            rows = future.result()
        except BrokenExecutor:
            raise
        except Exception as error:  # whatever a learner may raise: what matters here is which trials did
            raise TrialError(current.batches[i], error) from error
        del self._running[future]
        self._store.save(current.batches[i], rows)
        current.results[i] = rows
        self._report(SweepEvent(current.plan, current.batches[i]))
        if current.complete:
            current.record()
            self._advance(current.plan)

    def _recover(self, error: BrokenExecutor) -> None:
        """A worker was lost, and with it the pool: queue again what was under way, on a new pool."""
        for future in [f for f in self._running if f.done() and not _failed(f)]:
            self._take_in(future)
        lost, self._running = list(self._running.values()), {}
        for current, i in lost:
            batch = current.batches[i]
            self._losses[batch] += 1
            if self._losses[batch] == _MOST_LOSSES or not isinstance(self._executor, RenewableExecutor):
                raise TrialError(batch, error) from error
            if self._losses[batch] == _MOST_LOSSES - 1:
                self._alone.append((current, i))
            else:
                self._queue(current, i)
        if not isinstance(self._executor, RenewableExecutor):
            raise error
        self._executor.renew()
