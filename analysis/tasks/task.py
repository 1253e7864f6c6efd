"""The seam between learners and the harness: a task says what one trial does, and who it is.

A task is frozen, validated and hashable. Its *identity* holds what decides a trial's result and nothing else: how many
trials are run, in how many rounds and how precisely is the affair of a measure. Equal tasks have equal trials, so two
experiments that share tasks share their trials.

A new task is a subclass with an identity and a way to run trials, in a file of its own, and one entry of ``TASKS``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

from analysis.files import content_hash

__all__ = ["Batch", "Plain", "Row", "Task", "run_batch"]

Plain: TypeAlias = float | int | str | bool | None
"""What a value of a row or a field of a task may be: plain JSON."""


@dataclass(frozen=True)
class Row:
    """What is kept of a trial at one of its steps.

    Attributes:
        trial: its index.
        values: by name, plain JSON; None where a number is not finite.
        step: 0 for a trial that is judged once; a checkpoint for one that is judged as it goes.
    """

    trial: int
    values: Mapping[str, Plain]
    step: int = 0


class Task(ABC):
    """What one trial does; subclasses are frozen dataclasses."""

    kind: ClassVar[str]
    """Its key in ``TASKS``; part of the identity."""

    dim: int
    """The dimension d."""

    def identity(self) -> dict[str, Any]:
        """What decides the result of a trial, as plain JSON types, and nothing else. It has the kind as "task".

        By default all fields of the dataclass.
        """
        return {"task": self.kind, **{f.name: getattr(self, f.name) for f in fields(self)}}  # type: ignore[arg-type]

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any]) -> Task:
        """The task with this identity; by default its fields are what ``cls`` takes.

        Raises:
            ConfigError: if a value cannot be used.
            KeyError, TypeError, ValueError: if it is no such identity.
        """
        return cls(**{name: value for name, value in identity.items() if name != "task"})

    @abstractmethod
    def run(self, size: int, trials: range) -> list[Row]:
        """Run trials together.

        Args:
            size: of the data, N.
            trials: consecutive indices. A trial's randomness comes from the identity and its index alone; its last
                digits may depend on how many run together, because that decides how matrix products are blocked.

        Returns:
            The rows of every trial, in order.
        """

    @property
    def described(self) -> Mapping[str, Plain]:
        """Its fields by the flat names of the command line: for tables, axes and messages. Default: the identity."""
        return self.identity()

    @property
    def learner(self) -> str:
        """Name of its learner: curves of one learner share a colour. "" where there is none."""
        return str(self.described.get("learner", ""))

    @property
    def learner_label(self) -> str:
        """The learner as it is written."""
        return self.learner

    @property
    def solver_label(self) -> str:
        """How its loss is minimised, as it is named in tables and figures; "" where that is nothing."""
        return ""

    @property
    def matches_gradients(self) -> bool:
        """Whether its learner matches gradients: figures draw such curves in cool colours, others in warm ones."""
        return False

    @property
    def style(self) -> Mapping[str, str]:
        """``color``, ``marker`` and ``markerfacecolor`` of its curve in figures; {}: those of a palette."""
        return {}

    def transitions_for_informative(self, count: Any) -> Any:
        """Length of the shortest data with so many informative samples; by default all are. Numbers or arrays."""
        return count

    def length_label(self, label: str) -> str:
        """:meth:`transitions_for_informative` of a count that is written ``label``."""
        return label

    @property
    def sample_unit(self) -> str:
        """What a size counts, in the plural."""
        return "transitions"

    def letters(self, dim: int | None = None) -> dict[str, float]:
        """The variables of a predicted formula, at this task's dimension or another one.

        The other one need not be one in which the task exists: the order of growth is asked far out.
        """
        d = self.dim if dim is None else dim
        return {"d": d, "D": d * (d - 1) // 2}

    def exists(self, dim: int) -> bool:
        """Whether there is such a task in another dimension."""
        return True

    def cost(self, size: int) -> float:
        """Work of a trial beside that of others, in any unit."""
        return float(size)

    def hash(self) -> str:
        """Content hash of the identity."""
        return content_hash(self.identity())


@dataclass(frozen=True)
class Batch:
    """Consecutive trials of one task and size that run together, and are stored together.

    Attributes:
        task: of what.
        size: N.
        first_trial: the first trial's index.
        count: how many trials.
    """

    task: Task
    size: int
    first_trial: int
    count: int

    @property
    def trials(self) -> range:
        """The trials' indices."""
        return range(self.first_trial, self.first_trial + self.count)


def run_batch(batch: Batch) -> list[Row]:
    """What a worker does."""
    return batch.task.run(batch.size, batch.trials)
