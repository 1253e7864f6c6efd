"""How long a global solver looks, and when it calls two answers different."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GlobalSolverSettings"]


@dataclass(frozen=True)
class GlobalSolverSettings:
    """The same for every global solver; each uses what it needs.

    Attributes:
        restarts: most starting points that a trial may use.
        zeros: how often one zero must be found, and no other, before the search for another one ends. Where two
            zeros are equally easy to find, it ends too early with probability 2^(1−zeros).
        max_steps: steps of one start.
        loss_tolerance: a loss below this fraction of its mean at the first starting points is a zero.
        separation: zeros are distinct if one's uniform regret with respect to the other exceeds this.
    """

    restarts: int = 2048
    zeros: int = 8
    max_steps: int = 300
    loss_tolerance: float = 1e-16
    separation: float = 1e-4

    def __post_init__(self) -> None:
        for name in ("restarts", "zeros", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not an integer >= 1")
        for name in ("loss_tolerance", "separation"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not in (0, 1)")
