"""Predicted thresholds: the smallest number of transitions that determines U.

Goals and actions are generic and independent of U, one fresh goal a transition. "Useful" transitions are those
whose loss depends on U at all: every one in Proposition 1, every second one in Proposition 2.

The proofs and the exact rank certificates behind these numbers are this package's subject; their sources:

* DDPG on SO(d) or O(d), for a fixed U: D + 1 with D = d(d-1)/2. Sufficiency by dimension count, necessity because
  at N = D the number of real solutions is even. The paper states order d² only.
* ReenGAGE: d - 1 on SO(d), where d - 1 images fix a rotation, and d on O(d), where they leave a reflection open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = [
    "convex_relaxation",
    "predicted_threshold",
    "prediction_label",
    "transitions_for_useful",
    "useful_transitions_needed",
]


_Count = TypeVar("_Count", int, float)


@dataclass(frozen=True)
class _Formula:
    """A count of useful transitions u(d), and how the shortest buffers that hold so many are written, in mathtext."""

    useful: Callable[[int], int]
    labels: dict[str, str]


_DDPG = _Formula(lambda dim: dim * (dim - 1) // 2 + 1, {"gradient-feedback": "D+1", "no-reward-gradient": "2D+1"})
_FORMULAS = {
    ("ddpg", "so"): _DDPG,
    ("ddpg", "o"): _DDPG,
    ("reengage", "so"): _Formula(lambda dim: dim - 1, {"gradient-feedback": "d-1", "no-reward-gradient": "2d-3"}),
    ("reengage", "o"): _Formula(lambda dim: dim, {"gradient-feedback": "d", "no-reward-gradient": "2d-1"}),
}


def useful_transitions_needed(learner: str, group: str, dim: int) -> int | None:
    """Smallest number of useful transitions at which the learner's loss has U as its only zero.

    Args:
        learner: "ddpg" or "reengage"; other names have no prediction.
        group: "so" or "o"; likewise.
        dim: d ≥ 2.
    """
    formula = _FORMULAS.get((learner, group))
    return None if formula is None else formula.useful(dim)


def prediction_label(construction: str, group: str, learner: str) -> str | None:
    """The predicted threshold as a formula in mathtext, without dollar signs; None where there is none."""
    formula = _FORMULAS.get((learner, group))
    return None if formula is None else formula.labels.get(construction)


def transitions_for_useful(construction: str, useful: _Count) -> _Count | None:
    """Length of the shortest buffer that holds a given number of useful transitions.

    In Proposition 2 useful and silent transitions alternate and the first is useful: k of them need 2k - 1.
    """
    lengths = {"gradient-feedback": useful, "no-reward-gradient": 2 * useful - 1}
    return lengths.get(construction)


def predicted_threshold(construction: str, group: str, learner: str, dim: int, steps_per_goal: int = 1) -> int | None:
    """Smallest N at which theory says that the learner's data determine U, or None where it says nothing.

    With several steps per goal DDPG also needs enough different goals, and this module has no statement for a buffer
    that ends in the middle of a goal's steps; ReenGAGE does not mind, since one goal serves it as well as many.
    """
    if learner == "ddpg" and steps_per_goal != 1:
        return None
    useful = useful_transitions_needed(learner, group, dim)
    return None if useful is None else transitions_for_useful(construction, useful)


def convex_relaxation(dim: int) -> float:
    """(3d² - d)/4: generic scalar measurements for the spectral-norm relaxation of an orthogonal matrix.

    Chandrasekaran, Recht, Parrilo & Willsky, Found. Comput. Math. 2012, doi 10.1007/s10208-012-9135-7.
    """
    return (3 * dim**2 - dim) / 4
