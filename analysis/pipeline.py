"""From an experiment to its results and files: the one way, for the command and for Python."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from analysis.experiments.experiment import Experiment, Question
from analysis.reports.report import write_results
from analysis.results.experiment_results import ExperimentResults
from analysis.running.sweep import SweepEvent, finish_questions
from analysis.storage.run_directory import RunDirectory
from analysis.storage.store import Store, identities

__all__ = ["Finding", "run_experiment"]


@dataclass(frozen=True)
class Finding:
    """What a run came to.

    Attributes:
        answered: how many questions were answered.
        results: of the experiment; None where only a part of its questions was asked.
        written: files in the run directory.
    """

    answered: int
    results: ExperimentResults | None
    written: tuple[Path, ...] = ()


def run_experiment(
    experiment: Experiment,
    executor: Executor,
    workers: int,
    *,
    directory: RunDirectory | None = None,
    executor_name: str = "own",
    report: Callable[[SweepEvent], None] = lambda event: None,
    only: Collection[Question] | None = None,
    opened: Callable[[Store], None] = lambda store: None,
) -> Finding:
    """Run what is missing, estimate, judge, and write.

    Args:
        experiment: what to measure.
        executor: where batches run.
        workers: batches to keep in flight.
        directory: where trials and results are kept; None: nowhere.
        executor_name: for the provenance.
        report: called after every batch and every finished plan.
        only: the questions to answer; None: all of them.
        opened: told of the store before anything runs.

    Raises:
        ConfigError: if the directory cannot be made.
        StoreError: if the store refuses the experiment or cannot be used.
        TrialError: if trials failed; what was finished is kept.
    """
    if directory is None:
        session: AbstractContextManager[Store] = Store(Path(":memory:"), identities(experiment.tasks))
    else:
        session = directory.session(workers, executor_name)
    with session as store:
        opened(store)
        answers = finish_questions(experiment, store, executor, workers, report, only)
        if len(answers) < len(experiment.questions):
            return Finding(len(answers), None)
        results = ExperimentResults.from_answers(experiment, answers)
        written = () if directory is None else tuple(write_results(results, directory.path))
        return Finding(len(answers), results, written)
