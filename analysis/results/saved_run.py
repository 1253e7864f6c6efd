"""A finished run as results again: what its directory holds is replayed, and nothing is measured.

The run is read, never written to: it may lie on a read-only disk, or belong to someone else.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from typing_extensions import override

from analysis.experiments.experiment import Experiment
from analysis.results.experiment_results import ExperimentResults
from analysis.running.sweep import run_sweep
from analysis.storage.store import Store, StoreError, difference, read_store
from analysis.tasks.setting import ConfigError, canonical_json

__all__ = ["load_results", "read_experiment"]


class _UnfinishedError(Exception):
    """A batch was asked for that the store does not hold."""


class _Refusing(Executor):
    """Computes nothing."""

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise _UnfinishedError


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
            raise ConfigError("RUN", str(run), "it does not exist; expected the directory of a finished run") from None
        raise ConfigError("RUN", str(run), f"it holds no run ({path.name}: {error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError("RUN", str(run), f"{path.name} is damaged ({error})") from None
    try:
        return Experiment.from_config(config)
    except ConfigError as error:
        raise ConfigError("RUN", str(run), f"{path.name}: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ConfigError("RUN", str(run), f"{path.name} describes no experiment ({error!r})") from None


def load_results(run: Path) -> ExperimentResults:
    """Everything that a finished run found: thresholds, laws, verdicts, counts.

    Args:
        run: its directory, as ``reengage scale`` left it.

    Raises:
        ConfigError: as :func:`read_experiment`, or if the run has not ended.
        StoreError: if the store cannot be read, is damaged, or holds other settings than ``config.json`` says.
    """
    experiment = read_experiment(run)
    path = run / "sweep.sqlite"
    owner, rows = read_store(path)
    if canonical_json(owner) != canonical_json(experiment.resolved()):
        raise StoreError(f"{path}: holds a run with {difference(owner, experiment.resolved())}, unlike config.json")
    with (
        tempfile.TemporaryDirectory() as scratch,
        Store(Path(scratch) / "copy.sqlite", experiment.resolved()) as store,
    ):
        store.insert(rows)
        try:
            plans = run_sweep(experiment, store, _Refusing(), workers=1)
        except _UnfinishedError:
            raise ConfigError(
                "RUN", str(run), f"it has not ended: {len(rows)} trials are there; finish it with reengage scale"
            ) from None
        return ExperimentResults.from_plans(experiment, plans, store.outcomes(), store.starts())
