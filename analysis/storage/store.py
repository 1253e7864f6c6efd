"""The store: one SQLite file in the run directory, a row per trial, the only truth of a run.

One writer; a batch of trials is one transaction, so an interruption at any moment loses unfinished batches and
nothing else. A store belongs to the settings of one experiment: opened with others it is refused, never overwritten.

Opening looks at everything: SQLite's own integrity check finds broken pages, and a checksum in each row finds what
SQLite cannot, a flipped bit in a number.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from analysis.tasks.setting import canonical_json, content_hash
from analysis.tasks.trial import Batch, TrialRow

__all__ = [
    "PAGE_SIZE",
    "Store",
    "StoreDamagedError",
    "StoreError",
    "StoredRow",
    "difference",
    "own_settings",
    "read_store",
    "sound",
    "whole_batches",
]

SCHEMA = 3

PAGE_SIZE = 4096
"""Bytes; said explicitly, because :mod:`analysis.storage.recovery` has to know it when the file's header is gone."""

_COLUMNS = tuple(f.name for f in fields(TrialRow))

_TABLES = {
    "meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "trials": "CREATE TABLE trials (key TEXT PRIMARY KEY, setting TEXT NOT NULL, learner TEXT NOT NULL,"
    " dim INTEGER NOT NULL, num_transitions INTEGER NOT NULL, first_trial INTEGER NOT NULL,"
    " batch_trials INTEGER NOT NULL, trial INTEGER NOT NULL, success INTEGER NOT NULL, outcome TEXT NOT NULL,"
    " loss REAL, uniform_regret REAL, mean_regret REAL, steps INTEGER NOT NULL, start INTEGER NOT NULL,"
    " num_starts INTEGER NOT NULL, checksum TEXT NOT NULL)",
}

_ELSEWHERE = {
    sqlite3.SQLITE_PERM: "cannot be written",
    sqlite3.SQLITE_READONLY: "cannot be written",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
    sqlite3.SQLITE_FULL: "cannot be written",
    sqlite3.SQLITE_NOMEM: "cannot be read",
    sqlite3.SQLITE_BUSY: "is in use by another run",
    sqlite3.SQLITE_LOCKED: "is in use by another run",
}
"""SQLite's complaints that are about the world around the file."""

_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file may lead to: SQLite's messages quote it, and Python then fails to read the message."""

StoredRow = tuple[Any, ...]
"""A row of the table of trials: :class:`TrialRow`, with whose it is before it and a checksum after it."""

_REALS = slice(10, 13)
"""The floating-point numbers in it."""


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do. Nothing was changed."""


class StoreDamagedError(StoreError):
    """The store is not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        first = (reason.splitlines() or [""])[0][:200]
        super().__init__(f"{path}: is damaged ({first}); it was left as it is, and --repair saves what is whole")


def _checksum(values: StoredRow) -> str:
    """Of a row's values; like SQLite, it does not tell −0.0 from 0.0."""
    reals = [None if value is None else float(value) + 0.0 for value in values[_REALS]]
    return content_hash([*values[: _REALS.start], *reals, *values[_REALS.stop :]])


def sound(row: StoredRow) -> bool:
    """Whether a row is what was written."""
    try:
        return len(row) == 8 + len(_COLUMNS) and row[-1] == _checksum(row[:-1])
    except (TypeError, ValueError):  # no number where one should be, or NaN
        return False


def whole_batches(rows: Iterable[StoredRow]) -> list[list[StoredRow]]:
    """The batches of which every trial is among the rows."""
    batches: dict[tuple[Any, ...], dict[int, StoredRow]] = defaultdict(dict)
    for row in rows:
        _, setting, _, _, num_transitions, first, count, trial, *_ = row
        batches[setting, num_transitions, first, count][trial] = row
    return [
        [trials[trial] for trial in sorted(trials)]
        for (_, _, first, count), trials in batches.items()
        if trials.keys() == set(range(first, first + count))
    ]


def own_settings(owner: Mapping[str, Any]) -> set[str]:
    """The hashes of an experiment's settings, from :meth:`Experiment.resolved`."""
    return {
        content_hash({name: value for name, value in setting.items() if name != "sizes"})
        for setting in owner["settings"]
    }


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
        except _ERRORS as error:
            self._connection.close()
            raise _complaint(path, error) from None
        except BaseException:
            self._connection.close()
            raise

    def _open(self, owner: Mapping[str, Any]) -> None:
        self._connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        # Held until the process ends, however it ends: a second driver is refused, a dead one's lock is gone.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("BEGIN EXCLUSIVE")
        if not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _TABLES.values():
                self._connection.execute(statement)
            meta = {"schema": SCHEMA, "owner": dict(owner)}
            texts = {name: canonical_json(value) for name, value in meta.items()}
            texts["checksum"] = content_hash(texts)
            self._connection.executemany("INSERT INTO meta VALUES (?, ?)", texts.items())
        else:
            stored = stored_owner(self._connection, self.path)
            if canonical_json(stored) != canonical_json(dict(owner)):
                raise StoreError(
                    f"{self.path}: holds a run with {difference(stored, owner)};"
                    " choose another --out or repeat its settings"
                )
            check_rows(self._connection, self.path)
        self._connection.execute("COMMIT")
        (self._count,) = self._connection.execute("SELECT count(*) FROM trials").fetchone()

    def load(self, batch: Batch) -> list[TrialRow] | None:
        """The rows of a batch, or None if it has not been finished.

        Raises:
            StoreDamagedError: if some rows of the batch are there and others are not.
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
            raise StoreDamagedError(self.path, "it holds a part of a batch, which this program never writes")
        return rows or None

    def save(self, batch: Batch, rows: Sequence[TrialRow]) -> None:
        """Write a finished batch, whole or not at all."""
        setting = batch.setting
        name = setting.hash()
        cell = (setting.learner, setting.dim, batch.num_transitions, batch.first_trial, batch.count)
        stored = []
        for key, row in zip(batch.trial_keys(), rows, strict=True):
            trial, success, *rest = astuple(row)
            values = (key, name, *cell, trial, int(success), *rest)
            stored.append((*values, _checksum(values)))
        self.insert(stored)

    def insert(self, rows: Sequence[StoredRow]) -> None:
        """Write rows as another store holds them, all or none of them.

        Raises:
            sqlite3.Error: if the disk is full, say. The store is as it was before.
        """
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany(f"INSERT INTO trials VALUES ({', '.join('?' * (8 + len(_COLUMNS)))})", rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite may have rolled back by itself
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise
        self._count += len(rows)

    def __len__(self) -> int:
        return self._count

    def keys(self) -> set[str]:
        """The keys of all trials."""
        return {key for (key,) in self._connection.execute("SELECT key FROM trials")}

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


def _complaint(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> StoreError:
    """What an error of SQLite means for the user."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    # A file that one may write and SQLite may not has a header that says so: one that no store has.
    if code in _ELSEWHERE and not (code == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK)):
        reason = _ELSEWHERE[code]
        return StoreError(f"{path}: {reason}" + ("" if "in use" in reason else f" ({error})"))
    return StoreDamagedError(path, str(error))


