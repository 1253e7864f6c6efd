"""Run an experiment: every plan of it, on any executor, through one store.

The driver asks the plans for their next batches, takes from the store what is there already, sends the rest
to the executor and writes results as they come. Costly tasks go first, because they take longest.

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

from analysis.experiments.experiment import Experiment, Question
from analysis.experiments.plan import Plan, Rows
from analysis.running.executors import RenewableExecutor
from analysis.storage.store import Store
from analysis.tasks import Batch, Row, run_batch

__all__ = ["Finished", "SweepEvent", "TrialError", "Unfinished", "finish_questions", "replay"]

_MOST_LOSSES = 3
"""Times that a batch may be under way when a worker is lost; the last time it is alone."""


@dataclass(frozen=True)
class Finished:
    """The answer of a plan.

    Attributes:
        stopped: the rule that ended it.
        rows: everything that it has taken in.
    """

    stopped: str
    rows: Rows


class Unfinished(Exception):  # noqa: N818
    """A replay asked for a batch that is not there."""


class TrialError(RuntimeError):
    """A batch of trials could not be computed; ``__cause__`` is what its worker raised."""

    def __init__(self, batch: Batch, cause: Exception) -> None:
        reason = " ".join(str(cause).split())[:200]
        if isinstance(cause, BrokenExecutor) or type(cause).__name__ == "KilledWorker":  # the latter is Dask's
            # Most often the system ended a worker that asked for more memory than there is.
            reason = "a worker process was ended, perhaps for lack of memory: try fewer --workers"
        elif isinstance(cause, CancelledError):
            reason = "the executor dropped them; has its scheduler ended?"
        super().__init__(
            f"trials {batch.first_trial} to {batch.first_trial + batch.count - 1} of {_named(batch)} failed:"
            f" {type(cause).__name__}: {reason}"
        )


def _named(batch: Batch) -> str:
    task = batch.task
    method = str(task.described.get("method", ""))
    return ", ".join(part for part in (task.learner, method, f"d = {task.dim}", f"N = {batch.size}") if part)


@dataclass(frozen=True)
class SweepEvent:
    """What a progress display is told: after every batch, and when a plan ends.

    Attributes:
        question: what the plan answers.
        plan: the one that the news is about.
        batch: the batch that was finished, or None when the plan has just ended.
    """

    question: Question
    plan: Plan
    batch: Batch | None


@dataclass
class _Round:
    """The batches of one round and the results that have come."""

    question: Question
    plan: Plan
    batches: list[Batch]
    results: dict[int, list[Row]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.results) == len(self.batches)

    def record(self) -> list[tuple[int, Row]]:
        """Tell the plan, in the order of the batches; returns what it was told."""
        results = [self.results[i] for i in range(len(self.batches))]
        self.plan.record(self.batches, results)
        return [(batch.size, row) for batch, rows in zip(self.batches, results, strict=True) for row in rows]


def replay(plan: Plan, trials: Callable[[Batch], list[Row] | None]) -> Finished:
    """Take a plan through rows that are there already.

    Args:
        plan: a new one.
        trials: the rows of a batch; None if they are not there.

    Raises:
        Unfinished: if the plan asks for more.
    """
    taken: list[tuple[int, Row]] = []
    while batches := plan.next_round():
        results = []
        for batch in batches:
            rows = trials(batch)
            if rows is None:
                raise Unfinished
            results.append(rows)
            taken += [(batch.size, row) for row in rows]
        plan.record(batches, results)
    return Finished(plan.stopped, taken)


def finish_questions(
    experiment: Experiment,
    store: Store,
    executor: Executor,
    workers: int,
    report: Callable[[SweepEvent], None] = lambda event: None,
    only: Collection[Question] | None = None,
) -> dict[Question, Finished]:
    """Finish every plan of an experiment; what the store holds is not run again.

    Args:
        experiment: what to measure.
        store: where trials are kept.
        executor: where batches run; a :class:`RenewableExecutor` is renewed when it has lost a worker. The result
            does not depend on it as long as its workers compute with one arithmetic thread (threads change the order
            of floating-point sums).
        workers: batches to keep in flight.
        report: called after every batch and every finished plan.
        only: the questions to answer; None: all of them.

    Returns:
        The answer of each question.

    Raises:
        TrialError: if a batch fails. What was finished before it is in the store.
    """
    plans = {q: q.measure.plan(q.task) for q in experiment.questions if only is None or q in only}
    return _Sweep(plans, store, executor, workers, report).run()


def _failed(future: Future[list[Row]]) -> bool:
    return future.cancelled() or future.exception() is not None


class _Sweep:
    """What is waiting, what is under way, and what has to be looked at twice; see :func:`finish_questions`."""

    def __init__(
        self,
        plans: dict[Question, Plan],
        store: Store,
        executor: Executor,
        workers: int,
        report: Callable[[SweepEvent], None],
    ) -> None:
        self._plans, self._store, self._executor, self._workers, self._report = plans, store, executor, workers, report
        self._taken: dict[Question, list[tuple[int, Row]]] = {question: [] for question in plans}
        self._order = {question: number for number, question in enumerate(plans)}
        self._waiting: list[tuple[float, int, int, _Round]] = []
        self._alone: list[tuple[_Round, int]] = []
        self._running: dict[Future[list[Row]], tuple[_Round, int]] = {}
        self._wanted: dict[Batch, list[tuple[_Round, int]]] = {}
        self._losses: Counter[Batch] = Counter()

    def run(self) -> dict[Question, Finished]:
        """Until every plan has ended."""
        for question in self._plans:
            self._advance(question)
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
        return {question: Finished(plan.stopped, self._taken[question]) for question, plan in self._plans.items()}

    def _advance(self, question: Question) -> None:
        """Replay what the store knows; queue the first round that it does not."""
        plan = self._plans[question]
        while batches := plan.next_round():
            current = _Round(question, plan, batches)
            for i, batch in enumerate(batches):
                rows = self._store.load(batch)
                if rows is not None:
                    current.results[i] = rows
                    self._report(SweepEvent(question, plan, batch))
            if not current.complete:
                for i in range(len(batches)):
                    if i not in current.results:
                        self._want(current, i)
                return
            self._taken[question] += current.record()
        self._report(SweepEvent(question, plan, None))

    def _want(self, current: _Round, i: int) -> None:
        """Queue a batch, unless another question waits for the same one."""
        wanting = self._wanted.setdefault(current.batches[i], [])
        wanting.append((current, i))
        if len(wanting) == 1:
            self._queue(current, i)

    def _queue(self, current: _Round, i: int) -> None:
        question = current.question
        heapq.heappush(self._waiting, (-question.task.cost(1), self._order[question], i, current))

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
        submitted = self._executor.submit(run_batch, current.batches[i])
        self._running[submitted] = (current, i)

    def _take_in(self, future: Future[list[Row]]) -> None:
        """Store a batch's rows, and let the plans that wait for them go on."""
        current, i = self._running[future]
        batch = current.batches[i]
        try:
            rows = future.result()
        except BrokenExecutor:
            raise
        except Exception as error:  # whatever a learner may raise: what matters here is which trials did
            raise TrialError(batch, error) from error
        del self._running[future]
        self._store.save(batch, rows)
        for current, i in self._wanted.pop(batch):
            current.results[i] = rows
            self._report(SweepEvent(current.question, current.plan, batch))
            if current.complete:
                self._taken[current.question] += current.record()
                self._advance(current.question)

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
