"""The constructions, by name. A new one is one file and one entry of ``CONSTRUCTIONS``."""

from toyenvs.constructions.base import Construction, ReducedResiduals
from toyenvs.constructions.gradient_feedback import GradientFeedback
from toyenvs.constructions.no_reward_gradient import NoRewardGradient

__all__ = [
    "CONSTRUCTIONS",
    "Construction",
    "GradientFeedback",
    "NoRewardGradient",
    "ReducedResiduals",
    "construction_class",
]

CONSTRUCTIONS: dict[str, type[Construction]] = {c.name: c for c in (GradientFeedback, NoRewardGradient)}
"""The registered constructions by name."""


def construction_class(name: str) -> type[Construction]:
    """Look a construction up by name.

    Raises:
        ValueError: if no construction has that name.
    """
    try:
        return CONSTRUCTIONS[name]
    except KeyError:
        raise ValueError(f"construction: {name!r} is not one of {', '.join(CONSTRUCTIONS)}") from None
