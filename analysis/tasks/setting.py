"""What one threshold is measured of: a frozen, validated, hashable description.

Everything that can change a result is here, and nothing else: the number of workers, the output directory and
the progress display are not. Equal settings produce the same rows.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any

import torch

from toyenvs.constructions import CONSTRUCTIONS, EXTENSIONS, Construction, ProjectedGoal, Translation, make_construction
from toyenvs.constructions.user_defined import UserConstruction, user_construction
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, HypothesisClass
from toyenvs.hypothesis_classes.permutation import LARGEST_LISTED
from toyenvs.learners import LEARNERS, DescentSettings, Learner
from toyenvs.learners.global_solvers import GlobalSolverSettings
from toyenvs.learners.online import OnlineSettings
from toyenvs.learners.optimizers import OPTIMIZERS
from toyenvs.replay.protocol import Protocol

__all__ = ["METHODS", "ConfigError", "Setting", "canonical_json", "content_hash", "expected_one_of"]

_DEFAULT_OPTIMIZER = "nesterov"

_MIXED_FROM = 32
"""Dimension from which a pass in single precision is so much faster that finishing in double precision is worth it."""

ENGINE = 6
"""Raised whenever the numbers that a setting leads to change; stores of another engine are refused."""

MAX_SEED = 2**63 - 1

MAX_DIM = 1024
"""A buffer of D transitions at this dimension takes 4 GiB a trial; larger ones are mistakes in typing."""

MAX_NOISE = 1e6
"""Beyond it a displacement of length 1 is lost to rounding."""

MAX_ROWS = 4096
"""Goals a transition, or transitions a goal; more of either is a mistake in typing."""

METHODS: dict[str, str] = {
    "descent": "one descent run from one start in each component",
    "minimiser": "the best possible optimiser: exact where there is a closed form, else restarts; luck does not count",
    "least-squares": "linear least squares over all matrices, without the constraint of the class",
    "relaxation": "the smallest operator norm that solves the equations",
    "online": "descent while the agent explores with its own noisy policy",
}
"""How a loss is minimised: part of what is measured."""


class ConfigError(ValueError):
    """A value that cannot be used, in one line: argument, value, what is allowed."""

    def __init__(self, argument: str, value: object, allowed: str, source: str = "") -> None:
        self.argument, self.value, self.allowed, self.source = argument, value, allowed, source
        super().__init__(f"{argument}: {value!r} is not allowed; {allowed}")

    def renamed(self, names: Mapping[str, str]) -> ConfigError:
        """The same error about the argument by which the user knows the value."""
        return ConfigError(names.get(self.argument, self.argument), self.value, self.allowed, self.source)

    def within(self, source: str) -> ConfigError:
        """The same error about a line of a file, whose name an error line then begins with."""
        return ConfigError(self.argument, self.value, self.allowed, source)


def canonical_json(value: Any) -> str:
    """JSON text that is equal for equal values: sorted keys, no blanks, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON, 32 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A learner with its optimiser, in one construction, class, protocol and dimension.

    Attributes:
        construction: key of ``CONSTRUCTIONS`` or ``EXTENSIONS``, or the name of one from outside this package.
        construction_source: hash of the source of a construction from outside, see
            :mod:`toyenvs.constructions.user_defined`; None for this package's. A setting that names a source which this
            process has not loaded (it was read from a file) can be compared and shown, but not run.
        group: key of ``HYPOTHESIS_CLASSES``.
        dim: d ≥ 2.
        goal_dim: k, the dimension of goals, for the construction "projected-goal"; elsewhere None: they have d.
        learner: key of ``LEARNERS``.
        method: key of ``METHODS``: how its loss is minimised.
        steps_per_goal: T, transitions between two fresh goals.
        relabels: K, goals that each transition is stored with.
        goals: how they are drawn, see :class:`toyenvs.replay.protocol.Protocol`.
        actions: likewise.
        noise: σ, likewise.
        count: what N counts: "transitions", or "episodes" of ``steps_per_goal`` transitions.
        seed: of all randomness.
        trials: most trials at any one N; a whole search spends at most twelve times as many.
        epsilon: a trial succeeds when its policy's uniform regret is at most this, in (0, 2).
        discount: γ in [0, 1).
        alpha: weight of ReenGAGE's goal-gradient term, > 0 (the paper's α is this divided by d).
        optimizer: key of ``OPTIMIZERS``, for descent.
        minibatch: transitions a descent step; None for the whole buffer.
        max_steps: budget of optimiser steps for one descent run.
        arithmetic: of descent: "double" precision, "mixed" (single precision most of the way, double to the end), or
            "auto": mixed from d = 32 on, where it is faster.
        restarts: most starting points of a minimiser.
        exploration: size of an online agent's exploration noise, relative to a unit action.
        updates: descent steps of an online agent after each transition.
        batch_size: trials that run as one batch of tensors, and the unit in which the search spends them.
        precision: half-width of the 95 % interval of log N₅₀ at which a search stops.
        device: torch device of the learners.
    """

    construction: str = "gradient-feedback"
    construction_source: str | None = None
    group: str = "so"
    dim: int = 8
    goal_dim: int | None = None
    learner: str = "ddpg"
    method: str = "descent"
    steps_per_goal: int = 1
    relabels: int = 1
    goals: str = "independent"
    actions: str = "ball"
    noise: float = 0.0
    count: str = "transitions"
    seed: int = 0
    trials: int = 100
    epsilon: float = 0.01
    discount: float = 0.9
    alpha: float = 1.0
    optimizer: str = _DEFAULT_OPTIMIZER
    minibatch: int | None = None
    max_steps: int = 20_000
    arithmetic: str = "auto"
    restarts: int = GlobalSolverSettings().restarts
    exploration: float = OnlineSettings().exploration
    updates: int = OnlineSettings().updates_per_transition
    batch_size: int = 25
    precision: float = 0.05
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.construction_source is None:
            _one_of("construction", self.construction, CONSTRUCTIONS | EXTENSIONS)
        else:
            _text("construction", self.construction)
            _text("construction_source", self.construction_source)
        if self.is_known and not self._has_own_group:
            _one_of("group", self.group, HYPOTHESIS_CLASSES)
        _one_of("learner", self.learner, LEARNERS)
        _one_of("method", self.method, METHODS)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("arithmetic", self.arithmetic, {"auto": "", "double": "", "mixed": ""})
        _one_of("count", self.count, {"transitions": "", "episodes": ""})
        _whole("dim", self.dim, 2)
        if self.dim > MAX_DIM:
            raise ConfigError("dim", self.dim, f"expected at most {MAX_DIM}")
        for name, least in (
            ("trials", 1),
            ("seed", 0),
            ("steps_per_goal", 1),
            ("relabels", 1),
            ("max_steps", 1),
            ("restarts", 1),
            ("updates", 1),
            ("batch_size", 1),
        ):
            _whole(name, getattr(self, name), least)
        if self.seed > MAX_SEED:
            raise ConfigError("seed", self.seed, f"expected at most {MAX_SEED}")
        _real("epsilon", self.epsilon, lambda x: 0 < x < 2, "0 < epsilon < 2")
        _real("discount", self.discount, lambda x: 0 <= x < 1, "0 <= discount < 1")
        _real("alpha", self.alpha, lambda x: x > 0, "alpha > 0")
        _real("precision", self.precision, lambda x: x > 0, "precision > 0")
        _real("noise", self.noise, lambda x: 0 <= x <= MAX_NOISE, f"0 <= noise <= {MAX_NOISE:g}")
        for name in ("steps_per_goal", "relabels"):
            if getattr(self, name) > MAX_ROWS:
                raise ConfigError(name, getattr(self, name), f"expected at most {MAX_ROWS}")
        _real("exploration", self.exploration, lambda x: x >= 0, "exploration >= 0")
        if self.minibatch is not None:
            _whole("minibatch", self.minibatch, 1)
            if OPTIMIZERS[self.optimizer].needs_full_batch:
                able = ", ".join(n for n, o in OPTIMIZERS.items() if not o.needs_full_batch)
                raise ConfigError("optimizer", self.optimizer, f"with minibatches use one of: {able}")
        for item in fields(self):
            if item.type == "float":
                # 1 and 1.0 are one setting and must have one hash; so are 0.0 and -0.0.
                object.__setattr__(self, item.name, float(getattr(self, item.name)) + 0.0)
        if self.is_known:
            self._check_goals()
            self._check_class()
            self._check_method()
        _device(self.device)

    @property
    def own(self) -> UserConstruction | None:
        """The construction from outside this package, if it is one and has been loaded."""
        source = self.construction_source
        return None if source is None else user_construction(self.construction, source)

    @property
    def _has_own_group(self) -> bool:
        own = self.own
        return own is not None and own.group is not None and own.group.name == self.group

    @property
    def is_known(self) -> bool:
        """Whether this process can run it: the construction's formulas are there."""
        return self.construction_source is None or self.own is not None

    def _check_goals(self) -> None:
        projected = self.construction == ProjectedGoal.name
        if self.goal_dim is not None:
            if not projected:
                raise ConfigError("goal_dim", self.goal_dim, "only the construction projected-goal has such goals")
            _whole("goal_dim", self.goal_dim, 1)
            if self.goal_dim > self.dim:
                raise ConfigError("goal_dim", self.goal_dim, f"expected at most dim = {self.dim}")
        elif projected:
            raise ConfigError("goal_dim", None, "the construction projected-goal needs it")
        try:
            self.make_protocol().check(self.make_construction())
        except ValueError as error:
            raise _from_value_error(error, self) from None

    def _check_class(self) -> None:
        group = self.make_group()
        if not group.allows(self.dim):
            raise ConfigError("dim", self.dim, f"{self.group} needs {group.requirement}")
        if self.construction == Translation.name and self.group != "diagonal":
            raise ConfigError("group", self.group, "a translation is stored as a diagonal matrix; use diagonal")
        if not group.orthogonal and self.discount != 0 and self.make_construction().needs_orthogonal:
            raise ConfigError(
                "discount", self.discount, f"{self.group} is not orthogonal, so the value is right at discount 0 only"
            )
        if not self.make_construction().informative:
            raise ConfigError(
                "discount",
                self.discount,
                f"no loss of {self.construction} depends on the unknown parameter at this discount; use one above 0",
            )

    def _check_method(self) -> None:
        group = self.make_group()
        if self.method in ("descent", "online") and group.finite:
            raise ConfigError("method", self.method, f"{self.group} is a finite set; use minimiser")
        reduces = type(self.make_construction()).reduced_residuals is not Construction.reduced_residuals
        if self.method not in ("descent", "online") and not reduces:
            raise ConfigError(
                "method", self.method, f"{self.construction} states no reduced_residuals, which it solves; use descent"
            )
        if self.method == "relaxation" and not group.orthogonal:
            raise ConfigError("method", self.method, f"what is relaxed is UᵀU = I, and {self.group} is not orthogonal")
        enumerated = self.method == "minimiser" and group.finite and self.make_learner().gradient_weight == 0
        if enumerated and self.dim > LARGEST_LISTED:
            raise ConfigError(
                "dim", self.dim, f"the minimiser tries all of {self.group}; expected at most {LARGEST_LISTED}"
            )
        if self.method != "descent" and self.arithmetic == "mixed":
            raise ConfigError("arithmetic", self.arithmetic, f"it is about descent; {self.method} computes in double")
        if self.method not in ("descent", "online") and (self.optimizer, self.minibatch) != (_DEFAULT_OPTIMIZER, None):
            name = "optimizer" if self.minibatch is None else "minibatch"
            raise ConfigError(name, getattr(self, name), f"it is about descent; {self.method} does not use it")
        if self.method == "online":
            if self.count != "transitions":
                raise ConfigError("count", self.count, "an online agent's transitions are counted one by one")
            own_data = (self.relabels, self.goals, self.actions, self.noise, self.minibatch)
            if own_data != (1, "independent", "ball", 0.0, None):
                raise ConfigError("method", self.method, "an online agent collects its own data, one goal a transition")
            if self.make_learner().value_weight == 0:
                raise ConfigError("learner", self.learner, "online agents learn by ddpg or reengage")

    def resolved(self) -> dict[str, Any]:
        """Every value as plain JSON types, with the engine's number."""
        return {**asdict(self), "engine": ENGINE}

    def hash(self) -> str:
        """Content hash of the resolved setting."""
        return content_hash(self.resolved())

    def make_construction(self) -> Construction:
        """The construction in d dimensions.

        Raises:
            ConfigError: if it is from outside this package, and this process has not loaded that source of it.
        """
        own = self.own
        if self.construction_source is not None and own is None:
            raise ConfigError("construction", self.construction, "its source has not been loaded, or has changed")
        chosen = self.construction if own is None else own.construction
        return make_construction(chosen, self.dim, self.discount, self.goal_dim)

    def make_group(self) -> HypothesisClass:
        """The hypothesis class; one that a construction brings along comes with it."""
        own = self.own
        if own is not None and own.group is not None and self._has_own_group:
            return own.group
        return HYPOTHESIS_CLASSES[self.group]

    def make_protocol(self) -> Protocol:
        """How buffers are collected."""
        return Protocol(**{f.name: getattr(self, f.name) for f in fields(Protocol)})

    def make_learner(self) -> Learner:
        """The learner with this setting's descent."""
        mixed = self.arithmetic == "mixed" or (self.arithmetic == "auto" and self.dim >= _MIXED_FROM)
        settings = DescentSettings(
            optimizer=self.optimizer, minibatch=self.minibatch, max_steps=self.max_steps, mixed=mixed
        )
        learner = LEARNERS[self.learner]
        own = {"alpha": self.alpha} if "alpha" in {f.name for f in fields(learner)} else {}
        return learner(settings=settings, **own)

    @property
    def budget(self) -> int:
        """Most trials that one search may spend."""
        return 12 * self.trials

    @property
    def unit(self) -> int:
        """Transitions in one of what N counts."""
        return self.steps_per_goal if self.count == "episodes" else 1

    @property
    def optimiser(self) -> str:
        """The optimiser as it is named in tables and figures."""
        return f"descent ({self.optimizer})" if self.method == "descent" else self.method


