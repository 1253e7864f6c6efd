"""A few faults of every kind, at random moments: nothing is lost, doubled or wrong. Many more: `make test-faults`.

The last tests see to it that losses would be noticed.
"""

from __future__ import annotations

import os
import random
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from faults.injecting import KINDS, Bench, Reference, key_of, rows_of

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses /proc and mount namespaces")


def run_faults(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    # A process of its own: it forks, and this one may have threads.
    return subprocess.run(
        [sys.executable, "-m", "faults", *arguments], capture_output=True, text=True, cwd=ROOT, env=environment
    )


@pytest.mark.slow  # `make test-faults` is the whole of it
def test_faults_cost_nothing() -> None:
    done = run_faults("--times", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost 0, doubled 0, wrong 0" in done.stdout
    for kind in KINDS:
        if kind != "read-only run directory":  # where nothing can be mounted there is none
            assert re.search(rf"^ +[1-9]\d*  {kind}", done.stdout, re.MULTILINE), done.stdout


def make_store(run: Path, rows: list[tuple[int, int]]) -> None:
    """A table of (first trial of the batch, trial), without the key that forbids doubles."""
    run.mkdir()
    connection = sqlite3.connect(run / "sweep.sqlite")
    connection.execute("CREATE TABLE trials (task, size, first_trial, batch_trials, trial, step)")
    connection.executemany("INSERT INTO trials VALUES ('t', 1, ?, 2, ?, 0)", rows)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([(0, 0), (0, 1)], (0, 0, 0)),
        ([(0, 0)], (1, 0, 0)),
        ([(0, 0), (0, 1), (0, 0)], (0, 1, 0)),
        ([(0, 0), (0, 1), (1, 1)], (0, 1, 1)),
        ([(0, 0), (0, 1), (2, 2)], (0, 0, 1)),
        ([(0, 0), (0, 7)], (1, 0, 1)),
    ],
)
def test_losses_doubles_and_errors_are_counted(
    rows: list[tuple[int, int]], found: tuple[int, int, int], tmp_path: Path
) -> None:
    make_store(tmp_path / "sound", [(0, 0), (0, 1)])
    make_store(tmp_path / "run", rows)
    sound = {key_of(row): row for row in rows_of(tmp_path / "sound", tmp_path)}
    reference = Reference(sound, b"", tmp_path / "sound")
    bench = Bench(tmp_path, random.Random(0), mounts=False)
    bench.check(tmp_path / "run", {*sound}, reference)
    assert (bench.lost, bench.doubled, bench.wrong) == found
    assert bool(bench.notes) == any(found)
