"""The store: rows go in whole batches, and a store of something else is refused untouched."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from analysis.config import SweepConfig
from analysis.store import Store, StoreError
from analysis.trial import Batch, TrialRow

CONFIG = SweepConfig(dims=(3,))
BATCH = Batch(CONFIG, "ddpg", 3, 4, first_trial=0, count=2)
ROWS = [
    TrialRow(0, True, "converged", 1e-300, 0.1 + 0.2, 1 / 3, 10, 0),
    TrialRow(1, False, "diverged", None, None, None, 0, 1),
]


def test_rows_come_back_to_the_bit(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", CONFIG) as store:
        assert store.load(BATCH) is None
        store.save(BATCH, ROWS)
    with Store(tmp_path / "s.sqlite", CONFIG) as store:
        assert store.load(BATCH) == ROWS
        assert len(store) == 2
        assert store.outcomes() == [("ddpg", "converged", 0, 1, 1), ("ddpg", "diverged", 1, 0, 1)]


def test_a_batch_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    overlapping = Batch(CONFIG, "ddpg", 3, 4, first_trial=0, count=2)
    with Store(tmp_path / "s.sqlite", CONFIG) as store:
        store.save(BATCH, ROWS)
        with pytest.raises(sqlite3.IntegrityError):
            store.save(overlapping, ROWS)
        with pytest.raises(ValueError, match="zip"):
            store.save(Batch(CONFIG, "ddpg", 3, 5, first_trial=0, count=2), ROWS[:1])
        assert len(store) == 2
        assert store.load(BATCH) == ROWS


def test_another_configuration_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, CONFIG) as store:
        store.save(BATCH, ROWS)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"holds a run with seed = 0, not 1"):
        Store(path, SweepConfig(dims=(3,), seed=1))
    assert path.read_bytes() == before


def test_a_file_that_is_no_store_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_text("these are my notes, not a database\n" * 50)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not a usable store"):
        Store(path, CONFIG)
    assert path.read_bytes() == before


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="something else"):
        Store(path, CONFIG)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, CONFIG).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    connection.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store(path, CONFIG)


def test_a_second_driver_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, CONFIG), pytest.raises(StoreError, match="in use by another run"):
        Store(path, CONFIG)
    Store(path, CONFIG).close()
    with Store(path, CONFIG) as store:
        assert len(store) == 0


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store(tmp_path, CONFIG)


def test_a_damaged_store_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, CONFIG) as store:
        for n in range(4, 60):
            store.save(Batch(CONFIG, "ddpg", 3, n, first_trial=0, count=2), ROWS)
    data = bytearray(path.read_bytes())
    data[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"is damaged|is not a usable store"):
        Store(path, CONFIG)
    assert path.read_bytes() == bytes(data)


@pytest.mark.parametrize("value", ["not json", "[1]", None])
def test_a_store_that_does_not_say_what_it_holds_is_refused(value: str | None, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, CONFIG).close()
    with sqlite3.connect(path) as connection:
        if value is None:
            connection.execute("DELETE FROM meta WHERE name = 'config'")
        else:
            connection.execute("UPDATE meta SET value = ? WHERE name = 'config'", (value,))
    connection.close()
    with pytest.raises(StoreError, match="does not say which run it holds"):
        Store(path, CONFIG)


def test_a_part_of_a_batch_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, CONFIG) as store:
        store.save(BATCH, ROWS)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM trials WHERE trial = 1")
    connection.close()
    with Store(path, CONFIG) as store, pytest.raises(StoreError, match="a part of a batch"):
        store.load(BATCH)
