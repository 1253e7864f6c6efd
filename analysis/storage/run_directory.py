"""The directory of a run, and how files are put there: whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import ConfigError
from analysis.experiments.experiment import Experiment
from analysis.files import to_json, write_atomically
from analysis.storage.provenance import describe_session, utc_now
from analysis.storage.recovery import table_rows
from analysis.storage.store import (
    PAGE_SIZE,
    Store,
    StoreDamagedError,
    StoreError,
    identities,
    sound_row,
    sound_task,
    whole_batches,
)

__all__ = ["Repair", "RunDirectory", "check_run_path", "read_sessions"]


def check_run_path(path: Path) -> None:
    """Whether a path can be a run's directory; writes nothing.

    Raises:
        ConfigError: if it is in the way of one, or cannot be written to.
    """
    figures = path / "figures"
    try:
        if path.exists() and not path.is_dir():
            raise ConfigError("out", str(path), "it is a file; expected a directory")
        if path.is_dir() and any(path.iterdir()) and not (path / "sweep.sqlite").exists():
            raise ConfigError("out", str(path), "the directory is not empty and holds no run")
        if figures.exists() and not figures.is_dir():
            raise ConfigError("out", str(path), f"{figures} is in the way; expected a directory")
        existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    except OSError as error:
        raise ConfigError("out", str(path), f"it cannot be used ({error.strerror})") from None
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise ConfigError("out", str(path), f"{existing} is not a writable directory")


def read_sessions(path: Path) -> list[dict[str, Any]]:
    """The sessions of a run, from its directory's ``provenance.json``.

    None if there is none yet, or it is unreadable: provenance is rebuilt, results do not depend on it.
    """
    try:
        sessions = json.loads((path / "provenance.json").read_text(encoding="utf-8"))["sessions"]
        return [dict(session) for session in sessions]
    except (OSError, ValueError, KeyError, TypeError):
        return []


@dataclass(frozen=True)
class Repair:
    """What came of a damaged store.

    Attributes:
        trials: how many were saved.
        damaged: where the damaged file is kept.
    """

    trials: int
    damaged: Path


class RunDirectory:
    """A run's directory, checked before anything is written to it.

    Args:
        path: an empty or absent directory, or one that holds a run of the same settings.
        experiment: what is run.

    Raises:
        ConfigError: if the path cannot be used; nothing was changed.
    """

    def __init__(self, path: Path, experiment: Experiment) -> None:
        self.path = path
        self.experiment = experiment
        check_run_path(path)

    @property
    def store_path(self) -> Path:
        """``sweep.sqlite``."""
        return self.path / "sweep.sqlite"

    @property
    def config_path(self) -> Path:
        """``config.json``."""
        return self.path / "config.json"

    @contextmanager
    def session(self, workers: int, executor: str) -> Iterator[Store]:
        """The store, while one command works with it; that it ended well is noted.

        Raises:
            ConfigError, StoreError, StoreDamagedError: as :meth:`open`.
        """
        with self.open(workers, executor) as store:
            yield store
            sessions = read_sessions(self.path)
            if sessions:
                sessions[-1]["finished"] = utc_now()
                self._write_sessions(sessions)

    def open(self, workers: int, executor: str) -> Store:
        """Make the directory, open the store, note configuration and session.

        Raises:
            ConfigError: if the directory cannot be made.
            StoreError: if the store refuses the experiment or cannot be used.
            StoreDamagedError: if it is damaged; see :meth:`repair`.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("out", str(self.path), f"it cannot be made ({error.strerror})") from None
        store = self._open_store()
        try:
            write_atomically(self.config_path, to_json(self.experiment.described()))
            sessions = read_sessions(self.path)
            sessions.append(describe_session(self.experiment, workers, executor))
            self._write_sessions(sessions)
        except OSError as error:
            store.close()
            raise ConfigError("out", str(self.path), f"it cannot be written to ({error.strerror})") from None
        except BaseException:
            store.close()
            raise
        return store

    def _open_store(self) -> Store:
        # A driver that was killed at once leaves an empty file; one that got further has written its configuration.
        if self.config_path.exists() and self.store_path.stat().st_size == 0:
            raise StoreDamagedError(self.store_path, "it is empty, and a run was here")
        return Store(self.store_path, identities(self.experiment.tasks))

    def repair(self) -> Repair | None:
        """Replace a damaged store by a new one with every batch that is whole; None if it is not damaged.

        The damaged file is kept beside it. Whenever this is interrupted, one of the two is in its place.

        Raises:
            StoreError: if the store belongs to another experiment, is in use, or cannot be written beside.
        """
        if not self.store_path.exists():
            return None
        try:
            self._open_store().close()
            return None
        except StoreDamagedError:
            pass
        try:
            return self._repair()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.store_path}: cannot be repaired ({error}); it was left as it is") from None

    def _repair(self) -> Repair:
        path, wanted = self.store_path, identities(self.experiment.tasks)
        found = list(table_rows(path.read_bytes(), PAGE_SIZE))
        # The tasks that are asked for are known, whatever became of the table.
        tasks: dict[str, str] = {row[0]: row[1] for row in found if sound_task(row)} | wanted
        rows = [row for row in found if sound_row(row)]
        if rows and not any(row[0] in wanted for row in rows):
            raise StoreError(f"{path}: holds trials of other settings; choose another --out or repeat its settings")
        batches = [batch for batch in whole_batches(rows) if batch[0][0] in tasks]
        fresh = path.with_name(path.name + ".repair")
        with Store(fresh, tasks) as store:  # a second repair is refused here, a dead one's goes on
            there = {row[:4] for row in store.rows()}
            for batch in batches:
                if batch[0][:4] not in there:
                    store.insert(batch)
            trials = len(store)
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        shutil.copyfile(path, aside)
        for suffix in ("-journal", "-wal", "-shm"):  # they belong to the damaged file; SQLite would apply them
            companion = path.with_name(path.name + suffix)
            if companion.exists():
                companion.replace(aside.with_name(aside.name + suffix))
        fresh.replace(path)
        return Repair(trials, aside)

    def _write_sessions(self, sessions: list[dict[str, Any]]) -> None:
        write_atomically(self.path / "provenance.json", to_json({"sessions": sessions}))
