"""The store: one SQLite file in the run directory, a row per trial, the only truth of a run.

One writer; a batch of trials is one transaction, so an interruption at any moment loses unfinished batches and
nothing else. A store belongs to the settings of one experiment: opened with others it is refused, never overwritten.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from analysis.setting import canonical_json
from analysis.trial import Batch, TrialRow

__all__ = ["Store", "StoreError"]

SCHEMA = 2

_COLUMNS = tuple(f.name for f in fields(TrialRow))


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do. Nothing was changed."""


class Store:
    """The trials of one run.

    Args:
        path: the SQLite file; made if it does not exist.
        owner: what the store must belong to, as plain JSON types: :meth:`Experiment.resolved`.

    Raises:
        StoreError: if the file is no store, belongs to other settings or another schema, is in use by another
            process, or cannot be opened.
    """

    def __init__(self, path: Path, owner: Mapping[str, Any]) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: cannot be opened ({error})") from None
        try:
            self._open(owner)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            reason = "is in use by another run" if "locked" in str(error) else f"is not a usable store ({error})"
            raise StoreError(f"{path}: {reason}") from None
        except StoreError:
            self._connection.close()
            raise

    def _open(self, owner: Mapping[str, Any]) -> None:
        # Held until the process ends, however it ends: a second driver is refused, a dead one's lock is gone.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("BEGIN EXCLUSIVE")
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if not tables:
            self._connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            self._connection.execute(
                "CREATE TABLE trials (key TEXT PRIMARY KEY, setting TEXT NOT NULL, learner TEXT NOT NULL,"
                " dim INTEGER NOT NULL, num_transitions INTEGER NOT NULL, trial INTEGER NOT NULL,"
                " success INTEGER NOT NULL, outcome TEXT NOT NULL, loss REAL, uniform_regret REAL,"
                " mean_regret REAL, steps INTEGER NOT NULL, start INTEGER NOT NULL, num_starts INTEGER NOT NULL)"
            )
            meta = {"schema": SCHEMA, "owner": dict(owner)}
            self._connection.executemany(
                "INSERT INTO meta VALUES (?, ?)", [(name, canonical_json(value)) for name, value in meta.items()]
            )
        elif not {"meta", "trials"} <= tables:
            raise StoreError(f"{self.path}: is an SQLite file of something else")
        else:
            self._check(owner)
        self._connection.execute("COMMIT")

    def _check(self, owner: Mapping[str, Any]) -> None:
        (health,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise StoreError(f"{self.path}: is damaged ({health.splitlines()[0]}); it was left as it is")
        meta = dict(self._connection.execute("SELECT name, value FROM meta"))
        try:
            schema = json.loads(meta["schema"])
            stored: dict[str, Any] = dict(json.loads(meta["owner"]))
        except (KeyError, TypeError, ValueError):
            raise StoreError(f"{self.path}: does not say which run it holds; it was left as it is") from None
        if schema != SCHEMA:
            raise StoreError(f"{self.path}: has schema {schema}, this program writes schema {SCHEMA}")
        if canonical_json(stored) != canonical_json(dict(owner)):
            raise StoreError(
                f"{self.path}: holds a run with {_difference(stored, owner)};"
                " choose another --out or repeat its settings"
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
        setting = batch.setting
        self._connection.execute("BEGIN")
        try:
            self._connection.executemany(
                f"INSERT INTO trials VALUES ({', '.join('?' * (5 + len(_COLUMNS)))})",
                [
                    (key, setting.hash(), setting.learner, setting.dim, batch.num_transitions, *astuple(row))
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
        """(hash of the setting, outcome, start, success, trials): how many trials ended how."""
        return list(
            self._connection.execute(
                "SELECT setting, outcome, start, success, count(*) FROM trials"
                " GROUP BY setting, outcome, start, success ORDER BY setting, outcome, start, success"
            )
        )

    def starts(self) -> dict[str, tuple[float, int]]:
        """Hash of the setting -> (mean, largest) number of starting points that a trial used."""
        rows = self._connection.execute("SELECT setting, avg(num_starts), max(num_starts) FROM trials GROUP BY setting")
        return {setting: (float(mean), int(most)) for setting, mean, most in rows}

    def close(self) -> None:
        """Close the file and release its lock."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What a stored run has that the wanted one has not, in words: the first field of the settings that differs."""

    def values(owner: Mapping[str, Any], name: str) -> list[Any]:
        settings = owner.get("settings")
        found = [s.get(name) for s in settings if isinstance(s, dict)] if isinstance(settings, list) else []
        return list({canonical_json(value): value for value in found}.values())

    def shown(found: list[Any]) -> str:
        return ", ".join(repr(value) for value in found)

    if stored.get("measure") != wanted.get("measure"):
        return f"measure = {stored.get('measure')!r}, not {wanted.get('measure')!r}"
    names = {name for owner in (stored, wanted) for s in owner.get("settings") or [] for name in s}
    for name in sorted(names):
        have, want = values(stored, name), values(wanted, name)
        if have != want:
            return f"{name} = {shown(have)}, not {shown(want)}"
    return "the same values in other combinations"
