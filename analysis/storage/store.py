"""The store: one SQLite file in the run directory, a row per trial and step, the only truth of a run.

One writer; a batch of trials is one transaction, so an interruption at any moment loses unfinished batches and
nothing else. Rows are known by their task's identity, so experiments that share tasks share trials, and a run goes on
with more trials or another precision. The batch is part of a row's key: a trial's last digits depend on how many ran
together, and results must not depend on which experiment came first.

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
from pathlib import Path
from types import TracebackType
from typing import Any

from analysis.files import canonical_json, content_hash
from analysis.tasks import Batch, Row, Task

__all__ = [
    "PAGE_SIZE",
    "Contents",
    "Store",
    "StoreDamagedError",
    "StoreError",
    "StoredRow",
    "difference",
    "identities",
    "read_store",
    "sound_row",
    "sound_task",
    "whole_batches",
]

SCHEMA = 4

PAGE_SIZE = 4096
"""Bytes; said explicitly, because :mod:`analysis.storage.recovery` has to know it when the file's header is gone."""

_TABLES = {
    "meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "tasks": "CREATE TABLE tasks (task TEXT PRIMARY KEY, identity TEXT NOT NULL)",
    "trials": "CREATE TABLE trials (task TEXT NOT NULL, size INTEGER NOT NULL, first_trial INTEGER NOT NULL,"
    " batch_trials INTEGER NOT NULL, trial INTEGER NOT NULL, step INTEGER NOT NULL, outcome TEXT NOT NULL,"
    " checksum TEXT NOT NULL, UNIQUE (task, size, first_trial, batch_trials, trial, step))",
}
"""``identity`` and ``outcome`` are canonical JSON; the key of a task is the hash of its identity."""

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
"""A row of the table of trials: task, size, first trial and number of trials of its batch, trial, step, values,
checksum."""

