"""The store: one SQLite file in the run directory, a row per trial, the only truth of a run.

One writer; a batch of trials is one transaction, so an interruption at any moment loses unfinished batches and
nothing else. A store belongs to one configuration: opened with another it is refused, never overwritten.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from analysis.config import SweepConfig, canonical_json
from analysis.trial import Batch, TrialRow

__all__ = ["Store", "StoreError"]

SCHEMA = 1

_COLUMNS = tuple(f.name for f in fields(TrialRow))


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do. Nothing was changed."""


class Store:
    """The trials of one run.

    Args:
        path: the SQLite file; made if it does not exist.
        config: the configuration that the store must belong to.

    Raises:
        StoreError: if the file is no store, belongs to another configuration or schema, is in use by another
            process, or cannot be opened.
    """

    def __init__(self, path: Path, config: SweepConfig) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: cannot be opened ({error})") from None
        try:
            self._open(config)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            reason = "is in use by another run" if "locked" in str(error) else f"is not a usable store ({error})"
            raise StoreError(f"{path}: {reason}") from None
        except StoreError:
            self._connection.close()
            raise

    def _open(self, config: SweepConfig) -> None:
        # Held until the process ends, however it ends: a second driver is refused, a dead one's lock is gone.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("BEGIN EXCLUSIVE")
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if not tables:
            self._connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            self._connection.execute(
                "CREATE TABLE trials (key TEXT PRIMARY KEY, learner TEXT NOT NULL, dim INTEGER NOT NULL,"
                " num_transitions INTEGER NOT NULL, trial INTEGER NOT NULL, success INTEGER NOT NULL,"
                " outcome TEXT NOT NULL, loss REAL, uniform_regret REAL, mean_regret REAL,"
                " steps INTEGER NOT NULL, start INTEGER NOT NULL)"
            )
            meta = {"schema": SCHEMA, "config": config.resolved()}
            self._connection.executemany(
                "INSERT INTO meta VALUES (?, ?)", [(name, canonical_json(value)) for name, value in meta.items()]
            )
        elif not {"meta", "trials"} <= tables:
            raise StoreError(f"{self.path}: is an SQLite file of something else")
        else:
            self._check(config)
        self._connection.execute("COMMIT")

    def _check(self, config: SweepConfig) -> None:
        (health,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise StoreError(f"{self.path}: is damaged ({health.splitlines()[0]}); it was left as it is")
        meta = dict(self._connection.execute("SELECT name, value FROM meta"))
        try:
            schema = json.loads(meta["schema"])
            stored: dict[str, Any] = dict(json.loads(meta["config"]))
        except (KeyError, TypeError, ValueError):
            raise StoreError(f"{self.path}: does not say which run it holds; it was left as it is") from None
        if schema != SCHEMA:
            raise StoreError(f"{self.path}: has schema {schema}, this program writes schema {SCHEMA}")
        wanted = config.resolved()
        for name in sorted(wanted.keys() | stored.keys()):
            if stored.get(name) != wanted.get(name):
                raise StoreError(
                    f"{self.path}: holds a run with {name} = {stored.get(name)!r}, not {wanted.get(name)!r};"
                    " choose another --out or repeat its configuration"
                )

    def load(self, batch: Batch) -> list[TrialRow] | None:
        """The rows of a batch, or None if it has not been finished.

        Raises:
            StoreError: if some rows of the batch are there and others are not.
        """
        keys = batch.trial_keys()
        marks = ",".join("?" * len(keys))
        rows = [
            TrialRow(**{**dict(zip(_COLUMNS, row, strict=True)), "success": bool(row[1])})
            for row in self._connection.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM trials WHERE key IN ({marks}) ORDER BY trial", keys
            )
        ]
        if rows and len(rows) < len(keys):
            raise StoreError(f"{self.path}: holds a part of a batch, which this program never writes; it is damaged")
        return rows or None

    def save(self, batch: Batch, rows: Sequence[TrialRow]) -> None:
        """Write a finished batch, whole or not at all."""
        self._connection.execute("BEGIN")
        try:
            self._connection.executemany(
                f"INSERT INTO trials VALUES ({', '.join('?' * (4 + len(_COLUMNS)))})",
                [
                    (key, batch.learner, batch.dim, batch.num_transitions, *astuple(row))
                    for key, row in zip(batch.trial_keys(), rows, strict=True)
                ],
            )
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def __len__(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM trials").fetchone()
        return int(count)

    def outcomes(self) -> list[tuple[str, str, int, int, int]]:
        """(learner, outcome, start, success, trials): how many trials ended how."""
        return list(
            self._connection.execute(
                "SELECT learner, outcome, start, success, count(*) FROM trials"
                " GROUP BY learner, outcome, start, success ORDER BY learner, outcome, start, success"
            )
        )

    def close(self) -> None:
        """Close the file and release its lock."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
