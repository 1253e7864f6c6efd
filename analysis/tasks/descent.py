"""One descent run from one start in each component of the class."""

from __future__ import annotations

from dataclasses import dataclass, replace

from typing_extensions import override

from analysis.errors import ConfigError, require_integer, require_one_of
from analysis.tasks.problem import Problem
from analysis.tasks.solver import Solver, refuse_finite
from analysis.tasks.task import Row
from analysis.tasks.trials import Trials, judged_rows
from toyenvs.learners import DescentSettings, Learner, Outcome
from toyenvs.learners.optimizers import OPTIMIZERS
from toyenvs.replay.protocol import Protocol

__all__ = ["Descent"]

_MIXED_FROM = 32
"""Dimension from which a pass in single precision is so much faster that finishing in double precision is worth it."""


@dataclass(frozen=True, kw_only=True)
class Descent(Solver):
    """Riemannian descent.

    Attributes:
        optimizer: key of ``OPTIMIZERS``.
        minibatch: transitions a step; None for the whole buffer.
        max_steps: budget of steps of one run.
        arithmetic: "double" precision, "mixed" (single precision most of the way, double to the end), or "auto": mixed
            from d = 32 on, where it is faster.
    """

    name = "descent"
    about = "one descent run from one start in each component"

    optimizer: str = "nesterov"
    minibatch: int | None = None
    max_steps: int = 20_000
    arithmetic: str = "auto"

    def __post_init__(self) -> None:
        require_one_of("optimizer", self.optimizer, OPTIMIZERS)
        require_one_of("arithmetic", self.arithmetic, ("auto", "double", "mixed"))
        require_integer("max_steps", self.max_steps, 1)
        if self.minibatch is not None:
            require_integer("minibatch", self.minibatch, 1)
            if OPTIMIZERS[self.optimizer].needs_full_batch:
                able = ", ".join(n for n, o in OPTIMIZERS.items() if not o.needs_full_batch)
                raise ConfigError("optimizer", self.optimizer, f"with minibatches use one of: {able}")

    @override
    def resolved(self, problem: Problem) -> Descent:
        if self.arithmetic != "auto":
            return self
        return replace(self, arithmetic="mixed" if problem.dim >= _MIXED_FROM else "double")

    @override
    def check(self, problem: Problem, data: Protocol, learner: Learner, sample_unit: str) -> None:
        refuse_finite(self.name, problem)

    @override
    def numbers_a_trial(self, trials: Trials) -> int:
        return trials.num_transitions * trials.data.relabels * trials.problem.dim

    @property
    def settings(self) -> DescentSettings:
        """What the learner descends by."""
        return DescentSettings(
            optimizer=self.optimizer,
            minibatch=self.minibatch,
            max_steps=self.max_steps,
            mixed=self.arithmetic == "mixed",
        )

    @override
    def run(self, trials: Trials) -> list[Row]:
        result = replace(trials.learner, settings=self.settings).fit(
            trials.construction,
            trials.group,
            trials.transitions(),
            trials.starting_points(0),
            minibatch_seed=trials.minibatch_seed(),
        )
        return judged_rows(trials, result, (Outcome.CONVERGED, Outcome.STATIONARY))

    @property
    @override
    def label(self) -> str:
        return f"{self.name} ({self.optimizer})"