def stored_owner(connection: sqlite3.Connection, path: Path) -> dict[str, Any]:
    """What the store at the other end of a connection belongs to.

    Raises:
        StoreError: if it is no store, or has another schema.
        StoreDamagedError: if it does not say.
    """
    tables = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    if not _TABLES.keys() & tables.keys():
        raise StoreError(f"{path}: is an SQLite file of something else")
    try:
        texts = dict(connection.execute("SELECT name, value FROM meta"))
        schema, owner = json.loads(texts["schema"]), dict(json.loads(texts["owner"]))
    except (KeyError, TypeError, ValueError, sqlite3.OperationalError):
        raise StoreDamagedError(path, "it does not say which run it holds") from None
    checksum = texts.pop("checksum", None)
    # Schemas before 3 had no checksum.
    if schema != SCHEMA and checksum in (None, content_hash(texts)):
        raise StoreError(f"{path}: has schema {schema}, this program writes schema {SCHEMA}")
    if checksum != content_hash(texts):
        raise StoreDamagedError(path, "it does not say which run it holds")
    if tables != _TABLES:
        raise StoreDamagedError(path, "its tables are not those of a store")
    return owner


def check_rows(connection: sqlite3.Connection, path: Path) -> None:
    """Look at every page and every row.

    Raises:
        StoreDamagedError: if anything is not as it was written.
    """
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "delete":
        raise StoreDamagedError(path, f"its journal mode is {mode}")
    (health,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if health != "ok":
        raise StoreDamagedError(path, " ".join(health.split()))
    found: Counter[tuple[Any, ...]] = Counter()
    for row in connection.execute("SELECT * FROM trials"):
        if not sound(row):
            raise StoreDamagedError(path, f"the checksum of trial {row[7]}, N = {row[4]}, d = {row[3]} is wrong")
        _, setting, _, _, num_transitions, first, count, *_ = row
        found[setting, num_transitions, first, count] += 1
    if any(trials != count for (*_, count), trials in found.items()):
        raise StoreDamagedError(path, "it holds a part of a batch, which this program never writes")


def read_store(path: Path) -> tuple[dict[str, Any], list[StoredRow]]:
    """What a store belongs to, and all of its rows, looked at; nothing is changed.

    Raises:
        StoreError: if it cannot be used, or another process is writing to it.
    """
    if not path.is_file():
        raise StoreError(f"{path}: there is no store")
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN")
            owner = stored_owner(connection, path)
            check_rows(connection, path)
            return owner, list(connection.execute("SELECT * FROM trials ORDER BY rowid"))
        finally:
            connection.close()
    except _ERRORS as error:
        raise _complaint(path, error) from None


def difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
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
