"""The problem that a learner of one unknown matrix faces: construction, hypothesis class, dimension, discount."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from analysis.errors import ConfigError, require_integer, require_name, require_number, require_one_of
from toyenvs.constructions import CONSTRUCTIONS, EXTENSIONS, Construction, ProjectedGoal, Translation, make_construction
from toyenvs.constructions.user_defined import UserConstruction, load_construction, user_construction
from toyenvs.hypothesis_classes import HYPOTHESIS_CLASSES, HypothesisClass

__all__ = ["MAX_DIM", "Problem"]

MAX_DIM = 1024
"""A buffer of D transitions at this dimension takes 4 GiB a trial; larger ones are mistakes in typing."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is unknown, and what is known of it.

    Attributes:
        construction: key of ``CONSTRUCTIONS`` or ``EXTENSIONS``, or the name of a user-defined one.
        construction_source: hash of the source of a user-defined construction, see
            :mod:`toyenvs.constructions.user_defined`; None for this package's. A problem that names a source which
            this process has not loaded (it was read from a file) can be compared and shown, but not run.
        group: key of ``HYPOTHESIS_CLASSES``.
        dim: d ≥ 2.
        goal_dim: k, the dimension of goals, for the construction "projected-goal"; elsewhere None: they have d.
        discount: γ in [0, 1).
        reference: what loads a user-defined construction in another process; no part of the identity.
    """

    construction: str = "gradient-feedback"
    construction_source: str | None = None
    group: str = "so"
    dim: int = 8
    goal_dim: int | None = None
    discount: float = 0.9
    reference: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.construction_source is None:
            require_one_of("construction", self.construction, CONSTRUCTIONS | EXTENSIONS)
        else:
            require_name("construction", self.construction)
            require_name("construction_source", self.construction_source)
        user = self.user_construction
        if user is not None:
            object.__setattr__(self, "reference", user.reference)
        if self.is_known and not self._brings_its_group:
            require_one_of("group", self.group, HYPOTHESIS_CLASSES)
        require_integer("dim", self.dim, 2, MAX_DIM)
        discount = require_number("discount", self.discount, lambda x: 0 <= x < 1, "0 <= discount < 1")
        object.__setattr__(self, "discount", discount)
        if self.is_known:
            self._check_goal_dim()
            self._check_class()

    @property
    def user_construction(self) -> UserConstruction | None:
        """The user-defined construction, if it is one and has been loaded."""
        source = self.construction_source
        return None if source is None else user_construction(self.construction, source)

    @property
    def _brings_its_group(self) -> bool:
        user = self.user_construction
        return user is not None and user.group is not None and user.group.name == self.group

    @property
    def is_known(self) -> bool:
        """Whether this process can run it: the construction's formulas are there."""
        return self.construction_source is None or self.user_construction is not None

    def _check_goal_dim(self) -> None:
        projected = self.construction == ProjectedGoal.name
        if self.goal_dim is not None:
            if not projected:
                raise ConfigError("goal_dim", self.goal_dim, "only the construction projected-goal has such goals")
            require_integer("goal_dim", self.goal_dim, 1)
            if self.goal_dim > self.dim:
                raise ConfigError("goal_dim", self.goal_dim, f"expected at most dim = {self.dim}")
        elif projected:
            raise ConfigError("goal_dim", None, "the construction projected-goal needs it")

    def _check_class(self) -> None:
        group, construction = self.make_group(), self.make_construction()
        if not group.allows(self.dim):
            raise ConfigError("dim", self.dim, f"{self.group} needs {group.requirement}")
        if self.construction == Translation.name and self.group != "diagonal":
            raise ConfigError("group", self.group, "a translation is stored as a diagonal matrix; use diagonal")
        if not group.orthogonal and self.discount != 0 and construction.needs_orthogonal:
            raise ConfigError(
                "discount", self.discount, f"{self.group} is not orthogonal, so the value is right at discount 0 only"
            )
        if not construction.informative:
            raise ConfigError(
                "discount",
                self.discount,
                f"no loss of {self.construction} depends on the unknown parameter at this discount; use one above 0",
            )

    def identity(self) -> dict[str, Any]:
        """Its fields as plain JSON types."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.compare}

    def load(self) -> None:
        """Load a user-defined construction in a process that has not, such as a worker.

        Raises:
            RuntimeError: if it cannot be loaded here, or is not the one that the problem was made for.
        """
        if self.is_known:
            return
        if self.reference is None:
            raise RuntimeError(f"{self.construction} was defined in another process; use the serial executor")
        try:
            load_construction(self.reference)
        except ValueError as error:
            raise RuntimeError(f"{self.reference} cannot be loaded by a worker: {error}") from error
        if not self.is_known:
            raise RuntimeError(f"{self.reference} has changed since the run began")

    def make_construction(self) -> Construction:
        """The construction in d dimensions.

        Raises:
            ConfigError: if it is user-defined, and this process has not loaded that source of it.
        """
        user = self.user_construction
        if self.construction_source is not None and user is None:
            raise ConfigError("construction", self.construction, "its source has not been loaded, or has changed")
        chosen = self.construction if user is None else user.construction
        return make_construction(chosen, self.dim, self.discount, self.goal_dim)

    def make_group(self) -> HypothesisClass:
        """The hypothesis class; one that a construction brings along comes with it."""
        user = self.user_construction
        if user is not None and user.group is not None and self._brings_its_group:
            return user.group
        return HYPOTHESIS_CLASSES[self.group]
