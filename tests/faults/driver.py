"""A run of ``reengage scale`` in a forked process that can be watched, disturbed and ended.

Forked, because importing torch takes seconds. The parent never computes, so that no thread of torch's is forked.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from analysis.cli import command
from analysis.storage.store import Store

_PATIENCE = 300.0
"""Seconds after which a driver that should have done something is an error of its own."""


class Driver:
    """One process that runs the command.

    Args:
        arguments: what comes after ``reengage``.
        notes: a directory for what it prints.
        prepare: called in the process before the command: limits, poisons, clocks.
    """

    def __init__(self, arguments: list[str], notes: Path, prepare: Callable[[], None] = lambda: None) -> None:
        self._out, self._err = notes / f"out-{time.monotonic_ns()}", notes / f"err-{time.monotonic_ns()}"
        self._out.touch()
        self._err.touch()
        self._reader, writer = os.pipe()
        self._ready = False
        self.reported: set[str] = set()
        self.commits = 0
        self._text = b""
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._reader)
                self._become_command(arguments, writer, prepare)
            finally:
                os._exit(97)
        os.close(writer)

    def _become_command(self, arguments: list[str], writer: int, prepare: Callable[[], None]) -> None:
        for stream, path in ((1, self._out), (2, self._err)):
            os.dup2(os.open(path, os.O_WRONLY), stream)
        insert = Store.insert

        def insert_and_report(store: Store, rows: list[tuple[object, ...]]) -> None:
            insert(store, rows)
            os.write(writer, (" ".join("/".join(map(str, row[:6])) for row in rows) + "\n").encode())

        run = command._run

        def say_and_run() -> int:
            os.write(writer, b"ready\n")  # it answers signals from here on
            return run()

        patch.object(Store, "insert", insert_and_report).start()  # this process ends with the command
        patch.object(command, "_run", say_and_run).start()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a shell has told its background jobs
        sys.argv = ["reengage", *arguments]
        prepare()
        code = command.main()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def _read(self, timeout: float) -> bool:
        """Take in what was reported; False when nothing more can come."""
        if not select.select([self._reader], [], [], timeout)[0]:
            return True
        text = os.read(self._reader, 1 << 16)
        *lines, self._text = (self._text + text).split(b"\n")
        for line in lines:
            if line == b"ready":
                self._ready = True
                continue
            self.reported.update(line.decode().split())
            self.commits += 1
        return bool(text)

    def wait_for_commits(self, count: int) -> bool:
        """Whether it lived until it had begun, and had committed so many batches."""
        end = time.monotonic() + _PATIENCE
        while self.commits < count or not self._ready:
            if time.monotonic() > end:
                raise AssertionError(f"{count} batches were not committed within {_PATIENCE} s: {self.errors}")
            if not self._read(0.5):
                return False
        return True

    def catch_up(self) -> int:
        """The batches committed until now."""
        while select.select([self._reader], [], [], 0)[0] and self._read(0):
            pass
        return self.commits

    def send(self, number: int) -> bool:
        """Send a signal; False if it had ended by itself before."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self._code = os.waitstatus_to_exitcode(status)
            return False
        os.kill(self.pid, number)
        return True

    def finish(self) -> int:
        """Wait for its end; returns the exit code, negative after a signal."""
        end = time.monotonic() + _PATIENCE
        while self._code is None:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"the driver did not end within {_PATIENCE} s: {self.errors}")
            self._read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        # Workers of its pool may still hold the other end: take what is there, do not wait for more.
        self.catch_up()
        os.close(self._reader)
        return self._code

    @property
    def output(self) -> str:
        """What it printed."""
        return self._out.read_text()

    @property
    def errors(self) -> str:
        """What it printed as errors."""
        return self._err.read_text()

    def workers(self) -> list[int]:
        """The worker processes of its pool."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    if parent == self.pid and b"spawn_main" in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found


def limit_file_size(size: int) -> None:
    """No file of this process grows beyond a size: writing more is an error, after a part of it was written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
