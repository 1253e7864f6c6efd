"""What a learner is: a critic loss (a choice of the goal-gradient weight) and a way to minimise it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

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
    """The name on the command line and in result files."""

    label: ClassVar[str]
    """As it is written in tables and figures."""

    settings: DescentSettings = field(default_factory=DescentSettings)

    @property
    def value_weight(self) -> float:
        """Weight of the temporal-difference term in the loss (8)."""
        return 1.0

    @property
    @abstractmethod
    def gradient_weight(self) -> float:
        """Weight of the goal-gradient term in the loss (8); 0 for DDPG."""

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
