"""The data of a threshold: how many of the independent trials succeeded at each tested number of transitions N."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import index

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

__all__ = ["Counts", "FloatArray"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Successes and trials of one learner in one dimension, by number of transitions.

    Attributes:
        num_transitions: the tested N, increasing, each at least 1.
        successes: number of successful trials at each N.
        trials: number of trials at each N, each at least 1.

    Raises:
        ValueError: if the tuples are empty, differ in length, are not increasing in N, or hold impossible counts.
        TypeError: if an entry is not an integer.
    """

    num_transitions: tuple[int, ...]
    successes: tuple[int, ...]
    trials: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("num_transitions", "successes", "trials"):
            object.__setattr__(self, name, tuple(index(value) for value in getattr(self, name)))
        if not self.num_transitions:
            raise ValueError("counts are empty; at least one tested number of transitions is needed")
        if not len(self.num_transitions) == len(self.successes) == len(self.trials):
            raise ValueError(
                f"num_transitions, successes and trials have lengths {len(self.num_transitions)}, "
                f"{len(self.successes)} and {len(self.trials)}; they must be equal"
            )
        if self.num_transitions[0] < 1 or any(b <= a for a, b in pairwise(self.num_transitions)):
            raise ValueError(f"num_transitions is {self.num_transitions}; must be at least 1 and strictly increasing")
        for n, successes, trials in zip(self.num_transitions, self.successes, self.trials, strict=True):
            if trials < 1 or not 0 <= successes <= trials:
                raise ValueError(f"{successes} successes of {trials} trials at N = {n}; need 0 <= successes <= trials")

    @classmethod
    def from_cells(cls, cells: Mapping[int, tuple[int, int]]) -> Counts:
        """Counts from ``{num_transitions: (successes, trials)}``, in any order.

        Raises:
            ValueError: if the mapping is empty or holds impossible counts.
        """
        tested = sorted(cells)
        return cls(tuple(tested), tuple(cells[n][0] for n in tested), tuple(cells[n][1] for n in tested))

    @property
    def log_num_transitions(self) -> Float[FloatArray, " K"]:
        """Logarithms x = log N of the tested N, (K,)."""
        return np.log(np.array(self.num_transitions, dtype=np.float64))

    @property
    def fractions(self) -> Float[FloatArray, " K"]:
        """Success fractions in [0, 1], (K,)."""
        return np.array(self.successes, dtype=np.float64) / np.array(self.trials, dtype=np.float64)

    @property
    def below(self) -> bool:
        """Whether fewer than half of the trials succeed at every tested N."""
        return all(2 * s < n for s, n in zip(self.successes, self.trials, strict=True))

    @property
    def above(self) -> bool:
        """Whether more than half of the trials succeed at every tested N."""
        return all(2 * s > n for s, n in zip(self.successes, self.trials, strict=True))

    @property
    def crosses(self) -> bool:
        """Whether at some tested N at least half of the trials succeed and at some less than half."""
        return bool(np.any(self.fractions >= 0.5) and np.any(self.fractions < 0.5))
