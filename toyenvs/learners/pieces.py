"""Parts of a batch of buffers that fit into a processor's cache.

Between its two matrix products a descent step does arithmetic on N·d numbers a trial, which memory bounds otherwise.
"""

from __future__ import annotations

from functools import lru_cache

import torch

__all__ = ["CACHED", "pieces"]

CACHED = 2**17
"""Numbers of one array at a time: a few such arrays fit into the cache of a core."""


@lru_cache(maxsize=256)
def pieces(batch_size: int, num_rows: int, width: int, device: torch.device) -> tuple[tuple[slice, slice], ...]:
    """Slices of trials and of rows that together cover a batch: several trials, or some rows of one.

    Args:
        batch_size: trials.
        num_rows: rows of each.
        width: numbers of a row.
        device: other devices than a processor take everything at once.
    """
    if device.type != "cpu":
        return ((slice(None), slice(None)),)
    if num_rows * width <= CACHED:
        size = CACHED // max(1, num_rows * width)
        return tuple((slice(first, first + size), slice(None)) for first in range(0, batch_size, size))
    size = max(1, CACHED // width)
    return tuple(
        (slice(trial, trial + 1), slice(first, first + size))
        for trial in range(batch_size)
        for first in range(0, num_rows, size)
    )
