"""The sweep as a whole: one result whatever the executor, the order, the interruptions."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from analysis.config import SweepConfig
from analysis.executors import process_pool
from analysis.results import SweepResults
from analysis.store import Store
from analysis.sweep import SweepEvent, run_sweep
from analysis.tables import thresholds_csv

CONFIG = SweepConfig(dims=(2, 3, 4), trials=25)

pytestmark = pytest.mark.usefixtures("unchecked_types")


class InlineExecutor(Executor):
    """Runs every call at once, in this process."""

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class JitteringExecutor(ThreadPoolExecutor):
    """Starts every call after a random delay: completion out of order."""

    def __init__(self, workers: int, seed: int) -> None:
        super().__init__(workers)
        self._delays = random.Random(seed)

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        delay = self._delays.uniform(0, 0.05)

        def late() -> Any:
            time.sleep(delay)
            return fn(*args, **kwargs)

        return super().submit(late)


def sweep(path: Path, executor: Executor, workers: int = 2, config: SweepConfig = CONFIG) -> str:
    with Store(path, config) as store:
        searches = run_sweep(config, store, executor, workers)
        return thresholds_csv(SweepResults.from_sweep(config, searches, store.outcomes()))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The thresholds of a sweep in this process that nothing interrupted."""
    return sweep(tmp_path_factory.mktemp("undisturbed") / "s.sqlite", InlineExecutor())


def test_the_thresholds_are_those_of_theory(undisturbed: str) -> None:
    rows = list(csv.DictReader(undisturbed.splitlines()))
    reengage = {int(row["dim"]): int(row["smallest_n"]) for row in rows if row["learner"] == "reengage"}
    assert reengage == {2: 1, 3: 2, 4: 3}
    ddpg = {int(row["dim"]): float(row["n50"]) for row in rows if row["learner"] == "ddpg"}
    # D + 1 = 4 and 7; descent gets stuck in local minima, so it needs more, but fewer than d² equations.
    assert 3 <= ddpg[3] <= 9
    assert 6 <= ddpg[4] <= 16


def test_the_order_of_completion_does_not_matter(undisturbed: str, tmp_path: Path) -> None:
    with JitteringExecutor(3, seed=1) as pool:
        assert sweep(tmp_path / "s.sqlite", pool, workers=3) == undisturbed


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_processes_does_not_matter(workers: int, undisturbed: str, tmp_path: Path) -> None:
    with process_pool(workers) as pool:
        assert sweep(tmp_path / "s.sqlite", pool, workers) == undisturbed


def test_an_interrupted_sweep_goes_on(undisturbed: str, tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    saved = []
    for stop_after in (3, 10, 21):
        events = 0

        def interrupt(event: SweepEvent, stop_after: int = stop_after) -> None:
            nonlocal events
            events += event.batch is not None
            if events >= stop_after:
                raise KeyboardInterrupt

        with Store(path, CONFIG) as store:
            with pytest.raises(KeyboardInterrupt):
                run_sweep(CONFIG, store, InlineExecutor(), 2, interrupt)
            saved.append(len(store))
    assert 0 < saved[0] < saved[1] <= saved[2]
    assert sweep(path, InlineExecutor()) == undisturbed


def test_nothing_is_run_again(undisturbed: str, tmp_path: Path) -> None:
    class NoExecutor(Executor):
        @override
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            raise AssertionError(f"asked to run {args}")

    path = tmp_path / "s.sqlite"
    assert sweep(path, InlineExecutor()) == undisturbed
    assert sweep(path, NoExecutor()) == undisturbed


def test_another_batch_size_agrees_within_the_intervals(undisturbed: str, tmp_path: Path) -> None:
    other = SweepConfig(dims=CONFIG.dims, trials=40, batch_size=20)
    rows = list(csv.DictReader(undisturbed.splitlines()))
    others = list(csv.DictReader(sweep(tmp_path / "s.sqlite", InlineExecutor(), config=other).splitlines()))
    compared = 0
    for row, twin in zip(rows, others, strict=True):
        assert (row["learner"], row["dim"]) == (twin["learner"], twin["dim"])
        if row["learner"] == "reengage":
            assert row["smallest_n"] == twin["smallest_n"]
        elif not row["censored"] and not twin["censored"]:
            assert float(row["n50_low"]) <= float(twin["n50_high"])
            assert float(twin["n50_low"]) <= float(row["n50_high"])
            compared += 1
    assert compared >= 1


def command(out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "analysis", "scale", "--dims", "4,5,6", "--learners", "ddpg", "--trials", "25"),
        *("--out", str(out), "--workers", "2"),
    ]


@pytest.fixture(scope="module")
def undisturbed_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a command that nothing interrupted."""
    out = tmp_path_factory.mktemp("command") / "run"
    subprocess.run(command(out), check=True, capture_output=True)
    return out


def wait_for_trials(store: Path) -> None:
    """Until the first batches are in the store: it grows beyond its empty size, five pages of 4096 bytes."""
    for _ in range(6000):
        if store.exists() and store.stat().st_size > 6 * 4096:
            return
        time.sleep(0.01)
    raise AssertionError("no trial was stored within a minute")


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_command_goes_on_where_it_stopped(
    signal_number: int, undisturbed_command: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    killed = tmp_path / "killed"
    with subprocess.Popen(
        command(killed),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A shell makes its background jobs ignore SIGINT, and the tests may run in one.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as driver:
        assert driver.stdout is not None
        assert driver.stderr is not None
        wait_for_trials(killed / "sweep.sqlite")
        driver.send_signal(signal_number)
        rest, complaints = driver.stdout.read(), driver.stderr.read()
        code = driver.wait(timeout=60)
    assert not (killed / "thresholds.csv").exists()
    if signal_number == signal.SIGKILL:
        assert code == -signal.SIGKILL
    else:
        assert code == 130
        assert complaints == ""
        assert "the same command goes on from there" in rest
    again = subprocess.run(command(killed), check=True, capture_output=True, text=True, env=environment)
    assert "trials are there already" in again.stdout
    for name in ("thresholds.csv", "scaling.csv", "summary.json", "table.tex", "figures/complexity.pdf"):
        assert (killed / name).read_bytes() == (undisturbed_command / name).read_bytes(), name
