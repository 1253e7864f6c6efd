"""A finished run as results again: what its directory holds is replayed, and nothing is measured.

The run is read, never written to: it may lie on a read-only disk, or belong to someone else.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from analysis.errors import ConfigError
from analysis.experiments.experiment import Experiment
from analysis.presets.config import experiment_from_config
from analysis.results.experiment_results import ExperimentResults
from analysis.running.sweep import Finished, Unfinished, replay
from analysis.storage.store import StoreError, difference, identities, read_store
from analysis.tasks import Batch, Row

__all__ = ["load_results", "read_experiment"]


def read_experiment(run: Path) -> Experiment:
    """The experiment that a run directory's ``config.json`` describes.

    Args:
        run: the directory.

    Raises:
        ConfigError: if there is no run, its configuration cannot be read, or another version's engine made it.
    """
    path = run / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not run.exists():
            raise ConfigError("RUN", str(run), "no such directory; expected that of a finished run") from None
        raise ConfigError("RUN", str(run), f"it holds no run ({path.name}: {error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError("RUN", str(run), f"{path.name} is damaged ({error})") from None
    try:
        return experiment_from_config(config)
    except ConfigError as error:
        raise ConfigError("RUN", str(run), f"{path.name}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ConfigError("RUN", str(run), f"{path.name} describes no experiment ({error!r})") from None


def load_results(run: Path) -> ExperimentResults:
    """Everything that a finished run found: estimates, laws, verdicts, counts.

    Args:
        run: its directory, as ``reengage scale`` left it.

    Raises:
        ConfigError: as :func:`read_experiment`, or if the run has not ended.
        StoreError: if the store cannot be read, is damaged, or holds other tasks than ``config.json`` says.
    """
    experiment = read_experiment(run)
    path = run / "sweep.sqlite"
    tasks, stored = read_store(path)
    wanted = identities(experiment.tasks)
    if missing := [text for key, text in wanted.items() if key not in tasks]:
        have, asked = ([json.loads(text) for text in found] for found in (tasks.values(), missing))
        raise StoreError(f"{path}: holds a run with {difference(have, asked)}, unlike config.json")
    batches: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in stored:
        batches[row[:4]].append(Row(row[4], json.loads(row[6]), row[5]))

    def rows(batch: Batch) -> list[Row] | None:
        return batches.get((keys[batch.task], batch.size, batch.first_trial, batch.count))

    keys = {task: task.hash() for task in experiment.tasks}
    answers: dict[Any, Finished] = {}
    for question in experiment.questions:
        try:
            answers[question] = replay(question.measure.plan(question.task), rows)
        except Unfinished:
            raise ConfigError(
                "RUN", str(run), f"it has not ended: {len(stored)} trials are there; finish it with reengage scale"
            ) from None
    return ExperimentResults.from_answers(experiment, answers)
