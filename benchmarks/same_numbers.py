"""Whether two versions of this package found the same numbers: ``python -m benchmarks.same_numbers OLD NEW``.

OLD and NEW hold run directories of the same names. Every number in ``thresholds.csv``, ``errors.csv`` and
``scaling.csv`` is compared as text; columns that were renamed or removed since 0.1.0 are known by ``RENAMED``.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

FILES = ("thresholds.csv", "errors.csv", "scaling.csv")

RENAMED: dict[str, str | None] = {
    "smallest_n": "n_min",
    "settled": "resolved",
    "optimiser": "solver",
    "most_starts": None,
    "misfit": "between_dimension_sd",
}
"""Columns of 0.1.0 by their new names; None: removed. ``lack_of_fit`` of ``scaling.csv`` went with the joint model."""

VALUES = {"minimiser": "global-solver", "settled": "resolved"}
"""Words in cells that have new names."""


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def translated(row: dict[str, str]) -> dict[str, str]:
    """A line of the old version in the words of the new one."""
    found = {}
    for name, value in row.items():
        kept = RENAMED.get(name, name)
        if kept is not None:
            found[kept] = VALUES.get(value, value).replace("minimiser", "global solver")
    return found


def differences(old: Path, new: Path) -> list[str]:
    """What differs between two runs, in words."""
    found = []
    for name in FILES:
        there = [(run / name).exists() for run in (old, new)]
        if there != [True, True]:
            found += [f"{new / name}: {'only' if there[1] else 'not'} in the new run"] if any(there) else []
            continue
        before = [translated(row) for row in read(old / name) if row.get("law") != "joint model"]
        after = read(new / name)
        if len(before) != len(after):
            found.append(f"{new / name}: {len(after)} lines, not {len(before)}")
        for number, (was, now) in enumerate(zip(before, after, strict=False), start=2):
            columns = [column for column in was if name != "scaling.csv" or column != "lack_of_fit"]
            found += [
                f"{new / name}:{number}: {column} is {now.get(column)!r}, not {was[column]!r}"
                for column in columns
                if now.get(column) != was[column]
            ]
    return found


def main() -> int:
    """Compare; returns 1 if anything differs, or nothing was compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    arguments = parser.parse_args()
    runs = sorted(run.name for run in arguments.new.iterdir() if (run / "summary.json").exists())
    found = [line for run in runs for line in differences(arguments.old / run, arguments.new / run)]
    print("\n".join([*found, f"{len(runs)} runs compared ({', '.join(runs)}): {len(found)} differences"]))
    return int(bool(found) or not runs)


if __name__ == "__main__":
    sys.exit(main())
