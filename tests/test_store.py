"""The store: rows go in whole batches, and a store of something else is refused untouched."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from analysis.experiment import compare_learners
from analysis.setting import ENGINE
from analysis.store import Store, StoreError
from analysis.trial import Batch, TrialRow

EXPERIMENT = compare_learners((3,), ("ddpg", "reengage"))
OWNER = EXPERIMENT.resolved()
SETTING, TWIN = EXPERIMENT.settings
BATCH = Batch(SETTING, 4, first_trial=0, count=2)
ROWS = [
    TrialRow(0, True, "converged", 1e-300, 0.1 + 0.2, 1 / 3, 10, 0, 1),
    TrialRow(1, False, "diverged", None, None, None, 0, 1, 7),
]


def test_rows_come_back_to_the_bit(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", OWNER) as store:
        assert store.load(BATCH) is None
        store.save(BATCH, ROWS)
    with Store(tmp_path / "s.sqlite", OWNER) as store:
        assert store.load(BATCH) == ROWS
        assert len(store) == 2
        name = SETTING.hash()
        assert store.outcomes() == [(name, "converged", 0, 1, 1), (name, "diverged", 1, 0, 1)]
        assert store.starts() == {name: (4.0, 7)}


def test_settings_are_counted_apart(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", OWNER) as store:
        store.save(BATCH, ROWS)
        store.save(Batch(TWIN, 4, first_trial=0, count=2), [ROWS[0], ROWS[0]])
        store.save(Batch(TWIN, 5, first_trial=2, count=1), [ROWS[1]])
        counted = {(setting, outcome): trials for setting, outcome, _, _, trials in store.outcomes()}
        assert counted == {
            (SETTING.hash(), "converged"): 1,
            (SETTING.hash(), "diverged"): 1,
            (TWIN.hash(), "converged"): 2,
            (TWIN.hash(), "diverged"): 1,
        }
        assert store.starts() == {SETTING.hash(): (4.0, 7), TWIN.hash(): (3.0, 7)}


def test_a_batch_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    overlapping = Batch(SETTING, 4, first_trial=0, count=2)
    with Store(tmp_path / "s.sqlite", OWNER) as store:
        store.save(BATCH, ROWS)
        with pytest.raises(sqlite3.IntegrityError):
            store.save(overlapping, ROWS)
        with pytest.raises(ValueError, match="zip"):
            store.save(Batch(SETTING, 5, first_trial=0, count=2), ROWS[:1])
        assert len(store) == 2
        assert store.load(BATCH) == ROWS


def test_another_configuration_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, OWNER) as store:
        store.save(BATCH, ROWS)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"holds a run with seed = 0, not 1"):
        Store(path, compare_learners((3,), ("ddpg", "reengage"), seed=1).resolved())
    assert path.read_bytes() == before


def replaced(**values: Any) -> dict[str, Any]:
    return {**OWNER, "settings": [{**setting, **values} for setting in OWNER["settings"]]}


OTHERS: list[tuple[dict[str, Any], str]] = [
    (compare_learners((3,), ("ddpg",)).resolved(), "learner = 'ddpg', 'reengage', not 'ddpg'"),
    (compare_learners((3, 4), ("ddpg", "reengage")).resolved(), "dim = 3, not 3, 4"),
    (replaced(engine=1), f"engine = {ENGINE}, not 1"),
    (replaced(sizes=[5]), r"sizes = \[\], not \[5\]"),
    ({**OWNER, "measure": "error"}, "measure = 'threshold', not 'error'"),
    ({**OWNER, "settings": OWNER["settings"][::-1]}, "learner = 'ddpg', 'reengage', not 'reengage', 'ddpg'"),
]


@pytest.mark.parametrize(("owner", "difference"), OTHERS, ids=lambda value: str(value)[:40])
def test_whatever_differs_is_named_in_one_line(owner: dict[str, Any], difference: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, OWNER).close()
    with pytest.raises(StoreError, match=difference) as caught:
        Store(path, owner)
    assert "\n" not in str(caught.value)


def test_labels_and_predictions_are_no_part_of_what_a_store_belongs_to(tmp_path: Path) -> None:
    curves = tuple(dataclasses.replace(curve, label=curve.label + "!", formula=None) for curve in EXPERIMENT.curves)
    other = dataclasses.replace(EXPERIMENT, title="Another title", name="another", curves=curves)
    assert other.resolved() == OWNER
    with Store(tmp_path / "s.sqlite", OWNER) as store:
        store.save(BATCH, ROWS)
    with Store(tmp_path / "s.sqlite", other.resolved()) as store:
        assert store.load(BATCH) == ROWS


def test_a_file_that_is_no_store_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_text("these are my notes, not a database\n" * 50)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not a usable store"):
        Store(path, OWNER)
    assert path.read_bytes() == before


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="something else"):
        Store(path, OWNER)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, OWNER).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    connection.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store(path, OWNER)


def test_a_second_driver_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, OWNER), pytest.raises(StoreError, match="in use by another run"):
        Store(path, OWNER)
    Store(path, OWNER).close()
    with Store(path, OWNER) as store:
        assert len(store) == 0


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store(tmp_path, OWNER)


def test_a_damaged_store_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, OWNER) as store:
        for n in range(4, 60):
            store.save(Batch(SETTING, n, first_trial=0, count=2), ROWS)
    data = bytearray(path.read_bytes())
    data[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"is damaged|is not a usable store"):
        Store(path, OWNER)
    assert path.read_bytes() == bytes(data)


@pytest.mark.parametrize("value", ["not json", "[1]", None])
def test_a_store_that_does_not_say_what_it_holds_is_refused(value: str | None, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path, OWNER).close()
    with sqlite3.connect(path) as connection:
        if value is None:
            connection.execute("DELETE FROM meta WHERE name = 'owner'")
        else:
            connection.execute("UPDATE meta SET value = ? WHERE name = 'owner'", (value,))
    connection.close()
    with pytest.raises(StoreError, match="does not say which run it holds"):
        Store(path, OWNER)


def test_a_part_of_a_batch_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, OWNER) as store:
        store.save(BATCH, ROWS)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM trials WHERE trial = 1")
    connection.close()
    with Store(path, OWNER) as store, pytest.raises(StoreError, match="a part of a batch"):
        store.load(BATCH)
