"""DDPG: the critic is fitted to r + γQ' at the transitions, one scalar equation each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from toyenvs.learners.learner import Learner

__all__ = ["DDPG"]


@dataclass(frozen=True)
class DDPG(Learner):
    """Temporal-difference loss only: mean (Q − (r + γQ'))²."""

    name = "ddpg"
    label = "DDPG"
    equations = "scalar"
    style: ClassVar[Mapping[str, str]] = {"color": "#D55E00", "marker": "o", "markerfacecolor": "#D55E00"}

    @property
    @override
    def gradient_weight(self) -> float:
        return 0.0
