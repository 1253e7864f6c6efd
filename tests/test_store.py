"""The store: rows go in whole batches, and a store of something else is refused untouched."""

from __future__ import annotations

import dataclasses
import pickle
import random
import re
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.files import canonical_json, content_hash
from analysis.presets.comparison import compare_learners
from analysis.storage import store as store_module
from analysis.storage.recovery import table_rows
from analysis.storage.store import (
    PAGE_SIZE,
    Store,
    StoreDamagedError,
    StoreError,
    identities,
    read_store,
    sound_row,
    sound_task,
    whole_batches,
)
from analysis.tasks import Batch, Row, make_task
from analysis.tasks.parametric import ENGINE

TASK, TWIN = make_task({"dim": 3}), make_task({"dim": 3, "learner": "reengage"})
TASKS = identities([TASK, TWIN])
BATCH = Batch(TASK, 4, first_trial=0, count=2)
ROWS = [
    Row(0, {"outcome": "converged", "accepted": True, "loss": 1e-300, "uniform_regret": 0.1 + 0.2, "num_starts": 1}),
    Row(1, {"outcome": "diverged", "accepted": False, "loss": None, "uniform_regret": None, "num_starts": 7}),
]
STEPS = [Row(trial, {"return": trial + step / 3}, step) for trial in (0, 1) for step in (100, 200, 400)]
"""Of trials that are judged as they go."""


@pytest.mark.parametrize("name", ["s.sqlite", ":memory:"])
@pytest.mark.parametrize("rows", [ROWS, STEPS], ids=["one step", "several steps"])
def test_rows_come_back_to_the_bit(name: str, rows: list[Row], tmp_path: Path) -> None:
    path = Path(name) if name == ":memory:" else tmp_path / name
    store = Store(path, TASKS)
    others = [
        dataclasses.replace(BATCH, task=TWIN),
        dataclasses.replace(BATCH, size=5),
        dataclasses.replace(BATCH, first_trial=2),
        dataclasses.replace(BATCH, count=1),
    ]
    assert store.load(BATCH) is None
    store.save(BATCH, rows)
    assert store.load(Batch(make_task({"dim": 3}), 4, 0, 2)) == rows  # of an equal task
    assert len(store) == 2
    for number, batch in enumerate(others):
        assert store.load(batch) is None
        other = [Row(i, {"number": number}) for i in batch.trials]
        store.save(batch, other)
        assert store.load(batch) == other
    assert store.load(BATCH) == rows
    assert len(store) == 2 + 2 + 2 + 2 + 1
    store.close()
    assert not Path(":memory:").exists()
    if name != ":memory:":
        with Store(path, TASKS) as again:
            assert again.load(BATCH) == rows
            assert len(again) == 9
        tasks, stored = read_store(path)
        assert tasks == TASKS
        assert [row[5] for row in stored[: len(rows)]] == [row.step for row in rows]


