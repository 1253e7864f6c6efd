"""Solvers that look for all zeros of a loss, and the baselines that leave the class out or relax it.

What they see and what they find: :mod:`toyenvs.learners.global_solvers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from analysis.errors import ConfigError, require_integer
from analysis.tasks.problem import Problem
from analysis.tasks.solver import Solver
from analysis.tasks.task import Row
from analysis.tasks.trials import Trials, judged_rows
from toyenvs.constructions import Construction
from toyenvs.hypothesis_classes.permutation import LARGEST_LISTED
from toyenvs.learners import Learner, Outcome
from toyenvs.learners.global_solvers import GlobalSolverSettings, solve_globally
from toyenvs.replay.protocol import Protocol

__all__ = ["GlobalSolver", "LeastSquares", "Relaxation"]


@dataclass(frozen=True, kw_only=True)
class LeastSquares(Solver):
    """Linear least squares over all matrices, without the constraint of the class."""

    name = "least-squares"
    about = "linear least squares over all matrices, without the constraint of the class"
    only_about: ClassVar[dict[str, str]] = {
        "optimizer": "it is about descent; {method} does not use it",
        "minibatch": "it is about descent; {method} does not use it",
        "arithmetic": "it is about descent; {method} computes in double",
    }

    @override
    def check(self, problem: Problem, data: Protocol, learner: Learner, sample_unit: str) -> None:
        if type(problem.make_construction()).reduced_residuals is Construction.reduced_residuals:
            raise ConfigError(
                "method",
                self.name,
                f"{problem.construction} states no reduced_residuals, which it solves; use descent",
            )

    @override
    def run(self, trials: Trials) -> list[Row]:
        result = solve_globally(
            self.name,
            trials.construction,
            trials.group,
            trials.transitions(),
            trials.starting_points,
            value_weight=trials.learner.value_weight,
            gradient_weight=trials.learner.gradient_weight,
            settings=self._settings(),
        )
        # A solver that found no zero of a loss that has one found nothing; with noise a loss has none.
        accepted = (Outcome.CONVERGED, Outcome.STATIONARY) if trials.data.noise else (Outcome.CONVERGED,)
        return judged_rows(trials, result, accepted)

    def _settings(self) -> GlobalSolverSettings:
        return GlobalSolverSettings()


@dataclass(frozen=True, kw_only=True)
class Relaxation(LeastSquares):
    """The smallest operator norm that solves the equations."""

    name = "relaxation"
    about = "the smallest operator norm that solves the equations"

    @override
    def check(self, problem: Problem, data: Protocol, learner: Learner, sample_unit: str) -> None:
        super().check(problem, data, learner, sample_unit)
        if not problem.make_group().orthogonal:
            reason = f"what is relaxed is UᵀU = I, and {problem.group} is not orthogonal"
            raise ConfigError("method", self.name, reason)


@dataclass(frozen=True, kw_only=True)
class GlobalSolver(LeastSquares):
    """The best possible optimiser of the loss.

    Attributes:
        restarts: most starting points of a trial.
    """

    name = "global-solver"
    about = "the best possible optimiser: exact where there is a closed form, else restarts; luck does not count"

    restarts: int = GlobalSolverSettings().restarts

    def __post_init__(self) -> None:
        require_integer("restarts", self.restarts, 1)

    @override
    def check(self, problem: Problem, data: Protocol, learner: Learner, sample_unit: str) -> None:
        super().check(problem, data, learner, sample_unit)
        if problem.make_group().finite and learner.gradient_weight == 0 and problem.dim > LARGEST_LISTED:
            reason = f"the global solver tries all of {problem.group}; expected at most {LARGEST_LISTED}"
            raise ConfigError("dim", problem.dim, reason)

    @override
    def _settings(self) -> GlobalSolverSettings:
        return GlobalSolverSettings(restarts=self.restarts)
