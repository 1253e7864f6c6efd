"""The store: rows go in whole batches, and a store of something else is refused untouched."""

from __future__ import annotations

import dataclasses
import pickle
import random
import re
import sqlite3
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from analysis.tasks.setting import ENGINE
from analysis.tasks.trial import Batch, TrialRow
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.experiments.experiment import compare_learners
from analysis.storage import store as store_module
from analysis.storage.recovery import table_rows
from analysis.storage.store import PAGE_SIZE, Store, StoreDamagedError, StoreError, sound, whole_batches

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
    with pytest.raises(StoreError, match=r"is damaged \(file is not a database\)"):
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
    with pytest.raises(StoreDamagedError, match="does not say"):  # a slip of the disk, as far as one can tell
        Store(path, OWNER)
    with connection:
        connection.execute("DELETE FROM meta WHERE name = 'checksum'")  # schemas before 3 had none
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
    with pytest.raises(StoreDamagedError, match="a part of a batch"):
        Store(path, OWNER)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE trials SET loss = loss * (1 + 1e-15) WHERE trial = 0", "checksum of trial 0, N = 4, d = 3 is wrong"),
        ("UPDATE trials SET success = 1", "checksum of trial 1, N = 4, d = 3 is wrong"),
        ("UPDATE trials SET loss = 'x'", "checksum"),
        ("UPDATE meta SET value = replace(value, 'ddpg', 'dppg')", "does not say which run"),
        ("ALTER TABLE trials RENAME COLUMN steps TO stops", "tables are not those of a store"),
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
    with Store(path, OWNER) as store:
        store.save(BATCH, ROWS)
    connection = sqlite3.connect(path)
    for statement in change.split("; "):
        connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamagedError, match=said) as caught:
        Store(path, OWNER)
    assert "\n" not in str(caught.value)
    assert "--repair" in str(caught.value)


def test_a_full_disk_loses_the_batch_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, OWNER) as store:
        store.save(BATCH, ROWS)
        store._connection.execute(f"PRAGMA max_page_count={path.stat().st_size // PAGE_SIZE + 1}")

        def fill() -> None:
            for n in range(5, 100):
                store.save(Batch(SETTING, n, first_trial=0, count=2), ROWS)

        with pytest.raises(sqlite3.OperationalError, match="full"):
            fill()
        kept = len(store)
        assert 2 < kept < 100
    with Store(path, OWNER) as store:
        assert len(store) == kept
        assert store.load(BATCH) == ROWS


# --- salvage -------------------------------------------------------------------------------------------------


def many_rows(path: Path) -> list[tuple[Any, ...]]:
    """A store of a few dozen pages, with numbers of every size; its rows as SQLite reads them."""
    with Store(path, OWNER) as store:
        for n in range(1, 120):
            losses = [10.0 ** (n - 60), float(n * 1000), -0.0, None]
            rows = [dataclasses.replace(ROWS[i % 2], trial=i, loss=loss) for i, loss in enumerate(losses)]
            store.save(Batch(SETTING, n, first_trial=0, count=4), rows)
    connection = sqlite3.connect(path)
    rows = list(connection.execute("SELECT * FROM trials ORDER BY key"))
    connection.close()
    assert len(rows) == 4 * 119
    return rows


def test_salvage_reads_what_sqlite_reads(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    rows = many_rows(path)
    found = {row[0]: row for row in table_rows(path.read_bytes(), PAGE_SIZE) if sound(row)}
    assert [found[key] for key in sorted(found)] == rows


def test_salvage_of_one_page_misses_what_was_on_it_only(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    rows = many_rows(path)
    data = path.read_bytes()
    whole = {row[0] for row in rows}
    least = len(rows)
    for page in range(len(data) // PAGE_SIZE):
        damaged = bytearray(data)
        damaged[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = random.Random(page).randbytes(PAGE_SIZE)
        found = {row[0] for row in table_rows(bytes(damaged), PAGE_SIZE) if sound(row)}
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
            with Store(path, OWNER) as store:  # a byte that means nothing
                assert {n: store.load(Batch(SETTING, n, 0, 4)) for n in range(1, 120)} == pristine_rows()
        except StoreError as error:
            complaint = error
        if complaint is not None:
            assert isinstance(complaint, StoreDamagedError)
            assert "\n" not in str(complaint)
            assert path.read_bytes() == before
        found = whole_batches(row for row in table_rows(bytes(flipped), PAGE_SIZE) if sound(row))
        assert len(found) >= 119 - PAGE_SIZE // (4 * 150) - 2


@cache
def pristine() -> bytes:
    with TemporaryDirectory() as directory:
        many_rows(Path(directory) / "s.sqlite")
        return (Path(directory) / "s.sqlite").read_bytes()


@cache
def pristine_rows() -> dict[int, list[TrialRow] | None]:
    with TemporaryDirectory() as directory:
        (Path(directory) / "s.sqlite").write_bytes(pristine())
        with Store(Path(directory) / "s.sqlite", OWNER) as store:
            return {n: store.load(Batch(SETTING, n, 0, 4)) for n in range(1, 120)}


def test_nothing_in_a_store_is_executed(tmp_path: Path) -> None:
    # Pickled code, where text is expected: it stays text.
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    path = tmp_path / "s.sqlite"
    with Store(path, OWNER) as store:
        store.save(BATCH, ROWS)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE trials SET outcome = ?", (pickle.dumps(Bomb()),))
    connection.execute("UPDATE meta SET value = ? WHERE name = 'owner'", (pickle.dumps(Bomb()),))
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamagedError):
        Store(path, OWNER)
    list(table_rows(path.read_bytes(), PAGE_SIZE))
    assert not (tmp_path / "exploded").exists()
    sources = [*Path(store_module.__file__).parents[1].rglob("*.py")]
    assert len(sources) > 20
    for source in sources:
        assert not re.search(r"\b(pickle|marshal|shelve|torch\.load)\b", source.read_text(encoding="utf-8")), source
