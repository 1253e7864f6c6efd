"""What a solver is: settings of one method, checks that it suits a problem, and a way to run trials."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from analysis.errors import ConfigError
from analysis.tasks.problem import Problem
from analysis.tasks.task import Row
from analysis.tasks.trials import Trials
from toyenvs.learners import Learner
from toyenvs.learners.global_solvers.equations import numbers_a_trial
from toyenvs.replay.protocol import Protocol

__all__ = ["Solver"]


@dataclass(frozen=True, kw_only=True)
class Solver(ABC):
    """How a loss is minimised."""

    name: ClassVar[str]
    about: ClassVar[str]
    """One line, for the command's help."""

    only_about: ClassVar[dict[str, str]] = {}
    """Fields of other methods that this one refuses rather than ignores, with the reason."""

    def resolved(self, problem: Problem) -> Solver:
        """The same with what is left open decided by the problem."""
        return self

    def check(self, problem: Problem, data: Protocol, learner: Learner, sample_unit: str) -> None:  # noqa: B027
        """Whether it suits a problem, its data and a learner.

        Raises:
            ConfigError: if not.
        """

    @abstractmethod
    def run(self, trials: Trials) -> list[Row]:
        """Learn and judge every trial."""

    def numbers_a_trial(self, trials: Trials) -> int:
        """Numbers in the largest array of a trial: by default the equations of its buffer, which are written down."""
        rows = trials.num_transitions * trials.data.relabels
        dim, learner = trials.problem.dim, trials.learner
        equations = numbers_a_trial(
            dim,
            trials.construction.goal_dim,
            rows,
            has_values=learner.value_weight > 0,
            has_gradients=learner.gradient_weight > 0,
        )
        return max(rows * dim, equations)

    @property
    def label(self) -> str:
        """As it is named in tables and figures."""
        return self.name

    def identity(self) -> dict[str, Any]:
        """Method and settings as plain JSON types."""
        return {"method": self.name, **asdict(self)}


def refuse_finite(method: str, problem: Problem) -> None:
    """Refuse a class in which nothing descends.

    Raises:
        ConfigError: as described.
    """
    if problem.make_group().finite:
        raise ConfigError("method", method, f"{problem.group} is a finite set; use global-solver")
