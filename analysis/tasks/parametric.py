"""The task of the theory: a learner whose critic has the optimal form looks for one unknown matrix.

It composes a problem, a protocol for the data, a learner and a solver. The command line and presets write all of them
flat, by field: :func:`make_task`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache, cached_property
from typing import Any

import torch
from typing_extensions import override

from analysis.errors import ConfigError, require_integer, require_number, require_one_of
from analysis.tasks.problem import Problem
from analysis.tasks.solvers import SOLVERS, Descent, Solver
from analysis.tasks.task import Plain, Row, Task
from analysis.tasks.trials import Trials
from toyenvs.constructions import Construction
from toyenvs.learners import LEARNERS, Learner
from toyenvs.replay.protocol import Protocol

__all__ = ["ENGINE", "FIELDS", "LARGEST_ARRAY", "ParametricTask", "make_task"]

ENGINE = 7
"""Raised whenever the numbers that a task leads to change: trials of another engine are not mixed with these."""

MAX_SEED = 2**63 - 1

MAX_NOISE = 1e6
"""Beyond it a displacement of length 1 is lost to rounding."""

MAX_ROWS = 4096
"""Goals a transition, or transitions a goal; more of either is a mistake in typing."""

LARGEST_ARRAY = 2**26
"""Numbers in the largest array of the trials that run together, half a gigabyte of them: learning takes some five such
arrays, on a processor or on another device. Larger batches run in parts. It is a constant, not what happens to be
free, because results may depend on the machine in nothing."""


@dataclass(frozen=True, kw_only=True)
class ParametricTask(Task):
    """A learner with its solver, on one problem and one kind of data.

    Attributes:
        problem: construction, class, dimension, discount.
        data: how replay buffers are collected.
        learner_name: key of ``LEARNERS``.
        alpha: weight of the goal-gradient term, > 0 (the paper's α is this divided by d); None for learners that have
            no such weight.
        solver: how the loss is minimised.
        count: what a size counts: "transitions", or "episodes" of ``data.steps_per_goal`` transitions.
        seed: of all randomness.
        device: torch device of the learners.
    """

    kind = "parametric"

    problem: Problem = field(default_factory=Problem)
    data: Protocol = field(default_factory=Protocol)
    learner_name: str = "ddpg"
    alpha: float | None = None
    solver: Solver = field(default_factory=Descent)
    count: str = "transitions"
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        require_one_of("learner", self.learner_name, LEARNERS)
        require_one_of("count", self.count, ("transitions", "episodes"))
        require_integer("seed", self.seed, 0, MAX_SEED)
        if _has_weight(self.learner_name):
            alpha = 1.0 if self.alpha is None else self.alpha
            object.__setattr__(self, "alpha", require_number("alpha", alpha, lambda x: x > 0, "alpha > 0"))
        elif self.alpha is not None:
            raise ConfigError("alpha", self.alpha, f"{self.learner_name} has no such weight")
        object.__setattr__(self, "solver", self.solver.resolved(self.problem))
        if self.problem.is_known:
            try:
                self.data.check(self.problem.make_construction())
            except ValueError as error:
                raise _about(error, asdict(self.data), self.problem.construction) from None
            self.solver.check(self.problem, self.data, self.trained, self.count)
        if not (isinstance(self.device, str) and _computes(self.device)):
            raise ConfigError("device", self.device, "expected a torch device that this machine has, such as cpu")

    @override
    def identity(self) -> dict[str, Any]:
        learner: dict[str, Any] = {"learner": self.learner_name}
        if self.alpha is not None:
            learner["alpha"] = self.alpha
        return {
            "task": self.kind,
            "engine": ENGINE,
            "problem": self.problem.identity(),
            "data": asdict(self.data),
            **learner,
            "solver": self.solver.identity(),
            "count": self.count,
            "seed": self.seed,
            "device": self.device,
        }

    @classmethod
    @override
    def from_identity(cls, identity: Mapping[str, Any]) -> ParametricTask:
        given = dict(identity)
        engine, kind = given.pop("engine"), given.pop("task")
        if (kind, engine) != (cls.kind, ENGINE):
            raise ConfigError("engine", engine, f"measured by another version of this package; this one's is {ENGINE}")
        flat = {**given.pop("problem"), **given.pop("data"), **given.pop("solver"), **given}
        task = make_task(flat)
        if task.identity() != identity:
            raise ValueError("a field is missing, or is none of a task")
        return task

    @cached_property
    def _flat(self) -> dict[str, Plain]:
        identity = self.identity()
        nested = {name: identity.pop(name) for name in ("problem", "data", "solver")}
        del identity["task"], identity["engine"]
        return {**nested["problem"], **nested["data"], **nested["solver"], **identity}

    @property
    @override
    def described(self) -> Mapping[str, Plain]:
        return self._flat

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension d."""
        return self.problem.dim

    @property
    @override
    def learner(self) -> str:
        return self.learner_name

    @property
    @override
    def learner_label(self) -> str:
        return LEARNERS[self.learner_name].label

    @property
    @override
    def matches_gradients(self) -> bool:
        return self.trained.matches_gradients

    @property
    @override
    def style(self) -> Mapping[str, str]:
        return LEARNERS[self.learner_name].style

    @override
    def transitions_for_informative(self, count: Any) -> Any:
        return self._construction.transitions_for_informative(count)

    @override
    def length_label(self, label: str) -> str:
        return self._construction.length_label(label)

    @property
    def _construction(self) -> type[Construction]:
        return type(self.problem.make_construction()) if self.problem.is_known else Construction

    @property
    @override
    def solver_label(self) -> str:
        return self.solver.label

    @property
    @override
    def sample_unit(self) -> str:
        return self.count

    @override
    def letters(self, dim: int | None = None) -> dict[str, float]:
        own = super().letters(dim)
        goal_dim = self.problem.goal_dim
        return {
            **own,
            "K": self.data.relabels,
            "T": self.data.steps_per_goal,
            "k": own["d"] if goal_dim is None else goal_dim,
            "sigma": self.data.noise,
            "alpha": 1.0 if self.alpha is None else self.alpha,
        }

    @override
    def exists(self, dim: int) -> bool:
        return not self.problem.is_known or self.problem.make_group().allows(dim)

    @override
    def cost(self, size: int) -> float:
        # A learner of one equation a transition needs about d/2 times as many as one of d equations.
        dim = self.problem.dim
        scalar = self.trained.gradient_weight == 0
        return size * float(dim**3) * (max(1.0, dim / 8) if scalar else 1.0)

    @override
    def run(self, size: int, trials: range) -> list[Row]:
        self.problem.load()
        parts = [self._trials(size, part) for part in self.parts(size, trials)]
        return [row for part in parts for row in self.solver.run(part)]

    def parts(self, size: int, trials: range) -> list[range]:
        """The trials in parts whose arrays have at most ``LARGEST_ARRAY`` numbers, or one trial if that has more."""
        numbers = self.solver.numbers_a_trial(self._trials(size, trials))
        step = max(1, LARGEST_ARRAY // numbers)
        return [trials[first : first + step] for first in range(0, len(trials), step)]

    def _trials(self, size: int, indices: range) -> Trials:
        transitions = self.num_transitions(size)
        return Trials(self.problem, self.data, self.trained, self.seed, self.device, size, transitions, indices)

    def num_transitions(self, size: int) -> int:
        """How many transitions a size is."""
        return size * (self.data.steps_per_goal if self.count == "episodes" else 1)

    @cached_property
    def trained(self) -> Learner:
        """The learner, with the weights of its loss."""
        weight: dict[str, Any] = {} if self.alpha is None else {"alpha": self.alpha}
        return LEARNERS[self.learner_name](**weight)


def _has_weight(learner: str) -> bool:
    return "alpha" in {f.name for f in fields(LEARNERS[learner])}


_PROBLEM = {f.name: f.default for f in fields(Problem) if f.compare}
_DATA = {f.name: f.default for f in fields(Protocol)}
_SOLVER = {f.name: f.default for solver in SOLVERS.values() for f in fields(solver)}

FIELDS: dict[str, Any] = {
    **_PROBLEM,
    **_DATA,
    "learner": "ddpg",
    "alpha": 1.0,
    "method": Descent.name,
    **_SOLVER,
    "count": "transitions",
    "seed": 0,
    "device": "cpu",
}
"""The fields of a task as they are written flat, with their defaults."""


def make_task(flat: Mapping[str, Any]) -> ParametricTask:
    """A task from flat fields; what its learner and its solver do not use is left out.

    Args:
        flat: of ``FIELDS``.

    Raises:
        ConfigError: naming the field, if a value cannot be used.
    """
    given = {**FIELDS, **flat}
    if unknown := given.keys() - FIELDS.keys():
        name = sorted(unknown)[0]
        raise ConfigError(name, given[name], f"expected a field of a task: {', '.join(FIELDS)}")
    require_one_of("method", given["method"], SOLVERS)
    require_one_of("learner", given["learner"], LEARNERS)
    kind = SOLVERS[given["method"]]
    own = {f.name for f in fields(kind)}
    for name, reason in kind.only_about.items():
        # Descent in double precision, the whole buffer and the usual optimiser are what every method has.
        if given[name] not in (FIELDS[name], "double"):
            raise ConfigError(name, given[name], reason.format(method=given["method"]))
    for other in SOLVERS.values():  # what is left out must be usable all the same: a typo is not
        other(**{f.name: flat[f.name] for f in fields(other) if f.name in flat and f.name not in own})
    require_number("alpha", given["alpha"], lambda x: x > 0, "alpha > 0")
    problem = Problem(**{name: given[name] for name in _PROBLEM})
    return ParametricTask(
        problem=problem,
        data=_protocol({name: given[name] for name in _DATA}),
        learner_name=given["learner"],
        alpha=given["alpha"] if _has_weight(given["learner"]) else None,
        solver=kind(**{name: given[name] for name in own}),
        **{name: given[name] for name in ("count", "seed", "device")},
    )


def _protocol(values: Mapping[str, Any]) -> Protocol:
    for name in ("steps_per_goal", "relabels"):
        require_integer(name, values[name], 1, MAX_ROWS)
    noise = require_number("noise", values["noise"], lambda x: 0 <= x <= MAX_NOISE, f"0 <= noise <= {MAX_NOISE:g}")
    for name in ("goals", "actions"):
        if not isinstance(values[name], str):
            raise ConfigError(name, values[name], "expected a name")
    try:
        return Protocol(**{**values, "noise": noise})
    except ValueError as error:
        raise _about(error, values) from None


def _about(error: ValueError, values: Mapping[str, Any], construction: str = "") -> ConfigError:
    """An error from below, "argument: …", as one of this package's."""
    argument, _, reason = str(error).partition(": ")
    if argument in values:
        return ConfigError(argument, values[argument], reason)
    return ConfigError("construction", construction, str(error))


@cache
def _computes(name: str) -> bool:
    """Whether a device of that name does what learners need: some cannot, some not in double precision."""
    try:
        identity = torch.eye(2, dtype=torch.float64).to(torch.device(name))
        return float(torch.linalg.svd(identity)[1].sum()) == 2.0
    except (RuntimeError, AssertionError, ValueError, TypeError, NotImplementedError):
        return False
