"""The kinds of faults: what is done to a run, and what has to come of it.

Every function disturbs runs in directories of its own, a given number of times, and each time compares the store with
what drivers had reported as committed and with the trials of an undisturbed run; at the end, ``thresholds.csv`` too.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from analysis.reports import report
from analysis.storage import provenance
from analysis.storage.store import StoredRow
from analysis.tasks import trials as trials_module
from faults import disks
from faults.driver import Driver, limit_file_size

ARGUMENTS = ["scale", "--dims", "2,3", "--trials", "12", "--quiet"]
SERIAL = ["--executor", "serial"]

Prepare = Callable[[], None]


def nothing() -> None:
    """Leave the driver as it is."""


@dataclass(frozen=True)
class Reference:
    """What an undisturbed run leaves.

    Attributes:
        rows: by :func:`key_of`, as they are in the store.
        thresholds: the bytes of ``thresholds.csv``.
        run: where it is.
    """

    rows: dict[str, StoredRow]
    thresholds: bytes
    run: Path


def key_of(row: StoredRow) -> str:
    """Task, size, batch, trial and step: what a store has once."""
    return "/".join(map(str, row[:6]))


def rows_of(run: Path, scratch: Path) -> list[StoredRow]:
    """The rows of a store as its next driver will find them; read from a copy, so that recovery is left to that one."""
    copy = scratch / "copy.sqlite"
    for suffix in ("", "-journal"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
        original = run / f"sweep.sqlite{suffix}"
        if original.exists():
            shutil.copyfile(original, copy.with_name(copy.name + suffix))
    connection = sqlite3.connect(copy)
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'trials'").fetchone():
            return []
        return list(connection.execute("SELECT * FROM trials"))
    except (sqlite3.Error, UnicodeDecodeError):
        return []  # a store that cannot be read has lost everything
    finally:
        connection.close()


@dataclass
class Bench:
    """Where runs are disturbed, and what was found.

    Attributes:
        scratch: a directory.
        rng: chooses the moments.
        mounts: whether file systems can be mounted here.
        faults: by kind.
        lost: trials that were reported as committed and are gone.
        doubled: trials that are there twice.
        wrong: trials or results that differ from the undisturbed run's, and ends that are not as they should be.
        notes: a line for each of these.
    """

    scratch: Path
    rng: random.Random
    mounts: bool
    faults: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)
    _number: int = 0
    _kind: str = ""
    _references: dict[str, Reference] = field(default_factory=dict)

    def inject(self, kind: str, times: int) -> None:
        """Faults of one kind, so many times."""
        self._kind = kind
        self.faults.setdefault(kind, 0)
        KINDS[kind](self, times)

    def count(self) -> None:
        """One more fault took place."""
        self.faults[self._kind] += 1

    def demand(self, holds: bool, note: str) -> None:
        """Count what should hold and does not as wrong."""
        if not holds:
            self.wrong += 1
            self.notes.append(f"{self._kind}: {note}")

    def new_run(self) -> Path:
        """A directory that is not there yet."""
        self._number += 1
        return self.scratch / f"run{self._number}"

    def start(self, run: Path, *more: str, prepare: Prepare = nothing) -> Driver:
        """A driver on a run."""
        executor = [] if "--executor" in more else SERIAL
        draws = self.rng.random() < 0.2  # most of a short run's time goes into its figure

        def prepare_all() -> None:
            if not draws:
                patch.object(report, "results_figure", lambda results: None).start()
                patch.object(report, "save_figure", lambda *arguments: []).start()
            prepare()

        return Driver([*ARGUMENTS, "--out", str(run), *executor, *more], self.scratch, prepare_all)

    def reference(self, name: str = "", prepare: Prepare = nothing) -> Reference:
        """The undisturbed run; made when it is first asked for."""
        if name not in self._references:
            run = self.new_run()
            driver = self.start(run, prepare=prepare)
            assert driver.finish() == 0, driver.errors
            rows = {key_of(row): row for row in rows_of(run, self.scratch)}
            assert rows.keys() == driver.reported
            self._references[name] = Reference(rows, (run / "thresholds.csv").read_bytes(), run)
        return self._references[name]

    def check(self, run: Path, reported: set[str], reference: Reference) -> None:
        """The store holds what was reported, once, and as the undisturbed run has it."""
        rows = rows_of(run, self.scratch)
        keys = {key_of(row) for row in rows}
        self._tally("lost", len(reported - keys))
        self._tally("doubled", len(rows) - len({(row[0], row[1], row[4], row[5]) for row in rows}))
        self._tally("wrong", sum(reference.rows.get(key_of(row)) != row for row in rows))

    def _tally(self, what: str, number: int) -> None:
        if number:
            setattr(self, what, getattr(self, what) + number)
            self.notes.append(f"{self._kind}: {number} trials {what}")

    def complete(
        self, run: Path, *more: str, reported: set[str], reference: Reference, prepare: Prepare = nothing
    ) -> None:
        """Let a run come to its end, and compare everything."""
        driver = self.start(run, *more, prepare=prepare)
        code = driver.finish()
        self.demand(code == 0, f"the resumed run ended with {code}: {driver.errors}")
        self.compare(run, reported | driver.reported, reference)

    def compare(self, run: Path, reported: set[str], reference: Reference) -> None:
        """A run that has come to its end is the undisturbed one."""
        self.check(run, reported, reference)
        self.demand(
            {key_of(row) for row in rows_of(run, self.scratch)} == reference.rows.keys(), "other trials than expected"
        )
        found = (run / "thresholds.csv").read_bytes() if (run / "thresholds.csv").exists() else b""
        self.demand(found == reference.thresholds, "another thresholds.csv")

    def moment(self, driver: Driver, commits: int = 5) -> bool:
        """Wait for a random one; False if the driver has ended before."""
        alive = driver.wait_for_commits(driver.commits + self.rng.randint(0, commits))
        time.sleep(self.rng.uniform(0, 0.05))
        return alive

    def one_line(self, driver: Driver, code: int, expected: int, piece: str = "") -> None:
        """It ended with one line of error."""
        lines = driver.errors.splitlines()
        good = code == expected and len(lines) == 1 and lines[0].startswith("reengage scale: error: ")
        self.demand(
            good and piece in driver.errors, f"ended with {code}, not {expected} and one line: {driver.errors!r}"
        )


# --- drivers that are ended ------------------------------------------------------------------------------------


def _signals(
    bench: Bench,
    times: int,
    number: signal.Signals,
    prepare: Prepare = nothing,
    reference: Reference | None = None,
) -> None:
    """End drivers at random moments until a run is through, and compare it with the undisturbed one."""
    reference = reference or bench.reference()
    done = 0
    while done < times:
        run, reported = bench.new_run(), set[str]()
        while done < times:
            driver = bench.start(run, prepare=prepare)
            hit = bench.moment(driver) and driver.send(number)
            code = driver.finish()
            reported |= driver.reported
            if not hit or code == 0:
                break  # it was faster
            done += 1
            bench.count()
            expected = -signal.SIGKILL if number == signal.SIGKILL else 130
            bench.demand(code == expected, f"ended with {code}: {driver.errors}")
            if number != signal.SIGKILL:
                bench.demand("Traceback" not in driver.errors, driver.errors)
                bench.demand(
                    "kept in" in driver.output or "nterrupted" in driver.errors or not driver.errors, "silence"
                )
            if (run / "sweep.sqlite").exists():
                bench.check(run, reported, reference)
        bench.complete(run, reported=reported, reference=reference, prepare=prepare)


def kill_driver(bench: Bench, times: int) -> None:
    _signals(bench, times, signal.SIGKILL)


def interrupt(bench: Bench, times: int) -> None:
    _signals(bench, times, signal.SIGINT)


def terminate(bench: Bench, times: int) -> None:
    _signals(bench, times, signal.SIGTERM)


def dead_lock(bench: Bench, times: int) -> None:
    """A driver that is killed while it holds the lock, and a successor at once."""
    reference = bench.reference()
    run, reported = bench.new_run(), set[str]()
    for _ in range(times):
        first = bench.start(run)
        first.wait_for_commits(1)
        time.sleep(bench.rng.uniform(0, 0.02))
        if not first.send(signal.SIGKILL):
            first.finish()
            run, reported = bench.new_run(), set[str]()
            continue
        second = bench.start(run)
        first.finish()
        alive = second.wait_for_commits(1) or second.finish() == 0
        bench.count()
        bench.demand(alive, f"a dead driver's lock was obeyed: {second.errors}")
        reported |= first.reported
        if alive:
            second.send(signal.SIGKILL)
            second.finish()
        reported |= second.reported
        bench.check(run, reported, reference)
        if len(reported) > 0.7 * len(reference.rows):
            bench.complete(run, reported=reported, reference=reference)
            run, reported = bench.new_run(), set[str]()
    bench.complete(run, reported=reported, reference=reference)


def two_drivers(bench: Bench, times: int) -> None:
    """The second is refused at once, and the first does not notice."""
    reference = bench.reference()
    done = 0
    while done < times:
        run = bench.new_run()
        first = bench.start(run)
        first.wait_for_commits(1)
        while done < times and bench.moment(first, commits=2):
            first.send(signal.SIGSTOP)  # so that it cannot end meanwhile
            second = bench.start(run, *(["--repair"] if bench.rng.random() < 0.5 else []))
            code = second.finish()
            first.send(signal.SIGCONT)
            done += 1
            bench.count()
            bench.one_line(second, code, 2, "is in use by another run")
            bench.demand(not second.reported, "the second driver wrote")
        bench.demand(first.finish() == 0, f"the first driver was disturbed: {first.errors}")
        bench.complete(run, reported=first.reported, reference=reference)


def kill_worker(bench: Bench, times: int) -> None:
    reference = bench.reference()
    done = 0
    while done < times:
        run = bench.new_run()
        driver = bench.start(run, "--executor", "processes", "--workers", "2")
        # Seven batches between two kills: three that were finished already, three that were lost with the worker and
        # have run since, one more. Then no batch is lost three times and blamed.
        alive = driver.wait_for_commits(bench.rng.randint(0, 3))
        while done < times and alive:
            workers = driver.workers()
            if workers:
                time.sleep(bench.rng.uniform(0, 0.05))
                try:
                    os.kill(bench.rng.choice(workers), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                done += 1
                bench.count()
                alive = driver.wait_for_commits(driver.catch_up() + 7)
            else:
                alive = driver.wait_for_commits(driver.commits) and driver.send(0)
                time.sleep(0.01)
        code = driver.finish()
        bench.demand(code == 0, f"ended with {code}: {driver.errors}")
        bench.demand(not driver.errors, driver.errors)
        bench.complete(run, reported=driver.reported, reference=reference)


# --- disks -----------------------------------------------------------------------------------------------------


def disk_full(bench: Bench, times: int) -> None:
    """A file system without room (ENOSPC) where one can be mounted, and elsewhere a limit on the size of files."""
    reference = bench.reference()
    done = 0
    while done < times:
        disk = bench.new_run()
        if bench.mounts:
            disks.mount(disk)
        run, reported = disk / "run", set[str]()
        while done < times:
            size = (run / "sweep.sqlite").stat().st_size if (run / "sweep.sqlite").exists() else 0
            room = bench.rng.randint(0, 40_000)
            limited = not bench.mounts or bench.rng.random() < 0.3

            def limit(most: int = size + room) -> None:
                limit_file_size(most)

            if not limited:
                used = sum(-(-path.stat().st_size // 4096) * 4096 for path in disk.rglob("*") if path.is_file())
                disks.remount(disk, f"size={max(4096, used + room)}")
            driver = bench.start(run, prepare=limit if limited else nothing)
            code = driver.finish()
            if not limited:
                disks.remount(disk, "size=64m")
            reported |= driver.reported
            if code == 0:
                break  # there was room enough for the rest
            done += 1
            bench.count()
            bench.one_line(driver, code, 3 if driver.reported or "finished trials are kept" in driver.errors else 2)
            if (run / "sweep.sqlite").exists():
                bench.check(run, reported, reference)
        bench.complete(run, reported=reported, reference=reference)
        if bench.mounts:
            disks.unmount(disk)


def read_only(bench: Bench, times: int) -> None:
    """A run directory that cannot be written to (on a read-only file system: permissions do not stop a superuser)."""
    if not bench.mounts:
        return
    reference = bench.reference()
    disk = bench.new_run()
    disks.mount(disk)
    run, reported = disk / "run", set[str]()
    for _ in range(times):
        disks.remount(disk, "ro")
        driver = bench.start(run, *(["--repair"] if bench.rng.random() < 0.3 else []))
        code = driver.finish()
        disks.remount(disk, "rw")
        bench.count()
        bench.one_line(driver, code, 2, "argument --out: ")
        if run.exists():
            bench.check(run, reported, reference)
        driver = bench.start(run)
        if driver.wait_for_commits(1):
            driver.send(signal.SIGKILL)
        driver.finish()
        reported |= driver.reported
    bench.complete(run, reported=reported, reference=reference)
    disks.unmount(disk)


# --- damage ----------------------------------------------------------------------------------------------------


def _damage(bench: Bench, times: int, spoil: Callable[[bytes, random.Random], bytes], killed: bool = False) -> None:
    """Damage a store at rest: refused and left alone, or harmless; then repaired, and everything is as it should be."""
    reference = bench.reference()
    for _ in range(times):
        run = bench.new_run()
        shutil.copytree(reference.run, run)
        (run / "thresholds.csv").unlink()
        path = run / "sweep.sqlite"
        damaged = spoil(path.read_bytes(), bench.rng)
        path.write_bytes(damaged)
        bench.count()
        driver = bench.start(run)
        code = driver.finish()
        if code != 0:
            bench.one_line(driver, code, 2, "sweep.sqlite: is damaged (")
            bench.demand(path.read_bytes() == damaged, "a damaged store was written to")
            if killed:
                driver = bench.start(run, "--repair")
                time.sleep(bench.rng.uniform(0, 0.2))
                driver.send(signal.SIGKILL)
                driver.finish()
            driver = bench.start(run, "--repair")
            repaired = driver.finish()
            bench.demand(repaired == 0, f"--repair ended with {repaired}: {driver.errors}")
            kept = list(run.glob("sweep.sqlite.damaged-*"))
            bench.demand(any(file.read_bytes() == damaged for file in kept), "the damaged store was not kept")
        bench.compare(run, set(), reference)
        shutil.rmtree(run)


def truncate(bench: Bench, times: int) -> None:
    _damage(bench, times, lambda data, rng: data[: rng.randrange(len(data))])


def flip_bytes(bench: Bench, times: int) -> None:
    def flip(data: bytes, rng: random.Random) -> bytes:
        flipped = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8, 100])):
            flipped[rng.randrange(len(flipped))] ^= rng.randint(1, 255)
        return bytes(flipped)

    _damage(bench, times, flip)


def kill_repair(bench: Bench, times: int) -> None:
    def overwrite(data: bytes, rng: random.Random) -> bytes:
        start = 4096 * rng.randrange(len(data) // 4096)
        return data[:start] + rng.randbytes(4096) + data[start + 4096 :]

    _damage(bench, times, overwrite, killed=True)


# --- clocks and numbers ----------------------------------------------------------------------------------------


def clock_jumps(bench: Bench, times: int) -> None:
    """The time of day jumps by up to ten years, back and forth, whenever somebody asks for it."""

    def jumping() -> None:
        rng = random.Random(bench.rng.random())
        true_time = time.time

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.now(tz) + timedelta(days=rng.uniform(-3650, 3650))

        patch.object(time, "time", lambda: true_time() + rng.uniform(-3e8, 3e8)).start()
        patch.object(provenance, "datetime", Clock).start()

    _signals(bench, times, signal.SIGKILL, jumping)


def poison_learners() -> None:
    """Every fifth trial's learner meets a number that is none: NaN or an infinity, decided by the trial alone."""
    collect = trials_module.collect_buffers

    def collect_poisoned(construction: Any, true_param: Any, seeds: Any, num_transitions: int, protocol: Any) -> Any:
        transitions = collect(construction, true_param, seeds, num_transitions, protocol)
        for i, seed in enumerate(seeds):
            trial = int(seed.spawn_key[1])
            if trial % 5 == 2:
                value = (float("nan"), float("inf"), float("-inf"))[trial % 3]
                transitions.next_observation[i] = value
                transitions.reward[i] = value
        return transitions

    trials_module.collect_buffers = collect_poisoned


def no_number(bench: Bench, times: int) -> None:
    """NaN or an infinity inside learners: rows that say so, and the same ones after drivers were killed."""
    reference = bench.reference("poisoned", poison_learners)
    names = {True: set[str](), False: set[str]()}
    for row in reference.rows.values():
        names[row[4] % 5 == 2].add(json.loads(row[6])["outcome"])
    bench.demand(names[True] == {"diverged"}, f"poisoned trials ended as {names[True]}")
    bench.demand("diverged" not in names[False], "trials diverged that were not poisoned")
    _signals(bench, times, signal.SIGKILL, poison_learners, reference)


KINDS: dict[str, Callable[[Bench, int], None]] = {
    "SIGKILL of the driver": kill_driver,
    "SIGKILL of a worker": kill_worker,
    "SIGINT": interrupt,
    "SIGTERM": terminate,
    "disk full": disk_full,
    "read-only run directory": read_only,
    "truncated store": truncate,
    "flipped bytes": flip_bytes,
    "SIGKILL of a repair": kill_repair,
    "two drivers": two_drivers,
    "lock of a dead driver": dead_lock,
    "clock that jumps": clock_jumps,
    "NaN or inf in a learner": no_number,
}
