"""What a sweep shows while it runs: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from analysis.experiments.experiment import Curve, Experiment, Point
from analysis.running.sweep import Plan, SweepEvent
from analysis.tasks.setting import Setting

__all__ = ["ProgressDisplay"]

_PLAIN_INTERVAL = 15.0
"""Seconds between two plain lines about a search that is still running."""


class ProgressDisplay:
    """Reports a sweep's progress to a console; used as a context manager.

    The time left is a guess: the work of a search is taken to grow like d³, DDPG's like d⁴ from d = 8 on, and a running
    search to need as many trials as the finished ones did on average.

    Args:
        experiment: what is run; names the curves.
        console: where to.
        quiet: show nothing.
        only: the settings that are run; None: all of them.
    """

    def __init__(
        self, experiment: Experiment, console: Console, quiet: bool = False, only: Sequence[Setting] | None = None
    ) -> None:
        self._settings = experiment.settings if only is None else only
        self._names = {p.setting: _name(experiment, c, p) for c in experiment.curves for p in c.points}
        self._console = console
        self._quiet = quiet
        self._plans: dict[Setting, Plan] = {}
        self._finished: set[Setting] = set()
        self._started = time.monotonic()
        self._last_line = self._started
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=1.0, left="")

    def __enter__(self) -> ProgressDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: SweepEvent) -> None:
        """Take in an event of the sweep."""
        plan = event.plan
        self._plans[plan.setting] = plan
        if event.batch is None:
            self._finished.add(plan.setting)
        if self._quiet:
            return
        done = self._fraction_done()
        now = time.monotonic()
        left = ""
        if 0 < done < 1 and now - self._started > 2:
            left = f"about {_clock((now - self._started) * (1 - done) / done)} left"
        text = f"{self._names[plan.setting]}: {plan.describe()}"
        if event.batch is None:
            self._console.print(f"{text} ({plan.stopped})", highlight=False)
            self._last_line = now
        elif not self._console.is_terminal and now - self._last_line > _PLAIN_INTERVAL:
            self._console.print(
                f"  ... {text}, now N={event.batch.num_transitions}{left and '; ' + left}", highlight=False
            )
            self._last_line = now
        if event.batch is not None:
            text += f", N={event.batch.num_transitions}"
        self._progress.update(self._task, completed=done, description=text, left=left)

    def _fraction_done(self) -> float:
        finished = [self._plans[setting].spent for setting in self._finished]
        expected = sum(finished) / len(finished) if finished else self._settings[0].budget / 2
        total = done = 0.0
        for setting in self._settings:
            weight = _work(setting)
            total += weight
            if setting in self._finished:
                done += weight
            elif setting in self._plans:
                done += weight * min(0.9, self._plans[setting].spent / expected)
        return done / total


def _work(setting: Setting) -> float:
    """What a search costs beside others: DDPG, with d²/2 equations of one row for d of d rows, d times as much."""
    return float(setting.dim**3) * (max(1.0, setting.dim / 8) if setting.learner == "ddpg" else 1.0)


def _name(experiment: Experiment, curve: Curve, point: Point) -> str:
    """A curve's point in words."""
    axis = "d" if experiment.x == "dim" else experiment.x
    return f"{curve.label} {axis}={point.x}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
