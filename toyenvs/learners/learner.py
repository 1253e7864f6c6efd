"""What a learner is: a critic loss (a choice of the goal-gradient weight) and a way to minimise it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from toyenvs.constructions.base import Construction
from toyenvs.hypothesis_classes import HypothesisClass
from toyenvs.learners.descent import DescentSettings, TrainingResult, train
from toyenvs.replay import Transitions

__all__ = ["Learner"]


@dataclass(frozen=True)
class Learner(ABC):
    """A goal-conditioned learner; :meth:`fit` sees transitions and nothing else of the environment.

    Attributes:
        settings: optimiser, budget and stopping rules.
    """

    name: ClassVar[str]

    label: ClassVar[str]
    """How the name is written in tables and figures; by default it is the name."""

    equations: ClassVar[Literal["scalar", "gradient"] | None] = None
    """Which count of a hypothesis class is its threshold: of scalars gᵀUa, or of images Ua; None where neither is."""

    style: ClassVar[Mapping[str, str]] = {}
    """``color``, ``marker`` and ``markerfacecolor`` of its curve in figures; where it has none, or several curves, they
    are those of a palette: a warm one for learners that match values only, a cool one for others."""

    settings: DescentSettings = field(default_factory=DescentSettings)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in vars(cls) and "label" not in vars(cls):
            cls.label = cls.name

    @property
    def value_weight(self) -> float:
        """Weight of the temporal-difference term in the loss (8)."""
        return 1.0

    @property
    @abstractmethod
    def gradient_weight(self) -> float:
        """Weight of the goal-gradient term in the loss (8); 0 for DDPG."""

    @property
    def matches_gradients(self) -> bool:
        """Whether the loss has a goal-gradient term."""
        return self.gradient_weight != 0

    def fit(
        self,
        construction: Construction,
        hypothesis_class: HypothesisClass,
        transitions: Transitions,
        initial_param: Float[Tensor, "b d d"],
        minibatch_seed: np.random.SeedSequence | None = None,
    ) -> TrainingResult:
        """Learn a parameter from each of B replay buffers; arguments and errors as in :func:`train`."""
        return train(
            construction,
            hypothesis_class,
            transitions,
            initial_param,
            self.gradient_weight,
            self.settings,
            minibatch_seed,
            self.value_weight,
        )
