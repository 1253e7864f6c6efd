"""The directory of a run, and how files are put there: whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from analysis.experiment import Experiment
from analysis.provenance import describe_session, utc_now
from analysis.setting import ConfigError
from analysis.store import Store

__all__ = ["RunDirectory", "write_atomically"]


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write a file under a temporary name and rename it: readers see the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def to_json(value: Any) -> str:
    """Indented JSON with a final newline; refuses NaN."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


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
        try:
            if path.exists() and not path.is_dir():
                raise ConfigError("out", str(path), "it is a file; expected a directory")
            if path.is_dir() and any(path.iterdir()) and not self.store_path.exists():
                raise ConfigError("out", str(path), "the directory is not empty and holds no run")
            if self.figures.exists() and not self.figures.is_dir():
                raise ConfigError("out", str(path), f"{self.figures} is in the way; expected a directory")
            existing = next(p for p in (path, *path.absolute().parents) if p.exists())
        except OSError as error:
            raise ConfigError("out", str(path), f"it cannot be used ({error.strerror})") from None
        if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
            raise ConfigError("out", str(path), f"{existing} is not a writable directory")

    @property
    def store_path(self) -> Path:
        """``sweep.sqlite``."""
        return self.path / "sweep.sqlite"

    @property
    def figures(self) -> Path:
        """``figures/``."""
        return self.path / "figures"

    def open(self, workers: int, executor: str) -> Store:
        """Make the directory, open the store, note configuration and session.

        Raises:
            ConfigError: if the directory cannot be made.
            StoreError: if the store refuses the experiment or cannot be used.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("out", str(self.path), f"it cannot be made ({error.strerror})") from None
        store = Store(self.store_path, self.experiment.resolved())
        try:
            write_atomically(
                self.path / "config.json", to_json({**self.experiment.described(), **self.experiment.resolved()})
            )
            sessions = self._sessions()
            sessions.append(describe_session(self.experiment, workers, executor))
            self._write_sessions(sessions)
        except OSError as error:
            store.close()
            raise ConfigError("out", str(self.path), f"it cannot be written to ({error.strerror})") from None
        except BaseException:
            store.close()
            raise
        return store

    def finish_session(self) -> None:
        """Note when the session ended."""
        sessions = self._sessions()
        if sessions:
            sessions[-1]["finished"] = utc_now()
            self._write_sessions(sessions)

    def _sessions(self) -> list[dict[str, Any]]:
        try:
            sessions = json.loads((self.path / "provenance.json").read_text())["sessions"]
        except (OSError, ValueError, KeyError, TypeError):
            return []  # none yet, or unreadable: provenance is rebuilt, results do not depend on it
        return list(sessions)

    def _write_sessions(self, sessions: list[dict[str, Any]]) -> None:
        write_atomically(self.path / "provenance.json", to_json({"sessions": sessions}))