Contents = tuple[dict[str, str], list[StoredRow]]
"""All tasks (hash -> identity) and rows of a store."""


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do. Nothing was changed."""


class StoreDamagedError(StoreError):
    """The store is not what was written."""

    def __init__(self, path: Path, reason: str) -> None:
        first = (reason.splitlines() or [""])[0][:200]
        super().__init__(f"{path}: is damaged ({first}); it was left as it is, and --repair saves what is whole")


def identities(tasks: Iterable[Task]) -> dict[str, str]:
    """Tasks as a store knows them: hash -> canonical JSON of the identity."""
    return {task.hash(): canonical_json(task.identity()) for task in tasks}


def sound_task(row: tuple[Any, ...]) -> bool:
    """Whether a row of the table of tasks is what was written."""
    try:
        return len(row) == 2 and row[0] == content_hash(json.loads(row[1]))
    except (TypeError, ValueError):
        return False


def sound_row(row: tuple[Any, ...]) -> bool:
    """Whether a row of the table of trials is what was written."""
    try:
        return len(row) == 8 and row[-1] == content_hash(list(row[:-1]))
    except (TypeError, ValueError):  # no number where one should be
        return False


def _rows_of(batch: Batch, rows: Iterable[Row]) -> list[StoredRow]:
    """The rows of a batch, as they are stored."""
    place = (batch.task.hash(), batch.size, batch.first_trial, batch.count)
    found = []
    for row in rows:
        values = (*place, row.trial, row.step, canonical_json(dict(row.values)))
        found.append((*values, content_hash(list(values))))
    return found


def _batch_of(row: StoredRow) -> tuple[Any, ...]:
    return row[:4]


def whole_batches(rows: Iterable[StoredRow]) -> list[list[StoredRow]]:
    """The batches of which every trial is among the rows, with as many steps as the others."""
    batches: dict[tuple[Any, ...], dict[tuple[int, int], StoredRow]] = defaultdict(dict)
    for row in rows:
        batches[_batch_of(row)][row[4], row[5]] = row
    return [
        [found[place] for place in sorted(found)]
        for batch, found in batches.items()
        if _is_whole(batch, Counter(trial for trial, _ in found))
    ]


def _is_whole(batch: tuple[Any, ...], steps: Mapping[int, int]) -> bool:
    """Whether every trial of a batch is there, with as many steps as the others."""
    _, _, first, count = batch
    return steps.keys() == set(range(first, first + count)) and len(set(steps.values())) == 1


def _check_whole(batch: Batch, rows: Iterable[Row]) -> None:
    """Refuse rows that are not those of a batch: every trial, each with as many steps as the others.

    Raises:
        ValueError: as described.
    """
    if not _is_whole((None, None, batch.first_trial, batch.count), Counter(row.trial for row in rows)):
        raise ValueError(f"expected rows of trials {batch.trials}, each with as many steps as the others")


class Store:
    """The trials of a run.

    Args:
        path: the SQLite file; made if it does not exist; ``:memory:`` for trials that live as long as the process.
        tasks: what will be asked of it, see :func:`identities`. A store with trials of which none is of these tasks is
            another run's.

    Raises:
        StoreError: if the file is no store, belongs to another run or another schema, is in use by another process, or
            cannot be opened.
    """

    def __init__(self, path: Path, tasks: Mapping[str, str]) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: cannot be opened ({error})") from None
        try:
            self._open(tasks)
        except _ERRORS as error:
            self._connection.close()
            raise _complaint(path, error) from None
        except BaseException:
            self._connection.close()
            raise

    def _open(self, tasks: Mapping[str, str]) -> None:
        self._connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        # Held until the process ends, however it ends: a second driver is refused, a dead one's lock is gone.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("BEGIN EXCLUSIVE")
        if not self._connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _TABLES.values():
                self._connection.execute(statement)
            texts = {"schema": canonical_json(SCHEMA)}
            texts["checksum"] = content_hash(texts)
            self._connection.executemany("INSERT INTO meta VALUES (?, ?)", texts.items())
            known: dict[str, str] = {}
        else:
            check_schema(self._connection, self.path)
            known = check_rows(self._connection, self.path)
        (count,) = self._connection.execute(
            "SELECT count(*) FROM (SELECT DISTINCT task, size, first_trial, batch_trials, trial FROM trials)"
        ).fetchone()
        if count and not known.keys() & tasks.keys():
            stored, wanted = ([json.loads(identity) for identity in found.values()] for found in (known, tasks))
            raise StoreError(
                f"{self.path}: holds a run with {difference(stored, wanted)};"
                " choose another --out or repeat its settings"
            )
        self._connection.executemany(
            "INSERT INTO tasks VALUES (?, ?)",
            [(key, identity) for key, identity in tasks.items() if key not in known],
        )
        self._connection.execute("COMMIT")
        self._count = count

    def load(self, batch: Batch) -> list[Row] | None:
        """The rows of a batch, or None if it has not been finished.

        Raises:
            StoreDamagedError: if some rows of the batch are there and others are not.
        """
        place = (batch.task.hash(), batch.size, batch.first_trial, batch.count)
        rows = [
            Row(trial, json.loads(outcome), step)
            for trial, step, outcome in self._connection.execute(
                "SELECT trial, step, outcome FROM trials WHERE task = ? AND size = ? AND first_trial = ?"
                " AND batch_trials = ? ORDER BY trial, step",
                place,
            )
        ]
        if rows and not _is_whole(place, Counter(row.trial for row in rows)):
            raise StoreDamagedError(self.path, "it holds a part of a batch, which this program never writes")
        return rows or None

    def save(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Write a finished batch, whole or not at all.

        Raises:
            ValueError: if rows are missing.
            sqlite3.Error: if it is there already, or the disk is full.
        """
        _check_whole(batch, rows)
        self.insert(_rows_of(batch, rows))

    def insert(self, rows: Sequence[StoredRow]) -> None:
        """Write rows as another store holds them, all or none of them.

        Raises:
            sqlite3.Error: if the disk is full, say. The store is as it was before.
        """
        try:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite may have rolled back by itself
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise
        self._count += len({row[:5] for row in rows})

    def __len__(self) -> int:
        """How many trials there are."""
        return self._count

    def rows(self) -> list[StoredRow]:
        """All rows, in the order in which they came."""
        return list(self._connection.execute("SELECT * FROM trials ORDER BY rowid"))

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


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Whether the file at the other end of a connection is a store of this program.

    Raises:
        StoreError: if it is no store, or has another schema.
        StoreDamagedError: if it does not say.
    """
    tables = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    if not _TABLES.keys() & tables.keys():
        raise StoreError(f"{path}: is an SQLite file of something else")
    try:
        texts = dict(connection.execute("SELECT name, value FROM meta"))
        schema = json.loads(texts["schema"])
    except (KeyError, TypeError, ValueError, sqlite3.OperationalError):
        raise StoreDamagedError(path, "it does not say which schema it has") from None
    checksum = texts.pop("checksum", None)
    # Schemas before 3 had no checksum.
    if schema != SCHEMA and checksum in (None, content_hash(texts)):
        raise StoreError(
            f"{path}: has schema {schema}, this program writes schema {SCHEMA};"
            " choose another --out, or use the version that made it"
        )
    if checksum != content_hash(texts):
        raise StoreDamagedError(path, "it does not say which schema it has")
    if tables != _TABLES:
        raise StoreDamagedError(path, "its tables are not those of a store")


def check_rows(connection: sqlite3.Connection, path: Path) -> dict[str, str]:
    """Look at every page and every row; returns the tasks.

    Raises:
        StoreDamagedError: if anything is not as it was written.
    """
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "delete":
        raise StoreDamagedError(path, f"its journal mode is {mode}")
    (health,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if health != "ok":
        raise StoreDamagedError(path, " ".join(health.split()))
    tasks = {}
    for row in connection.execute("SELECT * FROM tasks"):
        if not sound_task(row):
            raise StoreDamagedError(path, "a task is not what was written")
        tasks[row[0]] = row[1]
    steps: dict[tuple[Any, ...], Counter[int]] = defaultdict(Counter)
    for row in connection.execute("SELECT * FROM trials"):
        if not sound_row(row):
            raise StoreDamagedError(path, f"the checksum of trial {row[4]}, N = {row[1]} is wrong")
        if row[0] not in tasks:
            raise StoreDamagedError(path, f"the task of trial {row[4]}, N = {row[1]} is not there")
        steps[_batch_of(row)][row[4]] += 1
    if not all(_is_whole(batch, found) for batch, found in steps.items()):
        raise StoreDamagedError(path, "it holds a part of a batch, which this program never writes")
    return tasks


def read_store(path: Path) -> Contents:
    """All tasks and rows of a store, looked at; nothing is changed.

    Raises:
        StoreError: if it cannot be used, or another process is writing to it.
    """
    if not path.is_file():
        raise StoreError(f"{path}: there is no store")
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN")
            check_schema(connection, path)
            tasks = check_rows(connection, path)
            return tasks, list(connection.execute("SELECT * FROM trials ORDER BY rowid"))
        finally:
            connection.close()
    except _ERRORS as error:
        raise _complaint(path, error) from None


def difference(stored: Sequence[Any], wanted: Sequence[Any]) -> str:
    """What stored tasks have that the wanted ones have not, in words: the first field that differs.

    Fields that only one side has come last: they follow from others, as a learner's weight does from the learner.
    """
    have, want = _values(stored), _values(wanted)
    for name in sorted(have.keys() | want.keys(), key=lambda name: (name not in have or name not in want, name)):
        first, second = have.get(name, {}), want.get(name, {})
        if first.keys() != second.keys():
            shown = [", ".join(repr(value) for value in found.values()) or "none" for found in (first, second)]
            return f"{name} = {shown[0]}, not {shown[1]}"
    return "the same values in other combinations"


def _values(identities: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Every value of every field, nested ones too: field -> canonical JSON -> value."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)

    def visit(value: Any) -> None:
        for name, inner in value.items():
            if isinstance(inner, dict):
                visit(inner)
            else:
                found[name][canonical_json(inner)] = inner

    for identity in identities:
        if isinstance(identity, dict):
            visit(identity)
    return found
