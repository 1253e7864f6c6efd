"""Trials of a run that keeps nothing: a store without a file."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.storage.store import check_whole
from analysis.tasks import Batch, Row

__all__ = ["MemoryStore"]


class MemoryStore:
    """Finished batches, for as long as the process lives."""

    def __init__(self) -> None:
        self._batches: dict[Batch, list[Row]] = {}

    def load(self, batch: Batch) -> list[Row] | None:
        """The rows of a batch; None if it has not been finished."""
        return self._batches.get(batch)

    def save(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Keep a finished batch.

        Raises:
            ValueError: if rows are missing, or it is there already.
        """
        check_whole(batch, rows)
        if batch in self._batches:
            raise ValueError(f"{batch} is there already")
        self._batches[batch] = list(rows)

    def __len__(self) -> int:
        """How many trials there are."""
        return sum(batch.count for batch in self._batches)
