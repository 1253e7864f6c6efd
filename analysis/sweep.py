"""Run an experiment: every search (or fixed plan) of it, on any executor, through one store.

The driver asks the plans for their next batches, takes from the store what is there already, sends the rest
to the executor and writes results as they come. Large dimensions go first, because they take longest.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field

from analysis.experiment import Experiment
from analysis.fixed_sizes import FixedSizes
from analysis.search import ThresholdSearch
from analysis.setting import Setting
from analysis.store import Store
from analysis.trial import Batch, TrialRow, run_batch

__all__ = ["Plan", "SweepEvent", "TrialError", "run_sweep"]

Plan = ThresholdSearch | FixedSizes
"""What asks for batches and takes in their results, round by round."""


class TrialError(RuntimeError):
    """A batch of trials could not be computed; ``__cause__`` is what its worker raised."""

    def __init__(self, batch: Batch, cause: Exception) -> None:
        setting = batch.setting
        reason = " ".join(str(cause).split())[:200]
        if isinstance(cause, BrokenExecutor):
            # Most often the system ended a worker that asked for more memory than there is.
            reason = "a worker process was ended, perhaps for lack of memory: try fewer --workers"
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


def run_sweep(
    experiment: Experiment,
    store: Store,
    executor: Executor,
    workers: int,
    report: Callable[[SweepEvent], None] = lambda event: None,
) -> dict[Setting, Plan]:
    """Finish every plan of an experiment; what the store holds is not run again.

    Args:
        experiment: what to measure.
        store: where trials are kept; must belong to ``experiment``.
        executor: where batches run. The result does not depend on it as long as its workers compute with one
            arithmetic thread (threads change the order of floating-point sums).
        workers: batches to keep in flight.
        report: called after every batch and every finished plan.

    Returns:
        The finished plan of each setting.

    Raises:
        TrialError: if a batch fails. What was finished before it is in the store.
    """
    plans: dict[Setting, Plan] = {}
    for point in experiment.points:
        if point.setting not in plans:
            error = experiment.measure == "error"
            plans[point.setting] = FixedSizes(point.setting, point.sizes) if error else ThresholdSearch(point.setting)
    order = {setting: number for number, setting in enumerate(plans)}
    waiting: list[tuple[int, int, int, _Round]] = []
    running: dict[Future[list[TrialRow]], tuple[_Round, int]] = {}

    def advance(plan: Plan) -> None:
        """Replay what the store knows; queue the first round that it does not."""
        while batches := plan.next_round():
            current = _Round(plan, batches)
            for i, batch in enumerate(batches):
                rows = store.load(batch)
                if rows is not None:
                    current.results[i] = rows
                    report(SweepEvent(plan, batch))
            if not current.complete:
                for i in range(len(batches)):
                    if i not in current.results:
                        heapq.heappush(waiting, (-plan.setting.dim, order[plan.setting], i, current))
                return
            plan.record(batches, [current.results[i] for i in range(len(batches))])
        report(SweepEvent(plan, None))

    for plan in plans.values():
        advance(plan)
    try:
        while waiting or running:
            while waiting and len(running) <= workers:
                _, _, i, current = heapq.heappop(waiting)
                running[executor.submit(run_batch, current.batches[i])] = (current, i)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                current, i = running.pop(future)
                rows = _result(future, current.batches[i])
                store.save(current.batches[i], rows)
                current.results[i] = rows
                report(SweepEvent(current.plan, current.batches[i]))
                if current.complete:
                    current.plan.record(current.batches, [current.results[k] for k in range(len(current.batches))])
                    advance(current.plan)
    except BaseException:
        for future in running:
            future.cancel()
        raise
    return plans


def _result(future: Future[list[TrialRow]], batch: Batch) -> list[TrialRow]:
    try:
        return future.result()
    except Exception as error:  # whatever a learner may raise: what matters here is which trials did
        raise TrialError(batch, error) from error
