"""Executors: the same bytes from each, and no loss when a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from typing_extensions import override

from analysis.cli.main import main
from analysis.errors import ConfigError
from analysis.presets.comparison import compare_learners
from analysis.running import executors
from analysis.running.executors import (
    ProcessPool,
    RenewableExecutor,
    SerialExecutor,
    one_arithmetic_thread,
    open_executor,
)
from analysis.running.sweep import SweepEvent, TrialError, finish_questions
from analysis.storage.store import Store, StoredRow, identities, read_store
from analysis.tasks import Batch

EXPERIMENT = compare_learners((2, 3), ("ddpg", "reengage"), trials=12)

pytestmark = pytest.mark.usefixtures("unchecked_module")


def rows_of(path: Path) -> list[StoredRow]:
    """Every row of a store, to the bit."""
    return sorted(read_store(path)[1])


def sweep(path: Path, executor: Executor, workers: int, report: Callable[[SweepEvent], None] = lambda _: None) -> None:
    with Store(path, identities(EXPERIMENT.tasks)) as store:
        finish_questions(EXPERIMENT, store, executor, workers, report)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRow]:
    path = tmp_path_factory.mktemp("serial") / "s.sqlite"
    with open_executor("serial") as (executor, workers):
        sweep(path, executor, workers)
    rows = rows_of(path)
    assert len(rows) > 100
    return rows


@pytest.mark.parametrize("name", ["processes", "threads"])
def test_every_executor_gives_the_same_bytes(name: str, undisturbed: list[StoredRow], tmp_path: Path) -> None:
    with open_executor(name, 2) as (executor, workers):
        assert workers == 2
        sweep(tmp_path / "s.sqlite", executor, workers)
    assert rows_of(tmp_path / "s.sqlite") == undisturbed


def test_arithmetic_has_one_thread_wherever_it_is_done() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for name in ("serial", "threads", "processes"):
            with open_executor(name, 1) as (executor, _):
                assert executor.submit(torch.get_num_threads).result() == 1, name
            assert torch.get_num_threads() == 3, name
        with pytest.raises(KeyError), one_arithmetic_thread():
            raise KeyError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_serial_executor_hands_on_errors_but_no_interruption() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    executor = SerialExecutor()
    assert isinstance(executor.submit(int, "x").exception(), ValueError)
    with pytest.raises(KeyboardInterrupt):
        executor.submit(interrupted)


# --- lost workers --------------------------------------------------------------------------------------------


def kill_worker(pool: ProcessPool) -> None:
    processes = pool._pool._processes
    assert processes
    os.kill(next(iter(processes)), signal.SIGKILL)


def test_a_killed_worker_takes_nothing_with_it(undisturbed: list[StoredRow], tmp_path: Path) -> None:
    events = 0

    with executors.process_pool(2) as pool:

        def report(event: SweepEvent) -> None:
            nonlocal events
            events += event.batch is not None
            if event.batch is not None and events in (2, 7):
                kill_worker(pool)

        sweep(tmp_path / "s.sqlite", pool, 2, report)
    assert events > 7
    assert rows_of(tmp_path / "s.sqlite") == undisturbed


@dataclass
class FragileExecutor(RenewableExecutor):
    """Computes in this process; loses its worker at the batches that it is told to.

    Attributes:
        deadly: whether a batch takes down its worker, given how often it was started.
        company: batches under way that are lost with it, the first two times.
    """

    deadly: Callable[[Batch, int], bool]
    company: int = 1
    started: Counter[Batch] = field(default_factory=Counter)
    under_way: list[Future[Any]] = field(default_factory=list)
    renewed: int = 0
    broken: bool = False

    @override
    def renew(self) -> None:
        self.renewed += 1
        self.broken = False

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.broken:
            raise BrokenExecutor("submitted to a broken pool")
        (batch,) = args
        self.started[batch] += 1
        times = self.started[batch]
        future: Future[Any] = Future()
        if self.under_way or self.deadly(batch, times):
            self.under_way.append(future)
            if len(self.under_way) == self.company or times > 2:
                for each in self.under_way:
                    each.set_exception(BrokenExecutor("a worker was ended"))
                self.under_way = []
                self.broken = True
        else:
            future.set_result(fn(batch))
        return future


def test_what_was_under_way_runs_again_on_a_renewed_executor(undisturbed: list[StoredRow], tmp_path: Path) -> None:
    # Every batch takes its worker down the first time: worse than any cluster, and yet it ends.
    executor = FragileExecutor(lambda batch, times: times == 1)
    sweep(tmp_path / "s.sqlite", executor, 2)
    assert rows_of(tmp_path / "s.sqlite") == undisturbed
    assert executor.renewed >= len(executor.started) > 5


def test_a_batch_that_ends_every_worker_is_named_and_its_neighbours_are_not(tmp_path: Path) -> None:
    culprit = Batch(EXPERIMENT.tasks[1], size=1, first_trial=0, count=12)
    executor = FragileExecutor(lambda batch, times: batch == culprit, company=3)
    with Store(tmp_path / "s.sqlite", identities(EXPERIMENT.tasks)) as store:
        with pytest.raises(
            TrialError, match=r"^trials 0 to 11 of ddpg, descent, d = 3, N = 1 failed: BrokenExecutor: "
        ):
            finish_questions(EXPERIMENT, store, executor, 2)
        # The two that were lost with it twice ran alone, and ended well.
        assert sorted(executor.started.values(), reverse=True)[:3] == [3, 3, 3]
        assert len(store) == 2 * 12
    assert executor.renewed == 2


# --- Dask ----------------------------------------------------------------------------------------------------


@contextmanager
def dask_cluster(directory: Path, workers: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler and workers with nannies, each a process; gives the address as --executor takes it."""
    pytest.importorskip("distributed")
    told = directory / "scheduler.json"
    common = ["--scheduler-file", str(told), "--no-dashboard"]
    programs = [
        ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"],
        *[["distributed.cli.dask_worker", "--nthreads", "1", "--local-directory", str(directory)]] * workers,
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", *program, *common], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for program in programs
    ]
    try:
        for _ in range(1200):
            if told.exists() and told.stat().st_size:
                break
            time.sleep(0.05)
        address = json.loads(told.read_text())["address"].replace("tcp://", "dask://")
        yield address, processes[0]
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()


