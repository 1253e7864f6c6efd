"""Join runs, as the jobs of an array leave them, into one run directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.files import to_json, write_atomically
from analysis.storage.run_directory import check_run_path, read_sessions
from analysis.storage.store import Store, StoredRow, StoreError, difference, read_store

__all__ = ["Merged", "merge_runs"]

_STORE = "sweep.sqlite"


@dataclass(frozen=True)
class Merged:
    """What came of it.

    Attributes:
        trials: how many the merged run holds.
        repeated: how many of them were in more than one run; they were the same in all.
    """

    trials: int
    repeated: int


def merge_runs(sources: Sequence[Path], out: Path) -> Merged:
    """Put every trial of some run directories into another one.

    Args:
        sources: run directories of one experiment; they are only read.
        out: an absent or empty directory, or one that holds a run of the same experiment already.

    Raises:
        ConfigError: if ``out`` cannot be used; nothing was written.
        StoreError: if a source cannot be used, belongs to another experiment, or disagrees with another about a trial;
            nothing was written.
    """
    check_run_path(out)
    known = [out] if (out / _STORE).exists() else []
    runs = [*known, *sources]
    tasks: dict[str, str] = {}
    merged: dict[tuple[object, ...], StoredRow] = {}
    came_from: dict[tuple[object, ...], Path] = {}
    repeated: set[tuple[object, ...]] = set()
    for run in runs:
        own, rows = read_store(run / _STORE)
        if tasks and own.keys() != tasks.keys():
            # A store names every task of its experiment, also those whose trials another job runs.
            stored, others = ([json.loads(text) for text in found.values()] for found in (own, tasks))
            raise StoreError(
                f"{run}: holds a run with {difference(stored, others)} in {runs[0]}; only runs of one experiment are"
                " merged"
            )
        tasks |= own
        for row in rows:
            key = row[:6]
            if key not in merged:
                merged[key], came_from[key] = row, run
            elif merged[key] == row:
                repeated.add(key)
            else:
                identity = json.loads(tasks[row[0]])
                raise StoreError(f"{run} and {came_from[key]} differ: {_disagreement(identity, row, merged[key])}")
    out.mkdir(parents=True, exist_ok=True)
    with Store(out / _STORE, tasks) as store:
        there = {row[:6] for row in store.rows()}
        store.insert([row for key, row in merged.items() if key not in there])
        trials = len(store)
        for name, text in _descriptions(runs).items():
            write_atomically(out / name, text)
    return Merged(trials, len({key[:5] for key in repeated}))


def _disagreement(identity: dict[str, object], row: StoredRow, other: StoredRow) -> str:
    """The first thing that two rows of one trial say differently."""
    found, known = json.loads(row[6]), json.loads(other[6])
    name = next(name for name in {**found, **known} if found.get(name) != known.get(name))
    problem = identity.get("problem", identity)
    dim = problem.get("dim") if isinstance(problem, dict) else None
    return (
        f"trial {row[4]} of {identity.get('learner', identity.get('task'))}, d = {dim}, N = {row[1]} has {name} ="
        f" {found.get(name)!r} in one and {known.get(name)!r} in the other"
    )


def _descriptions(runs: Sequence[Path]) -> dict[str, str]:
    """``config.json`` of the first run that has one, and the sessions of all."""
    texts = {"provenance.json": to_json({"sessions": [session for run in runs for session in read_sessions(run)]})}
    for run in runs:
        try:
            texts["config.json"] = to_json(json.loads((run / "config.json").read_text(encoding="utf-8")))
            break
        except (OSError, ValueError):
            continue
    return texts
