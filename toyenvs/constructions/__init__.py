"""The constructions, by name. A new one is one file and one entry of ``toyenvs.registry``."""

from importlib import import_module
from typing import Any, SupportsIndex

from toyenvs.constructions.base import Construction, ReducedResiduals
from toyenvs.constructions.gradient_feedback import GradientFeedback
from toyenvs.constructions.no_reward_gradient import NoRewardGradient
from toyenvs.constructions.projected_goal import ProjectedGoal
from toyenvs.constructions.translation import Translation
from toyenvs.registry import REGISTRY

__all__ = [
    "CONSTRUCTIONS",
    "EXTENSIONS",
    "Construction",
    "GradientFeedback",
    "NoRewardGradient",
    "ProjectedGoal",
    "ReducedResiduals",
    "Translation",
    "construction_class",
    "make_construction",
]


def load(*, from_paper: bool) -> dict[str, type[Construction]]:
    """The registered constructions by name, those of the paper or the others."""
    return {
        name: getattr(import_module(entry.module), entry.class_name)
        for name, entry in REGISTRY.items()
        if entry.from_paper == from_paper
    }


CONSTRUCTIONS = load(from_paper=True)
"""The paper's constructions by name: goals of dimension d, and a reduction at every discount and target parameter."""

EXTENSIONS = load(from_paper=False)
"""Constructions beyond the paper's, by name, of which that is not so."""


def construction_class(name: str) -> type[Construction]:
    """Look a construction up by name, among the paper's and the extensions.

    Raises:
        ValueError: if no construction has that name.
    """
    known = CONSTRUCTIONS | EXTENSIONS
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"construction: {name!r} is not one of {', '.join(known)}") from None


def make_construction(
    construction: str | type[Construction],
    dim: SupportsIndex,
    discount: Any = 0.9,
    goal_dim: SupportsIndex | None = None,
) -> Construction:
    """A construction from its name, or a user-defined class.

    Args:
        construction: a name, or a class that is called with a dim and a discount.
        dim: d ≥ 2.
        discount: γ in [0, 1).
        goal_dim: k in 1..d, for :class:`ProjectedGoal`; None is the construction's own.

    Raises:
        ValueError: if an argument is outside what is allowed, or goals of the construction have dimension d only.
    """
    create = construction_class(construction) if isinstance(construction, str) else construction
    if goal_dim is None:
        return create(dim, discount)
    if not issubclass(create, ProjectedGoal):
        raise ValueError(f"goal_dim: {goal_dim!r} is not None, but {create.__name__} has no goal dimension to choose")
    return create(dim, discount, goal_dim)
