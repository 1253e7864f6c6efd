"""What a sweep shows while it runs: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from analysis.config import SweepConfig
from analysis.search import ThresholdSearch
from analysis.sweep import SweepEvent

__all__ = ["ProgressDisplay"]

_PLAIN_INTERVAL = 15.0
"""Seconds between two plain lines about a search that is still running."""


def describe(search: ThresholdSearch) -> str:
    """A search in a few words: where it is and what it knows."""
    text = f"{search.learner} d={search.dim}: {search.spent} trials"
    fit = search.threshold
    if fit is not None:
        if fit.censored:
            text += f", N50 {'below' if fit.censored == 'left' else 'above'} {fit.n50:.0f}"
        elif math.isfinite(fit.half_width):
            text += f", N50 = {fit.n50:.1f} ± {100 * math.expm1(fit.half_width):.0f} %"
        else:
            text += f", N50 ≈ {fit.n50:.1f}"
    return text


class ProgressDisplay:
    """Reports a sweep's progress to a console; used as a context manager.

    The time left is a guess: the work of a search is taken to grow like d³, and a running search to need as many
    trials as the finished ones did on average.
    """

    def __init__(self, config: SweepConfig, console: Console, quiet: bool = False) -> None:
        self._config = config
        self._console = console
        self._quiet = quiet
        self._searches: dict[tuple[str, int], ThresholdSearch] = {}
        self._finished: set[tuple[str, int]] = set()
        self._started = time.monotonic()
        self._last_line = self._started
        self._progress = Progress(
            TextColumn("[progress.description]{task.description}"),
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
        search = event.search
        key = (search.learner, search.dim)
        self._searches[key] = search
        if event.batch is None:
            self._finished.add(key)
        if self._quiet:
            return
        done = self._fraction_done()
        now = time.monotonic()
        left = ""
        if 0 < done < 1 and now - self._started > 2:
            left = f"about {_clock((now - self._started) * (1 - done) / done)} left"
        text = describe(search)
        if event.batch is None:
            self._console.print(f"{text} ({search.stopped})", highlight=False)
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
        finished = [self._searches[key].spent for key in self._finished]
        expected = sum(finished) / len(finished) if finished else self._config.budget / 2
        total = done = 0.0
        for learner in self._config.learners:
            for dim in self._config.dims:
                weight = float(dim**3)
                total += weight
                search = self._searches.get((learner, dim))
                if (learner, dim) in self._finished:
                    done += weight
                elif search is not None:
                    done += weight * min(0.9, search.spent / expected)
        return done / total


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