def _from_value_error(error: ValueError, setting: Setting) -> ConfigError:
    """An error from below, "argument: …", as an error of this module."""
    argument, _, reason = str(error).partition(": ")
    if argument in {f.name for f in fields(Setting)}:
        return ConfigError(argument, getattr(setting, argument), reason)
    return ConfigError("construction", setting.construction, str(error))


def _text(argument: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(argument, value, "expected a name")


def _one_of(argument: str, value: object, allowed: dict[str, Any]) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise ConfigError(argument, value, expected_one_of(value, allowed))


def expected_one_of(value: object, allowed: Iterable[str]) -> str:
    """What is allowed, the closest first where the value looks like a slip."""
    known = {name.lower(): name for name in allowed}
    given = str(value).lower()
    beginning = [name for name in known if given and name.startswith(given)]
    close = [known[name] for name in get_close_matches(given, list(known), n=1) or beginning[:1]]
    return f"{f'did you mean {close[0]}? ' if close else ''}expected one of: {', '.join(allowed)}"


def _whole(argument: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(argument, value, f"expected an integer >= {least}")


def _real(argument: str, value: object, holds: Any, allowed: str) -> None:
    try:
        usable = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer beyond what a float can hold
        usable = False
    if not usable or not holds(value):
        raise ConfigError(argument, value, f"expected a number with {allowed}")


def _device(name: object) -> None:
    # A file may hold anything, also what cannot be hashed.
    if not (isinstance(name, str) and _computes(name)):
        raise ConfigError("device", name, "expected a torch device that this machine has, such as cpu")


@cache
def _computes(name: str) -> bool:
    """Whether a device of that name does what learners need: some cannot, some not in double precision."""
    try:
        identity = torch.eye(2, dtype=torch.float64).to(torch.device(name))
        return float(torch.linalg.svd(identity)[1].sum()) == 2.0
    except (RuntimeError, AssertionError, ValueError, TypeError, NotImplementedError):
        return False
