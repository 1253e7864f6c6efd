"""Join runs of one experiment, as the jobs of an array leave them, into one run directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from analysis.storage.run_directory import check_run_path, read_sessions, to_json, write_atomically
from analysis.storage.store import Store, StoredRow, StoreError, difference, read_store
from analysis.tasks.setting import canonical_json
from analysis.tasks.trial import TrialRow

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
        sources: run directories of the same settings; they are only read.
        out: an absent or empty directory, or one that holds a run of the same settings already.

    Raises:
        ConfigError: if ``out`` cannot be used; nothing was written.
        StoreError: if a source cannot be used, belongs to other settings, or disagrees with another about a trial;
            nothing was written.
    """
    check_run_path(out)
    known = [out] if (out / _STORE).exists() else []
    runs = [*known, *sources]
    merged: dict[str, StoredRow] = {}
    came_from: dict[str, Path] = {}
    repeated: set[str] = set()
    owner: dict[str, Any] | None = None
    for run in runs:
        own, rows = read_store(run / _STORE)
        if owner is None:
            owner = own
        elif canonical_json(own) != canonical_json(owner):
            raise StoreError(
                f"{run}: holds a run with {difference(own, owner)} in {runs[0]}; only runs of one experiment are merged"
            )
        for row in rows:
            key = row[0]
            if key in merged:
                if merged[key] != row:
                    raise StoreError(f"{run} and {came_from[key]} differ: {_disagreement(row, merged[key])}")
                repeated.add(key)
            else:
                merged[key], came_from[key] = row, run
    assert owner is not None, "no run was given"
    out.mkdir(parents=True, exist_ok=True)
    with Store(out / _STORE, owner) as store:
        there = store.keys()
        store.insert([row for key, row in merged.items() if key not in there])
        trials = len(store)
        for name, text in _descriptions(runs).items():
            write_atomically(out / name, text)
    return Merged(trials, len(repeated))


def _disagreement(row: StoredRow, other: StoredRow) -> str:
    """The first thing that two rows of one trial say differently."""
    names = [field.name for field in fields(TrialRow)]
    found, known = (dict(zip(names, one[7:], strict=False)) for one in (row, other))
    name = next(name for name in names if found[name] != known[name])
    return (
        f"trial {row[7]} of {row[2]}, d = {row[3]}, N = {row[4]} has {name} = {found[name]!r} in one"
        f" and {known[name]!r} in the other"
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
