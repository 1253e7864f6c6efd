"""Where batches run: worker processes, threads, this process, or a Dask cluster.

A batch travels as its specification and comes back as rows. Wherever it is computed, one arithmetic thread computes it:
more would change the order of floating-point sums, and results have to be the same bytes everywhere.
"""

from __future__ import annotations

import importlib.metadata
import logging
import multiprocessing
import os
import re
import signal
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import connection
from typing import Any

import numpy
import torch
from typing_extensions import override

from analysis.errors import ConfigError
from analysis.tasks.parametric import ENGINE

__all__ = [
    "EXECUTORS",
    "ProcessPool",
    "RenewableExecutor",
    "SerialExecutor",
    "available_cores",
    "one_arithmetic_thread",
    "open_executor",
    "process_pool",
    "worker_count",
]

EXECUTORS = {
    "processes": "worker processes on this machine",
    "threads": "threads of this process",
    "serial": "one batch after the other, in this process",
    "dask://HOST:PORT": "the workers of the Dask cluster whose scheduler listens there",
}
"""What ``--executor`` takes."""

_DASK_TIMEOUT = 10
"""Seconds in which a scheduler has to answer."""


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(asked: int | None) -> int:
    """The number of workers asked for; by default the cores of this machine.

    Raises:
        ConfigError: if it is no integer, or less than 1.
    """
    workers = available_cores() if asked is None else asked
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError("workers", workers, "expected an integer >= 1")
    return workers


class RenewableExecutor(Executor):
    """An executor that can go on after it has lost a worker and, with it, everything under way (BrokenExecutor)."""

    @abstractmethod
    def renew(self) -> None:
        """Start again with fresh workers; what was submitted before is gone."""


class ProcessPool(RenewableExecutor):
    """Worker processes with one arithmetic thread each.

    Processes are spawned, not forked: a fork of a process that has used torch's threads can hang.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.renew()

    @override
    def renew(self) -> None:
        self._others = set(multiprocessing.active_children())
        self._pool = ProcessPoolExecutor(
            max_workers=self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare_worker,
        )

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._pool.submit(fn, *args, **kwargs)

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def terminate(self) -> None:
        """End the workers without waiting for their batches."""
        for worker in set(multiprocessing.active_children()) - self._others:
            worker.terminate()
        # Wait for the pool's own thread: at exit, Python would wake it through a pipe that it may just have closed.
        self.shutdown(cancel_futures=True)


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPool]:
    """A pool of worker processes.

    Left by an exception (an interruption, say) it does not wait for the batches under way: nobody will store them.
    """
    with ProcessPool(workers) as pool:
        try:
            yield pool
        except BaseException:
            pool.terminate()
            raise


def _prepare_worker() -> None:
    """One arithmetic thread; quiet on Ctrl-C; exits with the parent."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A pool's workers hold both ends of their queue, so they would wait for ever if the driver were killed.
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


class SerialExecutor(Executor):
    """Runs every call at once, in the calling thread."""

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # an interruption is the caller's
            future.set_exception(error)
        return future


@contextmanager
def one_arithmetic_thread() -> Iterator[None]:
    """What this process computes, it computes in one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def open_executor(name: str, workers: int | None = None) -> Iterator[tuple[Executor, int]]:
    """The executor of a name, and the number of its workers.

    Args:
        name: key of ``EXECUTORS``, with a host and a port.
        workers: how many; by default the cores of this machine, or the threads of a cluster. More than a Dask cluster
            has are batches that wait there.

    Raises:
        ConfigError: if there is no such executor, or no cluster that can run this program.
    """
    if name == "processes":
        count = worker_count(workers)
        with process_pool(count) as pool:
            yield pool, count
    elif name == "threads":
        count = worker_count(workers)
        with one_arithmetic_thread(), _thread_pool(count) as threads:
            yield threads, count
    elif name == "serial":
        if worker_count(1 if workers is None else workers) != 1:
            raise ConfigError("workers", workers, "the serial executor has one; use threads or processes")
        with one_arithmetic_thread():
            yield SerialExecutor(), 1
    elif name.startswith("dask:"):
        if workers is not None:
            worker_count(workers)
        with _dask_cluster(name) as (cluster, threads_there):
            yield cluster, workers or threads_there
    else:
        raise ConfigError("executor", name, f"expected one of: {', '.join(EXECUTORS)}")


@contextmanager
def _thread_pool(workers: int) -> Iterator[Executor]:
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # a batch under way is nobody's any more


class _DaskExecutor(Executor):
    """A Dask client's executor; whatever it runs is run by the versions that the driver has."""

    def __init__(self, client: Any) -> None:
        self._executor = client.get_executor(pure=False)
        self._versions = _versions()

    @override
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = self._executor.submit(_run_as, self._versions, fn, *args, **kwargs)
        return future


@contextmanager
def _dask_cluster(name: str) -> Iterator[tuple[Executor, int]]:
    """An executor on an existing Dask cluster, and the number of the cluster's threads.

    Dask itself runs a lost worker's batches again, and gives up on a batch as often lost as its scheduler allows.
    """
    address = re.fullmatch(r"dask://([\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", name)
    if not address or not 0 < int(address[2]) < 2**16:
        raise ConfigError("executor", name, "expected dask://HOST:PORT, the address of a Dask scheduler")
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("executor", name, "it needs Dask: pip install distributed") from None
    # What Dask logs of a lost worker or scheduler is not for the user, whom one line tells.
    for logger in ("distributed", "distributed.client"):
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
    try:
        client: AbstractContextManager[Any] = Client(
            f"tcp://{address[1]}:{address[2]}", timeout=_DASK_TIMEOUT, set_as_default=False
        )
    except (OSError, ValueError):  # among them the timeout
        raise ConfigError("executor", name, f"no Dask scheduler answers there within {_DASK_TIMEOUT} seconds") from None
    with client as connected:
        _check_cluster(connected, name)
        yield _DaskExecutor(connected), max(1, sum(connected.nthreads().values()))


def _versions() -> dict[str, str]:
    """What has to be the same for results to be the same bytes."""
    return {
        "reengage-lab": importlib.metadata.version("reengage-lab"),
        "engine": str(ENGINE),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def _difference(found: dict[str, str], wanted: dict[str, str]) -> str:
    return ", ".join(f"{name} {found[name]}, not {wanted[name]}" for name in wanted if found[name] != wanted[name])


def _check_cluster(client: Any, name: str) -> None:
    """Refuse workers that would compute something else; those that join later are refused batch by batch."""
    for worker, found in client.run(_versions, on_error="return").items():
        if isinstance(found, BaseException):
            reason = " ".join(str(found).split())[:100]
            raise ConfigError("executor", name, f"worker {worker} cannot run this program ({reason})")
        if difference := _difference(found, _versions()):
            raise ConfigError("executor", name, f"worker {worker} has {difference}")


def _run_as(versions: dict[str, str], fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a call on a cluster's worker, if it is of these versions."""
    if difference := _difference(_versions(), versions):
        raise RuntimeError(f"a worker of the cluster has {difference}")
    torch.set_num_threads(1)  # for good: other batches may be under way in other threads of this worker
    return fn(*args, **kwargs)
