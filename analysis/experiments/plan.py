"""How trials are planned: how hard to look, and rounds of batches until a rule ends them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from analysis.errors import require_integer, require_number
from analysis.tasks import Batch, Row, Task

__all__ = ["FixedSizes", "Plan", "Rows", "Search"]

Rows = Sequence[tuple[int, Row]]
"""What a plan has taken in: sizes, and rows of trials of that size, in the order of the rounds."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How hard to look. It is no part of a trial's identity.

    Attributes:
        trials: most trials at any one size.
        precision: half-width of the 95 % interval of log N₅₀ at which a search stops.
        batch_size: trials that run together, and the unit in which a plan asks for them.
    """

    trials: int = 100
    precision: float = 0.05
    batch_size: int = 25

    def __post_init__(self) -> None:
        require_integer("trials", self.trials, 1)
        require_integer("batch_size", self.batch_size, 1)
        precision = require_number("precision", self.precision, lambda x: x > 0, "precision > 0")
        object.__setattr__(self, "precision", precision)

    @property
    def batch(self) -> int:
        """Trials of a full batch: no more than a size may take."""
        return min(self.batch_size, self.trials)


class Plan(ABC):
    """What asks for batches of one task, round by round, and takes in their results.

    It decides by complete rounds only, never by which batch finished first, so it takes the same path on any number of
    workers and after any interruption.

    Attributes:
        task: whose trials are planned.
        stopped: the rule that ended it; "" before.
    """

    task: Task
    stopped: str

    @property
    @abstractmethod
    def budget(self) -> int:
        """Most trials that it may ask for."""

    @abstractmethod
    def next_round(self) -> list[Batch]:
        """The batches to run next; none when it is over (``stopped`` says why)."""

    @abstractmethod
    def record(self, batches: Sequence[Batch], rows: Sequence[Sequence[Row]]) -> None:
        """Take in the results of a complete round."""

    @property
    @abstractmethod
    def spent(self) -> int:
        """Trials so far."""

    def describe(self) -> str:
        """Where it is and what it knows, in a few words."""
        return f"{self.spent} trials"


@dataclass
class FixedSizes(Plan):
    """A plan without a search: all trials of all sizes in one round.

    Attributes:
        task: as above.
        sizes: N.
        search: of which trials and batch size count.
    """

    task: Task
    sizes: tuple[int, ...]
    search: Search
    stopped: str = ""
    spent_trials: int = 0

    @property
    @override
    def budget(self) -> int:
        return len(self.sizes) * self.search.trials

    @property
    @override
    def spent(self) -> int:
        return self.spent_trials

    @override
    def next_round(self) -> list[Batch]:
        if self.stopped:
            return []
        most, step = self.search.trials, self.search.batch
        return [
            Batch(self.task, size, first, min(step, most - first))
            for size in self.sizes
            for first in range(0, most, step)
        ]

    @override
    def record(self, batches: Sequence[Batch], rows: Sequence[Sequence[Row]]) -> None:
        self.spent_trials += sum(batch.count for batch in batches)
        self.stopped = "complete"