@pytest.mark.parametrize(
    "rows",
    [ROWS[:1], [*ROWS, Row(2, {})], [ROWS[0], ROWS[0]], STEPS[:-1], [ROWS[0], Row(7, {})], []],
    ids=["a trial short", "a trial more", "a trial twice", "a step short", "another trial", "none"],
)
def test_a_batch_is_saved_whole_or_not_at_all(rows: list[Row], tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", TASKS) as store:
        store.save(BATCH, ROWS)
        with pytest.raises(sqlite3.IntegrityError):
            store.save(BATCH, ROWS)
        with pytest.raises(ValueError, match="expected rows of trials"):
            store.save(dataclasses.replace(BATCH, size=5), rows)
        assert len(store) == 2
        assert store.load(BATCH) == ROWS
        assert store.load(dataclasses.replace(BATCH, size=5)) is None
    Store(tmp_path / "s.sqlite", TASKS).close()


# --- whose trials ----------------------------------------------------------------------------------------------


def changed(**values: Any) -> dict[str, str]:
    """The tasks with another value in every identity, as another version may write it."""
    found = [{**task.identity(), **values} for task in (TASK, TWIN)]
    return {content_hash(identity): canonical_json(identity) for identity in found}


OTHERS: list[tuple[Mapping[str, str], str]] = [
    (identities(compare_learners((3,), seed=1).tasks), "seed = 0, not 1"),
    (identities([make_task({"dim": 4}), make_task({"dim": 4, "learner": "reengage"})]), "dim = 3, not 4"),
    (
        identities([make_task({"dim": 3, "learner": "gradient-only"})]),
        "learner = 'ddpg', 'reengage', not 'gradient-only'",
    ),
    (identities(compare_learners((3,), method="global-solver").tasks), "method = 'descent', not 'global-solver'"),
    (changed(engine=1), f"engine = {ENGINE}, not 1"),
    (changed(sizes=[5]), r"sizes = none, not \[5\]"),
]


@pytest.mark.parametrize(("tasks", "difference"), OTHERS, ids=lambda value: str(value)[-40:])
def test_a_store_of_other_tasks_is_refused_in_one_line_and_nothing_changes(
    tasks: Mapping[str, str], difference: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, TASKS) as store:
        store.save(BATCH, ROWS)
        store.save(dataclasses.replace(BATCH, task=TWIN), ROWS)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"holds a run with {difference}") as caught:
        Store(path, tasks)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_store_that_shares_a_task_goes_on_with_further_ones(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, identities([TASK])) as store:
        store.save(BATCH, ROWS)
    more = compare_learners((3, 4), trials=7, epsilon=0.1)
    with Store(path, identities(more.tasks)) as store:
        assert store.load(BATCH) == ROWS
        store.save(Batch(more.tasks[-1], 9, 0, 2), ROWS)
    with Store(path, identities(more.tasks[-1:])) as store:
        assert len(store) == 4
        assert store.load(BATCH) == ROWS
    assert read_store(path)[0] == identities(more.tasks)


def test_a_store_without_trials_is_nobody_s(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, TASKS).close()
    with Store(path, identities([make_task({"seed": 5})])) as store:
        assert len(store) == 0


# --- files that are no stores ------------------------------------------------------------------------------------


def test_what_is_no_store_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store(tmp_path, TASKS)
    with sqlite3.connect(tmp_path / "recipes.sqlite") as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="something else"):
        Store(tmp_path / "recipes.sqlite", TASKS)
    path = tmp_path / "s.sqlite"
    path.write_text("these are my notes, not a database\n" * 50)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"is damaged \(file is not a database\)"):
        Store(path, TASKS)
    assert path.read_bytes() == before


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, TASKS).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    with pytest.raises(StoreDamagedError, match="does not say"):  # a slip of the disk, as far as one can tell
        Store(path, TASKS)
    with connection:
        connection.execute("DELETE FROM meta WHERE name = 'checksum'")  # schemas before 3 had none
    connection.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store(path, TASKS)


def test_a_store_of_schema_3_is_refused_in_one_line(tmp_path: Path) -> None:
    """As version 3 made it: the owner beside the schema, a checksum of both, and a table of trials of its own."""
    path = tmp_path / "s.sqlite"
    texts = {"schema": "3", "owner": canonical_json({"settings": [{"dim": 3}]})}
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute(
            "CREATE TABLE trials (key TEXT PRIMARY KEY, setting TEXT NOT NULL, success INTEGER NOT NULL)"
        )
        connection.executemany("INSERT INTO meta VALUES (?, ?)", {**texts, "checksum": content_hash(texts)}.items())
    connection.close()
    before = path.read_bytes()
    for open_it in (lambda: Store(path, TASKS), lambda: read_store(path)):
        with pytest.raises(
            StoreError, match="has schema 3, this program writes schema 4; choose another --out"
        ) as caught:
            open_it()
        assert not isinstance(caught.value, StoreDamagedError)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_second_driver_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, TASKS), pytest.raises(StoreError, match="in use by another run"):
        Store(path, TASKS)
    Store(path, TASKS).close()
    with Store(path, TASKS) as store:
        assert len(store) == 0


