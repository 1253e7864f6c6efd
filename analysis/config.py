"""What a sweep measures: one frozen, validated, hashable description.

Everything that can change a result is here, and nothing else: the number of workers, the output directory and
the progress display are not. Two runs with equal configurations produce the same rows.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch

from toyenvs.constructions import CONSTRUCTIONS, Construction
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, HypothesisClass
from toyenvs.learners import LEARNERS, DescentSettings, Learner
from toyenvs.learners.optimizers import OPTIMIZERS

__all__ = ["ConfigError", "SweepConfig", "canonical_json", "content_hash"]

ENGINE = 1
"""Raised whenever the numbers that a configuration leads to change; stores of another engine are refused."""

MAX_SEED = 2**63 - 1

MAX_DIM = 1024
"""A buffer of D transitions at this dimension takes 4 GiB a trial; larger ones are mistakes in typing."""


class ConfigError(ValueError):
    """A value that a sweep cannot use, in one line: argument, value, what is allowed."""

    def __init__(self, argument: str, value: object, allowed: str) -> None:
        self.argument = argument
        super().__init__(f"{argument}: {value!r} is not allowed; {allowed}")


def canonical_json(value: Any) -> str:
    """JSON text that is equal for equal values: sorted keys, no blanks, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON, 32 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """A sweep: thresholds of some learners over some dimensions, in one construction and hypothesis class.

    Attributes:
        construction: key of ``CONSTRUCTIONS``.
        group: key of ``HYPOTHESIS_CLASSES``.
        dims: dimensions d ≥ 2, without repetition.
        learners: keys of ``LEARNERS``, without repetition.
        trials: most trials at any one N; a whole search spends at most twelve times as many.
        seed: of all randomness.
        epsilon: a trial succeeds when its policy's uniform regret is at most this, in (0, 2).
        discount: γ in [0, 1).
        alpha: weight of ReenGAGE's goal-gradient term, > 0 (the paper's α is this divided by d).
        steps_per_goal: transitions between two fresh goals.
        optimizer: key of ``OPTIMIZERS``.
        minibatch: transitions a step; None for the whole buffer.
        max_steps: budget of optimiser steps for one descent run.
        batch_size: trials that run as one batch of tensors, and the unit in which the search spends them.
        precision: half-width of the 95 % interval of log N₅₀ at which a search stops.
        device: torch device of the learners.
    """

    construction: str = "gradient-feedback"
    group: str = "so"
    dims: tuple[int, ...] = (2, 3, 4, 6, 8, 12, 16, 24, 32)
    learners: tuple[str, ...] = ("ddpg", "reengage")
    trials: int = 100
    seed: int = 0
    epsilon: float = 0.01
    discount: float = 0.9
    alpha: float = 1.0
    steps_per_goal: int = 1
    optimizer: str = "nesterov"
    minibatch: int | None = None
    max_steps: int = 20_000
    batch_size: int = 25
    precision: float = 0.05
    device: str = "cpu"

    def __post_init__(self) -> None:
        _one_of("construction", self.construction, CONSTRUCTIONS)
        _one_of("group", self.group, HYPOTHESIS_CLASSES)
        object.__setattr__(self, "dims", tuple(self.dims))
        object.__setattr__(self, "learners", tuple(self.learners))
        _distinct("dims", self.dims)
        for dim in self.dims:
            _whole("dims", dim, 2)
            if dim > MAX_DIM:
                raise ConfigError("dims", dim, f"expected at most {MAX_DIM}")
        _distinct("learners", self.learners)
        for learner in self.learners:
            _one_of("learners", learner, LEARNERS)
        for name, least in (
            ("trials", 1),
            ("seed", 0),
            ("steps_per_goal", 1),
            ("max_steps", 1),
            ("batch_size", 1),
        ):
            _whole(name, getattr(self, name), least)
        if self.seed > MAX_SEED:
            raise ConfigError("seed", self.seed, f"expected at most {MAX_SEED}")
        _real("epsilon", self.epsilon, 0 < self.epsilon < 2, "0 < epsilon < 2")
        _real("discount", self.discount, 0 <= self.discount < 1, "0 <= discount < 1")
        _real("alpha", self.alpha, self.alpha > 0, "alpha > 0")
        _real("precision", self.precision, self.precision > 0, "precision > 0")
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        if self.minibatch is not None:
            _whole("minibatch", self.minibatch, 1)
            if OPTIMIZERS[self.optimizer].needs_full_batch:
                able = ", ".join(n for n, o in OPTIMIZERS.items() if not o.needs_full_batch)
                raise ConfigError("optimizer", self.optimizer, f"with minibatches use one of: {able}")
        if not self.make_construction(self.dims[0]).informative:
            raise ConfigError(
                "discount",
                self.discount,
                f"no loss of {self.construction} depends on the unknown rotation at this discount; use one above 0",
            )
        _device(self.device)

    def resolved(self) -> dict[str, Any]:
        """Every value as plain JSON types, with the engine's number."""
        values = asdict(self)
        values["dims"] = list(self.dims)
        values["learners"] = list(self.learners)
        return {**values, "engine": ENGINE}

    def hash(self) -> str:
        """Content hash of the resolved configuration."""
        return content_hash(self.resolved())

    def default_name(self) -> str:
        """A readable directory name that differs where the configuration differs."""
        span = f"d{min(self.dims)}-{max(self.dims)}"
        return f"{self.construction}-{self.group}-{span}-seed{self.seed}-{self.hash()[:8]}"

    def make_construction(self, dim: int) -> Construction:
        """The construction in d dimensions."""
        return CONSTRUCTIONS[self.construction](dim, self.discount)

    def make_group(self) -> HypothesisClass:
        """The hypothesis class."""
        return HYPOTHESIS_CLASSES[self.group]

    def make_learner(self, name: str) -> Learner:
        """A learner with this sweep's settings."""
        settings = DescentSettings(optimizer=self.optimizer, minibatch=self.minibatch, max_steps=self.max_steps)
        learner = LEARNERS[name]
        own = {"alpha": self.alpha} if "alpha" in {f.name for f in fields(learner)} else {}
        return learner(settings=settings, **own)

    @property
    def budget(self) -> int:
        """Most trials that one search (a learner at one dimension) may spend."""
        return 12 * self.trials


def _one_of(argument: str, value: object, allowed: dict[str, Any]) -> None:
    if value not in allowed:
        raise ConfigError(argument, value, f"expected one of: {', '.join(allowed)}")


def _distinct(argument: str, values: Sequence[object]) -> None:
    if not values:
        raise ConfigError(argument, list(values), "expected at least one")
    if len(set(values)) < len(values):
        raise ConfigError(argument, list(values), "expected each value once")


def _whole(argument: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(argument, value, f"expected an integer >= {least}")


def _real(argument: str, value: object, holds: bool, allowed: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and holds):
        raise ConfigError(argument, value, f"expected a number with {allowed}")


def _device(name: str) -> None:
    try:
        identity = torch.eye(2, dtype=torch.float64).to(torch.device(name))
        works = float(torch.linalg.svd(identity)[1].sum()) == 2.0  # some devices cannot compute, some not in float64
    except (RuntimeError, AssertionError, ValueError, TypeError, NotImplementedError):
        works = False
    if not works:
        raise ConfigError("device", name, "expected a torch device that this machine has, such as cpu")