def test_without_dask_or_its_scheduler_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["scale", "--dims", "2", "--out", str(tmp_path / "run"), "--executor", "dask://127.0.0.1:1"]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "argument --executor: 'dask://127.0.0.1:1' is not allowed; it needs Dask: pip install" in line
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "_DASK_TIMEOUT", 1)
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no Dask scheduler answers there within 1 seconds" in line
    assert not (tmp_path / "run").exists()


def test_a_dask_cluster_gives_the_same_bytes_whatever_happens_to_its_workers(
    undisturbed: list[StoredRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dask_cluster(tmp_path, 2) as (address, scheduler):
        from distributed import Client

        with Client(address.replace("dask", "tcp"), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)

            def kill_a_worker(event: SweepEvent) -> None:
                nonlocal events
                events += event.batch is not None
                if event.batch is not None and events in (2, 6):
                    pid = next(iter(client.run(os.getpid, on_error="ignore").values()))
                    os.kill(pid, signal.SIGKILL)

            events = 0
            with open_executor(address) as (executor, workers):
                assert workers == 2
                sweep(tmp_path / "calm.sqlite", executor, workers)
                sweep(tmp_path / "stormy.sqlite", executor, workers, kill_a_worker)
                # Dask gives up on a batch of which every worker dies, and then it is named.
                given_up = executor.submit(os._exit, 1).exception(timeout=300)
        assert isinstance(given_up, Exception)
        named = TrialError(Batch(EXPERIMENT.tasks[0], 1, 0, 12), given_up)
        assert "N = 1 failed: KilledWorker: a worker process was ended" in str(named)
        assert events > 6
        assert rows_of(tmp_path / "calm.sqlite") == undisturbed
        assert rows_of(tmp_path / "stormy.sqlite") == undisturbed

        with monkeypatch.context() as patch:
            patch.setattr(executors, "ENGINE", 99)
            with (
                pytest.raises(ConfigError, match=r"executor: .*worker tcp\S+ has engine \d+, not 99"),
                open_executor(address),
            ):
                pass
            # One that joins later is met by its first batch.
            with (
                open_executor_unchecked(patch, address) as (executor, workers),
                pytest.raises(TrialError, match="not 99"),
            ):
                sweep(tmp_path / "other.sqlite", executor, workers)

        def kill_the_scheduler(event: SweepEvent) -> None:
            scheduler.kill()

        with (
            pytest.raises(TrialError, match="has its scheduler ended"),
            open_executor(address, 2) as (executor, workers),
        ):
            sweep(tmp_path / "lost.sqlite", executor, workers, kill_the_scheduler)
    assert 0 < len(rows_of(tmp_path / "lost.sqlite")) < len(undisturbed)


@contextmanager
def open_executor_unchecked(patch: pytest.MonkeyPatch, address: str) -> Iterator[tuple[Executor, int]]:
    patch.setattr(executors, "_check_cluster", lambda client, name: None)
    with open_executor(address) as opened:
        yield opened