@pytest.mark.parametrize("rows", [ROWS, STEPS], ids=["one step", "several steps"])
def test_a_part_of_a_batch_is_damage(rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, TASKS) as store:
        store.save(BATCH, rows)
    with sqlite3.connect(path) as connection:
        connection.execute(f"DELETE FROM trials WHERE trial = 1 AND step = {rows[-1].step}")
    connection.close()
    with pytest.raises(StoreDamagedError, match="a part of a batch"):
        Store(path, TASKS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "UPDATE trials SET outcome = replace(outcome, '0.30000000000000004', '0.3')",
            "checksum of trial 0, N = 4 is wrong",
        ),
        ("UPDATE trials SET outcome = replace(outcome, 'false', 'true')", "checksum of trial 1, N = 4 is wrong"),
        ("UPDATE trials SET step = 1 WHERE trial = 1", "checksum of trial 1, N = 4 is wrong"),
        ("UPDATE trials SET size = 'x'", "checksum"),
        ("DELETE FROM meta WHERE name = 'schema'", "does not say which schema it has"),
        ("UPDATE meta SET value = 'not json' WHERE name = 'schema'", "does not say which schema it has"),
        ("UPDATE tasks SET identity = replace(identity, 'ddpg', 'dppg')", "a task is not what was written"),
        ("UPDATE tasks SET identity = 'x'", "a task is not what was written"),
        ("DELETE FROM tasks", "the task of trial 0, N = 4 is not there"),
        ("DROP TABLE tasks", "tables are not those of a store"),
        ("ALTER TABLE trials RENAME COLUMN step TO stop", "tables are not those of a store"),
        ("PRAGMA journal_mode=WAL", "journal mode"),
        (
            "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = CAST(x'435245415445ff90' AS TEXT)"
            " WHERE name = 'trials'",
            "utf-8",
        ),
    ],
)
def test_a_change_that_sqlite_allows_is_damage_all_the_same(change: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, TASKS) as store:
        store.save(BATCH, ROWS)
    connection = sqlite3.connect(path)
    for statement in change.split("; "):
        connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamagedError, match=said) as caught:
        Store(path, TASKS)
    assert "\n" not in str(caught.value)
    assert "--repair" in str(caught.value)


def test_a_full_disk_loses_the_batch_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, TASKS) as store:
        store.save(BATCH, ROWS)
        store._connection.execute(f"PRAGMA max_page_count={path.stat().st_size // PAGE_SIZE + 1}")

        def fill() -> None:
            for n in range(5, 100):
                store.save(Batch(TASK, n, first_trial=0, count=2), ROWS)

        with pytest.raises(sqlite3.OperationalError, match="full"):
            fill()
        kept = len(store)
        assert 2 < kept < 100
    with Store(path, TASKS) as store:
        assert len(store) == kept
        assert store.load(BATCH) == ROWS


# --- recovery -------------------------------------------------------------------------------------------------


def many_rows(path: Path) -> list[tuple[Any, ...]]:
    """A store of a few dozen pages, with numbers of every size; its rows as SQLite reads them."""
    with Store(path, TASKS) as store:
        for n in range(1, 120):
            losses = [10.0 ** (n - 60), float(n * 1000), -0.0, None]
            rows = [Row(i, {**ROWS[i % 2].values, "loss": loss}) for i, loss in enumerate(losses)]
            store.save(Batch(TASK, n, first_trial=0, count=4), rows)
        stored = store.rows()
    assert len(stored) == 4 * 119
    return stored


