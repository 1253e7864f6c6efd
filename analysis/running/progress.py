"""What a sweep shows while it runs: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from analysis.experiments.experiment import Curve, Experiment, Point, Question
from analysis.experiments.formatting import axis_letter
from analysis.experiments.plan import Plan
from analysis.running.sweep import SweepEvent

__all__ = ["ProgressDisplay"]

_PLAIN_INTERVAL = 15.0
"""Seconds between two plain lines about a search that is still running."""


class ProgressDisplay:
    """Reports a sweep's progress to a console; used as a context manager.

    The time left is a guess: a plan's work is taken to be that of its task's trials, and a running plan to need as many
    trials as the finished ones did on average.

    Args:
        experiment: what is run; names the curves.
        console: where to.
        quiet: show nothing.
        only: the questions that are answered; None: all of them.
    """

    def __init__(
        self, experiment: Experiment, console: Console, quiet: bool = False, only: Sequence[Question] | None = None
    ) -> None:
        self._questions = experiment.questions if only is None else only
        self._names = {p.question: _name(experiment, c, p) for c in experiment.curves for p in c.points}
        self._console = console
        self._quiet = quiet
        self._plans: dict[Question, Plan] = {}
        self._finished: set[Question] = set()
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
        self._plans[event.question] = plan
        if event.batch is None:
            self._finished.add(event.question)
        if self._quiet:
            return
        done = self._fraction_done()
        now = time.monotonic()
        left = ""
        if 0 < done < 1 and now - self._started > 2:
            left = f"about {_clock((now - self._started) * (1 - done) / done)} left"
        text = f"{self._names[event.question]}: {plan.describe()}"
        if event.batch is None:
            self._console.print(f"{text} ({plan.stopped})", highlight=False)
            self._last_line = now
        elif not self._console.is_terminal and now - self._last_line > _PLAIN_INTERVAL:
            self._console.print(f"  ... {text}, now N={event.batch.size}{left and '; ' + left}", highlight=False)
            self._last_line = now
        if event.batch is not None:
            text += f", N={event.batch.size}"
        self._progress.update(self._task, completed=done, description=text, left=left)

    def _fraction_done(self) -> float:
        finished = [self._plans[question].spent for question in self._finished]
        running = [plan.budget / 2 for plan in self._plans.values()]
        expected = max(1.0, sum(finished) / len(finished) if finished else max(running, default=1.0))
        total = done = 0.0
        for question in self._questions:
            weight = question.task.cost(1)
            total += weight
            if question in self._finished:
                done += weight
            elif question in self._plans:
                done += weight * min(0.9, self._plans[question].spent / expected)
        return done / total


def _name(experiment: Experiment, curve: Curve, point: Point) -> str:
    """A curve's point in words."""
    return f"{curve.label} {axis_letter(experiment.x)}={point.x}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
