"""Where batches run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection

import torch

from analysis.setting import ConfigError

__all__ = ["available_cores", "process_pool", "worker_count"]


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(asked: int | None) -> int:
    """The number of processes asked for; by default the cores of this machine.

    Raises:
        ConfigError: if it is less than 1.
    """
    workers = available_cores() if asked is None else asked
    if workers < 1:
        raise ConfigError("workers", workers, "expected an integer >= 1")
    return workers


@contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """A pool of worker processes with one arithmetic thread each.

    Left by an exception (an interruption, say) it does not wait for the batches under way: nobody will store them.
    Processes are spawned, not forked: a fork of a process that has used torch's threads can hang.
    """
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(
        max_workers=workers, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare_worker
    ) as pool:
        try:
            yield pool
        except BaseException:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            # Wait for the pool's own thread: at exit, Python would wake it through a pipe that it may just have closed.
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _prepare_worker() -> None:
    """One arithmetic thread; no last words at Ctrl-C; no life after the driver's."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # A pool's workers hold both ends of their queue, so they would wait for ever if the driver were killed.
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