def test_recovery_reads_what_sqlite_reads(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    rows = many_rows(path)
    read = list(table_rows(path.read_bytes(), PAGE_SIZE))
    assert sorted({row for row in read if sound_row(row)}) == sorted(rows)
    assert {row[0]: row[1] for row in read if sound_task(row)} == TASKS


def test_whole_batches_are_those_with_every_trial_and_step(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", TASKS) as store:
        store.save(BATCH, ROWS)
        store.save(dataclasses.replace(BATCH, size=5), STEPS)
        store.save(dataclasses.replace(BATCH, size=6), STEPS)
        rows = store.rows()
    whole = [rows[:2], rows[2:8], rows[8:]]
    assert whole_batches(rows) == whole
    assert sorted(whole_batches([*reversed(rows), *rows])) == sorted(whole)  # in any order, and twice
    for lost in range(len(rows)):
        left = [batch for batch in whole if rows[lost] not in batch]
        assert whole_batches([*rows[:lost], *rows[lost + 1 :]]) == left


def test_recovery_of_one_page_misses_what_was_on_it_only(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    rows = many_rows(path)
    data = path.read_bytes()
    whole = set(rows)
    least = len(rows)
    for page in range(len(data) // PAGE_SIZE):
        damaged = bytearray(data)
        damaged[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = random.Random(page).randbytes(PAGE_SIZE)
        found = {row for row in table_rows(bytes(damaged), PAGE_SIZE) if sound_row(row)}
        assert found <= whole
        least = min(least, len(found))
    assert least >= len(rows) - PAGE_SIZE // 150  # a row takes more than 150 bytes
    assert least < len(rows)


@settings(max_examples=200)
@given(st.data())
def test_no_flipped_byte_goes_unnoticed_or_costs_more_than_its_page(data: st.DataObject) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "s.sqlite"
        path.write_bytes(pristine())
        flipped = bytearray(pristine())
        place = data.draw(st.integers(0, len(flipped) - 1))
        flipped[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(flipped)
        before = path.read_bytes()
        complaint: StoreError | None = None
        try:
            with Store(path, TASKS) as store:  # a byte that means nothing
                assert {n: store.load(Batch(TASK, n, 0, 4)) for n in range(1, 120)} == pristine_rows()
        except StoreError as error:
            complaint = error
        if complaint is not None:
            assert isinstance(complaint, StoreDamagedError)
            assert "\n" not in str(complaint)
            assert path.read_bytes() == before
        found = whole_batches(row for row in table_rows(bytes(flipped), PAGE_SIZE) if sound_row(row))
        assert len(found) >= 119 - PAGE_SIZE // (4 * 150) - 2


@cache
def pristine() -> bytes:
    with TemporaryDirectory() as directory:
        many_rows(Path(directory) / "s.sqlite")
        return (Path(directory) / "s.sqlite").read_bytes()


@cache
def pristine_rows() -> dict[int, list[Row] | None]:
    with TemporaryDirectory() as directory:
        (Path(directory) / "s.sqlite").write_bytes(pristine())
        with Store(Path(directory) / "s.sqlite", TASKS) as store:
            return {n: store.load(Batch(TASK, n, 0, 4)) for n in range(1, 120)}


def test_nothing_in_a_store_is_executed(tmp_path: Path) -> None:
    # Pickled code, where text is expected: it stays text.
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    path = tmp_path / "s.sqlite"
    with Store(path, TASKS) as store:
        store.save(BATCH, ROWS)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE trials SET outcome = ?", (pickle.dumps(Bomb()),))
    connection.execute("UPDATE tasks SET identity = ?", (pickle.dumps(Bomb()),))
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamagedError):
        Store(path, TASKS)
    list(table_rows(path.read_bytes(), PAGE_SIZE))
    assert not (tmp_path / "exploded").exists()
    sources = [*Path(store_module.__file__).parents[1].rglob("*.py")]
    assert len(sources) > 20
    for source in sources:
        assert not re.search(r"\b(pickle|marshal|shelve|torch\.load)\b", source.read_text(encoding="utf-8")), source
